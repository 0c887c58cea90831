"""For trial: tests that pass."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

__all__ = ["DeferredTests", "EchoTests", "PlainTests"]


class PlainTests(SynchronousTestCase):
    """Needs no reactor but has one."""

    def test_reactor(self) -> None:
        """It is ours."""
        self.assertEqual(type(reactor).__qualname__, "TwistedReactor")

    def test_clock(self) -> None:
        """Trial's own helpers."""
        clock = Clock()
        late = deferLater(clock, 5, int, 1)
        self.assertNoResult(late)
        clock.advance(5)
        self.assertEqual(self.successResultOf(late), 1)


class DeferredTests(TestCase):
    """Tests that end later."""

    def setUp(self) -> Any:
        """Itself later."""
        return deferLater(reactor, 0.001)

    def tearDown(self) -> Any:
        """Itself later."""
        return deferLater(reactor, 0.001)

    def test_later(self) -> Any:
        """A Deferred is waited for."""
        return deferLater(reactor, 0.001, lambda: 5).addCallback(self.assertEqual, 5)

    @inlineCallbacks
    def test_threads(self) -> Any:
        """Threads come back."""
        self.assertEqual((yield deferToThread(lambda: 6)), 6)

    async def test_coroutine(self) -> None:
        """A coroutine is a test."""
        await deferLater(reactor, 0.001)

    def test_failure(self) -> Any:
        """A failure that is wanted."""
        return self.assertFailure(deferLater(reactor, 0, lambda: {}["missing"]), KeyError)

    def test_looping(self) -> Any:
        """A repeated call that is stopped leaves nothing."""
        calls: list[int] = []

        def call() -> None:
            calls.append(1)
            if len(calls) == 3:
                loop.stop()

        loop = LoopingCall(call)
        return loop.start(0.001).addCallback(lambda _: self.assertEqual(len(calls), 3))


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Line(Protocol):
    """Says something, and waits for it to come back."""

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.answer.callback(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class EchoTests(TestCase):
    """Tests with sockets, which have to be closed at the end of each."""

    async def test_echo(self) -> None:
        """There and back; the port and both connections are gone afterwards."""
        port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        line = await connectProtocol(endpoint, Line())
        line.transport.write(b"hello")
        self.assertEqual(await line.answer, b"hello")
        line.transport.loseConnection()
        await line.lost
        await deferLater(reactor, 0.05)  # for the other side's connectionLost
