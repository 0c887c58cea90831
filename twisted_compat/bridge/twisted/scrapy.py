"""The reactor for Scrapy's setting ``TWISTED_REACTOR``.

Scrapy, and others, find out whether they may use asyncio by asking whether the reactor is Twisted's
AsyncioSelectorReactor. This one is, so that coroutines of a project may await asyncio's things wherever
Scrapy runs them; but for its class, nothing of that reactor is used.
"""

from __future__ import annotations

import asyncio

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.error import ReactorAlreadyInstalledError
from zope.interface import implementedBy, implementer_only

from twisted_compat.adapter.loops import running_loop
from twisted_compat.bridge.twisted import place
from twisted_compat.bridge.twisted.installing import installed_by_us
from twisted_compat.bridge.twisted.reactor import TwistedReactor

__all__ = ["ScrapyReactor", "install"]


@implementer_only(implementedBy(TwistedReactor))
class ScrapyReactor(TwistedReactor, AsyncioSelectorReactor):  # type: ignore[misc,override]  # other hints there
    """A :class:`~twisted_compat.bridge.twisted.TwistedReactor` that passes for Twisted's own on asyncio.

    Its loop is what ``asyncio.new_event_loop`` makes when it is installed; uvloop's after
    ``uvloop.install()``.
    """

    @property
    def _asyncioEventloop(self) -> asyncio.AbstractEventLoop:  # type: ignore[override]  # an attribute there
        """Where Scrapy looks for the loop."""
        return self.loop


def install() -> ScrapyReactor:
    """Make one ``twisted.internet.reactor``. Scrapy calls this for the setting.

    It takes the running loop. Where none runs it has one of its own at once, which is the current one until
    it runs: Scrapy starts coroutines before.

    :raises ReactorAlreadyInstalledError: if another is there; see
        :func:`twisted_compat.bridge.twisted.install`.
    """
    there = installed_by_us()
    if isinstance(there, ScrapyReactor) and there.attach():
        reactor = there
    elif there is not None:
        raise ReactorAlreadyInstalledError(f"twisted.internet.reactor is {there!r} already.")
    else:
        reactor = ScrapyReactor()
    if running_loop() is None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        reactor.attach(loop)
        reactor._owns_loop = True  # as one that it makes when it is needed
    place.put(reactor)
    return reactor
