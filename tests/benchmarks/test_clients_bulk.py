"""The client that throws away what it asks for: it counts it all the same."""

from __future__ import annotations

import os
import socket
import sys
from functools import partial

import pytest

from benchmarks.clients import bulk
from benchmarks.servers import ANEW

from .peer_threads import served


def sends(*connections: socket.socket, error: int = 0) -> None:
    """The first one takes nothing: it asks for more than can be sent to it."""
    for each in connections[1:]:
        with each:
            each.sendall(bytes(int(each.recv(64)) + error))


def test_bytes_are_counted() -> None:
    with served(sends, 3) as port:
        sample = bulk.measure(port, os.getpid(), 3 * bulk.MIB)
    assert sample.work == 3


@pytest.mark.parametrize("error", [-1, 1])
def test_more_or_less_is_an_error(error: int) -> None:
    with (
        served(partial(sends, error=error), 3) as port,
        pytest.raises(ConnectionError, match=f"asked for 1000 bytes and sent {1000 + error}"),
    ):
        bulk.measure(port, os.getpid(), 1000)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at in /proc")
def test_what_the_server_holds_for_a_client_that_takes_nothing_is_seen() -> None:
    held = []

    def heedless(*connections: socket.socket) -> None:
        amount, manner = connections[0].recv(64).split()
        assert manner == ANEW
        held.append(os.urandom(int(amount) // 4))
        sends(*connections)

    with served(heedless, 3) as port:
        # This process is the server: beyond its peak so far, whatever that was.
        sample = bulk.measure(port, os.getpid(), bulk.MIB)
    assert sample.memory is not None and sample.memory >= 48 * bulk.MIB
