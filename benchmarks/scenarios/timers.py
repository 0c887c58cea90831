"""Timers: timeouts that are set, put off and cancelled, and calls that are made at once."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import BARE, TWISTED_STYLE
from ..processes import BRIEF, work

__all__ = ["SCENARIO"]

PEERS = (*TWISTED_STYLE, *BARE)
OVER_TWISTED = (Goal("ours-asyncio", "twisted-epoll"), Goal("ours-uvloop", "twisted-epoll"))


def measure(what: str, peer: Peer, seconds: float) -> Sample:
    """Timers per second, in a fresh process."""
    return work("timers", peer, seconds * BRIEF, "--what", what)


def _case(what: str, title: str, goals: tuple[Goal, ...]) -> Case:
    return Case(f"timers-{what}", title, Unit("timers/s"), PEERS, partial(measure, what), goals)


SCENARIO = Scenario(
    "timers",
    "Timers",
    "Inside the running loop or reactor, a thousand at a time, with a return to the loop after each "
    "thousand: it clears away what was cancelled. callLater is put beside call_later. A loop by itself "
    "can't put a timer off: there it is cancelled and another one set. What is to be called in 0 seconds "
    "is a timer to some; uvloop and ours call it on the next turn without one.",
    (
        _case(
            "create",
            "set a timeout of 60 s, cancel it",
            (
                Goal("ours-asyncio", "bare-asyncio", 0.9),
                Goal("ours-uvloop", "bare-uvloop", 0.9),
                *OVER_TWISTED,
            ),
        ),
        _case("overlap", "set 1,000 timeouts of 60 s, then cancel them", OVER_TWISTED),
        _case(
            "reset",
            "put a timeout off for another 60 s",
            (Goal("ours-asyncio", "twisted-epoll", 1.0), Goal("ours-uvloop", "twisted-epoll", 1.0)),
        ),
        _case("pending", "set a timeout of 60 s, cancel it, while 100,000 others wait", OVER_TWISTED),
        _case("fire", "1,000 calls due at once: ask for them, make them", OVER_TWISTED),
    ),
)
