"""The records' arguments, attributes and texts, beside those of Twisted's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED
from twisted_compat.names import dns
from twisted_compat.names.record import Record

MADE: dict[str, tuple[Any, ...]] = {
    "Record_A": ("192.0.2.1",),
    "Record_AAAA": ("2001:db8::1",),
    "Record_A6": (64, "::6", b"prefix.example"),
    "Record_AFSDB": (1, b"afs.example"),
    "Record_CNAME": (b"host.example",),
    "Record_DNAME": (b"tree.example",),
    "Record_HINFO": (b"PDP-11", b"UNIX"),
    "Record_MB": (b"host.example",),
    "Record_MD": (b"host.example",),
    "Record_MF": (b"host.example",),
    "Record_MG": (b"host.example",),
    "Record_MINFO": (b"admin.example", b"errors.example"),
    "Record_MR": (b"host.example",),
    "Record_MX": (10, b"mail.example"),
    "Record_NAPTR": (100, 50, b"s", b"http+I2R", b"!^.*$!http://x!", b"next.example"),
    "Record_NS": (b"ns.example",),
    "Record_NULL": (b"\x00\xff",),
    "Record_PTR": (b"host.example",),
    "Record_RP": (b"admin.example", b"about.example"),
    "Record_SOA": (b"ns.example", b"admin.example", 7, "1H", 600, "1D", 60),
    "Record_SPF": (b"v=spf1", b"-all"),
    "Record_SRV": (1, 5, 80, b"host.example"),
    "Record_SSHFP": (4, 2, b"\x01\x02"),
    "Record_TXT": (b"one", b"two"),
    "Record_WKS": ("192.0.2.1", 6, b"\x40"),
    "UnknownRecord": (b"\x01",),
}
FIELDS = {"Record_A6": ("prefixLen", "suffix", "prefix", "bytes")}


def plain(value: Any) -> Any:
    """Names and strings of either package, as bytes."""
    value = getattr(value, "name", value)
    return getattr(value, "string", value)


def make(module: Any, kind: str) -> Any:
    return getattr(module, kind)(*MADE[kind], ttl="5M")


def test_each_kind_is_tried() -> None:
    kinds = {name for name in dns.__all__ if name.startswith("Record_")}
    assert kinds | {"UnknownRecord"} == set(MADE)


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted isn't installed")
@pytest.mark.parametrize("kind", MADE)
def test_a_record_has_the_type_and_attributes_of_twisteds(kind: str) -> None:
    from twisted.names import dns as theirs

    one, other = make(dns, kind), make(theirs, kind)
    assert one.TYPE == other.TYPE
    assert one.fancybasename == getattr(other, "fancybasename", "A")
    fields = FIELDS.get(kind, type(one).__match_args__)
    assert [plain(getattr(one, name)) for name in fields] == [plain(getattr(other, name)) for name in fields]
    if kind != "Record_SSHFP":  # there it is taken as it is
        assert one.ttl == other.ttl == 300


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted isn't installed")
def test_numbers_and_tables_are_those_of_twisteds() -> None:
    from twisted.names import dns as theirs

    for name in dns.__all__:
        value = getattr(dns, name)
        if isinstance(value, (int, dict)):
            assert getattr(theirs, name) == value, name
    for one, other in ((dns.Query(b"a.b", 28), theirs.Query(b"a.b", 28)), (header(dns), header(theirs))):
        assert str(one) == str(other)
    for text in ("7", "7S", b"2h", " 1w", "0.5D", None, 9):
        assert dns.str2time(text) == theirs.str2time(text)


def header(module: Any, **changed: Any) -> Any:
    arguments = {"name": b"host.example", "type": dns.A, "ttl": 7, "payload": module.Record_A("192.0.2.1", 7)}
    return module.RRHeader(**arguments | changed)


@pytest.mark.parametrize("kind", MADE)
def test_records_are_equal_by_what_they_hold(kind: str) -> None:
    one = make(dns, kind)
    assert one == make(dns, kind)
    assert hash(one) == hash(make(dns, kind))
    assert one != getattr(dns, kind)(*MADE[kind], ttl=1)
    assert one != getattr(dns, kind)(ttl=300)
    assert one != object()


def test_records_show_what_they_hold() -> None:
    shown = {kind: repr(make(dns, kind)) for kind in MADE}
    assert shown["Record_A"] == "<A address=192.0.2.1 ttl=300>"
    assert shown["Record_AAAA"] == "<AAAA address=2001:db8::1 ttl=300>"
    assert shown["Record_A6"] == "<A6 prefixLen=64 suffix=::6 prefix=prefix.example ttl=300>"
    assert shown["Record_MX"] == "<MX preference=10 name=mail.example ttl=300>"
    assert shown["Record_TXT"] == "<TXT data=[b'one', b'two'] ttl=300>"
    assert shown["Record_WKS"] == "<WKS address=192.0.2.1 protocol=6 map=b'@' ttl=300>"
    assert shown["UnknownRecord"] == r"<UNKNOWN data=b'\x01' ttl=300>"
    assert "flags=s service=http+I2R" in shown["Record_NAPTR"]


def test_what_twisteds_records_can_do() -> None:
    assert dns.Record_A(b"192.0.2.1").dottedQuad() == "192.0.2.1"
    assert dns.Record_MX(5, exchange="mail").name == dns.Name("mail")
    assert dns.Record_HINFO(b"vax", b"Unix") == dns.Record_HINFO(b"VAX", b"UNIX")
    assert repr(dns.Charstr(b"x")) == "Charstr(b'x')"
    assert dns.Charstr(b"x") == dns.Charstr(b"x") != b"x"
    wrong: Any = "x"
    with pytest.raises(ValueError, match="is not bytes"):
        dns.Charstr(wrong)
    with pytest.raises(ValueError, match="'soon' is no time"):
        dns.str2time("soon")
    assert isinstance(dns.Record_NS(), Record)


def test_a_header_and_its_payload_are_of_one_type() -> None:
    with pytest.raises(ValueError, match="of the type A can't be the payload of a header of the type MX"):
        header(dns, type=dns.MX)
    with pytest.raises(ValueError, match="-1 seconds"):
        header(dns, ttl=-1)
    one = header(dns)
    assert one == header(dns)
    assert hash(one) == hash(header(dns))
    assert one != header(dns, auth=True)
    assert header(dns, auth=True).isAuthoritative()
    assert header(dns, type=1234, payload=dns.UnknownRecord(b"x")).type == 1234
    assert repr(one) == "<RR name=host.example type=A class=IN ttl=7s auth=False>"
    assert dns.Query("A.b", dns.MX) == dns.Query(b"a.B", dns.MX) != dns.Query("a.b")
    assert hash(dns.Query("A")) == hash(dns.Query("a"))
    assert repr(dns.Query("a.b")) == "Query(b'a.b', 1, 1)"
    assert str(dns.Query("a.b", 1234, 77)) == "<Query a.b UNKNOWN (1234) UNKNOWN (77)>"
