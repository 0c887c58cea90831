"""What all clients stand on: their sockets, and the looks at a server before and after."""

from __future__ import annotations

import gc
import os
import socket

import pytest

from benchmarks.clients.sockets import Meter, connect, connections
from benchmarks.processes import HOST


def test_connections_are_blocking_and_without_delay() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with connect(port) as connection, listener.accept()[0]:
            assert connection.gettimeout() is None
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                assert any(connection.getsockopt(socket.SOL_SOCKET, limit, 16))


def test_sockets_for_datagrams_are_blocking_and_hear_from_the_server_alone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind((HOST, 0))
        with connect(port.getsockname()[1], datagrams=True) as connection:
            assert connection.type == socket.SOCK_DGRAM
            assert connection.getpeername() == port.getsockname()
            assert connection.gettimeout() is None
            for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                assert any(connection.getsockopt(socket.SOL_SOCKET, limit, 16))


def test_connections_are_reset_in_the_end_and_nothing_is_collected_meanwhile() -> None:
    with socket.create_server((HOST, 0)) as listener:
        with connections(listener.getsockname()[1], 2) as made:
            assert not gc.isenabled()
            accepted = [listener.accept()[0] for _ in made]
        assert gc.isenabled()
        for each in accepted:
            with each, pytest.raises(ConnectionResetError):
                each.recv(1)


def test_a_server_that_leaves_a_client_waiting_is_an_error() -> None:
    with (
        socket.create_server((HOST, 0)) as listener,
        pytest.raises(ConnectionError, match="for 10 seconds"),
        connections(listener.getsockname()[1], 1) as (connection,),
    ):
        connection.setblocking(False)  # which is what the kernel's time limit looks like when it is over
        connection.recv(1)


def test_a_meter_tells_work_per_second() -> None:
    sample = Meter(os.getpid()).sample(10)
    assert sample.work == 10
    assert sample.value == 10 / sample.wall


def test_a_meter_tells_what_it_is_asked_for() -> None:
    sample = Meter(os.getpid()).sample(0, lambda wall: 2 * wall)
    assert sample.value == 2 * sample.wall > 0


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="a process can't be looked at here")
def test_a_meter_tells_what_the_server_used() -> None:
    meter = Meter(os.getpid())
    held = os.urandom(32 * 2**20)
    sample = meter.sample(1)
    assert sample.memory is not None and sample.memory >= 0
    assert sample.cpu is not None and sample.cpu >= 0
    assert sample.client_cpu is not None and sample.client_cpu > 0
    assert held
