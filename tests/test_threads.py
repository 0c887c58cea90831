"""Calls into threads, and from threads into the reactor."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import DEADLINE, until, within
from twisted_compat import AsyncioReactor
from twisted_compat.adapter.thread_pool import ThreadPool
from twisted_compat.defer import CancelledError, Deferred, fail, succeed
from twisted_compat.failure import Failure
from twisted_compat.threads import (
    blockingCallFromThread,
    callMultipleInThread,
    deferToThread,
    deferToThreadPool,
)

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Work that waits for it is over, at the latest, when the test is."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(0, 2, "test")
    pool.start()
    yield pool
    pool.stop()


def raises(error: BaseException) -> None:
    raise error


class StrangerReactor:
    """Like a reactor of Twisted's: it has no asyncio loop to show. Calls wait until :meth:`turn`."""

    def __init__(self) -> None:
        self._calls: list[tuple[Any, ...]] = []
        self._called = threading.Event()

    def callFromThread(self, *call: Any) -> None:
        self._calls.append(call)
        self._called.set()

    def turn(self) -> None:
        assert self._called.wait(DEADLINE)
        self._called.clear()
        while self._calls:
            function, *args = self._calls.pop(0)
            function(*args)


# deferToThread


async def test_the_result_comes_in_the_reactors_thread() -> None:
    threads: list[Any] = []

    def work(x: int, y: int = 5) -> int:
        threads.append(threading.current_thread())
        return x + y

    async with AsyncioReactor() as reactor:
        deferred = deferToThread(work, 3, y=4)
        deferred.addCallback(lambda result: (result, threads.append(threading.current_thread()))[0])
        assert await within(deferred) == 7
        assert threads[0] in reactor.getThreadPool().threads
    assert threads[1] is threading.current_thread()


async def test_arguments_may_have_any_name() -> None:
    def work(**kwargs: Any) -> dict[str, Any]:
        return kwargs

    named = {"func": 1, "onResult": 2, "callable": 3}
    async with AsyncioReactor():
        assert await within(deferToThread(work, **named)) == named


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
async def test_what_it_raises_comes_with_the_traceback_of_the_thread(kind: type[BaseException]) -> None:
    outcomes: list[Any] = []
    async with AsyncioReactor():
        done = deferToThread(raises, kind("why")).addBoth(outcomes.append)
        await within(done)
    (failure,) = outcomes
    assert isinstance(failure, Failure) and failure.type is kind and failure.value.args == ("why",)
    assert traceback.extract_tb(failure.getTracebackObject())[-1].name == "raises"


async def test_awaiting_raises_it() -> None:
    async with AsyncioReactor():
        with pytest.raises(KeyError, match="why"):
            await within(deferToThread(raises, KeyError("why")))


async def test_context_variables_go_there_and_come_back() -> None:
    seen: list[str] = []

    def work() -> None:
        seen.append(variable.get())
        variable.set("of the thread")

    async with AsyncioReactor():
        variable.set("of the caller")
        deferred = deferToThread(work)
        variable.set("later")
        await within(deferred.addCallback(lambda _: seen.append(variable.get())))
        assert variable.get() == "later"
    assert seen == ["of the caller", "of the thread"]


async def test_a_coroutine_that_it_returns_runs_in_the_reactors_thread() -> None:
    async def ask() -> tuple[int, str]:
        await asyncio.sleep(0)
        return threading.get_ident(), variable.get()

    variable.set("carried")
    async with AsyncioReactor():
        assert await within(deferToThread(ask)) == (threading.get_ident(), "carried")


async def test_cancelling_reaches_a_coroutine_that_it_returned() -> None:
    ends: list[str] = []

    async def ask() -> None:
        ends.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("ended")

    async with AsyncioReactor():
        deferred = deferToThread(ask)
        await until(lambda: ends)
        deferred.cancel()
        await until(lambda: len(ends) == 2)
        deferred.addErrback(lambda failure: None)
        await within(deferred)


async def test_a_deferred_can_not_be_returned_from_a_thread() -> None:
    async with AsyncioReactor():
        with pytest.raises(TypeError, match="blockingCallFromThread"):
            await within(deferToThread(succeed, 1))


async def test_what_is_not_callable_is_refused_at_once() -> None:
    async with AsyncioReactor():
        with pytest.raises(TypeError, match="the function itself, not its result"):
            deferToThread(3)  # type: ignore[arg-type]


# Cancelling


async def test_cancelled_it_fails_at_once_and_the_result_is_dropped(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[bool] = []

    def work() -> None:
        gate.wait()
        ended.append(True)
        raise KeyError("nobody wants to know")

    async with AsyncioReactor():
        deferred = deferToThread(work)
        deferred.cancel()
        with pytest.raises(CancelledError):
            await within(deferred)
        gate.set()
    assert ended  # a thread can't be interrupted
    del deferred
    gc.collect()
    assert not caplog.records


async def test_cancelled_before_a_thread_is_free_it_is_called_all_the_same(
    gate: threading.Event, pool: ThreadPool
) -> None:
    called: list[int] = []
    async with AsyncioReactor() as reactor:
        pool.callInThread(gate.wait)
        pool.callInThread(gate.wait)
        deferred = deferToThreadPool(reactor, pool, called.append, 1)
        deferred.addErrback(lambda failure: failure.trap(CancelledError))
        deferred.cancel()
        gate.set()
        await until(lambda: called)


async def test_cancelled_a_coroutine_that_comes_too_late_is_not_run(gate: threading.Event) -> None:
    ran: list[int] = []

    async def ask() -> None:
        ran.append(1)

    def work() -> Any:
        gate.wait()
        return ask()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with AsyncioReactor():
            deferred = deferToThread(work)
            deferred.addErrback(lambda failure: None)
            deferred.cancel()
            gate.set()
        gc.collect()
    assert not ran and not caught


# The reactor stops, or its loop goes


async def test_a_reactor_that_stops_waits_for_the_result(gate: threading.Event) -> None:
    results: list[Any] = []
    async with AsyncioReactor() as reactor:
        deferToThread(lambda: gate.wait(DEADLINE)).addBoth(results.append)
        reactor.addSystemEventTrigger("after", "shutdown", gate.set)
    assert results == [True]


async def test_the_result_comes_to_the_loop_that_the_reactor_has_left(
    gate: threading.Event, pool: ThreadPool
) -> None:
    async with AsyncioReactor() as reactor:
        deferred = deferToThreadPool(reactor, pool, lambda: gate.wait(DEADLINE))
    gate.set()
    assert await within(deferred) is True


@pytest.mark.parametrize(
    "end, message",
    [
        (lambda: 3, "returned in a thread, after its reactor's event loop was closed"),
        (lambda: raises(KeyError("why")), "failed in a thread, after its reactor's event loop was closed"),
    ],
)
def test_a_result_for_a_closed_loop_is_logged(
    loop_factory: LoopFactory,
    pool: ThreadPool,
    gate: threading.Event,
    end: Callable[[], Any],
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    deferred = work_beyond_the_loop(loop_factory, pool, gate, end)
    assert not deferred.called
    (record,) = caplog.records
    assert message in record.getMessage()
    if record.levelno == logging.ERROR:
        assert record.exc_info is not None and record.exc_info[0] is KeyError
        assert traceback.extract_tb(record.exc_info[2])[-1].name == "raises"


def test_a_coroutine_for_a_closed_loop_is_closed(
    loop_factory: LoopFactory, pool: ThreadPool, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None: ...

    work_beyond_the_loop(loop_factory, pool, gate, ask)
    gc.collect()  # would warn that it was never awaited
    assert len(caplog.records) == 1


def test_a_cancelled_result_for_a_closed_loop_is_not_logged(
    loop_factory: LoopFactory, pool: ThreadPool, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    work_beyond_the_loop(loop_factory, pool, gate, lambda: raises(KeyError()), cancel=True)
    assert not caplog.records


def work_beyond_the_loop(
    loop_factory: LoopFactory,
    pool: ThreadPool,
    gate: threading.Event,
    end: Callable[[], Any],
    cancel: bool = False,
) -> Deferred[Any]:
    """A call that ends with ``end()`` after the loop it was made on is closed; return its Deferred."""

    def work() -> Any:
        gate.wait(DEADLINE)
        return end()

    async def begin() -> Deferred[Any]:
        async with AsyncioReactor() as reactor:
            return deferToThreadPool(reactor, pool, work)

    loop = loop_factory()
    deferred = loop.run_until_complete(begin())
    loop.close()
    if cancel:
        deferred.addErrback(lambda failure: failure.trap(CancelledError))
        deferred.cancel()
    gate.set()
    pool.stop()
    return deferred


async def test_a_pool_that_is_stopped_is_a_failure_and_not_silence() -> None:
    pool = ThreadPool(0, 1)
    pool.start()
    pool.stop()
    async with AsyncioReactor() as reactor:
        with pytest.raises(RuntimeError, match="the thread pool is stopped"):
            await within(deferToThreadPool(reactor, pool, int))


async def test_a_reactor_whose_threads_have_ended_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncioReactor() as reactor:
        monkeypatch.setattr(reactor, "getThreadPool", lambda: raises(RuntimeError("have ended")))
        with pytest.raises(RuntimeError, match="have ended"):
            await within(deferToThread(int))


async def test_no_thread_to_be_had_is_a_failure() -> None:
    pool = SimpleNamespace(callInThreadWithCallback=lambda *args: raises(RuntimeError("can't start")))
    async with AsyncioReactor() as reactor:
        with pytest.raises(RuntimeError, match="can't start"):
            await within(deferToThreadPool(reactor, pool, int))


# No cycles


class Watched:
    """Something that a weak reference may refer to."""


async def test_nothing_is_left_in_a_cycle() -> None:
    async with AsyncioReactor():
        gc.collect()
        gc.disable()
        try:
            references = [weakref.ref(await result_of_a_call()), weakref.ref(await failure_of_a_call())]
            await until(lambda: [reference() for reference in references] == [None, None])
        finally:
            gc.enable()


async def result_of_a_call() -> Watched:
    return await within(deferToThread(Watched))


async def failure_of_a_call() -> Deferred[Any]:
    """The failure stays in the Deferred, and nobody but the caller has that."""
    failed = deferToThread(raises, KeyError())
    await until(lambda: failed.called)
    failed.addErrback(lambda failure: succeed(failure))
    return failed


# Reactors and pools of others


@pytest.mark.parametrize("work, expected", [(lambda: variable.get(), "carried"), (lambda: 1 / 0, None)])
def test_a_reactor_without_a_loop_will_do(pool: ThreadPool, work: Callable[[], Any], expected: Any) -> None:
    reactor = StrangerReactor()
    variable.set("carried")
    outcomes: list[Any] = []
    deferToThreadPool(reactor, pool, work).addBoth(outcomes.append)
    assert not outcomes
    reactor.turn()
    (outcome,) = outcomes
    if expected is None:
        outcome.trap(ZeroDivisionError)
    else:
        assert outcome == expected


def test_twisteds_thread_pool_will_do() -> None:
    threadpool = pytest.importorskip("twisted.python.threadpool")
    reactor, pool, outcomes = StrangerReactor(), threadpool.ThreadPool(0, 1), []
    pool.start()
    try:
        variable.set("carried")
        deferToThreadPool(reactor, pool, variable.get).addBoth(outcomes.append)
        reactor.turn()
        deferToThreadPool(reactor, pool, raises, KeyError("why")).addBoth(outcomes.append)
        reactor.turn()
    finally:
        pool.stop()
    assert outcomes[0] == "carried"
    assert isinstance(outcomes[1], Failure) and outcomes[1].type is KeyError
    assert traceback.extract_tb(outcomes[1].getTracebackObject())[-1].name == "raises"


def test_a_reactor_that_runs_itself(loop_factory: LoopFactory) -> None:
    reactor, results = AsyncioReactor(loop_factory=loop_factory), []

    def work() -> int:
        return blockingCallFromThread(reactor, lambda: 1) + 1

    def begin() -> None:
        deferred = deferToThreadPool(reactor, reactor.getThreadPool(), work)
        deferred.addBoth(results.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
    assert results == [2]


# callMultipleInThread


async def test_several_calls_are_made_in_order_in_one_thread() -> None:
    made: list[Any] = []

    def note(number: int, end: str = "") -> None:
        made.append((number, end, threading.get_ident()))

    calls: list[Any] = [(note, (number,), {}) for number in range(5)]
    async with AsyncioReactor():
        callMultipleInThread([*calls, (note, (5,), {"end": "last"})])
        await until(lambda: len(made) == 6)
    assert [number for number, _, _ in made] == list(range(6))
    assert made[-1][1] == "last"
    (thread,) = {thread for _, _, thread in made}
    assert thread != threading.get_ident()


async def test_the_first_of_several_calls_that_fails_is_the_last(caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []
    async with AsyncioReactor():
        callMultipleInThread([(made.append, (1,), {}), (raises, (KeyError(),), {}), (made.append, (2,), {})])
        await until(lambda: caplog.records)
    assert made == [1]
    assert caplog.records[0].exc_info is not None and caplog.records[0].exc_info[0] is KeyError


# blockingCallFromThread


async def _at_once() -> str:
    return "answer"


async def _later() -> str:
    await asyncio.sleep(0)
    return "answer"


def _deferred_later() -> Deferred[str]:
    deferred: Deferred[str] = Deferred()
    asyncio.get_running_loop().call_soon(deferred.callback, "answer")
    return deferred


@pytest.mark.parametrize(
    "ask", [lambda: "answer", lambda: succeed("answer"), _deferred_later, _at_once, _later]
)
async def test_the_thread_gets_the_answer(ask: Callable[[], Any]) -> None:
    async with AsyncioReactor() as reactor:
        assert await within(deferToThread(blockingCallFromThread, reactor, ask)) == "answer"


async def _coroutine_that_raises() -> None:
    await asyncio.sleep(0)
    raise KeyError("why")


@pytest.mark.parametrize(
    "ask",
    [lambda: raises(KeyError("why")), lambda: fail(KeyError("why")), _coroutine_that_raises],
)
async def test_the_thread_gets_the_exception(ask: Callable[[], Any]) -> None:
    caught: list[BaseException] = []

    def work(reactor: Any) -> None:
        try:
            blockingCallFromThread(reactor, ask)
        except BaseException as error:
            caught.append(error)

    async with AsyncioReactor() as reactor:
        await within(deferToThread(work, reactor))
    (error,) = caught
    assert isinstance(error, KeyError) and error.args == ("why",)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_exits_go_to_the_thread_that_asked(kind: type[BaseException]) -> None:
    def work(reactor: Any) -> None:
        with pytest.raises(kind):
            blockingCallFromThread(reactor, raises, kind())

    async with AsyncioReactor() as reactor:
        await within(deferToThread(work, reactor))


async def test_the_reactor_answers_in_its_thread_and_in_the_context_of_the_asker() -> None:
    def ask(first: int, *, second: int) -> tuple[Any, ...]:
        return first, second, variable.get(), threading.get_ident()

    def work(reactor: Any) -> Any:
        variable.set("of the thread")
        return blockingCallFromThread(reactor, ask, 1, second=2)

    async with AsyncioReactor() as reactor:
        answer = await within(deferToThread(work, reactor))
    assert answer == (1, 2, "of the thread", threading.get_ident())


async def test_the_reactors_own_thread_can_not_wait_for_itself() -> None:
    called: list[int] = []
    async with AsyncioReactor() as reactor:
        with pytest.raises(RuntimeError, match="maybeDeferred"):
            blockingCallFromThread(reactor, called.append, 1)
        await asyncio.sleep(0)
    assert not called


def test_a_thread_is_not_left_waiting_for_a_closed_loop(loop_factory: LoopFactory) -> None:
    errors: list[BaseException] = []
    asked = threading.Event()

    def ask() -> Deferred[Any]:
        asked.set()
        return Deferred()

    def work(reactor: Any) -> None:
        try:
            blockingCallFromThread(reactor, ask)
        except RuntimeError as error:
            errors.append(error)

    async def begin() -> threading.Thread:
        async with AsyncioReactor() as reactor:
            thread = threading.Thread(target=work, args=(reactor,), daemon=True)
            thread.start()
            await until(asked.is_set)
            return thread

    loop = loop_factory()
    thread = loop.run_until_complete(begin())
    loop.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert "was closed before" in str(errors[0])


def test_a_reactor_without_a_loop_answers() -> None:
    reactor, answers = StrangerReactor(), []
    thread = threading.Thread(target=lambda: answers.append(blockingCallFromThread(reactor, int, "7")))
    thread.start()
    reactor.turn()
    thread.join(DEADLINE)
    assert answers == [7]


async def test_an_exception_that_was_answered_is_in_no_cycle() -> None:
    references: list[weakref.ref[Any]] = []

    class Problem(Exception):
        pass

    def ask() -> None:
        raise Problem()

    def work(reactor: Any) -> None:
        try:
            blockingCallFromThread(reactor, ask)
        except Problem as problem:
            references.append(weakref.ref(problem))

    async with AsyncioReactor() as reactor:
        gc.collect()
        gc.disable()
        try:
            await within(deferToThread(work, reactor))
            await until(lambda: references[0]() is None)
        finally:
            gc.enable()
