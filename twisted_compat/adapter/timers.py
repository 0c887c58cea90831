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
from threading import get_ident
from typing import Any

from twisted_compat.adapter.delayed_call import BaseDelayedCall
from twisted_compat.adapter.loops import capabilities_of
from twisted_compat.adapter.ownership import Ownership
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
        self.error = vocabulary.error
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
            call._cancel()

    def _wait_for(self, remaining: float) -> float:
        """How long to set a timer so that it doesn't fire before ``remaining`` seconds are over.

        A loop that counts in steps may count from the start of the step we are in: hence one step more.
        """
        if remaining >= LONGEST_WAIT:
            return LONGEST_WAIT
        step = self._step
        return (math.ceil(remaining / step) + 1) * step


class DelayedCall(BaseDelayedCall):
    """A call that waits for its time; made by :meth:`Timers.callLater` (IDelayedCall)."""

    _clock: Timers
    _handle: asyncio.Handle | None = None
    _armed_for: float  # the timer fires no earlier than this, on the clock of seconds(); set by _arm

    def _check(self, method: str) -> None:
        super()._check(method)
        if get_ident() != self._clock._ownership.thread_id:
            self._clock._ownership.check(f"delayed_call.{method}")

    def _move(self, due: float) -> None:
        if due >= self._armed_for:
            self.time = due  # the timer will see, when it fires
        elif due < self._armed_for:
            self.time = due
            if self._handle is not None:
                self._handle.cancel()
            self._arm(due - self._clock.seconds())
        else:
            raise _bad_delay(due)

    def _arm(self, remaining: float) -> None:
        """Set the loop's timer for ``remaining`` seconds from now, or as many of them as a timer can take."""
        timers = self._clock
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
        remaining = self.time - self._clock.seconds()
        if remaining > 0:
            self._arm(remaining)
            return
        if self.func is None:  # cancelled while its turn was already due
            return
        self.called = True
        del self._clock._pending[self]
        try:
            self.func(*self.args, **self.kw)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            asked_at = f", asked for at\n{''.join(self.creator)}" if self.creator else ""
            logger.exception("Unhandled exception in %s%s", repr(self), asked_at)  # as it is now: see below
        finally:
            # Let go of everything: this object may be kept for long.
            self._handle = self._context = self.func = None
            self.args, self.kw = (), {}

    def _forget(self) -> None:
        self._clock._pending.pop(self, None)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


_is_callable = callable  # callLater's parameter has this name


_ADVICE = "Write `reactor.callLater(seconds, function, *args)` with seconds a number that is 0 or more."


def _bad_delay(delay: float) -> ValueError:
    return ValueError(f"The delay {delay!r} is negative or not a number (NaN). {_ADVICE}")
