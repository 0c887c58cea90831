"""What work stands on: batches that are counted, work inside a running loop or reactor, the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.model import Peer, Sample
from benchmarks.peers import PEERS
from benchmarks.processes import SLACK
from benchmarks.work import command
from benchmarks.work.batches import Tally, timed
from benchmarks.work.inside import Inside, run_inside, timed_inside

from .in_process import usable

FOUND = Sample(1.0)


class Clock:
    """A time module whose time the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.now / 2


def test_batches_go_on_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sizes = Clock(), list[int]()
    monkeypatch.setattr("benchmarks.work.batches.time", clock)

    def batch(size: int) -> None:
        sizes.append(size)
        clock.now += 0.5

    assert timed(batch, 10, seconds=1.2) == Sample(value=20.0, work=30, wall=1.5, cpu=0.75)
    assert sizes == [10] * 4, "the first batch doesn't count"


def test_a_tally_measures_once_at_least() -> None:
    tally = Tally(10, seconds=0)
    assert tally.another()
    assert not tally.another()
    assert tally.sample().work == 10


LIBRARIES = ("ours", "twisted", "bare")
RUNNING = [name for name, peer in PEERS.items() if peer.kind in LIBRARIES and peer.loop != "none"]


@pytest.fixture(params=RUNNING)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with usable(request.param) as peer:
        yield peer


def test_batches_inside_end_on_later_turns(peer: Peer) -> None:
    depth = most = batches = 0

    def start(running: Inside) -> None:
        def batch(then: Callable[[], object]) -> None:
            nonlocal depth, most, batches
            depth, batches = depth + 1, batches + 1
            most = max(most, depth)
            running.later(0, then)
            depth -= 1

        timed_inside(running, batch, 10, seconds=0)

    sample = run_inside(peer, start)
    assert (sample.work, batches, most) == (10, 2, 1)


def test_what_runs_is_told(peer: Peer) -> None:
    def start(running: Inside) -> None:
        assert (running.reactor is not None) == (peer.kind in ("ours", "twisted"))
        running.later(0, running.end, FOUND)

    assert run_inside(peer, start) is FOUND


@pytest.mark.parametrize("later", [False, True])
def test_work_that_fails_ends_the_run(peer: Peer, later: bool) -> None:
    def fail(*args: Any) -> None:
        raise LookupError("of the test")

    def start(running: Inside) -> None:
        running.later(0, running.guarded(fail))

    with pytest.raises(LookupError, match="of the test"):
        run_inside(peer, start if later else fail)


@pytest.mark.parametrize("kinds", [(), ("this", "that")])
def test_the_command_line(
    kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[object] = []

    def measure(peer: Peer, what: str, seconds: float) -> Sample:
        given.append((peer.name, what, seconds))
        return FOUND

    monkeypatch.setattr(command, "settle_in", lambda *args: given.append(args))
    what = ["--what", "that"] if kinds else []
    monkeypatch.setattr(sys, "argv", ["it", "ours-asyncio", "--seconds", "0.5", "--core", "0", *what])
    command.run("timers", "It.", kinds, measure)
    assert given == [(0, 1 + SLACK), ("ours-asyncio", "that" if kinds else "", 0.5)]
    assert json.loads(capsys.readouterr().out)["value"] == 1.0
