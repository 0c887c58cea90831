"""listenSSL and connectSSL."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from OpenSSL import SSL
from twisted.internet.error import CannotListenError, ConnectError, ConnectionLost
from twisted.internet.interfaces import ISSLTransport

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.secured import (
    BIG,
    MARKS,
    Connecting,
    Notes,
    Serving,
    attached,
    read_exactly,
)
from tests.support import DEADLINE, free_port, until, within

pytestmark = MARKS


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
