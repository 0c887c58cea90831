"""What the tests of docs/cancellation.md are made of: work that takes being cancelled in one of several ways,
those who wait for it, and words for what each of them sees.

A column of the page's tables is a :class:`Waiter` with the kinds of :class:`Work` it may wait for; a row is a
script that makes the two, cancels, and lets the loop turn. ``tests/test_cancellation.py`` puts them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted.internet import defer as twisted_defer

from twisted_compat import as_deferred, as_future
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, inlineCallbacks

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
    :ivar subject: what is waited for.
    """

    reactions: tuple[str, ...] = (ENDS, CLEANS_UP, GIVES_RESULT, FAILS, RAISES)
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
    message: str | None = None

    def __init__(self, reaction: str) -> None:
        super().__init__(reaction)
        self.subject = asyncio.get_running_loop().create_future()

    def cancel(self) -> None:
        self.subject.cancel(MESSAGE)

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
    """An asyncio task."""

    reactions = (ENDS, CLEANS_UP, GIVES_RESULT, FAILS)

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


# Those who wait.


class Waiter:
    """Whoever waits for a piece of work, and may be cancelled.

    :cvar message: what the cancellation says; None where it can't say anything, as a Deferred's.
    :cvar sides: who sees the :meth:`words`, as the page writes it.
    """

    message: str | None = None
    sides: str

    def __init__(self, work: Work, catches: str = ENDS) -> None:
        """
        :param catches: what a coroutine that waits does on its side about being cancelled.
        """
        self.work = work
        self.catches = catches

    def start(self) -> None:
        """Get ready to wait."""

    def wait(self) -> None:
        """Begin to wait, on this turn of the loop or on the next ones."""

    def cancel(self) -> None:
        raise NotImplementedError

    def cancel_before_waiting(self) -> None:
        """Cancel as early as one can."""
        self.start()
        self.cancel()
        self.wait()

    def words(self) -> list[str]:
        """What each side sees, in the order of the table."""
        raise NotImplementedError

    async def close(self) -> None:
        """Leave nothing behind."""


class TaskWaiter(Waiter):
    """An asyncio task that awaits the work, which is cancelled."""

    message: str | None = MESSAGE
    sides = "task / `d`"

    def start(self) -> None:
        self.seen = "waits"
        self.task = asyncio.ensure_future(self._body())

    async def _body(self) -> None:
        try:
            self.seen = await self.awaited()
        except BaseException as error:
            self.seen = word_of_error(error, self.message)

    def awaited(self) -> Any:
        return self.work.subject

    def cancel(self) -> None:
        self.task.cancel(self.message)

    def words(self) -> list[str]:
        seen = "asyncio's" if self.task.cancelled() else self.seen  # it never began
        return [seen, self.work.word()]

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class AsFutureTaskWaiter(TaskWaiter):
    """An asyncio task that awaits ``as_future(work)``."""

    sides = "task / future / `d`"

    def start(self) -> None:
        self.future = as_future(self.work.subject)
        super().start()

    def awaited(self) -> Any:
        return self.future

    def words(self) -> list[str]:
        seen, left = super().words()
        return [seen, word_of_future(self.future), left]


class InnerOfTask(TaskWaiter):
    """As before, but it is the Deferred that is cancelled."""

    message = None

    def cancel(self) -> None:
        self.work.cancel()


class AsFutureWaiter(Waiter):
    """``as_future(work)``, which is cancelled."""

    message: str | None = MESSAGE
    sides = "future / `d`"

    def start(self) -> None:
        self.future = self.make()

    def make(self) -> asyncio.Future[Any]:
        return as_future(self.work.subject)

    def cancel(self) -> None:
        self.future.cancel(self.message)

    def words(self) -> list[str]:
        return [word_of_future(self.future, self.message), self.work.word()]

    async def close(self) -> None:
        self.future.cancel()
        await asyncio.wait([self.future])


class PlainFutureWaiter(AsFutureWaiter):
    """``deferred.asFuture(loop)``, which is cancelled."""

    def make(self) -> asyncio.Future[Any]:
        return self.work.subject.asFuture(asyncio.get_running_loop())


class InnerOfFuture(AsFutureWaiter):
    """The Deferred that ``as_future`` was given is cancelled."""

    message = None

    def cancel(self) -> None:
        self.work.cancel()

    def cancel_before_waiting(self) -> None:
        self.cancel()
        self.start()


class CoroutineWaiter(Waiter):
    """A coroutine of ``ensureDeferred`` that awaits the work; its Deferred is cancelled.

    It waits for something else before, so that it can be cancelled while it runs.
    """

    sides = "coroutine / its Deferred / `x`"

    def run(self, body: Any) -> Any:
        return ensureDeferred(body)

    def start(self) -> None:
        self.seen = "waits"
        self.begin: Deferred[None] = Deferred()
        self.hook: Callable[[], None] = lambda: None
        self.cleaning: Deferred[None] = Deferred()
        self.deferred = self.run(self._body())

    async def _body(self) -> Any:
        await self.begin
        self.task = asyncio.current_task()
        self.hook()
        try:
            self.seen = await self.work.subject
        except (asyncio.CancelledError, CancelledError, KeyError) as error:
            self.seen = word_of_error(error, self.message)
            if self.catches == CLEANS_UP:
                await self.cleaning
            if self.catches == GIVES_RESULT:
                return "result"
            if self.catches == FAILS:
                raise KeyError from None
            raise
        return self.seen

    def clean(self) -> None:
        """Have the coroutine's own cleanup end."""
        self.cleaning.callback(None)

    def wait(self) -> None:
        self.begin.callback(None)

    def cancel(self) -> None:
        self.deferred.cancel()

    def cancel_before_waiting(self) -> None:
        self.start()
        self.hook = self.cancel
        self.wait()

    def words(self) -> list[str]:
        return [self.seen, word_of_deferred(self.deferred, self.message), self.work.word()]

    async def close(self) -> None:
        self.deferred.addErrback(lambda _: None)
        await self.work.close()
        await asyncio.sleep(0)


class FromCoroutineWaiter(CoroutineWaiter):
    def run(self, body: Any) -> Any:
        return Deferred.fromCoroutine(body)


class AsDeferredWaiter(CoroutineWaiter):
    def run(self, body: Any) -> Any:
        return as_deferred(body)


class InlineWaiter(CoroutineWaiter):
    """An ``inlineCallbacks`` function that yields the work; its Deferred is cancelled."""

    def run(self, body: Any) -> Any:
        body.close()
        return self._inline()

    @inlineCallbacks
    def _inline(self) -> Any:
        yield self.begin
        self.hook()
        try:
            self.seen = yield self.work.subject
        except (asyncio.CancelledError, CancelledError, KeyError) as error:
            self.seen = word_of_error(error, self.message)
            if self.catches == CLEANS_UP:
                yield self.cleaning
            if self.catches == GIVES_RESULT:
                return "result"
            if self.catches == FAILS:
                raise KeyError from None
            raise
        return self.seen


class TaskOfCoroutine(CoroutineWaiter):
    """A coroutine of ``ensureDeferred``; its task is cancelled, as by a timeout."""

    message = MESSAGE

    def cancel(self) -> None:
        assert self.task is not None
        self.task.cancel(self.message)


class TaskOfAsDeferred(TaskOfCoroutine, AsDeferredWaiter):
    """The same of ``as_deferred(coroutine)``."""


class DeferredWaiter(Waiter):
    """``as_deferred(work)``, which is cancelled."""

    sides = "Deferred / `x`"

    def start(self) -> None:
        self.deferred = self.make()

    def make(self) -> Any:
        return as_deferred(self.work.subject)

    def cancel(self) -> None:
        self.deferred.cancel()

    def words(self) -> list[str]:
        return [word_of_deferred(self.deferred, self.message), self.work.word()]

    async def close(self) -> None:
        self.deferred.addErrback(lambda _: None)


class InnerOfDeferred(DeferredWaiter):
    """The future or task that ``as_deferred`` was given is cancelled."""

    message = MESSAGE

    def cancel(self) -> None:
        self.work.cancel()


class FromFutureWaiter(DeferredWaiter):
    """``Deferred.fromFuture(work)``, which is cancelled."""

    def make(self) -> Any:
        return Deferred.fromFuture(self.work.subject)


class InnerOfFromFuture(FromFutureWaiter, InnerOfDeferred):
    """The future or task that ``Deferred.fromFuture`` was given is cancelled."""


class TheirDeferredWaiter(DeferredWaiter):
    """A Twisted Deferred made of the work, which is cancelled."""

    def make(self) -> Any:
        return as_deferred(self.work.subject, deferred_class=twisted_defer.Deferred)
