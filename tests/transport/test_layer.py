"""A layer that is put between a connection and its protocol midway: here one that turns every bit over."""

from __future__ import annotations

import asyncio
import socket
import weakref
from typing import Any

import pytest
from zope.interface import implementer, providedBy

from tests.support import until, within
from tests.transport.peers import Notes, serving, turns
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted_compat.failure import Failure
from twisted_compat.interfaces import IPushProducer, ITCPTransport
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.layer import Beneath, put_layer, take_layer_away

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * 4096  # 1 MiB: beyond what a socket takes at once
NOT = bytes(255 - number for number in range(256))


def turned(data: bytes) -> bytes:
    """The same with every bit turned over."""
    return data.translate(NOT)


class Layer:
    """Turns over what goes through it; says "bye" before it closes."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.beneath: Any = None
        self.reasons: list[Any] = []
        self.closings = 0

    # The transport's side

    def makeConnection(self, beneath: Any) -> None:
        self.beneath = beneath

    def dataReceived(self, data: bytes) -> None:
        self.protocol.dataReceived(turned(data))

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason)
        self.protocol.connectionLost(reason)

    # The protocol's side

    def write(self, data: bytes) -> None:
        self.beneath.write(turned(data))

    def writeSequence(self, iovec: Any) -> None:
        self.beneath.writeSequence([turned(piece) for piece in iovec])

    def loseConnection(self) -> None:
        self.closings += 1
        self.write(b"bye")
        self.beneath.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.beneath.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.beneath.unregisterProducer()

    def getHandle(self) -> Any:
        return "the layer's handle"

    def getPeerCertificate(self) -> Any:
        return "the layer's certificate"


def put(protocol: Any) -> Layer:
    """Put a layer between a protocol and its transport."""
    layer = Layer(protocol)
    layer.makeConnection(put_layer(protocol.transport, layer))
    return layer


async def test_both_directions_go_through_it() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport = protocol.transport
        transport.write(b"plain before, ")
        layer = put(protocol)
        transport.write(b"turned, ")
        transport.writeSequence([b"and ", b"so on"])
        expected = b"plain before, " + turned(b"turned, and so on")
        assert await peer.read(len(expected)) == expected
        await peer.send(turned(b"hello"))
        await until(lambda: protocol.received == b"hello")
        assert transport.protocol is layer
        assert transport.TLS
        transport.write(BIG)
        assert await peer.read(len(BIG)) == turned(BIG)


async def test_a_protocol_may_put_it_there_as_it_reads() -> None:
    class Starting(Notes):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if data == b"start":
                self.transport.write(b"go ahead")
                put(self)
                self.transport.write(b"welcome")

    async with serving(Starting) as bench:
        protocol, peer = await bench.dial()
        await peer.send(b"start")
        assert await peer.read(15) == b"go ahead" + turned(b"welcome")
        await peer.send(turned(b"secret"))
        await until(lambda: protocol.received == b"startsecret")


@pytest.mark.parametrize("close", ["loseConnection", "stopProducing", "stopConsuming"])
async def test_every_way_to_close_goes_through_it(close: str) -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        layer = put(protocol)
        protocol.transport.write(b"last words, ")
        getattr(protocol.transport, close)()
        assert await peer.read_all() == turned(b"last words, bye")
        await until(lambda: protocol.lost)
        assert layer.closings == 1
        assert [reason.type for reason in layer.reasons] == [ConnectionDone]


async def test_aborting_goes_around_it() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        layer = put(protocol)
        protocol.transport.write(BIG)
        protocol.transport.abortConnection()
        protocol.transport.write(b"never sent")
        await until(lambda: protocol.lost)
        assert layer.closings == 0
        assert protocol.reason.check(ConnectionAborted)
        with pytest.raises(ConnectionResetError):
            await peer.read_all()


async def test_the_reactor_closes_it_in_peace() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        layer = put(protocol)
        reading = asyncio.ensure_future(peer.read_all())
        bench.reactor.stop()
        assert await within(reading) == turned(b"bye")
        await within(bench.reactor.stopped())
    assert layer.closings == 1
    assert protocol.events == ["made", "lost"]


async def test_while_and_after_it_is_lost() -> None:
    answers: list[Any] = []

    class Asking(Notes):
        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            answers.append((self.transport.getHandle(), self.transport.getPeerCertificate()))
            self.transport.write(b"nobody reads this")
            self.transport.loseConnection()

    async with serving(Asking) as bench:
        protocol, peer = await bench.dial()
        layer = put(protocol)
        peer.socket.close()
        await until(lambda: protocol.lost)
        assert answers == [("the layer's handle", "the layer's certificate")]
        transport = protocol.transport
        transport.write(b"nor this")
        transport.writeSequence([b"nor", b"this"])
        transport.loseConnection()
        transport.unregisterProducer()
        assert layer.closings == 0
        assert transport.getHandle() is transport.socket
        assert not hasattr(transport, "getPeerCertificate")


async def test_a_protocol_that_raises_as_it_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Notes):
        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            raise KeyError("as it is lost")

    async with serving(Raising) as bench:
        protocol, peer = await bench.dial()
        put(protocol)
        peer.socket.close()
        await until(lambda: protocol.lost)
        await turns()
        assert "as it is lost" in caplog.text
        assert not hasattr(protocol.transport, "getPeerCertificate")


async def test_no_cycle_is_left(no_collector: None) -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        layer = put(protocol)
        left = [weakref.ref(thing) for thing in (protocol, protocol.transport, layer, layer.beneath)]
        peer.socket.close()
        await until(lambda: bench.protocols[0].lost)
        bench.protocols.clear()
        del protocol, layer
        await until(lambda: [reference() for reference in left] == [None] * 4)


async def test_it_can_be_taken_away_again() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport = protocol.transport
        put(protocol)
        transport.write(b"turned")
        take_layer_away(transport, protocol)
        transport.write(b"plain")
        assert await peer.read(11) == turned(b"turned") + b"plain"
        await peer.send(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert not transport.TLS
        assert transport.getHandle() is transport.socket
        transport.loseConnection()
        assert await peer.read_all() == b""


# What the layer has


async def test_beneath_it_is_the_transport() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport = protocol.transport
        beneath = put(protocol).beneath
        assert type(beneath) is Beneath
        assert list(providedBy(beneath)) == list(providedBy(transport))
        assert ITCPTransport.providedBy(beneath)
        assert beneath.getHandle() is transport.socket
        assert beneath.getPeer() == transport.getPeer()
        assert (beneath.connected, beneath.disconnecting) == (1, 0)
        assert beneath.reactor is bench.reactor
        beneath.pauseProducing()
        assert transport not in bench.reactor.getReaders()
        beneath.resumeProducing()
        assert transport in bench.reactor.getReaders()
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = beneath.no_such_thing
        beneath.writeSequence([b"as ", b"it is"])
        assert await peer.read(8) == b"as it is"
        beneath.setTcpNoDelay(True)
        assert transport.getTcpNoDelay()


async def test_beneath_it_can_be_closed_with_a_reason() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        beneath = put(protocol).beneath
        beneath.write(b"the end")
        beneath.loseConnection(Failure(ConnectionLost("what the layer found")))
        assert await peer.read_all() == b"the end"
        await until(lambda: protocol.lost)
        assert "what the layer found" in str(protocol.reason.value)
        beneath.write(b"too late")
        beneath.loseConnection()


@implementer(IPushProducer)
class Pushing:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


async def test_a_producer_is_paused_for_what_waits_beneath() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial(receive_buffer=4096)
        transport = protocol.transport
        transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        put(protocol)
        producer = Pushing()
        transport.registerProducer(producer, True)
        with pytest.raises(RuntimeError, match="has a producer already"):
            transport.registerProducer(Pushing(), True)
        transport.write(BIG)
        assert producer.events == ["pause"]
        assert await peer.read(len(BIG)) == turned(BIG)
        await until(lambda: "resume" in producer.events)
        transport.unregisterProducer()
        transport.registerProducer(producer, True)
        peer.socket.close()
        await until(lambda: protocol.lost)
        assert producer.events == ["pause", "resume", "stop"]
        late = Pushing()
        transport.registerProducer(late, True)
        assert late.events == ["stop"]


def test_a_layer_can_be_put_on_any_descriptor() -> None:
    """It knows nothing of sockets."""

    class Descriptor(FileDescriptor):
        connected = 1
        protocol: Any = None
        written: Any = b""

        def startWriting(self) -> None:
            pass

    class Reactor:
        def addWriter(self, writer: Any) -> None:
            pass

    descriptor = Descriptor(Reactor())
    layer = Layer(Notes())
    layer.makeConnection(put_layer(descriptor, layer))
    descriptor.write(b"data")  # which is the layer's method now
    assert descriptor.dataBuffer == turned(b"data")
