"""Deferreds: beside Twisted's, and awaited beside the loop's own futures."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import LIBRARIES
from ..processes import BRIEF, work

__all__ = ["SCENARIO"]

LOOPS = ("asyncio", "uvloop")


def measure(what: str, peer: Peer, seconds: float) -> Sample:
    """How often a second the work is done, in a fresh process."""
    return work("deferreds", peer, seconds * BRIEF, "--what", what)


def _without_loop(what: str, title: str, least: float) -> Case:
    goal = Goal("ours", "twisted", least)
    name = f"deferreds-{what}"
    return Case(name, title, Unit("times/s"), LIBRARIES, partial(measure, what), (goal,), "twisted")


def _in_loop(what: str, title: str, loop: str, others: dict[str, float]) -> Case:
    """:param others: with whom ours is compared, and how many times as good it has to be."""
    return Case(
        name=f"deferreds-{what}-{loop}",
        title=f"{title}, on {loop}",
        unit=Unit("times/s"),
        peers=(f"ours-{loop}", *(f"{library}-{loop}" for library in others)),
        measure=partial(measure, what),
        goals=tuple(Goal(f"ours-{loop}", f"{library}-{loop}", least) for library, least in others.items()),
        baseline=f"twisted-{loop}",
    )


AWAITS = {"twisted": 1.4, "bare": 0.8}

SCENARIO = Scenario(
    "deferreds",
    "Deferreds",
    "Some of it needs no event loop. The rest is done by tasks of a plain loop: they await Deferreds that "
    "fire on the next turn, Twisted's through asFuture, which is how a task awaits those. bare is the loop's "
    "own future.",
    (
        _without_loop("create", "create, 3 callbacks, fire", 1.5),
        _without_loop("inline", "inlineCallbacks, 10 fired Deferreds", 1.5),
        _without_loop("ensure", "ensureDeferred, 10 fired Deferreds, no loop", 0),
        *(
            _in_loop(what, title, loop, others)
            for what, title, others in (
                ("ensure-inside", "ensureDeferred, 10 fired Deferreds", {"twisted": 0.0}),
                ("await", "await one that fires later", AWAITS),
                ("await-at-once", "await one that fires later, 100 tasks at once", AWAITS),
            )
            for loop in LOOPS
        ),
    ),
)
