"""Standard streams of each kind, and who is at their other ends."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.transport.terminals import Terminal, identity, is_blocking, open_numbers, put, take
from tests.transport.unix_sockets import make_reactor
from twisted_compat.stdio import StandardIO


class Producer:
    """Of both kinds: writes a piece whenever it is asked; remembers what it is told."""

    def __init__(self, consumer: Any, piece: bytes = b"") -> None:
        self.consumer = consumer
        self.piece = piece
        self.told: list[str] = []

    def resumeProducing(self) -> None:
        self.told.append("resume")
        if self.piece:
            self.consumer.write(self.piece)

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Streams:
    """What a program has as standard input and output, and who is at their other ends.

    :ivar stdin: the number to read.
    :ivar stdout: the number to write; never the same number.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._ours: set[int] = set()
        if kind == "pipes":
            self.stdin, self.sends = os.pipe()
            self.reads, self.stdout = os.pipe()
        elif kind == "socket":
            near, far = socket.socketpair()
            self.stdin, self.sends = near.detach(), far.detach()
            self.stdout, self.reads = os.dup(self.stdin), os.dup(self.sends)
        else:
            self.terminal = Terminal(raw=True)
            self.terminal.handed_over()
            self.stdin, self.sends = self.terminal.slave, self.terminal.master
            self.stdout, self.reads = os.dup(self.stdin), os.dup(self.sends)
        self._ours |= {self.stdin, self.sends, self.reads, self.stdout}

    async def send(self, data: bytes) -> None:
        """Write to the program's standard input."""
        await put(self.sends, data)

    async def read(self, size: int = 1 << 40) -> bytes:
        """So many bytes that the program printed."""
        return await take(self.reads, size)

    def end(self) -> None:
        """No more input comes."""
        if self.kind == "socket":
            with socket.socket(fileno=os.dup(self.sends)) as skt:
                skt.shutdown(socket.SHUT_WR)
        else:
            self.close(self.sends)

    def close(self, *numbers: int) -> None:
        """Close these (all that are open, if none are named)."""
        for number in numbers or list(self._ours):
            self._ours.discard(number)
            os.close(number)


@contextlib.contextmanager
def streams(kind: str = "pipes") -> Iterator[Streams]:
    """Standard streams.

    :param kind: ``"pipes"``, ``"socket"`` or ``"terminal"``.
    """
    found = Streams(kind)
    try:
        yield found
    finally:
        found.close()


@contextlib.asynccontextmanager
async def standing(
    build: Callable[[], Any], channel: str = "pipes", kind: str = "native"
) -> AsyncIterator[tuple[Any, Streams]]:
    """A protocol on standard streams, and these. They have to be afterwards what they were."""
    with streams(channel) as far:
        given = far.stdin, far.stdout
        files, modes, before = (
            [identity(fd) for fd in given],
            [is_blocking(fd) for fd in given],
            open_numbers(),
        )
        async with make_reactor(kind) as reactor:
            protocol = build()
            StandardIO(protocol, *given, reactor=reactor)
            yield protocol, far
        assert [identity(fd) for fd in given] == files
        assert [is_blocking(fd) for fd in given] == modes
        assert open_numbers() <= before
