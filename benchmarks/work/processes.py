"""Child processes, from inside a running loop: ``python -m benchmarks.work.processes PEER --what KIND``.

Everybody gives a child three pipes, and is done with it when it has exited and its output has ended:
``processEnded`` here and in Twisted, ``connection_lost`` of asyncio's SubprocessProtocol, ``communicate()``
of its streams. ``processes_libraries`` has each library's way of doing so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage

from ..model import Peer, Sample
from ..processes import cores, forget_peak, peak_memory, resident
from .command import run
from .inside import Inside, LoopBatch, Step, run_inside, timed_inside
from .processes_libraries import LIBRARIES, Library

__all__ = ["KINDS", "MIB", "measure"]

MIB = 2**20
LANES = {"spawn-true": 1, "spawn-true-20": 20}
"""How many children there are at a time."""
KINDS = (*LANES, "pipe-cat")
SIZE = 200  # children in a batch; one after the other, a tenth of that
VOLUME = 512 * MIB  # through the pipes
SHORT_VOLUME = 4 * MIB  # of a measurement that is to be over at once


def _children_cpu() -> float:
    """Seconds of CPU time that all children used who were waited for."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def spawning(inside: Inside, library: Library, lanes: int, size: int) -> LoopBatch:
    """Run ``true`` until it has exited, again and again, so many at a time."""

    def batch(then: Step) -> None:
        unstarted, running = size, 0

        def start() -> None:
            nonlocal unstarted, running
            unstarted, running = unstarted - 1, running + 1
            library.run(ended)

        def end(code: int | None) -> None:
            nonlocal running
            running -= 1
            _check_exit("true", code)
            if unstarted:
                start()
            elif not running:
                then()

        ended = inside.guarded(end)
        for _ in range(min(lanes, size)):
            start()

    return batch


def _check_exit(what: str, code: int | None) -> None:
    if code != 0:
        raise OSError(f"{what} exited with {code}")


def measure_spawning(peer: Peer, lanes: int, seconds: float, size: int) -> Sample:
    """Children per second; as the client's CPU time, that of the children."""
    marks: list[float] = []  # what children had used by the begin of each batch: the first warms

    def start(inside: Inside) -> None:
        batch = spawning(inside, LIBRARIES[peer.kind](inside), lanes, size)

        def marked(then: Step) -> None:
            marks.append(_children_cpu())
            batch(then)

        timed_inside(inside, marked, size, seconds)

    sample = run_inside(peer, start, children=True)
    return replace(sample, client_cpu=_children_cpu() - marks[1])


def measure_pumping(peer: Peer, volume: int, core: int | None) -> Sample:
    """MiB per second that go to a ``cat`` and come back; as the client's CPU time, that of the cat.

    :param core: where the cat is to stay.
    """

    def start(inside: Inside) -> None:
        own = os.getpid()
        forget_peak(own)
        before = resident(own)
        cat_before, cpu_before, began = _children_cpu(), time.process_time(), time.perf_counter()

        def started(pid: int) -> None:
            if core is not None:
                os.sched_setaffinity(pid, {core})

        def end(code: int | None, received: int) -> None:
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu_before
            _check_exit("cat", code)
            if received != volume:
                raise OSError(f"Of {volume} bytes, {received} came back")
            peak = peak_memory(own)
            inside.end(
                Sample(
                    value=volume / MIB / wall,
                    work=volume,
                    wall=wall,
                    cpu=cpu,
                    client_cpu=_children_cpu() - cat_before,
                    memory=None if peak is None or before is None else peak - before,
                )
            )

        LIBRARIES[peer.kind](inside).pump(volume, started, inside.guarded(end))

    return run_inside(peer, start, children=True)


def measure(peer: Peer, what: str, seconds: float, size: int = SIZE, core: int | None = None) -> Sample:
    """How fast a peer does one of KINDS.

    :param seconds: what goes through the pipes is as much, however long that takes; far less if this is less
        than one.
    :param size: how many children a batch has.
    :param core: where a child stays that does more than to exit.
    """
    if what in LANES:
        lanes = LANES[what]
        return measure_spawning(peer, lanes, seconds, size if lanes > 1 else max(size // 10, 1))
    return measure_pumping(peer, VOLUME if seconds >= 1 else SHORT_VOLUME, core)


if __name__ == "__main__":
    there: Callable[[Peer, str, float], Sample] = partial(
        measure, core=cores()[1]
    )  # asked while all are ours
    run("processes", "Start children, and talk to them.", KINDS, there)
