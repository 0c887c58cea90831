"""The Deferred: a result that isn't there yet, and the chain of callbacks it will run through.

Everything else of :mod:`twisted_compat.defer` is made of it. Its states, and how it runs, are in ``chain``;
the errors in ``errors``; how an asyncio task awaits one in ``waiter``; combining several is ``gathering``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from twisted_compat.defer.chain import DRIVE, NO_KEYWORDS, STILL_WAITING, SWALLOW_NEXT, Chain, PassOn
from twisted_compat.defer.errors import CancelledError, TimeoutError
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    import asyncio

__all__ = ["Deferred", "getDebugging", "setDebugging"]

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class Deferred(Chain, Generic[T]):
    """A result to come, with callbacks to run when it does.

    Callbacks and errbacks form one chain. Each is called with the result of the one before; one that
    raises, or returns a :class:`~twisted_compat.failure.Failure`, sends the chain to the next errback, any
    other return to the next callback. One that returns a Deferred makes the chain wait for that, without
    recursion however long the row of Deferreds is. Callbacks run in the context and on the stack of whoever
    fires, or of whoever adds them to a Deferred that has fired.

    A failure not handled when the Deferred is garbage collected is logged once, with its traceback.

    :ivar called: whether it has been fired.
    :ivar paused: how many calls of :meth:`pause`, and waits for another Deferred, are open.
    :ivar result: the present result, once fired.
    :cvar debug: see :func:`setDebugging`.
    """

    __slots__ = ()

    result: Any
    _chained_to: Deferred[Any]  # set by chainDeferred alone, for the repr

    # Adding to the chain. Each appends its step itself: a shared method would cost a call in the hottest
    # path there is.

    @overload
    def addCallbacks(
        self,
        callback: Callable[..., Deferred[R]],
        errback: Callable[..., Deferred[R]] | None = None,
        callbackArgs: tuple[Any, ...] | None = (),
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] | None = (),
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[R]: ...

    @overload
    def addCallbacks(
        self,
        callback: Callable[..., R],
        errback: Callable[..., R] | None = None,
        callbackArgs: tuple[Any, ...] | None = (),
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] | None = (),
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[R]: ...

    def addCallbacks(
        self,
        callback: Any,
        errback: Any = None,
        callbackArgs: Any = (),
        callbackKeywords: Any = None,
        errbackArgs: Any = (),
        errbackKeywords: Any = None,
    ) -> Any:
        """Add a callback and an errback as one step: exactly one of the two is called.

        :param callback: called as ``callback(result, *callbackArgs, **callbackKeywords)``.
        :param errback: called as ``errback(failure, *errbackArgs, **errbackKeywords)``; None lets failures
            pass.
        :returns: this Deferred.
        """
        self._steps.append(
            (
                callback,
                callbackArgs or (),
                callbackKeywords or NO_KEYWORDS,
                errback,
                errbackArgs or (),
                errbackKeywords or NO_KEYWORDS,
            )
        )
        if self.called:
            self._run()
        return self

    @overload
    def addCallback(
        self, callback: Callable[Concatenate[T, P], Deferred[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[R]: ...

    @overload
    def addCallback(
        self, callback: Callable[Concatenate[T, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[R]: ...

    def addCallback(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        """Add ``callback(result, *args, **kwargs)`` for success; failures pass. Returns this Deferred."""
        self._steps.append((callback, args, kwargs, None, (), NO_KEYWORDS))
        if self.called:
            self._run()
        return self

    @overload
    def addErrback(
        self, errback: Callable[Concatenate[Failure, P], Deferred[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T | R]: ...

    @overload
    def addErrback(
        self, errback: Callable[Concatenate[Failure, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T | R]: ...

    def addErrback(self, errback: Any, *args: Any, **kwargs: Any) -> Any:
        """Add ``errback(failure, *args, **kwargs)`` for failure; other results pass. Returns this
        Deferred.
        """
        self._steps.append((None, (), NO_KEYWORDS, errback, args, kwargs))
        if self.called:
            self._run()
        return self

    @overload
    def addBoth(
        self, callback: Callable[Concatenate[Any, P], Deferred[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[R]: ...

    @overload
    def addBoth(
        self, callback: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[R]: ...

    def addBoth(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        """Add ``callback(result_or_failure, *args, **kwargs)`` for success and failure alike. Returns this
        Deferred.
        """
        self._steps.append((callback, args, kwargs, callback, args, kwargs))
        if self.called:
            self._run()
        return self

    def chainDeferred(self, d: Deferred[Any]) -> Deferred[None]:
        """Fire ``d`` with whatever this Deferred's chain has come to here; this chain goes on with None.
        Returns this Deferred.
        """
        d._chained_to = self
        if _fires_plainly(d):
            fire = (_Fire(d),)  # no call within a call, so that a long row needs no stack
            self._steps.append((DRIVE, fire, None, DRIVE, fire, None))
            if self.called:
                self._run()
        else:
            self.addCallbacks(d.callback, d.errback)
        chained: Deferred[Any] = self  # with another type of result from here on
        return chained

    def addTimeout(
        self,
        timeout: float,
        clock: Any,
        onTimeoutCancel: Callable[[Any, float], Any] | None = None,
    ) -> Deferred[Any]:
        """Cancel this Deferred if the chain so far has no result in time.

        :param timeout: seconds.
        :param clock: the :class:`~twisted_compat.interfaces.IReactorTime` to measure them with.
        :param onTimeoutCancel: called as ``onTimeoutCancel(result_or_failure, timeout)`` with what the
            cancelled Deferred came to; what it returns or raises is the outcome. By default a
            :exc:`CancelledError` becomes a :exc:`TimeoutError`.
        :returns: this Deferred.
        """
        timed_out = False

        def time_is_up() -> None:
            nonlocal timed_out
            timed_out = True
            self.cancel()

        delayed_call = clock.callLater(timeout, time_is_up)

        def settle(result: Any) -> Any:
            if delayed_call.active():
                delayed_call.cancel()
            if timed_out and onTimeoutCancel is not None:
                return onTimeoutCancel(result, timeout)
            if timed_out and isinstance(result, Failure):
                result.trap(CancelledError)
                raise TimeoutError(timeout, "Deferred")
            return result

        return self.addBoth(settle)

    def cancel(self) -> None:
        """Stop waiting for the result.

        Not fired yet: the canceller is called, and if that doesn't fire the Deferred (or there is none) it
        fails with :exc:`CancelledError`. Without a canceller the late result of the operation, one call of
        :meth:`callback` or :meth:`errback`, is then ignored. Fired but waiting for another Deferred: that
        one is cancelled. Otherwise: nothing.
        """
        following: Deferred[Any] | None = self._cancel_or_pass_on()
        seen = {id(self)}
        while following is not None and id(following) not in seen:  # functions may wait for each other
            if _cancels_plainly(following):
                seen.add(id(following))
                following = following._cancel_or_pass_on()
            else:
                following.cancel()
                return

    def _cancel_or_pass_on(self) -> Deferred[Any] | None:
        """Cancel this Deferred; returns the one to be cancelled in its place, if there is one."""
        target = self._end_of_chain(stop_at_overridden_cancel=True)
        if target is not self:
            return None if target.called and _cancels_plainly(target) else target
        if self.called:
            return None
        canceller = self._canceller
        if canceller is not None:
            told = canceller(self)
            if told is STILL_WAITING:
                return None
            if isinstance(told, PassOn):
                passed_on_to: Deferred[Any] = told.deferred
                return passed_on_to
        if not self.called:
            if self.debug:
                self._note_firing()
            self._fail(Failure(CancelledError()), SWALLOW_NEXT if canceller is None else None)
        return None

    def _end_of_chain(self, stop_at_overridden_cancel: bool = False) -> Deferred[Any]:
        """The one that all of a row of chained Deferreds wait for: the first that isn't chained itself.

        Found without recursion. In a row that leads back into itself it is any of those that do.
        """
        end, seen = self, set()
        while end.called and isinstance(end.result, Deferred) and id(end) not in seen:
            seen.add(id(end))
            end = end.result
            if stop_at_overridden_cancel and not _cancels_plainly(end):
                break
        return end

    # Looking, and awaiting.

    def __repr__(self) -> str:
        waited_for = self.result if self.called else getattr(self, "_chained_to", None)
        if isinstance(waited_for, Deferred):
            state = f" waiting on Deferred at 0x{id(waited_for):x}"
        elif self.called:
            state = f" current result: {self.result!r}"
        else:
            state = ""
        return f"<{type(self).__name__} at 0x{id(self):x}{state}>"

    __str__ = __repr__

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the result, in an asyncio task on any loop or in a driver that is given Deferreds.

        * Fired already: the result is returned, or the exception raised, at once and without suspending,
          and stays readable.
        * Otherwise this takes its place in the chain as a callback does, and takes the result: callbacks
          added later, and a later ``await``, get None. So a second ``await`` of one Deferred gives the
          result again if it had fired before the first, None if the first had to wait. To share a result,
          add a callback that passes it on.
        * A failure raises its original exception, and counts as handled.
        * Cancelling the task cancels the Deferred. Where it fails with our :exc:`CancelledError` because of
          that, the task sees :exc:`asyncio.CancelledError`; any other outcome is given to the task as it
          is. Where it fails with our :exc:`CancelledError` for another reason, that is what the task sees.
        """
        # Only the first await of the process comes here: what needs asyncio is loaded then, and takes this
        # method's place, to be reached without a call in between. (mypy wants methods to stay.)
        from twisted_compat.defer.waiter import wait_for_result

        Deferred.__await__ = Deferred.__iter__ = wait_for_result  # type: ignore[method-assign, assignment]
        return wait_for_result(self)

    def __iter__(self) -> Generator[Any, Any, T]:
        return self.__await__()

    # From and to coroutines and asyncio's futures. The modules that do it are built on this one.

    @classmethod
    def fromCoroutine(cls, coro: Coroutine[Any, Any, R] | Generator[Any, Any, R]) -> Deferred[R]:
        """Run a coroutine, from now on until it first has to wait, and later on as what it waits for comes.

        See :func:`twisted_compat.defer.ensureDeferred`.

        :returns: fired with what the coroutine returns, or failed with what it raises. Cancelling it cancels
            what the coroutine waits for.
        :raises NotACoroutineError: for anything else.
        """
        return _run_coroutine(coro)

    @classmethod
    def fromFuture(cls, future: asyncio.Future[R]) -> Deferred[R]:
        """The result of an asyncio future or task as a Deferred.

        :returns: cancelling it cancels the future. If that is cancelled, it fails with
            :exc:`asyncio.CancelledError` (:func:`twisted_compat.as_deferred` gives ours instead).
        """
        from twisted_compat.defer.futures import from_future

        return from_future(future)

    def asFuture(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[T]:
        """The result as a future of ``loop``; the chain goes on with None.

        Cancelling the future cancels this Deferred, on the loop's next turn, and what that then comes to is
        dropped (:func:`twisted_compat.as_future` waits for it).
        """
        from twisted_compat.defer.futures import as_plain_future

        return as_plain_future(self, loop)


class _Fire:
    """The step of :meth:`Deferred.chainDeferred`: it leaves running the other Deferred to the loop that runs
    the chain it is in.
    """

    __slots__ = ("_deferred",)

    def __init__(self, deferred: Deferred[Any]) -> None:
        self._deferred = deferred

    def resume(self, waited_for: Chain, result: Any) -> tuple[Any, Chain | None]:
        """Fire with ``result``: what that leaves to ``waited_for``, and the Deferred to run now."""
        return None, self._deferred._take(result)


def _fires_plainly(deferred: Any) -> bool:
    """Whether its ``callback`` and ``errback`` are ours, and not those of a subclass or another library."""
    return (
        getattr(deferred.callback, "__func__", None) is Chain.callback
        and getattr(deferred.errback, "__func__", None) is Chain.errback
    )


def _cancels_plainly(deferred: Deferred[Any]) -> bool:
    """Whether its ``cancel`` is ours, and neither that of a subclass nor one that was put on the object."""
    return type(deferred).cancel is Deferred.cancel and "cancel" not in deferred.__dict__


def _load_run_coroutine(coro: Any) -> Deferred[Any]:
    """What runs the first coroutine of the process: it loads what runs all others."""
    global _run_coroutine
    from twisted_compat.defer.coroutine import run_coroutine

    _run_coroutine = run_coroutine
    return run_coroutine(coro)


_run_coroutine: Callable[[Any], Deferred[Any]] = _load_run_coroutine


def setDebugging(on: bool) -> None:
    """Have Deferreds remember where they are made and fired, for :exc:`AlreadyCalledError` and the log."""
    Deferred.debug = bool(on)


def getDebugging() -> bool:
    """Whether :func:`setDebugging` is on."""
    return Deferred.debug
