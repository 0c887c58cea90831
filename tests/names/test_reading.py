"""From the wire, through dnspython, to records."""

from __future__ import annotations

import socket
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.names import dns as numbers
from twisted_compat.names.naming import dotted, name_of
from twisted_compat.names.reading import ONE_NAME, headers, payload_of

ORIGIN = dns.name.from_text("example.")
IN = dns.rdataclass.IN
# All in one zone, so that names are compressed: there is something to point to.
NAME = st.lists(st.binary(min_size=1, max_size=12), max_size=2).map(
    lambda labels: dns.name.Name([*labels, *ORIGIN.labels])
)
SHORT = st.integers(0, 0xFFFF)
TEXT = st.binary(max_size=40)
FOUR = st.binary(min_size=4, max_size=4)
SIXTEEN = st.binary(min_size=16, max_size=16)
TTL = 9

Case = tuple[int, bytes, Any]
"""A type's number, how a record of it is on the wire, and the record."""


def strings(*values: bytes) -> bytes:
    return b"".join(bytes([len(value)]) + value for value in values)


def short(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def one_name(kind: int, name: dns.name.Name) -> Case:
    return kind, name.to_wire() or b"", ONE_NAME[kind](dotted(name), TTL)


def a(data: bytes) -> Case:
    return numbers.A, data, numbers.Record_A(socket.inet_ntop(socket.AF_INET, data), TTL)


def aaaa(data: bytes) -> Case:
    return numbers.AAAA, data, numbers.Record_AAAA(socket.inet_ntop(socket.AF_INET6, data), TTL)


def a6(missing: int, data: bytes, name: dns.name.Name) -> Case:
    count = (128 - missing + 7) // 8
    data = bytes(16 - count) + data[16 - count :]
    suffix = socket.inet_ntop(socket.AF_INET6, data)
    wire = bytes([missing]) + data[16 - count :] + (name.to_wire() or b"" if missing else b"")
    return numbers.A6, wire, numbers.Record_A6(missing, suffix, dotted(name) if missing else b"", TTL)


def mx(preference: int, name: dns.name.Name) -> Case:
    wire = short(preference) + (name.to_wire() or b"")
    return numbers.MX, wire, numbers.Record_MX(preference, dotted(name), TTL)


def afsdb(subtype: int, name: dns.name.Name) -> Case:
    wire = short(subtype) + (name.to_wire() or b"")
    return numbers.AFSDB, wire, numbers.Record_AFSDB(subtype, dotted(name), TTL)


def minfo(one: dns.name.Name, two: dns.name.Name) -> Case:
    wire = (one.to_wire() or b"") + (two.to_wire() or b"")
    return numbers.MINFO, wire, numbers.Record_MINFO(dotted(one), dotted(two), TTL)


def rp(one: dns.name.Name, two: dns.name.Name) -> Case:
    wire = (one.to_wire() or b"") + (two.to_wire() or b"")
    return numbers.RP, wire, numbers.Record_RP(dotted(one), dotted(two), TTL)


def soa(one: dns.name.Name, two: dns.name.Name, times: list[int]) -> Case:
    wire = (
        (one.to_wire() or b"") + (two.to_wire() or b"") + b"".join(time.to_bytes(4, "big") for time in times)
    )
    return numbers.SOA, wire, numbers.Record_SOA(dotted(one), dotted(two), *times, ttl=TTL)


def srv(priority: int, weight: int, port: int, name: dns.name.Name) -> Case:
    wire = short(priority, weight, port) + (name.to_wire() or b"")
    return numbers.SRV, wire, numbers.Record_SRV(priority, weight, port, dotted(name), TTL)


def naptr(order: int, preference: int, texts: list[bytes], name: dns.name.Name) -> Case:
    wire = short(order, preference) + strings(*texts) + (name.to_wire() or b"")
    return numbers.NAPTR, wire, numbers.Record_NAPTR(order, preference, *texts, dotted(name), ttl=TTL)


def wks(data: bytes, protocol: int, ports: bytes) -> Case:
    address = socket.inet_ntop(socket.AF_INET, data)
    return numbers.WKS, data + bytes([protocol]) + ports, numbers.Record_WKS(address, protocol, ports, TTL)


CASES = st.one_of(
    st.builds(one_name, st.sampled_from(sorted(ONE_NAME)), NAME),
    st.builds(a, FOUR),
    st.builds(aaaa, SIXTEEN),
    st.builds(a6, st.integers(0, 128), SIXTEEN, NAME),
    st.builds(mx, SHORT, NAME),
    st.builds(afsdb, SHORT, NAME),
    st.builds(minfo, NAME, NAME),
    st.builds(rp, NAME, NAME),
    st.builds(soa, NAME, NAME, st.lists(st.integers(0, 2**31 - 1), min_size=5, max_size=5)),
    st.builds(srv, SHORT, SHORT, SHORT, NAME),
    st.builds(naptr, SHORT, SHORT, st.lists(TEXT, min_size=3, max_size=3), NAME),
    st.builds(wks, FOUR, st.integers(0, 255), TEXT),
    st.builds(lambda v: (numbers.NULL, v, numbers.Record_NULL(v, TTL)), TEXT),
    st.builds(lambda v, w: (numbers.HINFO, strings(v, w), numbers.Record_HINFO(v, w, TTL)), TEXT, TEXT),
    st.builds(
        lambda v: (numbers.TXT, strings(*v), numbers.Record_TXT(*v, ttl=TTL)),
        st.lists(TEXT, min_size=1, max_size=3),
    ),
    st.builds(
        lambda v: (numbers.SPF, strings(*v), numbers.Record_SPF(*v, ttl=TTL)),
        st.lists(TEXT, min_size=1, max_size=3),
    ),
    st.builds(
        lambda v, w, x: (numbers.SSHFP, bytes([v, w]) + x, numbers.Record_SSHFP(v, w, x, TTL)),
        st.integers(0, 255),
        st.integers(3, 255),  # of the kinds before dnspython knows how long they must be
        TEXT.filter(bool),
    ),
    st.builds(lambda v: (65_400, v, numbers.UnknownRecord(v, TTL)), TEXT),
)


def rrset_of(owner: dns.name.Name, kind: int, wire: bytes, rdclass: Any = IN) -> dns.rrset.RRset:
    rdata = dns.rdata.from_wire(rdclass, dns.rdatatype.RdataType.make(kind), wire, 0, len(wire))
    return dns.rrset.from_rdata(owner, TTL, rdata)


@given(st.lists(st.tuples(NAME, CASES), max_size=6))
def test_records_of_a_message_are_what_is_on_the_wire_with_names_compressed(
    records: list[tuple[dns.name.Name, Case]],
) -> None:
    message = dns.message.make_response(dns.message.make_query(ORIGIN, "ANY"))
    message.answer = [rrset_of(owner, kind, wire) for owner, (kind, wire, _) in records]
    again = dns.message.from_wire(message.to_wire(max_size=65_535), one_rr_per_rrset=True)
    found = headers(again.answer, True)
    assert [header.payload for header in found] == [expected for _, (_, _, expected) in records]
    assert [header.name for header in found] == [name_of(owner) for owner, _ in records]
    for header, (_, (kind, wire, _)) in zip(found, records, strict=True):
        assert (header.type, header.cls, header.ttl, header.auth) == (kind, numbers.IN, TTL, True)
        assert (
            header.rdata.to_wire().lower() == wire.lower()
        )  # names may have been compressed to others' case


def test_records_that_were_kept_have_less_time_left_and_never_less_than_none() -> None:
    rrset = rrset_of(ORIGIN, numbers.A, b"\x01\x02\x03\x04")
    for age, left in ((0, 9), (4, 5), (9, 0), (100, 0)):
        (header,) = headers([rrset], False, age)
        assert (header.ttl, header.payload.ttl) == (left, left)


def test_what_is_not_as_its_type_should_be_is_bytes() -> None:
    for wire in (b"", b"\x80", b"\xff" * 5, b"\x40" + bytes(8)):
        rdata = dns.rdata.GenericRdata(IN, dns.rdatatype.A6, wire)
        assert payload_of(rdata, TTL) == numbers.UnknownRecord(wire, TTL)


def test_types_of_other_classes_are_bytes_where_dnspython_knows_no_more() -> None:
    chaos = dns.rdata.from_wire(dns.rdataclass.CH, dns.rdatatype.TXT, b"\x01x", 0, 2)
    assert payload_of(chaos, TTL) == numbers.Record_TXT(b"x", ttl=TTL)
    number = dns.rdata.from_wire(dns.rdataclass.CH, dns.rdatatype.A, b"\0\0\7", 0, 3)
    assert payload_of(number, TTL) == numbers.UnknownRecord(b"\0\0\7", TTL)
    hesiod = dns.rdata.from_wire(dns.rdataclass.HS, dns.rdatatype.A, b"1234", 0, 4)
    assert payload_of(hesiod, TTL) == numbers.UnknownRecord(b"1234", TTL)


def test_the_mail_records_have_a_text_form_too() -> None:
    for kind, text in (("MB", "host.example."), ("MINFO", "admin.example. errors.example.")):
        rdata = dns.rdata.from_text("IN", kind, text)
        assert rdata.to_text() == text
        assert rdata.rdtype == payload_of(rdata, TTL).TYPE
