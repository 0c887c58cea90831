"""UNIX datagram sockets (unix(7)): bound or not, and connected to one peer.

``datagram.py`` has the receiving and the closing, ``unix_path.py`` the names. The file of a socket stays when
its port is closed, as programs for Twisted expect, which remove it themselves.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IConnector, IUNIXDatagramConnectedTransport, IUNIXDatagramTransport
from twisted_compat.transport import datagram, sockets
from twisted_compat.transport.sockets import AF_UNIX
from twisted_compat.transport.unix_path import SocketName

__all__ = ["ConnectedDatagramPort", "DatagramPort"]

Path = str | bytes | os.PathLike[Any]

_REFUSED = frozenset({errno.ECONNREFUSED, errno.ENOTCONN, errno.ECONNRESET})  # the peer's socket is closed


@implementer(IUNIXDatagramTransport)
class DatagramPort(datagram.DatagramPort):
    """A UNIX socket that exchanges datagrams with any other, and its protocol's transport
    (IUNIXDatagramTransport).

    :param addr: the path or abstract name to bind to; None or empty for none, so that nobody can answer.
    :param proto: a DatagramProtocol; the address that it is told of is a path, or bytes if the sender's name
        is abstract, or None if it has none.
    :param mode: the permission bits of the socket's file.
    """

    addressFamily = 0 if AF_UNIX is None else AF_UNIX
    _type = "UNIX"

    def __init__(
        self, addr: Path | None, proto: Any, maxPacketSize: int = 8192, mode: int = 0o666, reactor: Any = None
    ) -> None:
        super().__init__(proto, maxPacketSize, reactor)
        self.port = addr
        self.mode = mode
        self._socket_name = SocketName(addr) if addr else None

    @classmethod
    def _fromListeningDescriptor(
        cls, reactor: Any, fd: int, addressFamily: int, protocol: Any, maxPacketSize: int
    ) -> DatagramPort:
        """A port over a socket that somebody else made. IReactorSocket.adoptDatagramPort."""
        sockets.check_family(reactor.vocabulary, addressFamily, (AF_UNIX,))
        skt = sockets.adopted_socket(reactor.vocabulary, fd, addressFamily, cls.socketType)
        self = cls(skt.getsockname() or None, protocol, maxPacketSize, reactor=reactor)
        self._adopted = skt
        return self

    def _take_place(self, skt: socket.socket) -> None:
        if self._socket_name is not None:
            self._socket_name.bind(skt, self.mode)

    def _leave_place(self) -> None:
        if self._socket_name is not None:
            self._socket_name.leave(self.reactor.vocabulary.log)

    def _place(self) -> str:
        return repr(None if self._socket_name is None else str(self._socket_name))

    def write(  # type: ignore[override]  # a datagram goes to somebody
        self, datagram: bytes, address: Path
    ) -> None:
        """Send a datagram, at once (IUNIXDatagramTransport). Once the port is closed it is dropped.

        If the receiver's queue is full, it is dropped and counted in ``datagrams_dropped``.

        :param address: the receiver's path or abstract name.
        :raises MessageLengthError: if it is too long for one datagram.
        :raises OSError: if nobody receives there, or the system refuses for another reason.
        """
        skt = self.socket
        if skt is None:
            return
        if address is self._told:
            target = address
        else:
            name = SocketName(address)
            name.check()
            target = name.encoded
        try:
            skt.sendto(datagram, target)
        except OSError as error:
            self._send_failed(error, skt.sendto, datagram, target)

    def writeSequence(  # type: ignore[override]  # as in write
        self, seq: Iterable[bytes], address: Path
    ) -> None:
        """Send one datagram that is given in pieces; see :meth:`write`."""
        self.write(b"".join(seq), address)


@implementer(IUNIXDatagramConnectedTransport, IConnector)
class ConnectedDatagramPort(datagram.DatagramPort):
    """A UNIX socket that exchanges datagrams with one other, and its protocol's transport
    (IUNIXDatagramConnectedTransport). Its own connector, too (IConnector): there is no waiting to connect.

    :param addr: the other's path or abstract name.
    :param proto: a ConnectedDatagramProtocol. Its ``connectionFailed`` is called, on a later turn, if the
        other is not there; its ``connectionRefused``, if that is noticed later.
    :param mode: the permission bits of our own socket's file, if it has one.
    :param bindAddress: our own path or abstract name; None for none, so that the other can't answer.
    """

    addressFamily = 0 if AF_UNIX is None else AF_UNIX
    _type = "UNIX"
    _tells_address_as_it_is = False  # nor at all

    def __init__(
        self,
        addr: Path,
        proto: Any,
        maxPacketSize: int = 8192,
        mode: int = 0o666,
        bindAddress: Path | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__(proto, maxPacketSize, reactor)
        self.port = bindAddress
        self.mode = mode
        self.remoteaddr = addr
        self._peer_name = SocketName(addr)
        self._socket_name = SocketName(bindAddress) if bindAddress else None

    def _take_place(self, skt: socket.socket) -> None:
        if self._socket_name is not None:
            self._socket_name.bind(skt, self.mode)

    def _leave_place(self) -> None:
        if self._socket_name is not None:
            self._socket_name.leave(self.reactor.vocabulary.log)

    def _place(self) -> str:
        return str(self._peer_name)

    def startListening(self) -> None:
        """Connect, and start the protocol, which may write from now on (IListeningPort).

        :raises AlreadyListened: if the port is in use.
        """
        self._refuse_if_in_use()
        vocabulary = self.reactor.vocabulary
        skt, what_went_wrong = None, vocabulary.error.getConnectError
        try:
            skt = self.createInternetSocket()
            self._peer_name.check()
            skt.connect(self._peer_name.encoded)
            # Not before: strangers can't send to who has a peer; what they had sent would be taken for his.
            what_went_wrong = partial(vocabulary.error.CannotListenError, None, self.port)
            self._take_place(skt)
        except OSError as exc:
            if skt is not None:
                skt.close()
            self._leave_place()
            self.connectionFailed(vocabulary.failure.Failure(what_went_wrong(exc)))
        else:
            self._begin(skt)

    def connectionFailed(self, reason: Any) -> None:
        """Tell the protocol, on a later turn, that there is no connection.

        :param reason: why, a Failure.
        """
        self.reactor.callLater(0, self._tell_failed, reason)

    def _tell_failed(self, reason: Any) -> None:
        try:
            self.protocol.connectionFailed(reason)
        except Exception:
            self.reactor.vocabulary.log.exception("connectionFailed of %r raised", self.protocol)

    def _deliver(self, data: bytes, sender: Any) -> Any:
        return self.protocol.datagramReceived(data)

    def write(self, datagram: bytes) -> None:  # type: ignore[override]  # one piece is one datagram
        """Send a datagram, at once (IUNIXDatagramConnectedTransport). Once the port is closed it is dropped.

        If the peer's queue is full, or the peer is gone, it is dropped and counted in ``datagrams_dropped``;
        in the latter case the protocol's ``connectionRefused`` is called on a later turn.

        :raises MessageLengthError: if it is too long for one datagram.
        :raises OSError: if the system refuses for another reason.
        """
        skt = self.socket
        if skt is None:
            return
        try:
            skt.send(datagram)
        except OSError as error:
            self._send_failed(error, skt.send, datagram)

    def writeSequence(self, seq: Iterable[bytes]) -> None:  # type: ignore[override]  # as in write
        """Send one datagram that is given in pieces; see :meth:`write`."""
        self.write(b"".join(seq))

    def _send_failed(self, error: OSError, *args: Any) -> None:
        if error.errno in _REFUSED:
            self.datagrams_dropped += 1
            self._refused_later()
        else:
            super()._send_failed(error, *args)

    def getPeer(self) -> Any:
        """The address of the other socket, a UNIXAddress."""
        return self.reactor.vocabulary.address.UNIXAddress(self._peer_name.encoded)

    # What a connector has

    def getDestination(self) -> Any:
        """The address of the other socket, a UNIXAddress (IConnector)."""
        return self.getPeer()

    def connect(self) -> None:
        """Connect again (IConnector): :meth:`startListening`.

        :raises RuntimeError: if it is connected.
        """
        if self.connected:
            raise RuntimeError("can't connect in this state: it is connected. Call disconnect() first.")
        self.startListening()

    def disconnect(self) -> None:
        """Close (IConnector): :meth:`stopListening`."""
        self.stopListening()

    def stopConnecting(self) -> None:
        """Connecting takes no time that it could be stopped in (IConnector). Raises NotConnectingError."""
        raise self.reactor.vocabulary.error.NotConnectingError(
            "a UNIX datagram socket is connected at once, or not at all: write disconnect()"
        )
