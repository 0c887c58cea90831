"""A server endpoint behind a proxy that says, by the PROXY protocol, whose connection it hands on.

``protocols/haproxy/`` reads what the proxy says.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IStreamServerEndpoint
from twisted_compat.protocols.haproxy.wrapper import HEADER_TIMEOUT, HAProxyWrappingFactory

__all__ = ["ProxyServerEndpoint", "proxyEndpoint"]


@implementer(IStreamServerEndpoint)
class ProxyServerEndpoint:
    """Listens where another endpoint does, and serves whom a proxy hands on; see :func:`proxyEndpoint`."""

    def __init__(self, wrappedEndpoint: Any, header_timeout: float | None) -> None:
        self._wrappedEndpoint = wrappedEndpoint
        self._header_timeout = header_timeout
        self._reactor = getattr(wrappedEndpoint, "_reactor", None)  # for TLS above it to ask

    def listen(self, protocolFactory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort, which fails as that of the endpoint beneath does.
        """
        return self._wrappedEndpoint.listen(HAProxyWrappingFactory(protocolFactory, self._header_timeout))


def proxyEndpoint(wrappedEndpoint: Any, *, header_timeout: float | None = HEADER_TIMEOUT) -> Any:
    """An endpoint for the connections that a proxy hands on with a PROXY protocol header, of version 1 or 2.

    The header comes before anything else, as HAProxy's ``send-proxy`` and ``send-proxy-v2`` have it: it is
    read beneath TLS, if ``wrappedEndpoint`` speaks that. What becomes of a connection is said at
    :class:`~twisted_compat.protocols.haproxy.HAProxyWrappingFactory`.

    :param wrappedEndpoint: any IStreamServerEndpoint. Only the proxy should be able to connect there: a
        header is believed, whoever sends it.
    :param header_timeout: seconds until the header has to be there; None: it may take for ever.
    :returns: an IStreamServerEndpoint.
    """
    beneath_tls = getattr(wrappedEndpoint, "beneath_tls", None)
    if beneath_tls is not None:
        return beneath_tls(lambda endpoint: proxyEndpoint(endpoint, header_timeout=header_timeout))
    return ProxyServerEndpoint(wrappedEndpoint, header_timeout)
