"""TLS on real sockets, and peers that don't speak it, speak it wrongly, or vanish: one clear error for that
connection, and the server lives on. What the bytes do to the engine is in test_tls_engine_broken.py."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.certificates import LIBRARIES, Certificates, with_each_library
from tests.support import until, within
from tests.transport.peers import Peer, errors, turns
from tests.transport.recorders import Listening
from tests.transport.test_tls_engine_broken import NOT_TLS
from tests.transport.tls_bytes import APPLICATION, HANDSHAKE, chunks, record
from tests.transport.tls_pairs import LOCALHOST, Ear, Opposite, connect, facing, lose, lost, pair
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost

pytestmark = pytest.mark.without_debug
as_server_or_client = pytest.mark.parametrize(
    ("role", "library"), [("server", "stdlib"), ("client", "pyopenssl")], ids=["server", "client"]
)


def tls_errors(library: str) -> type[Exception]:
    if library == "stdlib":
        return ssl.SSLError
    error: type[Exception] = pytest.importorskip("OpenSSL.SSL").Error
    return error


def echo(ear: Ear) -> None:
    ear.transport.write(bytes(ear.received))
    ear.received.clear()


class Server:
    """A server of ours that sends back what it gets, and its clients."""

    def __init__(self, reactor: Any, certificates: Certificates, library: str, **options: Any) -> None:
        self.reactor = reactor
        self.certificates = certificates
        self.factory = Listening(build=lambda addr: Ear(data=echo))
        self.port = reactor.listenSSL(
            0, self.factory, certificates.server_context(library), interface=LOCALHOST, **options
        )
        self.address = (LOCALHOST, self.port.getHost().port)
        self.client_context = certificates.client_context()

    @property
    def ears(self) -> list[Ear]:
        """The protocols of all connections so far, unless the list has been emptied."""
        return self.factory.protocols

    @contextlib.asynccontextmanager
    async def visitor(self) -> AsyncIterator[tuple[Ear, Opposite]]:
        """A client that has connected, and said nothing so far."""
        with socket.socket() as skt:
            skt.setblocking(False)
            skt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            known = len(self.ears)
            await within(asyncio.get_running_loop().sock_connect(skt, self.address))
            await until(lambda: len(self.ears) > known)
            yield self.ears[known], Opposite(skt, self.client_context, False)

    async def lives(self) -> None:
        """It serves a client that does everything right."""
        async with self.visitor() as (ear, client):
            await client.handshake()
            await client.say(b"are you there?")
            assert await client.hear(14) == b"are you there?"
            await client.notify()
            assert await client.hear() == b""
            await lost(ear, ConnectionDone)


@contextlib.asynccontextmanager
async def serving(
    certificates: Certificates, library: str = "stdlib", **options: Any
) -> AsyncIterator[Server]:
    async with AsyncioReactor() as reactor:
        yield Server(reactor, certificates, library, **options)
        # Nothing is left of any of them. What is due now belongs to the server itself.
        await until(lambda: len(reactor.getReaders()) == 1)
        await turns()
        assert reactor.getWriters() == []
        assert reactor.getDelayedCalls() == []


async def sends_in_pieces(peer: Peer, data: bytes, size: int) -> None:
    """Each piece by itself, as far as that can be had."""
    for piece in chunks(data, [size]):
        await peer.send(piece)
        await asyncio.sleep(0)


@with_each_library
async def test_what_is_no_handshake_gets_an_error(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, library: str
) -> None:
    async with serving(certificates, library) as server:
        for what, stream in NOT_TLS.items():
            async with server.visitor() as (ear, client):
                with contextlib.suppress(ConnectionError):  # it needn't have read all of it
                    await client.send(stream)
                await client.ended()
                text = await lost(ear, tls_errors(library))
                assert text, what
                assert ear.events == ["made", "lost"] and not ear.received
        await server.lives()
    assert not errors(caplog)


@with_each_library
async def test_a_server_that_speaks_no_tls(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, library: str
) -> None:
    loop = asyncio.get_running_loop()
    context = certificates.client_context(library)
    async with AsyncioReactor() as reactor:
        with socket.create_server((LOCALHOST, 0)) as listener:
            listener.setblocking(False)
            for what in "smtp", "ssh", "http answer", "garbage", "zeros", "too long":
                ear = Ear(made=lambda ear: ear.transport.write(b"a secret"))
                _, factory = connect(reactor, listener.getsockname()[1], ear, context)
                accepted, _ = await within(loop.sock_accept(listener))
                with accepted:
                    peer = Peer(accepted)
                    await peer.send(NOT_TLS[what])
                    with contextlib.suppress(ConnectionError):
                        assert b"a secret" not in await peer.read_all()
                    assert await lost(ear, tls_errors(library)), what
                assert ear.events == ["made", "lost"]
                assert factory.events == ["start", "connecting", "lost", "stop"]
                assert factory.reasons == [ear.reason]
    assert not errors(caplog)


@as_server_or_client
async def test_a_handshake_of_single_bytes(certificates: Certificates, role: str, library: str) -> None:
    async with facing(certificates, Ear(data=echo), role=role, library=library, opened=False) as both:
        ear, other = both.ear, both.other
        other.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                other.tls.do_handshake()
            except ssl.SSLWantReadError:
                await sends_in_pieces(other, other.outgoing.read(), 1)
                await other.feed()
            else:
                break
        await sends_in_pieces(other, other.encrypted(b"hello"), 1)
        assert await other.hear(5) == b"hello"
        await sends_in_pieces(other, other.farewell(), 1)
        await lost(ear, ConnectionDone)
        assert ear.events == ["made", "handshake", "data", "lost"]


BROKEN: dict[str, Callable[[list[bytes]], bytes]] = {
    "played again": lambda flight: flight[0] + flight[0],
    "out of order": lambda flight: flight[0] + flight[2] + flight[1],
    "changed": lambda flight: flight[0] + flight[1][:-1] + bytes([flight[1][-1] ^ 1]) + flight[2],
    "in the clear": lambda flight: flight[0] + record(APPLICATION, b"x" * 40),
    "garbage": lambda flight: flight[0] + b"garbage!",
}


@as_server_or_client
async def test_broken_records_end_the_connection_after_what_was_good(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, role: str, library: str
) -> None:
    for what, breaking in BROKEN.items():
        async with facing(certificates, role=role, library=library) as both:
            flight = [both.other.encrypted(piece) for piece in (b"first", b"second", b"third")]
            await both.other.send(breaking(flight))
            assert await lost(both.ear, tls_errors(library)), what
            assert both.ear.received == b"first"
            with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
                await both.other.hear()
    assert not errors(caplog)


@as_server_or_client
async def test_a_record_that_is_cut_off_is_no_end(
    certificates: Certificates, role: str, library: str
) -> None:
    async with facing(certificates, role=role, library=library) as both:
        stream = both.other.encrypted(b"whole") + both.other.encrypted(b"cut off")
        await both.other.send(stream[:-3])
        both.other.end()
        text = await lost(both.ear, ConnectionLost)
        assert "close_notify" in text
        assert both.ear.received == b"whole"


@with_each_library
async def test_a_certificate_of_several_records(certificates: Certificates, library: str) -> None:
    context = certificates.server_context(library, certificates.oversized)
    async with pair(certificates, Ear(data=echo), library=library, server_context=context) as both:
        both.client.transport.write(b"hello")
        await until(lambda: both.client.received)


# Peers that vanish.


async def nothing(client: Opposite) -> None:
    pass


async def half_a_hello(client: Opposite) -> None:
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.outgoing.read()
    await client.send(hello[: len(hello) // 2])


async def a_hello(client: Opposite) -> None:
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    await client.flush()


async def a_hello_and_an_ear(client: Opposite) -> None:
    await a_hello(client)
    await client.feed()


async def half_an_end(client: Opposite) -> None:
    await a_hello(client)
    while True:
        await client.feed()
        with contextlib.suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
            break
    finished = client.outgoing.read()
    await client.send(finished[:-5])


STEPS = (nothing, half_a_hello, a_hello, a_hello_and_an_ear, half_an_end)


async def with_a_reset(client: Opposite) -> None:
    client.reset()


async def with_an_end(client: Opposite) -> None:
    client.end()
    await client.ended()


@with_each_library
@pytest.mark.parametrize("vanish", [with_a_reset, with_an_end])
async def test_clients_that_vanish_amid_the_handshake(
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    library: str,
    vanish: Callable[[Opposite], Awaitable[None]],
) -> None:
    async with serving(certificates, library) as server:
        for step in STEPS:
            async with server.visitor() as (ear, client):
                await step(client)
                await vanish(client)
                text = await lost(ear, ConnectionLost)
                assert vanish is with_a_reset or "amid the TLS handshake" in text
                assert ear.events == ["made", "lost"]
        await server.lives()
    assert not errors(caplog)


async def test_servers_that_vanish_amid_the_handshake(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncioReactor() as reactor:
        with socket.create_server((LOCALHOST, 0)) as listener:
            listener.setblocking(False)
            for reads in False, True:
                for vanish in with_a_reset, with_an_end:
                    ear = Ear(made=lambda ear: ear.transport.write(b"a secret"))
                    connect(reactor, listener.getsockname()[1], ear, certificates.client_context())
                    accepted, _ = await within(loop.sock_accept(listener))
                    with accepted:
                        peer = Opposite(accepted, certificates.server_context(), True)
                        if reads:
                            await peer.feed()
                        await vanish(peer)
                        await lost(ear, ConnectionLost)
    assert not errors(caplog)


# Peers that do not listen.


@with_each_library
async def test_who_floods_after_our_end_is_cut_off(certificates: Certificates, library: str) -> None:
    """It has ssl_shutdown_timeout to stop; nothing of it is delivered."""
    async with facing(certificates, Ear(), library=library, ssl_shutdown_timeout=0.1) as both:
        both.ear.transport.write(b"farewell")
        both.ear.transport.loseConnection()
        sent = 0
        with pytest.raises(ConnectionError):
            while True:
                await both.other.say(bytes(65_536))
                sent += 65_536
        await lost(both.ear, ConnectionDone)
        assert both.ear.events == ["made", "handshake", "lost"] and not both.ear.received


@with_each_library
async def test_who_does_not_take_our_alert_is_cut_off(certificates: Certificates, library: str) -> None:
    """It doesn't read at all, and what it sends is no TLS any more."""
    async with facing(certificates, library=library, narrow=True, ssl_shutdown_timeout=0.1) as both:
        both.ear.transport.write(bytes(2_000_000))
        await turns()
        await both.other.send(record(APPLICATION, b"no record of ours: it has no tag that fits"))
        assert await lost(both.ear, tls_errors(library))
        assert both.reactor.getDelayedCalls() == []


async def test_an_end_that_is_never_answered(certificates: Certificates) -> None:
    """The peer has vanished without a word, and TCP doesn't know."""
    async with facing(certificates, ssl_shutdown_timeout=0.05) as both:
        lose(both.ear)
        await lost(both.ear, ConnectionDone)
        assert both.reactor.getDelayedCalls() == []


# Anything.


def hello_of(context: ssl.SSLContext) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat"]), st.integers(0, 600), st.binary(max_size=8)
    ),
    min_size=1,
    max_size=4,
)


def mutated(hello: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for how, position, piece in changes:
        start, rest = hello[: position % (len(hello) + 1)], hello[position % (len(hello) + 1) :]
        if how == "flip" and rest:
            hello = start + bytes([rest[0] ^ (1 << len(piece) % 8)]) + rest[1:]
        elif how == "cut":
            hello = start + rest[len(piece) :]
        elif how == "insert":
            hello = start + piece + rest
        else:
            hello = start + rest[:50] + rest
    return hello


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(mutations, min_size=1, max_size=5),
    library=st.sampled_from(LIBRARIES),
    fits=st.booleans(),
)
def test_hellos_that_have_suffered(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    certificates: Certificates,
    changes: list[list[tuple[str, int, bytes]]],
    library: str,
    fits: bool,
) -> None:
    """Whatever comes, that connection ends when its peer ends it, and others don't notice.

    :param fits: whether the record's header says how long it is after all.
    """
    pytest.importorskip("OpenSSL.SSL")

    async def main() -> None:
        async with serving(certificates, library) as server:
            good = hello_of(server.client_context)
            for change in changes:
                hello = mutated(good, change)
                if fits:
                    hello = record(HANDSHAKE, hello[5:], 0x0301)
                async with server.visitor() as (ear, client):
                    await client.send(hello)
                    client.end()
                    await client.ended()
                    await until(lambda ear=ear: ear.lost)
                    assert not ear.reason.check(ConnectionDone) and str(ear.reason.value)
                    assert ear.events == ["made", "lost"]
                await server.lives()

    loop = loop_factory()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
