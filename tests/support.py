"""What the tests share: deadlines, polling, and small peers on plain sockets that know nothing of this
package."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import Any, NoReturn, TypeVar

import pytest

T = TypeVar("T")
PEERS_REQUIRED = os.environ.get("TWISTED_COMPAT_REQUIRE_PEERS", "") not in ("", "0")
"""Whether a test may not be skipped for want of what it talks to: so in CI."""

try:
    import twisted.internet  # "import twisted" alone finds the twisted/plugins of any project
except ModuleNotFoundError:
    TWISTED_IS_INSTALLED = False
else:
    TWISTED_IS_INSTALLED = twisted.internet is not None

DEADLINE = 10.0  # seconds: far beyond what anything here needs, so that only a hang reaches it


async def within(awaitable: Awaitable[T], seconds: float = DEADLINE) -> T:
    """Await something, failing the test if it takes longer than the deadline."""
    return await asyncio.wait_for(_as_coroutine(awaitable), seconds)


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def until(condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """Let the loop turn until ``condition()`` is true; return what it returned."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (result := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not reached within {seconds} s: {condition}")
        await asyncio.sleep(0.001)
    return result


def eventually(condition: Callable[[], Any]) -> Any:
    """Like :func:`until`, where there is no loop."""
    deadline = time.monotonic() + DEADLINE
    while not (result := condition()):
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.001)
    return result


def free_port(family: int = socket.AF_INET) -> int:
    """A TCP port that nobody listened on a moment ago, and that the system gives to nobody by itself."""
    for port in _PORTS:
        with socket.socket(family, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


# Below what systems take for clients, and for each of the processes that run tests at the same time others.
_PORTS = cycle(range(10_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20 * 1_000, 32_000))


@contextmanager
def no_reference_cycles() -> Iterator[None]:
    """The block leaves nothing that only the collector of cycles can take away."""
    for _ in range(5):  # what earlier tests have left may take several collections
        if not gc.collect():
            break
    gc.disable()
    try:
        yield
        garbage = gc.collect()
    finally:
        gc.enable()
    assert garbage == 0


def skip_without(what: str, remedy: str) -> NoReturn:
    """Skip a test for want of ``what``; where nothing may be missing, fail."""
    assert not PEERS_REQUIRED, f"{what} is required here: {remedy}"
    pytest.skip(f"{what} is not installed")
