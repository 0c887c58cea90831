"""What an attempt leaves behind in memory: nothing, without the collector of cycles, however it ended."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoints.attempts import KINDS, Place, a_place, ended
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Recorder
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import connectProtocol
from twisted_compat.protocol import ClientFactory
from twisted_compat.vocabulary import NATIVE

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("no_collector")]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(request.param) as place:
        yield place


class Building(ClientFactory):
    """A factory that knows its protocols, until it is told to forget them, and that they don't know."""

    def __init__(self, build: Any) -> None:
        self.build = build
        self.protocols: list[Any] = []
        self.stopped = False

    def buildProtocol(self, addr: Any) -> Any:
        protocol = self.build(addr)
        if protocol is not None:
            self.protocols.append(protocol)
        return protocol

    def stopFactory(self) -> None:
        self.stopped = True


class Attempt:
    """One, and what it is made of.

    :ivar parts: weak references: to the factory, the Deferred, the endpoint, the protocol and its transport.
    """

    def __init__(self, place: Place, reactor: Any, build: Any = lambda addr: Recorder()) -> None:
        self.place = place
        self.endpoint = place.client(reactor)
        self.factory = Building(build)
        self.connecting = self.endpoint.connect(self.factory)
        self.results: list[Any] = []
        self.connecting.addBoth(self.results.append)
        self.connecting.addBoth(lambda result: None)
        self.parts = [weakref.ref(part) for part in (self.endpoint, self.factory, self.connecting)]

    async def over(self) -> None:
        await until(lambda: self.factory.stopped)
        protocol = None
        for protocol in self.factory.protocols:
            self.parts.append(weakref.ref(protocol))
            if protocol.transport is not None:
                self.parts.append(weakref.ref(protocol.transport))
        self.factory.protocols.clear()

    async def left(self) -> list[Any]:
        """Forget all but the weak references; which of them are still good."""
        del self.connecting, self.endpoint, self.factory, self.results
        await turns()
        return [part() for part in self.parts if part() is not None]


async def test_after_a_connection(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor)
        await until(lambda: attempt.results)
        (await place.accept()).close()
        await attempt.over()
        assert len(attempt.parts) == 5
        assert not await attempt.left()


async def test_while_the_connection_lasts(place: Place) -> None:
    """The endpoint is not needed any more."""
    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor)
        await until(lambda: attempt.results)
        del attempt.endpoint
        assert attempt.parts[0]() is None
        (await place.accept()).sendall(b"still there")
        await until(lambda: attempt.results[0].received == b"still there")


async def test_after_a_refusal(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        place.close()
        attempt = Attempt(place, reactor)
        await attempt.over()
        assert not await attempt.left()


@pytest.mark.parametrize("count", [0, 2])
async def test_after_it_was_cancelled(place: Place, count: int) -> None:
    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor)
        await turns(count)
        attempt.connecting.cancel()
        for protocol in attempt.factory.protocols:
            protocol.transport.loseConnection()
        protocol = None
        await attempt.over()
        assert not await attempt.left()


async def test_after_it_was_cancelled_from_within_connection_made(place: Place) -> None:
    class Cancelling(Recorder):
        def connectionMade(self) -> None:
            attempt.connecting.cancel()

    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor, lambda addr: Cancelling())
        await attempt.over()
        assert len(attempt.parts) == 5
        assert not await attempt.left()


@pytest.mark.parametrize("how", ["nothing", "raising"])
async def test_after_no_protocol(place: Place, how: str) -> None:
    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor, lambda addr: None if how == "nothing" else 1 // 0)
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await attempt.over()
        assert not await attempt.left()


async def test_after_a_protocol_that_raised(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of that is its traceback, whose frames have it all: here nobody keeps it."""
    monkeypatch.setattr(NATIVE.log, "disabled", True)

    class Raising(Recorder):
        def connectionMade(self) -> None:
            raise ZeroDivisionError

        def connectionLost(self, reason: Any = None) -> None:
            pass

    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor, lambda addr: Raising())
        await attempt.over()
        assert len(attempt.parts) == 5
        assert not await attempt.left()


async def test_an_endpoint_holds_nothing_of_what_it_has_made(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        attempt = Attempt(place, reactor)
        endpoint = attempt.endpoint
        await until(lambda: attempt.results)
        attempt.results[0].transport.loseConnection()
        await attempt.over()
        assert await attempt.left() == [endpoint]


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_after_connecting_one_protocol(place: Place, how: str) -> None:
    class One(Recorder):
        def connectionLost(self, reason: Any = None) -> None:
            ended.append(reason)

    ended: list[Any] = []

    def begin() -> Any:
        connecting = connectProtocol(place.client(reactor), One())
        connecting.addCallbacks(lambda protocol: weakref.ref(protocol.transport), ended.append)
        if how == "cancelled":
            connecting.cancel()
        return connecting

    async with AsyncioReactor() as reactor:
        connecting = begin()
        if how == "closed":
            (await place.accept()).close()
        await until(lambda: ended)
        transport = connecting.result
        assert transport is None or transport() is None
        connecting = weakref.ref(connecting)
        await turns()
        assert connecting() is None
