"""TLS that is started on a connection midway, by either side.

The other side is, where one does, the standard library's ``ssl`` on a blocking socket in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IOpenSSLContextFactory, ISSLTransport
from twisted.internet.main import installReactor
from zope.interface import implementer

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.secured import (
    BIG,
    MARKS,
    Connecting,
    Notes,
    Serving,
    attached,
    call,
    go_secure,
    peer_of,
    read_all,
    read_exactly,
    secure,
    two_of_ours,
)
from tests.support import DEADLINE, until, within

pytestmark = [pytest.mark.without_debug, *MARKS]


# One side of ours


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


async def test_what_waits_to_be_sent_stays_plain(authority: Authority) -> None:
    """As after "220 go ahead": TLS begins behind it, however long it takes to be sent."""
    async with two_of_ours() as (server, client):
        client.transport.pauseProducing()
        server.transport.write(BIG)
        server.transport.startTLS(authority.server_options())
        server.transport.write(b"through TLS")
        assert server.transport.dataBuffer
        client.transport.resumeProducing()
        await until(lambda: client.take(BIG))
        client.transport.startTLS(authority.client_options())
        await until(lambda: client.take(b"through TLS"))


async def test_from_the_first_moment(authority: Authority) -> None:
    server, client = Notes(), Notes()

    def begin(options: Any) -> Callable[[Any], None]:
        def start(protocol: Any) -> None:
            protocol.transport.startTLS(options)
            protocol.transport.write(b"hello")

        return start

    server.on_made, client.on_made = begin(authority.server_options()), begin(authority.client_options())
    async with attached() as reactor:
        port = reactor.listenTCP(0, Serving(server), interface="127.0.0.1")
        reactor.connectTCP("127.0.0.1", port.getHost().port, Connecting(client))
        await until(lambda: server.received == client.received == b"hello")


async def test_while_reading_is_paused(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        client.transport.pauseProducing()
        secure(server, client, authority)
        server.transport.write(b"x")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not client.received
        client.transport.resumeProducing()
        await until(lambda: client.take(b"x"))


async def test_on_a_connection_that_is_lost(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        client.transport.abortConnection()
        await until(lambda: server.reasons and client.reasons)
        with contextlib.suppress(Exception):
            server.transport.startTLS(authority.server_options())
        server.transport.write(b"nobody reads this")
        assert len(server.reasons) == 1


@pytest.mark.filterwarnings("ignore:twisted.internet.reactor is:RuntimeWarning")
async def test_what_is_twisteds_reactor_does_not_matter(authority: Authority) -> None:
    """TLS works by the time of the reactor that it is on."""
    installReactor(object())
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        for one, other in ((server, client), (client, server)):
            one.transport.write(b"x")
            await until(lambda other=other: other.take(b"x"))
