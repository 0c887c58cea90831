"""The chain of a Deferred: its steps, what state it is in, and how it is run.

The engine of :class:`~twisted_compat.defer.Deferred`, which adds the ways to put callbacks in it, to cancel
and to await. Apart from that because this is the hot path, and the rest is not.

The states:

* *waiting*: ``called`` is False and ``result`` is not set;
* *fired*: ``called`` is True and ``result`` is the value, or Failure, that the next callback will get;
* *chained*: fired, ``result`` is another Deferred whose result it waits for, and ``paused`` counts that wait;
* *paused*: fired, ``paused`` > 0 by calls of :meth:`Chain.pause`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import length_hint
from typing import TYPE_CHECKING, Any

from twisted_compat.defer.misuse import already_called, warn_of_waiting_for_itself
from twisted_compat.defer.record import Record
from twisted_compat.defer.wake import wake
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    import asyncio

__all__ = ["DRIVE", "NO_KEYWORDS", "STILL_WAITING", "SWALLOW_NEXT", "Chain", "PassOn", "Step"]

# One step of a chain: on success call the first with the second and third as more arguments, on failure the
# fourth with the rest. None in a callback's place lets the result pass. None in place of the keywords marks
# the steps that are not calls, but told apart by what stands first:
#   HAND_OVER (deferred,)        give the result to that Deferred, which waits for us
#   DRIVE     (driver,)          give it to its resume(): a driver of a generator or coroutine, or a _Fire
Step = tuple[Any, Any, Any, Any, Any, Any]
HAND_OVER: Any = object()
DRIVE: Any = object()
NO_KEYWORDS: dict[str, Any] = {}  # shared by every step without keywords; nothing writes to it

# In a canceller's place: Deferred.cancel found none, so the result that still comes is to be ignored, once.
SWALLOW_NEXT: Any = object()

# What a canceller of ours returns: the work has been told, and it decides, perhaps later, what comes of it.
STILL_WAITING: Any = object()


class PassOn:
    """What a canceller of ours returns in place of cancelling another Deferred: that is to be cancelled then,
    with no call within a call, as there may be a long row of them. For the rest it means STILL_WAITING.
    """

    __slots__ = ("deferred",)

    def __init__(self, deferred: Any) -> None:
        self.deferred = deferred


class Chain:
    """A result to come, and the steps it will run through; see the module for its states.

    :ivar called: whether it has been fired.
    :ivar paused: how many calls of :meth:`pause`, and waits for another Deferred, are open.
    :ivar result: the present result, once fired.
    :cvar debug: whether to remember where it is made and fired.
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

    def __init__(self, canceller: Callable[[Any], object] | None = None) -> None:
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
        if self._waiter is not None and not self.paused:
            waiter, self._waiter = self._waiter, None
            self.result = result = wake(result, waiter[0], waiter[1])
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
        if self._canceller is SWALLOW_NEXT:
            self._canceller = None
            return True
        raise already_called(self._record)

    def _note_firing(self) -> None:
        if self._record is None:
            self._record = Record()
        self._record.note_firing(skip=2)

    def pause(self) -> None:
        """Run no callbacks until :meth:`unpause` has been called as often as this."""
        self.paused += 1

    def unpause(self) -> None:
        """Undo one :meth:`pause`; after the last, run what has been held back."""
        self.paused -= 1
        if self.called and not self.paused and (self._steps or self._waiter is not None):
            self._run()

    @property
    def callbacks(self) -> list[Any]:
        """The steps still to run: a new list of ``((callback, args, keywords), (errback, args,
        keywords))``.
        """
        waking = [] if self._waiter is None else [(wake, self._waiter, NO_KEYWORDS) * 2]
        return [(step[:3], step[3:]) for step in waking + self._steps]

    # Running.

    def _run(self) -> None:
        fired = self._run_steps()
        if fired is not None:
            self._run_on(fired)

    def _run_on(self, fired: Chain) -> None:
        """Having run our steps up to one that fired another Deferred, run that one's, and so on.

        It is a loop, and not a recursion, however long the row is. A Deferred left with steps of its own is
        returned to when the others have come to rest, also when one is paused (where Twisted leaves those
        steps undone).
        """
        left: list[Chain] = []
        current: Chain = self
        following: Chain | None = fired
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

    def _run_steps(self) -> Chain | None:
        """Run steps until none is left, or we must wait (None), or another Deferred has been given a result
        by one of them and is to be run now (that is returned).
        """
        if self._running:
            return None
        if self.paused:
            if isinstance(self.result, Failure):
                self._note_failure(self.result)  # it may never go on
            return None
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self.result = wake(self.result, waiter[0], waiter[1])
        steps = self._steps
        result = self.result
        failed = isinstance(result, Failure)
        fired: Chain | None = None
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
                if isinstance(result, Chain):
                    result = self._result_of(result, function)
            except BaseException:
                result = Failure(captureVars=self.debug)
            self.result = result
            failed = isinstance(result, Failure)
            if fired is not None or (self.paused and isinstance(result, Chain)):
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

    def _take(self, result: Any) -> Chain | None:
        """Be fired with ``result`` by a step of another, whose loop then runs what is returned."""
        if self.called or self.debug:
            if self._is_swallowed():
                return None
            self._note_firing()
        self.called = True
        self._canceller = None
        self.result = result
        if self._steps or self._waiter is not None:
            return self
        if isinstance(result, Failure):
            self._note_failure(result)
        return None

    def _result_of(self, returned: Chain, function: Callable[..., Any]) -> Any:
        """The result of a Deferred that our callback ``function`` returned; itself if we must wait for it."""
        if returned is self:
            warn_of_waiting_for_itself(function)
            self.paused += 1
            return self
        if returned._has_result():
            result = returned._give_away()
            # A Deferred that was given to callback(), which may happen with what a generator returns.
            return self._result_of(result, function) if isinstance(result, Chain) else result
        self.paused += 1
        returned._steps.append((HAND_OVER, (self,), None, HAND_OVER, (self,), None))
        return returned

    def _has_result(self) -> bool:
        """Whether there is a result to be taken now."""
        return self.called and not self.paused

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
