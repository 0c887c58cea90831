"""The bridge of one ``await``: what an asyncio task waits on while it awaits a Deferred.

:meth:`twisted_compat.defer.Deferred.__await__` loads this module when something is awaited for the first
time, and nothing else does: so ``twisted_compat.defer`` can be imported, and used, without asyncio.

To the task a :class:`Waiter` is a future, to the Deferred it is one more callback. It behaves as an inner
task does: cancelling it cancels the Deferred and then waits for what the Deferred makes of that.
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections.abc import Generator
from threading import get_ident
from typing import TYPE_CHECKING, Any

from twisted_compat.defer.errors import CancelledError, FirstError
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from twisted_compat.defer.deferred import Deferred

    _Future = asyncio.Future[Any]
else:
    _Future = asyncio.Future

__all__ = ["Waiter", "wait_for_result"]

_WAITING: Any = object()
_ABANDONED: Any = object()


def wait_for_result(deferred: Deferred[Any]) -> Generator[Any, Any, Any]:
    """The steps of ``await deferred``; what it means is told at
    :meth:`twisted_compat.defer.Deferred.__await__`.

    Yields a :class:`Waiter` to an asyncio task, and the Deferred itself to any other driver, which sends
    something when there is a result. A driver that runs inside a task may do so too, with the ``deferred``
    of the waiter.
    """
    while not deferred.called or deferred.paused:
        task = _running_task()
        if task is None:
            yield deferred
            continue
        waiter = Waiter(loop=task.get_loop())
        waiter.deferred = deferred
        waiter.thread = get_ident()
        waiter.state = _WAITING
        deferred.addBoth(waiter.fired)
        try:
            while not waiter.done():
                waiter._asyncio_future_blocking = True
                yield waiter
        except BaseException:  # cancelled, or closed: also between the firing and this
            waiter.abandon()
            raise
        return _unwrapped(waiter.result())
    deferred._mark_handled()
    return _unwrapped(deferred.result)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return current_task()
    except RuntimeError:  # no loop runs in this thread
        return None


def _unwrapped(result: Any) -> Any:
    if isinstance(result, Failure):
        try:
            result.raiseException()
        finally:
            del result  # the traceback of the exception has this frame in it
    return result


class Waiter(_Future):
    """The future a task waits on for one Deferred. Its result is that of the Deferred, a Failure included.

    Failures are results here because a future cannot carry every exception (StopIteration), and complains
    about those nobody asks for; ``await`` raises them.

    Its attributes are set by :func:`wait_for_result`, not by an ``__init__``, which would double the price.

    :ivar deferred: the Deferred that is awaited.
    :ivar thread: the thread of the task.
    :ivar state: *waiting*; or the message (None where there is none) it was cancelled with, by a task that
        now waits for what the Deferred makes of it; or *abandoned*, where nobody waits any more.
    """

    __slots__ = ("deferred", "state", "thread")

    deferred: Deferred[Any]
    state: Any
    thread: int

    def __repr__(self) -> str:
        return f"<Waiter for {self.deferred!r}>"

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the Deferred, as the task that awaits it is being cancelled.

        :returns: False if the wait is already over, and then nothing is done.
        """
        if self.done():
            return False
        self.state = msg
        try:
            self.deferred.cancel()
        except Exception:
            # The task must not be kept waiting, nor whoever cancels it be given an error that isn't theirs.
            log_failure("The canceller of an awaited Deferred raised", Failure())
            return super().cancel(msg)
        # At the end of its chain may be one that has fired and is paused by hand. Cancelling does not move
        # it, and a task is not to be held by it.
        if not self.done() and self.deferred._end_of_chain().called:
            return super().cancel(msg)
        return True

    def abandon(self) -> None:
        """Nobody waits any more: what the Deferred still gives is left to it, what it gave is put back."""
        self.state = _ABANDONED
        if self.done() and not self.cancelled():
            outcome = self.result()
            self.deferred.addBoth(lambda _: outcome)

    def fired(self, result: Any) -> Any:
        """The callback and errback of the Deferred: takes its result, or lets it pass if the task is gone."""
        if self.state is not _WAITING or self.thread != get_ident():
            return self._fired_otherwise(result)
        try:
            self.set_result(result)
        except (asyncio.InvalidStateError, RuntimeError):
            if not self.get_loop().is_closed() and not self.cancelled():
                raise
            return result
        return None

    def _fired_otherwise(self, result: Any) -> Any:
        if self.state is _ABANDONED or self.done() or self.get_loop().is_closed():
            return result
        if self.thread != get_ident():
            self.get_loop().call_soon_threadsafe(self._refuse)
            return result
        if _means_cancelled(result):
            super().cancel(self.state)
        else:
            self.set_result(result)
        return None

    def _refuse(self) -> None:
        if not self.done():
            self.set_result(
                Failure(
                    RuntimeError(
                        "A Deferred that a task awaits was fired from a thread other than that of the task. "
                        "In that thread write `reactor.callFromThread(deferred.callback, result)`."
                    )
                )
            )


def _means_cancelled(result: Any) -> bool:
    """Whether ``result`` is a failure with our CancelledError, be it as the first error of a list."""
    if not isinstance(result, Failure):
        return False
    value = result.value
    while isinstance(value, FirstError):
        value = value.subFailure.value
    return isinstance(value, CancelledError)
