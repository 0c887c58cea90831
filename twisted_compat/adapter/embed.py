"""The ways into a reactor: :func:`run` for a program's main coroutine, and ``reactor`` for code that imports
one.

The reactor itself is ``reactor.py``; which one is current is kept by ``twisted_compat/current.py``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from zope.interface import providedBy

from twisted_compat.adapter.loops import close_loop, refuse_inside_a_loop
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.current import current_reactor, set_default_reactor_factory

__all__ = ["ReactorProxy", "reactor", "run"]

T = TypeVar("T")


class ReactorProxy:
    """Stands for the current reactor, whichever that is when an attribute is asked for. It provides whatever
    that one provides."""

    _find = staticmethod(current_reactor)

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks
        return providedBy(self._find())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._find(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._find(), name)

    def __dir__(self) -> list[str]:
        return dir(self._find())

    def __repr__(self) -> str:
        return f"<the current reactor: {self._find()!r}>"


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
    :raises TypeError: if ``main`` can't be called, such as a coroutine.
    :raises RuntimeError: inside a running event loop.
    """
    if not callable(main):
        raise TypeError(f"run() calls main itself, but {main!r} can't be called. Write run(main, *args).")
    refuse_inside_a_loop("run()", "`async with AsyncioReactor() as reactor: await main(reactor)`")

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
    """``asyncio.run`` on a loop that exists, which it then closes: what Python 3.10's own can't do."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            _cancel_all_tasks(loop)
        finally:
            asyncio.set_event_loop(None)
            close_loop(loop)


def _cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, and wait for it. What it raises, nobody else would hear of."""
    left = asyncio.all_tasks(loop)
    if not left:
        return
    for task in left:
        task.cancel()
    results = loop.run_until_complete(_settled(left))
    for task, result in zip(left, results, strict=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            loop.call_exception_handler(
                {"message": "unhandled exception as run() ended", "exception": result, "task": task}
            )


async def _settled(tasks: set[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)
