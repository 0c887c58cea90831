"""Many peers that begin, and don't go on: others are served meanwhile, and nothing is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import weakref
from typing import Any

import pytest

from tests.certificates import LIBRARIES, Certificates
from tests.support import until, within
from tests.transport.peers import errors
from tests.transport.recorders import descriptor_limit
from tests.transport.test_tls_bad_input import Server, hello_of
from tests.transport.tls_pairs import LOCALHOST, Ear, connect, lost
from twisted_compat import AsyncioReactor
from twisted_compat.error import TimeoutError as TwistedTimeoutError

pytestmark = pytest.mark.without_debug
MANY = 200


def descriptors() -> int:
    """How many this process has."""
    return len(os.listdir("/proc/self/fd"))


async def begin(stack: contextlib.ExitStack, server: Server, hello: bytes, count: int) -> None:
    """Connect so many times: every second one says nothing, the others half a hello, or less."""
    loop = asyncio.get_running_loop()
    for number in range(count):
        skt = stack.enter_context(socket.socket())
        skt.setblocking(False)
        await within(loop.sock_connect(skt, server.address))
        if number % 2:
            skt.send(hello[: number * len(hello) // (2 * count)])
    await until(lambda: len(server.ears) >= count)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
async def test_two_hundred_handshakes_that_do_not_go_on(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with descriptor_limit(1024), contextlib.ExitStack() as stack:
        async with AsyncioReactor() as reactor:
            servers = [
                Server(reactor, certificates, library, ssl_handshake_timeout=0.5) for library in LIBRARIES
            ]
            for server in servers:
                await server.lives()
                server.ears.clear()
            gc.collect()  # what tests before have left may go now, and not while it is counted
            timers, before = len(reactor.getDelayedCalls()), descriptors()
            for server in servers:
                await begin(stack, server, hello_of(server.client_context), MANY // 2)
            half_open = [ear for server in servers for ear in server.ears]
            for server in servers:
                await server.lives()
            for ear in half_open:
                text = await lost(ear, TwistedTimeoutError)
                assert "handshake" in text and "0.5 seconds" in text
                assert ear.events == ["made", "lost"]
            stack.close()
            assert descriptors() == before
            assert len(reactor.getDelayedCalls()) == timers
            left = [weakref.ref(thing) for ear in half_open for thing in (ear, ear.transport)]
            assert len(left) == 2 * MANY
            for server in servers:
                await server.lives()
                server.ears.clear()
            del half_open, ear
            gc.collect()
            assert [ref for ref in left if ref() is not None] == []
    assert not errors(caplog)


async def test_who_goes_on_too_slowly_is_not_waited_for(certificates: Certificates) -> None:
    """Each byte comes in time, the handshake doesn't."""
    async with AsyncioReactor() as reactor:
        server = Server(reactor, certificates, "stdlib", ssl_handshake_timeout=0.1)
        async with server.visitor() as (ear, client):
            hello = hello_of(server.client_context)
            with contextlib.suppress(ConnectionError):
                for position in range(len(hello)):
                    await client.send(hello[position : position + 1])
                    await asyncio.sleep(0.005)
            await lost(ear, TwistedTimeoutError)
            assert await client.ended() == b"", "it was cut off, without an answer"


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_server_that_does_not_go_on(certificates: Certificates, library: str) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncioReactor() as reactor:
        with socket.create_server((LOCALHOST, 0)) as listener:
            listener.setblocking(False)
            ear = Ear(made=lambda ear: ear.transport.write(b"a secret" * 10_000))
            connect(
                reactor,
                listener.getsockname()[1],
                ear,
                certificates.client_context(library),
                ssl_handshake_timeout=0.05,
            )
            accepted, _ = await within(loop.sock_accept(listener))
            with accepted:
                text = await lost(ear, TwistedTimeoutError)
                assert "handshake" in text
        assert reactor.getDelayedCalls() == []


async def test_a_reactor_that_stops_leaves_no_handshake_behind(certificates: Certificates) -> None:
    """None of those that would last for a minute."""
    with contextlib.ExitStack() as stack:
        async with AsyncioReactor() as reactor:
            server = Server(reactor, certificates, "stdlib")
            await begin(stack, server, hello_of(server.client_context), 10)
        assert all(ear.lost for ear in server.ears)
        assert reactor.getDelayedCalls() == [] and reactor.getReaders() == []


async def test_connections_leave_nothing_for_the_collector(
    certificates: Certificates, no_collector: Any
) -> None:
    """Neither those that ended well nor those that were cut off."""
    async with AsyncioReactor() as reactor:
        server = Server(reactor, certificates, "stdlib")
        await server.lives()
        server.ears.clear()
        gc.collect()
        await server.lives()
        async with server.visitor() as (_, client):
            client.reset()
            await until(lambda: server.ears[1].lost)
        kept = [weakref.ref(ear.transport) for ear in server.ears]
        assert len(kept) == 2
        del _, client
        server.ears.clear()
        await asyncio.sleep(0)
        assert [ref for ref in kept if ref() is not None] == []


def test_hellos_are_hellos(certificates: Certificates) -> None:
    """What the tests above cut in halves is what a server takes whole."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello_of(certificates.client_context()))
    with pytest.raises(ssl.SSLWantReadError):
        certificates.server_context().wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    assert outgoing.pending
