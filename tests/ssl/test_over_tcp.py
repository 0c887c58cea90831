"""Real connections of a reactor, with what these options make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError

from tests.ssl.handshakes import authority_of, of_pair
from tests.support import until
from tests.transport.recorders import Connecting, Echo, Listening, Recorder
from twisted_compat import AsyncioReactor
from twisted_compat.ssl import (
    Certificate,
    CertificateOptions,
    ClientContextFactory,
    DefaultOpenSSLContextFactory,
    optionsForClientTLS,
)


class Hello(Recorder):
    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.write(b"hello")


@asynccontextmanager
async def connection(server: Any, client: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A server's protocol, which echoes, and a client's, which says hello."""
    async with AsyncioReactor() as reactor:
        listening, connecting = Listening(Echo), Connecting(Hello)
        port = reactor.listenSSL(0, listening, server, interface="127.0.0.1")
        reactor.connectSSL("127.0.0.1", port.getHost().port, connecting, client)
        await until(lambda: listening.protocols and connecting.protocols)
        yield listening.protocols[0], connecting.protocols[0]


async def lost(protocol: Any) -> BaseException:
    await until(lambda: protocol.reasons)
    (reason,) = protocol.reasons
    error: BaseException = reason.value
    return error


async def test_both_ends_know_each_other(certificates: Any) -> None:
    authority = authority_of(certificates)
    own = of_pair(certificates.server)
    options = CertificateOptions(
        own.privateKey.original, own.original, trustRoot=authority, acceptableProtocols=[b"echo"]
    )
    there = optionsForClientTLS("localhost", authority, of_pair(certificates.client), [b"chat", b"echo"])
    async with connection(options, there) as (server, client):
        await until(lambda: client.received == b"hello")
        assert server.transport.negotiatedProtocol == client.transport.negotiatedProtocol == b"echo"
        assert Certificate.peerFromTransport(client.transport) == own
        assert Certificate.hostFromTransport(server.transport) == own
        assert Certificate.peerFromTransport(server.transport) == of_pair(certificates.client)


async def test_a_refused_chain_says_why(certificates: Any) -> None:
    there = optionsForClientTLS("localhost", authority_of(certificates))
    async with connection(of_pair(certificates.expired).options(), there) as (server, client):
        error = await lost(client)
        assert type(error) is SSL.Error
        library, _, text = error.args[0][-1]
        assert library == "X509" and text.startswith("certificate has expired, at depth 0: ")
        assert "certificate expired" in str(await lost(server))
        assert server.received == client.received == b""


async def test_a_refused_name_says_which(certificates: Any) -> None:
    there = optionsForClientTLS("localhost", authority_of(certificates))
    async with connection(of_pair(certificates.wrong_host).options(), there) as (server, client):
        error = await lost(client)
        assert isinstance(error, VerificationError) and "localhost" in str(error)
        await lost(server)
        assert server.received == client.received == b""


async def test_the_factories_of_old_connect(certificates: Any) -> None:
    pair = certificates.stranger
    here = DefaultOpenSSLContextFactory(pair.key_path, pair.chain_path)
    async with connection(here, ClientContextFactory()) as (_, client):
        await until(lambda: client.received == b"hello")
        assert Certificate.peerFromTransport(client.transport) == of_pair(pair)
