"""Timers, as a scenario: its cases name kinds of work that there are, and are measured by a process."""

from __future__ import annotations

from benchmarks.model import Goal
from benchmarks.peers import PEERS
from benchmarks.scenarios.timers import SCENARIO
from benchmarks.work import timers as work

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case() -> None:
    assert list(CASES) == [f"timers-{what}" for what in work.KINDS]
    assert [case.measure.args for case in SCENARIO.cases] == [(what,) for what in work.KINDS]


def test_the_goals() -> None:
    assert Goal("ours-uvloop", "bare-uvloop", 0.9) in CASES["timers-create"].goals
    assert [goal.least for goal in CASES["timers-reset"].goals] == [1.0, 1.0]


def test_it_is_measured_by_a_process() -> None:
    sample = CASES["timers-reset"].measure(PEERS["ours-asyncio"], 0)
    assert sample.work == work.SIZE
