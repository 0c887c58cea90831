"""What the TLS connections of either library are given: the server's name, the protocols to choose from, and
where to write the keys.
"""

from __future__ import annotations

import os
from typing import Any

from zope.interface import providedBy

from twisted_compat.interfaces import IProtocolNegotiationFactory
from twisted_compat.transport.sockets import is_literal

__all__ = ["acceptable_protocols", "key_log", "plain_name"]


def plain_name(server_hostname: str | bytes | None) -> str | None:
    """The name as certificates and SNI have it: without the zone of an address, without the root's dot."""
    if server_hostname is None:
        return None
    if isinstance(server_hostname, bytes):
        server_hostname = server_hostname.decode("ascii")
    if not isinstance(server_hostname, str):
        raise TypeError(
            f'A server_hostname is a name or an address, such as "example.com", not {server_hostname!r}.'
        )
    name = server_hostname.partition("%")[0].rstrip(".")
    if not name or is_literal(name):
        return name or None
    try:
        encoded = name.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{server_hostname!r} can't be the name of a server: {error}") from error
    if b"\0" in encoded:
        raise ValueError(f"{server_hostname!r} can't be the name of a server: there is a zero byte in it")
    return name


def acceptable_protocols(factory: Any) -> list[bytes] | None:
    """The protocols that a factory speaks and wants to have settled by ALPN, the most wanted first.

    :returns: None if it leaves that to the context.
    """
    if not IProtocolNegotiationFactory.providedBy(factory) and not _negotiates_for_twisted(factory):
        return None
    return list(factory.acceptableProtocols() or ())


def _negotiates_for_twisted(factory: Any) -> bool:
    """Whether it provides the interface of that name in Twisted's words: our TLS may be on a transport of
    those, too."""
    name = IProtocolNegotiationFactory.__name__
    return any(interface.__name__ == name for interface in providedBy(factory).flattened())


def key_log() -> str | None:
    """The path of the file to which the keys of all connections are to be written, for those who look at the
    traffic; None for none, which is the rule."""
    return os.environ.get("SSLKEYLOGFILE") or None
