"""The timers that are measured: that they are set, put off and called, as often as is said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from benchmarks.scenarios.timers import SCENARIO
from benchmarks.work import timers
from benchmarks.work.inside import Inside

from .in_process import usable

PEERS = SCENARIO.cases[0].peers


@pytest.mark.parametrize(("name", "what"), list(product(PEERS, timers.KINDS)))
def test_every_peer_does_every_kind(name: str, what: str) -> None:
    with usable(name) as peer:
        sample = timers.measure(peer, what, seconds=0, pending=200)
    assert sample.work == timers.SIZE
    assert sample.value == sample.work / sample.wall


class FakeCall:
    """A timer that counts what is done with it."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def cancel(self) -> None:
        self.done.append("cancel")

    def reset(self, seconds: float) -> None:
        self.done.append(f"reset {seconds}")


class FakeLoop:
    """Timers that are called when the test says so."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.due: list[Callable[[], object]] = []

    def later(self, seconds: float, call: Callable[[], object]) -> FakeCall:
        if seconds == 0:
            self.due.append(call)
        else:
            self.done.append(f"set {seconds}")
        return FakeCall(self.done)

    def run(self) -> None:
        while self.due:
            self.due.pop(0)()


def _inside(loop: FakeLoop, reactor: Any = None) -> Inside:
    return Inside(loop.later, lambda: None, reactor)


@pytest.mark.parametrize(
    ("what", "reactor", "expected"),
    [
        ("create", None, ["set 60", "cancel"] * 3),
        ("pending", None, ["set 60", "cancel"] * 3),
        ("overlap", None, ["set 60"] * 3 + ["cancel"] * 3),
        ("reset", "one", ["set 60"] + ["reset 60"] * 3),
        ("reset", None, ["set 60"] + ["cancel", "set 60"] * 3),
    ],
)
def test_a_batch_sets_as_many_as_it_is_told(what: str, reactor: str | None, expected: list[str]) -> None:
    loop = FakeLoop()
    ended: list[str] = []
    timers.KINDS[what](_inside(loop, reactor), 3)(lambda: ended.append(what))
    assert loop.done == expected
    assert not ended, "the loop is to have a turn first"
    loop.run()
    assert ended == [what]


def test_the_last_of_many_calls_ends_the_batch() -> None:
    loop = FakeLoop()
    ended: list[int] = []
    timers.KINDS["fire"](_inside(loop), 3)(lambda: ended.append(len(loop.due)))
    assert len(loop.due) == 3
    loop.run()
    assert ended == [0]
