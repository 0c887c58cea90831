"""Protocols: what happens on one connection, with one child process, or on one datagram port.

Defaults are class attributes and no class has an ``__init__``, since subclasses out there do not call one.
"""

from __future__ import annotations

import logging
from typing import Any

from zope.interface import implementer

from twisted_compat.error import ConnectionDone
from twisted_compat.failure import Failure
from twisted_compat.interfaces import ILoggingContext, IProcessProtocol, IProtocol

logger = logging.getLogger(__name__)

connectionDone = Failure(ConnectionDone())
"""The reason of a clean close, for code that calls ``connectionLost()`` without one."""


class BaseProtocol:
    """What every connected protocol has.

    :ivar transport: where to write; None until :meth:`makeConnection`.
    :ivar connected: 1 from :meth:`makeConnection` on, 0 before.
    """

    connected: int = 0
    transport: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Be tied to ``transport``, and begin: calls :meth:`connectionMade`. For transports to call."""
        self.connected = 1
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """Override: the connection stands and can be written to."""


@implementer(IProtocol, ILoggingContext)
class Protocol(BaseProtocol):
    """One stream connection (``IProtocol``): subclass it and override what should happen.

    :ivar factory: the factory that made this protocol, or None.
    """

    factory: Any = None

    def logPrefix(self) -> str:
        """``ILoggingContext``: the name that log lines about this connection begin with."""
        return type(self).__name__

    def dataReceived(self, data: bytes) -> Any:
        """Override: ``data`` (bytes, at least one) has arrived, cut in whatever way the network cut it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Override: the connection is over, for ``reason`` (a Failure). Called once, and nothing follows."""


@implementer(IProcessProtocol)
class ProcessProtocol(BaseProtocol):
    """What a child process says and how it ends (``IProcessProtocol``).

    The methods that take a descriptor number pass the three standard ones on to methods with a name; override
    those, or the general ones where the child has more than three pipes.
    """

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """The child has written ``data`` (bytes) to its descriptor ``childFD``."""
        if childFD == 1:
            self.outReceived(data)
        elif childFD == 2:
            self.errReceived(data)

    def outReceived(self, data: bytes) -> None:
        """Override: ``data`` (bytes) has come from the child's standard output."""

    def errReceived(self, data: bytes) -> None:
        """Override: ``data`` (bytes) has come from the child's standard error."""

    def childConnectionLost(self, childFD: int) -> None:
        """The pipe to the child's descriptor ``childFD`` is closed."""
        if childFD == 0:
            self.inConnectionLost()
        elif childFD == 1:
            self.outConnectionLost()
        elif childFD == 2:
            self.errConnectionLost()

    def inConnectionLost(self) -> None:
        """Override: the child's standard input is closed."""

    def outConnectionLost(self) -> None:
        """Override: the child's standard output is closed."""

    def errConnectionLost(self) -> None:
        """Override: the child's standard error is closed."""

    def processExited(self, reason: Failure) -> None:
        """Override: the child has exited; its pipes may still hold data. See :meth:`processEnded`."""

    def processEnded(self, reason: Failure) -> None:
        """Override: the child has exited and its pipes are closed. Called once, and nothing follows.

        :param reason: a Failure with ``ProcessDone`` (exit status 0) or ``ProcessTerminated``.
        """


class AbstractDatagramProtocol:
    """Datagrams of any kind. A protocol may sit on several ports; it starts with the first and stops with the
    last.

    :cvar noisy: whether starting and stopping are logged.
    :ivar numPorts: how many ports it sits on.
    :ivar transport: where to write; None while on no port.
    """

    transport: Any = None
    numPorts: int = 0
    noisy: bool = True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "transport": None}

    def doStart(self) -> None:
        """One more port: calls :meth:`startProtocol` for the first. For ports to call."""
        if not self.numPorts:
            if self.noisy:
                logger.info("Starting protocol %s", self)
            self.startProtocol()
        self.numPorts += 1

    def doStop(self) -> None:
        """One port less: calls :meth:`stopProtocol` for the last. For ports to call."""
        assert self.numPorts > 0, (
            f"{self} has been stopped more often than started. Leave doStop to the port."
        )
        self.numPorts -= 1
        self.transport = None
        if not self.numPorts:
            if self.noisy:
                logger.info("Stopping protocol %s", self)
            self.stopProtocol()

    def startProtocol(self) -> None:
        """Override: the first port listens, and ``self.transport`` can be written to."""

    def stopProtocol(self) -> None:
        """Override: the last port is closed."""

    def makeConnection(self, transport: Any) -> None:
        """Be tied to ``transport`` (an ``IUDPTransport``, say), and start. For ports to call.

        :raises AssertionError: the protocol is on a transport already.
        """
        assert self.transport is None, (
            f"{self} is on a port already. Give each port one of its own: listenUDP(port, YourProtocol())."
        )
        self.transport = transport
        self.doStart()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Override: one ``datagram`` (bytes) has come from ``addr`` (for UDP a tuple of host and port)."""


@implementer(ILoggingContext)
class DatagramProtocol(AbstractDatagramProtocol):
    """Datagrams over IP: UDP."""

    def logPrefix(self) -> str:
        """``ILoggingContext``: the name that log lines about this protocol begin with."""
        return type(self).__name__

    def connectionRefused(self) -> None:
        """Override: nobody listens where an earlier write went (ICMP; RFC 1122, 4.1.3.3)."""


class ConnectedDatagramProtocol(DatagramProtocol):
    """Datagrams to and from one peer only, where the transport knows who that is (UNIX datagram sockets)."""

    def datagramReceived(self, datagram: bytes) -> None:  # type: ignore[override]  # no sender: there is one only
        """Override: one ``datagram`` (bytes) has come from the peer."""

    def connectionFailed(self, failure: Failure) -> None:
        """Override: the peer could not be connected to; ``failure`` says why."""
