"""Producers and consumers on connections over TLS: what waits is bounded, and nothing is lost for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from zope.interface import implementer

from tests.certificates import with_each_library
from tests.support import until
from tests.transport.peers import errors, turns
from tests.transport.recorders import Listening
from tests.transport.tls_pairs import Ear, HalfEar, abort, connect, facing, lose, lost, numbered, pair
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted_compat.interfaces import IPullProducer, IPushProducer

pytestmark = pytest.mark.without_debug

MEGABYTE = 1 << 20
MOST = MEGABYTE
"""Bytes: a producer has to wait before so many do."""


class _Producer:
    """Writes a numbered stream of ``total`` bytes.

    :ivar written: bytes so far.
    """

    streaming = False

    def __init__(self, total: int, piece: int = 10_000) -> None:
        self.total = total
        self.piece = piece
        self.written = 0
        self.paused = False
        self.pauses = 0
        self.stops = 0
        self.consumer: Any = None

    def feed(self, ear: Any) -> None:
        """Begin to feed the transport of a protocol."""
        self.reactor = ear.transport.reactor
        self.consumer = ear.transport
        self.consumer.registerProducer(self, self.streaming)

    def write(self) -> None:
        size = min(self.piece, self.total - self.written)
        self.written += size
        self.consumer.write(numbered(size, self.written - size))
        if self.written == self.total:
            self.consumer.unregisterProducer()

    @property
    def finished(self) -> bool:
        return self.written == self.total

    def stopProducing(self) -> None:
        self.stops += 1


@implementer(IPushProducer)
class Push(_Producer):
    """Writes a piece on each turn, unless it has been told to wait."""

    streaming = True

    def feed(self, ear: Any) -> None:
        super().feed(ear)
        self._go_on()

    def _go_on(self) -> None:
        if not (self.paused or self.stops or self.finished):
            self.reactor.callLater(0, self._go_on)
            self.write()

    def pauseProducing(self) -> None:
        assert not self.paused
        self.paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        assert self.paused
        self.paused = False
        self.reactor.callLater(0, self._go_on)


@implementer(IPullProducer)
class Pull(_Producer):
    """Writes a piece whenever it is asked."""

    def resumeProducing(self) -> None:
        assert not self.stops and not self.finished
        self.write()


class Idle:
    """A producer of nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def stopProducing(self) -> None:
        self.told.append("stop")


@pytest.mark.parametrize("kind", [Push, Pull])
async def test_a_producer_waits_for_a_slow_reader(certificates: Any, kind: Any) -> None:
    producer = kind(4 * MEGABYTE, 50_000)
    async with facing(certificates, narrow=True) as both:
        producer.feed(both.ear)
        before = -1
        while producer.written != before:
            before = producer.written
            await turns(20)
        assert producer.written < 2 * MOST  # the kernel's buffers are full, and ours
        assert producer.paused is (kind is Push)
        producer.total = 2 * MEGABYTE
        assert await both.other.hear(2 * MEGABYTE) == numbered(2 * MEGABYTE)
        assert producer.finished and producer.stops == 0


@pytest.mark.parametrize("role", ["server", "client"])
async def test_a_streaming_producer_waits_for_the_handshake(certificates: Any, role: str) -> None:
    producer = Push(2 * MEGABYTE, 50_000)
    async with facing(certificates, Ear(made=producer.feed), role=role, opened=False) as both:
        await until(lambda: producer.paused)
        await turns(10)
        assert producer.written < MOST
        await both.opened()
        assert await both.other.hear(producer.total) == numbered(producer.total)
        await until(lambda: producer.finished)
        both.ear.transport.write(b"and more")
        assert await both.other.hear(8) == b"and more"


async def test_a_pull_producer_waits_for_the_handshake(certificates: Any) -> None:
    producer = Pull(2 * MEGABYTE, 50_000)
    async with facing(certificates, Ear(made=producer.feed), opened=False) as both:
        await turns(30)
        assert producer.written < MOST
        await both.opened()
        assert await both.other.hear(producer.total) == numbered(producer.total)
        assert producer.finished


@pytest.mark.parametrize("kind", [Push, Pull])
async def test_closing_waits_for_the_producer(certificates: Any, kind: Any) -> None:
    for method in ("loseConnection", "loseWriteConnection"):
        producer = kind(400_000)
        async with facing(certificates) as both:
            producer.feed(both.ear)
            getattr(both.ear.transport, method)()
            assert await both.other.hear() == numbered(400_000)
            assert producer.finished and producer.stops == 0
            await both.other.notify()
            await lost(both.ear, ConnectionDone)


async def test_closing_amid_the_handshake_waits_for_the_producer(certificates: Any) -> None:
    producer = Push(200_000)

    def feed_and_close(ear: Ear) -> None:
        producer.feed(ear)
        lose(ear)

    async with facing(certificates, Ear(made=feed_and_close), role="client", opened=False) as both:
        await both.other.handshake()
        assert await both.other.hear() == numbered(200_000)
        await both.other.notify()
        await lost(both.ear, ConnectionDone)


async def test_a_producer_that_writes_nothing_holds_the_closing_up_until_it_leaves(certificates: Any) -> None:
    async with facing(certificates, ssl_shutdown_timeout=0.01) as both:
        idle = Idle()
        both.ear.transport.registerProducer(idle, True)
        lose(both.ear)
        await until(lambda: both.ear.transport.disconnecting)
        await turns(20)
        assert not both.ear.lost
        both.ear.transport.write(b"one more thing")
        assert await both.other.hear(14) == b"one more thing"
        both.ear.transport.unregisterProducer()
        both.ear.transport.write(b"dropped")
        assert await both.other.hear() == b""
        await lost(both.ear, ConnectionDone)
        assert idle.told == []


async def test_a_producer_is_waited_for_though_the_peer_has_closed_its_half(certificates: Any) -> None:
    async with facing(certificates) as both:
        both.ear.transport.registerProducer(idle := Idle(), True)
        lose(both.ear)
        await both.other.notify()
        await turns(10)
        both.ear.transport.write(b"the rest")
        assert await both.other.hear(8) == b"the rest"
        both.ear.transport.unregisterProducer()
        await lost(both.ear, ConnectionDone)
        assert await both.other.hear() == b"" and idle.told == []


@pytest.mark.parametrize("how", ["abort", "reset", "close_notify", "truncated"])
async def test_the_loss_stops_the_producer(
    certificates: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    reasons = {"abort": ConnectionAborted, "close_notify": ConnectionDone}
    async with facing(certificates) as both:
        idle, late = Idle(), Idle()
        both.ear.transport.registerProducer(idle, True)
        if how == "abort":
            abort(both.ear)
        elif how == "reset":
            both.other.reset()
        elif how == "close_notify":
            await both.other.notify()
        else:
            both.other.end()
        await lost(both.ear, reasons.get(how, ConnectionLost))
        assert idle.told == ["stop"]
        both.ear.transport.registerProducer(late, True)
        assert late.told == ["stop"]
    assert errors(caplog) == []


async def test_a_second_producer_is_refused(certificates: Any) -> None:
    async with pair(certificates, opened=False) as both:
        await until(lambda: both.client.events)
        for _ in range(2):
            both.client.transport.registerProducer(Idle(), True)
            with pytest.raises(RuntimeError):
                both.client.transport.registerProducer(Idle(), True)
            both.client.transport.unregisterProducer()
            await both.opened()


@pytest.mark.parametrize("kind", [Push, Pull])
async def test_what_a_producer_does_when_it_is_told_something(certificates: Any, kind: Any) -> None:
    """Writing a little more when it is told to pause; leaving, closing, or aborting when it is to go on."""

    class Willful(kind):  # type: ignore[misc]  # one of two
        def pauseProducing(self) -> None:
            super().pauseProducing()
            self.consumer.write(b"!")

        def resumeProducing(self) -> None:
            if self.pauses or not self.streaming:
                self.consumer.unregisterProducer()
                self.consumer.write(b"?")
                getattr(self.consumer, then)()

        def stopProducing(self) -> None:
            raise AssertionError("it has left")

    for then, reason in (("loseConnection", ConnectionDone), ("abortConnection", ConnectionAborted)):
        producer = Willful(4 * MEGABYTE, 50_000)
        async with facing(certificates, narrow=True) as both:
            producer.feed(both.ear)
            await until(lambda producer=producer: producer.pauses or kind is Pull)
            if then == "loseConnection":
                heard = await both.other.hear()
                assert heard[-1:] == b"?" and heard.count(b"!", producer.written) == producer.pauses
                await both.other.notify()
            else:
                await both.other.ended()
            await lost(both.ear, reason)


# What is received


@with_each_library
async def test_paused_inside_data_received_nothing_more_is_delivered(certificates: Any, library: str) -> None:
    """Though it is decrypted, or waits in TCP. The end of the stream neither."""
    data = numbered(400_000)
    ear = HalfEar(data=lambda ear: ear.transport.pauseProducing())
    async with facing(certificates, ear, library=library) as both:
        await both.other.send(both.other.encrypted(data) + both.other.farewell())
        both.other.end()
        await until(lambda: ear.received)
        resumed = 0
        while len(ear.received) < len(data):
            held = len(ear.received)
            await turns(10)
            assert len(ear.received) == held and ear.events[-1] == "data"
            ear.transport.resumeProducing()
            resumed += 1
            await until(lambda held=held: len(ear.received) > held)
        assert resumed > 1 and ear.received == data
        await turns(10)
        assert ear.events == ["made", "handshake", "data"]
        ear.transport.resumeProducing()
        await until(lambda: "read_lost" in ear.events)
        lose(ear)
        await lost(ear, ConnectionDone)


async def test_the_end_is_held_back_while_paused(certificates: Any) -> None:
    """Its protocol doesn't know of halves."""
    async with facing(certificates) as both:
        both.ear.transport.pauseProducing()
        await both.other.send(both.other.encrypted(b"the end") + both.other.farewell())
        both.other.end()
        await turns(20)
        assert both.ear.events == ["made", "handshake"]
        both.ear.transport.resumeProducing()
        await lost(both.ear, ConnectionDone)
        assert both.ear.received == b"the end"


@with_each_library
async def test_paused_from_the_beginning(certificates: Any, library: str) -> None:
    """As relays do until they are connected on."""
    server = Ear(made=lambda ear: ear.transport.pauseProducing())
    client = Ear(made=lambda ear: ear.transport.write(b"early"))
    async with pair(certificates, server, client, library=library, opened=False) as both:
        await until(lambda: server.events and client.events)
        await turns(20)
        assert "data" not in server.events
        server.transport.resumeProducing()
        await until(lambda: server.received == b"early")
        await both.opened()


async def test_pausing_and_resuming_at_once_changes_nothing(certificates: Any) -> None:
    def blink(ear: Ear) -> None:
        ear.transport.pauseProducing()
        ear.transport.resumeProducing()
        ear.transport.resumeProducing()

    data = numbered(300_000)
    async with facing(certificates, Ear(made=blink, handshake=blink, data=blink), opened=False) as both:
        await both.opened()
        await both.other.say(data)
        await until(lambda: len(both.ear.received) >= len(data))
        assert both.ear.received == data


async def test_paused_the_peer_has_to_wait(certificates: Any) -> None:
    """What nobody wants is not read for it either, once the handshake is through."""
    data = numbered(2 * MEGABYTE)
    ear = Ear(made=lambda ear: ear.transport.pauseProducing())
    async with facing(certificates, ear, narrow=True) as both:
        sending = asyncio.ensure_future(both.other.say(data))
        await turns(200)
        assert not sending.done() and not both.ear.received
        both.ear.transport.resumeProducing()
        await sending
        await until(lambda: len(both.ear.received) == len(data))
        assert both.ear.received == data


async def test_paused_as_the_handshake_completes(certificates: Any) -> None:
    """With data right behind it, and more to come. However often it is resumed, the order is kept."""
    ear = Ear(handshake=lambda ear: ear.transport.pauseProducing())
    async with facing(certificates, ear, opened=False) as both:
        send, sent = both.other.send, bytearray()

        async def hold(data: bytes) -> None:
            await send(data) if not sent else None
            sent.extend(data)

        both.other.send = hold
        await both.other.handshake()
        hello = len(sent) - len(sent[sent.index(b"\x14\x03\x03\x00\x01\x01") :])
        await send(bytes(sent[hello:]) + both.other.encrypted(b"data"))
        await until(lambda: ear.opened)
        await send(both.other.encrypted(b", and more"))
        await turns(10)
        assert ear.events == ["made", "handshake"]
        ear.transport.resumeProducing()
        ear.transport.resumeProducing()
        await until(lambda: len(ear.received) == 14)
        assert ear.received == b"data, and more"


@pytest.mark.parametrize("how", ["close", "abort", "reset"])
async def test_the_end_while_paused(certificates: Any, how: str) -> None:
    """One's own closing needs no resuming; what the peer does is heard of afterwards."""
    async with facing(certificates) as both:
        both.ear.transport.pauseProducing()
        await both.other.say(b"unheard")
        await turns()
        if how == "close":
            lose(both.ear)
            assert await both.other.hear() == b""
            await both.other.notify()
            await lost(both.ear, ConnectionDone)
        elif how == "abort":
            abort(both.ear)
            await lost(both.ear, ConnectionAborted)
        else:
            both.other.reset()
            await turns()
            both.ear.transport.resumeProducing()
            await lost(both.ear, ConnectionLost)
        assert not both.ear.received or how == "reset"


async def test_stop_producing_closes(certificates: Any) -> None:
    async with pair(certificates) as both:
        both.client.transport.stopProducing()
        await both.over()
        assert both.client.reason.check(ConnectionDone)


# A relay


class Joint(Ear):
    """One end of a relay: what it hears, ``beyond`` says."""

    beyond: Any = None

    def join(self, beyond: Any) -> None:
        self.beyond, beyond.beyond = beyond, self
        self.transport.registerProducer(beyond.transport, True)
        beyond.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.beyond.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.beyond.transport.loseConnection()


async def test_a_relay_between_two_connections_passes_everything_on(certificates: Any) -> None:
    """With each of them the producer of the other, as port forwarders have it; its ends are slow in turns."""
    size = 2 * MEGABYTE
    client_context = certificates.client_context()
    async with AsyncioReactor() as reactor:
        far = Push(size, 100_000)
        server = Ear(handshake=far.feed)
        listening = Listening(build=lambda addr: server)
        port = reactor.listenSSL(
            0, listening, certificates.server_context("pyopenssl"), interface="127.0.0.1"
        )

        def go_on(inner: Joint) -> None:
            inner.transport.pauseProducing()
            outer = Joint(made=lambda outer: (outer.join(inner), inner.transport.resumeProducing()))
            connect(reactor, port.getHost().port, outer, client_context)

        relaying = Listening(build=lambda addr: Joint(made=go_on))
        relay = reactor.listenSSL(0, relaying, certificates.server_context(), interface="127.0.0.1")
        near = Push(size, 100_000)
        client = Ear(handshake=near.feed)
        connect(reactor, relay.getHost().port, client, client_context)
        await until(lambda: server.received and client.received)
        for slow in (client, server):
            slow.transport.pauseProducing()
            await turns(20)
            slow.transport.resumeProducing()
        await until(lambda: len(server.received) == len(client.received) == size)
        assert server.received == client.received == numbered(size)
        client.transport.write(b"the end")
        lose(client)
        await lost(server, ConnectionDone)
        assert server.received[size:] == b"the end"
        await lost(client, ConnectionDone)
        await until(lambda: all(joint.lost for joint in relaying.protocols))
