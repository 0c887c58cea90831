"""Conclusions in a terminal."""

from __future__ import annotations

import io

import pytest

pytest.importorskip("rich")

from rich.console import Console

from benchmarks.grids import amount, goals, standings, times
from benchmarks.model import Goal, Scenario, Unit
from benchmarks.report import Conclusion, conclude
from benchmarks.tables import show, show_facts, show_list
from tests.benchmarks.samples import FACTS, RESULTS, SCENARIO, case, scenario, value


def printed(*conclusions: Conclusion) -> list[str]:
    console = Console(file=io.StringIO(), width=150, color_system=None)
    show(console, conclusions)
    assert isinstance(console.file, io.StringIO)
    return [line.strip() for line in console.file.getvalue().splitlines()]


def test_a_table_for_each_case_and_one_of_goals() -> None:
    lines = printed(*conclude(SCENARIO.cases, RESULTS.found))
    assert lines[0] == "echoes: a case called echoes"
    assert " ".join(lines[1].split()) == (
        "x twisted-epoll rounds per CPU busy client busy memory requests/s remark"
    )
    assert lines[2].split("  ")[0] == "raw-epoll"
    assert lines[2].endswith("400  the client sets the pace")
    assert " ".join(lines[3].split()) == "ours-uvloop 3.10 3.00 to 3.20 3.10 100% 50% 3.0 MiB 310"
    assert "bytes: a case called bytes (less is better; ratios say how many times as good)" in lines
    assert " ".join(lines[lines.index("Goals") + 2].split()) == (
        "echoes ours-asyncio twisted-epoll at least 1.50 2.00 1.90 to 2.10 2.00 met"
    )


def test_columns_that_nothing_is_known_of_are_not_there() -> None:
    [conclusion] = conclude([SCENARIO.cases[1]], RESULTS.found)
    assert [column.heading for column in standings(conclusion)] == ["", "x twisted-epoll", "rounds", "bytes"]


def test_a_goal_that_is_a_difference() -> None:
    made = case(goals=(Goal("ours-asyncio", "twisted-epoll", at_most=1200),), unit=Unit("bytes", False))
    found = {"made-up": {"ours-asyncio": [value(3000)], "twisted-epoll": [value(2000)]}}
    columns = {column.heading: column.cells for column in goals(conclude([made], found))}
    assert columns["goal"] == ("at most 1,200 bytes more",)
    assert columns["measured"] == ("1,000",)
    assert columns[""] == ("met",)


def test_ratios_without_a_goal_can_be_left_out() -> None:
    made = case(goals=(Goal("ours-asyncio", "twisted-epoll"),))
    found = {"made-up": {"ours-asyncio": [value(3)], "twisted-epoll": [value(2)]}}
    assert goals(conclude([made], found))
    assert not goals(conclude([made], found), with_ratios=False)
    assert not any(line.startswith("Goals") for line in printed(*conclude([case()], found)))


def test_numbers() -> None:
    assert [amount(number) for number in (1234567.8, 100, 99.94, 1.5, 0.000123, -250.0)] == [
        "1,234,568",
        "100",
        "99.9",
        "1.5",
        "0.000123",
        "-250",
    ]
    assert [times(number) for number in (None, 0.5, 12.345, 1234.5)] == ["", "0.50", "12.35", "1,234"]


def test_the_facts() -> None:
    console = Console(file=io.StringIO(), width=150)
    show_facts(console, FACTS)
    assert isinstance(console.file, io.StringIO)
    first, second, *_ = console.file.getvalue().splitlines()
    assert first.startswith("a processor, 2 cores, Linux 6.1, x86_64; server and client on a core each;")
    assert second == "Twisted 24.1, uvloop 0.20; 3 rounds of 2 s"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (SCENARIO, ["fancy: A fancy", "echoes"]),
        (scenario(case(), needs=("no-such-program",)), ["(lacks no-such-program)", "made-up"]),
    ],
)
def test_the_list(listed: Scenario, expected: list[str]) -> None:
    console = Console(file=io.StringIO(), width=150)
    show_list(console, [listed])
    assert isinstance(console.file, io.StringIO)
    for text in expected:
        assert text in console.file.getvalue()
