"""Blocking sockets with the kernel's own time limit, and the time between two looks at the server."""

from __future__ import annotations

import gc
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..model import Sample
from ..processes import HOST, cpu_time, forget_peak, peak_memory, resident

__all__ = ["PATIENCE", "WARM_UP", "Meter", "connect", "connections", "reset", "used_by_children"]

PATIENCE = 10
"""Seconds that a server may leave a client waiting."""
WARM_UP = 0.3
"""Seconds that a server is loaded, at the most, before it is measured."""


def connect(port: int, datagrams: bool = False) -> socket.socket:
    """A connection to the server: blocking, without Nagle's delay.

    :param datagrams: whether it shall be a UDP socket that knows the server for its only peer.
    """
    if datagrams:
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.connect((HOST, port))
    else:
        connection = socket.create_connection((HOST, port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # From here on it blocks. A time limit of Python's would cost a poll for each call; the kernel's is free.
    connection.settimeout(None)
    patience = struct.pack("@ll", *divmod(int(PATIENCE * 10**6), 10**6))  # a timeval
    for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, limit, patience)
    return connection


def reset(connection: socket.socket) -> None:
    """Close a connection without a trace: an orderly end would keep its port busy for another minute, and
    thousands of those, round after round, would use up all that the system has."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def connections(port: int, count: int, datagrams: bool = False) -> Iterator[list[socket.socket]]:
    """So many connections, while the block runs; garbage collection is off meanwhile.

    :param datagrams: see :func:`connect`.
    :raises ConnectionError: if the server leaves a ``recv`` or a ``send`` in the block waiting for too long.
    """
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(connect(port, datagrams))
        gc.disable()
        yield made
    except BlockingIOError as timeout:
        lost = ", or a datagram was lost" if datagrams else ""
        raise ConnectionError(f"The server did not answer for {PATIENCE} seconds{lost}.") from timeout
    finally:
        gc.enable()
        for each in made:
            reset(each)


def used_by_children() -> float:
    """Seconds of CPU time of the processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """What a server and this process use from now on.

    :param server: the server's process id.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        forget_peak(server)
        self._memory = resident(server)
        self._cpu = cpu_time(server)
        self._client_cpu = time.process_time()
        self._start = time.perf_counter()

    def sample(self, work: float, value: Callable[[float], float] | None = None) -> Sample:
        """What has been used since.

        :param work: how much was done.
        :param value: makes the sample's value of the seconds it took; by default it is work per second.
        """
        wall = time.perf_counter() - self._start
        client_cpu = time.process_time() - self._client_cpu
        cpu, peak = cpu_time(self._server), peak_memory(self._server)
        return Sample(
            value=work / wall if value is None else value(wall),
            work=work,
            wall=wall,
            cpu=None if cpu is None or self._cpu is None else cpu - self._cpu,
            client_cpu=client_cpu,
            memory=None if peak is None or self._memory is None else peak - self._memory,
        )
