"""Protocols of lines: what cutting a stream into them costs."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import SERVERS, TWISTED_WORDS
from ..processes import client, serving

__all__ = ["SCENARIO"]

GOALS = (
    Goal("ours-uvloop", "twisted-epoll", 2.5),
    Goal("ours-uvloop", "streams-uvloop", 2.0),
    Goal("ours-asyncio", "twisted-asyncio", 2.5),
    Goal("ours-asyncio", "streams-asyncio", 2.0),
    Goal("ours-twisted-uvloop", "twisted-epoll"),
)
"""Of the stream."""


def stream(peer: Peer, seconds: float) -> Sample:
    """Lines per second that a fresh server takes from one connection."""
    with serving(peer, "lines", seconds) as server:
        return client("lines", server, seconds)


def echo(lines: int, peer: Peer, seconds: float) -> Sample:
    """Lines per second that a fresh server sends back to 50 connections; each sends so many at once."""
    load = ("--connections", "50", "--size", "20", "--lines", str(lines))
    with serving(peer, "line-echo", seconds) as server:
        return client("echo", server, seconds, *load)


def _echo_case(lines: int) -> Case:
    plural = "s" if lines > 1 else ""
    return Case(
        name=f"lines-echo-{lines}",
        title=f"echo of {lines} line{plural} of 20 B on 50 connections",
        unit=Unit("lines/s"),
        peers=SERVERS,
        measure=partial(echo, lines),
    )


SCENARIO = Scenario(
    "lines",
    "Lines",
    "LineReceiver (that of ours-twisted is Twisted's), beside a readline() for each line of a stream and "
    "beside an asyncio.Protocol that splits what it gets by hand. First lines of 64 B, streamed on "
    "one connection, which the server counts; then requests of 1 or 16 lines of 20 B, each of which the "
    "server sends back by itself.",
    (
        Case(
            name="lines-stream",
            title="lines of 64 B streamed on one connection",
            unit=Unit("lines/s"),
            peers=(*SERVERS, *TWISTED_WORDS),
            measure=stream,
            goals=GOALS,
        ),
        _echo_case(1),
        _echo_case(16),
    ),
)
