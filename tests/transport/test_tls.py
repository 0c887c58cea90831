"""Connections over TLS, as the protocol at each end sees them: data, and what the transport says of itself.

Their ends are in test_tls_closing.py, producers in test_tls_producers.py, what begins in the clear in
test_tls_start.py, who is trusted in test_tls_verify.py.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.certificates import LIBRARIES, Giving, with_each_library
from tests.support import until
from tests.transport.peers import errors, turns
from tests.transport.recorders import Connecting, Listening
from tests.transport.tls_pairs import Ear, connect, facing, numbered, pair
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.interfaces import (
    IConsumer,
    INegotiated,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
    ITCPTransport,
    ITransport,
)

pytestmark = pytest.mark.without_debug

MEGABYTE = 1 << 20


def echo(ear: Ear) -> None:
    """What has been received goes back."""
    ear.transport.write(bytes(ear.received))
    ear.received.clear()


@with_each_library
async def test_data_goes_both_ways(certificates: Any, library: str) -> None:
    async with pair(certificates, Ear(data=echo), library=library) as both:
        both.client.transport.write(b"there ")
        both.client.transport.write(b"and back")
        await until(lambda: len(both.client.received) == 14)
        assert both.client.received == b"there and back"
        both.server.transport.loseConnection()
        await both.over()
    for end in both.ends:
        assert end.events == ["made", "handshake", "data", "lost"]
        assert end.reason.check(ConnectionDone)
    assert both.connecting.events == ["start", "connecting", "lost", "stop"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_either_version_is_spoken_with_either_library(certificates: Any, version: Any) -> None:
    """Each with the other."""
    for library, other in (LIBRARIES, LIBRARIES[::-1]):
        contexts = [certificates.server_context(library), certificates.client_context(other)]
        for context in contexts:
            if isinstance(context, ssl.SSLContext):
                context.maximum_version = version
            else:
                context.set_max_proto_version(version.value)
        server, client = contexts
        async with pair(certificates, Ear(data=echo), server_context=server, client_context=client) as both:
            both.client.transport.write(numbered(40_000))
            await until(lambda both=both: len(both.client.received) == 40_000)
            assert both.client.received == numbered(40_000)


async def test_over_ipv6(certificates: Any) -> None:
    async with pair(certificates, Ear(data=echo), host="::1") as both:
        assert both.client.transport.getPeer().host == "::1"
        both.client.transport.write(b"six")
        await until(lambda: both.client.received == b"six")


@with_each_library
async def test_what_is_written_before_the_handshake_comes_first_and_in_order(
    certificates: Any, library: str
) -> None:
    def early(ear: Ear) -> None:
        ear.transport.write(b"1")
        ear.transport.writeSequence([b"2", b"3"])

    def later(ear: Ear) -> None:
        ear.transport.write(b"4")

    ends = [Ear(made=early, handshake=later) for _ in range(2)]
    async with pair(certificates, *ends, library=library) as both:
        await until(lambda: all(len(end.received) == 4 for end in both.ends))
        assert all(end.received == b"1234" for end in both.ends)


async def test_nothing_is_sent_in_the_clear(certificates: Any) -> None:
    """What comes over the wire is TLS from its first byte on, whenever it was written."""
    secret = b"the quick brown fox"
    ear = Ear(made=lambda ear: ear.transport.write(secret))
    async with facing(certificates, ear, opened=False) as both:
        wire = bytearray()
        write = both.other.incoming.write
        feed: Any = lambda data: (wire.extend(data), write(data))  # noqa: E731 - it stands for a method
        both.other.incoming = _Tapped(both.other.incoming, feed)
        await both.opened()
        assert await both.other.hear(len(secret)) == secret
        assert wire[0] == 22 and secret not in wire


class _Tapped:
    def __init__(self, bio: ssl.MemoryBIO, write: Callable[[bytes], Any]) -> None:
        self.write, self.write_eof = write, bio.write_eof


async def test_many_small_writes_from_everywhere_keep_their_order(certificates: Any) -> None:
    expected = b"".join(b"%d," % number for number in range(3_000))
    count = 0

    def some(ear: Ear) -> None:
        nonlocal count
        for _ in range(300):
            ear.transport.write(b"%d," % count)
            count += 1

    server = Ear(made=some, handshake=some, data=some)
    async with pair(certificates, server) as both:
        both.client.transport.write(b"?")
        await until(lambda: "data" in server.events)
        while count < 3_000:
            both.reactor.callLater(0, some, server)
            await turns(2)
        await until(lambda: len(both.client.received) >= len(expected))
        assert both.client.received == expected


async def test_writes_of_one_turn_share_a_record(certificates: Any) -> None:
    def answer(ear: Ear) -> None:
        for _ in range(100):
            ear.transport.write(b"x" * 50)
        ear.transport.writeSequence([b"y" * 50] * 100)

    ear = Ear(handshake=lambda ear: ear.transport.write(b"hello"), data=answer)
    async with facing(certificates, ear) as both:
        assert await both.other.hear(5) == b"hello"
        await both.other.say(b"go")
        header = await both.other.read(5)
        assert header[0] == 23
        assert int.from_bytes(header[3:], "big") >= 10_000


async def test_bytes_of_any_kind_are_sent_as_they_were(certificates: Any) -> None:
    """What is done to a buffer after it was written doesn't matter, nor how a view is cut."""

    def early(ear: Ear) -> None:
        buffer = bytearray(b"abc")
        ear.transport.write(buffer)
        ear.transport.write(memoryview(b"defdef")[:3])
        ear.transport.writeSequence([bytearray(b"g"), memoryview(b"hi"), b""])
        ear.transport.write(memoryview(b"j-k-l-")[::2])
        ear.transport.write(b"")
        buffer[:] = b"xyz"

    async with pair(certificates, Ear(made=early, handshake=early)) as both:
        await until(lambda: len(both.client.received) >= 24)
        assert both.client.received == b"abcdefghijkl" * 2


@with_each_library
async def test_text_is_refused_and_nothing_is_broken_by_it(certificates: Any, library: str) -> None:
    def wrong(ear: Ear) -> None:
        for what in ("text", 7, None):
            with pytest.raises(TypeError, match="bytes"):
                ear.transport.write(what)
        with pytest.raises(TypeError, match="Data must be bytes"):
            ear.transport.writeSequence([b"fine", "text"])
        ear.transport.write(b"|")

    async with pair(certificates, Ear(made=wrong, handshake=wrong), library=library) as both:
        await until(lambda: both.client.received == b"||")


async def test_megabytes_cross_in_both_directions(certificates: Any) -> None:
    data = numbered(2 * MEGABYTE)
    ends = [Ear(handshake=lambda ear: ear.transport.write(data)) for _ in range(2)]
    async with pair(certificates, *ends) as both:
        await until(lambda: all(len(end.received) == len(data) for end in both.ends))
        assert all(end.received == data for end in both.ends)


@with_each_library
async def test_what_the_peer_is_slow_to_read_waits_for_it(certificates: Any, library: str) -> None:
    data = numbered(MEGABYTE)
    ear = Ear(made=lambda ear: ear.transport.write(data))
    async with facing(certificates, ear, library=library, narrow=True) as both:
        await turns()
        assert await both.other.hear(len(data)) == data


async def test_input_in_any_portions_is_put_together(certificates: Any) -> None:
    """A few bytes of a record, and many records at once."""
    async with facing(certificates, Ear(), opened=False) as both:
        send = both.other.send

        async def by_byte(data: bytes) -> None:
            for place in range(0, len(data), 3):
                await send(data[place : place + 3])
                await turns(2)

        both.other.send = by_byte
        await both.opened()
        await both.other.say(b"in pieces,")
        await send(b"".join(both.other.encrypted(b"%d," % number) for number in range(500)))
        expected = b"in pieces," + b"".join(b"%d," % number for number in range(500))
        await until(lambda: len(both.ear.received) >= len(expected))
        assert both.ear.received == expected


async def test_connections_do_not_mix(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        listening = Listening(build=lambda addr: Ear(data=echo))
        port = reactor.listenSSL(0, listening, certificates.server_context(), interface="127.0.0.1")
        context = certificates.client_context()
        ends = []
        for number in range(12):
            ends.append(Ear(made=lambda ear, n=number: ear.transport.write(b"%d" % n * 20_000)))
            connect(reactor, port.getHost().port, ends[-1], context)
        for number, end in enumerate(ends):
            expected = b"%d" % number * 20_000
            await until(lambda end=end, expected=expected: len(end.received) >= len(expected))
            assert end.received == expected
        await port.stopListening()


async def test_after_the_loss_writes_are_dropped(certificates: Any, caplog: pytest.LogCaptureFixture) -> None:
    def all_of_it(ear: Ear) -> None:
        transport = ear.transport
        transport.write(b"late")
        transport.writeSequence([b"late"])
        transport.pauseProducing()
        transport.resumeProducing()
        transport.loseWriteConnection()
        transport.loseConnection()
        transport.abortConnection()
        with pytest.raises(TypeError):
            transport.write("late")

    async with pair(certificates, Ear(lost=all_of_it)) as both:
        both.client.transport.loseConnection()
        both.client.transport.write(b"too late")
        await both.over()
        all_of_it(both.client)
        await turns()
        assert both.server.events == ["made", "handshake", "lost"]
    assert errors(caplog) == []


# What the transport says of itself


@with_each_library
async def test_what_the_transport_provides(certificates: Any, library: str) -> None:
    async with pair(certificates, library=library) as both:
        for end in both.ends:
            for interface in (
                ITransport,
                ITCPTransport,
                ISSLTransport,
                INegotiated,
                ISystemHandle,
                IConsumer,
                IPushProducer,
            ):
                assert interface.providedBy(end.transport), interface
                assert verifyObject(interface, end.transport)
            assert end.transport.TLS
            end.transport.setTcpNoDelay(True)
            end.transport.setTcpKeepAlive(True)
            assert end.transport.getTcpNoDelay() and end.transport.getTcpKeepAlive()
        assert both.client.transport.getPeer() == both.server.transport.getHost() == both.port.getHost()
        assert both.client.transport.getHost() == both.server.transport.getPeer()


@with_each_library
async def test_the_handle_is_the_library_s_own(certificates: Any, library: str) -> None:
    handles = []
    ears = [
        Ear(**dict.fromkeys(("made", "handshake"), lambda ear: handles.append(ear.transport.getHandle())))
    ]
    async with pair(certificates, *ears, library=library) as both:
        handles += [end.transport.getHandle() for end in both.ends]
        assert len(handles) == 4
        for handle in handles:
            if library == "stdlib":
                assert isinstance(handle, ssl.SSLObject) and handle.version() == "TLSv1.3"
            else:
                from OpenSSL.SSL import Connection

                assert isinstance(handle, Connection)
                assert handle.get_protocol_version_name() == "TLSv1.3"


async def test_a_handshake_listener_is_told_in_between(certificates: Any) -> None:
    """After connectionMade and before any data, also when both come at once."""
    ear = Ear()
    async with facing(certificates, ear, opened=False) as both:
        assert ear.events == ["made"]
        sent = both.other.send
        first, held = True, bytearray()

        async def hold(data: bytes) -> None:
            nonlocal first
            if first:
                first = False
                await sent(data)
            else:
                held.extend(data)

        both.other.send = hold
        await both.other.handshake()
        await turns()
        assert ear.events == ["made"]
        await sent(bytes(held) + both.other.encrypted(b"at once") + both.other.farewell())
        await until(lambda: ear.lost)
        assert ear.events == ["made", "handshake", "data", "lost"]
        assert ear.received == b"at once"


async def test_a_port_says_what_it_is(certificates: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with pair(certificates) as both:
        number = both.port.getHost().port
        await both.port.stopListening()
    assert f"(TLS Port {number} Closed)" in caplog.messages


# What says how to encrypt


@with_each_library
async def test_a_context_factory_is_asked_early(certificates: Any, library: str) -> None:
    """So what is wrong with it is noticed where it is given."""
    server, client = (
        Giving(certificates.server_context(library)),
        Giving(certificates.client_context(library)),
    )
    contexts = {"server_context": server, "client_context": client}
    async with AsyncioReactor() as reactor:
        reactor.listenSSL(0, Listening(), server, interface="127.0.0.1")
        assert server.asked
        connector = reactor.connectSSL("127.0.0.1", 1, Connecting(), client)
        assert client.asked
        connector.disconnect()
    async with pair(certificates, Ear(data=echo), **contexts) as both:
        both.client.transport.write(b"given")
        await until(lambda: both.client.received == b"given")


async def test_creators_make_the_connections(certificates: Any) -> None:
    SSL = pytest.importorskip("OpenSSL.SSL")
    seen = []

    class Creator:
        def __init__(self, context: Any) -> None:
            self.context = context

        def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
            seen.append(tlsProtocol)
            return SSL.Connection(self.context, None)

        serverConnectionForTLS = clientConnectionForTLS

    server = Creator(certificates.server_context("pyopenssl"))
    client = Creator(certificates.client_context("pyopenssl"))
    async with pair(certificates, Ear(data=echo), server_context=server, client_context=client) as both:
        both.client.transport.write(b"made to measure")
        await until(lambda: both.client.received == b"made to measure")
        assert len(seen) == 2
        assert {layer.wrappedProtocol for layer in seen} == set(both.ends)


@pytest.mark.parametrize(
    "wrong", [None, "certificate.pem", object(), Giving(None)], ids=lambda w: type(w).__name__
)
async def test_what_is_no_context_is_refused_at_once(certificates: Any, wrong: Any) -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(TypeError, match="SSLContext"):
            reactor.listenSSL(0, Listening(), wrong, interface="127.0.0.1")
        factory = Connecting()
        with pytest.raises(TypeError, match="SSLContext"):
            reactor.connectSSL("127.0.0.1", 1, factory, wrong)
        assert factory.events == []
        assert reactor.getReaders() == []
