"""The global reactors that the tests run on: Twisted's on asyncio, and ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted_compat import AsyncioReactor, current

__all__ = ["follow_the_global_reactor", "install_reactor"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def install_reactor(loop: str) -> None:
    """Make the global reactor one of these.

    :param loop: a key of :data:`tests.conformance.suite.LOOPS`.
    """
    whose, _, kind = loop.rpartition("-")
    make_loop: LoopFactory = asyncio.SelectorEventLoop
    if kind == "uvloop":
        import uvloop

        make_loop = uvloop.new_event_loop
    if whose == "our":
        from twisted.internet.main import installReactor

        installReactor(ReactorForTrial(loop_factory=make_loop))
        return
    from twisted.internet import asyncioreactor

    event_loop = make_loop()
    asyncio.set_event_loop(event_loop)
    asyncioreactor.install(event_loop)


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
        return self._use().threads._pool

    def _stopThreadPool(self) -> None:
        """End the threads; the next test will have new ones."""
        threads = self._use().threads
        pool, threads._pool = threads._pool, None
        if pool is not None:
            pool.stop()
