"""The threads of a reactor, and the way from threads into the loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import DEADLINE, eventually, until, within
from twisted_compat.adapter.threads import Threads
from twisted_compat.vocabulary import NATIVE

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def test_the_pool_is_made_when_asked_for() -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    pool = threads.getThreadPool()
    assert pool is threads.getThreadPool()
    assert (pool.min, pool.max, pool.started, pool.workers) == (0, 10, False, 0)
    threads.start()
    assert pool.started
    threads.suggestThreadPoolSize(34)
    assert pool.max == 34
    await within(threads.close())
    assert pool.joined


async def test_call_in_thread_and_back() -> None:
    loop = asyncio.get_running_loop()
    threads = Threads(loop, NATIVE)
    threads.start()
    done = loop.create_future()

    def work(value: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        threads.callFromThread(done.set_result, value)

    threads.callInThread(work, 5)
    assert await within(done) == 5
    await within(threads.close())


async def test_call_from_thread_wakes_a_sleeping_loop() -> None:
    loop = asyncio.get_running_loop()
    threads = Threads(loop, NATIVE)
    threads.start()
    done = loop.create_future()
    timer = threading.Timer(0.02, threads.callFromThread, (lambda: done.set_result(None),))
    timer.start()
    await within(done)  # nothing else is there to wake it
    timer.join()


async def test_call_from_thread_keeps_the_order_and_runs_on_a_later_turn() -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    order: list[Any] = []

    def more() -> None:
        threads.callFromThread(order.append, "more")
        assert order == list(range(1000))

    def elsewhere() -> None:
        for number in range(1000):
            threads.callFromThread(order.append, number)
        threads.callFromThread(more)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await until(lambda: len(order) == 1001)
    thread.join()
    assert order == [*range(1000), "more"]


async def test_call_from_thread_passes_keywords_and_context() -> None:
    variable = contextvars.ContextVar("variable", default="default")
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    results: list[Any] = []

    def elsewhere() -> None:
        variable.set("thread's")
        threads.callFromThread(lambda *args, **kw: results.append((args, kw, variable.get())), 1, context=2)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await until(lambda: results)
    thread.join()
    assert results == [((1,), {"context": 2}, "thread's")]


async def test_what_a_call_from_a_thread_raises_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    after: list[int] = []

    def fail() -> None:
        raise ValueError("on purpose")

    threads.callFromThread(fail)
    threads.callFromThread(after.append, 1)
    await until(lambda: after)
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[0] is ValueError


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_through(loop_factory: LoopFactory, kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    loop = loop_factory()
    Threads(loop, NATIVE).callFromThread(leave)
    with pytest.raises(kind):
        loop.run_forever()
    loop.close()


def test_call_from_thread_before_the_loop_runs(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    Threads(loop, NATIVE).callFromThread(loop.stop)
    loop.run_forever()
    loop.close()


def test_call_from_thread_after_the_loop_was_closed(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    threads = Threads(loop, NATIVE)
    threads.start()
    loop.close()
    with pytest.raises(RuntimeError, match=r"event loop is closed\. End the thread before"):
        threads.callFromThread(print)


async def test_call_from_thread_refuses_what_is_not_callable() -> None:
    with pytest.raises(TypeError, match="the function itself, not its result"):
        Threads(asyncio.get_running_loop(), NATIVE).callFromThread(5)  # type: ignore[arg-type]


async def test_close_waits_for_a_thread_that_waits_for_the_loop() -> None:
    """As blockingCallFromThread does: a join that blocks the loop would never end."""
    loop = asyncio.get_running_loop()
    threads = Threads(loop, NATIVE)
    threads.start()
    answers: list[str] = []
    began = threading.Event()

    def work() -> None:
        began.set()
        for _ in range(3):
            answered = threading.Event()
            threads.callFromThread(answered.set)
            assert answered.wait(DEADLINE)
        answers.append("answered")

    threads.callInThread(work)
    pool = threads.getThreadPool()
    began.wait(DEADLINE)
    await within(threads.close())
    assert answers == ["answered"]
    assert pool.workers == 0 and not pool.threads


async def test_close_without_a_pool_and_twice() -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    await within(threads.close())
    await within(threads.close())
    with pytest.raises(RuntimeError, match="The reactor has stopped and so have its threads"):
        threads.callInThread(print)


async def test_abandon_does_not_wait(gate: threading.Event) -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    threads.callInThread(gate.wait)
    pool = threads.getThreadPool()
    closing = asyncio.ensure_future(threads.close())
    await until(lambda: pool.joined)
    assert not closing.done()
    threads.abandon()
    await within(closing)
    assert pool.workers == 1
    gate.set()
    await until(lambda: pool.workers == 0 and not pool.threads)


async def test_close_can_be_cancelled(gate: threading.Event) -> None:
    threads = Threads(asyncio.get_running_loop(), NATIVE)
    threads.start()
    threads.callInThread(gate.wait)
    pool = threads.getThreadPool()
    closing = asyncio.ensure_future(threads.close())
    await until(lambda: pool.joined)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(closing)
    gate.set()
    await until(lambda: pool.workers == 0 and not pool.threads)


def test_threads_may_end_after_their_loop_was_closed(loop_factory: LoopFactory) -> None:
    gate = threading.Event()
    loop = loop_factory()
    threads = Threads(loop, NATIVE)
    threads.start()
    threads.callInThread(gate.wait)
    pool = threads.getThreadPool()
    loop.close()
    threads.abandon()
    gate.set()
    eventually(lambda: pool.workers == 0)
