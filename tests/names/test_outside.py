"""Look-ups as legacy programs write them; what comes out is what Twisted makes of the same answers."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest

from tests.names.resolving import failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.support import within
from twisted_compat import AsyncioReactor
from twisted_compat.defer import Deferred, gatherResults, inlineCallbacks
from twisted_compat.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted_compat.names import client, common, error
from twisted_compat.names import dns as numbers
from twisted_compat.protocol import ClientFactory, Factory, Protocol

pytestmark = pytest.mark.without_debug

Server = tuple[str, int]

ASKED = [
    ("alias2.example", "A"),
    ("host.example", "AAAA"),
    ("host.tree.example", "A"),
    ("x.below.example", "A"),
    ("nothing.example", "A"),
    ("example", "ANY"),
    ("host.example", "ANY"),
    ("_http._tcp.example", "SRV"),
    ("example", "MX"),
    ("example", "NAPTR"),
    ("list.example", "MINFO"),
    ("box.example", "MB"),
    ("group.example", "MG"),
    ("old.example", "MR"),
    ("null.example", "NULL"),
    ("six6.example", "TYPE38"),
    ("part6.example", "TYPE38"),
    ("1.2.0.192.in-addr.arpa", "PTR"),
    ("long.example", "TXT"),
    ("host.signed.test", "ANY"),
    ("signed.test", "DNSKEY"),
]


def plain(value: Any) -> Any:
    """A record's attribute, whoever's class it is."""
    for attribute in ("name", "string"):  # a Name, a Charstr
        inner = getattr(value, attribute, None)
        if isinstance(inner, bytes):
            return inner.replace(
                b"\\.", b"."
            ).lower()  # there, a dot within a label looks like one between two
    return value


def fields(header: Any, attributes: tuple[str, ...]) -> Any:
    payload = header.payload
    own = [(attribute, plain(getattr(payload, attribute))) for attribute in attributes]
    return plain(header.name), header.type, header.cls, header.ttl, bool(header.auth), own


async def test_answers_are_those_that_twisted_reads_from_the_same_server(bind: Server) -> None:
    twisted = pytest.importorskip("twisted.names.dns")

    def attributes(header: Any) -> tuple[str, ...]:
        known = twisted.Message().lookupRecordType(header.type)
        return getattr(known, "compareAttributes", ("data",))

    async with resolver_for(bind) as resolver:
        for name, kind in ASKED:
            query = dns.message.make_query(name, kind)
            wire = dns.query.tcp(query, *bind[:1], port=bind[1], timeout=9).to_wire(max_size=65_535)
            message = twisted.Message()
            message.fromStr(wire)
            type = int(dns.rdatatype.from_text(kind))
            ours = await within(resolver.lookupRecord(name, numbers.IN, type))
            for mine, theirs in zip(
                ours, (message.answers, message.authority, message.additional), strict=True
            ):
                # BIND turns the order; and only one of the two was asked with EDNS, over TCP.
                expected = [fields(header, attributes(header)) for header in theirs if header.type != 41]
                found = [fields(header, attributes(header)) for header in mine]
                assert sorted(found, key=repr) == sorted(expected, key=repr), (name, kind)


# Programs


async def test_mail_goes_to_the_host_with_the_lowest_preference(bind: Server) -> None:
    @inlineCallbacks
    def exchanges(domain: str) -> Any:
        answers, _, additional = yield resolver.lookupMailExchange(domain)
        payloads = sorted((rr.payload for rr in answers), key=lambda mx: mx.preference)
        known = {str(rr.name): rr.payload.dottedQuad() for rr in additional if rr.type == numbers.A}
        return [(mx.preference, str(mx.name), known.get(str(mx.name))) for mx in payloads]

    async with resolver_for(bind) as resolver:
        assert await within(exchanges("example")) == [
            (10, "mail.example", "192.0.2.25"),
            (20, "mail.backup.test", None),
        ]


async def test_a_service_is_picked_by_priority_and_weight(bind: Server) -> None:
    def pick(result: Any) -> Any:
        answers, _, additional = result
        nodes = sorted(
            (rr.payload.priority, -rr.payload.weight, str(rr.payload.target), rr.payload.port)
            for rr in answers
            if rr.type == numbers.SRV and rr.payload is not None
        )
        hosts = [rr.payload.dottedQuad() for rr in additional if rr.name.name == nodes[0][2].encode()]
        return nodes[0][2:], sorted(host for host in hosts)

    def nodes_of(result: Any) -> Any:
        answers, authority, additional = result
        return pick(
            (answers, authority, [rr for rr in additional if isinstance(rr.payload, numbers.Record_A)])
        )

    async with resolver_for(bind) as resolver:
        picked = await within(resolver.lookupService("_http._tcp.example").addCallback(nodes_of))
        assert picked == (("host.example", 80), ["192.0.2.1", "192.0.2.2"])


async def test_a_block_list_says_listed_with_an_address_and_not_listed_with_no_such_name() -> None:
    listed = "2.0.0.127.list.test."

    def answer(query: dns.message.Message) -> Any:
        if str(query.question[0].name) != listed:
            return reply(query, rcode=dns.rcode.NXDOMAIN)
        if query.question[0].rdtype == dns.rdatatype.TXT:
            return reply(query, f'{listed} 60 IN TXT "see https://list.test"')
        return reply(query, f"{listed} 60 IN A 127.0.0.2")

    def check(address: str) -> Deferred[Any]:
        name = ".".join(reversed(address.split("."))) + ".list.test"

        def found(result: Any) -> Deferred[Any]:
            assert any(rr.payload.dottedQuad().startswith("127.") for rr in result[0])
            text = resolver.lookupText(name, timeout=[1, 3])
            return text.addCallback(lambda result: b"".join(result[0][0].payload.data))

        def missing(failure: Any) -> None:
            failure.trap(error.DNSNameError)

        return resolver.lookupAddress(name, timeout=(1, 3)).addCallbacks(found, missing)

    async with Fake(answer) as fake, resolver_for(fake) as resolver:
        both = gatherResults([check("127.0.0.2"), check("192.0.2.1")])
        assert await within(both) == [b"see https://list.test", None]


async def test_a_test_puts_a_resolver_of_its_own_in_everybodys_place(monkeypatch: Any) -> None:
    class Canned(common.ResolverBase):
        def _lookup(self, name: Any, cls: int, type: int, timeout: Any) -> Any:
            found: Deferred[Any] = Deferred()
            record = numbers.Record_A("192.0.2.9", ttl=5)
            found.callback(([numbers.RRHeader(name, type, cls, 5, record)], [], []))
            return found

    monkeypatch.setattr(client, "theResolver", Canned())
    answers, authority, additional = await within(client.lookupAddress("any.example"))
    assert [(str(rr.name), rr.payload.dottedQuad(), rr.ttl) for rr in answers] == [
        ("any.example", "192.0.2.9", 5)
    ]
    assert (authority, additional) == ([], [])


# Connecting to a name of the zone


class Greeting(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"hello")
        self.transport.loseConnection()


class Listening(Protocol):
    def __init__(self) -> None:
        self.heard = b""
        self.over: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any) -> None:
        self.over.callback(self.heard)


@pytest.mark.parametrize("install", ["installResolver", "installNameResolver"])
async def test_an_installed_resolver_is_asked_by_whoever_connects_to_a_name(
    bind: Server, install: str
) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Factory.forProtocol(Greeting), interface="127.0.0.1").getHost().port
        resolver = client.Resolver(servers=[bind], hosts=None)
        getattr(reactor, install)(resolver)
        for endpoint in (
            HostnameEndpoint(reactor, "ns1.example", port),
            TCP4ClientEndpoint(reactor, "NS1.example.", port),
        ):
            protocol = await within(endpoint.connect(Factory.forProtocol(Listening)))
            assert await within(protocol.over) == b"hello"
        made: list[Listening] = []

        class Connecting(ClientFactory):
            def buildProtocol(self, address: Any) -> Any:
                assert address.host == "127.0.0.1"
                made.append(Listening())
                return made[0]

            def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
                failed.append(reason.type.__name__)
                lost.callback(None)

        failed: list[str] = []
        lost: Deferred[None] = Deferred()
        reactor.connectTCP("nosuch.example", port, Connecting())
        await within(lost)
        assert (failed, made) == (["DNSLookupError"], [])


# Odd names


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (".".join(["a" * 63] * 3 + ["b" * 61]), None),  # 255 bytes on the wire, the most there is
        ("_sip._tcp.BÜCHER.example", "_sip._tcp.xn--bcher-kva.example."),
        ("ex。ample", "ex.ample."),
        (b"a\\.b.\\\\.example", "a\\.b.\\\\.example."),
        (b"\x00\xff .example", "\\000\\255\\032.example."),
        ("", "."),
    ],
    ids=["long", "idna", "ideographic dot", "dots in labels", "any bytes", "root"],
)
async def test_names_arrive_as_they_are_and_come_back_as_they_went(name: Any, asked: str | None) -> None:
    def answer(query: dns.message.Message) -> Any:
        name = query.question[0].name
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", name.to_text()))
        return response

    async with Fake(answer) as fake, resolver_for(fake) as resolver:
        answers, _, _ = await within(resolver.lookupCanonicalName(name))
        assert fake.names == [f"{asked or name + '.'} CNAME"]
        assert answers[0].name == answers[0].payload.name
        if isinstance(name, bytes):
            assert answers[0].name.name == name
        again, _, _ = await within(resolver.lookupCanonicalName(answers[0].payload.name.name))
        assert [header.payload for header in again] == [header.payload for header in answers]


@pytest.mark.parametrize("name", ["a..b", ".a", "x" * 64, ".".join(["a" * 63] * 3 + ["b" * 62]), "\ud800"])
async def test_what_can_be_no_name_fails_as_such_and_nobody_is_asked(name: str) -> None:
    async with Fake(lambda query: None) as fake, resolver_for(fake) as resolver:
        assert type(await failure_of(resolver.lookupAddress(name))) is error.DNSNameError
        assert type(await failure_of(resolver.lookupZone(name))) is error.DNSNameError
        assert type(await failure_of(resolver.getHostByName(name))).__name__ == "DNSLookupError"
        assert fake.asked == []


# Before the reactor runs


def test_what_is_looked_up_before_the_reactor_runs_is_found_once_it_does(
    bind: Server, loop_factory: Any
) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    resolver = client.Resolver(servers=[bind], hosts=None, reactor=reactor)
    reactor.installResolver(resolver)
    found: list[Any] = []
    both = gatherResults([resolver.lookupAddress("four.example"), reactor.resolve("four.example")])
    both.addBoth(found.append).addBoth(lambda _: reactor.stop())
    reactor.run()
    [[(answers, _, _), address]] = found
    assert (answers[0].payload.dottedQuad(), address) == ("192.0.2.4", "192.0.2.4")
