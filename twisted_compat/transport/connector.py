"""The connector that a factory is given for an outgoing connection: it outlives the attempts.

It owns the timeout, tells the factory what became of an attempt, and may be asked to connect again. Here is
what all kinds have in common; TCP's is in :mod:`.tcp_connect`, beside the transport of each attempt, that for
UNIX sockets in :mod:`.unix`.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from twisted_compat.current import current_reactor
from twisted_compat.interfaces import IConnector
from twisted_compat.transport.delayed import call_off

__all__ = ["BaseConnector"]


@implementer(IConnector)
class BaseConnector:
    """Manages one outgoing connection: making it, losing it, and making it again. IConnector.

    :ivar state: ``"disconnected"``, ``"connecting"`` or ``"connected"``.

    ==============  =========================  ================================================
    state           what leads out of it       to
    ==============  =========================  ================================================
    disconnected    ``connect()``              connecting
    connecting      the kernel, buildProtocol  connected
    connecting      error, timeout, stop       disconnected, then ``clientConnectionFailed``
    connected       the loss of the transport  disconnected, then ``clientConnectionLost``
    ==============  =========================  ================================================

    The factory may call ``connect()`` again from either of its two callbacks; if it does not, it is stopped.

    :param factory: an IProtocolFactory that hears what becomes of it, as a ClientFactory does.
    :param timeout: seconds for everything up to the connection, name look-up included; None for no limit of
        ours.
    """

    def __init__(self, factory: Any, timeout: float | None, reactor: Any = None) -> None:
        self.reactor = current_reactor() if reactor is None else reactor
        self.factory = factory
        self.timeout = timeout
        self.state = "disconnected"
        self.transport: Any = None
        self.factoryStarted = False
        self.timeoutID: Any = None

    def connect(self) -> None:
        """Begin to connect. The outcome reaches the factory on a later turn.

        :raises RuntimeError: unless the state is "disconnected".
        """
        if self.state != "disconnected":
            raise RuntimeError(
                f"can't connect in this state: this connector is {self.state}. "
                "Call connect() again from the factory's clientConnectionLost or clientConnectionFailed."
            )
        if self.timeout is not None:  # first, as it may be what is no time at all
            self.timeoutID = self.reactor.callLater(self.timeout, self._time_is_up)
        try:
            if not self.factoryStarted:
                self.factory.doStart()
                self.factoryStarted = True
            self.state = "connecting"
            self.transport = self._makeTransport()
        except BaseException:
            self.state = "disconnected"
            self.cancelTimeout()
            raise
        self.factory.startedConnecting(self)

    def _time_is_up(self) -> None:
        self.transport.failIfNotConnected(self.reactor.vocabulary.error.TimeoutError())

    def _makeTransport(self) -> Any:
        """The transport of the next attempt."""
        raise NotImplementedError(f"{type(self).__name__} must define _makeTransport()")

    def getDestination(self) -> Any:
        """The address that was asked for (IConnector)."""
        raise NotImplementedError(f"{type(self).__name__} must define getDestination()")

    def disconnect(self) -> None:
        """Be disconnected, whatever the state: stop connecting, or close once what was written is sent."""
        if self.state == "connecting":
            self.stopConnecting()
        elif self.state == "connected" and self.transport is not None:
            self.transport.loseConnection()

    def stopConnecting(self) -> None:
        """Stop the attempt; the factory's ``clientConnectionFailed`` hears UserError before this returns.

        :raises NotConnectingError: unless the state is "connecting".
        """
        if self.state != "connecting" or self.transport is None:
            raise self.reactor.vocabulary.error.NotConnectingError(
                f"we're not trying to connect: this connector is {self.state}. To end a connection write "
                "connector.disconnect()."
            )
        self.transport.stopConnecting()

    def cancelTimeout(self) -> None:
        """Let the attempt take as long as it takes from here on."""
        call_off(self.timeoutID)
        self.timeoutID = None

    def buildProtocol(self, addr: Any) -> Any:
        """The transport is connected to ``addr``: have the factory build its protocol, or None."""
        self.state = "connected"
        self.cancelTimeout()
        return self.factory.buildProtocol(addr)

    def connectionFailed(self, reason: Any) -> None:
        """The attempt came to nothing (told by the transport): tell the factory."""
        self.cancelTimeout()
        self.transport = None
        self._disconnected(self.factory.clientConnectionFailed, reason)

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone (told by the transport): tell the factory."""
        self._disconnected(self.factory.clientConnectionLost, reason)
        if self.state == "disconnected":
            self.transport = None  # the two know each other: leave no cycle behind

    def _disconnected(self, tell: Any, reason: Any) -> None:
        """Tell the factory, and stop it unless it connects again. What it raises ends here, in the log."""
        self.state = "disconnected"
        try:
            tell(self, reason)
        except Exception:
            self.reactor.vocabulary.log.exception("%s of %r raised", tell.__name__, self.factory)
        if self.state == "disconnected" and self.factoryStarted:
            self.factoryStarted = False
            try:
                self.factory.doStop()
            except Exception:
                self.reactor.vocabulary.log.exception("doStop of %r raised", self.factory)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self.state} {self.getDestination()}>"
