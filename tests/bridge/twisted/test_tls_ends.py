"""How connections end on which TLS was started, and what is left of them."""

from __future__ import annotations

import asyncio
import socket
import weakref

from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.secured import (
    BIG,
    MARKS,
    Notes,
    Serving,
    attached,
    call,
    go_secure,
    read_all,
    read_exactly,
    secure,
    two_of_ours,
)
from tests.support import until, within

pytestmark = MARKS


async def test_closing_before_the_peer_knows_of_tls(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        server.transport.startTLS(authority.server_options())
        server.transport.write(b"last words")
        server.transport.loseConnection()
        await asyncio.sleep(0)
        client.transport.startTLS(authority.client_options())
        await until(lambda: server.reasons and client.reasons)
        assert client.received == b"last words"
        assert [protocol.reasons[0].type for protocol in (server, client)] == [ConnectionDone] * 2


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
