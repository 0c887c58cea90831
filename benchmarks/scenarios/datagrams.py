"""Request and response as datagrams: one socket at the server, however many clients it has."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import TWISTED_STYLE, TWISTED_WORDS
from ..processes import client, serving

__all__ = ["SCENARIO"]

SIZES = {64: "64 B", 1024: "1 KiB"}
"""One of them from each of 50 sockets fill about half of the server's receive buffer, where that is as big as
Linux makes it unless told otherwise: none can get lost."""

GOALS = (
    Goal("ours-uvloop", "twisted-epoll", 1.3),
    Goal("ours-uvloop", "protocol-uvloop", 1.0),
    Goal("ours-asyncio", "protocol-asyncio"),
    Goal("ours-twisted-uvloop", "twisted-epoll"),
)
"""Of 1 KiB from 50 sockets."""


def measure(size: int, sockets: int, peer: Peer, seconds: float) -> Sample:
    """Datagrams per second that a fresh server answers, with a fresh client."""
    load = ("--datagrams", "--connections", str(sockets), "--size", str(size))
    with serving(peer, "udp-echo", seconds) as server:
        return client("echo", server, seconds, *load)


def _case(size: int, sockets: int) -> Case:
    plural = "s" if sockets > 1 else ""
    typical = (size, sockets) == (1024, 50)
    return Case(
        name=f"udp-{size}-{sockets}",
        title=f"datagrams of {SIZES[size]} from {sockets} socket{plural}, sent back",
        unit=Unit("datagrams/s"),
        peers=(
            *TWISTED_STYLE,
            *("protocol-asyncio", "protocol-uvloop"),  # streams have no datagrams
            *(TWISTED_WORDS if typical else ()),
            "raw-epoll",
        ),
        measure=partial(measure, size, sockets),
        goals=GOALS if typical else (),
        lockstep=sockets == 1,
    )


SCENARIO = Scenario(
    "datagrams",
    "Datagrams",
    "Each of the client's sockets sends a datagram over UDP, waits until it has come back, and sends the "
    "next. The server has one socket for all of them; its DatagramProtocol answers to the address that each "
    "came from. Most of the time is the kernel's, for a recvfrom and a sendto each, and about the same for "
    "everybody. asyncio's own transport receives one datagram in a turn of its loop, and makes room for "
    "256 KiB each time; the others go on while there are more. raw-epoll, a Python loop that does nothing "
    "but recvfrom and sendto, shows what the rest of a server in Python costs. Nothing gets lost here; in a "
    "real network some would.",
    (_case(64, 1), _case(64, 50), _case(1024, 50)),
)
