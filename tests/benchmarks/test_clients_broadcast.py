"""The client that publishes, and what it does with a server that spreads something else."""

from __future__ import annotations

import os
import socket

import pytest

from benchmarks.clients import broadcast

from .peer_threads import served

COUNT, SIZE = 3, 64


def spreads(*connections: socket.socket) -> None:
    while message := connections[-1].recv(SIZE):
        assert len(message) == SIZE
        for each in connections:
            each.sendall(message)


def test_deliveries_are_counted() -> None:
    with served(spreads, COUNT) as port:
        sample = broadcast.measure(port, os.getpid(), 0.01, COUNT, SIZE)
    assert sample.work >= COUNT
    assert sample.work % COUNT == 0


def test_a_server_that_spreads_something_else_is_an_error() -> None:
    def swaps_halves(*connections: socket.socket) -> None:
        message = connections[-1].recv(SIZE)
        for each in connections:
            each.sendall(message[SIZE // 2 :] + message[: SIZE // 2])

    with served(swaps_halves, COUNT) as port, pytest.raises(ConnectionError):
        broadcast.measure(port, os.getpid(), 0.01, COUNT, SIZE)


def test_a_server_that_hangs_up_is_an_error() -> None:
    with (
        served(lambda *connections: connections[-1].recv(SIZE), COUNT) as port,
        pytest.raises(ConnectionError, match="closed"),
    ):
        broadcast.measure(port, os.getpid(), 0.01, COUNT, SIZE)
