"""The process in which the tests of one module run, on one loop: ``python -m tests.conformance.child SPEC``.

It writes a JSON list per line to a pipe for :mod:`~tests.conformance.runner`: ``["missing", names]``,
``["plan", ids]``, then for each test ``["start", id]`` and ``["end", id, outcome, detail]``.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

from tests.conformance.exceptions import EXCEPTIONS
from tests.conformance.families import Loader, loader_of
from tests.conformance.runner import OUTSIDE, is_wanted

Emit = Callable[..., None]

MOST_DETAIL = 6000  # characters of a traceback: some tests compare long texts


def main() -> None:
    """Run what the command line's JSON says: family, module, loop, tests to leave out, pipe to write to."""
    spec = json.loads(sys.argv[1])
    os.set_inheritable(spec["pipe"], False)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    faulthandler.enable()

    def emit(*event: object) -> None:
        faulthandler.dump_traceback_later(spec["lifetime"], exit=True)
        os.write(spec["pipe"], (json.dumps(event) + "\n").encode())

    loader = loader_of(spec["family"])
    emit("missing", loader.prepare(spec["loop"]))
    late = [entry.test for entry in EXCEPTIONS.get(spec["family"], ())]
    run_tests(loader, spec["module"], set(spec["without"]), spec["only"], late, emit)


def run_tests(
    loader: Loader, module: str, without: set[str], only: list[str] | None, late: list[str], emit: Emit
) -> None:
    """Load the module's tests and run them in the order of their ids; those that are not expected to pass
    come last, as a test that fails may leave behind what is in the way of others."""
    from twisted.python import log
    from twisted.trial.runner import TestSuite, TrialSuite

    # With no observer Twisted keeps the latest events, and with them whatever they refer to.
    log.startLoggingWithObserver(lambda event: None, setStdout=False)
    warnings.simplefilter("default")
    tests = sorted(loader.load(module), key=loader.name_of)
    emit("plan", [loader.name_of(test) for test in tests])
    wanted = [
        test
        for test in tests
        if loader.name_of(test) not in without and is_wanted(loader.name_of(test), only)
    ]
    wanted.sort(key=lambda test: is_wanted(loader.name_of(test), late))
    suite = TrialSuite if loader.ends_as_trial else TestSuite
    suite(wanted).run(make_result(loader, module, emit))


def make_result(loader: Loader, module: str, emit: Emit) -> Any:
    """A trial TestResult that reports to the runner."""
    from twisted.trial.reporter import TestResult

    class Reporting(TestResult):  # type: ignore[misc]
        current: str | None = None

        def startTest(self, test: Any) -> None:
            super().startTest(test)
            loader.before_each()
            self.current, self.outcome, self.detail = loader.name_of(test), "passed", ""
            emit("start", self.current)

        def stopTest(self, test: Any) -> None:
            super().stopTest(test)
            emit("end", self.current, self.outcome, self.detail)
            self.current = None

        def _note(self, outcome: str, detail: str) -> None:
            if self.current is None:
                emit("end", f"{module}.{OUTSIDE}", outcome, detail)
            elif self.outcome != "failed":  # what comes after the first failure is often its consequence
                self.outcome, self.detail = outcome, detail

        def _note_failure(self, error: Any) -> None:
            failure = self._getFailure(error)
            self._note("failed", failure.getTraceback()[-MOST_DETAIL:])

        def addFailure(self, test: Any, fail: Any) -> None:
            self._note_failure(fail)

        def addError(self, test: Any, error: Any) -> None:
            self._note_failure(error)

        def addSkip(self, test: Any, reason: object) -> None:
            self._note("skipped", str(reason))

        def addExpectedFailure(self, test: Any, error: Any, todo: Any = None) -> None:
            self._note("skipped", f"todo: {getattr(todo, 'reason', todo)}")

        def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
            self._note("passed", "")

    return Reporting()


if __name__ == "__main__":
    main()
