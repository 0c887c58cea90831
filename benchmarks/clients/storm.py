"""Very many connections at once, none waiting for another: how long until the server has greeted them all."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..model import Sample
from ..processes import HOST, parser, report_sample, settle_in
from .sockets import PATIENCE, Meter, reset

__all__ = ["measure"]

GREETING = b"!"
LULL = 0.02  # seconds without a greeting after which some of those that wait speak
SPEAKERS = 100  # so many of them


@contextmanager
def _unconnected(count: int) -> Iterator[dict[int, socket.socket]]:
    """So many non-blocking sockets, by descriptor, while the block runs; no garbage collection meanwhile."""
    made: dict[int, socket.socket] = {}
    try:
        for _ in range(count):
            each = socket.socket()
            made[each.fileno()] = each
            each.setblocking(False)
        gc.disable()
        yield made
    finally:
        gc.enable()
        for each in made.values():
            reset(each)


def _connect(sockets: dict[int, socket.socket], port: int) -> None:
    """Begin to connect, all of them."""
    for each in sockets.values():
        error = each.connect_ex((HOST, port))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))


def _await_greetings(sockets: dict[int, socket.socket], poller: select.epoll) -> None:
    """Return when each has been greeted."""
    missing, silent = len(sockets), dict(sockets)
    last = time.perf_counter()
    while missing:
        ready = poller.poll(LULL)
        if ready:
            last = time.perf_counter()
        elif time.perf_counter() - last > PATIENCE:
            raise ConnectionError(f"{missing} heard nothing for {PATIENCE} s")
        else:
            _speak(silent)
        for fd, _event in ready:
            if sockets[fd].recv(len(GREETING)) != GREETING:
                raise ConnectionError("the server hung up, or greeted with something else")
            silent.pop(fd, None)
        missing -= len(ready)


def _speak(silent: dict[int, socket.socket]) -> None:
    """Have some of those that wait say anything.

    A kernel that is short of room for connections answers with a SYN cookie and remembers nothing. If it has
    no room at the last step of the handshake either, the client is connected and the server does not know of
    it, nor ever will while the client keeps silent. What the client says is sent until it is heard; but not
    all of them at once, which would be another storm.
    """
    spoken = []
    for fd, each in silent.items():
        try:
            each.send(b"?")
        except BlockingIOError:  # not connected yet: the kernel is trying
            continue
        spoken.append(fd)
        if len(spoken) == SPEAKERS:
            break
    for fd in spoken:
        del silent[fd]


def measure(port: int, server: int, count: int) -> Sample:
    """Connect so many times at once; the value is the seconds until the last one has been greeted.

    :raises ConnectionError: if a connection can't be made, is reset or closed, or isn't greeted for too long.
    """
    try:
        with _unconnected(count) as sockets, select.epoll(count) as poller:
            meter = Meter(server)
            _connect(sockets, port)
            for fd in sockets:
                poller.register(fd, select.EPOLLIN)
            _await_greetings(sockets, poller)
            return meter.sample(0, lambda wall: wall)
    except OSError as error:
        raise ConnectionError(f"Not all of {count} connections were greeted: {error}.") from error


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.storm", "Connect to one server very many times at once.")
    command_line.add_argument("--connections", type=int, default=5000)
    options = command_line.parse_args()
    settle_in(options.core)
    report_sample(measure(options.port, options.server, options.connections))


if __name__ == "__main__":
    main()
