"""UNIX stream sockets (unix(7)): ports, both ends of a connection, and the connector.

The life of a connection is that of TCP's: :mod:`.tcp_listen`, :mod:`.tcp_connect`. What is different: names
are paths (:mod:`.unix_path`), and descriptors travel with the bytes (:mod:`.unix_passing`).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, NamedTuple

from zope.interface import implementer

from twisted_compat.interfaces import IUNIXTransport
from twisted_compat.transport import sockets, tcp_connect, tcp_listen
from twisted_compat.transport.connector import BaseConnector
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.sockets import AF_UNIX
from twisted_compat.transport.tcp import Connection
from twisted_compat.transport.tcp_connect import ClientState
from twisted_compat.transport.unix_passing import Extras, Sender, close_all, receive
from twisted_compat.transport.unix_path import SocketName, shown

__all__ = ["Client", "Connector", "PeerCredentials", "Port", "Server", "UNIXConnection"]

MOST_WAITING = 64
"""How many descriptors may wait to be sent before a streaming producer is paused."""

_FIRST_RETRY, _LAST_RETRY = 0.002, 0.1  # seconds between attempts to connect to a port whose queue is full
_CREDENTIALS = struct.Struct("iII")  # struct ucred


class PeerCredentials(NamedTuple):
    """Which process is at the other end, as of when it connected or began to listen (SO_PEERCRED, unix(7)).

    :ivar pid: its process id.
    :ivar uid: its user's.
    :ivar gid: its group's.
    """

    pid: int
    uid: int
    gid: int


@implementer(IUNIXTransport)
class UNIXConnection(Connection):
    """What a UNIX connection has beyond a TCP one, whichever end it is (IUNIXTransport)."""

    _sender: Sender | None = None  # where a descriptor has been sent

    def sendFileDescriptor(self, descriptor: int) -> None:
        """Send a descriptor, with the first byte that is written after it (IUNIXTransport).

        It is duplicated at once. A streaming producer is paused when many wait. Once the connection is lost
        or its write side shut, it is dropped, as bytes are. If the connection is closed before there is a
        byte for each, ``connectionLost`` hears FileDescriptorOverrun.

        :raises OSError: if it is not open, or can't be duplicated.
        """
        if not self.connected or self._writeDisconnected or self._aborting:
            return
        self.startWriting()  # first, because it may refuse: a wrong thread
        if self._sender is None:
            self._sender = Sender()
        self._sender.add(descriptor, self._buffer.size)
        self._maybePauseProducer()

    def peer_credentials(self) -> PeerCredentials:
        """Which process is at the other end.

        :raises NotImplementedError: on a system without SO_PEERCRED.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise NotImplementedError("This system doesn't tell who is at the other end in a way known here.")
        packed = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return PeerCredentials(*_CREDENTIALS.unpack(packed))

    # Writing

    def doWrite(self) -> Any:
        """Send from the buffer (IWriteDescriptor); with the descriptors, if any wait."""
        if self._sender:
            return FileDescriptor.doWrite(self)
        return super().doWrite()

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        """Send up to ``SEND_LIMIT`` bytes of ``data``, with the descriptors that travel with them.

        :returns: the number of bytes that the kernel took (0: try later), or ConnectionLost.
        """
        if not self._sender:
            return super().writeSomeData(data)
        try:
            return self._sender.send(self.socket, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            return self._send_failed(error)

    _ours_to_send = writeSomeData

    def _isSendBufferFull(self) -> bool:
        too_many = self._sender is not None and len(self._sender) > MOST_WAITING
        return too_many or super()._isSendBufferFull()

    def _postLoseConnection(self) -> Any:
        if self._sender:
            return self.reactor.vocabulary.error.FileDescriptorOverrun()
        return super()._postLoseConnection()

    def _closeWriteConnection(self) -> Any:
        if self._sender:
            return self.reactor.vocabulary.error.FileDescriptorOverrun()
        return super()._closeWriteConnection()

    def connectionLost(self, reason: Any) -> None:
        """Close the socket and tell the protocol why (IFileDescriptor). A second call does nothing."""
        if self._sender is not None:
            self._sender.close()
        super().connectionLost(reason)

    # Reading

    def doRead(self) -> Any:
        """Read once, and give the protocol the descriptors that have come, then the bytes (IReadDescriptor).

        :returns: as Connection's.
        """
        try:
            data, extras = receive(self.socket, self.bufferSize)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            return sockets.connection_lost(self.reactor.vocabulary, error)
        if extras is not None:
            lost = self._take(extras)
            if lost is not None or self.disconnected or self._aborting:
                return lost
        if data:
            return self.protocol.dataReceived(data)
        return self.reactor.vocabulary.error.ConnectionDone()

    def _take(self, extras: Extras) -> BaseException | None:
        """Give the protocol the descriptors. ConnectionLost, if some did not get through."""
        vocabulary, protocol = self.reactor.vocabulary, self.protocol
        for level, kind in extras.others:
            what = f"level {level}, type {kind}"
            vocabulary.log.info("%r received unsupported ancillary data (%s)", self, what)
        if extras.truncated:
            close_all(extras.descriptors)
            lost: BaseException = vocabulary.error.ConnectionLost(
                "descriptors that were sent have been lost: this process can't open so many (ulimit -n)"
            )
            return lost
        if vocabulary.interfaces.IFileDescriptorReceiver.providedBy(protocol):
            remaining = iter(extras.descriptors)
            try:
                for fd in remaining:
                    protocol.fileDescriptorReceived(fd)
                    if self.disconnected or self._aborting:
                        break
            finally:
                close_all(remaining)
        elif extras.descriptors:
            # The words, and the names in them, are those that programs for Twisted look for.
            vocabulary.log.warning(
                "%(protocolName)s (on %(hostAddress)r) does not provide IFileDescriptorReceiver; "
                "closing file descriptor received (from %(peerAddress)r).",
                {
                    "protocolName": log_prefix(vocabulary, protocol),
                    "hostAddress": self.getHost(),
                    "peerAddress": self.getPeer(),
                },
            )
            close_all(extras.descriptors)
        return None

    # Socket options that are TCP's alone

    def getTcpNoDelay(self) -> bool:
        """Always False: there is no such delay."""
        return False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing happens: there is no such delay, and programs for TCP need not know."""


class Server(UNIXConnection, tcp_listen.Server):
    """The server's end of a UNIX connection; see :class:`~.tcp_listen.Server`."""

    _families = (AF_UNIX,)

    def _hostname(self) -> str:
        return shown(self.client or "")

    def _is_adopted(self, host: Any) -> None:
        self._adopted_on = shown(host)
        self.logstr = f"{self._protocol_name},{self.sessionno},{self._adopted_on}"


class Port(tcp_listen.Port):
    """A listening UNIX socket; see :class:`~.tcp_listen.Port`.

    :param fileName: the path, or an abstract name that begins with a zero byte.
    :param mode: the permission bits of the socket's file.
    :param wantPID: whether to hold a lock file beside it, ``fileName + ".lock"``, as long as it listens; and
        to take over what a dead process has left of both.
    :raises ValueError: for an abstract name, if ``wantPID``.
    """

    addressFamily = 0 if AF_UNIX is None else AF_UNIX
    transport = Server
    _type = "UNIX"
    _peers_have_names = False

    def __init__(
        self,
        fileName: str | bytes | os.PathLike[Any],
        factory: Any,
        backlog: int | None = 50,
        mode: int = 0o666,
        reactor: Any = None,
        wantPID: bool | int = 0,
    ) -> None:
        super().__init__(0, factory, backlog, "", reactor)
        self._socket_name = SocketName(fileName)
        self.port = self._socket_name.encoded
        self.interface = None
        self.mode = mode
        self.wantPID = wantPID
        if wantPID:
            self._socket_name.refuse_if_abstract()

    @classmethod
    def _fromListeningDescriptor(cls, reactor: Any, fd: int, addressFamily: int, factory: Any) -> Port:
        """A port over a socket that somebody else bound and made listen; its file stays theirs. See
        :meth:`.tcp_listen.Port._fromListeningDescriptor`."""
        vocabulary = reactor.vocabulary
        sockets.check_family(vocabulary, addressFamily, (AF_UNIX,))
        skt = sockets.adopted_socket(vocabulary, fd, addressFamily, cls.socketType, listening=True)
        self = cls(skt.getsockname(), factory, None, reactor=reactor)
        self._adopted = skt
        return self

    def _bind(self, skt: socket.socket) -> None:
        if self.wantPID:
            self._socket_name.lock()
        self._socket_name.bind(skt, self.mode)

    def _leave_place(self) -> None:
        self._socket_name.leave(self.reactor.vocabulary.log)

    def _name(self) -> str:
        return str(self._socket_name)

    def _name_to_log(self) -> str:
        return repr(self._name())

    @property
    def _realPortNumber(self) -> None:
        return None

    def __repr__(self) -> str:
        where = "(not listening)" if self.socket is None else f"on {self._name()!r}"
        return f"<{self.logPrefix()} {where}>"


class Client(UNIXConnection, tcp_connect.Client):
    """The client's end of a UNIX connection; see :class:`~.tcp_connect.Client`.

    :param name: of the socket to connect to.
    :param checkPID: whether to connect only if a living process holds the lock file.
    """

    _retry: Any = None
    _retry_delay = _FIRST_RETRY

    def __init__(
        self, name: SocketName, connector: BaseConnector, checkPID: bool | int = 0, reactor: Any = None
    ) -> None:
        self._socket_name = name
        self.addressFamily = sockets.family_of(name.encoded)
        self._check_pid = checkPID
        self.bindAddress = None
        self._begin(name.encoded, connector, reactor)

    def _literal(self) -> bytes:
        return self._socket_name.encoded

    def resolveAddress(self) -> None:
        """Look whether it is served, then connect. Called once, on the turn after the constructor's."""
        if self.state is not ClientState.RESOLVING:
            return
        name, error = self._socket_name, self.reactor.vocabulary.error
        try:
            name.check()
            if self._check_pid and not name.is_locked():
                why = f"{name}: no living process holds {name}.lock"
                self.failIfNotConnected(error.BadFileError(string=why))
                return
        except (OSError, ValueError) as exc:
            self.failIfNotConnected(error.getConnectError(exc))
            return
        self._targets.append(name.encoded)
        self._try_next()

    def _wait_for_kernel(self, code: int) -> None:
        """The port's queue is full. The kernel won't say when it no longer is: ask now and then."""
        if code == errno.EINPROGRESS:
            super()._wait_for_kernel(code)
            return
        self._retry = self.reactor.callLater(self._retry_delay, self.doConnect)
        self._retry_delay = min(self._retry_delay * 2, _LAST_RETRY)

    def _close_attempt(self) -> None:
        call_off(self._retry)
        self._retry = None
        super()._close_attempt()


class Connector(BaseConnector):
    """The connector of a ``connectUNIX``.

    :param address: the path of the socket to connect to, or an abstract name.
    :param checkPID: whether to connect only if a living process holds the lock file.
    :raises ValueError: for an abstract name, if ``checkPID``.
    """

    def __init__(
        self,
        address: str | bytes | os.PathLike[Any],
        factory: Any,
        timeout: float | None,
        reactor: Any = None,
        checkPID: bool | int = 0,
    ) -> None:
        super().__init__(factory, timeout, reactor)
        self.address = address
        self.checkPID = checkPID
        self._socket_name = SocketName(address)
        if checkPID:
            self._socket_name.refuse_if_abstract()

    def _makeTransport(self) -> Client:
        return Client(self._socket_name, self, self.checkPID, self.reactor)

    def getDestination(self) -> Any:
        """The address that was asked for, a UNIXAddress (IConnector)."""
        return self.reactor.vocabulary.address.UNIXAddress(self._socket_name.encoded)
