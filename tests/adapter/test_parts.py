"""The parts of a reactor end together, in whatever way the end comes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.support import until, within
from tests.transport.recorders import Connecting, Listening
from twisted_compat import AsyncioReactor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest_asyncio.fixture
async def reactor() -> AsyncIterator[Any]:
    async with AsyncioReactor() as reactor:
        yield reactor


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_what_opens_after_the_connections_are_closed_is_closed_too(reactor: Any) -> None:
    factory = Listening()
    before = descriptors()
    reactor.addSystemEventTrigger("after", "shutdown", reactor.listenTCP, 0, factory)
    reactor.stop()
    await within(reactor.stopped())
    assert factory.events == ["start", "stop"]
    assert descriptors() == before


async def test_what_the_last_thread_asks_for_is_closed_too(reactor: Any) -> None:
    factory = Listening()
    stopping = threading.Event()

    def work() -> None:
        stopping.wait()
        reactor.callFromThread(reactor.listenTCP, 0, factory)

    reactor.callInThread(work)
    reactor.addSystemEventTrigger("after", "shutdown", stopping.set)
    reactor.stop()
    await within(reactor.stopped())
    assert factory.events == ["start", "stop"]


async def test_a_hurry_does_not_wait_for_threads(reactor: Any) -> None:
    parts = reactor._parts
    blocked, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        blocked.wait()

    try:
        reactor.callInThread(work)
        await until(started.is_set)
        reactor.stop()
        await until(lambda: parts._closing)
        parts.hurry()
        await within(reactor.stopped())
    finally:
        blocked.set()


async def test_a_hurry_before_the_threads_are_reached_leaves_them_as_well(reactor: Any) -> None:
    blocked, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        blocked.wait()

    try:
        reactor.callInThread(work)
        await until(started.is_set)
        reactor.stop()
        reactor._parts.hurry()
        await within(reactor.stopped())
    finally:
        blocked.set()


async def test_cancelled_while_it_waits_for_threads_it_closes_the_rest(reactor: Any) -> None:
    parts = reactor._parts
    blocked, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        blocked.wait()

    try:
        reactor.callInThread(work)
        await until(started.is_set)
        reactor.stop()
        await until(lambda: parts._closing)
        parts.shutdown.task.cancel()
        await within(reactor.stopped())
        assert not parts.shutdown.task.cancelled()
    finally:
        blocked.set()


def test_a_loop_closed_under_it_and_noticed_in_another_thread(
    loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    reactor = AsyncioReactor()
    server, client = Listening(), Connecting()
    before = descriptors()

    async def leave_open() -> None:
        port = reactor.listenTCP(0, server, interface="127.0.0.1")
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)
        reactor.callInThread(list)
        await until(lambda: server.protocols and client.protocols)

    loop = loop_factory()
    loop.run_until_complete(within(leave_open()))
    threads = reactor.getThreadPool().threads
    loop.close()
    errors: list[BaseException] = []

    async def on_another() -> None:
        async with reactor:
            pass

    def elsewhere() -> None:
        other = loop_factory()
        try:
            other.run_until_complete(within(on_another()))
        except BaseException as error:
            errors.append(error)
        finally:
            other.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert errors == []
    assert server.protocols[0].reasons and client.protocols[0].reasons
    assert server.events == ["start", "stop"]
    for worker in list(threads):
        worker.join()
    assert descriptors() == before
    assert "closed before its reactor was left" in caplog.text
