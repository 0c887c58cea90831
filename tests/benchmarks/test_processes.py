"""The processes that measure and are measured: how they are started, and what becomes of them."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks import processes
from benchmarks.model import BenchmarkError, Peer
from benchmarks.peers import PEERS
from benchmarks.processes import client, cores, peak_memory, serving, work

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processors are chosen on Linux")
NOBODY = Peer("nobody", "raw", "none", "nobody")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_lives_as_long_as_the_block() -> None:
    with serving(PEERS["ours-asyncio"], "echo", 0.1) as server:
        assert alive(server.pid) and server.port > 0
        if sys.platform == "linux":
            assert (peak_memory(server.pid) or 0) > 2**20
    assert not alive(server.pid)


def test_a_server_is_ended_by_what_goes_wrong_in_the_block() -> None:
    with pytest.raises(ZeroDivisionError), serving(PEERS["ours-asyncio"], "echo", 0.1) as server:
        raise ZeroDivisionError
    assert not alive(server.pid)


def test_a_server_that_does_not_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BenchmarkError, match="server nobody did not start"), serving(NOBODY, "echo", 0.1):
        raise AssertionError("it is not there")
    assert "invalid choice: 'nobody'" in capfd.readouterr().err


def test_a_client_or_work_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serving(PEERS["ours-asyncio"], "lines", 0.1) as server,  # which closes what is too long for a line
        pytest.raises(BenchmarkError, match="client echo failed"),
    ):
        client("echo", server, 0.1, "--connections", "1", "--size", "65536")
    with pytest.raises(BenchmarkError, match="timers by nobody failed"):
        work("timers", NOBODY, 0.1, "--what", "create")
    assert "invalid choice" in capfd.readouterr().err


def test_what_makes_python_slow_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    monkeypatch.setenv("SOMETHING", "else")
    environment = processes._environment()
    assert "PYTHONASYNCIODEBUG" not in environment and environment["SOMETHING"] == "else"


@ON_LINUX
@pytest.mark.parametrize(
    ("allowed", "chosen"),
    [({0, 1, 2, 3}, (0, 2)), ({1, 3}, (1, 3)), ({2, 3}, (None, None)), ({1}, (None, None))],
)
def test_two_threads_of_one_core_are_not_two_cores(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], chosen: tuple[int | None, int | None]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    monkeypatch.setattr(processes, "_siblings", lambda processor: {processor & ~1, processor | 1})
    assert cores() == chosen


@ON_LINUX
def test_a_processor_is_of_its_own_core() -> None:
    assert 0 in processes._siblings(0)
    assert processes._siblings(10**6) == {10**6}
