"""Stopping, the same for every kind of port: who waits for it is told, once, and on a later turn."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support import no_reference_cycles, until, within
from tests.transport.datagrams import Notes, errors_logged, nothing_left_open, turn
from tests.transport.recorders import Listening
from twisted_compat import AsyncioReactor
from twisted_compat.defer import Deferred
from twisted_compat.error import ConnectionDone
from twisted_compat.failure import Failure
from twisted_compat.transport.closing import Closing

pytestmark = pytest.mark.without_debug


class Serving:
    """What a port serves, factory or protocol, as far as closing goes: ``on_stop`` is what stopping does."""

    def __init__(self, kind: str) -> None:
        self.on_stop: Any = lambda: None
        self.stops = 0
        served: Any = Listening() if kind in ("TCP", "UNIX") else Notes()
        self.served = served
        name = "stopFactory" if kind in ("TCP", "UNIX") else "stopProtocol"
        setattr(served, name, self._stopped)

    def _stopped(self) -> None:
        self.stops += 1
        self.on_stop()


KINDS = ["TCP", "UDP", "multicast", "UNIX", "UNIX datagrams"]
of_every_kind = pytest.mark.parametrize("kind", KINDS)


def listen(kind: str, reactor: Any, place: Path) -> tuple[Any, Serving]:
    """A port of that kind, and what it serves."""
    serving = Serving(kind)
    if kind == "TCP":
        port = reactor.listenTCP(0, serving.served, interface="127.0.0.1")
    elif kind == "UDP":
        port = reactor.listenUDP(0, serving.served, interface="127.0.0.1")
    elif kind == "multicast":
        port = reactor.listenMulticast(0, serving.served, interface="127.0.0.1")
    elif kind == "UNIX":
        port = reactor.listenUNIX(place / "stream", serving.served)
    else:
        port = reactor.listenUNIXDatagram(place / "datagrams", serving.served)
    return port, serving


# Of real ports


@of_every_kind
async def test_everybody_who_asks_is_told_on_a_later_turn(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open():
            port, serving = listen(kind, reactor, tmp_path)
            asked = [port.stopListening(), port.loseConnection(), port.stopListening()]
            assert len({id(deferred) for deferred in asked}) == 3
            assert serving.stops == 0 and port.connected and not any(each.called for each in asked)
            told: list[Any] = []
            for number, deferred in enumerate(asked):
                deferred.addCallback(lambda result, n=number: told.append((n, result, serving.stops)))
            await until(lambda: len(told) == 3)
            assert told == [(n, None, 1) for n in range(3)]
            assert port.stopListening() is None and port.loseConnection() is None


@of_every_kind
async def test_each_deferred_is_its_own(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port, _ = listen(kind, reactor, tmp_path)
        first, second = port.stopListening(), port.stopListening()
        first.addCallback(lambda _: 1 // 0)
        second.addCallback(lambda result: (result, "fine"))
        assert await within(second) == (None, "fine")
        with pytest.raises(ZeroDivisionError):
            await within(first)


@of_every_kind
async def test_whoever_gives_up_waiting_stops_nothing(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port, serving = listen(kind, reactor, tmp_path)
        given_up, kept = port.stopListening(), port.stopListening()
        given_up.addErrback(lambda failure: None)
        given_up.cancel()
        assert await within(kept) is None
        assert serving.stops == 1 and not port.connected


@of_every_kind
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_what_stopping_raises_everybody_is_told(
    kind: str, error: type[BaseException], tmp_path: Path
) -> None:
    def fail() -> None:
        raise error("mine")

    async with AsyncioReactor() as reactor:
        with errors_logged() as logged, nothing_left_open():
            port, serving = listen(kind, reactor, tmp_path)
            serving.on_stop = fail
            told: list[Any] = []
            for deferred in (port.stopListening(), port.stopListening()):
                deferred.addErrback(told.append)
            await until(lambda: len(told) == 2)
            assert all(failure.check(error) for failure in told)
            assert not port.connected and port.fileno() == -1
        assert logged == []


@of_every_kind
async def test_if_nobody_asked_who_closed_it_is_told_what_stopping_raises(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open():
            port, serving = listen(kind, reactor, tmp_path)
            serving.on_stop = lambda: 1 // 0
            with pytest.raises(ZeroDivisionError):
                port.connectionLost(Failure(ConnectionDone()))
            assert not port.connected and serving.stops == 1


@of_every_kind
async def test_lost_before_the_turn_comes(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port, serving = listen(kind, reactor, tmp_path)
        deferred = port.stopListening()
        port.connectionLost(Failure(ConnectionDone()))
        assert deferred.called and serving.stops == 1
        assert not [call for call in reactor.getDelayedCalls() if call.active()]
        port.connectionLost(Failure(ConnectionDone()))
        await turn()
        assert serving.stops == 1


@of_every_kind
async def test_asked_again_while_it_stops(kind: str, tmp_path: Path) -> None:
    """By what it serves, and by who is told: there is nothing left to wait for."""
    answers: list[Any] = []
    async with AsyncioReactor() as reactor:
        port, serving = listen(kind, reactor, tmp_path)
        serving.on_stop = lambda: answers.append(port.stopListening())
        deferred = port.stopListening()
        deferred.addCallback(lambda _: answers.append(port.stopListening()))
        await until(lambda: len(answers) == 2)
        assert answers == [None, None] and serving.stops == 1


@of_every_kind
async def test_listening_again_and_stopping_again(kind: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port, serving = listen(kind, reactor, tmp_path)
        for count in range(1, 4):
            deferred = port.stopListening()
            if kind == "UNIX datagrams":
                deferred.addCallback(lambda _: (tmp_path / "datagrams").unlink())  # it stays, as in Twisted
            deferred.addCallback(lambda _: port.startListening())
            await within(deferred)
            assert serving.stops == count and port.connected
            assert port in reactor.getReaders()


@of_every_kind
async def test_nothing_is_left_for_the_collector(kind: str, tmp_path: Path) -> None:
    async def once() -> None:
        port, serving = listen(kind, reactor, tmp_path)
        done: list[Any] = []
        port.stopListening().addCallback(done.append)
        await until(lambda: done)
        vars(serving).clear()  # it and what it serves know each other
        (tmp_path / "datagrams").unlink(missing_ok=True)  # which stays, as in Twisted

    async with AsyncioReactor() as reactor:
        await once()
        await turn()
        with no_reference_cycles():
            await once()
            await turn()


async def test_nothing_is_left_for_the_collector_if_stopping_raises() -> None:
    async def once() -> None:
        port = reactor.listenUDP(0, Notes(stop=lambda protocol: 1 // 0), interface="127.0.0.1")
        told: list[Any] = []
        for _ in range(2):
            port.stopListening().addErrback(lambda failure: told.append(failure.type))
        await until(lambda: len(told) == 2)

    async with AsyncioReactor() as reactor:
        await once()
        await turn()
        with no_reference_cycles():
            await once()
            await turn()


async def test_the_reactor_stops_with_every_kind_of_port(tmp_path: Path) -> None:
    reactor = AsyncioReactor()
    with nothing_left_open(), errors_logged() as logged:
        async with reactor:
            made = [listen(kind, reactor, tmp_path) for kind in KINDS]
            made[1][0].pauseProducing()
            made[2][0].stopListening()
    assert [serving.stops for _, serving in made] == [1] * len(KINDS)
    assert not any(port.connected for port, _ in made) and logged == []


# Of the part itself


class Clock:
    """A reactor as far as closing needs one, and a port on it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.lost: list[Any] = []
        self.reactor = self

    from twisted_compat.vocabulary import NATIVE as vocabulary

    def callLater(self, delay: float, function: Any, *args: Any) -> Any:
        assert delay == 0
        call = Call(function, args)
        self.calls.append(call)
        return call

    def connectionLost(self, reason: Any) -> None:
        self.lost.append(reason)


class Call:
    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args
        self.cancelled = self.called = False

    def active(self) -> bool:
        return not (self.cancelled or self.called)

    def cancel(self) -> None:
        assert self.active()
        self.cancelled = True

    def run(self) -> None:
        self.called = True
        self.function(*self.args)


def test_it_is_begun_until_it_is_done() -> None:
    port, closing = Clock(), Closing()
    assert not closing.begun
    first = closing.ask(port)
    assert closing.begun and isinstance(first, Deferred)
    second = closing.ask(port, Failure(ZeroDivisionError()))
    assert len(port.calls) == 1
    port.calls[0].run()
    assert [reason.type for reason in port.lost] == [ConnectionDone]
    assert closing.begun and not first.called
    stopped: list[bool] = []
    closing.done(port, lambda: stopped.append(closing.begun))
    assert stopped == [False] and first.called and second.called and not closing.begun


def test_the_reason_that_was_given() -> None:
    port, closing = Clock(), Closing()
    reason = Failure(ZeroDivisionError())
    closing.ask(port, reason)
    port.calls[0].run()
    assert port.lost == [reason]


def test_the_call_is_cancelled_if_it_is_done_before() -> None:
    port, closing = Clock(), Closing()
    deferred = closing.ask(port)
    closing.done(port, lambda: None)
    assert port.calls[0].cancelled and deferred.called
    closing.ask(port)  # it can begin again
    assert len(port.calls) == 2


def test_done_with_nobody_waiting() -> None:
    closing = Closing()
    stopped: list[Any] = []
    closing.done(Clock(), lambda: stopped.append(1))
    assert stopped == [1]
    with pytest.raises(ZeroDivisionError):
        closing.done(Clock(), lambda: 1 // 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_out_and_everybody_is_told(error: type[BaseException]) -> None:
    def stop() -> None:
        raise error

    port, closing = Clock(), Closing()
    told: list[Any] = []
    closing.ask(port).addBoth(told.append)
    with pytest.raises(error):
        closing.done(port, stop)
    assert len(told) == 1 and not closing.begun
