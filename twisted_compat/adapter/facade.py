"""What a reactor offers once it has a loop: time, descriptors, sockets, threads and names, each handed on to
the part that does it.

``reactor.py`` extends it with the life of a reactor: taking a loop, starting and stopping.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from threading import RLock, get_ident
from typing import Any, TypeVar

from zope.interface import implementer

from twisted_compat import interfaces
from twisted_compat.adapter.children import Child, Owner
from twisted_compat.adapter.loops import running_loop
from twisted_compat.adapter.parts import Parts
from twisted_compat.adapter.threads import ThreadCall, thread_call
from twisted_compat.adapter.timers import DelayedCall, Timers
from twisted_compat.interfaces.process import NO_VARIABLES
from twisted_compat.transport import udp, unix, unix_datagram
from twisted_compat.transport.connector import BaseConnector
from twisted_compat.transport.datagram import DatagramPort
from twisted_compat.transport.multicast import MulticastPort
from twisted_compat.transport.process import Process
from twisted_compat.transport.process_pty import PTYProcess
from twisted_compat.transport.sockets import AF_UNIX
from twisted_compat.transport.tcp_connect import Connector
from twisted_compat.transport.tcp_listen import Port, Server
from twisted_compat.transport.tls_factory import TLSFactory
from twisted_compat.vocabulary import Vocabulary

__all__ = ["Facade"]

Path = str | bytes | os.PathLike[Any]
Connecting = TypeVar("Connecting", bound=BaseConnector)


@implementer(
    interfaces.IReactorTime,
    interfaces.IReactorFDSet,
    interfaces.IReactorTCP,
    interfaces.IReactorSSL,
    interfaces.IReactorUDP,
    interfaces.IReactorMulticast,
    interfaces.IReactorUNIX,
    interfaces.IReactorUNIXDatagram,
    interfaces.IReactorSocket,
    interfaces.IReactorProcess,
    interfaces.IReactorThreads,
    interfaces.IReactorPluggableResolver,
    interfaces.IReactorPluggableNameResolver,
)
class Facade:
    """The methods of a reactor that its parts are behind.

    :ivar vocabulary: the types to speak.
    """

    vocabulary: Vocabulary
    _parts: Parts | None
    _kept_timers: Timers | None  # of an earlier run(), or from before there is a loop: for the next loop

    def __init__(self) -> None:
        self._home = get_ident()  # the thread that made it
        # Held where callFromThread must know whether there is a loop. A signal handler may call it, too.
        self._changing_loop = RLock()
        self._kept_thread_calls: list[ThreadCall] = []  # as _kept_timers

    def _use(self) -> Parts:
        """The parts, on a loop: the running one, or one of our own."""
        # No abstract method: Twisted's tests assign to a reactor's __class__, which an ABC does not let them.
        raise NotImplementedError(f"{type(self).__name__} must define _use()")

    # Time (IReactorTime)

    def seconds(self) -> float:
        """The time now, in seconds; it begins like the epoch's, and never goes back."""
        return self._timers().seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> DelayedCall:
        """Call ``callable(*args, **kw)`` in ``delay`` seconds; see :meth:`Timers.callLater`."""
        return self._timers().callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> Sequence[DelayedCall]:
        """Every call that is waiting for its time, or for the next :meth:`run`."""
        timers = self._kept_timers if self._parts is None else self._parts.timers
        return [] if timers is None else timers.getDelayedCalls()

    def _timers(self) -> Timers:
        """The timers. Delayed calls need no loop yet: so a program may ask for some while it is imported, and
        run whatever loop it likes then."""
        if self._parts is not None or running_loop() is not None:
            return self._use().timers
        if self._kept_timers is None:
            self._kept_timers = Timers(None, self.vocabulary)
        return self._kept_timers

    # Descriptors (IReactorFDSet)

    def addReader(self, reader: Any) -> None:
        """Call ``reader.doRead()`` whenever it is readable; see :meth:`DescriptorSet.addReader`."""
        self._use().fdset.addReader(reader)

    def addWriter(self, writer: Any) -> None:
        """Call ``writer.doWrite()`` whenever it is writable; see :meth:`DescriptorSet.addWriter`."""
        self._use().fdset.addWriter(writer)

    def removeReader(self, reader: Any) -> None:
        """Undo :meth:`addReader`. Removing what is not there does nothing."""
        if self._parts is not None:
            self._parts.fdset.removeReader(reader)

    def removeWriter(self, writer: Any) -> None:
        """Undo :meth:`addWriter`. Removing what is not there does nothing."""
        if self._parts is not None:
            self._parts.fdset.removeWriter(writer)

    def removeAll(self) -> list[Any]:
        """Remove every reader and writer, and return them."""
        return self._parts.fdset.removeAll() if self._parts is not None else []

    def getReaders(self) -> list[Any]:
        """Who is being watched for reading."""
        return self._parts.fdset.getReaders() if self._parts is not None else []

    def getWriters(self) -> list[Any]:
        """Who is being watched for writing."""
        return self._parts.fdset.getWriters() if self._parts is not None else []

    # TCP (IReactorTCP)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        """Listen on a TCP port; see :class:`~twisted_compat.transport.tcp_listen.Port`.

        :param port: the port number; 0 lets the system choose (``getHost()`` tells which).
        :param factory: builds a protocol for each connection.
        :param backlog: how many connections may wait to be accepted.
        :param interface: the IPv4 or IPv6 address to listen on; "" is every IPv4 address, "::" every IPv6
            one.
        :raises CannotListenError: if the address can't be had.
        """
        return self._listen(port, factory, backlog, interface, "TCP")

    def _listen(self, port: int, factory: Any, backlog: int, interface: str, kind: str) -> Port:
        self._use().ownership.check(f"reactor.listen{kind}")
        listening = Port(port, factory, backlog, interface, self)
        listening._type = kind
        listening.startListening()
        return listening

    def connectTCP(
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Connector:
        """Connect to a TCP port; see :class:`~twisted_compat.transport.tcp_connect.Connector`. The factory is
        told what becomes of it.

        :param host: an address or a name.
        :param port: the port number, or a service's name.
        :param factory: builds the protocol, and hears of failures.
        :param timeout: seconds until the attempt is given up.
        :param bindAddress: the local (host, port) to connect from.
        """
        self._use().ownership.check("reactor.connectTCP")
        return self._connect(Connector(host, port, factory, timeout, bindAddress, self))

    def _connect(self, connector: Connecting) -> Connecting:
        self._use().shutdown.connectors.add(connector)
        connector.connect()
        return connector

    # TLS (IReactorSSL)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
        **options: Any,
    ) -> Port:
        """As :meth:`listenTCP`, with TLS on each connection.

        :param contextFactory: an ``ssl.SSLContext`` for servers, or what else
            :class:`~twisted_compat.transport.tls_factory.TLSFactory` takes.
        :param options: that one's ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout`` (seconds).
        :raises TypeError: if ``contextFactory`` doesn't say how to encrypt. ValueError, if it is a client's.
        """
        secured = TLSFactory(contextFactory, False, factory, **options)
        return self._listen(port, secured, backlog, interface, "TLS")

    def connectSSL(
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        contextFactory: Any,
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
        *,
        server_hostname: str | bytes | None = None,
        **options: Any,
    ) -> Connector:
        """As :meth:`connectTCP`, with TLS.

        :param contextFactory: an ``ssl.SSLContext`` for clients, such as ``ssl.create_default_context()``, or
            what else :class:`~twisted_compat.transport.tls_factory.TLSFactory` takes.
        :param server_hostname: the name or address to ask for and to verify; ``host`` by default, "" for
            none.
        :param options: that one's ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout`` (seconds).
        :raises TypeError: if ``contextFactory`` doesn't say how to encrypt. ValueError, if it is a server's,
            or verifies names and there is none.
        """
        expected = host if server_hostname is None else server_hostname
        secured = TLSFactory(contextFactory, True, factory, server_hostname=expected, **options)
        return self.connectTCP(host, port, secured, timeout, bindAddress)

    # UDP (IReactorUDP, IReactorMulticast)

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> udp.Port:
        """Send and receive datagrams; see :class:`~twisted_compat.transport.udp.Port`.

        :param port: the port number; 0 lets the system choose (``getHost()`` tells which).
        :param protocol: a DatagramProtocol, whose transport the port becomes.
        :param interface: the IPv4 or IPv6 address to bind to; "" is every IPv4 address, "::" every IPv6 one.
        :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
        :raises CannotListenError: if the address can't be had. InvalidAddressError, if it is none.
        """
        self._use().ownership.check("reactor.listenUDP")
        listening = udp.Port(port, protocol, interface, maxPacketSize, self)
        listening.startListening()
        return listening

    def listenMulticast(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> MulticastPort:
        """As :meth:`listenUDP`, for datagrams to groups; see
        :class:`~twisted_compat.transport.multicast.MulticastPort`.

        :param listenMultiple: whether several sockets of this host may share the address and port.
        """
        self._use().ownership.check("reactor.listenMulticast")
        listening = MulticastPort(port, protocol, interface, maxPacketSize, self, listenMultiple)
        listening.startListening()
        return listening

    # UNIX sockets (IReactorUNIX, IReactorUNIXDatagram)

    def listenUNIX(
        self, address: Path, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: bool | int = 0
    ) -> unix.Port:
        """Listen on a UNIX socket; see :class:`~twisted_compat.transport.unix.Port`.

        :param address: a path, or an abstract name that begins with a zero byte.
        :param factory: builds a protocol for each connection.
        :param backlog: how many connections may wait to be accepted.
        :param mode: the permission bits of the socket's file.
        :param wantPID: hold a lock file beside it, and take over what a dead process has left of both.
        :raises CannotListenError: if the address can't be had; the text says why.
        """
        self._use().ownership.check("reactor.listenUNIX")
        listening = unix.Port(address, factory, backlog, mode, self, wantPID)
        listening.startListening()
        return listening

    def connectUNIX(
        self, address: Path, factory: Any, timeout: float | None = 30, checkPID: bool | int = 0
    ) -> unix.Connector:
        """Connect to a UNIX socket. The factory is told what becomes of it.

        :param address: a path, or an abstract name that begins with a zero byte.
        :param factory: builds the protocol, and hears of failures.
        :param timeout: seconds until the attempt is given up.
        :param checkPID: connect only if a living process holds the lock file of ``wantPID``.
        """
        self._use().ownership.check("reactor.connectUNIX")
        return self._connect(unix.Connector(address, factory, timeout, self, checkPID))

    def listenUNIXDatagram(
        self, address: Path | None, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666
    ) -> unix_datagram.DatagramPort:
        """Send and receive datagrams on a UNIX socket; see
        :class:`~twisted_compat.transport.unix_datagram.DatagramPort`.

        :param address: a path, or an abstract name; None or "" for a socket without a name, which only sends.
        :param protocol: a DatagramProtocol, whose transport the port becomes.
        :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
        :param mode: the permission bits of the socket's file, which stays when the port is closed.
        :raises CannotListenError: if the address can't be had; the text says why.
        """
        self._use().ownership.check("reactor.listenUNIXDatagram")
        listening = unix_datagram.DatagramPort(address, protocol, maxPacketSize, mode, self)
        listening.startListening()
        return listening

    def connectUNIXDatagram(
        self,
        address: Path,
        protocol: Any,
        maxPacketSize: int = 8192,
        mode: int = 0o666,
        bindAddress: Path | None = None,
    ) -> unix_datagram.ConnectedDatagramPort:
        """Exchange datagrams with one UNIX socket; see
        :class:`~twisted_compat.transport.unix_datagram.ConnectedDatagramPort`.

        :param address: the other's path or abstract name.
        :param protocol: a ConnectedDatagramProtocol; its ``connectionFailed`` hears of failure.
        :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
        :param mode: the permission bits of our own socket's file, if it has one.
        :param bindAddress: our own path or abstract name; without one the other can't answer.
        """
        self._use().ownership.check("reactor.connectUNIXDatagram")
        connecting = unix_datagram.ConnectedDatagramPort(
            address, protocol, maxPacketSize, mode, bindAddress, self
        )
        connecting.startListening()
        return connecting

    # Sockets that exist already (IReactorSocket)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Port:
        """Accept connections from a socket that is bound and listening already. The number is duplicated:
        close your own.

        :param fileDescriptor: the socket's number.
        :param addressFamily: ``socket.AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
        :param factory: builds a protocol for each connection.
        :raises UnsupportedAddressFamily: for any other family.
        :raises OSError: if it is no such socket. UnsupportedSocketType, if it is no stream's.
        """
        os.fstat(fileDescriptor)  # before a loop is made, if one must be: that might take the very number
        self._use().ownership.check("reactor.adoptStreamPort")
        kind = unix.Port if addressFamily == AF_UNIX else Port
        port = kind._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory)
        port.startListening()
        return port

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Server | None:
        """Put a protocol of ``factory`` on a socket that is connected already. The number is duplicated:
        close your own.

        :param fileDescriptor: the socket's number.
        :param addressFamily: ``socket.AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
        :param factory: builds the protocol.
        :returns: the transport; None if the factory built no protocol.
        :raises UnsupportedAddressFamily: for any other family.
        :raises OSError: if it is no such socket. UnsupportedSocketType, if it is no stream's.
        """
        os.fstat(fileDescriptor)  # as above
        self._use().ownership.check("reactor.adoptStreamConnection")
        kind = unix.Server if addressFamily == AF_UNIX else Server
        return kind.fromConnectedSocket(fileDescriptor, addressFamily, factory, self)

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> DatagramPort:
        """Send and receive datagrams on a socket that is bound already. The number is duplicated: close your
        own.

        :param fileDescriptor: the socket's number.
        :param addressFamily: ``socket.AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
        :param protocol: a DatagramProtocol, whose transport the port becomes.
        :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
        :raises UnsupportedAddressFamily: for any other family.
        :raises OSError: if it is no socket. UnsupportedSocketType, if it is one of another type.
        """
        os.fstat(fileDescriptor)  # as above
        self._use().ownership.check("reactor.adoptDatagramPort")
        kind = unix_datagram.DatagramPort if addressFamily == AF_UNIX else udp.Port
        port = kind._fromListeningDescriptor(self, fileDescriptor, addressFamily, protocol, maxPacketSize)
        port.startListening()
        return port

    # Child processes (IReactorProcess)

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: Path,
        args: Sequence[Path] = (),
        env: Mapping[Any, Any] | None = NO_VARIABLES,
        path: Path | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | int | Sequence[Any] = 0,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> Process | PTYProcess:
        """Start a child process; see :class:`~twisted_compat.transport.process.Process` and
        :class:`~twisted_compat.transport.process_pty.PTYProcess`.

        :param processProtocol: hears from it.
        :param executable: the program: a path, or a bare name, which is looked up in PATH.
        :param args: all of its arguments, its name first.
        :param env: its whole environment: none if left out; None for ours.
        :param path: the directory to run it in; None for our own.
        :param uid: the number of the user to run it as; None for our own.
        :param gid: the number of the group to run it as; None for our own.
        :param usePTY: true for a terminal in place of pipes; or an open one, as (master's number, slave's
            number, slave's name).
        :param childFDs: its descriptors: a number of ours, ``"r"`` or ``"w"`` for each of its own.
        :raises OSError: if the program can't be started. ValueError, for childFDs with a terminal.
        :raises RuntimeError: from a wrong thread, or when the reactor has stopped.
        """
        parts = self._use()
        parts.ownership.check("reactor.spawnProcess")
        parts.children.check_open()
        if not usePTY:
            return Process(self, executable, args, env, path, processProtocol, uid, gid, childFDs)
        if childFDs is not None:
            raise ValueError("A child with a terminal has no pipes: give either usePTY or childFDs.")
        return PTYProcess(self, executable, args, env, path, processProtocol, uid, gid, usePTY)

    def watch_child(self, pid: int, owner: Owner, *, waited_for: bool = True) -> Child:
        """Reap a child process of ours when it has exited, and tell ``owner``: what a transport to a process
        is built on; see :meth:`~twisted_compat.adapter.children.Children.watch`."""
        parts = self._use()
        parts.ownership.check("reactor.watch_child")
        return parts.children.watch(pid, owner, waited_for=waited_for)

    # Threads (IReactorThreads)

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Call ``callable(*args, **kw)`` in the reactor's thread, soon; the one method that any thread may
        call, at any time. Where there is no loop yet, it waits for one."""
        if self._parts is None and running_loop() is not None and get_ident() == self._home:
            self._use()
        with self._changing_loop:
            if self._parts is None:  # a thread must not choose the loop
                self._kept_thread_calls.append(thread_call(callable, args, kw))
            else:
                self._parts.threads.callFromThread(callable, *args, **kw)

    def callInThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``callable(*args, **kwargs)`` in a thread of the pool."""
        self._use().threads.callInThread(callable, *args, **kwargs)

    def make_thread_pool(self) -> Any:
        """The pool that :meth:`getThreadPool` gives."""
        return self._use().threads.make_pool()

    def getThreadPool(self) -> Any:
        """The pool that :meth:`callInThread` uses; made when first asked for."""
        return self._use().threads.getThreadPool()

    def suggestThreadPoolSize(self, size: int) -> None:
        """Let the pool have up to ``size`` threads."""
        self._use().threads.suggestThreadPoolSize(size)

    # Names (IReactorCore.resolve, IReactorPluggableResolver, IReactorPluggableNameResolver)

    def resolve(self, name: str | bytes, timeout: float | Sequence[int] = (1, 3, 11, 45)) -> Any:
        """Look up an IPv4 address; see :meth:`Names.resolve`.

        :returns: a Deferred of the address, a str; it fails with DNSLookupError.
        """
        return self._use().names.resolve(name, timeout)

    def installResolver(self, resolver: Any) -> Any:
        """Let ``resolver`` (IResolverSimple) look up names from now on; the one from before is returned."""
        return self._use().names.installResolver(resolver)

    def installNameResolver(self, resolver: Any) -> Any:
        """Let ``resolver`` (IHostnameResolver) look up names from now on; the one from before is returned."""
        return self._use().names.installNameResolver(resolver)

    @property
    def nameResolver(self) -> Any:
        """The IHostnameResolver that looks up names."""
        return self._use().names.nameResolver
