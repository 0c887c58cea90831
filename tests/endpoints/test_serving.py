"""``async with serving(endpoint, factory) as port:``, however the block is left."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.endpoints.attempts import a_place, ended, held, over
from tests.support import TWISTED_IS_INSTALLED, until, within
from tests.transport.peers import turns
from tests.transport.recorders import Echo, Listening, Recorder, answered, client_of, errors_logged, received
from tests.transport.unix_sockets import both_kinds, echoes, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.defer import Deferred, fail, succeed
from twisted_compat.endpoints import (
    AdoptedStreamServerEndpoint,
    SSL4ServerEndpoint,
    StandardIOEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    UNIXServerEndpoint,
    serverFromString,
    serving,
    wrapServerTLS,
)
from twisted_compat.error import CannotListenError
from twisted_compat.stdio import StandardIO

pytestmark = pytest.mark.without_debug

needs_twisted = pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


def here(reactor: Any, port: int = 0) -> Any:
    """An endpoint for this machine alone."""
    return TCP4ServerEndpoint(reactor, port, interface="127.0.0.1")


# -- as it should be


@both_kinds
async def test_it_listens_as_long_as_the_block_runs(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Listening(Echo)
        async with serving(here(reactor), factory) as port:
            assert reactor.vocabulary.interfaces.IListeningPort.providedBy(port)
            assert factory.events == ["start"]
            assert await answered(port)
            number = port.getHost().port
        assert factory.events == ["start", "stop"]
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", number))
        await until(lambda: factory.protocols[0].reasons)
        assert held(reactor) == before


async def test_the_port_is_closed_when_the_block_has_been_left() -> None:
    """Its number can be used at once."""
    async with AsyncioReactor() as reactor:
        async with serving(here(reactor), Listening()) as port:
            number = port.getHost().port
        for _ in range(3):
            async with serving(here(reactor, number), Listening(Echo)) as port:
                assert port.getHost().port == number and await answered(port)


async def test_connections_go_on() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        async with serving(here(reactor), factory) as port:
            with contextlib.ExitStack() as stack:
                skt = stack.enter_context(client_of(port))
                await until(lambda: factory.protocols)
                kept = stack.pop_all()
        with kept:
            await within(asyncio.get_running_loop().sock_sendall(skt, b"still there"))
            assert await received(skt) == b"still there"
            assert not factory.protocols[0].reasons


async def test_several_at_once(path: str) -> None:
    async with AsyncioReactor() as reactor:
        before, factory = held(reactor), Listening(Echo)
        async with contextlib.AsyncExitStack() as stack:
            endpoint = here(reactor)
            ports = [await stack.enter_async_context(serving(endpoint, factory)) for _ in range(3)]
            await stack.enter_async_context(serving(UNIXServerEndpoint(reactor, path), factory))
            assert factory.numPorts == 4
            for port in ports:
                assert await answered(port)
            assert await echoes(path)
        assert factory.events == ["start", "stop"] and not os.path.exists(path)
        await until(lambda: all(protocol.reasons for protocol in factory.protocols))
        await over(before, reactor)


async def test_every_kind_of_endpoint(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        context = certificates.server_context()
        for endpoint in (
            TCP6ServerEndpoint(reactor, 0, interface="::1"),
            SSL4ServerEndpoint(reactor, 0, context, interface="127.0.0.1"),
            wrapServerTLS(context, here(reactor)),
            serverFromString(reactor, "tcp:0:interface=127.0.0.1"),
        ):
            factory = Listening()
            async with serving(endpoint, factory) as port:
                assert port.getHost().port
            assert factory.events == ["start", "stop"]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            number = os.dup(listener.fileno())
        endpoint = AdoptedStreamServerEndpoint(reactor, number, socket.AF_INET)
        async with serving(endpoint, Listening(Echo)) as port:
            assert await answered(port)
        await turns()
        await over(before, reactor)


@needs_twisted
async def test_endpoints_of_twisteds_on_a_reactor_of_twisteds(path: str) -> None:
    from twisted.internet import endpoints

    async with make_reactor("twisted") as reactor:
        before = held(reactor)
        for endpoint in (
            endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"),
            endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1"),
        ):
            factory = Listening(Echo)
            async with serving(endpoint, factory) as port:
                assert await answered(port)
            assert factory.events == ["start", "stop"]
        async with serving(endpoints.UNIXServerEndpoint(reactor, path), Listening(Echo)):
            assert await echoes(path)
        assert not os.path.exists(path)
        await turns()
        await over(before, reactor)


@pytest.mark.parametrize("whose", ["ours", pytest.param("twisted's", marks=needs_twisted)])
async def test_standard_input_and_output(whose: str) -> None:
    """Leaving the block is leaving the connection."""
    (ours_in, theirs_out), (theirs_in, ours_out) = os.pipe(), os.pipe()
    ends = (ours_in, theirs_out, theirs_in, ours_out)
    try:
        async with make_reactor("native" if whose == "ours" else "twisted") as reactor:
            endpoint: Any = StandardIOEndpoint(reactor)
            stdio: Any = StandardIO
            if whose != "ours":
                from twisted.internet import endpoints
                from twisted.internet.stdio import StandardIO as stdio

                endpoint = endpoints.StandardIOEndpoint(reactor)
            endpoint._stdio = functools.partial(stdio, stdin=ours_in, stdout=ours_out)
            factory = Listening()
            async with serving(endpoint, factory) as transport:
                (protocol,) = factory.protocols
                assert protocol.transport is transport
                os.write(theirs_out, b"hello")
                await until(lambda: protocol.received == b"hello")
                transport.write(b"and back")
            await until(lambda: protocol.reasons)
            assert os.read(theirs_in, 100) == b"and back"
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


# -- how the block is left


class Odd(Exception):
    """Raised in a block."""


@pytest.mark.parametrize(
    "error", [Odd, StopIteration, StopAsyncIteration, asyncio.CancelledError, SystemExit]
)
async def test_an_exception_in_the_block_gets_through(error: type[BaseException]) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Listening()
        raised = error("this one")
        try:
            async with serving(here(reactor), factory):
                raise raised
        except BaseException as exc:
            assert exc is raised
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before


async def test_the_task_is_cancelled_in_the_block() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Listening()

        async def main() -> None:
            async with serving(here(reactor), factory):
                await asyncio.Event().wait()

        task = asyncio.create_task(main())
        await until(lambda: factory.events)
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        assert task.cancelled()
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before


@pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")
async def test_a_limit_of_time() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), serving(here(reactor), Listening()):
                await asyncio.Event().wait()
        assert held(reactor) == before


async def test_the_task_is_cancelled_before_it_has_begun() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)

        async def main() -> None:
            async with serving(here(reactor), Listening()):
                raise AssertionError("nobody gets here")

        task = asyncio.create_task(main())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held(reactor) == before


async def test_the_task_is_cancelled_as_it_enters_the_block() -> None:
    """There is a port already: it is closed."""
    async with AsyncioReactor() as reactor:
        before = held(reactor)

        class Cancelling(Listening):
            def startFactory(self) -> None:
                super().startFactory()
                task.cancel()

        factory = Cancelling()

        async def main() -> None:
            async with serving(here(reactor), factory):
                await asyncio.Event().wait()

        task = asyncio.create_task(main())
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)


async def test_the_task_is_cancelled_as_it_leaves_the_block(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Listening()

        async def main() -> None:
            async with serving(here(reactor), factory):
                asyncio.get_running_loop().call_soon(task.cancel)

        task = asyncio.create_task(main())
        with contextlib.suppress(asyncio.CancelledError):
            await within(task)
        await until(lambda: factory.events == ["start", "stop"])
        await over(before, reactor)
    assert not errors_logged(caplog)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_port_that_the_block_itself_has_stopped(waits: bool) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Listening()
        async with serving(here(reactor), factory) as port:
            stopping = port.stopListening()
            if waits:
                await stopping
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before


async def test_a_reactor_that_is_stopped_in_the_block() -> None:
    before = held()
    async with AsyncioReactor() as reactor:
        factory = Listening()
        async with serving(here(reactor), factory):
            reactor.stop()
            await within(reactor.stopped())
            assert factory.events == ["start", "stop"]
    await over(before)


# -- endpoints that fail, and those of strangers


@both_kinds
async def test_what_listening_fails_with_is_raised_on_entering(kind: str) -> None:
    with a_place("tcp4") as place:
        async with make_reactor(kind) as reactor:
            before = held(reactor)
            factory = Listening()
            with pytest.raises(reactor.vocabulary.error.CannotListenError):
                async with serving(here(reactor, place.where[1]), factory):
                    raise AssertionError("nobody gets here")
            assert held(reactor) == before and not factory.numPorts


class Port:
    """Somebody's, that counts how often it is stopped."""

    def __init__(self, stops_with: Any) -> None:
        self.stops_with = stops_with
        self.stopped = 0

    def stopListening(self) -> Any:
        self.stopped += 1
        if isinstance(self.stops_with, Exception):
            raise self.stops_with
        return self.stops_with


class Endpoint:
    """Somebody's, whose ``listen`` comes to this."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def listen(self, factory: Any) -> Any:
        return self.result


async def test_stopping_may_have_nothing_to_wait_for() -> None:
    port = Port(None)
    async with serving(Endpoint(succeed(port)), None) as found:
        assert found is port and not port.stopped
    assert port.stopped == 1


@pytest.mark.parametrize("how", ["raises", "fails"])
async def test_stopping_may_fail(how: str) -> None:
    def port() -> Port:
        return Port(Odd() if how == "raises" else fail(Odd()))

    with pytest.raises(Odd):
        async with serving(Endpoint(succeed(port())), None):
            pass
    with pytest.raises(Odd) as caught:
        async with serving(Endpoint(succeed(port())), None):
            raise ZeroDivisionError("first")
    assert isinstance(caught.value.__context__, ZeroDivisionError)


async def test_stopping_is_waited_for() -> None:
    stopping: Deferred[None] = Deferred()
    port = Port(stopping)

    async def main() -> None:
        async with serving(Endpoint(succeed(port)), None):
            pass

    task = asyncio.create_task(main())
    await until(lambda: port.stopped)
    await turns()
    assert not task.done()
    stopping.callback(None)
    await within(task)


async def test_listening_may_take_its_time() -> None:
    listening: Deferred[Any] = Deferred()
    asyncio.get_running_loop().call_soon(listening.callback, Port(None))
    async with serving(Endpoint(listening), None) as port:
        assert isinstance(port, Port)


async def test_listening_that_takes_its_time_is_cancelled_with_the_task() -> None:
    cancelled: list[Any] = []
    listening: Deferred[Any] = Deferred(cancelled.append)

    async def main() -> None:
        async with serving(Endpoint(listening), None):
            raise AssertionError("nobody gets here")

    task = asyncio.create_task(main())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert cancelled == [listening]


@pytest.mark.parametrize("when", ["because of that", "on the same turn"])
async def test_a_port_that_comes_although_the_task_was_cancelled_is_stopped(when: str) -> None:
    port = Port(None)
    listening: Deferred[Any] = Deferred(lambda deferred: deferred.callback(port))

    async def main() -> None:
        async with serving(Endpoint(listening), None):
            await asyncio.Event().wait()

    task = asyncio.create_task(main())
    await turns()
    if when == "on the same turn":
        listening.callback(port)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    await turns()
    assert port.stopped == 1


async def test_an_endpoint_that_raises() -> None:
    class Raising:
        def listen(self, factory: Any) -> Any:
            raise Odd

    with pytest.raises(Odd):
        async with serving(Raising(), None):
            raise AssertionError("nobody gets here")


async def test_a_peer_in_the_middle_of_something_is_not_cut_off() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Recorder)
        async with serving(here(reactor), factory) as port:
            skt = socket.create_connection(("127.0.0.1", port.getHost().port))
            skt.setblocking(False)
            await until(lambda: factory.protocols)
        with skt:
            factory.protocols[0].transport.write(bytes(1 << 20))
            factory.protocols[0].transport.loseConnection()
            assert len(await ended(skt)) == 1 << 20


async def test_cannot_listen_error_is_what_it_says() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("unix") as place, pytest.raises(CannotListenError, match=place.where[0]):
            async with serving(UNIXServerEndpoint(reactor, place.where[0]), Listening()):
                raise AssertionError("nobody gets here")
