"""A server of ours, and plain sockets that talk to it: where tests of descriptors and connections begin."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support import until, within
from twisted_compat import AsyncioReactor
from twisted_compat.protocol import Protocol, ServerFactory


class Notes(Protocol):
    """Writes down all that it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.events: list[str] = []
        self.reason: Any = None

    def connectionMade(self) -> None:
        self.events.append("made")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.events.append("lost")
        self.reason = reason

    @property
    def lost(self) -> bool:
        return "lost" in self.events


class Peer:
    """A plain socket, driven by the loop's own socket methods."""

    def __init__(self, skt: socket.socket) -> None:
        self.socket = skt

    async def send(self, data: bytes) -> None:
        await within(asyncio.get_running_loop().sock_sendall(self.socket, data))

    async def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes, or fewer if the stream ends before."""
        loop, data = asyncio.get_running_loop(), bytearray()
        while len(data) < count:
            piece = await within(loop.sock_recv(self.socket, min(count - len(data), 1 << 18)))
            if not piece:
                break
            data += piece
        return bytes(data)

    async def read_all(self) -> bytes:
        """All that comes until the end of the stream."""
        return await self.read(1 << 40)

    def reset(self) -> None:
        """Close with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Bench:
    """A reactor that serves protocols made by ``build``, and the peers that have connected."""

    def __init__(self, reactor: Any, build: Callable[[], Any], family: int) -> None:
        self.reactor = reactor
        self.family = family
        self.protocols: list[Any] = []
        self.peers: list[Peer] = []
        bench = self

        class Factory(ServerFactory):
            def buildProtocol(self, addr: Any) -> Any:
                protocol = build()
                bench.protocols.append(protocol)
                return protocol

        self.host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.port = reactor.listenTCP(0, Factory(), interface=self.host)

    async def dial(self, receive_buffer: int | None = None) -> tuple[Any, Peer]:
        """Connect; return the server's protocol, which has been told, and the peer.

        :param receive_buffer: how many bytes the peer's kernel takes while nobody reads.
        """
        skt = socket.socket(self.family)
        self.peers.append(Peer(skt))
        skt.setblocking(False)
        if receive_buffer is not None:
            skt.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        known = len(self.protocols)
        address = (self.host, self.port.getHost().port)
        await within(asyncio.get_running_loop().sock_connect(skt, address))
        await until(lambda: len(self.protocols) > known)
        return self.protocols[-1], self.peers[-1]


@contextlib.asynccontextmanager
async def serving(build: Callable[[], Any] = Notes, family: int = socket.AF_INET) -> AsyncIterator[Bench]:
    """A :class:`Bench` on the running loop; all that it opened is closed at the end."""
    async with AsyncioReactor() as reactor:
        bench = Bench(reactor, build, family)
        try:
            yield bench
        finally:
            for peer in bench.peers:
                peer.socket.close()


async def turns(count: int = 5) -> None:
    """Let the loop turn a few times: enough for whatever was going to happen at once."""
    for _ in range(count):
        await asyncio.sleep(0)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What has been logged as an error."""
    return [record for record in caplog.records if record.levelno >= logging.ERROR]
