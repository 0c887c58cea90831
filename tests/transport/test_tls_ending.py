"""Connections over TLS that have ended leave nothing behind; nor does a reactor that stops amid them."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tests.certificates import in_each_role, with_each_library
from tests.support import until, within
from tests.transport.datagrams import nothing_left_open
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Listening
from tests.transport.tls_pairs import (
    Ear,
    HalfEar,
    abort,
    connect,
    facing,
    lose,
    lost,
    numbered,
    pair,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone

pytestmark = pytest.mark.without_debug

MEGABYTE = 1 << 20
SHORT = 0.02  # seconds

# Nothing stays behind


@contextmanager
def freed() -> Iterator[list[weakref.ref[Any]]]:
    """What is watched in the block has gone by its end, by itself."""
    watched: list[weakref.ref[Any]] = []
    gc.collect()
    gc.disable()
    logging.disable()  # pytest keeps what is logged, and with it tracebacks and their frames
    try:
        yield watched
        assert [type(thing).__name__ for ref in watched if (thing := ref()) is not None] == []
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


@asynccontextmanager
async def served(certificates: Any, library: str) -> AsyncIterator[tuple[Any, Any]]:
    """A port, and a way to get a connection's two ends."""
    async with AsyncioReactor() as reactor:
        listening = Listening(build=lambda addr: HalfEar())
        context, client_context = certificates.server_context(library), certificates.client_context(library)
        port = reactor.listenSSL(0, listening, context, interface="127.0.0.1")

        async def dial(**on: Any) -> tuple[Any, Any]:
            client = Ear(**on)
            _, connecting = connect(reactor, port.getHost().port, client, client_context)
            await until(lambda: client.events and listening.protocols)
            connecting.protocols.clear()
            connecting.build = None
            return listening.protocols.pop(), client

        yield reactor, dial


def fail(ear: Ear) -> None:
    raise ZeroDivisionError


async def end(how: str, server: Any, client: Any) -> None:
    """Have a connection end in this way."""
    if how == "abort":
        abort(client)
    elif how == "raises":
        server.on["data"] = fail
        client.transport.write(b"x")
    elif how == "producer":
        client.stopProducing = int  # does nothing
        client.transport.registerProducer(client, True)
        abort(server)
    elif how == "half":
        client.transport.loseWriteConnection()
        await until(lambda: "read_lost" in server.events)
        lose(server)
    else:
        client.transport.write(b"x" * 100_000)
        lose(client)
        if how == "amid the handshake":
            abort(server)
        else:
            await until(lambda: "read_lost" in server.events)
            lose(server)
    await until(lambda: server.lost and client.lost)


@pytest.mark.parametrize("how", ["close", "abort", "raises", "producer", "half", "amid the handshake"])
@with_each_library
async def test_nothing_of_a_connection_is_left(certificates: Any, library: str, how: str) -> None:
    async with served(certificates, library) as (reactor, dial):
        with nothing_left_open(), freed() as watched:
            both = await dial()
            if how != "amid the handshake":
                await until(lambda: all(ear.opened for ear in both))
            for ear in both:
                watched += [weakref.ref(thing) for thing in (ear, ear.transport, ear.transport.getHandle())]
            await end(how, *both)
            assert reactor.getDelayedCalls() == []
            for ear in both:
                ear.reason = None  # its traceback would keep frames
            both = ear = ()
            await turns()


@pytest.mark.parametrize("how", ["once", "twice", "refused", "too late"])
@with_each_library
async def test_nothing_is_left_of_tls_that_began_midway(certificates: Any, library: str, how: str) -> None:
    context = certificates.server_context(library)
    trusts = certificates.other_ca_path if how == "refused" else certificates.ca_path
    client_context = certificates.client_context(library, ca=trusts)
    options = {"server_hostname": "localhost", "ssl_handshake_timeout": SHORT if how == "too late" else 60}
    async with AsyncioReactor() as reactor:
        listening, connecting = Listening(Ear), Connecting(Ear)
        port = reactor.listenTCP(0, listening, interface="127.0.0.1")
        with nothing_left_open(), freed() as watched:
            reactor.connectTCP("127.0.0.1", port.getHost().port, connecting)
            await until(lambda: listening.protocols and connecting.protocols)
            both = server, client = listening.protocols.pop(), connecting.protocols.pop()
            await until(lambda: all(ear.events for ear in both))
            for number in range(2 if how == "twice" else 1):
                watched += [weakref.ref(thing) for ear in both for thing in (ear, ear.transport)]
                client.transport.startTLS(client_context, **options)
                if how != "too late":
                    server.transport.startTLS(context)
                if how in ("refused", "too late"):
                    break
                await until(lambda n=number: all(ear.events.count("handshake") > n for ear in both))
                watched += [weakref.ref(ear.transport.getHandle()) for ear in both]
            else:
                lose(client)
            await until(lambda: all(ear.lost for ear in both))
            for ear in both:
                ear.reason = None
            connecting.reasons.clear()
            both = server = client = ear = ()
            await turns()
            assert reactor.getDelayedCalls() == []


async def test_what_keeps_its_transport_sees_no_more_of_the_certificate(certificates: Any) -> None:
    async with pair(certificates) as both:
        lose(both.client)
        await both.over()
        for end in both.ends:
            assert end.transport.getPeerCertificate() is None


# The reactor stops


async def test_a_reactor_that_stops_sends_what_was_accepted(certificates: Any) -> None:
    data = numbered(MEGABYTE)
    async with facing(certificates, narrow=True) as both:
        both.ear.transport.write(data)
        both.reactor.stop()
        assert await both.other.hear() == data
        await both.other.notify()
        await lost(both.ear, ConnectionDone)


@in_each_role
async def test_a_reactor_that_stops_does_not_wait_for_a_handshake(certificates: Any, role: str) -> None:
    async with facing(certificates, role=role, opened=False) as both:
        both.reactor.stop()
        await within(both.reactor.stopped())
        assert both.ear.lost


async def test_a_reactor_that_stops_does_so_with_both_ends_on_it(certificates: Any) -> None:
    for opened in (True, False):
        async with pair(certificates, opened=opened) as both:
            await until(lambda both=both: both.client.events)
            both.reactor.stop()
            await within(both.reactor.stopped())
            assert both.client.lost
            assert both.server.lost or not both.server.events
            assert both.reactor.getDelayedCalls() == []
