"""A trial module for :mod:`tests.conformance.test_runner`: on which reactor the tests of a family run."""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorSocket
from twisted.internet.task import deferLater
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.trial.unittest import TestCase

from twisted_compat.bridge.twisted import TwistedReactor


class GlobalTests(TestCase):
    """On the global reactor."""

    def test_the_global_reactor_is_ours(self) -> Any:
        self.assertIs(type(reactor), TwistedReactor)
        return deferLater(reactor, 0, lambda: self.assertTrue(reactor.loop.is_running()))


class Builder(ReactorBuilder):
    """On reactors of their own."""

    loops: list[asyncio.AbstractEventLoop] = []  # noqa: RUF012  # the two tests' reactors were on them

    def test_a_reactor_is_ours_and_declares_what_it_adopts(self) -> None:
        built = self.buildReactor()
        self.assertIsInstance(built, TwistedReactor)
        self.assertTrue(IReactorSocket.providedBy(built))
        built.callWhenRunning(built.stop)
        self.runReactor(built)

    def test_a_reactor_that_is_not_stopped(self) -> None:
        built = self.buildReactor()
        self.loops.append(built.loop)

    def test_and_then_its_loop_is_closed(self) -> None:
        (loop,) = self.loops
        self.assertTrue(loop.is_closed())


globals().update(Builder.makeTestCaseClasses())
