"""A peer's loop or reactor, running, with work inside it: what a server would do between two waits.

Work is written once for all: to have something called later it uses ``later``, which is the reactor's
``callLater`` or the loop's ``call_later``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..loops import new_loop
from ..model import Peer, Sample
from ..servers.under_twisted import install
from .batches import Tally

__all__ = ["Inside", "LoopBatch", "run_inside", "timed_inside"]

Step = Callable[[], object]
LoopBatch = Callable[[Step], object]
"""Does its work as often as it was made for, and has what it is given called on a later turn of the loop. So
the loop can see to what it puts off, as it does in a server: what was cancelled is cleared away."""


class Inside:
    """What runs, for the work that is done inside it.

    :ivar later: has something called in so many seconds, with arguments.
    :ivar reactor: the reactor; None where a loop runs by itself.
    :param stop: makes the loop or reactor end.
    """

    def __init__(
        self,
        later: Callable[..., Any],
        stop: Callable[[], object],
        reactor: Any = None,
    ) -> None:
        self.later = later
        self.reactor = reactor
        self._stop = stop
        self._found: Sample | None = None
        self._error: Exception | None = None

    def end(self, found: Sample) -> None:
        """The work is done, and this is what was found."""
        self._found = found
        self._stop()

    def guarded(self, step: Callable[..., object]) -> Callable[..., None]:
        """The same step, but if it fails the work is over; a loop would log that and go on for ever."""

        def call(*args: Any) -> None:
            try:
                step(*args)
            except Exception as error:
                self._error = error
                self._stop()

        return call

    def outcome(self) -> Sample:
        """What was found.

        :raises Exception: what a step failed with.
        """
        if self._error is not None:
            raise self._error
        assert self._found is not None, "the loop ended before the work was done"
        return self._found


def run_inside(peer: Peer, start: Callable[[Inside], object], children: bool = False) -> Sample:
    """Run a peer's loop or reactor until the work in it is done.

    :param start: begins the work, which calls :meth:`Inside.end` in the end.
    :param children: whether it starts processes: Twisted hears of their end by a signal, and takes over
        others' signals with that one.
    :returns: what that was given.
    """
    if peer.kind == "twisted":
        return _in_twisted(peer.loop, start, children)
    loop = new_loop(peer.loop)
    try:
        return loop.run_until_complete((_in_ours if peer.kind == "ours" else _in_loop)(loop, start))
    finally:
        loop.close()


async def _in_loop(loop: asyncio.AbstractEventLoop, start: Callable[[Inside], object]) -> Sample:
    ended = asyncio.Event()
    inside = Inside(loop.call_later, ended.set)
    inside.guarded(start)(inside)
    await ended.wait()
    return inside.outcome()


async def _in_ours(loop: asyncio.AbstractEventLoop, start: Callable[[Inside], object]) -> Sample:
    from twisted_compat import AsyncioReactor

    ended = asyncio.Event()
    async with AsyncioReactor() as reactor:
        inside = Inside(reactor.callLater, ended.set, reactor)
        inside.guarded(start)(inside)
        await ended.wait()
    return inside.outcome()


def _in_twisted(loop: str, start: Callable[[Inside], object], signals: bool) -> Sample:
    reactor = install(loop)
    inside = Inside(reactor.callLater, reactor.stop, reactor)
    reactor.callWhenRunning(inside.guarded(start), inside)
    reactor.run(installSignalHandlers=signals)
    return inside.outcome()


def timed_inside(inside: Inside, batch: LoopBatch, size: int, seconds: float) -> None:
    """Do batches, after a first one that doesn't count, until the time is up; that ends the work.

    :param size: how often a batch does its work.
    :param seconds: how long to go on, at the least.
    """
    tally = Tally(size, seconds)

    def done() -> None:
        if tally.another():
            batch(step)
        else:
            inside.end(tally.sample())

    step = inside.guarded(done)
    batch(step)
