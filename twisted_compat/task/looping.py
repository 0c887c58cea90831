"""A call again and again: :class:`LoopingCall`.

When the next call is due, and how many were missed, is ``intervals.py``'s arithmetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from twisted_compat.adapter.texts import name_of, safe_repr
from twisted_compat.current import current_reactor
from twisted_compat.defer import CancelledError, Deferred, maybeDeferred
from twisted_compat.failure import Failure
from twisted_compat.interfaces import IDelayedCall
from twisted_compat.task.intervals import intervals_passed, until_next

__all__ = ["LoopingCall"]


class _Run:
    """What one ``start`` began. A loop that is started anew while its function is still busy from the time
    before has two of them for a while.

    :ivar deferred: what ``start`` returned; None once it needn't be fired any more.
    :ivar outcome: the call that is going on; None between calls.
    :ivar context: a copy of the context of ``start``.
    """

    __slots__ = ("context", "deferred", "outcome")

    def __init__(self, looping: LoopingCall) -> None:
        self.deferred: Deferred[LoopingCall] | None = Deferred(lambda _: looping._cancelled(self))
        self.outcome: Deferred[Any] | None = None
        self.context = copy_context()


class LoopingCall:
    """Call a function every so many seconds, until :meth:`stop`, or until it fails.

    The calls are due at fixed times after the start, so the loop doesn't drift, and times that have passed by
    when a call is done are left out (:meth:`withCount` tells how many). If the function returns a Deferred or
    a coroutine, the loop waits for it before it goes on.

    =========  =======  ======  ==============================================================================
    state      running  call    goes to
    =========  =======  ======  ==============================================================================
    idle       False    None    calling or waiting, by :meth:`start`
    waiting    True     set     calling, when it is time; idle, by :meth:`stop`
    calling    True     None    waiting, when the function is done; idle, if it fails; ending, by :meth:`stop`
    ending     False    None    idle, when the function is done; calling or waiting, by :meth:`start`
    =========  =======  ======  ==============================================================================

    Each call runs in a copy of the context (:mod:`contextvars`) that :meth:`start` was called in.

    :param f: the function, called with ``a`` and ``kw``.
    :raises TypeError: if ``f`` can't be called.
    :ivar running: whether there are calls to come, or one is going on that others will follow.
    :ivar call: the ``IDelayedCall`` of the next call, while the loop is waiting for it.
    :ivar interval: seconds between calls; None before the first start. One that is set while the loop runs
        counts from the next call on.
    :ivar starttime: when the loop was started or reset, in seconds on its clock; None before the first start.
    """

    call: IDelayedCall | None = None
    running = False
    interval: float | None = None
    starttime: float | None = None

    def __init__(self, f: Callable[..., object], *a: Any, **kw: Any) -> None:
        if not callable(f):
            raise TypeError(
                f"LoopingCall was given {f!r} to call, which is not callable. "
                "Write `LoopingCall(function, *args)`: the function itself, not its result."
            )
        self.f = f
        self.a = a
        self.kw = kw
        self._run: _Run | None = None
        self._clock: Any = None  # the one that was set
        self._started_on: Any = None  # the reactor that was current at the start, where none was set
        self._begins_with_call = False
        self._counted_at: float | None = None

    @classmethod
    def withCount(cls, countCallable: Callable[[int], object]) -> LoopingCall:
        """A loop that tells its function how many calls were due since the last one.

        The count is 1 if all goes well, and more if times went by while the reactor or the function was busy.
        With an interval of 0 it is always 1. It is never 0: such a call is not made.

        :param countCallable: the function, called with the count.
        """

        def call_with_count() -> object:
            count = looping._count()
            return countCallable(count) if count > 0 else None

        looping = cls(call_with_count)
        return looping

    @property
    def clock(self) -> Any:
        """The ``IReactorTime`` to measure by. Unless one is set, it is the reactor that was the current one
        when the loop was started."""
        if self._clock is not None:
            return self._clock
        return current_reactor() if self._started_on is None else self._started_on

    @clock.setter
    def clock(self, clock: Any) -> None:
        self._clock = clock

    @property
    def deferred(self) -> Deferred[LoopingCall] | None:
        """What :meth:`start` returned, while it isn't fired. Deprecated since Twisted 16.0: keep what
        :meth:`start` returns."""
        warnings.warn(
            "LoopingCall.deferred is deprecated; keep the Deferred that start() returns",
            DeprecationWarning,
            stacklevel=2,
        )
        return None if self._run is None else self._run.deferred

    def start(self, interval: float, now: bool = True) -> Deferred[LoopingCall]:
        """Begin to call the function. A loop that has ended can be started again.

        :param interval: seconds from the start of one call to that of the next; 0 is as often as the reactor
            can.
        :param now: whether to make the first call right here, rather than after one interval.
        :returns: a Deferred fired with this object after :meth:`stop`, when the function is done. If the
            function fails, the loop ends and the Deferred fails likewise. Cancelling it ends the loop, too,
            and cancels what the function is busy with.
        :raises ValueError: if ``interval`` is negative or not a number (NaN).
        :raises AssertionError: if the loop is running.
        """
        self._assert_running(False, "start", "Write `looping.stop()` first, or make another LoopingCall.")
        if not interval >= 0:
            raise ValueError(
                f"The interval {interval!r} is negative or not a number (NaN). "
                "Write `looping.start(seconds)` with seconds a number that is 0 or more."
            )
        self._started_on = current_reactor() if self._clock is None else None
        self.starttime = self.clock.seconds()
        self.interval = interval
        self._begins_with_call = now
        self._counted_at = None
        run = self._run = _Run(self)
        deferred = run.deferred
        assert deferred is not None
        if not now:
            self._schedule()
        self.running = True
        if now:
            self()
        return deferred

    def stop(self) -> None:
        """Make no further call. The Deferred of :meth:`start` is fired now, or when the function is done if
        it is busy.

        :raises AssertionError: if the loop isn't running.
        """
        self._assert_running(True, "stop", "Ask `if looping.running:` first.")
        self.running = False
        run = self._run
        if self.call is not None and run is not None:
            self._forget_call()
            self._succeed(run)

    def reset(self) -> None:
        """Leave out the next call, and count the intervals from now on. While the function is busy this does
        nothing.

        :raises AssertionError: if the loop isn't running.
        """
        self._assert_running(True, "reset", "Write `looping.start(seconds)`.")
        if self.call is not None:
            self._forget_call()
            self.starttime = self.clock.seconds()
            self._schedule()

    def __call__(self) -> None:
        """Make the call that is due; this is what the clock calls.

        :raises AssertionError: if the loop was not started.
        """
        run = self._run
        if run is None:
            raise AssertionError(
                "A LoopingCall that is not running was called. "
                "Write `looping.start(seconds)` to have its function called."
            )
        self.call = None
        outcome = run.context.copy().run(maybeDeferred, self.f, *self.a, **self.kw)
        run.outcome = outcome
        outcome.addCallback(self._called, run)
        outcome.addErrback(self._failed, run)  # also if the clock refused the next call

    def _called(self, _: object, run: _Run) -> None:
        run.outcome = None
        if run is self._run and self.running:
            self._schedule()
        else:
            self._succeed(run)

    def _failed(self, failure: Failure, run: _Run) -> Failure | None:
        run.outcome = None
        if run is self._run:
            self.running = False
        deferred = self._end(run)
        if deferred is None:
            # Its Deferred was cancelled: nobody else would hear of this. That it was is no news.
            return None if failure.check(CancelledError) else failure
        deferred.errback(failure)
        return None

    def _cancelled(self, run: _Run) -> None:
        """The Deferred of ``start`` is being cancelled; unless fired here, it fails with CancelledError."""
        if run.outcome is not None:
            run.outcome.cancel()  # as a rule this leads to _failed
        if run.deferred is not None:
            if run is self._run:
                self.running = False
                if self.call is not None:
                    self._forget_call()
            self._end(run)

    def _succeed(self, run: _Run) -> None:
        deferred = self._end(run)
        if deferred is not None:
            deferred.callback(self)

    def _end(self, run: _Run) -> Deferred[LoopingCall] | None:
        if run is self._run:
            self._run = self._started_on = None
        deferred, run.deferred = run.deferred, None
        return deferred

    def _forget_call(self) -> None:
        call, self.call = self.call, None
        assert call is not None
        call.cancel()

    def _schedule(self) -> None:
        assert self.interval is not None and self.starttime is not None
        delay = until_next(self.clock.seconds(), self.starttime, self.interval) if self.interval else 0
        self.call = self.clock.callLater(delay, self)

    def _count(self) -> int:
        """How many calls are due since the last time this was more than 0."""
        now = self.clock.seconds()
        if not self.interval:
            self._counted_at = now
            return 1
        assert self.starttime is not None
        last = self._counted_at
        if last is None:
            last = self.starttime - self.interval if self._begins_with_call else self.starttime
        due = intervals_passed(now, self.starttime, self.interval)
        count = due - intervals_passed(last, self.starttime, self.interval)
        if count > 0:
            self._counted_at = now
        return count

    def _assert_running(self, expected: bool, method: str, instead: str) -> None:
        # Not an assert statement: that would be gone with python -O, and callers catch this.
        if self.running is not expected:
            state = "is running already" if self.running else "is not running"
            raise AssertionError(f"{method}() was called on a LoopingCall that {state}. {instead}")

    def __repr__(self) -> str:
        return (
            f"LoopingCall<{self.interval!r}>({name_of(self.f)}, *{safe_repr(self.a)}, **{safe_repr(self.kw)})"
        )
