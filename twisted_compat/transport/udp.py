"""UDP: a port that sends and receives datagrams over IPv4 or IPv6 (RFC 768).

``datagram.py`` has the receiving and the closing, ``multicast.py`` groups.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IUDPTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.datagram import ABOUT_AN_EARLIER_ONE, DatagramPort
from twisted_compat.transport.sockets import SocketAddress

__all__ = ["Port"]

LONGEST = 65535
"""Bytes: more than any UDP datagram has. Room for more would only cost time."""

BROADCAST = "<broadcast>"
"""What the socket module takes for 255.255.255.255."""


@implementer(IUDPTransport)
class Port(DatagramPort):
    """A UDP port, which is its protocol's transport too (IUDPTransport).

    :param port: the number to bind to; 0 for one of the system's choice.
    :param proto: a DatagramProtocol.
    :param interface: an IPv4 or IPv6 literal (with scope, if any), or ``''`` for every IPv4 interface.
    :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
    :raises InvalidAddressError: if ``interface`` is anything else.
    """

    _type = "UDP"
    # The peer of a connected port: as it was given, and as the kernel has it.
    _connected_to: tuple[tuple[str, int], SocketAddress] | None = None

    def __init__(
        self, port: int, proto: Any, interface: str = "", maxPacketSize: int = 8192, reactor: Any = None
    ) -> None:
        super().__init__(proto, maxPacketSize, reactor)
        self.maxPacketSize = min(maxPacketSize, LONGEST)
        self.port = port
        self.interface = interface
        if sockets.is_ipv6(interface):
            self._use_family(socket.AF_INET6)
        elif interface and not sockets.is_ipv4(interface):
            raise self._invalid(interface, "An interface is given by its IPv4 or IPv6 address.")

    @classmethod
    def _fromListeningDescriptor(
        cls, reactor: Any, fd: int, addressFamily: int, protocol: Any, maxPacketSize: int
    ) -> Port:
        """A port over a socket that somebody else bound. IReactorSocket.adoptDatagramPort.

        :param fd: its descriptor; it is duplicated, the caller keeps and closes its own.
        :param addressFamily: AF_INET or AF_INET6.
        :raises UnsupportedAddressFamily: for any other family. OSError, if ``fd`` is no socket.
        """
        sockets.check_family(reactor.vocabulary, addressFamily, (socket.AF_INET, socket.AF_INET6))
        self = cls(0, protocol, "", maxPacketSize, reactor)
        self._use_family(addressFamily)
        self._adopted = sockets.adopted_socket(reactor.vocabulary, fd, addressFamily, cls.socketType)
        return self

    def _use_family(self, family: int) -> None:
        self.addressFamily = family
        self._tells_address_as_it_is = family == socket.AF_INET

    def _invalid(self, address: Any, why: str) -> Exception:
        error: Exception = self.reactor.vocabulary.error.InvalidAddressError(address, why)
        return error

    # Beginning

    def _take_place(self, skt: socket.socket) -> None:
        sockets.bind_socket(skt, self.interface or "", self.port)

    @property
    def _realPortNumber(self) -> int | None:
        """The number that it is bound to; None when not in use."""
        if self.socket is None:
            return None
        number: int = self.socket.getsockname()[1]
        return number

    def _place(self) -> str:
        return str(self._realPortNumber)

    def connect(self, host: str, port: int) -> None:
        """Tie the port to one peer (IUDPTransport): it sends there only, and hears only from there.

        :param host: an IP address.
        :param port: 1 to 65535.
        :raises InvalidAddressError: if ``host`` is a name, or of the other family; or ``port`` is none.
        :raises RuntimeError: if it is connected already, or closed.
        """
        if self.socket is None:
            raise RuntimeError("A port that is closed can't be connected. Call startListening() first.")
        if self._connected_to is not None:
            raise RuntimeError(
                f"This port is connected to {self._connected_to[0]} already. "
                "Write reactor.listenUDP(0, ...) for a port to another peer."
            )
        if host == BROADCAST:
            raise self._invalid(host, "A port is connected to an IP address.")
        if not 0 < port < 65536:
            raise self._invalid(port, "A port number is 1 to 65535.")
        self.socket.connect(self._target((host, port)))
        self._told = self._sender = None  # whom it heard of before, it may not send to
        # As the kernel writes it, so that it can be told from strangers, of whom datagrams may wait.
        self._connected_to = (host, port), self.socket.getpeername()
        self._tells_address_as_it_is = False

    def _close_socket(self) -> None:
        super()._close_socket()
        self._connected_to = None
        self._use_family(self.addressFamily)

    # Receiving

    def _deliver(self, data: bytes, sender: SocketAddress) -> Any:
        peer = self._connected_to
        if peer is not None and sender != peer[1]:
            return None  # it came before the port was connected
        if len(sender) == 2:
            self._told = sender
        elif sender[3]:
            self._told = sockets.scoped_host(sender), sender[1]
        else:
            self._told = sender[:2]
        self._sender = sender
        return self.protocol.datagramReceived(data, self._told)

    # Sending

    def write(  # type: ignore[override]  # a datagram goes to somebody
        self, datagram: bytes, addr: tuple[str, int] | None = None
    ) -> None:
        """Send a datagram, at once (IUDPTransport). Once the port is closed it is dropped.

        If the kernel has no room for it, it is dropped and counted in ``datagrams_dropped``: it is UDP.

        :param addr: ``(ip address, port)``, or ``("<broadcast>", port)``; None if the port is connected.
        :raises InvalidAddressError: if the host is a name, or of the other family.
        :raises TypeError: if ``addr`` is no pair of a str and an int, or ``datagram`` no bytes.
        :raises ValueError: if the port is connected to somebody else, or to nobody and ``addr`` is None.
        :raises MessageLengthError: if it is too long for one datagram.
        :raises PermissionError: if broadcasting is not allowed; see :meth:`setBroadcastAllowed`.
        :raises OSError: if the system refuses for another reason, such as that there is no route.
        """
        skt = self.socket
        if skt is None:
            return
        if self._connected_to is not None:
            if addr is not None and addr is not self._told:
                self._check_peer(addr)
            try:
                skt.send(datagram)
            except OSError as error:
                self._send_failed(error, skt.send, datagram)
            return
        if addr is None:
            raise ValueError(
                "A port that is not connected must be told where to send. Write "
                "transport.write(datagram, (host, port)), or transport.connect(host, port) first."
            )
        target = self._sender if addr is self._told else self._target(addr)
        try:
            skt.sendto(datagram, target)
        except OSError as error:
            self._send_failed(error, skt.sendto, datagram, target)

    def writeSequence(  # type: ignore[override]  # as in write
        self, seq: Iterable[bytes], addr: tuple[str, int] | None = None
    ) -> None:
        """Send one datagram that is given in pieces; see :meth:`write`."""
        self.write(b"".join(seq), addr)

    def _check_peer(self, addr: tuple[str, int]) -> None:
        assert self._connected_to is not None
        given, peer = self._connected_to
        if tuple(addr) != given and not sockets.same_host_and_port(self._target(addr), peer):
            raise ValueError(
                f"This port is connected to {given}, and can't send to {addr}. "
                "Leave the address out, or write reactor.listenUDP(0, ...) for another port."
            )

    def _target(self, addr: Any) -> SocketAddress:
        """Where to send, as the kernel wants it. InvalidAddressError, unless it is an address of this port's
        family."""
        try:
            host, port, *scope = addr
            if isinstance(host, bytes):
                host = host.decode("ascii")
            on_ipv4 = sockets.is_ipv4(host) or host == BROADCAST
        except (TypeError, ValueError):
            raise TypeError(
                f"Where to send is a pair of an IP address and a port, not {addr!r}. "
                'Write transport.write(datagram, ("127.0.0.1", 8000)).'
            ) from None
        if not on_ipv4 and not sockets.is_ipv6(host):
            raise self._invalid(host, "A datagram goes to an IP address, not to a name: resolve it first.")
        if on_ipv4 != (self.addressFamily == socket.AF_INET):
            ours, others = ("an IPv4", "an IPv6") if not on_ipv4 else ("an IPv6", "an IPv4")
            raise self._invalid(host, f"This is {ours} port, which can't send to {others} address.")
        if on_ipv4:
            return ("255.255.255.255" if host == BROADCAST else host), port
        if "%" in host:
            return sockets.literal_address(host, port) or (host, port)
        return (host, port, *scope)

    def _send_failed(self, error: OSError, send: Callable[..., Any], *args: Any) -> None:
        refused = error.errno == errno.ECONNREFUSED
        if refused:
            self._refused_later()
        try:
            if refused or (self._connected_to is not None and error.errno in ABOUT_AN_EARLIER_ONE):
                # That is about a datagram sent before; told once, it is out of the way of this one.
                try:
                    send(*args)
                    return
                except OSError as again:
                    error = again
            if error.errno == errno.ECONNREFUSED:
                self.datagrams_dropped += 1
            elif error.errno == errno.EACCES and not self.getBroadcastAllowed():
                remedy = "call transport.setBroadcastAllowed(True) first, if this is a broadcast"
                raise PermissionError(error.errno, f"{error.strerror}: {remedy}") from error
            else:
                super()._send_failed(error, send, *args)
        finally:
            del error  # its traceback comes to have this frame: the two would be a cycle

    # Options

    def getBroadcastAllowed(self) -> bool:
        """Whether datagrams may be sent to a broadcast address (IUDPTransport)."""
        return bool(self._open_socket().getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST))

    def setBroadcastAllowed(self, enabled: bool) -> None:
        """Allow sending to a broadcast address, or don't, as at first (IUDPTransport)."""
        self._open_socket().setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, int(bool(enabled)))

    def _open_socket(self) -> socket.socket:
        if self.socket is None:
            raise RuntimeError("The port is closed. Call startListening() first.")
        return self.socket
