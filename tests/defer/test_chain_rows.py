"""Long rows of Deferreds; random chains and random rows of them against models."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_compat.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    ensureDeferred,
    fail,
    inlineCallbacks,
    succeed,
)
from twisted_compat.failure import Failure

from .test_deferred import outcome
from .test_record import unhandled

# Long rows.


@pytest.mark.parametrize("from_the_end", [False, True])
def test_long_rows_do_not_recurse_whichever_end_fires_first(from_the_end: bool) -> None:
    row: list[Deferred[Any]] = [Deferred() for _ in range(20_000)]
    for waiting, waited_for in pairwise(row):
        waiting.addCallback(lambda _, d=waited_for: d)
    for deferred in reversed(row) if from_the_end else row:
        deferred.callback("end" if deferred is row[-1] else None)
    assert row[0].result == "end"
    assert {deferred.paused for deferred in row} == {0}


def test_long_rows_made_by_chain_deferred_do_not_recurse() -> None:
    row: list[Deferred[Any]] = [Deferred() for _ in range(20_000)]
    for one, next_one in pairwise(row):
        one.chainDeferred(next_one)
    row[0].callback("end")
    assert row[-1].result == "end"
    row = [Deferred() for _ in range(20_000)]
    for one, next_one in pairwise(row):
        one.chainDeferred(next_one)
    row[0].errback(KeyError("end"))
    assert isinstance(outcome(row[-1]), KeyError)
    assert {deferred.result for deferred in row} == {None}


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
    for _ in range(20_000):
        row = succeed(None).addCallback(lambda _, d=row: d)
    row.cancel()
    assert isinstance(outcome(row), CancelledError)
    unfired: Deferred[Any] = Deferred()
    for _ in range(20_000):
        unfired = succeed(None).addCallback(lambda _, d=unfired: d)
    del unfired  # freeing the row must not overflow the stack


def test_long_rows_of_functions_that_wait_for_each_other_can_be_cancelled() -> None:
    @inlineCallbacks
    def waits_for(deferred: Deferred[Any]) -> Any:
        return (yield deferred)

    async def awaits(deferred: Deferred[Any]) -> Any:
        return await deferred

    ends: Deferred[Any] = Deferred()
    row = ends
    for _ in range(10_000):
        row = ensureDeferred(awaits(waits_for(row)))
    row.cancel()
    assert ends.called
    assert isinstance(outcome(row), CancelledError)


def test_functions_that_wait_for_each_other_in_a_circle_can_be_cancelled_in_vain() -> None:
    later: list[Deferred[Any]] = []
    begin: Deferred[Any] = Deferred()

    @inlineCallbacks
    def waits() -> Any:
        yield begin
        yield later[0]

    later.append(waits())
    begin.callback(None)
    later[0].cancel()
    assert not later[0].called


def test_a_failure_goes_down_a_long_row_and_is_logged_once() -> None:
    error = KeyError("end")
    with unhandled() as found:
        end: Deferred[Any] = Deferred()
        row = end
        for _ in range(20_000):
            row = succeed(None).addCallback(lambda _, d=row: d)
        end.errback(error)
        assert row.result.value is error
        del end, row
    assert found == [error]


def test_a_long_row_whose_middle_is_paused_stops_there() -> None:
    row: list[Deferred[Any]] = [Deferred() for _ in range(10_000)]
    for waiting, waited_for in pairwise(row):
        waiting.addCallback(lambda _, d=waited_for: d)
    for waiting in row[:-1]:
        waiting.callback(None)
    row[5_000].pause()
    row[-1].callback("end")
    assert (row[5_000].result, row[4_999].result, row[4_999].paused) == ("end", row[5_000], 1)
    row[5_000].unpause()
    assert row[0].result == "end"


@inlineCallbacks
def _step(deferred: Deferred[int]) -> Any:
    return (yield deferred) + 1


@pytest.mark.parametrize("fails", [False, True])
def test_generators_each_waiting_for_the_one_before_do_not_recurse(fails: bool) -> None:
    first: Deferred[int] = Deferred()
    last = first
    for _ in range(20_000):
        last = _step(last)
    if fails:
        # Each generator that an exception passes through is in its traceback: that is what takes the time.
        first.errback(KeyError("end"))
        assert isinstance(outcome(last), KeyError)
    else:
        first.callback(0)
        assert last.result == 20_000


def test_such_a_row_can_be_cancelled_and_dropped() -> None:
    for cancelled in (False, True):
        cancellations: list[Any] = []
        first: Deferred[int] = Deferred(cancellations.append)
        last = first
        for _ in range(200):
            last = _step(last)
        if cancelled:
            last.cancel()
            assert cancellations == [first]
            assert isinstance(outcome(last), CancelledError)
    first = last = Deferred()
    for _ in range(20_000):
        last = _step(last)
    del first, last  # freeing the row must not overflow the stack


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


# Random rows: several Deferreds that return each other, are paused, fired, cancelled in any order, against a
# Deferred written in the plainest way.


class Plain:
    """What a Deferred is: each wait a recursion, nothing fast."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.called = self.ignores_next = False
        self.paused = self.paused_by_hand = 0
        self.result: Any = None
        self.steps: list[tuple[str, Any]] = []
        self.seen: list[Any] = []

    def fire(self, result: Any) -> bool:
        """Whether it may be fired."""
        if self.called:
            allowed, self.ignores_next = self.ignores_next, False
            return allowed
        self.called, self.result = True, result
        self.run()
        return True

    def run(self) -> None:
        while self.called and not self.paused and self.steps:
            kind, given = self.steps.pop(0)
            failed = isinstance(self.result, Boom)
            if kind == "hand over":
                given.result, self.result = self.result, None
                given.paused -= 1
                given.run()
            elif (kind == "callback" and failed) or (kind == "errback" and not failed):
                continue
            else:
                self.seen.append(self.result)
                self.become(given)

    def become(self, result: Any) -> None:
        if isinstance(result, Plain):
            if result.called and not result.paused and result is not self:
                self.result, result.result = result.result, None
                return
            self.paused += 1
            if result is not self:
                result.steps.append(("hand over", self))
        self.result = result

    def cancel(self) -> None:
        end, seen = self, set()
        while isinstance(end.result, Plain) and end.number not in seen:
            seen.add(end.number)
            end = end.result
        if not end.called:
            end.ignores_next = True
            end.called, end.result = True, Boom("cancelled")
            end.run()


_COUNT = 4
_ONE = st.integers(0, _COUNT - 1)
_OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["fire", "fail", "pause", "unpause", "cancel"]), _ONE, st.none()),
    st.tuples(
        st.sampled_from(["callback", "errback", "both"]),
        _ONE,
        st.one_of(st.tuples(st.just("return"), _ONE), st.sampled_from(["value", "fail"])),
    ),
)


class Pair:
    """A Deferred and its model, told the same."""

    all: list[Pair]

    def __init__(self, number: int) -> None:
        self.plain = Plain(number)
        self.real: Deferred[Any] = Deferred()
        self.seen: list[Any] = []

    def do(self, operation: str, what: Any, number: int) -> None:
        if operation in ("fire", "fail"):
            result = number if operation == "fire" else Boom(number)
            allowed = self.plain.fire(result)
            try:
                self.real.callback(result) if operation == "fire" else self.real.errback(result)
            except AlreadyCalledError:
                assert not allowed
            else:
                assert allowed
        elif operation == "pause":
            self.plain.paused += 1
            self.plain.paused_by_hand += 1
            self.real.pause()
        elif operation == "unpause":
            if self.plain.paused_by_hand:
                self.plain.paused_by_hand -= 1
                self.plain.paused -= 1
                self.plain.run()
                self.real.unpause()
        elif operation == "cancel":
            self.plain.cancel()
            self.real.cancel()
        else:
            self.add(operation, what, number)

    def add(self, operation: str, what: Any, number: int) -> None:
        result: Any = number if what == "value" else Boom(number)
        other = self.all[what[1]] if what[0] == "return" else None
        self.plain.steps.append((operation, result if other is None else other.plain))
        self.plain.run()

        def act(given: Any) -> Any:
            self.seen.append(_bare(given))
            if other is not None:
                return other.real
            return Failure(result) if isinstance(result, Boom) else result

        add = {"callback": Deferred.addCallback, "errback": Deferred.addErrback, "both": Deferred.addBoth}
        add[operation](self.real, act)

    def compare(self) -> None:
        real, plain = self.real, self.plain
        assert (real.called, real.paused) == (plain.called, plain.paused)
        assert list(map(_same, self.seen)) == list(map(_same, plain.seen))
        if isinstance(plain.result, Plain):
            assert real.result is self.all[plain.result.number].real
        elif plain.called:
            assert _same(_bare(real.result)) == _same(plain.result)
        assert len(real.callbacks) == len(plain.steps)


def _bare(result: Any) -> Any:
    return result.value if isinstance(result, Failure) else result


def _same(result: Any) -> Any:
    if isinstance(result, (Boom, CancelledError)):
        return ("failed", "cancelled" if isinstance(result, CancelledError) else result.args[0])
    return result


@given(st.lists(_OPERATIONS, max_size=40))
@settings(max_examples=30)
def test_random_rows_do_what_the_model_does(operations: list[Any]) -> None:
    with unhandled() as found, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that return themselves
        pairs = [Pair(number) for number in range(_COUNT)]
        Pair.all = pairs
        for number, (operation, index, what) in enumerate(operations):
            pairs[index].do(operation, what, number)
            for pair in pairs:
                pair.compare()
        failed = [pair.plain.result for pair in pairs if isinstance(pair.plain.result, Boom)]
        assert found == []
        for pair in pairs:
            del pair.real
        del pairs, pair
        Pair.all = []
    assert sorted(map(str, map(_same, found))) == sorted(map(str, map(_same, failed)))
