"""What Deferreds are measured with: that the work is done, and as often as is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.scenarios.deferreds import SCENARIO
from benchmarks.work import deferreds
from benchmarks.work.deferreds import SIZE, TASKS

from .in_process import usable


@pytest.mark.parametrize(
    ("name", "what"), [(name, case.measure.args[0]) for case in SCENARIO.cases for name in case.peers]
)
def test_every_peer_does_every_kind_it_is_compared_at(name: str, what: str) -> None:
    with usable(name) as peer:
        sample = deferreds.measure(peer, what, seconds=0)
    assert sample.work == SIZE
    assert sample.value == sample.work / sample.wall


def test_tasks_that_wait_at_once_share_a_batch_evenly() -> None:
    assert SIZE % TASKS == 0


class Counting:
    """A defer module whose Deferreds are counted."""

    def __init__(self) -> None:
        self.made = 0

    def Deferred(self) -> Any:
        from twisted_compat.defer import Deferred

        self.made += 1
        return Deferred()


def test_a_batch_makes_as_many_as_it_is_told() -> None:
    counting = Counting()
    deferreds.create_and_fire(counting)(7)
    assert counting.made == 7


@pytest.mark.parametrize(("shared", "count"), [(False, 7), (True, 3 * TASKS)])
async def test_a_batch_awaits_as_many_as_it_is_told(shared: bool, count: int) -> None:
    counting = Counting()
    batch = deferreds.awaiting("ours", counting)
    if shared:
        batch = deferreds.at_once(batch)
    await asyncio.ensure_future(batch(count))
    assert counting.made == count
