"""Child processes, as a scenario: its cases name kinds of work that there are, and are measured."""

from __future__ import annotations

from benchmarks.peers import PEERS, SERVERS
from benchmarks.scenarios.processes import SCENARIO
from benchmarks.work import processes as work

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case() -> None:
    assert tuple(CASES) == work.KINDS
    for case in CASES.values():
        assert set(SERVERS) - set(case.peers) == {"twisted-uvloop"}
        assert case.lockstep


def test_without_the_programs_there_is_no_scenario() -> None:
    assert set(SCENARIO.needs) == {"true", "cat"}


def test_it_is_measured_by_a_process() -> None:
    sample = CASES["pipe-cat"].measure(PEERS["protocol-asyncio"], 0)
    assert sample.work == work.SHORT_VOLUME
