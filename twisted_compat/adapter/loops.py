"""Every difference between one event loop and another, as capabilities that the other parts ask for.

Nothing else in the package looks at what kind of loop it has. A capability names what the loop does, not
which loop it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "Capabilities",
    "capabilities_of",
    "clock_of",
    "close_loop",
    "refuse_inside_a_loop",
    "running_loop",
]


@dataclass(frozen=True)
class Capabilities:
    """What a loop does differently from others.

    :ivar timer_resolution: seconds. A timer may fire this much early, and a delay below it means none at all.
    :ivar drops_watch_on_error: whether the loop, when a watched descriptor has an error condition, calls back
        once and then stops watching without a word. (uvloop does, as libuv stops a poll handle on POLLERR;
        the selector loops keep calling.)
    """

    timer_resolution: float
    drops_watch_on_error: bool


_SELECTOR = Capabilities(
    timer_resolution=time.get_clock_info("monotonic").resolution,
    drops_watch_on_error=False,
)
_LIBUV = Capabilities(
    timer_resolution=0.001,  # libuv counts in whole milliseconds
    drops_watch_on_error=True,
)


def capabilities_of(loop: asyncio.AbstractEventLoop) -> Capabilities:
    """What ``loop`` does differently. A subclass of a loop does what its base does.

    :raises RuntimeError: if the loop can't watch descriptors (Windows' Proactor loop, and test loops without
        the methods).
    """
    kind = type(loop)
    if any(base.__module__.partition(".")[0] in ("uvloop", "winloop") for base in kind.__mro__):
        return _LIBUV
    if getattr(kind, "add_reader", None) in (None, asyncio.AbstractEventLoop.add_reader):
        raise RuntimeError(
            f"{kind.__module__}.{kind.__qualname__} cannot watch descriptors: it has no add_reader. "
            "Run on a selector loop, as in asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)."
        )
    return _SELECTOR


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """A clock of seconds that goes as ``loop.time`` does, and is read anew whenever it is called.

    A clock that is read once a turn, as libuv's is, would count the time that a callback has already taken as
    part of a delay, and the call would come early. Where the loop's own is the system's, as a rule, asking
    that directly saves half of the time it takes.
    """
    kind = type(loop)
    if capabilities_of(loop) is _LIBUV or getattr(kind, "time", None) is asyncio.BaseEventLoop.time:
        return time.monotonic
    return loop.time


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def refuse_inside_a_loop(what: str, instead: str) -> None:
    """Teach whoever would run a loop inside a running one.

    :param what: what was called.
    :param instead: what to write.
    :raises RuntimeError: if a loop runs in this thread.
    """
    if running_loop() is not None:
        raise RuntimeError(
            f"{what} was called inside a running event loop, and no loop can be run inside another. "
            f"That loop runs the reactor too: write {instead}."
        )


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop that has stopped for good, with its asynchronous generators and its default executor.

    It is closed also if an interrupt cuts those short.
    """
    try:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
