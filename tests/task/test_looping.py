"""A call again and again: on a clock that is moved by hand, and on reactors."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
from collections.abc import Callable
from fractions import Fraction
from math import floor, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import until, within
from twisted_compat import AsyncioReactor, current
from twisted_compat.defer import CancelledError, Deferred, succeed
from twisted_compat.task import Clock, LoopingCall

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def looping_on(clock: Clock, function: Callable[..., object], *args: Any, **kw: Any) -> LoopingCall:
    looping = LoopingCall(function, *args, **kw)
    looping.clock = clock
    return looping


def counting_on(clock: Clock, function: Callable[[int], object]) -> LoopingCall:
    looping = LoopingCall.withCount(function)
    looping.clock = clock
    return looping


def results_of(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


# When it calls


def test_it_calls_at_once_and_then_every_interval(clock: Clock) -> None:
    times: list[float] = []
    looping = looping_on(clock, lambda: times.append(clock.seconds()))
    looping.start(2)
    clock.pump([1] * 6)
    assert times == [0, 2, 4, 6]


def test_it_calls_later_if_not_now(clock: Clock) -> None:
    seen: list[Any] = []
    looping = looping_on(clock, lambda *args, **kw: seen.append((args, kw)), 1, b=2)
    looping.start(2, now=False)
    clock.advance(1)
    assert seen == []
    clock.advance(1)
    assert seen == [((1,), {"b": 2})]


def test_what_there_is_to_see(clock: Clock) -> None:
    looping = looping_on(clock, print, 1, sep="")
    assert (looping.f, looping.a, looping.kw) == (print, (1,), {"sep": ""})
    assert (looping.running, looping.call, looping.interval, looping.starttime) == (False, None, None, None)
    clock.advance(3)
    looping.start(2, now=False)
    assert (looping.running, looping.interval, looping.starttime) == (True, 2, 3)
    assert [looping.call] == clock.getDelayedCalls()
    looping.stop()
    assert (looping.running, looping.call, looping.interval, looping.starttime) == (False, None, 2, 3)


def test_times_that_pass_during_a_call_are_left_out(clock: Clock) -> None:
    times: list[float] = []

    def slow() -> None:
        times.append(clock.seconds())
        clock.advance(2.5)

    looping_on(clock, slow).start(1)
    assert times == [0]
    clock.advance(0.5)
    assert times == [0, 3]
    clock.advance(0.5)
    assert times == [0, 3, 6]


def test_lateness_does_not_add_up(clock: Clock) -> None:
    times: list[float] = []
    looping_on(clock, lambda: times.append(clock.seconds())).start(1)
    clock.pump([1.25, 0.75, 1.5, 0.5])
    assert times == [0, 1.25, 2, 3.5, 4]


def test_an_interval_of_0_is_every_turn(clock: Clock) -> None:
    looping: LoopingCall
    calls: list[None] = []

    def call() -> None:
        calls.append(None)
        if len(calls) == 5:
            looping.stop()

    looping = looping_on(clock, call)
    results = results_of(looping.start(0))
    assert len(calls) == 1
    clock.advance(0)
    assert len(calls) == 5 and results == [looping]


@pytest.mark.parametrize("interval", [-1, nan])
def test_bad_intervals(clock: Clock, interval: float) -> None:
    looping = looping_on(clock, pytest.fail)
    with pytest.raises(ValueError, match="0 or more"):
        looping.start(interval)
    assert not looping.running and clock.calls == []


def test_a_change_of_the_interval_counts_from_the_next_call_on(clock: Clock) -> None:
    times: list[float] = []
    looping = looping_on(clock, lambda: times.append(clock.seconds()))
    looping.start(2)
    looping.interval = 3
    clock.pump([1] * 9)
    assert times == [0, 2, 3, 6, 9]


def test_a_call_by_hand_is_one_of_the_loop_s(clock: Clock) -> None:
    looping = looping_on(clock, pytest.fail)
    with pytest.raises(AssertionError, match=r"looping.start\(seconds\)"):
        looping()


def test_what_is_not_callable() -> None:
    with pytest.raises(TypeError, match=r"LoopingCall\(function, \*args\)"):
        LoopingCall(5)  # type: ignore[arg-type]


# What the function returns


def test_a_deferred_is_waited_for(clock: Clock) -> None:
    deferreds: list[Deferred[None]] = []

    def call() -> Deferred[None]:
        deferreds.append(Deferred())
        return deferreds[-1]

    looping = looping_on(clock, call)
    looping.start(1)
    clock.advance(2.5)
    assert len(deferreds) == 1 and looping.call is None and looping.running
    deferreds[0].callback(None)
    clock.advance(0.25)
    assert len(deferreds) == 1
    clock.advance(0.25)
    assert len(deferreds) == 2


def test_a_coroutine_is_run(clock: Clock) -> None:
    seen: list[Any] = []

    async def call() -> None:
        seen.append(await succeed("awaited"))

    looping_on(clock, call).start(1)
    clock.pump([1, 1])
    assert seen == ["awaited"] * 3


def test_a_coroutine_that_waits_is_waited_for(clock: Clock) -> None:
    inner: Deferred[str] = Deferred()
    seen: list[Any] = []

    async def call() -> None:
        seen.append(await inner if not seen else None)

    looping_on(clock, call).start(1)
    clock.advance(5)
    assert seen == []
    inner.callback("result")
    clock.advance(1)
    assert seen == ["result", None]


# How it ends


def test_stopping_while_it_waits(clock: Clock) -> None:
    looping = looping_on(clock, pytest.fail)
    results = results_of(looping.start(1, now=False))
    assert results == []
    looping.stop()
    assert results == [looping] and clock.calls == []


def test_stopping_inside_the_call(clock: Clock) -> None:
    looping: LoopingCall
    states: list[Any] = []

    def call() -> None:
        looping.stop()
        states.append((looping.running, list(results)))

    looping = looping_on(clock, call)
    results: list[Any] = []
    looping.start(1, now=False).addBoth(results.append)
    clock.advance(1)
    assert states == [(False, [])]  # it has not ended before the function has
    assert results == [looping] and clock.calls == []


def test_stopping_while_the_function_is_busy(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    looping = looping_on(clock, lambda: busy)
    results = results_of(looping.start(1))
    looping.stop()
    assert results == [] and not looping.running and not busy.called
    busy.callback(None)
    assert results == [looping] and clock.calls == []


def test_a_failure_ends_it(clock: Clock) -> None:
    looping = looping_on(clock, int, "text")
    results = results_of(looping.start(1))
    assert results[0].check(ValueError)
    assert not looping.running and clock.calls == []


def test_it_is_over_when_its_deferred_fails(clock: Clock) -> None:
    looping = looping_on(clock, lambda: clock.seconds() and 1 // 0)
    running: list[bool] = []
    looping.start(1).addErrback(lambda _: running.append(looping.running))
    clock.advance(1)
    assert running == [False]


def test_a_deferred_that_fails_ends_it(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    looping = looping_on(clock, lambda: busy)
    results = results_of(looping.start(1))
    busy.errback(LookupError())
    assert results[0].check(LookupError) and not looping.running and clock.calls == []


def test_a_coroutine_that_fails_ends_it(clock: Clock) -> None:
    async def call() -> None:
        raise LookupError

    results = results_of(looping_on(clock, call).start(1))
    assert results[0].check(LookupError)


def test_a_failure_after_stopping_is_still_the_result(clock: Clock) -> None:
    looping: LoopingCall

    def call() -> None:
        looping.stop()
        raise LookupError

    looping = looping_on(clock, call)
    assert results_of(looping.start(1))[0].check(LookupError)


def test_a_clock_that_refuses_ends_it(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    looping = looping_on(clock, lambda: None)
    results = results_of(looping.start(1))
    monkeypatch.setattr(looping, "interval", "text")
    clock.advance(1)
    assert results[0].check(TypeError) and not looping.running


def test_a_clock_that_refuses_from_the_start(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    looping = looping_on(clock, pytest.fail)
    monkeypatch.setattr(clock, "callLater", lambda *args: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        looping.start(1, now=False)
    assert not looping.running


@pytest.mark.parametrize("method", ["stop", "reset"])
def test_there_is_nothing_to_stop_or_reset(clock: Clock, method: str) -> None:
    looping = looping_on(clock, lambda: None)
    with pytest.raises(
        AssertionError, match=rf"{method}\(\) was called on a LoopingCall that is not running"
    ):
        getattr(looping, method)()


def test_starting_twice(clock: Clock) -> None:
    looping = looping_on(clock, lambda: None)
    looping.start(1)
    with pytest.raises(AssertionError, match="running already"):
        looping.start(1)
    assert len(clock.calls) == 1


def test_starting_again(clock: Clock) -> None:
    times: list[float] = []
    looping = looping_on(clock, lambda: times.append(clock.seconds()))
    first = results_of(looping.start(1))
    clock.advance(1)
    looping.stop()
    clock.advance(0.5)
    second = results_of(looping.start(2))
    clock.pump([1, 1])
    assert times == [0, 1, 1.5, 3.5]
    assert first == [looping] and second == []


def test_starting_again_after_a_failure(clock: Clock) -> None:
    fail = [True, False]
    looping = looping_on(clock, lambda: fail.pop(0) and 1 // 0)
    assert results_of(looping.start(1))[0].check(ZeroDivisionError)
    assert results_of(looping.start(1)) == [] and looping.running


def test_starting_again_while_the_function_is_busy(clock: Clock) -> None:
    """Each start has its own end, and there is one loop."""
    busy: list[Deferred[None]] = []

    def call() -> Deferred[None]:
        busy.append(Deferred())
        return busy[-1]

    looping = looping_on(clock, call)
    first = results_of(looping.start(1))
    looping.stop()
    second = results_of(looping.start(1))
    assert len(busy) == 2
    busy[0].callback(None)
    assert first == [looping] and second == [] and looping.running and clock.calls == []
    busy[1].callback(None)
    assert len(clock.calls) == 1
    looping.stop()
    assert second == [looping]


def test_the_end_of_an_old_run_that_fails_does_not_end_the_new_one(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    outcomes: list[Any] = [busy, None]
    looping = looping_on(clock, lambda: outcomes.pop(0))
    first = results_of(looping.start(1))
    looping.stop()
    second = results_of(looping.start(1))
    busy.errback(LookupError())
    assert first[0].check(LookupError)
    assert second == [] and looping.running and len(clock.calls) == 1


def test_stopping_and_starting_inside_the_call(clock: Clock) -> None:
    looping: LoopingCall
    second: list[Any] = []
    times: list[float] = []

    def call() -> None:
        times.append(clock.seconds())
        if len(times) == 1:
            looping.stop()
            second.append(results_of(looping.start(2)))

    looping = looping_on(clock, call)
    first = results_of(looping.start(1))
    clock.pump([1] * 4)
    assert times == [0, 0, 2, 4]
    assert first == [looping] and second == [[]]


# Cancelling the Deferred of start


def test_cancelling_while_it_waits(clock: Clock) -> None:
    looping = looping_on(clock, pytest.fail)
    deferred = looping.start(1, now=False)
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError) and not looping.running and clock.calls == []
    looping.start(1, now=False)
    assert looping.running


def test_cancelling_while_the_function_is_busy(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    looping = looping_on(clock, lambda: busy)
    deferred = looping.start(1)
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError) and busy.called
    assert not looping.running and clock.calls == []


def test_cancelling_a_function_that_makes_something_else_of_it(clock: Clock) -> None:
    busy: Deferred[None] = Deferred(lambda deferred: deferred.errback(LookupError()))
    looping = looping_on(clock, lambda: busy)
    deferred = looping.start(1)
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(LookupError)


def test_cancelling_a_function_that_succeeds_all_the_same(clock: Clock) -> None:
    busy: Deferred[None] = Deferred(lambda deferred: deferred.callback(None))
    looping = looping_on(clock, lambda: busy)
    deferred = looping.start(1)
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError) and not looping.running and clock.calls == []


def cancelled_in_vain(clock: Clock) -> Deferred[None]:
    """Cancel the Deferred of a loop whose function is busy, and won't be kept from it.

    :returns: what the function still waits for.
    """
    awaited: Deferred[None] = Deferred()
    awaited.cancel = lambda: None  # type: ignore[method-assign]
    busy: Deferred[None] = Deferred(lambda busy: busy.callback(None))
    busy.addCallback(lambda _: awaited)
    looping = looping_on(clock, lambda: busy)
    deferred = looping.start(1)
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError) and not looping.running and not awaited.called
    return awaited


def test_cancelling_a_function_that_goes_on(clock: Clock) -> None:
    cancelled_in_vain(clock).callback(None)
    assert clock.calls == []


def test_cancelling_a_function_that_goes_on_and_fails(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        cancelled_in_vain(clock).errback(LookupError("nobody listens"))
        gc.collect()
    assert "nobody listens" in caplog.text
    assert clock.calls == []


def test_cancelling_a_function_that_cleans_up_logs_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        cancelled_in_vain(clock).errback(CancelledError())
        gc.collect()
    assert caplog.records == []


def test_cancelling_after_the_end_changes_nothing(clock: Clock) -> None:
    looping = looping_on(clock, lambda: None)
    deferred = looping.start(1)
    looping.stop()
    looping.start(1)
    deferred.cancel()
    assert looping.running


def test_cancelling_an_old_run_leaves_the_new_one(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    outcomes: list[Any] = [busy, None]
    looping = looping_on(clock, lambda: outcomes.pop(0))
    first = looping.start(1)
    looping.stop()
    looping.start(1)
    results = results_of(first)
    first.cancel()
    assert results[0].check(CancelledError) and looping.running and len(clock.calls) == 1


def test_cancelling_an_old_run_that_goes_on_leaves_the_new_one(clock: Clock) -> None:
    awaited: Deferred[None] = Deferred()
    awaited.cancel = lambda: None  # type: ignore[method-assign]
    outcomes: list[Any] = [succeed(None).addCallback(lambda _: awaited), None]
    looping = looping_on(clock, lambda: outcomes.pop(0))
    first = looping.start(1)
    looping.stop()
    looping.start(1)
    results = results_of(first)
    first.cancel()
    assert results[0].check(CancelledError) and looping.running and len(clock.calls) == 1
    awaited.callback(None)
    assert looping.running and len(clock.calls) == 1


# Resetting


def test_reset_counts_from_now(clock: Clock) -> None:
    times: list[float] = []
    looping = looping_on(clock, lambda: times.append(clock.seconds()))
    looping.start(2)
    clock.advance(1)
    looping.reset()
    assert looping.starttime == 1
    clock.pump([1] * 5)
    assert times == [0, 3, 5]


def test_reset_while_the_function_is_busy_changes_nothing(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    looping = looping_on(clock, lambda: busy)
    looping.start(2)
    clock.advance(1)
    looping.reset()
    assert looping.starttime == 0 and clock.calls == []
    busy.callback(None)
    assert clock.calls[0].getTime() == 2


# Counting


def test_the_count_tells_what_was_missed(clock: Clock) -> None:
    seen: list[tuple[float, int]] = []
    counting_on(clock, lambda count: seen.append((clock.seconds(), count))).start(0.5)
    clock.pump([0.5625, 1.5, 0.4375, 0.875, 0.125])
    assert seen == [(0, 1), (0.5625, 1), (2.0625, 3), (2.5, 1), (3.375, 1), (3.5, 1)]


def test_the_count_of_a_late_first_call(clock: Clock) -> None:
    seen: list[int] = []
    counting_on(clock, seen.append).start(1, now=False)
    clock.advance(3.5)
    assert seen == [3]


def test_the_count_of_calls_that_a_deferred_kept_from_being_made(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    outcomes: list[Any] = [busy, None]
    seen: list[int] = []

    def call(count: int) -> Any:
        seen.append(count)
        return outcomes.pop(0)

    counting_on(clock, call).start(1)
    clock.advance(2.5)
    busy.callback(None)
    clock.advance(0.5)
    assert seen == [1, 3]


def test_the_first_call_counts_at_any_time_of_the_clock(clock: Clock) -> None:
    """1,700,000,000 - 0.1 is, for a float, less than a tenth away."""
    clock.advance(1_700_000_000)
    seen: list[int] = []
    counting_on(clock, seen.append).start(0.1)
    assert seen == [1]


def test_the_count_is_1_without_an_interval(clock: Clock) -> None:
    looping: LoopingCall
    seen: list[int] = []

    def call(count: int) -> Any:
        seen.append(count)
        if len(seen) == 3:
            looping.stop()

    looping = counting_on(clock, call)
    looping.start(0, now=False)
    clock.advance(5)
    assert seen == [1, 1, 1]


def test_an_interval_that_is_0_no_longer(clock: Clock) -> None:
    busy: Deferred[None] = Deferred()
    outcomes: list[Any] = [busy, None, None]
    seen: list[int] = []

    def call(count: int) -> Any:
        seen.append(count)
        return outcomes.pop(0)

    looping = counting_on(clock, call)
    looping.start(0, now=False)
    clock.advance(1)
    looping.interval = 2
    clock.advance(6)
    busy.callback(None)
    clock.advance(9)
    assert seen == [1, 8]


def test_a_count_of_0_is_not_called(clock: Clock) -> None:
    seen: list[int] = []
    looping = counting_on(clock, seen.append)
    looping.start(1)
    clock.advance(0.5)
    looping()
    assert seen == [1]


def test_the_time_it_stood_still_is_not_counted(clock: Clock) -> None:
    seen: list[int] = []
    looping = counting_on(clock, seen.append)
    looping.start(1)
    looping.stop()
    clock.advance(10)
    looping.start(1)
    clock.advance(1)
    assert seen == [1, 1, 1]


def test_counting_after_a_reset(clock: Clock) -> None:
    seen: list[int] = []
    looping = counting_on(clock, seen.append)
    looping.start(1)
    clock.advance(0.5)
    looping.reset()
    clock.pump([1, 1])
    assert seen == [1, 1, 1]


@given(
    interval=st.floats(0.01, 100),
    now=st.booleans(),
    steps=st.lists(st.floats(0.001, 400), max_size=30),
    began=st.sampled_from([0.0, 12.3, 1_700_000_000.0]),
)
def test_counts_and_times_against_exact_arithmetic(
    interval: float, now: bool, steps: list[float], began: float
) -> None:
    """However the clock moves, the counts add up to the intervals that have passed, and a call is made in
    each interval that the clock stops in for the first time."""
    clock = Clock()
    clock.advance(began)
    calls: list[tuple[float, int]] = []
    counting_on(clock, lambda count: calls.append((clock.seconds(), count))).start(interval, now=now)

    def passed(at: float) -> Fraction:
        return (Fraction(at) - Fraction(began)) / Fraction(interval)

    expected, counted = ([(began, 1)] if now else []), 0
    for step in steps:
        clock.advance(step)
        at = clock.seconds()
        if abs(passed(at) - round(passed(at))) < 1e-4:
            return  # as near as rounding: test_intervals.py
        if floor(passed(at)) > counted:
            expected.append((at, floor(passed(at)) - counted))
            counted = floor(passed(at))
    assert calls == expected


# The reactor


async def test_without_a_clock_it_is_the_current_reactor() -> None:
    async with AsyncioReactor() as reactor:
        looping: LoopingCall
        calls: list[float] = []

        def call() -> None:
            calls.append(reactor.seconds())
            if len(calls) == 4:
                looping.stop()

        looping = LoopingCall(call)
        assert looping.clock is reactor
        assert await within(looping.start(0.01)) is looping
        assert calls == sorted(calls)
        assert reactor.getDelayedCalls() == []


async def test_every_turn_of_a_reactor() -> None:
    async with AsyncioReactor():
        calls: list[None] = []
        looping = LoopingCall(calls.append, None)
        looping.start(0)
        await until(lambda: len(calls) > 10)
        looping.stop()


async def test_coroutines_on_a_reactor() -> None:
    async with AsyncioReactor():
        calls: list[Any] = []

        async def call() -> None:
            await asyncio.sleep(0.001)
            calls.append(asyncio.current_task())

        looping = LoopingCall(call)
        ended = looping.start(0.001)
        await until(lambda: len(calls) >= 3)
        looping.stop()
        assert await within(ended) is looping
        assert None not in calls


async def test_a_task_that_is_cancelled_takes_the_loop_with_it() -> None:
    async with AsyncioReactor() as reactor:
        looping = LoopingCall(lambda: None)

        async def forever() -> None:
            await looping.start(0.001)

        task = asyncio.create_task(forever())
        await until(lambda: looping.running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        assert not looping.running and reactor.getDelayedCalls() == []


def test_making_one_touches_no_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_default", None)
    monkeypatch.setattr(current, "_default_factory", None)
    LoopingCall(print)
    with pytest.raises(ValueError):
        LoopingCall(print).start(-1)


def test_it_can_be_started_on_one_loop_after_another(loop_factory: LoopFactory) -> None:
    looping = LoopingCall(lambda: None)
    reactors: list[Any] = []

    async def use() -> None:
        async with AsyncioReactor() as reactor:
            looping.start(1000)
            assert looping.clock is reactor
            assert reactor.getDelayedCalls() == [looping.call]
            looping.stop()
            reactors.append(reactor)

    for _ in range(2):
        loop = loop_factory()
        loop.run_until_complete(within(use()))
        loop.close()
    assert len(set(reactors)) == 2


def test_it_stays_with_the_reactor_it_was_started_on(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    looping = LoopingCall(lambda: None)

    async def attach() -> AsyncioReactor:
        reactor = AsyncioReactor()
        reactor.callLater(0, looping.start, 0.001)
        await until(lambda: looping.running)
        return reactor

    reactor = loop.run_until_complete(within(attach()))
    assert looping.clock is reactor  # though no loop runs here
    looping.stop()

    async def leave() -> None:
        async with reactor:
            pass

    loop.run_until_complete(within(leave()))
    loop.close()


# The rest


def test_calls_run_in_the_context_of_start(clock: Clock) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []
    busy: list[Deferred[None]] = []

    def call() -> Deferred[None]:
        seen.append(variable.get())
        variable.set("inside")
        busy.append(Deferred())
        return busy[-1]

    looping = looping_on(clock, call)
    variable.set("start")
    looping.start(1)
    assert variable.get() == "start"
    variable.set("elsewhere")
    busy[0].callback(None)  # from here the next call is asked for
    clock.advance(1)
    assert seen == ["start", "start"]


def test_the_deferred_attribute_is_deprecated(clock: Clock) -> None:
    looping = looping_on(clock, lambda: None)
    with pytest.warns(DeprecationWarning, match=r"keep the Deferred that start\(\) returns"):
        assert looping.deferred is None
    deferred = looping.start(1)
    with pytest.warns(DeprecationWarning) as caught:
        assert looping.deferred is deferred
    assert caught[0].filename == __file__
    looping.stop()
    with pytest.warns(DeprecationWarning):
        assert looping.deferred is None


def test_repr(clock: Clock) -> None:
    looping = looping_on(clock, len, 1, key=2)
    assert repr(looping) == "LoopingCall<None>(len, *(1,), **{'key': 2})"
    looping = looping_on(clock, clock.pump, [])
    looping.start(0.5)
    assert repr(looping) == "LoopingCall<0.5>(Clock.pump, *([],), **{})"


def test_a_subclass_may_choose_the_clock(clock: Clock) -> None:
    class Mine(LoopingCall):
        def __init__(self, function: Callable[..., object]) -> None:
            super().__init__(function)
            self.clock = clock

    calls: list[None] = []
    Mine(lambda: calls.append(None)).start(1)
    clock.advance(1)
    assert len(calls) == 2
