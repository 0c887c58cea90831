"""The family "global": Twisted's trial suites with our TwistedReactor installed, as a program installs it."""

from __future__ import annotations

from tests.conformance.families import Loader, load_as_trial, test_id
from tests.conformance.loops import loop_factory
from tests.conformance.suite import COMPARISON

__all__ = ["LOADER"]


def prepare(loop: str) -> list[str]:
    """Install the reactor, and have ReactorBuilder make no tests: they are of another family."""
    if loop == COMPARISON:
        from twisted.internet import epollreactor

        epollreactor.install()
    else:
        from twisted_compat.bridge.twisted import install

        install(loop_factory=loop_factory(loop))
    from twisted.internet.test.reactormixins import ReactorBuilder

    ReactorBuilder._reactors = []
    return []


def before_each() -> None:
    """Nothing is to be done."""


LOADER = Loader(prepare, load_as_trial, test_id, before_each, ends_as_trial=True)
