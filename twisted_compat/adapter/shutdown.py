"""Closing the transports that are open when a reactor stops: in peace first, then by force. Child processes
are waited for as long as that takes at most.

``reactor.py`` runs it between the "during" and the "after" triggers of the "shutdown" event; ``fdset.py``
knows who is open.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakSet

from twisted_compat.adapter.children import Children
from twisted_compat.adapter.fdset import DescriptorSet
from twisted_compat.adapter.names import Names
from twisted_compat.transport.connector import BaseConnector
from twisted_compat.vocabulary import Vocabulary

__all__ = ["Shutdown"]

GRACE = 1.0
"""Seconds that connections have to send what they had accepted, and child processes to exit; those with
nothing to send close at once."""

ROUNDS = 10
"""How often transports that open while others close are closed in their turn, before their factories are
given up on."""


class Shutdown:
    """Closes what is open.

    :param loop: the reactor's loop.
    :param fdset: who is open.
    :param names: look-ups under way, which stand for connections that are being made.
    :param children: child processes, most of which exit when their pipes are closed.
    :param reactor: in whose vocabulary the transports are told. Its ``removeAll`` is asked too, as somebody
        may have put another in its place.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fdset: DescriptorSet,
        names: Names,
        children: Children,
        reactor: Any,
    ) -> None:
        self.task: asyncio.Task[None] | None = None  # held here, as the loop keeps only a weak reference
        self._loop = loop
        self._fdset = fdset
        self._names = names
        self._children = children
        self._reactor = reactor
        self._vocabulary: Vocabulary = reactor.vocabulary
        # A connection that is being made may not be a descriptor yet.
        self.connectors: WeakSet[BaseConnector] = WeakSet()
        self.hurried = False
        # Who has been told, by id(): held, so that nobody else takes the id, and told only once.
        self._told: dict[int, Any] = {}
        self._waiter: asyncio.Future[None] | None = None

    def hurry(self) -> None:
        """Wait for nobody any more."""
        self.hurried = True
        self._wake()

    async def close_transports(self) -> None:
        """Ask every port to stop and every connection to close, wait for them and for children for at most
        ``GRACE`` seconds, then lose those that are left.

        If the task that runs it is cancelled, as ``asyncio.run`` does at its end, that is a reason to hurry
        and not to leave sockets open: it goes on to the end.
        """
        for descriptor in self._connecting():
            self._lose(descriptor, "the reactor was stopped")
        self._names.close()
        for descriptor in self._fdset.descriptors():
            self._ask(descriptor)
        if not self.hurried:
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(GRACE, self._wake)
            # First what leads to the children: only then do most of them exit.
            self._fdset.when_empty(lambda: self._children.when_quiet(self._wake))
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.hurry()
            timer.cancel()
        self.lose_all("the reactor was stopped")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ask(self, descriptor: Any) -> None:
        try:
            if self._vocabulary.interfaces.IListeningPort.providedBy(descriptor):
                descriptor.stopListening()
            elif getattr(descriptor, "connected", False) and hasattr(descriptor, "loseConnection"):
                descriptor.loseConnection()
            else:  # still connecting, or a stranger's: there is nothing to wait for
                self._lose(descriptor, "the reactor was stopped")
        except KeyboardInterrupt:
            raise
        except BaseException:  # SystemExit too: what was asked for is happening, and the others are waiting
            self._vocabulary.log.exception("closing %r at shutdown raised", descriptor)

    def lose_all(self, why: str) -> None:
        """Tell every connection that is being made, and every descriptor, that it is lost."""
        for _ in range(ROUNDS):
            known = (*self._connecting(), *self._fdset.descriptors(), *self._reactor.removeAll())
            open_ones = [d for key, d in {id(d): d for d in known}.items() if key not in self._told]
            if not open_ones:
                return
            for descriptor in open_ones:
                self._lose(descriptor, why)
        self._vocabulary.log.error("factories keep opening transports while the reactor stops: %r", open_ones)
        for client in self._connecting():
            client.give_up()

    def _connecting(self) -> list[Any]:
        return [c.transport for c in self.connectors if c.state == "connecting" and c.transport is not None]

    def _lose(self, descriptor: Any, why: str) -> None:
        if id(descriptor) in self._told:
            return
        self._told[id(descriptor)] = descriptor
        self._fdset.removeReader(descriptor)
        self._fdset.removeWriter(descriptor)
        words = self._vocabulary
        try:
            descriptor.connectionLost(words.failure.Failure(words.error.ConnectionLost(why)))
        except KeyboardInterrupt:
            raise
        except BaseException:  # as in _ask
            self._vocabulary.log.exception("connectionLost of %r raised", descriptor)
