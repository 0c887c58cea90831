"""Cancelling a task that awaits a Deferred: when it comes, what the Deferred makes of it, how often."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import until, within
from twisted_compat.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    ensureDeferred,
    fail,
    gatherResults,
    race,
    succeed,
)
from twisted_compat.failure import Failure

from .test_waiter import awaits, is_done_soon, started

pytestmark = pytest.mark.without_debug


async def test_cancelling_the_task_cancels_the_deferred() -> None:
    cancelled: list[Any] = []
    deferred: Deferred[Any] = Deferred(cancelled.append)
    task = await started(deferred)
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
    task = asyncio.ensure_future(awaits(deferred))
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
    task = await started(deferred)
    deferred.cancel()
    with pytest.raises(CancelledError):
        await within(task)
    with pytest.raises(CancelledError):
        await fail(CancelledError())


async def test_a_canceller_that_gives_a_result_or_another_failure_decides() -> None:
    kept: Deferred[Any] = Deferred(lambda d: d.callback("partial"))
    task = await started(kept)
    task.cancel()
    assert await within(task) == "partial"

    failing: Deferred[Any] = Deferred(lambda d: d.errback(KeyError()))
    task = await started(failing)
    task.cancel()
    with pytest.raises(KeyError):
        await within(task)


async def test_cleaning_up_is_waited_for_and_can_be_cancelled_in_its_turn() -> None:
    for twice in (False, True):
        cleaned: Deferred[Any] = Deferred()
        deferred: Deferred[Any] = Deferred()
        deferred.addErrback(lambda failure, cleaned=cleaned: cleaned.addCallback(lambda _: failure))
        task = await started(deferred)
        task.cancel()
        assert not await is_done_soon(task)
        if twice:
            task.cancel()
        else:
            cleaned.callback(None)
        with pytest.raises(asyncio.CancelledError):
            await within(task)


async def test_what_a_canceller_raises_is_logged_and_the_task_is_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deferred: Deferred[Any] = Deferred(lambda _: 1 / 0)
    task = await started(deferred)
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
    task = await started(deferred)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    deferred.unpause()
    assert deferred.result == "kept"


async def test_between_the_firing_and_the_waking_the_result_goes_back() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await started(deferred)
    deferred.callback("kept")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert deferred.result == "kept"


async def test_with_other_tasks_behind_it_they_get_what_is_left() -> None:
    deferred: Deferred[Any] = Deferred()
    tasks = [await started(deferred) for _ in range(2)]
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(tasks[0])
    assert await within(tasks[1]) is None


async def test_with_another_task_before_it_that_one_is_told_by_the_deferred() -> None:
    deferred: Deferred[Any] = Deferred()
    tasks = [await started(deferred) for _ in range(2)]
    tasks[1].cancel()
    with pytest.raises(CancelledError):  # ours: nobody cancelled this task
        await within(tasks[0])
    assert await within(tasks[1]) is None  # the first one has taken the outcome


async def test_the_steps_around_it_run_as_they_would_have() -> None:
    seen: list[Any] = []
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda failure: seen.append(failure.type) or failure)
    task = await started(deferred)
    deferred.addBoth(seen.append)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert seen == [CancelledError, None]


async def test_through_a_row_of_deferreds() -> None:
    cancelled: list[Any] = []
    end: Deferred[Any] = Deferred(cancelled.append)
    row = end
    for _ in range(1_000):
        row = succeed(None).addCallback(lambda _, d=row: d)
    task = await started(row)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert cancelled == [end]


async def test_a_chain_that_recovers_from_it_gives_its_result() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda failure: failure.trap(CancelledError) and "recovered")
    task = await started(deferred)
    task.cancel()
    assert await within(task) == "recovered"


async def test_a_task_that_catches_it_and_goes_on_may_await_again_and_be_cancelled_again() -> None:
    deferreds: list[Deferred[Any]] = [Deferred() for _ in range(3)]
    messages: list[Any] = []

    async def stubborn() -> str:
        for deferred in deferreds[:2]:
            try:
                await deferred
            except asyncio.CancelledError as error:
                messages.append(error.args)
        return await deferreds[2]  # type: ignore[no-any-return]

    task = asyncio.ensure_future(stubborn())
    for number, deferred in enumerate(deferreds[:2]):
        await until(lambda deferred=deferred: deferred.callbacks)
        task.cancel(number)
        await until(lambda deferred=deferred: deferred.called)
    await until(lambda: deferreds[2].callbacks)
    deferreds[2].callback("in the end")
    assert await within(task) == "in the end"
    assert messages == [(0,), (1,)]


async def test_awaiting_the_same_one_again_after_catching_it() -> None:
    deferred: Deferred[Any] = Deferred(lambda d: None)

    async def stubborn() -> Any:
        with suppress(asyncio.CancelledError):
            await deferred
        return await deferred

    task = asyncio.ensure_future(stubborn())
    await until(lambda: deferred.callbacks)
    task.cancel()
    assert await within(task) is None


async def test_cancelled_twice_before_it_is_heard_of() -> None:
    cancelled: list[Any] = []
    deferred: Deferred[Any] = Deferred(cancelled.append)
    task = await started(deferred)
    task.cancel("one")
    task.cancel("two")
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert cancelled == [deferred]


async def test_during_cancellation_by_its_own_canceller() -> None:
    task: asyncio.Task[Any]
    deferred: Deferred[Any] = Deferred(lambda _: task.cancel())
    task = await started(deferred)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert isinstance(deferred.result, type(None))


async def test_a_cancellation_that_takes_long_may_end_with_a_result() -> None:
    working: Deferred[Any] = Deferred()
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda _: working)
    task = await started(deferred)
    task.cancel()
    assert not await is_done_soon(task)
    working.callback("after all")
    assert await within(task) == "after all"


async def test_after_the_result_it_is_too_late() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await started(deferred)
    deferred.callback(1)
    assert await within(task) == 1
    assert task.cancel() is False

    called: list[Any] = []
    fired: Deferred[Any] = Deferred(called.append)
    task = await started(fired)
    fired.callback("kept")
    fired.addCallback(lambda result: ("later", result))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert (called, fired.result) == ([], "kept")


async def test_a_ring_of_deferreds_does_not_hold_the_task() -> None:
    one: Deferred[Any] = Deferred()
    other: Deferred[Any] = Deferred()
    one.addCallback(lambda _: other)
    other.addCallback(lambda _: one)
    one.callback(None)
    other.callback(None)
    task = await started(one)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)


async def test_a_canceller_that_exits_the_program_does() -> None:
    def exits(_: Any) -> None:
        raise GeneratorExit

    deferred: Deferred[Any] = Deferred(exits)
    task = await started(deferred)
    task.cancel()
    with pytest.raises(GeneratorExit):
        await within(task)


async def test_a_list_that_was_cancelled_with_the_task() -> None:
    both = gatherResults([Deferred(), Deferred()], consumeErrors=True)
    task = await started(both)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)

    listed: Deferred[Any] = DeferredList([Deferred()], consumeErrors=True)
    task = await started(listed)
    task.cancel()
    ((ok, failure),) = await within(task)
    assert (ok, failure.type) == (False, CancelledError)


async def test_a_race_that_was_cancelled_with_the_task() -> None:
    task = await started(race([Deferred(), Deferred()]))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)


async def test_a_list_that_has_fired_and_waits_for_more_does_not_hold_a_cancelled_task() -> None:
    waited_for: Deferred[Any] = Deferred()
    task = await started(gatherResults([succeed(1)]).addCallback(lambda _: waited_for))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert waited_for.called


async def test_a_timeout_of_asyncio() -> None:
    deferred: Deferred[Any] = Deferred()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(deferred, 0.01)
    assert deferred.called


async def test_a_closed_coroutine_leaves_the_result_to_the_deferred() -> None:
    deferred: Deferred[Any] = Deferred()
    coroutine = awaits(deferred)
    coroutine.send(None)
    coroutine.close()
    deferred.callback("kept")
    assert deferred.result == "kept"


# Random histories: whatever happens in whatever order, no task hangs and the result is given to one.

_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["start", "start in a driver", "cancel"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["fire", "fail", "pause", "unpause", "turn", "chain"]), st.just(0)),
    ),
    max_size=25,
)


class History:
    """Tasks that await one Deferred, and what happens to them."""

    def __init__(self, canceller: Any) -> None:
        self.deferred: Deferred[Any] = Deferred(canceller)
        self.tasks: list[Any] = []
        self.pauses = 0
        self.chained: list[Deferred[Any]] = []
        self.outcomes: list[Any] = []

    async def waits(self) -> None:
        try:
            self.outcomes.append(await self.deferred)
        except KeyError as error:
            self.outcomes.append(error)

    async def happen(self, event: str, which: int) -> None:
        if event == "start":
            self.tasks.append(asyncio.ensure_future(self.waits()))
        elif event == "start in a driver":
            self.tasks.append(ensureDeferred(self.waits()))
        elif event == "cancel" and self.tasks:
            self.tasks[which % len(self.tasks)].cancel()
        elif event in ("fire", "fail") and not self.deferred.called:
            self.deferred.callback("result" if event == "fire" else Failure(KeyError("result")))
        elif event == "pause":
            self.pauses += 1
            self.deferred.pause()
        elif event == "unpause" and self.pauses:
            self.pauses -= 1
            self.deferred.unpause()
        elif event == "chain":
            self.chained.append(succeed(None).addCallback(lambda _: self.deferred))
        elif event == "turn":
            await asyncio.sleep(0)

    async def end(self) -> None:
        while self.pauses:
            await self.happen("unpause", 0)
        await self.happen("fire", 0)
        for task in self.tasks:
            with suppress(asyncio.CancelledError, CancelledError):
                await within(task)
        for deferred in [*self.chained, self.deferred]:
            assert deferred.called and not deferred.paused
            deferred.addBoth(self.outcomes.append)


@pytest.mark.parametrize("canceller", [None, lambda _: None, lambda d: d.callback("result")])
@given(events=_EVENTS)
def test_random_histories(canceller: Any, events: list[tuple[str, int]]) -> None:
    async def main() -> list[Any]:
        history = History(canceller)
        for event in events:
            await history.happen(*event)
        await history.end()
        return [_bare(outcome) for outcome in history.outcomes if outcome is not None]

    loop = asyncio.new_event_loop()
    try:
        outcomes = loop.run_until_complete(main())
    finally:
        loop.close()
    # Lost by nobody; seen by several only where they await what has fired, which leaves it there.
    assert outcomes or any(event == "cancel" for event, _ in events)
    assert {str(one) for one in outcomes if not isinstance(one, CancelledError)} <= {"result", "'result'"}


def _bare(outcome: Any) -> Any:
    return outcome.value if isinstance(outcome, Failure) else outcome


@pytest.mark.parametrize("noticed", [False, True])
async def test_being_cancelled_is_no_failure_to_log_when_the_task_is_cancelled_again_meanwhile(
    caplog: pytest.LogCaptureFixture, noticed: bool
) -> None:
    cleaned: Deferred[Any] = Deferred()
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda failure: cleaned.addCallback(lambda _: failure))
    task = await started(deferred)
    task.cancel()
    assert not await is_done_soon(task)
    if noticed:  # the task is woken by the end of the cleanup, and cancelled before it runs
        cleaned.callback(None)
        task.cancel()
    else:
        task.cancel()
        cleaned.callback(None)
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    del deferred, task
    cleaned = Deferred()
    gc.collect()
    assert caplog.records == []
