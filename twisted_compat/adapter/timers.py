"""IReactorTime on ``loop.call_later``: the clock, and the calls that wait for it.

Each :class:`DelayedCall` has one timer of the loop. Putting the call off only stores the new time; the
timer finds out when it fires too early, and sets itself again. So a ``reset`` for every message costs an
attribute, and nothing here grows with the number of calls that wait.

Who may call is ``ownership.py``'s business; how coarse the loop's timers are is ``loops.py``'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from threading import get_ident
from traceback import format_stack
from typing import Any

from zope.interface import implementer

from twisted_compat.adapter.loops import capabilities_of
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.interfaces import IDelayedCall
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DelayedCall", "Timers"]

logger = logging.getLogger(__name__)

# A select or poll takes a few weeks at most, in milliseconds. A longer wait is made of days.
LONGEST_WAIT = 86_400.0  # seconds
# seconds() is a large float, exact to a quarter of a microsecond: finer than this there is nothing to tell.
FINEST_STEP = 1e-6  # seconds
CACHED_CLOCK_STEP = 0.001  # seconds: a loop with timers this coarse also looks at the clock once a turn only


class Timers:
    """The clock of a reactor and the calls that wait for it.

    :param loop: the loop that calls; it need not run yet.
    :param vocabulary: whose ``AlreadyCalled`` and ``AlreadyCancelled`` are raised.
    :param ownership: which thread may call; without it, the one that makes this or runs the loop.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary, ownership: Ownership | None = None
    ) -> None:
        self._loop = loop
        self._error = vocabulary.error
        self._ownership = ownership or Ownership(loop)
        self._pending: dict[DelayedCall, None] = {}  # in the order of the callLater calls
        resolution = capabilities_of(loop).timer_resolution
        self._step = max(resolution, FINEST_STEP)
        # A clock that is read once a turn would count the time that a callback has already taken as part of
        # the delay, and the call would come early.
        self._clock = time.monotonic if resolution >= CACHED_CLOCK_STEP else loop.time
        self._offset = time.time() - self._clock()

    def seconds(self) -> float:
        """The time now (IReactorTime).

        :returns: seconds since the epoch as the system's clock was when this was made; unlike that clock, it
            never goes back or jumps.
        """
        return self._clock() + self._offset

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> DelayedCall:
        """Call something later, on a later turn of the loop even if ``delay`` is 0 (IReactorTime).

        It runs in the context (:mod:`contextvars`) of this call. What it raises is logged.

        :param delay: seconds, 0 or more.
        :param callable: what to call, with ``args`` and ``kw``.
        :returns: an ``IDelayedCall``, to cancel or move it.
        :raises TypeError: if ``callable`` can't be called or ``delay`` is not a number.
        :raises ValueError: if ``delay`` is negative or NaN.
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        if get_ident() != self._ownership.thread_id:
            self._ownership.check("reactor.callLater")
        if not _is_callable(callable):
            raise TypeError(
                f"callLater was given {callable!r} to call, which is not callable. "
                "Write `reactor.callLater(delay, function, *args)`: the function itself, not its result."
            )
        try:
            due = self.seconds() + delay
            if not delay >= 0:
                raise _bad_delay(delay)
        except TypeError:
            raise TypeError(f"The delay {delay!r} is not a number of seconds. {_ADVICE}") from None
        call = DelayedCall(self, due, callable, args, kw)
        self._pending[call] = None
        call._arm(delay)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls that are neither made nor cancelled (IReactorTime).

        :returns: a new list, in the order in which they were asked for.
        """
        return list(self._pending)

    def cancel_all(self) -> None:
        """Cancel every call that waits, as the reactor ends. It works on a closed loop, too."""
        for call in self.getDelayedCalls():
            call._end(cancelled=True)

    def _wait_for(self, remaining: float) -> float:
        """How long to set a timer so that it doesn't fire before ``remaining`` seconds are over.

        A loop that counts in steps may count from the start of the step we are in: hence one step more.
        """
        if remaining >= LONGEST_WAIT:
            return LONGEST_WAIT
        step = self._step
        return (math.ceil(remaining / step) + 1) * step


@implementer(IDelayedCall)
class DelayedCall:
    """A call that waits for its time; made by :meth:`Timers.callLater` (IDelayedCall).

    ============  ======  =========  ==========================================
    state         called  cancelled  goes to
    ============  ======  =========  ==========================================
    waiting       False   False      called, when it is time; cancelled
    called        True    False      (set before the call is made)
    cancelled     False   True
    ============  ======  =========  ==========================================

    Two of them compare by the time they are due at.

    :cvar debug: set it on the class to have each later call remember the stack that asked for it.
    :ivar time: when it is due, in seconds on the clock of ``reactor.seconds``.
    :ivar func: what will be called, with ``args`` and ``kw``; None once it is called or cancelled.
    :ivar called: whether it has been called.
    :ivar cancelled: whether it has been cancelled.
    :ivar creator: the stack of the ``callLater`` as a list of texts, if ``debug`` was set.
    """

    debug = False

    def __init__(
        self,
        timers: Timers,
        due: float,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        self._timers = timers
        self.time = due
        self.func: Callable[..., object] | None = func
        self.args = args
        self.kw = kw
        self.called = False
        self.cancelled = False
        self.creator: list[str] | None = format_stack()[:-2] if self.debug else None
        self._context: Context | None = copy_context()
        self._handle: asyncio.Handle | None = None
        self._armed_for = due  # the timer fires no earlier than this, on the clock of seconds()

    def getTime(self) -> float:
        """When the call is due.

        :returns: seconds, on the clock of ``reactor.seconds``.
        """
        return self.time

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
        self._end(cancelled=True)

    def reset(self, secondsFromNow: float) -> None:
        """Make the call due at another time, later or earlier than before.

        :param secondsFromNow: seconds from now; below 0 counts as 0.
        :raises AlreadyCalled: it has been made, or is being made right now.
        :raises AlreadyCancelled: it was cancelled before.
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        self._check("reset")
        self._move(self._timers.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """Put the call off, counted from the time it is due at now.

        :param secondsLater: seconds; negative ones bring it forward.
        :raises AlreadyCalled: it has been made, or is being made right now.
        :raises AlreadyCancelled: it was cancelled before.
        :raises RuntimeError: in a thread that isn't the reactor's.
        """
        self._check("delay")
        self._move(self.time + secondsLater)

    def _check(self, method: str) -> None:
        if self.cancelled:
            raise self._timers._error.AlreadyCancelled()
        if self.called:
            raise self._timers._error.AlreadyCalled()
        if get_ident() != self._timers._ownership.thread_id:
            self._timers._ownership.check(f"delayed_call.{method}")

    def _move(self, due: float) -> None:
        if due >= self._armed_for:
            self.time = due  # the timer will see, when it fires
        elif due < self._armed_for:
            self.time = due
            if self._handle is not None:
                self._handle.cancel()
            self._arm(due - self._timers.seconds())
        else:
            raise _bad_delay(due)

    def _arm(self, remaining: float) -> None:
        """Set the loop's timer for ``remaining`` seconds from now, or as many of them as a timer can take."""
        timers = self._timers
        if remaining <= 0:
            # Not call_later(0): the loop keeps calls of the same instant in no certain order.
            self._armed_for = self.time
            self._handle = timers._loop.call_soon(self._fire, context=self._context)
            return
        wait = timers._wait_for(remaining)
        self._armed_for = self.time if wait > remaining else timers.seconds() + wait
        self._handle = timers._loop.call_later(wait, self._fire, context=self._context)

    def _fire(self) -> None:
        """The timer fired: make the call, or wait on (it was put off, is far away, or the loop was hasty)."""
        remaining = self.time - self._timers.seconds()
        if remaining > 0:
            self._arm(remaining)
            return
        func, args, kw = self.func, self.args, self.kw
        if func is None:  # ended while its turn was already due
            return
        self.called = True
        del self._timers._pending[self]
        try:
            func(*args, **kw)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            asked_at = f", asked for at\n{''.join(self.creator)}" if self.creator else ""
            logger.exception("Unhandled exception in %s%s", repr(self), asked_at)  # as it is now, before _end
        finally:
            self._end(cancelled=False)

    def _end(self, cancelled: bool) -> None:
        """Let go of everything. The timer is cancelled too: this object may be kept for long."""
        if cancelled:
            self.cancelled = True
            self._timers._pending.pop(self, None)
            if self._handle is not None:
                self._handle.cancel()
        self._handle = self._context = self.func = None
        self.args, self.kw = (), {}

    def __lt__(self, other: DelayedCall) -> bool:
        return self.time < other.time

    def __le__(self, other: DelayedCall) -> bool:
        return self.time <= other.time

    def __gt__(self, other: DelayedCall) -> bool:
        return self.time > other.time

    def __ge__(self, other: DelayedCall) -> bool:
        return self.time >= other.time

    def __repr__(self) -> str:
        if self.func is None:
            what = ""
        else:
            name = getattr(self.func, "__qualname__", None) or _safe_repr(self.func)
            arguments = [_safe_repr(value) for value in self.args]
            arguments += [f"{key}={_safe_repr(value)}" for key, value in self.kw.items()]
            what = f" {name}({', '.join(arguments)})"
        return (
            f"<DelayedCall 0x{id(self):x} [{self.time - self._timers.seconds():.6f}s] "
            f"called={self.called:d} cancelled={self.cancelled:d}{what}>"
        )


_is_callable = callable  # callLater's parameter has this name


_ADVICE = "Write `reactor.callLater(seconds, function, *args)` with seconds a number that is 0 or more."


def _bad_delay(delay: float) -> ValueError:
    return ValueError(f"The delay {delay!r} is negative or not a number (NaN). {_ADVICE}")


def _safe_repr(value: object) -> str:
    """The repr of somebody else's object, for a log line: a repr that raises must not hide what is logged."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"
