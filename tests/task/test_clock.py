"""A clock that stands still until it is moved."""

from __future__ import annotations

import contextvars
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from zope.interface.verify import verifyObject

from twisted_compat.error import AlreadyCalled, AlreadyCancelled
from twisted_compat.interfaces import IDelayedCall, IReactorTime
from twisted_compat.task import Clock
from twisted_compat.task.clock import DelayedCall


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_interfaces(clock: Clock) -> None:
    assert verifyObject(IReactorTime, clock)
    assert verifyObject(IDelayedCall, clock.callLater(1, print))


def test_time_is_what_it_was_moved_by(clock: Clock) -> None:
    assert clock.seconds() == 0
    clock.advance(1.5)
    clock.pump([1, 0, 2])
    assert clock.seconds() == clock.rightNow == 4.5
    clock.rightNow = 10
    assert clock.seconds() == 10


def test_a_call_is_made_when_it_is_time(clock: Clock) -> None:
    seen: list[Any] = []
    call = clock.callLater(2, lambda *args, **kw: seen.append((args, kw)), 1, b=2)
    assert call.active() and call.getTime() == call.time == 2
    assert (call.args, call.kw) == ((1,), {"b": 2})
    clock.advance(1)
    assert not seen
    clock.advance(1)
    assert seen == [((1,), {"b": 2})]
    assert call.called and not call.cancelled and not call.active()
    assert clock.calls == []


@pytest.mark.parametrize("delay", [0, -1])
def test_a_call_that_is_due_at_once_waits_to_be_made(clock: Clock, delay: float) -> None:
    seen: list[int] = []
    clock.callLater(delay, seen.append, 1)
    assert not seen
    clock.advance(0)
    assert seen == [1]


def test_the_list_of_calls_is_a_copy_in_order(clock: Clock) -> None:
    late, early = clock.callLater(2, print), clock.callLater(1, print)
    waiting = clock.getDelayedCalls()
    assert waiting == clock.calls == [early, late]
    for call in waiting:
        call.cancel()
    assert waiting == [early, late] and clock.getDelayedCalls() == []


def test_cancelled_calls_are_not_made(clock: Clock) -> None:
    call = clock.callLater(1, pytest.fail, "called")
    call.cancel()
    assert call.cancelled and not call.active()
    clock.advance(2)
    assert (call.func, call.args, call.kw) == (None, (), {})


@pytest.mark.parametrize("method", ["cancel", "reset", "delay"])
def test_what_is_over_can_not_be_changed(clock: Clock, method: str) -> None:
    args = () if method == "cancel" else (1,)
    cancelled, called = clock.callLater(1, print), clock.callLater(1, lambda: None)
    cancelled.cancel()
    clock.advance(1)
    with pytest.raises(AlreadyCancelled):
        getattr(cancelled, method)(*args)
    with pytest.raises(AlreadyCalled):
        getattr(called, method)(*args)


def test_a_call_that_is_being_made_counts_as_made(clock: Clock) -> None:
    def change() -> None:
        assert call.called
        with pytest.raises(AlreadyCalled):
            call.cancel()

    call = clock.callLater(1, change)
    clock.advance(1)


def test_moving_a_call(clock: Clock) -> None:
    call = clock.callLater(2, lambda: None)
    clock.advance(1)
    call.reset(3)
    assert call.getTime() == 4
    call.reset(0.5)
    assert call.getTime() == 1.5
    call.delay(1)
    assert call.getTime() == 2.5
    call.delay(-0.5)
    assert call.getTime() == 2
    clock.advance(0.5)
    assert call.active()
    clock.advance(0.5)
    assert call.called


def test_moved_calls_are_made_in_their_new_order(clock: Clock) -> None:
    seen: list[Any] = []
    first = clock.callLater(1, seen.append, "first")
    clock.callLater(2, seen.append, "second")
    first.reset(3)
    clock.callLater(2.5, seen.append, "third")
    clock.advance(3)
    assert seen == ["second", "third", "first"]


def test_calls_may_add_cancel_and_move_others(clock: Clock) -> None:
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, clock.seconds()))

    def busy() -> None:
        note("busy")
        cancelled.cancel()
        moved_away.reset(5)
        moved_here.reset(0)
        clock.callLater(0, note, "added")
        clock.callLater(1, note, "added for later")

    clock.callLater(1, busy)
    cancelled = clock.callLater(1, note, "cancelled")
    moved_away = clock.callLater(1, note, "moved away")
    moved_here = clock.callLater(100, note, "moved here")
    clock.advance(1)
    assert seen == [("busy", 1), ("moved here", 1), ("added", 1)]
    clock.pump([1, 4])
    assert seen[3:] == [("added for later", 2), ("moved away", 6)]


def test_a_call_may_move_the_clock(clock: Clock) -> None:
    seen: list[int] = []
    clock.callLater(1, lambda: clock.advance(5))
    clock.callLater(4, seen.append, 4)
    clock.advance(1)
    assert seen == [4] and clock.seconds() == 6


def test_an_exception_comes_out_and_the_rest_is_still_due(clock: Clock) -> None:
    seen: list[int] = []
    clock.callLater(1, lambda: 1 // 0)
    clock.callLater(1, seen.append, 1)
    with pytest.raises(ZeroDivisionError):
        clock.advance(2)
    assert clock.seconds() == 2 and seen == []
    clock.advance(0)
    assert seen == [1]


def test_calls_run_in_the_context_they_were_asked_for_in(clock: Clock) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def look() -> None:
        seen.append(variable.get())
        variable.set("inside")

    variable.set("then")
    clock.callLater(1, look)
    variable.set("now")
    clock.advance(1)
    assert seen == ["then"] and variable.get() == "now"


def test_mistakes_are_explained(clock: Clock) -> None:
    with pytest.raises(TypeError, match=r"Write `clock.callLater\(delay, function, \*args\)`"):
        clock.callLater(1, "text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NaN"):
        clock.callLater(nan, print)
    call = clock.callLater(1, print)
    with pytest.raises(ValueError, match="NaN"):
        call.reset(nan)
    assert clock.calls == [call] and call.getTime() == 1


def test_calls_compare_by_time(clock: Clock) -> None:
    early, late, same = clock.callLater(1, print), clock.callLater(2, print), clock.callLater(1, print)
    assert early < late and early <= late and late > early and late >= early
    assert early <= same and early >= same and early != same


def test_repr(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    call = clock.callLater(1.5, print, 1, sep="-")
    assert repr(call) == f"<DelayedCall 0x{id(call):x} [1.500000s] called=0 cancelled=0 print(1, sep='-')>"
    call.cancel()
    assert repr(call) == f"<DelayedCall 0x{id(call):x} [1.500000s] called=0 cancelled=1>"
    assert call.creator is None
    monkeypatch.setattr(DelayedCall, "debug", True)
    stack = clock.callLater(1, print).creator
    assert stack is not None and "clock.callLater(1, print).creator" in stack[-1]


def test_it_can_be_a_base_beside_others() -> None:
    class Reactor(dict, Clock):  # type: ignore[type-arg]
        def __init__(self) -> None:
            dict.__init__(self)
            Clock.__init__(self)

    reactor = Reactor()
    reactor.callLater(1, reactor.__setitem__, "key", "value")
    reactor.advance(1)
    assert reactor == {"key": "value"}


@given(st.lists(st.sampled_from([0, 0.25, 0.5, 1, 3])), st.lists(st.floats(0, 2)))
def test_calls_come_by_time_and_then_as_asked_for(delays: list[float], steps: list[float]) -> None:
    clock = Clock()
    made: list[tuple[float, int]] = []
    for order, delay in enumerate(delays):
        clock.callLater(delay, made.append, (delay, order))
    clock.pump([*steps, 0])
    expected = sorted((delay, order) for order, delay in enumerate(delays))
    assert made == [call for call in expected if call[0] <= clock.seconds()]
    assert [call.args[0] for call in clock.calls] == expected[len(made) :]


class AgainstAModel(RuleBasedStateMachine):
    """Whatever is asked, cancelled and moved: each call is made once, at the first instant that is late
    enough, and the clock knows which wait."""

    calls: Bundle[DelayedCall] = Bundle("calls")
    delays = st.sampled_from([0, 0.5, 1, 1.5, 2, 5])

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.due: dict[DelayedCall, float] = {}

    @rule(target=calls, delay=delays)
    def ask(self, delay: float) -> DelayedCall:
        call = self.clock.callLater(delay, lambda: self.made(call))
        self.due[call] = self.clock.seconds() + delay
        return call

    def made(self, call: DelayedCall) -> None:
        due = self.due.pop(call)
        assert due <= self.clock.seconds()
        assert all(due <= other for other in self.due.values())

    @rule(call=calls, delay=delays)
    def reset(self, call: DelayedCall, delay: float) -> None:
        if call.active():
            call.reset(delay)
            self.due[call] = self.clock.seconds() + delay

    @rule(call=calls, delay=st.sampled_from([-2, -0.5, 0, 0.5, 3]))
    def delay(self, call: DelayedCall, delay: float) -> None:
        if call.active():
            call.delay(delay)
            self.due[call] += delay

    @rule(call=consumes(calls))
    def cancel(self, call: DelayedCall) -> None:
        if call.active():
            call.cancel()
            del self.due[call]

    @rule(amount=delays)
    def advance(self, amount: float) -> None:
        self.clock.advance(amount)
        assert all(due > self.clock.seconds() for due in self.due.values())

    @invariant()
    def the_clock_knows_what_waits(self) -> None:
        assert {call: call.getTime() for call in self.clock.getDelayedCalls()} == self.due
        times = [call.getTime() for call in self.clock.calls]
        assert times == sorted(times)


TestAgainstAModel = AgainstAModel.TestCase
