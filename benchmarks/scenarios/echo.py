"""Request and response: what most servers do all day."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS, TWISTED_WORDS
from ..processes import client, serving

__all__ = ["SCENARIO"]

SIZES = {64: "64 B", 1024: "1 KiB", 16384: "16 KiB"}
CONNECTIONS = (1, 50, 400)

GOALS = (
    Goal("ours-uvloop", "protocol-uvloop", 1.0),
    Goal("ours-uvloop", "twisted-epoll", 2.3),
    Goal("ours-asyncio", "protocol-asyncio", 3.0),
    Goal("ours-twisted-uvloop", "ours-uvloop"),
    Goal("ours-twisted-uvloop", "twisted-epoll"),
)
"""Of 1 KiB on 50 connections."""


def measure(size: int, connections: int, peer: Peer, seconds: float) -> Sample:
    """Requests per second of a fresh server, with a fresh client."""
    with serving(peer, "echo", seconds) as server:
        return client("echo", server, seconds, "--connections", str(connections), "--size", str(size))


def _case(size: int, connections: int) -> Case:
    plural = "s" if connections > 1 else ""
    typical = (size, connections) == (1024, 50)
    return Case(
        name=f"echo-{size}-{connections}",
        title=f"echo of {SIZES[size]} on {connections} connection{plural}",
        unit=Unit("requests/s"),
        peers=(*SERVERS, *(TWISTED_WORDS if typical else ()), "raw-epoll"),
        measure=partial(measure, size, connections),
        goals=GOALS if typical else (),
        lockstep=connections == 1,
    )


SCENARIO = Scenario(
    "echo",
    "Request and response",
    "Each connection sends a request, waits until all of it has come back, and sends the next. raw-epoll, a "
    "Python loop that does nothing but recv and send, shows what the rest of a server in Python costs; it is "
    "about as much as the client can ask for.",
    tuple(_case(size, connections) for size in SIZES for connections in CONNECTIONS),
)
