"""The connector: stopping, and connecting again."""

from __future__ import annotations

import pytest

from tests.support import free_port, until
from tests.transport.connecting import FixedNames, connected, failed, listening
from tests.transport.recorders import (
    Connecting,
    unanswering,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import (
    ConnectError,
    NotConnectingError,
    UserError,
)
from twisted_compat.transport.tcp_connect import Connector

pytestmark = pytest.mark.without_debug

# -- stopping


async def test_stop_before_the_first_turn() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        connector.stopConnecting()
        assert factory.events == ["start", "connecting", "failed", "stop"]
        assert factory.reasons[0].check(UserError)
        with pytest.raises(NotConnectingError, match="disconnect"):
            connector.stopConnecting()
        assert not reactor.getDelayedCalls()


async def test_stop_while_connecting() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            factory = Connecting()
            connector = reactor.connectTCP("127.0.0.1", port, factory)
            await until(lambda: reactor.getWriters() == [connector.transport])
            handle = connector.transport.getHandle()
            connector.disconnect()
            assert factory.reasons[0].check(UserError)
            assert handle.fileno() == -1
            assert not reactor.getWriters()


async def test_stop_while_resolving() -> None:
    async with AsyncioReactor() as reactor:
        names = FixedNames(None)
        reactor.installNameResolver(names)
        factory = Connecting()
        connector = reactor.connectTCP("slow.example", 1, factory)
        await until(lambda: names.resolution)
        connector.stopConnecting()
        assert names.resolution is not None and names.resolution.cancelled
        assert factory.reasons[0].check(UserError)


async def test_stop_inside_started_connecting() -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        factory.on_started = lambda connector: connector.stopConnecting()
        connector = reactor.connectTCP("127.0.0.1", 1, factory)
        assert factory.events == ["start", "connecting", "failed", "stop"]
        assert connector.state == "disconnected"


async def test_stop_when_connected_is_too_late() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        protocol = await connected(factory)
        with pytest.raises(NotConnectingError):
            connector.stopConnecting()
        connector.transport.stopConnecting()
        connector.transport.failIfNotConnected(UserError())
        assert not protocol.reasons
        connector.disconnect()
        await until(lambda: protocol.reasons)
        connector.disconnect()  # nothing left to do


async def test_aborting_an_attempt_fails_it() -> None:
    async with AsyncioReactor() as reactor:
        with unanswering() as port:
            factory = Connecting()
            connector = reactor.connectTCP("127.0.0.1", port, factory)
            await until(lambda: reactor.getWriters())
            connector.transport.abortConnection()
            assert (await failed(factory)).check(ConnectError)


# -- connecting again


async def test_connecting_twice_at_once_is_an_error() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", port, factory)
        with pytest.raises(RuntimeError, match="can't connect in this state"):
            connector.connect()
        await connected(factory)
        with pytest.raises(RuntimeError, match="can't connect in this state"):
            connector.connect()


async def test_again_when_lost() -> None:
    async with AsyncioReactor() as reactor:
        port, server = await listening(reactor)
        factory = Connecting()
        factory.again = lambda connector: connector.connect() if len(factory.reasons) < 3 else None
        reactor.connectTCP("127.0.0.1", port, factory)
        for number in range(1, 4):
            await until(lambda number=number: len(server.protocols) == number and server.protocols[-1].made)
            server.protocols[-1].transport.loseConnection()
            await until(lambda number=number: len(factory.reasons) == number)
        assert factory.events == ["start", *["connecting", "lost"] * 3, "stop"]
        assert [len(protocol.reasons) for protocol in factory.protocols] == [1, 1, 1]


async def test_again_when_failed_and_when_stopped() -> None:
    async with AsyncioReactor() as reactor:
        port, _ = await listening(reactor)
        factory = Connecting()
        connector = reactor.connectTCP("127.0.0.1", free_port(), factory)

        def again(connector: Connector) -> None:
            if len(factory.reasons) == 2:
                connector.port = port
            connector.connect()
            if len(factory.reasons) == 1:
                connector.stopConnecting()  # on this turn: on the next it may have been decided

        factory.again = again
        await connected(factory)
        assert factory.events == ["start", "connecting", "failed", "connecting", "failed", "connecting"]
        assert factory.reasons[1].check(UserError)
        assert connector.transport is factory.protocols[0].transport
