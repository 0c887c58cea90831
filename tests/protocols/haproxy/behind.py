"""A server of ours behind a proxy that the test itself is."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from zope.interface import implementer

from tests.support import within
from tests.transport.peers import Peer
from tests.transport.recorders import Listening, Recorder
from twisted_compat import AsyncioReactor
from twisted_compat.interfaces import IFileDescriptorReceiver
from twisted_compat.protocols.haproxy import HAProxyWrappingFactory

__all__ = ["Behind", "Paused", "Receiving", "behind", "ended", "nothing_left", "warnings"]


class Paused(Recorder):
    """Wants nothing at first."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.pauseProducing()


@implementer(IFileDescriptorReceiver)
class Receiving(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def fileDescriptorReceived(self, descriptor: int) -> None:
        assert self.made
        self.numbers.append(descriptor)


class Behind:
    """The server.

    :ivar factory: the one that is wrapped.
    """

    def __init__(self, reactor: Any, factory: Any, port: Any) -> None:
        self.reactor = reactor
        self.factory = factory
        self.port = port
        self._peers: list[Peer] = []

    def peer(self) -> Peer:
        """A new connection, of which the server hasn't heard yet."""
        address = self.port.getHost()
        skt = socket.socket(socket.AF_UNIX if hasattr(address, "name") else socket.AF_INET)
        self._peers.append(Peer(skt))
        skt.connect(address.name if hasattr(address, "name") else (address.host, address.port))
        skt.setblocking(False)
        return self._peers[-1]

    async def said(self, data: bytes) -> Peer:
        """A new connection on which this is sent."""
        peer = self.peer()
        await peer.send(data)
        return peer

    def close(self) -> None:
        for peer in self._peers:
            peer.socket.close()
        self._peers.clear()


@contextlib.asynccontextmanager
async def behind(
    protocol: Any = Recorder, *, path: str | None = None, context: Any = None, **options: Any
) -> AsyncIterator[Behind]:
    """A server of protocols of this kind, on the running loop.

    :param path: where a UNIX socket is to be; None for TCP.
    :param context: for TLS with the header within it.
    :param options: those of the factory that is tested.
    """
    factory = protocol if isinstance(protocol, Listening) else Listening(protocol)
    wrapping = HAProxyWrappingFactory(factory, **options)
    async with AsyncioReactor() as reactor:
        if path is not None:
            port = reactor.listenUNIX(path, wrapping)
        elif context is not None:
            port = reactor.listenSSL(0, wrapping, context, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, wrapping, interface="127.0.0.1")
        server = Behind(reactor, factory, port)
        try:
            yield server
        finally:
            server.close()


async def ended(peer: Peer) -> None:
    """Wait until the server has closed this connection; however it did."""
    with contextlib.suppress(ConnectionResetError):
        assert await within(peer.read_all()) == b""


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines logged as warnings; nothing may be worse, or have a traceback."""
    found = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(record.levelno == logging.WARNING and not record.exc_info for record in found)
    return [record.getMessage() for record in found]


@contextlib.contextmanager
def nothing_left(reactor: Any) -> Iterator[None]:
    """The block leaves no descriptor and no timer."""
    before = sorted(os.listdir("/dev/fd")), len(reactor.getDelayedCalls())
    yield
    assert (sorted(os.listdir("/dev/fd")), len(reactor.getDelayedCalls())) == before
