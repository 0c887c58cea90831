"""The web scenario: what wrk prints, that a site is measured, and that wrong answers are an error."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable

import pytest

from benchmarks.clients.wrk import PROGRAM, exchange, told
from benchmarks.model import BenchmarkError, Goal
from benchmarks.peers import PEERS, TWISTED_WORDS
from benchmarks.processes import client, serving
from benchmarks.scenarios.web import SCENARIO
from benchmarks.servers import GREETING
from tests.support import skip_without

from .in_process import usable
from .peer_threads import served

[CASE] = SCENARIO.cases
PRINTED = """Running 2s test @ http://127.0.0.1:8080/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.14ms    0.25ms   4.00ms   90.00%
    Req/Sec    10.50k   250.00    11.00k    75.00%
  20500 requests in 2.05s, 2.80MB read
Requests/sec:  10000.25
Transfer/sec:      1.37MB
"""


@pytest.fixture
def wrk() -> None:
    if shutil.which(PROGRAM) is None:
        skip_without(PROGRAM, "apt-get install wrk")


def test_ours_has_to_be_better_than_twisted_by_itself() -> None:
    assert Goal("ours-twisted-uvloop", "twisted-epoll", 1.15) in CASE.goals
    assert set(CASE.peers) == {*TWISTED_WORDS, "twisted-epoll", "twisted-uvloop"}


def test_what_it_prints_is_understood() -> None:
    assert told(PRINTED) == (20500, 10000.25)


@pytest.mark.parametrize(
    "line",
    ["Socket errors: connect 0, read 3, write 0, timeout 0", "Non-2xx or 3xx responses: 17"],
)
def test_a_request_that_failed_is_an_error(line: str) -> None:
    with pytest.raises(BenchmarkError, match=f"wrk printed: {line}$"):
        told(PRINTED.replace("Requests/sec", f"  {line}\nRequests/sec"))


@pytest.mark.parametrize("printed", ["", "unable to connect\n", PRINTED.replace("10000.25", "0.00")])
def test_anything_else_it_prints_is_an_error(printed: str) -> None:
    with pytest.raises(BenchmarkError, match="wrk printed"):
        told(printed)


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def answer_once(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return answer_once


def test_the_right_answer_may_come_in_pieces() -> None:
    def dribble(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in (b"HTTP/1.1 2", b"00 OK\r\n\r", b"\n", GREETING[:3], GREETING[3:]):
            connection.sendall(part)

    with served(dribble) as port:
        exchange(port, 0)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 500 Oh\r\n\r\n" + GREETING, b"HTTP/1.1 200 OK\r\n\r\nsomething else", b""],
)
def test_another_answer_is_an_error(answer: bytes) -> None:
    with served(answering(answer)) as port, pytest.raises(ConnectionError, match="something else"):
        exchange(port, 0)


@pytest.mark.usefixtures("wrk")
@pytest.mark.parametrize("name", ["ours-twisted-asyncio", "twisted-epoll"])
def test_it_is_measured(name: str) -> None:
    with usable(name) as peer:
        sample = CASE.measure(peer, 0.01)
    assert sample.value > 0
    assert sample.work > 0
    assert sample.value == pytest.approx(sample.work / sample.wall)
    assert sample.cpu is not None and sample.cpu > 0
    assert sample.client_cpu is not None and sample.client_cpu > 0


@pytest.mark.usefixtures("wrk")
def test_what_is_no_web_server_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serving(PEERS["protocol-asyncio"], "echo", 1) as server,
        pytest.raises(BenchmarkError, match="client wrk failed"),
    ):
        client("wrk", server, 0.01)
    assert "answered something else" in capfd.readouterr().err


def test_without_the_program_there_is_no_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert SCENARIO.missing() == PROGRAM
