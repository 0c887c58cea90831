"""Each look-up, answered by BIND; and the functions of the module."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.names.resolving import addresses, failure_of, resolver_for
from tests.names.server import LONG, Fake, reply
from tests.support import within
from twisted_compat import AsyncioReactor
from twisted_compat.interfaces import IHostnameResolver, IResolver, IResolverSimple
from twisted_compat.names import client, common, dns, error

pytestmark = pytest.mark.without_debug

Server = tuple[str, int]
H = "host.example"
LOOK_UPS: dict[str, tuple[str, list[dns.Record]]] = {
    "lookupAddress": (H, [dns.Record_A("192.0.2.1", 300), dns.Record_A("192.0.2.2", 300)]),
    "lookupIPV6Address": (H, [dns.Record_AAAA("2001:db8::1", 300)]),
    "lookupAddress6": ("part6.example", [dns.Record_A6(64, "::6", "ns1", 300)]),
    "lookupMailExchange": (
        "example",
        [dns.Record_MX(10, "mail.example", 300), dns.Record_MX(20, "mail.backup.test", 300)],
    ),
    "lookupNameservers": ("example", [dns.Record_NS("ns1.example", 300)]),
    "lookupCanonicalName": ("alias.example", [dns.Record_CNAME(H, 300)]),
    "lookupMailBox": ("box.example", [dns.Record_MB("mail.example", 300)]),
    "lookupMailGroup": (
        "group.example",
        [dns.Record_MG("box.example", 300), dns.Record_MG("other.box.example", 300)],
    ),
    "lookupMailRename": ("old.example", [dns.Record_MR("box.example", 300)]),
    "lookupPointer": ("1.2.0.192.in-addr.arpa", [dns.Record_PTR(H, 300)]),
    "lookupAuthority": (
        "example",
        [dns.Record_SOA("ns1.example", rb"first\.last.host.example", 7, 3600, 600, 86400, 60, 300)],
    ),
    "lookupNull": ("null.example", [dns.Record_NULL(b"\x00\xffab", 300)]),
    "lookupWellKnownServices": (
        H,
        [dns.Record_WKS("192.0.2.1", 6, b"\0\0\0\x40\0\0\0\0\0\0\x80", 300)],
    ),
    "lookupHostInfo": (H, [dns.Record_HINFO(b"PDP-11", b"UNIX", 300)]),
    "lookupMailboxInfo": ("list.example", [dns.Record_MINFO("admin.example", "errors.list.example", 300)]),
    "lookupText": ("example", [dns.Record_TXT(b"v=1", b'two "parts"', ttl=300)]),
    "lookupSenderPolicy": ("example", [dns.Record_SPF(b"v=spf1 -all", ttl=300)]),
    "lookupResponsibility": ("example", [dns.Record_RP("admin.example", "about.example", 300)]),
    "lookupAFSDatabase": ("example", [dns.Record_AFSDB(1, "afs.example", 300)]),
    "lookupService": (
        "_http._tcp.example",
        [dns.Record_SRV(1, 5, 80, H, 300), dns.Record_SRV(2, 0, 8080, "four.example", 300)],
    ),
    "lookupNamingAuthorityPointer": (
        "example",
        [dns.Record_NAPTR(100, 50, b"s", b"http+I2R", b"!^.*$!http://x!", "_http._tcp.example", 300)],
    ),
}


def payloads(headers: list[Any]) -> list[Any]:
    return sorted((header.payload for header in headers), key=repr)


async def test_each_look_up_of_the_interface_is_answered(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        for method, (name, expected) in LOOK_UPS.items():
            answers, authority, additional = await within(getattr(resolver, method)(name))
            assert payloads(answers) == payloads_sorted(expected), method
            (kind,) = {header.type for header in answers}
            assert common.typeToMethod[kind] == method
            assert {header.name for header in answers} == {dns.Name(name)}
            assert all(header.auth and header.cls == dns.IN for header in answers)
            assert all(isinstance(header, dns.RRHeader) for header in (*authority, *additional))
            assert answers[0].rdata.rdtype == kind


def payloads_sorted(records: list[Any]) -> list[Any]:
    return sorted(records, key=repr)


def test_each_look_up_of_the_interface_is_tried_here() -> None:
    names = {name for name in IResolver.names(all=True) if name.startswith("lookup")}
    elsewhere = {"lookupRecord", "lookupAllRecords", "lookupZone"}
    assert names == set(LOOK_UPS) | elsewhere
    assert set(common.typeToMethod.values()) == names - {"lookupRecord"}


async def test_all_records_of_a_name_and_all_of_a_zone(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        answers, _, _ = await within(resolver.lookupAllRecords("example"))
        kinds = {header.type for header in answers}
        assert {dns.SOA, dns.NS, dns.MX, dns.TXT, dns.SPF, dns.NAPTR, dns.RP, dns.AFSDB, dns.SSHFP} <= kinds
        (authority,) = (header for header in answers if header.type == 257)  # CAA
        assert isinstance(authority.payload, dns.UnknownRecord)
        assert authority.rdata.tag == b"issue"
        answers, *others = await within(resolver.lookupZone("example"))
        assert others == [[], []]
        assert (answers[0].type, answers[-1].type) == (dns.SOA, dns.SOA)
        kinds = {header.type for header in answers}
        assert kinds >= {number for number, method in common.typeToMethod.items() if number < 250} - {dns.PTR}
        assert rb"b\195\188cher.example" not in {header.name.name for header in answers}
        assert b"b\xc3\xbccher.example" in {header.name.name for header in answers}


async def test_any_type_and_class_can_be_asked_for(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        result = await within(resolver.lookupRecord(H, dns.IN, dns.AAAA, 5))
        assert payloads(result[0]) == [dns.Record_AAAA("2001:db8::1", 300)]
        result = await within(resolver.lookupRecord("example", dns.IN, 257))
        assert result[0][0].payload.data == b"\0\x05issueca.test"
        for asked in (dns.Query(H, dns.AAAA), dns.Query(H, dns.AAAA, dns.IN)):
            result = await within(resolver.query(asked))
            assert payloads(result[0]) == [dns.Record_AAAA("2001:db8::1", 300)]
        result = await within(resolver.query(dns.Query("example", 257)))
        assert result[0][0].type == 257
        result = await within(resolver.query(dns.Query("example", dns.AXFR)))
        assert result[0][-1].type == dns.SOA


async def test_other_classes_can_be_asked_for() -> None:
    async with (
        Fake(lambda query: reply(query, "version.bind. 0 CH TXT 9.x")) as fake,
        resolver_for(fake) as resolver,
    ):
        for asked in (
            resolver.lookupRecord("version.bind", dns.CH, dns.TXT),
            resolver.query(dns.Query("version.bind", dns.TXT, dns.CH), 5),
        ):
            answers, _, _ = await within(asked)
            assert (answers[0].cls, answers[0].payload.data) == (dns.CH, [b"9.x"])
        assert fake.asked[0][1].question[0].rdclass == dns.CH


async def test_names_are_text_with_idna_or_bytes_as_they_are(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        assert addresses(await within(resolver.lookupAddress("bücher.example"))) == ["192.0.2.67"]
        assert addresses(await within(resolver.lookupAddress(b"FOUR.example."))) == ["192.0.2.4"]
        answers, _, _ = await within(resolver.lookupText(b"b\xc3\xbccher.example"))
        assert answers[0].payload.data == [b"eight bits"]
        name = (await within(resolver.lookupCanonicalName("alias.example")))[0][0].payload.name
        assert addresses(await within(resolver.lookupAddress(name))) != []
        assert addresses(await within(resolver.lookupAddress(name.name))) != []


async def test_an_answer_too_long_for_a_datagram_comes_over_tcp(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        answers, _, _ = await within(resolver.lookupText("long.example"))
        assert answers[0].payload.data == [part.encode() for part in LONG]


async def test_the_records_of_a_signed_zone_come_through(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        answers, _, _ = await within(resolver.lookupAllRecords("host.signed.test"))
        kinds = {header.type: header for header in answers}
        assert {dns.A, 46, 47} <= set(kinds)  # RRSIG, NSEC
        assert isinstance(kinds[46].payload, dns.UnknownRecord)
        assert kinds[46].payload.data == kinds[46].rdata.to_wire()
        assert kinds[46].rdata.type_covered in (dns.A, 47)
        keys, _, _ = await within(resolver.lookupRecord("signed.test", dns.IN, 48))
        assert keys[0].rdata.protocol == 3


async def test_what_is_not_there_is_an_error_or_nothing(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        no_name = await failure_of(resolver.lookupAddress("nosuch.example"))
        assert type(no_name) is error.DNSNameError
        assert no_name.message.rcode() == dns.ENAME
        assert "nosuch.example A: " in str(no_name)
        answers, authority, _ = await within(resolver.lookupAddress("nothing.example"))
        assert (answers, [header.type for header in authority]) == ([], [dns.SOA])
        refused = await failure_of(resolver.lookupAddress("elsewhere.test"))
        assert type(refused) is error.DNSQueryRefusedError
        assert type(await failure_of(resolver.lookupZone("signed.test"))) is error.DNSQueryRefusedError
        assert type(await failure_of(resolver.lookupAddress("a..b"))) is error.DNSNameError
        assert type(await failure_of(resolver.lookupAddress(7))) is TypeError  # type: ignore[arg-type]  # it is none
        assert type(await failure_of(resolver.lookupAddress(H, 0))) is ValueError
        not_whole: Any = 1.5
        assert "integer" in str(await failure_of(resolver.lookupRecord(H, 1, not_whole)))


async def test_a_delegation_comes_with_its_glue(bind: Server) -> None:
    async with resolver_for(bind) as resolver:
        answers, authority, additional = await within(resolver.lookupAddress("x.below.example"))
        assert answers == []
        assert [header.payload for header in authority] == [dns.Record_NS("ns.below.example", 300)]
        assert [header.payload for header in additional] == [dns.Record_A("127.0.0.2", 300)]
        assert not authority[0].isAuthoritative()


def test_it_is_all_kinds_of_resolver() -> None:
    resolver = client.Resolver(servers=["127.0.0.1"])
    for interface in (IResolver, IResolverSimple, IHostnameResolver):
        verifyObject(interface, resolver)
    verifyObject(IResolver, client)


def test_servers_have_to_be_addresses() -> None:
    with pytest.raises(ValueError, match=r"not 'ns\.example'"):
        client.Resolver(servers=["ns.example"])
    with pytest.raises(ValueError, match=r"Write servers=\['127\.0\.0\.1'\]"):
        client.Resolver(servers="127.0.0.1")
    with pytest.raises(ValueError, match="can't wait for 0 seconds"):
        client.Resolver(timeout=0)
    assert client.Resolver(timeout=()).timeout == client.Resolver().timeout


# The functions


@pytest.fixture
def everybodys(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda resolver: monkeypatch.setattr(client, "theResolver", resolver)


async def test_each_look_up_is_a_function_as_well(everybodys: Any) -> None:
    class Remembering(common.ResolverBase):
        def _lookup(self, name: Any, cls: int, type: int, timeout: Any) -> Any:
            return name, cls, type, timeout

        def getHostByName(self, *args: Any) -> Any:
            return args

    everybodys(Remembering())
    for kind, method in common.typeToMethod.items():
        assert getattr(client, method)("a", 7) == ("a", dns.IN, kind, 7)
        assert getattr(client, method)("a") == ("a", dns.IN, kind, None)
        arguments = inspect.signature(getattr(client, method)).parameters
        assert list(arguments) == ["name", "timeout"]
    assert client.lookupRecord("a", 3, 4, 5) == ("a", 3, 4, 5)
    assert client.query(dns.Query("a", dns.MX)) == (dns.Name("a"), dns.IN, dns.MX, None)
    assert client.getHostByName("a") == ("a", None, 16)
    with pytest.raises(NotImplementedError, match="must define _lookup"):
        common.ResolverBase().lookupAddress("a")


async def test_each_reactor_has_a_resolver() -> None:
    async with AsyncioReactor():
        first = client.getResolver()
        assert client.getResolver() is first
        assert first.resolv == "/etc/resolv.conf"
    async with AsyncioReactor():
        assert client.getResolver() is not first


async def test_a_resolver_is_created_for_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("search example\n", encoding="utf-8")
    (tmp_path / "hosts").write_text("192.0.2.9 known\n", encoding="utf-8")
    async with AsyncioReactor(), Fake(lambda query: reply(query, "host.example. 60 IN A 192.0.2.1")) as fake:
        resolver = client.createResolver([fake.address], tmp_path / "resolv.conf", tmp_path / "hosts")
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert fake.names == ["host.example. A"]
        assert await within(resolver.getHostByName("known")) == "192.0.2.9"
        assert resolver.servers == [fake.address]
