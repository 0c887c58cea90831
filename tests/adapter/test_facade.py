"""What a reactor offers, handed on to its parts: also before it has a loop, and what needs none then.

Its life, and most of TCP, threads and time on a loop: test_reactor.py and the tests of the parts.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zope.interface import implementer

from tests.support import DEADLINE, until, within
from twisted_compat import AsyncioReactor
from twisted_compat.adapter.facade import Facade
from twisted_compat.defer import succeed
from twisted_compat.error import UnsupportedAddressFamily
from twisted_compat.interfaces import IHostnameResolver, IReactorCore, IResolverSimple
from twisted_compat.protocol import Factory, Protocol
from twisted_compat.vocabulary import NATIVE

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class NoLoop:
    """A loop factory that nobody may call."""

    def __call__(self) -> asyncio.AbstractEventLoop:
        raise AssertionError("a loop was taken")


class Watched:
    """A descriptor."""

    def __init__(self, skt: socket.socket) -> None:
        self.socket = skt
        self.reads = self.writes = 0
        self.on_write: Callable[[], object] = lambda: None

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> None:
        self.reads += len(self.socket.recv(100))

    def doWrite(self) -> None:
        self.writes += 1
        self.on_write()

    def connectionLost(self, reason: Any) -> None:
        """It is told nothing it needs."""

    def logPrefix(self) -> str:
        return "watched"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def run_until_stopped(reactor: AsyncioReactor) -> None:
    reactor.run(installSignalHandlers=False)


# Before there is a loop


def test_what_needs_no_loop_takes_none(pair: tuple[socket.socket, socket.socket]) -> None:
    reactor = AsyncioReactor(loop_factory=NoLoop())
    watched = Watched(pair[0])
    reactor.removeReader(watched)
    reactor.removeWriter(watched)
    assert reactor.getReaders() == reactor.getWriters() == reactor.removeAll() == []
    assert reactor.getDelayedCalls() == []
    before = reactor.seconds()
    call = reactor.callLater(3600, print)
    assert reactor.getDelayedCalls() == [call]
    assert before + 3600 <= call.getTime() <= reactor.seconds() + 3600
    call.cancel()
    assert reactor.getDelayedCalls() == []
    reactor.callFromThread(print)
    with pytest.raises(TypeError, match="not callable"):
        reactor.callFromThread(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        reactor.callLater(-1, print)
    for adopt in (reactor.adoptStreamPort, reactor.adoptStreamConnection):
        with pytest.raises(OSError):
            adopt(12345, socket.AF_INET, Factory())


def test_what_is_watched_before_a_loop_runs(
    loop_factory: LoopFactory, pair: tuple[socket.socket, socket.socket]
) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    watched = Watched(pair[0])
    reactor.addReader(watched)
    reactor.addWriter(watched)
    assert reactor.getReaders() == reactor.getWriters() == [watched]
    pair[1].send(b"four")

    def wrote() -> None:
        reactor.removeWriter(watched)
        if watched.reads:
            reactor.stop()

    watched.on_write = wrote
    reactor.callLater(0.001, reactor.addWriter, watched)
    run_until_stopped(reactor)
    assert watched.reads == 4
    assert watched.writes
    assert reactor.getReaders() == []


async def test_removing_everything(pair: tuple[socket.socket, socket.socket]) -> None:
    async with AsyncioReactor() as reactor:
        watched = Watched(pair[0])
        reactor.addReader(watched)
        reactor.addWriter(watched)
        assert reactor.removeAll() == [watched]
        assert reactor.getReaders() == reactor.getWriters() == []
        assert reactor.removeAll() == []


# Calls from threads


def test_no_call_of_a_thread_is_lost_while_loops_come_and_go(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    made: list[tuple[int, int]] = []
    asked = [0, 0, 0]
    enough = threading.Event()

    def call_often(thread: int) -> None:
        while not enough.is_set():
            reactor.callFromThread(made.append, (thread, asked[thread]))
            asked[thread] += 1

    calling = [threading.Thread(target=call_often, args=(number,)) for number in range(len(asked))]
    for thread in calling:
        thread.start()
    for _ in range(20):
        reactor.callLater(0, reactor.stop)
        run_until_stopped(reactor)
    enough.set()
    for thread in calling:
        thread.join(DEADLINE)
    reactor.callLater(0.001, reactor.stop)
    run_until_stopped(reactor)
    for number, count in enumerate(asked):
        assert [n for thread, n in made if thread == number] == list(range(count))


def test_a_thread_with_a_loop_of_its_own_does_not_choose_that(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    made: list[int] = []

    async def call() -> None:
        reactor.callFromThread(lambda: made.append(threading.get_ident()))
        reactor.callFromThread(reactor.stop)

    calling = threading.Thread(target=asyncio.run, args=(call(),))
    calling.start()
    calling.join(DEADLINE)
    assert not made
    run_until_stopped(reactor)
    assert made == [threading.get_ident()]


def test_its_own_thread_does_choose_the_loop_that_runs(loop_factory: LoopFactory) -> None:
    reactor = AsyncioReactor()

    async def main() -> None:
        called = asyncio.Event()
        reactor.callFromThread(called.set)
        await within(called.wait())
        assert reactor.loop is asyncio.get_running_loop()
        reactor.stop()
        await within(reactor.stopped())

    loop = loop_factory()
    loop.run_until_complete(main())
    loop.close()


async def test_threads_of_the_pool_are_given_and_counted() -> None:
    async with AsyncioReactor() as reactor:
        reactor.suggestThreadPoolSize(3)
        assert reactor.getThreadPool().max == 3
        done = asyncio.Event()
        reactor.callInThread(lambda *args, **kw: reactor.callFromThread(done.set), 1, two=2)
        await within(done.wait())
        assert type(reactor.make_thread_pool()) is type(reactor.getThreadPool())


# Names


@implementer(IResolverSimple)
class Simple:
    """Knows one address."""

    def getHostByName(self, name: str, timeout: Any = None) -> Any:
        """The address."""
        return succeed("192.0.2.7")


@implementer(IHostnameResolver)
class Resolver:
    """Is only looked at."""

    def resolveHostName(self, *args: Any, **kw: Any) -> Any:
        """Not called."""


async def test_resolvers_can_be_replaced() -> None:
    async with AsyncioReactor() as reactor:
        assert await within(reactor.resolve("127.0.0.1")) == "127.0.0.1"
        before = reactor.installResolver(Simple())
        assert await within(reactor.resolve("example.test")) == "192.0.2.7"
        mine = reactor.installResolver(before)
        assert isinstance(mine, Simple)
        resolver = Resolver()
        replaced = reactor.nameResolver
        assert reactor.installNameResolver(resolver) is replaced
        assert reactor.nameResolver is resolver


# Sockets that exist already


class Notes(Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True


class Building(Factory):
    """Builds Notes, or nothing."""

    def __init__(self, *, nothing: bool = False) -> None:
        self.nothing = nothing
        self.made: list[Notes] = []

    def buildProtocol(self, addr: Any) -> Any:
        if self.nothing:
            return None
        self.made.append(Notes())
        return self.made[-1]


async def test_adopting_duplicates_the_socket() -> None:
    serving = Building()
    async with AsyncioReactor() as reactor:
        listening = socket.create_server(("127.0.0.1", 0))
        port = reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, serving)
        listening.close()
        with socket.create_connection(("127.0.0.1", port.getHost().port), DEADLINE) as peer:
            peer.sendall(b"hello")
            await until(lambda: serving.made and serving.made[0].received == b"hello")
        await until(lambda: serving.made[0].lost)


async def test_adopting_a_connection() -> None:
    adopting = Building()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname(), DEADLINE)
        far, _ = listening.accept()
    with near, far:
        async with AsyncioReactor() as reactor:
            assert reactor.adoptStreamConnection(far.fileno(), socket.AF_INET, Building(nothing=True)) is None
            transport = reactor.adoptStreamConnection(far.fileno(), socket.AF_INET, adopting)
            assert transport is not None
            assert transport.fileno() != far.fileno()
            near.sendall(b"hello")
            await until(lambda: adopting.made[0].received == b"hello")


async def test_what_can_not_be_adopted(pair: tuple[socket.socket, socket.socket]) -> None:
    async with AsyncioReactor() as reactor:
        before = len(os.listdir("/proc/self/fd"))
        for adopt in (reactor.adoptStreamPort, reactor.adoptStreamConnection):
            with pytest.raises(UnsupportedAddressFamily):
                adopt(pair[0].fileno(), 9999, Building())
        with socket.socket() as fresh, pytest.raises(OSError):  # it isn't connected
            reactor.adoptStreamConnection(fresh.fileno(), socket.AF_INET, Building())
        assert len(os.listdir("/proc/self/fd")) == before


# As a base class


def test_by_itself_it_says_what_is_missing() -> None:
    class Unfinished(Facade):
        vocabulary = NATIVE
        _parts = None
        _kept_timers = None

    unfinished = Unfinished()
    with pytest.raises(NotImplementedError, match=r"Unfinished must define _use\(\)"):
        unfinished.callInThread(print)
    assert not IReactorCore.providedBy(unfinished)
    assert unfinished.getReaders() == []
