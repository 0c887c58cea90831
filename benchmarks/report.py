"""What the samples say: medians, how good each peer is beside the others, and what became of the goals.

``runner`` makes the samples, ``results`` keeps them; ``tables``, ``plots`` and ``page`` show what is
concluded here. No processes and no I/O in here.

All ratios say how many times *as good*: of a unit of which less is better, the inverse of the values' ratio.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from .model import Case, Found, Goal, Sample

__all__ = [
    "DISTURBED",
    "PACED",
    "Conclusion",
    "Span",
    "Standing",
    "Verdict",
    "conclude",
]

Measured = Mapping[str, Sequence[Sample]]
"""Of one case: a peer's samples, one for each round."""

FALLBACKS = ("twisted-epoll", "twisted", "bare-asyncio", "protocol-asyncio")
"""Who stands in for a baseline that was not measured."""

BUSY = 0.95  # of its core: a server that has less to do than this is waiting for somebody
IDLE = 0.85  # of its core: a client that has less to do than this can't be what the server is waiting for
FULL = 0.97  # of its core: a client that has this much to do can't ask for more, however busy the server is
PACED = "the client sets the pace"
DISTURBED = "disturbed: others used these cores"
LOCKSTEP = "mostly waiting, by its nature"


@dataclass(frozen=True)
class Span:
    """The median of the rounds, and the lowest and the highest round."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """How a peer did at a case.

    :ivar value: in the unit of the case.
    :ivar ratio: how many times as good as the baseline; None where a value has no ratio (it isn't positive).
    :ivar cpu_ratio: how many times as much work as the baseline for the same CPU time; None where that isn't
        known.
    :ivar busy: the share of its core that whoever was measured used; None where that isn't known.
    :ivar client_busy: the same of the client; None also where there was none.
    :ivar memory: bytes of peak memory above what was held before; None where that isn't known.
    :ivar remark: what keeps the value from telling the speed of this peer; empty if nothing does.
    """

    peer: str
    value: Span
    ratio: Span | None
    cpu_ratio: float | None
    busy: float | None
    client_busy: float | None
    memory: float | None
    remark: str

    @property
    def multiple(self) -> float | None:
        """The median of the ratio, if there is one."""
        return None if self.ratio is None else self.ratio.middle


@dataclass(frozen=True)
class Verdict:
    """What became of a goal.

    :ivar figure: how many times as good ours is, or by how much of the unit it exceeds the other, whichever
        the goal is about; None where values have no ratio.
    :ivar cpu_ratio: work for the same CPU time; None where that isn't known.
    :ivar doubt: why the figure decides nothing; empty where it does.
    :ivar failed: who of the two could not be measured; empty if both could.
    """

    case: str
    goal: Goal
    figure: Span | None
    cpu_ratio: float | None
    doubt: str = ""
    failed: str = ""

    @property
    def outcome(self) -> str:
        """What became of the goal, in a word or two; empty where only the ratio is asked for."""
        if self.goal.at_most is None and not self.goal.least:
            return ""
        if self.failed:
            return f"FAILED: {self.failed}"
        if self.figure is None:
            return "undecided: no ratio"
        if self.doubt:
            return f"undecided: {self.doubt}"
        return "met" if self.reached else "MISSED"

    @property
    def reached(self) -> bool:
        """Whether the figure is as good as the goal asks for."""
        if self.figure is None:
            return False
        if self.goal.at_most is not None:
            return self.figure.middle <= self.goal.at_most
        return self.figure.middle >= self.goal.least


@dataclass(frozen=True)
class Conclusion:
    """All that is concluded about a case.

    :ivar baseline: the peer that the others are told in relation to.
    :ivar standings: the best first.
    """

    case: Case
    baseline: str
    standings: tuple[Standing, ...]
    verdicts: tuple[Verdict, ...]


def conclude(
    cases: Sequence[Case], found: Found, failed: Collection[tuple[str, str]] = ()
) -> list[Conclusion]:
    """The conclusions on all cases of which something was measured.

    :param failed: cases and peers, by name, whose measurement failed: goals about them are not forgotten.
    """
    return [
        _conclusion(case, found[case.name], {peer for name, peer in failed if name == case.name})
        for case in cases
        if found.get(case.name)
    ]


def _conclusion(case: Case, measured: Measured, failed: set[str]) -> Conclusion:
    measured = {name: samples for name, samples in measured.items() if name in case.peers}
    names = (case.baseline, *FALLBACKS, *measured)
    baseline = next(name for name in names if name in measured)
    standings = [_standing(case, name, measured, baseline) for name in measured]
    standings.sort(key=lambda standing: standing.value.middle, reverse=case.unit.more_is_better)
    verdicts = [
        (_failure if {goal.ours, goal.other} & failed else _verdict)(case, goal, measured)
        for goal in case.goals
        if {goal.ours, goal.other} <= failed | measured.keys()
    ]
    return Conclusion(case, baseline, tuple(standings), tuple(verdicts))


def _standing(case: Case, name: str, measured: Measured, baseline: str) -> Standing:
    samples, base = measured[name], measured[baseline]
    return Standing(
        peer=name,
        value=_span([sample.value for sample in samples]),
        ratio=_ratio(case, samples, base),
        cpu_ratio=_cpu_ratio(samples, base),
        busy=_share(samples, [sample.cpu for sample in samples]),
        client_busy=_share(samples, [sample.client_cpu for sample in samples]),
        memory=_median([sample.memory for sample in samples]),
        remark=_remark(case, samples),
    )


def _verdict(case: Case, goal: Goal, measured: Measured) -> Verdict:
    ours, other = measured[goal.ours], measured[goal.other]
    figure = _ratio(case, ours, other) if goal.at_most is None else _difference(ours, other)
    verdict = Verdict(case.name, goal, figure, _cpu_ratio(ours, other))
    remarks = (_remark(case, ours), _remark(case, other))
    if DISTURBED in remarks:
        return replace(verdict, doubt="disturbed")
    # Whoever the client held back can do more: that may be what ours lacks, or what the other one lacks.
    if remarks[0 if not verdict.reached else 1] == PACED:
        return replace(verdict, doubt="the client held one back")
    return verdict


def _failure(case: Case, goal: Goal, measured: Measured) -> Verdict:
    """One of the two is not among the measured."""
    return Verdict(case.name, goal, None, None, failed=goal.other if goal.ours in measured else goal.ours)


def _remark(case: Case, samples: Sequence[Sample]) -> str:
    busy = _share(samples, [sample.cpu for sample in samples])
    client = _share(samples, [sample.client_cpu for sample in samples])
    if client is not None and client >= FULL:
        return PACED
    if busy is None or busy >= BUSY:
        return ""
    if case.lockstep:
        return LOCKSTEP
    return PACED if client is not None and client >= IDLE else DISTURBED


# Arithmetic


def _span(values: Sequence[float]) -> Span:
    return Span(median(values), min(values), max(values))


def _median(values: Sequence[float | None]) -> float | None:
    """The median, if all are known."""
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None


def _share(samples: Sequence[Sample], seconds: Sequence[float | None]) -> float | None:
    """What part of the time that the samples took those seconds are."""
    pairs = [(part, sample.wall) for part, sample in zip(seconds, samples, strict=True)]
    return _median([None if part is None or not wall else part / wall for part, wall in pairs])


def _quotient(one: float | None, other: float | None) -> float | None:
    return one / other if one and other and one > 0 and other > 0 else None


def _ratio(case: Case, ours: Sequence[Sample], other: Sequence[Sample]) -> Span | None:
    """How many times as good: of the medians, and of the rounds that both took part in."""

    def ratio(one: float, two: float) -> float | None:
        return _quotient(one, two) if case.unit.more_is_better else _quotient(two, one)

    middle = ratio(median(sample.value for sample in ours), median(sample.value for sample in other))
    rounds = [ratio(one.value, two.value) for one, two in zip(ours, other, strict=False)]
    known = [each for each in rounds if each is not None]
    return Span(middle, min(known), max(known)) if middle is not None and known else None


def _difference(ours: Sequence[Sample], other: Sequence[Sample]) -> Span:
    middle = median(sample.value for sample in ours) - median(sample.value for sample in other)
    rounds = [one.value - two.value for one, two in zip(ours, other, strict=False)]
    return Span(middle, min(rounds), max(rounds))


def _cpu_ratio(ours: Sequence[Sample], other: Sequence[Sample]) -> float | None:
    return _quotient(*(_median([sample.per_cpu for sample in samples]) for samples in (ours, other)))
