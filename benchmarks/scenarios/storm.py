"""Everybody connects at once, as after a restart."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS
from ..processes import client, serving

__all__ = ["SCENARIO"]

CONNECTIONS = 5000


def measure(backlog: int, peer: Peer, seconds: float) -> Sample:
    """Seconds that a fresh server takes to greet 5,000 that connect at once; far fewer where less than a
    second is asked for."""
    count = CONNECTIONS if seconds >= 1 else 200
    with serving(peer, "greet", seconds, "--backlog", str(backlog)) as server:
        return client("storm", server, seconds, "--connections", str(count))


def _case(name: str, title: str, backlog: int) -> Case:
    return Case(
        name=name,
        title=title,
        unit=Unit("s", more_is_better=False),
        peers=SERVERS,
        measure=partial(measure, backlog),
        lockstep=True,
        goals=(
            Goal("ours-uvloop", "protocol-uvloop"),
            Goal("ours-uvloop", "twisted-epoll"),
            Goal("ours-asyncio", "protocol-asyncio"),
        ),
    )


SCENARIO = Scenario(
    "storm",
    "A storm of connections",
    "A client begins to connect 5,000 times at once; what counts is the time until the server has sent a "
    "byte on each of these connections. The listen queue holds 4,096, the most that Linux allows unless it "
    "is told otherwise, and 100 in the second case. Who finds it full is not refused: the kernel drops the "
    "attempt, and the client's kernel sends it again a second later. So in the second case, and in the first "
    "for a server that doesn't keep up, the figures tell how many such seconds it took.",
    (
        _case("storm", "5,000 connections at once", 4096),
        _case("storm-overflow", "5,000 connections at once, a listen queue of 100", 100),
    ),
    linux=True,
)
