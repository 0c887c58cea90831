"""Incoming connections: the Port that listens, and the Server transport it makes of each that it accepts.

:class:`Server` adds to :class:`~twisted_compat.transport.tcp.Connection` only where it comes from. The
outgoing side is :mod:`.tcp_connect`. What UNIX sockets do differently is in :mod:`.unix`.
"""

from __future__ import annotations

import socket
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IListeningPort, ILoggingContext, IReadDescriptor, ITCPTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.closing import Closing
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import introduce, log_prefix
from twisted_compat.transport.opening import open_socket
from twisted_compat.transport.shortage import ABOUT_ONE_CONNECTION, Shortage
from twisted_compat.transport.tcp import Connection

__all__ = ["Port", "Server"]


@implementer(ITCPTransport)
class Server(Connection):
    """The server's end of a connection. Starts reading as it is made; its protocol hears of it right after.

    :param sock: the accepted, connected socket.
    :param client: the peer's socket address.
    :param server: the Port that accepted it; None for an adopted connection.
    :param sessionno: counts the connections of a port, from 0.
    """

    _families: tuple[int | None, ...] = (socket.AF_INET, socket.AF_INET6)  # of what can be adopted
    _adopted_on = ""  # where a connection without a Port is

    def __init__(
        self,
        sock: socket.socket,
        protocol: Any,
        client: Any,
        server: Port | None,
        sessionno: int,
        reactor: Any = None,
    ) -> None:
        super().__init__(sock, protocol, reactor)
        self.server = server
        self.client = client
        self.sessionno = sessionno
        self.hostname = self._hostname()
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
        :param addressFamily: one of the families of this class.
        :returns: the transport; None if the factory builds no protocol.
        :raises UnsupportedAddressFamily: for any other family. OSError, if the descriptor is no connected
            socket. UnsupportedSocketType, if it is no stream's. Whatever ``buildProtocol`` raises.
        """
        vocabulary = reactor.vocabulary
        sockets.check_family(vocabulary, addressFamily, cls._families)
        skt = sockets.adopted_socket(vocabulary, fileDescriptor, addressFamily, socket.SOCK_STREAM)
        try:
            peer = skt.getpeername()
            protocol = factory.buildProtocol(sockets.address_of(vocabulary, peer))
            number = peer[1] if isinstance(peer, tuple) else 0
            transport = None if protocol is None else cls(skt, protocol, peer, None, number, reactor)
            if transport is not None:
                transport._is_adopted(skt.getsockname())
        except BaseException:
            skt.close()
            raise
        if transport is None:
            skt.close()
        else:
            introduce(protocol, transport)
        return transport

    def _is_adopted(self, host: Any) -> None:
        """There is no Port to say where this is: the socket's own name does."""
        self._adopted_on = str(host[1])

    def _hostname(self) -> str:
        """What the client is called in the log."""
        hostname: str = self.client[0] if len(self.client) == 2 else self.getPeer().host
        return hostname

    def getPeer(self) -> Any:
        """The client's address (an IAddress provider)."""
        if self._peer is None:
            self._peer = sockets.address_of(self.reactor.vocabulary, self.client)
        return self._peer

    def __repr__(self) -> str:
        where = self._adopted_on if self.server is None else self.server.port_text()
        return f"<{self._protocol_name} #{self.sessionno} on {where}>"


@implementer(IListeningPort, IReadDescriptor, ILoggingContext)
class Port(FileDescriptor):
    """A listening socket: makes a protocol and a :class:`Server` of each connection. IListeningPort.

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

    addressFamily: int = socket.AF_INET
    socketType = socket.SOCK_STREAM
    transport: Any = Server
    _type = "TCP"  # for the log
    _reuseAddress = True
    _reusePort = False
    numberAccepts = 64
    sessionno = 0
    _peers_have_names = True

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
        self.port: Any = port
        self.factory = factory
        self.backlog = backlog
        self.interface: str | None = interface
        if sockets.is_ipv6(interface):
            self.addressFamily = socket.AF_INET6
        self.socket: socket.socket | None = None
        self._adopted: socket.socket | None = None
        self._address: Any = None
        self._closing = Closing()
        self._accepting = False
        self._shortage = Shortage()

    @classmethod
    def _fromListeningDescriptor(cls, reactor: Any, fd: int, addressFamily: int, factory: Any) -> Port:
        """A port over a socket that somebody else bound and made listen. IReactorSocket.adoptStreamPort.

        :param fd: its descriptor; it is duplicated, the caller keeps and closes its own. Made non-blocking,
            for both.
        :param addressFamily: AF_INET or AF_INET6.
        :raises UnsupportedAddressFamily: for any other family. OSError, if ``fd`` is no socket.
            UnsupportedSocketType, if it is no stream's.
        """
        vocabulary = reactor.vocabulary
        sockets.check_family(vocabulary, addressFamily, (socket.AF_INET, socket.AF_INET6))
        skt = sockets.adopted_socket(vocabulary, fd, addressFamily, cls.socketType, listening=True)
        try:
            self = cls(None, factory, None, skt.getsockname()[0], reactor)
        except BaseException:
            skt.close()
            raise
        self.addressFamily = addressFamily
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
        skt, self._adopted = self._adopted or open_socket(self), None
        try:
            self._address = sockets.address_of(self.reactor.vocabulary, skt.getsockname())
            vocabulary = self.reactor.vocabulary
            prefix = log_prefix(vocabulary, self.factory)
            vocabulary.log.info("%s starting on %s", prefix, self._name_to_log())
            self.factory.doStart()
        except BaseException:
            skt.close()
            self._leave_place()
            raise
        self._shortage.prepare()
        self.socket = skt
        self.connected, self.disconnected, self.disconnecting = 1, 0, 0
        self.startReading()

    def _take_place(self, skt: socket.socket) -> None:
        """Bind as asked, and listen."""
        self._bind(skt)
        skt.listen(50 if self.backlog is None else self.backlog)

    def _bind(self, skt: socket.socket) -> None:
        sockets.bind_socket(skt, self.interface or "", self.port or 0, self._reuseAddress, self._reusePort)

    def _leave_place(self) -> None:
        """The socket is closed, or about to be: leave nothing behind of :meth:`_take_place`."""

    @property
    def _realPortNumber(self) -> int | None:
        """The number listened on; None when not listening."""
        number: int | None = None if self.socket is None else self._address.port
        return number

    def _name(self) -> str:
        """Where it listens, or did, for messages."""
        return str(self._address.port)

    def _name_to_log(self) -> str:
        return self._name()

    def startReading(self) -> None:
        """Accept connections, from now on or again; unless the port has been asked to stop."""
        if self._closing.begun:
            return
        super().startReading()  # first, because it may refuse: a wrong thread
        self._accepting = True
        self._shortage.stop_waiting()

    def stopReading(self) -> None:
        """Leave connections in the kernel's queue until :meth:`startReading`."""
        super().stopReading()  # first, because it may refuse: a wrong thread
        self._accepting = False
        self._shortage.stop_waiting()

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
                self._shortage.prepare()  # it is already, unless there has been one
                return
            except OSError as exc:
                if exc.errno in ABOUT_ONE_CONNECTION:
                    continue
                self._shortage.deal_with(self, exc, skt)
                return
            self._serve(connection, client)

    def _serve(self, skt: socket.socket, client: Any) -> None:
        """Make protocol and transport for one connection. What goes wrong must not reach the next one."""
        if not client and self._peers_have_names:  # macOS: reset before we came to it
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
        self.disconnecting = 1
        return self._closing.ask(self, connDone)

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
        self._shortage.end()
        self._leave_place()
        self.reactor.vocabulary.log.info("(%s Port %s Closed)", self._type, self._name())
        self.connected, self.disconnecting = 0, 0
        self._closing.done(self, self.factory.doStop)

    # -- saying what it is

    def getHost(self) -> Any:
        """The address listened on, with the real port number. IListeningPort.

        :raises RuntimeError: if the port has never listened.
        """
        if self._address is None:
            raise RuntimeError("A port that does not listen has no address yet. Call startListening() first.")
        return self._address

    def logPrefix(self) -> str:
        """The name of the factory's class. ILoggingContext."""
        return f"{type(self.factory).__module__}.{type(self.factory).__name__}"

    def port_text(self) -> str:
        """Where it listens, for messages; of a closed port, where it did."""
        return "no port" if self._address is None else self._name()

    def __repr__(self) -> str:
        where = "(not listening)" if self.socket is None else f"on {self._name()}"
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.logPrefix()} {where}>"
