"""Scenarios with a server and a client, each a process: echo, datagrams, lines, bulk, broadcast and storm;
web has ``test_web``."""

from __future__ import annotations

import pytest

from benchmarks.model import BenchmarkError, Case, Goal, Sample
from benchmarks.peers import PEERS, SERVERS, TWISTED_WORDS
from benchmarks.scenarios import broadcast, bulk, datagrams, echo, lines, resp, startup, storm, web

CASES: dict[str, Case] = {
    case.name: case for module in (lines, bulk, broadcast, storm) for case in module.SCENARIO.cases
}
PEER = PEERS["ours-asyncio"]
TINY = 0.001


def test_every_server_is_compared_in_every_case() -> None:
    assert all(case.peers[: len(SERVERS)] == SERVERS for case in CASES.values())


def test_where_twisteds_types_may_make_a_difference_they_are_measured() -> None:
    cases = [
        case for module in (echo, datagrams, lines, bulk, startup, web) for case in module.SCENARIO.cases
    ]
    assert [case.name for case in cases if set(TWISTED_WORDS) <= set(case.peers)] == [
        "echo-1024-50",
        "udp-1024-50",
        "lines-stream",
        "bulk-push",
        "startup-import",
        "startup-serve",
        "web-hello",
    ]


def test_the_goals_of_echoes() -> None:
    goals = {
        case.name: {(goal.ours, goal.other): goal.least for goal in case.goals}
        for case in echo.SCENARIO.cases
    }
    assert {name for name, least in goals.items() if least} == {"echo-1024-50"}
    assert {pair: least for pair, least in goals["echo-1024-50"].items() if least} == {
        ("ours-uvloop", "protocol-uvloop"): 1.0,
        ("ours-uvloop", "twisted-epoll"): 2.3,
        ("ours-asyncio", "protocol-asyncio"): 3.0,
    }
    [pipelined] = [case for case in resp.SCENARIO.cases if case.name == "resp-16"]
    assert Goal("ours-uvloop", "twisted-epoll", 2.5) in pipelined.goals


def test_who_has_datagrams_is_compared_at_them() -> None:
    cases = {case.name: case for case in datagrams.SCENARIO.cases}
    assert list(cases) == ["udp-64-1", "udp-64-50", "udp-1024-50"]
    for case in cases.values():
        assert [name for name in case.peers if name in SERVERS] == [
            name for name in SERVERS if PEERS[name].kind != "streams"
        ]
        assert "raw-epoll" in case.peers
    assert [name for name, case in cases.items() if case.lockstep] == ["udp-64-1"]
    assert [name for name, case in cases.items() if case.goals] == ["udp-1024-50"]
    assert {(goal.ours, goal.other): goal.least for goal in cases["udp-1024-50"].goals} == {
        ("ours-uvloop", "twisted-epoll"): 1.3,
        ("ours-uvloop", "protocol-uvloop"): 1.0,
        ("ours-asyncio", "protocol-asyncio"): 0,
        ("ours-twisted-uvloop", "twisted-epoll"): 0,
    }


@pytest.mark.parametrize("case", datagrams.SCENARIO.cases, ids=lambda case: case.name)
def test_datagrams_are_sent_back(case: Case) -> None:
    sockets = int(case.name.rpartition("-")[2])
    work = case.measure(PEER, TINY).work
    assert work >= sockets
    assert work % sockets == 0


def test_the_goals() -> None:
    assert {(goal.ours, goal.other): goal.least for goal in CASES["lines-stream"].goals if goal.least} == {
        ("ours-uvloop", "twisted-epoll"): 2.5,
        ("ours-uvloop", "streams-uvloop"): 2.0,
        ("ours-asyncio", "twisted-asyncio"): 2.5,
        ("ours-asyncio", "streams-asyncio"): 2.0,
    }
    for case in ("bulk-push", "bulk-pull"):
        assert Goal("ours-uvloop", "protocol-uvloop", 1.0) in CASES[case].goals
        assert Goal("ours-asyncio", "protocol-asyncio", 1.0) in CASES[case].goals
    assert not any(goal.least for name in ("broadcast", "storm") for goal in CASES[name].goals)


def test_lines_are_streamed() -> None:
    assert CASES["lines-stream"].measure(PEER, TINY).work >= 4096


def test_an_echo_of_many_lines_counts_each() -> None:
    work = CASES["lines-echo-16"].measure(PEER, TINY).work
    assert work >= 16 * 50
    assert work % (16 * 50) == 0


@pytest.mark.parametrize("case", ["bulk-push", "bulk-pull"])
def test_little_is_sent_in_little_time(case: str) -> None:
    assert CASES[case].measure(PEER, TINY).work == 16


def test_memory_that_grows_with_what_is_sent_is_an_error() -> None:
    within, beyond = Sample(1, memory=bulk.MOST_MEMORY), Sample(1, memory=bulk.MOST_MEMORY + 1)
    unknown = Sample(1, memory=None)
    assert bulk.bounded(PEER, within) is within
    assert bulk.bounded(PEER, unknown) is unknown
    with pytest.raises(BenchmarkError, match="ours-asyncio took 64 MiB to send"):
        bulk.bounded(PEER, beyond)


def test_a_thousand_get_what_is_published() -> None:
    work = CASES["broadcast"].measure(PEER, TINY).work
    assert work >= 1000
    assert work % 1000 == 0


def test_a_storm_is_over_when_all_are_greeted() -> None:
    assert CASES["storm"].measure(PEER, TINY).value > 0
