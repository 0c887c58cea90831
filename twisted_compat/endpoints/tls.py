"""TLS: over TCP, and over any other endpoint.

How to encrypt is said as everywhere in this package: by an ``ssl.SSLContext``, by what
:mod:`twisted_compat.ssl` makes, or by pyOpenSSL's objects; see ``transport/tls_context.py``. Arguments are
kept under the names that Twisted's endpoints keep them under: programs look at them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from twisted_compat.endpoints.connecting import connect_by
from twisted_compat.endpoints.tcp import BindAddress, TCP4ServerEndpoint, binding, try_only
from twisted_compat.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from twisted_compat.transport.tls_factory import TLSFactory
from twisted_compat.vocabulary import vocabulary_of

__all__ = [
    "SSL4ClientEndpoint",
    "SSL4ServerEndpoint",
    "TLSServerEndpoint",
    "wrapClientTLS",
    "wrapServerTLS",
]


@implementer(IStreamServerEndpoint)
class SSL4ServerEndpoint:
    """Listens on a TCP port over IPv4, for TLS.

    :param reactor: an IReactorSSL.
    :param port: the port number; 0 lets the system choose.
    :param sslContextFactory: says how to encrypt, as ``reactor.listenSSL`` takes it.
    :param backlog: how many connections may wait to be accepted.
    :param interface: the address to listen at; "" for every IPv4 address of the machine.
    """

    def __init__(
        self, reactor: Any, port: int, sslContextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._sslContextFactory = sslContextFactory
        self._backlog = backlog
        self._interface = interface

    def listen(self, protocolFactory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort; it fails with CannotListenError, and with TypeError or
            ValueError if that is no way to encrypt.
        """
        return vocabulary_of(self._reactor).defer.execute(
            self._reactor.listenSSL,
            self._port,
            protocolFactory,
            contextFactory=self._sslContextFactory,
            backlog=self._backlog,
            interface=self._interface,
        )

    def beneath_tls(self, change: Callable[[Any], Any]) -> TLSServerEndpoint:
        """The same, with ``change`` made to the endpoint beneath TLS."""
        plain = TCP4ServerEndpoint(self._reactor, self._port, self._backlog, self._interface)
        return TLSServerEndpoint(change(plain), self._sslContextFactory)


@implementer(IStreamClientEndpoint)
class SSL4ClientEndpoint:
    """Connects to a TCP port, and speaks TLS there. It is connected when TCP is, before the handshake. Of a
    host with a name, the IPv4 addresses are tried, one after the other.

    :param reactor: an IReactorSSL.
    :param host: the host's name or address.
    :param port: the port number.
    :param sslContextFactory: says how to encrypt, as ``reactor.connectSSL`` takes it.
    :param timeout: seconds until the attempt is given up; None for no limit of ours.
    :param bindAddress: an address of this machine to connect from, or a tuple of that and a port.
    """

    def __init__(
        self,
        reactor: Any,
        host: str | bytes,
        port: int,
        sslContextFactory: Any,
        timeout: float | None = 30,
        bindAddress: BindAddress = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._sslContextFactory = sslContextFactory
        self._timeout = timeout
        self._bindAddress = bindAddress

    @property
    def asked_host(self) -> str | bytes:
        return self._host

    def connect(self, protocolFactory: Any) -> Any:
        """Connect once (IStreamClientEndpoint).

        :returns: a Deferred of the protocol. It fails as TCP4ClientEndpoint's does, and with TypeError or
            ValueError if that is no way to encrypt. Cancelled, it fails with ConnectingCancelledError, and
            the attempt is over.
        """
        return connect_by(self._reactor, protocolFactory, self._connect)

    def _connect(self, factory: Any) -> Any:
        connector = self._reactor.connectSSL(
            self._host,
            self._port,
            factory=factory,
            contextFactory=self._sslContextFactory,
            timeout=self._timeout,
            bindAddress=binding(self._bindAddress),
        )
        try_only(self._reactor, connector, "IPv4Address")
        return connector


@implementer(IStreamClientEndpoint)
class _WrapperEndpoint:
    """Connects another endpoint with a factory that puts a layer between the connection and the protocol.

    :param wrappedEndpoint: the IStreamClientEndpoint beneath.
    :param wrapperFactory: makes that factory from the program's. What that builds has a ``wrappedProtocol``.
    """

    def __init__(self, wrappedEndpoint: Any, wrapperFactory: Callable[[Any], Any]) -> None:
        self._wrappedEndpoint = wrappedEndpoint
        self._wrapperFactory = wrapperFactory
        self._reactor = getattr(wrappedEndpoint, "_reactor", None)

    def connect(self, protocolFactory: Any) -> Any:
        """Connect once (IStreamClientEndpoint).

        :returns: a Deferred of the protocol, which fails as that of the endpoint beneath does.
        """
        try:
            factory = self._wrapperFactory(protocolFactory)
        except Exception:
            return vocabulary_of(self._reactor).defer.fail()
        return self._wrappedEndpoint.connect(factory).addCallback(lambda layer: layer.wrappedProtocol)


@implementer(IStreamServerEndpoint)
class TLSServerEndpoint:
    """Speaks TLS over what another endpoint accepts; see :func:`wrapServerTLS`.

    :ivar endpoint: the IStreamServerEndpoint beneath.
    :ivar connectionCreator: says how to encrypt.
    """

    def __init__(self, endpoint: Any, connectionCreator: Any, clock: Any = None, **options: Any) -> None:
        self.endpoint = endpoint
        self.connectionCreator = connectionCreator
        self.clock = clock
        self._options = options
        self._reactor = getattr(endpoint, "_reactor", None)

    def listen(self, factory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort. It fails as that of the endpoint beneath does, and with
            TypeError or ValueError if that is no way to encrypt.
        """
        try:
            secured = TLSFactory(self.connectionCreator, False, factory, self.clock, **self._options)
        except Exception:
            return vocabulary_of(self._reactor).defer.fail()
        return self.endpoint.listen(secured)

    def beneath_tls(self, change: Callable[[Any], Any]) -> TLSServerEndpoint:
        """The same, with ``change`` made to the endpoint beneath TLS."""
        return TLSServerEndpoint(change(self.endpoint), self.connectionCreator, self.clock, **self._options)


def wrapClientTLS(
    connectionCreator: Any,
    wrappedEndpoint: Any,
    clock: Any = None,
    *,
    server_hostname: str | bytes | None = None,
    **options: Any,
) -> _WrapperEndpoint:
    """An endpoint that speaks TLS as soon as another one is connected.

    :param connectionCreator: says how to encrypt: what ``optionsForClientTLS`` makes, or an
        ``ssl.SSLContext``.
    :param wrappedEndpoint: any IStreamClientEndpoint: a UNIX socket, a process, a HostnameEndpoint.
    :param clock: an IReactorTime for TLS's timeouts; by default the reactor of the connection.
    :param server_hostname: the name or address to ask for and to verify, if ``connectionCreator`` doesn't
        know it; by default the host that ``wrappedEndpoint`` connects to, if that is known.
    :param options: ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout``, in seconds.
    :returns: an IStreamClientEndpoint. What is no way to encrypt fails its ``connect``, with TypeError or
        ValueError.
    """
    if server_hostname is None:
        server_hostname = getattr(wrappedEndpoint, "asked_host", None)

    def with_tls(factory: Any) -> TLSFactory:
        return TLSFactory(connectionCreator, True, factory, clock, server_hostname=server_hostname, **options)

    return _WrapperEndpoint(wrappedEndpoint, with_tls)


def wrapServerTLS(
    connectionCreator: Any, wrappedEndpoint: Any, clock: Any = None, **options: Any
) -> TLSServerEndpoint:
    """An endpoint that speaks TLS on what another one accepts.

    :param connectionCreator: says how to encrypt: ``CertificateOptions``, or an ``ssl.SSLContext``.
    :param wrappedEndpoint: any IStreamServerEndpoint.
    :param clock: an IReactorTime for TLS's timeouts; by default the reactor of each connection.
    :param options: ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout``, in seconds.
    :returns: an IStreamServerEndpoint.
    """
    return TLSServerEndpoint(wrappedEndpoint, connectionCreator, clock, **options)
