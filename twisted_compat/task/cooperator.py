"""Long work in small steps: :class:`Cooperator`, which steps many iterators in turn.

Each of them is a task, see :mod:`.cooperative`. :func:`cooperate` and :func:`coiterate` use the default
cooperator of the current reactor, of which each has its own. Nothing here touches a reactor before there is
something to step.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, ref

from twisted_compat.current import current_reactor
from twisted_compat.defer import Deferred
from twisted_compat.failure import Failure
from twisted_compat.task.cooperative import CooperativeTask, IteratorT, SchedulerStopped

__all__ = ["Cooperator", "coiterate", "cooperate"]

SLICE = 0.01  # seconds that a cooperator takes of each turn of the reactor, one step more or less


class _State(Enum):
    WAITING = "not started"
    RUNNING = "running"
    STOPPED = "stopped"


class Cooperator:
    """Steps iterators in turn, a short while in each turn of the reactor, so that long work blocks nothing.

    An iterator that yields a Deferred is not stepped until that has fired; any other value means nothing.

    =======  ==========================================  ===================================
    state    a task that is added                        goes to
    =======  ==========================================  ===================================
    WAITING  is stepped after :meth:`start`              RUNNING, STOPPED
    RUNNING  is stepped                                  STOPPED, by :meth:`stop`
    STOPPED  fails at once with :exc:`SchedulerStopped`  RUNNING, by :meth:`start`
    =======  ==========================================  ===================================

    :param terminationPredicateFactory: called at the beginning of each turn. What it returns is called after
        each step, and ends the turn by returning true. The default ends it after 0.01 seconds.
    :param scheduler: called with a function of no arguments, to call that soon; it returns an
        ``IDelayedCall``. The default is ``callLater`` of the reactor that is the current one then.
    :param started: False for a cooperator that waits for :meth:`start`.
    """

    def __init__(
        self,
        terminationPredicateFactory: Callable[[], Callable[[], object]] | None = None,
        scheduler: Callable[[Callable[[], None]], Any] | None = None,
        started: bool = True,
    ) -> None:
        self._make_predicate = terminationPredicateFactory or _time_slice
        self._scheduler = scheduler or _soon
        self._state = _State.RUNNING if started else _State.WAITING
        # Those that are neither paused nor ended, the next one first.
        self._tasks: OrderedDict[CooperativeTask[Any], None] = OrderedDict()
        self._scheduled: Any = None  # the call of _tick to come
        self._ticking = False

    def coiterate(
        self, iterator: IteratorT, doneDeferred: Deferred[IteratorT] | None = None
    ) -> Deferred[IteratorT]:
        """Step an iterator.

        :param iterator: what to step.
        :param doneDeferred: the Deferred to fire and return; a new one if None.
        :returns: a Deferred of the end, as :meth:`CooperativeTask.whenDone`. Cancelling it, if it is a new
            one, stops the task, and cancels what the task waits for.
        """
        task = CooperativeTask(iterator, self)
        if doneDeferred is None:
            doneDeferred = Deferred(task._cancel)
        task._tell(doneDeferred)
        return doneDeferred

    def cooperate(self, iterator: IteratorT) -> CooperativeTask[IteratorT]:
        """Step an iterator.

        :param iterator: what to step.
        :returns: the task, to pause, stop or wait for.
        """
        return CooperativeTask(iterator, self)

    def start(self) -> None:
        """Begin to step the tasks."""
        self._state = _State.RUNNING
        self._schedule()

    def stop(self) -> None:
        """Make no further step: the tasks end, with :exc:`SchedulerStopped`. One that is paused ends when it
        is resumed, if the cooperator hasn't been started again by then."""
        self._state = _State.STOPPED
        for task in list(self._tasks):
            if task in self._tasks:  # unless a callback of another has ended or paused it
                task._finish(SchedulerStopped, Failure(SchedulerStopped()))
        self._unschedule()

    @property
    def running(self) -> bool:
        """Whether tasks that are added are stepped."""
        return self._state is _State.RUNNING

    def _add(self, task: CooperativeTask[Any]) -> None:
        self._tasks[task] = None
        if self._state is _State.STOPPED:
            task._finish(SchedulerStopped, Failure(SchedulerStopped()))
        else:
            self._schedule()

    def _remove(self, task: CooperativeTask[Any]) -> None:
        del self._tasks[task]
        if not self._tasks:
            self._unschedule()

    def _schedule(self) -> None:
        """See to it that there will be a turn, if there is work for one."""
        if self._tasks and self._state is _State.RUNNING and not self._ticking and not self._is_scheduled():
            self._scheduled = self._scheduler(self._tick)

    def _unschedule(self) -> None:
        if self._is_scheduled():
            self._scheduled.cancel()
        self._scheduled = None

    def _is_scheduled(self) -> bool:
        return self._scheduled is not None and not self._is_abandoned()

    def _is_abandoned(self) -> bool:
        """Whether the turn to come has been called off, as a reactor does with all its calls when it ends."""
        active = getattr(self._scheduled, "active", None)  # the least that a scheduler returns has cancel()
        return active is not None and not active()

    def _tick(self) -> None:
        """One turn: step the tasks, one after the other and round again, until the time is up."""
        self._scheduled = None
        self._ticking = True
        try:
            time_is_up = self._make_predicate()
            while self._tasks:
                task = next(iter(self._tasks))
                task._step()
                if task in self._tasks:
                    self._tasks.move_to_end(task)
                if time_is_up():
                    break
        finally:
            self._ticking = False
            self._schedule()


def _time_slice() -> Callable[[], bool]:
    end = time.monotonic() + SLICE
    return lambda: time.monotonic() >= end


def _soon(callable: Callable[[], None]) -> Any:
    return current_reactor().callLater(0, callable)


# A cooperator must not keep its reactor alive, or this would never let go of either: see _soon_on.
_defaults: WeakKeyDictionary[Any, Cooperator] = WeakKeyDictionary()
_lock = Lock()


def _default_cooperator() -> Cooperator:
    """The one of the current reactor. If the reactor has ended since it was last used, a new one: what was
    left undone then stays so, as the reactor's own calls do."""
    reactor = current_reactor()
    reactor.seconds()  # it notices now if its loop was closed, and calls off what was left
    with _lock:
        cooperator = _defaults.get(reactor)
        if cooperator is None or cooperator._is_abandoned():
            cooperator = _defaults[reactor] = Cooperator(scheduler=_soon_on(reactor))
        return cooperator


def _soon_on(reactor: Any) -> Callable[[Callable[[], None]], Any]:
    weakly = ref(reactor)

    def soon(callable: Callable[[], None]) -> Any:
        reactor = weakly()
        if reactor is None:
            raise RuntimeError(
                "The reactor that this task was working on is gone. "
                "Write `cooperate(iterator)` where another one is current to go on there."
            )
        return reactor.callLater(0, callable)

    return soon


def coiterate(iterator: IteratorT) -> Deferred[IteratorT]:
    """Step an iterator in turn with all others of the current reactor.

    :param iterator: what to step. It should do little between one ``yield`` and the next.
    :returns: a Deferred of the end, see :meth:`CooperativeTask.whenDone`. Cancelling it stops the task, and
        cancels what the task waits for.
    """
    return _default_cooperator().coiterate(iterator)


def cooperate(iterator: IteratorT) -> CooperativeTask[IteratorT]:
    """Step an iterator in turn with all others of the current reactor.

    :param iterator: what to step. It should do little between one ``yield`` and the next.
    :returns: the task, to pause, stop or wait for.
    """
    return _default_cooperator().cooperate(iterator)
