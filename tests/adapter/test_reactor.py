"""The reactor as a whole: taking a loop, starting, stopping, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface import providedBy
from zope.interface.verify import verifyObject

from tests.support import until, within
from twisted_compat import AsyncioReactor, current_reactor
from twisted_compat.defer import Deferred
from twisted_compat.error import (
    ConnectError,
    ConnectionDone,
    ReactorAlreadyRunning,
    ReactorNotRestartable,
    ReactorNotRunning,
)
from twisted_compat.failure import Failure
from twisted_compat.interfaces import IReactorCore, IReactorTCP
from twisted_compat.protocol import ClientFactory, Factory, Protocol

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Recorder(Protocol):
    def __init__(self) -> None:
        self.lost: list[Failure] = []
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        self.lost.append(reason)


class Recording(Factory):
    def __init__(self) -> None:
        self.made: list[Recorder] = []
        self.stops = 0

    def buildProtocol(self, addr: Any) -> Recorder:
        self.made.append(Recorder())
        return self.made[-1]

    def stopFactory(self) -> None:
        self.stops += 1


class Dialing(ClientFactory):
    """A client factory that notes what it is told."""

    def __init__(self) -> None:
        self.made: list[Recorder] = []
        self.failed: list[Failure] = []

    def buildProtocol(self, addr: Any) -> Recorder:
        self.made.append(Recorder())
        return self.made[-1]

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.failed.append(reason)


# Interfaces


async def test_everything_claimed_is_provided_while_it_runs() -> None:
    async with AsyncioReactor() as reactor:
        claimed = list(providedBy(reactor))
        assert {IReactorCore, IReactorTCP} <= set(claimed)
        for interface in claimed:
            assert verifyObject(interface, reactor)


def test_everything_claimed_is_provided_before_it_has_a_loop() -> None:
    reactor = AsyncioReactor()
    for interface in (i for i in providedBy(reactor) if "nameResolver" not in i):
        assert verifyObject(interface, reactor)


# Taking a loop


async def test_many_times_on_one_loop_nothing_is_left() -> None:
    async def once() -> None:
        async with AsyncioReactor() as reactor:
            factory = Recording()
            port = reactor.listenTCP(0, factory)
            client = Dialing()
            reactor.connectTCP("127.0.0.1", port.getHost().port, client)
            reactor.callLater(3600, print)
            await until(lambda: factory.made and client.made)
        assert factory.made[0].lost and client.made[0].lost and factory.stops == 1

    await within(once())
    before = descriptors(), len(asyncio.all_tasks()), threading.active_count()
    for _ in range(5):
        await within(once())
    assert (descriptors(), len(asyncio.all_tasks()), threading.active_count()) == before


def test_many_loops_one_after_the_other(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor()
    for _ in range(3):

        async def attached() -> AsyncioReactor:
            async with reactor:
                assert reactor.running
                assert reactor.loop is asyncio.get_running_loop()
                return current_reactor()

        loop = loop_factory()
        assert loop.run_until_complete(within(attached())) is reactor
        assert not reactor.running
        loop.close()


async def test_a_second_reactor_on_the_loop_names_the_first() -> None:
    async with AsyncioReactor() as reactor:
        assert current_reactor() is reactor
        with pytest.raises(RuntimeError, match=r"made at .*test_reactor\.py:\d+.*current_reactor"):
            AsyncioReactor()
    async with AsyncioReactor() as again:
        assert again is not reactor


def test_a_closed_loop_is_refused() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed event loop"):
        AsyncioReactor(loop)


def test_a_loop_that_cannot_watch_is_refused() -> None:
    class Proactor(asyncio.AbstractEventLoop):
        def is_closed(self) -> bool:
            return False

        def get_debug(self) -> bool:
            return False

    with pytest.raises(RuntimeError, match=r"no add_reader.*\bloop_factory="):
        AsyncioReactor(Proactor())


def test_a_loop_closed_under_live_connections(
    loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    reactor = AsyncioReactor()
    factory, client = Recording(), Dialing()

    async def leave_open() -> None:
        port = reactor.listenTCP(0, factory)
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)
        await until(lambda: factory.made and client.made)

    loop = loop_factory()
    loop.run_until_complete(within(leave_open()))
    loop.close()

    async def on_another() -> None:
        async with reactor:
            assert reactor.loop is asyncio.get_running_loop()

    other = loop_factory()
    other.run_until_complete(within(on_another()))
    other.close()
    assert factory.made[0].lost and client.made[0].lost
    assert "closed before its reactor was left" in caplog.text


# Stopping


async def test_shutdown_triggers_in_order_with_deferreds_awaited() -> None:
    events: list[str] = []
    gate: Deferred[None] = Deferred()
    async with AsyncioReactor() as reactor:
        for phase in ("after", "during", "before"):
            reactor.addSystemEventTrigger(phase, "shutdown", events.append, phase)
        reactor.addSystemEventTrigger("before", "shutdown", lambda: gate)
        reactor.stop()
        await until(lambda: events)
        assert events == ["before"]
        assert reactor.running
        gate.callback(None)
        await within(reactor.stopped())
        assert events == ["before", "during", "after"]
        assert not reactor.running


async def test_stop_inside_a_before_shutdown_deferred() -> None:
    refused: list[type[Exception]] = []

    def stop_again(_: object) -> None:
        try:
            reactor.stop()
        except ReactorNotRunning as error:
            refused.append(type(error))

    async with AsyncioReactor() as reactor:
        waited: Deferred[None] = Deferred()
        waited.addCallback(stop_again)
        reactor.addSystemEventTrigger("before", "shutdown", lambda: waited)
        reactor.callLater(0, reactor.stop)
        reactor.callLater(0.01, waited.callback, None)
        await within(reactor.stopped())
    assert refused == [ReactorNotRunning]


async def test_a_failing_trigger_and_a_failing_deferred_are_logged_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AsyncioReactor() as reactor:
        failing: Deferred[None] = Deferred()
        reactor.addSystemEventTrigger("before", "shutdown", lambda: failing)
        reactor.addSystemEventTrigger("during", "shutdown", lambda: 1 / 0)
        reactor.stop()
        await asyncio.sleep(0)
        failing.errback(ValueError("not today"))
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    raised = [str(record.exc_info[1]) for record in errors if record.exc_info]
    assert raised == ["not today", "division by zero"]


async def test_stop_twice_is_an_error_and_the_host_loop_goes_on() -> None:
    async with AsyncioReactor() as reactor:
        reactor.stop()
        with pytest.raises(ReactorNotRunning):
            reactor.stop()
        await within(reactor.stopped())
        assert asyncio.get_running_loop().is_running()
        await reactor.stopped()


async def test_what_was_written_goes_out_before_the_reactor_has_stopped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Dialing()
        size = 4_000_000
        async with AsyncioReactor() as reactor:
            reactor.connectTCP("127.0.0.1", server.getsockname()[1], client)
            await until(lambda: client.made)
            peer, _ = server.accept()
            client.made[0].transport.write(b"x" * size)
            reader, writer = await asyncio.open_connection(sock=peer)
            reading = asyncio.ensure_future(reader.read(-1))
        assert len(await within(reading)) == size
        assert client.made[0].lost[0].check(ConnectionDone)
        writer.close()


async def test_a_peer_that_never_reads_does_not_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Dialing()
        async with AsyncioReactor() as reactor:
            reactor.connectTCP("127.0.0.1", server.getsockname()[1], client)
            await until(lambda: client.made)
            client.made[0].transport.write(b"x" * 50_000_000)
        assert "the reactor was stopped" in str(client.made[0].lost[0].value)


async def test_connections_being_made_and_names_being_resolved_fail() -> None:
    starting, resolving = Dialing(), Dialing()
    async with AsyncioReactor() as reactor:
        reactor.connectTCP("127.0.0.1", 1, starting)
        reactor.connectTCP("localhost", 1, resolving)
    for client in (starting, resolving):
        assert [bool(reason.check(ConnectError)) for reason in client.failed] == [True]


async def test_a_paused_connection_is_closed_too() -> None:
    factory, client = Recording(), Dialing()
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, factory)
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)
        await until(lambda: factory.made and client.made)
        factory.made[0].transport.pauseProducing()
    assert factory.made[0].lost


async def test_an_exception_in_the_body_gets_out_and_everything_is_closed() -> None:
    factory = Recording()
    with pytest.raises(ZeroDivisionError):
        async with AsyncioReactor() as reactor:
            reactor.listenTCP(0, factory)
            raise ZeroDivisionError
    assert factory.stops == 1


async def test_a_cancelled_body_still_closes_everything() -> None:
    factory = Recording()

    async def serve() -> None:
        async with AsyncioReactor() as reactor:
            reactor.listenTCP(0, factory)
            await asyncio.Event().wait()

    task = asyncio.ensure_future(serve())
    await until(lambda: factory.numPorts)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert factory.stops == 1


async def test_crash_fires_no_event_and_leaving_closes() -> None:
    events: list[str] = []
    factory = Recording()
    async with AsyncioReactor() as reactor:
        reactor.addSystemEventTrigger("before", "shutdown", events.append, "shutdown")
        reactor.listenTCP(0, factory)
        reactor.crash()
        assert not reactor.running
    assert (events, factory.stops) == ([], 1)


# run()


def test_run_and_run_again(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    for turn in range(2):
        ran: list[int] = []
        factory = Recording()
        reactor.listenTCP(0, factory)
        reactor.callWhenRunning(ran.append, turn)
        reactor.callLater(0.01, reactor.stop)
        loop = reactor.loop
        reactor.run()
        assert ran == [turn]
        assert factory.stops == 1
        assert loop.is_closed()


def test_run_leaves_a_given_loop_open(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    reactor = AsyncioReactor(loop)
    reactor.callWhenRunning(reactor.stop)
    reactor.run()
    assert not loop.is_closed()
    loop.close()


async def test_run_in_a_running_loop_says_what_to_write() -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(ReactorAlreadyRunning, match=r"await reactor\.stopped"):
            reactor.run()
        with pytest.raises(RuntimeError, match=r"await asyncio\.sleep"):
            reactor.iterate()
        reactor.stop()
        with pytest.raises(ReactorNotRestartable, match=r"run\(\) has returned"):
            reactor.run()
    with pytest.raises(RuntimeError, match="async with AsyncioReactor"):
        reactor.run()


def test_run_while_running_in_another_thread_is_an_error(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    seen: list[BaseException] = []

    def elsewhere() -> None:
        try:
            reactor.run()
        except ReactorAlreadyRunning as error:
            seen.append(error)
        finally:
            reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(lambda: threading.Thread(target=elsewhere).start())
    reactor.run()
    assert len(seen) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_run_and_are_put_back(loop_factory: LoopFactory, number: int) -> None:
    previous = signal.getsignal(number)
    reactor = AsyncioReactor(loop_factory=loop_factory)
    stopped: list[bool] = []
    reactor.addSystemEventTrigger("before", "shutdown", stopped.append, True)
    reactor.callWhenRunning(os.kill, os.getpid(), number)
    reactor.run()
    assert stopped == [True]
    assert signal.getsignal(number) is previous


def test_no_handler_is_installed_unasked(loop_factory: LoopFactory) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    async def embedded() -> None:
        async with AsyncioReactor():
            seen.append(signal.getsignal(signal.SIGTERM))

    loop = loop_factory()
    loop.run_until_complete(embedded())
    loop.close()
    assert seen == [before[1]]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_stops_an_embedded_reactor_that_asked_for_it(loop_factory: LoopFactory) -> None:
    previous = signal.getsignal(signal.SIGTERM)

    async def embedded() -> None:
        async with AsyncioReactor(signals=True) as reactor:
            os.kill(os.getpid(), signal.SIGTERM)
            await within(reactor.stopped())

    loop = loop_factory()
    loop.run_until_complete(embedded())
    loop.close()
    assert signal.getsignal(signal.SIGTERM) is previous


def test_a_stranger_stops_the_loop(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    factory = Recording()
    reactor.listenTCP(0, factory)
    reactor.callWhenRunning(lambda: reactor.loop.stop())
    reactor.run()
    assert factory.stops == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_the_loop_gets_out(
    loop_factory: LoopFactory, error: type[BaseException]
) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    factory = Recording()
    reactor.listenTCP(0, factory)

    def end() -> None:
        raise error

    reactor.callWhenRunning(reactor.loop.call_soon, end)
    with pytest.raises(error):
        reactor.run()
    assert factory.stops == 1


def test_crash_and_run_again(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    factory = Recording()
    reactor.listenTCP(0, factory)
    reactor.callWhenRunning(reactor.crash)
    reactor.run()
    assert factory.stops == 0
    reactor.callWhenRunning(reactor.stop)
    reactor.run()
    assert factory.stops == 1


def test_iterate_runs_what_is_due(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    called: list[int] = []
    reactor.callLater(0, called.append, 1)
    reactor.callLater(3600, called.append, 2)
    for _ in range(1000):
        reactor.iterate(0.001)
        if called:
            break
    assert called == [1]
    reactor.callWhenRunning(lambda: None)
    reactor.crash()
    reactor.callWhenRunning(reactor.stop)
    reactor.run()


def test_run_goes_on_after_iterate(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    started: list[str] = []
    reactor.addSystemEventTrigger("during", "startup", started.append, "startup")
    reactor.iterate()
    reactor.callLater(0, reactor.stop)
    reactor.run()
    assert started == ["startup"]


# Threads


@pytest.mark.parametrize("api", ["callLater", "listenTCP", "stop"])
async def test_a_wrong_thread_is_told_what_to_write(api: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "callLater": (0, print),
        "listenTCP": (0, Recording()),
        "stop": (),
    }
    async with AsyncioReactor() as reactor:

        def call() -> None:
            getattr(reactor, api)(*arguments[api])

        with pytest.raises(RuntimeError, match="callFromThread"):
            await asyncio.get_running_loop().run_in_executor(None, call)


async def test_call_from_thread_wakes_a_sleeping_loop() -> None:
    called = asyncio.Event()
    async with AsyncioReactor() as reactor:
        reactor.callInThread(reactor.callFromThread, called.set)
        await within(called.wait())


# System events


async def test_firing_shutdown_by_hand_stops() -> None:
    async with AsyncioReactor() as reactor:
        reactor.fireSystemEvent("shutdown")
        await within(reactor.stopped())


@pytest.mark.parametrize("bound", [False, True])
def test_firing_shutdown_where_no_loop_runs_ends_it_at_once(loop_factory: LoopFactory, bound: bool) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    told: list[str] = []
    for phase in ("before", "during", "after"):
        reactor.addSystemEventTrigger(phase, "shutdown", told.append, phase)
    port = reactor.listenTCP(0, Factory(), interface="127.0.0.1") if bound else None
    reactor.fireSystemEvent("shutdown")
    assert told == ["before", "during", "after"]
    assert port is None or port.fileno() == -1
    reactor.fireSystemEvent("shutdown")  # there is nothing any more


def test_delayed_calls_wait_for_the_next_run(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    made: list[str] = []
    calls = [reactor.callLater(delay, made.append, str(delay)) for delay in (0.02, 0.03, 3600)]
    cancelled = reactor.callLater(0.01, made.append, "cancelled")
    moved = reactor.callLater(3600, made.append, "moved")
    reactor.callLater(0, reactor.stop)
    reactor.run()
    assert made == [] and reactor.getDelayedCalls() == [*calls, cancelled, moved]
    cancelled.cancel()
    moved.reset(0)
    reactor.callWhenRunning(lambda: reactor.callLater(0.05, reactor.stop))
    reactor.run()
    assert made == ["moved", "0.02", "0.03"]
    assert reactor.getDelayedCalls() == [calls[2]] and calls[2].active()


def test_delayed_calls_can_be_asked_for_before_there_is_a_loop(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor()
    made: list[str] = []
    reactor.callLater(0, made.append, "soon")
    later = reactor.callLater(0.01, made.append, "later")
    assert "unbound" in repr(reactor) and later.getTime() > reactor.seconds()

    async def host() -> None:
        async with reactor:
            await until(lambda: made == ["soon", "later"])

    loop = loop_factory()
    try:
        loop.run_until_complete(host())
    finally:
        loop.close()


def test_a_thread_may_call_before_there_is_a_loop_and_between_two(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    seen: list[Any] = []

    def call(*names: str) -> None:
        for name in names:
            reactor.callFromThread(seen.append, (name, threading.current_thread() is threading.main_thread()))

    for run in ("first", "second"):
        seen.clear()
        call(f"here, {run}")
        thread = threading.Thread(target=call, args=(f"there, {run}", "and on"))
        thread.start()
        thread.join()
        reactor.callFromThread(seen.append, threading.get_ident())
        reactor.callFromThread(lambda: seen.append(threading.get_ident()))
        reactor.callFromThread(reactor.stop)
        assert seen == []
        reactor.run()
        main = threading.get_ident()
        assert seen == [(f"here, {run}", True), (f"there, {run}", False), ("and on", False), main, main]
    with pytest.raises(TypeError, match="not callable"):
        reactor.callFromThread(None)  # type: ignore[arg-type]


def test_running_is_told_from_during_startup_on(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    seen: dict[str, bool] = {}
    for phase in ("before", "during", "after"):
        reactor.addSystemEventTrigger(
            phase, "startup", lambda phase=phase: seen.setdefault(phase, reactor.running)
        )
    reactor.callWhenRunning(reactor.stop)
    reactor.run()
    assert seen == {"before": False, "during": True, "after": True}


async def test_call_when_running_calls_at_once() -> None:
    called: list[int] = []
    async with AsyncioReactor() as reactor:
        assert reactor.callWhenRunning(called.append, 1) is None
        assert called == [1]


async def test_a_clean_life_logs_nothing_above_info(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory, client = Recording(), Dialing()
        port = reactor.listenTCP(0, factory)
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)
        await until(lambda: factory.made and client.made)
        client.made[0].transport.write(b"x")
        await until(lambda: factory.made[0].received)
    noise = [r for r in caplog.records if r.levelno > logging.INFO and r.name.startswith("twisted_compat")]
    assert not noise


# What only shows with all layers together


async def test_a_coroutine_returned_by_data_received_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    class Eager(Recorder):
        async def dataReceived(self, data: bytes) -> None:  # type: ignore[override]  # the mistake itself
            raise AssertionError("never runs")

    class EagerFactory(Recording):
        def buildProtocol(self, addr: Any) -> Recorder:
            self.made.append(Eager())
            return self.made[-1]

    factory = EagerFactory()
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, factory)
        _, writer = await asyncio.open_connection("127.0.0.1", port.getHost().port)
        writer.write(b"x")
        await until(lambda: factory.made and factory.made[0].lost)
        writer.close()
    assert factory.made[0].lost[0].check(TypeError)
    assert caplog.text.count("asyncio.ensure_future") == 1


def test_a_call_that_was_due_before_run_may_stop_it(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    events: list[str] = []
    reactor.addSystemEventTrigger("during", "startup", events.append, "startup")
    reactor.addSystemEventTrigger("during", "shutdown", events.append, "shutdown")
    reactor.callLater(0, reactor.stop)
    reactor.run()
    assert events == ["startup", "shutdown"]


def test_a_call_that_was_due_before_run_may_crash_it(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    events: list[str] = []
    reactor.addSystemEventTrigger("during", "startup", events.append, "startup")
    reactor.addSystemEventTrigger("during", "shutdown", events.append, "shutdown")
    reactor.callLater(0, reactor.crash)
    reactor.run()
    assert events == ["startup"]


def test_a_second_signal_ends_the_waiting(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    factory = Recording()
    reactor.listenTCP(0, factory)

    def never() -> Deferred[None]:
        reactor.callLater(0, os.kill, os.getpid(), signal.SIGINT)
        return Deferred()

    reactor.addSystemEventTrigger("before", "shutdown", never)
    reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGINT)
    reactor.run()
    assert factory.stops == 1
