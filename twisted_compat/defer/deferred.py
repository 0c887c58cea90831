"""The Deferred: a result that isn't there yet, and the chain of callbacks it will run through.

Everything else of :mod:`twisted_compat.defer` is made of it. The errors are in ``errors``, unhandled
failures and debug mode in ``record``, what an awaiting asyncio task sees in ``waiter``; combining several
is ``gathering``.

The states of a Deferred:

* *waiting*: ``called`` is False and ``result`` is not set;
* *fired*: ``called`` is True and ``result`` is the value, or Failure, that the next callback will get;
* *chained*: fired, ``result`` is another Deferred whose result it waits for, and ``paused`` counts that wait;
* *paused*: fired, ``paused`` > 0 by calls of :meth:`Deferred.pause`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from operator import length_hint
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from twisted_compat.defer.errors import CancelledError, TimeoutError
from twisted_compat.defer.misuse import already_called, warn_of_waiting_for_itself
from twisted_compat.defer.record import Record
from twisted_compat.defer.wake import wake
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    import asyncio

__all__ = ["Deferred", "getDebugging", "setDebugging"]

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

# One step of a chain: on success call the first with the second and third as more arguments, on failure the
# fourth with the rest. None in a callback's place lets the result pass. None in place of the keywords marks
# the steps that are not calls, but told apart by what stands first:
#   HAND_OVER (deferred,)        give the result to that Deferred, which waits for us
#   DRIVE     (driver,)          resume a generator or coroutine with it
Step = tuple[Any, Any, Any, Any, Any, Any]
HAND_OVER: Any = object()
DRIVE: Any = object()
NO_KEYWORDS: dict[str, Any] = {}  # shared by every step without keywords; nothing writes to it

# In a canceller's place: Deferred.cancel found none, so the result that still comes is to be ignored, once.
_SWALLOW_NEXT: Any = object()

# What a canceller of ours returns: the work has been told, and it decides, perhaps later, what comes of it.
STILL_WAITING: Any = object()


class Deferred(Generic[T]):
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

    # __dict__ is there (made only when used) because legacy code hangs attributes of its own on any Deferred.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_canceller",
        "_chained_to",
        "_record",
        "_running",
        "_steps",
        "_waiter",
        "called",
        "paused",
        "result",
    )

    debug = False

    called: bool
    paused: int
    result: Any
    _chained_to: Deferred[Any]  # set by chainDeferred alone, for the repr

    def __init__(self, canceller: Callable[[Deferred[Any]], object] | None = None) -> None:
        """
        :param canceller: called with this Deferred by :meth:`cancel`, to stop the work under way. It may
            fire the Deferred itself; if it doesn't, the Deferred fails with :exc:`CancelledError`.
        """
        self.called = False
        self.paused = 0
        self._steps: list[Step] = []
        # The future that an asyncio task waits on for us, and its thread: comes before all steps.
        self._waiter: tuple[asyncio.Future[Any], int] | None = None
        self._canceller = canceller
        self._running = False
        self._record: Record | None = None
        if self.debug:
            self._record = Record()
            self._record.note_creation(skip=1)

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
        return self.addCallbacks(d.callback, d.errback)

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

    # Firing.

    def callback(self, result: Any) -> None:
        """Fire with a result.

        :param result: what the first callback gets; a :class:`~twisted_compat.failure.Failure` goes to the
            first errback instead.
        :raises AlreadyCalledError: if it has been fired before (except once after a :meth:`cancel` that had
            no canceller to call).
        """
        if self.called or self.debug:
            if self._is_swallowed():
                return
            self._note_firing()
        self.called = True
        self._canceller = None  # it can't be needed any more, and often refers back to us
        if self._waiter is not None and not self.paused:
            waiter, self._waiter = self._waiter, None
            result = wake(result, waiter[0], waiter[1])
        self.result = result
        if self._steps:
            fired = self._run_steps()  # what _run does, with a call less: this is the hottest line there is
            if fired is not None:
                self._run_on(fired)
        elif isinstance(result, Failure):
            self._note_failure(result)

    def errback(self, fail: Failure | BaseException | None = None) -> None:
        """Fire with a failure.

        :param fail: a Failure, an exception to make one of, or None for the exception being handled now.
        :raises AlreadyCalledError: as :meth:`callback`.
        :raises twisted_compat.failure.NoCurrentExceptionError: for None where no exception is being handled.
        """
        failure = fail if isinstance(fail, Failure) else Failure(fail, captureVars=self.debug)
        if self.called or self.debug:
            if self._is_swallowed():
                return
            self._note_firing()
        self._fail(failure, None)

    def _fail(self, failure: Failure, canceller: Any) -> None:
        self.called = True
        self._canceller = canceller
        self.result = failure
        if self._steps or self._waiter is not None:
            self._run()
        else:
            self._note_failure(failure)

    def _is_swallowed(self) -> bool:
        """Whether this firing is the one a cancelled operation may still make; raises if none may be."""
        if not self.called:
            return False
        if self._canceller is _SWALLOW_NEXT:
            self._canceller = None
            return True
        raise already_called(self._record)

    def _note_firing(self) -> None:
        if self._record is None:
            self._record = Record()
        self._record.note_firing(skip=2)

    def cancel(self) -> None:
        """Stop waiting for the result.

        Not fired yet: the canceller is called, and if that doesn't fire the Deferred (or there is none) it
        fails with :exc:`CancelledError`. Without a canceller the late result of the operation, one call of
        :meth:`callback` or :meth:`errback`, is then ignored. Fired but waiting for another Deferred: that
        one is cancelled. Otherwise: nothing.
        """
        target = self._end_of_chain(stop_at_overridden_cancel=True)
        if target is not self:
            if not target.called or type(target).cancel is not Deferred.cancel:
                target.cancel()
            return
        if self.called:
            return
        canceller = self._canceller
        if canceller is not None and canceller(self) is STILL_WAITING:
            return
        if not self.called:
            if self.debug:
                self._note_firing()
            self._fail(Failure(CancelledError()), _SWALLOW_NEXT if canceller is None else None)

    def _end_of_chain(self, stop_at_overridden_cancel: bool = False) -> Deferred[Any]:
        """The one that all of a row of chained Deferreds wait for: the first that isn't chained itself.

        Found without recursion. In a row that leads back into itself it is any of those that do.
        """
        end, seen = self, set()
        while end.called and isinstance(end.result, Deferred) and id(end) not in seen:
            seen.add(id(end))
            end = end.result
            if stop_at_overridden_cancel and type(end).cancel is not Deferred.cancel:
                break
        return end

    def pause(self) -> None:
        """Run no callbacks until :meth:`unpause` has been called as often as this."""
        self.paused += 1

    def unpause(self) -> None:
        """Undo one :meth:`pause`; after the last, run what has been held back."""
        self.paused -= 1
        if not self.paused and self.called:
            self._run()

    # Running.

    def _run(self) -> None:
        fired = self._run_steps()
        if fired is not None:
            self._run_on(fired)

    def _run_on(self, fired: Deferred[Any]) -> None:
        """Having run our steps up to one that fired another Deferred, run that one's, and so on.

        It is a loop, and not a recursion, however long the row is. A Deferred left with steps of its own is
        returned to when the others have come to rest, also when one is paused (where Twisted leaves those
        steps undone).
        """
        left: list[Deferred[Any]] = []
        current: Deferred[Any] = self
        following: Deferred[Any] | None = fired
        while True:
            if following is not None:
                if current._steps:
                    left.append(current)
                current = following
            elif left:
                current = left.pop()
            else:
                return
            following = current._run_steps()

    def _run_steps(self) -> Deferred[Any] | None:
        """Run steps until none is left, or we must wait (None), or another Deferred has been given a result
        by one of them and is to be run now (that is returned).
        """
        if self._running or self.paused:
            return None
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self.result = wake(self.result, waiter[0], waiter[1])
        steps = self._steps
        result = self.result
        failed = isinstance(result, Failure)
        fired: Deferred[Any] | None = None
        self._running = True
        # Steps that callbacks add meanwhile are found by the same iteration.
        remaining = iter(steps)
        for function, args, kwargs, errback, errback_args, errback_kwargs in remaining:
            if failed:
                function, args, kwargs = errback, errback_args, errback_kwargs
            if function is None:
                continue
            try:
                if kwargs:
                    result = function(result, *args, **kwargs)
                elif not args:
                    result = function(result)
                elif kwargs is not None:
                    result = function(result, *args)
                elif function is HAND_OVER:
                    fired = args[0]
                    fired.result = result
                    fired.paused -= 1
                    result = None
                else:
                    result, fired = args[0].resume(self, result)
                if isinstance(result, Deferred):
                    result = self._result_of(result, function)
            except BaseException:
                result = Failure(captureVars=self.debug)
            self.result = result
            failed = isinstance(result, Failure)
            if fired is not None or (self.paused and isinstance(result, Deferred)):
                del steps[: len(steps) - length_hint(remaining)]
                break
        else:
            steps.clear()
        self._running = False
        # A failure we rest with is nobody's until somebody adds an errback.
        if failed:
            self._note_failure(result)
        elif self._record is not None:
            self._record.failure = None
        return fired

    def _take(self, result: Any) -> Deferred[Any] | None:
        """Be fired with ``result`` by a step of another, whose loop then runs what is returned."""
        if self.called or self.debug:
            self.callback(result)
            return None
        self.called = True
        self._canceller = None
        self.result = result
        if self._steps or self._waiter is not None:
            return self
        if isinstance(result, Failure):
            self._note_failure(result)
        return None

    def _result_of(self, returned: Deferred[Any], function: Callable[..., Any]) -> Any:
        """The result of a Deferred that our callback ``function`` returned; itself if we must wait for it."""
        if returned is self:
            warn_of_waiting_for_itself(function)
            self.paused += 1
            return self
        if returned._has_result():
            return returned._give_away()
        self.paused += 1
        returned._steps.append((HAND_OVER, (self,), None, HAND_OVER, (self,), None))
        return returned

    def _has_result(self) -> bool:
        """Whether there is a result to be taken now."""
        return self.called and not self.paused and not isinstance(self.result, Deferred)

    def _give_away(self) -> Any:
        """Our result, which from here on belongs to the Deferred that waits for us; ours is None."""
        result = self.result
        self.result = None
        self._mark_handled()
        return result

    def _note_failure(self, failure: Failure) -> None:
        if self._record is None:
            self._record = Record()
        self._record.failure = failure

    def _mark_handled(self) -> None:
        if self._record is not None:
            self._record.failure = None

    # Looking, and awaiting.

    @property
    def callbacks(self) -> list[Any]:
        """The steps still to run: a new list of ``((callback, args, keywords), (errback, args,
        keywords))``.
        """
        waking = [] if self._waiter is None else [(wake, self._waiter, NO_KEYWORDS) * 2]
        return [(step[:3], step[3:]) for step in waking + self._steps]

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
        # method's place, to be reached without a call in between.
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
        from twisted_compat.defer.coroutine import run_coroutine

        return run_coroutine(coro)

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


def setDebugging(on: bool) -> None:
    """Have Deferreds remember where they are made and fired, for :exc:`AlreadyCalledError` and the log."""
    Deferred.debug = bool(on)


def getDebugging() -> bool:
    """Whether :func:`setDebugging` is on."""
    return Deferred.debug
