"""The client that connects many times at once, and what it does when it is not welcome."""

from __future__ import annotations

import os
import select
import socket

import pytest

from benchmarks.clients import storm
from benchmarks.processes import HOST
from tests.support import free_port

from .peer_threads import served

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="the client is one for Linux")
COUNT = 20


def greets(*connections: socket.socket) -> None:
    for each in connections:
        each.sendall(storm.GREETING)
    while connections[-1].recv(64):  # it may have spoken: until they are gone
        pass


def test_it_lasts_until_all_are_greeted() -> None:
    with served(greets, COUNT) as port:
        sample = storm.measure(port, os.getpid(), COUNT)
    assert sample.value == sample.wall > 0
    assert sample.work == 0


def test_those_who_wait_speak_so_that_they_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    def greets_who_speaks(*connections: socket.socket) -> None:
        for each in connections:
            assert each.recv(1)
        greets(*connections)

    monkeypatch.setattr(storm, "SPEAKERS", 3)
    with served(greets_who_speaks, COUNT) as port:
        assert storm.measure(port, os.getpid(), COUNT).value > 0


def test_to_be_refused_is_an_error() -> None:
    with pytest.raises(ConnectionError, match=r"Not all of 20 connections were greeted: .*refused"):
        storm.measure(free_port(), os.getpid(), COUNT)


@pytest.mark.parametrize("word", [b"?", b""])
def test_to_be_sent_away_is_an_error(word: bytes) -> None:
    with (
        served(lambda *connections: [each.sendall(word) for each in connections], COUNT) as port,
        pytest.raises(ConnectionError, match="Not all of 20"),
    ):
        storm.measure(port, os.getpid(), COUNT)


def test_to_be_kept_waiting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "PATIENCE", 0.01)
    with (
        socket.create_server((HOST, 0), backlog=COUNT) as listener,
        pytest.raises(ConnectionError, match=f"{COUNT} heard nothing"),
    ):
        storm.measure(listener.getsockname()[1], os.getpid(), COUNT)
