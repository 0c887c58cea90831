"""Deferreds from values and calls; lists, gathering and races; the ready-made callbacks."""

from __future__ import annotations

import copy
import logging
import pickle
import warnings
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.defer import (
    FAILURE,
    SUCCESS,
    CancelledError,
    Deferred,
    DeferredList,
    FailureGroup,
    FirstError,
    NotACoroutineError,
    TimeoutError,
    ensureDeferred,
    execute,
    fail,
    gatherResults,
    logError,
    maybeDeferred,
    passthru,
    race,
    succeed,
    timeout,
)
from twisted_compat.failure import Failure, NoCurrentExceptionError

from .test_deferred import outcome
from .test_record import unhandled


def _raises(*args: Any) -> Any:
    raise KeyError(*args)


def test_succeed_and_fail() -> None:
    assert succeed(1).result == 1
    assert isinstance(outcome(fail(KeyError())), KeyError)
    try:
        _raises()
    except KeyError:
        failed = fail()
    assert isinstance(outcome(failed), KeyError)
    with pytest.raises(NoCurrentExceptionError):
        fail()


def test_execute() -> None:
    assert execute(int, "11", base=2).result == 3
    assert isinstance(outcome(execute(_raises, 1)), KeyError)


def test_maybe_deferred() -> None:
    deferred: Deferred[int] = Deferred()
    assert maybeDeferred(lambda: deferred) is deferred
    assert maybeDeferred(lambda a, b: a - b, 3, b=1).result == 2
    assert isinstance(outcome(maybeDeferred(_raises)), KeyError)
    assert isinstance(outcome(maybeDeferred(lambda: Failure(KeyError()))), KeyError)


def test_maybe_deferred_runs_coroutines() -> None:
    deferred: Deferred[int] = Deferred()

    async def waits(more: int) -> int:
        return await deferred + more

    async def fails() -> None:
        raise KeyError

    waiting = maybeDeferred(waits, 1)
    assert not waiting.called
    deferred.callback(1)
    assert waiting.result == 2
    assert isinstance(outcome(maybeDeferred(fails)), KeyError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_no_exception_escapes_from_what_is_called(error: type[BaseException]) -> None:
    def raises() -> None:
        raise error

    assert type(outcome(maybeDeferred(raises))) is error
    assert type(outcome(execute(raises))) is error


def test_ensure_deferred_takes_coroutines_generators_and_deferreds_only() -> None:
    async def coroutine() -> int:
        return await succeed(1)

    def generator() -> Generator[Any, Any, int]:
        return (yield succeed(1)) + 1

    deferred = succeed(3)
    assert ensureDeferred(coroutine()).result == 1
    assert ensureDeferred(generator()).result == 2
    assert ensureDeferred(deferred) is deferred
    for wrong in (coroutine, 1, None):
        with pytest.raises(NotACoroutineError, match="Call the `async def` function"):
            ensureDeferred(wrong)  # type: ignore[arg-type]


def test_a_list_waits_for_all_and_keeps_their_order() -> None:
    one: Deferred[Any] = Deferred()
    two: Deferred[Any] = Deferred()
    both = DeferredList([one, two], consumeErrors=True)
    two.errback(KeyError("k"))
    assert not both.called
    assert both.resultList[0] is None
    one.callback(1)
    (first, (ok, failure)) = outcome(both)
    assert first == (SUCCESS, 1)
    assert ok is FAILURE
    assert isinstance(failure.value, KeyError)
    assert (one.result, two.result) == (1, None)


def test_without_consume_errors_the_failure_stays_with_its_deferred() -> None:
    failed = fail(KeyError())
    assert outcome(DeferredList([failed]))[0][0] is FAILURE
    assert isinstance(outcome(failed), KeyError)


def test_an_empty_list() -> None:
    assert DeferredList([]).result == []
    assert not DeferredList([], fireOnOneCallback=True).called
    assert gatherResults([]).result == []


def test_the_first_success_or_failure_may_end_it() -> None:
    slow: Deferred[Any] = Deferred()
    assert DeferredList(iter([slow, succeed("a")]), fireOnOneCallback=True).result == ("a", 1)
    error = outcome(DeferredList([slow, fail(KeyError("k"))], fireOnOneErrback=True, consumeErrors=True))
    assert isinstance(error, FirstError)
    assert error.index == 1
    assert isinstance(error.subFailure.value, KeyError)
    slow.callback(None)  # and the rest is ignored


def test_cancelling_a_list_cancels_all_and_logs_what_their_cancellers_raise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def canceller(_: Any) -> None:
        raise ValueError("from the canceller")

    bad: Deferred[Any] = Deferred(canceller)
    good: Deferred[Any] = Deferred()
    both = DeferredList([bad, good], consumeErrors=True)
    both.cancel()
    assert good.called
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["from the canceller"]
    bad.callback(1)
    both.cancel()
    assert [ok for ok, _ in outcome(both)] == [True, False]


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_a_list_in_any_order_of_firing(order: list[int], failing: set[int]) -> None:
    deferreds: list[Deferred[Any]] = [Deferred() for _ in order]
    all_of_them = DeferredList(deferreds, consumeErrors=True)
    gathered = gatherResults(deferreds)
    for index in order:
        assert not all_of_them.called
        if index in failing:
            deferreds[index].errback(KeyError(index))
        else:
            deferreds[index].callback(index)
    shown = [(ok, result if ok else result.value.args[0]) for ok, result in outcome(all_of_them)]
    assert shown == [(index not in failing, index) for index in range(6)]
    # Gathering sees what the list let through: None where it consumed a failure.
    assert outcome(gathered) == [None if index in failing else index for index in range(6)]


def test_gather_results() -> None:
    one: Deferred[str] = Deferred()
    both = gatherResults([one, succeed("b")])
    one.callback("a")
    assert both.result == ["a", "b"]
    error = outcome(gatherResults([Deferred(), fail(KeyError())], consumeErrors=True))
    assert isinstance(error, FirstError)


def test_first_errors_are_equal_by_index_and_failure() -> None:
    failure = Failure(KeyError("k"))
    assert FirstError(failure, 1) == FirstError(failure, 1)
    assert len({FirstError(failure, 1), FirstError(failure, 1)}) == 1
    assert FirstError(failure, 1) != FirstError(failure, 2)
    assert FirstError(failure, 1) != failure
    assert repr(FirstError(failure, 1)) == "FirstError[#1, KeyError('k')]"
    assert str(FirstError(failure, 1)) == f"FirstError[#1, {failure}]"


def test_a_race_is_won_by_the_first_success_and_the_others_are_cancelled() -> None:
    one: Deferred[str] = Deferred()
    two: Deferred[str] = Deferred(lambda d: d.callback("from its canceller"))
    three: Deferred[str] = Deferred()
    winner = race([one, two, three])
    one.errback(KeyError())
    assert not winner.called
    three.callback("c")
    assert winner.result == (2, "c")
    assert two.called


def test_a_race_that_all_lose() -> None:
    one: Deferred[Any] = Deferred()
    winner = race([one, fail(KeyError())])
    one.errback(ValueError())
    error = outcome(winner)
    assert isinstance(error, FailureGroup)
    assert [failure.type for failure in error.failures] == [ValueError, KeyError]


def test_cancelling_a_race_cancels_all() -> None:
    racers: list[Deferred[Any]] = [Deferred(), Deferred(lambda d: d.callback(None))]
    winner = race(racers)
    winner.cancel()
    assert all(racer.called for racer in racers)
    assert winner.called
    winner.addErrback(lambda failure: failure.trap(CancelledError, FailureGroup))


def test_passthru_and_log_error(caplog: pytest.LogCaptureFixture) -> None:
    assert succeed(1).addBoth(passthru).result == 1
    failure = Failure(KeyError("logged"))
    assert logError(failure) is failure
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("twisted_compat.defer", logging.ERROR)
    assert record.exc_info and record.exc_info[1] is failure.value


def test_the_old_timeout_function() -> None:
    deferred: Deferred[Any] = Deferred()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timeout(deferred)
    assert caught[0].category is DeprecationWarning
    assert caught[0].filename == __file__
    assert type(outcome(deferred)) is TimeoutError


def test_a_race_of_none_never_ends_but_can_be_cancelled() -> None:
    winner: Deferred[Any] = race([])
    assert not winner.called
    winner.cancel()
    assert isinstance(outcome(winner), CancelledError)


def test_a_race_with_one_that_has_fired_already_and_one_that_waits() -> None:
    slow: Deferred[str] = Deferred()
    assert race([slow, succeed("b"), succeed("c")]).result == (1, "b")
    assert slow.called and slow.result is None


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_a_race_in_any_order(order: list[int], failing: set[int]) -> None:
    racers: list[Deferred[int]] = [Deferred() for _ in order]
    winner = race(racers)
    won = next((index for index in order if index not in failing), None)
    for index in order:
        if index in failing:
            racers[index].errback(KeyError(index))
        else:
            racers[index].callback(index)
        assert winner.called == (won is not None and racers[won].called) or won is None
        if index == won:
            break
    result = outcome(winner)
    if won is None:
        assert [failure.value.args[0] for failure in result.failures] == list(range(5))
    else:
        assert result == (won, won)
        assert all(racer.called and racer.result is None for racer in racers)


def test_a_list_that_is_cancelled_after_it_has_fired_cancels_nothing() -> None:
    slow: Deferred[Any] = Deferred()
    first = DeferredList([succeed(1), slow], fireOnOneCallback=True)
    first.cancel()
    assert not slow.called


def test_a_list_sees_what_was_added_before_it_and_callbacks_added_later_see_what_it_leaves() -> None:
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda n: n + 1)
    both = DeferredList([deferred, deferred])
    deferred.addCallback(lambda n: n * 10)
    deferred.callback(1)
    assert both.result == [(SUCCESS, 2), (SUCCESS, 2)]
    assert deferred.result == 20


def test_gathering_tells_of_the_first_failure_at_once_and_where_it_was() -> None:
    slow: Deferred[Any] = Deferred()
    gathered = gatherResults([slow, fail(KeyError("k"))], consumeErrors=True)
    error = outcome(gathered)
    assert (error.index, error.subFailure.type) == (1, KeyError)
    gathered.cancel()
    assert not slow.called


def test_a_list_that_has_fired_and_waits_for_more_passes_cancelling_on_to_that() -> None:
    listed: Deferred[Any] = Deferred()
    waited_for: Deferred[Any] = Deferred()
    gathered = DeferredList([succeed(1), listed], fireOnOneCallback=True)
    gathered.addCallback(lambda _: waited_for)
    gathered.cancel()
    assert isinstance(outcome(gathered), CancelledError)
    assert waited_for.called and not listed.called


def test_a_race_is_won_although_the_canceller_of_a_loser_raises(caplog: pytest.LogCaptureFixture) -> None:
    one: Deferred[str] = Deferred()
    two: Deferred[str] = Deferred(_raises)
    three: Deferred[str] = Deferred()
    winner = race([one, two, three])
    one.callback("a")
    assert winner.result == (0, "a")
    assert three.called
    (record,) = caplog.records
    assert "while its race was being cancelled" in record.getMessage()


def test_racers_that_take_their_time_over_being_cancelled() -> None:
    with unhandled() as found:
        for late in (KeyError(), Failure(CancelledError()), "a result"):
            cleanup: Deferred[Any] = Deferred()
            racer: Deferred[Any] = Deferred().addErrback(lambda _, cleanup=cleanup: cleanup)
            cleanup.cancel = lambda: None  # type: ignore[method-assign]  # once begun, it runs to its end
            winner = race([racer])
            winner.cancel()
            assert isinstance(outcome(winner), CancelledError)
            cleanup.callback(Failure(late) if isinstance(late, Exception) else late)
            del racer, cleanup, winner
    assert found == []


def test_a_group_of_failures_can_be_copied_and_pickled() -> None:
    group = FailureGroup([Failure(KeyError("a")), Failure(ValueError("b"))])
    for same in (copy.copy(group), pickle.loads(pickle.dumps(group))):
        assert [failure.type for failure in same.failures] == [KeyError, ValueError]
    assert "KeyError: 'a'" in str(group)  # what the log shows of it
