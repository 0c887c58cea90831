"""A trial module for :mod:`tests.conformance.test_runner`: one test of every end that one can have."""

from __future__ import annotations

import os
import threading
from typing import Any

from twisted.internet import defer, reactor, task, threads
from twisted.python import failure
from twisted.trial.unittest import SynchronousTestCase, TestCase


class EndsTests(SynchronousTestCase):
    """Each method's name says how it ends."""

    def test_passes(self) -> None:
        pass

    def test_fails(self) -> None:
        self.assertEqual(1, 2)

    def test_raises(self) -> None:
        raise KeyError("why")

    def test_is_skipped(self) -> None:
        raise self.skipTest("the reason")

    def test_ends_the_process(self) -> None:
        os._exit(3)

    def test_hangs(self) -> None:
        threading.Event().wait()


class PlacesTests(TestCase):
    """That our modules are in the places of Twisted's, and do their work there."""

    def test_modules_are_ours(self) -> None:
        names = [module.__name__ for module in (defer, task, threads, failure)]
        self.assertEqual(
            names, [f"twisted_compat.{name}" for name in ("defer", "task", "threads", "failure")]
        )

    def test_trial_waits_for_our_deferreds(self) -> Any:
        return task.deferLater(reactor, 0, lambda: None)

    def test_the_default_reactor_is_twisteds(self) -> Any:
        return threads.deferToThread(lambda: None)

    def test_unhandled_failures_are_found_in_twisteds_log(self) -> None:
        defer.fail(KeyError("why"))
        (logged,) = self.flushLoggedErrors(KeyError)
        self.assertIsInstance(logged, failure.Failure)
        self.assertEqual(logged.value.args, ("why",))

    def test_fails_by_what_is_only_logged(self) -> None:
        defer.fail(KeyError("unhandled"))
