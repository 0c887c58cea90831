"""Asks for many bytes, and throws them away for less than it costs to send them."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from ..servers import ANEW
from .sockets import Meter, connections

__all__ = ["MIB", "measure"]

MIB = 1024 * 1024
AT_ONCE = 4 * MIB
WARM_UP = 16 * MIB
UNTAKEN = 256 * MIB
# Linux can drop what it has received instead of copying it (tcp(7), MSG_TRUNC). Elsewhere the flag may mean
# something else.
_DROP = socket.MSG_TRUNC if sys.platform == "linux" else 0


def _discard(connection: socket.socket) -> int:
    """Take what comes, until the server closes; return how many bytes that was."""
    buffer = bytearray(AT_ONCE)
    total = 0
    while received := connection.recv_into(buffer, AT_ONCE, _DROP):
        total += received
    return total


def _ask(connection: socket.socket, amount: int, manner: bytes = b"") -> None:
    connection.sendall(b"%d%b\r\n" % (amount, manner))


def measure(port: int, server: int, amount: int) -> Sample:
    """Have a server send so many bytes; the value is MiB per second.

    A second client asks for very much and takes nothing, which is to cost the server neither time nor memory.

    :raises ConnectionError: if it sends more or less, or nothing for too long.
    """
    with connections(port, 3) as (idle, short, long):
        before = Meter(server)
        _ask(idle, UNTAKEN, b" " + ANEW)
        _ask(short, WARM_UP)  # once that has come the server has done for the idle one all that it can
        _discard(short)
        meter = Meter(server)
        _ask(long, amount)
        received = _discard(long)
        sample = meter.sample(received / MIB)
        memory = before.sample(0).memory
    if received != amount:
        raise ConnectionError(f"The server was asked for {amount} bytes and sent {received}.")
    return replace(sample, memory=memory)


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.bulk", "Have one server send very much.")
    command_line.add_argument("--mib", type=int, default=1024, help="how much it is to send")
    options = command_line.parse_args()
    settle_in(options.core)
    report_sample(measure(options.port, options.server, options.mib * MIB))


if __name__ == "__main__":
    main()
