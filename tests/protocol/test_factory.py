"""Factories: making protocols, and being used by several ports at once."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from twisted_compat.interfaces import ILoggingContext, IProtocolFactory
from twisted_compat.protocol import ClientFactory, Factory, Protocol, ServerFactory, connectionDone

KINDS: list[Any] = [Factory, ServerFactory, ClientFactory]


class Counting(Factory[Protocol]):
    def __init__(self) -> None:
        self.events: list[str] = []

    def startFactory(self) -> None:
        self.events.append("start")

    def stopFactory(self) -> None:
        self.events.append("stop")


@pytest.mark.parametrize("kind", KINDS)
def test_provides(kind: Any) -> None:
    assert verifyObject(IProtocolFactory, kind())
    assert verifyObject(ILoggingContext, kind())
    assert kind().logPrefix() == kind.__name__


class TestMaking:
    @pytest.mark.parametrize("kind", KINDS)
    def test_for_protocol(self, kind: Any) -> None:
        factory = kind.forProtocol(Protocol)
        assert type(factory) is kind
        made = factory.buildProtocol(None)
        assert type(made) is Protocol
        assert made.factory is factory

    def test_for_protocol_passes_arguments_to_the_factory(self) -> None:
        class Shop(Factory[Any]):
            def __init__(self, name: str, *, size: int) -> None:
                self.name, self.size = name, size

        shop = Shop.forProtocol(Protocol, "corner", size=3)
        assert (shop.name, shop.size, shop.protocol) == ("corner", 3, Protocol)

    def test_any_callable_set_on_the_instance(self) -> None:
        made = Protocol()
        factory: Factory[Any] = Factory()
        factory.protocol = lambda: made
        assert factory.buildProtocol(None) is made
        assert made.factory is factory

    def test_class_attribute(self) -> None:
        class Mine(ServerFactory[Any]):
            protocol = Protocol

        assert type(Mine().buildProtocol(None)) is Protocol

    def test_without_a_protocol_teaches(self) -> None:
        with pytest.raises(AssertionError, match=r"ServerFactory\.forProtocol\("):
            ServerFactory().buildProtocol(None)


class TestUse:
    def test_starts_with_the_first_port_and_stops_with_the_last(self) -> None:
        factory = Counting()
        factory.doStart()
        factory.doStart()
        assert (factory.numPorts, factory.events) == (2, ["start"])
        factory.doStop()
        assert factory.events == ["start"]
        factory.doStop()
        assert (factory.numPorts, factory.events) == (0, ["start", "stop"])
        factory.doStart()
        assert factory.events == ["start", "stop", "start"]

    def test_stopped_too_often_is_forgiven(self) -> None:
        factory = Counting()
        factory.doStop()
        assert (factory.numPorts, factory.events) == (0, [])

    @pytest.mark.parametrize("noisy", [True, False])
    def test_noise(self, noisy: bool, caplog: pytest.LogCaptureFixture) -> None:
        factory: Factory[Any] = Factory()
        factory.noisy = noisy
        with caplog.at_level(logging.INFO):
            factory.doStart()
            factory.doStop()
        assert [record.message.split()[0] for record in caplog.records] == ["Starting", "Stopping"] * noisy

    def test_client_events_may_be_left_alone(self) -> None:
        factory: ClientFactory[Any] = ClientFactory()
        factory.startedConnecting(object())
        factory.clientConnectionFailed(object(), connectionDone)
        factory.clientConnectionLost(object(), connectionDone)
