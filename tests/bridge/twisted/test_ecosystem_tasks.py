"""What Twisted's programs do beside protocols, on our reactor: repeated calls, services that reconnect, work
in threads, databases."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.application.internet import ClientService
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import (
    blockingCallFromThread,
    callMultipleInThread,
    deferToThread,
    deferToThreadPool,
)

from tests.bridge.twisted.ecosystem.reactors import embedded, installed, result
from tests.support import free_port, until, within

pytestmark = pytest.mark.without_debug

# Repeated calls


async def test_a_looping_call_has_the_embedded_reactors_time() -> None:
    async with embedded() as reactor:
        moments: list[float] = []
        call: LoopingCall[None] = LoopingCall(lambda: moments.append(reactor.seconds()))
        call.clock = reactor
        ended = call.start(0.002)
        await until(lambda: len(moments) >= 4)
        call.stop()
        assert await result(ended) is call
        assert not call.running
        assert moments == sorted(moments)


@pytest.mark.parametrize("where", [embedded, installed])
async def test_a_looping_call_waits_for_what_it_called(where: Any) -> None:
    async with where() as reactor:
        under_way: list[int] = []
        most: list[int] = []

        async def work() -> None:
            under_way.append(1)
            most.append(len(under_way))
            await deferLater(reactor, 0.003)
            under_way.pop()

        call: LoopingCall[Any] = LoopingCall(lambda: Deferred.fromCoroutine(work()))
        ended = call.start(0.001)
        await until(lambda: len(most) >= 3)
        call.stop()
        await result(ended)
        assert set(most) == {1}


async def test_a_looping_call_ends_with_the_error_of_what_it_called() -> None:
    def work() -> None:
        raise LookupError("of mine")

    async with installed():
        with pytest.raises(LookupError, match="of mine"):
            await result(LoopingCall(work).start(0.001))


# A service that connects again


class Line(Protocol):
    """A connection, and why it ended."""

    lost: Any = None

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = reason


@asynccontextmanager
async def accepting(port: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """A server of asyncio's that accepts, and closes all of its connections when the block ends."""
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: accepted.append(writer), "127.0.0.1", port)
    try:
        yield accepted
    finally:
        server.close()
        for writer in accepted:
            writer.close()
            await within(writer.wait_closed())
        await within(server.wait_closed())


async def test_a_client_service_connects_again_when_its_server_is_back() -> None:
    port = free_port()
    refused: list[int] = []

    def soon(attempts: int) -> float:
        refused.append(attempts)
        return 0.001

    async with embedded() as reactor:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        service = ClientService(endpoint, Factory.forProtocol(Line), retryPolicy=soon, clock=reactor)
        service.startService()
        await until(lambda: len(refused) >= 2)  # nobody is there yet
        lines: list[Any] = []
        for _ in range(3):
            async with accepting(port) as accepted:
                line = await result(service.whenConnected())
                await until(lambda accepted=accepted: accepted)
                assert line not in lines
                lines.append(line)
            await until(lambda line=line: line.lost)
        async with accepting(port):
            line = await result(service.whenConnected())
            await result(service.stopService())
            assert line.lost
        assert not reactor.getDelayedCalls()


# Threads


@pytest.mark.parametrize("where", [embedded, installed])
async def test_work_is_deferred_to_the_reactors_threads(where: Any) -> None:
    def fail() -> None:
        raise LookupError("of mine")

    async with where() as reactor:
        here = threading.get_ident()
        idents = await result(gatherResults([deferToThread(threading.get_ident) for _ in range(20)]))
        assert here not in idents
        with pytest.raises(LookupError, match="of mine"):
            await result(deferToThread(fail))
        ran: list[int] = []
        done = asyncio.Event()
        callMultipleInThread([(ran.append, (1,), {}), (reactor.callFromThread, (done.set,), {})])
        await within(done.wait())
        assert ran == [1]


async def test_a_thread_waits_for_what_happens_in_the_reactor() -> None:
    async with embedded() as reactor:
        here = threading.get_ident()

        def in_reactor() -> Any:
            return deferLater(reactor, 0.001, threading.get_ident)

        def fail_in_reactor() -> Any:
            raise LookupError("of mine")

        pool = reactor.getThreadPool()
        waited = deferToThreadPool(reactor, pool, blockingCallFromThread, reactor, in_reactor)
        assert await result(waited) == here
        failed = deferToThreadPool(reactor, pool, blockingCallFromThread, reactor, fail_in_reactor)
        with pytest.raises(LookupError, match="of mine"):
            await result(failed)


# Databases


@pytest.mark.parametrize("where", [embedded, installed])
async def test_a_database_is_asked_in_threads(where: Any, tmp_path: Path) -> None:
    def insert(transaction: Any, numbers: list[int], fail: bool) -> int:
        transaction.executemany("insert into numbers values (?)", [(number,) for number in numbers])
        if fail:
            raise LookupError("of mine")
        return len(numbers)

    threads = threading.active_count()
    async with where() as reactor:
        database = str(tmp_path / "database")
        pool = ConnectionPool("sqlite3", database, check_same_thread=False, cp_max=3, cp_reactor=reactor)
        await result(pool.runOperation("create table numbers (number int)"))
        assert await result(pool.runInteraction(insert, [1, 2, 3], False)) == 3
        with pytest.raises(LookupError, match="of mine"):  # and nothing of it is done
            await result(pool.runInteraction(insert, [4, 5, 6], True))
        assert await result(pool.runQuery("select sum(number) from numbers")) == [(6,)]
        asked = [pool.runQuery("select ? + count(*) from numbers", (number,)) for number in range(20)]
        assert await result(gatherResults(asked)) == [[(number + 3,)] for number in range(20)]
        with pytest.raises(sqlite3.OperationalError):
            await result(pool.runQuery("select nonsense"))
    assert not pool.running
    await until(lambda: threading.active_count() <= threads)
