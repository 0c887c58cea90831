"""A connection that is up: reading from its socket into a protocol, and writing what the protocol gives.

``tcp_connect.py`` has the side that connects, ``tcp_listen.py`` the side that accepts; both are subclasses,
and those in ``unix.py`` theirs. ``descriptor.py`` has the buffering and the closing.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import ISystemHandle, ITCPTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.buffer import WriteBuffer
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.layer import forget_layer
from twisted_compat.transport.tls_factory import start_tls

__all__ = ["Connection"]

_KERNEL_SHORT_OF_MEMORY = frozenset({errno.ENOBUFS, errno.ENOMEM})
_GATHERS = hasattr(socket.socket, "sendmsg")  # not on Windows
_DISCARDED_READS = 64  # 4 MiB with the usual bufferSize: about what a kernel holds for one connection
_LINGER_NOT = struct.pack("ii", 1, 0)  # struct linger: on, for no time at all, so that close() resets


@implementer(ITCPTransport, ISystemHandle)
class Connection(FileDescriptor):
    """A connected stream socket and the protocol that talks through it.

    :param skt: the socket; it is made non-blocking.
    :param protocol: an IProtocol provider, or None for one that is given later.
    :param reactor: an IReactorFDSet provider with a ``vocabulary``; None means the current reactor.
    :ivar socket: the socket. After :meth:`connectionLost` it is closed.
    :ivar protocol: who is told of data; may be replaced at any time. None after :meth:`connectionLost`.
    """

    turn_flush = True
    is_client = False
    """Whether this side made the connection, and so is TLS's client unless told otherwise."""
    TLS = False
    """Whether TLS has been started on it."""
    read_buffer: memoryview | None = None
    """Where to read to, in the place of new bytes, if the protocol copies what it is given, as TLS does."""
    reason_above: Any = None
    """Why it is lost, a Failure, where TLS knows better."""
    asked_host: str | None = None
    """The host that this side was asked to connect to, by name or by address."""
    logstr = "Uninitialized"
    _host: Any = None  # the two addresses, once they were asked for: a web server does so for each request
    _peer: Any = None
    _aborting = False
    _read_ended = False  # the peer's end of stream has been told to an IHalfCloseableProtocol

    def __init__(self, skt: Any, protocol: Any, reactor: Any = None) -> None:
        super().__init__(reactor)
        self.socket = skt
        skt.setblocking(False)
        self.protocol = protocol
        kind = type(self)
        self._sends_itself = kind.writeSomeData is not kind._ours_to_send  # as a user's subclass may

    def fileno(self) -> int:
        """The socket's number; -1 once it is closed (IFileDescriptor)."""
        number: int = self.socket.fileno()
        return number

    def getHandle(self) -> Any:
        """The socket (ISystemHandle)."""
        return self.socket

    def getHost(self) -> Any:
        """The address of this end (an IAddress provider)."""
        if self._host is not None:
            return self._host
        host = sockets.address_of(self.reactor.vocabulary, self.socket.getsockname())
        if self.connected:  # else it is not the last word
            self._host = host
        return host

    def logPrefix(self) -> str:
        """The protocol's name and this side's role, for log lines (ILoggingContext)."""
        return self.logstr

    # Reading

    def doRead(self) -> Any:
        """Read once, up to ``bufferSize`` bytes, and give them to the protocol (IReadDescriptor).

        :returns: what the protocol's ``dataReceived`` returned; ConnectionDone at the end of the stream;
            ConnectionLost if reading failed.
        """
        shared = self.read_buffer
        try:
            data: Any
            if shared is None:
                data = self.socket.recv(self.bufferSize)
            else:
                data = shared[: self.socket.recv_into(shared)]
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            return sockets.connection_lost(self.reactor.vocabulary, error)
        if data:
            return self.protocol.dataReceived(data)
        return self.reactor.vocabulary.error.ConnectionDone()

    # Writing

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        """Send up to ``SEND_LIMIT`` bytes of ``data`` without blocking.

        :returns: the number of bytes that the kernel took (0: try later), or ConnectionLost.
        """
        try:
            if len(data) > self.SEND_LIMIT:
                data = memoryview(data)[: self.SEND_LIMIT]
            sent: int = self.socket.send(data)
            return sent
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            return self._send_failed(error)

    _ours_to_send = writeSomeData  # what doWrite below does the same as

    def _send_failed(self, error: OSError) -> int | BaseException:
        if error.errno in _KERNEL_SHORT_OF_MEMORY:
            return 0
        return sockets.connection_lost(self.reactor.vocabulary, error)

    def doWrite(self) -> Any:
        """Send from the buffer (IWriteDescriptor), as FileDescriptor's does; 0 also says that the kernel took
        less than it was given, so that there is no use in trying again. Who extends this hands that on.

        This is it once more, without the calls that the general case needs: nearly every write of a server is
        one piece that goes out whole, and then an answer takes a sixth less of Python's time.
        """
        buffer = self._buffer
        if not buffer.size or self._sends_itself:
            return super().doWrite()
        size, data = buffer.size, buffer.single
        try:
            if data is None or size > self.SEND_LIMIT:
                size, sent = self._send_several(buffer)
            else:
                sent = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            return self._send_failed(error)
        if sent == buffer.size and buffer.single is not None:
            buffer.single = None
            buffer.size = 0
        else:
            buffer.consume(sent)
            if buffer.size:
                return 0 if sent < size else None
        registration = self._registration
        if (
            registration is None
            or registration.writing is not None
            or self.producer is not None
            or self.disconnecting
            or self._writeDisconnecting
        ):
            return self._sent_all()
        registration.armed = False
        return None

    def _send_several(self, buffer: WriteBuffer) -> tuple[int, int]:
        """Send what is more than one piece, or too much for one send.

        :returns: the number of bytes that the kernel was given, and of those that it took. Raises what
            ``socket.send`` raises.
        """
        pieces = buffer.pieces(self.SEND_LIMIT) if _GATHERS else None
        if pieces is None:
            head = buffer.head(self.SEND_LIMIT)
            return len(head), self.socket.send(head)
        return min(buffer.size, self.SEND_LIMIT), self.socket.sendmsg(pieces)

    # TLS

    def startTLS(self, contextFactory: Any, normal: bool = True, **options: Any) -> None:
        """Encrypt everything from here on, in both directions (ITLSTransport).

        :param contextFactory: an ``ssl.SSLContext``, or what else the vocabulary's TLS takes.
        :param normal: False: the side that accepted the connection is TLS's client.
        :param options: in the native vocabulary ``server_hostname``, ``ssl_handshake_timeout`` and
            ``ssl_shutdown_timeout``; see
            :func:`~.tls_factory.start_tls`.
        """
        (self.reactor.vocabulary.start_tls or start_tls)(self, contextFactory, normal, **options)

    # Closing

    def readConnectionLost(self, reason: Any) -> None:
        """The peer will send no more: an IHalfCloseableProtocol is told; for any other the connection is
        lost. A second call does nothing."""
        if self._read_ended:
            return
        self._read_ended = True
        if self._tell_half_closed("readConnectionLost") is None:
            self.connectionLost(reason)

    def _closeWriteConnection(self) -> Any:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            return sockets.connection_lost(self.reactor.vocabulary, error)
        self._tell_half_closed("writeConnectionLost")
        return None

    def _tell_half_closed(self, method: str) -> bool | None:
        """Call the protocol's ``method`` if it is an IHalfCloseableProtocol.

        :returns: None if it is none; else whether it returned. If it raised, that is logged and the
            connection is lost with it.
        """
        protocol = self.protocol
        vocabulary = self.reactor.vocabulary
        if protocol is None or not vocabulary.interfaces.IHalfCloseableProtocol.providedBy(protocol):
            return None
        try:
            getattr(protocol, method)()
        except Exception as error:
            vocabulary.log.exception("%s of %r raised: its connection is closed", method, protocol)
            self.connectionLost(vocabulary.failure.Failure(error))
            return False
        return True

    def abortConnection(self) -> None:
        """Close at once, without sending what waits (ITCPTransport).

        ``connectionLost`` follows on a later turn, with ConnectionAborted.
        """
        if self.disconnected or self._aborting:
            return
        self._aborting = True
        self.stopReading()
        self.stopWriting()
        self._buffer.clear()
        vocabulary = self.reactor.vocabulary
        reason = vocabulary.failure.Failure(vocabulary.error.ConnectionAborted())
        self.reactor.callLater(0, self.connectionLost, reason)

    # While the abort is on its way nothing may be watched again, whatever the protocol or its producer asks
    # for meanwhile.

    def startReading(self) -> None:
        """Have :meth:`doRead` called whenever there is something to read, unless nothing more will come."""
        if not self._aborting and not self._read_ended:
            self.reactor.addReader(self)

    def startWriting(self) -> None:
        """Have :meth:`doWrite` called when data can be written, unless the connection is being aborted."""
        if not self._aborting:
            self.reactor.addWriter(self)

    def connectionLost(self, reason: Any) -> None:
        """Close the socket and tell the protocol why (IFileDescriptor). A second call does nothing."""
        if self.disconnected:
            return
        super().connectionLost(reason)
        if self.TLS:
            forget_layer(self)
        aborted = self._aborting or reason.check(self.reactor.vocabulary.error.ConnectionAborted)
        self._closeSocket(not aborted)
        # The protocol keeps its transport: without this the two would be a cycle.
        protocol, self.protocol = self.protocol, None
        try:
            if protocol is not None:
                protocol.connectionLost(reason)
        finally:
            if self.TLS:
                forget_layer(self, answers_too=True)

    def _closeSocket(self, orderly: bool) -> None:
        """Close the socket: with a FIN if ``orderly``, else with a reset."""
        try:
            if orderly:
                self._discard_unread()
                self.socket.shutdown(socket.SHUT_RDWR)
            else:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        except OSError as error:  # the peer was first: there is nothing to shut any more
            self.reactor.vocabulary.log.debug("closing %r: %s", self, error)
        self.socket.close()

    def _discard_unread(self) -> None:
        """Take what the peer has sent and nobody reads any more.

        Closing over it would make the kernel send a reset, which drops whatever of our own data has not yet
        reached the peer. Bounded: a peer that sends as fast as we read can't hold up the closing.
        """
        try:
            for _ in range(_DISCARDED_READS):
                if not self.socket.recv(self.bufferSize):
                    break
        except BlockingIOError:
            pass  # there is no more

    # Socket options

    def getTcpNoDelay(self) -> bool:
        """Whether TCP_NODELAY is on: small writes then leave without waiting for more (ITCPTransport)."""
        return bool(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Turn TCP_NODELAY on or off (ITCPTransport)."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(bool(enabled)))

    def getTcpKeepAlive(self) -> bool:
        """Whether SO_KEEPALIVE is on: an idle connection is then probed (ITCPTransport)."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Turn SO_KEEPALIVE on or off (ITCPTransport)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(bool(enabled)))
