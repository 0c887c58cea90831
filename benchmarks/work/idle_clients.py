"""Connects to a server and says nothing: ``python -m benchmarks.work.idle_clients PORT``.

Started by ``memory``, which must not hold these ends of its connections itself. Each line of its input says
how many more to make; when the input ends, so do they.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable

from ..processes import HOST, settle_in

__all__ = ["hold"]

PATIENCE = 10  # seconds for the server to take one more


def hold(port: int, lines: Iterable[str]) -> None:
    """Make as many connections as each line says, and close all when there are no more lines."""
    held: list[socket.socket] = []
    try:
        for line in lines:
            for _ in range(int(line)):
                held.append(socket.create_connection((HOST, port), timeout=PATIENCE))
    finally:
        for each in held:
            each.close()


if __name__ == "__main__":
    settle_in(None)
    hold(int(sys.argv[1]), sys.stdin)
