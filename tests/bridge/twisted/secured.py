"""Two sides of a connection for the tests of TLS, and how to talk to one of them from a thread."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from twisted.internet.protocol import ClientFactory, Factory, Protocol

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.reactors import logged_errors
from tests.support import DEADLINE, until
from twisted_compat.bridge.twisted import TwistedReactor

__all__ = [
    "BIG",
    "MARKS",
    "Connecting",
    "Notes",
    "Serving",
    "attached",
    "call",
    "go_secure",
    "peer_of",
    "read_all",
    "read_exactly",
    "secure",
    "two_of_ours",
]

MARKS = [
    pytest.mark.usefixtures("empty_place"),
    # Of pyOpenSSL about how Twisted's certificates use it.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]

BIG = bytes(range(256)) * 4096  # 1 MiB: beyond what sockets take at once


class Notes(Protocol):
    """Keeps what it is told; does what ``on_data`` and ``on_lost`` say."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.reasons: list[Any] = []
        self.made = 0
        self.on_made: Callable[[Any], object] | None = None
        self.on_data: Callable[[Any], object] | None = None
        self.on_lost: Callable[[Any], object] | None = None

    def connectionMade(self) -> None:
        self.made += 1
        if self.on_made is not None:
            self.on_made(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self.on_data is not None:
            self.on_data(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.reasons.append(reason)
        if self.on_lost is not None:
            self.on_lost(self)

    def take(self, expected: bytes) -> bool:
        """Whether just that has been received; it is forgotten then."""
        if bytes(self.received) != expected:
            return False
        self.received.clear()
        return True


def peer_of(transport: Any) -> str:
    """Whom the peer's certificate names."""
    subject = transport.getPeerCertificate().to_cryptography().subject
    name: str = subject.rfc4514_string()
    return name.removeprefix("CN=")


class Connecting(ClientFactory):
    """Gives one protocol its connection."""

    noisy = False
    failed: Any = None

    def __init__(self, protocol: Any) -> None:
        self.made = protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self.made

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed = reason


class Serving(Factory):
    """Gives one protocol each connection."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self.made = protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self.made


@contextlib.asynccontextmanager
async def attached() -> AsyncIterator[Any]:
    """A reactor; nothing may be logged as an error."""
    with logged_errors() as errors:
        async with TwistedReactor() as reactor:
            yield reactor
    assert not errors, "\n".join(errors)


@contextlib.asynccontextmanager
async def two_of_ours(client: Any = None) -> AsyncIterator[tuple[Any, Any]]:
    """A server's protocol and a client's, connected to each other."""
    server, client = Notes(), client or Notes()
    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
        reactor.connectTCP("127.0.0.1", port.getHost().port, Connecting(client))
        await until(lambda: server.made and client.made)
        yield server, client


def secure(server: Any, client: Any, authority: Authority, *, normal: bool = True) -> None:
    """Start TLS on both."""
    options = authority.server_options(), authority.client_options()
    server.transport.startTLS(options[0 if normal else 1], normal)
    client.transport.startTLS(options[1 if normal else 0], normal)


def call(port: int, conversation: Callable[[socket.socket], Any]) -> Any:
    """Have a conversation with a server of ours. Runs in a thread."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        return conversation(connection)


def read_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (piece := connection.recv(min(count - len(data), 1 << 16))):
        data += piece
    return bytes(data)


def read_all(connection: socket.socket) -> bytes:
    return read_exactly(connection, 1 << 40)


def go_secure(authority: Authority, greeting: bytes) -> Callable[[Any], None]:
    """A protocol's ``on_data``: at a line it answers with another and starts TLS at once."""

    def answer(protocol: Any) -> None:
        if protocol.take(greeting):
            protocol.transport.write(b"go ahead\n")
            protocol.transport.startTLS(authority.server_options())
            protocol.transport.write(b"welcome\n")
        elif protocol.take(b"quit\n"):
            protocol.transport.write(b"bye\n")
            protocol.transport.loseConnection()

    return answer
