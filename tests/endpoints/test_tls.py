"""TLS endpoints: over TCP, and around any other endpoint."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.certificates import with_each_library
from tests.endpoints.attempts import a_place, failed, held, over
from tests.endpoints.secured import HERE, Answering, Places
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Listening, Recorder
from tests.transport.tls_pairs import Ear, HalfEar, Opposite, lose
from tests.transport.tls_programs import Dialling, Serving, openssl_client, openssl_server
from tests.transport.unix_sockets import fired, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted_compat.interfaces import (
    ISSLTransport,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)

pytestmark = pytest.mark.without_debug


@pytest.fixture(params=["ssl4", "tcp4", "unix"])
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    with socket_path() as path:
        yield Places(request.param, path)


# -- both ends


@with_each_library
async def test_a_server_and_a_client(places: Places, library: str, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        server = places.server(reactor, certificates.server_context(library))
        assert verifyObject(IStreamServerEndpoint, server)
        factory = Answering()
        port = await fired(server.listen(factory))
        client = places.client(reactor, port, certificates.client_context(library))
        assert verifyObject(IStreamClientEndpoint, client)
        dialling = Connecting(Ear)
        connecting = client.connect(dialling)
        connecting.addCallback(lambda ear: ear.events.append("fired") or ear)
        protocol = await fired(connecting)
        assert type(protocol) is Ear and dialling.protocols == [protocol]
        assert ISSLTransport.providedBy(protocol.transport)
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert protocol.events == ["made", "fired", "handshake", "data"]
        assert factory.protocols[0].events == ["made", "handshake", "data"]
        assert protocol.transport.getPeerCertificate() is not None
        assert protocol.transport.getPeer() == dialling.addresses[0]
        await fired(port.stopListening())
        protocol.transport.loseConnection()
        await until(lambda: protocol.lost and factory.protocols[0].lost)
        assert factory.events == dialling.events == ["start", "stop"]
        assert type(protocol.reason.value).__name__ == "ConnectionDone"
        await over(before, reactor)


async def test_nothing_is_between_the_protocol_and_tls(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        factory = Answering()
        port = await fired(places.server(reactor, certificates.server_context()).listen(factory))
        client = places.client(reactor, port, certificates.client_context())
        protocol = await fired(client.connect(Connecting(Ear)))
        await until(lambda: factory.protocols)
        for end in (protocol, factory.protocols[0]):
            assert end.transport.wrappedProtocol is end


async def test_what_connection_made_writes_arrives_encrypted(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(places.server(reactor, certificates.server_context()).listen(Answering()))
        client = places.client(reactor, port, certificates.client_context())
        ear = Ear(made=lambda ear: ear.transport.write(b"first "))
        connecting = connectProtocol(client, ear)
        connecting.addCallback(lambda ear: ear.transport.write(b"second") or ear)
        assert await fired(connecting) is ear
        await until(lambda: ear.received == b"first second")


async def test_half_closing(places: Places, certificates: Any) -> None:
    def answer(ear: Any) -> None:
        ear.transport.write(b"and out")
        ear.transport.loseConnection()

    async with AsyncioReactor() as reactor:
        factory = Listening(build=lambda addr: HalfEar(read_lost=answer))
        port = await fired(places.server(reactor, certificates.server_context()).listen(factory))
        ear = HalfEar(handshake=lambda ear: ear.transport.loseWriteConnection(), read_lost=lose)
        await fired(connectProtocol(places.client(reactor, port, certificates.client_context()), ear))
        await until(lambda: ear.lost and factory.protocols[0].lost)
        assert ear.received == b"and out"
        assert "write_lost" in ear.events and "read_lost" in factory.protocols[0].events


async def test_alpn_is_settled_as_the_factories_want(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        serving, dialling = Serving(Ear), Dialling(Ear)
        serving.names, dialling.names = [b"two", b"one"], [b"one", b"two"]
        port = await fired(places.server(reactor, certificates.server_context()).listen(serving))
        ear = await fired(places.client(reactor, port, certificates.client_context()).connect(dialling))
        await until(lambda: ear.opened and serving.protocols[0].opened)
        assert ear.transport.negotiatedProtocol == serving.protocols[0].transport.negotiatedProtocol
        assert ear.transport.negotiatedProtocol in (b"one", b"two")


async def test_contexts_of_pyopenssl_made_by_options(places: Places, certificates: Any) -> None:
    tls = pytest.importorskip("twisted_compat.ssl")
    pair = certificates.server
    with open(pair.both_path, "rb") as both, open(certificates.ca_path, "rb") as ca:
        options = tls.PrivateCertificate.loadPEM(both.read()).options()
        trusted = tls.trustRootFromCertificates([tls.Certificate.loadPEM(ca.read())])
    async with AsyncioReactor() as reactor:
        port = await fired(places.server(reactor, options).listen(Answering()))
        client = places.client(reactor, port, tls.optionsForClientTLS("localhost", trustRoot=trusted))
        ear = Ear(made=lambda ear: ear.transport.write(b"hello"))
        await fired(connectProtocol(client, ear))
        await until(lambda: ear.received == b"hello")


# -- whom the certificate is for


@pytest.mark.parametrize(
    ("pair", "library"),
    [
        ("stranger", "stdlib"),
        ("stranger", "pyopenssl"),
        ("wrong_host", "stdlib"),  # of names, a Context of pyOpenSSL knows nothing
        ("expired", "stdlib"),
    ],
)
async def test_a_certificate_that_is_refused_ends_what_was_connected(
    pair: str, library: str, certificates: Any
) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        context = certificates.server_context(pair=getattr(certificates, pair))
        port = await fired(SSL4ServerEndpoint(reactor, 0, context, interface=HERE).listen(Answering()))
        client = SSL4ClientEndpoint(reactor, HERE, port.getHost().port, certificates.client_context(library))
        dialling = Connecting(Ear)
        ear = await fired(client.connect(dialling))
        await until(lambda: ear.lost)
        assert ear.events == ["made", "lost"]
        assert "verif" in str(ear.reason.value)
        assert dialling.events == ["start", "stop"]
        await fired(port.stopListening())
        await over(before, reactor)


@pytest.mark.parametrize(
    ("host", "name", "good"),
    [
        (HERE, None, True),
        ("localhost", None, True),
        (b"localhost", None, True),
        (HERE, "localhost", True),
        (HERE, b"localhost", True),
        (HERE, "127.0.0.1", True),
        (HERE, "elsewhere.example", False),
    ],
    ids=ascii,
)
async def test_whose_certificate_is_expected(host: Any, name: Any, good: bool, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        server = SSL4ServerEndpoint(reactor, 0, certificates.server_context(), interface=HERE)
        port = await fired(server.listen(Answering()))
        plain = TCP4ClientEndpoint(reactor, host, port.getHost().port)
        client = wrapClientTLS(certificates.client_context(), plain, server_hostname=name)
        ear = await fired(client.connect(Connecting(Ear)))
        await until(lambda: ear.opened or ear.lost)
        assert ear.opened == good
        if not good:
            await until(lambda: ear.lost)
            assert "elsewhere.example" in str(ear.reason.value)


async def test_no_name_is_known(certificates: Any) -> None:
    """A context that verifies names can't do without."""
    async with AsyncioReactor() as reactor:
        with a_place("unix") as place:
            before = held(reactor)
            for name in (None, ""):
                client = wrapClientTLS(
                    certificates.client_context(), place.client(reactor), server_hostname=name
                )
                error = await failed(client.connect(Connecting()), ValueError)
                assert "server_hostname" in str(error)
            assert held(reactor) == before and not place.is_asked()


async def test_server_hostname_has_to_be_named(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        plain = UNIXClientEndpoint(reactor, "/nowhere")
        with pytest.raises(TypeError):
            wrapClientTLS(certificates.client_context(), plain, reactor, "localhost")


# -- TLS on TLS, and TLS midway


async def test_tls_in_tls(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        inner, outer = certificates.server_context(), certificates.server_context()
        serving = Answering()
        port = await fired(wrapServerTLS(inner, places.server(reactor, outer)).listen(serving))
        beneath = places.client(reactor, port, certificates.client_context())
        name = None if places.kind == "ssl4" else "localhost"  # that one says whom it connects to
        client = wrapClientTLS(certificates.client_context(), beneath, server_hostname=name)
        ear = Ear(made=lambda ear: ear.transport.write(b"hello"))
        dialling = Connecting(build=lambda addr: ear)
        assert await fired(client.connect(dialling)) is ear
        await until(lambda: ear.received == b"hello")
        ear.transport.loseConnection()
        await until(lambda: ear.lost and serving.protocols[0].lost)
        await fired(port.stopListening())
        assert serving.events == dialling.events == ["start", "stop"]
        await over(before, reactor)


@pytest.mark.parametrize("where", ["tcp4", "unix"])
async def test_start_tls_as_the_connection_is_made(where: str, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place(where) as place:
            context = certificates.client_context()
            ear = Ear(made=lambda ear: ear.transport.startTLS(context, server_hostname="localhost"))
            connecting = connectProtocol(place.client(reactor), ear)
            skt = await place.accept()
            with contextlib.suppress(OSError):
                skt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other = _opposite(skt, certificates)
            assert await fired(connecting) is ear
            await other.handshake()
            await other.say(b"in secret")
            await until(lambda: ear.received == b"in secret")
            assert ear.events == ["made", "handshake", "data"]


def _opposite(skt: socket.socket, certificates: Any) -> Opposite:
    class Here(Opposite):
        def __init__(self) -> None:
            self.socket = skt
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = certificates.server_context().wrap_bio(self.incoming, self.outgoing, True)

    return Here()


# -- programs that know nothing of this package


async def test_openssl_is_a_client(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        endpoint = wrapServerTLS(
            certificates.server_context(), TCP4ServerEndpoint(reactor, 0, interface=HERE)
        )
        port = await fired(endpoint.listen(Answering()))
        options = ("-quiet", "-CAfile", certificates.ca_path, "-verify_return_error")
        async with openssl_client(port.getHost().port, *options) as program:
            await program.takes(b"hello\n")
            assert await program.line() == b"hello\n"


@pytest.fixture(scope="module")
def openssl(certificates: Any) -> Iterator[Any]:
    with openssl_server(certificates.server, "-rev") as service:
        yield service


async def test_openssl_is_a_server(certificates: Any, openssl: Any) -> None:
    async with AsyncioReactor() as reactor:
        plain = TCP4ClientEndpoint(reactor, HERE, openssl.port)
        ear = Ear(handshake=lambda ear: ear.transport.write(b"abc\n"))
        await fired(connectProtocol(wrapClientTLS(certificates.client_context(), plain), ear))
        await until(lambda: ear.received == b"cba\n")
        ear.transport.loseConnection()
        await until(lambda: ear.lost)


# -- nothing stays


@pytest.mark.usefixtures("no_collector")
async def test_no_garbage(places: Places, certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(places.server(reactor, certificates.server_context()).listen(Listening()))
        client = places.client(reactor, port, certificates.client_context())
        factory = Connecting(Recorder)
        protocol = await fired(client.connect(factory))
        protocol.transport.loseConnection()
        await until(lambda: factory.events == ["start", "stop"])
        parts = [weakref.ref(part) for part in (protocol, factory)]
        parts.append(weakref.ref(protocol.transport))
        protocol.factory = None
        factory.protocols.clear()
        protocol = factory = None
        await turns()
        assert [part() for part in parts] == [None] * 3
        assert not gc.isenabled()
