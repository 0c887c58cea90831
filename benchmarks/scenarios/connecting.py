"""Connecting: how many connections a client makes in a second, by endpoints."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import TWISTED_STYLE
from ..processes import work

__all__ = ["SCENARIO"]

OVER_TWISTED = (Goal("ours-asyncio", "twisted-epoll"), Goal("ours-uvloop", "twisted-epoll"))
OVER_ASYNCIO = Goal("ours-asyncio", "protocol-asyncio")


def measure(what: str, peer: Peer, seconds: float) -> Sample:
    """Connections per second, in a fresh process."""
    return work("connecting", peer, seconds, "--what", what)


def _case(what: str, title: str, others: tuple[str, ...], goals: tuple[Goal, ...]) -> Case:
    peers = (*TWISTED_STYLE, *others)
    return Case(what, title, Unit("connections/s"), peers, partial(measure, what), goals, lockstep=True)


SCENARIO = Scenario(
    "connect",
    "Connecting through endpoints",
    "A client connects to a server on the other core that accepts and does nothing else, hangs up as soon as "
    "it is connected, and connects again; 20 at a time. The host is given by its address, so that no names "
    "are looked up. What connects is a TCP4ClientEndpoint, then a HostnameEndpoint, which would race the "
    "addresses of a host. protocol is asyncio's create_connection; where there may be a race, with its delay "
    "for that, which uvloop doesn't know.",
    (
        _case(
            "connect-tcp",
            "connections by TCP4ClientEndpoint",
            ("protocol-asyncio", "protocol-uvloop"),
            (*OVER_TWISTED, OVER_ASYNCIO, Goal("ours-uvloop", "protocol-uvloop")),
        ),
        _case(
            "connect-host",
            "connections by HostnameEndpoint",
            ("protocol-asyncio",),
            (*OVER_TWISTED, OVER_ASYNCIO),
        ),
    ),
)
