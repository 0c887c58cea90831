"""What is measured of a server's memory: that the connections are there when it is looked at."""

from __future__ import annotations

import mmap
import os
import resource
import sys
from collections.abc import Callable

import pytest

from benchmarks.scenarios.memory import SCENARIO
from benchmarks.work import memory

from .in_process import usable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at in /proc")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("name", SCENARIO.cases[0].peers)
def test_the_connections_are_there_when_it_is_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def own_memory() -> int:
        seen.append(open_files())
        return 1000 * seen[-1]

    monkeypatch.setattr(memory, "own_memory", own_memory)
    monkeypatch.setattr(memory, "SETTLE", 0)
    monkeypatch.setattr(memory, "GROUP", 64)  # so that the last one is smaller
    with usable(name) as peer:
        before = open_files()
        sample = memory.measure(peer, "", seconds=0)
    first, then = seen
    assert sample.value == 1000
    assert then - first == memory.SHORT_COUNT
    assert first - before >= memory.SHORT_COUNT // 4
    assert open_files() - before < 20, "they are closed in the end"


def test_own_memory_grows_by_what_is_kept() -> None:
    before = memory.own_memory()
    with mmap.mmap(-1, 2**20, mmap.MAP_PRIVATE) as kept:  # and not what others have allocated and freed
        kept.write(os.urandom(len(kept)))
        assert memory.own_memory() - before >= len(kept) // 2


class TestConnections:
    def test_whoever_waits_is_told_once(self) -> None:
        told: list[str] = []

        def later(delay: float, call: Callable[[], object]) -> None:
            call()

        connections = memory.Connections(later)
        connections.wait_for(2, lambda: told.append("two"))
        connections.made()
        assert not told
        connections.made()
        assert told == ["two"]
        connections.lost()
        connections.made()
        assert told == ["two"]

    def test_it_may_be_so_already(self) -> None:
        delays: list[float] = []
        connections = memory.Connections(lambda delay, call: delays.append(delay))
        connections.wait_for(0, lambda: None)
        assert delays == [memory.SETTLE]


def test_too_few_open_files_are_an_error_that_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    with usable("bare-asyncio") as peer, pytest.raises(OSError, match="need 350 open files, 256 are allowed"):
        memory.measure(peer, "", seconds=0)
