"""The runner of Twisted's tests, run on small modules of our own."""

from __future__ import annotations

import errno
import importlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("twisted.internet")
pytest.importorskip("uvloop")

from tests.conformance.__main__ import choose, conduct, main, parse
from tests.conformance.exceptions import EXCEPTIONS, Excepted
from tests.conformance.isolation import isolated, why_not_isolated
from tests.conformance.neutral import is_neutral
from tests.conformance.places import NETWORK, SHIMS
from tests.conformance.report import Verdict, idle_exceptions, judge
from tests.conformance.runner import Outcome, Run, run_module
from tests.conformance.suite import COMPARISON, FAMILIES, exists

pytestmark = pytest.mark.slow

SUITE = "tests.conformance.sample_suite"
ENDS = f"{SUITE}.EndsTests.test_"
PLACES = f"{SUITE}.PlacesTests.test_"
ENDPOINTS = "tests.conformance.sample_network"
REACTORS = "tests.conformance.sample_reactors"
NEUTRAL = "Only runs on Windows"


def excepted(test: str, *loops: str) -> Excepted:
    return Excepted(test, "category", "reason", loops)


def kinds(run: Run, prefix: str) -> dict[str, str]:
    return {test.removeprefix(prefix): outcome.kind for test, outcome in run.outcomes.items()}


# running


@pytest.mark.parametrize("loop", FAMILIES["deferreds"].loops)
def test_tests_run_against_our_modules(loop: str) -> None:
    run = run_module("deferreds", SUITE, loop, [PLACES + "*"])
    assert kinds(run, PLACES) == {
        "modules_are_ours": "passed",
        "trial_waits_for_our_deferreds": "passed",
        "the_default_reactor_is_twisteds": "passed",
        "unhandled_failures_are_found_in_twisteds_log": "passed",
        "fails_by_what_is_only_logged": "failed",
    }
    assert run.missing == []


@pytest.mark.parametrize("loop", FAMILIES["network"].loops)
def test_tests_of_the_network_run_against_our_endpoints_on_our_reactor(loop: str) -> None:
    pytest.importorskip("OpenSSL")
    run = run_module("network", ENDPOINTS, loop)
    assert kinds(run, f"{ENDPOINTS}.NetworkTests.test_") == {
        "endpoints_connect_on_our_reactor": "passed",
        "modules_are_ours": "passed",
    }
    assert run.missing == []


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_reactors_that_tests_make_are_ours_and_leave_no_loop_open(loop: str) -> None:
    run = run_module("reactor", REACTORS, loop)
    assert kinds(run, f"{REACTORS}.Builder.test_") == {
        "a_reactor_is_ours_and_declares_what_it_adopts": "passed",
        "a_reactor_that_is_not_stopped": "passed",
        "and_then_its_loop_is_closed": "passed",
    }


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_global_reactor_is_ours(loop: str) -> None:
    run = run_module("global", REACTORS, loop)
    assert kinds(run, f"{REACTORS}.GlobalTests.test_") == {"the_global_reactor_is_ours": "passed"}


def test_for_comparison_tests_run_on_twisteds_own_reactor() -> None:
    run = run_module("global", REACTORS, COMPARISON)
    assert kinds(run, f"{REACTORS}.GlobalTests.test_") == {"the_global_reactor_is_ours": "failed"}
    assert "EPollReactor" in next(iter(run.outcomes.values())).detail


def test_every_end_is_told_and_the_tests_after_it_run() -> None:
    run = run_module("deferreds", SUITE, "asyncio", [ENDS + "*"], deadline=5)
    assert kinds(run, ENDS) == {
        "ends_the_process": "failed",
        "fails": "failed",
        "hangs": "hung",
        "is_skipped": "skipped",
        "passes": "passed",
        "raises": "failed",
    }
    details = {test.removeprefix(ENDS): outcome.detail for test, outcome in run.outcomes.items()}
    assert "KeyError: 'why'" in details["raises"]
    assert "ended with 3" in details["ends_the_process"]
    assert "test_hangs" in details["hangs"]  # the traceback of where it hung
    assert details["is_skipped"] == "the reason"


def test_a_module_that_can_not_be_run_is_a_failure() -> None:
    run = run_module("deferreds", "tests.conformance.no_such_suite", "asyncio")
    (outcome,) = run.outcomes.values()
    assert outcome.kind == "failed"


@pytest.mark.skipif(why_not_isolated() is not None, reason=f"no network namespaces: {why_not_isolated()}")
def test_a_child_has_a_network_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        address = ours.getsockname()
        probe = f"import socket; print(socket.socket().connect_ex({address!r}))"
        found = subprocess.run(isolated([sys.executable, "-c", probe]), capture_output=True, text=True)
    assert found.stdout == f"{errno.ECONNREFUSED}\n"


def test_without_namespaces_children_are_started_all_the_same_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.conformance.isolation.why_not_isolated", lambda: "why")
    monkeypatch.setattr("tests.conformance.__main__.why_not_isolated", lambda: "why")
    assert isolated(["true"]) == ["true"]
    options = ["--family", "deferreds", "--module", SUITE, "--loop", "asyncio", "--test", ENDS + "passes"]
    assert main(options) == 0
    assert "Not in network namespaces: why." in capsys.readouterr().out


# what it is run for


def test_what_the_command_line_asks_for() -> None:
    def chosen(*arguments: str) -> list[tuple[str, str, str]]:
        return choose(parse(arguments))

    everything = chosen()
    assert {family for family, _, _ in everything} == set(FAMILIES)
    assert not any(loop == COMPARISON for _, _, loop in everything)
    assert 0 < len(chosen("--fast")) < len(everything)
    tasks = "twisted.test.test_task"
    assert chosen("--module", tasks, "--loop", "uvloop") == [
        ("deferreds", tasks, "uvloop"),
        ("global", tasks, "uvloop"),
    ]
    assert chosen("--family", "global", "--module", SUITE, "--loop", COMPARISON) == [
        ("global", SUITE, COMPARISON)
    ]


def test_every_module_that_makes_test_cases_for_reactors_is_run() -> None:
    import twisted.internet.test

    (folder,) = twisted.internet.test.__path__
    making = {
        f"twisted.internet.test.{path.stem}"
        for path in Path(folder).glob("test_*.py")
        if ".makeTestCaseClasses()" in path.read_text()
    }
    elsewhere = {"test_cfreactor", "test_reactormixins"}  # macOS's own reactor; the builder itself
    assert making - {f"twisted.internet.test.{name}" for name in elsewhere} == {
        module.name for module in FAMILIES["reactor"].modules
    }


# what it says


@pytest.mark.parametrize(
    "only, exceptions, status, said",
    [
        ([ENDS + "passes"], [], 0, "1 passed, 0 excepted, 0 failed"),
        ([ENDS + "fails"], [], 1, "failed: " + ENDS + "fails [deferreds on asyncio]"),
        ([ENDS + "fails"], [excepted(ENDS + "fails")], 0, "0 passed, 1 excepted, 0 failed"),
        ([ENDS + "fails"], [excepted(ENDS + "fails", "uvloop")], 1, "0 excepted, 1 failed"),
        ([ENDS + "is_skipped"], [], 1, "skipped: " + ENDS + "is_skipped [deferreds on asyncio]"),
        ([ENDS + "passes"], [excepted(ENDS + "passes")], 1, "stale: " + ENDS + "passes"),
        ([ENDS + "passes"], [excepted(ENDS + "gone")], 1, "unknown: " + ENDS + "gone"),
        ([ENDS + "passes"], [excepted("twisted.test.test_task.T.test")], 0, "1 passed"),
        ([ENDS + "gone"], [], 1, "No test has an id like"),
    ],
)
def test_the_exit_status_and_what_is_said(
    only: list[str],
    exceptions: list[Excepted],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = {"deferreds": exceptions, "global": [excepted(ENDS + "passes")]}
    assert conduct([("deferreds", SUITE, "asyncio")], table, only=only)[1] == status
    assert said in capsys.readouterr().out


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    options = ["--family", "deferreds", "--module", SUITE, "--module", "twisted.no.such", "--loop", "uvloop"]
    assert main([*options, "-v", "--json", str(results), "--test", ENDS + "passes"]) == 0
    said = capsys.readouterr().out
    assert "twisted.no.such: not in Twisted" in said
    assert f"passed: {ENDS}passes [deferreds on uvloop]" in said
    (verdict,) = json.loads(results.read_text())
    assert verdict["run"]["outcomes"] == {ENDS + "passes": {"kind": "passed", "detail": ""}}


# judging


def run_of(**ends: str) -> Run:
    """A run of one module, with tests that ended so."""
    detail = {"skipped": NEUTRAL}
    outcomes = {f"m.T.{name}": Outcome(kind, detail.get(kind, "")) for name, kind in ends.items()}
    return Run("global", "m", "asyncio", list(outcomes), outcomes)


def test_a_name_that_we_lack_is_no_success() -> None:
    run = run_of(test="passed")
    run.missing = ["defer.Gone"]
    assert not judge(run, {}).ok


def test_a_pattern_is_stale_when_any_of_its_tests_passes() -> None:
    table = {"global": [excepted("m.T.*"), excepted("m.U.*")]}
    verdict = judge(run_of(one="failed", two="passed"), table)
    assert (verdict.excepted, verdict.stale, verdict.ok) == (["m.T.one"], ["m.T.two"], False)
    (sentence,) = idle_exceptions([verdict], table)
    assert "m.U.*" in sentence


def test_a_skip_counts_as_one_only_if_twisteds_own_reactor_has_it_too() -> None:
    run = run_of(windows="skipped", ours="skipped")
    run.outcomes["m.T.ours"].detail = "OurReactor does not provide twisted.internet.interfaces.IReactorUDP"
    verdict = judge(run, {})
    assert (verdict.skipped, verdict.failed) == (["m.T.windows"], ["m.T.ours"])
    verdict = judge(run, {"global": [excepted("m.T.ours")]})
    assert (verdict.excepted, verdict.failed, verdict.ok) == (["m.T.ours"], [], True)


def test_an_exception_for_a_test_that_is_skipped_anyway_is_idle() -> None:
    table = {"global": [excepted("m.T.*")]}
    verdict = judge(run_of(test="skipped"), table)
    (sentence,) = idle_exceptions([verdict], table)
    assert sentence.startswith("idle: m.T.*")


def test_nothing_is_excused_on_twisteds_own_reactor() -> None:
    run = run_of(test="failed", passing="passed")
    run.loop = COMPARISON
    table = {"global": [excepted("m.T.*")]}
    assert judge(run, table) == Verdict(run, passed=["m.T.passing"], failed=["m.T.test"])


@pytest.mark.parametrize("end", ["passed", "failed"])
def test_one_that_is_not_steady_may_end_either_way(end: str) -> None:
    assert judge(run_of(test=end), {"global": [excepted("m.T.test")._replace(steady=False)]}).ok


@pytest.mark.parametrize(
    "reason, neutral",
    [
        ("twisted.x.Reactor does not provide twisted.internet.interfaces.IReactorWin32Events", True),
        ("MySQL: Cannot access db", True),
        ("x.Reactor does not provide twisted.internet.interfaces.IReactorUDP", False),
        ("This reactor does not support UNIX domain sockets", False),
    ],
)
def test_reasons_for_skipping_are_neutral_if_no_reactor_can_help_it(reason: str, neutral: bool) -> None:
    assert is_neutral(reason) is neutral


def test_what_stands_in_is_what_our_modules_lack() -> None:
    pytest.importorskip("OpenSSL")
    for shim in SHIMS:
        assert not hasattr(importlib.import_module(NETWORK[shim.place]), shim.name), shim
        assert shim.reason and "\n" not in shim.reason


def test_the_exceptions_are_of_modules_and_loops_that_are_run() -> None:
    assert set(EXCEPTIONS) == set(FAMILIES)
    for name, family in FAMILIES.items():
        modules = tuple(module.name + "." for module in family.modules)
        assert any(exists(module.name) for module in family.modules)
        assert len({(entry.test, entry.loops) for entry in EXCEPTIONS[name]}) == len(EXCEPTIONS[name])
        for entry in EXCEPTIONS[name]:
            assert entry.test.startswith(modules)
            assert entry.category and entry.reason and "\n" not in entry.reason
            assert set(entry.loops) <= set(family.loops)
