"""A clock that stands still until a test moves it: :class:`Clock`, an IReactorTime without a loop.

To whoever asked for them, the calls that wait for it are as the reactor's own
(:mod:`twisted_compat.adapter.timers`); but those belong to a loop's timer and a thread, and these to a list.
"""

from __future__ import annotations

from bisect import insort_right
from collections.abc import Callable, Iterable
from typing import Any

from zope.interface import implementer

from twisted_compat import error
from twisted_compat.adapter.delayed_call import BaseDelayedCall
from twisted_compat.interfaces import IReactorTime

__all__ = ["Clock", "DelayedCall"]


@implementer(IReactorTime)
class Clock:
    """A clock for tests: time passes when :meth:`advance` says so, and the calls that are due then are made,
    there and then.

    :ivar rightNow: the time now, in seconds; a new clock begins at 0.
    :ivar calls: the calls that wait, the next one first.
    """

    rightNow = 0.0
    error = error

    def __init__(self) -> None:
        self.calls: list[DelayedCall] = []

    def seconds(self) -> float:
        """The time now (IReactorTime), in seconds."""
        return self.rightNow

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> DelayedCall:
        """Call something when the clock has been moved on far enough (IReactorTime).

        It runs in the context (:mod:`contextvars`) of this call. Of calls for the same time, the one that was
        asked for first is made first.

        :param delay: seconds. Up to 0, it is due at once: the next :meth:`advance`, or the one going on,
            makes it.
        :param callable: what to call, with ``args`` and ``kw``.
        :returns: an ``IDelayedCall``, to cancel or move it.
        :raises TypeError: if ``callable`` can't be called.
        :raises ValueError: if ``delay`` is not a number (NaN).
        """
        if not _is_callable(callable):
            raise TypeError(
                f"callLater was given {callable!r} to call, which is not callable. "
                "Write `clock.callLater(delay, function, *args)`: the function itself, not its result."
            )
        call = DelayedCall(self, _a_time(self.seconds() + delay), callable, args, kw)
        insort_right(self.calls, call, key=_due)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls that wait (IReactorTime).

        :returns: a new list, the next one first. (:attr:`calls` is the one that changes.)
        """
        return list(self.calls)

    def advance(self, amount: float) -> None:
        """Move the time on, and make the calls that are due then, in the order of their times.

        A call may ask for others, cancel and move them: those that are due by then are made too, as long as
        there are any. What a call raises comes out of here; the calls that were due after it still are, and
        the next ``advance``, be it by 0, makes them.

        :param amount: seconds.
        """
        self.rightNow += amount
        while self.calls and self.calls[0].getTime() <= self.seconds():
            self.calls.pop(0)._make()

    def pump(self, timings: Iterable[float]) -> None:
        """Call :meth:`advance` with each of ``timings``, in seconds."""
        for amount in timings:
            self.advance(amount)

    def _sort(self) -> None:
        self.calls.sort(key=_due)  # stable: calls for the same time keep their order


class DelayedCall(BaseDelayedCall):
    """A call that waits for a :class:`Clock`; made by :meth:`Clock.callLater` (IDelayedCall)."""

    _clock: Clock

    def _forget(self) -> None:
        self._clock.calls.remove(self)

    def _move(self, due: float) -> None:
        self.time = _a_time(due)
        self._clock._sort()

    def _make(self) -> None:
        """Make the call. The clock has let go of it."""
        context, self._context = self._context, None
        assert context is not None and self.func is not None
        self.called = True
        context.run(self.func, *self.args, **self.kw)


_is_callable = callable  # callLater's parameter has this name


def _due(call: DelayedCall) -> float:
    return call.getTime()


def _a_time(due: float) -> float:
    if due != due:
        raise ValueError(
            "A call can't be due at NaN, which is no time. "
            "Write `clock.callLater(seconds, function, *args)` with seconds a number."
        )
    return due
