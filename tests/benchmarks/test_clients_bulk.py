"""The client that throws away what it asks for: it counts it all the same."""

from __future__ import annotations

import os
import socket

import pytest

from benchmarks.clients import bulk

from .peer_threads import served


def sends(connection: socket.socket, error: int = 0) -> None:
    connection.sendall(bytes(int(connection.recv(64)) + error))


def test_bytes_are_counted() -> None:
    with served(sends) as port:
        sample = bulk.measure(port, os.getpid(), 3 * bulk.MIB)
    assert sample.work == 3


@pytest.mark.parametrize("error", [-1, 1])
def test_more_or_less_is_an_error(error: int) -> None:
    with (
        served(lambda connection: sends(connection, error)) as port,
        pytest.raises(ConnectionError, match=f"asked for 1000 bytes and sent {1000 + error}"),
    ):
        bulk.measure(port, os.getpid(), 1000)
