"""Start-up, as a scenario: its cases name kinds of work that there are, and are measured by a process."""

from __future__ import annotations

from benchmarks.peers import PEERS
from benchmarks.scenarios.startup import SCENARIO
from benchmarks.work import startup as work

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case() -> None:
    assert list(CASES) == [f"startup-{what}" for what in work.KINDS]
    assert not any(case.unit.more_is_better for case in SCENARIO.cases)


def test_it_is_measured_by_a_process() -> None:
    sample = CASES["startup-import"].measure(PEERS["protocol-asyncio"], 0)
    assert sample.value > 0
    assert not sample.work
