"""Receiving datagrams: in what portions, what a protocol may do in the midst of them, and what it raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import until, within
from tests.transport.datagrams import (
    Notes,
    Words,
    errors_logged,
    families,
    in_both_words,
    leave,
    nothing_left_open,
    plain_udp,
    received,
    turn,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.error import ConnectionDone

pytestmark = pytest.mark.without_debug

BATCH = 20
NEVER_ENDING = 50_000  # lest a test that fails never ends


def send(port: Any, count: int = BATCH, size: int = 1) -> None:
    """Have that many datagrams wait at a UDP port: they are numbered, and the loop has not turned."""
    with plain_udp() as peer:
        for n in range(count):
            peer.sendto(bytes([n]) * size, where_of(port))


def numbered(*numbers: int) -> list[bytes]:
    return [bytes([n]) for n in numbers]


# In portions


async def test_in_their_order() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        send(reactor.listenUDP(0, notes, interface="127.0.0.1"), 200)
        await until(lambda: len(notes.received) == 200)
        assert notes.data == numbered(*range(200))


async def test_a_turn_receives_a_bounded_number_of_bytes() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.maxThroughput = 1000
        send(port, 6, size=400)
        counts = []
        for _ in range(4):
            port.doRead()
            counts.append(len(notes.received))
        assert counts == [3, 6, 6, 6]


@in_both_words
@pytest.mark.parametrize("size", [0, 1, 8000])
async def test_others_get_their_turn_though_datagrams_never_end(speaking: Any, size: int) -> None:
    """Each datagram that is received sends another, so that there is always one more."""
    words: Words = speaking()
    turns: list[int] = []

    def again(protocol: Any, data: bytes, addr: Any) -> None:
        if len(protocol.received) < NEVER_ENDING:
            protocol.transport.write(data, addr)

    notes = words.notes(datagram=again)
    other = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        for _ in range(10):
            port.write(b"x" * size, where_of(port))
        await until(lambda: notes.received)
        reactor.callLater(0, turns.append, len(notes.received))
        asyncio.get_running_loop().call_soon(turns.append, len(notes.received))
        other_port = reactor.listenUDP(0, other, interface="127.0.0.1")
        port.write(b"hello", where_of(other_port))
        await until(lambda: len(turns) == 2 and other.received)
        assert len(notes.received) < NEVER_ENDING
        await within(as_future(port.stopListening()))


# In the midst of them


@in_both_words
@pytest.mark.parametrize("how", ["stopListening", "loseConnection", "stopProducing", "connectionLost"])
async def test_after_the_stop_nothing_is_delivered(speaking: Any, how: str) -> None:
    def stop(protocol: Any, data: bytes, addr: Any) -> None:
        if data == bytes([2]):
            results.append(getattr(protocol.transport, how)())

    words: Words = speaking()
    results: list[Any] = []
    notes = words.notes(datagram=stop)
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with nothing_left_open():
            send(port)
        await until(lambda: "stop" in notes.events)
        assert notes.data == numbered(0, 1, 2)
        assert notes.events == ["start", "stop"] and notes.transport is None
        assert not reactor.getReaders() and port.fileno() == -1
        if how in ("stopListening", "loseConnection"):
            assert results[0].called


@in_both_words
@pytest.mark.parametrize(
    ("pause", "resume"), [("pauseProducing", "resumeProducing"), ("stopReading", "startReading")]
)
async def test_paused_in_the_midst_they_wait(speaking: Any, pause: str, resume: str) -> None:
    def at_the_third(protocol: Any, data: bytes, addr: Any) -> None:
        if data in (bytes([2]), bytes([5])):
            getattr(protocol.transport, pause)()

    words: Words = speaking()
    notes = words.notes(datagram=at_the_third)
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        send(port)
        await until(lambda: len(notes.received) == 3)
        await asyncio.sleep(0.005)
        assert notes.data == numbered(0, 1, 2) and not reactor.getReaders()
        getattr(port, resume)()
        await until(lambda: len(notes.received) == 6)
        await asyncio.sleep(0.005)
        assert notes.data == numbered(*range(6))
        getattr(port, resume)()
        await until(lambda: len(notes.received) == BATCH)
        assert notes.data == numbered(*range(BATCH))


async def test_paused_and_resumed_in_the_same_call() -> None:
    def both(protocol: Any, data: bytes, addr: Any) -> None:
        protocol.transport.pauseProducing()
        protocol.transport.resumeProducing()

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=both)
        send(reactor.listenUDP(0, notes, interface="127.0.0.1"))
        await until(lambda: len(notes.received) == BATCH)
        assert notes.data == numbered(*range(BATCH))


@given(st.lists(st.sampled_from(["", "", "pause", "both", "raise", "pause and raise", "turn"]), max_size=60))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_in_between_all_arrive_once_and_in_order(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], script: list[str]
) -> None:
    def act(protocol: Any, data: bytes, addr: Any) -> None:
        action = script[data[0]]
        if action == "turn":
            reactor.callLater(0, protocol.transport.pauseProducing)
        if "pause" in action or action == "both":
            protocol.transport.pauseProducing()
        if action == "both":
            protocol.transport.resumeProducing()
        if "raise" in action:
            raise ArithmeticError

    def all_are_here() -> bool:
        if port not in reactor.getReaders():
            port.resumeProducing()
        return len(notes.received) >= len(script)

    loop = loop_factory()
    reactor = AsyncioReactor(loop)
    notes = Notes(datagram=act)
    port = reactor.listenUDP(0, notes, interface="127.0.0.1")
    send(port, len(script))
    with errors_logged() as logged:
        loop.run_until_complete(until(all_are_here))
        leave(loop, reactor)
    assert notes.data == numbered(*range(len(script)))
    assert len(logged) == sum("raise" in action for action in script)


async def test_a_paused_port_is_stopped_all_the_same() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        port.pauseProducing()
        send(port)
        await within(as_future(port.stopListening()))
        assert notes.events == ["start", "stop"] and notes.received == []


async def test_whoever_is_asked_to_stop_is_not_resumed() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(
            datagram=lambda p, data, addr: (p.transport.stopListening(), p.transport.resumeProducing())
        )
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        send(port)
        await until(lambda: "stop" in notes.events)
        assert notes.data == numbered(0)
        port.resumeProducing()  # of a closed one: nothing to resume
        assert not reactor.getReaders()


async def test_writing_in_the_midst_goes_out_in_order() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUDP(
            0, Notes(datagram=lambda p, data, addr: p.transport.write(data * 2, addr)), interface="127.0.0.1"
        )
        with plain_udp() as peer:
            for n in range(BATCH):
                peer.sendto(bytes([n]), where_of(port))
            got = [(await received(peer))[0] for _ in range(BATCH)]
        assert got == [bytes([n, n]) for n in range(BATCH)]


async def test_closed_and_opened_again_in_the_midst() -> None:
    def reopen(protocol: Any, data: bytes, addr: Any) -> None:
        if data == bytes([1]):
            port.connectionLost()
            port.startListening()

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=reopen)
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        send(port)
        await until(lambda: len(notes.received) == 2)
        await turn()
        assert port.connected and notes.events == ["start", "stop", "start"]
        send(port, 1)
        await until(lambda: notes.data == numbered(0, 1, 0))


@in_both_words
async def test_another_protocol_in_its_place(speaking: Any) -> None:
    """As of the next datagram; it is the new one's to be stopped."""

    def hand_over(protocol: Any, data: bytes, addr: Any) -> None:
        if data == bytes([1]):
            port = protocol.transport
            protocol.doStop()
            port.protocol = successor
            successor.makeConnection(port)

    words: Words = speaking()
    first, successor = words.notes(datagram=hand_over), words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, first, interface="127.0.0.1")
        send(port)
        await until(lambda: len(successor.received) == BATCH - 2)
        assert first.data == numbered(0, 1) and successor.data == numbered(*range(2, BATCH))
        await within(as_future(port.stopListening()))
    assert first.events == successor.events == ["start", "stop"]


@families
async def test_empty_datagrams_are_datagrams(host: str) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
        port = reactor.listenUDP(0, notes, interface=host)
        with plain_udp(host) as peer:
            for _ in range(3):
                peer.sendto(b"", where_of(port))
            assert [await received(peer) for _ in range(3)] == [(b"", port.getHandle().getsockname())] * 3
        assert notes.received == [(b"", notes.received[0][1])] * 3


# What protocols raise


@in_both_words
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit, OSError])
async def test_datagram_received_raises(speaking: Any, error: type[BaseException]) -> None:
    """Logged, once; the next datagram is delivered, also of those that wait already."""

    def fail(protocol: Any, data: bytes, addr: Any) -> None:
        if data in (bytes([0]), bytes([3])):
            raise error("mine")

    words: Words = speaking()
    notes = words.notes(datagram=fail)
    async with words.reactor() as reactor:
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with errors_logged() as logged:
            send(port)
            await until(lambda: len(notes.received) == BATCH)
        assert len(logged) == 2 and all("mine" in each for each in logged)
        assert notes.data == numbered(*range(BATCH)) and notes.events == ["start"]


async def test_a_blocking_io_error_of_the_protocol_is_the_protocols() -> None:
    """It does not look like the end of what there is to receive."""

    def fail(protocol: Any, data: bytes, addr: Any) -> None:
        raise BlockingIOError("mine")

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=fail)
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with errors_logged() as logged:
            send(port, 3)
            port.doRead()
        assert len(notes.received) == len(logged) == 3


async def test_a_coroutine_function_is_not_run_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Waiting(Notes):
        async def datagramReceived(  # type: ignore[override]  # which is the mistake
            self, datagram: bytes, addr: Any = None
        ) -> None:
            super().datagramReceived(datagram, addr)

    async with AsyncioReactor() as reactor:
        notes = Waiting()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        send(port, 1)
        await until(lambda: caplog.records)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "ensure_future" in caplog.text and notes.received == [] and port.connected


async def test_other_results_mean_nothing() -> None:
    class Returning(Notes):
        def datagramReceived(self, datagram: bytes, addr: Any = None) -> Any:
            super().datagramReceived(datagram, addr)
            return ConnectionDone() if datagram == bytes([1]) else -1

    async with AsyncioReactor() as reactor:
        notes = Returning()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        with errors_logged() as logged:
            send(port, 4)
            await until(lambda: len(notes.received) == 4)
        assert logged == [] and port.connected


async def test_datagram_received_stops_and_raises() -> None:
    def fail(protocol: Any, data: bytes, addr: Any) -> None:
        protocol.transport.stopListening()
        raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=fail)
        with errors_logged() as logged:
            send(reactor.listenUDP(0, notes, interface="127.0.0.1"))
            await until(lambda: "stop" in notes.events)
        assert len(logged) == len(notes.received) == 1


@in_both_words
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_out_of_datagram_received(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], speaking: Any, error: type[BaseException]
) -> None:
    """And the rest is delivered if it goes on."""

    def fail(protocol: Any, data: bytes, addr: Any) -> None:
        if data == bytes([1]):
            raise error

    words: Words = speaking()
    loop = loop_factory()
    reactor = words.reactor(loop)
    notes = words.notes(datagram=fail)
    port = reactor.listenUDP(0, notes, interface="127.0.0.1")
    send(port, 4)
    with errors_logged() as logged:
        with pytest.raises(error):
            loop.run_until_complete(asyncio.sleep(10))
        loop.run_until_complete(until(lambda: len(notes.received) == 4))
        port.stopListening()
        loop.run_until_complete(until(lambda: "stop" in notes.events))
    assert notes.data == numbered(0, 1, 2, 3) and logged == []
    leave(loop, reactor)
