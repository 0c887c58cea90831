"""The command: what is asked for is measured, shown and written; the exit status says how it went."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner, Result
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks.model import BenchmarkError, Case, Measure, Peer, Sample, Scenario
from benchmarks.progress import Watch
from benchmarks.results import save
from benchmarks.runner import plan
from tests.benchmarks.samples import RESULTS, SCENARIO, case, instead, scenario
from tests.support import DEADLINE

ROOT = Path(__file__).parents[2]
OURS = ("--peer", "ours-asyncio")
SOMEONE = Peer("someone", "raw", "none", "someone")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command.main, arguments)


def measured_by(measure: Measure, *cases: Case) -> Scenario:
    return scenario(*(replace(each, measure=measure) for each in cases or SCENARIO.cases))


@pytest.fixture(autouse=True)
def suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scenario]]:
    """A suite of one scenario, whose samples are made up."""
    made = {"fancy": SCENARIO}
    monkeypatch.setattr(command, "SCENARIOS", made)
    yield made


def without_twisted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Peer, "missing", lambda self: next(iter(set(self.needs) & {"twisted", "uvloop"}), None)
    )


def test_all_is_measured_shown_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "missing", lambda self: None)
    file = tmp_path / "found.json"
    done = run("--rounds", "2", "--json", str(file))
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert "[1/2] echoes  x twisted-epoll: ours-asyncio 2.00, ours-uvloop 2.00" in lines[0]
    assert lines[1].startswith("[2/2] bytes  x twisted-epoll:")
    assert "echoes: a case called echoes" in lines
    assert lines[-1].endswith("met")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert {name: len(samples) for name, samples in found["found"]["echoes"].items()} == {
        "ours-asyncio": 2,
        "ours-uvloop": 2,
        "twisted-epoll": 2,
        "raw-epoll": 2,
    }
    assert [verdict["outcome"] for verdict in found["verdicts"]] == ["met"]


def test_only_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("bytes", *OURS, "--quick")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("[1/1] bytes  x ours-asyncio: ours-asyncio 1.00\n")
    assert "1 round of 0.2 s" in done.output
    assert run("fancy", *OURS).output.startswith("[1/2]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("echos",), "No such scenario or case: echos. Scenarios: fancy. Cases: echoes, bytes."),
        (("--peer", "node"), "No such peer: node. Peers: ours-asyncio, ours-uvloop,"),
        (("bytes", "--peer", "bare-uvloop"), "None of these cases has any of these peers: bare-uvloop."),
        (("--from", "/nowhere.json"), "/nowhere.json has no results of this suite"),
    ],
)
def test_what_can_not_be_done_is_told(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert f"Error: {message}" in done.output
    assert "Traceback" not in done.output


def test_nothing_is_measured_if_the_page_has_no_place_for_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Mine.\n", encoding="utf-8")
    done = run("--page", str(page))
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")


def test_nothing_is_measured_if_there_is_nothing_to_draw_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = run("--plots", str(tmp_path))
    assert (done.exit_code, done.output) == (
        1,
        "Error: Plots need matplotlib. Write: pip install matplotlib\n",
    )


def test_who_can_not_run_is_left_out(
    monkeypatch: pytest.MonkeyPatch, suite: dict[str, Scenario], tmp_path: Path
) -> None:
    without_twisted(monkeypatch)
    suite["other"] = scenario(case("never"), name="other", needs=("no-such-program",))
    file = tmp_path / "found.json"
    done = run("--quick", "--json", str(file))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("other is left out: this machine lacks no-such-program.\n")
    assert "twisted-epoll is left out: this machine lacks twisted." in done.output
    assert json.loads(file.read_text(encoding="utf-8"))["absent"] == {
        "other": "no-such-program",
        "ours-uvloop": "uvloop",
        "twisted-epoll": "twisted",
    }


def test_nobody_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    without_twisted(monkeypatch)
    done = run("--peer", "twisted-epoll")
    assert done.exit_code == 1
    assert "Nothing is left to measure." in done.output


def test_a_measurement_that_fails(suite: dict[str, Scenario], tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(peer: Peer, seconds: float) -> Sample:
        asked.append(peer.name)
        if peer.name == "raw-epoll":
            raise BenchmarkError("It hung up.")
        return instead(peer, seconds)

    suite["fancy"] = measured_by(measure)
    file = tmp_path / "found.json"
    done = run(*OURS, "--peer", "raw-epoll", "--rounds", "3", "--json", str(file))
    assert done.exit_code == 1
    assert "echoes: raw-epoll failed. It hung up." in done.output
    assert "ours-asyncio" in done.output.partition("echoes: a case called echoes")[2]
    assert asked.count("raw-epoll") == 1, "who has failed once is not asked again"
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["failed"] == [["echoes", "raw-epoll"]]
    assert "It hung up" not in file.read_text(encoding="utf-8"), "errors name paths"
    assert set(found["found"]["echoes"]) == {"ours-asyncio"}


def test_nothing_of_a_case_can_be_measured(suite: dict[str, Scenario]) -> None:
    def measure(peer: Peer, seconds: float) -> Sample:
        raise BenchmarkError("It hung up.")

    suite["fancy"] = measured_by(measure)
    done = run(*OURS)
    assert done.exit_code == 1
    assert "[1/2] echoes  nothing could be measured" in done.output


def test_an_interruption_loses_nothing(suite: dict[str, Scenario], tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    saved: list[str] = []

    def measure(peer: Peer, seconds: float) -> Sample:
        if file.exists():
            saved.append(file.read_text(encoding="utf-8"))
        if len(saved) == 2:
            raise KeyboardInterrupt
        return instead(peer, seconds)

    suite["fancy"] = measured_by(measure, case("one"), case("two"))
    done = run(*OURS, "--rounds", "2", "--json", str(file))
    assert done.exit_code == 130
    assert "Interrupted." in done.output
    assert "one: a case called one" in done.output
    counts = {
        name: len(peers["ours-asyncio"])
        for name, peers in json.loads(file.read_text(encoding="utf-8"))["found"].items()
    }
    assert counts == {"one": 2, "two": 1}


def test_an_earlier_run_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "found.json"
    save(file, RESULTS, SCENARIO.cases)
    page, plots = tmp_path / "docs" / "page.md", tmp_path / "docs" / "plots"
    done = run("--from", str(file), "echoes", "--page", str(page), "--plots", str(plots))
    assert done.exit_code == 0, done.output
    assert "echoes: a case called echoes" in done.output
    assert "bytes: a case" not in done.output
    assert (plots / "fancy.svg").exists()
    assert "](plots/fancy.svg)" in page.read_text(encoding="utf-8")


def test_the_list() -> None:
    done = run("--list", "echoes")
    assert done.exit_code == 0
    assert "a case called echoes" in done.output


def test_in_a_terminal_there_is_a_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    turns = plan(SCENARIO.cases, 1)
    with Watch(console, turns) as watch:
        for turn in turns[:2]:
            watch.begins(turn)
            watch.ended(replace(turn, sample=instead(SOMEONE, 1)))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "echoes  ours-asyncio  round 1/1" in shown
    assert "echoes  ours-uvloop  round 1/1  (ours-asyncio: 100 requests/s)" in shown


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_real_processes_and_a_signal(tmp_path: Path, number: signal.Signals, status: int) -> None:
    """The first case of nine is measured; then a signal comes."""
    file = tmp_path / "found.json"
    arguments = ["echo", *OURS, "--rounds", "1", "--seconds", "0.01", "--json", str(file)]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first == "[1/9] echo-64-1  x ours-asyncio: ours-asyncio 1.00\n"
            process.send_signal(number)
            rest, _ = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert process.returncode == status, rest
    assert "Traceback" not in rest
    assert ("Interrupted" in rest) == (number == signal.SIGINT)
    found = json.loads(file.read_text(encoding="utf-8"))["found"]
    assert 1 <= len(found) < 9
    [sample] = found["echo-64-1"]["ours-asyncio"]
    assert sample["value"] > 0
