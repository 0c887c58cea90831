"""Delayed calls on a clock that a test has put in the place of ``reactor.seconds``.

They are made by the real clock; what they say of their time is by that one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_compat.adapter.timers import DelayedCall, Timers

__all__ = ["call_later_by"]


def call_later_by(
    find_timers: Callable[[], Timers],
    seconds: Callable[[], float],
    delay: float,
    callable: Callable[..., object],
    /,
    *args: Any,
    **kw: Any,
) -> DelayedCall:
    """``reactor.callLater`` while ``reactor.seconds`` is ``seconds``."""
    time = seconds() + delay
    call = find_timers().callLater(delay, callable, *args, **kw)
    call.__class__ = _CallByAnotherClock
    call.__dict__.update(_seconds=seconds, _time_at_first=time, _due_at_first=call._due)
    return call


class _CallByAnotherClock(DelayedCall):
    """A DelayedCall that tells its time by another clock than the one it waits for."""

    _seconds: Callable[[], float]
    _time_at_first: float
    _due_at_first: float

    @property
    def time(self) -> float:  # type: ignore[override]  # as in DelayedCall
        """When the call is due, in seconds on the other clock."""
        return self._time_at_first + (self._due - self._due_at_first)

    def seconds(self) -> float:
        """The time now, on the other clock."""
        return self._seconds()
