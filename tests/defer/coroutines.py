"""What the tests of coroutines share: one that waits, and ways to let the loop turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support import until
from twisted_compat.defer import Deferred, ensureDeferred

from .test_deferred import outcome

since_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has it since Python 3.11")
since_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")


class Waiting:
    """A coroutine of ours that waits for a Deferred, and the task that asyncio sees of it."""

    def __init__(self, deferred: Deferred[Any] | None = None) -> None:
        self.awaited: Deferred[Any] = Deferred() if deferred is None else deferred
        self.task: Any = None
        self.result = ensureDeferred(self._run())

    async def _run(self) -> Any:
        self.task = asyncio.current_task()
        return await self.awaited


async def came_to(deferred: Deferred[Any]) -> Any:
    """What a Deferred comes to, a value or an exception, in turns of the loop."""
    await until(lambda: deferred.called and not deferred.paused)
    return outcome(deferred)


async def turn() -> None:
    """Let everything that is scheduled now run, and what that schedules."""
    for _ in range(5):
        await asyncio.sleep(0)


async def wait(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def waiting_task() -> Any:
    """The task of one, whose Deferred nobody looks at."""
    waiting = Waiting()
    waiting.result.addErrback(lambda _: None)
    return waiting.task


def run(loop_factory: Any, main: Callable[[], Any]) -> Any:
    """asyncio.run on a loop of the factory's."""
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())
    # With a loop factory it comes only later: the same by way of the policy.
    policy = asyncio.get_event_loop_policy()
    made = loop_factory()

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            loop: asyncio.AbstractEventLoop = made
            return loop

    asyncio.set_event_loop_policy(Policy())
    try:
        return asyncio.run(main(), debug=made.get_debug())
    finally:
        asyncio.set_event_loop_policy(policy)
