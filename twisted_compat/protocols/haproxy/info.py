"""What a PROXY protocol header says, and what may be wrong with one. The parsers are beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["InvalidNetworkProtocol", "InvalidProxyHeader", "MissingAddressData", "ProxyInfo"]


class InvalidProxyHeader(Exception):
    """What has been received does not begin with a PROXY protocol header as its specification has it."""


class InvalidNetworkProtocol(InvalidProxyHeader):
    """The header names a protocol or a family of addresses that there isn't."""


class MissingAddressData(InvalidProxyHeader):
    """The header has fewer addresses, or shorter ones, than its protocol needs."""


@dataclass(frozen=True)
class ProxyInfo:
    """One header, understood.

    :ivar header: the bytes as they came; of version 1 the line without its end.
    :ivar source: the client's address, as the proxy saw it (an IAddress provider); None where the header
        tells nothing (UNKNOWN, LOCAL, unspecified), and the connection's own is meant.
    :ivar destination: the address that the client connected to, likewise.
    :ivar tlvs: what follows the addresses in version 2: pieces of a type (1 byte), a length (2 bytes, big
        endian) and so many bytes. They are handed on as they came, and not looked at.
    """

    header: bytes
    source: Any
    destination: Any
    tlvs: bytes = b""
