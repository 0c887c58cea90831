"""Endpoints on reactors that aren't ours, such as those that tests have: they keep what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface import directlyProvides

from tests.endpoints.attempts import outcome
from tests.support import TWISTED_IS_INSTALLED
from tests.transport.recorders import Connecting, Listening, Recorder
from tests.transport.unix_sockets import Halves, Receiver
from twisted_compat.address import IPv4Address, UNIXAddress
from twisted_compat.defer import Deferred
from twisted_compat.endpoints import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    UNIXServerEndpoint,
    connectProtocol,
)
from twisted_compat.error import ConnectingCancelledError, NoProtocol
from twisted_compat.failure import Failure
from twisted_compat.interfaces import (
    IFileDescriptorReceiver,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
)


class Connector:
    """Of an attempt that comes to nothing by itself."""

    def __init__(self, address: Any, told: list[str]) -> None:
        self.address = address
        self.told = told

    def getDestination(self) -> Any:
        return self.address

    def stopConnecting(self) -> None:
        self.told.append("stop")

    def disconnect(self) -> None:
        self.told.append("disconnect")


class Reactor:
    """Keeps what it is told, and has no words of its own."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.told: list[str] = []

    def connectTCP(
        self, host: Any, port: Any, factory: Any, timeout: Any = 30, bindAddress: Any = None
    ) -> Any:
        return self._connect(IPv4Address("TCP", host, port), factory, timeout, bindAddress)

    def connectUNIX(self, address: Any, factory: Any, timeout: Any = 30, checkPID: Any = 0) -> Any:
        return self._connect(UNIXAddress(address), factory, timeout, checkPID)

    def _connect(self, address: Any, factory: Any, *options: Any) -> Any:
        self.factory = factory
        self.asked.append((address, *options))
        connector = Connector(address, self.told)
        factory.doStart()
        factory.startedConnecting(connector)
        return connector

    def listenTCP(self, *args: Any, **options: Any) -> Any:
        self.asked.append((args, options))
        return "a port"

    listenUNIX = listenSSL = listenTCP

    def connectSSL(
        self,
        host: Any,
        port: Any,
        factory: Any,
        contextFactory: Any,
        timeout: Any = 30,
        bindAddress: Any = None,
    ) -> Any:
        address = IPv4Address("TCP", host, port)
        return self._connect(address, factory, contextFactory, timeout, bindAddress)


ADDRESS = IPv4Address("TCP", "192.0.2.1", 80)


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def endpoint(reactor: Reactor) -> Any:
    return TCP4ClientEndpoint(reactor, "192.0.2.1", 80, 5, b"192.0.2.7")


def test_a_client_asks_for_what_it_was_told(reactor: Reactor, endpoint: Any) -> None:
    assert isinstance(endpoint.connect(Connecting()), Deferred)
    UNIXClientEndpoint(reactor, "/run/it", 7, checkPID=1).connect(Connecting())
    SSL4ClientEndpoint(reactor, "192.0.2.1", 80, "a context", 6, "192.0.2.8").connect(Connecting())
    assert reactor.asked == [
        (ADDRESS, 5, ("192.0.2.7", 0)),
        (UNIXAddress("/run/it"), 7, 1),
        (ADDRESS, "a context", 6, ("192.0.2.8", 0)),
    ]


def test_a_server_asks_for_what_it_was_told(reactor: Reactor) -> None:
    factory = Listening()
    for server in (
        TCP4ServerEndpoint(reactor, 80, 3, "192.0.2.7"),
        UNIXServerEndpoint(reactor, "/run/it", 4, 0o600, True),
        SSL4ServerEndpoint(reactor, 443, "a context", 5, "192.0.2.8"),
    ):
        assert outcome(server.listen(factory)) == ["a port"]
    assert reactor.asked == [
        ((80, factory), {"backlog": 3, "interface": "192.0.2.7"}),
        (("/run/it", factory), {"backlog": 4, "mode": 0o600, "wantPID": True}),
        ((443, factory), {"contextFactory": "a context", "backlog": 5, "interface": "192.0.2.8"}),
    ]


def test_the_protocol_is_told_through_what_the_reactor_was_given(reactor: Reactor, endpoint: Any) -> None:
    factory = Connecting()
    found = outcome(endpoint.connect(factory))
    built = reactor.factory.buildProtocol(ADDRESS)
    (protocol,) = factory.protocols
    assert factory.addresses == [ADDRESS] and not found
    transport = object()
    built.makeConnection(transport)
    assert found == [protocol] and protocol.transport is transport and protocol.made == 1
    built.dataReceived(b"hello")
    built.connectionLost("a reason")
    assert (protocol.received, protocol.reasons) == (b"hello", ["a reason"])
    reactor.factory.doStop()
    assert factory.events == ["start", "stop"]


def test_what_it_gives_provides_what_the_protocol_does(reactor: Reactor, endpoint: Any) -> None:
    class Listener(Recorder):
        handshakes = 0

        def handshakeCompleted(self) -> None:
            self.handshakes += 1

        def logPrefix(self) -> str:
            return "a listener"

    listener = Listener()
    directlyProvides(listener, IHandshakeListener, ILoggingContext)
    asked_for = (IHalfCloseableProtocol, IFileDescriptorReceiver, IHandshakeListener)
    for protocol, provided in (
        (Recorder(), None),
        (Halves(), IHalfCloseableProtocol),
        (Receiver(), IFileDescriptorReceiver),
        (listener, IHandshakeListener),
    ):
        connectProtocol(endpoint, protocol)
        built = reactor.factory.buildProtocol(ADDRESS)
        built.makeConnection(None)
        assert [each for each in asked_for if each.providedBy(built)] == [provided][: provided is not None]
        if provided is IHalfCloseableProtocol:
            built.readConnectionLost()
            built.writeConnectionLost()
            assert protocol.halves == ["read", "write"]
        elif provided is IFileDescriptorReceiver:
            built.fileDescriptorReceived(77)
            assert protocol.arrived == [77]
        elif provided is IHandshakeListener:
            built.handshakeCompleted()
            assert protocol.handshakes == 1
            assert ILoggingContext.providedBy(built) and built.logPrefix() == "a listener"


def test_failures_are_told(reactor: Reactor, endpoint: Any) -> None:
    found = outcome(endpoint.connect(Connecting()))
    reason = Failure(ValueError("no"))
    reactor.factory.clientConnectionFailed(None, reason)
    assert found == [reason]
    found = outcome(endpoint.connect(Connecting(build=lambda addr: None)))
    assert reactor.factory.buildProtocol(ADDRESS) is None
    assert found[0].check(NoProtocol)


def test_a_protocol_that_raises_fails_it(reactor: Reactor, endpoint: Any) -> None:
    def fail(protocol: Any) -> None:
        raise ZeroDivisionError

    class Raising(Recorder):
        on_made = staticmethod(fail)

    found = outcome(endpoint.connect(Connecting(Raising)))
    with pytest.raises(ZeroDivisionError):
        reactor.factory.buildProtocol(ADDRESS).makeConnection(None)
    assert found[0].check(ZeroDivisionError)


def test_the_log_has_the_factorys_name(reactor: Reactor, endpoint: Any) -> None:
    endpoint.connect(Connecting())
    assert ILoggingContext.providedBy(reactor.factory) and reactor.factory.logPrefix() == "Connecting"


def test_cancelling_stops_it(reactor: Reactor, endpoint: Any) -> None:
    connecting = endpoint.connect(Connecting())
    found = outcome(connecting)
    connecting.cancel()
    assert found[0].check(ConnectingCancelledError) and found[0].value.address == ADDRESS
    assert reactor.told == ["stop"]
    reactor.factory.clientConnectionFailed(None, Failure(ValueError("as it was stopped")))
    assert len(found) == 1


def test_a_reactor_that_only_returns_a_connector(reactor: Reactor) -> None:
    class Silent(Reactor):
        def _connect(self, address: Any, factory: Any, *options: Any) -> Any:
            return Connector(address, self.told)

    silent = Silent()
    connecting = TCP4ClientEndpoint(silent, "192.0.2.1", 80).connect(Connecting())
    found = outcome(connecting)
    connecting.cancel()
    assert found[0].check(ConnectingCancelledError) and found[0].value.address == ADDRESS
    assert silent.told == ["stop"]


def test_cancelled_while_the_protocol_is_built_there_is_none(reactor: Reactor, endpoint: Any) -> None:
    def build(addr: Any) -> Any:
        connecting.cancel()
        return Recorder()

    connecting = endpoint.connect(Connecting(build=build))
    found = outcome(connecting)
    assert reactor.factory.buildProtocol(ADDRESS) is None
    assert found[0].check(ConnectingCancelledError)


@pytest.mark.parametrize("way", ["abortConnection", "loseConnection"])
def test_cancelled_before_it_is_told_it_closes(reactor: Reactor, endpoint: Any, way: str) -> None:
    """In whichever way the transport can."""

    class Transport:
        def loseConnection(self) -> None:
            closed.append("loseConnection")

    closed: list[str] = []
    if way == "abortConnection":
        Transport.abortConnection = lambda self: closed.append(way)
    connecting = endpoint.connect(Connecting())
    found = outcome(connecting)
    built = reactor.factory.buildProtocol(ADDRESS)
    connecting.cancel()
    built.makeConnection(Transport())
    assert found[0].check(ConnectingCancelledError) and len(found) == 1
    assert closed == [way]


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")
def test_the_reactor_that_twisteds_tests_have() -> None:
    from twisted.internet.testing import MemoryReactorClock, StringTransport

    reactor = MemoryReactorClock()
    factory = Connecting()
    found = outcome(TCP4ClientEndpoint(reactor, "192.0.2.1", 80).connect(factory))
    host, port, given, timeout, binding = reactor.tcpClients[0]
    assert (host, port, timeout, binding) == ("192.0.2.1", 80, 30, None)
    transport = StringTransport()
    given.buildProtocol(ADDRESS).makeConnection(transport)
    assert found == factory.protocols and found[0].transport is transport
    connecting = UNIXClientEndpoint(reactor, "/run/it").connect(Connecting())
    found = outcome(connecting)
    connecting.cancel()
    assert found[0].check(ConnectingCancelledError)
    assert reactor.connectors[-1].stoppedConnecting
    TCP4ServerEndpoint(reactor, 80).listen(Listening())
    assert reactor.tcpServers[0][0] == 80
