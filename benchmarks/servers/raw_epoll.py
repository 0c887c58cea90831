"""The least that a server in Python can do: no protocol, no buffer, no errors to speak of.

It serves echoes only, to show what is left of the time for everything else that a server does.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence

from ..processes import HOST, announce

__all__ = ["serve"]


def serve(workloads: Sequence[str], backlog: int) -> None:
    """Serve until terminated.

    :raises ValueError: for anything but one "echo".
    """
    if list(workloads) != ["echo"]:
        raise ValueError(f"the raw epoll server serves echo alone, not {' and '.join(workloads)}")
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
