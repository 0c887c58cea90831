"""Compares how tests ended with the exceptions, and says so in a table and, for failures, in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.conformance.exceptions import Excepted
from tests.conformance.runner import Run

__all__ = ["Verdict", "judge", "print_row", "print_verdicts", "unknown_exceptions"]


@dataclass
class Verdict:
    """One run, judged.

    :ivar stale: listed tests that passed.
    """

    run: Run
    passed: list[str] = field(default_factory=list)
    excepted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing needs anybody's attention."""
        return not (self.failed or self.stale or self.run.missing)


def judge(run: Run, exceptions: Iterable[Excepted]) -> Verdict:
    """Sort the tests of a run by what their end means."""
    verdict = Verdict(run)
    here = [entry for entry in exceptions if not entry.loops or run.loop in entry.loops]
    for test, outcome in sorted(run.outcomes.items()):
        entries = [entry for entry in here if fnmatchcase(test, entry.test)]
        if outcome.kind == "skipped":
            verdict.skipped.append(test)
        elif outcome.kind == "passed":
            (verdict.stale if any(entry.steady for entry in entries) else verdict.passed).append(test)
        else:
            (verdict.excepted if entries else verdict.failed).append(test)
    return verdict


def unknown_exceptions(runs: Iterable[Run], exceptions: Iterable[Excepted]) -> list[str]:
    """The listed tests that are in none of the modules that were run, of those in which they would be."""
    runs = list(runs)
    unknown = []
    for entry in exceptions:
        homes = [
            run
            for run in runs
            if entry.test.startswith(run.module + ".") and (not entry.loops or run.loop in entry.loops)
        ]
        if homes and not any(fnmatchcase(test, entry.test) for run in homes for test in run.planned):
            unknown.append(entry.test)
    return unknown


COLUMNS = "{:42} {:11} {:>5} {:>6} {:>8} {:>6} {:>7} {:>6}"
HEADER = COLUMNS.format("module", "loop", "ran", "passed", "excepted", "failed", "skipped", "s")


def print_row(verdict: Verdict) -> None:
    """One line of the table. A listed test that passed counts as failed: it needs somebody's attention."""
    run = verdict.run
    ran = len(run.outcomes) - len(verdict.skipped)
    failed = len(verdict.failed) + len(verdict.stale)
    counts = [ran, len(verdict.passed), len(verdict.excepted), failed, len(verdict.skipped)]
    print(COLUMNS.format(run.module, run.loop, *counts, f"{run.seconds:.1f}"), flush=True)


def print_verdicts(
    verdicts: Sequence[Verdict], exceptions: Sequence[Excepted], unknown: Sequence[str], verbose: bool
) -> None:
    """Everything below the table: tracebacks, what is wrong with the list of exceptions, the closing line."""
    for verdict in verdicts:
        _print_details(verdict, verbose)
    for name in sorted({name for verdict in verdicts for name in verdict.run.missing}):
        print(f"missing: {name} is public in Twisted, and we have no such name")
    for test in sorted({test for verdict in verdicts for test in verdict.stale}):
        print(f"stale: {test} is listed in tests/conformance/exceptions.py, but passes. Take it out there.")
    for test in unknown:
        print(f"unknown: {test} is listed in tests/conformance/exceptions.py, but there is no such test.")
    if verbose:
        for entry in exceptions:
            print(f"excepted: {entry.test} ({entry.category}): {entry.reason}")
    counts = {
        kind: sum(len(getattr(verdict, kind)) for verdict in verdicts)
        for kind in ("passed", "excepted", "failed", "stale", "skipped")
    }
    print("conformance: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


def _print_details(verdict: Verdict, verbose: bool) -> None:
    run = verdict.run
    for test in verdict.failed:
        outcome = run.outcomes[test]
        print(f"\n{'=' * 78}\n{outcome.kind}: {test} [{run.loop}]\n{outcome.detail.rstrip()}")
    if verbose:
        for kind in ("passed", "excepted", "skipped"):
            for test in getattr(verdict, kind):
                reason = run.outcomes[test].detail if kind == "skipped" else ""
                print(f"{kind}: {test} [{run.loop}] {reason}".rstrip())
