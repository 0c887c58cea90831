"""TwistedReactor as a whole: what it has beyond its parts, for programs that were written for Twisted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
import twisted.internet.tcp
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ReactorAlreadyRunning,
    ReactorNotRunning,
)
from twisted.internet.interfaces import IReactorSSL, IReactorTime
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import providedBy

from tests.bridge.twisted.ecosystem.reactors import logged_errors, result
from tests.support import free_port, until, within
from twisted_compat import AsyncioReactor, current_reactor
from twisted_compat.bridge.twisted import TWISTED, TwistedReactor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place")]

make_binding = getattr(twisted.internet.tcp, "makeBinding", None)
needs_bindings = pytest.mark.skipif(make_binding is None, reason="came with Twisted 26")


class Notes(Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.reasons: list[Any] = []

    def connectionLost(self, reason: Any = None) -> None:
        self.reasons.append(reason)


class Serving(Factory):
    """Keeps what it has built."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        self.made.append(Notes())
        return self.made[-1]


class Dialing(ClientFactory):
    """Keeps what it has built, and is told."""

    noisy = False

    kind = Notes

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.failed: Any = None

    def buildProtocol(self, addr: Any) -> Any:
        self.made.append(self.kind())
        return self.made[-1]

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.failed = reason


# Its loop


async def test_made_in_a_running_loop_it_is_the_current_one() -> None:
    async with TwistedReactor() as reactor:
        assert isinstance(reactor, AsyncioReactor)
        assert current_reactor() is reactor
        assert reactor.vocabulary is TWISTED
        assert reactor.is_attached()
        assert await result(deferLater(reactor, 0.001, lambda: 42)) == 42
        assert {IReactorTime, IReactorSSL} <= set(providedBy(reactor))
    assert not reactor.is_attached()
    asyncio.get_running_loop().call_soon(lambda: None)  # the host's loop goes on


def test_it_runs_a_loop_of_its_own_kind_again_and_again(loop_factory: LoopFactory) -> None:
    reactor = TwistedReactor(loop_factory=loop_factory)
    kinds: list[Any] = []
    for _ in range(2):
        reactor.callWhenRunning(lambda: kinds.append(type(asyncio.get_running_loop())))
        reactor.callWhenRunning(lambda: reactor.callLater(0, reactor.stop))
        reactor.run(installSignalHandlers=False)
        assert not reactor.running
    made = loop_factory()
    assert kinds == [type(made)] * 2
    made.close()


def test_a_given_loop_is_run_and_left_open(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    reactor = TwistedReactor(loop)
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert not loop.is_closed()
    loop.close()
    with pytest.raises(RuntimeError, match="closed event loop"):
        TwistedReactor(loop)


async def test_errors_of_starting_and_stopping_are_twisteds() -> None:
    async with TwistedReactor() as reactor:
        with pytest.raises(ReactorAlreadyRunning):
            reactor.run()
        reactor.stop()
        with pytest.raises(ReactorNotRunning):
            reactor.stop()
        await within(reactor.stopped())
    with pytest.raises(ReactorNotRunning):
        reactor.stop()


async def test_triggers_wait_for_deferreds_of_twisteds() -> None:
    events: list[str] = []
    gate: Deferred[None] = Deferred()
    async with TwistedReactor() as reactor:
        reactor.addSystemEventTrigger("before", "shutdown", lambda: gate)
        reactor.addSystemEventTrigger("before", "shutdown", lambda: succeed(events.append("before")))
        reactor.addSystemEventTrigger("during", "shutdown", events.append, "during")
        reactor.stop()
        await until(lambda: events)
        await asyncio.sleep(0)
        assert events == ["before"]
        gate.callback(None)
        await within(reactor.stopped())
    assert events == ["before", "during"]


def test_attaching(loop_factory: LoopFactory) -> None:
    reactor = TwistedReactor()
    loop = loop_factory()
    assert reactor.attach(loop)
    assert reactor.loop is loop
    assert not reactor.attach()
    loop.close()
    other = loop_factory()
    with logged_errors():
        assert reactor.attach(other)
    assert reactor.loop is other
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert not other.is_closed()
    with pytest.raises(RuntimeError, match="closed event loop"):
        reactor.attach(loop)
    assert not reactor.is_attached()
    second = TwistedReactor(other)
    with pytest.raises(RuntimeError, match="has a reactor already"):
        reactor.attach(other)
    second.callWhenRunning(second.stop)
    second.run(installSignalHandlers=False)
    other.close()


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_signal_that_stopped_it_is_known(loop_factory: LoopFactory, number: int) -> None:
    before = signal.getsignal(number)
    reactor = TwistedReactor(loop_factory=loop_factory)
    reactor.callWhenRunning(os.kill, os.getpid(), number)
    reactor.run()
    assert reactor._exitSignal == number
    assert signal.getsignal(number) is before


def test_handlers_can_be_put_back_before_the_end(loop_factory: LoopFactory) -> None:
    before = signal.getsignal(signal.SIGTERM)
    reactor = TwistedReactor(loop_factory=loop_factory)
    reactor._uninstallHandler()  # there are none
    seen: list[Any] = []

    def look() -> None:
        seen.append(signal.getsignal(signal.SIGTERM))
        reactor._uninstallHandler()
        seen.append(signal.getsignal(signal.SIGTERM))
        reactor.stop()

    reactor.callWhenRunning(look)
    reactor.run()
    assert seen[0] is not before
    assert seen[1] is before
    assert reactor._exitSignal is None


# What trial and twistd use


async def test_everything_can_be_disconnected_at_once() -> None:
    serving, dialing = Serving(), Dialing()

    class Raising(Notes):
        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            raise KeyError("while being disconnected")

    dialing.kind = Raising
    with logged_errors() as errors:
        async with TwistedReactor() as reactor:
            port = reactor.listenTCP(0, serving, interface="127.0.0.1")
            address = port.getHost()
            reactor.connectTCP("127.0.0.1", address.port, dialing)
            await until(lambda: serving.made and dialing.made and dialing.made[0].transport)
            reactor.disconnectAll()
            for protocol in (serving.made[0], dialing.made[0]):
                assert [reason.type for reason in protocol.reasons] == [ConnectionLost]
            assert not reactor.getReaders()
            assert not reactor.getWriters()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", address.port)
            reactor.disconnectAll()  # there is nothing
    assert len(errors) == 1
    assert "while being disconnected" in errors[0]


# Bindings


@needs_bindings
async def test_listening_on_a_binding() -> None:
    assert make_binding is not None
    async with TwistedReactor() as reactor:
        port = reactor.listenTCP(make_binding("127.0.0.1", 0, False, True), Serving())
        assert port.getHost().host == "127.0.0.1"
        number = port.getHost().port
        shared = reactor.listenTCP(make_binding("127.0.0.1", number, False, True), Serving())
        assert shared.getHost().port == number
        with pytest.raises(CannotListenError):
            reactor.listenTCP(make_binding("127.0.0.1", number), Serving())
        with pytest.raises(ValueError, match=r"makeBinding\(\) was given.*127\.0\.0\.1.*::1"):
            reactor.listenTCP(make_binding("127.0.0.1"), Serving(), interface="::1")
        same = reactor.listenTCP(make_binding("127.0.0.1"), Serving(), interface="127.0.0.1")
        anywhere = reactor.listenTCP(make_binding(), Serving())
        assert (same.getHost().host, anywhere.getHost().host) == ("127.0.0.1", "0.0.0.0")


@needs_bindings
async def test_connecting_from_a_binding() -> None:
    assert make_binding is not None
    serving, dialing = Serving(), Dialing()
    source = free_port()
    async with TwistedReactor() as reactor:
        port = reactor.listenTCP(0, serving, interface="127.0.0.1")
        reactor.connectTCP(
            "127.0.0.1",
            port.getHost().port,
            dialing,
            bindAddress=make_binding("127.0.0.1", source, True),
        )
        await until(lambda: serving.made and dialing.made and dialing.made[0].transport)
        assert serving.made[0].transport.getPeer().port == source
        dialing.made[0].transport.loseConnection()
        await until(lambda: dialing.made[0].reasons)
        assert dialing.made[0].reasons[0].check(ConnectionDone)
        busy = Dialing()
        reactor.connectTCP(
            "127.0.0.1", port.getHost().port, busy, bindAddress=("127.0.0.1", port.getHost().port)
        )
        await until(lambda: busy.failed)


# Sockets that exist already


async def test_adopting_a_port_and_a_connection() -> None:
    serving = Serving()
    async with TwistedReactor() as reactor:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, serving)
        assert port.getHost().host == "127.0.0.1"
        _, writing = await asyncio.open_connection("127.0.0.1", port.getHost().port)
        await until(lambda: serving.made)
        writing.close()
        await until(lambda: serving.made[0].reasons)
        assert serving.made[0].reasons[0].check(ConnectionDone)
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname()) as near,
            listening.accept()[0] as far,
        ):
            reactor.adoptStreamConnection(far.fileno(), socket.AF_INET, serving)
            await until(lambda: len(serving.made) == 2)
            serving.made[1].transport.write(b"hello")
            near.setblocking(False)
            assert await within(asyncio.get_running_loop().sock_recv(near, 5)) == b"hello"
