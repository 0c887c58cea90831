"""Twisted's vocabulary: the engine claims the interfaces of Twisted's that it provides, and hands out
addresses, errors, Failures and Deferreds of Twisted's."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import error, interfaces
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import (
    ClientFactory,
    ConnectedDatagramProtocol,
    DatagramProtocol,
    Factory,
    Protocol,
)
from twisted.python.failure import Failure
from zope.interface import implementedBy, providedBy
from zope.interface.verify import verifyObject

from tests.bridge.twisted.ecosystem.reactors import result
from tests.support import free_port, until, within
from twisted_compat import AsyncioReactor
from twisted_compat import error as our_error
from twisted_compat.bridge.twisted import TWISTED, TwistedReactor

pytestmark = pytest.mark.usefixtures("empty_place")


class Notes(Protocol):
    """Keeps what it is told."""

    reason: Any = None

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason


class Dialing(ClientFactory):
    """Keeps what it is told."""

    protocol = Notes
    failed: Any = None
    made: Any = None

    def buildProtocol(self, addr: Any) -> Any:
        self.made = super().buildProtocol(addr)
        return self.made

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed = reason


def claimed(thing: Any) -> set[str]:
    """The interfaces of Twisted's that a thing claims, by name."""
    return {
        interface.__name__ for interface in providedBy(thing) if interface.__module__ == interfaces.__name__
    }


def verify(thing: Any) -> None:
    """Everything of Twisted's that it claims it has."""
    for interface in providedBy(thing):
        if interface.__module__ == interfaces.__name__:
            assert verifyObject(interface, thing)


async def test_every_interface_that_is_claimed_is_provided() -> None:
    server = Factory.forProtocol(Notes)
    dialing = Dialing()
    async with TwistedReactor() as reactor:
        port = reactor.listenTCP(0, server, interface="127.0.0.1")
        connector = reactor.connectTCP("127.0.0.1", port.getHost().port, dialing)
        await until(lambda: dialing.made and dialing.made.transport)
        delayed = reactor.callLater(3600, print)
        everything = {
            "IListeningPort": port,
            "IConnector": connector,
            "IDelayedCall": delayed,
            "ITCPTransport": dialing.made.transport,
            "IReactorTCP": reactor,
            "IHostnameResolver": reactor.nameResolver,
        }
        for name, thing in everything.items():
            assert name in claimed(thing)
            verify(thing)
        assert claimed(reactor) >= {
            "IReactorCore",
            "IReactorFDSet",
            "IReactorMulticast",
            "IReactorPluggableNameResolver",
            "IReactorPluggableResolver",
            "IReactorSSL",
            "IReactorSocket",
            "IReactorTCP",
            "IReactorThreads",
            "IReactorTime",
            "IReactorUDP",
            "IReactorUNIX",
            "IReactorUNIXDatagram",
        }
        assert claimed(dialing.made.transport) >= {
            "IConsumer",
            "IPushProducer",
            "IReadWriteDescriptor",
            "ISystemHandle",
            "ITLSTransport",
            "ITransport",
        }


async def test_ports_for_datagrams_and_unix_sockets_are_twisteds_too(tmp_path: Path) -> None:
    one, other = str(tmp_path / "stream"), str(tmp_path / "datagrams")
    dialing = Dialing()
    async with TwistedReactor() as reactor:
        made = {
            "IUDPTransport": reactor.listenUDP(0, DatagramProtocol()),
            "IMulticastTransport": reactor.listenMulticast(0, DatagramProtocol()),
            "IListeningPort": reactor.listenUNIX(one, Factory.forProtocol(Notes)),
            "IUNIXDatagramTransport": reactor.listenUNIXDatagram(other, DatagramProtocol()),
            "IUNIXDatagramConnectedTransport": reactor.connectUNIXDatagram(
                other, ConnectedDatagramProtocol()
            ),
            "IConnector": reactor.connectUNIX(one, dialing),
        }
        await until(lambda: dialing.made and dialing.made.transport)
        made["IUNIXTransport"] = dialing.made.transport
        for name, thing in made.items():
            assert name in claimed(thing)
            verify(thing)
        assert type(made["IUDPTransport"].getHost()) is IPv4Address
        assert type(made["IUNIXTransport"].getPeer()) is UNIXAddress


def test_before_it_has_a_loop_it_claims_the_same() -> None:
    reactor = TwistedReactor()
    assert {"IReactorCore", "IReactorTCP", "IReactorThreads", "IReactorTime"} <= claimed(reactor)


def test_what_has_the_name_of_ours_and_is_provided_is_claimed() -> None:
    for interface in implementedBy(AsyncioReactor):
        theirs = getattr(interfaces, interface.__name__, None)
        assert theirs is None or theirs.implementedBy(TwistedReactor), interface


@pytest.mark.parametrize(
    ("host", "kind"), [("127.0.0.1", IPv4Address), ("::1", IPv6Address)], ids=["ipv4", "ipv6"]
)
async def test_addresses_and_ends_are_of_twisteds_kind(host: str, kind: Any) -> None:
    async with TwistedReactor() as reactor:
        addresses: list[Any] = []

        class Listening(Factory):
            made: Any = None

            def buildProtocol(self, addr: Any) -> Any:
                addresses.append(addr)
                self.made = Notes()
                return self.made

        factory = Listening()
        dialing = Dialing()
        port = reactor.listenTCP(0, factory, interface=host)
        connector = reactor.connectTCP(host, port.getHost().port, dialing)
        await until(lambda: factory.made and dialing.made and dialing.made.transport)
        ends = [port.getHost(), connector.getDestination(), *addresses]
        for protocol in (factory.made, dialing.made):
            ends += [protocol.transport.getHost(), protocol.transport.getPeer()]
        assert {type(end) for end in ends} == {kind}
        assert addresses == [dialing.made.transport.getHost()]
        assert {(end.type, end.host) for end in ends} == {("TCP", host)}
        dialing.made.transport.loseConnection()
        await until(lambda: dialing.made.reason and factory.made.reason)
        for protocol in (factory.made, dialing.made):
            assert type(protocol.reason) is Failure
            assert type(protocol.reason.value) is error.ConnectionDone


async def test_what_goes_wrong_is_told_in_twisteds_errors() -> None:
    async with TwistedReactor() as reactor:
        port = reactor.listenTCP(0, Factory.forProtocol(Notes), interface="127.0.0.1")
        with pytest.raises(error.CannotListenError) as caught:
            reactor.listenTCP(port.getHost().port, Factory(), interface="127.0.0.1")
        assert type(caught.value) is error.CannotListenError
        dialing = Dialing()
        reactor.connectTCP("127.0.0.1", free_port(), dialing)
        await until(lambda: dialing.failed)
        assert type(dialing.failed) is Failure
        assert dialing.failed.check(error.ConnectionRefusedError, error.ConnectError)
        assert not dialing.failed.check(our_error.ConnectError)
        left, right = socket.socketpair()
        with left, right, pytest.raises(error.UnsupportedAddressFamily):
            reactor.adoptStreamConnection(left.fileno(), 9999, Factory())
        call = reactor.callLater(3600, print)
        call.cancel()
        with pytest.raises(error.AlreadyCancelled):
            call.cancel()
        looking = reactor.resolve("a name that no one has.invalid")
        assert type(looking) is Deferred
        with pytest.raises(error.DNSLookupError):
            await result(looking)
        reactor.stop()
        with pytest.raises(error.ReactorNotRunning):
            reactor.stop()
        await within(reactor.stopped())


async def test_a_port_stops_with_a_deferred_of_twisteds() -> None:
    async with TwistedReactor() as reactor:
        port = reactor.listenTCP(0, Factory.forProtocol(Notes), interface="127.0.0.1")
        stopping = port.stopListening()
        assert type(stopping) is Deferred
        assert await result(stopping) is None
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port.getHost().port)


def test_the_vocabulary_is_twisteds() -> None:
    assert (TWISTED.error, TWISTED.interfaces) == (error, interfaces)
    assert (TWISTED.defer.Deferred, TWISTED.failure.Failure) == (Deferred, Failure)
    assert TWISTED.address.IPv4Address is IPv4Address
