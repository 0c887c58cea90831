"""Rounds in which the peers take turns: A B C, A B C, so that a slow minute of the machine meets all of them.

``__main__`` shows what comes out of here while it comes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from .model import BenchmarkError, Case, Found, Sample
from .peers import PEERS

__all__ = ["Turn", "absent", "collect", "plan", "take"]


@dataclass(frozen=True)
class Turn:
    """One measurement: whose turn it is, at what, in which round (from 1); then also what came of it.

    :ivar sample: None before it is measured, and where that failed.
    :ivar error: why it failed; else empty.
    """

    case: Case
    peer: str
    round: int
    sample: Sample | None = None
    error: str = ""


def absent(cases: Sequence[Case]) -> dict[str, str]:
    """The peers that can't run here, each with what it lacks."""
    named = dict.fromkeys(name for case in cases for name in case.peers)
    return {name: lack for name in named if (lack := PEERS[name].missing()) is not None}


def plan(cases: Sequence[Case], count: int, without: Collection[str] = ()) -> list[Turn]:
    """All turns, in order.

    :param count: how many rounds.
    :param without: names of peers to leave out.
    """
    return [
        Turn(case, peer, number)
        for case in cases
        for number in range(1, count + 1)
        for peer in case.peers
        if peer not in without
    ]


def take(turn: Turn, seconds: float) -> Turn:
    """Measure; the turn with its sample, or with the reason why it has none."""
    try:
        return replace(turn, sample=turn.case.measure(PEERS[turn.peer], seconds))
    except BenchmarkError as error:
        return replace(turn, error=str(error))


def collect(turns: Sequence[Turn]) -> Found:
    """The samples of all turns. A peer that failed once in a case is left out of that case: its rounds would
    not be the others' rounds."""
    failed = {(turn.case.name, turn.peer) for turn in turns if turn.error}
    found: Found = {}
    for turn in turns:
        if turn.sample is not None and (turn.case.name, turn.peer) not in failed:
            found.setdefault(turn.case.name, {}).setdefault(turn.peer, []).append(turn.sample)
    return found
