"""What Twisted measures of itself, on Twisted and on this package."""

from __future__ import annotations

from functools import partial

from ..model import Case, Goal, Peer, Sample, Scenario, Unit
from ..peers import LIBRARIES, TWISTED_STYLE
from ..processes import BRIEF, work
from ..work.twisted_own import CHUNKS

__all__ = ["SCENARIO"]

WITHOUT_REACTOR = {
    "await": ("await a fired Deferred, in ensureDeferred", "times/s"),
    "fire-first": ("fire a Deferred, add 4 callbacks", "times/s"),
    "fire-last": ("add 4 callbacks to a Deferred, fire it", "times/s"),
    "errors": ("a callback raises, and so does the errback", "times/s"),
    "chain-fired": ("callbacks return Deferreds that have fired", "times/s"),
    "chain-waiting": ("callbacks return Deferreds that fire later", "times/s"),
    **{f"lines-{chunk}": (f"LineReceiver, {chunk} bytes at a time", "lines/s") for chunk in CHUNKS},
    **{f"only-lines-{chunk}": (f"LineOnlyReceiver, {chunk} bytes at a time", "lines/s") for chunk in CHUNKS},
    "pieces-one": ("writeSequence of a piece of 8 KiB", "times/s"),
    "pieces-four": ("writeSequence of 4 pieces of 1 KiB", "times/s"),
    "pieces-hundred": ("writeSequence of 100 bytes, each by itself", "times/s"),
    "pieces-headers": ("writeSequence of 24 headers in 4 pieces each", "times/s"),
}


def measure(module: str, what: str, peer: Peer, seconds: float) -> Sample:
    """How much is done in a second, in a fresh process."""
    return work(module, peer, seconds * BRIEF, "--what", what)


def _without_reactor(what: str, title: str, unit: str) -> Case:
    goals = (Goal("ours", "twisted"),)
    made = partial(measure, "twisted_own", what)
    return Case(f"twisted-own-{what}", title, Unit(unit), LIBRARIES, made, goals, "twisted")


def _inside(what: str, title: str, unit: str, *, waits: bool = False) -> Case:
    return Case(
        name=f"twisted-own-{what}",
        title=title,
        unit=Unit(unit),
        peers=TWISTED_STYLE,
        measure=partial(measure, "twisted_own_inside", what),
        goals=(Goal("ours-uvloop", "twisted-epoll"), Goal("ours-asyncio", "twisted-asyncio")),
        lockstep=waits,
    )


SCENARIO = Scenario(
    "twisted-own",
    "Twisted's own benchmarks",
    "What the benchmarks in Twisted's repository measure, written anew: test_deferred, test_linereceiver "
    "(lines of 50 bytes, fed to a protocol without a connection), test_filedescriptor (and sent, to a kernel "
    "that takes everything), test_calllater, test_tcp_throughput. There the calls wait for a clock that is "
    "moved, here for a real one; so they are told by CPU time.",
    (
        *(_without_reactor(what, *told) for what, told in WITHOUT_REACTOR.items()),
        _inside("calls", "callLater for 100 different times, until all are made", "calls/CPU s", waits=True),
        _inside("transfer", "send 1 MiB to an echo server on the same reactor", "MiB/s"),
    ),
)
