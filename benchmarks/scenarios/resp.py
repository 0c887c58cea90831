"""A whole program: the Redis server of ``examples``, and redis-benchmark for its client."""

from __future__ import annotations

from functools import partial

from ..clients.redis import CONNECTIONS, PROGRAM
from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS
from ..processes import client, serving

__all__ = ["SCENARIO"]

TOLD = (
    Goal("ours-uvloop", "protocol-uvloop"),
    Goal("ours-asyncio", "twisted-epoll"),
    Goal("ours-asyncio", "protocol-asyncio"),
)
"""Ratios without a goal."""


def measure(workload: str, kinds: str, pipeline: int, peer: Peer, seconds: float) -> Sample:
    """Requests per second of a fresh server, as redis-benchmark tells them."""
    with serving(peer, workload, seconds) as server:
        return client("redis", server, seconds, "--kinds", kinds, "--pipeline", str(pipeline))


def _case(pipeline: int, workload: str = "resp", kinds: str = "set,get", least: float = 0) -> Case:
    depth = f"{pipeline} at a time" if pipeline > 1 else "one at a time"
    what = "SET and GET" if workload == "resp" else "SET, answered without a look at it"
    return Case(
        name=f"{workload}-{pipeline}",
        title=f"{what}, {depth} on {CONNECTIONS} connections",
        unit=Unit("requests/s"),
        peers=SERVERS,
        measure=partial(measure, workload, kinds, pipeline),
        goals=(Goal("ours-uvloop", "twisted-epoll", least), *TOLD),
    )


SCENARIO = Scenario(
    "resp",
    "A Redis server",
    "redis-benchmark sets and gets values in the server of the demo, a LineReceiver whose source is the same "
    "for every peer: Twisted runs it with its own LineReceiver, asyncio's transports and streams with ours. "
    "What the server itself does is on both sides of each ratio and draws it towards 1. The last case leaves "
    "that out: requests are counted and each is answered with OK, which shows what the transports alone do.",
    (_case(1), _case(16, least=2.5), _case(64), _case(16, "resp-null", "set")),
    needs=(PROGRAM,),
)
