"""The process in which the tests of one module run, on one loop: ``python -m tests.conformance.child SPEC``.

It writes a JSON list per line to a pipe for :mod:`~tests.conformance.runner`: ``["missing", names]``,
``["plan", ids]``, then for each test ``["start", id]`` and ``["end", id, outcome, detail]``.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

from tests.conformance.aliases import take_the_places
from tests.conformance.reactors import follow_the_global_reactor, install_reactor
from tests.conformance.runner import OUTSIDE, is_wanted
from tests.conformance.unhandled import ToTwistedLog

Emit = Callable[..., None]

ASYNCHRONOUS_TEST_LIMIT = 20.0  # seconds until trial fails a test whose Deferred doesn't fire
MOST_DETAIL = 6000  # characters of a traceback: some tests compare long texts


def main() -> None:
    """Run what the command line's JSON says: module, loop, the tests to leave out, the pipe to write to."""
    spec = json.loads(sys.argv[1])
    os.set_inheritable(spec["pipe"], False)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    faulthandler.enable()

    def emit(*event: object) -> None:
        faulthandler.dump_traceback_later(spec["lifetime"], exit=True)
        os.write(spec["pipe"], (json.dumps(event) + "\n").encode())

    emit("missing", take_the_places())
    install_reactor(spec["loop"])
    handler = ToTwistedLog()
    package_logger = logging.getLogger("twisted_compat")
    package_logger.addHandler(handler)
    package_logger.propagate = False
    run_tests(spec["module"], set(spec["without"]), spec["only"], emit)


def run_tests(module: str, without: set[str], only: list[str] | None, emit: Emit) -> None:
    """Load the module as trial does and run its tests in the order of their ids."""
    from twisted.python import log
    from twisted.trial import util
    from twisted.trial._asyncrunner import _iterateTests
    from twisted.trial.runner import TestLoader, TestSuite

    util.DEFAULT_TIMEOUT_DURATION = ASYNCHRONOUS_TEST_LIMIT
    # With no observer Twisted keeps the latest events, and with them whatever they refer to.
    log.startLoggingWithObserver(lambda event: None, setStdout=False)
    warnings.simplefilter("default")
    tests = sorted(_iterateTests(TestLoader().loadByName(module)), key=lambda test: test.id())
    emit("plan", [test.id() for test in tests])
    wanted = [test for test in tests if test.id() not in without and is_wanted(test.id(), only)]
    TestSuite(wanted).run(make_result(module, emit))


def make_result(module: str, emit: Emit) -> Any:
    """A trial TestResult that reports to the runner."""
    from twisted.trial.reporter import TestResult

    class Reporting(TestResult):  # type: ignore[misc]
        current: str | None = None

        def startTest(self, test: Any) -> None:
            super().startTest(test)
            follow_the_global_reactor()
            self.current, self.outcome, self.detail = test.id(), "passed", ""
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
