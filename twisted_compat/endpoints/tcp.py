"""TCP over IPv4 and over IPv6, as places to connect to and to listen at.

The arguments are kept under the names that Twisted's endpoints keep them under: programs look at them.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from twisted_compat.endpoints.connecting import connect_by
from twisted_compat.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from twisted_compat.transport.sockets import is_ipv4
from twisted_compat.vocabulary import vocabulary_of

__all__ = [
    "BindAddress",
    "TCP4ClientEndpoint",
    "TCP4ServerEndpoint",
    "TCP6ClientEndpoint",
    "TCP6ServerEndpoint",
    "binding",
    "try_only",
]

BindAddress = str | bytes | tuple[str | bytes, int] | None
"""An address of this machine, alone or with a port; None leaves both to the system."""


def binding(address: BindAddress) -> Any:
    """A ``bindAddress`` as the reactor takes it: a tuple, whose host is a str, or None."""
    if address is None:
        return None
    if isinstance(address, (str, bytes)):
        address = (address, 0)
    host = address[0]
    if not isinstance(host, bytes):
        return address  # as it is: perhaps one with more items
    return (host.decode("ascii"), *address[1:])


def try_only(reactor: Any, connector: Any, kind: str) -> None:
    """Of a host with a name, try the addresses of one class.

    :param connector: what ``connectTCP`` has just returned: the name is looked up on a later turn. One of a
        reactor that isn't ours has ways of its own.
    :param kind: the name of the class.
    """
    if hasattr(connector, "address_types"):
        connector.address_types = [getattr(vocabulary_of(reactor).address, kind)]


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """Listens on a TCP port."""

    def __init__(self, reactor: Any, port: int, backlog: int, interface: str) -> None:
        self._reactor = reactor
        self._port = port
        self._backlog = backlog
        self._interface = interface

    def listen(self, protocolFactory: Any) -> Any:
        """Listen (IStreamServerEndpoint).

        :returns: a Deferred of the IListeningPort; it fails with CannotListenError.
        """
        return vocabulary_of(self._reactor).defer.execute(
            self._reactor.listenTCP,
            self._port,
            protocolFactory,
            backlog=self._backlog,
            interface=self._interface,
        )


class TCP4ServerEndpoint(_ServerEndpoint):
    """Listens on a TCP port over IPv4.

    :param reactor: an IReactorTCP.
    :param port: the port number; 0 lets the system choose.
    :param backlog: how many connections may wait to be accepted.
    :param interface: the address to listen at; "" for every IPv4 address of the machine.
    """

    def __init__(self, reactor: Any, port: int, backlog: int = 50, interface: str = "") -> None:
        super().__init__(reactor, port, backlog, interface)


class TCP6ServerEndpoint(_ServerEndpoint):
    """Listens on a TCP port over IPv6.

    :param interface: the address to listen at; "::" for every IPv6 address of the machine.

    The other parameters are those of :class:`TCP4ServerEndpoint`.
    """

    def __init__(self, reactor: Any, port: int, backlog: int = 50, interface: str = "::") -> None:
        super().__init__(reactor, port, backlog, interface)


@implementer(IStreamClientEndpoint)
class _ClientEndpoint:
    """Connects to a TCP port, over one version of IP.

    :ivar asked_host: whom to connect to.
    """

    KIND = ""
    """The class of the addresses to be tried, if the host has a name."""

    def __init__(
        self,
        reactor: Any,
        host: str | bytes,
        port: int,
        timeout: float | None = 30,
        bindAddress: BindAddress = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._timeout = timeout
        self._bindAddress = bindAddress

    @property
    def asked_host(self) -> str | bytes:
        return self._host

    def _check_host(self) -> None:
        """Raise DNSLookupError if the host is an address that won't do."""

    def connect(self, protocolFactory: Any) -> Any:
        """Connect once (IStreamClientEndpoint).

        :returns: a Deferred of the protocol. It fails with a ConnectError, DNSLookupError, NoProtocol, or
            what the factory raised. Cancelled, it fails with ConnectingCancelledError, and the attempt is
            over.
        """
        return connect_by(self._reactor, protocolFactory, self._connect)

    def _connect(self, factory: Any) -> Any:
        self._check_host()
        connector = self._reactor.connectTCP(
            self._host,
            self._port,
            factory=factory,
            timeout=self._timeout,
            bindAddress=binding(self._bindAddress),
        )
        try_only(self._reactor, connector, self.KIND)
        return connector


class TCP4ClientEndpoint(_ClientEndpoint):
    """Connects to a TCP port. Of a host with a name, the IPv4 addresses are tried, one after the other; for
    all of its addresses, side by side, see :class:`~twisted_compat.endpoints.HostnameEndpoint`.

    :param reactor: an IReactorTCP.
    :param host: the host's name or address.
    :param port: the port number.
    :param timeout: seconds until the attempt is given up; None for no limit of ours.
    :param bindAddress: an address of this machine to connect from, or a tuple of that and a port.
    """

    KIND = "IPv4Address"


class TCP6ClientEndpoint(_ClientEndpoint):
    """Connects to a TCP port. Of a host with a name, the IPv6 addresses are tried; a reactor that isn't one
    of ours is given the name, and tries what it finds.

    The parameters are those of :class:`TCP4ClientEndpoint`.
    """

    KIND = "IPv6Address"

    def _check_host(self) -> None:
        if isinstance(self._host, str) and is_ipv4(self._host):
            error = vocabulary_of(self._reactor).error
            raise error.DNSLookupError(f"{self._host} is an address of IPv4, and not of IPv6")
