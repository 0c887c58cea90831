"""The header on transports that are none of ours, such as those of somebody's tests."""

from __future__ import annotations

import os
from typing import Any

import pytest
from zope.interface import implementer

from tests.protocols.haproxy.behind import Paused, Receiving
from tests.protocols.haproxy.headers import LOCAL, TCP4, TCP6
from tests.transport.recorders import Listening, Recorder, errors_logged
from tests.transport.unix_sockets import all_gone, descriptors
from twisted_compat.interfaces import IHalfCloseableProtocol, IHandshakeListener, ITransport
from twisted_compat.protocol import Protocol
from twisted_compat.protocols.haproxy import HAProxyWrappingFactory
from twisted_compat.task import Clock


class Stranger:
    """Somebody's transport, on which nothing can be put but another protocol."""

    __slots__ = ("__provides__", "disconnected", "paused", "protocol", "reactor")

    def __init__(self, reactor: Any, protocol: Any) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self.paused = self.disconnected = False

    def getPeer(self) -> str:
        return "the connection's peer"

    def getHost(self) -> str:
        return "the connection's host"

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def loseConnection(self) -> None:
        self.disconnected = True


class Fixed(Stranger):
    """This one doesn't say who its protocol is: it calls the same one for ever."""

    __slots__ = ("told",)

    def __init__(self, reactor: Any, protocol: Any) -> None:
        super().__init__(reactor, None)
        self.told = protocol


class Stubborn(Fixed):
    """This one says who it is, but takes no other."""

    __slots__ = ()

    protocol = property(lambda self: self.told, lambda self, protocol: self._refuse(protocol))

    def _refuse(self, protocol: Any) -> None:
        if protocol is not None:
            raise AttributeError("protocol")


def strange(kind: Any, protocol: Any) -> tuple[Any, Any, Clock]:
    """A connection by such a transport: itself, what reads its header, and its clock."""
    clock = Clock()
    reader = HAProxyWrappingFactory(Listening(protocol)).buildProtocol("the connection's peer")
    transport = kind(clock, reader)
    reader.makeConnection(transport)
    return transport, reader, clock


@implementer(ITransport)
class Provided(Stranger):
    __slots__ = ()


@implementer(IHalfCloseableProtocol)
class Half(Recorder):
    def readConnectionLost(self) -> None:
        self.received += b"."


@pytest.mark.parametrize("kind", [Provided, Fixed, Stubborn])
@pytest.mark.parametrize("header", [TCP4, LOCAL, TCP6], ids=["TCP4", "LOCAL", "TCP6"])
def test_a_strangers_transport_will_do(kind: Any, header: bytes) -> None:
    transport, reader, clock = strange(kind, Half)
    for byte in header:
        reader.dataReceived(bytes([byte]))
    (protocol,) = reader.factory.wrappedFactory.protocols
    told = protocol.transport
    assert ITransport.providedBy(told) == (kind is Provided)
    if header == LOCAL:
        assert (told.getPeer(), told.getHost()) == ("the connection's peer", "the connection's host")
    else:
        assert told.getPeer() == told.proxy_info.source and told.getPeer().port == 56324
        assert told.getHost() == told.proxy_info.destination
    assert (transport.protocol is protocol) == (kind is Provided)
    reader.dataReceived(b"hello")
    assert IHalfCloseableProtocol.providedBy(reader) == (kind is not Provided)
    if kind is not Provided:
        reader.readConnectionLost()
        with pytest.raises(AttributeError):
            reader.writeConnectionLost()
    reader.connectionLost(None)
    assert protocol.received.startswith(b"hello") and protocol.reasons == [None]
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("kind", [Provided, Fixed])
def test_a_strangers_transport_may_be_paused(kind: Any) -> None:
    transport, reader, clock = strange(kind, Paused)
    reader.dataReceived(TCP4 + b"hello")
    (protocol,) = reader.factory.wrappedFactory.protocols
    assert transport.paused and protocol.received == b""
    protocol.transport.resumeProducing()
    clock.advance(0)
    assert not transport.paused and protocol.received == b"hello"
    assert clock.getDelayedCalls() == []


def test_a_stranger_hears_of_what_is_raised_once(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Paused):
        def dataReceived(self, data: bytes) -> None:
            raise ZeroDivisionError("not today")

    transport, reader, clock = strange(Provided, Raising)
    reader.dataReceived(TCP4 + b"hello")
    reader.factory.wrappedFactory.protocols[0].transport.resumeProducing()
    clock.advance(0)
    assert transport.disconnected and len(errors_logged(caplog)) == 1


def test_what_ends_the_program_ends_it() -> None:
    def build(address: Any) -> Any:
        raise KeyboardInterrupt

    transport, reader, _ = strange(Provided, None)
    reader.factory.wrappedFactory.build = build
    with pytest.raises(KeyboardInterrupt):
        reader.dataReceived(TCP4)
    assert transport.disconnected


def test_a_stranger_may_hand_on_descriptors_whenever_it_likes() -> None:
    with descriptors(2) as passed:
        _, reader, _ = strange(Fixed, Receiving)
        reader.dataReceived(TCP4)
        reader.fileDescriptorReceived(passed[0].fd)
        assert reader.factory.wrappedFactory.protocols[0].numbers == [passed[0].fd]
        _, reader, _ = strange(Fixed, Receiving)
        reader.dataReceived(b"nonsense")
        reader.fileDescriptorReceived(os.dup(passed[1].fd))
        assert all_gone(passed)


def test_a_strangers_transport_is_closed_where_it_can_not_be_aborted() -> None:
    transport, reader, clock = strange(Provided, Recorder)
    clock.advance(10.0)
    assert transport.disconnected and reader.factory.wrappedFactory.protocols == []
    reader.dataReceived(TCP4)
    reader.connectionLost(None)
    assert reader.factory.wrappedFactory.addresses == []
    with pytest.raises(AttributeError):
        reader.readConnectionLost()


def test_a_stranger_may_tell_of_a_handshake_later() -> None:
    @implementer(IHandshakeListener)
    class Listener(Protocol):
        completed = 0

        def handshakeCompleted(self) -> None:
            self.completed += 1

    for kind, expected in ((Listener, 1), (Protocol, None)):
        _, reader, _ = strange(Fixed, kind)
        reader.dataReceived(TCP4)
        reader.handshakeCompleted()
        (protocol,) = reader.factory.wrappedFactory.protocols
        assert getattr(protocol, "completed", None) == expected


def test_who_has_no_reactor_has_no_limit_of_time() -> None:
    class Transport:
        def __init__(self, protocol: Any) -> None:
            self.protocol = protocol

    reader = HAProxyWrappingFactory(Listening()).buildProtocol(None)
    transport = Transport(reader)
    reader.makeConnection(transport)
    reader.dataReceived(TCP4 + b"nothing pauses it")
    assert transport.protocol.received == b"nothing pauses it"
    assert transport.protocol.transport is transport
