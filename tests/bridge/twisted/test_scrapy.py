"""The reactor for Scrapy's setting: it passes for Twisted's own on asyncio. Scrapy itself: see
test_ecosystem_programs."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import interfaces
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.error import ReactorAlreadyInstalledError
from twisted.internet.main import installReactor
from twisted.internet.protocol import Factory, Protocol
from zope.interface import providedBy

from tests.support import until, within
from twisted_compat import current_reactor
from twisted_compat.bridge.twisted import TwistedReactor, as_deferred, install, scrapy
from twisted_compat.bridge.twisted.scrapy import ScrapyReactor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.usefixtures("empty_place")


@pytest.fixture
def current_loop(loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """asyncio.new_event_loop makes loops of each kind in turn, as after ``uvloop.install()``. Whatever loop
    is the current one after the test is put away."""
    monkeypatch.setattr(asyncio, "new_event_loop", loop_factory)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:
            return
    if not loop.is_closed() and not loop.is_running():
        loop.close()
    asyncio.set_event_loop(None)


def run(reactor: Any) -> None:
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)


def test_it_is_what_others_ask_for(current_loop: None) -> None:
    reactor = scrapy.install()
    assert type(reactor) is ScrapyReactor  # Scrapy compares it with the class that its setting names
    assert f"{type(reactor).__module__}.{type(reactor).__qualname__}" == (
        "twisted_compat.bridge.twisted.scrapy.ScrapyReactor"
    )
    assert isinstance(reactor, AsyncioSelectorReactor)
    assert isinstance(reactor, TwistedReactor)
    assert reactor is sys.modules["twisted.internet.reactor"]
    assert list(providedBy(reactor)) == list(providedBy(TwistedReactor()))
    assert interfaces.IReactorTCP.providedBy(reactor)
    assert "twisted_compat" in type(reactor).callLater.__module__
    run(reactor)


def test_what_begins_before_it_runs_goes_on_when_it_does(current_loop: None) -> None:
    reactor = scrapy.install()
    loop = asyncio.get_event_loop_policy().get_event_loop()
    done: list[Any] = []

    async def crawl() -> None:
        assert asyncio.get_running_loop() is loop
        assert current_reactor() is reactor
        await asyncio.sleep(0.001)
        done.append("task")

    crawling = as_deferred(asyncio.ensure_future(crawl(), loop=loop))
    crawling.addBoth(lambda _: reactor.stop())
    reactor.callLater(0, done.append, "call")
    reactor.callWhenRunning(done.append, "started")
    assert reactor._asyncioEventloop is loop
    reactor.run(installSignalHandlers=False)
    assert sorted(done) == ["call", "started", "task"]
    assert loop.is_closed()


def test_it_can_be_installed_once_more_for_the_next_run(current_loop: None) -> None:
    first = scrapy.install()
    run(first)
    again = scrapy.install()
    assert again is first
    seen: list[Any] = []
    again.callWhenRunning(lambda: seen.append(asyncio.get_running_loop()))
    run(again)
    assert len(seen) == 1


def test_installing_it_twice_keeps_what_has_begun(current_loop: None, request: pytest.FixtureRequest) -> None:
    scrapy.install()
    loop = asyncio.get_event_loop_policy().get_event_loop()
    request.addfinalizer(loop.close)
    try:
        reactor = scrapy.install()
    except ReactorAlreadyInstalledError:
        return
    assert asyncio.get_event_loop_policy().get_event_loop() is loop
    run(reactor)
    assert loop.is_closed()


async def test_in_a_running_loop_it_takes_that() -> None:
    async with scrapy.install() as reactor:
        assert type(reactor) is ScrapyReactor
        assert reactor._asyncioEventloop is reactor.loop is asyncio.get_running_loop()
        with pytest.raises(ReactorAlreadyInstalledError, match="ScrapyReactor"):
            scrapy.install()
        received = bytearray()

        class Receiving(Protocol):
            def dataReceived(self, data: bytes) -> None:
                received.extend(data)

        port = reactor.listenTCP(0, Factory.forProtocol(Receiving), interface="127.0.0.1")
        _, writing = await within(asyncio.open_connection("127.0.0.1", port.getHost().port))
        writing.write(b"page")
        await until(lambda: received == b"page")
        writing.close()
        await within(writing.wait_closed())
    assert not reactor.running


async def test_another_reactor_is_not_replaced() -> None:
    async with install() as reactor:
        with pytest.raises(ReactorAlreadyInstalledError, match="TwistedReactor"):
            scrapy.install()
        assert sys.modules["twisted.internet.reactor"] is reactor


def test_a_foreign_reactor_is_named(current_loop: None) -> None:
    installReactor(object())
    with pytest.raises(ReactorAlreadyInstalledError, match=r"builtins\.object already"):
        scrapy.install()
