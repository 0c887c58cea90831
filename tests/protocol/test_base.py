"""Protocols of all kinds: what they start with, what they pass on, and what they claim to provide."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from twisted_compat import protocol
from twisted_compat.error import ConnectionDone
from twisted_compat.interfaces import ILoggingContext, IProcessProtocol, IProtocol


def test_every_public_name_is_there() -> None:
    assert all(hasattr(protocol, name) for name in protocol.__all__)


class TestProtocol:
    def test_provides(self) -> None:
        assert verifyObject(IProtocol, protocol.Protocol())
        assert verifyObject(ILoggingContext, protocol.Protocol())

    def test_defaults_need_no_init(self) -> None:
        class Careless(protocol.Protocol):
            def __init__(self) -> None:
                pass

        careless = Careless()
        assert (careless.connected, careless.transport, careless.factory) == (0, None, None)
        assert careless.logPrefix() == "Careless"

    def test_connection_made_finds_the_transport(self) -> None:
        class Greeter(protocol.Protocol):
            def connectionMade(self) -> None:
                seen.append((self.transport, self.connected))

        seen: list[Any] = []
        transport = object()
        Greeter().makeConnection(transport)
        assert seen == [(transport, 1)]

    def test_events_may_be_left_alone(self) -> None:
        one = protocol.Protocol()
        one.makeConnection(object())
        assert one.dataReceived(b"x") is None
        one.connectionLost()
        one.connectionLost(protocol.connectionDone)

    def test_default_reason(self) -> None:
        assert protocol.connectionDone.check(ConnectionDone)


class TestProcessProtocol:
    def test_provides(self) -> None:
        assert verifyObject(IProcessProtocol, protocol.ProcessProtocol())

    def test_standard_descriptors_have_names(self) -> None:
        class Names(protocol.ProcessProtocol):
            def outReceived(self, data: bytes) -> None:
                seen.append(("out", data))

            def errReceived(self, data: bytes) -> None:
                seen.append(("err", data))

            def inConnectionLost(self) -> None:
                seen.append("in lost")

            def outConnectionLost(self) -> None:
                seen.append("out lost")

            def errConnectionLost(self) -> None:
                seen.append("err lost")

        seen: list[Any] = []
        process = Names()
        for descriptor in (1, 2, 3, 0):
            process.childDataReceived(descriptor, b"x")
        for descriptor in (0, 1, 2, 3):
            process.childConnectionLost(descriptor)
        assert seen == [("out", b"x"), ("err", b"x"), "in lost", "out lost", "err lost"]

    def test_events_may_be_left_alone(self) -> None:
        process = protocol.ProcessProtocol()
        process.makeConnection(object())
        for descriptor in (0, 1, 2):
            process.childDataReceived(descriptor, b"x")
            process.childConnectionLost(descriptor)
        process.processExited(protocol.connectionDone)
        process.processEnded(protocol.connectionDone)


class Datagrams(protocol.DatagramProtocol):
    def __init__(self) -> None:
        self.events: list[str] = []

    def startProtocol(self) -> None:
        self.events.append("start")

    def stopProtocol(self) -> None:
        self.events.append("stop")


class TestDatagramProtocol:
    def test_starts_and_stops(self) -> None:
        datagrams = Datagrams()
        transport = object()
        datagrams.makeConnection(transport)
        assert (datagrams.transport, datagrams.numPorts, datagrams.events) == (transport, 1, ["start"])
        datagrams.doStop()
        assert (datagrams.transport, datagrams.numPorts, datagrams.events) == (None, 0, ["start", "stop"])

    def test_starts_with_the_first_port_and_stops_with_the_last(self) -> None:
        datagrams = Datagrams()
        datagrams.doStart()
        datagrams.doStart()
        datagrams.doStop()
        assert datagrams.events == ["start"]
        datagrams.doStop()
        assert datagrams.events == ["start", "stop"]

    def test_second_transport_teaches(self) -> None:
        datagrams = Datagrams()
        datagrams.makeConnection(object())
        with pytest.raises(AssertionError, match="one of its own"):
            datagrams.makeConnection(object())

    def test_stopped_too_often(self) -> None:
        with pytest.raises(AssertionError, match="more often"):
            Datagrams().doStop()

    @pytest.mark.parametrize("noisy", [True, False])
    def test_noise(self, noisy: bool, caplog: pytest.LogCaptureFixture) -> None:
        datagrams = Datagrams()
        datagrams.noisy = noisy
        with caplog.at_level(logging.INFO):
            datagrams.doStart()
            datagrams.doStop()
        assert [record.message.split()[0] for record in caplog.records] == ["Starting", "Stopping"] * noisy

    def test_pickled_without_its_transport(self) -> None:
        datagrams = Datagrams()
        datagrams.makeConnection(lambda: "cannot be pickled")
        copy = pickle.loads(pickle.dumps(datagrams))
        assert (copy.transport, copy.events) == (None, ["start"])

    def test_claims_and_quiet_defaults(self) -> None:
        datagrams = protocol.DatagramProtocol()
        assert verifyObject(ILoggingContext, datagrams)
        assert datagrams.logPrefix() == "DatagramProtocol"
        datagrams.startProtocol()
        datagrams.stopProtocol()
        datagrams.datagramReceived(b"x", ("127.0.0.1", 1))
        datagrams.connectionRefused()
        connected = protocol.ConnectedDatagramProtocol()
        connected.datagramReceived(b"x")
        connected.connectionFailed(protocol.connectionDone)
