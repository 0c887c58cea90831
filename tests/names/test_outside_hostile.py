"""Servers that mean harm, or lost their way: what they send ends in an answer or in an error of look-ups, in
time, and is never taken for the answer to another question."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest
from zope.interface import implementer

from tests.names.resolving import SOON, Nothing, addresses, failure_of, resolver_for
from tests.names.server import Fake, reply
from tests.support import until, within
from twisted_compat.defer import TimeoutError
from twisted_compat.interfaces import IResolutionReceiver
from twisted_compat.names import error

pytestmark = pytest.mark.without_debug

HOST = "host.example"
A, CNAME, NULL, NS, SOA = 1, 5, 10, 2, 6
IN, CH, HS, ANY = 1, 3, 4, 255


def cut_off(query: dns.message.Message) -> dns.message.Message:
    return reply(query, flags=dns.flags.TC)


def good(query: dns.message.Message) -> dns.message.Message:
    return reply(query, f"{HOST}. 60 IN A 192.0.2.1")


def record(owner: bytes, kind: int, cls: int, data: bytes, ttl: int = 60) -> bytes:
    return owner + struct.pack(">HHIH", kind, cls, ttl, len(data)) + data


QUESTION = b"\xc0\x0c"  # a pointer to the name in the question


def raw(query: dns.message.Message, *sections: list[bytes], flags: int = 0x8400) -> bytes:
    """An answer of records as they are on the wire."""
    counts = [len(section) for section in (*sections, [], [], [])][:3]
    asked = query.question[0]
    head = struct.pack(">HHHHHH", query.id, flags, 1, *counts)
    name = asked.name.to_wire() + struct.pack(">HH", asked.rdtype, asked.rdclass)
    return head + name + b"".join(record for section in sections for record in section)


@implementer(IResolutionReceiver)
class Addresses:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.complete = False

    def resolutionBegan(self, resolution: Any) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        self.found.append(address.host)

    def resolutionComplete(self) -> None:
        self.complete = True


async def hosts(resolver: Any, name: str = HOST) -> list[str]:
    receiver = Addresses()
    resolver.resolveHostName(receiver, name)
    await until(lambda: receiver.complete)
    return receiver.found


# Without end


class Endless(asyncio.Protocol):
    """Sends the same bytes on each turn of the loop, so that there is always something to read."""

    def __init__(self, first: Callable[[bytes], bytes], then: Callable[[bytes], bytes]) -> None:
        self.first = first
        self.then = then

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.first(data[2:]))
        self.more = self.then(data[2:])
        self.go_on()

    def go_on(self) -> None:
        if not self.transport.is_closing():
            for _ in range(4):
                self.transport.write(self.more)
            asyncio.get_running_loop().call_soon(self.go_on)


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


async def test_a_zone_without_end_ends_in_time() -> None:
    def answer(record: str) -> Callable[[bytes], bytes]:
        return lambda wire: framed(reply(dns.message.from_wire(wire), record).to_wire())

    soa = answer("example. 60 IN SOA a. b. 1 2 3 4 5")
    server = await asyncio.get_running_loop().create_server(
        lambda: Endless(soa, answer("x.example. 60 IN A 192.0.2.1")), "127.0.0.1"
    )
    async with server, resolver_for(server.sockets[0].getsockname()) as resolver:
        assert isinstance(await failure_of(resolver.lookupZone("example", 0.05)), TimeoutError)


async def test_a_flood_of_what_is_no_answer_ends_in_time() -> None:
    def flood(query: dns.message.Message) -> Any:
        wire = bytearray(good(query).to_wire())
        wire[0] ^= 1
        peer = fake.peers[-1]

        def again() -> None:
            if not fake.udp.is_closing():
                for _ in range(4):
                    fake.udp.sendto(bytes(wire), peer)
                asyncio.get_running_loop().call_soon(again)

        again()

    async with Fake(flood, tcp=False) as fake, resolver_for(fake, timeout=(0.05,)) as resolver:
        assert isinstance(await failure_of(resolver.lookupAddress(HOST)), TimeoutError)


async def test_over_tcp_an_answer_may_come_byte_by_byte_and_one_that_stops_is_given_up() -> None:
    whole = True

    class Slow(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            wire = framed(good(dns.message.from_wire(data[2:])).to_wire())
            self.task = asyncio.ensure_future(self.send(wire if whole else wire[:-1]))

        async def send(self, wire: bytes) -> None:
            for byte in wire:
                self.transport.write(bytes([byte]))
                await asyncio.sleep(0)

    async with Fake(cut_off, tcp=False) as fake:
        server = await asyncio.get_running_loop().create_server(Slow, *fake.address)
        async with server, resolver_for(fake) as resolver:
            assert addresses(await within(resolver.lookupAddress(HOST))) == ["192.0.2.1"]
            whole = False
            nothing = Nothing()
            assert isinstance(await failure_of(resolver.lookupAddress(f"x.{HOST}", SOON)), TimeoutError)
            await until(lambda: len(asyncio.all_tasks()) <= nothing._tasks)


# Records that aren't what they seem

ODD: dict[str, Callable[[dns.message.Message], bytes]] = {
    "an address of class HS": lambda q: raw(q, [record(QUESTION, q.question[0].rdtype, HS, b"\1\2\3\4")]),
    "an address of class CH": lambda q: raw(q, [record(QUESTION, A, CH, b"\1a\0\0\1")]),
    "an address of class ANY": lambda q: raw(q, [record(QUESTION, q.question[0].rdtype, ANY, b"")]),
    "an alias of class HS": lambda q: raw(q, [record(QUESTION, CNAME, HS, b"\1a\0")]),
    "a delegation of class HS": lambda q: raw(
        q, [], [record(QUESTION, NS, HS, b"\1a\0")], [record(b"\1a\0", A, HS, b"\x7f\0\0\1")]
    ),
    "an address of 16 bytes": lambda q: raw(q, [record(QUESTION, A, IN, b"\1\2\3\4" * 4)]),
    "a name that points to itself": lambda q: raw(
        q, [record(struct.pack(">H", 0xC000 + len(raw(q))), A, IN, b"\1\2\3\4")]
    ),
    "a name that points forward": lambda q: raw(q, [record(b"\xff\xff", A, IN, b"\1\2\3\4")]),
    "no such name, without SOA": lambda q: raw(q, flags=0x8403),
    "no such name, with half of an SOA": lambda q: raw(
        q, [], [record(QUESTION, SOA, IN, b"\0\0")], flags=0x8403
    ),
    "more counted than there is": lambda q: raw(q)[:6] + b"\xff\xff" + raw(q)[8:],
    "another owner": lambda q: raw(q, [record(b"\5other\0", A, IN, b"\1\2\3\4")]),
    "a code that nobody knows": lambda q: raw(q, flags=0x840F),
    "an update": lambda q: raw(q, [record(QUESTION, A, IN, b"\1\2\3\4")], flags=0xAC00),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
async def test_odd_records_are_no_addresses_and_errors_are_those_of_look_ups(
    answer: Callable[[dns.message.Message], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with Fake(answer, tcp=False) as fake, resolver_for(fake, timeout=SOON) as resolver:
        assert await hosts(resolver) == []
        failed = await failure_of(resolver.getHostByName(HOST))
        assert "DNSLookupError" in {kind.__name__ for kind in type(failed).__mro__}
        try:
            answers, _, _ = await within(resolver.lookupAddress(HOST))
        except (error.DomainError, error.DNSQueryTimeoutError):
            answers = []
        assert all(repr(header.payload) for header in answers)
    assert caplog.records == []


SPOILS = """
import dns.rdata
from dns.rdataclass import ANY, IN
import twisted_compat.names
for type, wire in ((1, bytes(4)), (11, bytes(6)), (28, bytes(16)), (33, bytes(7)), (35, bytes(8))):
    dns.rdata.from_wire(ANY, type, b"", 0, 0)
    print(type, isinstance(dns.rdata.from_wire(IN, type, wire, 0, len(wire)), dns.rdata.GenericRdata))
"""


def test_records_of_class_any_do_not_spoil_those_to_come() -> None:
    """Of a type that it hasn't read before, dnspython would from then on know the bytes only."""
    program = subprocess.run([sys.executable, "-c", SPOILS], capture_output=True, text=True, check=True)
    assert program.stdout.splitlines() == ["1 False", "11 False", "28 False", "33 False", "35 False"]


# Aliases and delegations without end


async def test_aliases_without_end_are_followed_a_few_times() -> None:
    def next_one(query: dns.message.Message) -> dns.message.Message:
        name = str(query.question[0].name)
        return reply(query, f"{name} 60 IN CNAME x{len(fake.asked)}.example.")

    async with Fake(next_one) as fake, resolver_for(fake) as resolver:
        assert await hosts(resolver) == []
        assert len(fake.asked) <= 2 * 20


async def test_hundreds_of_aliases_in_one_answer_are_not_followed() -> None:
    names = [f"{HOST}.", *(f"x{number}.example." for number in range(200))]
    chain = [f"{name} 60 IN CNAME {target}" for name, target in pairwise(names)]
    wires: dict[int, bytes] = {}

    def answer(query: dns.message.Message) -> bytes:
        kind = query.question[0].rdtype
        if kind not in wires:
            wires[kind] = reply(query, *chain).to_wire(max_size=65_535)
        return query.id.to_bytes(2, "big") + wires[kind][2:]

    async with Fake(cut_off, tcp=answer) as fake, resolver_for(fake) as resolver:
        assert await hosts(resolver) == []
        assert set(fake.names) == {f"{HOST}. AAAA", f"{HOST}. A"}


async def test_delegations_without_end_are_followed_a_few_times() -> None:
    def deeper(query: dns.message.Message) -> dns.message.Message:
        labels = query.question[0].name.labels
        zone = b".".join(labels[-2 - len(fake.asked) :]).decode() or "."
        return reply(
            query, authority=(f"{zone} 60 IN NS ns.{zone}",), additional=(f"ns.{zone} 60 IN A 127.0.0.1",)
        )

    name = ".".join(["a"] * 40)
    async with Fake(deeper) as fake, resolver_for(fake, timeout=SOON) as resolver:
        resolver._engine.port = fake.address[1]
        assert await hosts(resolver, name) == []
        assert len(fake.asked) <= 2 * 20


# What belongs to another question


async def test_records_beside_an_answer_never_answer_another_question() -> None:
    evil = ("bank.example. 9999 IN A 192.0.2.66", "example. 9999 IN NS bank.example.")
    soa = "example. 60 IN SOA a. b. 1 2 3 4 5"

    def answer(query: dns.message.Message) -> dns.message.Message:
        name = str(query.question[0].name)
        kind = query.question[0].rdtype
        if name == "bank.example.":
            return reply(query, *(["bank.example. 60 IN A 192.0.2.1"] if kind == A else []), authority=(soa,))
        address = [f"{name} 60 IN A 192.0.2.2"] if kind == A else []
        return reply(query, *address, *evil, authority=(soa, *evil), additional=evil)

    async with Fake(answer) as fake, resolver_for(fake) as resolver:
        _, _, additional = await within(resolver.lookupAddress("shop.example"))
        assert {str(header.name) for header in additional} == {"bank.example", "example"}
        assert await hosts(resolver, "shop.example") == ["192.0.2.2"]
        assert addresses(await within(resolver.lookupAddress("bank.example"))) == ["192.0.2.1"]
        assert await hosts(resolver, "bank.example") == ["192.0.2.1"]
        await within(resolver.lookupNameservers("example"))
        assert "example. NS" in fake.names


async def test_an_answer_without_the_question_is_passed_over() -> None:
    def bare(query: dns.message.Message) -> list[bytes]:
        wire = raw(query, [record(query.question[0].name.to_wire() or b"", A, IN, b"\xc0\0\2\x42")])
        end = 12 + len(query.question[0].name.to_wire() or b"") + 4
        return [wire[:4] + b"\0\0" + wire[6:12] + wire[end:], good(query).to_wire()]

    async with Fake(bare, tcp=False) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress(HOST))) == ["192.0.2.1"]


# Much


async def test_thousands_of_records_come_through() -> None:
    found = [record(QUESTION, A, IN, b"\x0a" + number.to_bytes(3, "big")) for number in range(2_000)]
    async with Fake(cut_off, tcp=lambda query: raw(query, found)) as fake, resolver_for(fake) as resolver:
        answers, _, _ = await within(resolver.lookupAddress(HOST))
        assert [header.payload.address for header in answers] == [one[-4:] for one in found]


async def test_a_chain_of_pointers_in_thousands_of_names_stops_nobody() -> None:
    def bomb(query: dns.message.Message) -> bytes:
        first = len(raw(query)) + 11  # where the data of the first record begins
        chain, place = b"\0", first
        while len(chain) < 8_000:
            chain, place = chain + struct.pack(">H", 0xC000 + place), first + len(chain)
        owners = [record(struct.pack(">H", 0xC000 + place), A, IN, b"\1\2\3\4")] * 2_000
        return raw(query, [record(b"\0", NULL, IN, chain), *owners])

    async with Fake(bomb, tcp=False) as fake, resolver_for(fake, timeout=SOON) as resolver:
        failed = await failure_of(resolver.lookupAddress(HOST))
        assert isinstance(failed, (error.DomainError, error.DNSQueryTimeoutError))
