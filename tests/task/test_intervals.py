"""When the next call of a loop is due, and how many were."""

from __future__ import annotations

from fractions import Fraction
from math import floor, inf, ulp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.task.intervals import NEAR, intervals_passed, until_next

EPOCH = 1_700_000_000.0  # a clock of the size that a reactor's has
intervals = st.floats(1e-4, 1e5)
starts = st.floats(0, 1e4) | st.floats(EPOCH, EPOCH + 1e4)


@given(starts, intervals, st.integers(0, 10_000))
def test_the_times_themselves_are_told_in_spite_of_rounding(start: float, interval: float, n: int) -> None:
    now = start + n * interval
    if interval < 100 * ulp(now):  # finer than the clock
        return
    assert intervals_passed(now, start, interval) == n
    assert until_next(now, start, interval) == interval


@given(starts, intervals, st.integers(0, 10_000), st.floats(0.01, 0.99))
def test_between_two_times(start: float, interval: float, n: int, part: float) -> None:
    now = start + (n + part) * interval
    if interval < 1000 * ulp(now):
        return
    exact = (Fraction(now) - Fraction(start)) / Fraction(interval)
    assert intervals_passed(now, start, interval) == floor(exact) == n
    wait = until_next(now, start, interval)
    assert 0 < wait < interval
    assert abs(Fraction(wait) - (n + 1 - exact) * Fraction(interval)) <= 4 * ulp(now + interval)


@given(starts, intervals, st.floats(0, 1e6))
def test_the_next_time_is_always_one_more(start: float, interval: float, elapsed: float) -> None:
    now = start + elapsed
    if interval < 1000 * ulp(now):
        return
    wait = until_next(now, start, interval)
    assert 0 < wait <= interval
    assert intervals_passed(now + wait, start, interval) == intervals_passed(now, start, interval) + 1


@given(intervals, st.integers(1, 500))
def test_a_clock_moved_in_steps_of_one_interval(interval: float, steps: int) -> None:
    now = 0.0
    for n in range(1, steps):
        now += interval  # and every sum is rounded
        assert intervals_passed(now, 0.0, interval) == n
        assert until_next(now, 0.0, interval) == interval


@pytest.mark.parametrize("position", [-0.5, -1.25, -3.0])
def test_before_the_start(position: float) -> None:
    assert intervals_passed(100 + 2 * position, 100, 2) == int(position)
    assert until_next(100 + 2 * position, 100, 2) == 2 * (floor(position) + 1 - position)


def test_only_rounding_is_rounded() -> None:
    assert intervals_passed(3 - 4 * NEAR, 0, 1) == 2
    assert until_next(3 - 4 * NEAR, 0, 1) == pytest.approx(4 * NEAR)
    assert intervals_passed(3 + 4 * NEAR, 0, 1) == 3
    assert until_next(3 + 4 * NEAR, 0, 1) < 1


def test_an_interval_that_the_clock_is_too_coarse_for_still_passes() -> None:
    assert until_next(EPOCH + 1, EPOCH, 1e-9) == 1e-9


def test_an_interval_that_never_ends() -> None:
    assert intervals_passed(5, 0, inf) == 0
    assert until_next(5, 0, inf) == inf
