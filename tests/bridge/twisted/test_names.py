"""Names on a reactor that speaks Twisted's words: our resolvers, Twisted's, and Scrapy's; and connecting to a
host by its name through each of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from twisted.internet import defer, endpoints, error
from twisted.internet._resolver import GAIResolver as TwistedsGAIResolver
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver, IResolverSimple
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.names import authority, client, common, dns, server
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.bridge.twisted.ecosystem.reactors import embedded, result
from tests.support import until
from twisted_compat.adapter.resolvers import (
    ComplexResolverSimplifier,
    GAIResolver,
    LoopResolver,
    SimpleResolverComplexifier,
)
from twisted_compat.bridge.twisted import TWISTED
from twisted_compat.endpoints import HostnameEndpoint

pytestmark = pytest.mark.without_debug

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0))


def getaddrinfo(host: str, port: int, family: int = 0, type: int = 0) -> list[Any]:
    """Knows one name."""
    assert host == "dual.example", host
    return [
        (where[0], type, 6, "", (where[4][0], port, *where[4][2:]))
        for where in (V6, V4)
        if family in (0, where[0])
    ]


@implementer(IResolutionReceiver)
class Recorder:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self.events.append("began")

    def addressResolved(self, address: Any) -> None:
        self.events.append(address)

    def resolutionComplete(self) -> None:
        self.events.append("complete")


@implementer(IResolverSimple)
class Table:
    """Knows one name, and nothing but IPv4."""

    def getHostByName(self, name: str, timeout: Any = ()) -> Any:
        if name == "dual.example":
            return defer.succeed("127.0.0.1")
        return defer.fail(error.DNSLookupError(name))


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Hearing(Protocol):
    heard = b""
    reason: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a listener on 127.0.0.1; the kernel accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


class Zone(authority.FileAuthority):
    """A zone without a file."""

    def __init__(self) -> None:
        common.ResolverBase.__init__(self)
        start = dns.Record_SOA(mname=b"dual.example", minimum=60)
        self.soa = (b"dual.example", start)
        self.records = {b"dual.example": [start, dns.Record_A("127.0.0.1", ttl=60)]}


@asynccontextmanager
async def domain(reactor: Any) -> AsyncIterator[tuple[str, int]]:
    """The address of a name server of Twisted's, on our reactor."""
    zone = Zone()
    port = reactor.listenUDP(
        0, dns.DNSDatagramProtocol(server.DNSServerFactory(authorities=[zone])), "127.0.0.1"
    )
    yield ("127.0.0.1", port.getHost().port)
    await result(port.stopListening())


async def connects(reactor: Any, port: int, name: str = "dual.example") -> None:
    """Both our endpoint and Twisted's connect by that name."""
    for kind in (HostnameEndpoint, endpoints.HostnameEndpoint):
        connecting = kind(reactor, name, port, attemptDelay=0.02).connect(Factory.forProtocol(Hearing))
        assert isinstance(connecting, defer.Deferred)
        protocol = await result(connecting)
        assert protocol.transport.getPeer() == IPv4Address("TCP", "127.0.0.1", port)
        protocol.transport.abortConnection()
        await until(lambda protocol=protocol: protocol.reason)
    assert not reactor.getDelayedCalls()


# Words


async def test_the_resolvers_speak_twisteds_words() -> None:
    async with embedded() as reactor:
        assert isinstance(reactor.nameResolver, LoopResolver)
        for resolver in (GAIResolver(reactor, getaddrinfo=getaddrinfo), _WithLookups(reactor)):
            assert verifyObject(IHostnameResolver, resolver)
            for types in (None, [IPv4Address], [IPv6Address]):
                receiver = Recorder()
                resolver.resolveHostName(receiver, "dual.example", 80, types)
                await until(lambda receiver=receiver: "complete" in receiver.events)
                both = [IPv6Address("TCP", "::1", 80), IPv4Address("TCP", "127.0.0.1", 80)]
                wanted = [address for address in both if types is None or type(address) in types]
                assert receiver.events == ["began", *wanted, "complete"]


def _WithLookups(reactor: Any) -> LoopResolver:
    class Loop:
        async def getaddrinfo(self, *args: Any, **kw: Any) -> Any:
            return getaddrinfo(*args, **kw)

        create_task = staticmethod(asyncio.get_running_loop().create_task)

    return LoopResolver(Loop(), TWISTED)


def test_what_is_made_from_the_other_kind_speaks_twisteds_words() -> None:
    hostnames = SimpleResolverComplexifier(Table(), TWISTED)
    assert verifyObject(IHostnameResolver, hostnames)
    receiver = Recorder()
    hostnames.resolveHostName(receiver, "dual.example", 80)
    hostnames.resolveHostName(receiver, "nowhere.invalid", 80)
    assert receiver.events == ["began", IPv4Address("TCP", "127.0.0.1", 80), "complete", "began", "complete"]
    clock = Clock()
    simple = ComplexResolverSimplifier(hostnames, TWISTED, clock)
    assert verifyObject(IResolverSimple, simple)
    results: list[Any] = []
    for name in ("dual.example", "nowhere.invalid"):
        found = simple.getHostByName(name)
        assert isinstance(found, defer.Deferred)
        found.addBoth(results.append)
    assert results[0] == "127.0.0.1"
    assert isinstance(results[1], Failure) and results[1].check(error.DNSLookupError)
    assert not clock.getDelayedCalls()


async def test_an_endpoint_fails_with_twisteds_errors(listener: int) -> None:
    async with embedded() as reactor:
        reactor.installResolver(Table())
        with pytest.raises(error.DNSLookupError):
            await result(HostnameEndpoint(reactor, "nowhere.invalid", 1).connect(Factory()))
        with pytest.raises(ValueError, match="hostname"):
            await result(HostnameEndpoint(reactor, "\udcff", 1).connect(Factory()))
        nobody = HostnameEndpoint(reactor, "dual.example", listener, bindAddress="192.0.2.77")
        with pytest.raises(error.ConnectBindError):
            await result(nobody.connect(Factory()))
        refusing = Factory()
        refusing.buildProtocol = lambda addr: None
        with pytest.raises(error.NoProtocol):
            await result(HostnameEndpoint(reactor, "dual.example", listener).connect(refusing))
        connecting = HostnameEndpoint(reactor, b"dual.example", 1).connect(Factory())
        connecting.cancel()
        with pytest.raises(error.ConnectingCancelledError) as caught:
            await result(connecting)
        assert caught.value.address == HostnameAddress(b"dual.example", 1)
        assert not reactor.getDelayedCalls()


# Resolvers of others


async def test_a_simple_resolver_alone(listener: int) -> None:
    async with embedded() as reactor:
        reactor.installResolver(Table())
        assert await result(reactor.resolve("dual.example")) == "127.0.0.1"
        await connects(reactor, listener)


async def test_twisteds_own_in_threads(listener: int) -> None:
    """Its searches can't be cancelled."""
    async with embedded() as reactor:
        reactor.installNameResolver(TwistedsGAIResolver(reactor, getaddrinfo=getaddrinfo))
        assert await result(reactor.resolve("dual.example")) == "127.0.0.1"
        await connects(reactor, listener)
        connecting = HostnameEndpoint(reactor, "dual.example", listener).connect(Factory())
        connecting.cancel()
        with pytest.raises(error.ConnectingCancelledError):
            await result(connecting)


async def test_twisteds_client_of_the_dns(listener: int) -> None:
    async with embedded() as reactor, domain(reactor) as place:
        reactor.installResolver(client.Resolver(servers=[place], reactor=reactor))
        assert await result(reactor.resolve("dual.example")) == "127.0.0.1"
        receiver = Recorder()
        reactor.nameResolver.resolveHostName(receiver, "dual.example", 80)
        await until(lambda: "complete" in receiver.events)
        assert receiver.events == ["began", IPv4Address("TCP", "127.0.0.1", 80), "complete"]
        await connects(reactor, listener)


async def test_scrapys_simple_one(listener: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = pytest.importorskip("scrapy.resolver")
    asked: list[str] = []

    def gethostbyname(name: str) -> str:
        asked.append(name)
        if name != "dual.example":
            raise socket.gaierror(-2, "not known")
        return "127.0.0.1"

    monkeypatch.setattr(socket, "gethostbyname", gethostbyname)
    resolver.dnscache.clear()
    async with embedded() as reactor:
        resolver.CachingThreadedResolver(reactor, 10, 5.0).install_on_reactor()
        await connects(reactor, listener)
        assert asked == ["dual.example"]
        with pytest.raises(error.DNSLookupError):
            await result(HostnameEndpoint(reactor, "nowhere.invalid", 1).connect(Factory()))
    resolver.dnscache.clear()


async def test_scrapys_other_one(listener: int) -> None:
    """It tells what it remembers before ``resolveHostName`` returns."""
    resolver = pytest.importorskip("scrapy.resolver")
    asked: list[str] = []

    def remembered(host: str, *args: Any) -> Any:
        asked.append(host)
        return getaddrinfo(host, *args)

    resolver.dnscache.clear()
    async with embedded() as reactor:
        reactor.installNameResolver(GAIResolver(reactor, getaddrinfo=remembered))
        resolver.CachingHostnameResolver(reactor, 10).install_on_reactor()
        await connects(reactor, listener)
        await connects(reactor, listener)
        assert asked == ["dual.example"]
        assert await result(reactor.resolve("dual.example")) in ("127.0.0.1", "::1")
    resolver.dnscache.clear()


def test_on_the_reactor_that_twisteds_programs_test_with() -> None:
    @implementer(IHostnameResolver)
    class Instant:
        def resolveHostName(self, receiver: Any, name: str, port: int = 0, *args: Any, **kw: Any) -> Any:
            receiver.resolutionBegan(None)
            receiver.addressResolved(IPv6Address("TCP", "2001:db8::1", port))
            receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", port))
            receiver.resolutionComplete()

    reactor = MemoryReactorClock()
    reactor.nameResolver = Instant()
    results: list[Any] = []
    connecting = HostnameEndpoint(reactor, "dual.example", 80).connect(Factory.forProtocol(Hearing))
    connecting.addBoth(results.append)
    assert [tried[:2] for tried in reactor.tcpClients] == [("2001:db8::1", 80)]
    reactor.advance(0.25)
    assert [tried[:2] for tried in reactor.tcpClients] == [("2001:db8::1", 80), ("192.0.2.1", 80)]
    protocol = reactor.tcpClients[1][2].buildProtocol(None)
    protocol.makeConnection(StringTransport())
    protocol.dataReceived(b"hello")
    (built,) = results
    assert isinstance(built, Hearing) and built.heard == b"hello"
    assert not reactor.getDelayedCalls()
