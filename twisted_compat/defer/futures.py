"""Deferreds from asyncio's futures and other awaitables, and a future from a Deferred.

The ground for :meth:`Deferred.fromFuture`, :meth:`Deferred.asFuture`, for what ``inlineCallbacks`` may yield,
and for :mod:`twisted_compat.bridge.awaitables`. Loaded when first needed, as it needs asyncio.

Being cancelled is said with two words, asyncio's :exc:`asyncio.CancelledError` and our
:exc:`~twisted_compat.defer.CancelledError`. What enters a Deferred is put in ours by :func:`in_our_words`.
"""

from __future__ import annotations

import asyncio
from _thread import get_ident
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeVar

from twisted_compat.defer.chain import STILL_WAITING
from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.errors import CancelledError, FailureGroup, FirstError
from twisted_compat.defer.misuse import wrong_thread
from twisted_compat.failure import DefaultException, Failure

__all__ = [
    "as_plain_future",
    "deferred_from",
    "from_future",
    "in_our_words",
    "is_reachable",
    "means_cancelled",
    "refuse_thread",
    "settle_future",
    "when_done",
]

T = TypeVar("T")

# Twisted's errors are known by their names, as nothing here imports Twisted.
_TWISTED = "twisted.internet.defer"

# By name: neither error is imported here just to be compared with.
_CANCELLED = (
    f"{_TWISTED}.CancelledError",
    "twisted_compat.error.ConnectingCancelledError",
    "twisted.internet.error.ConnectingCancelledError",
)


def means_cancelled(result: Any) -> bool:
    """Whether ``result`` is a failure with our CancelledError, or with what an endpoint makes of being
    cancelled, be it as the first error of a list, or as that of all who were in a race. So it is with
    Twisted's, which come with Twisted's Deferreds.
    """
    return isinstance(result, Failure) and _is_cancellation(result)


def _is_cancellation(failure: Any) -> bool:
    while failure.check(FirstError, f"{_TWISTED}.FirstError"):
        failure = failure.value.subFailure  # a Failure of ours or of Twisted's
    if failure.check(FailureGroup, f"{_TWISTED}.FailureGroup"):
        return all(map(_is_cancellation, failure.value.failures))
    return failure.check(CancelledError, *_CANCELLED) is not None


def in_our_words(failure: Failure) -> Failure:
    """The same failure, but our CancelledError in place of asyncio's, which becomes its cause."""
    error = failure.value
    if not isinstance(error, asyncio.CancelledError):
        return failure
    return _cancelled_because_of(failure)


def _cancelled_because_of(failure: Any) -> Failure:
    """A failure with our CancelledError, for one with another library's."""
    ours = CancelledError(*failure.value.args)
    ours.__cause__ = failure.value
    return Failure(ours, exc_tb=failure.getTracebackObject())


def _standing_for(source: Any) -> Deferred[Any]:
    """A Deferred to be fired with what ``source`` comes to. Cancelled, it cancels that and goes on waiting: a
    task, say, may take its time over it, or refuse.
    """

    def cancel(_: Deferred[Any]) -> Any:
        source.cancel()
        return STILL_WAITING

    return Deferred(cancel)


def deferred_from(awaitable: Any) -> Deferred[Any]:
    """A Deferred of anything that ``await`` takes; see :func:`twisted_compat.as_deferred`.

    :raises TypeError: if ``await`` doesn't take it.
    """
    if isinstance(awaitable, Deferred):
        return awaitable
    if asyncio.isfuture(awaitable):
        return _from_future(awaitable, in_our_words)
    if hasattr(awaitable, "addCallbacks"):
        return _from_foreign(awaitable)
    from twisted_compat.defer.coroutine import CoroutineDriver  # built on this module

    if isinstance(awaitable, Coroutine):  # asyncio.iscoroutine takes any generator before Python 3.12
        return CoroutineDriver(awaitable).start()
    if isawaitable(awaitable):
        return CoroutineDriver(_awaiting(awaitable)).start()
    raise TypeError(
        f"{awaitable!r} can't be awaited, so no Deferred can be made of it. "
        "Write as_deferred(coroutine()), as_deferred(future), or defer.succeed(value) for a plain value."
    )


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def from_future(future: asyncio.Future[T]) -> Deferred[T]:
    """See :meth:`twisted_compat.defer.Deferred.fromFuture`."""
    return _from_future(future, None)


def _from_future(
    future: asyncio.Future[Any], translate: Callable[[Failure], Failure] | None
) -> Deferred[Any]:
    """A Deferred of a future; a failure of it goes through ``translate``."""
    deferred = _standing_for(future)

    def settle(done: asyncio.Future[Any]) -> None:
        result: Any
        try:
            result = done.result()
        except BaseException:
            result = Failure()
            if translate is not None:
                result = translate(result)
        deferred.callback(result)

    if future.done():
        settle(future)
    else:
        future.add_done_callback(settle)
    return deferred


def when_done(future: asyncio.Future[Any]) -> Deferred[None]:
    """A Deferred for a generator that was given ``future`` by an ``await`` or ``yield from``, which will
    itself ask what came of it: fired with None, or failed with :exc:`asyncio.CancelledError`.
    """
    future._asyncio_future_blocking = False
    deferred = _standing_for(future)

    def settle(done: asyncio.Future[Any]) -> None:
        deferred.callback(Failure(asyncio.CancelledError()) if done.cancelled() else None)

    future.add_done_callback(settle)
    return deferred


def _from_foreign(foreign: Any) -> Deferred[Any]:
    """A Deferred of ours from another library's, which is Twisted's. It takes the result of that."""
    ours = _standing_for(foreign)
    foreign.addCallbacks(ours.callback, lambda failure: ours.errback(_as_our_failure(failure)))
    return ours


def _as_our_failure(foreign: Any) -> Failure:
    """Another library's Failure as one of ours, its CancelledError as ours."""
    if foreign.check(f"{_TWISTED}.CancelledError"):
        return _cancelled_because_of(foreign)
    return Failure(foreign.value, foreign.type, foreign.getTracebackObject())


def as_plain_future(deferred: Deferred[T], loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
    """See :meth:`twisted_compat.defer.Deferred.asFuture`."""
    future: asyncio.Future[T] = loop.create_future()
    thread = get_ident()

    def settle(result: Any) -> Any:
        if not is_reachable(future, thread):
            return result
        if not future.done():
            settle_future(future, result)
        return None

    def cancel_with(done: asyncio.Future[T]) -> None:
        if done.cancelled():
            deferred.cancel()

    deferred.addBoth(settle)
    future.add_done_callback(cancel_with)
    return future


def settle_future(future: asyncio.Future[Any], result: Any) -> None:
    """Give a future that is not done the result of a Deferred.

    Being cancelled, in asyncio's words, cancels it. StopIteration, which no future can carry, becomes the
    cause of a :exc:`RuntimeError`, as where a generator raises it.
    """
    if not isinstance(result, Failure):
        future.set_result(result)
        return
    error: Any = result.value
    if isinstance(error, asyncio.CancelledError):
        asyncio.Future.cancel(future, *error.args[:1])
        return
    if isinstance(error, StopIteration):
        stopped = error
        error = RuntimeError(f"The Deferred failed with {stopped!r}, which a future cannot carry.")
        error.__cause__ = stopped
    elif not isinstance(error, BaseException):
        error = DefaultException(error)
    future.set_exception(error.with_traceback(result.getTracebackObject()))


def is_reachable(future: asyncio.Future[Any], thread: int) -> bool:
    """Whether a future of that thread can be settled here and now. In another thread it is told so."""
    if future.get_loop().is_closed():
        return False
    if thread != get_ident():
        refuse_thread(future)
        return False
    return True


def refuse_thread(future: asyncio.Future[Any]) -> None:
    """Fail the future, in the thread of its loop, as what was to settle it came in another."""

    def refuse() -> None:
        if not future.done():
            future.set_exception(wrong_thread())

    with suppress(RuntimeError):  # the loop is closed: nobody waits
        future.get_loop().call_soon_threadsafe(refuse)
