"""How an attempt to connect fails, whatever the endpoint: by the peer, the factory, the protocol, the
reactor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoints.attempts import (
    KINDS,
    BareFactory,
    Place,
    Told,
    a_place,
    busy_place,
    ended,
    failed,
    held,
    outcome,
    over,
)
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Recorder, descriptor_limit, errors_logged, fill_descriptors
from tests.transport.unix_sockets import both_kinds, fired, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectError

pytestmark = pytest.mark.without_debug


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(request.param) as place:
        yield place


# -- what goes wrong


@both_kinds
async def test_nobody_listens(place: Place, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        place.close()
        before = (before[0] - 1, *before[1:])
        factory = Connecting()
        await failed(place.client(reactor).connect(factory), reactor.vocabulary.error.ConnectionRefusedError)
        assert factory.events == ["start", "stop"] and not factory.addresses
        assert held(reactor) == before


@pytest.mark.parametrize("where", ["tcp4", "unix"])
@both_kinds
async def test_no_answer_in_time(where: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with busy_place(where) as place:
            before = held(reactor)
            factory = Connecting()
            connecting = place.client(reactor, timeout=0.02).connect(factory)
            await failed(connecting, reactor.vocabulary.error.TimeoutError)
            assert factory.events == ["start", "stop"] and not factory.addresses
            assert held(reactor) == before


async def test_a_factory_that_builds_no_protocol(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(build=lambda addr: None)
        await failed(place.client(reactor).connect(factory), reactor.vocabulary.error.NoProtocol)
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)
        assert not errors_logged(caplog)


@both_kinds
async def test_a_factory_that_raises(place: Place, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    error = ZeroDivisionError("by the factory")

    def build(addr: Any) -> Any:
        raise error

    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting(build=build)
        assert await failed(place.client(reactor).connect(factory), ZeroDivisionError) is error
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)
        assert not errors_logged(caplog)  # it has been told to who connects


@both_kinds
async def test_a_protocol_that_raises_as_it_is_made(place: Place, kind: str) -> None:
    error = ZeroDivisionError("by the protocol")

    class Raising(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            raise error

    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting(Raising)
        assert await failed(place.client(reactor).connect(factory), ZeroDivisionError) is error
        with await place.accept() as peer:
            assert await ended(peer) == b""
        await until(lambda: factory.events == ["start", "stop"])
        (protocol,) = factory.protocols
        assert [reason.value for reason in protocol.reasons] == [error]
        await over(before, reactor)


async def test_a_factory_that_raises_as_it_is_started(place: Place) -> None:
    class Broken(Connecting):
        def doStart(self) -> None:
            raise ZeroDivisionError("not today")

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Broken()
        await failed(place.client(reactor).connect(factory), ZeroDivisionError)
        await turns()
        assert held(reactor) == before
        assert not place.is_asked()
        assert not factory.events


async def test_a_factory_that_raises_as_it_is_stopped(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Connecting):
        def stopFactory(self) -> None:
            raise ZeroDivisionError("not today")

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        await failed(
            place.client(reactor).connect(Broken(build=lambda addr: None)),
            reactor.vocabulary.error.NoProtocol,
        )
        await until(lambda: errors_logged(caplog))
        (await place.accept()).close()
        await over(before, reactor)
        assert len(errors_logged(caplog)) == 1


@pytest.mark.parametrize("factory", [None, object(), Connecting, 5], ids=["None", "object", "class", "int"])
async def test_what_is_no_factory_fails_the_deferred(place: Place, factory: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        await failed(place.client(reactor).connect(factory), (AttributeError, TypeError))
        while place.is_asked():
            place.last.close()
        await over(before, reactor)


class Unfit:
    """A protocol that is none."""


async def test_what_is_no_protocol_fails_the_deferred(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = BareFactory(Unfit())
        await failed(place.client(reactor).connect(factory), AttributeError)
        (await place.accept()).close()
        await until(lambda: factory.calls == ["start", "build", "stop"])
        await over(before, reactor)


async def test_the_log_names_the_protocol_that_raised(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Recorder):
        def connectionMade(self) -> None:
            raise ZeroDivisionError

        def __repr__(self) -> str:
            return "<the one that raises>"

    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            await failed(place.client(reactor).connect(Connecting(Raising)), ZeroDivisionError)
    (message,) = errors_logged(caplog)
    assert message.startswith("connectionMade of <the one that raises> raised")


async def test_no_descriptor_is_left(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()
        endpoint = place.client(reactor)
        with descriptor_limit(before[0] + 5):
            used = fill_descriptors()
            try:
                await failed(endpoint.connect(factory), ConnectError)
            finally:
                for number in used:
                    os.close(number)
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before
        assert (await fired(endpoint.connect(factory))).made


# -- closing from within


@pytest.mark.parametrize("how", ["loseConnection", "abortConnection"])
async def test_closing_in_connection_made(place: Place, how: str) -> None:
    class Closing(Told):
        def connectionMade(self) -> None:
            super().connectionMade()
            getattr(self.transport, how)()

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(Closing)
        connecting = place.client(reactor).connect(factory)
        connecting.addCallback(lambda protocol: protocol.order.append("fired") or protocol)
        protocol = await fired(connecting)
        await until(lambda: protocol.reasons)
        assert protocol.order == ["made", "fired", "lost"]
        with await place.accept() as peer:
            assert await ended(peer) == b""
        assert factory.events == ["start", "stop"]
        await over(before, reactor)


async def test_closing_in_a_callback(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        connecting = place.client(reactor).connect(Connecting())
        connecting.addCallback(lambda protocol: protocol.transport.loseConnection() or protocol)
        protocol = await fired(connecting)
        await until(lambda: protocol.reasons)
        (await place.accept()).close()
        await over(before, reactor)


async def test_what_a_callback_raises_is_the_deferreds_own_affair(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        connecting = place.client(reactor).connect(factory)
        connecting.addCallback(lambda protocol: 1 // 0)
        await failed(connecting, ZeroDivisionError)
        (await place.accept()).sendall(b"still there")
        await until(lambda: factory.protocols[0].received == b"still there")
        assert not factory.protocols[0].reasons


# -- reactors that stop


@pytest.mark.parametrize("where", ["tcp4", "unix"])
@both_kinds
async def test_the_reactor_stops_meanwhile(where: str, kind: str) -> None:
    with busy_place(where) as place:
        factory = Connecting()
        async with make_reactor(kind) as reactor:
            before = held()
            connecting = outcome(place.client(reactor).connect(factory))
            await turns()
            assert not connecting
        assert isinstance(connecting[0], reactor.vocabulary.failure.Failure)
        assert factory.events == ["start", "stop"]
        assert held() <= before
        assert not reactor.getDelayedCalls()


async def test_the_reactor_stops_before_the_first_turn(place: Place) -> None:
    factory = Connecting()
    async with AsyncioReactor() as reactor:
        connecting = outcome(place.client(reactor).connect(factory))
    assert connecting
    assert factory.events in ([], ["start", "stop"])
