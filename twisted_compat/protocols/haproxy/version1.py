"""Version 1 of the PROXY protocol: a line of text, as ``PROXY TCP4 192.0.2.7 192.0.2.1 56324 443``.

Strict, as its specification asks for: one space between two words, addresses and ports without leading zeros,
nothing after them. Bytes in, values out; ``parser.py`` collects the bytes.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from twisted_compat.protocols.haproxy.info import (
    InvalidNetworkProtocol,
    InvalidProxyHeader,
    MissingAddressData,
    ProxyInfo,
)

__all__ = ["LONGEST", "SIGNATURE", "length", "parse"]

SIGNATURE = b"PROXY "
LONGEST = 107
"""Bytes, with the end of the line: what the longest IPv6 addresses need."""
_END = b"\r\n"

_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
_IPV4 = re.compile(rb"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")  # not every system refuses 010.0.0.1
_IPV6 = re.compile(rb"[0-9A-Fa-f:.]+")


def length(received: bytes | bytearray) -> int | None:
    """How many bytes the header has that ``received`` begins with; None as long as its end hasn't come.

    :raises InvalidProxyHeader: if it has none where it must have come.
    """
    end = received.find(_END, 0, LONGEST)
    if end >= 0:
        return end + len(_END)
    if len(received) >= LONGEST:
        raise InvalidProxyHeader(f"the line has not ended after {LONGEST} bytes")
    return None


def parse(header: bytes, address: Any) -> ProxyInfo:
    """Understand a header.

    :param header: all of it, with or without the end of the line.
    :param address: a vocabulary's ``address``, which has the classes of addresses.
    :raises InvalidProxyHeader: if it is none.
    """
    line = header.removesuffix(_END)
    if not line.startswith(SIGNATURE):
        raise InvalidProxyHeader(f"no line of the PROXY protocol: {line[:LONGEST]!r}")
    _, protocol, *fields = line.split(b" ")
    if protocol == b"UNKNOWN":  # and whatever stands after it
        return ProxyInfo(line, None, None)
    if protocol not in (b"TCP4", b"TCP6"):
        raise InvalidNetworkProtocol(f"neither TCP4, TCP6 nor UNKNOWN: {protocol[:LONGEST]!r}")
    if len(fields) < 4:
        raise MissingAddressData(f"less than two addresses and two ports: {line[:LONGEST]!r}")
    if len(fields) > 4:
        raise InvalidProxyHeader(f"more than two addresses and two ports: {line[:LONGEST]!r}")
    source, destination, source_port, destination_port = fields
    kind, host = (address.IPv4Address, _ipv4) if protocol == b"TCP4" else (address.IPv6Address, _ipv6)
    return ProxyInfo(
        line,
        kind("TCP", host(source), _port(source_port)),
        kind("TCP", host(destination), _port(destination_port)),
    )


def _ipv4(text: bytes) -> str:
    return _canonical(socket.AF_INET, _IPV4, text)


def _ipv6(text: bytes) -> str:
    return _canonical(socket.AF_INET6, _IPV6, text)


def _canonical(family: int, pattern: re.Pattern[bytes], text: bytes) -> str:
    """The address as the system spells it, so that it equals what it says of a connection itself."""
    if pattern.fullmatch(text):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, text.decode("ascii")))
        except OSError:
            pass
    raise InvalidProxyHeader(f"no address of its protocol: {text[:LONGEST]!r}")


def _port(text: bytes) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise InvalidProxyHeader(f"no port: {text[:LONGEST]!r}")
    return int(text)
