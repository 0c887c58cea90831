"""UDP ports with one peer: whom they hear, and what they refuse."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import until, within
from tests.transport.datagrams import (
    Notes,
    Words,
    errors_logged,
    families,
    in_both_words,
    plain_udp,
    received,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.transport.sockets import same_host_and_port

pytestmark = pytest.mark.without_debug


@in_both_words
@families
async def test_a_connected_port_has_one_peer(speaking: Any, host: str) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface=host)
        with plain_udp(host) as peer, plain_udp(host) as stranger:
            where = peer.getsockname()[:2]
            port.connect(*where)
            port.write(b"no address")
            port.write(b"its address", where)
            port.write(b"as a list", list(where))
            assert [(await received(peer))[0] for _ in range(3)] == [
                b"no address",
                b"its address",
                b"as a list",
            ]
            with pytest.raises(ValueError, match=str(where[1])):
                port.write(b"x", stranger.getsockname()[:2])
            with pytest.raises(ValueError):
                port.writeSequence([b"x"], stranger.getsockname()[:2])
            for refused in ("localhost", "127.0.0.1" if ":" in host else "::1"):
                with pytest.raises(words.error.InvalidAddressError):
                    port.write(b"x", (refused, where[1]))
            stranger.sendto(b"stranger", where_of(port))
            peer.sendto(b"peer", where_of(port))
            await until(lambda: notes.received)
            assert notes.received == [(b"peer", where)]


@families
async def test_an_answer_to_its_peer(host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
        port = reactor.listenUDP(0, notes, interface=host)
        with plain_udp(host) as peer:
            port.connect(*peer.getsockname()[:2])
            for data in (b"1", b"2"):
                peer.sendto(data, where_of(port))
                assert (await received(peer))[0] == data


@families
async def test_datagrams_of_strangers_that_wait_are_not_delivered(host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface=host)
        with plain_udp(host) as peer, plain_udp(host) as stranger:
            stranger.sendto(b"stranger", where_of(port))
            peer.sendto(b"peer", where_of(port))
            stranger.sendto(b"stranger", where_of(port))
            port.connect(*peer.getsockname()[:2])
            peer.sendto(b"peer again", where_of(port))
            await until(lambda: len(notes.received) >= 2)
            assert notes.received == [(data, peer.getsockname()[:2]) for data in (b"peer", b"peer again")]


@families
async def test_connecting_to_who_writes_first(host: str) -> None:
    """In the midst of a batch: those of others that wait are not delivered."""

    def first(protocol: Any, data: bytes, addr: Any) -> None:
        if len(protocol.received) == 1:
            protocol.transport.connect(*addr)

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=first)
        port = reactor.listenUDP(0, notes, interface=host)
        with plain_udp(host) as peer, plain_udp(host) as late:
            for data in (b"1", b"2"):
                peer.sendto(data, where_of(port))
                late.sendto(b"late", where_of(port))
            peer.sendto(b"3", where_of(port))
            await until(lambda: b"3" in notes.data)
            assert notes.data == [b"1", b"2", b"3"]


@families
async def test_who_was_heard_before_is_a_stranger_then(host: str) -> None:
    outcome: list[Any] = []

    def turn_to_another(protocol: Any, data: bytes, addr: Any) -> None:
        protocol.transport.connect(*other.getsockname()[:2])
        with pytest.raises(ValueError) as caught:
            protocol.transport.write(b"x", addr)
        outcome.append(caught.value)

    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(datagram=turn_to_another), interface=host)
        with plain_udp(host) as first, plain_udp(host) as other, errors_logged() as logged:
            first.sendto(b"hello", where_of(port))
            await until(lambda: outcome or logged)
        assert logged == [] and str(outcome[0])


async def test_addresses_are_compared_and_not_their_spellings() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="::1")
        with plain_udp("::1") as peer:
            number = peer.getsockname()[1]
            port.connect("0:0:0:0:0:0:0:1", number)
            peer.sendto(b"heard", where_of(port))
            await until(lambda: notes.received)
            assert notes.received == [(b"heard", ("::1", number))]
            for host in ("::1", "0:0:0:0:0:0:0:1", "0000:0000::1", "::0.0.0.1"):
                port.write(host.encode(), (host, number))
                assert (await received(peer))[0] == host.encode()
            for addr in (("::2", number), ("::1", number + 1)):
                with pytest.raises(ValueError):
                    port.write(b"x", addr)


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_any_two_spellings_of_an_address_are_the_same(
    one: ipaddress.IPv6Address, other: ipaddress.IPv6Address
) -> None:
    spellings = {one.compressed, one.exploded, one.exploded.upper()}
    for spelled in spellings:
        assert same_host_and_port((spelled, 80), (one.compressed, 80, 0, 0))
        assert not same_host_and_port((spelled, 80), (one.compressed, 81, 0, 0))
        assert same_host_and_port((spelled, 80), (other.exploded, 80)) == (one == other)


async def test_a_broadcasting_ports_peer_by_either_name() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        number = reactor.listenUDP(0, notes).getHost().port
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        with pytest.raises(PermissionError):
            port.connect("255.255.255.255", number)
        port.setBroadcastAllowed(True)
        port.connect("255.255.255.255", number)
        port.write(b"1")
        port.write(b"2", ("255.255.255.255", number))
        port.write(b"3", ("<broadcast>", number))
        await until(lambda: len(notes.received) == 3)
        with pytest.raises(ValueError):
            port.write(b"4", ("127.0.0.1", number))
        assert notes.data == [b"1", b"2", b"3"]


@in_both_words
@families
async def test_what_cannot_be_connected_to(speaking: Any, host: str) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface=host)
        other_family = "127.0.0.1" if ":" in host else "::1"
        for refused in ("localhost", "nowhere.invalid", "", "127.1", "<broadcast>", other_family):
            with pytest.raises(words.error.InvalidAddressError) as caught:
                port.connect(refused, 9)
            assert caught.value.address == refused
        for number in (-1, 65536):
            with pytest.raises((OverflowError, ValueError)):
                port.connect(host, number)
        with pytest.raises((OverflowError, ValueError)):
            port.connect(host, 0)
        for text in ("9", None):
            with pytest.raises(TypeError):
                port.connect(host, text)
        with pytest.raises(ValueError):
            port.write(b"not connected by that")
        with plain_udp(host) as peer, plain_udp(host) as other:
            for skt in (peer, other):
                skt.sendto(b"still heard", where_of(port))
            await until(lambda: len(notes.received) == 2)
            port.connect(*peer.getsockname()[:2])
            for skt in (peer, other):
                with pytest.raises(RuntimeError, match="already"):
                    port.connect(*skt.getsockname()[:2])
            port.write(b"the first one")
            assert (await received(peer))[0] == b"the first one"


async def test_a_refused_connect_leaves_the_others_heard() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with pytest.raises((OSError, ValueError, OverflowError)):
            port.connect("127.0.0.1", 0)
        with pytest.raises(OSError):
            port.connect("198.51.100.1", 9)  # which 127.0.0.1 has no way to
        with plain_udp("127.0.0.2") as other:
            other.sendto(b"hello", where_of(port))
            await until(lambda: notes.received)


async def test_a_closed_port_is_not_connected() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        await within(as_future(port.stopListening()))
        with pytest.raises(RuntimeError, match="startListening"):
            port.connect("127.0.0.1", 9)


async def test_listening_again_it_is_connected_to_nobody() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with plain_udp() as peer, plain_udp() as other:
            port.connect(*peer.getsockname())
            await within(as_future(port.stopListening()))
            port.startListening()
            with pytest.raises(ValueError):
                port.write(b"x")
            port.write(b"anybody", other.getsockname())
            assert (await received(other))[0] == b"anybody"
            for skt in (peer, other):
                skt.sendto(b"x", where_of(port))
            await until(lambda: len(notes.received) == 2)
            port.connect(*other.getsockname())


async def test_the_address_of_a_connected_port_that_was_bound_to_all() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes())
        number = port.getHost().port
        port.connect("127.0.0.1", 9)
        assert (port.getHost().host, port.getHost().port) == ("127.0.0.1", number)
