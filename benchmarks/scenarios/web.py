"""A web server: the smallest site of twisted.web, and wrk for its client."""

from __future__ import annotations

from ..clients.wrk import CONNECTIONS, PROGRAM
from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import TWISTED_WORDS
from ..processes import client, serving

__all__ = ["SCENARIO"]


def measure(peer: Peer, seconds: float) -> Sample:
    """Requests per second of a fresh server, as wrk tells them."""
    with serving(peer, "web", seconds) as server:
        return client("wrk", server, seconds)


SCENARIO = Scenario(
    "web",
    "A web server",
    "twisted.web serves a Resource that answers with a few words, and logs nothing; wrk asks for it over and "
    "over. The source is the same for every peer, and all of it Twisted's; what differs is the reactor. What "
    "twisted.web does for a request is on both sides of each ratio, and far more than what a reactor does.",
    (
        Case(
            name="web-hello",
            title=f"twisted.web: GET of a short body on {CONNECTIONS} connections",
            unit=Unit("requests/s"),
            peers=(*TWISTED_WORDS, "twisted-epoll", "twisted-uvloop"),
            measure=measure,
            goals=(
                Goal("ours-twisted-uvloop", "twisted-epoll", 1.15),
                Goal("ours-twisted-asyncio", "twisted-epoll"),
                Goal("ours-twisted-uvloop", "twisted-uvloop"),
            ),
        ),
    ),
    needs=(PROGRAM,),
)
