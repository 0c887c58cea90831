"""The client for request and response, and what it does with a server that doesn't send back what it got."""

from __future__ import annotations

import os
import socket

import pytest

from benchmarks.clients import echo

from .peer_threads import served


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
