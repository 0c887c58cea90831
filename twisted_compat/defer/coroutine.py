"""Coroutines as Deferreds: ``ensureDeferred`` and ``Deferred.fromCoroutine``.

They run on the stack of whoever brings what they wait for, as ``inlineCallbacks`` functions do
(:mod:`~twisted_compat.defer.driver`), and where an asyncio loop runs they are tasks of it
(:mod:`~twisted_compat.defer.coroutine_task`) that may await whatever asyncio tasks may. Loaded with the first
coroutine, as it needs asyncio.
"""

from __future__ import annotations

import asyncio
from _thread import get_ident
from asyncio import _get_running_loop, isfuture
from collections.abc import Coroutine, Generator
from contextlib import suppress
from inspect import iscoroutine
from types import CoroutineType, GeneratorType
from typing import Any, Final, TypeVar

from twisted_compat.defer.chain import STILL_WAITING, Chain, PassOn
from twisted_compat.defer.coroutine_task import CoroutineTask, enter_task, leave_task
from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.driver import CANCELLED, WAITING, Driver
from twisted_compat.defer.errors import NotACoroutineError
from twisted_compat.defer.futures import deferred_from, means_cancelled
from twisted_compat.defer.misuse import wrong_thread
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

__all__ = ["CoroutineDriver", "run_coroutine"]

T = TypeVar("T")


def run_coroutine(coro: Coroutine[Any, Any, T] | Generator[Any, Any, T]) -> Deferred[T]:
    """Run it from now on; see :meth:`twisted_compat.defer.Deferred.fromCoroutine`."""
    if coro.__class__ is CoroutineType or iscoroutine(coro):
        return CoroutineDriver(coro).start()
    if isinstance(coro, GeneratorType):
        return Driver(coro).start()
    raise NotACoroutineError(
        f"{coro!r} is not a coroutine. Call the `async def` function: `ensureDeferred(function(...))`."
    )


_NEXT_TURN: Final[Any] = object()


class CoroutineDriver(Driver):
    """Runs one coroutine, as a task of the loop that is running.

    Where no loop runs it does without a task, until it is resumed in one. Waiting, ``waiting_for`` is a
    Deferred, an asyncio future, or ``_NEXT_TURN`` after a bare yield (``asyncio.sleep(0)``).

    :ivar task: what asyncio sees of it; None before it first ran in a loop, and after its end.
    """

    __slots__ = ("task",)

    task: CoroutineTask | None

    def start(self) -> Deferred[Any]:
        """Run the coroutine as far as it goes, and return the Deferred of its result."""
        self.task = None
        deferred = super().start()
        if self.task is not None and self.deferred is not None:
            self.task.register()  # only now, as it is dear and most never wait
        return deferred

    def resume(self, waited_for: Chain, result: Any) -> tuple[Any, Chain | None]:
        """Go on with the result that has come; see :meth:`Driver.resume`."""
        task = self.task
        if task is not None and waited_for is self.waiting_for:
            if task.thread != get_ident():
                with suppress(RuntimeError):  # the loop is closed
                    task.get_loop().call_soon_threadsafe(self._refuse, waited_for)
                return result, None
            if task.must_cancel:  # that comes first, and leaves the result where it is
                return None if means_cancelled(result) else result, None
            if task.to_throw is not None:
                interruption, task.to_throw = task.to_throw, None
                if means_cancelled(result):
                    result = Failure(interruption)
        return super().resume(waited_for, result)

    def deliver_cancellation(self) -> None:
        """The task was cancelled on an earlier turn: raise that in the coroutine where it waits.

        What can be cancelled itself is, and raises it when it comes back.
        """
        task = self.task
        waiting_for = self.waiting_for
        if task is None or waiting_for is None or not task.must_cancel:
            return
        if isfuture(waiting_for) and not waiting_for.done():
            task.must_cancel = False
            waiting_for.cancel(*task.cancel_args)
            return
        if not isinstance(waiting_for, Deferred):
            return  # _woken is on its way, and finds must_cancel
        interruption = task.take_cancellation()
        if waiting_for is task.foreign:
            if waiting_for.called:
                _give_back(task)
            elif _cancel_foreign(task, interruption) or self.waiting_for is not waiting_for:
                return
        else:
            task.thrown = interruption
        self.waiting_for = None
        self._go_on(Failure(interruption))

    def _cancel_wait(self, waiting_for: Any) -> Any:
        """Cancel what is waited for, as the Deferred of the result is cancelled: for asyncio's things, that
        is the task being cancelled. Returns what a canceller does.
        """
        if self.task is not None:
            self.task.was_cancelled = True
        if isinstance(waiting_for, Deferred):
            return PassOn(waiting_for)
        if self.task is None:
            waiting_for.cancel()
        else:
            self.task.cancel()
        return STILL_WAITING

    def _step(self, result: Any) -> Any:
        loop = _get_running_loop()
        task = self.task
        if loop is None:
            outcome = self.context.run(self._advance, result)
        else:
            if task is None or task.get_loop() is not loop:
                if task is not None:
                    task.leave()
                task = self.task = CoroutineTask(loop=loop)
                task.driver = self
                task.thread = get_ident()
                if self.deferred is not None:
                    task.register()
            previous = enter_task(loop, task)
            try:
                outcome = self.context.run(self._advance, result)
            except RuntimeError:
                # All that the coroutine may raise is caught in there. So whoever resumes us runs in our
                # context, which can't be entered twice.
                loop.call_soon(self._go_on, result)
                return WAITING
            finally:
                leave_task(loop, task, previous)
        if outcome is not WAITING and task is not None:
            self.task = None  # leave no reference cycle
            task.end(outcome)
        return outcome

    def _go_on(self, result: Any) -> None:
        """Resume on a turn of the loop, with nobody to hand an ended coroutine's result to but us."""
        outcome = self._step(result)
        if outcome is not WAITING:
            assert self.deferred is not None
            self.deferred.callback(outcome)

    def _failed(self, failure: Failure) -> Failure:
        if self.task is not None:
            self.task.fail(failure.value)
        return super()._failed(failure)

    def _as_result_or_deferred(self, yielded: Any) -> Any:
        """Begin to wait for something that is no Deferred of ours, as an asyncio task would."""
        blocking = getattr(yielded, "_asyncio_future_blocking", None)
        if blocking is not None:
            return self._wait_for_future(yielded, blocking)
        if yielded is None:
            loop = _get_running_loop()
            if loop is None:
                return None
            loop.call_soon(self._woken, _NEXT_TURN)
            self._wait_on_loop(_NEXT_TURN)
            return WAITING
        if hasattr(yielded, "addCallbacks"):
            ours = deferred_from(yielded)
            if self.task is not None:
                self.task.foreign, self.task.foreign_source = ours, yielded
            return ours
        return Failure(
            RuntimeError(
                f"The coroutine awaited something that gave {yielded!r}, which is neither a Deferred nor a "
                "future. Await only what Deferreds or asyncio make; libraries for trio or curio need theirs."
            )
        )

    def _wait_for_future(self, future: Any, blocking: bool) -> Any:
        if not blocking:
            return Failure(RuntimeError(f"{future!r} was yielded. Write `await`, or `yield from`."))
        if self.task is not None and future.get_loop() is not self.task.get_loop():
            return Failure(RuntimeError(f"{future!r} belongs to another event loop than the coroutine."))
        if future is self.task:
            return Failure(RuntimeError(f"{future!r} awaits itself, and so could never end."))
        future._asyncio_future_blocking = False
        future.add_done_callback(self._woken)
        self._wait_on_loop(future)
        if self.task is not None and self.task.must_cancel:
            self.deliver_cancellation()
        return WAITING

    def _wait_on_loop(self, waiting_for: Any) -> None:
        cancelled = self.waiting_for is CANCELLED
        self.waiting_for = waiting_for
        if cancelled:
            self._cancel_wait(waiting_for)

    def _woken(self, waited_for: Any) -> None:
        """What was waited for on the loop has come; ``await`` itself looks what it is."""
        if waited_for is not self.waiting_for:
            return
        self.waiting_for = None
        interruption = None if self.task is None else self.task.take_cancellation()
        if interruption is not None:
            self._go_on(Failure(interruption))
        elif waited_for is not _NEXT_TURN and waited_for.cancelled():
            self._go_on(Failure(_cancellation_of(waited_for)))
        else:
            self._go_on(None)

    def _refuse(self, waited_for: Any) -> None:
        """The Deferred that is awaited was fired in another thread, and has kept its result."""
        if waited_for is self.waiting_for:
            self.waiting_for = None
            if self.task is not None and waited_for is self.task.foreign:
                _give_back(self.task)
            self._go_on(Failure(wrong_thread()))


def _cancel_foreign(task: CoroutineTask, interruption: BaseException | None) -> bool:
    """Cancel another library's Deferred that a task awaits; False if nothing is to be expected of that."""
    assert task.foreign is not None
    task.to_throw = interruption
    try:
        task.foreign.cancel()
    except Exception:
        # The coroutine must not be kept waiting for it, and nobody else would hear of this.
        log_failure("The canceller of an awaited Deferred raised", Failure())
        task.to_throw = None
        return False
    return True


def _give_back(task: CoroutineTask) -> None:
    """Return to another library's Deferred the result that the coroutine did not take."""
    assert task.foreign is not None
    kept: list[Any] = []
    task.foreign.addBoth(kept.append)

    def result(_: object) -> Any:
        if isinstance(kept[0], Failure):
            kept[0].raiseException()
        return kept[0]

    task.foreign_source.addCallback(result)


def _cancellation_of(future: asyncio.Future[Any]) -> BaseException:
    try:
        future.result()
    except asyncio.CancelledError as error:
        return error
    raise AssertionError("not cancelled")
