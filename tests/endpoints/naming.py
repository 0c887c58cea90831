"""What the tests of host name endpoints share: resolvers that answer as told, and a reactor on which time
passes, and connections come about, when the test says so."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from tests.transport.recorders import Connecting
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.endpoints import HostnameEndpoint
from twisted_compat.error import ConnectionRefusedError, NotConnectingError, UserError
from twisted_compat.failure import Failure
from twisted_compat.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTCP,
    ITransport,
)
from twisted_compat.task import Clock

__all__ = ["Attempt", "FakeReactor", "Scene", "ToldNames", "address_of"]


def address_of(host: str, port: int = 80) -> Any:
    """The address of a host that is told: an IPv6 one if there is a colon in it."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)


@implementer(IHostnameResolver, IHostResolution)
class ToldNames:
    """A resolver that says what the test tells it to say; it is its own resolution.

    :ivar asked: the arguments of each question but the receiver.
    :ivar cancelled: how often the search was given up. Twisted's own can't be: see ``can_cancel``.
    """

    can_cancel = True

    def __init__(self, *at_once: str, complete: bool = True) -> None:
        self.at_once = at_once
        self.completes = complete and bool(at_once)
        self.asked: list[tuple[Any, ...]] = []
        self.cancelled = 0
        self.receiver: Any = None
        self.name = ""

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> ToldNames:
        self.asked.append((hostName, portNumber, addressTypes, transportSemantics))
        self.name, self.port = hostName, portNumber
        self.receiver = resolutionReceiver
        resolutionReceiver.resolutionBegan(self)
        self.tell(*self.at_once)
        if self.completes:
            self.complete()
        return self

    def tell(self, *hosts: str) -> None:
        for host in hosts:
            self.receiver.addressResolved(address_of(host, self.port))

    def complete(self) -> None:
        self.receiver.resolutionComplete()

    def cancel(self) -> None:
        self.cancelled += 1
        if not self.can_cancel:
            raise NotImplementedError


@implementer(ITransport)
class FakeTransport:
    """The transport of an attempt that succeeded."""

    disconnecting = False

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.protocol: Any = None
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True

    abortConnection = loseConnection

    def getPeer(self) -> Any:
        return self.attempt.getDestination()

    def getHost(self) -> Any:
        return address_of("127.0.0.1", 1)


@implementer(IConnector)
class Attempt:
    """A ``connectTCP`` under way, until :meth:`succeed` or :meth:`fail`, or its stopping."""

    def __init__(self, began: float, host: str, port: int, factory: Any, timeout: Any, binding: Any) -> None:
        self.began = began
        self.host, self.port, self.factory = host, port, factory
        self.timeout, self.binding = timeout, binding
        self.state = "connecting"
        self.stopped = False
        self.transport: Any = None

    def succeed(self) -> None:
        self.state = "connected"
        protocol = self.factory.buildProtocol(self.getDestination())
        self.transport = FakeTransport(self)
        if protocol is None:
            self.transport.loseConnection()
        else:
            self.transport.protocol = protocol
            protocol.makeConnection(self.transport)

    def fail(self, error: Exception | None = None) -> None:
        self.state = "disconnected"
        self.factory.clientConnectionFailed(self, Failure(error or ConnectionRefusedError()))
        self.factory.doStop()

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise NotConnectingError(self.state)
        self.stopped = True
        self.fail(UserError())

    def connect(self) -> None:
        raise AssertionError("nobody has a reason to call this")

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self.transport is not None:
            self.transport.loseConnection()

    def getDestination(self) -> Any:
        return address_of(self.host, self.port)


@implementer(IReactorTCP, IReactorPluggableNameResolver)
class FakeReactor(Clock):
    """Names, time, and connections that come about when the test says so.

    :ivar refused: the hosts to which an attempt fails before ``connectTCP`` has returned.
    """

    def __init__(self, names: Any) -> None:
        super().__init__()
        self.nameResolver = names
        self.attempts: list[Attempt] = []
        self.refused: set[str] = set()

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: Any = 30, bindAddress: Any = None
    ) -> Attempt:
        attempt = Attempt(self.seconds(), host, port, factory, timeout, bindAddress)
        self.attempts.append(attempt)
        factory.doStart()
        factory.startedConnecting(attempt)
        if host in self.refused:
            attempt.fail()
        return attempt

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        raise AssertionError("nobody listens here")

    def installNameResolver(self, resolver: Any) -> Any:
        previous, self.nameResolver = self.nameResolver, resolver
        return previous


class Scene:
    """One ``connect`` of a HostnameEndpoint on a :class:`FakeReactor`.

    :param at_once: the addresses that are told before ``resolveHostName`` returns, and that they are all.
        Without any the test tells them.
    :param options: the endpoint's.
    :ivar results: what the Deferred fired with.
    """

    def __init__(
        self, *at_once: str, host: str | bytes = "many.example", names: Any = None, **options: Any
    ) -> None:
        self.names: Any = names or ToldNames(*at_once)
        self.reactor = FakeReactor(self.names)
        self.factory = Connecting()
        self.endpoint = HostnameEndpoint(self.reactor, host, 80, **options)
        self.deferred: Any = None
        self.results: list[Any] = []

    def begin(self) -> Scene:
        """Connect, and let the first turn pass."""
        self.deferred = self.endpoint.connect(self.factory)
        self.deferred.addBoth(self.results.append)
        self.after(0)
        return self

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.reactor.advance(seconds)

    def tell(self, *hosts: str) -> None:
        """The resolver tells these addresses, and a turn passes."""
        self.names.tell(*hosts)
        self.after(0)

    def complete(self) -> None:
        """The resolver says that there are no more, and a turn passes."""
        self.names.complete()
        self.after(0)

    @property
    def tried(self) -> list[str]:
        """To whom attempts have begun, in their order."""
        return [attempt.host for attempt in self.reactor.attempts]

    @property
    def under_way(self) -> list[str]:
        """To whom attempts are under way."""
        return [attempt.host for attempt in self.reactor.attempts if attempt.state == "connecting"]

    def attempt(self, host: str) -> Attempt:
        """The one attempt to connect to this host."""
        (found,) = [attempt for attempt in self.reactor.attempts if attempt.host == host]
        return found

    def succeed(self, host: str) -> None:
        """The attempt to connect to this host succeeds, and a turn passes."""
        self.attempt(host).succeed()
        self.after(0)

    def fail(self, host: str, error: Exception | None = None) -> None:
        """The attempt to connect to this host fails, and a turn passes."""
        self.attempt(host).fail(error)
        self.after(0)

    @property
    def result(self) -> Any:
        """What the Deferred fired with; it must have."""
        (result,) = self.results
        return result

    @property
    def failure(self) -> BaseException:
        """The exception that the Deferred failed with; it must have."""
        value: BaseException = self.result.value
        return value

    def leaves_nothing(self) -> bool:
        """Whether no attempt is under way, and no timer."""
        return not self.under_way and not self.reactor.getDelayedCalls()
