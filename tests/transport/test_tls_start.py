"""TLS that begins on a connection after words in the clear."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer

from tests.certificates import with_each_library
from tests.support import until
from tests.transport.peers import errors, turns
from tests.transport.test_tls_producers import Push
from tests.transport.tls_pairs import Ear, HalfEar, facing, lose, lost, numbered, plain_pair
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.interfaces import IHandshakeListener, INegotiated, ISSLTransport
from twisted_compat.protocols import basic

MEGABYTE = 1 << 20
pytestmark = pytest.mark.without_debug


def starts(word: bytes, context: Any, first: bytes = b"", after: bytes = b"", **options: Any) -> Any:
    """To be done on data: once it is ``word``, TLS is started.

    :param first: written in the clear before.
    :param after: written at once afterwards.
    """

    def start(ear: Any) -> None:
        if ear.received == word:
            ear.received.clear()
            ear.transport.write(first)
            ear.transport.startTLS(context, **options)
            ear.transport.write(after)

    return start


@with_each_library
async def test_tls_starts_after_a_word_in_the_clear(certificates: Any, library: str) -> None:
    server_context = certificates.server_context(library)
    client_context = certificates.client_context(library)
    server = Ear(data=starts(b"please", server_context, b"go", b"from the server"))
    client = HalfEar(data=starts(b"go", client_context, after=b"from the client"))
    async with plain_pair(server, client) as both:
        transport = client.transport
        assert not transport.TLS and not ISSLTransport.providedBy(transport)
        transport.write(b"please")
        await both.opened()
        await until(lambda: server.received == b"from the client" and client.received == b"from the server")
        for one in (server.transport, client.transport, transport):  # who has kept it can go on with it
            assert one.TLS
            assert ISSLTransport.providedBy(one) and INegotiated.providedBy(one)
        assert transport.getPeerCertificate() is not None
        assert transport.getHandle() is client.transport.getHandle()
        client.transport.write(b", some")
        transport.write(b" more")
        transport.writeSequence([b", and", b" more"])
        await until(lambda: server.received == b"from the client, some more, and more")
        server.transport.write(data := numbered(300_000))
        lose(server)
        await until(lambda: "read_lost" in client.events)
        assert client.received == b"from the server" + data
        lose(client)
        await both.over()
        assert all(end.reason.check(ConnectionDone) for end in both.ends)
        assert server.events == ["made", "data", "handshake", "data", "lost"]


async def test_on_a_unix_socket(certificates: Any, tmp_path: Path) -> None:
    client_context = certificates.client_context()
    server = Ear(data=starts(b"please", certificates.server_context(), b"go", b"hello"))
    client = Ear(data=starts(b"go", client_context, after=b"hi", server_hostname="localhost"))
    async with plain_pair(server, client, tmp_path / "socket") as both:
        client.transport.write(b"please")
        await until(lambda: server.received == b"hi" and client.received == b"hello")
        lose(client)
        await both.over()
        assert all(end.reason.check(ConnectionDone) for end in both.ends)


@with_each_library
async def test_the_roles_can_be_swapped(certificates: Any, library: str) -> None:
    """Who accepted the connection is TLS's client."""
    trusting, known = certificates.client_context(library), certificates.server_context(library)
    options = {"normal": False, "server_hostname": "localhost"}
    server = Ear(data=starts(b"please", trusting, after=b"hello", **options))

    def ask(ear: Ear) -> None:
        ear.transport.write(b"please")
        ear.transport.startTLS(known, normal=False)
        ear.transport.write(b"hi")

    client = Ear(made=ask)
    async with plain_pair(server, client) as both:
        await both.opened()
        await until(lambda: server.received == b"hi" and client.received == b"hello")
        assert server.transport.getPeerCertificate() is not None
        assert client.transport.getPeerCertificate() is None


async def test_nothing_is_agreed_on_until_the_handshake_is_through(certificates: Any) -> None:
    """The transport that it was put on says so, too."""
    known, trusting = certificates.server_context(), certificates.client_context()
    seen = []

    def begin(ear: Ear) -> None:
        plain = ear.transport
        plain.startTLS(trusting)
        seen.append((plain.negotiatedProtocol, ear.transport.negotiatedProtocol))

    server, client = Ear(made=lambda ear: ear.transport.startTLS(known)), Ear(made=begin)
    async with plain_pair(server, client) as both:
        await both.opened()
        assert seen == [(None, None)]


async def test_both_may_begin_at_once(certificates: Any) -> None:
    """In connectionMade; what was written before is in the clear, and comes first."""
    server_context, client_context = certificates.server_context(), certificates.client_context()

    def begin(context: Any) -> Any:
        def do(ear: Ear) -> None:
            ear.transport.startTLS(context)
            ear.transport.write(b"secret")

        return do

    ends = Ear(made=begin(server_context)), Ear(made=begin(client_context))
    async with plain_pair(*ends) as both:
        await until(lambda: all(end.received == b"secret" for end in both.ends))
        assert all(end.events == ["made", "handshake", "data"] for end in both.ends)


async def test_what_was_written_before_leaves_in_the_clear_and_first(certificates: Any) -> None:
    plain = numbered(MEGABYTE)  # more than the kernel takes at once
    ear = Ear(data=starts(b"?", certificates.server_context(), plain, b"secret"))
    async with facing(certificates, ear, plain=True, narrow=True) as both:
        await both.other.send(b"?")
        await turns(10)
        assert await both.other.read(len(plain)) == plain
        await both.opened()
        assert await both.other.hear(6) == b"secret"


@with_each_library
async def test_the_handshake_may_follow_the_word_without_waiting(certificates: Any, library: str) -> None:
    """It is there already, behind what has been read, when TLS starts."""
    ear = Ear(data=starts(b"STARTTLS", certificates.server_context(library), after=b"secret"))
    ear.on["made"] = lambda ear: setattr(ear.transport, "bufferSize", 8)
    async with facing(certificates, ear, plain=True) as both:
        with pytest.raises(ssl.SSLWantReadError):
            both.other.tls.do_handshake()
        await both.other.send(b"STARTTLS" + both.other.outgoing.read())
        await both.opened()
        assert await both.other.hear(6) == b"secret"


async def test_the_client_may_start_without_waiting_for_an_answer(certificates: Any) -> None:
    ear = Ear()
    async with facing(certificates, ear, role="client", plain=True) as both:
        ear.transport.write(b"STARTTLS")
        ear.transport.startTLS(certificates.client_context())
        ear.transport.write(b"secret")
        assert await both.other.read(8) == b"STARTTLS"
        await both.opened()
        assert await both.other.hear(6) == b"secret"


async def test_the_name_is_that_which_was_connected_to(certificates: Any) -> None:
    """So a certificate for another host is refused."""
    context = certificates.client_context()
    for pair, error in ((certificates.server, None), (certificates.wrong_host, ssl.SSLCertVerificationError)):
        opposite = certificates.server_context(pair=pair)
        ear = Ear()
        options = {"plain": True, "opposite_context": opposite, "role": "client"}
        async with facing(certificates, ear, **options) as both:
            ear.transport.startTLS(context)
            if error is None:
                await both.opened()
            else:
                with pytest.raises(ssl.SSLError):
                    await both.other.handshake()
                    await both.other.hear()
                await lost(ear, error)
                assert "127.0.0.1" in str(ear.reason.value)
                assert ear.events == ["made", "lost"]


async def test_another_protocol_may_take_over(certificates: Any) -> None:
    """Before TLS starts, and afterwards."""
    context = certificates.server_context()
    second, third = Ear(), Ear()

    def hand_over(ear: Ear) -> None:
        transport = ear.transport
        transport.protocol = second
        second.makeConnection(transport)
        transport.startTLS(context)

    async with facing(certificates, Ear(data=hand_over), plain=True) as both:
        await both.other.send(b"?")
        await until(lambda: second.events)
        await both.other.handshake()
        await until(lambda: second.opened)
        await both.other.say(b"for the second")
        await until(lambda: second.received == b"for the second")
        second.transport.protocol = third
        third.makeConnection(second.transport)
        await both.other.say(b"for the third")
        await until(lambda: third.received == b"for the third")
        third.transport.write(b"and back")
        assert await both.other.hear(8) == b"and back"
        both.other.end()
        await lost(third, ConnectionLost)
        assert both.ear.events == ["made", "data"] and not second.lost


async def test_started_twice_one_is_within_the_other(certificates: Any) -> None:
    server_context, client_context = certificates.server_context(), certificates.client_context()

    def answer(ear: Ear) -> None:
        word = bytes(ear.received)
        if word in (b"outer", b"inner"):
            ear.received.clear()
            ear.transport.write(b"!")
            ear.transport.startTLS(server_context)
            if word == b"inner":
                ear.transport.write(b"innermost")

    def ask(ear: Ear) -> None:
        if ear.received == b"!":
            ear.received.clear()
            ear.transport.startTLS(client_context, server_hostname="localhost")
            ear.transport.write(b"innermost" if ear.opened else b"inner")

    server, client = Ear(data=answer), Ear(data=ask)
    async with plain_pair(server, client) as both:
        client.transport.write(b"outer")
        await until(lambda: all(end.received == b"innermost" for end in both.ends))
        assert all(end.events.count("handshake") == 2 for end in both.ends)
        server.transport.write(data := numbered(500_000))
        lose(server)
        await both.over()
        assert client.received == b"innermost" + data
        assert all(end.reason.check(ConnectionDone) for end in both.ends)


@pytest.mark.parametrize("wrong", [None, "certificate.pem"], ids=["None", "text"])
async def test_what_is_no_context_is_refused_and_the_connection_goes_on(
    certificates: Any, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with facing(certificates, plain=True) as both:
        with pytest.raises(TypeError, match="SSLContext"):
            both.ear.transport.startTLS(wrong)
        assert not both.ear.transport.TLS and not ISSLTransport.providedBy(both.ear.transport)
        both.ear.transport.write(b"in the clear")
        assert await both.other.read(12) == b"in the clear"
        await both.other.send(b"and back")
        await until(lambda: both.ear.received == b"and back")
        both.ear.transport.startTLS(certificates.server_context())
        await both.opened()
    assert errors(caplog) == []


async def test_a_peer_that_goes_on_in_the_clear_is_refused(certificates: Any) -> None:
    async with facing(certificates, plain=True) as both:
        both.ear.transport.startTLS(certificates.server_context())
        await both.other.send(b"MAIL FROM:<me@example.org>\r\n")
        await lost(both.ear, ssl.SSLError)
        assert both.ear.received == b""


async def test_closing_just_after_the_start(certificates: Any) -> None:
    """What was written in the clear is sent in any case, and what was written to be encrypted as well."""
    context = certificates.server_context()
    for secret in (b"", b"secret"):
        ear = Ear(data=starts(b"?", context, b"in the clear", secret))
        async with facing(certificates, ear, plain=True) as both:
            await both.other.send(b"?")
            await until(lambda ear=ear: "data" in ear.events)
            lose(ear)
            assert await both.other.read(12) == b"in the clear"
            if secret:
                await both.other.handshake()
                assert await both.other.hear() == secret
                await both.other.notify()
            await lost(ear, ConnectionDone)


async def test_after_the_end_nothing_starts(certificates: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nor once the connection is closing."""
    context = certificates.server_context()
    for first in ("plain", "TLS"):
        async with plain_pair(Ear(), Ear()) as both:
            if first == "TLS":
                both.server.transport.startTLS(context)
                both.client.transport.startTLS(certificates.client_context())
                await both.opened()
            lose(both.client)
            both.client.transport.startTLS(certificates.client_context(), server_hostname="localhost")
            await both.over()
            both.server.transport.startTLS(context)
            assert both.client.reason.check(ConnectionDone)
            assert both.reactor.getDelayedCalls() == []
    assert errors(caplog) == []


async def test_a_producer_from_before_stays(certificates: Any) -> None:
    """It feeds what is encrypted from then on, and is told to wait for the handshake."""
    context = certificates.server_context()
    producer = Push(2 * MEGABYTE, 50_000)

    async with facing(certificates, plain=True) as both:
        producer.feed(both.ear)
        assert not producer.paused
        both.ear.transport.startTLS(context)
        plain = producer.written
        await until(lambda: producer.paused)
        assert await both.other.read(plain) == numbered(plain)
        await both.opened()
        assert await both.other.hear(producer.total - plain) == numbered(producer.total - plain, plain)
        await until(lambda: producer.finished)
        idle = Push(1)
        both.ear.transport.registerProducer(idle, True)
        both.other.end()
        await lost(both.ear, ConnectionLost)
        assert (producer.stops, idle.stops) == (0, 1)


async def test_paused_while_it_starts(certificates: Any) -> None:
    async with facing(certificates, plain=True) as both:
        both.ear.transport.pauseProducing()
        both.ear.transport.startTLS(certificates.server_context())
        await turns()
        both.ear.transport.resumeProducing()
        await both.opened()
        await both.other.say(b"resumed")
        await until(lambda: both.ear.received == b"resumed")


# Commands that somebody put between the word and TLS (CVE-2011-0411 and many after it)

FRAMES = {
    "LineReceiver": b"%b\r\n",
    "LineOnlyReceiver": b"%b\r\n",
    "NetstringReceiver": b"%d:%b,",
    "Int8StringReceiver": 1,
    "Int16StringReceiver": 2,
    "Int32StringReceiver": 4,
}


def framed(kind: str, text: bytes) -> bytes:
    frame = FRAMES[kind]
    if isinstance(frame, int):
        return len(text).to_bytes(frame, "big") + text
    return frame % text if frame.count(b"%") == 1 else frame % (len(text), text)


@pytest.mark.parametrize("kind", [kind for kind in FRAMES if hasattr(basic, kind)])
async def test_what_was_put_in_before_tls_is_never_heard(certificates: Any, kind: str) -> None:
    context = certificates.server_context()

    @implementer(IHandshakeListener)
    class Speaker(getattr(basic, kind)):  # type: ignore[misc]  # one of several
        def __init__(self) -> None:
            super().__init__()
            self.events = ["made"]
            self.told: list[bytes] = []

        opened = False

        def handshakeCompleted(self) -> None:
            self.opened = True

        def told_one(self, text: bytes) -> None:
            self.told.append(text)
            if text == b"STARTTLS":
                self.transport.write(b"go")
                self.transport.startTLS(context)

        lineReceived = stringReceived = told_one

    injected = framed(kind, b"INJECTED")
    for extra in (injected, injected[:-3], injected * 3 + injected[:1]):
        speaker = Speaker()
        async with facing(certificates, speaker, plain=True) as both:
            await both.other.send(framed(kind, b"NOOP") + framed(kind, b"STARTTLS") + extra)
            assert await both.other.read(2) == b"go"
            await both.opened()
            await both.other.say(framed(kind, b"real") + framed(kind, b"one"))
            await until(lambda speaker=speaker: b"one" in speaker.told)
            assert speaker.told == [b"NOOP", b"STARTTLS", b"real", b"one"]
