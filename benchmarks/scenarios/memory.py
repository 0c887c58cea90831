"""Memory: what each connection costs that is there and says nothing."""

from __future__ import annotations

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import BARE, SERVERS
from ..processes import work

__all__ = ["SCENARIO"]


def measure(peer: Peer, seconds: float) -> Sample:
    """Bytes that one more connection takes, in a fresh process."""
    return work("memory", peer, seconds)


SCENARIO = Scenario(
    "memory",
    "Memory",
    "By how much the server's own memory grows, divided by the connections that made it grow: 4,000 after a "
    "first 1,000. All are idle. bare is a socket object that the loop watches, and nothing else. What the "
    "kernel needs for a connection is not counted.",
    (
        Case(
            "memory-idle",
            "memory of an idle connection",
            Unit("bytes", more_is_better=False),
            (*SERVERS, *BARE),
            measure,
            (
                Goal("ours-asyncio", "bare-asyncio", at_most=1200),
                Goal("ours-uvloop", "bare-uvloop", at_most=1200),
                Goal("ours-asyncio", "protocol-asyncio"),
                Goal("ours-uvloop", "protocol-uvloop"),
                Goal("ours-uvloop", "twisted-epoll"),
            ),
        ),
    ),
    linux=True,
)
