"""Timers, inside a running loop: ``python -m benchmarks.work.timers PEER --what KIND``.

Nearly all timers of a server are timeouts: they are set, put off with every message, and cancelled. Hence the
kinds; a loop by itself can't put a timer off, and has to cancel it and set another.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ..model import Peer, Sample
from .command import run
from .inside import Inside, LoopBatch, Step, run_inside, timed_inside

__all__ = ["KINDS", "PENDING", "measure"]

TIMEOUT = 60  # seconds
HOUR = 3600
PENDING = 100_000
"""How many timers wait in the kind "pending"."""
SIZE = 1000  # how often a batch does its work


def _nothing() -> None:
    pass


def create(inside: Inside, size: int) -> LoopBatch:
    """Set a timeout and cancel it."""
    later = inside.later

    def batch(then: Step) -> None:
        for _ in range(size):
            later(TIMEOUT, _nothing).cancel()
        later(0, then)

    return batch


def overlap(inside: Inside, size: int) -> LoopBatch:
    """Set a timeout and cancel it, but only after many others have been set."""
    later = inside.later

    def batch(then: Step) -> None:
        for call in [later(TIMEOUT, _nothing) for _ in range(size)]:
            call.cancel()
        later(0, then)

    return batch


def reset(inside: Inside, size: int) -> LoopBatch:
    """Put a timeout off, as a protocol does with every message."""
    later = inside.later
    call = later(TIMEOUT, _nothing)

    def batch(then: Step) -> None:
        for _ in range(size):
            call.reset(TIMEOUT)
        later(0, then)

    def cancel_and_set(then: Step) -> None:
        nonlocal call
        for _ in range(size):
            call.cancel()
            call = later(TIMEOUT, _nothing)
        later(0, then)

    return batch if inside.reactor is not None else cancel_and_set


def fire(inside: Inside, size: int) -> LoopBatch:
    """Have something called at once, on the next turn, many times; the last call ends the batch."""
    later = inside.later

    def batch(then: Step) -> None:
        left = size

        def one() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for _ in range(size):
            later(0, one)

    return batch


KINDS: dict[str, Callable[[Inside, int], LoopBatch]] = {
    "create": create,
    "overlap": overlap,
    "reset": reset,
    "pending": create,  # while many others wait
    "fire": fire,
}


def measure(peer: Peer, what: str, seconds: float, pending: int = PENDING) -> Sample:
    """How often a second a peer does one of KINDS.

    :param pending: how many timers wait meanwhile, in the kind of that name.
    """

    def start(inside: Inside) -> None:
        if what == "pending":
            # Spread evenly over an hour, but set in no order. A few come due while we measure, as they would.
            whens = [HOUR * (number + 1) / pending for number in range(pending)]
            Random(1).shuffle(whens)
            for when in whens:
                inside.later(when, _nothing)
        timed_inside(inside, KINDS[what](inside, SIZE), SIZE, seconds)

    return run_inside(peer, start)


if __name__ == "__main__":
    run("timers", "Set, put off and cancel timers.", KINDS, measure)
