"""Memory, as a scenario: what it is compared with, and that a process measures it."""

from __future__ import annotations

import sys

import pytest

from benchmarks.model import Goal
from benchmarks.peers import PEERS
from benchmarks.scenarios.memory import SCENARIO
from benchmarks.work import memory as work

[CASE] = SCENARIO.cases


def test_every_kind_of_server_is_measured() -> None:
    assert {PEERS[name].kind for name in CASE.peers} == set(work.LISTEN)
    assert not CASE.unit.more_is_better


def test_ours_may_take_a_kilobyte_and_a_bit_more_than_the_loop_needs() -> None:
    for loop in ("asyncio", "uvloop"):
        assert Goal(f"ours-{loop}", f"bare-{loop}", at_most=1200) in CASE.goals


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at in /proc")
def test_it_is_measured_by_a_process() -> None:
    sample = CASE.measure(PEERS["ours-asyncio"], 0.1)
    assert 0 < sample.value < 100_000
    assert not sample.work
