"""The bridge of one ``await``: what an asyncio task waits on while it awaits a Deferred.

:meth:`twisted_compat.defer.Deferred.__await__` yields a :class:`Waiter` to the task that drives it. To the
task it is a future (the protocol asyncio and uvloop share: ``_asyncio_future_blocking``,
``add_done_callback``, ``cancel``, ``result``), to the Deferred it is one more callback. It is bound to its
loop by the task that takes it, and asyncio is imported only when something is awaited.

It behaves as an inner task does: cancelling it cancels the Deferred and then waits for what the Deferred
makes of that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextvars import Context
from threading import get_ident
from typing import TYPE_CHECKING, Any

from twisted_compat.defer.errors import CancelledError, FirstError
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from twisted_compat.defer.deferred import Deferred

__all__ = ["Waiter", "wait_for_result"]

PENDING: Any = object()
"""The outcome of a waiter whose Deferred has not fired."""

_CANCELLED: Any = object()
_ABANDONED: Any = object()

_current_task: Callable[[], Task[Any] | None] | None = None


def wait_for_result(deferred: Deferred[Any]) -> Generator[Any, Any, Any]:
    """The steps of ``await deferred``; what it means is told at
    :meth:`twisted_compat.defer.Deferred.__await__`.

    Yields a :class:`Waiter` to an asyncio task, and the Deferred itself to any other driver, which sends
    something when there is a result. A driver that runs inside a task may do so with the ``deferred`` of
    the waiter.
    """
    while not deferred.called or deferred.paused:
        waiter = _waiter_for(deferred)
        if waiter is None:
            yield deferred
            continue
        try:
            yield waiter
        except BaseException:  # cancelled, or closed: also between the firing and this
            waiter.abandon()
            raise
        if waiter.outcome is not PENDING:
            return _unwrapped(waiter.outcome)
    deferred._mark_handled()
    return _unwrapped(deferred.result)


def _unwrapped(result: Any) -> Any:
    if isinstance(result, Failure):
        try:
            result.raiseException()
        finally:
            del result  # the traceback of the exception has this frame in it
    return result


def _waiter_for(deferred: Deferred[Any]) -> Waiter | None:
    """A waiter for the asyncio task that is running now, or None where none runs (some other driver steps
    the coroutine).
    """
    global _current_task
    if _current_task is None:
        from asyncio import current_task

        _current_task = current_task
    try:
        task = _current_task()
    except RuntimeError:  # no loop runs in this thread
        return None
    return None if task is None else Waiter(deferred, task.get_loop())


class Waiter:
    """A future-like object that is done when its Deferred fires.

    Its states are the values of ``outcome``: ``PENDING``, then the result or Failure of the Deferred, or
    *cancelled* (the task was, and so was the Deferred), or *abandoned* (the coroutine was closed while it
    waited).

    :ivar deferred: the Deferred that is awaited.
    :ivar outcome: what it gave.
    """

    __slots__ = (
        "__weakref__",
        "_asyncio_future_blocking",
        "_attached",
        "_cancel_message",
        "_cancelling",
        "_loop",
        "_thread",
        "_wakeups",
        "deferred",
        "outcome",
    )

    def __init__(self, deferred: Deferred[Any], loop: AbstractEventLoop) -> None:
        self.deferred = deferred
        self.outcome: Any = PENDING
        self._asyncio_future_blocking = True
        self._loop = loop
        self._thread = get_ident()
        self._attached = False
        self._cancelling = False
        self._cancel_message: Any = None
        self._wakeups: list[tuple[Callable[[Waiter], object], Context | None]] = []

    def __repr__(self) -> str:
        return f"<Waiter for {self.deferred!r}>"

    # What asyncio.Task asks of a future.

    def get_loop(self) -> AbstractEventLoop:
        """The loop of the task that awaits."""
        return self._loop

    def done(self) -> bool:
        """Whether the task has been, or is about to be, woken."""
        return self.outcome is not PENDING

    def cancelled(self) -> bool:
        """Whether the task will find :class:`asyncio.CancelledError` raised."""
        return self.outcome is _CANCELLED

    def result(self) -> None:
        """None, whatever the outcome: ``__await__`` takes that itself, as a future cannot carry every
        exception.

        :raises asyncio.CancelledError: if the wait ended by cancellation.
        """
        if self.outcome is _CANCELLED:
            from asyncio import CancelledError as AsyncioCancelledError

            if self._cancel_message is None:
                raise AsyncioCancelledError
            raise AsyncioCancelledError(self._cancel_message)

    def exception(self) -> None:
        """None, as :meth:`result`."""
        self.result()

    def add_done_callback(self, fn: Callable[[Waiter], object], *, context: Context | None = None) -> None:
        """Have the loop call ``fn(self)`` in ``context`` once the Deferred has fired. The first call starts
        the wait.
        """
        if self.outcome is not PENDING:
            self._loop.call_soon(fn, self, context=context)
            return
        self._wakeups.append((fn, context))
        if not self._attached:
            self._attached = True
            self.deferred.addBoth(self._fired)

    def remove_done_callback(self, fn: Callable[[Waiter], object]) -> int:
        """Forget ``fn``; returns how many times it had been added."""
        kept = [pair for pair in self._wakeups if pair[0] != fn]
        removed = len(self._wakeups) - len(kept)
        self._wakeups[:] = kept
        return removed

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the Deferred, as the task that awaits it is being cancelled.

        :returns: False if the wait is already over, and then nothing is done.
        """
        if self.outcome is not PENDING:
            return False
        self._cancelling = True
        self._cancel_message = msg
        try:
            self.deferred.cancel()
        except Exception:
            # The task must not be kept waiting, nor its canceller be given an error that isn't its own.
            log_failure("The canceller of an awaited Deferred raised", Failure())
            self._finish(_CANCELLED)
        else:
            # At the end of its chain may be one that has fired and is paused by hand. Cancelling does not
            # move it, and a task is not to be held by it.
            if self.outcome is PENDING and self.deferred._end_of_chain().called:
                self._finish(_CANCELLED)
        return True

    # The Deferred's side.

    def abandon(self) -> None:
        """Nobody waits any more: what the Deferred still gives is left to it, what it gave is put back."""
        outcome, self.outcome = self.outcome, _ABANDONED
        self._wakeups.clear()
        if outcome is not PENDING and outcome is not _CANCELLED:
            self.deferred.addBoth(lambda _: outcome)

    def _fired(self, result: Any) -> Any:
        if self.outcome is not PENDING or self._loop.is_closed():
            return result  # the task is not there to take it, so it stays with the Deferred
        if get_ident() != self._thread:
            self._finish(Failure(_fired_from_elsewhere()))
            return result
        self._finish(_CANCELLED if self._cancelling and _means_cancelled(result) else result)
        return None

    def _finish(self, outcome: Any) -> None:
        self.outcome = outcome
        schedule = self._loop.call_soon if get_ident() == self._thread else self._loop.call_soon_threadsafe
        for fn, context in self._wakeups:
            schedule(fn, self, context=context)
        self._wakeups.clear()


def _means_cancelled(result: Any) -> bool:
    """Whether ``result`` is a failure with our CancelledError, on its own or as the first error of a list
    that was cancelled.
    """
    if not isinstance(result, Failure):
        return False
    value = result.value
    while isinstance(value, FirstError):
        value = value.subFailure.value
    return isinstance(value, CancelledError)


def _fired_from_elsewhere() -> RuntimeError:
    return RuntimeError(
        "A Deferred that a task awaits was fired from a thread other than that of the task's loop. "
        "In that thread write `reactor.callFromThread(deferred.callback, result)`."
    )
