"""Ports for datagrams on sockets that somebody else has made."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.datagrams import (
    Notes,
    Words,
    families,
    heard,
    in_both_words,
    nothing_left_open,
    plain_udp,
    received,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@in_both_words
@families
async def test_adopting(speaking: Any, host: str) -> None:
    words: Words = speaking()
    notes = words.notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
    async with words.reactor() as reactor:
        with plain_udp(host) as original, plain_udp(host) as peer:
            original.setblocking(True)
            with nothing_left_open():
                where = original.getsockname()
                peer.sendto(b"early", where)
                port = reactor.adoptDatagramPort(original.fileno(), original.family, notes)
                assert notes.events == ["start"] and port.fileno() != original.fileno()
                assert not port.getHandle().get_inheritable()
                assert (port.getHost().host, port.getHost().port) == where[:2]
                assert port.getHost().type == "UDP"
                for data in (b"early", b"late"):
                    if data == b"late":
                        peer.sendto(data, where)
                    assert await received(peer) == (data, where)
                await within(as_future(port.stopListening()))
                assert notes.events == ["start", "stop"]
            original.setblocking(False)
            peer.sendto(b"the original's", where)  # which is usable
            assert (await received(original))[0] == b"the original's"
            original.sendto(b"answer", peer.getsockname())
            assert (await received(peer))[0] == b"answer"


async def test_an_adopted_port_cuts_what_is_too_long() -> None:
    async with AsyncioReactor() as reactor:
        with plain_udp() as original:
            notes = Notes()
            port = reactor.adoptDatagramPort(original.fileno(), socket.AF_INET, notes, maxPacketSize=3)
            with plain_udp() as peer:
                peer.sendto(b"hello", where_of(port))
                await until(lambda: notes.data == [b"hel"])


@in_both_words
async def test_what_cannot_be_adopted(speaking: Any) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    async with words.reactor() as reactor:
        with plain_udp() as ipv4, plain_udp("::1") as ipv6, socket.socket() as stream:
            reading, writing = os.pipe()
            with nothing_left_open():
                for family in (-1, 9999, getattr(socket, "AF_PACKET", 17)):
                    with pytest.raises(words.error.UnsupportedAddressFamily):
                        reactor.adoptDatagramPort(ipv4.fileno(), family, notes)
                for number in (-1, reading, 1 << 20):
                    with pytest.raises(OSError):
                        reactor.adoptDatagramPort(number, socket.AF_INET, notes)
                with pytest.raises((OSError, words.error.UnsupportedSocketType)):
                    reactor.adoptDatagramPort(stream.fileno(), socket.AF_INET, notes)
                for original, family in ((ipv4, socket.AF_INET6), (ipv6, socket.AF_INET)):
                    with pytest.raises((OSError, words.error.UnsupportedAddressFamily)):
                        reactor.adoptDatagramPort(original.fileno(), family, notes)
                for original in (ipv4, ipv6):
                    with pytest.raises(ZeroDivisionError):
                        failing = words.notes(start=lambda p: 1 // 0)
                        reactor.adoptDatagramPort(original.fileno(), original.family, failing)
            assert notes.events == [] and notes.transport is None
            os.close(reading)
            os.close(writing)
            assert not reactor.getReaders()


async def test_an_adopted_port_that_is_started_again_has_no_socket_of_its_own() -> None:
    """It was given one socket, once: the second is its own, on a port of the system's choice."""
    async with AsyncioReactor() as reactor:
        with plain_udp() as original:
            notes = Notes()
            port = reactor.adoptDatagramPort(original.fileno(), socket.AF_INET, notes)
            await within(as_future(port.stopListening()))
            port.startListening()
            assert port.getHost().port != original.getsockname()[1]
            await heard(port, notes)
