"""IReactorThreads: the threads of a reactor, and the way back into the loop.

:class:`Threads` has one pool (``thread_pool.py``), and ends it without blocking the loop, since a thread may
be waiting for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from twisted_compat.adapter.thread_pool import ThreadPool
from twisted_compat.current import work_for
from twisted_compat.vocabulary import Vocabulary

__all__ = ["REACTOR_POOL_SIZE", "ThreadCall", "Threads", "thread_call"]

REACTOR_POOL_SIZE = 10  # threads; what Twisted's reactors have unless suggestThreadPoolSize says otherwise


ThreadCall = tuple[Context, Callable[..., object], tuple[Any, ...], dict[str, Any]]
"""What is to be called, and in which context."""


def thread_call(callable: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ThreadCall:
    """A call of ``callFromThread``, to be made in the caller's context.

    :raises TypeError: if ``callable`` can't be called.
    """
    if not _is_callable(callable):
        raise TypeError(
            f"callFromThread was given {callable!r}, which is not callable. "
            "Write `reactor.callFromThread(function, *args)`: the function itself, not its result."
        )
    return copy_context(), callable, args, kwargs


class Threads:
    """The threads of a reactor.

    :param loop: the reactor's loop.
    :param vocabulary: whose Failures callers are given.
    :param make_pool: makes the pool, which is then started: has the methods of :class:`ThreadPool`. By
        default :meth:`make_pool`.
    :ivar pool: the pool, or None as long as nobody needed it.
    :ivar calls: what threads have asked for and is not called yet.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        vocabulary: Vocabulary,
        make_pool: Callable[[], Any] | None = None,
    ) -> None:
        self._loop = loop
        self._vocabulary = vocabulary
        self._make_pool = make_pool or self.make_pool
        self.pool: Any = None
        self._started = False
        self._closed = False
        self.calls: deque[ThreadCall] = deque()
        self._calls_are_due = False  # _make_calls is on its way
        self._ended: asyncio.Future[None] | None = None

    def make_pool(self) -> ThreadPool:
        """A pool of 0 to 10 threads."""
        pool = ThreadPool(0, REACTOR_POOL_SIZE, "reactor")
        pool.failure_factory = self._vocabulary.failure.Failure
        pool.log = self._vocabulary.log
        pool.on_thread_start = partial(work_for, self._loop)
        return pool

    def start(self) -> None:
        """The reactor starts: so does the pool, and with it the work that it was given before."""
        self._started = True
        if self.pool is not None and not self.pool.started:
            self.pool.start()

    def getThreadPool(self) -> Any:
        """The pool that :meth:`callInThread` uses, made when first asked for (IReactorThreads). It starts
        with the reactor.

        :returns: a pool of 0 to 10 threads, unless :meth:`suggestThreadPoolSize` said otherwise.
        :raises RuntimeError: after :meth:`close`.
        """
        if self.pool is None:
            if self._closed:
                raise RuntimeError(
                    "The reactor has stopped and so have its threads. Start threads before `reactor.stop()`, "
                    'or in reactor.addSystemEventTrigger("before", "shutdown", function).'
                )
            self.pool = self._make_pool()
            if self._started:
                self.pool.start()
        return self.pool

    def stop(self) -> None:
        """End the pool, and wait for its threads. Who needs one later is given another."""
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.stop()

    def callInThread(self, callable: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call ``callable(*args, **kwargs)`` in a thread of the pool (IReactorInThreads).

        What it raises is logged.

        :raises RuntimeError: after :meth:`close`.
        """
        self.getThreadPool().callInThread(callable, *args, **kwargs)

    def suggestThreadPoolSize(self, size: int) -> None:
        """Have at most ``size`` threads (IReactorThreads). Threads beyond it end after what they do now.

        :param size: how many threads, 0 or more; with 0, calls wait until there may be one again.
        """
        self.getThreadPool().adjustPoolsize(maxthreads=size)

    def callFromThread(self, callable: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call ``callable(*args, **kwargs)`` in the loop's thread, on a later turn (IReactorFromThreads).

        Any thread may say this, and signal handlers too; a loop that sleeps wakes up. The calls of one thread
        are made in order, each in its caller's context (:mod:`contextvars`). What they raise is logged.

        :raises TypeError: if ``callable`` can't be called.
        :raises RuntimeError: if the loop is closed.
        """
        if not self.take([thread_call(callable, args, kwargs)]):
            raise RuntimeError(
                f"callFromThread can't call {callable!r}: the reactor's event loop is closed. End the thread "
                "before the loop, in a function given to "
                'reactor.addSystemEventTrigger("before", "shutdown", function).'
            )

    def take(self, calls: Iterable[ThreadCall]) -> bool:
        """Have calls made in the loop's thread, in order.

        :returns: False if the loop is closed.
        """
        if self._loop.is_closed():
            return False
        self.calls.extend(calls)
        # In this order: who clears it looks for calls after that.
        if not self._calls_are_due:
            self._calls_are_due = True
            try:
                self._loop.call_soon_threadsafe(self._make_calls, context=Context())
            except RuntimeError:  # closed just now
                return False
        return True

    def _make_calls(self) -> None:
        """Make the calls that threads have asked for so far. What these ask for in turn waits until timers
        and descriptors have had their turn, so that nobody can hold up the loop."""
        calls = self.calls
        try:
            for _ in range(len(calls)):
                context, func, args, kw = calls.popleft()
                context.run(_call_logged, self._vocabulary.log, func, args, kw)
        finally:
            self._calls_are_due = False
            if calls:
                self.take(())

    async def close(self) -> None:
        """End the pool and wait until its threads have ended.

        The loop runs on meanwhile, so that they may wait for what they ask of it with ``callFromThread``.
        """
        self._closed = True
        if self.pool is None:
            return
        pools, self.pool = [self.pool], None
        ended = self._ended = self._loop.create_future()

        def wait() -> None:
            pools.pop().stop()  # and then nothing here refers to it
            try:
                self._loop.call_soon_threadsafe(_set_done, ended)
            except RuntimeError:  # closed meanwhile: nobody is left to be told
                self._vocabulary.log.debug("The threads have ended, after their loop was closed")

        threading.Thread(target=wait, name="reactor-thread-pool-stop", daemon=True).start()
        try:
            await ended
        finally:
            self._ended = None

    def abandon(self) -> None:
        """Tell the threads to end, and don't wait for them, not even in a :meth:`close` that is under way."""
        self._closed = True
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.end_soon()
        if self._ended is not None and not self._loop.is_closed():
            _set_done(self._ended)


_is_callable = callable  # parameters have this name


def _call_logged(log: Any, func: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]) -> None:
    try:
        func(*args, **kw)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        log.exception("Unhandled exception in %r, called from a thread", func)


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
