"""The client: request and response on many connections, as cheaply as Python can.

``python -m benchmarks.load PORT`` prints what it found as JSON. ``__main__`` starts one process of this
module for each measurement, against a server of ``servers``.

A client that polls would be as slow as the fastest server here. This one never polls: all requests are under
way, and it waits for the reply that has been due the longest, which with a fair server is the next to come.
So each request costs one ``recv_into`` and one ``send``, both blocking, and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.servers import HOST, pin

__all__ = ["Load", "measure"]

WARM_UP = 0.5
PATIENCE = 10
Pair = tuple[Callable[[bytearray, int, int], int], Callable[[bytes], int]]


@dataclass(frozen=True)
class Load:
    """What one measurement found.

    :ivar requests: how many were answered.
    :ivar wall: the seconds it took.
    :ivar client_cpu: seconds of CPU time that the client used meanwhile.
    :ivar server_cpu: the same for the server; None where the system doesn't tell.
    """

    requests: int
    wall: float
    client_cpu: float
    server_cpu: float | None

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.wall

    @property
    def cpu_rate(self) -> float | None:
        """Requests per second of the server's CPU time."""
        return self.requests / self.server_cpu if self.server_cpu else None


def _cpu_time(pid: int) -> float | None:
    """Seconds of CPU time, user and system, that a process has used (proc(5), ``stat``, fields 14 and 15)."""
    if sys.platform != "linux":
        return None
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()  # the command's name, in parentheses, may hold spaces
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=PATIENCE)
    # From here on it blocks. A time limit of Python's would cost a poll for each call; the kernel's is free.
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", PATIENCE, 0))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exchange(pairs: list[Pair], payload: bytes, reply: bytearray, seconds: float) -> int:
    """Take each reply and send the next request, in turn, for so many seconds; return how many came."""
    clock = time.perf_counter
    size, whole = len(payload), socket.MSG_WAITALL
    requests = 0
    end = clock() + seconds
    while clock() < end:
        for receive, send in pairs:
            if receive(reply, size, whole) != size:
                raise ConnectionError("The server closed a connection in the middle of the measurement.")
            send(payload)
        requests += len(pairs)
    return requests


def measure(port: int, connections: int, size: int, seconds: float, server: int | None = None) -> Load:
    """Load an echo server, after a short warm-up.

    :param port: where it listens, on the loopback interface.
    :param connections: how many to keep busy.
    :param size: bytes of each request and reply.
    :param seconds: how long to measure.
    :param server: its process id, to account for its CPU time.
    :raises ConnectionError: if it hangs up, sends back something else, or nothing for 10 seconds.
    """
    sockets = [_connect(port) for _ in range(connections)]
    pairs: list[Pair] = [(each.recv_into, each.send) for each in sockets]
    payload, reply = os.urandom(size), bytearray(size)
    gc.disable()
    try:
        for each in sockets:
            each.send(payload)
        _exchange(pairs, payload, reply, WARM_UP)
        server_before = None if server is None else _cpu_time(server)
        before, start = time.process_time(), time.perf_counter()
        requests = _exchange(pairs, payload, reply, seconds)
        wall, client_cpu = time.perf_counter() - start, time.process_time() - before
        server_after = None if server is None else _cpu_time(server)
        for each in sockets:  # the last replies; unread they would become a reset
            if each.recv_into(reply, size, socket.MSG_WAITALL) != size or reply != payload:
                raise ConnectionError("The server sent back something other than what it was sent.")
    except BlockingIOError as timeout:
        raise ConnectionError(f"The server did not answer for {PATIENCE} seconds.") from timeout
    finally:
        gc.enable()
        for each in sockets:
            each.close()
    used = None if server_before is None or server_after is None else server_after - server_before
    return Load(requests, wall, client_cpu, used)


def main() -> None:
    """Load the server that the command line names and print what was found, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description="Load one echo server.")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--size", type=int, default=1024, help="bytes of a request")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--server", type=int, help="the server's process id, to account for its CPU time")
    parser.add_argument("--core", type=int, help="the core to stay on")
    options = parser.parse_args()
    pin(options.core)
    load = measure(options.port, options.connections, options.size, options.seconds, options.server)
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
