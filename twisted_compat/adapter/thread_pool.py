"""A pool of threads for work that blocks, with the methods of Twisted's. It knows nothing of loops.

``threads.py`` gives a reactor one.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any
from weakref import WeakSet

from twisted_compat.failure import Failure

__all__ = ["ThreadPool", "started_pools"]

OnResult = Callable[[bool, Any], object]


class _Job:
    """One call for a thread to make. It lets go of what it was given before the result is handed on."""

    __slots__ = ("_call", "_on_result")

    def __init__(
        self, on_result: OnResult | None, func: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        self._on_result = on_result
        self._call: tuple[Context, Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = (
            copy_context(),
            func,
            args,
            kw,
        )

    def perform(self, make_failure: Callable[[], Any], log: Any) -> None:
        assert self._call is not None
        context, func, args, kw = self._call
        self._call = None
        result: Any
        try:
            result = context.run(func, *args, **kw)
            succeeded = True
        except BaseException:  # SystemExit, too, is the result of the work and not the end of the worker
            succeeded = False
            if self._on_result is None:
                log.exception("Unhandled exception in a thread of the pool, in %r", func)
                return
            result = make_failure()
        del func, args, kw
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            try:
                context.run(on_result, succeeded, result)
            except BaseException:
                log.exception("Unhandled exception in the onResult %r of a call in a thread", on_result)
        del result  # a Failure refers to this frame: don't refer back


class _Backlog:
    """The work that no thread has taken yet, for code that asks ``pool.q.qsize()``."""

    def __init__(self, jobs: deque[_Job]) -> None:
        self._jobs = jobs

    def qsize(self) -> int:
        """How many calls wait for a thread."""
        return len(self._jobs)

    def empty(self) -> bool:
        """Whether no call waits for a thread."""
        return not self._jobs


class ThreadPool:
    """Threads that make calls, as many as there is work for, between ``min`` and ``max``; as Twisted's.

    ==========  =======  ======  =====================================================
    state       started  joined  a call
    ==========  =======  ======  =====================================================
    made        False    False   waits for :meth:`start`
    started     True     False   is made as soon as a thread is free
    stopped     False    True    is dropped with a warning; what came before is made
    ==========  =======  ======  =====================================================

    The threads are daemons, so that a pool that nobody stopped doesn't keep the program from ending; but the
    work that was accepted is still done then (:mod:`atexit`).

    :param minthreads: how many threads to have even when idle.
    :param maxthreads: how many threads to have at most.
    :param name: appears in the threads' names.
    :raises ValueError: if ``minthreads`` is negative or more than ``maxthreads``.
    :ivar threads: the threads, in the order in which they were started.
    """

    min = 5
    max = 20
    joined = False
    started = False
    name: str | None = None
    threadFactory = threading.Thread
    currentThread = staticmethod(threading.current_thread)
    failure_factory: Callable[[], Any] = Failure
    """Makes the Failure of the exception that is being handled, for ``onResult``."""
    log: Any = logging.getLogger("twisted_compat")
    """Where what a call raised is told, if nobody else hears of it: has the methods of a logging.Logger."""
    on_thread_start: Callable[[], object] = staticmethod(lambda: None)
    """Called by each thread before it does anything else."""

    def __init__(self, minthreads: int = 5, maxthreads: int = 20, name: str | None = None) -> None:
        self._set_size(minthreads, maxthreads)
        self.name = name
        self.threads: list[threading.Thread] = []
        self._lock = threading.Condition(threading.RLock())
        self._jobs: deque[_Job] = deque()
        # All of these are read and written with the lock held.
        self._alive = 0
        self._busy = 0
        self._to_end = 0  # idle threads that stopAWorker has asked to end
        self._named = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"min": self.min, "max": self.max, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ThreadPool.__init__(self, state["min"], state["max"], state.get("name"))

    # What legacy code looks at

    @property
    def workers(self) -> int:
        """How many threads there are, busy or idle."""
        return self._alive

    @property
    def working(self) -> list[None]:
        """A list as long as there are busy threads."""
        return [None] * self._busy

    @property
    def waiters(self) -> list[None]:
        """A list as long as there are idle threads."""
        return [None] * (self._alive - self._busy)

    @property
    def q(self) -> _Backlog:
        """The calls that wait for a thread: has ``qsize()``."""
        return _Backlog(self._jobs)

    def dumpStats(self) -> None:
        """Log how many threads wait and work."""
        self.log.info("waiters: %s", self.waiters)
        self.log.info("workers: %s", self.working)
        self.log.info("total: %s", self.threads)

    # The size

    def start(self) -> None:
        """Start ``min`` threads, or more if there is work. A pool that was stopped can be started again."""
        with self._lock:
            self.joined = False
            self.started = True
            self._to_end = 0
            started_pools.add(self)
            self.adjustPoolsize()

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:
        """Change the limits. Threads beyond the new maximum end, busy ones after what they do now.

        :param minthreads: the new ``min``; None leaves it.
        :param maxthreads: the new ``max``; None leaves it.
        :raises ValueError: if the minimum is negative or more than the maximum.
        """
        with self._lock:
            self._set_size(
                self.min if minthreads is None else minthreads, self.max if maxthreads is None else maxthreads
            )
            self._lock.notify_all()  # for those that are too many
            while self.started and self._alive < self.min:
                self._start_worker()
            self._match_the_work()

    def startAWorker(self) -> None:
        """Start one more thread, unless there are ``max`` already or the pool isn't started."""
        with self._lock:
            if self.started and self._alive < self.max:
                self._start_worker()

    def stopAWorker(self) -> None:
        """Let one thread end, as soon as one has nothing to do."""
        with self._lock:
            if self._to_end < self._alive:
                self._to_end += 1
                self._lock.notify_all()

    def stop(self) -> None:
        """End all threads after they have made the calls that were accepted, and wait for them."""
        for thread in self.end_soon():
            if thread is not threading.current_thread():
                thread.join()
        with self._lock:
            self.threads = [thread for thread in self.threads if thread.is_alive()]
            if self.joined and self._jobs and not self._alive:  # never started, or with a maximum of 0
                self.log.warning(
                    "A thread pool without threads was stopped: %d calls are not made", len(self._jobs)
                )
                self._jobs.clear()

    def end_soon(self) -> list[threading.Thread]:
        """Do as :meth:`stop`, but don't wait.

        :returns: the threads to wait for.
        """
        with self._lock:
            self.joined = True
            self.started = False
            self._lock.notify_all()
            started_pools.discard(self)
            return list(self.threads)

    def _set_size(self, minimum: int, maximum: int) -> None:
        if not 0 <= minimum <= maximum:
            raise ValueError(
                f"A thread pool can't have at least {minimum} and at most {maximum} threads. "
                "Write ThreadPool(minthreads, maxthreads) with 0 <= minthreads <= maxthreads."
            )
        self.min = minimum
        self.max = maximum

    # The work

    def callInThread(self, func: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call ``func(*args, **kw)`` in a thread, in the caller's context (:mod:`contextvars`).

        What it raises is logged.

        :param func: may block.
        """
        self.callInThreadWithCallback(None, func, *args, **kw)

    def callInThreadWithCallback(
        self, onResult: OnResult | None, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Call ``func(*args, **kw)`` in a thread, and then ``onResult`` in the same thread.

        :param onResult: called with (True, what ``func`` returned) or (False, a Failure). It must not block.
            If it is None, the result is thrown away and an exception logged.
        :param func: may block.
        :raises RuntimeError: if the system gives us not a single thread.
        """
        if not callable(func):
            raise TypeError(
                f"A thread can't call {func!r}, which is not callable. "
                "Write `callInThread(function, *args)`: the function itself, not its result."
            )
        with self._lock:
            if self.joined:
                self.log.warning(
                    "A call of %r was given to a thread pool that is stopped: it is not made", func
                )
                return
            job = _Job(onResult, func, args, kw)
            self._jobs.append(job)
            try:
                self._match_the_work()
            except RuntimeError:
                if self._alive == 0:  # nobody to do it, ever
                    self._jobs.remove(job)
                    raise
                self.log.warning("No more threads: a call of %r waits for one of %d", func, self._alive)
            self._lock.notify()

    def _match_the_work(self) -> None:
        """Start threads while there is more work than idle threads."""
        while self.started and self._alive < self.max and self._alive - self._busy < len(self._jobs):
            self._start_worker()

    def _start_worker(self) -> None:
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        self._named += 1
        thread = self.threadFactory(
            target=self._work, name=f"PoolThread-{self.name or id(self)}-{self._named}", daemon=True
        )
        thread.start()
        self.threads.append(thread)
        self._alive += 1

    def _work(self) -> None:
        """What each thread does."""
        self.on_thread_start()
        while (job := self._next_job()) is not None:
            try:
                job.perform(self.failure_factory, self.log)
            finally:
                with self._lock:
                    self._busy -= 1
            del job

    def _next_job(self) -> _Job | None:
        """Wait for work. None: end; the thread is no longer counted."""
        with self._lock:
            while True:
                if self._alive > self.max and not self.joined:
                    break
                if self._jobs:
                    self._busy += 1
                    return self._jobs.popleft()
                if self.joined:
                    break
                if self._to_end:
                    self._to_end -= 1
                    break
                self._lock.wait()
            self._alive -= 1
            return None


started_pools: WeakSet[Any] = WeakSet()
"""Pools of daemon threads that are stopped at the program's end: the work that was accepted is still done."""


@atexit.register
def _finish_accepted_work() -> None:
    for pool in list(started_pools):
        pool.stop()
