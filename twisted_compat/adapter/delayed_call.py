"""What a call that waits for its time is, whatever clock it waits for.

The reactor's are ``timers.py``'s, on a loop's timers; those of a clock that tests move by hand are
``twisted_compat/task/clock.py``'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import Context, copy_context
from traceback import format_stack
from typing import Any

from zope.interface import implementer

from twisted_compat.adapter.texts import name_of, safe_repr
from twisted_compat.interfaces import IDelayedCall

__all__ = ["BaseDelayedCall"]


@implementer(IDelayedCall)
class BaseDelayedCall(ABC):
    """A call that waits for its time (IDelayedCall).

    ============  ======  =========  ==========================================
    state         called  cancelled  goes to
    ============  ======  =========  ==========================================
    waiting       False   False      called, when it is time; cancelled
    called        True    False      (set before the call is made)
    cancelled     False   True
    ============  ======  =========  ==========================================

    Two of them compare by the time they are due at.

    :cvar debug: set it on the class to have each later call remember the stack that asked for it.
    :ivar time: when it is due, in seconds on its clock.
    :ivar func: what will be called, with ``args`` and ``kw``; None once it is cancelled.
    :ivar called: whether it has been called.
    :ivar cancelled: whether it has been cancelled.
    :ivar creator: the stack of the ``callLater`` as a list of texts, if ``debug`` was set.
    """

    debug = False

    def __init__(
        self, clock: Any, due: float, func: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        """
        :param clock: what it waits for: has ``seconds()``, and as ``error`` the module of errors to raise.
        """
        self._clock = clock
        self.time = due
        self.func: Callable[..., object] | None = func
        self.args = args
        self.kw = kw
        self.called = False
        self.cancelled = False
        self.creator: list[str] | None = format_stack()[:-2] if self.debug else None
        self._context: Context | None = copy_context()

    def getTime(self) -> float:
        """When the call is due.

        :returns: seconds, on the clock that it waits for.
        """
        return self.time

    def seconds(self) -> float:
        """The time now, in seconds on the clock that it waits for."""
        now: float = self._clock.seconds()
        return now

    def active(self) -> bool:
        """Whether the call is still to come: neither made nor cancelled."""
        return not (self.called or self.cancelled)

    def cancel(self) -> None:
        """Don't make the call.

        :raises AlreadyCalled: it has been made, or is being made right now.
        :raises AlreadyCancelled: it was cancelled before.
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        self._check("cancel")
        self._cancel()

    def _cancel(self) -> None:
        self.cancelled = True
        self._forget()
        self.func = self._context = None
        self.args, self.kw = (), {}

    def reset(self, secondsFromNow: float) -> None:
        """Make the call due at another time, later or earlier than before.

        :param secondsFromNow: seconds from now; below 0 counts as 0.
        :raises AlreadyCalled: it has been made, or is being made right now.
        :raises AlreadyCancelled: it was cancelled before.
        :raises ValueError: if the time is not a number (NaN).
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        self._check("reset")
        self._move(self._clock.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """Put the call off, counted from the time it is due at now.

        :param secondsLater: seconds; negative ones bring it forward.
        :raises AlreadyCalled: it has been made, or is being made right now.
        :raises AlreadyCancelled: it was cancelled before.
        :raises ValueError: if the time is not a number (NaN).
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        self._check("delay")
        self._move(self.time + secondsLater)

    def _check(self, method: str) -> None:
        if self.cancelled:
            raise self._clock.error.AlreadyCancelled()
        if self.called:
            raise self._clock.error.AlreadyCalled()

    @abstractmethod
    def _forget(self) -> None:
        """It is cancelled: have the clock let go of it."""

    @abstractmethod
    def _move(self, due: float) -> None:
        """Make it due at another time."""

    def __lt__(self, other: BaseDelayedCall) -> bool:
        return self.time < other.time

    def __le__(self, other: BaseDelayedCall) -> bool:
        return self.time <= other.time

    def __gt__(self, other: BaseDelayedCall) -> bool:
        return self.time > other.time

    def __ge__(self, other: BaseDelayedCall) -> bool:
        return self.time >= other.time

    def __repr__(self) -> str:
        what = ""
        if self.func is not None:
            arguments = [safe_repr(value) for value in self.args]
            arguments += [f"{key}={safe_repr(value)}" for key, value in self.kw.items()]
            what = f" {name_of(self.func)}({', '.join(arguments)})"
        return (
            f"<DelayedCall 0x{id(self):x} [{self.time - self.seconds():.6f}s] "
            f"called={self.called:d} cancelled={self.cancelled:d}{what}>"
        )
