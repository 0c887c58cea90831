"""Those who wait for work that may be cancelled, for the tests of docs/cancellation.md.

A column of the page's tables is a :class:`Waiter` with the kinds of :class:`~tests.cancellable.Work` it may
wait for; a row is a script that makes the two, cancels, and lets the loop turn: ``test_cancellation`` puts
them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted.internet import defer as twisted_defer

from tests.cancellable import (
    CLEANS_UP,
    ENDS,
    FAILS,
    GIVES_RESULT,
    MESSAGE,
    Work,
    word_of_deferred,
    word_of_error,
    word_of_future,
)
from twisted_compat import as_deferred, as_future
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, inlineCallbacks


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
        if work.message is None:
            self.message = None

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
