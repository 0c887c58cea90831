"""Version 2 of the PROXY protocol: 16 bytes (signature, version and command, family and protocol, length),
the addresses, and whatever else the proxy has to say, in pieces that are skipped (TLVs).

Bytes in, values out; ``parser.py`` collects the bytes.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted_compat.protocols.haproxy.info import (
    InvalidNetworkProtocol,
    InvalidProxyHeader,
    MissingAddressData,
    ProxyInfo,
)

__all__ = ["LONGEST", "SIGNATURE", "length", "parse"]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST = 2**14
"""Bytes: more than addresses, names and a certificate need. The length field could say four times as much,
which is no reason to keep that for somebody who may not be a proxy at all."""

_FIXED = struct.Struct("!12sBBH")
_VERSION = 2
_LOCAL, _PROXY = 0, 1  # commands
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)  # families
_STREAM, _DATAGRAM = 1, 2  # protocols; 0 is unspecified as well
_IP = {
    _INET: (socket.AF_INET, "IPv4Address", struct.Struct("!4s4sHH")),
    _INET6: (socket.AF_INET6, "IPv6Address", struct.Struct("!16s16sHH")),
}
_PATHS = struct.Struct("!108s108s")


def length(received: bytes | bytearray) -> int | None:
    """How many bytes the header has that ``received`` begins with; None as long as they haven't all come.

    :raises InvalidProxyHeader: if it is of another version, or longer than :data:`LONGEST`.
    """
    if len(received) > len(SIGNATURE) and received[len(SIGNATURE)] not in (_VERSION << 4, _VERSION << 4 | 1):
        raise InvalidProxyHeader(f"neither LOCAL nor PROXY of version 2: 0x{received[len(SIGNATURE)]:02x}")
    if len(received) < _FIXED.size:
        return None
    size = _FIXED.size + _FIXED.unpack_from(received)[3]
    if size > LONGEST:
        raise InvalidProxyHeader(f"it says that it has {size} bytes; more than {LONGEST} are too much")
    return size if len(received) >= size else None


def parse(header: bytes, address: Any) -> ProxyInfo:
    """Understand a header.

    :param header: all of it.
    :param address: a vocabulary's ``address``, which has the classes of addresses.
    :raises InvalidProxyHeader: if it is none.
    """
    if not header.startswith(SIGNATURE) or length(header) != len(header):
        raise InvalidProxyHeader(f"no header of the PROXY protocol, version 2: {header[: _FIXED.size]!r}")
    _, command, kind, _ = _FIXED.unpack_from(header)
    block = header[_FIXED.size :]
    family, protocol = kind >> 4, kind & 15
    if command & 15 == _LOCAL:  # the proxy's own, such as a health check: whatever else it says is no address
        return ProxyInfo(header, None, None, block[_size(family) :])
    if family > _UNIX or protocol > _DATAGRAM:
        raise InvalidNetworkProtocol(f"no family and protocol: 0x{kind:02x}")
    size = _size(family)
    if len(block) < size:
        raise MissingAddressData(f"{len(block)} bytes of addresses, and not {size}")
    tlvs = block[size:]
    if family == _UNSPECIFIED or protocol == 0:
        return ProxyInfo(header, None, None, tlvs)
    if family == _UNIX:
        source, destination = (address.UNIXAddress(_path(name)) for name in _PATHS.unpack_from(block))
        return ProxyInfo(header, source, destination, tlvs)
    family_of_socket, name, layout = _IP[family]
    make = getattr(address, name)
    *hosts, source_port, destination_port = layout.unpack_from(block)
    texts = [socket.inet_ntop(family_of_socket, host) for host in hosts]
    transport = "TCP" if protocol == _STREAM else "UDP"
    source, destination = make(transport, texts[0], source_port), make(transport, texts[1], destination_port)
    return ProxyInfo(header, source, destination, tlvs)


def _size(family: int) -> int:
    """How many bytes two addresses of a family take."""
    return _PATHS.size if family == _UNIX else _IP[family][2].size if family in _IP else 0


def _path(field: bytes) -> bytes | None:
    """The name of a UNIX socket, which zeros follow; one that begins with a zero is abstract (unix(7))."""
    if field.startswith(b"\0"):
        return field.rstrip(b"\0") or None
    return field.partition(b"\0")[0]
