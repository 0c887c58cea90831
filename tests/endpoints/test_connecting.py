"""What all client endpoints have in common: an attempt is told through a Deferred, and between a protocol and
its transport there is nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.endpoints.attempts import (
    KINDS,
    BareFactory,
    Place,
    Told,
    a_place,
    ended,
    failed,
    held,
    outcome,
    over,
    reset,
)
from tests.support import until, within
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Recorder
from tests.transport.unix_sockets import Halves, both_kinds, fired, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import connectProtocol
from twisted_compat.error import ConnectError
from twisted_compat.interfaces import ILoggingContext, IStreamClientEndpoint

pytestmark = pytest.mark.without_debug


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(request.param) as place:
        yield place


# -- a connection


@both_kinds
async def test_the_deferred_comes_to_the_protocol_on_its_transport(place: Place, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        assert isinstance(connecting, reactor.vocabulary.defer.Deferred)
        assert factory.events == ["start"] and not factory.protocols
        protocol = await fired(connecting)
        assert factory.protocols == [protocol] and type(protocol) is Recorder
        assert protocol.made == 1
        transport = protocol.transport
        assert transport.protocol is protocol
        assert transport.getPeer() == place.address(reactor)
        assert factory.addresses == [place.address(reactor)]
        assert type(factory.addresses[0]) is type(place.address(reactor))
        assert transport.logPrefix() == "Recorder,client"
        assert not reactor.getDelayedCalls()
        with await place.accept() as peer:
            transport.write(b"hello")
            loop = asyncio.get_running_loop()
            assert await within(loop.sock_recv(peer, 100)) == b"hello"
            await within(loop.sock_sendall(peer, b"and back"))
            await until(lambda: protocol.received == b"and back")
            transport.loseConnection()
            assert await ended(peer) == b""
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(reactor.vocabulary.error.ConnectionDone)
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)


@both_kinds
async def test_what_it_provides(place: Place, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        assert verifyObject(IStreamClientEndpoint, place.client(reactor))
        assert reactor.vocabulary.interfaces.IStreamClientEndpoint.providedBy(place.client(reactor))


@both_kinds
async def test_nothing_comes_between_made_and_fired(place: Place, kind: str) -> None:
    """All that a peer says, its end included, is there as the connection is."""
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting(Told)
        connecting = place.client(reactor).connect(factory)
        connecting.addCallback(lambda protocol: protocol.order.append("fired") or protocol)
        with await place.accept_at_once() as peer:
            peer.sendall(b"welcome")
        protocol = await fired(connecting)
        await until(lambda: protocol.reasons)
        assert protocol.order == ["made", "fired", "data", "lost"]
        assert protocol.received == b"welcome"
        assert protocol.reasons[0].check(reactor.vocabulary.error.ConnectionDone)
        assert factory.events == ["start", "stop"]
        await over(before, reactor)


async def test_the_deferred_fires_after_connection_made_has_returned() -> None:
    order: list[str] = []

    class Slow(Recorder):
        def connectionMade(self) -> None:
            order.append("begun")
            assert self.transport.protocol is self
            assert not fired_with
            order.append("returned")

    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            connecting = place.client(reactor).connect(Connecting(Slow))
            connecting.addCallback(lambda protocol: order.append("fired") or protocol)
            fired_with = outcome(connecting)
            await until(lambda: fired_with)
            assert order == ["begun", "returned", "fired"]


async def test_a_peer_that_resets_at_once(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()
        connecting = outcome(place.client(reactor).connect(factory))
        reset(await place.accept_at_once())
        await until(lambda: connecting)
        if factory.protocols:
            assert connecting == factory.protocols
            await until(lambda: connecting[0].reasons)
        else:  # as a system tells it that looks before we do
            assert connecting[0].check(ConnectError)
        assert factory.events == ["start", "stop"]
        await over(before, reactor)


async def test_what_connection_made_writes_arrives(place: Place) -> None:
    class Greeting(Recorder):
        def connectionMade(self) -> None:
            self.transport.write(b"first ")

    async with AsyncioReactor() as reactor:
        connecting = place.client(reactor).connect(Connecting(Greeting))
        connecting.addCallback(lambda protocol: protocol.transport.write(b"second") or protocol)
        protocol = await fired(connecting)
        protocol.transport.loseConnection()
        assert await ended(await place.accept()) == b"first second"


async def test_pausing_in_connection_made_holds(place: Place) -> None:
    class Paused(Recorder):
        def connectionMade(self) -> None:
            self.transport.pauseProducing()

    async with AsyncioReactor() as reactor:
        protocol = await fired(place.client(reactor).connect(Connecting(Paused)))
        (await place.accept()).sendall(b"held")
        assert protocol.transport not in reactor.getReaders()
        await turns()
        assert not protocol.received
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"held")


async def test_half_closing(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        protocol = await fired(place.client(reactor).connect(Connecting(Halves)))
        with await place.accept() as peer:
            peer.sendall(b"over")
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: protocol.halves == ["read"])
            assert protocol.received == b"over"
            protocol.transport.write(b"and out")
            protocol.transport.loseWriteConnection()
            assert await ended(peer) == b"and out"
            await until(lambda: protocol.halves == ["read", "write"])
            assert not protocol.reasons
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
        await over(before, reactor)


class Pushing:
    """A streaming producer that writes until it has written enough."""

    def __init__(self, transport: Any, enough: int) -> None:
        self.transport = transport
        self.left = enough
        self.calls: list[str] = []
        self.paused = False

    def push(self) -> None:
        while self.left and not self.paused:
            self.left -= 1
            self.transport.write(bytes(1 << 16))
        if not self.left:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.calls.append("pause")
        self.paused = True

    def resumeProducing(self) -> None:
        self.calls.append("resume")
        self.paused = False
        self.push()

    def stopProducing(self) -> None:
        raise AssertionError("nobody stops it")


async def test_a_producer_registered_in_connection_made(place: Place) -> None:
    producers: list[Pushing] = []

    class Producing(Recorder):
        def connectionMade(self) -> None:
            producers.append(Pushing(self.transport, 24))
            self.transport.registerProducer(producers[0], True)
            producers[0].push()

    async with AsyncioReactor() as reactor:
        await fired(place.client(reactor).connect(Connecting(Producing)))
        assert len(await ended(await place.accept())) == 24 << 16
        assert producers[0].calls[:2] == ["pause", "resume"]


@implementer(ILoggingContext)
class Named(Recorder):
    def logPrefix(self) -> str:
        return "a name of its own"


async def test_the_log_has_the_protocols_own_name() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            protocol = await fired(place.client(reactor).connect(Connecting(Named)))
            assert protocol.transport.logPrefix() == "a name of its own,client"


async def test_a_protocol_may_hand_its_transport_on_as_it_is_made(place: Place) -> None:
    """As those do that negotiate which protocol is spoken."""

    class First(Recorder):
        def connectionMade(self) -> None:
            self.second = Recorder()
            self.transport.protocol = self.second
            self.second.makeConnection(self.transport)

    async with AsyncioReactor() as reactor:
        protocol = await fired(place.client(reactor).connect(Connecting(First)))
        peer = await place.accept()
        peer.sendall(b"for the second")
        assert protocol.transport.protocol is protocol.second
        await until(lambda: protocol.second.received)
        peer.close()
        await until(lambda: protocol.second.reasons)
        assert not protocol.received and not protocol.reasons


class Bare:
    """A protocol with no class of ours behind it, that can be neither hashed nor compared, nor be given more
    attributes."""

    __slots__ = ("received", "transport")
    __hash__ = None  # type: ignore[assignment]  # which is what it is about

    def __init__(self) -> None:
        self.received: list[Any] = []

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __bool__(self) -> bool:
        return False

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Any) -> None:
        self.received.append("lost")


async def test_a_protocol_and_a_factory_with_no_more_than_they_need(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        factory = BareFactory(Bare())
        protocol = await fired(place.client(reactor).connect(factory))
        assert protocol is factory.protocol
        with await place.accept() as peer:
            peer.sendall(b"so")
        await until(lambda: b"so" in protocol.received and protocol.received[-1] == "lost")
        await until(lambda: factory.calls == ["start", "build", "stop"])


async def test_connecting_one_protocol(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        protocol = Recorder()
        assert await fired(connectProtocol(place.client(reactor), protocol)) is protocol
        assert protocol.transport.protocol is protocol and protocol.made == 1
        (await place.accept()).close()
        await until(lambda: protocol.reasons)
        await over(before, reactor)


async def test_connecting_one_protocol_fails_as_the_endpoint_does(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        place.close()
        protocol = Recorder()
        await failed(
            connectProtocol(place.client(reactor), protocol), reactor.vocabulary.error.ConnectionRefusedError
        )
        assert not protocol.made and not protocol.reasons


# -- an endpoint used again


async def test_an_endpoint_connects_as_often_as_it_is_asked_to(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        endpoint, factory = place.client(reactor), Connecting()
        attempts = [endpoint.connect(factory) for _ in range(12)]
        assert factory.numPorts == 12
        protocols = [await fired(attempt) for attempt in attempts]
        assert len(set(protocols)) == 12 and all(p.transport.protocol is p for p in protocols)
        for number, protocol in enumerate(protocols):
            protocol.transport.write(b"%d" % number)
            protocol.transport.loseConnection()
        said = {await ended(await place.accept()) for _ in protocols}
        assert said == {b"%d" % number for number in range(12)}
        await until(lambda: not factory.numPorts)
        assert factory.events == ["start", "stop"]
        for skt in place.accepted:
            skt.close()
        await over(before, reactor)


async def test_an_endpoint_connects_after_it_has_failed(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        endpoint, factory = place.client(reactor), Connecting()
        place.close()
        await failed(endpoint.connect(factory), reactor.vocabulary.error.ConnectionRefusedError)
        assert factory.events == ["start", "stop"] and not factory.protocols
        place.listen_again()
        assert await fired(endpoint.connect(factory)) is factory.protocols[0]
        assert factory.events == ["start", "stop", "start"]


async def test_connecting_from_within_a_callback_of_the_first(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        endpoint = place.client(reactor)
        first, second = Connecting(), Connecting()
        connecting = endpoint.connect(first)
        connecting.addCallback(lambda protocol: endpoint.connect(second))
        assert await fired(connecting) is second.protocols[0]
        assert first.protocols[0].made
