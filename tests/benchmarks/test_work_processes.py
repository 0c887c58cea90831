"""The child processes that are measured: that as many come and go as is said, with all their data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from benchmarks.scenarios.processes import PARENTS
from benchmarks.work import processes
from benchmarks.work.inside import Inside
from benchmarks.work.processes_libraries import Ended

from .in_process import usable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
SMALL = 256 * 1024  # bytes: more than a pipe holds


@pytest.fixture
def _own_signals() -> Iterator[None]:
    """Twisted takes them, to hear of its children."""
    before = [(each, signal.getsignal(each)) for each in SIGNALS]
    yield
    for each, handler in before:
        signal.signal(each, handler)


@pytest.mark.usefixtures("_own_signals")
@pytest.mark.parametrize(("name", "what"), list(product(PARENTS, processes.KINDS)))
def test_every_peer_does_every_kind(name: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SHORT_VOLUME", SMALL)
    with usable(name) as peer:
        sample = processes.measure(peer, what, seconds=0, size=2)
    works = {"spawn-true": 1, "spawn-true-20": 2, "pipe-cat": SMALL}
    assert sample.work == works[what]
    assert sample.value > 0
    assert sample.client_cpu is not None
    assert sample.client_cpu > 0


class FakeLibrary:
    """Children that exit when the test says so."""

    def __init__(self) -> None:
        self.there: list[Ended] = []
        self.came = self.most = 0

    def run(self, then: Ended) -> None:
        self.came += 1
        self.there.append(then)
        self.most = max(self.most, len(self.there))

    def pump(self, size: int, started: Callable[[int], object], then: Callable[[int, int], object]) -> None:
        then(0, size - 1)


def _inside() -> Inside:
    return Inside(lambda seconds, call: call(), lambda: None)


@pytest.mark.parametrize(("lanes", "size", "most"), [(1, 5, 1), (3, 7, 3), (20, 4, 4)])
def test_a_batch_has_as_many_children_as_it_is_told_and_no_more_at_a_time(
    lanes: int, size: int, most: int
) -> None:
    library, over = FakeLibrary(), list[int]()
    processes.spawning(_inside(), library, lanes, size)(lambda: over.append(library.came))
    while library.there:
        assert not over
        library.there.pop(0)(0)
    assert (library.came, library.most, over) == (size, most, [size])


def test_a_child_that_fails_ends_the_work() -> None:
    library, inside = FakeLibrary(), _inside()
    processes.spawning(inside, library, 1, 2)(lambda: None)
    library.there.pop(0)(127)
    with pytest.raises(OSError, match="true exited with 127"):
        inside.outcome()
    assert library.came == 1


def test_what_did_not_come_back_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(processes.LIBRARIES, "ours", lambda inside: FakeLibrary())
    with usable("ours-asyncio") as peer, pytest.raises(OSError, match="Of 4194304 bytes, 4194303 came back"):
        processes.measure(peer, "pipe-cat", seconds=0)
