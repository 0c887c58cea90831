"""ALPN (RFC 7301): the choice of the protocol to speak, within the handshake."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL

from twisted_compat.interfaces import IProtocolNegotiationFactory

__all__ = [
    "ProtocolNegotiationSupport",
    "chooses_protocol",
    "protocolNegotiationMechanisms",
    "protocols_for",
]


class ProtocolNegotiationSupport(enum.Flag):
    """What there may be to choose a protocol with."""

    NOSUPPORT = 0
    NPN = 1
    ALPN = 2


def protocolNegotiationMechanisms() -> ProtocolNegotiationSupport:
    """Tell what there is to choose a protocol with: always ALPN, so there is no need to ask."""
    warnings.warn(
        "There is always ALPN: protocolNegotiationMechanisms() needn't be asked.",
        DeprecationWarning,
        stacklevel=2,
    )
    return ProtocolNegotiationSupport.ALPN


def protocols_for(tlsProtocol: Any, always: Sequence[bytes]) -> list[bytes]:
    """Tell which protocols a connection may speak.

    :param tlsProtocol: its TLS layer, or None; the protocols of the wrapped factory come first, where that is
        an
        :class:`~twisted_compat.interfaces.IProtocolNegotiationFactory`.
    :param always: the others.
    :returns: their names, the most wanted first.
    """
    wrapped = getattr(getattr(tlsProtocol, "factory", None), "wrappedFactory", None)
    factory = IProtocolNegotiationFactory(wrapped, None)
    return [*(factory.acceptableProtocols() if factory is not None else ()), *always]


def chooses_protocol(always: Sequence[bytes]) -> Callable[[SSL.Connection, Sequence[bytes]], Any]:
    """Make a server's callback that chooses of what a client offers.

    A server that has nothing to choose from goes on without. One that has, but nothing of what is offered,
    ends the handshake: the client hears "no application protocol".

    :param always: see :func:`protocols_for`.
    """

    def choose(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
        acceptable = protocols_for(connection.get_app_data(), always)
        if not acceptable:
            return SSL.NO_OVERLAPPING_PROTOCOLS
        for protocol in acceptable:
            if protocol in offered:
                return protocol
        raise SSL.Error([("SSL routines", "", f"no application protocol of {acceptable} in {list(offered)}")])

    return choose
