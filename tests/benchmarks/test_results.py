"""Results in a file: all of it comes back, and nothing of it says who measured."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.model import BenchmarkError
from benchmarks.results import Results, facts, load, save
from tests.benchmarks.samples import RESULTS, SCENARIO


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "found.json"
    save(file, RESULTS, SCENARIO.cases)
    assert load(file) == RESULTS
    assert [path.name for path in file.parent.iterdir()] == ["found.json"]


def test_the_verdicts_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    save(file, RESULTS, SCENARIO.cases)
    [verdict] = json.loads(file.read_text(encoding="utf-8"))["verdicts"]
    assert (verdict["case"], verdict["figure"]["middle"], verdict["outcome"]) == ("echoes", 2.0, "met")


def test_the_facts_of_this_machine() -> None:
    found = facts(5, 2.0)
    assert (found.rounds, found.seconds) == (5, 2.0)
    assert found.cores >= 1
    assert found.cpu
    assert found.versions["zope.interface"]
    assert ("pyOpenSSL" in found.versions) == ("OpenSSL (ssl)" in found.versions)
    assert found.date.endswith("+00:00")
    assert platform.python_version() in found.python


def test_the_file_does_not_say_who_measured_and_where(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    save(file, Results(facts(1, 1.0)), ())
    text = file.read_text(encoding="utf-8")
    for secret in (platform.node(), str(Path.home()), str(Path.cwd()), f'"{getpass.getuser()}"'):
        assert not secret or secret not in text


def test_a_machine_without_proc_and_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "CPU_INFO", Path("/nowhere/cpuinfo"))
    monkeypatch.setattr(results, "LIBRARIES", ("no-such-library",))
    monkeypatch.setenv("PATH", "")
    found = facts(1, 1.0)
    assert (found.cpu, found.versions) == (platform.processor() or "unknown", {})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "facts": {"x": 1}}'])
def test_a_file_of_something_else(tmp_path: Path, text: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BenchmarkError, match="no results of this suite"):
        load(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no results"):
        load(tmp_path / "absent.json")
