"""Reactors for a test's running loop: one that is attached and no more, and one that is installed.

While either is there, nothing may be logged as an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from tests.support import within
from twisted_compat.bridge.twisted import TwistedReactor, as_future, install

__all__ = ["embedded", "installed", "logged_errors", "on_a_fresh_loop", "result"]

T = TypeVar("T")


@contextmanager
def logged_errors() -> Iterator[list[str]]:
    """What is said in Twisted's log as an error meanwhile."""
    said: list[str] = []

    def observe(event: Any) -> None:
        failure: Failure | None = event.get("log_failure")
        if failure is not None or event.get("log_level", LogLevel.info) >= LogLevel.error:
            said.append(f"{formatEvent(event)}\n{failure.getTraceback() if failure else ''}")

    globalLogPublisher.addObserver(observe)
    try:
        yield said
    finally:
        globalLogPublisher.removeObserver(observe)


@asynccontextmanager
async def _faultless(make: Callable[[], Any]) -> AsyncIterator[Any]:
    """A reactor, in the block in which nothing may be logged as an error."""
    with logged_errors() as errors:
        async with make() as reactor:
            yield reactor
    assert not errors, "\n".join(errors)


def embedded() -> AbstractAsyncContextManager[Any]:
    """A reactor in the running loop."""
    return _faultless(TwistedReactor)


def installed() -> AbstractAsyncContextManager[Any]:
    """``twisted.internet.reactor``, on the running loop."""
    return _faultless(install)


def on_a_fresh_loop(loop_factory: Callable[[], asyncio.AbstractEventLoop], main: Awaitable[T]) -> T:
    """What an awaitable comes to on a loop of its own, which is closed then."""
    loop = loop_factory()
    try:
        return loop.run_until_complete(within(main))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def result(deferred: Any) -> Any:
    """What a Deferred comes to, within the deadline."""
    return await within(as_future(deferred))
