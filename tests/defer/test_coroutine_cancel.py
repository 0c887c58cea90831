"""Coroutines run by us that are cancelled: in every state, through their task and through their Deferred."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import defer as twisted_defer

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, inlineCallbacks, succeed

from .coroutines import Waiting, came_to, turn, wait, waiting_task
from .test_deferred import outcome

pytestmark = pytest.mark.without_debug


class Awaited:
    """A kind of thing that a coroutine may wait for: how one is made, and whether it has been cancelled."""

    def __init__(self, make: Callable[[], Any], is_cancelled: Callable[[Any], bool], is_ours: bool) -> None:
        self.make = make
        self.is_cancelled = is_cancelled
        self.is_ours = is_ours


def _failed(deferred: Any) -> bool:
    return bool(deferred.called)


AWAITED = {
    "a Deferred": Awaited(Deferred, _failed, True),
    "a chained Deferred": Awaited(lambda: succeed(0).addCallback(lambda _: Deferred()), _failed, True),
    "a coroutine of ours": Awaited(lambda: ensureDeferred(wait(Deferred())), _failed, True),
    "a sleeping coroutine of ours": Awaited(lambda: ensureDeferred(asyncio.sleep(3600)), _failed, True),
    "a generator of ours": Awaited(lambda: inlineCallbacks(_yielding)(), _failed, True),
    "Twisted's Deferred": Awaited(twisted_defer.Deferred, _failed, True),
    "a future": Awaited(lambda: asyncio.get_running_loop().create_future(), asyncio.Future.cancelled, False),
    "a task": Awaited(lambda: asyncio.ensure_future(asyncio.sleep(3600)), asyncio.Task.cancelled, False),
    "a task of ours": Awaited(waiting_task, lambda task: task.done(), False),
}


def _message(thing: Any) -> tuple[str, ...]:
    """That of ``cancel("why")``; it is asyncio's own tasks that don't pass it on before Python 3.11."""
    return () if sys.version_info < (3, 11) and isinstance(thing, asyncio.Task) else ("why",)


def _yielding() -> Generator[Any, Any, Any]:
    yield Deferred()


@pytest.fixture(params=AWAITED.values(), ids=AWAITED.keys())
def awaited(request: pytest.FixtureRequest) -> Awaited:
    kind: Awaited = request.param
    return kind


class Cancelled:
    """A coroutine that is cancelled: what it saw, and what it comes to."""

    def __init__(self, awaitable: Any, *, then: Callable[[], Awaitable[Any]] | None = None) -> None:
        self.seen: list[BaseException] = []
        self.task: Any = None
        self._then = then
        self.result = ensureDeferred(self._run(awaitable))

    async def _run(self, awaitable: Any) -> Any:
        self.task = asyncio.current_task()
        try:
            return await awaitable
        except (asyncio.CancelledError, CancelledError) as error:
            self.seen.append(error)
            if self._then is None:
                raise
            return await self._then()


async def test_through_the_task_it_sees_asyncios_error_and_the_deferred_ours(awaited: Awaited) -> None:
    thing = awaited.make()
    cancelled = Cancelled(thing)
    await turn()
    assert cancelled.task.cancel("why")
    assert cancelled.seen == []  # whoever cancels is not run into
    error = await came_to(cancelled.result)
    (seen,) = cancelled.seen
    assert isinstance(seen, asyncio.CancelledError)
    assert isinstance(error, CancelledError)
    assert seen.args == error.args == _message(thing)
    assert error.__cause__ is seen
    assert cancelled.task.cancelled()
    assert awaited.is_cancelled(thing)


async def test_through_the_deferred_it_sees_the_error_of_what_it_waits_for(awaited: Awaited) -> None:
    thing = awaited.make()
    cancelled = Cancelled(thing)
    await turn()
    cancelled.result.cancel()
    error = await came_to(cancelled.result)
    (seen,) = cancelled.seen
    assert isinstance(error, CancelledError)
    if awaited.is_ours:
        assert seen is error
    else:
        assert isinstance(seen, asyncio.CancelledError)
        assert error.__cause__ is seen
    assert awaited.is_cancelled(thing)


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_while_it_runs_the_next_wait_is_cancelled(awaited: Awaited, through_the_task: bool) -> None:
    started: Deferred[None] = Deferred()
    thing = awaited.make()
    seen: list[BaseException] = []

    async def body() -> None:
        await started
        cancel()
        try:
            await thing
        except (asyncio.CancelledError, CancelledError) as error:
            seen.append(error)
            raise

    def cancel() -> None:
        if through_the_task:
            task: Any = asyncio.current_task()
            task.cancel("why")
        else:
            result.cancel()

    result = ensureDeferred(body())
    started.callback(None)
    error = await came_to(result)
    assert isinstance(error, CancelledError)
    assert len(seen) == 1
    if through_the_task:
        assert (type(seen[0]), seen[0].args) == (asyncio.CancelledError, _message(thing))
    await until(lambda: awaited.is_cancelled(thing))


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_in_a_bare_yield(through_the_task: bool) -> None:
    turns = 0

    async def body() -> None:
        nonlocal turns
        task.append(asyncio.current_task())
        try:
            while True:
                await asyncio.sleep(0)
        finally:
            for turns in range(3):  # noqa: B007
                await asyncio.sleep(0)

    task: list[Any] = []
    result = ensureDeferred(body())
    await turn()
    if through_the_task:
        task[0].cancel()
    else:
        result.cancel()
    assert isinstance(await came_to(result), CancelledError)
    assert turns == 2


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_while_it_runs_before_a_bare_yield(through_the_task: bool) -> None:
    started: Deferred[None] = Deferred()
    events: list[str] = []

    async def body() -> None:
        await started
        if through_the_task:
            task: Any = asyncio.current_task()
            task.cancel()
        else:
            result.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        for number in range(3):
            events.append(f"step {number}")
            await asyncio.sleep(0)

    async def watch() -> None:
        while "step 0" not in events:
            await asyncio.sleep(0)
        for number in range(3):
            events.append(f"turn {number}")
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(watch())
    result = ensureDeferred(body())
    await asyncio.sleep(0)
    started.callback(None)
    await within(asyncio.gather(watching, wait(result)))
    turns, steps = ([each for each in events if each.startswith(word)] for word in ("turn", "step"))
    assert len(turns) == len(steps) == 3
    assert events.index("turn 1") < events.index("step 2") + 2  # one step to a turn


async def test_before_it_first_waits() -> None:
    async def body() -> str:
        task: Any = asyncio.current_task()
        task.cancel()
        return "it has ended before that could reach it"

    assert outcome(ensureDeferred(body())) == "it has ended before that could reach it"
    await turn()


async def test_after_its_end_nothing_happens() -> None:
    waiting = Waiting()
    waiting.awaited.callback(1)
    waiting.result.cancel()
    assert waiting.task.cancel() is False
    assert outcome(waiting.result) == 1


async def test_in_the_turn_in_which_it_ended() -> None:
    waiting = Waiting()
    waiting.task.cancel()
    asyncio.Future.cancel(waiting.task)  # as if it had come to its end otherwise
    waiting.awaited.callback("left")
    await turn()
    assert isinstance(await came_to(waiting.result), CancelledError)


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_twice_at_once(awaited: Awaited, through_the_task: bool) -> None:
    cancelled = Cancelled(awaited.make())
    await turn()
    for _ in range(2):
        if through_the_task:
            cancelled.task.cancel("why")
        else:
            cancelled.result.cancel()
    assert isinstance(await came_to(cancelled.result), CancelledError)
    assert len(cancelled.seen) == 1


async def test_through_both_at_once_logs_nothing(awaited: Awaited, caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()
    for first in ("task", "result"):
        cancelled = Cancelled(awaited.make())
        await turn()
        for each in (first, "result" if first == "task" else "task"):
            getattr(cancelled, each).cancel()
        assert isinstance(await came_to(cancelled.result), CancelledError)
        assert len(cancelled.seen) == 1
    del cancelled
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_caught_and_gone_on(awaited: Awaited, through_the_task: bool) -> None:
    async def go_on() -> str:
        await asyncio.sleep(0)
        another: Deferred[None] = Deferred()
        asyncio.get_running_loop().call_soon(another.callback, None)
        await another
        return "went on"

    cancelled = Cancelled(awaited.make(), then=go_on)
    await turn()
    if through_the_task:
        cancelled.task.cancel()
    else:
        cancelled.result.cancel()
    assert await came_to(cancelled.result) == "went on"
    assert len(cancelled.seen) == 1


@pytest.mark.parametrize("through_the_task", [True, False])
async def test_again_while_it_cleans_up(awaited: Awaited, through_the_task: bool) -> None:
    cleaning = awaited.make()

    async def clean_up() -> None:
        await cleaning

    cancelled = Cancelled(Deferred(), then=clean_up)

    def cancel() -> None:
        if through_the_task:
            cancelled.task.cancel()
        else:
            cancelled.result.cancel()

    cancel()
    await turn()
    assert not cancelled.result.called
    cancel()
    assert isinstance(await came_to(cancelled.result), CancelledError)
    assert awaited.is_cancelled(cleaning)


@pytest.mark.parametrize("make", [Deferred, twisted_defer.Deferred])
@pytest.mark.parametrize("through_the_task", [True, False])
async def test_a_canceller_that_gives_a_result_or_another_failure_decides(
    make: Any, through_the_task: bool
) -> None:
    expected = [
        (lambda deferred: deferred.callback("result"), "result"),
        (lambda deferred: deferred.errback(KeyError("k")), KeyError),
    ]
    for canceller, comes_to in expected:
        cancelled = Cancelled(make(canceller))
        if through_the_task:
            cancelled.task.cancel()
        else:
            cancelled.result.cancel()
        came = await came_to(cancelled.result)
        assert came == comes_to or isinstance(came, comes_to)  # type: ignore[arg-type]
        assert cancelled.seen == []


@pytest.mark.parametrize("make", [Deferred, twisted_defer.Deferred])
async def test_a_canceller_that_raises_is_logged_and_the_coroutine_is_not_kept(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()
    caplog.clear()
    deferred = make(lambda _: 1 / 0)
    cancelled = Cancelled(deferred)
    cancelled.task.cancel("why")
    assert isinstance(await came_to(cancelled.result), CancelledError)
    assert cancelled.seen[0].args == ("why",)
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError
    deferred.callback("late")

    raising = Cancelled(make(lambda _: 1 / 0))
    with pytest.raises(ZeroDivisionError):  # it is who cancels that hears of it
        raising.result.cancel()
    assert not raising.result.called


async def test_cleaning_up_below_is_waited_for() -> None:
    for through_the_task in (True, False):
        cleaned: Deferred[None] = Deferred()
        deferred: Deferred[Any] = Deferred()
        deferred.addErrback(lambda failure, cleaned=cleaned: cleaned.addCallback(lambda _: failure))
        cancelled = Cancelled(deferred)
        if through_the_task:
            cancelled.task.cancel("why")
        else:
            cancelled.result.cancel()
        await turn()
        assert not cancelled.seen
        cleaned.callback(None)
        assert isinstance(await came_to(cancelled.result), CancelledError)
        assert isinstance(cancelled.seen[0], asyncio.CancelledError) is through_the_task


async def test_one_paused_by_hand_keeps_its_result_and_does_not_hold_the_task() -> None:
    deferred = succeed("kept")
    deferred.pause()
    cancelled = Cancelled(deferred)
    cancelled.task.cancel()
    assert isinstance(await came_to(cancelled.result), CancelledError)
    deferred.unpause()
    assert deferred.result == "kept"


@pytest.mark.parametrize("make", [Deferred, twisted_defer.Deferred])
@pytest.mark.parametrize("result", ["left", KeyError("left")])
async def test_a_result_in_the_turn_of_the_cancellation_stays(make: Any, result: Any) -> None:
    deferred = make()
    cancelled = Cancelled(deferred)
    cancelled.task.cancel()
    if isinstance(result, str):
        deferred.callback(result)
    else:
        deferred.errback(result)
    error = await came_to(cancelled.result)
    assert isinstance(error, CancelledError)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    left: list[Any] = []
    deferred.addBoth(left.append)
    assert getattr(left[0], "value", left[0]) is result


async def test_a_future_that_is_done_in_the_turn_of_the_cancellation() -> None:
    future = asyncio.get_running_loop().create_future()
    cancelled = Cancelled(future)
    future.set_result("left")
    cancelled.task.cancel("why")
    assert isinstance(await came_to(cancelled.result), CancelledError)
    assert cancelled.seen[0].args == ("why",)
    assert future.result() == "left"


async def test_what_it_waits_for_is_cancelled_by_somebody_else() -> None:
    ours = Cancelled(deferred := Deferred())
    deferred.cancel()
    assert outcome(ours.result) is ours.seen[0]
    assert isinstance(ours.seen[0], CancelledError)
    assert not ours.task.cancelled()

    theirs = Cancelled(future := asyncio.get_running_loop().create_future())
    future.cancel("why")
    error = await came_to(theirs.result)
    assert isinstance(error, CancelledError)
    assert error.__cause__ is theirs.seen[0]
    assert theirs.seen[0].args == error.args == ("why",)


async def test_through_a_row_of_coroutines() -> None:
    seen: list[type[BaseException]] = []

    async def level(depth: int) -> None:
        try:
            await (ensureDeferred(level(depth - 1)) if depth else asyncio.sleep(3600))
        except BaseException as error:
            seen.append(type(error))
            raise

    result = ensureDeferred(level(3))
    await turn()
    result.cancel()
    assert isinstance(await came_to(result), CancelledError)
    assert seen == [asyncio.CancelledError, CancelledError, CancelledError, CancelledError]


@given(st.lists(st.sampled_from(["task", "deferred", "fire", "turn"]), max_size=8), st.integers(0, 3))
def test_in_any_order_it_ends_and_no_result_is_lost(events: list[str], catches: int) -> None:
    """A coroutine that waits for numbered Deferreds, catching some cancellations, against any schedule."""

    async def main() -> None:
        fired: list[int] = []
        taken: list[int] = []
        waits: list[Deferred[int]] = []
        task: list[Any] = []

        async def body() -> str:
            task.append(asyncio.current_task())
            caught = 0
            while len(taken) < 3:
                waits.append(Deferred())
                try:
                    taken.append(await waits[-1])
                except (asyncio.CancelledError, CancelledError):
                    caught += 1
                    if caught > catches:
                        raise
            return "done"

        result = ensureDeferred(body())
        result.addErrback(lambda failure: failure.trap(CancelledError) and "cancelled")
        for event in events:
            if event == "task":
                task[0].cancel()
            elif event == "deferred":
                result.cancel()
            elif event == "turn":
                await asyncio.sleep(0)
            elif not waits[-1].called:
                fired.append(len(fired))
                waits[-1].callback(fired[-1])
        for _ in range(20):
            await asyncio.sleep(0)
            if not waits[-1].called:
                fired.append(len(fired))
                waits[-1].callback(fired[-1])
        assert result.result in ("done", "cancelled")
        left = [each.result for each in waits if isinstance(each.result, int)]
        assert sorted(taken + left) == fired

    asyncio.run(main())
