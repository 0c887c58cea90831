"""For pytest-twisted: what its users write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

log: list[str] = []


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Line(Protocol):
    """Keeps the first thing that comes."""

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.answer.callback(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


@pytest.fixture
def port() -> Any:
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
    yield port.getHost().port
    pytest_twisted.blockon(port.stopListening())


@pytest_twisted.async_fixture
async def later() -> str:
    await deferLater(reactor, 0.001)
    return "later"


@pytest_twisted.async_yield_fixture
async def line(port: int) -> Any:
    line = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Line())
    log.append("connected")
    yield line
    line.transport.loseConnection()
    await line.lost
    log.append("lost")


@pytest_twisted.inlineCallbacks
def test_inline_callbacks(later: str) -> Any:
    assert later == "later"
    assert (yield deferLater(reactor, 0.001, int, 5)) == 5
    assert (yield deferToThread(int, 6)) == 6


@pytest_twisted.ensureDeferred
async def test_ensure_deferred(line: Line) -> None:
    line.transport.write(b"hello")
    assert await line.answer == b"hello"
    assert log == ["connected"]


@pytest_twisted.ensureDeferred
async def test_afterwards(later: str) -> None:
    assert log == ["connected", "lost"]
    with pytest.raises(KeyError):
        await deferLater(reactor, 0.001, lambda: {}["missing"])


@pytest_twisted.ensureDeferred
async def test_asyncio() -> None:
    slept = asyncio.ensure_future(asyncio.sleep(0.001, "slept"))
    assert await Deferred.fromFuture(slept) == "slept"


def test_returned() -> Any:
    return deferLater(reactor, 0.001)


@pytest_twisted.ensureDeferred
async def test_fails() -> None:
    await deferLater(reactor, 0.001)
    raise AssertionError("as it should")
