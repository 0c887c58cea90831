"""IReactorTime: the clock, and the calls that wait for it.

All calls share one timer of the loop, set for the first of them. The others are in a heap, so that asking for
a call and cancelling it, which is what becomes of most timeouts, costs less than a timer of the loop would.
Putting a call off only stores the new time: its place in the heap says when to look again. So a ``reset`` for
every message costs an attribute.

Who may call is ``ownership.py``'s business; what clocks and timers the loop has is ``loops.py``'s.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from threading import get_ident
from traceback import format_stack
from typing import Any

from twisted_compat.adapter.delayed_call import BaseDelayedCall
from twisted_compat.adapter.loops import capabilities_of, clock_of
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DelayedCall", "Timers"]

# A select or poll takes a few weeks at most, in milliseconds. A longer wait is made of days.
LONGEST_WAIT = 86_400.0  # seconds
# seconds() is a large float, exact to a quarter of a microsecond: finer than this there is nothing to tell.
FINEST_STEP = 1e-6  # seconds
# The heap is tidied when so many of its entries, and at least half of them, are of calls that are over.
TIDY_AT = 64


class Timers:
    """The clock of a reactor and the calls that wait for it.

    A call that waits has one entry in the heap that counts, at ``_entry``; it is due then or, if it was put
    off, later. Entries that a call has left behind, being over or moved forward, are skipped when their time
    comes. A call that is due at once has no entry, but a place in ``_soon``, and in its turn in
    ``_making``.

    :param loop: the loop that calls; it need not run yet. None: the calls wait for other timers to
        :meth:`take_over`.
    :param vocabulary: whose ``AlreadyCalled`` and ``AlreadyCancelled`` are raised.
    :param ownership: which thread may call; without it, the one that makes this or runs the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None,
        vocabulary: Vocabulary,
        ownership: Ownership | None = None,
    ) -> None:
        self._loop: Any = loop
        self.error = vocabulary.error
        self.log = vocabulary.log
        self._ownership = ownership or Ownership(loop)
        self._loop_is_closed: Callable[[], bool] = bool if loop is None else loop.is_closed
        self._now = time.monotonic if loop is None else clock_of(loop)
        self._step = FINEST_STEP if loop is None else max(capabilities_of(loop).timer_resolution, FINEST_STEP)
        self._offset = time.time() - self._now()
        # Time, number in the order of the callLater calls, call: compared without any code of ours.
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._left_behind = 0  # entries in the heap that don't count
        self._soon: list[DelayedCall] = []  # due at once: to be made on the loop's next turn
        self._making: list[DelayedCall] = []  # those of this turn
        self._turn: asyncio.Handle | None = None  # to come, when _soon is not empty
        self._number = count().__next__
        self._timer: asyncio.TimerHandle | None = None
        self._set_for = math.inf  # when the timer is to fire, on our clock
        self.closed = False
        self._suspended = loop is None  # the calls wait for other timers to take them over

    def seconds(self) -> float:
        """The time now (IReactorTime).

        :returns: seconds since the epoch as the system's clock was when this was made; unlike that clock, it
            never goes back or jumps.
        """
        return self._now() + self._offset

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> DelayedCall:
        """Call something later, on a later turn of the loop even if ``delay`` is 0 (IReactorTime).

        It runs in the context (:mod:`contextvars`) of this call. What it raises is logged.

        :param delay: seconds, 0 or more.
        :param callable: what to call, with ``args`` and ``kw``.
        :returns: an ``IDelayedCall``, to cancel or move it.
        :raises TypeError: if ``callable`` can't be called or ``delay`` is not a number.
        :raises ValueError: if ``delay`` is negative or NaN.
        :raises RuntimeError: in a thread that isn't the reactor's, or if the loop is closed.
        """
        if get_ident() != self._ownership.thread_id:
            self._ownership.check("reactor.callLater")
        if not _is_callable(callable):
            raise TypeError(
                f"callLater was given {callable!r} to call, which is not callable. "
                "Write `reactor.callLater(delay, function, *args)`: the function itself, not its result."
            )
        try:
            due = self._now() + delay
            if not delay >= 0:
                raise _bad_delay(delay)
        except TypeError:
            raise TypeError(f"The delay {delay!r} is not a number of seconds. {_ADVICE}") from None
        if self._loop_is_closed():
            raise RuntimeError(
                f"callLater can't call {callable!r}: the reactor's event loop is closed. "
                "Write `async with AsyncioReactor() as reactor: ...` in the loop that runs now."
            )
        # Made without an __init__, and entered without _enter: a fifth of what a timeout costs that is
        # cancelled, as most are.
        call = _new_call(DelayedCall)
        call._clock = self
        call._due = due
        call._number = number = self._number()
        call.func = callable
        call.args = args
        call.kw = kw
        call.called = call.cancelled = False
        call._context = copy_context()
        if call.debug:
            call.creator = format_stack()[:-1]
        if delay:
            call._entry = due
            heappush(self._heap, (due, number, call))
            if due < self._set_for:
                self._set_timer(delay)
        else:
            call._entry = None
            self._make_soon(call)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """The calls that are neither made nor cancelled (IReactorTime).

        :returns: a new list, in the order in which they were asked for.
        """
        # Once each: one that was moved forward and put off again may have two entries at the same time.
        waiting = {call for entry, _, call in self._heap if call._entry == entry}
        waiting.update(call for call in (*self._making, *self._soon) if call.active())
        return sorted(waiting, key=_number)

    def close(self) -> None:
        """Let go of the loop and call everything off, as the reactor ends. Whoever has a call that waited can
        still cancel it: that the reactor was first is not their fault. It works on a closed loop, too."""
        self.suspend()
        self.closed = True
        for call in self.getDelayedCalls():
            call._cancel()
        self._heap.clear()
        self._left_behind = 0
        self._soon.clear()

    def suspend(self) -> None:
        """Let go of the loop and keep the calls: they can be cancelled and moved, and are made if
        :meth:`take_over` moves them to another loop."""
        self._suspended = True
        self._loop_is_closed = bool  # it makes no difference any more
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        self._turn = self._timer = None
        self._set_for = math.inf

    def take_over(self, other: Timers) -> None:
        """Have the calls that wait in ``other``, which was suspended."""
        now = self._now()
        for call in other.getDelayedCalls():
            call._clock = self
            call._due += now - other._now()
            call._number = self._number()
            call._entry = None
            if call._due <= now:
                self._make_soon(call)
            else:
                self._enter(call)
        self._set_for_first()

    # The timer

    def _set_timer(self, remaining: float) -> None:
        """Have the loop's timer fire in ``remaining`` seconds, or sooner if it can't wait for so long."""
        if self._suspended:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait = self._wait_for(remaining)
        self._set_for = self._now() + min(remaining, wait)
        self._timer = self._loop.call_later(wait, self._fire, context=Context())

    def _wait_for(self, remaining: float) -> float:
        """How long to set a timer so that it doesn't fire before ``remaining`` seconds are over.

        A loop that counts in steps may count from the start of the step we are in: hence one step more.
        """
        if remaining >= LONGEST_WAIT:
            return LONGEST_WAIT
        step = self._step
        return (math.ceil(remaining / step) + 1) * step

    def _fire(self) -> None:
        """Make the calls that are due, and set the timer for the next."""
        self._timer = None
        self._set_for = math.inf
        now = self._now()
        heap = self._heap
        try:
            while heap and heap[0][0] <= now:
                entry, _, call = heappop(heap)
                if call._entry != entry:
                    self._left_behind -= 1
                elif call._due > now:  # it was put off
                    self._enter(call)
                else:
                    call._make()
        finally:
            self._set_for_first()

    def _set_for_first(self) -> None:
        heap = self._heap
        while heap:
            entry, number, call = heap[0]
            if call._entry != entry:
                heappop(heap)
                self._left_behind -= 1
            elif call._due > entry:
                call._entry = call._due
                heapreplace(heap, (call._due, number, call))
            else:
                if entry < self._set_for and entry != math.inf:
                    self._set_timer(entry - self._now())
                return

    def _enter(self, call: DelayedCall) -> None:
        """Give a call its place in the heap."""
        call._entry = call._due
        heappush(self._heap, (call._due, call._number, call))

    def _leave(self, call: DelayedCall) -> None:
        """The entry of a call doesn't count any more."""
        call._entry = None
        heap = self._heap
        self._left_behind += 1
        if self._left_behind >= TIDY_AT and self._left_behind * 2 >= len(heap):
            heap[:] = [item for item in heap if item[2]._entry == item[0]]
            heapify(heap)
            self._left_behind = 0

    # Calls that are due at once

    def _make_soon(self, call: DelayedCall) -> None:
        """Have a call made on the next turn of the loop, with all others that are due at once: one handle of
        the loop serves them all, in the order in which they were asked for."""
        if self._turn is None and not self._suspended:
            self._turn = self._loop.call_soon(self._make_turn, context=Context())
        self._soon.append(call)

    def _make_turn(self) -> None:
        self._turn = None
        self._making, self._soon = self._soon, []
        now = self._now()
        remaining = iter(self._making)
        try:
            for call in remaining:
                if call.cancelled:
                    continue
                if call._due <= now or call._due <= self._now():  # or it was moved to now in this turn
                    call._make()
                else:  # it was put off
                    self._enter(call)
                    self._set_for_first()
        finally:
            self._making = []
            interrupted = list(remaining)
            if interrupted:  # a KeyboardInterrupt or SystemExit got out: they are older than those since
                asked_since, self._soon = self._soon, []
                for call in (*interrupted, *asked_since):
                    self._make_soon(call)


class DelayedCall(BaseDelayedCall):
    """A call that waits for its time; made by :meth:`Timers.callLater` (IDelayedCall)."""

    _clock: Timers
    _due: float  # on the clock of the timers, which begins at another time than seconds()
    _entry: float | None  # the time of its entry in the heap that counts; None if it has none
    _number: int  # counts the calls: of two for the same time, the one asked for first is made first
    creator: list[str] | None = None

    @property
    def time(self) -> float:  # type: ignore[override]  # an attribute there, and worked out here
        """When the call is due, in seconds on the clock of ``reactor.seconds``."""
        return self._due + self._clock._offset

    def cancel(self) -> None:
        """Don't make the call; see :meth:`BaseDelayedCall.cancel`."""
        # The base's, spelled out: most timeouts end here.
        timers = self._clock
        if self.called or self.cancelled or get_ident() != timers._ownership.thread_id:
            self._check("cancel")
        self.cancelled = True
        entry = self._entry
        if entry is not None:  # else it is due at once: its turn will see
            last = timers._heap[-1]
            if last[2] is self and last[0] == entry:  # a timeout cancelled before the next is set, for one
                self._entry = None
                timers._heap.pop()  # which leaves a heap
            else:
                timers._leave(self)
        self.func = self._context = None
        self.args, self.kw = (), {}

    def reset(self, secondsFromNow: float) -> None:
        """Make the call due at another time, later or earlier than before; see
        :meth:`BaseDelayedCall.reset`.
        """
        due = self._clock._now() + secondsFromNow
        entry = self._entry
        if entry is not None and due >= entry:
            self._due = due  # its entry will see, when its time comes: any thread may say this
        else:
            self._check("reset")
            self._move(due)

    def delay(self, secondsLater: float) -> None:
        """Put the call off, counted from the time it is due at now; see :meth:`BaseDelayedCall.delay`."""
        self._check("delay")
        self._move(self._due + secondsLater)

    def _check(self, method: str) -> None:
        if not (self.cancelled and self._clock.closed):
            super()._check(method)
        if get_ident() != self._clock._ownership.thread_id:
            self._clock._ownership.check(f"delayed_call.{method}")

    def _move(self, due: float) -> None:
        if due != due:
            raise _bad_delay(due)
        self._due = due
        timers, entry = self._clock, self._entry
        if entry is None or due >= entry:
            return  # its turn, or its entry, will see
        timers._leave(self)
        if due <= timers._now():
            timers._make_soon(self)
        else:
            timers._enter(self)
            timers._set_for_first()

    def _make(self) -> None:
        """Make the call: it is time."""
        self.called = True
        self._entry = None
        context = self._context
        assert context is not None
        try:
            context.run(self._call)
        finally:
            # Let go of everything: this object may be kept for long.
            self._context = self.func = None
            self.args, self.kw = (), {}

    def _call(self) -> None:
        try:
            self.func(*self.args, **self.kw)  # type: ignore[misc]  # it is there until _make is done
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            asked_at = f", asked for at\n{''.join(self.creator)}" if self.creator else ""
            self._clock.log.exception("Unhandled exception in %s%s", repr(self), asked_at)

    def _forget(self) -> None:
        if self._entry is not None:
            self._clock._leave(self)


_new_call = DelayedCall.__new__
_is_callable = callable  # callLater's parameter has this name


_ADVICE = "Write `reactor.callLater(seconds, function, *args)` with seconds a number that is 0 or more."


def _bad_delay(delay: float) -> ValueError:
    return ValueError(f"The delay {delay!r} is negative or not a number (NaN). {_ADVICE}")


def _number(call: DelayedCall) -> int:
    return call._number
