"""How TLS gets between a connection and its protocol: from its beginning, or midway.

:class:`TLSFactory` puts the layer of ``tls.py`` around the protocols of a factory, for ``listenSSL`` and
``connectSSL``; :func:`start_tls` on a connection in use. How a program says how to encrypt is known to
``tls_context.py``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from zope.interface import alsoProvides, implementer

from twisted_compat.interfaces import ILoggingContext, INegotiated, IProtocolFactory, ISSLTransport
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.layer import take_layer_away
from twisted_compat.transport.tls import TLSTransport
from twisted_compat.transport.tls_context import backend_maker
from twisted_compat.vocabulary import NATIVE

__all__ = ["HANDSHAKE_TIMEOUT", "SHUTDOWN_TIMEOUT", "TLSFactory", "start_tls"]

HANDSHAKE_TIMEOUT = 60.0
"""Seconds in which a handshake has to be through; as in asyncio."""
SHUTDOWN_TIMEOUT = 30.0
"""Seconds for the peer to end the connection as well, once everything is sent; as in asyncio."""


@implementer(IProtocolFactory, ILoggingContext)
class TLSFactory:
    """Puts TLS beneath the protocols of a factory, as Twisted's TLSMemoryBIOFactory.

    :param contextFactory: says how to encrypt; see ``tls_context.py``.
    :param isClient: whether this side is TLS's client.
    :param wrappedFactory: builds the protocols.
    :param clock: an IReactorTime; by default the reactor of each connection.
    :param server_hostname: of a client: whom to ask for and to verify. None or "" for nobody.
    :param ssl_handshake_timeout: seconds until a handshake has to be through.
    :param ssl_shutdown_timeout: seconds for the peer to close its end, once ours is.
    :raises TypeError: if ``contextFactory`` doesn't say how to encrypt. ValueError, if it can't be used here.
    :ivar make_backend: makes the engine's backend for a new layer.
    """

    protocol = TLSTransport
    noisy = False

    def __init__(
        self,
        contextFactory: Any,
        isClient: bool,
        wrappedFactory: Any,
        clock: Any = None,
        *,
        server_hostname: str | bytes | None = None,
        ssl_handshake_timeout: float = HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    ) -> None:
        self.wrappedFactory = wrappedFactory
        self.clock = clock
        self.handshake_timeout = ssl_handshake_timeout
        self.shutdown_timeout = ssl_shutdown_timeout
        self.make_backend = backend_maker(contextFactory, isClient, server_hostname, wrappedFactory)

    def buildProtocol(self, addr: Any) -> Any:
        """Build the wrapped factory's protocol, with TLS beneath it (IProtocolFactory)."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else self.protocol(self, protocol)

    def doStart(self) -> None:
        """Called as the factory comes into use (IProtocolFactory)."""
        self.wrappedFactory.doStart()

    def doStop(self) -> None:
        """Called as the factory goes out of use (IProtocolFactory)."""
        self.wrappedFactory.doStop()

    def startedConnecting(self, connector: Any) -> None:
        """A connection is being tried; a client factory is told."""
        self.wrappedFactory.startedConnecting(connector)

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """No connection came about; a client factory is told."""
        self.wrappedFactory.clientConnectionFailed(connector, reason)

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        """A connection was lost; a client factory is told."""
        self.wrappedFactory.clientConnectionLost(connector, reason)

    def logPrefix(self) -> str:
        """The wrapped factory's name, for log lines (ILoggingContext)."""
        return f"{log_prefix(NATIVE, self.wrappedFactory)} (TLS)"

    def start_tls(self, transport: Any, contextFactory: Any, normal: bool, **options: Any) -> None:
        """Put another TLS on a connection of this one's; see :func:`start_tls`."""
        start_tls(transport, contextFactory, normal, **options)


def start_tls(transport: Any, contextFactory: Any, normal: bool = True, **options: Any) -> None:
    """Put TLS on a connection that is in use (ITLSTransport.startTLS).

    What was written before goes out before, in the clear. Lines that the protocol has in its buffer came in
    the clear, and are dropped: somebody may have put them there (RFC 3207, 6).

    :param transport: a connected transport of ours with a protocol; it provides ISSLTransport from now on. If
        it is lost, or closing, nothing happens.
    :param contextFactory: says how to encrypt; see ``tls_context.py``.
    :param normal: whether the side that connected is TLS's client, as usual.
    :param options: those of :class:`TLSFactory`. Without a ``server_hostname``, a client takes the host that
        it was asked to connect to.
    :raises TypeError: as :class:`TLSFactory`, and ValueError; the connection then goes on as it was.
    """
    client = transport.is_client == bool(normal)
    if client and options.get("server_hostname") is None:
        options["server_hostname"] = transport.asked_host
    protocol = transport.protocol
    factory = TLSFactory(contextFactory, client, getattr(protocol, "factory", None), **options)
    if not transport.connected or transport.disconnecting:
        return
    layer = factory.protocol(factory, protocol, False)
    producer, streaming = transport.producer, transport.streamingProducer
    if producer is not None:
        transport.unregisterProducer()
    try:
        layer.makeConnection(transport)
    except BaseException:
        if transport.protocol is layer:
            take_layer_away(transport, protocol)
        raise
    finally:
        if producer is not None:
            transport.registerProducer(producer, streaming)
    transport.negotiatedProtocol = layer.negotiatedProtocol  # None until the handshake is through
    alsoProvides(transport, ISSLTransport, INegotiated)
    if getattr(protocol, "transport", None) is transport:
        with suppress(AttributeError):  # where it can't be set, the old one does as well
            protocol.transport = layer
    if hasattr(protocol, "clearLineBuffer"):
        protocol.clearLineBuffer()
