"""What runs generators: every state of it, cancelling in each, closing, context, memory."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.support import no_reference_cycles, until, within
from twisted_compat.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    ensureDeferred,
    inlineCallbacks,
    succeed,
)
from twisted_compat.defer.driver import Driver

from .test_deferred import outcome
from .test_inline import received

pytestmark = pytest.mark.without_debug

Steps = Generator[Any, Any, Any]

# The states.


def test_finished_before_it_has_to_wait() -> None:
    def runs_through() -> Steps:
        return (yield succeed(1)) + 1

    driver = Driver(runs_through())
    deferred = driver.start()
    assert deferred.result == 2
    assert (driver.deferred, driver.waiting_for) == (None, None)


def test_waiting_running_finished() -> None:
    one: Deferred[int] = Deferred()
    two: Deferred[int] = Deferred()

    def runs() -> Steps:
        first = yield one
        states.append(driver.waiting_for)
        return first + (yield two)

    states: list[Any] = []
    driver = Driver(runs())
    deferred = driver.start()
    assert driver.deferred is deferred
    assert driver.waiting_for is one
    one.callback(1)
    assert states == [None]
    assert driver.waiting_for is two
    two.callback(2)
    assert (driver.waiting_for, deferred.result) == (None, 3)


def test_a_wait_that_was_given_up_leaves_the_result_where_it_is() -> None:
    deferred: Deferred[int] = Deferred()
    driver = Driver(_yields(Deferred()))
    driver.start()
    assert driver.resume(deferred, "kept") == ("kept", None)


def _yields(*deferreds: Any) -> Steps:
    result = None
    for deferred in deferreds:
        result = yield deferred
    return result


def test_fired_by_hand_meanwhile_the_result_of_the_generator_is_an_error_where_it_comes() -> None:
    deferred: Deferred[int] = Deferred()
    waiting = Driver(_yields(deferred)).start()
    waiting.callback("by hand")
    deferred.callback(1)
    assert waiting.result == "by hand"
    assert isinstance(outcome(deferred), AlreadyCalledError)


def test_the_callbacks_of_the_result_run_before_the_rest_of_what_was_waited_for() -> None:
    order: list[str] = []
    deferred: Deferred[None] = Deferred()
    waiting = Driver(_yields(deferred)).start()
    waiting.addCallback(lambda _: order.append("result"))
    deferred.addCallback(lambda _: order.append("waited for"))
    deferred.callback(None)
    assert order == ["result", "waited for"]


def test_paused_results_are_held_and_their_cancelling_goes_on() -> None:
    deferred: Deferred[int] = Deferred()
    waiting = Driver(_yields(deferred)).start()
    waiting.pause()
    seen: list[int] = []
    waiting.addCallback(seen.append)
    deferred.callback(1)
    assert (seen, waiting.result) == ([], 1)
    waiting.unpause()
    assert seen == [1]


# Cancelling.


def test_cancelling_cancels_what_is_waited_for_and_raises_there() -> None:
    cancelled: list[Any] = []
    deferred: Deferred[int] = Deferred(cancelled.append)
    waiting = Driver(_yields(deferred)).start()
    waiting.cancel()
    assert cancelled == [deferred]
    assert isinstance(outcome(waiting), CancelledError)
    assert deferred.result is None


def test_through_functions_and_rows_of_deferreds() -> None:
    cancelled: list[Any] = []
    end: Deferred[int] = Deferred(cancelled.append)
    row = succeed(0).addCallback(lambda _: end)
    waiting = received(received(received(row)))
    waiting.cancel()
    assert cancelled == [end]
    (((error,),),) = outcome(waiting)
    assert isinstance(error, CancelledError)


def test_a_canceller_that_gives_a_result_decides() -> None:
    partial: Deferred[Any] = Deferred(lambda d: d.callback("partial"))
    waiting = received(partial)
    waiting.cancel()
    assert outcome(waiting) == ["partial"]


def test_the_function_may_catch_it_and_go_on_and_be_cancelled_again() -> None:
    deferreds: list[Deferred[Any]] = [Deferred() for _ in range(3)]
    waiting = received(*deferreds)
    waiting.cancel()
    assert not waiting.called and deferreds[0].called
    waiting.cancel()
    assert not waiting.called and deferreds[1].called
    deferreds[2].callback("in the end")
    first, second, third = outcome(waiting)
    assert (type(first), type(second), third) == (CancelledError, CancelledError, "in the end")


def test_one_that_takes_its_time_to_be_cancelled_is_waited_for() -> None:
    cleaning: Deferred[Any] = Deferred()
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda failure: cleaning.addCallback(lambda _: failure))
    waiting = Driver(_yields(deferred)).start()
    waiting.cancel()
    assert not waiting.called
    cleaning.callback(None)
    assert isinstance(outcome(waiting), CancelledError)


def test_one_that_has_fired_and_is_paused_cannot_be_cancelled() -> None:
    deferred = succeed(1)
    deferred.pause()
    waiting = received(deferred)
    waiting.cancel()
    assert not waiting.called
    deferred.unpause()
    assert outcome(waiting) == [1]


def test_what_a_canceller_raises_is_raised_and_the_wait_goes_on() -> None:
    deferred: Deferred[Any] = Deferred(lambda _: 1 / 0)
    waiting = received(deferred)
    with pytest.raises(ZeroDivisionError):
        waiting.cancel()
    deferred.callback("late")
    assert outcome(waiting) == ["late"]


def test_before_it_has_to_wait_and_after_its_end_there_is_nothing_to_cancel() -> None:
    driver = Driver(_yields(succeed(1)))
    deferred = driver.start()
    deferred.cancel()
    assert deferred.result == 1
    waited: Deferred[int] = Deferred()
    deferred = Driver(_yields(waited)).start()
    waited.callback(1)
    deferred.cancel()
    assert deferred.result == 1


class Inside:
    """A function that cancels its own Deferred, and then yields."""

    def __init__(self, *then: Any, times: int = 1) -> None:
        first: Deferred[None] = Deferred()
        self.waiting = self.run(first, then, times)
        first.callback(None)

    @inlineCallbacks
    def run(self, first: Deferred[None], then: Any, times: int) -> Steps:
        yield first
        for _ in range(times):
            self.waiting.cancel()
        return (yield from _all(then))


def _all(things: Any) -> Steps:
    got: list[Any] = []
    for thing in things:
        try:
            got.append((yield thing))
        except CancelledError:
            got.append("cancelled")
    return got


def test_from_inside_it_cancels_the_next_wait() -> None:
    unfired: Deferred[Any] = Deferred()
    later: Deferred[Any] = Deferred()
    inside = Inside(unfired, later)
    assert unfired.called and not inside.waiting.called
    later.callback("not this one")
    assert outcome(inside.waiting) == ["cancelled", "not this one"]


def test_from_inside_what_needs_no_wait_does_not_use_it_up() -> None:
    inside = Inside("plain", succeed("fired"), Deferred())
    assert outcome(inside.waiting) == ["plain", "fired", "cancelled"]


def test_from_inside_twice_is_once() -> None:
    later: Deferred[Any] = Deferred()
    inside = Inside(Deferred(), later, times=2)
    later.callback("second")
    assert outcome(inside.waiting) == ["cancelled", "second"]


def test_from_inside_chained_ones_and_generators() -> None:
    end: Deferred[Any] = Deferred()
    inside = Inside(succeed(0).addCallback(lambda _: end))
    assert end.called
    assert outcome(inside.waiting) == ["cancelled"]
    inside = Inside(_yields(Deferred()))
    assert outcome(inside.waiting) == ["cancelled"]


def test_from_inside_a_paused_one_cannot_be() -> None:
    paused = succeed("paused")
    paused.pause()
    inside = Inside(paused)
    assert not inside.waiting.called
    paused.unpause()
    assert outcome(inside.waiting) == ["paused"]


def test_from_inside_at_the_end_the_result_stands() -> None:
    inside = Inside()
    assert outcome(inside.waiting) == []


async def test_from_inside_what_asyncio_makes() -> None:
    future = asyncio.get_running_loop().create_future()
    inside = Inside(future, asyncio.sleep(0, "not this one"))
    assert await within(inside.waiting) == ["cancelled", "not this one"]
    assert future.cancelled()
    inside = Inside(asyncio.sleep(3600), asyncio.sleep(0, "not this one"))
    assert await within(inside.waiting) == ["cancelled", "not this one"]


@pytest.mark.parametrize("awaited", ["future", "sleep", "turn", "deferred", "fired first"])
async def test_from_inside_a_coroutine(awaited: str) -> None:
    loop = asyncio.get_running_loop()
    first: Deferred[None] = Deferred()
    future = loop.create_future()
    unfired: Deferred[Any] = Deferred()

    async def cancels_itself() -> str:
        await first
        waiting.cancel()
        try:
            if awaited == "future":
                await future
            elif awaited == "sleep":
                await asyncio.sleep(3600)
            elif awaited == "turn":
                await asyncio.sleep(0)
            else:
                await (succeed(1) if awaited == "fired first" else unfired)
                await unfired
        except (CancelledError, asyncio.CancelledError):
            return "cancelled"
        return "not cancelled"

    waiting = ensureDeferred(cancels_itself())
    first.callback(None)
    assert await within(waiting) == "cancelled"
    assert future.cancelled() == (awaited == "future")


async def test_cancelling_the_wait_for_a_future_cancels_it_and_raises_our_error() -> None:
    future = asyncio.get_running_loop().create_future()
    waiting = received(future)
    waiting.cancel()
    assert future.cancelled()
    (error,) = await within(waiting)
    assert isinstance(error, CancelledError)
    assert isinstance(error.__cause__, asyncio.CancelledError)


async def test_a_task_that_refuses_to_be_cancelled_is_waited_for() -> None:
    begun: list[None] = []

    async def refuses() -> str:
        try:
            begun.append(None)
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "refused"

    waiting = received(asyncio.ensure_future(refuses()))
    await until(lambda: begun)
    waiting.cancel()
    assert await within(waiting) == ["refused"]


# Closing.


def test_a_generator_that_was_closed_meanwhile_has_no_result() -> None:
    deferred: Deferred[int] = Deferred()
    generator = _yields(deferred)
    waiting = Driver(generator).start()
    generator.close()
    deferred.callback(1)
    assert waiting.result is None


def test_a_coroutine_that_was_closed_meanwhile_fails() -> None:
    async def awaits() -> None:
        await deferred

    deferred: Deferred[int] = Deferred()
    coroutine = awaits()
    waiting = ensureDeferred(coroutine)
    coroutine.close()
    deferred.callback(1)
    assert isinstance(outcome(waiting), RuntimeError)


def test_a_generator_that_yields_while_it_is_cancelled_or_closed() -> None:
    saved: Deferred[str] = Deferred()

    @inlineCallbacks
    def cleans_up() -> Steps:
        try:
            yield Deferred()
        finally:
            yield saved

    waiting = cleans_up()
    waiting.cancel()
    assert not waiting.called
    saved.callback("saved")
    assert isinstance(outcome(waiting), CancelledError)


# Context.

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_each_run_has_its_own_copy_of_the_context() -> None:
    deferred: Deferred[None] = Deferred()

    @inlineCallbacks
    def inside() -> Steps:
        before = VARIABLE.get()
        token = VARIABLE.set("inside")
        yield deferred
        during = VARIABLE.get()
        VARIABLE.reset(token)
        return before, during, VARIABLE.get()

    token = VARIABLE.set("outside")
    waiting = inside()
    assert VARIABLE.get() == "outside"
    VARIABLE.reset(token)
    contextvars.copy_context().run(lambda: (VARIABLE.set("firing"), deferred.callback(None)))
    assert outcome(waiting) == ("outside", "inside", "outside")


def test_callbacks_of_it_run_in_the_context_of_who_fires() -> None:
    deferred: Deferred[None] = Deferred()
    seen: list[str] = []

    @inlineCallbacks
    def inside() -> Steps:
        VARIABLE.set("inside")
        yield deferred

    inside().addCallback(lambda _: seen.append(VARIABLE.get()))
    contextvars.copy_context().run(lambda: (VARIABLE.set("firing"), deferred.callback(None)))
    assert seen == ["firing"]


def test_generators_it_runs_have_a_copy_of_its_context() -> None:
    def part() -> Steps:
        seen = VARIABLE.get()
        VARIABLE.set("part")
        yield
        return seen

    @inlineCallbacks
    def whole() -> Steps:
        VARIABLE.set("whole")
        return (yield part()), VARIABLE.get()

    assert outcome(whole()) == ("whole", "whole")


# Memory.


async def _waits() -> None:
    deferred: Deferred[int] = Deferred()
    waiting = received(deferred, succeed(1))
    deferred.callback(0)
    assert waiting.result == [0, 1]


async def _nested() -> None:
    deferred: Deferred[int] = Deferred()
    waiting = received(received(received(deferred)))
    deferred.callback(0)
    assert waiting.result == [[[0]]]


async def _generators_and_coroutines() -> None:
    def part() -> Steps:
        return (yield asyncio.sleep(0, 1))

    assert await received(part(), asyncio.sleep(0, 2)) == [1, 2]


async def _futures() -> None:
    future = asyncio.get_running_loop().create_future()
    waiting = received(future)
    future.set_result(1)
    assert await waiting == [1]


@pytest.mark.parametrize("once", [_waits, _nested, _generators_and_coroutines, _futures])
async def test_success_makes_no_cycle(once: Callable[[], Any]) -> None:
    await once()
    with no_reference_cycles():
        await once()


def test_one_that_nobody_can_wake_any_more_is_closed() -> None:
    closed: list[str] = []

    @inlineCallbacks
    def abandoned() -> Steps:
        try:
            yield Deferred()
        finally:
            closed.append("closed")

    waiting = abandoned()
    del waiting
    gc.collect()
    assert closed == ["closed"]
