"""Conclusions as tables in a terminal; ``grids`` has what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .grids import Grid, goals, standings
from .model import Scenario
from .peers import PEERS
from .report import Conclusion
from .results import Facts

__all__ = ["show", "show_facts", "show_list"]

OUTCOMES = {"met": "green", "MISSED": "bold red", "undecided": "yellow"}
"""The style of a word that a cell begins with."""


def show(console: Console, conclusions: Sequence[Conclusion]) -> None:
    """A table for each case, then one of all goals."""
    for conclusion in conclusions:
        case = conclusion.case
        better = "" if case.unit.more_is_better else " (less is better; ratios say how many times as good)"
        console.print(Text(f"{case.name}: {case.title}{better}", style="italic"))
        console.print(_table(standings(conclusion)))
        console.print()
    verdicts = goals(conclusions)
    if verdicts:
        console.print(Text("Goals", style="italic"))
        console.print(_table(verdicts))


def show_facts(console: Console, facts: Facts) -> None:
    """On what was measured, in two lines."""
    pinned = "server and client on a core each" if facts.pinned else "NOT pinned: no two cores here"
    console.print(
        Text(f"{facts.cpu}, {facts.cores} cores, {facts.platform}; {pinned}; {facts.python}; {facts.date}")
    )
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    console.print(Text(f"{versions}; {facts.rounds} round{'s' * (facts.rounds > 1)} of {facts.seconds:g} s"))
    if facts.seconds < 1:
        console.print(Text("In so little time some cases do less than their titles say; it decides nothing."))
    console.print()


def show_list(console: Console, scenarios: Sequence[Scenario]) -> None:
    """All that can be measured: scenarios, their cases, who takes part, and who can't."""
    for scenario in scenarios:
        lack = scenario.missing()
        lacks = f" (lacks {lack})" if lack else ""
        console.print(Text(f"{scenario.name}: {scenario.title}{lacks}", style="italic"))
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for case in scenario.cases:
            table.add_row(
                Text(f"  {case.name}"), Text(case.title), Text(", ".join(case.peers), style="bright_black")
            )
        console.print(table)
        console.print()


def _table(grid: Grid) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in grid:
        table.add_column(
            Text(column.heading),
            justify="right" if column.number else "left",
            style="bright_black" if column.aside else "",
            no_wrap=column.number,
        )
    for cells in zip(*(column.cells for column in grid), strict=True):
        table.add_row(*(Text(cell, style=_style(cell)) for cell in cells))
    return table


def _style(cell: str) -> str:
    if cell in PEERS and PEERS[cell].ours:
        return "bold"
    return OUTCOMES.get(cell.partition(":")[0], "")
