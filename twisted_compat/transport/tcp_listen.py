"""Incoming TCP: the Port that listens, and the Server transport it makes of each connection it accepts.

:class:`Server` adds to :class:`~twisted_compat.transport.tcp.Connection` only where it comes from. The
    outgoing side is
:mod:`.tcp_connect`.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IListeningPort, ILoggingContext, IReadDescriptor, ITCPTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import introduce, log_prefix
from twisted_compat.transport.sockets import SocketAddress, SpareDescriptor
from twisted_compat.transport.tcp import Connection

__all__ = ["Port", "Server"]

# What accept() says about the connection it was about to hand out, as against the listening socket: see
# accept(2) on the errors that Linux passes on from a connection already dead, and on EPERM from a firewall.
_ABOUT_ONE_CONNECTION = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "EPERM", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH",
        "EOPNOTSUPP", "ENETUNREACH",
    )
    if hasattr(errno, name)
)  # fmt: skip
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
_PAUSE = 1.0  # seconds without accepting, when accepting is impossible and shedding is too
_BURST_GAP = 1.0  # seconds of quiet after which running out of descriptors is news again


@implementer(ITCPTransport)
class Server(Connection):
    """The server's end of a TCP connection. Starts reading as it is made; its protocol hears of it right
    after.

    :param sock: the accepted, connected socket.
    :param client: the peer's socket address.
    :param server: the Port that accepted it; None for an adopted connection.
    :param sessionno: counts the connections of a port, from 0.
    """

    _adopted_on = 0  # the port number of a connection without a Port

    def __init__(
        self,
        sock: socket.socket,
        protocol: Any,
        client: SocketAddress,
        server: Port | None,
        sessionno: int,
        reactor: Any = None,
    ) -> None:
        super().__init__(sock, protocol, reactor)
        self.server = server
        self.client = client
        self.sessionno = sessionno
        self.hostname = client[0] if len(client) == 2 else self.getPeer().host
        # For repr and the log: a lost connection lets go of its protocol.
        self._protocol_name = log_prefix(self.reactor.vocabulary, protocol)
        self.logstr = f"{self._protocol_name},{sessionno},{self.hostname}"
        self.connected = 1
        self.startReading()

    @classmethod
    def fromConnectedSocket(
        cls, fileDescriptor: int, addressFamily: int, factory: Any, reactor: Any
    ) -> Server | None:
        """Serve a connection that somebody else accepted. IReactorSocket.adoptStreamConnection.

        :param fileDescriptor: a connected stream socket's; it is duplicated, the caller keeps and closes its
            own.
        :param addressFamily: AF_INET or AF_INET6.
        :returns: the transport; None if the factory builds no protocol.
        :raises UnsupportedAddressFamily: for any other family. OSError, if the descriptor is no connected
            socket. Whatever ``buildProtocol`` raises.
        """
        _check_family(reactor.vocabulary, addressFamily)
        skt = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        try:
            peer = skt.getpeername()
            protocol = factory.buildProtocol(sockets.address_of(reactor.vocabulary, peer))
            transport = None if protocol is None else cls(skt, protocol, peer, None, peer[1], reactor)
            if transport is not None:
                transport._adopted_on = skt.getsockname()[1]
        except BaseException:
            skt.close()
            raise
        if transport is None:
            skt.close()
        else:
            introduce(protocol, transport)
        return transport

    def getPeer(self) -> Any:
        """The client's address (IPv4Address or IPv6Address)."""
        if self._peer is None:
            self._peer = sockets.address_of(self.reactor.vocabulary, self.client)
        return self._peer

    def __repr__(self) -> str:
        where = self._adopted_on if self.server is None else self.server.port_text()
        return f"<{self._protocol_name} #{self.sessionno} on {where}>"


def _check_family(vocabulary: Any, family: int) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6):
        raise vocabulary.error.UnsupportedAddressFamily(family)


@implementer(IListeningPort, IReadDescriptor, ILoggingContext)
class Port(FileDescriptor):
    """A listening TCP socket: makes a protocol and a :class:`Server` of each connection. IListeningPort.

    State, in FileDescriptor's own flags: idle (``connected`` 0) -> listening (``connected`` 1) -> closing
    (``disconnecting`` 1 as well, until the next turn) -> idle. ``startListening`` may follow again.

    :param port: the number to listen on; 0 for one of the system's choice, which ``getHost().port`` tells. Or
        a :class:`~.sockets.Binding`, in place of ``interface`` too.
    :param factory: an IProtocolFactory.
    :param backlog: how many connections the kernel queues until they are accepted.
    :param interface: an IPv4 or IPv6 literal (with scope, if any), a name of this host, or ``''`` for every
        IPv4 interface. ``'::'`` takes IPv4 too where the system says so.
    :ivar transport: what makes the transports; called as :class:`Server` is.
    :ivar numberAccepts: the most connections accepted in one turn, so that the others get theirs.
    """

    addressFamily: socket.AddressFamily = socket.AF_INET
    socketType = socket.SOCK_STREAM
    transport: Any = Server
    _type = "TCP"  # for the log
    _reuseAddress = True
    _reusePort = False
    numberAccepts = 64
    sessionno = 0
    _realPortNumber: int | None = None

    def __init__(
        self,
        port: int | sockets.Binding | None,
        factory: Any,
        backlog: int | None = 50,
        interface: str = "",
        reactor: Any = None,
    ) -> None:
        super().__init__(reactor)
        if isinstance(port, sockets.Binding):
            interface, port, self._reuseAddress, self._reusePort = port
        self.port = port
        self.factory = factory
        self.backlog = backlog
        self.interface = interface
        if sockets.is_ipv6(interface):
            self.addressFamily = socket.AF_INET6
        self.socket: socket.socket | None = None
        self.deferred: Any = None
        self._adopted: socket.socket | None = None
        self._address: Any = None
        self._waiting: list[Any] = []
        self._accepting = False
        self._spare = SpareDescriptor()
        self._resume: Any = None
        self._last_shortage: float | None = None

    @classmethod
    def _fromListeningDescriptor(cls, reactor: Any, fd: int, addressFamily: int, factory: Any) -> Port:
        """A port over a socket that somebody else bound and made listen. IReactorSocket.adoptStreamPort.

        :param fd: its descriptor; it is duplicated, the caller keeps and closes its own. Made non-blocking,
            for both.
        :param addressFamily: AF_INET or AF_INET6.
        :raises UnsupportedAddressFamily: for any other family. OSError, if ``fd`` is no such socket.
        """
        _check_family(reactor.vocabulary, addressFamily)
        skt = socket.fromfd(fd, addressFamily, cls.socketType)
        try:
            name = skt.getsockname()
            skt.setblocking(False)
            self = cls(None, factory, None, name[0], reactor)
        except BaseException:
            skt.close()
            raise
        self.addressFamily = socket.AddressFamily(addressFamily)
        self._adopted = skt
        return self

    def fileno(self) -> int:
        """The listening socket's descriptor; -1 when not listening."""
        return -1 if self.socket is None else self.socket.fileno()

    # -- listening

    def createInternetSocket(self) -> socket.socket:
        """A new non-blocking socket of ``self.addressFamily``."""
        return sockets.stream_socket(self.addressFamily)

    def startListening(self) -> None:
        """Bind, listen, and start the factory. IListeningPort.

        :raises CannotListenError: if the system refuses the address.
        :raises AlreadyListened: if this port is listening.
        """
        if self.connected:
            raise self.reactor.vocabulary.error.AlreadyListened(
                f"{self!r} is listening already. Write reactor.listenTCP(...) for a second port."
            )
        skt, self._adopted = self._adopted or self._listen(), None
        try:
            self._address = sockets.address_of(self.reactor.vocabulary, skt.getsockname())
            vocabulary = self.reactor.vocabulary
            vocabulary.log.info("%s starting on %s", log_prefix(vocabulary, self.factory), self._address.port)
            self.factory.doStart()
        except BaseException:
            skt.close()
            raise
        self._spare.reserve()
        self.socket = skt
        self._realPortNumber = self._address.port
        self.connected, self.disconnected, self.disconnecting = 1, 0, 0
        self.startReading()

    def _listen(self) -> socket.socket:
        """A socket bound as asked and listening, or CannotListenError."""
        skt = None
        try:
            skt = self.createInternetSocket()
            sockets.bind_socket(skt, self.interface, self.port or 0, self._reuseAddress, self._reusePort)
            skt.listen(50 if self.backlog is None else self.backlog)
        except BaseException as exc:
            if skt is not None:
                skt.close()
            if isinstance(exc, OSError):
                error = self.reactor.vocabulary.error.CannotListenError
                raise error(self.interface, self.port, exc) from exc
            raise
        return skt

    def startReading(self) -> None:
        """Accept connections, from now on or again."""
        self._accepting = True
        self._cancel_resume()
        super().startReading()

    def stopReading(self) -> None:
        """Leave connections in the kernel's queue until :meth:`startReading`."""
        self._accepting = False
        self._cancel_resume()
        super().stopReading()

    # -- accepting

    def doRead(self) -> None:
        """Connections wait: accept them, a bounded number each turn. IReadDescriptor."""
        for _ in range(self.numberAccepts):
            skt = self.socket
            if skt is None or not self._accepting:  # a protocol just made may have stopped us
                return
            try:
                connection, client = skt.accept()
            except BlockingIOError:
                self._spare.reserve()  # held already, unless there has been a shortage
                return
            except OSError as exc:
                if exc.errno in _ABOUT_ONE_CONNECTION:
                    continue
                self._cannot_accept(exc, skt)
                return
            self._serve(connection, client)

    def _serve(self, skt: socket.socket, client: SocketAddress) -> None:
        """Make protocol and transport for one connection. What goes wrong must not reach the next one."""
        if not client:  # macOS: reset before we came to it
            skt.close()
            return
        try:
            protocol = self.factory.buildProtocol(sockets.address_of(self.reactor.vocabulary, client))
            if protocol is None:
                skt.close()
                return
            number = self.sessionno
            self.sessionno = number + 1
            transport = self.transport(skt, protocol, client, self, number, self.reactor)
        except BaseException as exc:
            skt.close()
            if not isinstance(exc, Exception):
                raise
            self.reactor.vocabulary.log.error(
                "%r could not serve %s: its connection is closed", self.factory, client, exc_info=True
            )
            return
        introduce(protocol, transport)

    def _cannot_accept(self, exc: OSError, skt: socket.socket) -> None:
        """The system cannot give us the next connection, yet the queue stays readable: do not spin."""
        if exc.errno in _NO_DESCRIPTOR:
            shed = self._shed(skt)
            if shed is None:
                self._pause()
                self._log_shortage(exc, f"no connection is accepted for {_PAUSE:g} s")
            else:
                self._log_shortage(exc, f"waiting connections are being closed ({shed} at once)")
        else:
            self._pause()
            self._log_shortage(exc, f"no connection is accepted for {_PAUSE:g} s")

    def _shed(self, skt: socket.socket) -> int | None:
        """Close waiting connections by way of the spare descriptor. Returns how many; None if impossible."""
        if not self._spare.release():
            return None
        count = 0
        try:
            for _ in range(self.numberAccepts):
                try:
                    connection, _client = skt.accept()
                except BlockingIOError:
                    break
                except OSError as exc:
                    if exc.errno in _ABOUT_ONE_CONNECTION:
                        continue
                    return count or None  # another thread was faster, or the whole machine is out of files
                connection.close()
                count += 1
        finally:
            self._spare.reserve()
        return count

    def _log_shortage(self, exc: OSError, consequence: str) -> None:
        """One line for each burst, however long it lasts."""
        now = self.reactor.seconds()
        last, self._last_shortage = self._last_shortage, now
        if last is None or now - last > _BURST_GAP + _PAUSE:
            self.reactor.vocabulary.log.warning(
                "%s cannot accept: %s; %s. Raise the limit (ulimit -n), or accept less.",
                self,
                exc,
                consequence,
            )

    def _pause(self) -> None:
        self.stopReading()
        self._resume = self.reactor.callLater(_PAUSE, self._resume_accepting)

    def _resume_accepting(self) -> None:
        self._resume = None
        self._spare.reserve()
        self.startReading()

    def _cancel_resume(self) -> None:
        resume, self._resume = self._resume, None
        if resume is not None and resume.active():
            resume.cancel()

    def doWrite(self) -> None:
        """Never called: a port does not write."""
        raise RuntimeError(
            "A listening port has nothing to write. Write to the transport of one of its connections."
        )

    # -- closing

    def loseConnection(self, connDone: Any = None) -> Any:
        """Stop listening; connections already accepted go on.

        :returns: a Deferred that fires, on a later turn, when the port is closed; None if it was not
            listening.
        """
        if not self.connected:
            return None
        self.stopReading()
        deferred = self.reactor.vocabulary.defer.Deferred()
        self._waiting.append(deferred)
        if not self.disconnecting:
            self.disconnecting = 1
            self.deferred = deferred
            if connDone is None:
                vocabulary = self.reactor.vocabulary
                connDone = vocabulary.failure.Failure(vocabulary.error.ConnectionDone())
            self.reactor.callLater(0, self.connectionLost, connDone)
        return deferred

    def stopListening(self) -> Any:
        """:meth:`loseConnection`, by the name that IListeningPort gives it."""
        return self.loseConnection()

    def connectionLost(self, reason: Any) -> None:
        """Close the socket, stop the factory, and tell who waits for that."""
        skt = self.socket
        if skt is None:
            return
        super().connectionLost(reason)
        self.socket = None
        # Not shut down: another process, or whoever we adopted it from, may share it and go on listening.
        skt.close()
        self._spare.release()
        self.reactor.vocabulary.log.info("(%s Port %s Closed)", self._type, self._realPortNumber)
        self._realPortNumber = None
        self.connected, self.disconnecting = 0, 0
        waiting, self._waiting = self._waiting, []
        try:
            self.factory.doStop()
        except Exception:
            if not waiting:
                raise  # to whoever has closed it without being asked
            failure = self.reactor.vocabulary.failure.Failure()
            for deferred in waiting:
                deferred.errback(failure)
        else:
            for deferred in waiting:
                deferred.callback(None)

    # -- saying what it is

    def getHost(self) -> Any:
        """The address listened on (IPv4Address or IPv6Address), with the real port number. IListeningPort.

        :raises RuntimeError: if the port has never listened.
        """
        if self._address is None:
            raise RuntimeError("A port that does not listen has no address yet. Call startListening() first.")
        return self._address

    def logPrefix(self) -> str:
        """The name of the factory's class. ILoggingContext."""
        return f"{type(self.factory).__module__}.{type(self.factory).__qualname__}"

    def port_text(self) -> str:
        """The port number as text, for messages; of a closed port, the one it had."""
        return "no port" if self._address is None else str(self._address.port)

    def __repr__(self) -> str:
        where = "(not listening)" if self._realPortNumber is None else f"on {self._realPortNumber}"
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.logPrefix()} {where}>"
