"""Conclusions as rows of text: what ``tables`` shows in a terminal and ``page`` writes as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Goal
from .report import Conclusion, Span, Standing, Verdict

__all__ = ["Column", "Grid", "amount", "goals", "memories", "memory", "standings", "times"]


MEBIBYTE = 2**20


@dataclass(frozen=True)
class Column:
    """A heading, with what is below it.

    :ivar number: whether that is numbers.
    :ivar aside: whether it matters less than the rest.
    """

    heading: str
    cells: tuple[str, ...]
    number: bool = True
    aside: bool = False


Grid = tuple[Column, ...]
"""Columns of the same length; those that would be empty are left out."""


def amount(value: float) -> str:
    """A value with as many digits as it is worth reading."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(value: float | None) -> str:
    """A ratio."""
    return "" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def standings(conclusion: Conclusion) -> Grid:
    """How the peers did at a case: a row for each, the best first."""
    rows = conclusion.standings

    def numbers(heading: str, cells: Sequence[str], aside: bool = False) -> Column:
        return Column(heading, tuple(cells), aside=aside)

    return _filled(
        Column("", tuple(row.peer for row in rows), number=False),
        numbers(f"x {conclusion.baseline}", [times(row.multiple) for row in rows]),
        numbers("rounds", [_rounds(row.ratio) for row in rows]),
        numbers("per CPU", [times(row.cpu_ratio) for row in rows]),
        numbers("busy", [_share(row.busy) for row in rows]),
        numbers("client busy", [_share(row.client_busy) for row in rows]),
        numbers("memory", memories(rows), aside=True),
        numbers(conclusion.case.unit.text, [amount(row.value.middle) for row in rows], aside=True),
        Column("remark", tuple(row.remark for row in rows), number=False),
    )


def goals(conclusions: Sequence[Conclusion], with_ratios: bool = True) -> Grid:
    """What became of all goals.

    :param with_ratios: whether to tell also the ratios that no goal is set for.
    """
    told = [
        (conclusion, verdict)
        for conclusion in conclusions
        for verdict in conclusion.verdicts
        if with_ratios or verdict.outcome
    ]
    return _filled(
        Column("case", tuple(verdict.case for _, verdict in told), number=False),
        Column("ours", tuple(verdict.goal.ours for _, verdict in told), number=False),
        Column("beside", tuple(verdict.goal.other for _, verdict in told), number=False),
        Column("goal", tuple(_goal(conclusion, verdict.goal) for conclusion, verdict in told), number=False),
        Column("measured", tuple(_figure(verdict) for _, verdict in told)),
        Column("rounds", tuple(_rounds(verdict.figure, verdict.goal) for _, verdict in told)),
        Column("per CPU", tuple(times(verdict.cpu_ratio) for _, verdict in told), aside=True),
        Column("", tuple(verdict.outcome for _, verdict in told), number=False),
    )


def _filled(*columns: Column) -> Grid:
    return tuple(column for column in columns if any(column.cells))


def _goal(conclusion: Conclusion, goal: Goal) -> str:
    if goal.at_most is not None:
        return f"at most {amount(goal.at_most)} {conclusion.case.unit.text} more"
    return f"at least {times(goal.least)}" if goal.least else ""


def _figure(verdict: Verdict) -> str:
    if verdict.figure is None:
        return ""
    middle = verdict.figure.middle
    return times(middle) if verdict.goal.at_most is None else amount(middle)


def _rounds(span: Span | None, goal: Goal | None = None) -> str:
    if span is None:
        return ""
    text = times if goal is None or goal.at_most is None else amount
    return f"{text(span.low)} to {text(span.high)}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def memory(row: Standing) -> str:
    """The peak memory above what was held before, where that is known."""
    return "" if row.memory is None else f"{row.memory / MEBIBYTE:.1f} MiB"


def memories(rows: Sequence[Standing]) -> list[str]:
    """The same of all; nothing where nobody used any worth telling."""
    told = any((row.memory or 0) >= MEBIBYTE for row in rows)
    return [memory(row) if told else "" for row in rows]
