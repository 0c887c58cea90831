"""``await deferred`` in asyncio tasks: every state it can be in, and all that asyncio waits with."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import types
from typing import Any

import pytest

import twisted_compat
from tests.support import no_reference_cycles, until, within
from twisted_compat.defer import (
    Deferred,
    ensureDeferred,
    fail,
    succeed,
)


async def awaits(deferred: Deferred[Any]) -> Any:
    return await deferred


async def started(deferred: Deferred[Any]) -> asyncio.Task[Any]:
    """A task that waits for ``deferred``."""
    before = len(deferred.callbacks)
    task = asyncio.ensure_future(awaits(deferred))
    await until(lambda: len(deferred.callbacks) > before)
    return task


def _step(deferred: Deferred[Any]) -> Any:
    """Await by hand, without a loop; the result, as it must not suspend."""
    with pytest.raises(StopIteration) as stopped:
        awaits(deferred).send(None)
    return stopped.value.value


async def is_done_soon(task: asyncio.Task[Any]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


# Results.


def test_a_fired_one_gives_its_result_without_suspending_and_keeps_it() -> None:
    deferred = succeed(1)
    assert (_step(deferred), _step(deferred), deferred.result) == (1, 1, 1)


def test_a_failed_one_raises_the_very_exception_and_is_handled(caplog: pytest.LogCaptureFixture) -> None:
    error = KeyError("k")
    deferred = fail(error)
    with pytest.raises(KeyError) as caught:
        awaits(deferred).send(None)
    assert caught.value is error
    del deferred, caught
    gc.collect()
    assert caplog.records == []


def test_a_driver_outside_asyncio_is_given_the_deferred() -> None:
    deferred: Deferred[int] = Deferred()
    coroutine = awaits(deferred)
    assert coroutine.send(None) is deferred
    deferred.callback(3)
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value == 3


def test_a_driver_may_send_the_result_itself() -> None:
    coroutine = awaits(Deferred())
    coroutine.send(None)
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(3)
    assert stopped.value.value == 3


def test_a_driver_that_knows_no_deferreds_is_told_so() -> None:
    unfired: Deferred[int] = Deferred()
    paused = succeed(1)
    paused.pause()
    for deferred in (unfired, paused):
        for sent in (None, deferred):  # as trio's and curio's runners would, and as Twisted's does
            coroutine = awaits(deferred)
            coroutine.send(None)
            with pytest.raises(RuntimeError, match="Run it with `ensureDeferred"):
                coroutine.send(sent)


async def test_a_driver_inside_a_task_is_given_a_future() -> None:
    deferred: Deferred[int] = Deferred()
    coroutine = awaits(deferred)
    future = coroutine.send(None)
    assert asyncio.isfuture(future)
    assert future.get_loop() is asyncio.get_running_loop()
    deferred.callback(3)
    assert future.done()
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value == 3


def test_asyncio_is_not_imported_before_something_is_awaited() -> None:
    # The package's front door loads the adapter, so the layer is imported without it.
    code = (
        "import sys, types\n"
        "alone = sys.modules['twisted_compat'] = types.ModuleType('twisted_compat')\n"
        f"alone.__path__ = {list(twisted_compat.__path__)!r}\n"
        "import twisted_compat.defer\n"
        "assert 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_one_that_fires_later() -> None:
    deferred: Deferred[int] = Deferred()
    task = await started(deferred)
    deferred.callback(1)
    assert await within(task) == 1
    assert deferred.result is None
    assert await within(deferred) is None


async def test_one_that_fails_later(caplog: pytest.LogCaptureFixture) -> None:
    deferred: Deferred[int] = Deferred()
    error = KeyError("k")
    task = await started(deferred)
    deferred.errback(error)
    with pytest.raises(KeyError) as caught:
        await within(task)
    assert caught.value is error
    del deferred, task
    gc.collect()
    assert caplog.records == []


async def test_it_takes_its_place_in_the_chain() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda n: n + 1)
    task = await started(deferred)
    after: list[Any] = []
    deferred.addCallback(after.append)
    deferred.callback(1)
    assert await within(task) == 2
    assert after == [None]


async def test_a_chained_and_a_paused_one() -> None:
    inner: Deferred[int] = Deferred()
    chained = succeed(0).addCallback(lambda _: inner)
    task = asyncio.ensure_future(awaits(chained))
    await until(lambda: chained.callbacks)
    inner.callback(1)
    assert await within(task) == 1

    paused = succeed(2)
    paused.pause()
    task = await started(paused)
    paused.unpause()
    assert await within(task) == 2


@pytest.mark.parametrize("error", [StopIteration("x"), GeneratorExit(), KeyboardInterrupt(), SystemExit()])
async def test_exceptions_that_a_future_cannot_carry_arrive(error: BaseException) -> None:
    deferred: Deferred[Any] = Deferred()

    async def catch() -> BaseException:
        try:
            await deferred
        except BaseException as caught:
            return caught
        raise AssertionError

    task = asyncio.ensure_future(catch())
    await until(lambda: deferred.callbacks)
    deferred.errback(error)
    caught = await within(task)
    if isinstance(error, StopIteration):  # no generator may raise it
        assert isinstance(caught, RuntimeError)
        caught = caught.__cause__ or caught
    assert caught is error


def _later(count: int) -> list[Deferred[int]]:
    """Deferreds that fire soon, each with its number."""
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(count)]
    for number, deferred in enumerate(deferreds):
        asyncio.get_running_loop().call_later(0.001 * number, deferred.callback, number)
    return deferreds


async def test_in_what_asyncio_offers_to_wait_with() -> None:
    deferreds = _later(7)
    assert await asyncio.wait_for(deferreds[0], 10) == 0
    assert await asyncio.shield(deferreds[1]) == 1
    assert await asyncio.gather(*deferreds[2:4]) == [2, 3]
    assert await asyncio.ensure_future(deferreds[4]) == 4
    assert {await future for future in asyncio.as_completed(deferreds[5:])} == {5, 6}
    done, _ = await asyncio.wait([asyncio.ensure_future(deferred) for deferred in _later(2)])
    assert {task.result() for task in done} == {0, 1}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has timeout and TaskGroup from Python 3.11")
async def test_in_timeouts_and_task_groups() -> None:
    one, two, three = _later(3)
    async with asyncio.timeout(10):
        assert await one == 0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(awaits(deferred)) for deferred in (two, three)]
    assert [task.result() for task in tasks] == [1, 2]

    never: Deferred[Any] = Deferred()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await never
    assert never.called

    never = Deferred()
    with pytest.raises(ExceptionGroup) as caught:  # noqa: F821
        async with asyncio.TaskGroup() as group:
            group.create_task(awaits(never))
            group.create_task(awaits(fail(KeyError())))
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert never.called


async def test_cancelling_what_shields_or_gathers() -> None:
    kept: Deferred[int] = Deferred()
    shielded = asyncio.ensure_future(_shield(kept))
    await until(lambda: kept.callbacks)
    shielded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(shielded)
    assert not kept.called

    gathered: list[Deferred[int]] = [Deferred(), Deferred()]
    both = asyncio.gather(*gathered)
    await until(lambda: all(deferred.callbacks for deferred in gathered))
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(both)
    assert all(deferred.called for deferred in gathered)


async def _shield(deferred: Deferred[Any]) -> Any:
    return await asyncio.shield(deferred)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has eager tasks from Python 3.12")
async def test_eager_tasks() -> None:
    # uvloop gives asyncio.eager_task_factory an argument that not every Python 3.13 takes.
    def factory(loop: Any, coro: Any, eager_start: bool = True, **options: Any) -> Any:
        return asyncio.Task(coro, loop=loop, eager_start=True, **options)

    asyncio.get_running_loop().set_task_factory(factory)
    cancelled: list[Any] = []
    deferred: Deferred[int] = Deferred(cancelled.append)
    assert asyncio.create_task(awaits(succeed(1))).result() == 1
    task = asyncio.create_task(awaits(deferred))
    assert deferred.callbacks
    deferred.callback(2)
    assert await within(task) == 2

    deferred = Deferred(cancelled.append)
    task = asyncio.create_task(awaits(deferred))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert cancelled == [deferred]
    failed = asyncio.create_task(awaits(fail(KeyError())))
    assert isinstance(failed.exception(), KeyError)
    assert await within(asyncio.gather(*_later(3))) == [0, 1, 2]
    asyncio.get_running_loop().set_task_factory(None)


async def test_many_tasks_may_await_one_and_the_first_takes_the_result() -> None:
    deferred: Deferred[int] = Deferred()
    tasks = [asyncio.ensure_future(awaits(deferred)) for _ in range(3)]
    await until(lambda: len(deferred.callbacks) == 3)
    deferred.callback(1)
    assert await within(asyncio.gather(*tasks)) == [1, None, None]


async def test_a_task_and_one_that_is_chained_get_it_in_the_order_in_which_they_came() -> None:
    task_first: Deferred[int] = Deferred()
    task = await started(task_first)
    outer = succeed(0).addCallback(lambda _: task_first)
    task_first.callback(1)
    assert await within(task) == 1
    assert (outer.result, outer.paused) == (None, 0)

    chained_first: Deferred[int] = Deferred()
    outer = succeed(0).addCallback(lambda _: chained_first)
    task = await started(chained_first)
    chained_first.callback(1)
    assert await within(task) is None
    assert outer.result == 1


async def test_one_that_waits_by_hand_over_wakes_the_task_before_its_steps() -> None:
    inner: Deferred[int] = Deferred()
    outer: Deferred[Any] = succeed(0).addCallback(lambda _: inner)
    seen: list[Any] = []
    task = await started(outer)
    outer.addCallback(seen.append)
    inner.callback(1)
    assert seen == [None]
    assert await within(task) == 1


async def test_a_paused_one_holds_the_task_when_it_fires_and_fails() -> None:
    deferred: Deferred[int] = Deferred()
    task = await started(deferred)
    deferred.pause()
    deferred.errback(KeyError("k"))
    assert not await is_done_soon(task)
    deferred.unpause()
    with pytest.raises(KeyError):
        await within(task)


async def test_failing_reaches_every_task_only_by_way_of_the_first() -> None:
    deferred: Deferred[int] = Deferred()
    tasks = [await started(deferred) for _ in range(2)]
    deferred.errback(KeyError())
    with pytest.raises(KeyError):
        await within(tasks[0])
    assert await within(tasks[1]) is None


async def test_awaiting_inside_its_own_callback_gives_what_it_has_so_far() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda n: (_step(deferred), n + 1))
    deferred.callback(1)
    assert deferred.result == (1, 2)


async def test_the_task_is_not_run_by_firing_but_on_a_later_turn() -> None:
    deferred: Deferred[int] = Deferred()
    order: list[str] = []

    async def body() -> None:
        await deferred
        order.append("task")

    task = asyncio.ensure_future(body())
    await until(lambda: deferred.callbacks)
    deferred.addCallback(lambda _: order.append("callback"))
    deferred.callback(1)
    order.append("fired")
    await within(task)
    assert order == ["callback", "fired", "task"]


async def test_an_asyncio_cancelled_error_as_failure_cancels_the_task() -> None:
    deferred: Deferred[int] = Deferred()
    task = await started(deferred)
    error = asyncio.CancelledError("by the work itself")
    deferred.errback(error)
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert task.cancelled()


async def test_generators_that_await_with_yield_from() -> None:
    @types.coroutine
    def old_style(deferred: Deferred[int]) -> Any:
        return (yield from deferred)

    assert await within(old_style(_later(1)[0])) == 0
    assert await within(old_style(succeed(1))) == 1


async def test_the_task_keeps_its_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    deferred: Deferred[None] = Deferred()

    async def body() -> str:
        token = variable.set("task")
        await deferred
        value = variable.get()
        variable.reset(token)
        return value

    task = asyncio.ensure_future(body())
    await until(lambda: deferred.callbacks)
    contextvars.copy_context().run(lambda: (variable.set("firing"), deferred.callback(None)))
    assert await within(task) == "task"


# Memory.


async def _succeeds_later() -> None:
    deferred: Deferred[int] = Deferred()
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, deferred.callback, 1)
    await deferred


async def _succeeds_later_in_a_task() -> None:
    deferred: Deferred[int] = Deferred()
    task = asyncio.ensure_future(awaits(deferred))
    await asyncio.sleep(0)
    deferred.callback(1)
    await task


async def _with_steps_and_a_chain() -> None:
    inner: Deferred[int] = Deferred()
    outer = succeed(0).addCallback(lambda _, d=inner: d).addCallback(str)
    task = asyncio.ensure_future(awaits(outer))
    await asyncio.sleep(0)
    inner.callback(1)
    assert await task == "1"


async def _fails_later_in_a_task() -> None:
    deferred: Deferred[int] = Deferred()
    task = asyncio.ensure_future(awaits(deferred))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(deferred.errback, KeyError())
    await asyncio.wait([task])
    assert task.exception()


async def _in_a_coroutine_of_ours() -> None:
    deferred: Deferred[int] = Deferred()
    waiting = ensureDeferred(awaits(deferred))
    deferred.callback(1)
    assert waiting.result == 1


@pytest.mark.parametrize(
    "once",
    [
        _succeeds_later,
        _succeeds_later_in_a_task,
        _with_steps_and_a_chain,
        _fails_later_in_a_task,
        _in_a_coroutine_of_ours,
    ],
)
async def test_no_reference_cycles(once: Any) -> None:
    await once()
    with no_reference_cycles():
        await once()
