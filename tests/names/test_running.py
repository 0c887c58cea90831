"""Look-ups that are cancelled, in whatever state they are, and reactors that stop during them."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.names.resolving import Nothing, addresses, failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.names.test_resolver import Receiver
from tests.support import free_port, until, within
from twisted_compat import AsyncioReactor, current_reactor
from twisted_compat.defer import CancelledError, Deferred
from twisted_compat.error import DNSLookupError
from twisted_compat.names import client, running
from twisted_compat.names.client import Resolver
from twisted_compat.names.config import Configuration
from twisted_compat.names.error import ResolverError

pytestmark = pytest.mark.without_debug


def good(query: dns.message.Message) -> Any:
    return reply(query, "host. 60 IN A 192.0.2.1")


def silent(query: dns.message.Message) -> Any:
    return None


def cut_off(query: dns.message.Message) -> Any:
    return reply(query, flags=dns.flags.TC)


def no_edns(query: dns.message.Message) -> Any:
    return None if query.edns < 0 else reply(query, rcode=dns.rcode.FORMERR)


def alias(query: dns.message.Message) -> Any:
    name = str(query.question[0].name)
    return reply(query, "host. 60 IN CNAME other.") if name == "host." else None


def only_ipv4(query: dns.message.Message) -> Any:
    return good(query) if query.question[0].rdtype == 1 else None


def begun(query: dns.message.Message) -> Any:
    return reply(query, "host. 60 IN SOA ns. admin. 1 2 3 4 5", "host. 60 IN A 192.0.2.1")


# How the server is, what is looked up, and how many questions there are when it is cancelled.
STATES: dict[str, tuple[Any, Any, str, int]] = {
    "before it begins": (silent, None, "lookupAddress", 0),
    "waiting for an answer": (silent, None, "lookupAddress", 1),
    "asking once more": (silent, None, "lookupText", 2),
    "waiting over TCP": (cut_off, silent, "lookupAddress", 2),
    "asking without EDNS": (no_edns, None, "lookupAddress", 2),
    "in the middle of a zone": (silent, begun, "lookupZone", 1),
    "a host, before it begins": (silent, None, "getHostByName", 0),
    "a host, asking for both": (silent, None, "getHostByName", 2),
    "a host, following an alias": (alias, None, "getHostByName", 4),
    "a host, with one kind": (only_ipv4, None, "getHostByName", 2),
}


def triggers() -> Any:
    return current_reactor()._events._triggers.get("shutdown", {}).get("during")


@pytest.mark.parametrize("state", STATES)
async def test_cancelled_in_any_state_it_fails_at_once_and_leaves_nothing(state: str) -> None:
    udp, tcp, method, questions = STATES[state]
    async with (
        Fake(udp, tcp=udp if tcp is None else tcp) as fake,
        resolver_for(fake, timeout=(0.02, 60) if questions == 2 and tcp is None else 60) as resolver,
    ):
        nothing = Nothing()
        deferred = getattr(resolver, method)("host")
        if questions:
            await until(lambda: len(fake.asked) >= questions)
        assert triggers()
        deferred.cancel()
        assert deferred.called
        assert isinstance(await failure_of(deferred), CancelledError)
        await until(lambda: not triggers())
        for connection in fake.connections:
            connection.abort()
        await nothing.is_left()
        deferred.cancel()
        assert resolver._engine.shared._loops == resolver._running._groups == {}


async def test_cancelled_while_it_connects_it_leaves_nothing() -> None:
    async with Fake(cut_off, tcp=False) as fake, resolver_for(fake, timeout=60) as resolver:
        with socket.socket() as full, socket.socket() as one, socket.socket() as two:
            full.bind(fake.address)
            full.listen(0)  # so that nobody else is let in
            for caller in (one, two):
                caller.setblocking(False)
                caller.connect_ex(fake.address)
            nothing = Nothing()
            deferred = resolver.lookupAddress("host")
            await until(lambda: len(fake.asked) == 1)
            await asyncio.sleep(0.01)
            deferred.cancel()
            assert isinstance(await failure_of(deferred), CancelledError)
            await nothing.is_left()


@pytest.mark.parametrize("questions", [0, 2])
async def test_a_resolution_that_is_cancelled_is_complete_and_leaves_nothing(questions: int) -> None:
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        nothing = Nothing()
        receiver = Receiver()
        resolution = resolver.resolveHostName(receiver, "host")
        await until(lambda: len(fake.asked) >= questions)
        resolution.cancel()
        assert receiver.events == ["began", "complete"]
        resolution.cancel()
        await until(lambda: not triggers())
        await nothing.is_left()
        assert receiver.events == ["began", "complete"]


async def test_cancelling_what_is_done_changes_nothing() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        nothing = Nothing()
        deferred = resolver.lookupAddress("host")
        await until(lambda: deferred.called)
        deferred.cancel()
        assert addresses(await deferred) == ["192.0.2.1"]
        assert not triggers()
        await nothing.is_left()


async def test_what_awaits_it_can_be_cancelled() -> None:
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        nothing = Nothing()

        async def look_up() -> None:
            await resolver.lookupAddress("host")

        task = asyncio.ensure_future(look_up())
        await until(lambda: len(fake.asked) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        del task
        await nothing.is_left()


# Reactors that stop


async def test_when_its_reactor_stops_a_look_up_fails_and_leaves_nothing() -> None:
    async with Fake(silent) as fake:
        nothing = Nothing()
        receiver = Receiver()
        async with AsyncioReactor():
            resolver = Resolver(servers=[fake.address], hosts=None)
            two = [resolver.lookupAddress("host"), resolver.lookupAddress("host")]
            host = resolver.getHostByName("host")
            zone = resolver.lookupZone("host")
            resolver.resolveHostName(receiver, "other")
            await until(lambda: len(fake.asked) >= 4)
        for deferred in (*two, zone):
            failed = await failure_of(deferred)
            assert isinstance(failed, ResolverError)
            assert "The reactor was stopped" in str(failed)
        failed = await failure_of(host)
        assert isinstance(failed, DNSLookupError)
        assert "The reactor was stopped" in str(failed)
        assert receiver.events == ["began", "complete"]
        for connection in fake.connections:
            connection.abort()
        await nothing.is_left()


async def test_the_next_reactor_of_a_loop_ends_its_own_look_ups() -> None:
    async with Fake(silent) as fake:
        resolver = Resolver(servers=[fake.address], hosts=None)
        for number in range(2):
            async with AsyncioReactor():
                deferred = resolver.lookupAddress("host")
                if number:
                    await until(lambda: fake.asked)
            assert isinstance(await failure_of(deferred), ResolverError)
    assert resolver._running._groups == {}


async def test_in_another_thread_there_is_no_look_up() -> None:
    async with resolver_for("127.0.0.1") as resolver:
        resolver._reactor = current_reactor()
        for method in (resolver.lookupAddress, resolver.getHostByName):
            with pytest.raises(
                RuntimeError, match=r"Write `reactor\.callFromThread\(resolver\.lookupAddress, "
            ):
                await asyncio.to_thread(method, "host")
        with pytest.raises(RuntimeError, match="in another"):
            await asyncio.to_thread(resolver.resolveHostName, Receiver(), "host")


async def test_before_the_shutdown_names_can_still_be_looked_up() -> None:
    async with Fake(good) as fake:
        results: list[Any] = []
        async with AsyncioReactor() as reactor:
            resolver = Resolver(servers=[fake.address], hosts=None)

            def last_words() -> Deferred[Any]:
                deferred: Deferred[Any] = resolver.lookupAddress("host").addCallback(results.append)
                return deferred

            reactor.addSystemEventTrigger("before", "shutdown", last_words)
        assert addresses(results[0]) == ["192.0.2.1"]


async def test_the_resolver_of_a_reactor_does_not_keep_it() -> None:
    async with Fake(good) as fake, AsyncioReactor() as reactor:
        resolver = client.getResolver()
        resolver._engine._config = Configuration(None, (fake.address,), None)
        await within(resolver.lookupAddress("host"))
        gone = weakref.ref(reactor)
        known = weakref.ref(resolver)
    del reactor, resolver
    gc.collect()
    assert (gone(), known()) == (None, None)


async def test_one_resolver_serves_one_reactor_after_another_and_remembers() -> None:
    async with Fake(good) as fake:
        resolver = Resolver(servers=[fake.address], hosts=None)
        for _ in range(2):
            async with AsyncioReactor():
                assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert len(fake.asked) == 1


def test_loops_come_and_go(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Also one that is closed while a look-up is under way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent_one:
        silent_one.bind(("127.0.0.1", 0))
        resolver = Resolver(servers=[silent_one.getsockname()], hosts=None)
        for _ in range(3):
            reactor = AsyncioReactor(loop_factory=loop_factory)
            failures: list[Any] = []

            def look_up(reactor: Any = reactor, failures: Any = failures) -> None:
                resolver.lookupAddress("host").addErrback(failures.append)
                reactor.callLater(0, reactor.stop)

            early = Resolver(servers=resolver.servers, hosts=None, reactor=reactor)
            early.lookupAddress("host").addErrback(failures.append)
            reactor.callWhenRunning(look_up)
            reactor.run(installSignalHandlers=False)
            assert [failure.type for failure in failures] == [ResolverError] * 2
        loop = loop_factory()
        abandoned = Resolver(servers=[silent_one.getsockname()], hosts=None, reactor=AsyncioReactor(loop))
        deferred = abandoned.lookupAddress("host")
        loop.close()
        deferred.addErrback(failures.append)
        deferred.cancel()
        assert [failure.type for failure in failures] == [ResolverError, ResolverError, CancelledError]
        abandoned._running._groups.clear()
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it can't be ended any more
            task.get_coro().close()


async def test_when_all_tasks_of_the_loop_are_cancelled_look_ups_say_so() -> None:
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        before = asyncio.all_tasks()
        deferred = resolver.lookupAddress("host")
        await until(lambda: len(fake.asked) == 1)
        for task in asyncio.all_tasks() - before:
            task.cancel()
        failed = await failure_of(deferred)
        assert isinstance(failed, ResolverError)
        assert "was cancelled" in str(failed)


def test_without_a_loop_there_is_no_look_up() -> None:
    resolver = Resolver(servers=["127.0.0.1"], reactor=object())
    with pytest.raises(RuntimeError, match="is on no asyncio event loop"):
        resolver.lookupAddress("host")


async def test_a_reactor_that_tells_neither_loop_nor_events_will_do() -> None:
    async with Fake(good) as fake:
        resolver = Resolver(servers=[fake.address], hosts=None, reactor=object())
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert running.loop_of(object()) is asyncio.get_running_loop()


async def test_no_timer_stays_behind() -> None:
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", [])  # uvloop doesn't tell

    def timers() -> int:
        return sum(not timer.cancelled() for timer in scheduled)

    async with Fake(good) as fake, resolver_for(fake) as resolver:
        before = timers()
        await within(resolver.lookupAddress("host"))
        assert timers() == before


async def test_a_look_up_goes_without_the_collector_of_cycles() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        await within(resolver.lookupAddress("first"))
        gc.collect()
        gc.disable()
        try:
            for name in ("host", "host"):
                await within(resolver.lookupAddress(name))
            await failure_of(resolver.lookupAddress("a..b"))
            await asyncio.sleep(0)
            found = [thing for thing in gc.get_objects() if isinstance(thing, running.Job)]
            assert found == []
        finally:
            gc.enable()


async def test_many_look_ups_at_the_same_time_are_all_answered() -> None:
    def handler(query: dns.message.Message) -> Any:
        return reply(query, f"{query.question[0].name} 60 IN A 192.0.2.1")

    async with Fake(handler) as fake, resolver_for(fake, ("127.0.0.1", free_port())) as resolver:
        nothing = Nothing()
        deferreds = [resolver.lookupAddress(f"host{number}.") for number in range(50)]
        for deferred in deferreds:
            assert addresses(await within(deferred)) == ["192.0.2.1"]
        await nothing.is_left()
