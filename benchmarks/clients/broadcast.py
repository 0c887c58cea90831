"""Publishes on one connection and takes the message from each of them, in the order of their being made: one
blocking ``recv_into`` for each delivery, and nothing else.

The next message is published when all have the last one: where two are under way, a server that is behind may
send both at once, and would seem the faster for it.
"""

from __future__ import annotations

import os
import socket
import time

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .sockets import WARM_UP, Meter, connections

__all__ = ["measure"]


def _publish(sockets: list[socket.socket], message: bytes, seconds: float) -> int:
    """Publish, take it from all, and so on for so many seconds; return how many deliveries that was."""
    clock = time.perf_counter
    size, whole = len(message), socket.MSG_WAITALL
    delivery = bytearray(size)
    receivers = [each.recv_into for each in sockets]
    publish = sockets[-1].send  # connections are accepted in order: once the last one is heard, all are there
    deliveries = 0
    end = clock() + seconds
    while clock() < end:
        publish(message)
        for receive in receivers:
            if receive(delivery, size, whole) != size or delivery != message:
                raise ConnectionError("The server closed a connection, or delivered what it was not sent.")
        deliveries += len(receivers)
    return deliveries


def measure(port: int, server: int, seconds: float, count: int, size: int) -> Sample:
    """Have a server spread messages, after a short warm-up; the value is deliveries per second.

    :param count: how many connections there are.
    :param size: bytes of a message.
    :raises ConnectionError: if it hangs up, delivers something else, or nothing for too long.
    """
    message = os.urandom(size)
    with connections(port, count) as sockets:
        _publish(sockets, message, min(WARM_UP, seconds))
        meter = Meter(server)
        return meter.sample(_publish(sockets, message, seconds))


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
