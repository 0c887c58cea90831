"""Visits, each with a full handshake: connect, shake hands, ask, take the answer, say goodbye, and wait until
the server hangs up. Several are under way; as in ``echo``, the client waits for what is due the longest.

``tls_wire`` does the client's part: with OpenSSL's client it would be the client that is measured.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Generator

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .sockets import PATIENCE, WARM_UP, Meter, connect, reset
from .tls_wire import Client

__all__ = ["measure"]

AT_ONCE = 65536
SIZE = 64
"""Bytes of a request, and of the answer to it."""

Visitor = Generator[int, None, None]


def _receive(connection: socket.socket) -> bytes:
    """Wait for something.

    :raises ConnectionError: if the server closes instead.
    """
    data = connection.recv(AT_ONCE)
    if not data:
        raise ConnectionError("The server hung up in the middle.")
    return data


def _visits(port: int, request: bytes) -> Visitor:
    """Visit an echo server over and over; before each wait, how many visits have come to their end since the
    last one."""
    done = 0
    while True:
        connection = connect(port)
        try:
            client = Client()
            connection.send(client.hello)
            yield done
            while not (reply := client.finish(_receive(connection), request)):
                pass
            connection.send(reply)
            yield 0
            answer = b""
            while len(answer) < len(request):
                answer += client.receive(_receive(connection))
            if answer != request:
                raise ConnectionError("The server sent back something other than what it was sent.")
            connection.send(client.close())
            yield 0
            while connection.recv(AT_ONCE):
                pass
            done = 1
        finally:
            reset(connection)


def _visit(visitors: list[Visitor], seconds: float) -> int:
    """Let each go on, in turn, for so many seconds and until a visit has ended; how many did."""
    clock = time.perf_counter
    visits = 0
    end = clock() + seconds
    while clock() < end or not visits:
        for each in visitors:
            visits += next(each)
    return visits


def measure(port: int, server: int, seconds: float, count: int) -> Sample:
    """Visit an echo server over TLS, after a short warm-up; the value is visits per second.

    :param count: how many are under way.
    :raises ConnectionError: if it hangs up, sends back something else, or nothing for too long.
    """
    visitors = [_visits(port, os.urandom(SIZE)) for _ in range(count)]
    gc.disable()
    try:
        _visit(visitors, min(WARM_UP, seconds))
        meter = Meter(server)
        return meter.sample(_visit(visitors, seconds))
    except BlockingIOError as timeout:
        raise ConnectionError(f"The server did not answer for {PATIENCE} seconds.") from timeout
    finally:
        gc.enable()
        for each in visitors:
            each.close()


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.tls_handshakes", "Visit one echo server over and over, over TLS.")
    command_line.add_argument("--visitors", type=int, default=20, help="how many are under way")
    options = command_line.parse_args()
    settle_in(options.core)
    report_sample(measure(options.port, options.server, options.seconds, options.visitors))


if __name__ == "__main__":
    main()
