"""TLS that is started on a connection midway, by either side, and TLS from the beginning.

The other side is, where one does, the standard library's ``ssl`` on a blocking socket in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    ConnectionDone,
    ConnectionLost,
)
from twisted.internet.interfaces import IOpenSSLContextFactory, IPullProducer, IPushProducer, ISSLTransport
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from zope.interface import implementer

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.reactors import logged_errors
from tests.support import DEADLINE, free_port, until, within
from twisted_compat.bridge.twisted import TwistedReactor

pytestmark = [
    pytest.mark.usefixtures("empty_place"),
    # Of pyOpenSSL about how Twisted's certificates use it.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]

BIG = bytes(range(256)) * 4096  # 1 MiB: beyond what sockets take at once
PIECE = bytes(1 << 16)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


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


# One side of ours


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


async def test_a_server_of_ours_goes_secure(authority: Authority) -> None:
    server = Notes()
    server.on_data = go_secure(authority, b"secure\n")
    said: list[bytes] = []

    def conversation(plain: socket.socket) -> str:
        plain.sendall(b"secure\n")
        said.append(read_exactly(plain, 9))
        context = authority.client_context()
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secured:
            said.append(read_exactly(secured, 8))
            version = str(secured.version())
            secured.sendall(b"quit\n")
            said.append(read_all(secured))  # up to TLS's own word that this is the end
            secured.unwrap()
            return version

    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
        version = await within(asyncio.to_thread(call, port.getHost().port, conversation))
        await until(lambda: server.reasons)
    assert version.startswith("TLS")
    assert said == [b"go ahead\n", b"welcome\n", b"bye\n"]
    assert [reason.type for reason in server.reasons] == [ConnectionDone]
    assert server.made == 1


async def test_a_client_of_ours_goes_secure(authority: Authority) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(DEADLINE)

    def conversation() -> list[bytes]:
        plain, _ = listening.accept()
        with plain:
            plain.settimeout(DEADLINE)
            said = [read_exactly(plain, 7)]
            plain.sendall(b"go ahead\n")
            context = authority.server_context()
            with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as secured:
                said.append(read_exactly(secured, 6))
                secured.sendall(BIG)
                said.append(read_all(secured))
                secured.unwrap()
                return said

    client = Notes()
    client.on_made = lambda protocol: protocol.transport.write(b"secure\n")

    def answer(protocol: Any) -> None:
        if protocol.take(b"go ahead\n"):
            protocol.transport.startTLS(authority.client_options())
            protocol.transport.writeSequence([b"hel", b"lo\n"])
        elif protocol.take(BIG):
            protocol.transport.loseConnection()

    client.on_data = answer
    with listening:
        talking = asyncio.ensure_future(asyncio.to_thread(conversation))
        async with attached() as reactor:
            reactor.connectTCP("127.0.0.1", listening.getsockname()[1], Connecting(client))
            assert await within(talking) == [b"secure\n", b"hello\n", b""]
            await until(lambda: client.reasons)
    assert [reason.type for reason in client.reasons] == [ConnectionDone]


async def test_what_is_no_tls_ends_the_connection(authority: Authority) -> None:
    server = Notes()
    server.on_data = go_secure(authority, b"secure\n")

    def conversation(plain: socket.socket) -> bytes:
        plain.sendall(b"secure\n")
        read_exactly(plain, 9)
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            return read_all(plain)
        return b""

    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
        answered = await within(asyncio.to_thread(call, port.getHost().port, conversation))
        await until(lambda: server.reasons)
    assert b"welcome" not in answered
    assert [reason.type for reason in server.reasons] == [SSL.Error]


async def test_a_peer_that_ends_tls_without_a_word(authority: Authority) -> None:
    server = Notes()
    server.on_data = go_secure(authority, b"secure\n")

    def conversation(plain: socket.socket) -> None:
        plain.sendall(b"secure\n")
        read_exactly(plain, 9)
        secured = authority.client_context().wrap_socket(plain, server_hostname="localhost")
        with secured:
            read_exactly(secured, 8)  # and closes its socket, with no close_notify

    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
        await within(asyncio.to_thread(call, port.getHost().port, conversation))
        await until(lambda: server.reasons)
    assert [reason.type for reason in server.reasons] == [ConnectionLost]


# Both sides of ours


@pytest.mark.parametrize("normal", [True, False], ids=["normal", "the other way round"])
async def test_either_side_may_be_tls_client(authority: Authority, normal: bool) -> None:
    async with two_of_ours() as (server, client):
        for one, other in ((server, client), (client, server)):
            one.transport.write(b"plain")
            await until(lambda other=other: other.take(b"plain"))
        secure(server, client, authority, normal=normal)
        for one, other in ((server, client), (client, server)):
            one.transport.write(BIG)
            await until(lambda other=other: other.take(BIG))
        assert peer_of((client if normal else server).transport) == "localhost"
        for protocol in (server, client):
            transport = protocol.transport
            assert ISSLTransport.providedBy(transport)
            assert transport.TLS
            assert isinstance(transport.getHandle(), SSL.Connection)
            assert transport.getHost().host == transport.getPeer().host == "127.0.0.1"
            assert protocol.made == 1
        client.transport.loseConnection()
        await until(lambda: server.reasons and client.reasons)
        for protocol in (server, client):
            assert [reason.type for reason in protocol.reasons] == [ConnectionDone]
            assert not protocol.transport.connected
            protocol.transport.write(b"nobody reads this")
            protocol.transport.writeSequence([b"nor", b"this"])
            protocol.transport.loseConnection()
            protocol.transport.unregisterProducer()


async def test_both_as_tls_clients_give_up(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        server.transport.startTLS(authority.client_options(), False)
        client.transport.startTLS(authority.client_options(), True)
        for protocol in (server, client):
            protocol.transport.write(b"never sent")
        await until(lambda: server.reasons and client.reasons)
        reasons = [protocol.reasons[0] for protocol in (server, client)]
        assert any(reason.check(SSL.Error) for reason in reasons)
        assert server.received == client.received == b""


async def test_a_certificate_that_is_not_trusted_ends_it(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    async with two_of_ours() as (server, client):
        server.transport.startTLS(stranger.server_options())
        client.transport.startTLS(authority.client_options())
        client.transport.write(b"secret")
        await until(lambda: server.reasons and client.reasons)
        assert client.reasons[0].check(SSL.Error)
        assert "certificate verify failed" in str(client.reasons[0].value)
        assert server.reasons[0].check(SSL.Error)
        assert not server.received


async def test_a_context_that_can_not_be_had_is_the_callers_error() -> None:
    @implementer(IOpenSSLContextFactory)
    class NoContext:
        def getContext(self) -> Any:
            raise KeyError("no context")

    async with two_of_ours() as (server, client):
        with pytest.raises(KeyError, match="no context"):
            server.transport.startTLS(NoContext())
        server.transport.write(b"still plain")
        await until(lambda: client.take(b"still plain"))
        assert not server.transport.TLS
        assert not ISSLTransport.providedBy(server.transport)


async def test_the_certificate_can_be_asked_for_until_the_end(authority: Authority) -> None:
    names: list[str] = []

    def name(protocol: Any) -> None:
        names.append(peer_of(protocol.transport))

    async with two_of_ours() as (server, client):
        client.on_data = client.on_lost = name
        secure(server, client, authority)
        server.transport.write(b"x")
        await until(lambda: client.received)
        server.transport.loseConnection()
        await until(lambda: client.reasons)
    assert names == ["localhost", "localhost"]


# Ends


async def test_what_was_written_arrives_before_the_end(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        client.transport.pauseProducing()
        server.transport.write(BIG)
        server.transport.loseConnection()
        server.transport.write(b"too late")
        client.transport.resumeProducing()
        await until(lambda: client.reasons and server.reasons)
        assert client.take(BIG)
        assert [protocol.reasons[0].type for protocol in (server, client)] == [ConnectionDone] * 2


async def test_aborting(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        server.transport.write(b"x")
        await until(lambda: client.take(b"x"))
        server.transport.write(BIG)
        server.transport.abortConnection()
        server.transport.write(b"into the void")
        assert not server.reasons
        await until(lambda: client.reasons and server.reasons)
        # As on Twisted's own reactors: TLS has a word of its own for how it ended.
        assert [protocol.reasons[0].type for protocol in (server, client)] == [ConnectionLost] * 2
        assert len(client.received) < len(BIG)


async def test_aborting_within_the_handshake(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        client.transport.write(b"never read")
        client.transport.abortConnection()
        await until(lambda: client.reasons and server.reasons)
        assert [reason.type for reason in client.reasons] == [ConnectionLost]
        assert not server.received


async def test_leaving_the_reactor_ends_tls_in_peace(authority: Authority) -> None:
    server = Notes()
    server.on_data = go_secure(authority, b"secure\n")
    listening = asyncio.get_running_loop().create_future()
    secured_now = asyncio.Event()
    loop = asyncio.get_running_loop()

    def conversation(plain: socket.socket) -> bytes:
        plain.sendall(b"secure\n")
        read_exactly(plain, 9)
        context = authority.client_context()
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secured:
            read_exactly(secured, 8)
            loop.call_soon_threadsafe(secured_now.set)
            received = read_all(secured)
            secured.unwrap()
            return received

    async def serve() -> None:
        async with attached() as reactor:
            port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
            listening.set_result(port.getHost().port)
            await within(secured_now.wait())
            assert server.transport is not None
            server.transport.write(BIG)

    serving = asyncio.ensure_future(serve())
    assert await within(asyncio.to_thread(call, await within(listening), conversation)) == BIG
    await within(serving)
    assert [reason.type for reason in server.reasons] == [ConnectionDone]


async def test_nothing_is_left_of_a_closed_connection(authority: Authority, no_collector: None) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        server.transport.write(b"x")
        await until(lambda: client.take(b"x"))
        left = [weakref.ref(protocol.transport) for protocol in (server, client)]
        server.transport.loseConnection()
        await until(lambda: client.reasons and server.reasons)
        for protocol in (server, client):
            protocol.transport = None
            protocol.reasons.clear()
        await until(lambda: [reference() for reference in left] == [None, None])


# Producers


@implementer(IPushProducer)
class Pushing:
    """Writes a piece for every turn of the loop, as long as it may."""

    def __init__(self, transport: Any, pieces: int) -> None:
        self.transport = transport
        self.left = pieces
        self.pauses = self.stops = 0
        self.paused = False
        self.most = 0
        self._soon()

    def _soon(self) -> None:
        self.transport.reactor.callLater(0, self._write)

    def _write(self) -> None:
        if self.paused or not self.left:
            return
        self.left -= 1
        self.transport.write(PIECE)
        self.most = max(self.most, len(self.transport.dataBuffer))
        if self.left:
            self._soon()
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.pauses += 1
        self.paused = True

    def resumeProducing(self) -> None:
        if self.paused:
            self.paused = False
            self._soon()

    def stopProducing(self) -> None:
        self.stops += 1
        self.paused = True


@implementer(IPullProducer)
class Pulled:
    """Writes a piece whenever it is asked to, but for the first ``idle`` times."""

    def __init__(self, transport: Any, pieces: int, idle: int = 0) -> None:
        self.transport = transport
        self.left = pieces
        self.idle = idle
        self.stops = 0

    def resumeProducing(self) -> None:
        if self.idle:
            self.idle -= 1
            return
        self.left -= 1
        self.transport.write(PIECE)
        if not self.left:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self.stops += 1


class Counting(Notes):
    """Counts what it receives."""

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)


@pytest.mark.parametrize("before", [True, False], ids=["registered before", "registered after"])
@pytest.mark.parametrize("kind", [Pushing, Pulled], ids=["push", "pull"])
async def test_a_producer_goes_on_through_tls(authority: Authority, kind: Any, before: bool) -> None:
    pieces = 64  # 4 MiB
    async with two_of_ours(Counting()) as (server, client):
        if kind is Pushing:
            producer = Pushing(server.transport, pieces)
        else:
            producer = Pulled(server.transport, pieces, idle=before)  # being registered, it is asked at once
        if not before:
            secure(server, client, authority)
        server.transport.registerProducer(producer, kind is Pushing)
        if before:
            secure(server, client, authority)
        await until(lambda: client.reasons)
        assert client.count == pieces * len(PIECE)
        assert producer.left == producer.stops == 0
        assert client.reasons[0].check(ConnectionDone)


async def test_much_data_takes_little_memory(authority: Authority) -> None:
    pieces = 256  # 16 MiB
    async with two_of_ours(Counting()) as (server, client):
        secure(server, client, authority)
        client.transport.pauseProducing()
        producer = Pushing(server.transport, pieces)
        server.transport.registerProducer(producer, True)
        client.transport.resumeProducing()
        await until(lambda: client.count)
        client.transport.pauseProducing()
        await until(lambda: producer.paused)  # nobody reads: it is told
        assert producer.left
        client.transport.resumeProducing()
        await until(lambda: client.reasons)
        assert client.count == pieces * len(PIECE)
        assert producer.pauses
        assert producer.most < 8 * len(PIECE)


async def test_a_producer_is_stopped_when_the_connection_is_lost(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        producer = Pushing(server.transport, 1 << 20)
        server.transport.registerProducer(producer, True)
        await until(lambda: client.received)
        client.transport.abortConnection()
        await until(lambda: server.reasons)
        assert producer.stops == 1
        late = Pulled(server.transport, 1)
        server.transport.registerProducer(late, False)
        assert (late.left, late.stops) == (1, 1)


# From the beginning


@pytest.mark.parametrize(
    ("host", "kind"), [("127.0.0.1", "IPv4Address"), ("::1", "IPv6Address")], ids=["ipv4", "ipv6"]
)
async def test_listen_ssl_and_connect_ssl(authority: Authority, host: str, kind: str) -> None:
    server, client = Notes(), Notes()
    async with attached() as reactor:
        port = reactor.listenSSL(0, Serving(server), authority.server_options(), interface=host)
        assert type(port.getHost()).__name__ == kind
        number = port.getHost().port
        source = free_port(socket.AF_INET6 if host == "::1" else socket.AF_INET)
        connector = reactor.connectSSL(
            host, number, Connecting(client), authority.client_options(), 5, (host, source)
        )
        await until(lambda: server.made and client.made)
        assert client.transport is not None
        assert server.transport is not None
        assert connector.getDestination().port == number
        assert server.transport.getPeer().port == client.transport.getHost().port == source
        for one, other in ((server, client), (client, server)):
            assert ISSLTransport.providedBy(one.transport)
            one.transport.write(BIG)
            await until(lambda other=other: other.take(BIG))
        connector.disconnect()
        await until(lambda: server.reasons and client.reasons)
        # As on Twisted's own reactors: the connector knows nothing of TLS.
        assert [end.reasons[0].type for end in (server, client)] == [ConnectionLost] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])
async def test_a_stranger_calls(authority: Authority, host: str) -> None:
    server = Notes()
    server.on_data = lambda protocol: protocol.transport.write(bytes(protocol.received))

    def conversation(port: int) -> bytes:
        context = authority.client_context()
        with (
            socket.create_connection((host, port), DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(b"hello")
            return read_exactly(secured, 5)

    async with attached() as reactor:
        port = reactor.listenSSL(0, Serving(server), authority.server_options(), 5, host)
        assert await within(asyncio.to_thread(conversation, port.getHost().port)) == b"hello"


async def test_what_goes_wrong_before_tls(authority: Authority) -> None:
    refused = Connecting(Notes())
    async with attached() as reactor:
        port = reactor.listenSSL(0, Serving(Notes()), authority.server_options(), interface="127.0.0.1")
        with pytest.raises(CannotListenError):
            reactor.listenSSL(
                port.getHost().port, Serving(Notes()), authority.server_options(), interface="127.0.0.1"
            )
        reactor.connectSSL("127.0.0.1", free_port(), refused, authority.client_options())
        await until(lambda: refused.failed)
        assert refused.failed.check(ConnectError)
        assert not refused.made.made


async def test_a_server_that_is_no_tls_server(authority: Authority) -> None:
    plain, client = Notes(), Notes()
    plain.on_data = lambda protocol: protocol.transport.write(b"500 what?\r\n")
    client.on_made = lambda protocol: protocol.transport.write(b"secret")
    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(plain), interface="127.0.0.1")
        reactor.connectSSL("127.0.0.1", port.getHost().port, Connecting(client), authority.client_options())
        await until(lambda: client.reasons)
        assert client.reasons[0].check(SSL.Error)
        assert not client.received
        assert b"secret" not in plain.received


def test_the_peer_context_is_strict(authority: Authority) -> None:
    """What the tests above rely on."""
    assert authority.client_context().verify_mode is ssl.CERT_REQUIRED
