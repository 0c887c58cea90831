"""What asyncio sees of a coroutine that we run: a task.

:func:`asyncio.current_task` returns it inside the coroutine, :func:`asyncio.all_tasks` lists it, so
``asyncio.timeout``, task groups, anyio and sniffio work there, and ``asyncio.run`` cancels it when it ends.
It is the kind of task that the "Extending" chapter of asyncio's documentation allows for: the loop never
runs it, ``coroutine.CoroutineDriver`` does.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import traceback
from asyncio import tasks
from collections.abc import Generator
from reprlib import recursive_repr
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.errors import CancelledError
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from contextvars import Context

    from twisted_compat.defer.coroutine import CoroutineDriver

__all__ = ["CoroutineTask", "enter_task", "leave_task"]

_numbers = itertools.count(1)

if sys.version_info >= (3, 12):
    enter_task = tasks._swap_current_task

    def leave_task(loop: Any, task: Any, previous: Any) -> None:
        """Undo :func:`enter_task`, which returned ``previous``."""
        enter_task(loop, previous)

else:

    def enter_task(loop: Any, task: Any) -> Any:
        """Make ``task`` the current one of ``loop``; return the one before, or None."""
        previous = asyncio.current_task(loop)
        if previous is not None:
            tasks._leave_task(loop, previous)
        tasks._enter_task(loop, task)
        return previous

    def leave_task(loop: Any, task: Any, previous: Any) -> None:
        """Undo :func:`enter_task`, which returned ``previous``."""
        tasks._leave_task(loop, task)
        if previous is not None:
            tasks._enter_task(loop, previous)


class CoroutineTask(asyncio.Future[Any]):
    """The asyncio side of one :class:`~twisted_compat.defer.coroutine.CoroutineDriver`; has the methods of
    :class:`asyncio.Task`.

    Cancelling it reaches the coroutine on the loop's next turn, as with any task: whoever cancels, such as
    a timeout, must not find it resumed before having said why.

    The driver sets the first two attributes; there is no ``__init__``, which would double the price.

    :ivar driver: runs the coroutine.
    :ivar thread: the thread of the loop.
    :ivar must_cancel: whether it has been cancelled, and the coroutine is still to hear of it.
    :ivar was_cancelled: whether it, or the Deferred of the coroutine, has ever been cancelled.
    :ivar cancel_args: the arguments of the :exc:`asyncio.CancelledError` for it.
    :ivar thrown: the CancelledError that was raised in the coroutine where it awaited a Deferred. How that
        goes on is told in :mod:`~twisted_compat.defer.waiter`.
    :ivar foreign: another library's Deferred that was awaited last, as one of ours.
    :ivar foreign_source: that Deferred itself.
    :ivar to_throw: the CancelledError to raise in the coroutine when ``foreign`` has failed because of it.
    """

    __slots__ = ("driver", "thread")

    driver: CoroutineDriver
    thread: int
    must_cancel = False
    was_cancelled = False
    cancel_args: tuple[Any, ...] = ()
    thrown: BaseException | None = None
    foreign: Deferred[Any] | None = None
    foreign_source: Any = None
    to_throw: BaseException | None = None
    _cancel_requests = 0
    _name: str | None = None

    def register(self) -> None:
        """Have :func:`asyncio.all_tasks` know it."""
        # Typed for asyncio's own class, though meant for any with its methods.
        tasks._register_task(self)  # type: ignore[arg-type]

    # What asyncio.Task has beyond a future.

    def cancel(self, msg: Any = None) -> bool:
        """Have :exc:`asyncio.CancelledError` raised in the coroutine where it waits.

        :returns: False if it has ended, and then nothing is done.
        """
        if self.done():
            return False
        self._cancel_requests += 1
        self.was_cancelled = True
        self.cancel_args = () if msg is None else (msg,)
        waiter = self.driver.waiting_for
        if asyncio.isfuture(waiter) and waiter.cancel(*self.cancel_args):
            return True
        if not self.must_cancel:
            self.must_cancel = True
            self.get_loop().call_soon(self.driver.deliver_cancellation)
        return True

    def take_cancellation(self) -> asyncio.CancelledError | None:
        """The exception to be raised in the coroutine now, if one is due; it then counts as raised."""
        if not self.must_cancel:
            return None
        self.must_cancel = False
        return asyncio.CancelledError(*self.cancel_args)

    def cancelling(self) -> int:
        """How many times it was cancelled, less those taken back."""
        return self._cancel_requests

    def uncancel(self) -> int:
        """Take one cancellation back.

        :returns: how many are left.
        """
        if self._cancel_requests > 0:
            self._cancel_requests -= 1
            # Where it waits for a Deferred it is on its way, and that may have fired in vain because of it.
            if self._cancel_requests == 0 and not isinstance(self.driver.waiting_for, Deferred):
                self.must_cancel = False
        return self._cancel_requests

    def end(self, outcome: Any) -> None:
        """The coroutine has ended, and its Deferred comes to ``outcome``."""
        if self.done():
            return
        if isinstance(outcome, Failure):
            self.fail(outcome.value)
            return
        try:
            super().set_result(outcome)
        except RuntimeError:
            self._check_loop()

    def leave(self) -> None:
        """The coroutine goes on in another loop, where it is another task."""
        self.fail(RuntimeError(f"{self!r} went on in another loop. Await its Deferred there."))

    def fail(self, error: BaseException) -> None:
        """The coroutine has ended with an exception. It is the Deferred that tells of it, so nothing is
        logged here.
        """
        if self.done():
            return
        try:
            if isinstance(error, asyncio.CancelledError):
                super().cancel(*error.args[:1])
            elif self.was_cancelled and isinstance(error, CancelledError):
                super().cancel(*self.cancel_args)  # the same in asyncio's word
            else:
                super().set_exception(error)
        except RuntimeError:
            self._check_loop()
        if not self.cancelled():
            super().exception()

    def result(self) -> Any:
        """What the coroutine returned; raises what it raised."""
        try:
            return super().result()
        except BaseException as error:
            self._tell(error)
            raise

    def exception(self) -> BaseException | None:
        """What the coroutine raised, or None."""
        error = super().exception()
        if error is not None:
            self._tell(error)
        return error

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done():
            self._asyncio_future_blocking = True
            yield self
        return self.result()  # ours: that of asyncio's future would look past it

    __iter__ = __await__

    def _tell(self, error: BaseException) -> None:
        """Whoever asked has the error now, such as the end of asyncio.run, which reports it: the Deferred
        needn't report it once more.
        """
        deferred = self.driver.deferred
        record = None if deferred is None else deferred._record
        if record is not None and record.failure is not None and record.failure.value is error:
            record.failure = None

    def _check_loop(self) -> None:
        """Raise again what the loop's ``call_soon`` raised, unless the loop is closed: then those who wait
        are gone with it.
        """
        if not self.get_loop().is_closed():
            raise

    def set_result(self, result: Any) -> None:
        """Not for a task: it is the coroutine that says.

        :raises RuntimeError: always.
        """
        raise RuntimeError("The result of a task comes from its coroutine. Write `return result` in that.")

    def set_exception(self, exception: Any) -> None:
        """Not for a task: it is the coroutine that says.

        :raises RuntimeError: always.
        """
        raise RuntimeError("The result of a task comes from its coroutine. Write `raise` in that.")

    def get_coro(self) -> Any:
        """The coroutine."""
        return self.driver.generator

    def get_context(self) -> Context:
        """The context that the coroutine runs in."""
        return self.driver.context

    def get_name(self) -> str:
        """Its name: one with a number unless :meth:`set_name` gave another."""
        if self._name is None:
            self._name = f"Deferred-Task-{next(_numbers)}"
        return self._name

    def set_name(self, value: object) -> None:
        """Give it a name; anything but a string is made one."""
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[FrameType]:
        """The frame in which the coroutine is suspended, as a list; those of the exception it ended with, the
        outermost first; none after another end.

        :param limit: the most frames to return.
        """
        frame: FrameType | None = self.get_coro().cr_frame
        frames = [each for each, _ in traceback.walk_tb(self._traceback())] if frame is None else [frame]
        return frames[:limit]

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print where the coroutine is suspended, or the exception it ended with and where that was raised.

        :param limit: the most frames to print.
        :param file: by default standard error.
        """
        out = sys.stderr if file is None else file
        frame: FrameType | None = self.get_coro().cr_frame
        if frame is not None:
            out.write(f"Stack for {self!r} (most recent call last):\n")
            traceback.print_stack(frame, 1 if limit is None else min(limit, 1), out)
        elif self.cancelled() or self.exception() is None:
            out.write(f"No stack for {self!r}\n")
        else:
            out.write(f"Traceback for {self!r} (most recent call last):\n")
            traceback.print_tb(self._traceback(), limit, out)
            out.write("".join(traceback.format_exception_only(self.exception())))

    def _traceback(self) -> TracebackType | None:
        """From the coroutine on, that of the exception it ended with."""
        error = self.exception() if self.done() and not self.cancelled() else None
        tb = None if error is None else error.__traceback__
        while tb is not None and tb.tb_frame.f_code is not self.get_coro().cr_code:
            tb = tb.tb_next
        return tb

    # Two private attributes of asyncio's tasks: anyio looks at them, to see whether cancelling can reach one.

    @property
    def _must_cancel(self) -> bool:
        return self.must_cancel

    @property
    def _fut_waiter(self) -> asyncio.Future[Any] | None:
        waiting_for = self.driver.waiting_for
        if isinstance(waiting_for, Deferred):
            return self  # a Deferred is no future, so another that is not done stands in for it
        return waiting_for if asyncio.isfuture(waiting_for) else None

    @recursive_repr()
    def __repr__(self) -> str:
        state = "finished" if self.done() else f"waiting for {self.driver.waiting_for!r}"
        return f"<CoroutineTask {self.get_name()} {self.get_coro()!r} {state}>"
