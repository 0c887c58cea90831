"""Outgoing connections: the Client transport, one for each attempt to connect.

A :class:`Client` finds the addresses of its host (through the reactor's name resolver unless it is a
literal), tries them in turn and, once connected, is the plain :class:`~.tcp.Connection` it inherits from. The
:class:`Connector` that makes it is told what became of it. The listening side is :mod:`.tcp_listen`. What
UNIX sockets do differently is in :mod:`.unix`.
"""

from __future__ import annotations

import enum
import socket
from contextlib import suppress
from errno import EALREADY, ECONNREFUSED, EINPROGRESS, EISCONN, EWOULDBLOCK
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IResolutionReceiver, ITCPTransport
from twisted_compat.transport import sockets
from twisted_compat.transport.connector import BaseConnector
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import introduce, log_prefix
from twisted_compat.transport.sockets import SocketAddress
from twisted_compat.transport.tcp import Connection

__all__ = ["Client", "Connector"]

_UNDER_WAY = frozenset({EINPROGRESS, EWOULDBLOCK, EALREADY})


class ClientState(enum.Enum):
    """Where an attempt stands. From every state but the last, OVER is one step away.

    RESOLVING -> CONNECTING -> CONNECTED -> OVER; CONNECTING repeats for each address of the host.
    """

    RESOLVING = "waiting for its first turn, or for the addresses of its host"
    CONNECTING = "registered for writability, the kernel is connecting"
    CONNECTED = "a connection like any other"
    OVER = "failed, stopped or lost: nothing follows"


@implementer(ITCPTransport)
class Client(Connection):
    """The client's end of a connection, from the moment that its connector's ``connect`` makes it.

    Nothing is reported from within the constructor: whatever goes wrong, the connector hears of it on a later
    turn. There is a socket at once for who wants it (``startedConnecting`` can set options on
    ``getHandle()``); with a name for a host, that is a guess at its family.

    :ivar addr: ``(host, port)`` as asked for.
    :ivar realAddress: the socket address being tried, or connected to.
    :ivar state: a :class:`ClientState`.
    """

    addressFamily: int = socket.AF_INET
    socketType = socket.SOCK_STREAM
    is_client = True

    def __init__(
        self,
        host: str,
        port: int,
        bindAddress: sockets.Binding | None,
        connector: BaseConnector,
        reactor: Any = None,
    ) -> None:
        self.bindAddress = bindAddress
        self.asked_host = host
        self._begin((host, port), connector, reactor)

    def _begin(self, addr: Any, connector: BaseConnector, reactor: Any) -> None:
        # Connection.__init__ runs for each socket, in _open_socket: which one it will be is not known before.
        FileDescriptor.__init__(self, reactor)
        self.connector = connector
        self.addr = addr
        self.state = ClientState.RESOLVING
        # Until there is a connection, to be armed is to wait for the kernel, not to be flushed with the turn.
        self.turn_flush = False
        self.realAddress: Any = addr
        self._targets: list[Any] = []
        self._resolution: Any = None
        self._first_error: BaseException | None = None
        self._has_socket = False
        self._start = self.reactor.callLater(0, self.resolveAddress)
        with suppress(OSError):  # no such address: its turn will tell
            target = self._literal()
            if target is not None:
                self._open_socket(target)  # if that fails, it is tried again in its turn

    def __getattr__(self, name: str) -> Any:
        # Only ever reached for what is missing. "socket" is, of a host with a name until its addresses are
        # known; who wants it sooner gets one for IPv4, which most are, and a new one comes if that was wrong.
        if name == "socket" and self.state is ClientState.RESOLVING:
            error = self._open_socket(self._guess())
            if error is not None:
                raise error
            return self.__dict__["socket"]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _guess(self) -> Any:
        """An address of the family that the socket is likely to need."""
        with suppress(OSError):
            return self._literal() or ("", 0)
        return ("", 0)

    def _literal(self) -> Any:
        """The address, if no look-up is needed for it. As in every Twisted, no host means this one."""
        return sockets.literal_address(self.addr[0] or "0.0.0.0", self.addr[1])

    def createInternetSocket(self) -> socket.socket:
        """A new non-blocking socket of ``self.addressFamily``."""
        return sockets.stream_socket(self.addressFamily)

    def _open_socket(self, target: Any) -> BaseException | None:
        """Make and bind a target's socket and become its Connection. Returns why that fails, or None."""
        self.addressFamily = sockets.family_of(target)
        vocabulary = self.reactor.vocabulary
        skt = None
        try:
            skt = self.createInternetSocket()
            if self.bindAddress is not None:
                sockets.bind_socket(skt, *self.bindAddress)
        except (OSError, OverflowError, TypeError, ValueError) as exc:  # a bindAddress that is none, too
            if skt is not None:
                skt.close()
            return sockets.bind_error(vocabulary, exc) if isinstance(exc, OSError) else exc
        Connection.__init__(self, skt, None, self.reactor)
        self.connected = 0
        self._has_socket = True
        return None

    def _close_attempt(self) -> None:
        """Give up the socket of an attempt that came to nothing."""
        if self._has_socket:
            self._has_socket = False
            self.stopReading()
            self.stopWriting()
            self.socket.close()

    # -- finding the addresses

    def resolveAddress(self) -> None:
        """Find the addresses of the host, then try them. Called once, on the turn after the constructor's."""
        if self.state is not ClientState.RESOLVING:
            return
        host, port = self.addr
        try:
            target = self._literal()
        except OSError as exc:  # an IPv6 scope that does not exist, or a negative port
            error = self.reactor.vocabulary.error.DNSLookupError
            no_port = port < 0
            self.failIfNotConnected(exc if no_port else error(f"{host}: {exc.strerror or exc}"))
            return
        if target is not None:
            self._targets.append(target)
            self._try_next()
            return
        try:
            types = getattr(self.connector, "address_types", None)  # it may be a stranger's
            self.reactor.nameResolver.resolveHostName(_Addresses(self, types), host, port, types, "TCP")
        except Exception:
            self.failIfNotConnected(self.reactor.vocabulary.failure.Failure())

    def _resolution_began(self, resolution: Any) -> None:
        self._resolution = resolution

    def _resolved(self, addresses: list[Any]) -> None:
        self._resolution = None
        if self.state is not ClientState.RESOLVING:
            return
        host, port = self.addr
        if not addresses:
            self.failIfNotConnected(
                self.reactor.vocabulary.error.DNSLookupError(f"no address found for {host!r}")
            )
            return
        targets = [sockets.resolved_address(address, port) for address in addresses]
        self._targets = self._reachable_from_binding(targets)
        self._try_next()

    def _reachable_from_binding(self, targets: list[SocketAddress]) -> list[SocketAddress]:
        """Leave out the family that the local address does not have, unless nothing would be left."""
        local = "" if self.bindAddress is None else self.bindAddress[0]
        is_v6 = sockets.is_ipv6(local)
        if not is_v6 and not sockets.is_ipv4(local):
            return targets
        return [target for target in targets if (len(target) == 4) == is_v6] or targets

    # -- trying them

    def _try_next(self) -> None:
        """Start connecting to the next address that does not fail at once; with none left, report failure.

        The first one, because the resolver puts the likeliest address first (RFC 6724): its error says most.
        """
        while self._targets:
            error = self._start_connecting(self._targets.pop(0))
            if error is None:
                return
            self._attempt_failed(error)
        self.failIfNotConnected(self._first_error)

    def _attempt_failed(self, error: BaseException) -> None:
        self._close_attempt()
        if self._first_error is None:
            self._first_error = error

    def _start_connecting(self, target: Any) -> BaseException | None:
        if self._has_socket and self.addressFamily != sockets.family_of(target):
            self._close_attempt()
        if not self._has_socket:
            error = self._open_socket(target)
            if error is not None:
                return error
        self.realAddress = target
        self.state = ClientState.CONNECTING
        try:
            code = self.socket.connect_ex(target)
            if code in _UNDER_WAY:
                self._wait_for_kernel(code)
                return None
        except OverflowError as exc:  # a port above 65535
            return exc
        except OSError as exc:  # the loop cannot watch one more descriptor
            return sockets.connect_error(self.reactor.vocabulary, exc.errno or 0)
        return self._conclude(code)

    def _wait_for_kernel(self, code: int) -> None:
        """Connecting goes on: be called when it is decided."""
        self.startWriting()

    def doConnect(self) -> None:
        """The socket under way became writable: that is success, failure, or nothing. Find out which."""
        if self.state is not ClientState.CONNECTING:
            return
        # SO_ERROR says how the attempt failed. If it does not, connecting again tells success from nothing.
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not code:
            code = self.socket.connect_ex(self.realAddress)
        if code in _UNDER_WAY:
            self._wait_for_kernel(code)
            return
        error = self._conclude(code)
        if error is not None:
            self._attempt_failed(error)
            self._try_next()

    def _conclude(self, code: int) -> BaseException | None:
        """The kernel has decided. Go on with the connection, or return the error that there is none."""
        if code in (0, EISCONN):
            if not self._met_itself():
                self._connectDone()
                return None
            code = ECONNREFUSED
        return sockets.connect_error(self.reactor.vocabulary, code)

    def _met_itself(self) -> bool:
        """Whether the kernel picked, as our own port, the one we were calling, so that we answered ourselves.

        That happens on one host, in the range of ephemeral ports, when nobody listens: TCP calls it a
        simultaneous open. Who bound the socket to that very port wanted it.
        """
        if self.bindAddress is not None and self.bindAddress[1] == self.addr[1]:
            return False
        try:
            return bool(self.socket.getsockname() == self.socket.getpeername())
        except OSError:
            return False  # already reset by the peer: a connection, whose loss the first read will report

    def _connectDone(self) -> None:
        """Connected: build the protocol and begin. A subclass may put a handshake in between."""
        self.stopWriting()
        vocabulary = self.reactor.vocabulary
        try:
            protocol = self.connector.buildProtocol(self.getPeer())
        except Exception as exc:
            factory = self.connector.factory
            vocabulary.log.exception("buildProtocol of %r raised: its connection is closed", factory)
            self.failIfNotConnected(vocabulary.error.ConnectError(string=f"buildProtocol raised {exc!r}"))
            return
        self.state = ClientState.CONNECTED
        self.connected = 1
        self.turn_flush = True
        self.logstr = f"{log_prefix(vocabulary, protocol)},client"
        if protocol is None:  # the factory wants no connection after all
            self.loseConnection()
            return
        self.protocol = protocol
        self.startReading()
        introduce(protocol, self)

    def doWrite(self) -> Any:
        """The descriptor is writable: send, or go on connecting, as the state may be (IWriteDescriptor)."""
        if self.connected:
            return Connection.doWrite(self)
        return self.doConnect()

    # -- the end

    def failIfNotConnected(self, err: Any) -> None:
        """Give the attempt up and tell the connector; does nothing once there is, or was, a connection.

        :param err: an exception or a Failure: what the factory's ``clientConnectionFailed`` is told.
        """
        if self.state in (ClientState.CONNECTED, ClientState.OVER):
            return
        self.state = ClientState.OVER
        self._targets.clear()
        call_off(self._start)
        resolution, self._resolution = self._resolution, None
        if resolution is not None:
            resolution.cancel()
        self._close_attempt()
        failure = self.reactor.vocabulary.failure.Failure
        self.connector.connectionFailed(err if isinstance(err, failure) else failure(err))

    def give_up(self) -> None:
        """Leave nothing open, and tell nobody: the reactor is ending."""
        self.state = ClientState.OVER
        self._close_attempt()

    def stopConnecting(self) -> None:
        """Stop trying, with UserError as the reason; does nothing once connected."""
        self.failIfNotConnected(self.reactor.vocabulary.error.UserError())

    def connectionLost(self, reason: Any) -> None:
        """The descriptor is gone: the attempt failed, or the connection is lost (IFileDescriptor)."""
        if self.state is not ClientState.CONNECTED:
            message = reason.getErrorMessage()
            self.failIfNotConnected(self.reactor.vocabulary.error.ConnectError(string=message))
            return
        self.state = ClientState.OVER
        try:
            Connection.connectionLost(self, reason)
        finally:
            reason, self.reason_above = self.reason_above or reason, None
            self.connector.connectionLost(reason)

    def getPeer(self) -> Any:
        """The address connected to (an IAddress provider): never a name."""
        if self._peer is not None:
            return self._peer
        peer = sockets.address_of(self.reactor.vocabulary, self.realAddress)
        if self.connected:  # else it is not the last word
            self._peer = peer
        return peer

    def __repr__(self) -> str:
        return f"<{type(self)} to {self.addr} at {id(self):x}>"


class Connector(BaseConnector):
    """The connector of a ``connectTCP``.

    :param host: a literal address or a name.
    :param port: a number, or the name of a TCP service.
    :param bindAddress: ``(host, port)`` of this end, or a :class:`~.sockets.Binding`; ``''`` and 0 leave them
        to the system.
    :raises ServiceNameUnknownError: if ``port`` names an unknown service.
    :ivar address_types: which kinds of addresses are tried if the host has a name, such as
        ``[IPv6Address]``; None for all. It may be set until the turn after the one in which ``connect`` is
        called.
    """

    address_types: list[Any] | None = None

    def __init__(
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        timeout: float | None,
        bindAddress: tuple[str, int] | None,
        reactor: Any = None,
    ) -> None:
        if isinstance(host, bytes):
            host = host.decode("ascii")
        elif not isinstance(host, str):
            raise TypeError(
                f'A host is a name or an address, not {host!r}. Write connectTCP("example.com", ...).'
            )
        super().__init__(factory, timeout, reactor)
        self.host = host
        self.port = sockets.numeric_port(self.reactor.vocabulary, port)
        self.bindAddress = None if bindAddress is None else sockets.Binding(*bindAddress)

    def _makeTransport(self) -> Client:
        return Client(self.host, self.port, self.bindAddress, self, self.reactor)

    def getDestination(self) -> Any:
        """The address that was asked for; its host may be a name (IConnector)."""
        address = self.reactor.vocabulary.address
        kind = address.IPv6Address if sockets.is_ipv6(self.host) else address.IPv4Address
        return kind("TCP", self.host, self.port)


@implementer(IResolutionReceiver)
class _Addresses:
    """Collects what the name resolver finds for one client, in its order. See IResolutionReceiver.

    :param types: the kinds of addresses that will do, as not every resolver cares; None for all.
    """

    def __init__(self, client: Client, types: list[Any] | None) -> None:
        self._client = client
        self._types = types
        self._found: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self._client._resolution_began(resolutionInProgress)

    def addressResolved(self, address: Any) -> None:
        if self._types is None or isinstance(address, tuple(self._types)):
            self._found.append(address)

    def resolutionComplete(self) -> None:
        self._client._resolved(self._found)
