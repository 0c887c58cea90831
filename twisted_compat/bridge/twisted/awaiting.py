"""Twisted's Deferreds in asyncio's tasks, and asyncio's awaitables as Twisted's Deferreds.

What is lossless about them, and how cancelling goes through, is told in ``bridge/awaitables.py``, which does
the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from twisted_compat.bridge import awaitables
from twisted_compat.bridge.awaitables import as_future
from twisted_compat.defer.coroutine_task import CoroutineTask

__all__ = ["as_deferred", "as_future", "enable_await"]

T = TypeVar("T")


def as_deferred(awaitable: Awaitable[T]) -> Deferred[T]:
    """The result of anything that can be awaited, as a Deferred of Twisted's.

    Cancelling the Deferred cancels the future, task or coroutine; what that then comes to is the result.
    Where something is cancelled otherwise, the Deferred fails with Twisted's CancelledError.

    :param awaitable: an asyncio future or task; a coroutine, which runs from now on; a Deferred; any object
        with ``__await__``.
    :raises TypeError: if ``awaitable`` is nothing that can be awaited.
    """
    deferred: Deferred[T] = awaitables.as_deferred(awaitable, deferred_class=Deferred)
    return deferred


def enable_await() -> None:
    """From now on, let asyncio's tasks ``await`` Twisted's Deferreds, everywhere in this process.

    Without it, a task that does so fails, as a Deferred yields itself, which is nothing that asyncio knows;
    write ``await as_future(deferred)`` there. With it, ``await deferred`` means the same. Coroutines that
    Twisted drives (``ensureDeferred``, ``inlineCallbacks``) are not affected. Calling it again does nothing.
    """
    setattr(Deferred, "__await__", _steps_of_await)  # noqa: B010  # what the checkers would refuse is meant


_steps_without_tasks = vars(Deferred)["__await__"]


def _steps_of_await(self: Deferred[Any]) -> Generator[Any, Any, Any]:
    """``Deferred.__await__``: for Twisted's drivers and ours as it was, and for asyncio's tasks."""
    if not self.called or self.paused:
        loop = asyncio._get_running_loop()
        task = None if loop is None else asyncio.current_task(loop)
        if loop is not None and task is not None and not isinstance(task, CoroutineTask):
            # In a task's turn; but who drives may still be Twisted, as when the task has fired the Deferred
            # that a coroutine of Twisted's waited for. So it has to suit both.
            waiter = _Waiter(self, loop)
            try:
                yield waiter
                if waiter.future is not None:
                    return waiter.future.result()
            finally:
                del waiter  # it has the exception whose traceback has this frame
    return (yield from _steps_without_tasks(self))


class _Waiter(Deferred[Any]):
    """What is yielded by ``await deferred`` within a task's turn: whoever takes it tells what it is to them.

    An asyncio task asks for ``_asyncio_future_blocking`` and adds a done callback; a driver of Twisted's
    knows a Deferred by its class and adds callbacks, which go to the awaited one.

    :param deferred: the one that is awaited.
    :param loop: that of the task.
    :ivar future: what the task waits for, if it is a task that waits.
    """

    _asyncio_future_blocking = True

    def __init__(self, deferred: Deferred[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._deferred = deferred  # Deferred.__init__ is left out: it never fires itself
        self._task_loop = loop
        self.future: asyncio.Future[Any] | None = None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Asked by a task: is it of the same loop?"""
        return self._task_loop

    def add_done_callback(
        self, callback: Callable[[asyncio.Future[Any]], object], *, context: Context | None = None
    ) -> None:
        """Called by the task that waits, once."""
        self.future = as_future(self._deferred, loop=self._task_loop)
        self.future.add_done_callback(callback, context=context)

    def cancel(self, msg: Any = None) -> Any:
        """The task is cancelled, or Twisted's coroutine: cancel what it waits for."""
        if self.future is not None:
            return self.future.cancel(msg)
        self._deferred.cancel()
        return None

    def addBoth(self, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Called by Twisted's driver."""
        return self._deferred.addBoth(callback, *args, **kw)
