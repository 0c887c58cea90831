"""The scenario of TLS: who takes part, the goals, and that each case is measured by processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.model import Goal
from benchmarks.peers import OTHER_TLS, PEERS, SERVERS, TWISTED_WORDS
from benchmarks.scenarios.tls import SCENARIO

CASES = {case.name: case for case in SCENARIO.cases}
MANY, ONE = "tls-echo-1024-50", "tls-echo-64-1"


def test_all_but_streams_take_part() -> None:
    servers = [name for name in SERVERS if PEERS[name].kind != "streams"]
    for case in CASES.values():
        assert set(case.peers) == {*servers, *TWISTED_WORDS, *OTHER_TLS}
    assert [name for name, case in CASES.items() if case.lockstep] == [ONE]


def test_the_goals() -> None:
    goals = {name: {goal for goal in case.goals if goal.least} for name, case in CASES.items()}
    bulk = {
        Goal("ours-uvloop", "twisted-epoll", 1.6),
        Goal("ours-uvloop", "protocol-asyncio", 0.9),
        Goal("ours-asyncio", "protocol-asyncio", 0.9),
    }
    small = {Goal("ours-uvloop", "twisted-epoll", 1.5)}
    assert goals == {
        "tls-bulk-push": bulk,
        "tls-bulk-take": bulk,
        "tls-handshakes": {Goal("ours-uvloop", "twisted-epoll", 1.0)},
        MANY: small,
        ONE: small,
    }


@pytest.mark.parametrize(
    ("case", "least"), [("tls-bulk-push", 16), ("tls-bulk-take", 16), ("tls-handshakes", 1), (MANY, 50)]
)
def test_it_is_measured_by_processes(case: str, least: int) -> None:
    pytest.importorskip("OpenSSL")
    sample = CASES[case].measure(PEERS["ours-asyncio"], 0.001)
    assert sample.value > 0
    assert sample.work >= least
    if case != "tls-handshakes":
        assert sample.work % least == 0


def test_without_the_library_there_is_no_scenario() -> None:
    assert replace(SCENARIO, libraries=("no_such_library",)).missing() == "no_such_library"
