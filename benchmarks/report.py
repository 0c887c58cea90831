"""What the rounds say: medians, the table, and the three ratios that the project holds itself to.

``load`` is where a round's numbers come from; ``__main__`` prints what is made here. No processes and no I/O
in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.load import Load

__all__ = [
    "GOALS",
    "Goal",
    "Rounds",
    "Verdict",
    "as_json",
    "judge",
    "outcome",
    "table",
    "verdict_as_json",
    "verdict_line",
]

Rounds = Mapping[str, Sequence[Load]]

BASELINES = ("twisted-epoll", "protocol-asyncio", "raw-epoll")
BUSY = 0.95  # of its core: a server that has less to do than this is waiting for somebody
IDLE = 0.85  # of its core: a client that has less to do than this can't be what the server is waiting for
DISTURBED = "disturbed: others used these cores"


@dataclass(frozen=True)
class Goal:
    """How many times as fast as another peer one of ours has to be; 0 where only the ratio is asked for."""

    ours: str
    other: str
    least: float


GOALS = (
    Goal("ours-uvloop", "twisted-epoll", 2.0),
    Goal("ours-uvloop", "protocol-uvloop", 0.85),
    Goal("ours-asyncio", "protocol-asyncio", 2.5),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a goal.

    :ivar ratio: by requests per second.
    :ivar cpu_ratio: by requests per second of the servers' CPU time, or None where that isn't known.
    :ivar spread: the lowest and the highest ratio of a single round.
    :ivar disturbed: whether other processes were in the way of a round of either peer, so that the ratio
        decides nothing.
    """

    goal: Goal
    ratio: float
    cpu_ratio: float | None
    spread: tuple[float, float]
    disturbed: bool

    @property
    def met(self) -> bool:
        """Whether the ratio by requests per second reaches the goal."""
        return self.ratio >= self.goal.least


def _rate(loads: Sequence[Load]) -> float:
    return median(load.rate for load in loads)


def _cpu_rate(loads: Sequence[Load]) -> float | None:
    rates = [load.cpu_rate for load in loads]
    known = [rate for rate in rates if rate is not None]
    return median(known) if known and len(known) == len(rates) else None


def _server_busy(loads: Sequence[Load]) -> float | None:
    shares = [load.server_cpu / load.wall for load in loads if load.server_cpu is not None]
    return median(shares) if shares else None


def _client_busy(loads: Sequence[Load]) -> float:
    return median(load.client_cpu / load.wall for load in loads)


def _quotient(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def remark(loads: Sequence[Load]) -> str:
    """What keeps the requests per second from telling the speed of this server; empty if nothing does."""
    server, client = _server_busy(loads), _client_busy(loads)
    if server is None or server >= BUSY:
        return ""
    return "the client sets the pace" if client >= IDLE else DISTURBED


def judge(rounds: Rounds, goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """The verdicts on all goals whose two peers were measured."""
    verdicts = []
    for goal in goals:
        if goal.ours not in rounds or goal.other not in rounds:
            continue
        ours, other = rounds[goal.ours], rounds[goal.other]
        single = [one.rate / two.rate for one, two in zip(ours, other, strict=True)]
        cpu_ratio = _quotient(_cpu_rate(ours), _cpu_rate(other))
        disturbed = any(remark([load]) == DISTURBED for load in (*ours, *other))
        verdicts.append(
            Verdict(goal, _rate(ours) / _rate(other), cpu_ratio, (min(single), max(single)), disturbed)
        )
    return verdicts


def outcome(verdict: Verdict) -> str:
    """What became of a goal, in a word or two; empty where there is none."""
    if not verdict.goal.least:
        return "disturbed" if verdict.disturbed else ""
    return "undecided: disturbed" if verdict.disturbed else "met" if verdict.met else "MISSED"


def verdict_line(verdict: Verdict) -> str:
    """A verdict as a line of text."""
    goal = verdict.goal
    by_cpu = "" if verdict.cpu_ratio is None else f", {verdict.cpu_ratio:.2f} by server CPU"
    low, high = verdict.spread
    return (
        f"{goal.ours + ' / ' + goal.other:<32} {verdict.ratio:5.2f}  goal {goal.least:.2f}: "
        f"{outcome(verdict)}  (rounds {low:.2f} to {high:.2f}{by_cpu})"
    )


def baseline(rounds: Rounds) -> str:
    """The peer that all others are told in relation to."""
    return next((name for name in BASELINES if name in rounds), next(iter(rounds)))


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def table(rounds: Rounds) -> str:
    """The medians of all peers as lines of text, the fastest first."""
    base = rounds[baseline(rounds)]
    lines = [
        f"relative to {baseline(rounds)}; medians",
        f"{'peer':<18}{'requests/s':>12}{'per server CPU':>16}"
        f"{'server busy':>13}{'client busy':>13}{'(requests/s)':>14}",
    ]
    for name in sorted(rounds, key=lambda name: -_rate(rounds[name])):
        loads = rounds[name]
        note = remark(loads)
        lines.append(
            f"{name:<18}{_rate(loads) / _rate(base):>12.2f}"
            f"{_cell(_quotient(_cpu_rate(loads), _cpu_rate(base)), '.2f'):>16}"
            f"{_cell(_server_busy(loads), '.0%'):>13}{_client_busy(loads):>13.0%}{_rate(loads):>14,.0f}"
            f"{'  <- ' + note if note else ''}"
        )
    return "\n".join(lines)


def as_json(rounds: Rounds) -> dict[str, object]:
    """Everything measured and concluded, for ``json.dump``."""
    return {
        "baseline": baseline(rounds),
        "peers": {
            name: {
                "requests_per_second": _rate(loads),
                "requests_per_server_cpu_second": _cpu_rate(loads),
                "remark": remark(loads),
                "rounds": [vars(load) for load in loads],
            }
            for name, loads in rounds.items()
        },
        "verdicts": [verdict_as_json(verdict) for verdict in judge(rounds)],
    }


def verdict_as_json(verdict: Verdict) -> dict[str, object]:
    """A verdict, for ``json.dump``."""
    return {**vars(verdict), "goal": vars(verdict.goal), "met": verdict.met}
