"""Whole zones, from servers that give them in many ways, or don't. BIND's is in test_client."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.names.resolving import failure_of, resolver_for
from tests.names.server import CLOSE, Fake, reply
from tests.support import free_port, within
from twisted_compat.defer import TimeoutError
from twisted_compat.names import dns as numbers
from twisted_compat.names import error

pytestmark = pytest.mark.without_debug

SOA = "zone. 60 IN SOA ns. admin. 1 2 3 4 30"
HOSTS = [f"host{number}.zone. 60 IN A 192.0.2.{number}" for number in range(4)]
OTHER_SOA = "below.zone. 60 IN SOA ns. admin. 1 2 3 4 30"


def never(query: dns.message.Message) -> Any:
    raise AssertionError("a zone is asked for over TCP")


@pytest.mark.parametrize(
    "messages",
    [
        [[SOA, *HOSTS, SOA]],
        [[SOA], *([host] for host in HOSTS), [SOA]],
        [[SOA, *HOSTS[:2]], [*HOSTS[2:], SOA]],
    ],
    ids=["at once", "one by one", "in two"],
)
async def test_a_zone_comes_in_however_many_messages(messages: list[list[str]]) -> None:
    def give(query: dns.message.Message) -> Any:
        assert query.question[0].rdtype == dns.rdatatype.AXFR
        assert not query.flags & dns.flags.RD
        return [reply(query, *records) for records in messages]

    async with Fake(never, tcp=give) as fake, resolver_for(fake) as resolver:
        for name in ("zone", "zone.", b"ZONE"):
            answers, authority, additional = await within(resolver.lookupZone(name))
            assert [header.type for header in answers] == [numbers.SOA, *[numbers.A] * 4, numbers.SOA]
            assert [header.payload.dottedQuad() for header in answers[1:-1]] == [
                f"192.0.2.{number}" for number in range(4)
            ]
            assert authority == additional == []
        assert len(fake.asked) == 3  # it is not kept


async def test_the_origin_of_another_zone_is_not_the_end() -> None:
    async with (
        Fake(never, tcp=lambda query: reply(query, SOA, OTHER_SOA, *HOSTS, SOA)) as fake,
        resolver_for(fake) as resolver,
    ):
        answers, _, _ = await within(resolver.lookupZone("zone"))
        assert len(answers) == 7


def changed(query: dns.message.Message, **attributes: Any) -> dns.message.Message:
    message = reply(query, SOA, SOA)
    for name, value in attributes.items():
        setattr(message, name, value)
    return message


BAD: dict[str, Any] = {
    "doesn't begin with SOA": lambda query: reply(query, *HOSTS, SOA),
    "gives nothing": reply,
    "gives another zone": lambda query: reply(query, OTHER_SOA, OTHER_SOA),
    "answers something else": lambda query: changed(query, id=query.id ^ 1),
    "answers with a question": lambda query: changed(query, flags=0),
    "talks nonsense": lambda query: b"nonsense, and quite a lot of it",
    "closes in the middle": lambda query: [reply(query, SOA, *HOSTS), CLOSE],
    "never ends": lambda query: reply(query, SOA, *HOSTS),
    "refuses": lambda query: reply(query, rcode=dns.rcode.REFUSED),
}


@pytest.mark.parametrize("bad", BAD)
async def test_where_one_server_does_not_give_it_the_next_one_is_asked(bad: str) -> None:
    async with (
        Fake(never, tcp=BAD[bad]) as first,
        Fake(never, tcp=lambda query: reply(query, SOA, SOA)) as second,
        resolver_for(first, ("127.0.0.1", free_port()), second) as resolver,
    ):
        timeout = 0.6 if bad == "never ends" else (0.01, 5)
        answers, _, _ = await within(resolver.lookupZone("zone", timeout))
        assert len(answers) == 2
        assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_a_zone_without_end_ends_at_the_deadline() -> None:
    """From another thread, as fast as it can be read."""

    def pour(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            query = dns.message.from_wire(connection.recv(9999)[2:])
            first, more = reply(query, SOA).to_wire(), reply(query, *HOSTS).to_wire()
            connection.sendall(len(first).to_bytes(2, "big") + first)
            many = (len(more).to_bytes(2, "big") + more) * 1000
            while True:
                connection.sendall(many)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=pour, args=(listener,))
        thread.start()
        async with resolver_for(listener.getsockname()) as resolver:
            late = await failure_of(resolver.lookupZone("zone", 0.05))
            assert isinstance(late, error.DNSQueryTimeoutError)
        thread.join()


async def test_without_the_zone_it_is_an_error_that_says_what_each_server_did() -> None:
    async with Fake(never, tcp=BAD["refuses"]) as fake, resolver_for(fake) as resolver:
        refused = await failure_of(resolver.lookupZone("zone"))
        assert type(refused) is error.DNSQueryRefusedError
        assert refused.message.rcode() == dns.rcode.REFUSED
    async with Fake(never, tcp=BAD["never ends"]) as fake, resolver_for(fake) as resolver:
        late = await failure_of(resolver.lookupZone("zone", 0.05))
        assert isinstance(late, TimeoutError)
        assert isinstance(late, error.DNSQueryTimeoutError)
        assert "not complete in time" in str(late)
    async with Fake(never, tcp=BAD["talks nonsense"]) as fake, resolver_for(fake) as resolver:
        assert type(await failure_of(resolver.lookupZone("zone"))) is error.DNSFormatError
