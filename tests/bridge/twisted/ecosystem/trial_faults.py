"""For trial: one test of each kind that must not pass."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python import log
from twisted.trial.unittest import TestCase

__all__ = ["Faults"]


class Faults(TestCase):
    """Each in its own way."""

    def test_error(self) -> Any:
        """An exception, later."""
        return deferLater(reactor, 0.001, lambda: {}["missing"])

    def test_fail(self) -> Any:
        """A failed assertion, later."""
        return deferLater(reactor, 0.001, self.assertEqual, 1, 2)

    def test_logged(self) -> None:
        """An error in the log."""
        log.err(LookupError("logged"))

    def test_timeout(self) -> Any:
        """A Deferred that is never fired."""
        return Deferred()

    test_timeout.timeout = 0.05  # type: ignore[attr-defined]

    def test_left_call(self) -> None:
        """A delayed call that is left."""
        reactor.callLater(1000, int)

    def test_left_port(self) -> None:
        """A port that is left."""
        reactor.listenTCP(0, Factory(), interface="127.0.0.1")

    def test_afterwards(self) -> Any:
        """One that passes, as nothing of the others is left."""
        return deferLater(reactor, 0.001)
