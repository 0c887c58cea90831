"""Closing what is open: in peace, then by force, and never for ever."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support import until, within
from tests.transport.recorders import Connecting, Listening, Recorder
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.protocol import ReconnectingClientFactory

FOREVER = 3600.0


@pytest_asyncio.fixture
async def reactor() -> AsyncIterator[Any]:
    async with AsyncioReactor() as reactor:
        yield reactor


class Stranger:
    """As little of a descriptor as one can be: a socket, and connectionLost."""

    def __init__(self, skt: socket.socket, error: BaseException | None = None) -> None:
        self.socket = skt
        self.error = error
        self.reasons: list[Any] = []

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> None:
        self.socket.recv(1)

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason)
        if self.error is not None:
            raise self.error


@pytest.fixture
def ends() -> Any:
    """Two connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        yield one, other


@pytest_asyncio.fixture
async def stuck(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorder]:
    """A connection that never gets rid of what was written, and all the time in the world."""
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)
    client = Connecting()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reactor.connectTCP("127.0.0.1", listener.getsockname()[1], client)
        await until(lambda: client.protocols and client.protocols[0].made)
        client.protocols[0].transport.write(b"x" * 50_000_000)
        yield client.protocols[0]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


async def stop(reactor: Any) -> None:
    reactor.stop()
    await within(reactor.stopped())


# In peace


async def test_nothing_open(reactor: Any, caplog: pytest.LogCaptureFixture) -> None:
    await stop(reactor)
    assert messages(caplog) == []


async def test_idle_connections_end_as_done_without_waiting(
    reactor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)
    server, client = Listening(), Connecting()
    port = reactor.listenTCP(0, server, interface="127.0.0.1")
    reactor.connectTCP("127.0.0.1", port.getHost().port, client)
    await until(lambda: server.protocols and client.protocols)
    await stop(reactor)
    for protocol in (server.protocols[0], client.protocols[0]):
        assert [reason.type for reason in protocol.reasons] == [ConnectionDone]
    assert server.events == ["start", "stop"]


# By force


async def test_unsent_data_is_waited_for_no_longer_than_the_grace(
    reactor: Any, stuck: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", 0.0)
    await stop(reactor)
    assert [reason.type for reason in stuck.reasons] == [ConnectionLost]


async def test_a_hurry_ends_the_wait(reactor: Any, stuck: Recorder) -> None:
    shutdown = reactor._parts.shutdown
    reactor.stop()
    await until(lambda: shutdown._waiter is not None)
    assert stuck.reasons == []
    shutdown.hurry()
    await within(reactor.stopped())
    assert [reason.type for reason in stuck.reasons] == [ConnectionLost]


async def test_a_hurry_beforehand_leaves_no_wait(reactor: Any, stuck: Recorder) -> None:
    reactor.stop()
    reactor._parts.shutdown.hurry()
    await within(reactor.stopped())
    assert [reason.type for reason in stuck.reasons] == [ConnectionLost]


async def test_a_cancelled_task_closes_all_the_same(reactor: Any, stuck: Recorder) -> None:
    shutdown = reactor._parts.shutdown
    reactor.stop()
    await until(lambda: shutdown._waiter is not None)
    shutdown.task.cancel()
    await within(reactor.stopped())
    assert [reason.type for reason in stuck.reasons] == [ConnectionLost]
    assert not shutdown.task.cancelled()


def test_a_program_that_ends_while_it_stops(loop_factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted_compat.adapter.embed import _run_on

    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)
    client = Connecting()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def main() -> None:
            reactor = AsyncioReactor()
            reactor.connectTCP("127.0.0.1", listener.getsockname()[1], client)
            await until(lambda: client.protocols)
            client.protocols[0].transport.write(b"x" * 50_000_000)
            reactor.stop()
            await until(lambda: reactor._parts.shutdown._waiter is not None)

        _run_on(loop_factory(), main())
    assert [reason.type for reason in client.protocols[0].reasons] == [ConnectionLost]


# Strangers


async def test_a_stranger_is_lost_at_once(reactor: Any, ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)
    stranger = Stranger(ends[0])
    reactor.addReader(stranger)
    await stop(reactor)
    assert [reason.type for reason in stranger.reasons] == [ConnectionLost]
    assert "the reactor was stopped" in str(stranger.reasons[0].value)


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, SystemExit])
async def test_what_connection_lost_raises_is_logged_once_and_the_others_are_closed(
    reactor: Any, ends: Any, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    raising, other = Stranger(ends[0], kind("oops")), Stranger(ends[1])
    reactor.addReader(raising)
    reactor.addReader(other)
    await stop(reactor)
    assert (len(raising.reasons), len(other.reasons)) == (1, 1)
    assert len(messages(caplog)) == 1


async def test_one_that_comes_back_is_told_once(
    reactor: Any, ends: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Returning(Stranger):
        def connectionLost(self, reason: Any) -> None:
            super().connectionLost(reason)
            reactor.addReader(self)

    stranger = Returning(ends[0])
    reactor.addReader(stranger)
    # After the grace, so that nobody waits for one who never leaves.
    reactor._parts.shutdown.hurry()
    await stop(reactor)
    assert len(stranger.reasons) == 1
    assert messages(caplog) == []


async def test_a_port_that_fails_to_stop_is_lost(
    reactor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", 0.0)
    factory = Listening()
    port = reactor.listenTCP(0, factory)
    port.stopListening = lambda: 1 / 0
    await stop(reactor)
    assert factory.events == ["start", "stop"]
    assert len(messages(caplog)) == 1


# Factories that don't give up


async def test_one_that_reconnects_for_ever_is_given_up_on(
    reactor: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)
    server, client = Listening(), Connecting()
    client.again = lambda connector: connector.connect()
    port = reactor.listenTCP(0, server, interface="127.0.0.1")
    reactor.connectTCP("127.0.0.1", port.getHost().port, client)
    await until(lambda: server.protocols and client.protocols)
    await stop(reactor)
    assert client.protocols[0].reasons
    assert any("keep opening" in message for message in messages(caplog))


async def test_one_that_waits_before_it_reconnects_keeps_nothing_alive(
    reactor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Patient(ReconnectingClientFactory[Any]):
        lost = 0

        def buildProtocol(self, addr: Any) -> Any:
            self.resetDelay()
            return Recorder()

        def clientConnectionLost(self, connector: Any, reason: Any) -> None:
            self.lost += 1
            super().clientConnectionLost(connector, reason)

    server, client = Listening(), Patient()
    port = reactor.listenTCP(0, server, interface="127.0.0.1")
    reactor.connectTCP("127.0.0.1", port.getHost().port, client)
    await until(lambda: server.protocols)
    await stop(reactor)
    assert client.lost == 1
    assert messages(caplog) == []


async def test_a_connection_made_by_a_closing_one_is_closed_in_its_turn(reactor: Any) -> None:
    server, first, second = Listening(), Connecting(), Connecting()
    port = reactor.listenTCP(0, server, interface="127.0.0.1")
    number = port.getHost().port
    first.again = lambda connector: reactor.connectTCP("127.0.0.1", number, second)
    reactor.connectTCP("127.0.0.1", number, first)
    await until(lambda: server.protocols and first.protocols)
    await stop(reactor)
    assert second.events == ["start", "connecting", "failed", "stop"]
