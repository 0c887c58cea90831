"""TLS endpoints on a reactor that speaks Twisted's words, with Twisted's protocols on them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoints.attempts import held, over
from tests.endpoints.secured import Places
from tests.support import TWISTED_IS_INSTALLED, until
from tests.transport.unix_sockets import fired, make_reactor, socket_path

pytestmark = [
    pytest.mark.without_debug,
    pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed"),
    # Of pyOpenSSL about how Twisted's certificates use it.
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]

if TWISTED_IS_INSTALLED:
    from twisted.internet import address, endpoints, error, interfaces
    from twisted.internet.protocol import Factory, Protocol
    from twisted.python.failure import Failure
    from zope.interface import implementer

    @implementer(interfaces.IHandshakeListener)
    class Speaking(Protocol):
        """One of Twisted's, that says what it knows of its transport, and sends a word."""

        def __init__(self) -> None:
            self.order: list[Any] = []
            self.received = b""
            self.reason: Any = None

        def connectionMade(self) -> None:
            self.order.append(interfaces.ISSLTransport.providedBy(self.transport))
            self.transport.write(b"hello")

        def handshakeCompleted(self) -> None:
            self.order.append(self.transport.negotiatedProtocol)

        def dataReceived(self, data: bytes) -> None:
            self.received += data

        def connectionLost(self, reason: Any = None) -> None:
            self.reason = reason

    @implementer(interfaces.IProtocolNegotiationFactory)
    class Building(Factory):
        """One of Twisted's, that wants a protocol settled."""

        noisy = False

        def __init__(self) -> None:
            self.made: list[Any] = []
            self.addresses: list[Any] = []

        def acceptableProtocols(self) -> list[bytes]:
            return [b"h2"]

        def buildProtocol(self, addr: Any) -> Any:
            self.addresses.append(addr)
            self.made.append(Speaking())
            return self.made[-1]


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


def contexts(library: str, certificates: Any) -> tuple[Any, Any]:
    """How to encrypt, for a server and a client."""
    if library == "stdlib":
        return certificates.server_context(), certificates.client_context()
    tls = pytest.importorskip("twisted.internet.ssl")
    with open(certificates.server.both_path, "rb") as both, open(certificates.ca_path, "rb") as ca:
        server = tls.PrivateCertificate.loadPEM(both.read()).options()
        trusted = tls.trustRootFromCertificates([tls.Certificate.loadPEM(ca.read())])
    return server, tls.optionsForClientTLS("localhost", trustRoot=trusted)


@pytest.mark.parametrize(
    ("kind", "library"),
    [("ssl4", "twisted"), ("tcp4", "twisted"), ("tcp4", "stdlib"), ("unix", "twisted"), ("unix", "stdlib")],
)
async def test_both_ends_in_twisteds_words(path: str, kind: str, library: str, certificates: Any) -> None:
    places = Places(kind, path)
    server_context, client_context = contexts(library, certificates)
    async with make_reactor("twisted") as reactor:
        before = held(reactor)
        serving, dialling = Building(), Building()
        server = places.server(reactor, server_context)
        assert interfaces.IStreamServerEndpoint.providedBy(server)
        port = await fired(server.listen(serving))
        client = places.client(reactor, port, client_context)
        assert interfaces.IStreamClientEndpoint.providedBy(client)
        near = await fired(client.connect(dialling))
        await until(lambda: near.received and serving.made and serving.made[0].received)
        (far,) = serving.made
        assert near.order == far.order == [True, b"h2"]
        assert (near.received, far.received) == (b"hello", b"hello")
        expected = address.UNIXAddress if kind == "unix" else address.IPv4Address
        assert type(dialling.addresses[0]) is type(near.transport.getPeer()) is expected
        near.transport.loseConnection()
        await until(lambda: near.reason and far.reason)
        for reason in (near.reason, far.reason):
            assert isinstance(reason, Failure) and reason.check(error.ConnectionDone)
        await fired(port.stopListening())
        await over(before, reactor)


@pytest.mark.parametrize("whose", ["around ours", "within ours"])
async def test_twisteds_wrapper_and_ours(whose: str, certificates: Any) -> None:
    from twisted_compat.endpoints import TCP4ClientEndpoint, wrapClientTLS

    server_context, client_context = contexts("twisted", certificates)
    async with make_reactor("twisted") as reactor:
        serving = Building()
        port = await fired(Places("tcp4", "").server(reactor, server_context).listen(serving))
        where = (reactor, "127.0.0.1", port.getHost().port)
        if whose == "around ours":
            client = endpoints.wrapClientTLS(client_context, TCP4ClientEndpoint(*where))
        else:
            client = wrapClientTLS(client_context, endpoints.TCP4ClientEndpoint(*where))
        near = await fired(client.connect(Building()))
        await until(lambda: near.received)
        assert near.order == [True, b"h2"]


async def test_what_goes_wrong_is_told_in_twisteds_words(certificates: Any) -> None:
    from twisted_compat.endpoints import TCP4ClientEndpoint, wrapClientTLS

    async with make_reactor("twisted") as reactor:
        server_context = certificates.server_context(pair=certificates.stranger)
        port = await fired(Places("tcp4", "").server(reactor, server_context).listen(Building()))
        plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        near = await fired(wrapClientTLS(certificates.client_context(), plain).connect(Building()))
        await until(lambda: near.reason)
        assert isinstance(near.reason, Failure)
        bad = wrapClientTLS(ssl.SSLContext, plain).connect(Building())
        assert isinstance(bad, reactor.vocabulary.defer.Deferred)
        with pytest.raises(TypeError):
            await fired(bad)
        connecting = wrapClientTLS(certificates.client_context(), plain).connect(Building())
        connecting.cancel()
        with pytest.raises(error.ConnectingCancelledError):
            await fired(connecting)
