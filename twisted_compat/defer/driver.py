"""What runs a generator: resumes it with the result of each Deferred it yields.

:mod:`~twisted_compat.defer.inline` runs generators with it; :mod:`~twisted_compat.defer.coroutine` runs
coroutines, and adds what asyncio wants to know about them. No asyncio here.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import copy_context
from types import GeneratorType
from typing import Any, Final

from twisted_compat.defer.chain import DRIVE, STILL_WAITING, Chain, PassOn
from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.misuse import warn_of_non_local_return
from twisted_compat.failure import Failure

__all__ = ["CANCELLED", "WAITING", "Driver", "ReturnValue"]

WAITING: Final[Any] = object()
"""What :meth:`Driver._advance` returns when the generator has not come to its end."""

CANCELLED: Final[Any] = object()
"""In place of what is waited for: the next thing is to be cancelled."""


class ReturnValue(BaseException):
    """Raised by :func:`~twisted_compat.defer.returnValue`, to end the generator that calls it.

    :ivar value: the result.
    """

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


class Driver:
    """Runs one generator, on the stack of whoever brings the result that it waits for.

    ===========  ==========================  ==============================================================
    state        ``waiting_for``             goes to
    ===========  ==========================  ==============================================================
    running      None                        waiting, when something without a result is yielded; finished
    cancelled    ``CANCELLED``               (still running) cancels what it has to wait for next; finished
    waiting      what was yielded            running, when it has its result
    finished     None                        (the generator takes no more results)
    ===========  ==========================  ==============================================================

    All its steps run in one copy of the context (:mod:`contextvars`) it was started in, so a variable set
    before a ``yield`` can be reset after it.

    :ivar deferred: stands for the result. None before the generator had to wait for the first time.
    """

    __slots__ = ("__weakref__", "context", "deferred", "generator", "waiting_for")

    def __init__(self, generator: Generator[Any, Any, Any] | Coroutine[Any, Any, Any]) -> None:
        self.generator = generator
        self.context = copy_context()
        self.deferred: Deferred[Any] | None = None
        self.waiting_for: Any = None

    def start(self) -> Deferred[Any]:
        """Run the generator as far as it goes, and return the Deferred of its result."""
        outcome = self._step(None)
        if outcome is not WAITING:
            deferred: Deferred[Any] = Deferred()
            deferred.callback(outcome)
            return deferred
        # Only now, as most generators that never wait don't need one that can be cancelled.
        self.deferred = Deferred(self.cancel)
        return self.deferred

    def resume(self, waited_for: Chain, result: Any) -> tuple[Any, Chain | None]:
        """Go on with the result that has come: a step in the chain of the Deferred that has it.

        :returns: what that is left with, and a Deferred to run now, if the generator has ended.
        """
        if waited_for is not self.waiting_for:  # a wait that was given up
            return result, None
        self.waiting_for = None
        outcome = self._step(result)
        if outcome is WAITING:
            return None, None
        assert self.deferred is not None
        return None, self.deferred._take(outcome)

    def cancel(self, deferred: Deferred[Any]) -> Any:
        """The canceller: cancel what the generator waits for. It may catch that and go on, so it decides
        still about the result.
        """
        waiting_for = self.waiting_for
        if waiting_for is None:
            self.waiting_for = CANCELLED
        elif waiting_for is not CANCELLED:
            return self._cancel_wait(waiting_for)
        return STILL_WAITING

    def _cancel_wait(self, waiting_for: Any) -> Any:
        """Cancel what is waited for, or have the one who cancels us do it; returns what a canceller does."""
        return PassOn(waiting_for)

    def _step(self, result: Any) -> Any:
        return self.context.run(self._advance, result)

    def _advance(self, result: Any) -> Any:
        """Send, or throw, results into the generator until it yields something that has none yet (returns
        WAITING) or ends (returns what it comes to).
        """
        generator = self.generator
        try:
            while True:
                if isinstance(result, Failure):
                    yielded = result.throwExceptionIntoGenerator(generator)
                else:
                    yielded = generator.send(result)
                if not isinstance(yielded, Deferred):
                    result = yielded = self._as_result_or_deferred(yielded)
                    if not isinstance(yielded, Deferred):
                        if yielded is WAITING:
                            return WAITING
                        continue
                if self.waiting_for is CANCELLED and (not yielded.called or yielded.paused):
                    self.waiting_for = None
                    yielded.cancel()
                if yielded.called and not yielded.paused and not yielded._steps:
                    # Taken as a callback would take it, at a fraction of the price.
                    result = yielded.result
                    yielded.result = None
                    if yielded._record is not None:
                        yielded._record.failure = None
                    continue
                self.waiting_for = yielded
                step = (self,)
                yielded._steps.append((DRIVE, step, None, DRIVE, step, None))
                return WAITING
        except StopIteration as end:
            return end.value
        except ReturnValue as end:
            return self._returned(end)
        except BaseException:
            return self._failed(Failure(captureVars=Deferred.debug))

    def _as_result_or_deferred(self, yielded: Any) -> Any:
        """What to send back at once, or the Deferred to wait for, when no Deferred of ours was yielded.

        Anything that ``await`` takes, such as an asyncio future, is waited for; anything else is the result.
        """
        if hasattr(yielded.__class__, "__await__"):
            from twisted_compat.defer.futures import deferred_from, when_done

            # What an await or yield from yields, in the generator or below, is not to be awaited once more.
            if getattr(yielded, "_asyncio_future_blocking", False):
                return when_done(yielded)
            return deferred_from(yielded)
        if isinstance(yielded, GeneratorType):
            return Driver(yielded).start()
        return yielded

    def _returned(self, end: ReturnValue) -> Any:
        try:
            warn_of_non_local_return(end.__traceback__)
        except Warning:  # where warnings are made errors
            return self._failed(Failure())
        return end.value

    def _failed(self, failure: Failure) -> Failure:
        """The failure to end with. In a Deferred, asyncio's word for being cancelled is ours."""
        if isinstance(failure.value, Exception):
            return failure
        from twisted_compat.defer.futures import in_our_words

        return in_our_words(failure)
