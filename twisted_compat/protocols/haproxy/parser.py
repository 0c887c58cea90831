"""Finds the PROXY protocol header, of either version, that a stream of bytes begins with."""

from __future__ import annotations

from typing import Any

from twisted_compat.protocols.haproxy import version1, version2
from twisted_compat.protocols.haproxy.info import InvalidProxyHeader, ProxyInfo

__all__ = ["HeaderParser"]

_VERSIONS = (version1, version2)
_SHOWN = max(len(version.SIGNATURE) for version in _VERSIONS)


class HeaderParser:
    """Is fed with a stream in pieces of any size until it has found the header.

    :param address: a vocabulary's ``address``, which has the classes of addresses.
    """

    def __init__(self, address: Any) -> None:
        self._address = address
        self._received = bytearray()

    def feed(self, data: bytes) -> tuple[ProxyInfo, bytes] | None:
        """Take what has come.

        :returns: the header, and what came after it; None if more is needed. It is of no use then.
        :raises InvalidProxyHeader: as soon as it is certain that no header comes.
        """
        received = self._received
        received += data
        for version in _VERSIONS:
            known = min(len(received), len(version.SIGNATURE))
            if received[:known] != version.SIGNATURE[:known]:
                continue
            size = version.length(received)
            if size is None:
                return None
            whole = bytes(received)
            received.clear()
            return version.parse(whole[:size], self._address), whole[size:]
        raise InvalidProxyHeader(f"it doesn't begin with one: {bytes(received[:_SHOWN])!r}")
