"""The least that a server in Python can do: no protocol, no buffer, no errors to speak of.

It serves echoes only, as the ceiling: what a client asks of this one is the most that it can ask of anyone.
"""

from __future__ import annotations

import select
import socket

from ..processes import HOST, announce

__all__ = ["serve"]


def serve(workload: str, backlog: int) -> None:
    """Serve until terminated.

    :raises ValueError: for any workload but "echo".
    """
    if workload != "echo":
        raise ValueError(f"the raw epoll server does not serve {workload}")
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
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = connections[fd]
            data = connection.recv(65536)
            if data:
                connection.sendall(data)  # a blocking socket: this one waits where a real server would not
            else:
                del connections[fd]
                connection.close()  # which takes it out of the poller too
