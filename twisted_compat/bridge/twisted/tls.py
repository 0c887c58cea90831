"""Twisted's own TLS (``twisted.protocols.tls``) over our TCP: what ``startTLS`` does in its vocabulary.

How a transport is given a layer of its own, and what the layer writes to, is ``transport/layer.py``.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import directlyProvides

from twisted_compat.transport.layer import put_layer

__all__ = ["start_tls"]


def start_tls(transport: Any, contextFactory: Any, normal: bool) -> None:
    """Have everything from here on encrypted (ITLSTransport.startTLS).

    :param transport: a connected Server or Client; it provides ISSLTransport from now on.
    :param contextFactory: a pyOpenSSL context factory, or a connection creator.
    :param normal: whether the side that connected is TLS's client, as usual.
    """
    producer, streaming = transport.producer, transport.streamingProducer
    if producer is not None:
        transport.unregisterProducer()
    no_factory: Any = None  # there is a protocol already, which was told of the connection when it was made
    client = transport.is_client == bool(normal)
    factory = TLSMemoryBIOFactory(contextFactory, client, no_factory, transport.reactor)
    layer = factory.protocol(factory, transport.protocol, False)
    beneath = put_layer(transport, layer)
    directlyProvides(transport, ISSLTransport)
    layer.makeConnection(beneath)
    if producer is not None:
        transport.registerProducer(producer, streaming)
