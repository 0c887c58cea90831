"""Conclusions as pictures: for each scenario a figure with bars for every case and peer, and one overview.

Figures are as wide as a phone can show with legible text, and as long as they have to be. Each is written as
SVG (the same bytes for the same figures) and as PNG. Everything is placed in inches: nothing depends on how
wide a text turns out, since an SVG's reader may have other fonts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .grids import amount, times
from .model import Scenario
from .peers import PEERS
from .report import Conclusion, Standing
from .results import Facts

__all__ = ["OVERVIEW", "draw"]

OVERVIEW = "overview"

HEADLINES = {
    "echo-1024-50": "Request, response\n1 KiB, 50 connections",
    "lines-stream": "Lines, streamed\nto a LineReceiver",
    "bulk-push": "A big download\nfrom a producer",
    "resp-16": "A Redis server\n16 requests at a time",
    "timers-reset": "Putting off\na timeout",
    "deferreds-create": "A Deferred\nwith 3 callbacks",
}
"""The cases of the overview, and what it calls them in two lines; those that were measured are shown."""

SHORT = {
    "ours-uvloop": "ours on uvloop",
    "ours-asyncio": "ours on asyncio",
    "ours": "ours",
    "protocol-uvloop": "uvloop's Protocol",
    "protocol-asyncio": "asyncio's Protocol",
}
"""The peers of the overview, and what it calls them."""

WIDTH = 5.4  # inches
DPI = 160
LABELS = 2.3  # inches for the names of peers
SHORT_LABELS = 2.85  # inches for headlines and short names
VALUES = 0.48  # inches for the ratios
EDGE = 0.12
BAR = 0.185
LINE = 0.165  # of text
GAP = 0.22  # between panels
SHORT_GAP = 0.14  # between groups of the overview
HEAD = 0.62
FOOT = 0.3
WRAP = 66  # characters of a title in one line

OURS, TEXT, ASIDE, RULE = "#d9480f", "#1f2328", "#6b7280", "#9ca3af"
OTHERS = {
    "twisted": "#8b98a8",
    "protocol": "#aab4c0",
    "streams": "#c3cbd4",
    "bare": "#b9c2cc",
    "raw": "#d5dbe1",
}

STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": TEXT,
    "svg.fonttype": "none",
    "svg.hashsalt": "twisted-compat",
    "path.simplify": False,
}


def _names(scenarios: Sequence[Scenario], conclusions: Sequence[Conclusion]) -> list[str]:
    """What the figures are called."""
    told = {conclusion.case.name for conclusion in conclusions}
    drawn = [each.name for each in scenarios if any(case.name in told for case in each.cases)]
    return [*drawn, *([OVERVIEW] if told & set(HEADLINES) else [])]


def draw(
    directory: Path, scenarios: Sequence[Scenario], conclusions: Sequence[Conclusion], facts: Facts
) -> list[Path]:
    """Draw all figures into a directory.

    :returns: the files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    with matplotlib.rc_context(STYLE):
        for name in _names(scenarios, conclusions):
            if name == OVERVIEW:
                figure = _overview([each for each in conclusions if each.case.name in HEADLINES], facts)
            else:
                scenario = next(each for each in scenarios if each.name == name)
                cases = {case.name for case in scenario.cases}
                figure = _scenario(scenario, [each for each in conclusions if each.case.name in cases], facts)
            for ending, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
                files.append(directory / f"{name}.{ending}")
                figure.savefig(files[-1], dpi=DPI, metadata=metadata)
    return files


class _Page:
    """A figure that is filled from the top.

    :param height: inches.
    """

    def __init__(self, height: float, title: str, about: str, facts: Facts) -> None:
        self.height = height
        self.figure = Figure(figsize=(WIDTH, height), facecolor="white")
        self._top = EDGE
        self.text(EDGE, title, size=12, weight="bold")
        self._top += 0.24
        self.text(EDGE, about, colour=ASIDE, size=8)
        self._top = HEAD
        versions = facts.versions
        libraries = ", ".join(
            f"{name} {versions[name]}" for name in ("Twisted", "uvloop") if name in versions
        )
        rounds = f"{facts.rounds} round{'s' * (facts.rounds > 1)} of {facts.seconds:g} s"
        foot = f"{facts.python}, {libraries}; {facts.cpu}; {rounds}, {facts.date[:10]}"
        self.figure.text(EDGE / WIDTH, EDGE / height, foot, size=7, color=ASIDE, va="bottom")

    def text(
        self, left: float, text: str, colour: str = TEXT, size: float = 9, weight: str = "normal"
    ) -> None:
        """Write, so many inches from the left."""
        place = (left / WIDTH, 1 - self._top / self.height)
        self.figure.text(*place, text, color=colour, size=size, weight=weight, va="top", linespacing=1.25)

    def down(self, inches: float) -> None:
        """Leave so much room."""
        self._top += inches

    def axes(self, bars: int, left: float) -> Axes:
        """Room for so many bars, between what is so many inches from the left and the values."""
        inches = bars * BAR
        self._top += inches
        width = (WIDTH - left - VALUES - EDGE) / WIDTH
        axes = self.figure.add_axes((left / WIDTH, 1 - self._top / self.height, width, inches / self.height))
        axes.set_axis_off()
        return axes


def _scenario(scenario: Scenario, conclusions: Sequence[Conclusion], facts: Facts) -> Figure:
    """A panel for each case, with a bar for each peer."""
    titles = [wrap(conclusion.case.title, WRAP) for conclusion in conclusions]
    texts = [(len(title) + 1) * LINE + 0.04 for title in titles]
    bars = [len(conclusion.standings) * BAR for conclusion in conclusions]
    height = HEAD + sum(texts) + sum(bars) + GAP * len(conclusions) + FOOT
    about = "Times as good as the one at 1.00. Whiskers: the lowest and the highest round."
    page = _Page(height, scenario.title, about, facts)
    for title, text, conclusion in zip(titles, texts, conclusions, strict=True):
        rows = {standing.peer: standing for standing in conclusion.standings}
        one = f"1.00 is {amount(rows[conclusion.baseline].value.middle)} {conclusion.case.unit.text}"
        page.text(EDGE, "\n".join(title), weight="bold")
        page.down(text - LINE - 0.04)
        page.text(EDGE, one, colour=ASIDE, size=8)
        page.down(LINE + 0.04)
        labelled = [(PEERS[name].label, rows[name]) for name in conclusion.case.peers if name in rows]
        _bars(page.axes(len(labelled), LABELS), labelled, _furthest([conclusion]))
        page.down(GAP)
    return page.figure


def _overview(conclusions: Sequence[Conclusion], facts: Facts) -> Figure:
    """A group of a few bars for each headline."""
    groups = []
    for conclusion in sorted(conclusions, key=lambda each: list(HEADLINES).index(each.case.name)):
        rows = {standing.peer: standing for standing in conclusion.standings}
        labelled = [(label, rows[name]) for name, label in SHORT.items() if name in rows]
        groups.append((HEADLINES[conclusion.case.name], labelled))
    heights = [max(len(labelled) * BAR, 2 * LINE) for _, labelled in groups]
    about = "Times as fast as Twisted (the dashed line), on epollreactor. Ours: twisted-compat."
    page = _Page(HEAD + sum(heights) + SHORT_GAP * len(groups) + FOOT, "At a glance", about, facts)
    furthest = _furthest(conclusions)
    for (headline, labelled), height in zip(groups, heights, strict=True):
        page.text(EDGE, headline, size=8.5)
        _bars(page.axes(len(labelled), SHORT_LABELS), labelled, furthest)
        page.down(height - len(labelled) * BAR + SHORT_GAP)
    return page.figure


def _furthest(conclusions: Sequence[Conclusion]) -> float:
    """The end of the longest whisker."""
    ratios = [row.ratio for conclusion in conclusions for row in conclusion.standings]
    return max((ratio.high for ratio in ratios if ratio is not None), default=1.0)


def _bars(axes: Axes, rows: Sequence[tuple[str, Standing]], furthest: float) -> None:
    """Draw a bar for each, from the top down, with its label on the left and its ratio on the right.

    :param furthest: the ratio that is as long as there is room.
    """
    axes.set_xlim(0, furthest)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axvline(1, color=RULE, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
    beside = axes.get_yaxis_transform()  # x in parts of the width, y in bars
    for position, (label, standing) in enumerate(rows):
        peer, ratio = PEERS[standing.peer], standing.ratio
        ours = peer.ours
        weight = "bold" if ours else "normal"
        if ratio is not None:
            filled = OURS if ours else OTHERS[peer.kind]
            axes.barh(position, ratio.middle, height=0.74, color=filled, linewidth=0)
            if ratio.high > ratio.low:
                axes.hlines(position, ratio.low, ratio.high, color=TEXT, linewidth=0.9)
        value = "n/a" if ratio is None else f"{times(ratio.middle)}\N{MULTIPLICATION SIGN}"
        for place, text, side in ((-0.025, label, "right"), (1.025, value, "left")):
            colour = OURS if ours else TEXT
            axes.text(
                place,
                position,
                text,
                transform=beside,
                va="center",
                ha=side,
                size=8.5,
                weight=weight,
                color=colour,
            )
