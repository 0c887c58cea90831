"""Single client connections: over real sockets, and cancelled in each state an attempt can be in."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import free_port, until, within
from twisted_compat import AsyncioReactor
from twisted_compat.defer import CancelledError, Deferred
from twisted_compat.error import ConnectError, ConnectionRefusedError
from twisted_compat.failure import Failure
from twisted_compat.protocol import ClientCreator, Protocol


class Recording(Protocol):
    def __init__(self, name: str = "", size: int = 0) -> None:
        self.name, self.size = name, size
        self.events: list[str] = []

    def connectionMade(self) -> None:
        self.events.append("made")

    def connectionLost(self, reason: Failure | None = None) -> None:  # type: ignore[override]
        self.events.append("lost")


class Call:
    def __init__(self, run: Callable[[], Any]) -> None:
        self.run, self.cancelled = run, False

    def cancel(self) -> None:
        self.cancelled = True


class Reactor:
    """Holds each state of an attempt still: the test moves on by hand. It is its own connector."""

    def __init__(self, tells_of_start: bool = True, fails_when_stopped: bool = True) -> None:
        self.tells_of_start, self.fails_when_stopped = tells_of_start, fails_when_stopped
        self.calls: list[Call] = []
        self.disconnects = 0
        self.arguments: tuple[Any, ...] = ()
        self.factory: Any = None

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Call:
        self.calls.append(Call(lambda: callable(*args)))
        return self.calls[-1]

    def _connect(self, *args: Any, factory: Any, **kwargs: Any) -> Reactor:
        self.arguments, self.factory = (args, kwargs), factory
        if self.tells_of_start:
            factory.startedConnecting(self)
        return self

    connectTCP = connectUNIX = connectSSL = _connect

    def disconnect(self) -> None:
        self.disconnects += 1
        if self.fails_when_stopped:
            self.factory.clientConnectionFailed(self, Failure(ConnectError()))


def outcome(deferred: Deferred[Any]) -> list[Any]:
    """What the Deferred has fired with, so far."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.type))
    return results


class TestArguments:
    def test_tcp(self) -> None:
        reactor = Reactor()
        ClientCreator(reactor, Protocol).connectTCP("host", 1, 2, ("", 3))
        assert reactor.arguments == (("host", 1), {"timeout": 2, "bindAddress": ("", 3)})
        ClientCreator(reactor, Protocol).connectTCP("host", 1)
        assert reactor.arguments == (("host", 1), {"timeout": 30, "bindAddress": None})

    def test_unix(self) -> None:
        reactor = Reactor()
        ClientCreator(reactor, Protocol).connectUNIX("/path", checkPID=True)
        assert reactor.arguments == (("/path",), {"timeout": 30, "checkPID": True})

    def test_ssl(self) -> None:
        reactor = Reactor()
        ClientCreator(reactor, Protocol).connectSSL("host", 1, "context", timeout=5)
        keywords = {"contextFactory": "context", "timeout": 5, "bindAddress": None}
        assert reactor.arguments == (("host", 1), keywords)  # the third place is the factory's

    def test_of_the_protocol(self) -> None:
        reactor = Reactor()
        ClientCreator(reactor, Recording, "name", size=3).connectTCP("host", 1)
        made = reactor.factory.buildProtocol(None)
        assert (made.name, made.size) == ("name", 3)
        assert "Recording" in repr(reactor.factory)


class TestOnALaterTurn:
    def test_success(self) -> None:
        reactor = Reactor()
        results = outcome(ClientCreator(reactor, Recording).connectTCP("host", 1))
        made = reactor.factory.buildProtocol(None)
        assert results == []
        reactor.calls[0].run()
        assert results == [made]
        assert reactor.factory.pending is reactor.factory.connector is None

    def test_failure(self) -> None:
        reactor = Reactor()
        results = outcome(ClientCreator(reactor, Recording).connectTCP("host", 1))
        reactor.factory.clientConnectionFailed(reactor, Failure(ConnectError()))
        assert results == []
        reactor.calls[0].run()
        assert results == [ConnectError]


class TestCancelled:
    @pytest.mark.parametrize("tells", [True, False])
    @pytest.mark.parametrize("fails", [True, False])
    def test_while_connecting(self, tells: bool, fails: bool) -> None:
        reactor = Reactor(tells, fails)
        deferred = ClientCreator(reactor, Recording).connectTCP("host", 1)
        results = outcome(deferred)
        deferred.cancel()
        assert (results, reactor.disconnects, reactor.calls) == ([CancelledError], 1, [])
        # Should the connection come to stand or fail all the same, nobody is told and nothing is kept.
        assert reactor.factory.buildProtocol(None) is None
        reactor.factory.clientConnectionFailed(reactor, Failure(ConnectError()))
        assert (results, reactor.calls) == ([CancelledError], [])

    def test_connected_but_not_told(self) -> None:
        reactor = Reactor(fails_when_stopped=False)
        deferred = ClientCreator(reactor, Recording).connectTCP("host", 1)
        results = outcome(deferred)
        reactor.factory.buildProtocol(None)
        deferred.cancel()
        assert (results, reactor.disconnects) == ([CancelledError], 1)
        assert reactor.calls[0].cancelled

    def test_failed_but_not_told(self) -> None:
        reactor = Reactor(fails_when_stopped=False)
        deferred = ClientCreator(reactor, Recording).connectTCP("host", 1)
        results = outcome(deferred)
        reactor.factory.clientConnectionFailed(reactor, Failure(ConnectError()))
        deferred.cancel()
        assert results == [CancelledError]
        assert reactor.calls[0].cancelled

    def test_told(self) -> None:
        reactor = Reactor()
        deferred = ClientCreator(reactor, Recording).connectTCP("host", 1)
        results = outcome(deferred)
        made = reactor.factory.buildProtocol(None)
        reactor.calls[0].run()
        deferred.cancel()
        assert (results, reactor.disconnects) == ([made], 0)

    def test_twice(self) -> None:
        reactor = Reactor()
        deferred = ClientCreator(reactor, Recording).connectTCP("host", 1)
        results = outcome(deferred)
        deferred.cancel()
        deferred.cancel()
        assert (results, reactor.disconnects) == ([CancelledError], 1)


class TestOverSockets:
    async def test_connects(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with AsyncioReactor() as reactor:
                creator = ClientCreator(reactor, Recording, "name")
                made = await within(creator.connectTCP("127.0.0.1", server.getsockname()[1]))
                assert (made.name, made.events) == ("name", ["made"])
                server.accept()[0].close()
                await until(lambda: "lost" in made.events)

    async def test_refused(self) -> None:
        async with AsyncioReactor() as reactor:
            with pytest.raises(ConnectionRefusedError):
                await within(ClientCreator(reactor, Recording).connectTCP("127.0.0.1", free_port()))

    async def test_cancelled_at_once(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with AsyncioReactor() as reactor:
                deferred = ClientCreator(reactor, Recording).connectTCP("127.0.0.1", server.getsockname()[1])
                results = outcome(deferred)
                deferred.cancel()
                assert results == [CancelledError]
