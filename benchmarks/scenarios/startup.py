"""Start-up: how long until there is a server."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS, TWISTED_STYLE, TWISTED_WORDS
from ..processes import work

__all__ = ["SCENARIO"]

GOALS = (
    Goal("ours-uvloop", "twisted-uvloop"),
    Goal("ours-asyncio", "twisted-epoll"),
    Goal("ours-twisted-asyncio", "twisted-epoll"),
)


def measure(what: str, peer: Peer, seconds: float) -> Sample:
    """Seconds that it takes, the median of as many fresh interpreters as there is time for."""
    return work("startup", peer, seconds, "--what", what)


def _case(what: str, title: str, peers: tuple[str, ...]) -> Case:
    unit = Unit("s", more_is_better=False)
    return Case(f"startup-{what}", title, unit, peers, partial(measure, what), GOALS)


SCENARIO = Scenario(
    "startup",
    "Start-up",
    "In a fresh interpreter each time, whose own start belongs to the second case only. What is imported: "
    "the loop or reactor, protocols and LineReceiver; of asyncio, all. The server is the shortest program "
    "that serves echoes; its time runs until the first client has its answer.",
    (
        # Streams need what protocols need.
        _case(
            "import",
            "import what a server needs",
            (*TWISTED_STYLE, *TWISTED_WORDS, "protocol-asyncio", "protocol-uvloop"),
        ),
        _case("serve", "start a server, until its first answer", (*SERVERS, *TWISTED_WORDS)),
    ),
)
