"""Multicast: a UDP port that sends to groups and joins them (RFC 1112; IPv6: RFC 3493, 5.2).

Over IPv4 a network interface is named by an address that it has, over IPv6 by its index; :func:`_index_of`
finds that.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IMulticastTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.udp import Port

__all__ = ["MulticastPort"]


@implementer(IMulticastTransport)
class MulticastPort(Port):
    """A UDP port that also knows groups (IMulticastTransport).

    :param listenMultiple: whether several sockets of this host may share the address and port.
    """

    def __init__(
        self,
        port: int,
        proto: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        reactor: Any = None,
        listenMultiple: bool = False,
    ) -> None:
        super().__init__(port, proto, interface, maxPacketSize, reactor)
        self.listenMultiple = listenMultiple

    def _take_place(self, skt: socket.socket) -> None:
        share = self.listenMultiple
        sockets.bind_socket(skt, self.interface or "", self.port, share, share)

    # The options

    @property
    def _on_ipv6(self) -> bool:
        return self.addressFamily == socket.AF_INET6

    def getOutgoingInterface(self) -> str | int:
        """Which network interface group packets leave by (IMulticastTransport).

        :returns: IPv4: its address; IPv6: its index. All zeros where the system chooses.
        """
        skt = self._open_socket()
        if self._on_ipv6:
            return skt.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)
        packed = skt.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4)
        return socket.inet_ntop(socket.AF_INET, packed)

    def setOutgoingInterface(self, addr: str | int) -> Any:
        """Choose which network interface group packets leave by (IMulticastTransport).

        :param addr: IPv4: an address of the interface, or a host name for one. IPv6: the interface's index or
            name, or an address of it.
        :returns: a Deferred that is called back with 1 when it is set; it fails with MulticastJoinError if
            there is no such interface.
        """

        def change(found: str | int) -> int:
            if self._on_ipv6:
                self._set(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _index_of(found))
            else:
                self._set(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _packed_ipv4(found))
            return 1

        return self._resolved_interface(addr).addCallback(self._as_join_error(change, addr))

    def getLoopbackMode(self) -> bool:
        """Whether this host hears what this port sends to groups (IMulticastTransport)."""
        if self._on_ipv6:
            return bool(self._open_socket().getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP))
        return bool(self._open_socket().getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP))

    def setLoopbackMode(self, mode: bool) -> None:
        """Choose whether this host hears what this port sends to groups (IMulticastTransport)."""
        wanted = int(bool(mode))
        if self._on_ipv6:
            self._open_socket().setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, wanted)
        else:
            self._open_socket().setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, wanted)

    def getTTL(self) -> int:
        """How many hops group packets travel (IMulticastTransport)."""
        if self._on_ipv6:
            return self._open_socket().getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)
        return self._open_socket().getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL)

    def setTTL(self, ttl: int) -> None:
        """Choose how many hops group packets travel (IMulticastTransport).

        :param ttl: 0, which keeps them on this host, to 255.
        :raises ValueError: for any other number.
        """
        if not 0 <= ttl <= 255:
            raise ValueError(f"A packet travels 0 to 255 hops, and not {ttl}.")
        if self._on_ipv6:
            self._open_socket().setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        else:
            self._open_socket().setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)

    # Groups

    def joinGroup(self, addr: str, interface: str | int = "") -> Any:
        """Start to receive what is sent to a group (IMulticastTransport).

        :param addr: the group's address, or a host name for it.
        :param interface: the network interface to join on, as for :meth:`setOutgoingInterface`; by default
            the system's choice.
        :returns: a Deferred that is called back with None once joined, and fails with MulticastJoinError, or
            as the look-up of a name did.
        """
        return self._membership(True, addr, interface)

    def leaveGroup(self, addr: str, interface: str | int = "") -> Any:
        """Stop receiving what is sent to a group (IMulticastTransport); see :meth:`joinGroup`."""
        return self._membership(False, addr, interface)

    def _membership(self, join: bool, addr: str, interface: str | int) -> Any:
        def change(group: str, on: str | int) -> None:
            if self._on_ipv6:
                option = socket.IPV6_JOIN_GROUP if join else socket.IPV6_LEAVE_GROUP
                packed = socket.inet_pton(socket.AF_INET6, group.partition("%")[0])
                index = _index_of(on or (group if "%" in group else 0)).to_bytes(4, sys.byteorder)
                self._set(socket.IPPROTO_IPV6, option, packed + index)
            else:
                option = socket.IP_ADD_MEMBERSHIP if join else socket.IP_DROP_MEMBERSHIP
                packed = _packed_ipv4(group) + _packed_ipv4(on or "0.0.0.0")
                self._set(socket.IPPROTO_IP, option, packed)

        def look_for_interface(group: str) -> Any:
            change_there = self._as_join_error(lambda on: change(group, on), addr, interface)
            return self._resolved_interface(interface).addCallback(change_there)

        return self._resolved(addr).addCallback(look_for_interface)

    def _as_join_error(self, change: Callable[[Any], Any], *what: Any) -> Callable[[Any], Any]:
        """``change``, such that whatever is wrong with its argument is told as MulticastJoinError."""

        def attempt(found: Any) -> Any:
            try:
                return change(found)
            except (OSError, OverflowError, TypeError, ValueError) as error:
                raise self.reactor.vocabulary.error.MulticastJoinError(*what, *error.args) from error

        return attempt

    def _set(self, level: int, option: int, value: int | bytes) -> None:
        if self.socket is None:
            raise ValueError("the port is closed")
        self.socket.setsockopt(level, option, value)

    def _resolved(self, host: str) -> Any:
        """A Deferred of an IP address, looked up if ``host`` is a name."""
        if sockets.is_ipv4(host) or sockets.is_ipv6(host):
            return self.reactor.vocabulary.defer.succeed(host)
        return self.reactor.resolve(host)

    def _resolved_interface(self, interface: str | int) -> Any:
        """A Deferred of what tells an interface: over IPv4 an address, looked up if it is a name."""
        if self._on_ipv6 or not interface or not isinstance(interface, str):
            return self.reactor.vocabulary.defer.succeed(interface)
        return self._resolved(interface)


def _packed_ipv4(host: Any) -> bytes:
    """The four bytes of an address. Raises TypeError or ValueError for anything else."""
    if not isinstance(host, str):
        raise TypeError(f"over IPv4 an interface is given by an address that it has, not by {host!r}")
    if not sockets.is_ipv4(host):
        raise ValueError(f"{host} is no IPv4 address")
    return socket.inet_aton(host)


def _index_of(interface: Any) -> int:
    """The index of an interface that is given by that, by its name, or by an IPv6 address that it has.

    :raises ValueError: if it is an address that no interface has. OSError, if there is none of that name.
    """
    if isinstance(interface, int):
        return interface
    if not sockets.is_ipv6(interface):
        if sockets.is_ipv4(interface):
            raise ValueError(f"over IPv6 an interface is not given by an IPv4 address, {interface}")
        return socket.if_nametoindex(interface)
    literal = sockets.literal_address(interface, 0)
    packed = socket.inet_pton(socket.AF_INET6, interface.partition("%")[0])
    if literal is not None and literal[3]:
        return int(literal[3])
    if not any(packed):  # "::"
        return 0
    return _index_of_address(packed)


def _index_of_address(packed: bytes) -> int:
    """Which interface has an IPv6 address: Linux lists them, and Python has no call for it."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            for line in table:
                address, index, *_ = line.split()
                if bytes.fromhex(address) == packed:
                    return int(index, 16)
    except FileNotFoundError:
        pass  # another system, or one without IPv6: said below
    raise ValueError(
        f"no interface is known by the address {socket.inet_ntop(socket.AF_INET6, packed)}: give its index, "
        "as of socket.if_nametoindex(), or its name"
    )
