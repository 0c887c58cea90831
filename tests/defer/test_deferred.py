"""The Deferred: adding to its chain, cancelling, timeouts, what it shows."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from twisted_compat.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    TimeoutError,
    fail,
    succeed,
)
from twisted_compat.failure import Failure


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


def test_chain_deferred_to_one_that_has_fired_is_an_error_in_the_chain() -> None:
    assert isinstance(outcome(succeed(1).chainDeferred(succeed(2))), AlreadyCalledError)


def test_chain_deferred_runs_the_other_before_its_own_next_callback() -> None:
    seen: list[str] = []
    other: Deferred[Any] = Deferred()
    other.addCallback(seen.append)
    one: Deferred[Any] = Deferred()
    one.chainDeferred(other).addCallback(lambda _: seen.append("own"))
    one.callback("other")
    assert seen == ["other", "own"]


def test_chain_deferred_calls_the_methods_of_a_subclass() -> None:
    seen: list[Any] = []

    class Sees(Deferred[Any]):
        def callback(self, result: Any) -> None:
            seen.append(result)
            super().callback(result)

        def errback(self, fail: Any = None) -> None:
            seen.append(fail.type)
            super().errback(fail)

    succeed(1).chainDeferred(Sees())
    failed = Sees()
    fail(KeyError()).chainDeferred(failed)
    assert seen == [1, KeyError]
    assert isinstance(outcome(failed), KeyError)


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
