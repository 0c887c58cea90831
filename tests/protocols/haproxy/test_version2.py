"""The binary form of the PROXY protocol header."""

from __future__ import annotations

import pytest

from tests.protocols.haproxy.headers import LOCAL, SIGNATURE, ip_block, v2
from twisted_compat import address
from twisted_compat.address import IPv4Address, IPv6Address, UNIXAddress
from twisted_compat.protocols.haproxy import (
    InvalidNetworkProtocol,
    InvalidProxyHeader,
    MissingAddressData,
    ProxyInfo,
)
from twisted_compat.protocols.haproxy.version2 import LONGEST, length, parse

V4 = ip_block("192.0.2.7", "192.0.2.1", 56324, 443)
V6 = ip_block("2001:db8::7", "::ffff:192.0.2.1", 56324, 443)
PATHS = b"/run/client".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")
TLVS = b"\x01\x00\x02h2" + b"\x04\x00\x01\x00"


@pytest.mark.parametrize("tlvs", [b"", TLVS])
def test_it_tells_both_addresses(tlvs: bytes) -> None:
    for kind, block, source, destination in (
        (0x11, V4, IPv4Address("TCP", "192.0.2.7", 56324), IPv4Address("TCP", "192.0.2.1", 443)),
        (0x12, V4, IPv4Address("UDP", "192.0.2.7", 56324), IPv4Address("UDP", "192.0.2.1", 443)),
        (0x21, V6, IPv6Address("TCP", "2001:db8::7", 56324), IPv6Address("TCP", "::ffff:192.0.2.1", 443)),
        (0x22, V6, IPv6Address("UDP", "2001:db8::7", 56324), IPv6Address("UDP", "::ffff:192.0.2.1", 443)),
        (0x31, PATHS, UNIXAddress(b"/run/client"), UNIXAddress(b"\0abstract")),
        (0x32, PATHS, UNIXAddress(b"/run/client"), UNIXAddress(b"\0abstract")),
    ):
        header = v2(block + tlvs, kind=kind)
        assert parse(header, address) == ProxyInfo(header, source, destination, tlvs)


def test_a_unix_socket_may_have_a_long_name_or_none() -> None:
    info = parse(v2(b"/" * 108 + bytes(108), kind=0x31), address)
    assert (info.source, info.destination) == (UNIXAddress(b"/" * 108), UNIXAddress(None))
    assert info.destination.name is None


@pytest.mark.parametrize("kind", [0x00, 0x01, 0x02, 0x10, 0x20, 0x30])
def test_an_unspecified_one_tells_nothing(kind: int) -> None:
    size = {1: len(V4), 2: len(V6), 3: len(PATHS)}.get(kind >> 4, 0)
    header = v2(bytes(size) + TLVS, kind=kind)
    assert parse(header, address) == ProxyInfo(header, None, None, TLVS)


@pytest.mark.parametrize(
    ("header", "tlvs"),
    [
        (LOCAL, b""),
        (v2(TLVS, command=0x20, kind=0), TLVS),
        (v2(V4 + TLVS, command=0x20, kind=0x11), TLVS),
        (v2(b"short", command=0x20, kind=0x21), b""),
        (v2(b"", command=0x20, kind=0xFF), b""),
    ],
)
def test_a_local_one_tells_nothing_whatever_it_says(header: bytes, tlvs: bytes) -> None:
    assert parse(header, address) == ProxyInfo(header, None, None, tlvs)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"", InvalidProxyHeader),
        (SIGNATURE, InvalidProxyHeader),
        (v2(V4)[:-1], InvalidProxyHeader),
        (v2(V4) + b"x", InvalidProxyHeader),
        (b"\0" + v2(V4)[1:], InvalidProxyHeader),
        (v2(V4, command=0x11), InvalidProxyHeader),
        (v2(V4, command=0x22), InvalidProxyHeader),
        (v2(V4, command=0x31), InvalidProxyHeader),
        (v2(V4, kind=0x13), InvalidNetworkProtocol),
        (v2(V4, kind=0x1F), InvalidNetworkProtocol),
        (v2(V4, kind=0x41), InvalidNetworkProtocol),
        (v2(V4, kind=0xF0), InvalidNetworkProtocol),
        (v2(), MissingAddressData),
        (v2(V4[:-1]), MissingAddressData),
        (v2(V4, kind=0x21), MissingAddressData),
        (v2(V6, kind=0x31), MissingAddressData),
    ],
)
def test_anything_else_is_refused(header: bytes, error: type[Exception]) -> None:
    with pytest.raises(InvalidProxyHeader) as raised:
        parse(header, address)
    assert type(raised.value) is error


def test_what_is_wrong_is_seen_as_soon_as_it_has_come() -> None:
    for command in (0x12, 0x22, 0x2F, 0x00):
        with pytest.raises(InvalidProxyHeader):
            length(SIGNATURE + bytes([command]))
    assert length(v2(V4, size=LONGEST - 16)) is None
    with pytest.raises(InvalidProxyHeader):
        length(v2(size=LONGEST - 15))
    header = v2(V4 + TLVS)
    assert [length(header[:size]) for size in range(len(header))] == [None] * len(header)
    assert length(header + b"and on") == len(header)
