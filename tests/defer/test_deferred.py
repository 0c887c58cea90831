"""The Deferred: firing, chains, pausing, cancelling, timeouts, and random chains against a model."""

from __future__ import annotations

import gc
import warnings
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    TimeoutError,
    fail,
    getDebugging,
    setDebugging,
    succeed,
)
from twisted_compat.failure import Failure, NoCurrentExceptionError


class Clock:
    """Just enough of IReactorTime: what was scheduled, fired by hand."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def callLater(self, delay: float, function: Any) -> Call:
        self.calls.append(Call(delay, function))
        return self.calls[-1]


class Call:
    def __init__(self, delay: float, function: Any) -> None:
        self.delay = delay
        self.function = function
        self.pending = True

    def active(self) -> bool:
        return self.pending

    def cancel(self) -> None:
        assert self.pending
        self.pending = False

    def fire(self) -> None:
        self.pending = False
        self.function()


def outcome(deferred: Deferred[Any]) -> Any:
    """What a Deferred has come to: a value, or an exception; its failure counts as handled."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, f"no result yet: {deferred}"
    return got[0].value if isinstance(got[0], Failure) else got[0]


# Firing and the chain.


def test_callbacks_get_each_others_results() -> None:
    deferred: Deferred[int] = Deferred()
    assert deferred.addCallback(lambda n, more, times=1: (n + more) * times, 2, times=3) is deferred
    deferred.addCallback(str)
    assert not deferred.called
    deferred.callback(1)
    assert deferred.called
    assert deferred.result == "9"


def test_adding_to_a_fired_one_runs_at_once() -> None:
    deferred = succeed(1)
    seen: list[int] = []
    deferred.addCallback(seen.append)
    assert seen == [1]
    assert deferred.result is None


def test_result_is_absent_before_firing() -> None:
    assert not hasattr(Deferred(), "result")


def test_raising_goes_to_the_next_errback_and_returning_from_it_recovers() -> None:
    deferred: Deferred[int] = Deferred()
    skipped: list[Any] = []
    deferred.addErrback(skipped.append)
    deferred.addCallback(lambda _: 1 / 0)
    deferred.addCallback(skipped.append)
    deferred.addErrback(lambda failure, note: (failure.check(ZeroDivisionError), note), note="seen")
    deferred.callback(0)
    assert skipped == []
    assert deferred.result == (ZeroDivisionError, "seen")


def test_returning_a_failure_is_failing() -> None:
    assert isinstance(outcome(succeed(1).addCallback(lambda _: Failure(KeyError("k")))), KeyError)


def test_callback_with_a_failure_goes_to_errbacks() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.callback(Failure(KeyError("k")))
    assert isinstance(outcome(deferred), KeyError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_every_exception_of_a_callback_is_a_failure(error: type[BaseException]) -> None:
    def raises(_: Any) -> None:
        raise error

    assert isinstance(outcome(succeed(1).addCallback(raises)), error)


def test_add_callbacks_calls_exactly_one_of_the_two() -> None:
    calls: list[Any] = []

    def ok(result: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(("ok", result, args, kwargs))
        raise ValueError

    def bad(failure: Failure, *args: Any, **kwargs: Any) -> None:
        calls.append(("bad", failure.type, args, kwargs))

    def add(deferred: Deferred[Any]) -> Any:
        return outcome(
            deferred.addCallbacks(
                ok,
                bad,
                callbackArgs=(1,),
                callbackKeywords={"a": 2},
                errbackArgs=(3,),
                errbackKeywords={"b": 4},
            )
        )

    assert isinstance(add(succeed(0)), ValueError)
    assert add(fail(KeyError())) is None
    assert calls == [("ok", 0, (1,), {"a": 2}), ("bad", KeyError, (3,), {"b": 4})]


def test_add_callbacks_accepts_none_for_everything_optional() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallbacks(str, None, None, None, None, None)
    deferred.callback(1)
    assert deferred.result == "1"
    assert isinstance(outcome(fail(KeyError()).addCallbacks(str)), KeyError)


def test_add_both_sees_both() -> None:
    assert succeed(1).addBoth(lambda result, more: result + more, 1).result == 2
    assert fail(KeyError()).addBoth(lambda failure: failure.type).result is KeyError


def test_errback_takes_an_exception_a_failure_or_the_current_exception() -> None:
    error = KeyError("k")
    failure = Failure(error)
    for given_one in (error, failure):
        deferred: Deferred[Any] = Deferred()
        deferred.errback(given_one)
        assert outcome(deferred) is error
    try:
        raise error
    except KeyError:
        deferred = Deferred()
        deferred.errback()
    assert outcome(deferred) is error
    with pytest.raises(NoCurrentExceptionError):
        Deferred().errback()


def test_firing_twice_is_an_error_that_says_how_to_find_out() -> None:
    deferred = succeed(1)
    with pytest.raises(AlreadyCalledError, match="setDebugging"):
        deferred.callback(2)
    with pytest.raises(AlreadyCalledError):
        deferred.errback(KeyError())
    assert deferred.result == 1


def test_firing_inside_its_own_callback_is_an_error_there() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(deferred.callback)
    deferred.callback(1)
    assert isinstance(outcome(deferred), AlreadyCalledError)


def test_callbacks_added_while_running_run_in_their_place() -> None:
    order: list[str] = []
    deferred: Deferred[None] = Deferred()

    def first(_: None) -> None:
        deferred.addCallback(lambda _: order.append("added"))
        order.append("first")

    deferred.addCallback(first).addCallback(lambda _: order.append("second"))
    deferred.callback(None)
    assert order == ["first", "second", "added"]


def test_the_callbacks_attribute_shows_what_is_still_to_run() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(str, 1)
    assert deferred.callbacks == [((str, (1,), {}), (None, (), {}))]
    deferred.addBoth(lambda _: None)
    deferred.callback(b"")
    assert deferred.callbacks == []


def test_attributes_can_be_hung_on_it_and_on_subclasses() -> None:
    class Legacy(Deferred[Any]):
        extra = 1

    plain: Any = Deferred()
    plain.timeoutCall = 1
    legacy = Legacy()
    legacy.other = 2  # type: ignore[attr-defined]
    legacy.callback(3)
    assert (plain.timeoutCall, legacy.extra, legacy.result) == (1, 1, 3)


def test_repr_says_what_state_it_is_in() -> None:
    inner: Deferred[Any] = Deferred()
    outer: Deferred[Any] = Deferred()
    assert repr(outer) == f"<Deferred at 0x{id(outer):x}>"
    outer.addCallback(lambda _: inner)
    outer.callback(None)
    assert str(outer) == f"<Deferred at 0x{id(outer):x} waiting on Deferred at 0x{id(inner):x}>"
    inner.callback("orange")
    assert str(outer) == f"<Deferred at 0x{id(outer):x} current result: 'orange'>"


# Chaining.


def test_a_returned_deferred_is_waited_for_and_gives_its_result_away() -> None:
    inner: Deferred[int] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner).addCallback(lambda n: n + 1)
    assert outer.paused == 1
    assert outer.result is inner
    inner.callback(1)
    assert (outer.paused, outer.result, inner.result) == (0, 2, None)


def test_a_returned_deferred_that_has_fired_is_taken_at_once() -> None:
    inner = succeed(5)
    outer = succeed(0).addCallback(lambda _: inner)
    assert (outer.result, inner.result) == (5, None)


def test_a_failure_is_passed_on_and_no_longer_the_inner_ones(caplog: pytest.LogCaptureFixture) -> None:
    for fired in (True, False):
        inner: Deferred[Any] = Deferred()
        outer = succeed(0)
        if fired:
            inner.errback(KeyError())
        outer.addCallback(lambda _, inner=inner: inner)
        if not fired:
            inner.errback(KeyError())
        del inner
        gc.collect()
        assert isinstance(outcome(outer), KeyError)
    assert caplog.records == []


def test_what_was_added_to_the_inner_one_after_the_wait_began_runs_with_none() -> None:
    order: list[Any] = []
    inner: Deferred[Any] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner).addCallback(lambda r: order.append(("outer", r)))
    inner.addCallback(lambda r: order.append(("inner", r)))
    inner.callback(1)
    assert order == [("outer", 1), ("inner", None)]
    assert outer.result is None


def test_also_when_the_one_that_waits_is_paused_by_hand() -> None:
    seen: list[Any] = []
    inner: Deferred[Any] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner)
    outer.pause()
    inner.addCallback(seen.append)
    inner.callback(1)
    assert seen == [None]
    outer.unpause()
    assert outer.result == 1


@pytest.mark.parametrize("from_the_end", [False, True])
def test_long_rows_do_not_recurse_whichever_end_fires_first(from_the_end: bool) -> None:
    row: list[Deferred[Any]] = [Deferred() for _ in range(100_000)]
    for waiting, waited_for in pairwise(row):
        waiting.addCallback(lambda _, d=waited_for: d)
    for deferred in reversed(row) if from_the_end else row:
        deferred.callback("end" if deferred is row[-1] else None)
    assert row[0].result == "end"
    assert {deferred.paused for deferred in row} == {0}


def test_long_rows_with_callbacks_left_over_do_not_recurse() -> None:
    seen: list[Any] = []
    row: list[Deferred[Any]] = [Deferred() for _ in range(20_000)]
    for waiting, waited_for in pairwise(row):
        waiting.addCallback(lambda _, d=waited_for: d)
    for deferred in row:
        deferred.callback(0)
        deferred.addCallback(seen.append)
    assert seen == [0] + [None] * 19_999


def test_long_rows_can_be_cancelled_and_dropped() -> None:
    end: Deferred[Any] = Deferred()
    row = end
    for _ in range(50_000):
        row = succeed(None).addCallback(lambda _, d=row: d)
    row.cancel()
    assert isinstance(outcome(row), CancelledError)
    unfired: Deferred[Any] = Deferred()
    for _ in range(50_000):
        unfired = succeed(None).addCallback(lambda _, d=unfired: d)
    del unfired  # freeing the row must not overflow the stack


def test_many_callbacks_on_one_take_linear_time() -> None:
    deferred: Deferred[int] = Deferred()
    for _ in range(200_000):
        deferred.addCallback(lambda n: n + 1)
    deferred.callback(0)
    assert deferred.result == 200_000


def test_chain_deferred_fires_the_other_and_goes_on_with_none() -> None:
    one: Deferred[Any] = Deferred()
    other: Deferred[Any] = Deferred()
    one.chainDeferred(other)
    assert f"waiting on Deferred at 0x{id(one):x}" in repr(other)
    one.callback(1)
    assert (one.result, other.result) == (None, 1)
    failed: Deferred[Any] = Deferred()
    fail(KeyError()).chainDeferred(failed)
    assert isinstance(outcome(failed), KeyError)


def test_a_callback_that_returns_its_own_deferred_warns_and_fails() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(lambda _: deferred)
    with pytest.warns(DeprecationWarning, match="returned the Deferred it was attached to"):
        deferred.callback(1)
    error = outcome(deferred)
    assert isinstance(error, RuntimeError)
    assert "return result" in str(error)


def test_and_fails_with_the_warning_where_warnings_are_errors() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(lambda _: deferred)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deferred.callback(1)
    assert isinstance(outcome(deferred), DeprecationWarning)


# Pausing.


def test_pauses_nest() -> None:
    seen: list[int] = []
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(seen.append)
    deferred.pause()
    deferred.pause()
    deferred.callback(1)
    deferred.unpause()
    assert (seen, deferred.paused) == ([], 1)
    deferred.unpause()
    assert (seen, deferred.paused) == ([1], 0)


def test_a_paused_one_is_waited_for_though_it_has_fired() -> None:
    inner = succeed(1)
    inner.pause()
    outer = succeed(0).addCallback(lambda _: inner)
    assert outer.paused == 1
    inner.unpause()
    assert outer.result == 1


# Cancelling.


def test_without_a_canceller_it_fails_and_one_late_call_is_ignored() -> None:
    for late in ("callback", "errback"):
        deferred: Deferred[Any] = Deferred()
        deferred.cancel()
        assert isinstance(outcome(deferred), CancelledError)
        getattr(deferred, late)(KeyError())
        with pytest.raises(AlreadyCalledError):
            deferred.callback(1)


def test_a_canceller_is_called_once_with_the_deferred() -> None:
    called: list[Any] = []
    deferred: Deferred[Any] = Deferred(called.append)
    deferred.cancel()
    deferred.cancel()
    assert called == [deferred]
    assert isinstance(outcome(deferred), CancelledError)
    with pytest.raises(AlreadyCalledError):
        deferred.callback(1)


def test_a_canceller_may_fire_it_itself() -> None:
    for fire, expected in (
        (lambda d: d.callback("partial"), "partial"),
        (lambda d: d.errback(KeyError()), KeyError),
    ):
        deferred: Deferred[Any] = Deferred(fire)
        deferred.cancel()
        result = outcome(deferred)
        assert result == expected or type(result) is expected


def test_what_a_canceller_raises_is_raised() -> None:
    deferred: Deferred[Any] = Deferred(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        deferred.cancel()
    deferred.callback(1)


def test_cancelling_a_fired_one_does_nothing() -> None:
    deferred = succeed(1)
    deferred.cancel()
    assert deferred.result == 1


def test_cancelling_one_that_waits_cancels_what_it_waits_for() -> None:
    inner: Deferred[Any] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner)
    outer.cancel()
    assert inner.called
    assert isinstance(outcome(outer), CancelledError)


def test_by_the_cancel_method_of_that_one() -> None:
    class Own(Deferred[Any]):
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    own = Own()
    succeed(0).addCallback(lambda _: own).cancel()
    assert own.cancelled


def test_the_canceller_is_let_go_when_fired() -> None:
    class Canceller:
        def __call__(self, deferred: Deferred[Any]) -> None: ...

    canceller: Any = Canceller()
    canceller.deferred = Deferred(canceller)
    canceller.deferred.callback(None)
    assert canceller not in gc.get_referents(canceller.deferred)


# Timeouts.


def test_a_timeout_cancels_and_becomes_a_timeout_error() -> None:
    clock = Clock()
    deferred: Deferred[Any] = Deferred()
    assert deferred.addTimeout(2.5, clock) is deferred
    assert clock.calls[0].delay == 2.5
    clock.calls[0].fire()
    error = outcome(deferred)
    assert type(error) is TimeoutError
    assert error.args == (2.5, "Deferred")


def test_a_result_in_time_stops_the_clock() -> None:
    clock = Clock()
    deferred: Deferred[int] = Deferred()
    deferred.addTimeout(1, clock)
    deferred.callback(1)
    assert not clock.calls[0].pending
    assert deferred.result == 1


def test_cancelling_by_hand_is_no_timeout() -> None:
    clock = Clock()
    deferred: Deferred[int] = Deferred()
    deferred.addTimeout(1, clock)
    deferred.cancel()
    assert type(outcome(deferred)) is CancelledError
    assert not clock.calls[0].pending


def test_a_timeout_handler_decides() -> None:
    clock = Clock()
    seen: list[Any] = []
    deferred: Deferred[Any] = Deferred()
    deferred.addTimeout(3, clock, lambda result, after: seen.append((result.type, after)) or "instead")
    clock.calls[0].fire()
    assert outcome(deferred) == "instead"
    assert seen == [(CancelledError, 3)]


def test_a_canceller_that_succeeds_or_fails_otherwise_keeps_its_outcome_after_a_timeout() -> None:
    clock = Clock()
    kept: Deferred[Any] = Deferred(lambda d: d.callback("kept"))
    kept.addTimeout(1, clock)
    other: Deferred[Any] = Deferred(lambda d: d.errback(KeyError()))
    other.addTimeout(1, clock)
    for call in clock.calls:
        call.fire()
    assert outcome(kept) == "kept"
    assert isinstance(outcome(other), KeyError)


# Debugging.


@pytest.fixture
def debugging() -> Any:
    setDebugging(True)
    yield
    setDebugging(False)


def test_debug_mode_shows_where_it_was_made_and_fired(debugging: None) -> None:
    assert getDebugging()

    def make() -> Deferred[Any]:
        return Deferred()

    def fire_first(deferred: Deferred[Any]) -> None:
        deferred.callback(1)

    deferred = make()
    fire_first(deferred)
    with pytest.raises(AlreadyCalledError) as caught:
        deferred.callback(2)
    text = str(caught.value)
    created, _, fired = text.partition("First Invoker was")
    assert "C: Deferred was created" in created
    assert "in make" in created
    assert "in fire_first" in fired
    assert "deferred.py" not in text.replace("test_deferred.py", "")  # its own frames tell nothing


def test_debug_mode_is_off_by_default_and_one_made_before_still_shows_its_firing() -> None:
    assert not getDebugging()
    deferred: Deferred[Any] = Deferred()
    setDebugging(True)
    try:
        deferred.callback(1)
        with pytest.raises(AlreadyCalledError, match="First Invoker was"):
            deferred.callback(2)
    finally:
        setDebugging(False)


# Random chains against a model: a chain is a fold over its steps.

_ACTIONS = st.sampled_from(
    ["value", "pass", "raise", "return failure", "fired", "failed", "later", "later fails"]
)
_STEPS = st.lists(st.tuples(st.sampled_from(["callback", "errback", "both", "pair"]), _ACTIONS, _ACTIONS))


class Boom(Exception):
    """The only exception of the random chains; equal by number."""


def _model(start: tuple[bool, int], steps: list[tuple[str, str, str]]) -> tuple[list[Any], tuple[bool, int]]:
    ok, value = start
    seen: list[Any] = []
    for number, (kind, on_success, on_failure) in enumerate(steps):
        action = {
            "callback": on_success if ok else None,
            "errback": None if ok else on_failure,
            "both": on_success,
            "pair": on_success if ok else on_failure,
        }[kind]
        if action is None:
            continue
        seen.append((number, ok, value))
        if action != "pass":
            ok, value = action in ("value", "fired", "later"), number
    return seen, (ok, value)


@given(st.booleans(), _STEPS, st.integers(0, 30))
def test_random_chains_do_what_the_model_does(succeeds: bool, steps: list[Any], fire_after: int) -> None:
    seen: list[Any] = []
    later: list[tuple[Deferred[Any], bool, int]] = []

    def act(result: Any, number: int, action: str) -> Any:
        failed = isinstance(result, Failure)
        seen.append((number, not failed, result.value.args[0] if failed else result))
        if action == "value":
            return number
        if action == "raise":
            raise Boom(number)
        if action == "return failure":
            return Failure(Boom(number))
        if action == "fired":
            return succeed(number)
        if action == "failed":
            return fail(Boom(number))
        if action.startswith("later"):
            deferred: Deferred[Any] = Deferred()
            later.append((deferred, action == "later", number))
            return deferred
        return result

    deferred: Deferred[Any] = Deferred()

    def fire() -> None:
        if succeeds:
            deferred.callback(-1)
        else:
            deferred.errback(Boom(-1))

    for number, (kind, on_success, on_failure) in enumerate(steps):
        if number == fire_after:
            fire()
        if kind == "callback":
            deferred.addCallback(act, number, on_success)
        elif kind == "errback":
            deferred.addErrback(act, number, action=on_failure)
        elif kind == "both":
            deferred.addBoth(act, number, on_success)
        else:
            deferred.addCallbacks(act, act, (number, on_success), None, (number,), {"action": on_failure})
    if not deferred.called:
        fire()
    while later:
        waited_for, ok, number = later.pop()
        assert deferred.paused == 1
        if ok:
            waited_for.callback(number)
        else:
            waited_for.errback(Boom(number))

    expected_seen, (ok, value) = _model((succeeds, -1), steps)
    assert seen == expected_seen
    result = outcome(deferred)
    assert (type(result) is not Boom, result if ok else result.args[0]) == (ok, value)
