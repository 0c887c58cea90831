"""Child processes: how long until one has come and gone, and how fast the pipes to it are."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS
from ..processes import BRIEF, work
from .bulk import bounded

__all__ = ["SCENARIO"]

PARENTS = tuple(name for name in SERVERS if name != "twisted-uvloop")
"""Who can have children: uvloop takes the signal by which Twisted would hear that one has exited."""

GOALS = (
    Goal("ours-asyncio", "twisted-epoll"),
    Goal("ours-uvloop", "twisted-epoll"),
    Goal("ours-asyncio", "protocol-asyncio"),
    Goal("ours-asyncio", "streams-asyncio"),
    Goal("ours-uvloop", "protocol-uvloop"),
    Goal("ours-uvloop", "streams-uvloop"),
)


def spawn(what: str, peer: Peer, seconds: float) -> Sample:
    """Children per second that come and go, in a fresh process."""
    return work("processes", peer, seconds * BRIEF, "--what", what)


def pump(peer: Peer, seconds: float) -> Sample:
    """MiB per second that go to a cat and come back, 512 of them; 4 where less than a second is asked for.

    :raises BenchmarkError: also if far more was held at once than by one that heeds back-pressure.
    """
    return bounded(peer, work("processes", peer, seconds, "--what", "pipe-cat"))


SCENARIO = Scenario(
    "processes",
    "Child processes",
    "A child that does nothing (true) is started with a pipe each for its input, output and errors, and "
    "waited for until it has exited and its pipes have ended; one after the other, and 20 at a time. It "
    "stays on its parent's core, so what the kernel and the child take is on both sides of each ratio; per "
    "CPU, only the parent counts. Then 512 MiB go to a cat on the other core, no faster than it takes them, "
    "and come back. protocol is asyncio's SubprocessProtocol, streams its create_subprocess_exec; uvloop has "
    "sockets where the others have pipes. Twisted's reactor on uvloop takes no part: there it never hears "
    "that a child has exited.",
    (
        Case(
            "spawn-true",
            "children, one after the other",
            Unit("children/s"),
            PARENTS,
            partial(spawn, "spawn-true"),
            GOALS,
            lockstep=True,
        ),
        Case(
            "spawn-true-20",
            "children, 20 at a time",
            Unit("children/s"),
            PARENTS,
            partial(spawn, "spawn-true-20"),
            GOALS,
            lockstep=True,
        ),
        Case("pipe-cat", "512 MiB through a cat", Unit("MiB/s"), PARENTS, pump, GOALS, lockstep=True),
    ),
    needs=("true", "cat"),
)
