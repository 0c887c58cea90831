"""Deferreds, as a scenario: its cases name kinds of work that there are, and are measured by a process."""

from __future__ import annotations

import pytest

from benchmarks.model import Goal
from benchmarks.peers import PEERS
from benchmarks.scenarios.deferreds import SCENARIO
from benchmarks.work import deferreds as work

CASES = {case.name: case for case in SCENARIO.cases}


def test_each_kind_of_work_is_a_case_on_every_loop_it_needs() -> None:
    assert list(CASES) == [f"deferreds-{what}" for what in work.WITHOUT_LOOP] + [
        f"deferreds-{what}-{loop}" for what in work.IN_A_LOOP for loop in ("asyncio", "uvloop")
    ]
    assert all(case.measure.args[0] in work.KINDS for case in SCENARIO.cases)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("what", ["await", "await-at-once"])
def test_what_awaits_is_put_beside_asfuture_and_the_loop(what: str, loop: str) -> None:
    case = CASES[f"deferreds-{what}-{loop}"]
    ours, twisted, bare = case.peers
    assert case.goals == (Goal(ours, twisted, 1.4), Goal(ours, bare, 0.8))
    assert {PEERS[name].loop for name in case.peers} == {loop}


def test_it_is_measured_by_a_process() -> None:
    sample = CASES["deferreds-await-asyncio"].measure(PEERS["ours-asyncio"], 0)
    assert sample.work == work.SIZE
