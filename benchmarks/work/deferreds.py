"""Deferreds, beside Twisted's and the loop's own futures: ``python -m benchmarks.work.deferreds PEER --what
KIND``.

No reactor runs here: some kinds need no event loop at all, the others a plain one, in which a task awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..loops import new_loop
from ..model import Peer, Sample
from .batches import Batch, timed
from .command import run

__all__ = ["KINDS", "STEPS", "TASKS", "measure"]

TASKS = 100
"""How many tasks wait at once in one kind of work; batches are multiples of it."""
STEPS = 10
"""How many fired Deferreds a generator or coroutine takes."""
SIZE = 1000  # how often a batch does its work
AsyncBatch = Callable[[int], Awaitable[None]]


# Without a loop


def create_and_fire(defer: Any) -> Batch:
    """Make a Deferred, add three callbacks, fire it."""
    make = defer.Deferred

    def same(result: Any) -> Any:
        return result

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = make()
            deferred.addCallback(same)
            deferred.addCallback(same)
            deferred.addCallback(same)
            deferred.callback(1)

    return batch


def inline(defer: Any) -> Batch:
    """Run a generator that yields Deferreds which have fired."""
    succeed = defer.succeed

    def generator() -> Any:
        for _ in range(STEPS):
            yield succeed(1)

    run_generator = defer.inlineCallbacks(generator)

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = run_generator()
        assert deferred.called

    return batch


def _coroutine_function(defer: Any) -> Callable[[], Any]:
    succeed = defer.succeed

    async def coroutine() -> None:
        for _ in range(STEPS):
            await succeed(1)

    return coroutine


def ensure(defer: Any) -> Batch:
    """Run a coroutine that awaits Deferreds which have fired, where no loop runs."""
    ensure_deferred, coroutine = defer.ensureDeferred, _coroutine_function(defer)

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = ensure_deferred(coroutine())
        assert deferred.called

    return batch


# In a running loop


def ensure_inside(defer: Any) -> AsyncBatch:
    """Run a coroutine that awaits Deferreds which have fired, from a task."""
    ensure_deferred, coroutine = defer.ensureDeferred, _coroutine_function(defer)

    async def batch(count: int) -> None:
        for _ in range(count):
            await ensure_deferred(coroutine())  # it has fired, or fires later: either may be awaited

    return batch


def _fire_deferred(waiting: Any) -> None:
    waiting.callback(1)


def _fire_future(waiting: asyncio.Future[int]) -> None:
    waiting.set_result(1)


def await_deferred(defer: Any) -> AsyncBatch:
    """Await, in a task, Deferreds that fire on the next turn."""
    make = defer.Deferred

    async def batch(count: int) -> None:
        call_soon = asyncio.get_running_loop().call_soon
        for _ in range(count):
            waiting = make()
            call_soon(_fire_deferred, waiting)
            await waiting

    return batch


def await_as_future(defer: Any) -> AsyncBatch:
    """The same through ``Deferred.asFuture``, which is how a task awaits Twisted's."""
    make = defer.Deferred

    async def batch(count: int) -> None:
        loop = asyncio.get_running_loop()
        call_soon = loop.call_soon
        for _ in range(count):
            waiting = make()
            call_soon(_fire_deferred, waiting)
            await waiting.asFuture(loop)

    return batch


async def await_future(count: int) -> None:
    """The same with the loop's own futures."""
    loop = asyncio.get_running_loop()
    make, call_soon = loop.create_future, loop.call_soon
    for _ in range(count):
        waiting = make()
        call_soon(_fire_future, waiting)
        await waiting


def at_once(batch: AsyncBatch) -> AsyncBatch:
    """The same work, shared among tasks that all wait at the same time."""

    async def shared(count: int) -> None:
        await asyncio.gather(*(batch(count // TASKS) for _ in range(TASKS)))

    return shared


def awaiting(library: str, defer: Any) -> AsyncBatch:
    """Waits for what fires on the next turn, as a library's user would write them."""
    if library == "bare":
        return await_future
    return await_as_future(defer) if library == "twisted" else await_deferred(defer)


# Measuring

WITHOUT_LOOP: dict[str, Callable[[Any], Batch]] = {
    "create": create_and_fire,
    "inline": inline,
    "ensure": ensure,
}
IN_A_LOOP: dict[str, Callable[[str, Any], AsyncBatch]] = {
    "ensure-inside": lambda library, defer: ensure_inside(defer),
    "await": awaiting,
    "await-at-once": lambda library, defer: at_once(awaiting(library, defer)),
}
KINDS = (*WITHOUT_LOOP, *IN_A_LOOP)


def _words(library: str) -> Any:
    """A library's module of Deferreds; None where there are none."""
    if library == "ours":
        from twisted_compat import defer as ours

        return ours
    if library == "twisted":
        from twisted.internet import defer as twisted

        return twisted
    return None


def measure(peer: Peer, what: str, seconds: float) -> Sample:
    """How often a second a peer does one of KINDS."""
    defer = _words(peer.kind)
    if what in WITHOUT_LOOP:
        return timed(WITHOUT_LOOP[what](defer), SIZE, seconds)
    batch = IN_A_LOOP[what](peer.kind, defer)

    async def a_batch(count: int) -> None:
        await batch(count)

    loop = new_loop(peer.loop)
    try:
        return timed(lambda count: loop.run_until_complete(a_batch(count)), SIZE, seconds)
    finally:
        loop.close()


if __name__ == "__main__":
    run("deferreds", "Make, fire and await Deferreds.", KINDS, measure)
