"""Protocols and factories that write down what happens to them, and plain sockets to set things off with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import within
from twisted_compat.address import IPv6Address
from twisted_compat.protocol import ClientFactory, Protocol, ServerFactory

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Recorder(Protocol):
    """Remembers what it received and why it was lost; does what ``on_made`` and ``on_lost`` say."""

    on_made: Any = None
    on_lost: Any = None

    def __init__(self) -> None:
        self.received = b""
        self.made = 0
        self.reasons: list[Any] = []

    def connectionMade(self) -> None:
        self.made += 1
        if self.on_made is not None:
            self.on_made(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reasons.append(reason)
        if self.on_lost is not None:
            self.on_lost(self)


class Echo(Recorder):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class _Building:
    """What the factories share: ``build`` makes the protocol (None for the recorder class as it is)."""

    def __init__(self, protocol: Any = Recorder, build: Any = None) -> None:
        self.protocol = protocol
        self.build = build
        self.protocols: list[Any] = []
        self.addresses: list[Any] = []
        self.events: list[Any] = []
        self.reasons: list[Any] = []

    def startFactory(self) -> None:
        self.events.append("start")

    def stopFactory(self) -> None:
        self.events.append("stop")

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)
        protocol = self.protocol() if self.build is None else self.build(addr)
        if protocol is not None:
            protocol.factory = self
            self.protocols.append(protocol)
        return protocol


class Listening(_Building, ServerFactory):
    """A server factory that remembers the protocols it built."""


class Connecting(_Building, ClientFactory):
    """A client factory that writes down each callback; ``again`` runs in those that end an attempt."""

    again: Any = None
    on_started: Any = None

    def startedConnecting(self, connector: Any) -> None:
        self.events.append("connecting")
        if self.on_started is not None:
            self.on_started(connector)

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self._ended("failed", connector, reason)

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self._ended("lost", connector, reason)

    def _ended(self, event: str, connector: Any, reason: Any) -> None:
        self.events.append(event)
        self.reasons.append(reason)
        if self.again is not None:
            self.again(connector)


def errors_logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages logged as errors, each of which must carry its traceback."""
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert all(record.exc_info for record in found)
    return [record.getMessage() for record in found]


def resetting(skt: socket.socket) -> socket.socket:
    """Have ``close`` send a reset instead of a FIN."""
    skt.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return skt


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """The port of a listener whose queue is full: who connects to it gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        port: int = listener.getsockname()[1]
        yield port


@contextlib.contextmanager
def descriptor_limit(soft: int) -> Iterator[None]:
    """Lower or raise the number of descriptors this process may have, for a while."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def fill_descriptors() -> list[int]:
    """Use up every descriptor that the limit leaves."""
    used = []
    while True:
        try:
            used.append(os.dup(0))
        except OSError:
            return used


@contextlib.contextmanager
def client_of(port: Any) -> Iterator[socket.socket]:
    """A plain socket connected (the kernel does that without the port's doing) to a listening port."""
    address = port.getHost()
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    with socket.socket(family) as skt:
        skt.connect((address.host, address.port))
        skt.setblocking(False)
        yield skt


async def received(skt: socket.socket, size: int = 100) -> bytes:
    """What a plain socket receives; a reset counts as the end."""
    try:
        return await within(asyncio.get_running_loop().sock_recv(skt, size))
    except ConnectionResetError:
        return b""


async def answered(port: Any, message: bytes = b"hello") -> bool:
    """Whether an echoing port serves a new client."""
    with client_of(port) as skt:
        await within(asyncio.get_running_loop().sock_sendall(skt, message))
        return await received(skt) == message
