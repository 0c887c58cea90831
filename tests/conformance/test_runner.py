"""The runner of Twisted's tests, run on a small module of our own."""

from __future__ import annotations

import pytest

pytest.importorskip("twisted")
pytest.importorskip("uvloop")

from tests.conformance.__main__ import conduct, main
from tests.conformance.exceptions import EXCEPTIONS, Excepted
from tests.conformance.report import judge, unknown_exceptions
from tests.conformance.runner import Outcome, Run, run_module
from tests.conformance.suite import LOOPS, MODULES, exists

SUITE = "tests.conformance.sample_suite"
ENDS = f"{SUITE}.EndsTests.test_"
PLACES = f"{SUITE}.PlacesTests.test_"


def excepted(test: str, *loops: str) -> Excepted:
    return Excepted(test, "category", "reason", loops)


@pytest.mark.parametrize("loop", LOOPS)
def test_tests_run_against_our_modules(loop: str) -> None:
    run = run_module(SUITE, loop, [PLACES + "*"])
    assert {test: outcome.kind for test, outcome in run.outcomes.items()} == {
        PLACES + "modules_are_ours": "passed",
        PLACES + "trial_waits_for_our_deferreds": "passed",
        PLACES + "the_default_reactor_is_twisteds": "passed",
        PLACES + "unhandled_failures_are_found_in_twisteds_log": "passed",
        PLACES + "fails_by_what_is_only_logged": "failed",
    }
    assert run.missing == []


def test_every_end_is_told_and_the_tests_after_it_run() -> None:
    run = run_module(SUITE, "asyncio", [ENDS + "*"], deadline=5)
    assert {test.removeprefix(ENDS): outcome.kind for test, outcome in run.outcomes.items()} == {
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
    run = run_module("tests.conformance.no_such_suite", "asyncio")
    (outcome,) = run.outcomes.values()
    assert outcome.kind == "failed"


@pytest.mark.parametrize(
    "only, exceptions, status, said",
    [
        ([ENDS + "passes"], [], 0, "1 passed, 0 excepted, 0 failed"),
        ([ENDS + "fails"], [], 1, "failed: " + ENDS + "fails [asyncio]"),
        ([ENDS + "fails"], [excepted(ENDS + "fails")], 0, "0 passed, 1 excepted, 0 failed"),
        ([ENDS + "fails"], [excepted(ENDS + "fails", "uvloop")], 1, "0 excepted, 1 failed"),
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
    assert conduct([SUITE], ["asyncio"], exceptions, only=only) == status
    assert said in capsys.readouterr().out


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--module", SUITE, "--module", "twisted.no.such", "--loop", "uvloop", "-v"]
    assert main([*options, "--test", ENDS + "passes"]) == 0
    said = capsys.readouterr().out
    assert "twisted.no.such: not in Twisted" in said
    assert f"passed: {ENDS}passes [uvloop]" in said


def test_a_name_that_we_lack_is_no_success() -> None:
    run = Run("m", "asyncio", ["m.T.test"], {"m.T.test": Outcome("passed")}, missing=["defer.Gone"])
    assert not judge(run, []).ok


def test_a_pattern_is_stale_when_any_of_its_tests_passes() -> None:
    outcomes = {"m.T.one": Outcome("failed"), "m.T.two": Outcome("passed")}
    run = Run("m", "asyncio", list(outcomes), outcomes)
    verdict = judge(run, [excepted("m.T.*")])
    assert (verdict.excepted, verdict.stale, verdict.ok) == (["m.T.one"], ["m.T.two"], False)
    assert unknown_exceptions([run], [excepted("m.T.*"), excepted("m.U.*")]) == ["m.U.*"]


@pytest.mark.parametrize("end", ["passed", "failed"])
def test_one_that_is_not_steady_may_end_either_way(end: str) -> None:
    run = Run("m", "asyncio", ["m.T.test"], {"m.T.test": Outcome(end)})
    assert judge(run, [excepted("m.T.test")._replace(steady=False)]).ok


def test_the_list_is_of_modules_that_are_run() -> None:
    assert any(exists(module) for module in MODULES)
    for entry in EXCEPTIONS:
        assert entry.test.startswith(tuple(module + "." for module in MODULES))
        assert entry.category and entry.reason and "\n" not in entry.reason
        assert set(entry.loops) <= set(LOOPS)
