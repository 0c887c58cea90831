"""Descriptors that are none of this package's own, and one that is, with the sockets and sets they need."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from twisted_compat.adapter.fdset import DescriptorSet
from twisted_compat.adapter.ownership import Ownership
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.vocabulary import NATIVE


class Stranger:
    """A descriptor as anybody may write one. It knows a number, or something that has one."""

    def __init__(self, number: Any, read: Callable[[], Any] | None = None, write: Any = None) -> None:
        self.number = number
        self.read = read
        self.write = write
        self.reads = 0
        self.writes = 0
        self.received = b""
        self.reasons: list[Any] = []

    def fileno(self) -> int:
        return self.number if isinstance(self.number, int) else self.number.fileno()

    def doRead(self) -> Any:
        self.reads += 1
        if self.read is not None:
            return self.read()
        self.received += os.read(self.fileno(), 1000)
        return None

    def doWrite(self) -> Any:
        self.writes += 1
        return None if self.write is None else self.write()

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason)

    def logPrefix(self) -> str:
        return "stranger"


class Ours(FileDescriptor):
    """A connected socket with a turn-end flush; notes each ``doRead`` and each send."""

    turn_flush = True

    def __init__(self, skt: socket.socket, fdset: Any, on_data: Any = None) -> None:
        super().__init__(fdset)
        skt.setblocking(False)
        self.socket = skt
        self.connected = 1
        self.on_data = on_data
        self.events: list[str] = []
        self.reasons: list[Any] = []

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> Any:
        self.events.append("read")
        data = self.socket.recv(self.bufferSize)
        if not data:
            return self.reactor.vocabulary.error.ConnectionDone()
        return self.on_data(self, data) if self.on_data is not None else None

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        self.events.append("send")
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            return error

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.reasons.append(reason)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking sockets."""
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The same over TCP, where there are resets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other = listener.accept()[0]
    one.setblocking(False)
    other.setblocking(False)
    return one, other


def reset(skt: socket.socket) -> None:
    """Close with a reset."""
    skt.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    skt.close()


def give_number(number: int, skt: socket.socket) -> None:
    """Close what ``number`` stands for and have it stand for ``skt`` at once, as when it is used again."""
    os.dup2(skt.fileno(), number)
    skt.close()


def make_set(loop: asyncio.AbstractEventLoop) -> DescriptorSet:
    return DescriptorSet(loop, NATIVE, Ownership(loop))


async def turns(count: int = 5) -> None:
    """Let the loop poll a few times."""
    for _ in range(count):
        await asyncio.sleep(0.001)


def add(fdset: DescriptorSet, descriptor: Any, directions: str) -> None:
    if "r" in directions:
        fdset.addReader(descriptor)
    if "w" in directions:
        fdset.addWriter(descriptor)


def remove(fdset: DescriptorSet, descriptor: Any) -> None:
    fdset.removeReader(descriptor)
    fdset.removeWriter(descriptor)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]
