"""The parts of a reactor, made together when it takes a loop and closed together when it lets go.

``reactor.py`` is the facade over them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from twisted_compat.adapter.fdset import DescriptorSet
from twisted_compat.adapter.names import Names
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.shutdown import Shutdown
from twisted_compat.adapter.signals import Signals
from twisted_compat.adapter.threads import Threads
from twisted_compat.adapter.timers import Timers

__all__ = ["Parts"]

logger = logging.getLogger(__name__)


class Parts:
    """What a reactor consists of while it is on ``loop``.

    :param loop: the loop.
    :param reactor: the reactor, whose vocabulary the parts speak.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, reactor: Any) -> None:
        vocabulary = reactor.vocabulary
        self.loop = loop
        self.ownership = Ownership(loop)
        self.timers = Timers(loop, vocabulary, self.ownership)
        self.fdset = DescriptorSet(loop, vocabulary, self.ownership)
        self.threads = Threads(loop, vocabulary)
        self.names = Names(loop, vocabulary, reactor)
        self.shutdown = Shutdown(loop, self.fdset, self.names, vocabulary)
        self.signals: Signals | None = None

    async def close(self) -> None:
        """End what is left once the transports are closed: timers, threads, look-ups, signal handlers."""
        self.timers.cancel_all()
        self.names.close()
        await self.threads.close()
        self.timers.cancel_all()  # what the last thread's results have started
        self.fdset.close()
        if self.signals is not None:
            self.signals.restore()

    def abandon(self) -> None:
        """The loop was closed by its owner, with the reactor still on it: close the sockets without it."""
        logger.warning(
            "the event loop was closed before its reactor was left: what was open is closed now. "
            "Leave the reactor first: `async with AsyncioReactor() as reactor: ...`"
        )
        self.shutdown.lose_all("the event loop was closed")
        self.timers.cancel_all()
        self.fdset.close()
