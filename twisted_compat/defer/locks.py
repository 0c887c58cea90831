"""What lets one at a time in, or a few: DeferredLock and DeferredSemaphore.

Both are a row of Deferreds and a rule for when the first of it is fired. That row is ``row``'s;
:mod:`~twisted_compat.defer.queues` is the relative that hands out things in place of turns, and
:mod:`~twisted_compat.defer.filelock` the lock between processes. On top of
:mod:`~twisted_compat.defer.deferred`, by its public side only. Not for threads: all calls in one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.gathering import maybeDeferred, succeed
from twisted_compat.defer.row import Row
from twisted_compat.failure import Failure

__all__ = ["DeferredLock", "DeferredSemaphore"]

T = TypeVar("T")
P = ParamSpec("P")
# typing.Self comes with Python 3.11 only
Self = TypeVar("Self", bound="_Guard")
ALock = TypeVar("ALock", bound="DeferredLock")
ASemaphore = TypeVar("ASemaphore", bound="DeferredSemaphore")

# How far releases may nest, each within the callbacks of what the one before let in. Up to here the next in
# line runs before release() returns, as in Twisted; deeper, after, where Twisted exhausts the stack.
_DEEPEST = 16


class _Guard(ABC):
    """What the two have in common: the row, how a place is handed on, and the ways to use one.

    ========  ===========================================================================================
    state     meaning
    ========  ===========================================================================================
    free      ``acquire`` is granted at once, nobody waits
    taken     ``acquire`` waits; ``release`` hands the place to the first in the row, so that nobody who
              comes later can get it first, or frees it where nobody waits
    owed      taken, and released from so deep within a handing-over that the outer one will hand it on
    ========  ===========================================================================================
    """

    def __init__(self) -> None:
        self._waiting: Row[Deferred[Any]] = Row()
        self._depth = 0  # of handing-overs within one another
        self._owed = 0  # places released at _DEEPEST, for the handing-over there to hand on

    @property
    def waiting(self) -> Row[Deferred[Any]]:
        """The Deferreds of the acquires that wait, first come first; to be used like a list."""
        return self._waiting

    @waiting.setter
    def waiting(self, deferreds: Iterable[Deferred[Any]]) -> None:
        self._waiting.replace(deferreds)

    @abstractmethod
    def acquire(self: Self) -> Deferred[Self]:
        """Ask for a place."""

    @abstractmethod
    def release(self) -> None:
        """Give a place back."""

    @abstractmethod
    def _free(self) -> None:
        """A place was released that nobody waits for."""

    def _wait(self: Self) -> Deferred[Self]:
        # Cancelling takes it out of the row; that it isn't there, legacy code having emptied the row by
        # hand, is told by the ValueError of remove().
        deferred: Deferred[Self] = Deferred(self._waiting.remove)
        self._waiting.append(deferred)
        return deferred

    def _hand_over(self) -> None:
        """Let the next in the row in, and those whom places released meanwhile, too deep down, are owed."""
        if not self._waiting:
            self._free()
            return
        if self._depth == _DEEPEST:
            self._owed += 1
            return
        self._depth += 1
        try:
            self._let_in()
            while self._owed:
                self._owed -= 1
                self._let_in()
        finally:
            self._depth -= 1

    def _let_in(self) -> None:
        waiting = self._waiting
        while waiting:
            deferred = waiting.popleft()
            if not deferred.called:  # fired by a stranger: the place is not lost on it
                deferred.callback(self)
                return
        self._free()

    @overload
    def run(self, f: Callable[P, Deferred[T]], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...

    @overload
    def run(
        self, f: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]: ...

    @overload
    def run(self, f: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...

    def run(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Acquire, call ``f(*args, **kwargs)``, and release when that is over, however it ends.

        :param f: may return a Deferred or a coroutine; it is over when they are.
        :returns: a Deferred of what ``f`` came to. Cancelling it gives up the place in the row, or else
            cancels what ``f`` returned; the release then waits for what becomes of that.
        """
        return self.acquire().addCallback(_run_in, f, args, kwargs)

    def _release_and_pass(self, result: T) -> T:
        self.release()
        return result

    async def __aenter__(self: Self) -> Self:
        """``async with``: acquire. A coroutine that is cancelled or closed meanwhile leaves nothing taken."""
        acquired = self.acquire()
        if acquired.called:
            return self
        granted = False

        def note_grant(guard: Self) -> Self:
            nonlocal granted
            granted = True
            return guard

        acquired.addCallback(note_grant)
        try:
            await acquired
        except BaseException:
            # A task may be cancelled after it was let in, but before it ran again. The body won't run, so
            # nobody else would release. One that was closed while it waited hasn't cancelled its wait.
            if granted:
                self.release()
            else:
                acquired.addErrback(_ignore)
                acquired.cancel()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _run_in(guard: _Guard, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return maybeDeferred(_call, f, args, kwargs).addBoth(guard._release_and_pass)


def _call(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return f(*args, **kwargs)  # keywords of any name: they don't meet those of maybeDeferred


def _ignore(failure: Failure) -> None:
    pass


class DeferredLock(_Guard):
    """A lock to be waited for by Deferreds: one holder, the others in the order in which they came.

    Use it by :meth:`run`, by ``async with lock:``, or by :meth:`acquire` and :meth:`release`. It isn't
    re-entrant: a holder that acquires it again waits for itself.

    :ivar locked: whether somebody holds it; to be read only.
    :ivar waiting: the Deferreds of the acquires that wait, first come first; to be used like a list.
    """

    def __init__(self) -> None:
        super().__init__()
        self.locked = False

    def acquire(self: ALock) -> Deferred[ALock]:
        """Ask for the lock.

        :returns: a Deferred fired with this lock when it is the caller's, which is at once if it is free.
            Cancelling it gives up the place in the row; once it has been fired cancelling does nothing, and
            the lock must be released.
        """
        if self.locked:
            return self._wait()
        self.locked = True
        return succeed(self)

    def release(self) -> None:
        """Give the lock to the first who waits for it, or free it.

        :raises AssertionError: if nobody holds it.
        """
        if not self.locked or self._owed:
            raise AssertionError(
                "This DeferredLock was released while nobody held it. "
                "Release it once for each acquire() that was granted, or write `lock.run(f)`, "
                "which does that."
            )
        self._hand_over()

    def _free(self) -> None:
        self.locked = False


class DeferredSemaphore(_Guard):
    """A lock with several places: ``limit`` holders at once, the others in the order in which they came.

    Use it as a :class:`DeferredLock`.

    :ivar limit: how many may hold it at once.
    :ivar tokens: how many more could have it now.
    :ivar waiting: the Deferreds of the acquires that wait, first come first; to be used like a list.
    """

    def __init__(self, tokens: int) -> None:
        """
        :param tokens: how many may hold it at once.
        :raises ValueError: if that is less than 1.
        """
        if tokens < 1:
            raise ValueError(
                f"A DeferredSemaphore of {tokens} tokens would let nobody in. "
                "Write DeferredSemaphore(1), or a larger number."
            )
        super().__init__()
        self.tokens = tokens
        self.limit = tokens

    def acquire(self: ASemaphore) -> Deferred[ASemaphore]:
        """Ask for a token.

        :returns: a Deferred fired with this semaphore when the caller has one, which is at once if one is
            free. Cancelling it gives up the place in the row; once it has been fired cancelling does
            nothing, and the token must be released.
        """
        if self.tokens <= 0:
            return self._wait()
        self.tokens -= 1
        return succeed(self)

    def release(self) -> None:
        """Give a token to the first who waits for one, or put it back.

        :raises AssertionError: if all are back.
        """
        if self.tokens + self._owed >= self.limit:
            raise AssertionError(
                f"This DeferredSemaphore was released while all of its {self.limit} tokens were there. "
                "Release it once for each acquire() that was granted, or write `semaphore.run(f)`, "
                "which does that."
            )
        self._hand_over()

    def _free(self) -> None:
        self.tokens += 1
