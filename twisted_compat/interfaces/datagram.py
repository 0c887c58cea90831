"""What a packet protocol writes to: UDP, multicast, and UNIX datagram sockets.

The stream transports are in :mod:`twisted_compat.interfaces.transport`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Interface

from twisted_compat.interfaces.address import IAddress

if TYPE_CHECKING:
    from twisted_compat.defer import Deferred

__all__ = [
    "IMulticastTransport",
    "IUDPTransport",
    "IUNIXDatagramConnectedTransport",
    "IUNIXDatagramTransport",
]


class IUDPTransport(Interface):
    """A UDP socket (RFC 768)."""

    def write(packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send one packet.

        :param packet: its content, in bytes.
        :param addr: ``(ip, port)`` of the receiver, with an IP address and not a host name. Needed unless the
            transport is connected; a connected one takes None or the address it is connected to.
        :raises MessageLengthError: the packet is longer than the network takes.
        """

    def connect(host: str, port: int) -> None:
        """Tie the transport to one peer: it sends there only, and hears only from there.

        The protocol's ``connectionRefused`` is called when the peer turns out not to be listening.

        :param host: the peer's IP address; host names are not looked up.
        :param port: 1 to 65535.
        """

    def getHost() -> IAddress:
        """Tell the local address.

        :returns: an ``IPv4Address`` or ``IPv6Address``.
        """

    def stopListening() -> Deferred[None] | None:
        """Close the socket.

        :returns: a Deferred that is called back with None when it is closed, or None if it already is.
        """

    def getBroadcastAllowed() -> bool:
        """Tell whether packets may be sent to a broadcast address. A later addition of Twisted.

        :returns: True if ``SO_BROADCAST`` is set.
        """

    def setBroadcastAllowed(enabled: bool) -> None:
        """Choose whether packets may be sent to a broadcast address. A later addition of Twisted.

        :param enabled: True sets ``SO_BROADCAST``.
        """


class IMulticastTransport(IUDPTransport):
    """A UDP socket that can also send to groups and join them (RFC 1112)."""

    def getOutgoingInterface() -> Any:
        """Tell which network interface group packets leave by.

        :returns: its IP address.
        """

    def setOutgoingInterface(addr: str) -> Deferred[Any]:
        """Choose which network interface group packets leave by.

        :param addr: the interface's IP address or host name.
        :returns: a Deferred that is called back when it is set.
        """

    def getLoopbackMode() -> bool:
        """Tell whether this host hears its own group packets.

        :returns: True if it does.
        """

    def setLoopbackMode(mode: bool) -> None:
        """Choose whether this host hears its own group packets.

        :param mode: True to hear them.
        """

    def getTTL() -> int:
        """Tell how far group packets travel.

        :returns: the number of hops, 0 to 255.
        """

    def setTTL(ttl: int) -> None:
        """Choose how far group packets travel.

        :param ttl: the number of hops, 0 to 255.
        """

    def joinGroup(addr: str, interface: str = "") -> Deferred[Any]:
        """Start to receive what is sent to a group.

        :param addr: the group's IP address or host name.
        :param interface: the IP address of the network interface to join on; empty leaves it to the system.
        :returns: a Deferred that is called back once joined, and fails with ``MulticastJoinError``.
        """

    def leaveGroup(addr: str, interface: str = "") -> Deferred[Any]:
        """Stop receiving what is sent to a group.

        :param addr: the address that was given to :meth:`joinGroup`.
        :param interface: the network interface that was given to :meth:`joinGroup`.
        :returns: a Deferred that is called back once the group is left.
        """


class IUNIXDatagramTransport(Interface):
    """A UNIX datagram socket that sends to any address."""

    def write(packet: bytes, address: str) -> None:
        """Send one packet.

        :param packet: its content, in bytes.
        :param address: the path of the receiving socket.
        """

    def getHost() -> IAddress:
        """Tell the local address.

        :returns: a ``UNIXAddress``.
        """


class IUNIXDatagramConnectedTransport(Interface):
    """A UNIX datagram socket that is tied to one peer."""

    def write(packet: bytes) -> None:
        """Send one packet to the peer.

        :param packet: its content, in bytes.
        """

    def getHost() -> IAddress:
        """Tell the local address.

        :returns: a ``UNIXAddress``.
        """

    def getPeer() -> IAddress:
        """Tell the peer's address.

        :returns: a ``UNIXAddress``.
        """
