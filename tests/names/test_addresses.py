"""The addresses of hosts, behind aliases and delegations."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from tests.names.resolving import failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.support import free_port, within
from twisted_compat.error import DNSLookupError
from twisted_compat.names import addresses as module
from twisted_compat.names import error
from twisted_compat.names.addresses import has_route, of_both

pytestmark = pytest.mark.without_debug

SOA = "example. 60 IN SOA ns. admin. 1 2 3 4 30"


def serving(
    records: list[str], authority: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] | None = None
) -> Any:
    """A server that gives what it has of the very name and type, or an alias of it, and looks no further."""

    def handler(query: dns.message.Message) -> Any:
        question = query.question[0]
        name, kind = str(question.name), question.rdtype.name
        for zone, (servers, glue) in (authority or {}).items():
            if name.endswith(zone):
                return reply(query, authority=servers, additional=glue, flags=0)
        owned = [record for record in records if record.split()[0] == name]
        found = [record for record in owned if record.split()[3] in (kind, "CNAME")]
        if found or owned:
            return reply(query, *found, authority=() if found else (SOA,))
        return reply(query, authority=(SOA,), rcode=dns.rcode.NXDOMAIN)

    return handler


def chain(length: int) -> list[str]:
    aliases = [f"a{number}. 60 IN CNAME a{number + 1}." for number in range(length)]
    return [*aliases, f"a{length}. 60 IN A 192.0.2.1"]


async def test_aliases_are_followed_where_the_server_does_not() -> None:
    async with Fake(serving(chain(16))) as fake, resolver_for(fake) as resolver:
        assert await within(resolver.getHostByName("a0")) == "192.0.2.1"
        assert {f"a{number}. A" for number in range(17)} <= set(fake.names)


async def test_aliases_in_one_answer_are_followed() -> None:
    def handler(query: dns.message.Message) -> Any:
        return (
            reply(query, *reversed(chain(3)))
            if query.question[0].rdtype == 1
            else reply(query, *chain(3)[:-1])
        )

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        assert await within(resolver.getHostByName("a0")) == "192.0.2.1"
        assert fake.names.count("a0. A") == 1


async def test_too_many_aliases_are_no_address() -> None:
    async with Fake(serving(chain(17))) as fake, resolver_for(fake) as resolver:
        assert isinstance(await failure_of(resolver.getHostByName("a0")), DNSLookupError)
        assert await within(resolver.getHostByName("a1")) == "192.0.2.1"
        assert isinstance(await failure_of(resolver.getHostByName("a1", None, 3)), DNSLookupError)
        assert await within(resolver.getHostByName("a14", None, 3)) == "192.0.2.1"


@pytest.mark.parametrize(
    "records",
    [
        ["a. 60 IN CNAME a."],
        ["a. 60 IN CNAME b.", "b. 60 IN CNAME a."],
        ["a. 60 IN CNAME b.", "b. 60 IN CNAME c.", "c. 60 IN CNAME b."],
        ["a. 60 IN CNAME nowhere."],
        ["a. 60 IN CNAME b.", "b. 60 IN TXT nothing"],
    ],
)
async def test_aliases_that_lead_nowhere_are_no_address(records: list[str]) -> None:
    async with Fake(serving(records)) as fake, resolver_for(fake) as resolver:
        assert isinstance(await failure_of(resolver.getHostByName("a")), DNSLookupError)
        assert len(fake.asked) <= 8


async def test_one_answer_with_a_loop_is_no_address() -> None:
    loop = ("a. 60 IN CNAME b.", "b. 60 IN CNAME a.")
    async with Fake(lambda query: reply(query, *loop)) as fake, resolver_for(fake) as resolver:
        assert isinstance(await failure_of(resolver.getHostByName("a")), DNSLookupError)


async def test_what_the_answer_says_of_other_names_does_not_count() -> None:
    other = "other. 60 IN A 192.0.2.66"
    async with Fake(lambda query: reply(query, other)) as fake, resolver_for(fake) as resolver:
        assert isinstance(await failure_of(resolver.getHostByName("a")), DNSLookupError)


def delegation(zone: str, *glue: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (f"{zone} 60 IN NS ns.{zone}",), tuple(f"ns.{zone} 60 IN A {address}" for address in glue)


async def test_a_delegation_is_followed_to_the_servers_that_its_glue_names() -> None:
    async with Fake(serving(["x.c.b. 60 IN A 192.0.2.1"]), host="127.0.0.3") as below:
        port = below.address[1]
        above = Fake(serving([], {"c.b.": delegation("c.b.", "127.0.0.3")}), host="127.0.0.2", port=port)
        top = Fake(serving([], {"b.": delegation("b.", "127.0.0.2")}))
        async with above, top, resolver_for(top) as resolver:
            resolver._engine.port = port
            assert await within(resolver.getHostByName("x.c.b")) == "192.0.2.1"
            assert [len(server.names) for server in (top, above, below)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("referral", "asked"),
    [
        (delegation("b.", "127.0.0.1"), 4),  # which says the same again: that is no further down
        (((". 60 IN NS ns.b.",), ("ns.b. 60 IN A 127.0.0.1",)), 2),
        (delegation("elsewhere.", "127.0.0.1"), 2),
        (delegation("x.c.b.sibling.", "127.0.0.1"), 2),
        (delegation("b."), 2),  # without glue
        ((("b. 60 IN NS ns.b.",), ("other.b. 60 IN A 127.0.0.1",)), 2),
    ],
)
async def test_a_delegation_that_leads_nowhere_is_no_address(referral: Any, asked: int) -> None:
    async with Fake(serving([], {"b.": referral})) as fake, resolver_for(fake) as resolver:
        resolver._engine.port = fake.address[1]
        assert isinstance(await failure_of(resolver.getHostByName("x.c.b")), DNSLookupError)
        assert len(fake.asked) == asked


async def test_an_authoritative_answer_is_no_delegation() -> None:
    servers, glue = delegation("b.", "127.0.0.1")
    async with (
        Fake(lambda query: reply(query, authority=servers, additional=glue)) as fake,
        resolver_for(fake) as resolver,
    ):
        resolver._engine.port = fake.address[1]
        assert isinstance(await failure_of(resolver.getHostByName("x.b")), DNSLookupError)
        assert len(fake.asked) == 2


@pytest.mark.parametrize(
    ("section", "name", "kind", "wire"),
    [
        ("answer", "x.b.", "A", b"\0\0\7"),
        ("answer", "x.b.", "AAAA", bytes(16)),
        ("answer", "x.b.", "CNAME", b"\4real\0"),
        ("authority", "b.", "NS", b"\2ns\1b\0"),
        ("additional", "ns.b.", "A", b"\x7f\0\0\2"),
    ],
)
@pytest.mark.parametrize("rdclass", ["CH", "HS", "ANY"])
async def test_records_of_other_classes_do_not_count(
    rdclass: str, section: str, name: str, kind: str, wire: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(query: dns.message.Message) -> Any:
        if str(query.question[0].name) == "real.":
            return reply(query, "real. 60 IN A 192.0.2.66")
        glue = section == "additional"
        message = reply(query, authority=("b. 60 IN NS ns.b.",) if glue else (), flags=0)
        if section == "authority":
            message.additional = reply(query, "ns.b. 60 IN A 127.0.0.2").answer
        cls, type = dns.rdataclass.from_text(rdclass), dns.rdatatype.from_text(kind)
        odd = dns.rrset.from_rdata(name, 60, dns.rdata.GenericRdata(cls, type, wire))
        getattr(message, section).append(odd)
        return message

    async with Fake(handler) as fake, resolver_for(fake, timeout=5) as resolver:
        resolver._engine.port = free_port()
        failed = await failure_of(resolver.getHostByName("x.b"))
        assert isinstance(failed, DNSLookupError)
        assert set(fake.names) == {"x.b. A", "x.b. AAAA"}
        assert str(fake.address[1]) in str(failed)
        with suppress(error.DNSFormatError):  # what dnspython takes for a reason not to read the message
            for header in (await within(resolver.lookupAddress("x.b")))[0]:
                assert type(header.payload).__name__ in ("UnknownRecord", "Record_CNAME")
    assert not caplog.records


async def test_delegations_ever_further_down_end_somewhere() -> None:
    def handler(query: dns.message.Message) -> Any:
        zone = str(query.question[0].name.split(1 + fake.names.count(fake.names[-1]))[1])
        servers, glue = delegation(zone, "127.0.0.1")
        return reply(query, authority=servers, additional=glue, flags=0)

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        resolver._engine.port = fake.address[1]
        name = ".".join("x" * 60)
        assert isinstance(await failure_of(resolver.getHostByName(name)), DNSLookupError)
        assert len(fake.asked) <= 2 * (module.MOST_REFERRALS + 1)


async def test_a_delegation_to_a_server_that_says_nothing_is_a_matter_of_time() -> None:
    async with (
        Fake(lambda query: None, host="127.0.0.2") as below,
        Fake(serving([], {"b.": delegation("b.", "127.0.0.2")})) as top,
        resolver_for(top, timeout=(0.3,)) as resolver,
    ):
        resolver._engine.port = below.address[1]
        failed = await failure_of(resolver.getHostByName("x.b"))
        assert isinstance(failed, DNSLookupError)
        assert "127.0.0.2" in str(failed)


# Both kinds at the same time


async def test_of_both_what_comes_first_says_how_long_the_other_has() -> None:
    events: list[Any] = []

    async def look_up(rdtype: int) -> Any:
        try:
            if rdtype == 28:
                await asyncio.sleep(60)
            return module.Found([str(rdtype)], None)  # type: ignore[arg-type]  # nobody looks at it
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    for seconds in (0.0, 0.001):
        events.clear()

        def tell(rdtype: int, found: list[str], seconds: float = seconds) -> float:
            events.append((rdtype, found))
            return seconds

        results = await within(of_both(look_up, [28, 1], tell))
        assert [result.addresses for result in results] == [["1"]]
        assert events == [(1, ["1"]), "cancelled"]


async def test_of_both_a_failure_ends_the_other(caplog: pytest.LogCaptureFixture) -> None:
    cancelled = asyncio.Event()

    async def look_up(rdtype: int) -> Any:
        if rdtype == 1:
            raise ZeroDivisionError
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(ZeroDivisionError):
        await within(of_both(look_up, [28, 1], lambda *_: None))
    assert cancelled.is_set()
    with pytest.raises(ZeroDivisionError):  # and nothing is said of an error that nobody has asked for
        await within(of_both(look_up, [1, 1], lambda *_: None))
    gc.collect()
    assert not caplog.records


def test_there_is_a_route_to_oneself_but_not_through_what_is_not_there() -> None:
    assert not has_route("fe80::1%nosuchlink")
    assert not has_route("no address")
