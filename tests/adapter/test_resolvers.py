"""Resolvers by themselves: the loop's, the one that asks in threads, and those made from the other kind."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyClass, verifyObject

from tests.adapter.resolving import V4, V6, Hosts, Recorder, Simple, make, make_with_lookups, outcome
from tests.support import until
from twisted_compat import AsyncioReactor, defer
from twisted_compat.adapter.resolvers import (
    ComplexResolverSimplifier,
    GAIResolver,
    LoopResolver,
    SimpleResolverComplexifier,
)
from twisted_compat.adapter.thread_pool import ThreadPool
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import DNSLookupError
from twisted_compat.interfaces import IHostnameResolver, IHostResolution, IResolverSimple
from twisted_compat.task import Clock

pytestmark = pytest.mark.without_debug

# The loop's resolver


async def test_it_provides_its_interfaces() -> None:
    names = make()
    assert verifyObject(IHostnameResolver, names.nameResolver)
    assert isinstance(names.nameResolver, LoopResolver)
    receiver = Recorder()
    resolution = names.nameResolver.resolveHostName(receiver, "127.0.0.1", 80)
    assert verifyObject(IHostResolution, resolution)
    assert resolution is receiver.resolution and resolution.name == "127.0.0.1"
    await until(lambda: receiver.complete)
    assert receiver.events == ["began", IPv4Address("TCP", "127.0.0.1", 80), "complete"]


async def test_began_comes_at_once_and_the_rest_later() -> None:
    receiver = Recorder()
    make().nameResolver.resolveHostName(receiver, "127.0.0.1")
    assert receiver.events == ["began"]
    await until(lambda: receiver.complete)


async def test_all_addresses_in_order() -> None:
    names, lookups, _ = make_with_lookups()
    odd = (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/nowhere")
    without_ipv6 = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", (10, b"..."))
    lookups.answer.set_result([V6, odd, V4, without_ipv6])
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org", 0)
    await until(lambda: receiver.complete)
    v6 = IPv6Address("TCP", "2001:db8::7", 0, 0, 3)
    assert receiver.events == ["began", v6, IPv4Address("TCP", "192.0.2.7", 0), "complete"]
    assert receiver.events[1].scopeID == 3


@pytest.mark.parametrize(
    ("types", "family", "hosts"),
    [
        (None, socket.AF_UNSPEC, ["192.0.2.7", "2001:db8::7"]),
        ([IPv4Address, IPv6Address], socket.AF_UNSPEC, ["192.0.2.7", "2001:db8::7"]),
        ([IPv4Address], socket.AF_INET, ["192.0.2.7"]),
        ((IPv6Address,), socket.AF_INET6, ["2001:db8::7"]),
        ([], socket.AF_INET, []),
    ],
)
async def test_only_the_wanted_addresses(types: Any, family: int, hosts: list[str]) -> None:
    names, lookups, _ = make_with_lookups()
    lookups.answer.set_result([V4, V6])
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org", 0, types)
    await until(lambda: receiver.complete)
    assert [event.host for event in receiver.events[1:-1]] == hosts
    assert lookups.asked[0][2] == family


async def test_datagrams() -> None:
    receiver = Recorder()
    make().nameResolver.resolveHostName(receiver, "127.0.0.1", 53, transportSemantics="UDP")
    await until(lambda: receiver.complete)
    assert receiver.events[1] == IPv4Address("UDP", "127.0.0.1", 53)


async def test_unknown_semantics() -> None:
    with pytest.raises(ValueError, match='"TCP" or transportSemantics="UDP"'):
        make().nameResolver.resolveHostName(Recorder(), "localhost", transportSemantics="SCTP")


async def test_a_name_without_addresses_completes() -> None:
    receiver = Recorder()
    make().nameResolver.resolveHostName(receiver, "no-such-host.invalid")
    await until(lambda: receiver.complete)
    assert receiver.events == ["began", "complete"]


async def test_cancelling_a_resolution() -> None:
    names, lookups, _ = make_with_lookups()
    receiver = Recorder()
    resolution = names.nameResolver.resolveHostName(receiver, "example.org")
    await until(lambda: lookups.asked)
    resolution.cancel()
    resolution.cancel()
    await until(lookups.answer.cancelled)
    assert receiver.events == ["began", "complete"]


async def test_cancelling_as_it_begins() -> None:
    class Reluctant(Recorder):
        def resolutionBegan(self, resolutionInProgress: Any) -> None:
            super().resolutionBegan(resolutionInProgress)
            resolutionInProgress.cancel()

    names, lookups, _ = make_with_lookups()
    simple = Simple()
    receiver = Reluctant()
    names.nameResolver.resolveHostName(receiver, "example.org")
    assert receiver.events == ["began", "complete"]
    names.installResolver(simple)
    names.nameResolver.resolveHostName(Reluctant(), "example.org")
    assert lookups.asked == simple.asked == []


async def test_a_receiver_that_raises_is_logged_and_told_on(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Recorder):
        def addressResolved(self, address: Any) -> None:
            raise ValueError("on purpose")

    receiver = Raising()
    make().nameResolver.resolveHostName(receiver, "127.0.0.1")
    await until(lambda: receiver.complete)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR and record.exc_info and record.exc_info[0] is ValueError


async def test_an_unexpected_error_is_logged_and_ends_the_search(caplog: pytest.LogCaptureFixture) -> None:
    names, lookups, _ = make_with_lookups()
    lookups.answer.set_exception(ZeroDivisionError())
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org")
    await until(lambda: receiver.complete)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


def test_what_blocks_is_asked_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop asks its own; the loop of the standard library asks ``socket.getaddrinfo`` in a thread."""
    go_on = threading.Event()

    def slow(*args: Any, **kw: Any) -> Any:
        assert go_on.wait(10)
        return [V4]

    async def main() -> list[Any]:
        receiver = Recorder()
        make().nameResolver.resolveHostName(receiver, "slow.example")
        turns = [await asyncio.sleep(0) for _ in range(10)]
        assert receiver.events == ["began"] and len(turns) == 10
        go_on.set()
        await until(lambda: receiver.complete)
        return receiver.events

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    loop = asyncio.SelectorEventLoop()
    try:
        assert loop.run_until_complete(main()) == ["began", IPv4Address("TCP", "192.0.2.7", 0), "complete"]
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


# The resolver that asks in threads


class Asked:
    """Stands in for ``socket.getaddrinfo``: remembers questions, and answers when it may."""

    def __init__(self, *answers: Any, error: BaseException | None = None) -> None:
        self.questions: list[Any] = []
        self.threads: list[int] = []
        self.answers = answers
        self.error = error
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        self.questions.append((host, port, family, type))
        self.threads.append(threading.get_ident())
        assert self.may_answer.wait(10)
        if self.error is not None:
            raise self.error
        return list(self.answers)


class InThread(Recorder):
    """Remembers in which thread it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def addressResolved(self, address: Any) -> None:
        self.threads.add(threading.get_ident())
        super().addressResolved(address)

    def resolutionComplete(self) -> None:
        self.threads.add(threading.get_ident())
        super().resolutionComplete()


def test_what_the_resolvers_claim() -> None:
    for complex_one in (LoopResolver, GAIResolver, SimpleResolverComplexifier):
        assert verifyClass(IHostnameResolver, complex_one)
    assert verifyClass(IResolverSimple, ComplexResolverSimplifier)


async def test_a_thread_asks_the_system() -> None:
    async with AsyncioReactor() as reactor:
        resolver = GAIResolver(reactor)
        receiver = InThread()
        resolution = resolver.resolveHostName(receiver, "127.0.0.1", 80)
        assert verifyObject(IHostResolution, resolution) and resolution is receiver.resolution
        assert resolution.name == "127.0.0.1" and receiver.events == ["began"]
        await until(lambda: receiver.complete)
        assert receiver.events == ["began", IPv4Address("TCP", "127.0.0.1", 80), "complete"]
        assert receiver.threads == {threading.get_ident()}


async def test_threads_are_asked_for_what_is_wanted() -> None:
    async with AsyncioReactor() as reactor:
        odd = (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/nowhere")
        asked = Asked(V6, odd, V4)
        resolver = GAIResolver(reactor, getaddrinfo=asked)
        wanted: list[Any] = [None, [IPv4Address], [IPv6Address], [IPv6Address, IPv4Address]]
        receivers = [Recorder() for _ in wanted]
        for receiver, types in zip(receivers, wanted, strict=True):
            resolver.resolveHostName(receiver, "bücher.example", 80, types)
            await until(lambda receiver=receiver: receiver.complete)
        families = [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC]
        assert asked.questions == [
            ("xn--bcher-kva.example", 80, family, socket.SOCK_STREAM) for family in families
        ]
        assert threading.get_ident() not in asked.threads
        hosts = [[event.host for event in receiver.events[1:-1]] for receiver in receivers]
        both = ["2001:db8::7", "192.0.2.7"]
        assert hosts == [both, ["192.0.2.7"], ["2001:db8::7"], both]
        assert receivers[0].events[1].scopeID == 3


async def test_threads_are_asked_for_datagrams() -> None:
    async with AsyncioReactor() as reactor:
        asked = Asked((socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 53)))
        receiver = Recorder()
        resolver = GAIResolver(reactor, getaddrinfo=asked)
        resolver.resolveHostName(receiver, "example.org", 53, None, "UDP")
        await until(lambda: receiver.complete)
        assert receiver.events[1:-1] == [IPv4Address("UDP", "192.0.2.7", 53)]
        assert asked.questions == [("example.org", 53, socket.AF_UNSPEC, socket.SOCK_DGRAM)]
        with pytest.raises(ValueError, match='"TCP" or transportSemantics="UDP"'):
            resolver.resolveHostName(Recorder(), "example.org", transportSemantics="SCTP")


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "not known"), UnicodeError("label empty"), ValueError("NUL")]
)
async def test_a_thread_that_finds_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        receiver = Recorder()
        GAIResolver(reactor, getaddrinfo=Asked(error=error)).resolveHostName(receiver, "example.org")
        await until(lambda: receiver.complete)
        assert receiver.events == ["began", "complete"] and not caplog.records


async def test_a_thread_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        receiver = Recorder()
        asked = Asked(error=ZeroDivisionError())
        GAIResolver(reactor, getaddrinfo=asked).resolveHostName(receiver, "example.org")
        await until(lambda: receiver.complete)
        assert receiver.events == ["began", "complete"]
        (record,) = caplog.records
        assert record.exc_info and record.exc_info[0] is ZeroDivisionError and "example.org" in record.message


@pytest.mark.parametrize(
    "answer", [[("nonsense",)], [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ())], [None]]
)
async def test_nonsense_for_an_answer_is_logged_and_ends_the_search(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncioReactor() as reactor:
        receivers = Recorder(), Recorder()
        GAIResolver(reactor, getaddrinfo=Asked(*answer)).resolveHostName(receivers[0], "example.org")
        names, lookups, _ = make_with_lookups()
        lookups.answer.set_result(answer)
        names.nameResolver.resolveHostName(receivers[1], "example.org")
        await until(lambda: all(receiver.complete for receiver in receivers))
        assert [receiver.events for receiver in receivers] == [["began", "complete"]] * 2
        assert len(caplog.records) == 2 and all(record.exc_info for record in caplog.records)


async def test_a_name_that_can_be_none_isn_t_asked_for_in_threads() -> None:
    async with AsyncioReactor() as reactor:
        asked = Asked(V4)
        receiver = Recorder()
        GAIResolver(reactor, getaddrinfo=asked).resolveHostName(receiver, "ü" * 80)
        assert receiver.events == ["began", "complete"] and not asked.questions


async def test_the_loop_turns_while_a_thread_waits_for_an_answer() -> None:
    async with AsyncioReactor() as reactor:
        asked = Asked(V4)
        asked.may_answer.clear()
        receiver = Recorder()
        GAIResolver(reactor, getaddrinfo=asked).resolveHostName(receiver, "slow.example")
        await until(lambda: asked.questions)
        for _ in range(10):
            await asyncio.sleep(0)
        assert receiver.events == ["began"]
        asked.may_answer.set()
        await until(lambda: receiver.complete)
        assert receiver.events == ["began", IPv4Address("TCP", "192.0.2.7", 0), "complete"]


async def test_a_search_in_a_thread_that_is_cancelled_is_over_at_once() -> None:
    async with AsyncioReactor() as reactor:
        asked = Asked(V4)
        asked.may_answer.clear()
        receiver = Recorder()
        resolution = GAIResolver(reactor, getaddrinfo=asked).resolveHostName(receiver, "slow.example")
        await until(lambda: asked.questions)
        resolution.cancel()
        resolution.cancel()
        assert receiver.events == ["began", "complete"]
        asked.may_answer.set()
        done = Recorder()
        GAIResolver(reactor, getaddrinfo=Asked()).resolveHostName(done, "next.example")
        await until(lambda: done.complete)
        assert receiver.events == ["began", "complete"]


async def test_a_search_that_is_cancelled_as_it_begins_takes_no_thread() -> None:
    class Reluctant(Recorder):
        def resolutionBegan(self, resolutionInProgress: Any) -> None:
            super().resolutionBegan(resolutionInProgress)
            resolutionInProgress.cancel()

    async with AsyncioReactor() as reactor:
        asked = Asked(V4)
        receiver = Reluctant()
        GAIResolver(reactor, getaddrinfo=asked).resolveHostName(receiver, "example.org")
        assert receiver.events == ["began", "complete"]
        receiver = Recorder()
        GAIResolver(reactor, getaddrinfo=Asked()).resolveHostName(receiver, "example.org")
        await until(lambda: receiver.complete)
        assert not asked.questions


@pytest.fixture
def own_pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(0, 1, "own")
    pool.start()
    yield pool
    if not pool.joined:
        pool.stop()


async def test_threads_of_somebody_else(own_pool: ThreadPool) -> None:
    async with AsyncioReactor() as reactor:
        receiver = InThread()
        asked = Asked(V4)
        resolver = GAIResolver(reactor, lambda: own_pool, asked)
        resolver.resolveHostName(receiver, "example.org", 1)
        await until(lambda: receiver.complete)
        assert receiver.events[1:-1] == [IPv4Address("TCP", "192.0.2.7", 0)]
        assert asked.threads == [thread.ident for thread in own_pool.threads]
        assert receiver.threads == {threading.get_ident()}


async def test_threads_that_have_ended_find_nothing(own_pool: ThreadPool) -> None:
    own_pool.stop()
    async with AsyncioReactor() as reactor:
        receiver = Recorder()
        GAIResolver(reactor, lambda: own_pool, Asked(V4)).resolveHostName(receiver, "example.org")
        await until(lambda: receiver.complete)
        assert receiver.events == ["began", "complete"]


async def test_a_search_in_a_thread_ends_with_the_reactor() -> None:
    asked = Asked(V4)
    asked.may_answer.clear()
    receiver = Recorder()
    async with AsyncioReactor() as reactor:
        resolver = GAIResolver(reactor, getaddrinfo=asked)
        resolver.resolveHostName(receiver, "slow.example")
        await until(lambda: asked.questions)
        reactor.callLater(0, asked.may_answer.set)
    await until(lambda: receiver.complete)


# One kind made from the other


async def test_one_address_of_many() -> None:
    hosts = Hosts()
    deferred = ComplexResolverSimplifier(hosts, clock=Clock()).getHostByName("example.org")
    assert hosts.asked == [("example.org", 0, [IPv4Address], "TCP")]
    hosts.receiver.addressResolved(IPv4Address("TCP", "192.0.2.9", 0))
    assert hosts.cancelled
    assert await outcome(deferred) == "192.0.2.9"


def test_how_long_one_address_is_waited_for() -> None:
    clock, hosts = Clock(), Hosts()
    results: list[Any] = []
    simple = ComplexResolverSimplifier(hosts, clock=clock)
    simple.getHostByName("example.org", (1, 2)).addErrback(results.append)
    clock.advance(2.9)
    assert not results and not hosts.cancelled
    clock.advance(0.2)
    (failure,) = results
    assert failure.check(DNSLookupError) and failure.check(defer.TimeoutError) and hosts.cancelled
    simple.getHostByName("example.org")
    assert [call.getTime() - clock.seconds() for call in clock.getDelayedCalls()] == [60]


async def test_the_current_reactor_ends_the_waiting() -> None:
    async with AsyncioReactor():
        failure = await outcome(ComplexResolverSimplifier(Hosts()).getHostByName("example.org", 0.001))
        assert failure.check(DNSLookupError) and failure.check(defer.TimeoutError)


async def test_there_and_back_again() -> None:
    simple = Simple()
    there = SimpleResolverComplexifier(
        ComplexResolverSimplifier(SimpleResolverComplexifier(simple), clock=Clock())
    )
    receiver = Recorder()
    there.resolveHostName(receiver, "bücher.example", 80)
    assert [name for name, _ in simple.asked] == ["xn--bcher-kva.example"]
    simple.deferred.callback("192.0.2.9")
    assert receiver.events == ["began", IPv4Address("TCP", "192.0.2.9", 80), "complete"]


async def test_a_simple_resolver_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Simple):
        def getHostByName(self, name: str, timeout: Any = ()) -> Any:
            raise ZeroDivisionError

    receiver = Recorder()
    SimpleResolverComplexifier(Raising()).resolveHostName(receiver, "example.org")
    assert receiver.events == ["began", "complete"]
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("answer", [None, b"192.0.2.9", 5])
async def test_nonsense_from_a_simple_resolver_ends_the_search(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    simple = Simple()
    receiver = Recorder()
    SimpleResolverComplexifier(simple).resolveHostName(receiver, "example.org")
    simple.deferred.callback(answer)
    assert receiver.events == ["began", "complete"]
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_simple_resolver_may_answer_without_a_deferred() -> None:
    class Direct(Simple):
        def getHostByName(self, name: str, timeout: Any = ()) -> Any:
            return "192.0.2.9"

    receiver = Recorder()
    SimpleResolverComplexifier(Direct()).resolveHostName(receiver, "example.org")
    assert receiver.events == ["began", IPv4Address("TCP", "192.0.2.9", 0), "complete"]
