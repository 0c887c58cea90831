"""A row is a deque that legacy code can use as the list it expects."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.defer.row import Row

ITEMS = st.lists(st.integers(), max_size=8)
BOUNDS = st.none() | st.integers(-9, 9)
SLICES = st.builds(slice, BOUNDS, BOUNDS, st.none() | st.sampled_from([-2, -1, 1, 2]))


@given(ITEMS, ITEMS)
def test_it_equals_lists_and_adds_to_them(items: list[int], others: list[int]) -> None:
    row = Row(items)
    assert row == items
    assert items == row
    assert (row == others) == (items == others)
    assert (row != others) == (others != row) == (items != others)
    assert row == deque(items)
    assert row != tuple(items)
    assert (row == tuple(items)) is False
    assert row + others == items + others
    assert others + row == others + items


@given(ITEMS, SLICES, ITEMS)
def test_slices(items: list[int], part: slice, new: list[int]) -> None:
    row = Row(items)
    assert row[part] == items[part]
    expected: Any = list(items)
    try:
        expected[part] = new
    except ValueError:
        with pytest.raises(ValueError):
            row[part] = new
    else:
        row[part] = new
    assert row == expected
    del row[part]
    del expected[part]
    assert row == expected


@given(ITEMS, st.integers(-9, 9))
def test_single_things(items: list[int], index: int) -> None:
    row = Row(items)
    if not -len(items) <= index < len(items):
        with pytest.raises(IndexError):
            row.pop(index)
        return
    assert row[index] == items[index]
    row[index] = items[index] = 100
    assert row.pop(index) == items.pop(index)
    assert row == items
    row.insert(index, 5)
    items.insert(index, 5)
    del row[0], items[0]
    assert row == items


def test_pop_takes_the_last_and_replace_takes_anything() -> None:
    row = Row([1, 2, 3])
    assert row.pop() == 3
    row.replace(reversed(row))
    assert row == [2, 1]
    row.replace(row)
    assert row == [2, 1]
    with pytest.raises(IndexError):
        Row[int]().pop()


def test_it_has_no_hash_as_it_changes() -> None:
    with pytest.raises(TypeError):
        hash(Row())
