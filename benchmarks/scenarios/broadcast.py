"""One to many: what one connection says is written to a thousand."""

from __future__ import annotations

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS
from ..processes import client, serving

__all__ = ["SCENARIO"]


def measure(peer: Peer, seconds: float) -> Sample:
    """Deliveries per second of a fresh server to 1,000 connections."""
    with serving(peer, "broadcast", seconds) as server:
        return client("broadcast", server, seconds, "--connections", "1000", "--size", "64")


SCENARIO = Scenario(
    "broadcast",
    "Broadcast",
    "A client publishes on one of 1,000 connections, takes the message from every one of them, and publishes "
    "the next. The server writes to connections that had nothing to read: what is written to one in its own "
    "callback can be sent as that ends, this can't.",
    (
        Case(
            name="broadcast",
            title="deliveries of 64 B to 1,000 connections",
            unit=Unit("deliveries/s"),
            peers=SERVERS,
            measure=measure,
            goals=(
                Goal("ours-uvloop", "protocol-uvloop"),
                Goal("ours-uvloop", "twisted-epoll"),
                Goal("ours-asyncio", "protocol-asyncio"),
            ),
        ),
    ),
)
