"""Look-ups ended at any moment, in great number, from a wrong thread: nothing is left, and nobody is lost."""

from __future__ import annotations

import asyncio
import copy
import pickle
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import dns.flags
import dns.message
import pytest

from tests.names.resolving import Nothing, addresses, failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.support import within
from twisted_compat import AsyncioReactor
from twisted_compat.defer import CancelledError, gatherResults
from twisted_compat.names import dns as numbers
from twisted_compat.names import error
from twisted_compat.names.client import Resolver

pytestmark = pytest.mark.without_debug


def good(query: dns.message.Message) -> dns.message.Message:
    return reply(query, f"{query.question[0].name} 60 IN A 192.0.2.1")


def silent(query: dns.message.Message) -> None:
    return None


def cut_off(query: dns.message.Message) -> dns.message.Message:
    return reply(query, flags=dns.flags.TC)


# Ended at any moment


@asynccontextmanager
async def full() -> AsyncIterator[Any]:
    """A server whose TCP port takes no connection: its queue is full."""
    async with Fake(cut_off, tcp=False) as fake:
        with socket.socket() as listening:
            listening.bind(fake.address)
            listening.listen(0)
            others = [socket.socket() for _ in range(3)]
            for other in others:
                other.setblocking(False)
                other.connect_ex(fake.address)
            yield fake
            for other in others:
                other.close()


WHERE: dict[str, Callable[[], Any]] = {
    "waiting for a datagram": lambda: Fake(silent),
    "connecting": full,
    "waiting for an answer over TCP": lambda: Fake(cut_off, tcp=silent),
}
WHAT: dict[str, Callable[[Resolver], Any]] = {
    "records": lambda resolver: resolver.lookupAddress("host"),
    "a zone": lambda resolver: resolver.lookupZone("host"),
    "a host": lambda resolver: resolver.getHostByName("host"),
}
MOMENTS = (0, 1, 2, 3, 6, 40)
"""Turns of the loop after the beginning."""


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("where", WHERE)
async def test_a_look_up_is_cancelled_at_any_moment_and_nothing_is_left(where: str) -> None:
    async with WHERE[where]() as server, resolver_for(server) as resolver:
        nothing = Nothing()
        for look_up in WHAT.values():
            for moment in MOMENTS:
                deferred = look_up(resolver)
                await turns(moment)
                deferred.cancel()
                assert type(await failure_of(deferred)) is CancelledError
                await nothing.is_left()


@pytest.mark.parametrize("where", WHERE)
async def test_a_reactor_is_stopped_at_any_moment_and_the_next_one_looks_up_again(where: str) -> None:
    async with WHERE[where]() as server, Fake(good) as other:
        for moment in MOMENTS:
            nothing = Nothing()
            resolver = Resolver(servers=[server.address], hosts=None)
            async with AsyncioReactor():
                deferreds = [look_up(resolver) for look_up in WHAT.values()]
                await turns(moment)
            kinds = [type(await failure_of(deferred)).__name__ for deferred in deferreds]
            assert kinds == ["ResolverError", "ResolverError", "DNSLookupError"]
            await nothing.is_left()
        resolver = Resolver(servers=[other.address], hosts=None)
        for name in ("one", "two"):
            async with AsyncioReactor():
                assert addresses(await within(resolver.lookupAddress(name))) == ["192.0.2.1"]


async def test_one_that_ends_may_cancel_the_others_and_ask_again() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        first, *others = [resolver.lookupAddress("host") for _ in range(4)]

        def again(result: Any) -> Any:
            for other in others:
                other.cancel()
            return resolver.lookupAddress("another")

        assert addresses(await within(first.addCallback(again))) == ["192.0.2.1"]
        for other in others:
            assert type(await failure_of(other)) is CancelledError


# In great number


@contextmanager
def at_most(descriptors: int) -> Iterator[None]:
    """This process may open so many more descriptors, and no more than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = socket.socket()
    highest = probe.fileno()
    probe.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_more_look_ups_than_descriptors_all_have_their_answers() -> None:
    def reserved() -> Any:
        with socket.socket() as mine:
            return mine.fileno()

    async with Fake(good) as fake, resolver_for(fake) as resolver:
        with at_most(150):
            records = [resolver.lookupAddress(f"a{number}") for number in range(150)]
            hosts = [resolver.getHostByName(f"b{number}") for number in range(40)]
            await turns(20)
            assert reserved() > 0  # there are some left for others
            found = await within(gatherResults(records))
            assert [addresses(result) for result in found] == [["192.0.2.1"]] * 150
            assert await within(gatherResults(hosts)) == ["192.0.2.1"] * 40


# From a wrong thread


@pytest.mark.parametrize("what", WHAT)
async def test_a_look_up_from_another_thread_is_refused(what: str) -> None:
    raised: list[BaseException] = []
    async with Fake(good) as fake, resolver_for(fake) as resolver:

        def look_up() -> None:
            try:
                WHAT[what](resolver)
            except RuntimeError as caught:
                raised.append(caught)

        thread = threading.Thread(target=look_up)
        thread.start()
        thread.join()
        assert "callFromThread" in str(raised[0])
        assert fake.asked == []


# Copies


async def test_answers_and_errors_can_be_copied_and_pickled() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        result = await within(resolver.lookupAddress("host"))
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert again == result
        assert again[0][0].rdata == result[0][0].rdata
    query = numbers.Query("host", numbers.MX)
    assert pickle.loads(pickle.dumps(query)) == query
    for failed in (error.DNSNameError("why"), error.DNSQueryTimeoutError(3, "why")):
        again = pickle.loads(pickle.dumps(failed))
        assert (type(again), str(again)) == (type(failed), "why")
