"""Pictures of conclusions: that they are there, the same each time, and have every figure in them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from benchmarks import plots
from benchmarks.model import Found
from benchmarks.peers import PEERS
from benchmarks.plots import draw
from benchmarks.report import conclude
from tests.benchmarks.samples import FACTS, RESULTS, SCENARIO, case, scenario, value

TIMES = "\N{MULTIPLICATION SIGN}"


def texts(svg: Path) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg.read_text(encoding="utf-8"))


def test_a_figure_for_the_scenario(tmp_path: Path) -> None:
    conclusions = conclude(SCENARIO.cases, RESULTS.found)
    files = draw(tmp_path / "plots", [SCENARIO, scenario(case("unmeasured"))], conclusions, FACTS)
    svg, png = files
    assert [file.name for file in files] == ["fancy.svg", "fancy.png"]
    assert png.read_bytes().startswith(b"\x89PNG")
    written = texts(svg)
    assert "A fancy" in written
    assert "1.00 is 100 requests/s" in written
    for conclusion in conclusions:
        assert conclusion.case.title in written
        for row in conclusion.standings:
            assert PEERS[row.peer].label in written
            assert f"{row.multiple:.2f}{TIMES}" in written
    again, _ = draw(tmp_path / "again", [SCENARIO], conclusions, FACTS)
    assert again.read_bytes() == svg.read_bytes()
    assert svg.stat().st_size < 20_000


def test_the_overview_has_the_headlines_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "HEADLINES", {"absent": "Not\nthere", "echoes": "Echoes\nof all"})
    files = draw(tmp_path, [SCENARIO], conclude(SCENARIO.cases, RESULTS.found), FACTS)
    overview = next(file for file in files if file.name == "overview.svg")
    written = texts(overview)
    for text in ("Echoes", "of all", "ours on uvloop", f"3.10{TIMES}", "ours on asyncio", f"2.00{TIMES}"):
        assert text in written
    assert "Not" not in written


def test_what_has_no_ratio_is_told(tmp_path: Path) -> None:
    found: Found = {"made-up": {"ours-asyncio": [value(-1)], "twisted-epoll": [value(1)]}}
    svg, _ = draw(tmp_path, [scenario(case())], conclude([case()], found), FACTS)
    assert "n/a" in texts(svg)


def test_a_long_title_goes_on_in_another_line(tmp_path: Path) -> None:
    long = replace(case(), title="very " * 30 + "long")
    conclusions = conclude([long], {"made-up": {"ours-asyncio": [value(1)]}})
    svg, _ = draw(tmp_path, [scenario(long)], conclusions, FACTS)
    assert max(map(len, texts(svg))) < 100
