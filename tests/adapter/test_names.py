"""A reactor's resolvers: what ``resolve`` answers, and what is installed in the place of the loop's. The
resolvers by themselves: see test_resolvers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.adapter.resolving import V4, Hosts, Recorder, Simple, make, make_with_lookups, outcome
from tests.support import until, within
from twisted_compat import defer
from twisted_compat.adapter.names import Names
from twisted_compat.adapter.resolvers import LoopResolver
from twisted_compat.adapter.timers import Timers
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import DNSLookupError
from twisted_compat.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IResolverSimple,
)
from twisted_compat.vocabulary import NATIVE

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


# resolve


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("", "0.0.0.0"),
        (b"", "0.0.0.0"),
        ("192.0.2.1", "192.0.2.1"),
        (b"192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
async def test_addresses_are_their_own_answer_at_once(name: str | bytes, address: str) -> None:
    results: list[str] = []
    make().resolve(name).addCallback(results.append)
    assert results == [address]


@pytest.mark.parametrize("name", ["localhost", b"localhost"])
async def test_resolve_by_the_system(name: str | bytes) -> None:
    assert await outcome(make().resolve(name)) == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    ["no-such-host.invalid", "a..b", "nul\0byte", "x" * 80 + ".invalid", "\udcff", b"\xff\xfe", "ü" * 80],
)
async def test_names_that_do_not_resolve(name: str | bytes) -> None:
    failure = await outcome(make().resolve(name, 30))
    assert failure.check(DNSLookupError) and not failure.check(defer.TimeoutError)


async def test_resolve_asks_for_ipv4_streams() -> None:
    names, lookups, _ = make_with_lookups()
    lookups.answer.set_result([V4])
    assert await outcome(names.resolve("example.org")) == "192.0.2.7"
    assert lookups.asked == [("example.org", 0, socket.AF_INET, socket.SOCK_STREAM)]


async def test_names_beyond_ascii_are_encoded() -> None:
    names, lookups, _ = make_with_lookups()
    lookups.answer.set_result([V4])
    await outcome(names.resolve("bücher.example"))
    await outcome(names.resolve("bücher.example".encode()))
    assert [asked[0] for asked in lookups.asked] == ["xn--bcher-kva.example"] * 2


async def test_names_are_encoded_without_the_idna_package_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "idna", None)
    await test_names_beyond_ascii_are_encoded()


@pytest.mark.parametrize("timeout", [0.01, (0.004, 0.006)])
async def test_a_timeout_is_both_kinds_of_error(timeout: Any) -> None:
    names, lookups, timers = make_with_lookups()
    failure = await outcome(names.resolve("example.org", timeout))
    assert failure.check(DNSLookupError) and failure.check(defer.TimeoutError)
    await until(lookups.answer.cancelled)
    assert timers.getDelayedCalls() == []


@pytest.mark.parametrize(("timeout", "total"), [((1, 3, 11, 45), 60), ((), 60), (5, 5), ([2.5, 1], 3.5)])
async def test_how_long_a_timeout_is(timeout: Any, total: float) -> None:
    names, lookups, timers = make_with_lookups()
    deferred = names.resolve("example.org", timeout)
    (timer,) = timers.getDelayedCalls()
    assert total - 1 < timer.getTime() - timers.seconds() <= total
    lookups.answer.set_result([V4])
    await outcome(deferred)
    assert timers.getDelayedCalls() == []


async def test_cancelling_stops_everything() -> None:
    names, lookups, timers = make_with_lookups()
    deferred = names.resolve("example.org")
    await until(lambda: lookups.asked)
    deferred.cancel()
    assert (await outcome(deferred)).check(defer.CancelledError)
    await until(lookups.answer.cancelled)
    assert timers.getDelayedCalls() == []


async def test_close_ends_what_is_under_way() -> None:
    names, lookups, timers = make_with_lookups()
    before = asyncio.all_tasks()
    deferred = names.resolve("example.org")
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org")
    await until(lambda: len(lookups.asked) == 2)
    names.close()
    failure = await outcome(deferred)
    assert failure.check(DNSLookupError) and "the reactor was stopped" in str(failure.value)
    assert receiver.events == ["began", "complete"]
    assert timers.getDelayedCalls() == []
    await until(lambda: asyncio.all_tasks() == before)
    names.close()


async def test_close_after_the_timers_were_cancelled() -> None:
    names, _, timers = make_with_lookups()
    deferred = names.resolve("example.org")
    timers.close()
    names.close()
    assert (await outcome(deferred)).check(DNSLookupError)


async def test_the_loop_s_owner_cancels_all_tasks() -> None:
    names, lookups, _ = make_with_lookups()
    before = asyncio.all_tasks()
    deferred = names.resolve("example.org")
    await until(lambda: lookups.asked)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    assert (await outcome(deferred)).check(DNSLookupError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")
def test_close_after_the_loop_was_closed(loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    loop = loop_factory()
    names = Names(loop, NATIVE, Timers(loop, NATIVE))
    results: list[Any] = []
    names.resolve("localhost").addBoth(results.append)
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "localhost")
    loop.close()
    names.close()
    assert results[0].check(DNSLookupError)
    assert receiver.events == ["began", "complete"]


# installNameResolver


async def test_an_installed_host_name_resolver_answers_resolve() -> None:
    names = make()
    hosts = Hosts()
    previous = names.installNameResolver(hosts)
    assert isinstance(previous, LoopResolver) and names.nameResolver is hosts
    deferred = names.resolve("example.org")
    assert hosts.asked == [("example.org", 0, [IPv4Address], "TCP")]
    hosts.receiver.addressResolved(IPv4Address("TCP", "192.0.2.9", 0))
    hosts.receiver.addressResolved(IPv4Address("TCP", "192.0.2.10", 0))
    hosts.receiver.resolutionComplete()
    assert await outcome(deferred) == "192.0.2.9"
    assert hosts.cancelled  # the rest isn't needed
    assert names.installNameResolver(previous) is hosts
    assert await outcome(names.resolve("localhost")) == "127.0.0.1"


async def test_a_resolver_that_can_not_be_cancelled() -> None:
    names = make()
    hosts = Hosts()
    hosts.can_cancel = False
    names.installNameResolver(hosts)
    deferred = names.resolve("example.org")
    deferred.cancel()
    assert (await outcome(deferred)).check(defer.CancelledError)
    hosts.receiver.addressResolved(IPv4Address("TCP", "192.0.2.9", 0))
    hosts.receiver.resolutionComplete()


async def test_a_resolver_that_answers_at_once_leaves_no_timer() -> None:
    @implementer(IHostnameResolver)
    class Instant:
        def resolveHostName(self, resolutionReceiver: Any, hostName: str, *args: Any) -> Any:
            resolution = Hosts()
            resolutionReceiver.resolutionBegan(resolution)
            resolutionReceiver.resolutionComplete()
            return resolution

    names, _, timers = make_with_lookups()
    names.installNameResolver(Instant())
    assert (await outcome(names.resolve("example.org"))).check(DNSLookupError)
    assert timers.getDelayedCalls() == []


async def test_a_resolver_that_raises_fails_the_deferred() -> None:
    @implementer(IHostnameResolver)
    class Raising:
        def resolveHostName(self, *args: Any) -> Any:
            raise ZeroDivisionError

    names, _, timers = make_with_lookups()
    names.installNameResolver(Raising())
    assert (await outcome(names.resolve("example.org"))).check(ZeroDivisionError)
    assert timers.getDelayedCalls() == []


async def test_something_else_is_not_installed() -> None:
    names = make()
    with pytest.raises(TypeError, match=r"Write @implementer\(IHostnameResolver\) above its class"):
        names.installNameResolver(Simple())
    with pytest.raises(TypeError, match=r"Write @implementer\(IResolverSimple\) above its class"):
        names.installResolver(Hosts())
    assert isinstance(names.nameResolver, LoopResolver)


# installResolver


async def test_an_installed_simple_resolver_answers_both_ways() -> None:
    names = make()
    simple = Simple()
    previous = names.installResolver(simple)
    assert verifyObject(IResolverSimple, previous)
    deferred = names.resolve("example.org", (1, 2))
    receiver = Recorder()
    assert verifyObject(IHostnameResolver, names.nameResolver)
    resolution = names.nameResolver.resolveHostName(receiver, "bücher.example", 80)
    assert verifyObject(IHostResolution, resolution) and receiver.events == ["began"]
    assert [name for name, _ in simple.asked] == ["example.org", "xn--bcher-kva.example"]
    assert simple.asked[0][1] == (1, 2)
    simple.deferred.callback("192.0.2.9")
    assert receiver.events == ["began", IPv4Address("TCP", "192.0.2.9", 80), "complete"]
    assert await outcome(deferred) is None  # the same Deferred, handed on as the resolver made it


async def test_installing_the_previous_one_undoes_it() -> None:
    names = make()
    loop_resolver = names.nameResolver
    previous = names.installResolver(Simple())
    names.installResolver(previous)
    assert names.nameResolver is loop_resolver
    simple = Simple()
    names.installResolver(simple)
    made = names.nameResolver
    names.installNameResolver(Hosts())
    names.installNameResolver(made)
    names.resolve("example.org")
    assert simple.asked


async def test_a_simple_resolver_may_answer_ipv6() -> None:
    names = make()
    simple = Simple()
    names.installResolver(simple)
    receiver, wants_ipv4 = Recorder(), Recorder()
    simple.deferred.callback("::1")
    names.nameResolver.resolveHostName(receiver, "example.org", 5, None, "UDP")
    assert receiver.events == ["began", IPv6Address("UDP", "::1", 5), "complete"]
    simple.deferred = defer.succeed("::1")
    names.nameResolver.resolveHostName(wants_ipv4, "example.org", 5, [IPv4Address])
    assert wants_ipv4.events == ["began", "complete"]


@pytest.mark.parametrize("kind", [DNSLookupError, defer.TimeoutError])
async def test_a_simple_resolver_that_finds_nothing(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    names = make()
    simple = Simple()
    names.installResolver(simple)
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org")
    simple.deferred.errback(kind())
    assert receiver.events == ["began", "complete"] and not caplog.records


async def test_a_simple_resolver_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    names = make()
    simple = Simple()
    names.installResolver(simple)
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org")
    simple.deferred.errback(ZeroDivisionError())
    assert receiver.events == ["began", "complete"]
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_a_simple_resolver_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    names = make()
    simple = Simple()
    names.installResolver(simple)
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "example.org").cancel()
    assert simple.cancelled and receiver.events == ["began", "complete"] and not caplog.records


async def test_a_simple_resolver_is_not_asked_for_impossible_names() -> None:
    names = make()
    simple = Simple()
    names.installResolver(simple)
    receiver = Recorder()
    names.nameResolver.resolveHostName(receiver, "ü" * 80)
    assert receiver.events == ["began", "complete"] and not simple.asked


async def test_awaiting_a_resolve() -> None:
    assert await within(make().resolve("localhost")) == "127.0.0.1"
