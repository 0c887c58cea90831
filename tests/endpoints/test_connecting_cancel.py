"""Cancelling an attempt in every state: the Deferred fails at once, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface import directlyProvides

from tests.endpoints.attempts import (
    KINDS,
    Place,
    a_place,
    busy_place,
    ended,
    failed,
    held,
    outcome,
    over,
)
from tests.support import until
from tests.transport.connecting import FixedNames
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Recorder, errors_logged, unanswering
from tests.transport.unix_sockets import both_kinds, fired, in_both_words, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import TCP4ClientEndpoint
from twisted_compat.error import ConnectingCancelledError

pytestmark = pytest.mark.without_debug


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(request.param) as place:
        yield place


def cancelled(found: list[Any], reactor: Any) -> Any:
    """That this is the one thing that a Deferred came to; of which address it tells."""
    (failure,) = found
    assert failure.check(reactor.vocabulary.error.ConnectingCancelledError), failure
    return failure.value.address


# -- before there is a connection


@both_kinds
async def test_before_the_first_turn(place: Place, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        connecting.cancel()
        assert cancelled(found, reactor) == place.address(reactor)
        assert held(reactor) == before
        assert factory.events == ["start", "stop"]
        await turns()
        assert held(reactor) == before
        assert not place.is_asked() and not factory.addresses


@pytest.mark.parametrize("where", ["tcp4", "unix"])
@both_kinds
async def test_while_nobody_answers(where: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with busy_place(where) as place:
            before = held(reactor)
            factory = Connecting()
            connecting = place.client(reactor).connect(factory)
            found = outcome(connecting)
            await turns()
            assert not found and held(reactor)[0] > before[0]
            connecting.cancel()
            assert cancelled(found, reactor) == place.address(reactor)
            assert held(reactor) == before
            assert factory.events == ["start", "stop"] and not factory.addresses


@pytest.mark.parametrize("count", range(1, 5))
async def test_after_so_many_turns(place: Place, count: int) -> None:
    """Whichever state that is: it is one or the other, and never both."""
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await turns(count)
        connecting.cancel()
        assert len(found) == 1
        if factory.protocols:
            assert found == factory.protocols
            assert found[0].made and not found[0].reasons
            found[0].transport.loseConnection()
        else:
            cancelled(found, reactor)
            assert held(reactor) == before
            assert factory.events == ["start", "stop"]
        await until(lambda: factory.events == ["start", "stop"])
        await turns(3)
        while place.is_asked():
            assert await ended(place.last) == b""
            place.last.close()
        await over(before, reactor)
        assert len(found) == 1


# -- names


class Late(FixedNames):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(None)
        directlyProvides(self, *in_both_words("IHostnameResolver"))
        self.receiver: Any = None

    def resolveHostName(self, resolutionReceiver: Any, *args: Any, **options: Any) -> Any:
        self.receiver = resolutionReceiver
        return super().resolveHostName(resolutionReceiver, *args, **options)


@both_kinds
async def test_while_the_name_is_looked_up(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        resolver = Late()
        reactor.installNameResolver(resolver)
        before = held(reactor)
        factory = Connecting()
        connecting = TCP4ClientEndpoint(reactor, "some.name", 80).connect(factory)
        found = outcome(connecting)
        await until(lambda: resolver.resolution)
        connecting.cancel()
        address = cancelled(found, reactor)
        assert (address.host, address.port) == ("some.name", 80)
        assert resolver.resolution.cancelled
        assert held(reactor) == before
        assert factory.events == ["start", "stop"]
        resolver.receiver.addressResolved(reactor.vocabulary.address.IPv4Address("TCP", "127.0.0.1", 80))
        resolver.receiver.resolutionComplete()
        await turns()
        assert held(reactor) == before and len(found) == 1


async def test_once_the_kernel_has_connected() -> None:
    """The server has accepted it, and even said something, before we hear of it."""
    async with AsyncioReactor() as reactor:
        resolver = Late()
        reactor.installNameResolver(resolver)
        with a_place("tcp4") as place:
            before = held(reactor)
            factory = Connecting()
            connecting = TCP4ClientEndpoint(reactor, "some.name", place.where[1]).connect(factory)
            found = outcome(connecting)
            await until(lambda: resolver.receiver)
            resolver.receiver.addressResolved(place.address(reactor))
            resolver.receiver.resolutionComplete()
            assert place.is_asked() and not found
            with place.last as peer:
                peer.sendall(b"welcome")
                connecting.cancel()
                cancelled(found, reactor)
                assert await ended(peer) == b""
            await over(before, reactor)
            assert factory.events == ["start", "stop"] and not factory.protocols


async def test_from_within_the_resolver() -> None:
    class Cancelling(FixedNames):
        def resolveHostName(self, resolutionReceiver: Any, *args: Any, **options: Any) -> Any:
            connecting.cancel()
            return super().resolveHostName(resolutionReceiver, *args, **options)

    async with AsyncioReactor() as reactor:
        reactor.installNameResolver(Cancelling(["127.0.0.1"]))
        before = held(reactor)
        factory = Connecting()
        with a_place("tcp4") as place:
            connecting = TCP4ClientEndpoint(reactor, "some.name", place.where[1]).connect(factory)
            found = outcome(connecting)
            await until(lambda: found)
            cancelled(found, reactor)
            await turns()
            assert not place.is_asked()
        assert held(reactor) == before
        assert factory.events == ["start", "stop"]


async def test_between_two_addresses() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        with unanswering() as port:
            reactor.installNameResolver(FixedNames(["127.0.0.2", "127.0.0.1"]))
            factory = Connecting()
            connecting = TCP4ClientEndpoint(reactor, "two.example", port).connect(factory)
            found = outcome(connecting)
            await until(
                lambda: [w for w in reactor.getWriters() if getattr(w, "realAddress", "")[0] == "127.0.0.1"]
            )
            connecting.cancel()
            cancelled(found, reactor)
            assert factory.events == ["start", "stop"]
        assert held(reactor) == before


# -- from within


@both_kinds
async def test_from_within_build_protocol(place: Place, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def build(addr: Any) -> Any:
        connecting.cancel()
        assert found
        return Recorder()

    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting(build=build)
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: found)
        cancelled(found, reactor)
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await until(lambda: factory.events == ["start", "stop"])
        (protocol,) = factory.protocols
        assert protocol.made == len(protocol.reasons)
        await over(before, reactor)
        assert len(found) == 1 and not errors_logged(caplog)


@pytest.mark.parametrize("then", ["None", "raises"])
async def test_from_within_build_protocol_that_comes_to_nothing(
    place: Place, then: str, caplog: pytest.LogCaptureFixture
) -> None:
    def build(addr: Any) -> Any:
        connecting.cancel()
        return None if then == "None" else 1 // 0

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(build=build)
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: found)
        cancelled(found, reactor)
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)
        if then == "None":
            assert not errors_logged(caplog)


@both_kinds
async def test_from_within_connection_made(place: Place, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Cancelling(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            connecting.cancel()
            assert found

    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting(Cancelling)
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: found)
        cancelled(found, reactor)
        with await place.accept() as peer:
            assert await ended(peer) == b""
        (protocol,) = factory.protocols
        await until(lambda: protocol.reasons)
        assert protocol.made == len(protocol.reasons) == 1
        assert factory.events == ["start", "stop"]
        await over(before, reactor)
        assert len(found) == 1 and not errors_logged(caplog)


async def test_from_within_connection_made_that_raises(place: Place) -> None:
    class Cancelling(Recorder):
        def connectionMade(self) -> None:
            connecting.cancel()
            raise ZeroDivisionError("and more")

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(Cancelling)
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: factory.events == ["start", "stop"])
        cancelled(found, reactor)
        (await place.accept()).close()
        await over(before, reactor)
        assert len(factory.protocols[0].reasons) == 1


async def test_from_within_connection_made_that_has_written_much(place: Place) -> None:
    """The connection ends though the peer takes nothing of it."""

    class Cancelling(Recorder):
        def connectionMade(self) -> None:
            self.transport.write(bytes(1 << 24))
            connecting.cancel()

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(Cancelling)
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: factory.events == ["start", "stop"])
        cancelled(found, reactor)
        (await place.accept()).close()
        await over(before, reactor)


async def test_from_within_a_callback(place: Place) -> None:
    """Then it has been made."""
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        connecting.addCallback(lambda protocol: connecting.cancel() or protocol)
        protocol = await fired(connecting)
        (await place.accept()).sendall(b"still there")
        await until(lambda: protocol.received == b"still there")


async def test_from_within_stop_factory(place: Place) -> None:
    class Stopping(Connecting):
        def stopFactory(self) -> None:
            super().stopFactory()
            connecting.cancel()

    async with AsyncioReactor() as reactor:
        place.close()
        factory = Stopping()
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: factory.events == ["start", "stop"])
        assert len(found) == 1


# -- when it doesn't matter any more


async def test_twice(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        connecting = place.client(reactor).connect(Connecting())
        found = outcome(connecting)
        connecting.cancel()
        connecting.cancel()
        await turns()
        connecting.cancel()
        cancelled(found, reactor)
        assert held(reactor) == before


async def test_from_within_its_errback(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        again: list[Any] = []
        connecting.addErrback(lambda failure: again.append(connecting.cancel()))
        connecting.cancel()
        assert again == [None] and factory.events == ["start", "stop"]
        assert held(reactor) == before


async def test_an_errback_that_raises_is_the_deferreds_own_affair(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        connecting = place.client(reactor).connect(Connecting())
        connecting.addErrback(lambda failure: 1 // 0)
        connecting.cancel()
        assert held(reactor) == before
        await failed(connecting, ZeroDivisionError)


async def test_after_success(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        found = outcome(connecting)
        await until(lambda: found)
        connecting.cancel()
        (await place.accept()).sendall(b"still there")
        await until(lambda: found[0].received == b"still there")
        assert not found[0].reasons


async def test_after_failure(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        place.close()
        connecting = place.client(reactor).connect(Connecting())
        found = outcome(connecting)
        await until(lambda: found)
        connecting.cancel()
        assert not found[0].check(ConnectingCancelledError) and len(found) == 1


async def test_one_of_many(place: Place) -> None:
    """The others go on."""
    async with AsyncioReactor() as reactor:
        endpoint, factory = place.client(reactor), Connecting()
        attempts = [endpoint.connect(factory) for _ in range(5)]
        found = outcome(attempts[2])
        attempts[2].cancel()
        cancelled(found, reactor)
        assert factory.numPorts == 4 and factory.events == ["start"]
        del attempts[2]
        for attempt in attempts:
            assert (await fired(attempt)).made


async def test_many_at_once(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        endpoint, factory = place.client(reactor), Connecting()
        attempts = [endpoint.connect(factory) for _ in range(20)]
        found = [outcome(attempt) for attempt in attempts]
        for attempt in reversed(attempts):
            attempt.cancel()
        for each in found:
            cancelled(each, reactor)
        assert factory.events == ["start", "stop"] and not factory.protocols
        assert held(reactor) == before


async def test_connecting_again_from_within_the_errback(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        endpoint = place.client(reactor)
        connecting = endpoint.connect(Connecting())
        connecting.addErrback(lambda failure: endpoint.connect(Connecting()))
        connecting.cancel()
        assert (await fired(connecting)).made


async def test_what_a_callback_waits_for_is_cancelled_instead(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        with busy_place(place.kind) as busy:
            first, second = Connecting(), Connecting()
            connecting = place.client(reactor).connect(first)
            connecting.addCallback(lambda protocol: busy.client(reactor).connect(second))
            found = outcome(connecting)
            await until(lambda: second.events)
            await turns()
            connecting.cancel()
            assert cancelled(found, reactor) == busy.address(reactor)
            assert second.events == ["start", "stop"]
            assert first.events == ["start"] and not first.protocols[0].reasons
