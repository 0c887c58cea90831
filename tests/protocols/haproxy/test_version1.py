"""The text form of the PROXY protocol header."""

from __future__ import annotations

import pytest

from tests.protocols.haproxy.headers import TCP4, TCP6, v1
from twisted_compat import address
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.protocols.haproxy import (
    InvalidNetworkProtocol,
    InvalidProxyHeader,
    MissingAddressData,
    ProxyInfo,
)
from twisted_compat.protocols.haproxy.version1 import LONGEST, length, parse

V4 = ("192.0.2.7", "192.0.2.1")
V6 = ("2001:db8::7", "2001:db8::1")


def test_it_tells_both_addresses() -> None:
    assert parse(TCP4, address) == ProxyInfo(
        TCP4[:-2], IPv4Address("TCP", V4[0], 56324), IPv4Address("TCP", V4[1], 443)
    )
    assert parse(TCP6, address) == ProxyInfo(
        TCP6[:-2], IPv6Address("TCP", V6[0], 56324), IPv6Address("TCP", V6[1], 443)
    )
    assert parse(TCP4[:-2], address) == parse(TCP4, address)


def test_addresses_are_spelled_as_the_system_spells_them() -> None:
    info = parse(v1("TCP6", "2001:DB8:0:0::7", "::FFFF:192.0.2.1", 0, 65535), address)
    assert info.source == IPv6Address("TCP", "2001:db8::7", 0)
    assert info.destination == IPv6Address("TCP", "::ffff:192.0.2.1", 65535)


@pytest.mark.parametrize(
    "line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN whatever it was\r\n", v1("UNKNOWN", *V6, 1, 2)]
)
def test_an_unknown_one_tells_nothing(line: bytes) -> None:
    assert parse(line, address) == ProxyInfo(line[:-2], None, None)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", InvalidProxyHeader),
        (b"PROXY", InvalidProxyHeader),
        (b"GET / HTTP/1.0\r\n", InvalidProxyHeader),
        (b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n", InvalidProxyHeader),
        (b" " + TCP4, InvalidProxyHeader),
        (v1("tcp4", *V4, 1, 2), InvalidNetworkProtocol),
        (v1("UDP4", *V4, 1, 2), InvalidNetworkProtocol),
        (v1("unknown"), InvalidNetworkProtocol),
        (v1("UNKNOWNS"), InvalidNetworkProtocol),
        (b"PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n", InvalidNetworkProtocol),
        (b"PROXY \r\n", InvalidNetworkProtocol),
        (v1("TCP4"), MissingAddressData),
        (v1("TCP4", *V4, 1), MissingAddressData),
        (v1("TCP6", V6[0], 1, 2), MissingAddressData),
        (v1("TCP4", *V4, 1, 2, 3), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, 2, ""), InvalidProxyHeader),
        (v1("TCP4", *V4, "", 1, 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, 65536), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, 100000), InvalidProxyHeader),
        (v1("TCP4", *V4, -1, 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "+1", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "01", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "1_0", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "one", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, "\N{ARABIC-INDIC DIGIT ONE}", 2), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, "2\t"), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, "2\n"), InvalidProxyHeader),
        (v1("TCP4", *V4, 1, "2\0"), InvalidProxyHeader),
        (v1("TCP4", *V6, 1, 2), InvalidProxyHeader),
        (v1("TCP6", *V4, 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], V6[1], 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "192.0.2.256", 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "192.0.2", 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "192.0.2.01", 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "3221225985", 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "0xc0.0.2.1", 1, 2), InvalidProxyHeader),
        (v1("TCP4", V4[0], "localhost", 1, 2), InvalidProxyHeader),
        (v1("TCP6", V6[0], "fe80::1%eth0", 1, 2), InvalidProxyHeader),
        (v1("TCP6", V6[0], "[::1]", 1, 2), InvalidProxyHeader),
        (v1("TCP6", V6[0], "1::2::3", 1, 2), InvalidProxyHeader),
    ],
)
def test_anything_else_is_refused(line: bytes, error: type[Exception]) -> None:
    with pytest.raises(InvalidProxyHeader) as raised:
        parse(line, address)
    assert type(raised.value) is error


def test_its_end_is_looked_for_in_as_many_bytes_as_it_may_have() -> None:
    assert length(b"PROXY UNKNOWN") is None
    assert length(b"PROXY UNKNOWN\r") is None
    assert length(b"PROXY UNKNOWN\r\n\r\n") == 15
    longest = b"PROXY UNKNOWN".ljust(LONGEST - 2, b".") + b"\r\n"
    assert len(longest) == LONGEST == 107
    assert length(longest + b"and on") == LONGEST
    assert length(longest[:-1]) is None
    for too_long in (longest[:-2] + b".\r\n", longest[:-1] + b".", bytes(LONGEST), bytes(2**16)):
        with pytest.raises(InvalidProxyHeader):
            length(too_long)
