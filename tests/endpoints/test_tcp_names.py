"""TCP endpoints and names: which of a host's addresses they connect to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.endpoints.attempts import a_place, ended, failed, held, over
from tests.support import until
from tests.transport.connecting import FixedNames
from tests.transport.recorders import Connecting
from tests.transport.unix_sockets import both_kinds, fired, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted_compat.error import (
    ConnectError,
    DNSLookupError,
)

pytestmark = pytest.mark.without_debug

CLIENTS = [TCP4ClientEndpoint, TCP6ClientEndpoint]
each_client = pytest.mark.parametrize("client", CLIENTS)


@both_kinds
async def test_the_name_of_this_machine(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with a_place("tcp4") as place:
            for name in ("localhost", b"localhost"):
                protocol = await fired(
                    TCP4ClientEndpoint(reactor, name, place.where[1]).connect(Connecting())
                )
                assert protocol.transport.getPeer() == place.address(reactor)


@pytest.mark.parametrize("host", ["::1", b"::1", "0:0:0:0:0:0:0:1"], ids=ascii)
async def test_an_ipv6_literal_is_connected_to_as_it_is(host: Any) -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(FixedNames(None))  # which would never answer
        with a_place("tcp6") as place:
            protocol = await fired(TCP6ClientEndpoint(reactor, host, place.where[1]).connect(Connecting()))
            assert protocol.transport.getPeer() == place.address(reactor)


class Both(FixedNames):
    """Has both kinds of addresses, and gives those that are asked for."""

    def __init__(self, hosts: list[str]) -> None:
        super().__init__(None)
        self.all = hosts
        self.asked: list[Any] = []

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        self.asked.append((hostName, portNumber, transportSemantics))
        wanted = addressTypes or [IPv4Address, IPv6Address]
        self.hosts = [host for host in self.all if (IPv6Address if ":" in host else IPv4Address) in wanted]
        return super().resolveHostName(
            resolutionReceiver, hostName, portNumber, addressTypes, transportSemantics
        )


@pytest.mark.parametrize(
    ("client", "expected"), [(TCP4ClientEndpoint, "127.0.0.1"), (TCP6ClientEndpoint, "::1")]
)
async def test_of_a_name_the_addresses_of_one_version_are_tried(client: Any, expected: str) -> None:
    async with AsyncioReactor() as reactor:
        resolver = Both(["::1", "127.0.0.1", "::1"] if expected != "::1" else ["127.0.0.1", "::1"])
        reactor.installNameResolver(resolver)
        kinds = ("tcp4", "tcp6") if expected == "::1" else ("tcp6", "tcp4")
        with a_place(kinds[1]) as place:
            factory = Connecting()
            protocol = await fired(client(reactor, "both.example", place.where[1]).connect(factory))
            assert protocol.transport.getPeer().host == expected
            assert resolver.asked == [("both.example", place.where[1], "TCP")]
            assert factory.addresses == [place.address(reactor)]


@pytest.mark.parametrize(("client", "only"), [(TCP4ClientEndpoint, "::1"), (TCP6ClientEndpoint, "127.0.0.1")])
@pytest.mark.parametrize("has", ["the other version's", "none"])
async def test_a_name_without_an_address_of_the_version(client: Any, only: str, has: str) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        reactor.installNameResolver(Both([only] if has != "none" else []))
        factory = Connecting()
        await failed(client(reactor, "other.example", 9).connect(factory), DNSLookupError)
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before


@pytest.mark.parametrize(("client", "only"), [(TCP4ClientEndpoint, "::1"), (TCP6ClientEndpoint, "127.0.0.1")])
async def test_a_resolver_that_gives_what_it_was_not_asked_for(client: Any, only: str) -> None:
    """It isn't connected to over the wrong version of IP."""
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        reactor.installNameResolver(FixedNames([only]))
        with a_place("tcp6" if only == "::1" else "tcp4") as place:
            connecting = client(reactor, "other.example", place.where[1]).connect(Connecting())
            await failed(connecting, DNSLookupError)
        assert held(reactor) == before


async def test_an_ipv4_literal_is_nothing_for_ipv6() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            connecting = TCP6ClientEndpoint(reactor, *place.where).connect(Connecting())
            await failed(connecting, DNSLookupError)
            assert not place.is_asked()


@each_client
async def test_each_address_of_a_name_is_tried(client: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        v4 = client is TCP4ClientEndpoint
        hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.1"] if v4 else ["::ffff:127.0.0.2", "::1"]
        reactor.installNameResolver(FixedNames(hosts))
        with a_place("tcp4" if v4 else "tcp6") as place:
            endpoint = client(reactor, "many.example", place.where[1])
            factory = Connecting()
            protocol = await fired(endpoint.connect(factory))
            assert protocol.transport.getPeer() == place.address(reactor) == factory.addresses[0]
            protocol.transport.loseConnection()
            assert await ended(await place.accept()) == b""
            place.close()
            await failed(endpoint.connect(Connecting()), ConnectError)
        await until(lambda: protocol.reasons)
        await over(before, reactor)


async def test_a_resolver_that_raises() -> None:
    class Broken(FixedNames):
        def resolveHostName(self, *args: Any, **options: Any) -> Any:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        reactor.installNameResolver(Broken([]))
        await failed(TCP4ClientEndpoint(reactor, "some.name", 9).connect(Connecting()), ZeroDivisionError)
        assert held(reactor) == before
