"""The life of a port for datagrams: started, stopped, started again; and what its protocol raises then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.datagrams import (
    Notes,
    Words,
    errors_logged,
    heard,
    in_both_words,
    leave,
    nothing_left_open,
    plain_udp,
    received,
    unused_address,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.error import AlreadyListened
from twisted_compat.transport.udp import Port

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


# Starting


@in_both_words
async def test_it_can_write_and_connect_and_pause_as_it_starts(speaking: Any) -> None:
    def start(protocol: Any) -> None:
        protocol.transport.connect(*peer.getsockname())
        protocol.transport.write(b"hello")
        protocol.transport.pauseProducing()

    words: Words = speaking()
    notes = words.notes(start=start)
    async with words.reactor() as reactor:
        with plain_udp() as peer:
            port = reactor.listenUDP(0, notes, interface="127.0.0.1")
            assert await received(peer) == (b"hello", where_of(port))
            assert port not in reactor.getReaders()
            peer.sendto(b"answer", where_of(port))
            port.resumeProducing()
            await until(lambda: notes.data == [b"answer"])


@in_both_words
async def test_it_can_be_stopped_as_it_starts(speaking: Any) -> None:
    words: Words = speaking()
    results: list[Any] = []
    notes = words.notes(start=lambda p: results.append(p.transport.stopListening()))
    async with words.reactor() as reactor:
        with nothing_left_open():
            port = reactor.listenUDP(0, notes, interface="127.0.0.1")
            port.write(b"x", where_of(port))
            assert notes.events == ["start"]
            await until(lambda: results[0].called)
        assert notes.events == ["start", "stop"] and notes.received == []


@in_both_words
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, KeyboardInterrupt, SystemExit])
async def test_start_protocol_raises(speaking: Any, error: type[BaseException]) -> None:
    def fail(protocol: Any) -> None:
        if not protocol.received:
            raise error("mine")

    words: Words = speaking()
    notes: Any = words.notes(start=fail)
    async with words.reactor() as reactor:
        for listen in (reactor.listenUDP, reactor.listenMulticast):
            with errors_logged() as logged, nothing_left_open(), pytest.raises(error, match="mine"):
                listen(0, notes, interface="127.0.0.1")
            assert logged == [] and not reactor.getReaders()
        assert notes.events == ["start"] * 2 and notes.transport is None
        await asyncio.sleep(0.005)
        notes.hooks.clear()
        await heard(reactor.listenUDP(0, notes, interface="127.0.0.1"), notes)  # it may try again


async def test_start_protocol_stops_and_raises() -> None:
    def fail(protocol: Any) -> None:
        stopped.append(protocol.transport.stopListening())
        raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        stopped: list[Any] = []
        notes = Notes(start=fail)
        port = Port(0, notes, "127.0.0.1", reactor=reactor)
        with nothing_left_open(), pytest.raises(ZeroDivisionError):
            port.startListening()
        await until(lambda: stopped[0].called)
        stopped[0].addErrback(lambda failure: None)
        assert not reactor.getDelayedCalls()
        notes.hooks.clear()
        port.startListening()
        await heard(port, notes)
        await within(as_future(port.stopListening()))
        assert notes.events == ["start", "start", "stop"]


@in_both_words
async def test_a_protocol_is_on_one_port_at_a_time(speaking: Any) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with nothing_left_open(), pytest.raises(AssertionError):
            reactor.listenUDP(0, notes, interface="127.0.0.1")
        assert notes.transport is port and reactor.getReaders() == [port]
        await heard(port, notes)
        await within(as_future(port.stopListening()))
        await heard(reactor.listenUDP(0, notes, interface="127.0.0.1"), notes)
        assert notes.events == ["start", "stop", "start"]


async def test_listening_twice() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with nothing_left_open(), pytest.raises(AlreadyListened, match="listenUDP"):
            port.startListening()
        await heard(port, notes)


@in_both_words
async def test_listening_again(speaking: Any) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    async with words.reactor() as reactor:
        number = unused_address()[1]
        port = reactor.listenUDP(number, notes, interface="127.0.0.1")
        for _ in range(3):
            await within(as_future(port.stopListening()))
            port.startListening()
            assert port.getHost().port == number and notes.transport is port
            await heard(port, notes)
        assert notes.events == ["start", "stop"] * 3 + ["start"]


async def test_it_is_not_watched_for_writing() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        port.write(b"x", where_of(port))
        assert not reactor.getWriters()
        with pytest.raises(RuntimeError, match="at once"):
            port.doWrite()


# Stopping


@in_both_words
@pytest.mark.parametrize("how", ["stopListening", "loseConnection"])
async def test_stopping_takes_a_turn(speaking: Any, how: str) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        where = where_of(port)
        first, second = getattr(port, how)(), getattr(port, how)()
        assert not first.called and notes.events == ["start"] and notes.transport is port
        told: list[Any] = []
        for each in (first, second):
            each.addCallback(lambda result: told.append((result, list(notes.events))))
        await until(lambda: len(told) == 2)
        assert told == [(None, ["start", "stop"])] * 2
        assert getattr(port, how)() is None
        assert notes.transport is None and not reactor.getReaders()
        with plain_udp(*where):  # it is free again
            pass


async def test_a_port_that_never_listened_has_nothing_to_stop() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = Port(0, notes, "127.0.0.1", reactor=reactor)
        assert port.stopListening() is None and port.loseConnection() is None
        port.connectionLost()
        assert notes.events == []


async def test_lost_at_once() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with plain_udp(*unused_address()) as peer:
            peer.sendto(b"x", where_of(port))
        stopped = port.stopListening()
        port.connectionLost()
        assert stopped.called and notes.events == ["start", "stop"] and port.fileno() == -1
        assert not reactor.getDelayedCalls()
        port.connectionLost(None)
        await asyncio.sleep(0.005)
        assert notes.events == ["start", "stop"] and notes.received == []


@in_both_words
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_stop_protocol_raises(speaking: Any, error: type[BaseException]) -> None:
    """Those who wait are told; the socket is closed."""

    def fail(protocol: Any) -> None:
        raise error("mine")

    words: Words = speaking()
    async with words.reactor() as reactor:
        with errors_logged() as logged, nothing_left_open():
            port = reactor.listenUDP(0, words.notes(stop=fail), interface="127.0.0.1")
            told: list[Any] = []
            for each in (port.stopListening(), port.stopListening()):
                each.addErrback(told.append)
            await until(lambda: len(told) == 2)
            assert all(failure.check(error) for failure in told)
            assert port.stopListening() is None
            with pytest.raises(error):  # to who closes it without asking
                reactor.listenUDP(0, words.notes(stop=fail), interface="127.0.0.1").connectionLost()
        assert logged == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_out_of_stop_protocol(
    loop_factory: LoopFactory, error: type[BaseException]
) -> None:
    def fail(protocol: Any) -> None:
        raise error

    with nothing_left_open():
        loop = loop_factory()
        reactor = AsyncioReactor(loop)
        port = reactor.listenUDP(0, Notes(stop=fail), interface="127.0.0.1")
        told: list[Any] = []
        port.stopListening().addBoth(told.append)
        with pytest.raises(error):
            loop.run_until_complete(asyncio.sleep(10))
        loop.run_until_complete(until(lambda: told))  # nobody waits for ever
        leave(loop, reactor)


@in_both_words
async def test_a_callback_of_the_stop_may_listen_again(speaking: Any) -> None:
    words: Words = speaking()
    notes: Any = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        late: list[Any] = []
        port.stopListening().addCallback(lambda _: port.startListening())
        port.stopListening().addCallback(lambda _: late.append(port.connected))
        await until(lambda: late)
        assert late == [1]
        await heard(port, notes)
        assert notes.events == ["start", "stop", "start"]


async def test_stop_protocol_may_listen_again() -> None:
    def again(protocol: Any) -> None:
        if protocol.events.count("stop") == 1:
            asyncio.get_running_loop().call_soon(port.startListening)

    async with AsyncioReactor() as reactor:
        notes = Notes(stop=again)
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        await within(as_future(port.stopListening()))
        await until(lambda: port.connected)
        await heard(port, notes)
