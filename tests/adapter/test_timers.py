"""Timers and delayed calls, on every loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from tests.support import until, within
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.timers import TIDY_AT, DelayedCall, Timers
from twisted_compat.error import AlreadyCalled, AlreadyCancelled
from twisted_compat.interfaces import IDelayedCall
from twisted_compat.vocabulary import NATIVE

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def make() -> Timers:
    return Timers(asyncio.get_running_loop(), NATIVE)


async def called(timers: Timers, delay: float) -> float:
    """Wait for a callLater; return how late it came, by the reactor's clock."""
    done = asyncio.get_running_loop().create_future()
    call = timers.callLater(delay, lambda: done.set_result(timers.seconds()))
    due = call.getTime()
    called_at: float = await within(done)
    return called_at - due


# The clock


async def test_the_clock_is_like_the_system_s_and_never_goes_back() -> None:
    import time

    timers = make()
    assert abs(timers.seconds() - time.time()) < 60
    readings = [timers.seconds() for _ in range(1000)]
    assert readings == sorted(readings)


async def test_the_clock_goes_on_inside_a_callback() -> None:
    """A loop that caches the time would count a callback's own work as part of the delays it asks for."""
    timers = make()
    start = timers.seconds()
    while timers.seconds() - start < 0.005:
        pass
    assert await called(timers, 0.003) >= 0


# callLater


async def test_arguments_are_passed_on() -> None:
    timers = make()
    calls: list[Any] = []
    timers.callLater(0, lambda *args, **kw: calls.append((args, kw)), 1, 2, three=3)
    assert calls == []
    await until(lambda: calls)
    assert calls == [((1, 2), {"three": 3})]


async def test_zero_runs_on_a_later_turn_and_in_order() -> None:
    timers = make()
    order: list[Any] = []

    def first() -> None:
        timers.callLater(0, order.append, "from inside")
        order.append("first")

    timers.callLater(0, first)
    for number in range(50):
        timers.callLater(0, order.append, number)
    await until(lambda: "from inside" in order)
    assert order == ["first", *range(50), "from inside"]


async def test_calls_of_the_same_delay_run_in_order() -> None:
    timers = make()
    order: list[int] = []
    for number in range(500):
        timers.callLater(0.01, order.append, number)
    await until(lambda: len(order) == 500)
    assert order == list(range(500))


@pytest.mark.parametrize("delay", [0, 0.0, 0.0004, 0.0006, 0.001, 0.0015, 0.0101, 0.02])
async def test_never_early(delay: float) -> None:
    timers = make()
    for _ in range(10):
        assert await called(timers, delay) >= 0


async def test_a_delay_below_a_millisecond_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[Timers] = []
    fire = Timers._fire

    def counting_fire(self: Timers) -> None:
        fired.append(self)
        fire(self)

    monkeypatch.setattr(Timers, "_fire", counting_fire)
    timers = make()
    for _ in range(50):
        await called(timers, 0.0004)
    assert len(fired) <= 100  # each at most once too early


@pytest.mark.parametrize("delay", [86_400, 10 * 365 * 86_400, 1e15, 1e300, math.inf])
async def test_very_long_delays_wait(delay: float) -> None:
    timers = make()
    call = timers.callLater(delay, pytest.fail, "too early")
    await called(timers, 0.01)
    assert call.active()
    assert call.getTime() >= timers.seconds() + delay - 60
    call.reset(0)
    call.func = lambda: None
    await until(lambda: call.called)


async def test_a_long_delay_is_waited_for_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted_compat.adapter.timers.LONGEST_WAIT", 0.002)
    timers = make()
    assert await called(timers, 0.02) >= 0
    later = timers.callLater(0.02, lambda: None)
    later.reset(0.01)
    later.delay(0.01)
    await until(lambda: later.called)
    assert timers.seconds() >= later.getTime()


@pytest.mark.parametrize("delay", [-1, -0.001, -math.inf, math.nan])
async def test_negative_delays_are_refused(delay: float) -> None:
    with pytest.raises(ValueError, match=r"0 or more"):
        make().callLater(delay, print)


@pytest.mark.parametrize("delay", ["1", None, [], 1j, b""])
async def test_delays_that_are_no_numbers_are_refused(delay: Any) -> None:
    timers = make()
    with pytest.raises(TypeError, match=r"Write `reactor.callLater\(seconds, "):
        timers.callLater(delay, print)
    assert timers.getDelayedCalls() == []


async def test_what_can_not_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="the function itself, not its result"):
        make().callLater(0, None)  # type: ignore[arg-type]


async def test_the_context_is_that_of_call_later() -> None:
    variable = contextvars.ContextVar("variable", default="default")
    seen: list[str] = []
    timers = make()
    variable.set("at callLater")
    moved = timers.callLater(1000, lambda: seen.append(variable.get()))
    timers.callLater(0, lambda: seen.append(variable.get()))
    variable.set("afterwards")
    moved.reset(0.001)
    await until(lambda: len(seen) == 2)
    assert seen == ["at callLater"] * 2


async def test_what_a_call_raises_is_logged_once_and_the_loop_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timers = make()

    def fail() -> None:
        raise ZeroDivisionError("on purpose")

    timers.callLater(0, fail)
    after = timers.callLater(0, lambda: None)
    await until(lambda: after.called)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
    assert "fail" in record.getMessage()


async def test_a_cancelled_error_is_logged_as_any_other(caplog: pytest.LogCaptureFixture) -> None:
    timers = make()

    def fail() -> None:
        raise asyncio.CancelledError

    call = timers.callLater(0, fail)
    await until(lambda: not call.active())
    assert [record.name for record in caplog.records] == ["twisted_compat"]


async def test_those_due_at_once_see_each_other() -> None:
    """What is cancelled, put off or asked for by one call of a turn counts for those that follow in it."""
    timers = make()
    made: list[Any] = []

    def first() -> None:
        made.append("first")
        assert timers.getDelayedCalls() == [cancelled, put_off, last]
        cancelled.cancel()
        put_off.reset(0.01)
        assert timers.getDelayedCalls() == [put_off, last]
        made.append(timers.callLater(0, made.append, "asked for"))

    timers.callLater(0, first)
    cancelled = timers.callLater(0, made.append, "cancelled")
    put_off = timers.callLater(0, made.append, "put off")
    last = timers.callLater(0, lambda: made.append((timers.getDelayedCalls(), "last")))
    await until(lambda: put_off.called)
    asked_for = made[1]
    assert made == ["first", asked_for, ([put_off, asked_for], "last"), "asked for", "put off"]
    assert timers.getDelayedCalls() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_one_call_that_is_due_at_once_loses_no_other(
    loop_factory: LoopFactory, kind: type[BaseException]
) -> None:
    loop = loop_factory()
    timers = Timers(loop, NATIVE)
    made: list[int] = []

    def interrupt() -> None:
        raise kind

    for call in (lambda: made.append(1), interrupt, lambda: made.append(2)):
        timers.callLater(0, call)
    with pytest.raises(kind):
        loop.run_forever()
    loop.run_until_complete(until(lambda: made == [1, 2]))
    assert timers.getDelayedCalls() == []
    loop.close()


async def test_after_an_interrupt_the_order_is_kept() -> None:
    timers = make()
    made: list[int] = []

    def first() -> None:
        timers.callLater(0, made.append, 3)
        raise KeyboardInterrupt

    timers.callLater(0, first)
    timers.callLater(0, made.append, 2)
    with pytest.raises(KeyboardInterrupt):
        timers._make_turn()  # as the loop does, which would end with it
    await until(lambda: made == [2, 3])


async def test_moved_to_now_inside_the_turn_it_keeps_its_place() -> None:
    timers = make()
    made: list[int] = []
    timers.callLater(0, lambda: second.reset(0))
    second = timers.callLater(0, made.append, 2)
    timers.callLater(0, made.append, 3)
    await until(lambda: len(made) == 2)
    assert made == [2, 3]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_through(loop_factory: LoopFactory, kind: type[BaseException]) -> None:
    loop = loop_factory()
    try:
        timers = Timers(loop, NATIVE)

        def leave() -> None:
            raise kind

        timers.callLater(0.001, leave)
        with pytest.raises(kind):
            loop.run_forever()
        assert timers.getDelayedCalls() == []
    finally:
        loop.close()


# The delayed call


async def test_it_is_what_it_claims_to_be() -> None:
    timers = make()
    call = timers.callLater(0, lambda: None)
    assert verifyObject(IDelayedCall, call)
    assert call.active()
    await until(lambda: call.called)
    assert not call.active()


async def test_its_attributes() -> None:
    timers = make()
    call = timers.callLater(5, print, 1, end="")
    assert (call.func, call.args, call.kw) == (print, (1,), {"end": ""})
    assert (call.called, call.cancelled, call.debug, call.creator) == (False, False, False, None)
    assert call.time == call.getTime()
    call.cancel()
    assert (call.func, call.args, call.kw) == (None, (), {})
    assert call.cancelled


async def test_cancel() -> None:
    timers = make()
    call = timers.callLater(0, pytest.fail, "cancelled")
    call.cancel()
    assert not call.active()
    await called(timers, 0.002)
    with pytest.raises(AlreadyCancelled):
        call.cancel()
    with pytest.raises(AlreadyCancelled):
        call.reset(1)
    with pytest.raises(AlreadyCancelled):
        call.delay(1)


async def test_inside_its_own_call_it_has_been_called() -> None:
    timers = make()
    errors: list[type[BaseException]] = []

    def inside() -> None:
        assert call not in timers.getDelayedCalls()
        assert not call.active()
        for method in (call.cancel, lambda: call.reset(1), lambda: call.delay(1)):
            with pytest.raises(AlreadyCalled) as caught:
                method()
            errors.append(caught.type)

    call = timers.callLater(0, inside)
    await until(lambda: len(errors) == 3)


@pytest.mark.parametrize("delay", [0, 0.002])
async def test_one_call_can_cancel_another_that_is_due_in_the_same_turn(delay: float) -> None:
    timers = make()
    first = timers.callLater(delay, lambda: second.cancel())
    second = timers.callLater(delay, pytest.fail, "cancelled")
    await until(lambda: first.called)
    await called(timers, 0.002)
    assert second.cancelled


async def test_reset_to_later_keeps_the_timer_and_is_not_early() -> None:
    timers = make()
    seen: list[float] = []
    call = timers.callLater(0.005, lambda: seen.append(timers.seconds()))
    timer = timers._timer
    for _ in range(100):
        call.reset(0.02)
    assert timers._timer is timer
    await until(lambda: seen)
    assert seen[0] >= call.getTime()


async def test_reset_to_earlier() -> None:
    timers = make()
    call = timers.callLater(1000, lambda: None)
    call.reset(0.001)
    await until(lambda: call.called)


async def test_reset_to_later_and_back_again() -> None:
    timers = make()
    call = timers.callLater(0.01, lambda: None)
    call.reset(1000)
    call.reset(0.01)
    await until(lambda: call.called)
    assert timers.seconds() >= call.getTime()


async def test_reset_of_a_call_that_is_due_already() -> None:
    timers = make()
    call = timers.callLater(0, lambda: None)
    call.reset(0.01)
    await until(lambda: call.called)
    assert timers.seconds() >= call.getTime()


@pytest.mark.parametrize("seconds", [0, -5])
async def test_reset_to_now_or_the_past_runs_on_a_later_turn(seconds: float) -> None:
    timers = make()
    call = timers.callLater(1000, lambda: None)
    call.reset(seconds)
    assert not call.called
    await until(lambda: call.called)


async def test_delay_counts_from_the_time_it_is_due_at() -> None:
    timers = make()
    call = timers.callLater(1000, lambda: None)
    due = call.getTime()
    call.delay(5)
    assert call.getTime() == due + 5
    call.delay(-1005)
    await until(lambda: call.called)
    assert timers.seconds() >= due - 1000


async def test_moving_by_nan_is_refused() -> None:
    call = make().callLater(1000, lambda: None)
    with pytest.raises(ValueError, match="NaN"):
        call.reset(math.nan)
    call.cancel()


async def test_they_compare_by_time() -> None:
    timers = make()
    soon, late = timers.callLater(10, print), timers.callLater(20, print)
    assert soon < late and soon <= late and late > soon and late >= soon
    assert sorted([late, soon]) == [soon, late]
    late.reset(5)
    assert late < soon
    assert soon == soon and soon != late
    timers.close()


async def test_its_text_survives_arguments_without_one() -> None:
    class Nasty:
        def __repr__(self) -> str:
            raise ValueError

    timers = make()
    call = timers.callLater(10, print, Nasty(), sep=Nasty())
    assert re.search(r"print\(<.*Nasty whose repr raised ValueError>, sep=<.*ValueError>\)>", str(call))
    assert "called=0 cancelled=0" in repr(call)
    call.cancel()
    assert "cancelled=1" in str(call)


async def test_debug_remembers_who_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(DelayedCall, "debug", True)
    timers = make()

    def fail() -> None:
        raise ValueError

    call = timers.callLater(0, fail)
    assert call.creator is not None and "callLater(0, fail)" in call.creator[-1]
    await until(lambda: caplog.records)
    assert "callLater(0, fail)" in caplog.records[0].getMessage()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(["reset", "delay"]), st.floats(-0.004, 0.008, allow_nan=False)), max_size=6
    )
)
def test_any_moves_end_in_one_call_that_is_not_early(
    loop_factory: LoopFactory, moves: list[tuple[str, float]]
) -> None:
    async def main() -> None:
        timers = make()
        calls: list[float] = []
        call = timers.callLater(0.004, lambda: calls.append(timers.seconds()))
        for method, seconds in moves:
            getattr(call, method)(seconds)
        await until(lambda: call.called)
        await called(timers, 0.003)
        assert len(calls) == 1 and calls[0] >= call.getTime()

    loop = loop_factory()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


# Many, and the end


@pytest.mark.without_debug
async def test_a_hundred_thousand() -> None:
    timers = make()
    count: list[int] = []
    calls = [timers.callLater(1000 + number, print) for number in range(100_000)]
    assert len(timers.getDelayedCalls()) == 100_000
    for call in calls:
        call.reset(5000)
    for call in calls[::2]:
        call.cancel()
    for call in calls[1::2]:
        call.func, call.args = count.append, (1,)
        call.reset(0.001)
    await within(until(lambda: len(count) == 50_000), 60)
    assert timers.getDelayedCalls() == []


async def test_all_share_one_timer_of_the_loop_set_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = make()
    timed: list[float] = []
    set_timer = timers._set_timer
    monkeypatch.setattr(timers, "_set_timer", lambda seconds: [timed.append(seconds), set_timer(seconds)])
    calls = [timers.callLater(1000 + number, print) for number in range(100)]
    assert timed == [1000]
    calls[50].reset(500)
    assert timed[1:] == [pytest.approx(500, abs=1)]
    sooner = timers.callLater(0.001, lambda: None)
    assert len(timed) == 3
    await until(lambda: sooner.called)
    assert timed[3:] == [pytest.approx(500, abs=1)]
    timers.close()
    assert timers._timer is None


@pytest.mark.parametrize("order", [1, -1, 7])
async def test_cancelled_calls_do_not_pile_up(order: int) -> None:
    timers = make()
    for _ in range(3):
        calls = [timers.callLater(1000 + number, print) for number in range(1000)]
        for number in range(1000):
            calls[number * order % 1000].cancel()
        assert len(timers._heap) < 2 * TIDY_AT
    assert timers.getDelayedCalls() == []


async def test_moving_forward_leaves_nothing_to_pile_up() -> None:
    timers = make()
    call = timers.callLater(1e6, print)
    for number in range(1000):
        call.reset(1e6 - number - 1)
        call.delay(0.25)
    assert timers.getDelayedCalls() == [call]
    assert len(timers._heap) < 2 * TIDY_AT


async def test_moved_forward_and_put_off_to_the_time_from_before_it_is_one_call() -> None:
    timers = make()
    made: list[int] = []
    call = timers.callLater(0.03, made.append, 1)
    timers.callLater(0.02, print)  # so that the entry which is left behind isn't the last
    due = call._due
    call.reset(0.001)
    call.delay(due - call._due)
    assert timers.getDelayedCalls()[0] is call
    await called(timers, 0.005)  # its earlier entry has come, and made way to one at the old time
    assert timers.getDelayedCalls().count(call) == 1
    await called(timers, 0.05)
    assert made == [1]
    assert timers.getDelayedCalls() == []


def test_a_closed_loop_is_refused(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    timers = Timers(loop, NATIVE)
    call = timers.callLater(1000, print)
    loop.close()
    for delay in (0, 2000):
        with pytest.raises(RuntimeError, match="closed"):
            timers.callLater(delay, print)
    assert timers.getDelayedCalls() == [call]
    timers.close()


_MOVES = st.sampled_from(["reset", "delay", "cancel", "new"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_MOVES, st.integers(0, 9), st.integers(0, 40)), max_size=40))
def test_all_that_is_due_is_called_once_and_in_order(history: list[tuple[str, int, int]]) -> None:
    """On a clock that the test moves, beside a plain list of who is due when."""
    loop = asyncio.new_event_loop()
    try:
        timers = Timers(loop, NATIVE)
        now = 0.0
        timers._now = lambda: now
        made: list[DelayedCall] = []
        due: dict[DelayedCall, float] = {}
        for what, index, amount in history:
            live = [call for call in due if call.active()]
            if what == "new" or not live:
                call = timers.callLater(amount + 1, lambda: None)
                call.func = lambda call=call: made.append(call)
                due[call] = now + amount + 1
                continue
            call = live[index % len(live)]
            if what == "cancel":
                call.cancel()
            elif what == "reset":
                call.reset(amount + 1)
                due[call] = now + amount + 1
            else:
                call.delay(amount)
                due[call] += amount
            if amount % 4 == 0:
                now += amount / 4
                expected = [one for one in live if one.active() and due[one] <= now]
                before = len(made)
                timers._fire()
                assert sorted(made[before:], key=id) == sorted(expected, key=id)
                assert [due[one] for one in made[before:]] == sorted(due[one] for one in expected)
            assert timers.getDelayedCalls() == [one for one in due if one.active()]
            assert all(one._due == due[one] for one in due if one.active())
        timers.close()
    finally:
        loop.close()


async def test_get_delayed_calls() -> None:
    timers = make()
    first, second, third = (timers.callLater(delay, lambda: None) for delay in (30, 20, 0))
    assert timers.getDelayedCalls() == [first, second, third]
    second.cancel()
    await until(lambda: third.called)
    assert timers.getDelayedCalls() == [first]
    first.cancel()


async def test_close() -> None:
    timers = make()
    calls = [timers.callLater(delay, pytest.fail, "closed") for delay in (0, 0.001, 0.002, 1000)]
    timers.close()
    assert timers.getDelayedCalls() == []
    assert not any(call.active() for call in calls)
    calls[2].reset(0)
    calls[3].delay(-999)
    await asyncio.sleep(0.005)
    for call in calls:
        call.cancel()


def test_close_after_the_loop_was_closed(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    timers = Timers(loop, NATIVE)
    calls = [timers.callLater(delay, print) for delay in (0, 1000)]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    timers.close()
    assert not any(call.active() for call in calls)


# Threads


def test_calls_from_before_the_loop_runs_are_made(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    try:
        timers = Timers(loop, NATIVE)
        timers.callLater(0.001, loop.stop)
        loop.run_forever()
    finally:
        loop.close()


async def test_another_thread_is_taught() -> None:
    timers = make()
    call = timers.callLater(1000, print)
    errors: list[str] = []

    def elsewhere() -> None:
        for method in (
            lambda: timers.callLater(0, print),
            call.cancel,
            lambda: call.reset(1),
            lambda: call.delay(1),
        ):
            with pytest.raises(RuntimeError) as caught:
                method()
            errors.append(str(caught.value))

    await within(asyncio.to_thread(elsewhere))
    assert "Write `reactor.callFromThread(reactor.callLater, ...)` instead" in errors[0]
    assert "reactor.callFromThread(delayed_call.cancel, ...)" in errors[1]
    assert call.active()
    call.cancel()


def test_the_thread_that_runs_the_loop_becomes_the_owner(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    ownership = Ownership(loop)
    timers = Timers(loop, NATIVE, ownership)
    seen: list[int] = []

    async def main() -> None:
        timers.callLater(0, lambda: seen.append(threading.get_ident()))
        await until(lambda: seen)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    thread.join(10)
    assert seen == [thread.ident] == [ownership.thread_id]
    with pytest.raises(RuntimeError, match="a thread that has ended"):
        timers.callLater(0, print)
    ownership.take()
    timers.callLater(0, print).cancel()
    loop.close()
