"""A queue whose ``get`` is a Deferred: DeferredQueue, and what it raises at its limits.

Its two rows are ``row``'s; the same for turns in place of things is :mod:`~twisted_compat.defer.locks`. On
top of :mod:`~twisted_compat.defer.deferred`, by its public side only. Not for threads: all calls in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.gathering import succeed
from twisted_compat.defer.row import Row

__all__ = ["DeferredQueue", "QueueOverflow", "QueueUnderflow"]

T = TypeVar("T")


class QueueOverflow(Exception):
    """:meth:`DeferredQueue.put` was called on a queue that holds as much as its ``size`` allows."""


class QueueUnderflow(Exception):
    """:meth:`DeferredQueue.get` was called on a queue that as many wait for as its ``backlog`` allows."""


class DeferredQueue(Generic[T]):
    """Things, in the order in which they were put, for those who ask, in the order in which they asked.

    ========  ==================  =================  ==================================
    state     ``pending``         ``waiting``        left by
    ========  ==================  =================  ==================================
    empty     empty               empty              ``put``, ``get``
    stocked   what was put        empty              ``get`` of the last thing
    awaited   empty               who waits          ``put``, or a cancel, for the last
    ========  ==================  =================  ==================================

    :ivar size: how many things it holds at most; None for no limit.
    :ivar backlog: how many gets wait at most; None for no limit.
    """

    def __init__(self, size: int | None = None, backlog: int | None = None) -> None:
        """
        :param size: how many things it holds at most; None for no limit. With 0, a thing can be put only
            for somebody who waits.
        :param backlog: how many gets wait at most; None for no limit. With 0, only what is there can be had.
        """
        self._waiting: Row[Deferred[T]] = Row()
        self._pending: Row[T] = Row()
        self.size = size
        self.backlog = backlog

    @property
    def waiting(self) -> Row[Deferred[T]]:
        """The Deferreds of the gets that wait, first come first; to be used like a list."""
        return self._waiting

    @waiting.setter
    def waiting(self, deferreds: Iterable[Deferred[T]]) -> None:
        self._waiting.replace(deferreds)

    @property
    def pending(self) -> Row[T]:
        """The things that nobody has asked for yet, first come first; to be used like a list."""
        return self._pending

    @pending.setter
    def pending(self, things: Iterable[T]) -> None:
        self._pending.replace(things)

    def put(self, obj: T) -> None:
        """Give a thing to the first who waits for one, whose callbacks run before this returns; or keep it.

        :param obj: anything; a :class:`~twisted_compat.failure.Failure` goes to the errbacks of who gets it.
        :raises QueueOverflow: if nobody waits and ``size`` things are there.
        """
        waiting = self._waiting
        while waiting:
            deferred = waiting.popleft()
            if not deferred.called:  # fired by a stranger: the thing is not lost on it
                deferred.callback(obj)
                return
        if self.size is not None and len(self._pending) >= self.size:
            raise QueueOverflow(
                f"This DeferredQueue holds {len(self._pending)} things, and its size is {self.size}. "
                "Put more when some have been taken, or write DeferredQueue(size=None)."
            )
        self._pending.append(obj)

    def get(self) -> Deferred[T]:
        """Ask for a thing.

        :returns: a Deferred fired with the next thing when there is one, which may be at once. Cancelling
            it gives up the place in the row; once it has been fired it holds the thing.
        :raises QueueUnderflow: if none is there and ``backlog`` gets wait.
        """
        if self._pending:
            return succeed(self._pending.popleft())
        waiting = self._waiting
        if self.backlog is not None and len(waiting) >= self.backlog:
            raise QueueUnderflow(
                f"{len(waiting)} gets wait for this DeferredQueue, and its backlog is {self.backlog}. "
                "Get more when some have been served, or write DeferredQueue(backlog=None)."
            )
        deferred: Deferred[T] = Deferred(waiting.remove)
        waiting.append(deferred)
        return deferred
