"""Deferreds as asyncio's futures and the other way round: :func:`as_future`, :func:`as_deferred`.

For this package's Deferreds and for Twisted's, which are known by their methods: nothing here imports
Twisted. Both ways a failure keeps its exception and traceback, and cancelling is passed on and then waited
for, as whoever is cancelled may take its time, or refuse. docs/cancellation.md has the whole table.
"""

from __future__ import annotations

import asyncio
import sys
from _thread import get_ident
from collections.abc import Awaitable
from typing import Any, TypeVar

from twisted_compat.defer import CancelledError, Deferred
from twisted_compat.defer.futures import deferred_from, is_reachable, means_cancelled, settle_future
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import DefaultException, Failure

__all__ = ["as_deferred", "as_future"]

T = TypeVar("T")


def as_future(deferred: Any, *, loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Future[Any]:
    """The result of a Deferred as an asyncio future, to be awaited any number of times, and by many.

    It takes the result: callbacks that are added to the Deferred later get None. Cancelling the future
    cancels the Deferred. If that then fails with its CancelledError, the future is cancelled; whatever else
    it comes to is the future's result.

    :param deferred: a Deferred of this package or of Twisted; an asyncio future is returned as it is.
    :param loop: by default the one that is running. The Deferred has to be fired in its thread.
    :returns: a future with the result. A failure's exception is raised, but for StopIteration, which no
        future can carry: it is the cause of a :exc:`RuntimeError` then.
    :raises TypeError: for anything else, such as a coroutine.
    :raises RuntimeError: if no loop is given and none is running.
    """
    if asyncio.isfuture(deferred):
        return deferred
    if not hasattr(deferred, "addCallbacks"):
        raise TypeError(
            f"as_future takes a Deferred, but was given {deferred!r}. For a coroutine write "
            "`asyncio.ensure_future(coroutine)`."
        )
    return _DeferredFuture(deferred, loop or asyncio.get_running_loop())


def as_deferred(awaitable: Awaitable[T] | Any, *, deferred_class: type[Any] = Deferred) -> Any:
    """The result of anything that can be awaited, as a Deferred.

    Cancelling the Deferred cancels the future, task, coroutine or Deferred; what that then comes to is the
    result. Where something is cancelled otherwise, the Deferred fails with CancelledError.

    :param awaitable: an asyncio future or task; a coroutine, which runs from now on as with
        :func:`~twisted_compat.defer.ensureDeferred`; a Deferred of this package or of Twisted; any object
        with ``__await__``.
    :param deferred_class: the kind of Deferred to return, such as Twisted's
        ``twisted.internet.defer.Deferred``.
    :returns: a Deferred; ``awaitable`` itself if it is one of that kind.
    :raises TypeError: if ``awaitable`` is nothing that can be awaited.
    """
    if isinstance(awaitable, deferred_class):
        return awaitable
    ours = deferred_from(awaitable)
    if isinstance(ours, deferred_class):
        return ours
    return _Foreign(ours, deferred_class).deferred


class _DeferredFuture(asyncio.Future[Any]):
    """The future that stands for a Deferred; to be cancelled it behaves as a task does."""

    def __init__(self, source: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._source = source
        self._deferred = deferred_from(source)
        self._thread = get_ident()
        self._cancel_args: tuple[Any, ...] | None = None  # those of the last cancel(), once there was one
        self._deferred.addBoth(self._settle)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the Deferred.

        :returns: False if the result is there already.
        """
        if self.done():
            return False
        self._cancel_args = () if msg is None else (msg,)
        try:
            self._deferred.cancel()
        except Exception:
            # Whoever cancels must not be given an error that isn't theirs, nor wait for what can't come.
            log_failure("The canceller of a Deferred that a future stands for raised", Failure())
            return super().cancel(*self._cancel_args)
        # At the end of its chain may be one that has fired and is paused by hand: cancelling doesn't move it.
        if not self.done() and _has_fired(self._source):
            return super().cancel(*self._cancel_args)
        return True

    def _settle(self, result: Any) -> Any:
        """The callback and errback: take the result, or let it pass where it can't be had."""
        if self.done() or not is_reachable(self, self._thread):
            return result
        if self._cancel_args is not None and means_cancelled(result):
            super().cancel(*self._cancel_args)
        else:
            settle_future(self, self._in_its_words(result))
        return None

    def _in_its_words(self, result: Any) -> Any:
        """A CancelledError of another library's Deferred as that library's own: who awaits it knows that."""
        if self._source is self._deferred or not isinstance(result, Failure):
            return result
        theirs = result.value.__cause__ if isinstance(result.value, CancelledError) else None
        return result if theirs is None else Failure(theirs, exc_tb=result.getTracebackObject())


def _has_fired(deferred: Any) -> bool:
    """Whether the Deferred has, and the one that it waits for, and so on to the end of the chain."""
    if isinstance(deferred, Deferred):
        return deferred._end_of_chain().called
    while deferred.called:
        waits_for = getattr(deferred, "result", None)
        if waits_for is deferred or not hasattr(waits_for, "addCallbacks"):
            return True
        deferred = waits_for
    return False


_LATER: Any = object()


class _Foreign:
    """A Deferred of another library, which is Twisted's, that gets the result of one of ours.

    Twisted's Deferreds fail as soon as they are cancelled, unless the canceller fires them. So ours fires it
    with ``_LATER``, and its first callback makes it wait for one more, which gets the result.

    :ivar deferred: the one to give out.
    """

    def __init__(self, ours: Deferred[Any], deferred_class: type[Any]) -> None:
        self._ours = ours
        self._class = deferred_class
        self.deferred = self._fired_next = self._make()
        ours.addCallbacks(self._succeed, self._fail)

    def _make(self) -> Any:
        return self._class(self._cancel).addCallback(self._wait_if_cancelled)

    def _cancel(self, deferred: Any) -> None:
        self._ours.cancel()
        if not deferred.called:
            deferred.callback(_LATER)

    def _wait_if_cancelled(self, result: Any) -> Any:
        if result is not _LATER:
            return result
        self._fired_next = self._make()
        return self._fired_next

    def _succeed(self, result: Any) -> None:
        self._fired_next.callback(result)

    def _fail(self, failure: Failure) -> None:
        error: Any = failure.value
        if isinstance(error, CancelledError):
            error = _their_cancelled_error(self._class)(*error.args)
            error.__cause__ = failure.value
        elif not isinstance(error, BaseException):
            error = DefaultException(error)
        self._fired_next.errback(error.with_traceback(failure.getTracebackObject()))


def _their_cancelled_error(deferred_class: type[Any]) -> Any:
    """The CancelledError that goes with a class of Deferreds: that of the module it, or its base, is from."""
    for cls in deferred_class.__mro__:
        error = getattr(sys.modules.get(cls.__module__), "CancelledError", None)
        if error is not None:
            return error
    return CancelledError
