"""The client that streams lines, and what it does with a server that has another opinion of how many."""

from __future__ import annotations

import os
import socket

import pytest

from benchmarks.clients import lines

from .peer_threads import served


def counts(connection: socket.socket, error: int = 0) -> None:
    with connection.makefile("rwb") as stream:
        count = 0
        for line in stream:
            if line == b".\r\n":
                stream.write(b"%d\r\n" % (count + error))
                stream.flush()
                count = 0
            else:
                assert len(line) == lines.SIZE
                count += 1


def test_lines_are_counted() -> None:
    with served(counts) as port:
        sample = lines.measure(port, os.getpid(), 0.001)
    assert sample.work >= lines.BLOCK
    assert sample.work % lines.BLOCK == 0


def test_a_server_that_counts_something_else_is_an_error() -> None:
    def miscounts(connection: socket.socket) -> None:
        counts(connection, error=1)

    with served(miscounts) as port, pytest.raises(ConnectionError, match=r"was sent \d+ lines and counted"):
        lines.measure(port, os.getpid(), 0.001)


def test_a_server_that_hangs_up_is_an_error() -> None:
    def takes_it_and_goes(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            assert b".\r\n" in stream

    with served(takes_it_and_goes) as port, pytest.raises(ConnectionError, match="in the middle"):
        lines.measure(port, os.getpid(), 0.001)
