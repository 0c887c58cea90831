"""``await deferred`` in asyncio tasks: every state it can be in, and every way it can be cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
from typing import Any

import pytest

import twisted_compat
from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, DeferredList, fail, gatherResults, succeed


async def _await(deferred: Deferred[Any]) -> Any:
    return await deferred


async def _started(deferred: Deferred[Any]) -> asyncio.Task[Any]:
    """A task that waits for ``deferred``."""
    before = len(deferred.callbacks)
    task = asyncio.ensure_future(_await(deferred))
    await until(lambda: len(deferred.callbacks) > before)
    return task


def _step(deferred: Deferred[Any]) -> Any:
    """Await by hand, without a loop; the result, as it must not suspend."""
    with pytest.raises(StopIteration) as stopped:
        _await(deferred).send(None)
    return stopped.value.value


# Results.


def test_a_fired_one_gives_its_result_without_suspending_and_keeps_it() -> None:
    deferred = succeed(1)
    assert (_step(deferred), _step(deferred), deferred.result) == (1, 1, 1)


def test_a_failed_one_raises_the_very_exception_and_is_handled(caplog: pytest.LogCaptureFixture) -> None:
    error = KeyError("k")
    deferred = fail(error)
    with pytest.raises(KeyError) as caught:
        _await(deferred).send(None)
    assert caught.value is error
    del deferred, caught
    gc.collect()
    assert caplog.records == []


def test_a_driver_outside_asyncio_is_given_the_deferred() -> None:
    deferred: Deferred[int] = Deferred()
    coroutine = _await(deferred)
    assert coroutine.send(None) is deferred
    assert coroutine.send(None) is deferred  # resumed too early: it asks again
    deferred.callback(3)
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    assert stopped.value.value == 3


async def test_a_driver_inside_a_task_finds_the_deferred_in_what_it_is_given() -> None:
    deferred: Deferred[int] = Deferred()
    coroutine = _await(deferred)
    assert coroutine.send(None).deferred is deferred
    deferred.callback(3)
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
    task = await _started(deferred)
    deferred.callback(1)
    assert await within(task) == 1
    assert deferred.result is None
    assert await within(deferred) is None


async def test_one_that_fails_later(caplog: pytest.LogCaptureFixture) -> None:
    deferred: Deferred[int] = Deferred()
    error = KeyError("k")
    task = await _started(deferred)
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
    task = await _started(deferred)
    after: list[Any] = []
    deferred.addCallback(after.append)
    deferred.callback(1)
    assert await within(task) == 2
    assert after == [None]


async def test_a_chained_and_a_paused_one() -> None:
    inner: Deferred[int] = Deferred()
    chained = succeed(0).addCallback(lambda _: inner)
    task = asyncio.ensure_future(_await(chained))
    await until(lambda: chained.callbacks)
    inner.callback(1)
    assert await within(task) == 1

    paused = succeed(2)
    paused.pause()
    task = await _started(paused)
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


async def test_in_what_asyncio_offers_to_wait_with() -> None:
    loop = asyncio.get_running_loop()
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(5)]
    for index, deferred in enumerate(deferreds):
        loop.call_later(0.001, deferred.callback, index)
    assert await asyncio.wait_for(deferreds[0], 10) == 0
    assert await asyncio.shield(deferreds[1]) == 1
    assert await asyncio.gather(*deferreds[2:4]) == [2, 3]
    assert [await future for future in asyncio.as_completed([_await(deferreds[4])])] == [4]


async def test_many_tasks_may_await_one_and_the_first_takes_the_result() -> None:
    deferred: Deferred[int] = Deferred()
    tasks = [asyncio.ensure_future(_await(deferred)) for _ in range(3)]
    await until(lambda: len(deferred.callbacks) == 3)
    deferred.callback(1)
    assert await within(asyncio.gather(*tasks)) == [1, None, None]


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


async def test_a_result_makes_no_reference_cycle() -> None:
    async def once() -> None:
        deferred: Deferred[int] = Deferred()
        asyncio.get_running_loop().call_soon(deferred.callback, 1)
        await deferred

    await once()
    gc.collect()
    gc.disable()
    try:
        await once()
        garbage = gc.collect()
    finally:
        gc.enable()
    assert garbage == 0


# Cancelling.


async def test_cancelling_the_task_cancels_the_deferred() -> None:
    cancelled: list[Any] = []
    deferred: Deferred[Any] = Deferred(cancelled.append)
    task = await _started(deferred)
    task.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert task.cancelled()
    assert cancelled == [deferred]
    assert deferred.called


async def test_the_message_of_the_cancellation_arrives() -> None:
    deferred: Deferred[Any] = Deferred()

    async def body() -> tuple[Any, ...]:
        try:
            await deferred
        except asyncio.CancelledError as error:
            return error.args
        raise AssertionError

    task = asyncio.ensure_future(body())
    await until(lambda: deferred.callbacks)
    task.cancel("why")
    assert await within(task) == ("why",)


async def test_before_the_first_step_the_deferred_is_left_alone() -> None:
    deferred: Deferred[Any] = Deferred()
    task = asyncio.ensure_future(_await(deferred))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deferred.called


async def test_during_the_step_that_begins_to_wait() -> None:
    deferred: Deferred[Any] = Deferred()

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await deferred

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(body())
    assert deferred.called


async def test_our_cancelled_error_for_another_reason_stays_what_it_is() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await _started(deferred)
    deferred.cancel()
    with pytest.raises(CancelledError):
        await within(task)
    with pytest.raises(CancelledError):
        await fail(CancelledError())


async def test_a_canceller_that_gives_a_result_or_another_failure_decides() -> None:
    kept: Deferred[Any] = Deferred(lambda d: d.callback("partial"))
    task = await _started(kept)
    task.cancel()
    assert await within(task) == "partial"

    failing: Deferred[Any] = Deferred(lambda d: d.errback(KeyError()))
    task = await _started(failing)
    task.cancel()
    with pytest.raises(KeyError):
        await within(task)


async def test_cleaning_up_is_waited_for_and_can_be_cancelled_in_its_turn() -> None:
    for twice in (False, True):
        cleaned: Deferred[Any] = Deferred()
        deferred: Deferred[Any] = Deferred()
        deferred.addErrback(lambda failure, cleaned=cleaned: cleaned.addCallback(lambda _: failure))
        task = await _started(deferred)
        task.cancel()
        assert not await _is_done_soon(task)
        if twice:
            task.cancel()
        else:
            cleaned.callback(None)
        with pytest.raises(asyncio.CancelledError):
            await within(task)


async def _is_done_soon(task: asyncio.Task[Any]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


async def test_what_a_canceller_raises_is_logged_and_the_task_is_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deferred: Deferred[Any] = Deferred(lambda _: 1 / 0)
    task = await _started(deferred)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError
    deferred.callback("late")
    assert deferred.result == "late"


async def test_one_paused_by_hand_does_not_hold_the_task_and_keeps_its_result() -> None:
    deferred = succeed("kept")
    deferred.pause()
    task = await _started(deferred)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    deferred.unpause()
    assert deferred.result == "kept"


async def test_between_the_firing_and_the_waking_the_result_goes_back() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await _started(deferred)
    deferred.callback("kept")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert deferred.result == "kept"


async def test_a_list_that_was_cancelled_with_the_task() -> None:
    both = gatherResults([Deferred(), Deferred()], consumeErrors=True)
    task = await _started(both)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)

    listed: Deferred[Any] = DeferredList([Deferred()], consumeErrors=True)
    task = await _started(listed)
    task.cancel()
    ((ok, failure),) = await within(task)
    assert (ok, failure.type) == (False, CancelledError)


async def test_a_timeout_of_asyncio() -> None:
    deferred: Deferred[Any] = Deferred()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(deferred, 0.01)
    assert deferred.called


async def test_a_closed_coroutine_leaves_the_result_to_the_deferred() -> None:
    deferred: Deferred[Any] = Deferred()
    coroutine = _await(deferred)
    waiter = coroutine.send(None)
    waiter.add_done_callback(lambda _: None)
    coroutine.close()
    deferred.callback("kept")
    assert deferred.result == "kept"


# The waiter as a future.


async def test_the_waiter_keeps_to_the_protocol_of_futures() -> None:
    deferred: Deferred[Any] = Deferred()
    coroutine = _await(deferred)
    waiter = coroutine.send(None)
    assert asyncio.isfuture(waiter)
    assert waiter.get_loop() is asyncio.get_running_loop()
    assert repr(waiter) == f"<Waiter for {deferred!r}>"
    woken: list[Any] = []
    removed: list[Any] = []
    waiter.add_done_callback(woken.append)
    waiter.add_done_callback(removed.append)
    assert waiter.remove_done_callback(removed.append) == 1
    assert not waiter.done()
    deferred.callback(1)
    assert waiter.done()
    assert not waiter.cancelled()
    assert waiter.cancel() is False
    assert (waiter.result(), waiter.exception()) == (1, None)
    waiter.add_done_callback(woken.append)
    await until(lambda: len(woken) == 2)
    assert removed == []
    coroutine.close()


# Threads, and loops that are gone.


async def test_firing_in_another_thread_tells_the_task_what_to_write() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await _started(deferred)
    thread = threading.Thread(target=deferred.callback, args=("kept",))
    thread.start()
    with pytest.raises(RuntimeError, match="callFromThread"):
        await within(task)
    thread.join()
    assert deferred.result == "kept"


def test_firing_after_the_loop_is_gone_leaves_the_result_to_the_deferred(loop_factory: Any) -> None:
    loop = loop_factory()
    deferred: Deferred[Any] = Deferred()
    task = loop.create_task(_await(deferred))
    while not deferred.callbacks:
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    deferred.callback("kept")
    assert deferred.result == "kept"
    task._log_destroy_pending = False  # left behind on purpose
