"""The benchmark of Deferreds: its processes, its table and what it writes; not how fast anything is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import deferreds
from benchmarks.deferred_work import LOOPS, WORK
from benchmarks.load import Load
from benchmarks.report import Rounds

TINY = ("--seconds", "0.001", "--rounds", "2", "--batch", "100")


def test_every_ratio_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("twisted")
    file = tmp_path / "found.json"
    assert deferreds.main([*TINY, "--json", str(file)]) == 0
    loops = [loop for loop in LOOPS if loop != "uvloop" or find_spec("uvloop") is not None]
    expected = [
        (loop, name, goal.other)
        for loop in loops
        for name, work in WORK.items()
        if loop in work.loops
        for goal in work.goals
    ]
    printed = capsys.readouterr().out
    heading, *rows = printed.split("\n\n")[1].splitlines()
    assert heading.split()[:5] == ["work", "loop", "beside", "ours", "that"]
    assert len(rows) == len(expected)
    for row, (loop, name, other) in zip(rows, expected, strict=True):
        assert row.startswith(WORK[name].title)
        assert row.removeprefix(WORK[name].title).split()[:2] == ["-" if loop == "none" else loop, other]
    written = json.loads(file.read_text(encoding="utf-8"))
    assert [(each["loop"], each["work"], each["goal"]["other"]) for each in written["verdicts"]] == expected
    for loop, name, other in expected:
        rounds = written["loops"][loop][name]
        assert len(rounds["ours"]) == len(rounds[other]) == 2
        assert all(load["requests"] % 100 == 0 and load["wall"] > 0 for load in rounds["ours"])


def test_without_twisted_it_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deferreds, "find_spec", lambda name: None)
    assert deferreds.main(TINY) == 1
    assert "pip install twisted" in capsys.readouterr().err


def test_without_uvloop_it_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deferreds, "find_spec", lambda name: None if name == "uvloop" else name)
    assert deferreds.choose(LOOPS) == ["none", "asyncio"]
    assert "uvloop is left out" in capsys.readouterr().out


def test_a_process_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deferreds, "find_spec", lambda name: name)
    monkeypatch.setattr(deferreds, "module", lambda *args: ["false"])
    assert deferreds.main([*TINY, "--loops", "none"]) == 1
    assert "the loop 'none' failed" in capsys.readouterr().err


def _rounds(ours: float, other: str, *, cpu: float = 1.0) -> Rounds:
    """A second in which ours did so many for each of the other's."""
    return {"ours": [Load(int(1000 * ours), 1.0, 0.0, cpu)], other: [Load(1000, 1.0, 0.0, 1.0)]}


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        (_rounds(1.6, "Twisted"), "met"),
        (_rounds(1.4, "Twisted"), "MISSED"),
        (_rounds(1.6, "Twisted", cpu=0.5), "undecided: disturbed"),
    ],
)
def test_the_verdict_on_a_goal(rounds: Rounds, verdict: str) -> None:
    row = deferreds.table({"none": {"create": rounds}}).splitlines()[1]
    assert row.endswith(f" 1.50  {verdict}")


def test_without_a_goal_the_ratio_is_told() -> None:
    row = deferreds.table({"asyncio": {"ensure-inside": _rounds(0.5, "Twisted")}}).splitlines()[1]
    assert row.split()[-10:] == ["2000.00", "us", "1000.00", "us", "0.50", "0.50", "to", "0.50", "-", "-"]


@pytest.mark.parametrize(
    "arguments",
    [("--loops", "proactor"), ("--loops", ""), ("--batch", "150"), ("--rounds", "0"), ("--seconds", "0")],
)
def test_options_that_make_no_sense(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        deferreds.parse(arguments)
    assert arguments[0] in capsys.readouterr().err
