"""Publishes on one connection and takes the message from each of them.

To wait for each delivery would have the two processes wake each other up a thousand times for a message, and
the client, not the server, would be what is measured. So this one waits for the connection that is served
last; the others then have theirs, and each costs one ``recv_into`` that finds it there. Meanwhile the server
is busy with the next message, which was published before.
"""

from __future__ import annotations

import os
import socket
import time

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .sockets import Meter, connections

__all__ = ["measure"]

WARM_UP = 0.3


class _Audience:
    """All connections. Connections are accepted in order, so once the last one is heard all are there; and
    served in order, so once the last one has a message all have it."""

    def __init__(self, sockets: list[socket.socket], message: bytes) -> None:
        self._message = message
        self._delivery = bytearray(len(message))
        self._publish = sockets[-1].send
        self._first = sockets[0]
        self._receivers = [each.recv_into for each in reversed(sockets)]

    def _take(self) -> int:
        """Take a message from each; return how many that was."""
        message, delivery = self._message, self._delivery
        size, whole = len(message), socket.MSG_WAITALL
        for receive in self._receivers:
            if receive(delivery, size, whole) != size or delivery != message:
                raise ConnectionError("The server closed a connection, or delivered what it was not sent.")
        return len(self._receivers)

    def publish(self, seconds: float) -> int:
        """Publish for so many seconds, and wait until all is delivered; return how many deliveries."""
        deliveries = 0
        end = time.perf_counter() + seconds
        self._publish(self._message)
        self._first.recv_into(self._delivery, 1, socket.MSG_PEEK)  # the server has begun: not two at once
        while time.perf_counter() < end:
            self._publish(self._message)
            deliveries += self._take()
        return deliveries + self._take()


def measure(port: int, server: int, seconds: float, count: int, size: int) -> Sample:
    """Have a server spread messages, after a short warm-up; the value is deliveries per second.

    :param count: how many connections there are.
    :param size: bytes of a message.
    :raises ConnectionError: if it hangs up, delivers something else, or nothing for too long.
    """
    message = os.urandom(size)
    with connections(port, count) as sockets:
        audience = _Audience(sockets, message)
        audience.publish(min(WARM_UP, seconds))
        meter = Meter(server)
        return meter.sample(audience.publish(seconds))


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.broadcast", "Publish to all connections of one server.")
    command_line.add_argument("--connections", type=int, default=1000)
    command_line.add_argument("--size", type=int, default=64, help="bytes of a message")
    options = command_line.parse_args()
    settle_in(options.core)
    seconds, count = options.seconds, options.connections
    report_sample(measure(options.port, options.server, seconds, count, options.size))


if __name__ == "__main__":
    main()
