"""What Deferreds are measured with, beside Twisted's and asyncio's futures.

``python -m benchmarks.deferred_work LOOP`` does all work that belongs to that loop, in rounds, and prints
what it found as JSON. ``deferreds`` starts one process of this module for each kind of loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.load import Load
from benchmarks.report import Goal
from benchmarks.servers import new_loop, pin

__all__ = ["LOOPS", "NO_LOOP", "TASKS", "WORK", "Work", "measure"]

NO_LOOP = "none"
LOOPS = (NO_LOOP, "asyncio", "uvloop")
RUNNING = ("asyncio", "uvloop")
TASKS = 100
"""How many tasks wait at once in one kind of work; batches are multiples of it."""

STEPS = 10  # how many fired Deferreds a generator or coroutine takes
Batch = Callable[[int], None]
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

    run = defer.inlineCallbacks(generator)

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = run()
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


def fire_deferred(waiting: Any) -> None:
    """What the loop calls to end a wait."""
    waiting.callback(1)


def fire_future(waiting: asyncio.Future[int]) -> None:
    """What the loop calls to end a wait."""
    waiting.set_result(1)


def await_deferred(defer: Any) -> AsyncBatch:
    """Await, in a task, Deferreds that fire on the next turn."""
    make = defer.Deferred

    async def batch(count: int) -> None:
        call_soon = asyncio.get_running_loop().call_soon
        for _ in range(count):
            waiting = make()
            call_soon(fire_deferred, waiting)
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
            call_soon(fire_deferred, waiting)
            await waiting.asFuture(loop)

    return batch


async def await_future(count: int) -> None:
    """The same with the loop's own futures."""
    loop = asyncio.get_running_loop()
    make, call_soon = loop.create_future, loop.call_soon
    for _ in range(count):
        waiting = make()
        call_soon(fire_future, waiting)
        await waiting


def at_once(batch: AsyncBatch) -> AsyncBatch:
    """The same work, shared among tasks that all wait at the same time."""

    async def shared(count: int) -> None:
        await asyncio.gather(*(batch(count // TASKS) for _ in range(TASKS)))

    return shared


# Whose


def _ours() -> Any:
    from twisted_compat import defer

    return defer


def _twisted() -> Any:
    from twisted.internet import defer

    return defer


@dataclass(frozen=True)
class Work:
    """Something to do with Deferreds, and who does it.

    :ivar title: what is done once.
    :ivar loops: in which processes.
    :ivar peers: makes what each peer does: a function, plain or async, that does the work so many times. The
        plain ones are called where no loop runs. A library is imported by whoever needs it.
    :ivar goals: which ratios are told, and what they should be.
    """

    title: str
    loops: tuple[str, ...]
    peers: dict[str, Callable[[], Batch | AsyncBatch]]
    goals: tuple[Goal, ...]


def _both(make: Callable[[Any], Batch | AsyncBatch]) -> dict[str, Callable[[], Batch | AsyncBatch]]:
    return {"ours": lambda: make(_ours()), "Twisted": lambda: make(_twisted())}


FASTER = (Goal("ours", "Twisted", 1.5),)
TOLD = (Goal("ours", "Twisted", 0),)
WAITS = (Goal("ours", "asFuture", 1.4), Goal("ours", "future", 0.8))

WORK: dict[str, Work] = {
    "create": Work("create, 3 callbacks, fire", (NO_LOOP,), _both(create_and_fire), FASTER),
    "inline": Work(f"inlineCallbacks, {STEPS} fired Deferreds", (NO_LOOP,), _both(inline), FASTER),
    "ensure": Work(f"ensureDeferred, {STEPS} fired Deferreds", (NO_LOOP,), _both(ensure), TOLD),
    "ensure-inside": Work(f"ensureDeferred, {STEPS} fired Deferreds", RUNNING, _both(ensure_inside), TOLD),
    "await": Work(
        "await one that fires later",
        RUNNING,
        {
            "ours": lambda: await_deferred(_ours()),
            "asFuture": lambda: await_as_future(_twisted()),
            "future": lambda: await_future,
        },
        WAITS,
    ),
    "await-at-once": Work(
        f"the same, {TASKS} tasks at once",
        RUNNING,
        {
            "ours": lambda: at_once(await_deferred(_ours())),
            "asFuture": lambda: at_once(await_as_future(_twisted())),
            "future": lambda: at_once(await_future),
        },
        WAITS,
    ),
}


# Measuring


def _timed(batch: Batch, size: int, seconds: float) -> Load:
    """Do batches until the time is up. The clock is looked at between them."""
    clock = time.perf_counter
    gc.collect()  # what the one before left is not ours to pay for; what we leave is, so collecting goes on
    count = 0
    cpu, start = time.process_time(), clock()
    while True:
        batch(size)
        count += size
        wall = clock() - start
        if wall >= seconds:
            break
    # There is no client: what is measured is the process itself, as a server would be.
    return Load(count, wall, client_cpu=0.0, server_cpu=time.process_time() - cpu)


def _run_on(loop: asyncio.AbstractEventLoop, batch: AsyncBatch) -> Batch:
    async def run(count: int) -> None:
        await batch(count)

    return lambda count: loop.run_until_complete(run(count))


def measure(loop_name: str, rounds: int, seconds: float, batch: int) -> dict[str, dict[str, list[Load]]]:
    """All work of one kind of loop, in rounds in which the peers take turns.

    :param loop_name: of LOOPS.
    :param rounds: how many.
    :param seconds: of each measurement, at the least.
    :param batch: how often the work is done between two looks at the clock: a multiple of TASKS.
    :returns: by kind of work and by peer, what each round found.
    """
    loop = None if loop_name == NO_LOOP else new_loop(loop_name)
    batches: dict[tuple[str, str], Batch] = {}
    found: dict[str, dict[str, list[Load]]] = {}
    for name, work in WORK.items():
        if loop_name not in work.loops:
            continue
        found[name] = {peer: [] for peer in work.peers}
        for peer, make in work.peers.items():
            made: Any = make()
            batches[name, peer] = made if loop is None else _run_on(loop, made)
    for each in batches.values():
        each(batch)  # warm
    for _ in range(rounds):
        for (name, peer), each in batches.items():
            found[name][peer].append(_timed(each, batch, seconds))
    if loop is not None:
        loop.close()
    return found


def main() -> None:
    """Measure as the command line says and print what was found, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deferred_work", description="Time Deferreds.")
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=5000)
    parser.add_argument("--core", type=int, help="the core to stay on")
    options = parser.parse_args()
    pin(options.core)
    found = measure(options.loop, options.rounds, options.seconds, options.batch)
    print(json.dumps(found, default=asdict))


if __name__ == "__main__":
    main()
