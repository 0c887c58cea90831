"""What is timed when something starts: that it does, and whose time counts."""

from __future__ import annotations

import pytest

from benchmarks.model import Sample
from benchmarks.peers import PEERS
from benchmarks.scenarios.startup import SCENARIO
from benchmarks.work import startup

from .in_process import usable


@pytest.mark.parametrize("name", SCENARIO.cases[1].peers)
def test_what_each_peer_is_given_is_python(name: str) -> None:
    compile(startup.import_lines(PEERS[name]), name, "exec")
    compile(startup.serve_lines(PEERS[name]), name, "exec")


# A process each: so not every loop with every library.


@pytest.mark.parametrize(
    "name", ["ours-uvloop", "ours-twisted-asyncio", "twisted-epoll", "twisted-asyncio", "protocol-asyncio"]
)
def test_imports_take_their_time(name: str) -> None:
    with usable(name) as peer:
        assert startup.time_import(peer) > 0


@pytest.mark.parametrize(
    "name", ["ours-asyncio", "ours-twisted-uvloop", "twisted-uvloop", "protocol-uvloop", "streams-asyncio"]
)
def test_a_server_answers(name: str) -> None:
    with usable(name) as peer:
        assert startup.time_serve(peer) > 0


def test_a_server_that_says_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = startup.serve_lines(PEERS["streams-asyncio"]).replace("writer.write(data)", "writer.write(b'!')")
    monkeypatch.setattr(startup, "serve_lines", lambda peer: lines)
    with pytest.raises(ConnectionError, match="something other"):
        startup.time_serve(PEERS["streams-asyncio"])


@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        (0, 5.0),  # there is no other to count
        (6, 1.0),
        (7, 2.0),  # the median of 1 and 3, without the 5
        (12, 3.0),
    ],
)
def test_the_median_counts_without_the_first(
    seconds: float, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock, durations = Clock(), iter([5.0, 1.0, 3.0, 4.0])

    def start(peer: object) -> float:
        duration = next(durations)
        clock.now += duration
        return duration

    monkeypatch.setattr(startup, "time", clock)
    monkeypatch.setitem(startup.KINDS, "serve", start)
    assert startup.measure(PEERS["ours-asyncio"], "serve", seconds) == Sample(value)
