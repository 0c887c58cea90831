"""The least that a server in Python can do: no protocol, no buffer, no errors to speak of.

It serves echoes only, to show what is left of the time for everything else that a server does.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence

from ..processes import HOST, announce

__all__ = ["serve"]


def _echo(backlog: int) -> None:
    listener = socket.create_server((HOST, 0), backlog=backlog)
    announce(listener.getsockname()[1])
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    accepting = listener.fileno()
    connections: dict[int, socket.socket] = {}
    while True:
        for fd, _event in poller.poll():
            if fd == accepting:
                connection, _address = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = connections[fd]
            try:
                data = connection.recv(65536)
                connection.sendall(data)  # a blocking socket: this one waits where a real server would not
            except ConnectionError:
                data = b""
            if not data:
                del connections[fd]
                connection.close()  # which takes it out of the poller too


def _udp_echo(backlog: int) -> None:
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind((HOST, 0))
    port.setblocking(False)
    announce(port.getsockname()[1])
    poller = select.epoll()
    poller.register(port, select.EPOLLIN)
    receive, send = port.recvfrom, port.sendto
    while True:
        poller.poll()
        try:
            while True:
                send(*receive(65536))
        except BlockingIOError:  # all that had come are answered
            pass


ECHOES: dict[str, Callable[[int], None]] = {"echo": _echo, "udp-echo": _udp_echo}
"""What serves each workload; told how long the listen queue shall be, where there is one."""


def serve(workloads: Sequence[str], backlog: int) -> None:
    """Serve until terminated.

    :raises ValueError: for anything but one kind of echo.
    """
    if len(workloads) != 1 or not ECHOES.keys() >= set(workloads):
        served, asked = " or ".join(ECHOES), " and ".join(workloads)
        raise ValueError(f"the raw epoll server serves one of {served}, not {asked}")
    ECHOES[workloads[0]](backlog)
