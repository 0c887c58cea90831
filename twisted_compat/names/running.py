"""Look-ups under way: each is a task, and all of them end when their reactor stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from twisted_compat.adapter.loops import running_loop
from twisted_compat.names.error import ResolverError

__all__ = ["Job", "Running"]

Finish = Callable[[Any, BaseException | None], object]


class Job:
    """One look-up.

    :param group: of which it is one as long as its task runs.
    :param finish: called with its result, or with None and an error; once, and not after :meth:`cancel`.
    """

    def __init__(self, group: _Group, work: Coroutine[Any, Any, Any], finish: Finish) -> None:
        self._group = group
        self._finish: Finish | None = finish
        self._task = group.loop.create_task(work)
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """End it; nobody wants to hear of it any more."""
        self._finish = None
        if not self._group.loop.is_closed():
            self._task.cancel()

    def end(self, error: Exception) -> None:
        """End it with an error."""
        finish = self._finish
        self.cancel()
        if finish is not None:
            finish(None, error)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._group.discard(self)
        finish, self._finish = self._finish, None
        if task.cancelled():
            error: BaseException | None = ResolverError(
                "The look-up's task was cancelled, as at a loop's end."
            )
        else:
            error = task.exception()
        if finish is not None:
            finish(task.result() if error is None else None, error)


class _Group:
    """The look-ups of one reactor. As long as there are any, its "shutdown" event has a trigger of theirs.

    :param running: knows this group as long as it has look-ups, and not longer: it would keep the reactor.
    """

    def __init__(self, running: Running, reactor: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.key = loop, id(reactor)
        self._running = running
        self._reactor = reactor
        self._jobs: set[Job] = set()
        add = getattr(reactor, "addSystemEventTrigger", None)
        self._trigger = add and add("during", "shutdown", self._end)

    def start(self, work: Coroutine[Any, Any, Any], finish: Finish) -> Job:
        job = Job(self, work, finish)
        self._jobs.add(job)
        return job

    def discard(self, job: Job) -> None:
        self._jobs.discard(job)
        if not self._jobs:
            self._running.forget(self)
            trigger, self._trigger = self._trigger, None
            if trigger is not None:
                self._reactor.removeSystemEventTrigger(trigger)

    def _end(self) -> None:
        """The reactor stops."""
        self._trigger = None  # it has run; who looks up from now on does it with another
        self._running.forget(self)
        self._running.on_end(self.loop)
        for job in list(self._jobs):
            job.end(ResolverError("The reactor was stopped before the look-up had ended."))


class Running:
    """The look-ups under way of a resolver, on whatever reactors.

    :param on_end: called with the loop of a reactor that stops, before its look-ups end.
    """

    def __init__(self, on_end: Callable[[Any], object]) -> None:
        self.on_end = on_end
        self._groups: dict[tuple[asyncio.AbstractEventLoop, int], _Group] = {}  # of a loop and a reactor

    def start(self, reactor: Any, work: Callable[[], Coroutine[Any, Any, Any]], finish: Finish) -> Job:
        """Start a look-up.

        :param reactor: with it the look-up ends.
        :param work: a coroutine function.
        :param finish: called with the result, or with None and an error, unless it is cancelled.
        """
        loop = loop_of(reactor)
        for key in [key for key in self._groups if key[0].is_closed()]:
            del self._groups[key]
        group = self._groups.get((loop, id(reactor)))
        if group is None:
            group = self._groups[loop, id(reactor)] = _Group(self, reactor, loop)
        return group.start(work(), finish)

    def forget(self, group: _Group) -> None:
        """That one is empty, or has ended."""
        if self._groups.get(group.key) is group:
            del self._groups[group.key]


def loop_of(reactor: Any) -> asyncio.AbstractEventLoop:
    """The loop that a reactor is on; of one that doesn't tell, the running one.

    :raises RuntimeError: if there is none, or it runs in another thread.
    """
    loop = getattr(reactor, "loop", None) or running_loop()
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise RuntimeError(
            f"{reactor!r} is on no asyncio event loop, where look-ups run. "
            "Write Resolver(reactor=AsyncioReactor()), or look up inside a running loop."
        )
    if loop.is_running() and running_loop() is not loop:
        raise RuntimeError(
            f"A look-up was begun in the thread {threading.current_thread().name!r}, but its reactor's event "
            "loop runs in another, and is not thread-safe. "
            "Write `reactor.callFromThread(resolver.lookupAddress, ...)` instead."
        )
    return loop
