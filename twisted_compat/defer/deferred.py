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

from collections.abc import Callable, Generator, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from twisted_compat.defer.errors import CancelledError, TimeoutError
from twisted_compat.defer.misuse import already_called, returned_itself
from twisted_compat.defer.record import Record
from twisted_compat.failure import Failure

__all__ = ["Deferred", "getDebugging", "setDebugging"]

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

# One step of a chain: on success call the first with the second and third as more arguments, on failure the
# fourth with the rest. None in a callback's place lets the result pass. A step (_HAND_OVER, deferred, ...)
# gives the result to that Deferred.
_Step = tuple[Any, Any, Any, Any, Any, Any]
_HAND_OVER: Any = object()
_NO_KEYWORDS: dict[str, Any] = {}  # shared by every step without keywords; nothing writes to it


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
        "_swallow_next_call",
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
        self._steps: list[_Step] = []
        self._canceller = canceller
        self._running = False
        self._swallow_next_call = False
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
                callbackKeywords or _NO_KEYWORDS,
                errback,
                errbackArgs or (),
                errbackKeywords or _NO_KEYWORDS,
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
        self._steps.append((callback, args, kwargs, None, (), _NO_KEYWORDS))
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
        self._steps.append((None, (), _NO_KEYWORDS, errback, args, kwargs))
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
        self.result = result
        self._run()

    def errback(self, fail: Failure | BaseException | None = None) -> None:
        """Fire with a failure.

        :param fail: a Failure, an exception to make one of, or None for the exception being handled now.
        :raises AlreadyCalledError: as :meth:`callback`.
        :raises twisted_compat.failure.NoCurrentExceptionError: for None where no exception is being handled.
        """
        failure = fail if isinstance(fail, Failure) else Failure(fail)
        if self.called or self.debug:
            if self._is_swallowed():
                return
            self._note_firing()
        self.called = True
        self._canceller = None
        self.result = failure
        self._run()

    def _is_swallowed(self) -> bool:
        """Whether this firing is the one a cancelled operation may still make; raises if none may be."""
        if not self.called:
            return False
        if self._swallow_next_call:
            self._swallow_next_call = False
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
        if canceller is None:
            self._swallow_next_call = True
        else:
            canceller(self)
        if not self.called:
            self.errback(Failure(CancelledError()))

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
        """Run the chain as far as it goes, and the chains of those that wait for its result.

        Two Deferreds are chained iteratively: the one that has a result hands it to the one that waits and
        the loop goes on with that. A Deferred left with steps of its own after handing over is returned to
        when the other has come to rest, also when that is paused (where Twisted leaves those steps undone).
        """
        if self._running:
            return
        left: list[Deferred[Any]] = []
        current = self
        while True:
            waiting = None if current.paused else current._run_steps()
            if waiting is not None:
                if current._steps:
                    left.append(current)
                waiting.result = current._give_away()
                waiting.paused -= 1
                current = waiting
            elif left:
                current = left.pop()
            else:
                return

    def _run_steps(self) -> Deferred[Any] | None:
        """Run steps until none is left (None), we must wait, or one is reached that gives our result to
        another Deferred (that is returned)."""
        steps = self._steps
        result = self.result
        failed = isinstance(result, Failure)
        done = 0
        self._running = True
        # Steps that callbacks add meanwhile are found by the same iteration; what was run is removed at the
        # end.
        for function, args, kwargs, errback, errback_args, errback_kwargs in steps:
            done += 1
            if failed:
                function, args, kwargs = errback, errback_args, errback_kwargs
            if function is None:
                continue
            if function is _HAND_OVER:
                del steps[:done]
                self._running = False
                waiting: Deferred[Any] = args
                return waiting
            try:
                if kwargs:
                    result = function(result, *args, **kwargs)
                elif args:
                    result = function(result, *args)
                else:
                    result = function(result)
                if isinstance(result, Deferred):
                    result = self._result_of(result, function)
            except BaseException:
                result = Failure()
            self.result = result
            failed = isinstance(result, Failure)
            if self.paused and isinstance(result, Deferred):
                break
        del steps[:done]
        self._running = False
        # A failure we rest with is nobody's until somebody adds an errback.
        if failed:
            if self._record is None:
                self._record = Record()
            self._record.failure = result
        elif self._record is not None:
            self._record.failure = None
        return None

    def _result_of(self, returned: Deferred[Any], function: Callable[..., Any]) -> Any:
        """The result of a Deferred that our callback ``function`` returned; itself if we must wait for it."""
        if returned is self:
            return returned_itself(function)
        if returned._has_result():
            return returned._give_away()
        self.paused += 1
        returned._steps.append((_HAND_OVER, self, None, _HAND_OVER, self, None))
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

    def _mark_handled(self) -> None:
        if self._record is not None:
            self._record.failure = None

    # Looking, and awaiting.

    @property
    def callbacks(self) -> list[Any]:
        """The steps still to run: a new list of ``((callback, args, keywords), (errback, args,
        keywords))``.
        """
        return [(step[:3], step[3:]) for step in self._steps]

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
        return _wait_for_result(self)

    __iter__ = __await__


def _load_and_wait(deferred: Deferred[Any]) -> Generator[Any, Any, Any]:
    """Load, when first something is awaited, the one module here that needs asyncio; then as that does."""
    global _wait_for_result
    from twisted_compat.defer.waiter import wait_for_result

    _wait_for_result = wait_for_result
    return wait_for_result(deferred)


_wait_for_result: Callable[[Deferred[Any]], Generator[Any, Any, Any]] = _load_and_wait


def setDebugging(on: bool) -> None:
    """Have Deferreds remember where they are made and fired, for :exc:`AlreadyCalledError` and the log."""
    Deferred.debug = bool(on)


def getDebugging() -> bool:
    """Whether :func:`setDebugging` is on."""
    return Deferred.debug
