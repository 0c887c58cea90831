"""Deferreds from values and calls, and one Deferred from several.

Also the small ready-made callbacks. All of it is on top of :mod:`~twisted_compat.defer.deferred` and uses
its public side only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from inspect import iscoroutine
from typing import Any, ParamSpec, TypeVar, overload

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.errors import FailureGroup, FirstError, TimeoutError
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

__all__ = [
    "FAILURE",
    "SUCCESS",
    "DeferredList",
    "ensureDeferred",
    "execute",
    "fail",
    "gatherResults",
    "logError",
    "maybeDeferred",
    "passthru",
    "race",
    "succeed",
    "timeout",
]

T = TypeVar("T")
P = ParamSpec("P")

SUCCESS = True
"""The first of a pair in a :class:`DeferredList`'s result when that Deferred succeeded."""
FAILURE = False
"""The first of a pair in a :class:`DeferredList`'s result when that Deferred failed."""


def succeed(result: T) -> Deferred[T]:
    """A Deferred that has been fired with ``result``."""
    deferred: Deferred[T] = Deferred()
    if deferred.debug or isinstance(result, Failure):
        deferred.callback(result)
    else:  # what that comes to, at a third of the price
        deferred.called = True
        deferred.result = result
    return deferred


def fail(result: Failure | BaseException | None = None) -> Deferred[Any]:
    """A Deferred that has failed.

    :param result: a Failure, an exception, or None for the exception being handled now.
    :raises twisted_compat.failure.NoCurrentExceptionError: for None where no exception is being handled.
    """
    deferred: Deferred[Any] = Deferred()
    deferred.errback(result)
    return deferred


def ensureDeferred(
    coro: Deferred[T] | Coroutine[Any, Any, T] | Generator[Any, Any, T],
) -> Deferred[T]:
    """A Deferred for the result of a coroutine, which runs from now on; a Deferred is returned as it is.

    The coroutine runs on the stack of whoever brings what it awaits: Deferreds, and where an asyncio loop
    runs anything that an asyncio task may await. It is a task of that loop then: :func:`asyncio.current_task`
    returns one.

    :param coro: a coroutine, or a generator that waits with ``yield`` or ``yield from``.
    :returns: cancelling it cancels what the coroutine waits for. A coroutine that ends with
        :exc:`asyncio.CancelledError` fails it with our :exc:`CancelledError`.
    :raises NotACoroutineError: for anything else.
    """
    return coro if isinstance(coro, Deferred) else Deferred.fromCoroutine(coro)


def execute(callable: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Call, and return a Deferred that has been fired with what was returned, or has failed with what was
    raised.
    """
    try:
        result = callable(*args, **kwargs)
    except BaseException:
        return fail()
    return succeed(result)


@overload
def maybeDeferred(f: Callable[P, Deferred[T]], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...


@overload
def maybeDeferred(
    f: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> Deferred[T]: ...


@overload
def maybeDeferred(f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...


def maybeDeferred(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """Call something that may or may not return a Deferred, and return a Deferred in any case.

    :returns: the Deferred that was returned, or that of a coroutine that was; or one that has failed, if an
        exception was raised or a Failure returned; or one that has been fired with what was returned.
    """
    try:
        result = f(*args, **kwargs)
    except BaseException:
        return fail()
    if isinstance(result, Deferred):
        return result
    if isinstance(result, Failure):
        return fail(result)
    if iscoroutine(result):
        return Deferred.fromCoroutine(result)
    return succeed(result)


class DeferredList(Deferred[Any]):
    """The results of several Deferreds, when all of them have come.

    It is fired with a list of ``(success, result_or_failure)`` pairs in the order of the Deferreds; with
    the flags below, earlier. It listens by a callback on each, so what was added to one before is seen by
    it, and what is added after sees what it leaves.

    :ivar resultList: the pairs that have come so far; None where none has.
    :ivar finishedCount: how many have.
    """

    fireOnOneCallback = False
    fireOnOneErrback = False
    consumeErrors = False

    def __init__(
        self,
        deferredList: Iterable[Deferred[Any]],
        fireOnOneCallback: bool = False,
        fireOnOneErrback: bool = False,
        consumeErrors: bool = False,
    ) -> None:
        """
        :param deferredList: what to wait for. If it is empty, the result is ``[]`` at once, except with
            ``fireOnOneCallback``.
        :param fireOnOneCallback: the first success fires this, with ``(result, index)``.
        :param fireOnOneErrback: the first failure makes this fail, with :exc:`FirstError`.
        :param consumeErrors: failures go no further in the Deferreds themselves, which go on with None.
        """
        super().__init__()
        self._deferreds = list(deferredList)
        self.resultList: list[tuple[bool, Any] | None] = [None] * len(self._deferreds)
        self.finishedCount = 0
        self.fireOnOneCallback = fireOnOneCallback
        self.fireOnOneErrback = fireOnOneErrback
        self.consumeErrors = consumeErrors
        if not self._deferreds and not fireOnOneCallback:
            self.callback(self.resultList)
        for index, deferred in enumerate(self._deferreds):
            deferred.addCallbacks(
                self._finished, self._finished, callbackArgs=(index, SUCCESS), errbackArgs=(index, FAILURE)
            )

    def _finished(self, result: Any, index: int, succeeded: bool) -> Any:
        self.resultList[index] = (succeeded, result)
        self.finishedCount += 1
        if not self.called:
            if succeeded and self.fireOnOneCallback:
                self.callback((result, index))
            elif not succeeded and self.fireOnOneErrback:
                self.errback(Failure(FirstError(result, index)))
            elif self.finishedCount == len(self.resultList):
                self.callback(self.resultList)
        return None if self.consumeErrors and not succeeded else result

    def cancel(self) -> None:
        """Cancel every Deferred in the list. What a canceller raises is logged.

        If this has been fired, they are left alone; what its callbacks wait for is cancelled, as by
        :meth:`Deferred.cancel`.
        """
        if self.called:
            super().cancel()
        else:
            _cancel_each(self._deferreds, "DeferredList")


def _cancel_each(deferreds: Iterable[Deferred[Any]], whose: str) -> None:
    """Cancel them all, whatever a canceller raises: that is logged, as no one of them is the caller's."""
    for deferred in deferreds:
        try:
            deferred.cancel()
        except BaseException:
            log_failure(f"A canceller raised while its {whose} was being cancelled", Failure())


def gatherResults(deferredList: Iterable[Deferred[T]], consumeErrors: bool = False) -> Deferred[list[T]]:
    """The results of several Deferreds as a list, when all have succeeded; a failure with :exc:`FirstError`
    when one has not.

    :param consumeErrors: failures go no further in the Deferreds themselves, which go on with None.
    """
    both = DeferredList(deferredList, fireOnOneErrback=True, consumeErrors=consumeErrors)
    return both.addCallback(_without_flags)


def _without_flags(pairs: list[tuple[bool, T]]) -> list[T]:
    return [result for _, result in pairs]


def race(ds: Sequence[Deferred[T]]) -> Deferred[tuple[int, T]]:
    """The first success among several Deferreds; the others are cancelled.

    :param ds: at least one Deferred; all their results are taken. With none, the result never comes.
    :returns: fired with ``(index, result)``, or failed with :exc:`FailureGroup` if every one fails.
        Cancelling it cancels all. What a canceller raises is logged.
    """
    racers = list(ds)
    failures: dict[int, Failure] = {}
    won = False
    first: Deferred[tuple[int, T]] = Deferred(lambda _: _cancel_each(racers, "race"))

    def succeeded(result: T, index: int) -> None:
        nonlocal won
        if won or first.called:
            return  # one that comes to a result all the same, though it was cancelled
        won = True
        _cancel_each((loser for loser in racers if loser is not racers[index]), "race")
        first.callback((index, result))

    def failed(failure: Failure, index: int) -> None:
        failures[index] = failure
        if len(failures) == len(racers) and not first.called:  # cancelled, and they took their time
            first.errback(FailureGroup([failures[position] for position in sorted(failures)]))

    for index, deferred in enumerate(racers):
        deferred.addCallbacks(succeeded, failed, callbackArgs=(index,), errbackArgs=(index,))
    return first


def passthru(arg: T) -> T:
    """A callback or errback that lets the result pass."""
    return arg


def logError(err: Failure) -> Failure:
    """An errback that logs the failure, with its traceback, and lets it pass."""
    log_failure("A Deferred failed", err)
    return err


def timeout(deferred: Deferred[Any]) -> None:
    """Fail ``deferred`` with :exc:`TimeoutError`. Deprecated since Twisted 17.1: use
    :meth:`Deferred.addTimeout`.
    """
    warnings.warn(
        "defer.timeout is deprecated; write deferred.addTimeout(...)", DeprecationWarning, stacklevel=2
    )
    deferred.errback(Failure(TimeoutError("Callback timed out")))
