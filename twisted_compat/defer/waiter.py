"""The bridge of one ``await``: how a coroutine in an asyncio task waits for a Deferred.

:meth:`twisted_compat.defer.Deferred.__await__` loads this module when something is awaited for the first
time, and nothing else does: so ``twisted_compat.defer`` can be imported, and used, without asyncio.

What a task waits on is a plain :class:`asyncio.Future`, because that is the one thing it can wait on without
a Python call. Its result is that of the Deferred, a Failure included: a future cannot carry every exception
(StopIteration), and complains about those nobody asks for. So the future knows nothing of the Deferred, and
cancelling is seen to where it arrives, as an exception at the ``await``: the Deferred is cancelled then, and
what it makes of that is waited for as an inner task would be.
"""

from __future__ import annotations

import asyncio
from _thread import get_ident
from asyncio import _get_running_loop, current_task
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from twisted_compat.defer.chain import NO_KEYWORDS, Step
from twisted_compat.defer.coroutine_task import CoroutineTask
from twisted_compat.defer.futures import means_cancelled
from twisted_compat.defer.misuse import resumed_too_early
from twisted_compat.defer.record import log_failure
from twisted_compat.defer.wake import wake
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from twisted_compat.defer.deferred import Deferred

__all__ = ["wait_for_result"]

_PASS: Final[Step] = (None, (), NO_KEYWORDS, None, (), NO_KEYWORDS)


def wait_for_result(deferred: Deferred[Any]) -> Generator[Any, Any, Any]:
    """The steps of ``await deferred``; what it means is told at
    :meth:`twisted_compat.defer.Deferred.__await__`.

    Yields a future to an asyncio task, and the Deferred itself to a driver of ours, and where no task runs.
    Those send what its result is, or something once it has one.
    """
    future: Any
    task: Any
    if deferred.called and not deferred.paused:
        result = deferred.result
    else:
        loop = _get_running_loop()
        task = None if loop is None else current_task(loop)
        if loop is None or task is None:
            result = yield deferred
            if result is None or result is deferred:
                if not deferred.called or deferred.paused:
                    raise resumed_too_early(deferred)
                result = deferred.result
        elif task.__class__ is CoroutineTask:
            try:
                result = yield deferred
            except BaseException as error:
                if error is not task.thrown:
                    task = None  # as below
                    raise  # the failure of the Deferred
                task.thrown = None
                result = yield from _interrupted(deferred, task.driver, loop, error)
        else:
            future = loop.create_future()
            if deferred._steps or deferred._waiter is not None:
                deferred._steps.append(_wake_step(future))
            else:
                deferred._waiter = (future, get_ident())
            future._asyncio_future_blocking = True
            try:
                yield future
            except BaseException as error:
                result = yield from _interrupted(deferred, future, loop, error)
            else:
                result = future.result()
    if isinstance(result, Failure):
        deferred._mark_handled()
        try:
            result.raiseException()
        finally:
            # The traceback of the exception has this frame in it.
            del result, deferred
            future = task = None
    return result


def _interrupted(
    deferred: Deferred[Any], whom: Any, loop: asyncio.AbstractEventLoop, interruption: BaseException
) -> Generator[Any, Any, Any]:
    """The task was cancelled, or its coroutine closed, while ``whom`` was to be told of the result.

    A coroutine that is closed leaves the Deferred alone. A task that is cancelled cancels it, and waits for
    what it makes of that; cancelled again, it does so again.

    :returns: a result that the Deferred has all the same.
    :raises BaseException: the interruption, if there is none.
    """
    ours = False  # whether it is we who cancelled it: that it was is no news to anybody then
    try:
        while True:
            if isinstance(whom, asyncio.Future) and whom.done() and not whom.cancelled():
                # Fired, and then interrupted before that was noticed: it is given back what it gave.
                if not (ours and means_cancelled(whom.result())):
                    deferred.addBoth(_in_place_of, whom.result())
                raise interruption
            if not isinstance(interruption, asyncio.CancelledError):
                _tell_instead(deferred, whom, None)
                raise interruption
            future = loop.create_future()
            if not _tell_instead(deferred, whom, future):
                # Fired meanwhile: the result has stayed there.
                if ours and means_cancelled(deferred.result):
                    deferred._mark_handled()
                raise interruption
            ours = True
            _cancel(deferred, future)
            if not future.done():
                whom = future
                future._asyncio_future_blocking = True
                try:
                    yield future
                except BaseException as again:
                    interruption = again
                    continue
            if future.cancelled() or means_cancelled(future.result()):
                raise interruption
            return future.result()
    finally:
        del interruption  # its traceback has this frame in it


def _wake_step(future: asyncio.Future[Any]) -> Step:
    """The step that gives the result to the task of this thread which waits on ``future``."""
    whom = (future, get_ident())
    return (wake, whom, NO_KEYWORDS, wake, whom, NO_KEYWORDS)


def _tell_instead(deferred: Deferred[Any], whom: Any, future: asyncio.Future[Any] | None) -> bool:
    """Tell ``future``, or nobody, in the place where ``whom`` was to be told; False if it is past that."""
    if deferred._waiter is not None and deferred._waiter[0] is whom:
        deferred._waiter = None if future is None else (future, get_ident())
        return True
    for index, (_, args, *_rest) in enumerate(deferred._steps):
        if args and args[0] is whom:
            deferred._steps[index] = _PASS if future is None else _wake_step(future)
            return True
    return False


def _cancel(deferred: Deferred[Any], future: asyncio.Future[Any]) -> None:
    """Cancel the Deferred that ``future`` waits for; cancel that, too, if nothing is to be expected."""
    try:
        deferred.cancel()
    except Exception:
        # The task must not be kept waiting for it, and nobody else would hear of this.
        log_failure("The canceller of an awaited Deferred raised", Failure())
        future.cancel()
    # At the end of its chain may be one that has fired and is paused by hand. Cancelling does not move it,
    # and a task is not to be held by it.
    if not future.done() and deferred._end_of_chain().called:
        future.cancel()


def _in_place_of(_: Any, outcome: Any) -> Any:
    return outcome
