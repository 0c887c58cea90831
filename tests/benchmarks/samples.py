"""Cases and samples that nothing was measured for."""

from __future__ import annotations

from benchmarks.model import Case, Goal, Peer, Sample, Scenario, Unit
from benchmarks.results import Facts, Results

FACTS = Facts(
    platform="Linux 6.1, x86_64",
    cpu="a processor",
    cores=2,
    pinned=True,
    python="CPython 3.11.7",
    versions={"Twisted": "24.1", "uvloop": "0.20"},
    date="2026-01-02T03:04:05+00:00",
    rounds=3,
    seconds=2.0,
)


def sample(rate: float, busy: float | None = 1.0, client: float | None = 0.5, memory: int = 0) -> Sample:
    """A second in which so much was done, and in which the two had so much to do."""
    return Sample(rate, rate, 1.0, busy, client, memory)


def value(number: float) -> Sample:
    """A sample of something that isn't a rate."""
    return Sample(number)


def instead(peer: Peer, seconds: float) -> Sample:
    """Measures nothing: ours is twice as fast as the others."""
    return sample(200 if peer.kind == "ours" else 100)


def case(
    name: str = "made-up",
    peers: tuple[str, ...] = ("ours-asyncio", "twisted-epoll"),
    goals: tuple[Goal, ...] = (),
    unit: Unit = Unit("requests/s"),  # noqa: B008  # it is frozen
    lockstep: bool = False,
) -> Case:
    return Case(name, f"a case called {name}", unit, peers, instead, goals, lockstep=lockstep)


def scenario(*cases: Case, name: str = "fancy", needs: tuple[str, ...] = ()) -> Scenario:
    return Scenario(name, "A fancy", "What it is about.", cases, needs)


GOAL = Goal("ours-asyncio", "twisted-epoll", 1.5)
SCENARIO = scenario(
    case("echoes", goals=(GOAL,), peers=("ours-asyncio", "ours-uvloop", "twisted-epoll", "raw-epoll")),
    case("bytes", unit=Unit("bytes", more_is_better=False)),
)
RESULTS = Results(
    FACTS,
    found={
        "echoes": {
            "ours-asyncio": [sample(200), sample(210), sample(190)],
            "ours-uvloop": [sample(rate, memory=3 * 2**20) for rate in (310, 300, 320)],
            "twisted-epoll": [sample(100), sample(100), sample(100)],
            "raw-epoll": [sample(400, busy=0.6, client=0.99)] * 3,
        },
        "bytes": {"ours-asyncio": [value(50)], "twisted-epoll": [value(100)]},
    },
    failed=[("echoes", "streams-asyncio")],
    absent={"streams-uvloop": "uvloop"},
)
