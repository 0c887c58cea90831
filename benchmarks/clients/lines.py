"""Lines in a stream, as fast as the server takes them: many in each ``sendall``, and nothing to wait for."""

from __future__ import annotations

import socket
import time

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .echo import lines
from .sockets import WARM_UP, Meter, connections

__all__ = ["measure"]

SIZE = 64
BLOCK = 4096
"""Lines in a ``sendall``: 256 KiB of them."""

_BLOCK = lines(BLOCK, SIZE)


def _stream(connection: socket.socket, seconds: float) -> int:
    """Send lines for so many seconds, and see that the server has counted them all; return how many."""
    sent = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        connection.sendall(_BLOCK)
        sent += BLOCK
    connection.sendall(b".\r\n")
    answer = b""
    while not answer.endswith(b"\r\n"):
        more = connection.recv(64)
        if not more:
            raise ConnectionError("The server closed the connection in the middle of the measurement.")
        answer += more
    if int(answer) != sent:
        raise ConnectionError(f"The server was sent {sent} lines and counted {int(answer)}.")
    return sent


def measure(port: int, server: int, seconds: float) -> Sample:
    """Stream lines to a server on one connection, after a short warm-up; the value is lines per second.

    The clock stops when the server has told how many there were, so that what it was sent and has not come to
    yet is no gain.

    :raises ConnectionError: if it hangs up, counts something else, or takes nothing for too long.
    """
    with connections(port, 1) as (connection,):
        _stream(connection, min(WARM_UP, seconds))
        meter = Meter(server)
        return meter.sample(_stream(connection, seconds))


def main() -> None:
    """Load the server that the command line names."""
    options = parser("clients.lines", "Stream lines to one server.").parse_args()
    settle_in(options.core)
    report_sample(measure(options.port, options.server, options.seconds))


if __name__ == "__main__":
    main()
