"""A resolver on a reactor of the running loop, and what it may leave behind: nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support import until, within
from twisted_compat import AsyncioReactor
from twisted_compat.names.client import Resolver

SOON = (0.05,)
"""A timeout for servers that don't answer: one short round."""


@asynccontextmanager
async def resolver_for(*servers: Any, **arguments: Any) -> AsyncIterator[Resolver]:
    """A resolver that asks these servers, and knows no hosts file unless it is given one; on a reactor."""
    async with AsyncioReactor():
        yield Resolver(
            servers=[getattr(server, "address", server) for server in servers], **{"hosts": None} | arguments
        )


async def failure_of(deferred: Any) -> Any:
    """The error that a Deferred fails with."""
    with pytest.raises(Exception) as caught:
        await within(deferred)
    return caught.value


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))


class Nothing:
    """That nothing is left behind: neither tasks nor descriptors."""

    def __init__(self) -> None:
        self._tasks = len(asyncio.all_tasks())
        self._descriptors = descriptors()

    def left(self) -> bool:
        return len(asyncio.all_tasks()) <= self._tasks and descriptors() <= self._descriptors

    async def is_left(self) -> None:
        await until(self.left)


def addresses(result: Any) -> list[str]:
    """The IPv4 addresses among the answers of a look-up."""
    return [header.payload.dottedQuad() for header in result[0] if header.type == 1]
