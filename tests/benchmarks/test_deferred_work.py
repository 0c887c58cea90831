"""What Deferreds are measured with: that the work is done, and as often as is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks import deferred_work
from benchmarks.deferred_work import LOOPS, TASKS, WORK


def _skip_without(loop: str) -> None:
    pytest.importorskip("twisted")
    if loop == "uvloop":
        pytest.importorskip("uvloop")


@pytest.mark.parametrize("loop", LOOPS)
def test_every_peer_works_in_every_round(loop: str) -> None:
    _skip_without(loop)
    found = deferred_work.measure(loop, rounds=2, seconds=0.001, batch=TASKS)
    assert {name: list(peers) for name, peers in found.items()} == {
        name: list(work.peers) for name, work in WORK.items() if loop in work.loops
    }
    for peers in found.values():
        for loads in peers.values():
            assert len(loads) == 2
            assert all(load.requests >= TASKS and load.requests % TASKS == 0 for load in loads)


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
    deferred_work.create_and_fire(counting)(7)
    assert counting.made == 7


@pytest.mark.parametrize(("shared", "count"), [(False, 7), (True, 3 * TASKS)])
async def test_a_batch_awaits_as_many_as_it_is_told(shared: bool, count: int) -> None:
    counting = Counting()
    batch = deferred_work.await_deferred(counting)
    if shared:
        batch = deferred_work.at_once(batch)
    await asyncio.ensure_future(batch(count))
    assert counting.made == count
