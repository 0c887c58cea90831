"""Results as a part of a Markdown page: what was measured on, the goals, and a section for each scenario.

The part stands between two marks, which have a line each. What is written by hand around them stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from .grids import Grid, amount, goals, memories, memory, times
from .model import BenchmarkError, Scenario
from .peers import PEERS
from .processes import BRIEF
from .report import DISTURBED, PACED, Conclusion, Standing
from .results import Facts, Results

__all__ = ["BEGIN", "END", "check", "write"]

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MARKS = {DISTURBED: "†", PACED: "‡"}
"""What stands behind a ratio that is not all that it seems, by the remark on it."""

MEANINGS = {
    "†": "other processes used these cores meanwhile, so that this ratio decides nothing",
    "‡": "the client was the slower one: this server can do more",
}


def check(path: Path) -> None:
    """See that results can be written into that page, or into a new one.

    :raises BenchmarkError: if there is a page, without the marks.
    """
    _around(path)


def write(
    path: Path,
    scenarios: Sequence[Scenario],
    conclusions: Sequence[Conclusion],
    results: Results,
    plots: Path | None,
) -> None:
    """Write results between the marks of a page; if there is no page yet, make one.

    :param plots: the directory that has the pictures; None if none were drawn.
    :raises BenchmarkError: if there is a page, without the marks.
    """
    before, after = _around(path)
    pictures = None if plots is None else Path(os.path.relpath(plots, path.parent)).as_posix()
    parts = [
        "## The machine, and how often\n",
        _facts(results),
        "## Who is who\n",
        _who(conclusions),
        "## Goals\n",
        "How many times as good ours is as the other one; each goal is this project's own.\n",
        _markdown(goals(conclusions, with_ratios=False)),
    ]
    for scenario in scenarios:
        cases = {case.name for case in scenario.cases}
        parts += _section(scenario, [each for each in conclusions if each.case.name in cases], pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}{after}", encoding="utf-8")


def _around(path: Path) -> tuple[str, str]:
    if not path.exists():
        return "# Benchmarks\n\n", "\n"
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{path} has no place for results. Write two lines into it: {BEGIN} and {END}")
    return before, after


def _facts(results: Results) -> str:
    facts: Facts = results.facts
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    pinned = "server and client pinned to a core each" if facts.pinned else "nothing pinned to a core"
    lines = [
        f"* {facts.cpu}, {facts.cores} cores, {facts.platform}; {pinned}",
        f"* {facts.python}; {versions}",
        f"* {facts.rounds} rounds, in which the peers take turns of {facts.seconds:g} s ({BRIEF:g} of that "
        f"for work without a client); {facts.date[:10]}",
        *(f"* {name} is left out: this machine lacks {lack}" for name, lack in results.absent.items()),
        *(f"* {case}: {peer} failed, and is left out there" for case, peer in results.failed),
    ]
    return "\n".join(lines) + "\n"


def _who(conclusions: Sequence[Conclusion]) -> str:
    measured = {row.peer for conclusion in conclusions for row in conclusion.standings}
    return "".join(f"* {_head(name)}: {peer.label}\n" for name, peer in PEERS.items() if name in measured)


def _section(scenario: Scenario, conclusions: Sequence[Conclusion], pictures: str | None) -> list[str]:
    if not conclusions:
        return []
    parts = [f"## {scenario.title}\n", f"{scenario.about}\n"]
    if pictures is not None:
        parts.append(
            f"![{scenario.title}, as bars: the figures of the table below]({pictures}/{scenario.name}.svg)\n"
        )
    named = dict.fromkeys(peer for each in conclusions for peer in each.case.peers)
    measured = {row.peer for each in conclusions for row in each.standings}
    peers = [peer for peer in named if peer in measured]
    ratios = [_row(each, peers, _ratio, _one(each)) for each in conclusions]
    parts.append(_table(["", *map(_head, peers), "1.00 is"], ratios, numbers=len(peers)))
    used = [mark for mark in MARKS.values() if any(mark in cell for row in ratios for cell in row)]
    parts += [f"{mark} {MEANINGS[mark]}.\n" for mark in used]
    hungry = [each for each in conclusions if any(memories(each.standings))]
    if hungry:
        parts.append("By how much the peak memory of the server exceeded what it held before:\n")
        rows = [_row(each, peers, memory) for each in hungry]
        parts.append(_table(["", *map(_head, peers)], rows, numbers=len(peers)))
    return parts


def _head(peer: str) -> str:
    return f"**{peer}**" if PEERS[peer].ours else peer


def _row(
    conclusion: Conclusion, peers: Sequence[str], cell: Callable[[Standing], str], *more: str
) -> list[str]:
    rows = {row.peer: row for row in conclusion.standings}
    return [conclusion.case.title, *(cell(rows[peer]) if peer in rows else "" for peer in peers), *more]


def _ratio(row: Standing) -> str:
    return f"{times(row.multiple) or 'n/a'} {MARKS.get(row.remark, '')}".strip()


def _one(conclusion: Conclusion) -> str:
    """What a ratio of 1 stands for."""
    base = next(row for row in conclusion.standings if row.peer == conclusion.baseline)
    return f"{amount(base.value.middle)} {conclusion.case.unit.text} {MARKS.get(base.remark, '')}".strip()


def _markdown(grid: Grid) -> str:
    rows = [list(cells) for cells in zip(*(column.cells for column in grid), strict=True)]
    return _table([column.heading for column in grid], rows, numbers=0) if rows else "None was measured.\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> str:
    """:param numbers: how many columns, from the second on, are aligned to the right."""
    rules = ["---:" if 0 < position <= numbers else "---" for position in range(len(heads))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rules, *rows))
