"""The threads of a TwistedReactor: Twisted's own pool, which knows whose it is, and ends with it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import (
    blockingCallFromThread,
    callMultipleInThread,
    deferToThread,
    deferToThreadPool,
)
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread
from twisted.python.threadpool import ThreadPool

from tests.bridge.twisted.ecosystem.children import run
from tests.bridge.twisted.ecosystem.reactors import logged_errors, result
from tests.support import DEADLINE, until, within
from twisted_compat import current_reactor
from twisted_compat.bridge.twisted import TwistedReactor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place")]


def pool_threads() -> list[threading.Thread]:
    """Those that live of any reactor's pool."""
    return [thread for thread in threading.enumerate() if "PoolThread-reactor" in thread.name]


async def test_the_pool_is_of_twisteds_class_and_made_when_needed() -> None:
    async with TwistedReactor() as reactor:
        assert reactor.threadpool is None
        pool = reactor.getThreadPool()
        assert isinstance(pool, ThreadPool)
        assert reactor.getThreadPool() is reactor.threadpool is pool
        assert (pool.min, pool.max, pool.started) == (0, 10, True)
        assert (pool.workers, pool.joined) == (0, False)
    assert pool.joined
    assert reactor.threadpool is None


async def test_a_result_and_a_failure_of_a_thread() -> None:
    def work(*args: Any, **kw: Any) -> Any:
        return threading.current_thread(), args, kw

    def fail() -> None:
        raise KeyError("in the thread")

    async with TwistedReactor() as reactor:
        thread, args, kw = await result(deferToThread(work, 1, two=2))
        assert thread is not threading.current_thread()
        assert thread in pool_threads()
        assert (args, kw) == ((1,), {"two": 2})
        failures: list[Any] = []
        await result(deferToThread(fail).addErrback(failures.append))
        (failed,) = failures
        assert type(failed) is Failure
        assert failed.check(KeyError)
        assert "in fail" in failed.getTraceback()
        done = asyncio.get_running_loop().create_future()
        reactor.callInThread(lambda: reactor.callFromThread(done.set_result, "there and back"))
        assert await within(done) == "there and back"
    assert not pool_threads()


async def test_a_thread_knows_whose_it_is() -> None:
    async with TwistedReactor() as reactor:
        assert await result(deferToThread(current_reactor)) is reactor
        assert isInIOThread()
        assert not await result(deferToThread(isInIOThread))


def test_threads_of_several_reactors_know_theirs(loop_factory: LoopFactory) -> None:
    ready = threading.Barrier(2)

    async def one() -> bool:
        async with TwistedReactor() as reactor:
            await asyncio.to_thread(ready.wait, DEADLINE)
            mine = await result(deferToThreadPool(reactor, reactor.getThreadPool(), current_reactor))
            await asyncio.to_thread(ready.wait, DEADLINE)
            return mine is reactor

    def main() -> bool:
        loop = loop_factory()
        try:
            return loop.run_until_complete(within(one()))
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    with ThreadPoolExecutor(2) as executor:
        assert all(future.result() for future in [executor.submit(main) for _ in range(2)])


async def test_a_call_runs_in_its_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    async with TwistedReactor() as reactor:
        variable.set("set")
        done = asyncio.get_running_loop().create_future()
        reactor.callFromThread(lambda: done.set_result(variable.get()))
        variable.set("later")
        assert await within(done) == "set"


async def test_the_size_of_the_pool_can_be_suggested() -> None:
    at_once = threading.Barrier(3)
    async with TwistedReactor() as reactor:
        reactor.suggestThreadPoolSize(2)
        assert reactor.getThreadPool().max == 2
        waiting = [deferToThread(at_once.wait, DEADLINE) for _ in range(3)]
        await until(lambda: at_once.n_waiting == 2)
        assert len(reactor.getThreadPool().working) == 2
        assert reactor.getThreadPool().q.qsize() == 1
        reactor.suggestThreadPoolSize(3)
        reactor.callInThread(print, end="")  # which takes the pool to look how many it may have
        for deferred in waiting:
            await result(deferred)
        assert len(pool_threads()) <= 3
    assert not pool_threads()


async def test_many_calls_in_one_thread() -> None:
    order: list[int] = []
    async with TwistedReactor():
        callMultipleInThread([(order.append, (number,), {}) for number in range(100)])
        await until(lambda: len(order) == 100)
    assert order == list(range(100))


async def test_a_thread_may_wait_for_the_reactor() -> None:
    async with TwistedReactor() as reactor:

        def later() -> Deferred[int]:
            deferred: Deferred[int] = Deferred()
            reactor.callLater(0.001, deferred.callback, 42)
            return deferred

        def fail() -> None:
            raise KeyError("in the loop")

        def ask() -> list[Any]:
            answers: list[Any] = [
                blockingCallFromThread(reactor, later),
                blockingCallFromThread(reactor, succeed, 1),
                blockingCallFromThread(reactor, lambda: threading.get_ident()),
            ]
            with pytest.raises(KeyError, match="in the loop"):
                blockingCallFromThread(reactor, fail)
            return answers

        assert await result(deferToThread(ask)) == [42, 1, threading.get_ident()]


async def test_stopping_waits_for_a_busy_thread() -> None:
    """It asks something of the loop while the reactor stops, and its result comes."""
    begun, asked = threading.Event(), threading.Event()
    with logged_errors() as errors:
        async with TwistedReactor() as reactor:

            def work() -> int:
                begun.set()
                assert asked.wait(DEADLINE)
                answer: int = blockingCallFromThread(reactor, lambda: 42)
                return answer

            working = deferToThread(work)
            await asyncio.to_thread(begun.wait, DEADLINE)
            reactor.addSystemEventTrigger("after", "shutdown", asked.set)
        results: list[Any] = []
        working.addBoth(results.append)
        assert results == [42]
    assert not errors
    assert not pool_threads()


async def test_the_pool_can_be_ended_by_itself() -> None:
    async with TwistedReactor() as reactor:
        reactor._stopThreadPool()  # there is none
        first = reactor.getThreadPool()
        await result(deferToThread(int))
        reactor._stopThreadPool()
        assert first.joined
        assert reactor.threadpool is None
        assert not pool_threads()
        assert await result(deferToThread(lambda: 1)) == 1
        assert reactor.getThreadPool() is not first
    reactor._stopThreadPool()  # there is no loop


async def test_who_needs_a_thread_while_the_reactor_ends_is_told() -> None:
    """Once the triggers have run, no thread is made that nobody would wait for."""
    told: list[str] = []
    begun = threading.Event()
    async with TwistedReactor() as reactor:

        def too_late() -> None:
            with pytest.raises(RuntimeError, match="has stopped and so have its threads"):
                reactor.callInThread(print)
            told.append("too late")

        def work() -> None:
            begun.set()
            reactor.callFromThread(too_late)

        reactor.addSystemEventTrigger("after", "shutdown", lambda: reactor.callInThread(work))
    assert begun.is_set()
    assert told == ["too late"]


async def test_a_pool_that_is_stopped_twice_has_stopped_once() -> None:
    async with TwistedReactor() as reactor:
        pool = reactor.getThreadPool()
        await result(deferToThread(int))
        pool.stop()
        pool.stop()
        pool.end_soon()
        assert pool.joined


def test_work_that_was_given_before_the_start_is_done(loop_factory: LoopFactory) -> None:
    reactor = TwistedReactor(loop_factory=loop_factory)
    done: list[Any] = []

    def work() -> None:
        done.append(current_reactor())
        reactor.callFromThread(reactor.stop)

    reactor.callInThread(work)
    assert not reactor.getThreadPool().started
    reactor.run(installSignalHandlers=False)
    assert done == [reactor]


async def test_what_a_call_raises_is_logged_once() -> None:
    def fail() -> None:
        raise KeyError("of nobody's concern")

    with logged_errors() as errors:
        async with TwistedReactor() as reactor:
            reactor.callInThread(fail)
            reactor.callFromThread(fail)
            await until(lambda: len(errors) == 2)
            reactor.callFromThread(lambda: None)
            await asyncio.sleep(0)
    assert len(errors) == 2
    assert all("in fail\n" in text for text in errors)


NEVER_LEFT = """
import asyncio, sys, threading
from twisted.internet.threads import deferToThread
from twisted_compat.bridge.twisted import TwistedReactor, as_future

def last_work():
    gate.wait(10)
    print("the last work is done", flush=True)

async def main():
    reactor = TwistedReactor()
    print(await as_future(deferToThread(lambda: 42)), flush=True)
    reactor.callInThread(last_work)

gate = threading.Event()
asyncio.run(main())
gate.set()
"""


def test_a_reactor_that_is_never_left_keeps_no_program_from_ending() -> None:
    done = run([sys.executable, "-c", NEVER_LEFT])
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines() == ["42", "the last work is done"]
