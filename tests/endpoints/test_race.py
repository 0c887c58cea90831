"""The order in which a host's addresses are tried, against a model of it."""

from __future__ import annotations

from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.endpoints.race import Line


def taken(line: Line) -> list[str]:
    """All that wait, in the order in which they are tried."""
    found = []
    while (address := line.take()) is not None:
        found.append(address)
    return found


def line_of(addresses: str) -> Line:
    """Addresses such as "6a 4a 6b"; their kinds are the first letters."""
    line = Line()
    for address in addresses.split():
        line.add(address[0], address)
    return line


@pytest.mark.parametrize(
    ("told", "order"),
    [
        ("", ""),
        ("6a", "6a"),
        ("6a 6b 6c", "6a 6b 6c"),
        ("6a 6b 4a 4b", "6a 4a 6b 4b"),
        ("4a 4b 6a 6b", "4a 6a 4b 6b"),
        ("6a 4a 4b 4c 6b", "6a 4a 6b 4b 4c"),
    ],
)
def test_the_kinds_take_turns(told: str, order: str) -> None:
    assert taken(line_of(told)) == order.split()


def test_whose_turn_it_is_outlasts_an_empty_line() -> None:
    line = line_of("6a")
    assert taken(line) == ["6a"]
    line.add("6", "6b")
    line.add("4", "4a")
    assert taken(line) == ["4a", "6b"]


@given(st.lists(st.sampled_from("64")))
def test_all_at_once(kinds: list[str]) -> None:
    addresses = [f"{kind}:{number}" for number, kind in enumerate(kinds)]
    first = [address for address in addresses if address[0] == kinds[0]]
    second = [address for address in addresses if address[0] != kinds[0]]
    pairs = zip_longest(first, second)
    expected = [address for pair in pairs for address in pair if address is not None]
    assert taken(line_of(" ".join(addresses))) == expected


@given(st.lists(st.sampled_from(["6", "4", "take"]), max_size=60))
def test_while_more_come(steps: list[str]) -> None:
    line = Line()
    waiting: list[str] = []
    last = ""
    for number, step in enumerate(steps):
        if step != "take":
            waiting.append(f"{step}:{number}")
            line.add(step, waiting[-1])
            continue
        of_another_kind = [address for address in waiting if address[0] != last]
        expected = next(iter(of_another_kind or waiting), None)
        address = line.take()
        if last or expected is None:
            assert address == expected
        else:  # whose address came first
            assert address == waiting[0]
        if address is not None:
            waiting.remove(address)
            last = address[0]
    assert sorted(taken(line)) == sorted(waiting)
