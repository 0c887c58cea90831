"""The family "deferreds": our modules in the places of Twisted's, on Twisted's reactor and on ours."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tests.conformance.aliases import take_the_places
from tests.conformance.families import Loader, load_as_trial, test_id
from tests.conformance.loops import loop_factory
from tests.conformance.places import DEFERREDS
from tests.conformance.unhandled import ToTwistedLog
from twisted_compat import AsyncioReactor, current

__all__ = ["LOADER", "follow_the_global_reactor", "hand_on_what_is_logged", "install_our_reactor"]


def prepare(loop: str) -> list[str]:
    """Take the places, install the reactor, and hand on what we log."""
    missing = take_the_places(DEFERREDS)
    install_reactor(loop)
    hand_on_what_is_logged()
    return missing


def install_reactor(loop: str) -> None:
    """Make the global reactor Twisted's on asyncio, or ours, which knows nothing of Twisted."""
    whose, _, kind = loop.rpartition("-")
    if whose == "our":
        install_our_reactor(kind)
        return
    from twisted.internet import asyncioreactor

    event_loop = loop_factory(kind)()
    asyncio.set_event_loop(event_loop)
    asyncioreactor.install(event_loop)


def install_our_reactor(kind: str) -> None:
    """Make the global reactor ours.

    :param kind: of the loop.
    """
    from twisted.internet.main import installReactor

    installReactor(ReactorForTrial(loop_factory=loop_factory(kind)))


def hand_on_what_is_logged() -> None:
    """Let what we log go to Twisted's log, and nowhere else."""
    package_logger = logging.getLogger("twisted_compat")
    package_logger.addHandler(ToTwistedLog())
    package_logger.propagate = False


def follow_the_global_reactor() -> None:
    """Let our modules, too, use Twisted's global reactor when none is named. Some tests replace it."""

    def ask() -> object:
        from twisted.internet import reactor

        return reactor

    current._default = None  # else the first answer is kept
    current.set_default_reactor_factory(ask)


class ReactorForTrial(AsyncioReactor):
    """Ours, with what trial needs beyond any interface: two attributes to end threads after a test."""

    @property
    def threadpool(self) -> Any:
        """The pool, or None as long as nobody needed it."""
        return self._use().threads.pool

    def _stopThreadPool(self) -> None:
        """End the threads; the next test will have new ones."""
        self._use().threads.stop()


LOADER = Loader(prepare, load_as_trial, test_id, follow_the_global_reactor, ends_as_trial=False)
