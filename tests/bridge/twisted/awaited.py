"""Awaiting in a task, and what the tests of that do all the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support import within

__all__ = ["outcome", "soon", "wait", "waiting"]


async def wait(deferred: Any) -> Any:
    """What awaiting gives, within the deadline: in a task."""
    return await within(waiting(deferred))


async def waiting(deferred: Any) -> Any:
    return await deferred


def soon(call: Callable[..., object], *args: Any) -> None:
    asyncio.get_running_loop().call_soon(call, *args)


def outcome(deferred: Any) -> list[Any]:
    """Where the result of a Deferred will be."""
    seen: list[Any] = []
    deferred.addBoth(seen.append)
    return seen
