"""Twisted's own TLS (``twisted.protocols.tls``) over our TCP, on a connection midway or from its beginning.

How a transport is given a layer of its own, and what the layer writes to, is ``transport/layer.py``.
Twisted's TLS needs pyOpenSSL, which a plain Twisted does without: so it is imported where TLS is asked for.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import interfaces as twisted_interfaces
from twisted.internet.interfaces import ISSLTransport
from zope.interface import classImplements, directlyProvides

from twisted_compat import interfaces
from twisted_compat.transport.layer import put_layer, take_layer_away

__all__ = ["secured", "start_tls"]

CREATORS = ("IOpenSSLClientConnectionCreator", "IOpenSSLServerConnectionCreator")


def secured(factory: Any, contextFactory: Any, client: bool, reactor: Any) -> Any:
    """A factory of protocols that speak TLS, around one of those that don't.

    :param contextFactory: a pyOpenSSL context factory, or a connection creator.
    :param client: whether this side is TLS's client.
    :param reactor: by whose time the layer works; without it, that is the global one's.
    :raises ModuleNotFoundError: without pyOpenSSL.
    """
    try:
        from twisted.protocols.tls import TLSMemoryBIOFactory
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Twisted's TLS needs {error.name}, which is not installed. "
            "Write: pip install 'twisted-compat[twisted]'",
            name=error.name,
        ) from error
    _declare(type(contextFactory))
    return TLSMemoryBIOFactory(contextFactory, client, factory, reactor)


def _declare(cls: type[Any]) -> None:
    """What implements our interface of a connection creator does Twisted's, or that would warn of it."""
    for name in CREATORS:
        theirs = getattr(twisted_interfaces, name)
        if getattr(interfaces, name).implementedBy(cls) and not theirs.implementedBy(cls):
            declares: Any = classImplements  # the checker's plugin wants to see the class named here
            declares(cls, theirs)


def start_tls(transport: Any, contextFactory: Any, normal: bool) -> None:
    """Have everything from here on encrypted (ITLSTransport.startTLS).

    :param transport: a connected Server or Client; it provides ISSLTransport from now on.
    :param contextFactory: a pyOpenSSL context factory, or a connection creator.
    :param normal: whether the side that connected is TLS's client, as usual.
    :raises ModuleNotFoundError: without pyOpenSSL.
    """
    client = transport.is_client == bool(normal)
    factory = secured(None, contextFactory, client, transport.reactor)
    # Not told of the connection: the protocol was, when it was made.
    protocol = transport.protocol
    layer = factory.protocol(factory, protocol, False)
    producer, streaming = transport.producer, transport.streamingProducer
    if producer is not None:
        transport.unregisterProducer()
    beneath = put_layer(transport, layer)
    try:
        layer.makeConnection(beneath)
        directlyProvides(transport, ISSLTransport)
    except BaseException:  # such as what the context factory raises: the connection goes on as it was
        take_layer_away(transport, protocol)
        raise
    finally:
        if producer is not None:
            transport.registerProducer(producer, streaming)
