"""PROXY protocol headers, good ones and bad ones, made without the code that is tested."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

from hypothesis import strategies as st

from twisted_compat.address import IPv4Address, IPv6Address, UNIXAddress

__all__ = ["LOCAL", "SIGNATURE", "TCP4", "TCP6", "UNKNOWN", "bad_headers", "good_headers", "v1", "v2"]

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
STREAM, DATAGRAM = 1, 2

ports = st.integers(0, 65535)


def v1(*words: object) -> bytes:
    """A line of version 1."""
    return " ".join(["PROXY", *map(str, words)]).encode() + b"\r\n"


def v2(block: bytes = b"", command: int = 0x21, kind: int = 0x11, size: int | None = None) -> bytes:
    """A header of version 2.

    :param kind: family and protocol.
    :param size: what it says that it has after its first 16 bytes.
    """
    return SIGNATURE + struct.pack("!BBH", command, kind, len(block) if size is None else size) + block


def spelled(host: Any) -> str:
    """An address as the system spells it; Pythons differ in some."""
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    return socket.inet_ntop(family, host.packed)


def ip_block(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    hosts = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return hosts + struct.pack("!HH", source_port, destination_port)


TCP4 = v1("TCP4", "192.0.2.7", "192.0.2.1", 56324, 443)
TCP6 = v1("TCP6", "2001:db8::7", "2001:db8::1", 56324, 443)
UNKNOWN = v1("UNKNOWN")
LOCAL = v2(command=0x20, kind=0)

tlvs = st.binary(max_size=100)


@st.composite
def _v1_headers(draw: Any) -> tuple[bytes, Any, Any]:
    version = draw(st.sampled_from([4, 6]))
    kind = IPv4Address if version == 4 else IPv6Address
    one, other = (spelled(draw(st.ip_addresses(v=version))) for _ in range(2))
    here, there = draw(ports), draw(ports)
    return v1(f"TCP{version}", one, other, here, there), kind("TCP", one, here), kind("TCP", other, there)


@st.composite
def _v2_headers(draw: Any) -> tuple[bytes, Any, Any]:
    version = draw(st.sampled_from([4, 6]))
    protocol = draw(st.sampled_from([STREAM, DATAGRAM]))
    one, other = (spelled(draw(st.ip_addresses(v=version))) for _ in range(2))
    here, there = draw(ports), draw(ports)
    block = ip_block(one, other, here, there) + draw(tlvs)
    kind = IPv4Address if version == 4 else IPv6Address
    transport: Any = "TCP" if protocol == STREAM else "UDP"
    header = v2(block, kind=(0x10 if version == 4 else 0x20) | protocol)
    return header, kind(transport, one, here), kind(transport, other, there)


paths = st.lists(st.integers(1, 255), min_size=1, max_size=108).map(bytes)


@st.composite
def _v2_paths(draw: Any) -> tuple[bytes, Any, Any]:
    one, other = draw(paths), draw(paths)
    block = one.ljust(108, b"\0") + other.ljust(108, b"\0") + draw(tlvs)
    return v2(block, kind=0x31), UNIXAddress(one), UNIXAddress(other)


@st.composite
def _nothing_said(draw: Any) -> tuple[bytes, Any, Any]:
    header = draw(
        st.one_of(
            st.sampled_from([UNKNOWN, LOCAL]),
            st.builds(lambda rest: v2(rest, command=0x20, kind=0x11), tlvs),
            st.builds(lambda rest: v2(rest, kind=0), tlvs),
            st.builds(
                lambda rest: b"PROXY UNKNOWN " + rest + b"\r\n",
                st.lists(st.sampled_from(b"xyz \t\0\n"), max_size=91).map(bytes),
            ),
        )
    )
    return header, None, None


good_headers = st.one_of(_v1_headers(), _v2_headers(), _v2_paths(), _nothing_said())
"""With the source and the destination that they tell, in this package's own addresses."""


@st.composite
def _broken(draw: Any) -> bytes:
    """A good one with something put in, taken out, or changed."""
    header = draw(good_headers)[0]
    place = draw(st.integers(0, len(header) - 1))
    piece = draw(st.binary(max_size=3))
    return bytes(header[:place] + piece + header[place + draw(st.integers(0, 3)) :])


bad_headers = st.one_of(st.binary(max_size=300), _broken())
"""Nearly all of them are bad; some are none as long as no more comes."""
