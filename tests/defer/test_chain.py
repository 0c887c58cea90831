"""The chain of a Deferred: firing, steps, waiting for another, pauses, debug mode, memory."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from twisted_compat.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    fail,
    getDebugging,
    inlineCallbacks,
    setDebugging,
    succeed,
)
from twisted_compat.failure import Failure, NoCurrentExceptionError

from .test_deferred import outcome

# Firing, and the steps.


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


def test_many_callbacks_on_one_take_linear_time() -> None:
    deferred: Deferred[int] = Deferred()
    for _ in range(200_000):
        deferred.addCallback(lambda n: n + 1)
    deferred.callback(0)
    assert deferred.result == 200_000


def test_callbacks_added_by_those_that_were_added_run_too() -> None:
    order: list[int] = []
    deferred: Deferred[int] = Deferred()

    def add(n: int) -> int:
        order.append(n)
        if n < 2_000:
            deferred.addCallback(add)
        return n + 1

    deferred.addCallback(add)
    deferred.callback(0)
    assert order == list(range(2_001))


def test_what_a_callback_adds_before_it_fails_gets_the_failure() -> None:
    deferred: Deferred[Any] = Deferred()

    def add_and_raise(_: Any) -> None:
        deferred.addErrback(lambda failure: failure.type)
        raise KeyError

    deferred.addCallback(add_and_raise)
    deferred.callback(None)
    assert deferred.result is KeyError


def test_firing_one_from_a_callback_of_another_that_returns_it() -> None:
    inner: Deferred[int] = Deferred()
    outer: Deferred[Any] = succeed(0).addCallback(lambda _: (inner.callback(1), inner)[1])
    assert (outer.result, inner.result) == (1, None)


def test_returning_one_that_runs_its_callbacks_takes_what_it_has_so_far() -> None:
    inner: Deferred[Any] = Deferred()
    outer: Deferred[Any] = Deferred()
    inner.addCallback(lambda n: outer.callback(None) or n + 1)
    outer.addCallback(lambda _: inner)
    inner.callback(1)
    assert (outer.result, inner.result) == (1, 2)


# Waiting for another.


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


def test_one_with_several_that_wait_gives_its_result_to_the_first() -> None:
    inner: Deferred[int] = Deferred()
    outer = [succeed(0).addCallback(lambda _: inner) for _ in range(3)]
    inner.callback(1)
    assert [(deferred.result, deferred.paused) for deferred in outer] == [(1, 0), (None, 0), (None, 0)]


def test_handing_over_runs_depth_first_and_then_returns_to_what_was_left() -> None:
    order: list[str] = []
    inner: Deferred[Any] = Deferred()
    middle = succeed(None).addCallback(lambda _: inner)
    outer = succeed(None).addCallback(lambda _: middle).addCallback(lambda _: order.append("outer"))
    middle.addCallback(lambda _: order.append("middle"))
    inner.addCallback(lambda _: order.append("inner"))
    inner.addCallback(lambda _: order.append("inner again"))
    inner.callback(None)
    assert order == ["outer", "middle", "inner", "inner again"]
    assert not outer.callbacks and not middle.callbacks and not inner.callbacks


def test_a_deferred_given_to_callback_is_a_value_until_it_is_waited_for() -> None:
    inner: Deferred[int] = Deferred()
    holder = succeed(inner)
    outer = succeed(0).addCallback(lambda _: holder)  # Twisted's never gets a result here
    assert outer.result is inner and outer.paused == 1
    inner.callback(1)
    assert outer.result == 1

    seen: list[Any] = []
    succeed(inner).addCallback(seen.append)
    assert seen == [inner]


def test_a_callback_that_returns_its_own_deferred_warns_and_then_waits_for_itself() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(lambda _: deferred)
    never: list[Any] = []
    deferred.addBoth(never.append)
    with pytest.warns(DeprecationWarning, match="returned the Deferred it was attached to") as caught:
        deferred.callback(1)
    assert caught[0].filename == __file__
    assert (deferred.paused, never) == (1, [])
    assert deferred.result is deferred
    deferred.cancel()
    assert "waiting on Deferred at" in repr(deferred)


def test_also_one_whose_callback_is_written_in_c() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback({1: deferred}.get)
    with pytest.warns(DeprecationWarning, match="returned the Deferred it was attached to"):
        deferred.callback(1)
    assert deferred.result is deferred


def test_or_fails_with_the_warning_where_warnings_are_errors() -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(lambda _: deferred)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deferred.callback(1)
    assert isinstance(outcome(deferred), DeprecationWarning)


def test_two_that_wait_for_each_other_wait_and_can_be_looked_at_and_cancelled() -> None:
    one: Deferred[Any] = Deferred()
    other: Deferred[Any] = Deferred()
    one.addCallback(lambda _: other)
    other.addCallback(lambda _: one)
    one.callback(None)
    other.callback(None)
    assert (one.paused, other.paused) == (1, 1)
    one.cancel()
    assert f"waiting on Deferred at 0x{id(other):x}" in repr(one)


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


def test_one_that_waits_and_is_paused_by_hand_besides() -> None:
    seen: list[Any] = []
    inner: Deferred[Any] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner)
    outer.pause()
    inner.addCallback(seen.append)
    inner.callback(1)
    assert seen == [None]
    outer.unpause()
    assert outer.result == 1


def test_steps_added_to_a_paused_one_wait_and_a_pause_before_firing_counts() -> None:
    seen: list[int] = []
    deferred: Deferred[int] = Deferred()
    deferred.pause()
    deferred.callback(1)
    deferred.addCallback(seen.append)
    assert seen == [] and deferred.result == 1
    deferred.unpause()
    assert seen == [1] and deferred.result is None


def test_pausing_and_unpausing_one_that_has_not_fired_does_nothing() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda n: n + 1)
    deferred.pause()
    deferred.unpause()
    assert not deferred.called
    deferred.callback(1)
    assert deferred.result == 2


def test_unpausing_inside_a_callback_does_not_run_the_rest_out_of_turn() -> None:
    order: list[str] = []
    deferred: Deferred[Any] = Deferred()

    def pauses(_: Any) -> None:
        deferred.pause()
        deferred.unpause()
        order.append("first")

    deferred.addCallback(pauses).addCallback(lambda _: order.append("second"))
    deferred.callback(None)
    assert order == ["first", "second"]


@inlineCallbacks
def _step(deferred: Deferred[int]) -> Any:
    return (yield deferred) + 1


# Debug mode.


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


def test_debug_mode_changes_nothing_else(debugging: None) -> None:
    inner: Deferred[int] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner).addCallback(lambda n: n + 1)
    inner.callback(1)
    assert outer.result == 2
    cancelled: Deferred[Any] = Deferred()
    cancelled.cancel()
    cancelled.callback("late")
    assert isinstance(outcome(cancelled), CancelledError)
    assert isinstance(outcome(fail(KeyError())), KeyError)
    with pytest.raises(AlreadyCalledError, match="First Invoker was"):
        cancelled.callback("later")


def test_debug_mode_of_generators_does_not_recurse_either(debugging: None) -> None:
    first: Deferred[int] = Deferred()
    last = first
    for _ in range(500):  # twice as many calls of ours as the stack holds
        last = _step(last)
    first.callback(0)
    assert last.result == 500
    with pytest.raises(AlreadyCalledError, match="First Invoker was"):
        last.callback(0)


def test_debug_mode_keeps_the_variables_of_a_failure(debugging: None) -> None:
    def fails(variable: int) -> None:
        raise KeyError(variable)

    failure = succeed(1).addCallback(fails).result
    assert dict(failure.frames[-1][3])["variable"] == 1
    succeed(failure).addErrback(lambda _: None)
    failure.cleanFailure()


# Memory.


def _alone() -> Deferred[Any]:
    deferred: Deferred[Any] = Deferred(lambda _: None)
    deferred.addCallback(str).addBoth(list).addErrback(str)
    deferred.callback(1)
    return deferred


def _waiting_for_another() -> Deferred[Any]:
    inner: Deferred[Any] = Deferred()
    outer = succeed(1).addCallback(lambda _, d=inner: d).addBoth(str)
    inner.callback(2)
    return outer


def _paused() -> Deferred[Any]:
    deferred = succeed(1)
    deferred.pause()
    deferred.addCallback(str)
    deferred.unpause()
    return deferred


def _generator() -> Deferred[Any]:
    first: Deferred[int] = Deferred()
    last = _step(_step(first))
    first.callback(1)
    return last


def _canceller_that_refers_back() -> Deferred[Any]:
    deferred: Any = Deferred(lambda _: deferred)
    deferred.callback(1)
    return succeed(deferred)


@pytest.mark.parametrize(
    "make", [_alone, _waiting_for_another, _paused, _generator, _canceller_that_refers_back]
)
def test_success_makes_no_cycle(no_collector: None, make: Callable[[], Deferred[Any]]) -> None:
    deferred = make()
    gone = weakref.ref(deferred)
    del deferred
    assert gone() is None
    if make is not _canceller_that_refers_back:  # there the test itself makes a cell that refers to itself
        assert gc.collect() == 0
