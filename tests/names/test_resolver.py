"""Hosts: IResolverSimple, IHostnameResolver, and resolvers that are installed."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest
from zope.interface import implementer

from tests.names.resolving import SOON, failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.support import free_port, until, within
from twisted_compat import current_reactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.defer import Deferred, TimeoutError
from twisted_compat.error import DNSLookupError
from twisted_compat.interfaces import IHostResolution, IResolutionReceiver
from twisted_compat.names import engine, error
from twisted_compat.protocol import ClientFactory, Factory, Protocol

pytestmark = pytest.mark.without_debug

V4 = "host. 60 IN A 192.0.2.1"
V6 = "host. 60 IN AAAA 2001:db8::1"


@implementer(IResolutionReceiver)
class Receiver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self.events.append("began")

    def addressResolved(self, address: Any) -> None:
        self.events.append(address)

    def resolutionComplete(self) -> None:
        self.events.append("complete")


def both(query: dns.message.Message) -> Any:
    return reply(query, V6 if query.question[0].rdtype == 28 else V4)


def only(rdtype: int) -> Any:
    return lambda query: both(query) if query.question[0].rdtype == rdtype else reply(query)


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says which IPv6 addresses there is a route to."""

    def to(*addresses: str) -> None:
        monkeypatch.setattr(engine, "has_route", lambda address: address in addresses)

    to()
    return to


# One address


async def test_one_address_is_ipv6_where_there_is_a_route_and_otherwise_ipv4(routes: Any) -> None:
    async with Fake(both) as fake, resolver_for(fake) as resolver:
        assert await within(resolver.getHostByName("host")) == "192.0.2.1"
        routes("2001:db8::1")
        assert await within(resolver.getHostByName("host")) == "2001:db8::1"
        assert await within(resolver.getHostByName(b"HOST.")) == "2001:db8::1"
        assert sorted(fake.names) == ["host. A", "host. AAAA"]


@pytest.mark.parametrize(("rdtype", "address"), [(1, "192.0.2.1"), (28, "2001:db8::1")])
async def test_one_address_is_whichever_there_is(routes: Any, rdtype: int, address: str) -> None:
    async with Fake(only(rdtype)) as fake, resolver_for(fake) as resolver:
        assert await within(resolver.getHostByName("host")) == address


async def test_who_has_an_ipv4_address_does_not_wait_long_for_others(
    routes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REST", 0.01)

    def handler(query: dns.message.Message) -> Any:
        return both(query) if query.question[0].rdtype == 1 else None

    async with Fake(handler) as fake, resolver_for(fake, timeout=60) as resolver:
        assert await within(resolver.getHostByName("host")) == "192.0.2.1"


@pytest.mark.parametrize("name", ["192.0.2.7", "::1", b"::1", "fe80::1%lo"])
async def test_an_address_is_itself_at_once(name: Any) -> None:
    async with resolver_for(("127.0.0.1", free_port())) as resolver:
        deferred = resolver.getHostByName(name)
        assert deferred.called
        assert await deferred == (name if isinstance(name, str) else name.decode())


async def test_a_host_without_addresses_is_a_lookup_error(routes: Any) -> None:
    codes = {"none.": dns.rcode.NXDOMAIN, "broken.": dns.rcode.SERVFAIL}

    def handler(query: dns.message.Message) -> Any:
        return reply(query, rcode=codes.get(str(query.question[0].name), dns.rcode.NOERROR))

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        for name, cause in (
            ("none", error.DNSNameError),
            ("broken", error.DNSServerError),
            ("empty", error.DNSNameError),
            ("a..b", error.DNSNameError),
            ("", error.DNSNameError),
        ):
            failed = await failure_of(resolver.getHostByName(name))
            assert isinstance(failed, DNSLookupError), name
            assert isinstance(failed, cause), name  # as Twisted's own fails
            assert type(failed.__cause__) is cause, name
            assert not isinstance(failed, TimeoutError)
            assert repr(name) in str(failed)
            assert ("but no address" in str(failed)) == (name in ("", "empty"))
        assert type(await failure_of(resolver.getHostByName("\ud800"))) is DNSLookupError
        assert type(await failure_of(resolver.getHostByName(7))) is DNSLookupError  # type: ignore[arg-type]  # it is none


async def test_a_host_that_nobody_says_anything_about_in_time_is_also_a_timeout() -> None:
    async with Fake(lambda query: None) as fake, resolver_for(fake) as resolver:
        for timeout in (SOON, 0.05):
            failed = await failure_of(resolver.getHostByName("host", timeout))
            assert isinstance(failed, DNSLookupError)
            assert isinstance(failed, TimeoutError)


# The hosts file


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text("192.0.2.9 known\n2001:db8::9 known\n192.0.2.4 four\n", encoding="utf-8")
    return path


async def test_the_hosts_file_comes_first(hosts: Path, routes: Any) -> None:
    async with Fake(both) as fake, resolver_for(fake, hosts=hosts) as resolver:
        deferred = resolver.getHostByName("KNOWN.")
        assert deferred.called
        assert await deferred == "192.0.2.9"
        routes("2001:db8::9")
        assert await within(resolver.getHostByName("known")) == "2001:db8::9"
        receiver = Receiver()
        resolver.resolveHostName(receiver, "known", 80)
        assert receiver.events == [
            "began",
            IPv4Address("TCP", "192.0.2.9", 80),
            IPv6Address("TCP", "2001:db8::9", 80),
            "complete",
        ]
        assert fake.asked == []


async def test_what_the_hosts_file_does_not_have_is_asked_for(hosts: Path) -> None:
    def handler(query: dns.message.Message) -> Any:
        return reply(query, "four. 60 IN AAAA 2001:db8::4")

    async with Fake(handler) as fake, resolver_for(fake, hosts=hosts) as resolver:
        receiver = Receiver()
        resolver.resolveHostName(receiver, "four", 80, [IPv6Address])
        await until(lambda: "complete" in receiver.events)
        assert receiver.events[1:-1] == [IPv6Address("TCP", "2001:db8::4", 80)]
        assert fake.names == ["four. AAAA"]


# All addresses


async def test_addresses_are_told_as_they_come() -> None:
    released = asyncio.Event()

    def handler(query: dns.message.Message) -> Any:
        async def later() -> Any:
            await released.wait()
            return both(query)

        return later() if query.question[0].rdtype == 1 else both(query)

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        receiver = Receiver()
        resolution = resolver.resolveHostName(receiver, "host", 53, transportSemantics="UDP")
        assert IHostResolution.providedBy(resolution)
        assert resolution.name == "host"
        assert receiver.events == ["began"]
        await until(lambda: len(receiver.events) == 2)
        assert receiver.events[1] == IPv6Address("UDP", "2001:db8::1", 53)
        released.set()
        await until(lambda: len(receiver.events) == 4)
        assert receiver.events[2:] == [IPv4Address("UDP", "192.0.2.1", 53), "complete"]


@pytest.mark.parametrize(("kinds", "asked"), [([IPv4Address], ["A"]), ([IPv6Address], ["AAAA"]), ([], [])])
async def test_only_what_is_wanted_is_asked_for(kinds: list[Any], asked: list[str]) -> None:
    async with Fake(both) as fake, resolver_for(fake) as resolver:
        receiver = Receiver()
        resolver.resolveHostName(receiver, "host", 0, kinds)
        await until(lambda: "complete" in receiver.events)
        assert [type(event) for event in receiver.events[1:-1]] == kinds
        assert fake.names == [f"host. {kind}" for kind in asked]


@pytest.mark.parametrize(
    ("name", "kinds", "expected"),
    [
        ("192.0.2.7", None, [IPv4Address("TCP", "192.0.2.7", 5)]),
        ("::1", None, [IPv6Address("TCP", "::1", 5)]),
        (b"::1", [IPv6Address], [IPv6Address("TCP", "::1", 5)]),
        ("::1", [IPv4Address], []),
        ("fe80::1%nosuchlink", None, []),
        ("a..b", None, []),
        ("\ud800", None, []),
    ],
)
async def test_an_address_and_what_can_be_no_name_take_no_asking(
    name: Any, kinds: Any, expected: Any
) -> None:
    async with Fake(both) as fake, resolver_for(fake) as resolver:
        receiver = Receiver()
        resolver.resolveHostName(receiver, name, 5, kinds)
        await until(lambda: "complete" in receiver.events)
        assert receiver.events == ["began", *expected, "complete"]
        assert fake.asked == []


async def test_a_link_local_address_has_the_number_of_its_link() -> None:
    links = socket.if_nameindex()
    async with resolver_for("127.0.0.1") as resolver:
        receiver = Receiver()
        number, link = links[0]
        resolver.resolveHostName(receiver, f"fe80::1%{link}", 5)
        assert receiver.events[1:-1] == [IPv6Address("TCP", "fe80::1", 5, 0, number)]


async def test_a_host_that_is_not_there_has_no_addresses_and_that_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for handler in (lambda query: reply(query, rcode=dns.rcode.NXDOMAIN), lambda query: None):
        async with Fake(handler) as fake, resolver_for(fake, timeout=SOON) as resolver:
            receiver = Receiver()
            resolver.resolveHostName(receiver, "host")
            await until(lambda: "complete" in receiver.events)  # noqa: B023  it is awaited here
            assert receiver.events == ["began", "complete"]
    assert not caplog.records


async def test_what_fails_unexpectedly_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "addresses_of", broken)
    async with resolver_for("127.0.0.1") as resolver:
        receiver = Receiver()
        resolver.resolveHostName(receiver, "host")
        await until(lambda: "complete" in receiver.events)
    (record,) = caplog.records
    assert "Resolving 'host' failed in an unexpected way" in record.getMessage()


async def test_other_transports_have_no_addresses() -> None:
    async with resolver_for("127.0.0.1") as resolver:
        with pytest.raises(ValueError, match="for the transport 'SCTP'"):
            resolver.resolveHostName(Receiver(), "host", transportSemantics="SCTP")


async def test_a_receiver_that_cancels_at_once_starts_nothing() -> None:
    class Unwilling(Receiver):
        def resolutionBegan(self, resolutionInProgress: Any) -> None:
            resolutionInProgress.cancel()

    async with Fake(both) as fake, resolver_for(fake) as resolver:
        receiver = Unwilling()
        resolver.resolveHostName(receiver, "host")
        await asyncio.sleep(0.01)
        assert receiver.events == ["complete"]
        assert fake.asked == []


# Installed


class Greeting(Protocol):
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")
        self.transport.loseConnection()


async def test_a_reactor_connects_to_names_that_it_finds() -> None:
    connected: Deferred[Any] = Deferred()

    class Hearing(Protocol):
        def dataReceived(self, data: bytes) -> None:
            connected.callback(data)

    def handler(query: dns.message.Message) -> Any:
        return (
            reply(query, "service.test. 60 IN A 127.0.0.1") if query.question[0].rdtype == 1 else reply(query)
        )

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        reactor = current_reactor()
        previous = reactor.installNameResolver(resolver)
        assert reactor.nameResolver is resolver
        assert await within(reactor.resolve("service.test")) == "127.0.0.1"
        port = reactor.listenTCP(0, Factory.forProtocol(Greeting), interface="127.0.0.1")
        reactor.connectTCP("service.test", port.getHost().port, ClientFactory.forProtocol(Hearing))
        assert await within(connected) == b"hello"
        reactor.installNameResolver(previous)
        before = reactor.installResolver(resolver)
        assert await within(reactor.resolve("service.test")) == "127.0.0.1"
        receiver = Receiver()
        reactor.nameResolver.resolveHostName(receiver, "service.test", 7)
        await until(lambda: "complete" in receiver.events)
        assert receiver.events[1:-1] == [IPv4Address("TCP", "127.0.0.1", 7)]
        reactor.installResolver(before)
        assert set(fake.names) == {"service.test. A", "service.test. AAAA"}
