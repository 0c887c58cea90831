"""Results in a Markdown page."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.model import BenchmarkError
from benchmarks.page import BEGIN, END, check, write
from benchmarks.report import conclude
from tests.benchmarks.samples import RESULTS, SCENARIO, case, scenario

CONCLUSIONS = conclude(SCENARIO.cases, RESULTS.found)


def test_what_stands_around_the_marks_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", encoding="utf-8")
    write(page, [SCENARIO], CONCLUSIONS, RESULTS, None)
    once = page.read_text(encoding="utf-8")
    assert once.startswith(f"Before.\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\nAfter.\n")
    assert "old" not in once
    write(page, [SCENARIO], CONCLUSIONS, RESULTS, None)
    assert page.read_text(encoding="utf-8") == once


def test_a_new_page(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    write(page, [SCENARIO, scenario(case("unmeasured"))], CONCLUSIONS, RESULTS, tmp_path / "docs" / "plots")
    lines = page.read_text(encoding="utf-8").splitlines()
    for line in (
        "* a processor, 2 cores, Linux 6.1, x86_64; server and client pinned to a core each",
        "* streams-uvloop is left out: this machine lacks uvloop",
        "* echoes: streams-asyncio failed, and is left out there",
        "| echoes | ours-asyncio | twisted-epoll | at least 1.50 | 2.00 | 1.90 to 2.10 | 2.00 | met |",
        "* **ours-uvloop**: twisted-compat on uvloop",
        "* raw-epoll: a bare epoll loop in Python",
        "## A fancy",
        "What it is about.",
        "![A fancy, as bars: the figures of the table below](plots/fancy.svg)",
        "|  | **ours-asyncio** | **ours-uvloop** | twisted-epoll | raw-epoll | 1.00 is |",
        "| a case called echoes | 2.00 | 3.10 | 1.00 | 4.00 ‡ | 100 requests/s |",
        "| a case called bytes | 2.00 |  | 1.00 |  | 100 bytes |",
        "‡ the client was the slower one: this server can do more.",
        "| a case called echoes | 0.0 MiB | 3.0 MiB | 0.0 MiB | 0.0 MiB |",
    ):
        assert line in lines
    assert lines.count("## A fancy") == 1


def test_without_goals_and_plots(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write(page, [SCENARIO], CONCLUSIONS[1:], RESULTS, None)
    text = page.read_text(encoding="utf-8")
    assert "None was measured." in text
    assert "![" not in text


def test_a_page_without_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    check(page)
    page.write_text("Nothing.\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="no place for results"):
        check(page)
    with pytest.raises(BenchmarkError, match="no place for results"):
        write(page, [SCENARIO], CONCLUSIONS, RESULTS, None)
    assert page.read_text(encoding="utf-8") == "Nothing.\n"
