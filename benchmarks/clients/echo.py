"""Request and response on many connections, as cheaply as Python can.

A client that polls would be as slow as the fastest server here. This one never polls: all requests are under
way, and it waits for the reply that has been due the longest, which with a fair server is the next to come.
So each request costs one ``recv_into`` and one ``send``, both blocking, and nothing else.

Requests may be datagrams. None is sent again: one that gets lost ends the measurement with an error, since
the time until somebody notices would say nothing of the server.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .sockets import WARM_UP, Meter, connections

__all__ = ["lines", "measure"]

Pair = tuple[Callable[[bytearray, int, int], int], Callable[[bytes], int]]


def _exchange(pairs: list[Pair], payload: bytes, reply: bytearray, whole: int, seconds: float) -> int:
    """Take each reply and send the next request, in turn, for so many seconds; return how many came.

    :param whole: the flag with which a receive returns the size of a reply if and only if it was all there.
    """
    clock = time.perf_counter
    size = len(payload)
    requests = 0
    end = clock() + seconds
    while clock() < end:
        for receive, send in pairs:
            if receive(reply, size, whole) != size:
                raise ConnectionError("The server hung up in the middle, or sent a reply of another size.")
            send(payload)
        requests += len(pairs)
    return requests


def lines(count: int, size: int) -> bytes:
    """So many lines of so many bytes each, of which two end the line."""
    return (b"x" * (size - 2) + b"\r\n") * count


def measure(
    port: int,
    server: int,
    seconds: float,
    count: int,
    payload: bytes,
    weight: int = 1,
    datagrams: bool = False,
) -> Sample:
    """Load an echo server, after a short warm-up; the value is requests per second.

    :param count: how many connections to keep busy.
    :param payload: each request, and the reply to it.
    :param weight: as how many a request counts, as where each is of so many lines.
    :param datagrams: whether requests and replies are datagrams.
    :raises ConnectionError: if it hangs up, sends back something else, or nothing for too long.
    """
    size = len(payload)
    reply = bytearray(size)
    # In a stream that is to wait for the rest; a datagram's true size is told, also if it was too long.
    whole = socket.MSG_TRUNC if datagrams else socket.MSG_WAITALL
    with connections(port, count, datagrams) as sockets:
        pairs: list[Pair] = [(each.recv_into, each.send) for each in sockets]
        for each in sockets:
            each.send(payload)
        _exchange(pairs, payload, reply, whole, min(WARM_UP, seconds))
        meter = Meter(server)
        sample = meter.sample(_exchange(pairs, payload, reply, whole, seconds) * weight)
        for each in sockets:  # the last replies, which there is time to look at
            if each.recv_into(reply, size, whole) != size or reply != payload:
                raise ConnectionError("The server sent back something other than what it was sent.")
    return sample


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.echo", "Load one echo server.")
    command_line.add_argument("--connections", type=int, default=50)
    command_line.add_argument("--size", type=int, default=1024, help="bytes of a request")
    command_line.add_argument("--lines", type=int, help="a request is so many lines, each of SIZE bytes")
    command_line.add_argument("--datagrams", action="store_true", help="requests are datagrams, over UDP")
    options = command_line.parse_args()
    settle_in(options.core)
    if options.lines is None:
        payload, weight = os.urandom(options.size), 1
    else:
        payload, weight = lines(options.lines, options.size), options.lines
    seconds, count = options.seconds, options.connections
    datagrams: bool = options.datagrams
    report_sample(measure(options.port, options.server, seconds, count, payload, weight, datagrams))


if __name__ == "__main__":
    main()
