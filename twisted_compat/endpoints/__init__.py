"""Endpoints: places to connect to and to listen at, under the names of Twisted's
``twisted.internet.endpoints``.

A client endpoint has ``connect(factory)``, a server endpoint ``listen(factory)``; both return a Deferred,
which can be awaited. ``async with serving(endpoint, factory) as port:`` listens as long as a block runs.

==================  =====================================================================================
``tcp``             :class:`TCP4ClientEndpoint`, :class:`TCP4ServerEndpoint`, and those of IPv6
``hostname``        :class:`HostnameEndpoint`: whichever of a host's addresses answers first
``race``            private: the order in which they are tried
``unix``            :class:`UNIXClientEndpoint`, :class:`UNIXServerEndpoint`
``tls``             :func:`wrapClientTLS`, :func:`wrapServerTLS`, and the endpoints of TLS over TCP
``process``         :class:`ProcessEndpoint`: a child process's standard input and output
``stdio``           :class:`StandardIOEndpoint`: our own
``adopted``         :class:`AdoptedStreamServerEndpoint`: a socket that listens already
``haproxy``         :func:`proxyEndpoint`: behind a proxy that says whom it speaks for
``serving``         :func:`serving`
``connecting``      :func:`connectProtocol`; private: how an attempt becomes a Deferred
``strings``         :func:`clientFromString`, :func:`serverFromString`
``description``     the language of these, and :func:`quoteStringArgument`
``prefixes``        private: the standard kinds in it; ``tls_files``, ``tls_directory``: their certificates
``plugins``         private: the kinds that other packages bring
==================  =====================================================================================
"""

from __future__ import annotations

from twisted_compat.endpoints.adopted import AdoptedStreamServerEndpoint
from twisted_compat.endpoints.connecting import connectProtocol
from twisted_compat.endpoints.description import quoteStringArgument
from twisted_compat.endpoints.haproxy import proxyEndpoint
from twisted_compat.endpoints.hostname import HostnameEndpoint
from twisted_compat.endpoints.process import ProcessEndpoint, StandardErrorBehavior
from twisted_compat.endpoints.serving import serving
from twisted_compat.endpoints.stdio import StandardIOEndpoint
from twisted_compat.endpoints.strings import clientFromString, serverFromString
from twisted_compat.endpoints.tcp import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
)
from twisted_compat.endpoints.tls import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    wrapClientTLS,
    wrapServerTLS,
)
from twisted_compat.endpoints.unix import UNIXClientEndpoint, UNIXServerEndpoint

__all__ = [
    "AdoptedStreamServerEndpoint",
    "HostnameEndpoint",
    "ProcessEndpoint",
    "SSL4ClientEndpoint",
    "SSL4ServerEndpoint",
    "StandardErrorBehavior",
    "StandardIOEndpoint",
    "TCP4ClientEndpoint",
    "TCP4ServerEndpoint",
    "TCP6ClientEndpoint",
    "TCP6ServerEndpoint",
    "UNIXClientEndpoint",
    "UNIXServerEndpoint",
    "clientFromString",
    "connectProtocol",
    "proxyEndpoint",
    "quoteStringArgument",
    "serverFromString",
    "serving",
    "wrapClientTLS",
    "wrapServerTLS",
]
