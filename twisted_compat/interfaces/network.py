"""The reactors that open sockets, and the ports and connectors that they hand back.

Protocols and their factories are in :mod:`twisted_compat.interfaces.protocol`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

from twisted_compat.interfaces.address import IAddress
from twisted_compat.interfaces.protocol import IProtocolFactory

if TYPE_CHECKING:
    from twisted_compat.defer import Deferred

    _BindAddress = tuple[str, int] | None

__all__ = [
    "IConnector",
    "IListeningPort",
    "IReactorArbitrary",
    "IReactorMulticast",
    "IReactorSSL",
    "IReactorSocket",
    "IReactorTCP",
    "IReactorUDP",
    "IReactorUNIX",
    "IReactorUNIXDatagram",
]


class IConnector(Interface):
    """Makes one outgoing connection for a client factory, and can make it again."""

    def stopConnecting() -> None:
        """Give up the attempt that is under way.

        :raises NotConnectingError: none is.
        """

    def disconnect() -> None:
        """End it, whatever the state: give up the attempt, or close the connection."""

    def connect() -> None:
        """Try to connect (again).

        :raises RuntimeError: an attempt is under way, or the connection stands.
        """

    def getDestination() -> IAddress:
        """Tell where this connects to.

        :returns: an :class:`~twisted_compat.interfaces.address.IAddress`.
        """


class IListeningPort(Interface):
    """A socket on which a reactor waits for connections or packets."""

    def startListening() -> None:
        """Bind the socket and start to listen.

        :raises CannotListenError: the address is in use, not ours, or not permitted.
        """

    def stopListening() -> Deferred[None] | None:
        """Stop. Connections already accepted live on.

        :returns: a Deferred that is called back with None when the socket is closed, or None if it already
            is.
        """

    def getHost() -> IAddress:
        """Tell where this listens; with the real port number where 0 was asked for.

        :returns: an :class:`~twisted_compat.interfaces.address.IAddress`.
        """


class IReactorArbitrary(Interface):
    """A reactor that runs ports and connectors of any class.

    Today's Twisted no longer has it; what it was for is done with ``IReactorFDSet``.
    """

    def listenWith(portType: Callable[..., IListeningPort], *args: Any, **kw: Any) -> IListeningPort:
        """Make a port and start it.

        :param portType: makes the port; called with the other arguments and ``reactor=`` this reactor.
        :param args: for ``portType``.
        :param kw: for ``portType``.
        :returns: the port, listening.
        """

    def connectWith(connectorType: Callable[..., IConnector], *args: Any, **kw: Any) -> IConnector:
        """Make a connector and start it.

        :param connectorType: makes the connector; called with the other arguments and ``reactor=`` this
            reactor.
        :param args: for ``connectorType``.
        :param kw: for ``connectorType``.
        :returns: the connector, connecting.
        """


_IReactorArbitrary = IReactorArbitrary
"""The same interface, under the name for code that provides it and wants no deprecation warning."""


class IReactorTCP(Interface):
    """A reactor that speaks TCP over IPv4 and IPv6."""

    def listenTCP(
        port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Accept connections.

        :param port: 0 to 65535; 0 lets the system choose, see the port's ``getHost``.
        :param factory: makes a protocol for each connection.
        :param backlog: how many connections may wait to be accepted.
        :param interface: the IP address to bind to; empty for every IPv4 address, ``"::"`` for every IPv6
            one.
        :returns: the port, listening.
        :raises CannotListenError: the address is in use, not ours, or not permitted.
        """

    def connectTCP(
        host: str, port: int, factory: IProtocolFactory, timeout: float = 30, bindAddress: _BindAddress = None
    ) -> IConnector:
        """Connect. The outcome is told to the factory.

        :param host: a host name or an IP address.
        :param port: 1 to 65535.
        :param factory: a client factory.
        :param timeout: seconds until the attempt is given up.
        :param bindAddress: the local ``(host, port)`` to connect from; None to let the system choose.
        :returns: the connector, connecting.
        """


class IReactorSSL(Interface):
    """A reactor that speaks TLS over TCP (RFC 8446)."""

    def connectSSL(
        host: str,
        port: int,
        factory: IProtocolFactory,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: _BindAddress = None,
    ) -> IConnector:
        """Connect and encrypt.

        :param host: a host name or an IP address.
        :param port: 1 to 65535.
        :param factory: a client factory.
        :param contextFactory: says how to encrypt, see :mod:`twisted_compat.interfaces.tls`.
        :param timeout: seconds until the attempt is given up.
        :param bindAddress: the local ``(host, port)`` to connect from; None to let the system choose.
        :returns: the connector, connecting.
        """

    def listenSSL(
        port: int, factory: IProtocolFactory, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Accept encrypted connections.

        :param port: 0 to 65535; 0 lets the system choose.
        :param factory: makes a protocol for each connection.
        :param contextFactory: says how to encrypt, see :mod:`twisted_compat.interfaces.tls`.
        :param backlog: how many connections may wait to be accepted.
        :param interface: the IP address to bind to; empty for all.
        :returns: the port, listening.
        :raises CannotListenError: the address is in use, not ours, or not permitted.
        """


class IReactorUNIX(Interface):
    """A reactor that speaks over UNIX stream sockets.

    A path that starts with a zero byte is of Linux's abstract kind.
    """

    def connectUNIX(
        address: str, factory: IProtocolFactory, timeout: float = 30, checkPID: bool | int = 0
    ) -> IConnector:
        """Connect.

        :param address: the socket's path.
        :param factory: a client factory.
        :param timeout: seconds until the attempt is given up.
        :param checkPID: true to look first whether the listener's lock file names a living process; not for
            abstract paths.
        :returns: the connector, connecting.
        """

    def listenUNIX(
        address: str, factory: IProtocolFactory, backlog: int = 50, mode: int = 0o666, wantPID: bool | int = 0
    ) -> IListeningPort:
        """Accept connections.

        :param address: the path to make the socket at.
        :param factory: makes a protocol for each connection.
        :param backlog: how many connections may wait to be accepted.
        :param mode: the permission bits to give the socket (not a umask).
        :param wantPID: true to keep a lock file beside it with our process number; not for abstract paths.
        :returns: the port, listening.
        :raises CannotListenError: the path is taken or not permitted.
        """


class IReactorUNIXDatagram(Interface):
    """A reactor that speaks over UNIX datagram sockets."""

    def connectUNIXDatagram(
        address: str,
        protocol: Any,
        maxPacketSize: int = 8192,
        mode: int = 0o666,
        bindAddress: str | None = None,
    ) -> IConnector:
        """Tie a datagram socket to a peer.

        :param address: the path of the peer's socket.
        :param protocol: a ``ConnectedDatagramProtocol``.
        :param maxPacketSize: the longest packet to receive, in bytes.
        :param mode: the permission bits to give our own socket, where it is bound.
        :param bindAddress: the path to bind our own socket to; None for none, then nothing can be sent back.
        :returns: the connector.
        """

    def listenUNIXDatagram(
        address: str, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666
    ) -> IListeningPort:
        """Receive packets.

        :param address: the path to make the socket at.
        :param protocol: a ``DatagramProtocol``.
        :param maxPacketSize: the longest packet to receive, in bytes.
        :param mode: the permission bits to give the socket (not a umask).
        :returns: the port, listening.
        :raises CannotListenError: the path is taken or not permitted.
        """


class IReactorUDP(Interface):
    """A reactor that speaks UDP (RFC 768)."""

    def listenUDP(port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> IListeningPort:
        """Send and receive packets.

        :param port: 0 to 65535; 0 lets the system choose.
        :param protocol: a ``DatagramProtocol``.
        :param interface: the IP address to bind to; empty for every IPv4 address.
        :param maxPacketSize: the longest packet to receive, in bytes.
        :returns: the port, listening; it is the protocol's transport too.
        :raises CannotListenError: the address is in use, not ours, or not permitted.
        """


class IReactorMulticast(Interface):
    """A reactor that speaks UDP to groups (RFC 1112)."""

    def listenMulticast(
        port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192, listenMultiple: bool = False
    ) -> IListeningPort:
        """Send and receive packets, with groups.

        :param port: 0 to 65535; 0 lets the system choose.
        :param protocol: a ``DatagramProtocol``; its transport provides ``IMulticastTransport``.
        :param interface: the IP address to bind to; empty for every IPv4 address.
        :param maxPacketSize: the longest packet to receive, in bytes.
        :param listenMultiple: True lets several sockets of this host share the address and port.
        :returns: the port, listening.
        :raises CannotListenError: the address is in use, not ours, or not permitted.
        """


class IReactorSocket(Interface):
    """A reactor that takes over sockets which were opened elsewhere. A later addition of Twisted.

    Each method works on a copy of the descriptor (``dup``): the caller keeps the original, and may close it
    at once. The socket must be non-blocking.
    """

    def adoptStreamPort(fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> IListeningPort:
        """Accept connections on a socket that is bound and listening.

        :param fileDescriptor: its number.
        :param addressFamily: such as ``socket.AF_INET``.
        :param factory: makes a protocol for each connection.
        :returns: the port, listening.
        :raises CannotListenError: the socket cannot be listened on.
        :raises UnsupportedAddressFamily: the family is unknown here.
        """

    def adoptStreamConnection(fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        """Serve a connection that stands already, as if a port had accepted it.

        :param fileDescriptor: its number.
        :param addressFamily: such as ``socket.AF_INET``.
        :param factory: makes the protocol.
        :returns: the transport; None if the factory made no protocol.
        :raises UnsupportedAddressFamily: the family is unknown here.
        """

    def adoptDatagramPort(
        fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> IListeningPort:
        """Send and receive packets on a datagram socket that is bound.

        :param fileDescriptor: its number.
        :param addressFamily: such as ``socket.AF_INET``.
        :param protocol: a ``DatagramProtocol``.
        :param maxPacketSize: the longest packet to receive, in bytes.
        :returns: the port, listening.
        :raises UnsupportedAddressFamily: the family is unknown here.
        """
