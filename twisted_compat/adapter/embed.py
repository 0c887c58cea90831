"""The ways into a reactor: :func:`run` for a program's main coroutine, and ``reactor`` for code that imports
one.

The reactor itself is ``reactor.py``; which one is current is kept by ``twisted_compat/current.py``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from zope.interface import classImplements, implementedBy

from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.current import current_reactor, set_default_reactor_factory

__all__ = ["ReactorProxy", "reactor", "run"]

T = TypeVar("T")


class ReactorProxy:
    """Stands for the current reactor, whichever that is when an attribute is asked for. It provides whatever
    that one provides."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current_reactor(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(current_reactor(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(current_reactor(), name)

    def __dir__(self) -> list[str]:
        return dir(current_reactor())

    def __repr__(self) -> str:
        return f"<the current reactor: {current_reactor()!r}>"


# The type checker's zope plugin wants interfaces spelled out one by one; these are whatever the reactor has.
classImplements(ReactorProxy, *implementedBy(AsyncioReactor))  # type: ignore[misc, no-untyped-call]
set_default_reactor_factory(AsyncioReactor)
reactor = ReactorProxy()
"""The current reactor, for code that imports one: the running loop's, else the process's default one."""


def run(
    main: Callable[..., Awaitable[T]],
    *args: Any,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run ``main(reactor, *args)`` on a loop of its own, with a reactor attached; like ``asyncio.run``.

    :param main: a coroutine function.
    :param args: what to call it with, after the reactor.
    :param loop_factory: makes the loop, such as ``uvloop.new_event_loop``.
    :returns: what ``main`` returned, after the reactor has stopped.
    :raises RuntimeError: inside a running event loop.
    """

    async def attached() -> T:
        async with AsyncioReactor() as attached_reactor:
            return await main(attached_reactor, *args)

    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(attached())
    if loop_factory is None:
        return asyncio.run(attached())
    result: T = _run_on(loop_factory(), attached())
    return result


def _run_on(loop: asyncio.AbstractEventLoop, main: Any) -> Any:
    """``asyncio.run`` on a loop that exists: what Python 3.10's own can't do."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
