"""What the tests of the connecting side share: resolvers that answer as told, and waiting for an outcome."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support import until
from tests.transport.recorders import Connecting, Echo, Listening
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver

__all__ = ["FixedNames", "Resolution", "connected", "failed", "listening"]


@implementer(IHostResolution)
class Resolution:
    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@implementer(IHostnameResolver)
class FixedNames:
    """Answers at once with the given addresses, or never if there are None."""

    def __init__(self, hosts: list[str] | None) -> None:
        self.hosts = hosts
        self.resolution: Resolution | None = None

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        assert verifyObject(IResolutionReceiver, resolutionReceiver)
        self.resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(self.resolution)
        if self.hosts is not None:
            for host in self.hosts:
                kind = IPv6Address if ":" in host else IPv4Address
                resolutionReceiver.addressResolved(kind("TCP", host, portNumber))
            resolutionReceiver.resolutionComplete()
        return self.resolution


async def failed(factory: Connecting) -> Any:
    """Wait for the end of an attempt; the factory must have heard of nothing but that."""
    await until(lambda: factory.events[-1] == "stop")
    assert factory.events == ["start", "connecting", "failed", "stop"]
    return factory.reasons[0]


async def connected(factory: Connecting) -> Any:
    """Wait for a connection; return its protocol."""
    await until(lambda: factory.protocols and factory.protocols[-1].made)
    return factory.protocols[-1]


async def listening(
    reactor: Any, protocol: Any = Echo, interface: str = "127.0.0.1"
) -> tuple[int, Listening]:
    factory = Listening(protocol)
    port = reactor.listenTCP(0, factory, interface=interface)
    return port.getHost().port, factory
