"""Work that takes being cancelled in one of several ways, and words for what is seen of it.

For the tests of docs/cancellation.md; those who wait for such work are in ``cancelling``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import defer as twisted_defer

from twisted_compat.defer import CancelledError, Deferred

# How the work takes being cancelled.
ENDS, CLEANS_UP, GIVES_RESULT, FAILS, RAISES = "ends", "cleans up", "gives a result", "fails", "raises"

MESSAGE = "why"


# Words.


def word_of_error(error: BaseException, message: str | None = None) -> str:
    """One word for an exception; ``message`` is what the cancellation was given, and should say."""
    if isinstance(error, KeyError):
        return "error"
    if isinstance(error, asyncio.CancelledError):
        word = "asyncio's"
    elif isinstance(error, CancelledError):
        word = "ours"
    elif isinstance(error, twisted_defer.CancelledError):
        word = "Twisted's"
    else:
        return repr(error)
    return word if error.args == (() if message is None else (message,)) else f"{word} {error.args!r}"


def word_of_deferred(deferred: Any, message: str | None = None) -> str:
    """One word for the state of a Deferred, of ours or of Twisted's."""
    if not deferred.called or deferred.paused:
        return "waits"
    if deferred.result is None:
        return "taken"
    if isinstance(deferred.result, str):
        return str(deferred.result)
    return word_of_error(deferred.result.value, message)


def word_of_future(future: asyncio.Future[Any], message: str | None = None) -> str:
    """One word for the state of a future or task. The message is looked at where one is expected only."""
    if not future.done():
        return "waits"
    try:
        return str(future.result())
    except asyncio.CancelledError as error:
        return "cancelled" if message is None else word_of_error(error, message)
    except Exception as error:
        return word_of_error(error)


# Work.


class Work:
    """Something to wait for.

    :cvar reactions: the ways in which it can take being cancelled.
    :cvar message: what a cancellation of it says; None where that would be lost.
    :ivar subject: what is waited for.
    """

    reactions: tuple[str, ...] = (ENDS, CLEANS_UP, GIVES_RESULT, FAILS, RAISES)
    message: str | None = MESSAGE
    subject: Any

    def __init__(self, reaction: str) -> None:
        self.reaction = reaction

    def cancel(self) -> None:
        """Cancel the work itself."""
        self.subject.cancel()

    def finish_and(self, then: Callable[[], None]) -> None:
        """Come to the result, and call ``then`` before anybody has noticed."""
        raise NotImplementedError

    def clean(self) -> None:
        """Have the cleanup end."""
        raise NotImplementedError

    def word(self) -> str:
        raise NotImplementedError

    async def close(self) -> None:
        """Leave nothing behind."""


class OurWork(Work):
    """A Deferred."""

    deferred_class: Any = Deferred

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        cancellers = {
            GIVES_RESULT: lambda deferred: deferred.callback("result"),
            FAILS: lambda deferred: deferred.errback(KeyError()),
            RAISES: lambda deferred: 1 / 0,
        }
        self.subject = self.deferred_class(cancellers.get(reaction))
        self.cleaning = self.deferred_class()
        if reaction == CLEANS_UP:
            self.subject.addErrback(lambda failure: self.cleaning.addCallback(lambda _: failure))

    def finish_and(self, then: Callable[[], None]) -> None:
        self.subject.callback("result")  # ignored after a cancellation: there is no canceller then
        then()

    def clean(self) -> None:
        self.cleaning.callback(None)

    def word(self) -> str:
        return word_of_deferred(self.subject)

    async def close(self) -> None:
        self.subject.addErrback(lambda _: None)
        if not self.subject.called:
            self.subject.callback(None)
        if not self.cleaning.called:
            self.cleaning.callback(None)


class TwistedWork(OurWork):
    """A Deferred of Twisted's."""

    deferred_class = twisted_defer.Deferred


class FutureWork(Work):
    """An asyncio future, which knows one way only of being cancelled."""

    reactions = (ENDS,)

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        self.subject = asyncio.get_running_loop().create_future()

    def cancel(self) -> None:
        self.subject.cancel(self.message)

    def finish_and(self, then: Callable[[], None]) -> None:
        if not self.subject.done():
            self.subject.set_result("result")
        then()

    def word(self) -> str:
        return word_of_future(self.subject)

    async def close(self) -> None:
        self.subject.cancel()
        await asyncio.wait([self.subject])


class TaskWork(FutureWork):
    """An asyncio task. Before Python 3.11 those do not pass the message on to who awaits them."""

    reactions = (ENDS, CLEANS_UP, GIVES_RESULT, FAILS)
    message = MESSAGE if sys.version_info >= (3, 11) else None

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        self.gate, self.cleaning = self.subject, asyncio.Event()
        self.subject = asyncio.ensure_future(self._body())

    async def _body(self) -> Any:
        try:
            return await self.gate
        except asyncio.CancelledError:
            if self.reaction == CLEANS_UP:
                await self.cleaning.wait()
            if self.reaction == GIVES_RESULT:
                return "result"
            if self.reaction == FAILS:
                raise KeyError from None
            raise

    def finish_and(self, then: Callable[[], None]) -> None:
        if not self.gate.done():
            self.gate.set_result("result")
        # Whoever waits is told on the turn after the task has ended. This comes before that: it is the turn's
        # first callback, as the loop calls them in the order in which they were put there.
        self._when_done(then)

    def _when_done(self, then: Callable[[], None]) -> None:
        if self.subject.done():
            then()
        else:
            asyncio.get_running_loop().call_soon(self._when_done, then)

    def clean(self) -> None:
        self.cleaning.set()
