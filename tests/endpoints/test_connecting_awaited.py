"""Endpoints in asyncio's tasks: awaited, cancelled, limited in time, and in groups."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.endpoints.attempts import KINDS, Place, a_place, busy_place, ended, held, outcome, over
from tests.support import TWISTED_IS_INSTALLED, free_port, until, within
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Echo, Listening, Recorder, errors_logged
from tests.transport.unix_sockets import both_kinds, make_reactor
from twisted_compat import AsyncioReactor, as_future, reactor
from twisted_compat.defer import CancelledError, ensureDeferred
from twisted_compat.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol, serving
from twisted_compat.error import ConnectingCancelledError, ConnectionRefusedError

pytestmark = pytest.mark.without_debug

since_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(request.param) as place:
        yield place


@pytest.fixture(params=["tcp4", "unix"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where nobody answers."""
    with busy_place(request.param) as place:
        yield place


async def test_awaiting_both_sides() -> None:
    async with AsyncioReactor() as reactor:
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Listening(Echo))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        protocol = await endpoint.connect(Connecting())
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        await port.stopListening()
        with pytest.raises(ConnectionRefusedError):
            await endpoint.connect(Connecting())


@pytest.mark.parametrize("count", range(7))
async def test_a_task_that_is_cancelled_on_whichever_turn_leaves_no_connection(
    place: Place, count: int
) -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()

        async def main() -> Any:
            return await place.client(reactor).connect(factory)

        task = asyncio.create_task(main())
        await turns(count)
        task.cancel()
        try:
            protocol = await task
        except asyncio.CancelledError:
            await until(lambda: all(protocol.reasons for protocol in factory.protocols))
        else:  # it was through
            assert protocol.transport.connected
            protocol.transport.abortConnection()
            await until(lambda: protocol.reasons)


async def test_a_result_that_comes_with_the_cancellation_and_a_failure_are_nobodys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AsyncioReactor() as reactor:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", free_port())
        for count in range(7):
            task = asyncio.create_task(connect(endpoint))
            await turns(count)
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionRefusedError):
                await task
            del task
        gc.collect()
        await turns(2)
        assert errors_logged(caplog) == []


async def connect(endpoint: Any) -> None:
    await endpoint.connect(Connecting())


async def test_awaiting_from_two_tasks(place: Place) -> None:
    async with AsyncioReactor() as reactor:
        endpoint, factory = place.client(reactor), Connecting()

        async def one() -> Any:
            return await endpoint.connect(factory)

        protocols = await within(asyncio.gather(one(), one()))
        assert len(set(protocols)) == 2 and set(protocols) == set(factory.protocols)


@both_kinds
@pytest.mark.parametrize("count", [0, 4])
async def test_a_cancelled_task_ends_the_attempt(nowhere: Place, kind: str, count: int) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Connecting()

        async def main() -> None:
            await as_future(nowhere.client(reactor).connect(factory))

        task = asyncio.create_task(main())
        await asyncio.sleep(0)
        await turns(count)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert held(reactor) == before
        assert factory.events == ["start", "stop"]


async def test_a_cancelled_task_that_awaits_the_deferred_itself(nowhere: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)

        async def main() -> None:
            await nowhere.client(reactor).connect(Connecting())

        task = asyncio.create_task(main())
        await turns()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert held(reactor) == before


async def test_an_attempt_that_somebody_else_cancels(nowhere: Place) -> None:
    """That is not the task's being cancelled."""
    async with AsyncioReactor() as reactor:
        connecting = nowhere.client(reactor).connect(Connecting())
        asyncio.get_running_loop().call_soon(connecting.cancel)
        with pytest.raises(ConnectingCancelledError):
            await connecting


async def test_waiting_for_so_long(nowhere: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(as_future(nowhere.client(reactor).connect(Connecting())), 0.01)
        assert held(reactor) == before


@since_3_11
async def test_a_limit_of_time(nowhere: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await nowhere.client(reactor).connect(Connecting())
        assert held(reactor) == before


@since_3_11
async def test_a_group_of_which_one_fails_ends_the_others(nowhere: Place) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()

        async def one(endpoint: Any) -> Any:
            return await endpoint.connect(factory)

        with a_place("tcp4") as place:
            place.close()
            with pytest.raises(ExceptionGroup) as caught:  # noqa: F821  # builtin since 3.11
                async with asyncio.TaskGroup() as group:
                    for endpoint in [nowhere.client(reactor)] * 3 + [place.client(reactor)]:
                        group.create_task(one(endpoint))
        assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError]
        assert factory.events == ["start", "stop"]
        assert held(reactor) == before


async def test_a_task_that_is_cancelled_from_within_build_protocol(place: Place) -> None:
    """Too late for the attempt: there is a connection. It is aborted, unless the task hadn't begun yet."""

    def build(addr: Any) -> Any:
        task.cancel()
        return Recorder()

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting(build=build)
        connecting = place.client(reactor).connect(factory)

        async def main() -> None:
            await connecting

        task = asyncio.create_task(main())
        with pytest.raises(asyncio.CancelledError):
            await task
        (protocol,) = factory.protocols
        if connecting.result is protocol:
            protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        (await place.accept()).close()
        await over(before, reactor)
        assert factory.events == ["start", "stop"]


async def test_a_task_may_go_on_after_being_cancelled(nowhere: Place, place: Place) -> None:
    async with AsyncioReactor() as reactor:

        async def main() -> Any:
            try:
                await nowhere.client(reactor).connect(Connecting())
            except asyncio.CancelledError:
                return await connectProtocol(place.client(reactor), Recorder())

        task = asyncio.create_task(main())
        await turns()
        task.cancel()
        assert (await within(task)).made


async def test_an_attempt_that_nobody_awaits_is_logged_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncioReactor() as reactor:
        place.close()
        factory = Connecting()
        place.client(reactor).connect(factory)
        await until(lambda: factory.events == ["start", "stop"])
        await turns()
    assert len(errors_logged(caplog)) == 1
    assert "ConnectionRefusedError" in caplog.text


# -- the reactor of whichever loop runs


def test_an_endpoint_of_the_current_reactor_goes_from_loop_to_loop(loop_factory: Any) -> None:
    """As one that is made when a module is imported."""
    with a_place("tcp4") as place:
        endpoint = TCP4ClientEndpoint(reactor, *place.where)

        async def main() -> None:
            async with AsyncioReactor() as attached:
                protocol = await within(endpoint.connect(Connecting()))
                assert protocol.transport.reactor.callLater is not None
                assert protocol.transport in attached.getReaders()
                protocol.transport.write(b"hello")
                protocol.transport.loseConnection()
                assert await ended(await place.accept()) == b"hello"

        for _ in range(2):
            loop = loop_factory()
            try:
                loop.run_until_complete(main())
            finally:
                loop.close()


# -- without a task


@pytest.mark.parametrize(
    "kind",
    [
        "native",
        pytest.param(
            "twisted", marks=pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")
        ),
    ],
)
def test_before_the_reactor_runs(loop_factory: Any, kind: str) -> None:
    """As programs do that set everything up and then call ``reactor.run()``."""
    kind_of_reactor: Any = AsyncioReactor
    if kind == "twisted":
        from twisted_compat.bridge.twisted import TwistedReactor as kind_of_reactor

    loop = loop_factory()
    reactor = kind_of_reactor(loop)
    try:
        factory = Listening(Echo)
        ports = outcome(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", ports[0].getHost().port)
        results = []
        for _ in range(2):
            connecting = endpoint.connect(Connecting())
            results.append(outcome(connecting))
            connecting.addBoth(lambda _: reactor.stop())
            reactor.run(installSignalHandlers=False)
        assert results[0][0].made and len(factory.protocols) == 1
        assert results[1][0].check(reactor.vocabulary.error.ConnectionRefusedError)
    finally:
        loop.close()


async def test_in_a_coroutine_that_a_deferred_stands_for() -> None:
    async def main() -> Any:
        async with serving(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), Listening(Echo)) as port:
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
            return await endpoint.connect(Connecting())

    async with AsyncioReactor() as reactor:
        assert (await within(ensureDeferred(main()))).made


async def test_the_deferred_of_such_a_coroutine_is_cancelled(nowhere: Place) -> None:
    async def main() -> None:
        await nowhere.client(reactor).connect(factory)

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        factory = Connecting()
        deferred = ensureDeferred(main())
        found = outcome(deferred)
        await turns()
        deferred.cancel()
        await until(lambda: found)
        assert found[0].check(CancelledError, ConnectingCancelledError)
        assert held(reactor) == before and factory.events == ["start", "stop"]
