"""Host name endpoints on real sockets: connecting, failing, giving up, and what names may look like. In which
order addresses are tried: see test_hostname_order."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.endpoints.naming import ToldNames
from tests.support import free_port, no_reference_cycles, until, within
from tests.transport.connecting import listening
from tests.transport.recorders import Connecting, Recorder, errors_logged, unanswering
from twisted_compat import AsyncioReactor
from twisted_compat.address import HostnameAddress, IPv4Address, IPv6Address
from twisted_compat.endpoints import HostnameEndpoint
from twisted_compat.error import (
    ConnectBindError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    DNSLookupError,
    NoProtocol,
    TimeoutError,
)
from twisted_compat.interfaces import IStreamClientEndpoint
from twisted_compat.protocol import ClientFactory

pytestmark = pytest.mark.without_debug


@contextmanager
def plain_listeners(*hosts: str) -> Iterator[int]:
    """Listeners that know nothing of this package, all on one port; the kernel accepts for them."""
    port = free_port()
    with ExitStack() as stack:
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            stack.enter_context(socket.create_server((host, port), family=family))
        yield port


@contextmanager
def silent_and(*hosts: str) -> Iterator[int]:
    """The port at which 127.0.0.1 doesn't answer, and these hosts do."""
    with unanswering() as port, ExitStack() as stack:
        for host in hosts:
            stack.enter_context(socket.create_server((host, port)))
        yield port


class Left:
    """What is there beyond what was there when it was made."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._before = len(os.listdir("/dev/fd"))

    @property
    def descriptors(self) -> int:
        return len(os.listdir("/dev/fd")) - self._before

    def nothing(self) -> bool:
        reactor = self._reactor
        watched = [*reactor.getReaders(), *reactor.getWriters(), *reactor.getDelayedCalls()]
        return not watched and self.descriptors == 0


async def lost(protocol: Any) -> None:
    """Close the connection, and wait until it is."""
    protocol.transport.abortConnection()
    await until(lambda: protocol.reasons)


def outcome(deferred: Any) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


# Connecting


async def test_connecting_talking_and_losing_it() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        endpoint = HostnameEndpoint(reactor, "localhost", port)
        assert verifyObject(IStreamClientEndpoint, endpoint)
        factory = Connecting()
        protocol = await within(endpoint.connect(factory))
        assert factory.protocols == [protocol] and protocol.made == 1
        assert protocol.transport.protocol is protocol
        assert protocol.transport.getPeer() == IPv4Address("TCP", "127.0.0.1", port) == factory.addresses[0]
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert not reactor.getDelayedCalls() and factory.numPorts == 1
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons and factory.numPorts == 0)
        assert set(factory.events) == {"start", "stop"}


@pytest.mark.parametrize("host", ["127.0.0.1", b"127.0.0.1", "::1", b"::1"])
async def test_an_address_for_a_name(host: str | bytes) -> None:
    there = host.decode() if isinstance(host, bytes) else host
    async with AsyncioReactor() as reactor:
        with plain_listeners(there) as port:
            protocol = await within(HostnameEndpoint(reactor, host, port).connect(Connecting()))
            assert protocol.transport.getPeer().host == there
            assert isinstance(protocol.transport.getPeer(), IPv6Address if there == "::1" else IPv4Address)
            await lost(protocol)


async def test_what_refuses_is_passed_over() -> None:
    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1") as port:
            names = ToldNames("::1", "127.0.0.2", "127.0.0.1", "127.0.0.3")
            reactor.installNameResolver(names)
            left = Left(reactor)
            protocol = await within(HostnameEndpoint(reactor, "many.example", port).connect(Connecting()))
            assert protocol.transport.getPeer().host == "127.0.0.1"
            assert names.asked[0][:2] == ("many.example", port)
            assert left.descriptors == 1
            await lost(protocol)
            await until(left.nothing)


async def test_what_does_not_answer_is_overtaken() -> None:
    async with AsyncioReactor() as reactor:
        with silent_and("127.0.0.2") as port:
            reactor.installNameResolver(ToldNames("127.0.0.1", "127.0.0.2"))
            left = Left(reactor)
            factory = Connecting()
            endpoint = HostnameEndpoint(reactor, "many.example", port, attemptDelay=0.01)
            protocol = await within(endpoint.connect(factory))
            assert protocol.transport.getPeer().host == "127.0.0.2"
            assert factory.addresses == [protocol.transport.getPeer()]
            assert left.descriptors == 1 and not reactor.getDelayedCalls() and not reactor.getWriters()
            await lost(protocol)
            await until(left.nothing)


async def test_those_that_connect_in_the_same_turn_make_one_connection() -> None:
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    async with AsyncioReactor() as reactor:
        with plain_listeners(*hosts) as port:
            reactor.installNameResolver(ToldNames(*hosts))
            left = Left(reactor)
            factory = Connecting()
            endpoint = HostnameEndpoint(reactor, "many.example", port, attemptDelay=0)
            protocol = await within(endpoint.connect(factory))
            assert factory.protocols == [protocol] and protocol.made == 1 and factory.numPorts == 1
            assert left.descriptors == 1 and reactor.getReaders() == [protocol.transport]
            await lost(protocol)
            await until(left.nothing)
            assert factory.numPorts == 0


async def test_many_at_once() -> None:
    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1") as port:
            reactor.installNameResolver(ToldNames("::1", "127.0.0.1"))
            endpoint = HostnameEndpoint(reactor, "many.example", port)
            left = Left(reactor)
            factory = Connecting()

            async def connect() -> Any:
                return await endpoint.connect(factory)

            protocols = await within(asyncio.gather(*[connect() for _ in range(20)]))
            assert {id(protocol) for protocol in protocols} == {id(made) for made in factory.protocols}
            assert len(protocols) == left.descriptors == 20 and not reactor.getDelayedCalls()
            for protocol in protocols:
                await lost(protocol)
            await until(left.nothing)


async def test_a_connection_leaves_no_cycle_behind() -> None:
    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1") as port:
            reactor.installNameResolver(ToldNames("::1", "127.0.0.1"))
            endpoint = HostnameEndpoint(reactor, "many.example", port)
            protocol = await within(endpoint.connect(ClientFactory.forProtocol(Recorder)))
            await lost(protocol)  # what is made once and kept is there
            del protocol
            with no_reference_cycles():
                protocol = await within(endpoint.connect(ClientFactory.forProtocol(Recorder)))
                await lost(protocol)
                del protocol
                reactor.installNameResolver(ToldNames())
                await asyncio.sleep(0)


async def test_from_which_address() -> None:
    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1", "::1") as port:
            # What can't be reached from there fails at once, and the next one is tried.
            reactor.installNameResolver(ToldNames("::1", "127.0.0.1"))
            for binding in ("127.0.0.7", b"127.0.0.7", ("127.0.0.7", 0), (b"127.0.0.7", 0)):
                endpoint = HostnameEndpoint(reactor, "many.example", port, bindAddress=binding)
                protocol = await within(endpoint.connect(Connecting()))
                assert protocol.transport.getHost().host == "127.0.0.7"
                await lost(protocol)
            own = free_port()
            endpoint = HostnameEndpoint(reactor, "many.example", port, bindAddress=("", own))
            protocol = await within(endpoint.connect(Connecting()))
            assert protocol.transport.getHost().port == own
            await lost(protocol)


async def test_from_an_address_that_this_machine_does_not_have() -> None:
    async with AsyncioReactor() as reactor:
        left = Left(reactor)
        endpoint = HostnameEndpoint(reactor, "127.0.0.1", 1, bindAddress="192.0.2.77")
        with pytest.raises(ConnectBindError):
            await within(endpoint.connect(Connecting()))
        assert left.nothing()


async def test_from_an_address_of_one_family_only_that_is_tried() -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(ToldNames("127.0.0.1", "::1"))
        endpoint = HostnameEndpoint(reactor, "many.example", free_port(), bindAddress="127.0.0.7")
        with pytest.raises(ConnectionRefusedError):
            await within(endpoint.connect(Connecting()))
        reactor.installNameResolver(ToldNames("::1"))  # none fits: not that there was none
        literal = HostnameEndpoint(reactor, "::1", free_port(), bindAddress="127.0.0.7")
        for without_a_way in (endpoint, literal):
            with pytest.raises(ConnectBindError):
                await within(without_a_way.connect(Connecting()))


# Failing


async def test_all_refuse() -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(ToldNames("::1", "127.0.0.1", "127.0.0.2"))
        left = Left(reactor)
        factory = Connecting()
        with pytest.raises(ConnectionRefusedError):
            await within(HostnameEndpoint(reactor, "many.example", free_port()).connect(factory))
        assert not factory.protocols and factory.numPorts == 0 and left.nothing()


async def test_each_attempt_has_its_time() -> None:
    """The second begins when the first is given up, long before its delay is over."""
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            reactor.installNameResolver(ToldNames("127.0.0.1", "127.0.0.2"))
            left = Left(reactor)
            endpoint = HostnameEndpoint(reactor, "many.example", port, timeout=0.02, attemptDelay=1000)
            with pytest.raises(ConnectionRefusedError):
                await within(endpoint.connect(Connecting()))
            reactor.installNameResolver(ToldNames("127.0.0.2", "127.0.0.1"))
            with pytest.raises(TimeoutError):
                await within(endpoint.connect(Connecting()))
            assert left.nothing()


async def test_the_system_knows_no_such_name() -> None:
    async with AsyncioReactor() as reactor:
        left = Left(reactor)
        with pytest.raises(DNSLookupError, match=r"nowhere\.invalid"):
            await within(HostnameEndpoint(reactor, "nowhere.invalid", 1).connect(Connecting()))
        await until(left.nothing)


async def test_a_resolver_that_raises() -> None:
    class Raising(ToldNames):
        def resolveHostName(self, *args: Any, **kw: Any) -> Any:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(Raising())
        with pytest.raises(ZeroDivisionError):
            await within(HostnameEndpoint(reactor, "many.example", 1).connect(Connecting()))


async def test_an_impossible_port() -> None:
    async with AsyncioReactor() as reactor:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises((OverflowError, ConnectError)):
                await within(HostnameEndpoint(reactor, host, 65536).connect(Connecting()))


@pytest.mark.parametrize("delay", [-1, "soon"])
async def test_a_delay_that_is_none(delay: Any) -> None:
    async with AsyncioReactor() as reactor:
        left = Left(reactor)
        endpoint = HostnameEndpoint(reactor, "localhost", 1, attemptDelay=delay)
        with pytest.raises((TypeError, ValueError)):
            await within(endpoint.connect(Connecting()))
        assert left.nothing()


async def test_a_factory_that_builds_no_protocol(caplog: pytest.LogCaptureFixture) -> None:
    def fail(addr: Any) -> Any:
        raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1") as port:
            left = Left(reactor)
            for build, error in ((lambda addr: None, NoProtocol), (fail, ZeroDivisionError)):
                factory = Connecting(build=build)
                with pytest.raises(error):
                    await within(HostnameEndpoint(reactor, "127.0.0.1", port).connect(factory))
                await until(lambda factory=factory: left.nothing() and factory.numPorts == 0)
    assert not errors_logged(caplog)


async def test_a_protocol_that_fails_as_it_begins() -> None:
    class Failing(Recorder):
        def connectionMade(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        with plain_listeners("127.0.0.1", "127.0.0.2") as port:
            reactor.installNameResolver(ToldNames("127.0.0.1", "127.0.0.2"))
            left = Left(reactor)
            factory = Connecting(Failing)
            with pytest.raises(ZeroDivisionError):
                await within(HostnameEndpoint(reactor, "many.example", port).connect(factory))
            await until(left.nothing)
            assert all(protocol.reasons for protocol in factory.protocols)


# Giving up


async def test_cancelling_with_attempts_under_way() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            reactor.installNameResolver(ToldNames("127.0.0.1", "127.0.0.1", "127.0.0.2"))
            left = Left(reactor)
            factory = Connecting()
            results = outcome(connecting := HostnameEndpoint(reactor, b"many.example", port).connect(factory))
            await until(reactor.getWriters)
            connecting.cancel()
            (failure,) = results
            assert failure.check(ConnectingCancelledError)
            assert failure.value.address == HostnameAddress(b"many.example", port)
            assert left.nothing() and factory.numPorts == 0


async def test_cancelling_the_task_that_awaits_it() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            left = Left(reactor)

            async def connect(names: ToldNames) -> None:
                reactor.installNameResolver(names)
                await HostnameEndpoint(reactor, "many.example", port).connect(Connecting())

            for names in (ToldNames(), ToldNames("127.0.0.1")):
                task = asyncio.create_task(connect(names))
                await until(reactor.getWriters if names.at_once else lambda names=names: names.asked)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await within(task)
                assert left.nothing() and (names.at_once or names.cancelled)


async def test_a_limit_of_ones_own() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            left = Left(reactor)
            connecting = HostnameEndpoint(reactor, "127.0.0.1", port).connect(Connecting())
            connecting.addTimeout(0.01, reactor)
            with pytest.raises(ConnectingCancelledError):
                await within(connecting)
            assert left.nothing()


@pytest.mark.parametrize("state", ["just begun", "resolving", "waiting for IPv6", "connecting", "in between"])
async def test_the_reactor_stops(state: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who waits for a connection hears that there will be none."""
    factory = Connecting()
    with unanswering() as port:
        async with AsyncioReactor() as reactor:
            left = Left(reactor)
            told = ["127.0.0.1"] if state in ("connecting", "just begun") else []
            names = ToldNames(*told)
            reactor.installNameResolver(names)
            results = outcome(HostnameEndpoint(reactor, "many.example", port).connect(factory))
            if state != "just begun":
                await until(reactor.getWriters if told else lambda: names.asked)
            if state == "waiting for IPv6":
                names.tell("127.0.0.1")
            if state == "in between":
                names.tell("::1")
                await until(lambda: factory.events)
                await until(lambda: not reactor.getWriters())
            assert not results
        assert len(results) == 1 and isinstance(results[0].value, Exception)
        assert factory.numPorts == 0 and left.nothing()
    assert not errors_logged(caplog)


async def test_the_reactor_stops_with_many_addresses_left(caplog: pytest.LogCaptureFixture) -> None:
    factory = Connecting()
    with unanswering() as port:
        async with AsyncioReactor() as reactor:
            reactor.installNameResolver(ToldNames("127.0.0.1", *[f"127.0.1.{n}" for n in range(1, 30)]))
            results = outcome(HostnameEndpoint(reactor, "many.example", port).connect(factory))
            await until(reactor.getWriters)
        assert len(results) == 1 and factory.numPorts == 0
    assert not errors_logged(caplog)


async def test_the_reactor_stops_while_the_system_looks_a_name_up() -> None:
    async with AsyncioReactor() as reactor:
        results = outcome(HostnameEndpoint(reactor, "nowhere.invalid", 1).connect(Connecting()))
    assert len(results) == 1


@pytest.mark.parametrize("phase", ["before", "during"])
async def test_cancelling_while_the_reactor_stops(phase: str) -> None:
    results = []
    with unanswering() as port:
        async with AsyncioReactor() as reactor:
            reactor.addSystemEventTrigger(phase, "shutdown", lambda: connecting.cancel())
            connecting = HostnameEndpoint(reactor, "127.0.0.1", port).connect(Connecting())
            results = outcome(connecting)
            await until(reactor.getWriters)
    assert len(results) == 1 and results[0].check(ConnectingCancelledError)
