"""Coroutines that we run as asyncio sees them: tasks, for asyncio's own tools, for anyio and for sniffio."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
from typing import Any

import pytest

from tests.support import within
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, inlineCallbacks
from twisted_compat.defer.coroutine_task import CoroutineTask
from twisted_compat.failure import Failure

from .coroutines import Waiting, came_to, run, since_3_12, turn
from .test_deferred import outcome

# Which task is the current one.


async def test_it_is_the_current_task_in_every_step_and_the_one_before_is_again_afterwards() -> None:
    outer = asyncio.current_task()
    seen: list[Any] = []
    steps: list[Deferred[None]] = [Deferred(), Deferred()]

    async def body() -> None:
        for step in steps:
            seen.append(asyncio.current_task())
            await step
            assert asyncio.current_task() is seen[0]
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    result = ensureDeferred(body())
    assert asyncio.current_task() is outer
    for step in steps:
        step.callback(None)
        assert asyncio.current_task() is outer
    await within(result)
    assert isinstance(seen[0], CoroutineTask)
    assert seen == [seen[0]] * 3


async def test_fired_by_a_callback_of_the_loop_none_is_current_afterwards() -> None:
    loop = asyncio.get_running_loop()
    waiting = Waiting()
    after: list[Any] = []

    def fire() -> None:
        waiting.awaited.callback(1)
        after.append(asyncio.current_task())

    loop.call_soon(fire)
    assert await within(waiting.result) == 1
    assert after == [None]


async def test_when_it_raises_the_one_before_is_current_again() -> None:
    outer = asyncio.current_task()

    async def body() -> None:
        raise KeyError

    assert isinstance(outcome(ensureDeferred(body())), KeyError)
    assert asyncio.current_task() is outer


async def test_coroutines_that_start_and_resume_each_other_have_each_their_own() -> None:
    fired_inside: Deferred[None] = Deferred()
    seen: dict[str, Any] = {}

    async def inner() -> None:
        seen["inner"] = asyncio.current_task()
        await fired_inside
        assert asyncio.current_task() is seen["inner"]

    async def outer() -> None:
        task = asyncio.current_task()
        waiting = ensureDeferred(inner())
        assert asyncio.current_task() is task
        fired_inside.callback(None)
        assert asyncio.current_task() is task
        assert waiting.called
        seen["outer"] = task

    await within(ensureDeferred(outer()))
    assert seen["inner"] is not seen["outer"]


async def test_an_inline_callbacks_function_has_the_task_of_who_resumes_it() -> None:
    awaited: Deferred[None] = Deferred()
    seen: list[Any] = []

    @inlineCallbacks
    def generator() -> Any:
        seen.append(asyncio.current_task())
        yield awaited
        seen.append(asyncio.current_task())

    waiting = generator()
    asyncio.get_running_loop().call_soon(awaited.callback, None)
    await within(waiting)
    assert seen == [asyncio.current_task(), None]


async def test_an_asyncio_task_inside_it_is_another() -> None:
    async def child() -> Any:
        return asyncio.current_task()

    async def body() -> tuple[Any, Any]:
        task = asyncio.ensure_future(child())
        assert await task is task
        return asyncio.current_task(), task

    ours, theirs = await within(ensureDeferred(body()))
    assert isinstance(ours, CoroutineTask)
    assert isinstance(theirs, asyncio.Task)


@since_3_12
@pytest.mark.parametrize("fired", [True, False])
async def test_eager_tasks_inside_it_and_it_inside_an_eager_task(fired: bool) -> None:
    loop = asyncio.get_running_loop()
    awaited: Deferred[int] = Deferred()
    if fired:
        awaited.callback(1)
    seen: list[Any] = []

    async def eager_inside() -> int:
        seen.append(asyncio.current_task())
        return await awaited

    async def ours() -> int:
        task = asyncio.current_task()
        eager: Any = asyncio.Task(eager_inside(), loop=loop, eager_start=True)
        assert asyncio.current_task() is task
        result: int = await eager
        assert asyncio.current_task() is task
        assert seen == [eager]
        return result

    async def eager_outside() -> int:
        task = asyncio.current_task()
        result = ensureDeferred(ours())
        assert asyncio.current_task() is task
        if not fired:
            awaited.callback(1)
        return await result

    outermost: Any = asyncio.Task(eager_outside(), loop=loop, eager_start=True)
    assert asyncio.current_task() is not outermost
    assert await within(outermost) == 1


@since_3_12
async def test_with_the_eager_task_factory() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        waiting = Waiting()
        waiting.awaited.callback(1)
        assert await waiting.task == 1

        async def eager() -> Any:
            return asyncio.current_task(), await ensureDeferred(asyncio.sleep(0, 2))

        coroutine = eager()
        try:
            task = loop.create_task(coroutine)
        except TypeError as error:
            coroutine.close()
            pytest.skip(f"{loop} and the eager tasks of this Python don't go together: {error}")
        assert await task == (task, 2)
    finally:
        loop.set_task_factory(None)


# Which tasks there are.


async def test_all_tasks_lists_it_from_its_first_wait_to_its_end() -> None:
    before = asyncio.all_tasks()

    async def never_waits() -> Any:
        assert asyncio.all_tasks() == before
        return asyncio.current_task()

    outcome(ensureDeferred(never_waits()))
    waiting = Waiting()
    assert asyncio.all_tasks() == {*before, waiting.task}
    waiting.awaited.callback(None)
    assert asyncio.all_tasks() == before


def test_when_asyncio_run_ends_it_is_cancelled_and_may_clean_up(loop_factory: Any) -> None:
    events: list[str] = []

    async def background(deferred: Deferred[Any]) -> None:
        try:
            await deferred
        except asyncio.CancelledError:
            events.append("cancelled")
            await asyncio.sleep(0.001)
            events.append("cleaned up")
            raise

    async def main() -> tuple[Any, Any]:
        cancelled: Deferred[Any] = Deferred(lambda _: events.append("canceller"))
        return ensureDeferred(background(cancelled)), ensureDeferred(asyncio.sleep(3600))

    deferred, sleeping = run(loop_factory, main)
    assert events == ["canceller", "cancelled", "cleaned up"]
    for ended in (deferred, sleeping):
        error = outcome(ended)
        assert isinstance(error, CancelledError)
        assert isinstance(error.__cause__, asyncio.CancelledError)


# What a task has to offer.


async def test_its_name() -> None:
    waiting, other = Waiting(), Waiting()
    task = waiting.task
    assert task.get_name().startswith("Deferred-Task-")
    assert task.get_name() == task.get_name() != other.task.get_name()
    task.set_name(5)
    assert task.get_name() == "5"
    assert repr(task).startswith("<CoroutineTask 5 ")
    assert "waiting for <Deferred" in repr(task)
    for each in (waiting, other):
        each.awaited.callback(None)
    assert repr(task).endswith(" finished>")


async def test_its_coroutine_and_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    awaited: Deferred[None] = Deferred()

    async def body() -> Any:
        variable.set(1)
        task: Any = asyncio.current_task()
        await awaited
        return task

    coroutine = body()
    result = ensureDeferred(coroutine)
    (task,) = (each for each in asyncio.all_tasks() if isinstance(each, CoroutineTask))
    assert task.get_coro() is coroutine
    assert task.get_loop() is asyncio.get_running_loop()
    assert task.get_context()[variable] == 1
    assert variable.get(None) is None
    awaited.callback(None)
    assert await within(result) is task
    assert task.get_coro() is coroutine


async def test_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    (frame,) = waiting.task.get_stack()
    assert frame.f_code.co_name == "_run"
    assert waiting.task.get_stack(limit=0) == []
    out = io.StringIO()
    waiting.task.print_stack(file=out)
    first, second, *_ = out.getvalue().splitlines()
    assert first == f"Stack for {waiting.task!r} (most recent call last):"
    assert second.endswith("in _run") and "coroutines.py" in second
    del frame
    waiting.awaited.callback(None)
    assert waiting.task.get_stack() == []
    waiting.task.print_stack()
    assert "No stack for" in capsys.readouterr().err


async def test_the_stack_of_one_that_failed_is_that_of_its_exception() -> None:
    waiting = Waiting()
    waiting.awaited.errback(KeyError("k"))
    assert waiting.task.get_stack()[0].f_code.co_name == "_run"
    assert len(waiting.task.get_stack()) > len(waiting.task.get_stack(limit=1)) == 1
    out = io.StringIO()
    waiting.task.print_stack(file=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Traceback for ")
    assert lines[-1] == "KeyError: 'k'"
    assert isinstance(outcome(waiting.result), KeyError)


async def test_only_its_coroutine_says_what_its_result_is() -> None:
    waiting = Waiting()
    with pytest.raises(RuntimeError, match="return result"):
        waiting.task.set_result(1)
    with pytest.raises(RuntimeError, match="raise"):
        waiting.task.set_exception(KeyError())
    with pytest.raises(asyncio.InvalidStateError):
        waiting.task.result()
    waiting.awaited.callback(1)
    assert waiting.task.result() == 1
    assert waiting.task.exception() is None
    assert waiting.task.cancel() is False


async def test_cancellations_are_counted_and_can_be_taken_back() -> None:
    waiting = Waiting(Deferred(lambda deferred: deferred.callback("kept")))
    task = waiting.task
    assert (task.cancelling(), task.uncancel()) == (0, 0)
    assert task.cancel() and task.cancel()
    assert task.cancelling() == 2
    assert (task.uncancel(), task.uncancel(), task.uncancel()) == (1, 0, 0)
    assert await within(waiting.result) == "kept"  # it was on its way, and arrives, as with any task


async def test_a_cancellation_taken_back_after_the_result_came_leaves_no_hung_coroutine() -> None:
    waiting = Waiting()
    waiting.task.cancel()
    waiting.awaited.callback("left")
    waiting.task.uncancel()
    assert isinstance(await came_to(waiting.result), CancelledError)
    assert waiting.awaited.result == "left"


async def test_a_coroutine_that_cancels_itself_and_takes_it_back_hears_nothing() -> None:
    async def body() -> str:
        task: Any = asyncio.current_task()
        task.cancel()
        task.uncancel()
        await asyncio.sleep(0)
        return "not cancelled"

    assert await within(ensureDeferred(body())) == "not cancelled"


async def test_a_cycle_of_waits_can_be_shown() -> None:
    tasks: list[Any] = []

    async def body(number: int) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        await tasks[1 - number]

    results = [ensureDeferred(body(number)) for number in (0, 1)]
    await turn()
    assert "..." in repr(tasks[0])
    for waiter in (tasks[0]._fut_waiter, tasks[1]._fut_waiter):
        assert waiter in tasks
    asyncio.Future.cancel(tasks[0])  # what any of the two's cancel would do is to cancel the other, for ever
    assert [type(await came_to(each)) for each in results] == [CancelledError, CancelledError]


async def test_it_cannot_wait_for_itself() -> None:
    async def body() -> None:
        task: Any = asyncio.current_task()
        await task

    error = await came_to(ensureDeferred(body()))
    assert isinstance(error, RuntimeError)
    assert "itself" in str(error)


# Waiting for it as a task.


async def test_others_may_await_it() -> None:
    waiting = Waiting()

    async def ours() -> Any:
        return await waiting.task

    several = asyncio.gather(waiting.task, asyncio.shield(waiting.task), asyncio.ensure_future(waiting.task))
    inside = ensureDeferred(ours())
    done: list[Any] = []
    waiting.task.add_done_callback(done.append)
    waiting.awaited.callback(1)
    assert await within(several) == [1, 1, 1]
    assert await within(inside) == 1
    assert done == [waiting.task]
    assert await within(waiting.result) == 1
    finished, pending = await asyncio.wait({waiting.task})
    assert (finished, pending) == ({waiting.task}, set())


async def test_its_exception_is_that_of_the_coroutine(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()
    waiting = Waiting()
    error = KeyError("k")
    gathered = asyncio.gather(waiting.task, return_exceptions=True)
    waiting.awaited.errback(error)
    assert await within(gathered) == [error]
    assert waiting.task.exception() is error
    assert outcome(waiting.result) is error
    del waiting
    gc.collect()
    assert caplog.records == []


async def test_a_failure_that_is_returned_is_its_exception() -> None:
    error = KeyError()
    tasks: list[Any] = []

    async def body() -> Any:
        tasks.append(asyncio.current_task())
        return Failure(error)

    assert outcome(ensureDeferred(body())) is error
    assert tasks[0].exception() is error


async def test_cancelled_with_what_it_was_gathered_and_spared_by_a_shield() -> None:
    waiting, shielded = Waiting(), Waiting()
    gathered = asyncio.gather(waiting.task, asyncio.shield(shielded.task))
    gathered.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await within(gathered)
    assert waiting.task.cancelled()
    error = outcome(waiting.result)
    assert isinstance(error, CancelledError)
    assert error.args == ("why",)
    assert not shielded.task.done()
    shielded.awaited.callback(2)
    assert await within(shielded.result) == 2


async def test_it_counts_as_cancelled_when_its_deferred_was() -> None:
    waiting = Waiting()
    task = waiting.task
    waiting.result.cancel()
    assert isinstance(await came_to(waiting.result), CancelledError)
    assert task.cancelled()


async def test_it_has_failed_when_what_it_awaits_was_cancelled_by_somebody_else() -> None:
    waiting = Waiting()
    task = waiting.task
    waiting.awaited.cancel()
    assert isinstance(await came_to(waiting.result), CancelledError)
    assert not task.cancelled()
    assert isinstance(task.exception(), CancelledError)


@pytest.mark.parametrize("in_cleanup", [False, True])
def test_the_end_of_asyncio_run_reports_what_cleaning_up_raised_and_nothing_else(
    loop_factory: Any, in_cleanup: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            if in_cleanup:
                raise KeyError("cleanup")

    async def main() -> None:
        ensureDeferred(body())
        await turn()

    run(loop_factory, main)
    gc.collect()
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [KeyError] * in_cleanup


@pytest.mark.parametrize("done", [False, True])
async def test_who_awaits_the_task_has_handled_its_failure(
    caplog: pytest.LogCaptureFixture, done: bool
) -> None:
    waiting = Waiting()
    task = waiting.task
    if done:
        waiting.awaited.errback(KeyError("k"))
    else:
        asyncio.get_running_loop().call_later(0.001, waiting.awaited.errback, KeyError("k"))
    with pytest.raises(KeyError):
        await within(task)
    del waiting, task
    gc.collect()
    assert caplog.records == []


async def test_asking_a_task_left_behind_handles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Waiting()
    task = waiting.task
    task.leave()
    assert isinstance(task.exception(), RuntimeError)
    waiting.awaited.errback(KeyError("k"))
    del waiting, task
    gc.collect()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError]
