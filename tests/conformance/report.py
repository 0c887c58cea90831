"""Compares how tests ended with the exceptions, and says so in a table and, for failures, in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.conformance.exceptions import Excepted
from tests.conformance.neutral import is_neutral
from tests.conformance.runner import Run
from tests.conformance.suite import COMPARISON

__all__ = ["HEADER", "Table", "Verdict", "idle_exceptions", "judge", "print_row", "print_verdicts"]

Table = Mapping[str, Sequence[Excepted]]
"""The exceptions of each family."""

FOLDER = "tests/conformance/exceptions"


@dataclass
class Verdict:
    """One run, judged.

    :ivar excepted: listed tests that can't pass.
    :ivar skipped: tests that are skipped on Twisted's own reactor too.
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


KINDS = ("passed", "excepted", "failed", "stale", "skipped")


def entries_of(run: Run, exceptions: Table) -> list[Excepted]:
    """The exceptions that hold for a run. On Twisted's own reactor none does."""
    if run.loop == COMPARISON:
        return []
    return [entry for entry in exceptions.get(run.family, ()) if not entry.loops or run.loop in entry.loops]


def judge(run: Run, exceptions: Table) -> Verdict:
    """Sort the tests of a run by what their end means."""
    verdict = Verdict(run)
    here = entries_of(run, exceptions)
    for test, outcome in sorted(run.outcomes.items()):
        entries = [entry for entry in here if fnmatchcase(test, entry.test)]
        if outcome.kind == "skipped" and is_neutral(outcome.detail):
            verdict.skipped.append(test)
        elif outcome.kind == "passed":
            (verdict.stale if any(entry.steady for entry in entries) else verdict.passed).append(test)
        elif not entries:
            verdict.failed.append(test)
        else:
            verdict.excepted.append(test)
    return verdict


def idle_exceptions(verdicts: Iterable[Verdict], exceptions: Table) -> list[str]:
    """The exceptions that excuse nothing, in sentences: no test is called so in the module that it would be
    in, or those that are were skipped as they are on Twisted's own reactor."""
    verdicts = list(verdicts)
    idle = {}
    for family, entries in exceptions.items():
        for entry in entries:
            homes = [
                verdict
                for verdict in verdicts
                if verdict.run.family == family
                and entry.test.startswith(verdict.run.module + ".")
                and entry in entries_of(verdict.run, exceptions)
            ]
            if not homes:
                continue
            if not any(fnmatchcase(test, entry.test) for home in homes for test in home.run.planned):
                idle[f"unknown: {entry.test} is listed in {FOLDER}, but there is no such test."] = None
                continue
            ends = {
                kind
                for home in homes
                for kind in KINDS
                for test in getattr(home, kind)
                if fnmatchcase(test, entry.test)
            }
            if ends == {"skipped"}:
                idle[f"idle: {entry.test} is listed in {FOLDER}, but only skipped. Take it out there."] = None
    return list(idle)


COLUMNS = "{:10} {:38} {:11} {:>5} {:>6} {:>8} {:>6} {:>7} {:>6}"
HEADER = COLUMNS.format("family", "module", "loop", "ran", "passed", "excepted", "failed", "skipped", "s")


def print_row(verdict: Verdict) -> None:
    """One line of the table. A listed test that passed counts as failed: it needs somebody's attention."""
    run = verdict.run
    ran = len(run.outcomes) - len(verdict.skipped)
    failed = len(verdict.failed) + len(verdict.stale)
    counts = [
        ran,
        len(verdict.passed),
        len(verdict.excepted),
        failed,
        len(verdict.skipped),
    ]
    module = run.module.removeprefix("twisted.")
    print(COLUMNS.format(run.family, module, run.loop, *counts, f"{run.seconds:.1f}"), flush=True)


def print_verdicts(
    verdicts: Sequence[Verdict], exceptions: Table, idle: Sequence[str], verbose: bool
) -> None:
    """Everything below the table: tracebacks, what is wrong with the exceptions, the closing lines."""
    for verdict in verdicts:
        _print_details(verdict, verbose)
    for name in sorted({name for verdict in verdicts for name in verdict.run.missing}):
        print(f"missing: {name} is public in Twisted, and we have no such name")
    for test in sorted({test for verdict in verdicts for test in verdict.stale}):
        print(f"stale: {test} is listed in {FOLDER}, but passes. Take it out there.")
    for sentence in idle:
        print(sentence)
    if verbose:
        for entry in (entry for entries in exceptions.values() for entry in entries):
            print(f"excepted: {entry.test} ({entry.category}): {entry.reason}")
    for family, loop in dict.fromkeys((verdict.run.family, verdict.run.loop) for verdict in verdicts):
        of_both = [v for v in verdicts if (v.run.family, v.run.loop) == (family, loop)]
        print(f"{family} on {loop}: {_counts(of_both)}")
    print(f"conformance: {_counts(verdicts)}")


def _counts(verdicts: Sequence[Verdict]) -> str:
    counts = {kind: sum(len(getattr(verdict, kind)) for verdict in verdicts) for kind in KINDS}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _print_details(verdict: Verdict, verbose: bool) -> None:
    run = verdict.run
    for test in verdict.failed:
        outcome = run.outcomes[test]
        print(f"\n{'=' * 78}\n{outcome.kind}: {test} [{run.family} on {run.loop}]\n{outcome.detail.rstrip()}")
    if verbose:
        for kind in ("passed", "excepted", "skipped"):
            for test in getattr(verdict, kind):
                reason = run.outcomes[test].detail if run.outcomes[test].kind == "skipped" else ""
                print(f"{kind}: {test} [{run.family} on {run.loop}] {reason}".rstrip())
