"""More than one reactor in a process: side by side in threads, and one after the other in the place of
``twisted.internet.reactor``."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, SSL4ServerEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import blockingCallFromThread, deferToThreadPool

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.reactors import logged_errors, on_a_fresh_loop, result
from tests.support import DEADLINE
from twisted_compat import current_reactor
from twisted_compat.bridge.twisted import TwistedReactor, install

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Echo(Protocol):
    """Sends back what comes, and notes in which threads it is called."""

    def __init__(self, threads: set[int]) -> None:
        self.threads = threads

    def dataReceived(self, data: bytes) -> None:
        self.threads.add(threading.get_ident())
        assert self.transport is not None
        self.transport.write(data)


class Counter(Protocol):
    """Sends one message to and fro for as many times."""

    def __init__(self, times: int, threads: set[int]) -> None:
        self.left = times
        self.threads = threads
        self.done: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"x")

    def dataReceived(self, data: bytes) -> None:
        self.threads.add(threading.get_ident())
        self.left -= 1
        assert self.transport is not None
        if self.left:
            self.transport.write(data)
        else:
            self.transport.loseConnection()
            self.done.callback(None)


class Thread(threading.Thread):
    """A loop and a reactor of its own. It serves, with TLS, and calls the next one once all serve."""

    def __init__(
        self,
        loop_factory: LoopFactory,
        authority: Authority,
        everybody: list[Thread],
        ready: threading.Barrier,
    ) -> None:
        super().__init__()
        self.loop_factory = loop_factory
        self.authority = authority
        self.everybody = everybody
        self.ready = ready
        self.port = 0
        self.reactor: Any = None
        self.threads: set[int] = set()
        self.answer: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            on_a_fresh_loop(self.loop_factory, self._main())
        except BaseException as error:
            self.error = error

    async def _main(self) -> None:
        async with TwistedReactor() as self.reactor:
            options = self.authority.server_options()
            serving = SSL4ServerEndpoint(self.reactor, 0, options, interface="127.0.0.1")
            port = await result(serving.listen(Factory.forProtocol(lambda: Echo(self.threads))))
            self.port = port.getHost().port
            await asyncio.to_thread(self.ready.wait, DEADLINE)
            other = self.everybody[(self.everybody.index(self) + 1) % len(self.everybody)]
            counter = Counter(200, self.threads)
            endpoint = HostnameEndpoint(self.reactor, "localhost", other.port)
            await result(connectProtocol(wrapClientTLS(self.authority.client_options(), endpoint), counter))
            await result(counter.done)
            # In a thread of ours: have the other's reactor do something, and wait for that.
            asked = deferToThreadPool(
                self.reactor,
                self.reactor.getThreadPool(),
                blockingCallFromThread,
                other.reactor,
                lambda: deferLater(
                    current_reactor(), 0.001, lambda: (current_reactor(), threading.get_ident())
                ),
            )
            self.answer = await result(asked)
            assert current_reactor() is self.reactor
            await asyncio.to_thread(self.ready.wait, DEADLINE)  # nobody leaves who is still needed


def who_is_here() -> tuple[Any, int]:
    """The reactor and the thread."""
    return current_reactor(), threading.get_ident()


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # to Twisted
def test_three_reactors_run_in_three_threads(loop_factory: LoopFactory, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    everybody: list[Thread] = []
    ready = threading.Barrier(3)
    with logged_errors() as errors:
        everybody += [Thread(loop_factory, authority, everybody, ready) for _ in range(3)]
        for thread in everybody:
            thread.start()
        for thread in everybody:
            thread.join(3 * DEADLINE)
    assert [thread.error for thread in everybody] == [None] * 3
    assert not errors
    for thread, other in zip(everybody, [*everybody[1:], everybody[0]], strict=True):
        assert thread.threads == {thread.ident}
        assert thread.answer == (other.reactor, other.ident)


def test_what_imported_the_reactor_early_has_each_next_loop(loop_factory: LoopFactory) -> None:
    early: list[Any] = []

    async def one_test() -> list[str]:
        async with install() as reactor:
            if not early:
                sys.modules.pop("tests.bridge.twisted.ecosystem.early", None)
                early.append(importlib.import_module("tests.bridge.twisted.ecosystem.early"))
            assert early[0].reactor is reactor is current_reactor()
            assert reactor.loop is asyncio.get_running_loop()
            return [await result(call) for call in early[0].calls()]

    with logged_errors() as errors:
        for _ in range(3):
            assert on_a_fresh_loop(loop_factory, one_test()) == ["later", "thread", "turn"]
    assert not errors


def test_the_installed_reactor_runs_again_after_it_was_embedded(loop_factory: LoopFactory) -> None:
    async def embedded() -> None:
        async with install() as reactor:
            await result(deferLater(reactor, 0.001))

    ran: list[str] = []
    for _ in range(2):
        on_a_fresh_loop(loop_factory, embedded())
        reactor = install(loop_factory=loop_factory)
        reactor.callWhenRunning(ran.append, "started")
        reactor.callLater(0.001, reactor.stop)
        reactor.run(installSignalHandlers=False)
    assert ran == ["started", "started"]
