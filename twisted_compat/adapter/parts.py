"""The parts of a reactor, made together when it takes a loop and closed together when it lets go.

``reactor.py`` is the facade over them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted_compat.adapter.children import Children
from twisted_compat.adapter.fdset import DescriptorSet
from twisted_compat.adapter.names import Names
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.shutdown import Shutdown
from twisted_compat.adapter.signals import Signals
from twisted_compat.adapter.threads import Threads
from twisted_compat.adapter.timers import Timers

__all__ = ["Parts"]


class Parts:
    """What a reactor consists of while it is on ``loop``.

    :param loop: the loop.
    :param reactor: the reactor, whose vocabulary the parts speak.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, reactor: Any) -> None:
        vocabulary = reactor.vocabulary
        self._log = vocabulary.log
        self.loop = loop
        self.ownership = Ownership(loop)
        self.timers = Timers(loop, vocabulary, self.ownership)
        self.fdset = DescriptorSet(loop, vocabulary, self.ownership)
        self.threads = Threads(loop, vocabulary, reactor.make_thread_pool)
        self.names = Names(loop, vocabulary, reactor)
        self.children = Children(loop, self.fdset.board, self._log)
        self.shutdown = Shutdown(loop, self.fdset, self.names, self.children, reactor)
        self.signals: Signals | None = None
        self._closing = False
        self.hot_methods: dict[str, Callable[..., Any]] = {
            "addReader": self.fdset.addReader,
            "addWriter": self.fdset.addWriter,
            "removeReader": self.fdset.removeReader,
            "removeWriter": self.fdset.removeWriter,
            "callLater": self.timers.callLater,
        }

    def hurry(self) -> None:
        """Wait for nobody any more: neither for connections to send what they have, nor for threads."""
        self.shutdown.hurry()
        if self._closing:
            self.threads.abandon()

    async def close(self, *, keep_calls: bool) -> None:
        """End what is left once the transports are closed: timers, threads, look-ups, signal handlers.

        :param keep_calls: let the delayed calls wait for the next loop.
        """
        self._closing = True
        self._end_timers(keep_calls)
        self.names.close()
        try:
            if self.shutdown.hurried:
                self.threads.abandon()
            else:
                await self.threads.close()
        except asyncio.CancelledError:  # as by asyncio.run at its end: leave the threads, but nothing else
            self.threads.abandon()
        finally:
            self._close_the_rest("the reactor was stopped", keep_calls=keep_calls)

    def _close_the_rest(self, why: str, *, keep_calls: bool = False) -> None:
        """Close whatever is there, such as what triggers of "after" and the last threads' results opened."""
        self.names.close()
        self.shutdown.lose_all(why)
        self.children.close()
        self._end_timers(keep_calls)
        self.fdset.close()
        if self.signals is not None:
            self.signals.restore()

    def _end_timers(self, keep_calls: bool) -> None:
        if keep_calls:
            self.timers.suspend()
        else:
            self.timers.close()

    def abandon(self) -> None:
        """The loop was closed by its owner, with the reactor still on it: close the sockets without it."""
        self._log.warning(
            "the event loop was closed before its reactor was left: what was open is closed now. "
            "Leave the reactor first: `async with AsyncioReactor() as reactor: ...`"
        )
        self.ownership.take()  # whoever notices may be in another thread; the loop's owner has done with it
        self.threads.abandon()
        self._close_the_rest("the event loop was closed")
