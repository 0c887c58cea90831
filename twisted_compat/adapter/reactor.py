"""AsyncioReactor: an asyncio loop behind Twisted's reactor interfaces, over parts that know the loop.

Time is ``timers.py``, readiness ``fdset.py``, threads ``threads.py``, names ``names.py``, signals
``signals.py``, system events ``lifecycle.py``, and closing what was opened ``shutdown.py``; ``facade.py``
hands calls on to them. This module binds them to a loop, starts and stops them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

from zope.interface import implementer

from twisted_compat import interfaces
from twisted_compat.adapter.facade import Facade
from twisted_compat.adapter.lifecycle import State, SystemEvents, TriggerID
from twisted_compat.adapter.loops import close_loop, refuse_inside_a_loop, running_loop
from twisted_compat.adapter.parts import Parts
from twisted_compat.adapter.signals import Signals
from twisted_compat.adapter.texts import where_called_from
from twisted_compat.current import register_reactor, unregister_reactor
from twisted_compat.vocabulary import NATIVE, Vocabulary

__all__ = ["AsyncioReactor"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@implementer(interfaces.IReactorCore)
class AsyncioReactor(Facade):
    """A reactor on an asyncio loop, its own or somebody else's. Its states are
    :class:`~twisted_compat.adapter.lifecycle.State`'s.

    Made inside a running loop, or given a loop, it takes that one; otherwise it takes a loop when it first
    needs one. A loop that somebody else made is never stopped unless ``run()`` started it, and never closed.

    :param loop: the loop to take.
    :param loop_factory: makes a loop, such as ``uvloop.new_event_loop``, where none is given and none runs.
    :param signals: whether SIGINT and SIGTERM stop the reactor while it is embedded in somebody else's
        running loop. (``run()`` has its own argument.)
    :param vocabulary: the types to speak.
    :raises RuntimeError: if the loop has a reactor already, is closed, or can't watch descriptors.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        loop_factory: LoopFactory | None = None,
        signals: bool = False,
        vocabulary: Vocabulary = NATIVE,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.running = False
        self._state = State.UNBOUND
        self._loop_factory = loop_factory
        self._signals_wanted = signals
        self._parts = None
        self._owns_loop = False  # made by us: closed by us, at the end of run()
        self._runs_loop = False  # run() is running it: stop() stops it
        self._run_takes_signals = False
        self._crashed = False
        self._kept_timers = None
        self._waiters: list[asyncio.Future[None]] = []
        self._events = SystemEvents(vocabulary)
        self._events.happens("startup", self._started)
        self._events.between("shutdown", self._close_what_is_open)
        self._made_at = where_called_from()
        if loop is None:
            loop = running_loop()
        if loop is not None:
            self._bind(loop)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}, made at {self._made_at}>"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the reactor is on; it takes one now if it has none."""
        return self._use().loop

    # Binding to a loop

    def _bind(self, loop: asyncio.AbstractEventLoop) -> Parts:
        if loop.is_closed():
            raise RuntimeError(
                "A reactor can't take a closed event loop. "
                "Give it a fresh one: AsyncioReactor(asyncio.new_event_loop())."
            )
        parts = Parts(loop, self)
        register_reactor(loop, self)
        if self._kept_timers is not None:
            parts.timers.take_over(self._kept_timers)
            self._kept_timers = None
        with self._changing_loop:
            self._parts = parts
            parts.threads.take(self._kept_thread_calls)
            self._kept_thread_calls.clear()
        self._state = State.BOUND
        # Called for every write and timer: as attributes of the instance they cost one call, not two.
        self.__dict__.update(parts.hot_methods)
        return parts

    def _unbind(self) -> None:
        """Let go of the loop."""
        with self._changing_loop:
            parts, self._parts = self._parts, None
            if parts is not None and self._owns_loop:
                self._kept_thread_calls += parts.threads.calls
                parts.threads.calls.clear()  # the loop turns once more as it is closed
        if parts is not None:
            unregister_reactor(parts.loop, self)
            for name in parts.hot_methods:
                self.__dict__.pop(name, None)
        self._state = State.UNBOUND
        self.running = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                waiter.set_result(None)

    def has_closed_loop(self) -> bool:
        """Whether the loop was closed under us, and we are still on it."""
        return self._parts is not None and self._parts.loop.is_closed()

    def leave_closed_loop(self) -> None:
        """Let go of a loop that was closed under us, as at the end of ``asyncio.run``; the next use takes
        another.
        """
        parts = self._parts
        if parts is not None and self.has_closed_loop():
            self._unbind()
            parts.abandon()

    def _use(self) -> Parts:
        """The parts, on the running loop, which starts the reactor, or on one of our own until ``run()``."""
        self.leave_closed_loop()
        parts = self._parts
        running = running_loop()
        if parts is None:
            self._owns_loop = running is None
            parts = self._bind(running or (self._loop_factory or asyncio.new_event_loop)())
        if self._state is State.BOUND and running is parts.loop and not self._crashed:
            self._start()
        return parts

    # Starting and stopping (IReactorCore)

    def _start(self) -> None:
        parts = self._parts
        assert parts is not None
        parts.ownership.take()
        self._crashed = False
        self._state = State.RUNNING
        self._events.fireSystemEvent("startup")

    def _started(self) -> None:
        """The "startup" event happens."""
        parts = self._parts
        if self._state is not State.RUNNING or parts is None:  # stopped while "before" was waited for
            return
        self.running = True
        parts.threads.start()
        self._take_signals(parts)

    def _take_signals(self, parts: Parts) -> None:
        if self._run_takes_signals if self._runs_loop else self._signals_wanted:
            parts.signals = Signals(parts.loop, self._on_signal, self.vocabulary.log)
            # A program that runs the reactor, as Twisted's, may have put its own in the place of Python's.
            parts.signals.install(leave_sigint=self._runs_loop)

    def _on_signal(self, number: int) -> None:
        """The first signal stops the reactor; one that comes while it is stopping ends the waiting."""
        if self._state is State.RUNNING:
            self.stop()
        elif self._state is State.STOPPING and self._parts is not None:
            self._parts.hurry()
            self._close_what_is_open(lambda: None)  # without the triggers that are still waited for

    async def __aenter__(self) -> AsyncioReactor:
        self._use()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._state is State.RUNNING:
            self.stop()
        elif self._state is State.BOUND:  # after crash(): no event is fired, but nothing is left open either
            self._state = State.STOPPING
            self._close_what_is_open(lambda: None)
        try:
            await self.stopped()
        except asyncio.CancelledError:  # cancelled again while leaving: close at once, not in peace
            if self._parts is not None:
                self._parts.hurry()
                await self.stopped()
            raise

    def run(self, installSignalHandlers: bool = True) -> None:
        """Start, and run the loop until :meth:`stop` or :meth:`crash` (IReactorCore). It may be called again
        afterwards.

        :param installSignalHandlers: whether SIGTERM stops the reactor, and SIGINT if Python's own handler is
            there; the handlers from before are put back at the end.
        :raises RuntimeError: inside a running event loop.
        :raises ReactorAlreadyRunning: if it runs already.
        :raises ReactorNotRestartable: while it stops.
        """
        error = self.vocabulary.error
        if self._state is State.STOPPING:
            raise error.ReactorNotRestartable("The reactor is stopping: wait until run() has returned.")
        if self._state is State.RUNNING and self._use().loop.is_running():
            raise error.ReactorAlreadyRunning(
                "The reactor runs already, with its event loop. "
                "To wait until it has stopped write `await reactor.stopped()`."
            )
        refuse_inside_a_loop(
            "reactor.run()", "`async with AsyncioReactor() as reactor: await reactor.stopped()`"
        )
        parts = self._use()
        loop = parts.loop
        self._crashed = False
        starting = loop.call_soon(self._use)
        self._runs_loop = True
        self._run_takes_signals = installSignalHandlers
        if self._state is State.RUNNING:  # by iterate(): else they are taken as it starts
            self._take_signals(parts)
        try:
            loop.run_forever()
        except BaseException:
            parts.hurry()  # KeyboardInterrupt or SystemExit: nobody wants to wait now
            raise
        finally:
            starting.cancel()
            self._runs_loop = False
            self._end_run(parts)
            if parts.signals is not None:
                parts.signals.restore()

    def _end_run(self, parts: Parts) -> None:
        """The loop has returned: the reactor stopped or crashed, or somebody else stopped the loop."""
        loop = parts.loop
        if self._state is State.RUNNING:
            self.stop()
        if self._state is State.STOPPING:
            loop.run_until_complete(self.stopped())
        if self._state is State.UNBOUND and self._owns_loop:
            self._owns_loop = False
            close_loop(loop)

    def stop(self) -> None:
        """Fire the "shutdown" event on the next turn of the loop, then close everything that the reactor
        opened (IReactorCore).

        A loop that somebody else runs goes on: wait for :meth:`stopped` there.

        :raises ReactorNotRunning: if it isn't running, or is stopping already.
        """
        if self._runs_loop:
            self._use()  # a call that was due before run() comes before the start: it may stop all the same
        parts = self._parts
        if self._state is not State.RUNNING or parts is None:
            raise self.vocabulary.error.ReactorNotRunning("Can't stop a reactor that isn't running.")
        parts.ownership.check("reactor.stop")
        self._state = State.STOPPING
        parts.loop.call_soon(self._events.fireSystemEvent, "shutdown")

    async def stopped(self) -> None:
        """Wait until the reactor has stopped and closed everything. Returns at once if it has no loop now."""
        if self._parts is not None:
            waiter = self._parts.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def _close_what_is_open(self, proceed: Callable[[], None]) -> None:
        """Between the "during" and the "after" triggers of "shutdown": close ports and connections; at the
        very end, the parts."""
        parts = self._parts
        if parts is None:  # there is nothing
            proceed()
            return
        if parts.shutdown.task is not None:  # begun already, by a second signal
            return
        self.running = False
        keep_calls = self._owns_loop  # as run() may be called again; a host's loop is left with nothing on it

        async def close() -> None:
            try:
                await parts.shutdown.close_transports()
                proceed()
                await parts.close(keep_calls=keep_calls)
            finally:
                self._unbind()
                self._kept_timers = parts.timers if keep_calls else None
                if self._runs_loop:
                    parts.loop.stop()

        parts.shutdown.task = parts.loop.create_task(close())

    def crash(self) -> None:
        """Stop at once: fire no event, close nothing (IReactorCore). ``run()`` goes on from here; leaving
        ``async with`` closes.

        A loop that somebody else runs goes on.
        """
        if self._runs_loop:
            self._use()  # as in stop()
        if self._state in (State.RUNNING, State.STOPPING):
            self._crash()

    def _crash(self) -> None:
        self._crashed = True
        self._state = State.BOUND
        self.running = False
        if self._runs_loop and self._parts is not None:
            self._parts.loop.stop()

    def iterate(self, delay: float = 0) -> None:
        """Run the loop for ``delay`` seconds; with 0, for one pass over what is ready (IReactorCore).

        :raises RuntimeError: while the loop runs: it can't be run inside itself.
        """
        refuse_inside_a_loop("reactor.iterate()", "`await asyncio.sleep(delay)`, which lets the loop turn")
        if self._parts is None and self._kept_timers is None and delay <= 0:
            return  # it has no loop yet, so nothing can be ready
        loop = self._use().loop
        if self._state is State.BOUND:
            self._start()
        if delay > 0:
            loop.call_later(delay, loop.stop)
        else:
            loop.call_soon(loop.stop)
        loop.run_forever()

    # System events (IReactorCore)

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> TriggerID:
        """Call ``callable(*args, **kw)`` in a phase of an event; see
        :meth:`SystemEvents.addSystemEventTrigger`."""
        return self._events.addSystemEventTrigger(phase, eventType, callable, *args, **kw)

    def removeSystemEventTrigger(self, triggerID: TriggerID) -> None:
        """Undo :meth:`addSystemEventTrigger`; see :meth:`SystemEvents.removeSystemEventTrigger`."""
        self._events.removeSystemEventTrigger(triggerID)

    def fireSystemEvent(self, eventType: str) -> None:
        """Run all triggers of an event. Firing "shutdown" by hand stops the reactor, as :meth:`stop` does;
        where its loop doesn't run, before this returns."""
        if eventType == "shutdown" and self._state is not State.UNBOUND:
            self._state = State.STOPPING
        self._events.fireSystemEvent(eventType)
        if self._state is State.STOPPING and running_loop() is None and not self.loop.is_running():
            self._end_run(self._use())

    def callWhenRunning(self, callable: Callable[..., Any], *args: Any, **kw: Any) -> TriggerID | None:
        """Call ``callable(*args, **kw)`` now if the reactor runs, else as soon as it does (IReactorCore).

        :returns: None if it was called; else an ID for :meth:`removeSystemEventTrigger`.
        """
        if running_loop() is not None:
            self._use()
        if self._state in (State.RUNNING, State.STOPPING):
            callable(*args, **kw)
            return None
        return self.addSystemEventTrigger("after", "startup", callable, *args, **kw)
