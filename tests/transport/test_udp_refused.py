"""UDP ports whose peer is not there (ICMP): what they and their protocols are told, and that they go on."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.datagrams import (
    Failing,
    Notes,
    Words,
    errors_logged,
    families,
    in_both_words,
    leave,
    linux_only,
    plain_udp,
    received,
    turn,
    unused_address,
    where_of,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import MessageLengthError

pytestmark = pytest.mark.without_debug


@linux_only
@in_both_words
@families
async def test_a_refusal_is_told_on_a_later_turn(speaking: Any, host: str) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface=host)
        port.connect(*unused_address(host))
        port.write(b"anybody?")
        assert notes.events == ["start"]
        await until(lambda: "refused" in notes.events)
        assert notes.events == ["start", "refused"]
        assert port.connected and port in reactor.getReaders()


@linux_only
@families
async def test_refused_again_and_again_it_goes_on(host: str) -> None:
    """uvloop watches a socket no more after it had an error: it must be told to."""
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface=host)
        where = unused_address(host)
        port.connect(*where)
        for count in range(1, 101):
            port.write(b"anybody?")
            await until(partial(notes.refused, count))
        with plain_udp(*where) as peer:
            for data in (b"here", b"I", b"am"):
                port.write(data)
                assert (await received(peer))[0] == data
                peer.sendto(data, where_of(port))
                await until(partial(notes.has, data))
        assert notes.events == ["start"] + ["refused"] * 100


@linux_only
async def test_refused_while_paused_it_goes_on() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        where = unused_address()
        port.connect(*where)
        for count in range(1, 11):
            port.pauseProducing()
            port.write(b"anybody?")
            for _ in range(3):
                await turn()
            assert notes.refused(count - 1)
            port.resumeProducing()
            await until(partial(notes.refused, count))
        with plain_udp(*where) as peer:
            peer.sendto(b"here", where_of(port))
            await until(lambda: notes.data == [b"here"])


@linux_only
async def test_what_has_been_received_and_a_refusal() -> None:
    """An error and datagrams wait at the same time, and all are told."""
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with plain_udp() as peer:
            where = peer.getsockname()
            port.connect(*where)
            for n in range(10):
                peer.sendto(b"%d" % n, where_of(port))
        port.write(b"too late")
        await until(lambda: len(notes.received) == 10 and "refused" in notes.events)
        with plain_udp(*where) as peer:
            peer.sendto(b"end", where_of(port))
            await until(lambda: notes.data[-1] == b"end")
        assert notes.data == [b"%d" % n for n in range(10)] + [b"end"]
        assert notes.events == ["start", "refused"]


@linux_only
@families
async def test_a_write_that_meets_an_earlier_ones_refusal_is_sent(host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface=host)
        where = unused_address(host)
        port.connect(*where)
        port.write(b"to nobody")
        with plain_udp(*where) as peer:
            port.write(b"sent all the same")
            assert notes.events == ["start"]
            assert (await received(peer))[0] == b"sent all the same"
            await until(lambda: "refused" in notes.events)
            peer.sendto(b"answer", where_of(port))
            await until(lambda: notes.data == [b"answer"])
        assert notes.events == ["start", "refused"]
        assert port.datagrams_dropped == 0


@linux_only
async def test_no_refusal_inside_write() -> None:
    inside: list[str] = []

    def refused(protocol: Any) -> None:
        if writing:
            inside.append("refused")

    async with AsyncioReactor() as reactor:
        notes = Notes(refused=refused)
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.connect(*unused_address())
        writing = False
        for _ in range(50):
            writing = True
            for _ in range(3):
                port.write(b"anybody?")
            writing = False
            await turn()
        await until(lambda: "refused" in notes.events)
    assert inside == []


@linux_only
async def test_writing_when_refused_goes_on_without_end_and_without_recursion() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(refused=lambda p: p.transport.write(b"anybody?"))
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.connect(*unused_address())
        port.write(b"anybody?")
        other_turns = 0
        while notes.events.count("refused") < 2000:
            other_turns += 1
            await within(turn())
        assert other_turns > 2  # a bounded number each


@linux_only
@pytest.mark.parametrize("how", ["stopListening", "connectionLost"])
async def test_stopping_when_refused(how: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(refused=lambda p: getattr(p.transport, how)())
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.connect(*unused_address())
        port.write(b"anybody?")
        port.write(b"anybody?")
        await until(lambda: "stop" in notes.events)
        assert notes.events == ["start", "refused", "stop"]
        assert not reactor.getReaders()


@linux_only
async def test_a_closed_port_is_refused_nothing() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.connect(*unused_address())
        for _ in range(3):
            port.write(b"anybody?")  # the second meets the first one's refusal
        port.connectionLost()
        assert not [call for call in reactor.getDelayedCalls() if call.active()]
        await asyncio.sleep(0.01)
        assert notes.events == ["start", "stop"]


@linux_only
@in_both_words
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_connection_refused_raises(speaking: Any, error: type[BaseException]) -> None:
    def fail(protocol: Any) -> None:
        raise error("mine")

    words: Words = speaking()
    notes = words.notes(refused=fail)
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        where = unused_address()
        port.connect(*where)
        for count in (1, 2):
            with errors_logged() as logged:
                port.write(b"anybody?")  # told of while reading
                await until(partial(notes.refused, count))
                await turn()
            assert len(logged) == 1 and "mine" in logged[0]
        with errors_logged() as logged:
            port.write(b"anybody?")
            port.write(b"anybody?")  # meets the refusal of the other: told of by a timer
            await until(lambda: notes.events.count("refused") >= 3)
            await asyncio.sleep(0.005)
        assert len(logged) == notes.events.count("refused") - 2 and all("mine" in each for each in logged)
        with plain_udp(*where) as peer:
            peer.sendto(b"lives", where_of(port))
            await until(lambda: notes.data == [b"lives"])


@linux_only
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_out_of_connection_refused(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], error: type[BaseException]
) -> None:
    def fail(protocol: Any) -> None:
        raise error

    loop = loop_factory()
    reactor = AsyncioReactor(loop)
    notes = Notes(refused=fail)
    port = reactor.listenUDP(0, notes, interface="127.0.0.1")
    port.connect(*unused_address())
    for times in (1, 2):  # told of while reading, and by a timer
        for _ in range(times):
            port.write(b"anybody?")
        with errors_logged() as logged, pytest.raises(error):
            loop.run_until_complete(asyncio.sleep(10))
        assert logged == [] and port.connected
    notes.hooks.clear()
    leave(loop, reactor)
    assert notes.events[-1] == "stop"


@linux_only
async def test_refused_twice_in_one_write() -> None:
    """What is refused once more as it is sent again is dropped, and counted."""
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with plain_udp() as peer:
            port.connect(*peer.getsockname())
            Failing(port, sending=(errno.ECONNREFUSED, errno.ECONNREFUSED))
            port.write(b"x")
            assert port.datagrams_dropped == 1 and notes.events == ["start"]
            await until(lambda: "refused" in notes.events)
            Failing(port, sending=(errno.ECONNREFUSED, errno.ENOBUFS))
            port.write(b"x")
            assert port.datagrams_dropped == 2
            Failing(port, sending=(errno.ECONNREFUSED, errno.EMSGSIZE))
            with pytest.raises(MessageLengthError):
                port.write(b"x")
            Failing(port, sending=(errno.EHOSTUNREACH,))  # of an earlier one
            port.write(b"sent")
            assert (await received(peer))[0] == b"sent"
            Failing(port, sending=(errno.EHOSTUNREACH, errno.EHOSTUNREACH))  # of this one
            with pytest.raises(OSError) as caught:
                port.write(b"x")
            assert caught.value.errno == errno.EHOSTUNREACH
        assert port.datagrams_dropped == 2


@linux_only
@in_both_words
async def test_who_is_connected_to_nobody_is_refused_nothing(speaking: Any) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        for _ in range(10):
            port.write(b"anybody?", unused_address())
            await turn()
        port.write(b"end", where_of(port))
        await until(lambda: notes.data == [b"end"])
        assert notes.events == ["start"]


@pytest.mark.parametrize(
    "code", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EMSGSIZE, errno.EPROTO, errno.ENOMEM, errno.EACCES]
)
async def test_other_errors_about_one_datagram_spare_the_port(code: int) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        failing = Failing(port, receiving=(code, code))
        with plain_udp() as peer:
            peer.sendto(b"hello", where_of(port))
            await until(lambda: notes.data == [b"hello"])
        assert failing.receiving == [] and notes.events == ["start"]


async def test_a_socket_that_is_unusable_is_closed_once() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        Failing(port, receiving=(errno.ENOTSOCK,) * 3)
        with plain_udp() as peer:
            peer.sendto(b"hello", where_of(port))
            await until(lambda: "stop" in notes.events)
        assert notes.events == ["start", "stop"] and notes.received == []
        assert not port.connected and port.stopListening() is None and not reactor.getReaders()
