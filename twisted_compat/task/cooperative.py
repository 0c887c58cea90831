"""One iterator that a cooperator steps, :class:`CooperativeTask`, and the errors that it and its cooperator
raise and fail with. :mod:`.cooperator` decides whose turn it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twisted_compat.defer import CancelledError, Deferred
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from twisted_compat.task.cooperator import Cooperator

__all__ = [
    "CooperativeTask",
    "IteratorT",
    "NotPaused",
    "SchedulerError",
    "SchedulerStopped",
    "TaskDone",
    "TaskFailed",
    "TaskFinished",
    "TaskStopped",
]

IteratorT = TypeVar("IteratorT", bound="Iterator[Any]")


class SchedulerError(Exception):
    """A cooperator or a task of it is not in a state for what was asked of it. The base of those below."""


class SchedulerStopped(SchedulerError):
    """The cooperator was stopped, before the task had come to its end or even before it was added."""

    def __str__(self) -> str:
        return super().__str__() or "The cooperator is stopped. Call its start() before you add tasks."


class TaskFinished(SchedulerError):
    """The task will do no more work, for one of the reasons below."""

    def __str__(self) -> str:
        return super().__str__() or (
            f"{self._reason}, and can't be paused or stopped. "
            "Use task.whenDone() to hear of the end of a task in time."
        )

    _reason = "The task has ended"


class TaskDone(TaskFinished):
    """The task's iterator came to its end."""

    _reason = "The task's iterator came to its end"


class TaskStopped(TaskFinished):
    """The task was stopped."""

    _reason = "The task was stopped"


class TaskFailed(TaskFinished):
    """The task's iterator, or a Deferred from it, failed."""

    _reason = "The task's iterator, or a Deferred from it, failed"


class NotPaused(SchedulerError):
    """The task that was to go on is not paused."""

    def __str__(self) -> str:
        return super().__str__() or "The task is not paused. Call resume() once for each pause()."


class CooperativeTask(Generic[IteratorT]):
    """An iterator that a :class:`Cooperator` steps; made by :meth:`Cooperator.cooperate`.

    =======  =================================================================================================
    state    goes to
    =======  =================================================================================================
    working  paused, by :meth:`pause` or when the iterator yields a Deferred; ended
    paused   working, when each pause has had its :meth:`resume` and the Deferred has fired; ended
    ended    (TaskDone, TaskFailed, TaskStopped or SchedulerStopped)
    =======  =================================================================================================

    The iterator runs in a copy of the context (:mod:`contextvars`) that the task was made in, all steps in
    the same one.
    """

    def __init__(self, iterator: IteratorT, cooperator: Cooperator) -> None:
        self._iterator = iterator
        self._cooperator = cooperator
        self._context = copy_context()
        self._pauses = 0
        self._awaited: Deferred[Any] | None = None  # what the iterator yielded last, until it has fired
        self._cancelled = False  # whether we have cancelled that
        self._listeners: list[Deferred[IteratorT]] = []
        self._end: type[SchedulerError] | None = None
        self._result: IteratorT | Failure = iterator
        cooperator._add(self)

    def whenDone(self) -> Deferred[IteratorT]:
        """Hear of the end of the task.

        :returns: a new Deferred each time. It is fired with the iterator when that has come to its end, and
            fails with what the iterator raised, with the failure of a Deferred that it yielded, or with
            :exc:`TaskStopped` or :exc:`SchedulerStopped`.
        """
        deferred: Deferred[IteratorT] = Deferred()
        self._tell(deferred)
        return deferred

    def pause(self) -> None:
        """Make no further step until :meth:`resume` has been called as often as this.

        :raises TaskFinished: if the task has ended.
        :raises SchedulerStopped: if it has, because the cooperator was stopped.
        """
        self._check_going_on()
        self._pause()

    def resume(self) -> None:
        """Take one :meth:`pause` back. On a task that has ended since, it changes nothing.

        :raises NotPaused: if there is no pause to take back.
        """
        if not self._pauses:
            raise NotPaused()
        self._pauses -= 1
        if not self._pauses and self._end is None:
            self._cooperator._add(self)

    def stop(self) -> None:
        """Make no further step. A Deferred that the task is waiting for is left to itself.

        :raises TaskFinished: if the task has ended.
        :raises SchedulerStopped: if it has, because the cooperator was stopped.
        """
        self._check_going_on()
        self._finish(TaskStopped, Failure(TaskStopped()))

    def _check_going_on(self) -> None:
        if self._end is not None:
            raise self._end()

    def _tell(self, deferred: Deferred[IteratorT]) -> None:
        """Fire ``deferred`` at the end, or now if this is past it."""
        if self._end is None:
            self._listeners.append(deferred)
        elif isinstance(self._result, Failure):
            deferred.errback(self._result)
        else:
            deferred.callback(self._result)

    def _pause(self) -> None:
        self._pauses += 1
        if self._pauses == 1:
            self._cooperator._remove(self)

    def _step(self) -> None:
        """Take one value of the iterator; the cooperator's turn has come to this task."""
        try:
            value = self._context.run(next, self._iterator, self)  # this object as a sign of the end
        except BaseException:
            if self._end is None:
                self._finish(TaskFailed, Failure())
                return
            raise  # it stopped itself and then failed: nobody is listening any more
        if self._end is not None:  # it stopped itself
            return
        if value is self:
            self._finish(TaskDone, self._iterator)
        elif isinstance(value, Deferred):
            self._awaited = value
            self._pause()
            value.addCallbacks(self._value_came, self._value_failed)

    def _value_came(self, _: object) -> None:
        self._awaited = None
        self.resume()

    def _value_failed(self, failure: Failure) -> Failure | None:
        self._awaited = None
        if self._end is not None:
            # Nobody is listening here any more: it stays the Deferred's own. That we cancelled it is no news.
            return None if self._cancelled and failure.check(CancelledError) else failure
        self._finish(TaskFailed, failure)
        return None

    def _finish(self, end: type[SchedulerError], result: IteratorT | Failure) -> None:
        self._end = end
        self._result = result
        if not self._pauses:
            self._cooperator._remove(self)
        # Only now, as a callback may do anything to the cooperator and its tasks.
        listeners, self._listeners = self._listeners, []
        for deferred in listeners:
            self._tell(deferred)

    def _cancel(self, listener: Deferred[IteratorT]) -> None:
        """The canceller of the only Deferred that anybody has of this task."""
        if self._awaited is not None:
            self._cancelled = True
            self._awaited.cancel()  # as a rule it fails, and the task and the listener with it
        if self._end is None:
            self._listeners.remove(listener)
            self.stop()
