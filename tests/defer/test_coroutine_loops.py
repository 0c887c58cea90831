"""Coroutines run by us where no loop runs, or runs later, or is closed; in two loops, and in threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twisted.internet import defer as twisted_defer

from twisted_compat.defer import CancelledError, Deferred, ensureDeferred

from .coroutines import Waiting, came_to, wait
from .test_deferred import outcome

pytestmark = pytest.mark.without_debug


def test_started_before_the_loop_runs(loop_factory: Any) -> None:
    loop = loop_factory()
    seen: list[Any] = []
    first: Deferred[None] = Deferred()

    async def body() -> str:
        await first
        seen.append(asyncio.current_task())
        assert asyncio.all_tasks() >= {seen[0]}
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is seen[0]
        return "done"

    result = ensureDeferred(body())
    loop.call_soon(first.callback, None)
    assert loop.run_until_complete(wait(result)) == "done"
    assert seen[0].get_loop() is loop
    loop.close()


def test_a_future_awaited_before_its_loop_runs(loop_factory: Any) -> None:
    loop = loop_factory()
    future, never = loop.create_future(), loop.create_future()
    result, cancelled = ensureDeferred(wait(future)), ensureDeferred(wait(never))
    loop.call_soon(future.set_result, 1)
    cancelled.cancel()
    assert never.cancelled()
    assert loop.run_until_complete(wait(result)) == 1
    loop.run_until_complete(asyncio.sleep(0))
    error = outcome(cancelled)
    assert isinstance(error, CancelledError)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    loop.close()


def test_the_loop_stops_and_is_run_again(loop_factory: Any) -> None:
    loop = loop_factory()
    while_stopped: Deferred[None] = Deferred()
    again: Deferred[None] = Deferred()
    tasks: list[Any] = []

    async def body() -> None:
        tasks.append(asyncio.current_task())
        await while_stopped
        with pytest.raises(RuntimeError):
            asyncio.current_task()
        await again
        tasks.append(asyncio.current_task())

    async def start() -> None:
        results.append(ensureDeferred(body()))

    results: list[Deferred[None]] = []
    loop.run_until_complete(start())
    while_stopped.callback(None)
    loop.call_soon(again.callback, None)
    loop.run_until_complete(wait(results[0]))
    assert tasks[0] is tasks[1]
    assert tasks[0].done()
    loop.close()


def test_it_ends_while_its_loop_is_stopped(loop_factory: Any) -> None:
    loop = loop_factory()
    waiting = loop.run_until_complete(_start_waiting())
    gathered = asyncio.ensure_future(waiting.task, loop=loop)
    waiting.awaited.callback(1)
    assert loop.run_until_complete(asyncio.wait_for(gathered, 10)) == 1
    assert outcome(waiting.result) == 1
    loop.close()


async def _start_waiting() -> Waiting:
    return Waiting()


def test_in_a_second_loop_it_is_a_second_task(loop_factory: Any) -> None:
    first, second = loop_factory(), loop_factory()
    steps: list[Deferred[Any]] = [Deferred(), Deferred()]
    tasks: list[Any] = []

    async def body() -> str:
        for step in steps:
            tasks.append(asyncio.current_task())
            await step
        await asyncio.sleep(0)
        return "done"

    async def start() -> Deferred[str]:
        return ensureDeferred(body())

    result = first.run_until_complete(start())
    second.call_soon(steps[0].callback, None)
    second.call_soon(steps[1].callback, None)
    assert second.run_until_complete(wait(result)) == "done"
    assert [task.get_loop() for task in tasks] == [first, second]
    assert asyncio.all_tasks(first) == asyncio.all_tasks(second) == set()
    with pytest.raises(RuntimeError, match="went on in another loop"):
        first.run_until_complete(tasks[0])
    first.close()
    second.close()


@pytest.mark.parametrize("succeeds", [True, False])
def test_fired_after_its_loop_is_closed(loop_factory: Any, succeeds: bool) -> None:
    loop = loop_factory()
    waiting = loop.run_until_complete(_start_waiting())
    waiting.task.add_done_callback(lambda _: None)  # which can't be called any more
    loop.close()
    error = KeyError()
    if succeeds:
        waiting.awaited.callback(1)
    else:
        waiting.awaited.errback(error)
    assert outcome(waiting.result) == (1 if succeeds else error)
    assert waiting.task.done()


def test_cancelled_after_its_loop_is_closed(loop_factory: Any) -> None:
    loop = loop_factory()
    waiting = loop.run_until_complete(_start_waiting())
    loop.close()
    waiting.result.cancel()
    assert isinstance(outcome(waiting.result), CancelledError)


async def test_a_future_of_another_loop(loop_factory: Any) -> None:
    other = loop_factory()
    error = await came_to(ensureDeferred(wait(other.create_future())))
    assert isinstance(error, RuntimeError)
    assert "another event loop" in str(error)
    other.close()


@pytest.mark.parametrize("make", [Deferred, twisted_defer.Deferred])
async def test_fired_from_another_thread_it_is_told_what_to_write_and_the_result_stays(make: Any) -> None:
    deferred = make()
    result = ensureDeferred(wait(deferred))
    await asyncio.to_thread(deferred.callback, "kept")
    error = await came_to(result)
    assert isinstance(error, RuntimeError)
    assert "callFromThread" in str(error)
    assert deferred.result == "kept"


def test_fired_from_another_thread_when_its_loop_is_closed(loop_factory: Any) -> None:
    loop = loop_factory()
    waiting = loop.run_until_complete(_start_waiting())
    loop.close()
    thread = threading.Thread(target=waiting.awaited.callback, args=("kept",))
    thread.start()
    thread.join()
    assert waiting.awaited.result == "kept"
    assert not waiting.result.called


def test_without_a_loop_it_goes_on_in_the_thread_that_fires() -> None:
    deferred: Deferred[int] = Deferred()

    async def body() -> Any:
        await deferred
        return threading.current_thread()

    result = ensureDeferred(body())
    thread = threading.Thread(target=deferred.callback, args=(1,))
    thread.start()
    thread.join()
    assert outcome(result) is thread


def test_loops_in_several_threads(loop_factory: Any) -> None:
    async def main() -> int:
        async def body() -> int:
            task = asyncio.current_task()
            await asyncio.sleep(0.001)
            awaited: Deferred[int] = Deferred()
            asyncio.get_running_loop().call_soon(awaited.callback, 1)
            number = await awaited
            assert asyncio.current_task() is task
            return number

        return sum(await asyncio.gather(*[ensureDeferred(body()) for _ in range(10)]))

    def in_thread() -> int:
        loop = loop_factory()
        try:
            number: int = loop.run_until_complete(main())
            return number
        finally:
            loop.close()

    with ThreadPoolExecutor(3) as pool:
        assert [each.result() for each in [pool.submit(in_thread) for _ in range(3)]] == [10, 10, 10]
