"""The client for request and response, and what it does with a server that doesn't send back what it got."""

from __future__ import annotations

import os
import socket

import pytest

from benchmarks.clients import echo, sockets
from benchmarks.model import Sample

from .peer_threads import answered, served


def echoes(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def test_requests_are_counted() -> None:
    with served(echoes) as port:
        sample = echo.measure(port, os.getpid(), 0.01, count=1, payload=b"request")
    assert sample.work >= 1


def test_a_request_may_count_as_many() -> None:
    assert echo.lines(3, 5) == b"xxx\r\nxxx\r\nxxx\r\n"
    with served(echoes) as port:
        sample = echo.measure(port, os.getpid(), 0.01, count=1, payload=echo.lines(16, 20), weight=16)
    assert sample.work % 16 == 0


def test_a_server_that_hangs_up_is_an_error() -> None:
    with served(lambda connection: None) as port, pytest.raises(ConnectionError):
        echo.measure(port, os.getpid(), 0.01, count=1, payload=b"request")


def test_a_server_that_sends_something_else_is_an_error() -> None:
    def swaps(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data.swapcase())

    with served(swaps) as port, pytest.raises(ConnectionError, match="other than"):
        echo.measure(port, os.getpid(), 0.01, count=1, payload=b"request")


# Over UDP


def measure_datagrams(port: int, count: int = 1) -> Sample:
    return echo.measure(port, os.getpid(), 0.01, count, payload=b"request", datagrams=True)


def test_datagrams_are_counted() -> None:
    answers: list[bytes] = []

    def echoes(datagram: bytes) -> bytes:
        answers.append(datagram)
        return datagram

    with answered(echoes) as port:
        sample = measure_datagrams(port, count=5)
    assert sample.work >= 5
    assert sample.work % 5 == 0
    assert len(answers) > sample.work, "the first and the last ones don't count"


@pytest.mark.parametrize("reply", [b"requests", b"reques", b""])
def test_a_datagram_of_another_size_is_an_error(reply: bytes) -> None:
    with answered(lambda datagram: reply) as port, pytest.raises(ConnectionError, match="of another size"):
        measure_datagrams(port)


def test_a_datagram_of_something_else_is_an_error() -> None:
    with answered(bytes.swapcase) as port, pytest.raises(ConnectionError, match="other than"):
        measure_datagrams(port)


def test_a_datagram_that_gets_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PATIENCE", 0.1)
    answers = iter([b"request"] * 3)
    with (
        answered(lambda datagram: next(answers, None)) as port,
        pytest.raises(ConnectionError, match=r"for 0\.1 seconds, or a datagram was lost"),
    ):
        measure_datagrams(port)


def test_a_server_that_is_gone_is_an_error() -> None:
    with answered(lambda datagram: datagram) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        measure_datagrams(port)
