"""Connecting: every way in which an attempt ends, and what factory and protocol hear."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import free_port, until, within
from tests.transport.connecting import FixedNames, connected, failed, listening
from tests.transport.recorders import (
    Connecting,
    Recorder,
    errors_logged,
    resetting,
    unanswering,
)
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import (
    ConnectBindError,
    ConnectError,
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
    ServiceNameUnknownError,
    TimeoutError,
)
from twisted_compat.interfaces import (
    IConnector,
    ITCPTransport,
)
from twisted_compat.transport.tcp_connect import Client, ClientState, Connector

pytestmark = pytest.mark.without_debug

# -- connecting


async def test_connects_talks_and_is_lost() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        assert factory.events == ["start", "connecting"]
        assert connector.state == "connecting"
        protocol = await connected(factory)
        assert connector.state == "connected"
        assert connector.transport is protocol.transport
        assert factory.addresses == [IPv4Address("TCP", "127.0.0.1", port)]
        assert protocol.transport.getPeer() == IPv4Address("TCP", "127.0.0.1", port)
        assert protocol.transport.getHost().port == protocol.transport.getHandle().getsockname()[1]
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        connector.disconnect()
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", "connecting", "lost", "stop"]
        assert protocol.reasons[0].check(ConnectionDone)
        assert factory.reasons[0].check(ConnectionDone)
        assert (connector.state, connector.transport) == ("disconnected", None)


async def test_what_connectors_and_clients_claim() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        assert verifyObject(IConnector, connector)
        client = connector.transport
        assert verifyObject(ITCPTransport, client)
        assert not client.turn_flush
        assert "connecting" in repr(connector)
        assert repr(client) == f"<{Client} to ('127.0.0.1', {port}) at {id(client):x}>"
        protocol = await connected(factory)
        assert client.turn_flush and client.connected
        assert protocol.transport.logPrefix() == "Recorder,client"
        assert not client.getTcpNoDelay()


async def test_writing_in_connection_made_arrives() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting(
            type("Eager", (Recorder,), {"on_made": staticmethod(lambda p: p.transport.write(b"first"))})
        )
        reactor.connectTCP("127.0.0.1", port, factory)
        protocol = await connected(factory)
        await until(lambda: protocol.received == b"first")


async def test_pausing_in_connection_made_holds() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting(
            type("Paused", (Recorder,), {"on_made": staticmethod(lambda p: p.transport.pauseProducing())})
        )
        reactor.connectTCP("127.0.0.1", port, factory)
        protocol = await connected(factory)
        assert protocol.transport not in reactor.getReaders()
        protocol.transport.write(b"echoed")
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"echoed")


async def test_ipv6() -> None:
    async with AsyncioReactor() as reactor:
        port, server = await listening(reactor, interface="::1")
        factory = Connecting()
        connector = reactor.connectTCP("::1", port, factory)
        assert connector.getDestination() == IPv6Address("TCP", "::1", port)
        protocol = await connected(factory)
        assert protocol.transport.getPeer() == IPv6Address("TCP", "::1", port)
        assert isinstance(protocol.transport.getHost(), IPv6Address)
        await until(lambda: server.addresses)
        assert server.addresses[0] == protocol.transport.getHost()


async def test_an_empty_host_is_this_one() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP("", port, factory)
        await connected(factory)


async def test_options_can_be_set_before_a_literal_is_connected_to() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        factory.on_started = lambda connector: connector.transport.setTcpKeepAlive(True)
        reactor.connectTCP("127.0.0.1", port, factory)
        assert (await connected(factory)).transport.getTcpKeepAlive()


async def test_a_socket_is_asked_for_before_the_address_is_known() -> None:
    async with AsyncioReactor() as reactor:
        connector = reactor.connectTCP("localhost", 1, Connecting())
        assert connector.transport.getHandle().family == socket.AF_INET
        with pytest.raises(AttributeError, match="nonsense"):
            _ = connector.transport.nonsense
        connector.stopConnecting()
        connector = reactor.connectTCP("127.0.0.1", 1, Connecting(), bindAddress=("192.0.2.1", 0))
        with pytest.raises(ConnectBindError):
            connector.transport.getHandle()
        connector.stopConnecting()


async def test_a_socket_of_the_wrong_family_is_exchanged() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor, interface="::1")
        reactor.installNameResolver(FixedNames(["::1"]))
        factory = Connecting()
        connector = reactor.connectTCP("some.name", port, factory)
        guessed = connector.transport.getHandle()
        await connected(factory)
        assert guessed.fileno() == -1
        assert connector.transport.getHandle().family == socket.AF_INET6


# -- names


async def test_localhost() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("localhost", port, factory)
        assert connector.getDestination() == IPv4Address("TCP", "localhost", port)
        await connected(factory)


async def test_each_address_of_a_name_is_tried_in_turn() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        reactor.installNameResolver(FixedNames(["::1", "127.0.0.2", "127.0.0.1", "127.0.0.3"]))
        factory = Connecting()
        reactor.connectTCP("many.example", port, factory)
        protocol = await connected(factory)
        assert protocol.transport.getPeer().host == "127.0.0.1"
        assert factory.addresses == [protocol.transport.getPeer()]


async def test_of_many_failures_the_first_is_told() -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(FixedNames(["127.0.0.1", "255.255.255.255", "::1"]))
        factory = Connecting()
        reactor.connectTCP("many.example", free_port(), factory)
        assert (await failed(factory)).check(ConnectionRefusedError)


async def test_only_the_family_of_the_bound_address_is_tried() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        reactor.installNameResolver(FixedNames(["::1", "127.0.0.1"]))
        factory = Connecting()
        reactor.connectTCP("many.example", port, factory, bindAddress=("127.0.0.1", 0))
        await connected(factory)
        none_fits = Connecting()
        reactor.installNameResolver(FixedNames(["::1"]))
        reactor.connectTCP("many.example", port, none_fits, bindAddress=("127.0.0.1", 0))
        assert (await failed(none_fits)).check(ConnectBindError)


async def test_a_name_without_addresses() -> None:
    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(FixedNames([]))
        factory = Connecting()
        reactor.connectTCP("nowhere.invalid", 1, factory)
        reason = await failed(factory)
        assert reason.check(DNSLookupError)
        assert "nowhere.invalid" in reason.getErrorMessage()


async def test_the_real_resolver_on_a_name_that_is_none() -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectTCP("nowhere.invalid", 1, factory)
        assert (await failed(factory)).check(DNSLookupError)


async def test_an_unknown_scope() -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectTCP("fe80::1%nosuchif", 1, factory)
        assert (await failed(factory)).check(DNSLookupError)


async def test_a_resolver_that_raises() -> None:
    class Broken(FixedNames):
        def resolveHostName(self, *args: Any, **kw: Any) -> Any:
            raise ZeroDivisionError("resolver")

    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(Broken([]))
        factory = Connecting()
        reactor.connectTCP("many.example", 1, factory)
        assert (await failed(factory)).check(ZeroDivisionError)


# -- failing


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_refused_on_a_later_turn(host: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        connector = reactor.connectTCP(host, free_port(), factory)
        assert factory.events == ["start", "connecting"]
        reason = await failed(factory)
        assert reason.check(ConnectionRefusedError)
        assert reason.value.osError == errno.ECONNREFUSED
        assert connector.state == "disconnected"
        assert not reactor.getDelayedCalls()
        assert not reactor.getWriters() and not reactor.getReaders()


async def test_timeout() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            factory = Connecting()
            reactor.connectTCP("127.0.0.1", port, factory, timeout=0.05)
            assert (await failed(factory)).check(TimeoutError)
        assert not reactor.getWriters()


async def test_timeout_while_resolving() -> None:
    async with AsyncioReactor() as reactor:
        names = FixedNames(None)
        reactor.installNameResolver(names)
        factory = Connecting()
        reactor.connectTCP("slow.example", 1, factory, timeout=0.05)
        assert (await failed(factory)).check(TimeoutError)
        assert names.resolution is not None and names.resolution.cancelled


async def test_no_timeout() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            factory = Connecting()
            connector = reactor.connectTCP("127.0.0.1", port, factory, timeout=None)
            await until(lambda: reactor.getWriters())
            assert not reactor.getDelayedCalls()
            connector.stopConnecting()


async def test_the_timeout_ends_with_the_attempt() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", port, factory, timeout=30)
        assert any(call.getTime() > reactor.seconds() + 20 for call in reactor.getDelayedCalls())
        await connected(factory)
        assert not reactor.getDelayedCalls()


async def test_no_descriptor_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: Client) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Client, "createInternetSocket", none_left)
    async with AsyncioReactor() as reactor:
        for host in ("127.0.0.1", "localhost"):
            factory = Connecting()
            reactor.connectTCP(host, 1, factory)
            reason = await failed(factory)
            assert reason.check(ConnectError)
            assert reason.value.osError == errno.EMFILE


async def test_an_impossible_port() -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", 65536, factory)
        assert (await failed(factory)).check(OverflowError)


async def test_meeting_oneself_is_being_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    target = free_port()

    def unlucky(self: Client) -> socket.socket:
        skt = socket.socket()
        skt.setblocking(False)
        skt.bind(("127.0.0.1", target))
        return skt

    monkeypatch.setattr(Client, "createInternetSocket", unlucky)
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", target, factory)
        assert (await failed(factory)).check(ConnectionRefusedError)


async def test_meeting_oneself_on_purpose() -> None:
    target = free_port()
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", target, factory, bindAddress=("127.0.0.1", target))
        protocol = await connected(factory)
        protocol.transport.write(b"narcissus")
        await until(lambda: protocol.received == b"narcissus")


async def test_a_false_alarm_changes_nothing() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            factory = Connecting()
            connector = reactor.connectTCP("127.0.0.1", port, factory)
            await until(lambda: connector.transport.state is ClientState.CONNECTING)
            client = connector.transport
            assert not client.doWrite()
            assert client.state is ClientState.CONNECTING
            connector.stopConnecting()
            assert not client.doWrite()
            assert factory.events == ["start", "connecting", "failed", "stop"]


async def test_peers_that_reset_at_once() -> None:
    """Whatever moment the reset meets, the factory hears exactly one outcome, and no descriptor is left."""
    async with AsyncioReactor() as reactor:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            listener.setblocking(False)
            loop = asyncio.get_running_loop()
            factories = [Connecting() for _ in range(30)]
            for factory in factories:
                reactor.connectTCP("127.0.0.1", listener.getsockname()[1], factory)
            for _ in factories:
                peer, _address = await within(loop.sock_accept(listener))
                resetting(peer).close()
            await until(lambda: all(factory.events[-1] == "stop" for factory in factories))
            for factory in factories:
                assert factory.events[2:] in (["lost", "stop"], ["failed", "stop"])
                assert all(len(protocol.reasons) == 1 for protocol in factory.protocols)
        assert not reactor.getReaders() and not reactor.getWriters()


# -- the local address


async def test_bind_address() -> None:
    async with AsyncioReactor() as reactor:
        port, server = await listening(reactor)
        local = free_port()
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", port, factory, bindAddress=("127.0.0.1", local))
        protocol = await connected(factory)
        assert protocol.transport.getHost() == IPv4Address("TCP", "127.0.0.1", local)
        await until(lambda: server.addresses)
        assert server.addresses == [protocol.transport.getHost()]


async def test_bind_address_left_to_the_system() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP("localhost", port, factory, bindAddress=("", 0))
        await connected(factory)


async def test_bind_address_in_use() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", port, factory, bindAddress=("127.0.0.1", port))
        assert factory.events == ["start", "connecting"]
        reason = await failed(factory)
        assert reason.check(ConnectBindError)
        assert reason.value.osError == errno.EADDRINUSE


@pytest.mark.parametrize("local", ["::1", "192.0.2.1", "fe80::1%nosuchif"])
async def test_bind_address_that_is_not_ours(local: str) -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP("127.0.0.1", port, factory, bindAddress=(local, 0))
        assert (await failed(factory)).check(ConnectBindError)


# -- ports by name


async def test_a_service_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        monkeypatch.setattr(socket, "getservbyname", lambda name, proto: {("ours", "tcp"): port}[name, proto])
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", "ours", factory)
        assert connector.port == port
        await connected(factory)


async def test_what_connect_tcp_refuses_at_once() -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(ServiceNameUnknownError):
            reactor.connectTCP("127.0.0.1", "nosuchservice", Connecting())
        with pytest.raises(TypeError, match="Write connectTCP"):
            reactor.connectTCP(None, 1, Connecting())


async def test_a_host_in_bytes() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        reactor.connectTCP(b"127.0.0.1", port, factory)
        await connected(factory)


# -- what user code raises


async def test_build_protocol_returns_none() -> None:
    async with AsyncioReactor() as reactor:
        port, server = await listening(reactor)
        factory = Connecting(build=lambda addr: None)
        reactor.connectTCP("127.0.0.1", port, factory)
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", "connecting", "lost", "stop"]
        await until(lambda: server.protocols and server.protocols[0].reasons)
        assert not reactor.getWriters()


async def test_build_protocol_raises(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        port, server = await listening(reactor)
        factory = Connecting(build=lambda addr: 1 / 0)
        reactor.connectTCP("127.0.0.1", port, factory)
        assert (await failed(factory)).check(ConnectError)
        await until(lambda: server.protocols and server.protocols[0].reasons)
    assert len(errors_logged(caplog)) == 1


async def test_connection_made_raises(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Recorder):
        def connectionMade(self) -> None:
            self.transport.loseConnection()
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting(Faulty)
        reactor.connectTCP("127.0.0.1", port, factory)
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", "connecting", "lost", "stop"]
        assert factory.reasons[0].check(ZeroDivisionError)
        assert [bool(r.check(ZeroDivisionError)) for r in factory.protocols[0].reasons] == [True]
    assert len(errors_logged(caplog)) == 1


async def test_connection_lost_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The factory hears of the loss all the same."""

    class Faulty(Recorder):
        def connectionLost(self, reason: Any = None) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting(Faulty)
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        await connected(factory)
        connector.disconnect()
        await until(lambda: factory.events[-1] == "stop")
        assert factory.reasons[0].check(ConnectionDone)
    assert len(errors_logged(caplog)) == 1


@pytest.mark.parametrize("outcome", ["failed", "lost"])
async def test_the_factorys_callbacks_raise(outcome: str, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        factory.again = lambda connector: 1 / 0
        connector = reactor.connectTCP("127.0.0.1", port if outcome == "lost" else free_port(), factory)
        if outcome == "lost":
            await connected(factory)
            connector.disconnect()
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", "connecting", outcome, "stop"]
    assert len(errors_logged(caplog)) == 1


async def test_start_factory_raises() -> None:
    class Faulty(Connecting):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        connector = Connector("127.0.0.1", 1, Faulty(), 30, None, reactor)
        with pytest.raises(ZeroDivisionError):
            connector.connect()
        assert connector.state == "disconnected"
        assert not reactor.getDelayedCalls()


# -- the end of the reactor


async def test_an_attempt_under_way_ends_with_the_reactor() -> None:
    with unanswering() as port:
        factory = Connecting()
        async with AsyncioReactor() as reactor:
            reactor.connectTCP("127.0.0.1", port, factory)
            await until(lambda: reactor.getWriters())
        assert factory.events == ["start", "connecting", "failed", "stop"]
