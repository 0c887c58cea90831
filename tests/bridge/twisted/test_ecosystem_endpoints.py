"""``twisted.internet.endpoints`` on our reactor, with asyncio's own streams at the other end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from service_identity import VerificationError
from twisted.internet.endpoints import (
    HostnameEndpoint,
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
    clientFromString,
    connectProtocol,
    serverFromString,
    wrapClientTLS,
)
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
)
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import optionsForClientTLS

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.reactors import embedded, result
from tests.support import free_port, until, within

# Of pyOpenSSL about how Twisted's certificates use it.
pytestmark = [
    pytest.mark.without_debug,
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]

BIG = bytes(range(256)) * 4096  # 1 MiB: beyond what a socket and a TLS layer take at once

MakeServer = Callable[[Any, Authority], Any]
MakeClient = Callable[[Any, Authority, int], Any]


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Caller(Protocol):
    """Says one thing, and keeps what is answered."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.received = bytearray()
        self.reason: Any = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.said)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# Servers

SERVERS: dict[str, tuple[MakeServer, str, bool]] = {
    "TCP4": (lambda r, _: TCP4ServerEndpoint(r, 0, interface="127.0.0.1"), "127.0.0.1", False),
    "TCP6": (lambda r, _: TCP6ServerEndpoint(r, 0, interface="::1"), "::1", False),
    "SSL4": (
        lambda r, a: SSL4ServerEndpoint(r, 0, a.server_options(), interface="127.0.0.1"),
        "127.0.0.1",
        True,
    ),
    "tcp:": (lambda r, _: serverFromString(r, "tcp:0:interface=127.0.0.1"), "127.0.0.1", False),
    "tcp6:": (lambda r, _: serverFromString(r, r"tcp6:0:interface=\:\:1"), "::1", False),
    "ssl:": (
        lambda r, a: serverFromString(
            r, f"ssl:0:interface=127.0.0.1:privateKey={a.key_file}:certKey={a.certificate_file}"
        ),
        "127.0.0.1",
        True,
    ),
}


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_server_endpoint_serves(kind: str, authority: Authority) -> None:
    make, host, secured = SERVERS[kind]
    async with embedded() as reactor:
        port = await result(make(reactor, authority).listen(Factory.forProtocol(Echo)))
        context = authority.client_context() if secured else None
        reader, writer = await within(asyncio.open_connection(host, port.getHost().port, ssl=context))
        writer.write(BIG)
        assert await within(reader.readexactly(len(BIG))) == BIG
        writer.close()
        await within(writer.wait_closed())
        await result(port.stopListening())
        with pytest.raises(OSError):
            await within(asyncio.open_connection(host, port.getHost().port))


# Clients

CLIENTS: dict[str, tuple[MakeClient, bool]] = {
    "TCP4": (lambda r, _, port: TCP4ClientEndpoint(r, "127.0.0.1", port), False),
    "TCP6": (lambda r, _, port: TCP6ClientEndpoint(r, "::1", port), False),
    "Hostname": (lambda r, _, port: HostnameEndpoint(r, "localhost", port, attemptDelay=0.01), False),
    "Hostname with a literal": (lambda r, _, port: HostnameEndpoint(r, "127.0.0.1", port), False),
    "tcp:": (lambda r, _, port: clientFromString(r, f"tcp:localhost:{port}:timeout=5"), False),
    "SSL4": (lambda r, a, port: SSL4ClientEndpoint(r, "127.0.0.1", port, a.client_options()), True),
    "wrapClientTLS": (
        lambda r, a, port: wrapClientTLS(
            a.client_options(), HostnameEndpoint(r, "localhost", port, attemptDelay=0.01)
        ),
        True,
    ),
    "tls:": (
        lambda r, a, port: clientFromString(r, f"tls:localhost:{port}:trustRoots={a.directory}"),
        True,
    ),
    "ssl:": (
        lambda r, a, port: clientFromString(
            r, f"ssl:127.0.0.1:{port}:hostname=localhost:caCertsDir={a.directory}"
        ),
        True,
    ),
}


@asynccontextmanager
async def answering(authority: Authority | None) -> AsyncIterator[int]:
    """A server on asyncio's streams, on 127.0.0.1 and ::1, that sends back what comes; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        served.set()

    served = asyncio.Event()
    port = free_port(socket.AF_INET6)
    context = authority.server_context() if authority else None
    server = await asyncio.start_server(serve, ["127.0.0.1", "::1"], port, ssl=context)
    async with server:
        yield port
        await within(served.wait())


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_client_endpoint_connects(kind: str, authority: Authority) -> None:
    make, secured = CLIENTS[kind]
    # Python 3.10's own TLS doesn't answer the end of TLS.
    ends = [ConnectionLost, ConnectionDone] if secured and sys.version_info < (3, 11) else [ConnectionDone]
    async with answering(authority if secured else None) as port, embedded() as reactor:
        for said in (b"hello", BIG):
            caller = Caller(said)
            connected = await result(connectProtocol(make(reactor, authority, port), caller))
            assert connected is caller
            assert ISSLTransport.providedBy(caller.transport) == secured
            await until(lambda caller=caller: len(caller.received) >= len(caller.said))
            assert caller.received == said
            assert caller.transport is not None
            caller.transport.loseConnection()
            await until(lambda caller=caller: caller.reason)
            assert caller.reason.check(*ends), caller.reason


@pytest.mark.parametrize("kind", ["TCP4", "TCP6", "Hostname", "SSL4", "wrapClientTLS"])
async def test_a_client_endpoint_is_refused(kind: str, authority: Authority) -> None:
    async with embedded() as reactor:
        endpoint = CLIENTS[kind][0](reactor, authority, free_port())
        with pytest.raises(ConnectionRefusedError):
            await result(connectProtocol(endpoint, Caller(b"")))


async def test_a_connection_attempt_can_be_cancelled() -> None:
    """It is under way for as long as the listening socket's backlog is full."""
    with socket.socket() as listening, socket.socket() as filler:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filler.connect(listening.getsockname())
        async with embedded() as reactor:
            connecting = connectProtocol(TCP4ClientEndpoint(reactor, *listening.getsockname()), Caller(b""))
            reactor.callLater(0, connecting.cancel)
            with pytest.raises(ConnectingCancelledError):
                await result(connecting)


async def test_a_name_that_the_certificate_lacks_is_refused(authority: Authority) -> None:
    options = optionsForClientTLS("example.org", trustRoot=authority.trust())
    refused = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nobody gets here")  # pragma: no cover

    asyncio.get_running_loop().set_exception_handler(lambda loop, problem: refused.set())
    server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=authority.server_context())
    async with server, embedded() as reactor:
        port = server.sockets[0].getsockname()[1]
        caller = Caller(b"")
        await result(
            connectProtocol(wrapClientTLS(options, TCP4ClientEndpoint(reactor, "127.0.0.1", port)), caller)
        )
        await until(lambda: caller.reason)
        assert caller.reason.check(VerificationError), caller.reason
        assert not caller.received
