"""Single client connections without a factory of one's own: a Deferred of the connected protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_compat.defer import Deferred
from twisted_compat.failure import Failure
from twisted_compat.protocol.factory import ClientFactory


class _InstanceFactory(ClientFactory[Any]):
    """One attempt of a :class:`ClientCreator`: hands out the protocol it was given, and tells a Deferred.

    The Deferred fires on a later turn, when whoever called us is done: ``pending`` is the call that will do
    it. ``deferred`` is None once that call is on its way or the attempt has been cancelled; a result that
    comes after a cancellation is void.
    """

    noisy = False

    def __init__(self, reactor: Any, instance: Any, deferred: Deferred[Any]) -> None:
        self.reactor = reactor
        self.instance = instance
        self.deferred: Deferred[Any] | None = deferred
        self.connector: Any = None
        self.pending: Any = None

    def __repr__(self) -> str:
        return f"<ClientCreator factory: {self.instance!r}>"

    def startedConnecting(self, connector: Any) -> None:
        self.connector = connector

    def buildProtocol(self, addr: Any) -> Any:
        if self.deferred is None:
            return None  # cancelled, and the transport could not be stopped in time: it closes
        self._fire_soon(self.deferred.callback, self.instance)
        return self.instance

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if self.deferred is not None:
            self._fire_soon(self.deferred.errback, reason)

    def _fire_soon(self, fire: Callable[[Any], None], result: Any) -> None:
        self.deferred = None
        self.pending = self.reactor.callLater(0, self.fire, fire, result)

    def fire(self, func: Callable[[Any], None], value: Any) -> None:
        """Tell the Deferred, and keep nothing that leads back to here."""
        self.pending = self.connector = None
        func(value)

    def cancel(self, deferred: Deferred[Any]) -> None:
        """The Deferred's canceller: leave no attempt and no connection. Its errback is its own affair."""
        self.deferred = None
        connector, self.connector = self.connector, None
        if connector is not None:
            connector.disconnect()
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None


class ClientCreator:
    """Makes single connections without a factory of one's own.

    Each ``connect...`` method takes the arguments of the reactor's method of the same name, all but the
    factory, and returns a Deferred of the connected protocol. Cancelling the Deferred ends the attempt, and
    closes the connection if it stands by then.

    :param reactor: what to connect with, and to fire the Deferred by.
    :param protocolClass: called with ``args`` and ``kwargs`` for each connection.
    """

    def __init__(self, reactor: Any, protocolClass: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.reactor = reactor
        self.protocolClass = protocolClass
        self.args = args
        self.kwargs = kwargs

    def _connect(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred(lambda cancelled: factory.cancel(cancelled))
        factory = _InstanceFactory(self.reactor, self.protocolClass(*self.args, **self.kwargs), deferred)
        connector = method(*args, factory=factory, **kwargs)
        if factory.deferred is not None or factory.pending is not None:
            factory.connector = connector
        return deferred

    def connectTCP(
        self, host: str, port: int, timeout: float | None = 30, bindAddress: tuple[str, int] | None = None
    ) -> Deferred[Any]:
        """Connect to a TCP server, as ``IReactorTCP.connectTCP`` does (``timeout`` in seconds)."""
        return self._connect(self.reactor.connectTCP, host, port, timeout=timeout, bindAddress=bindAddress)

    def connectUNIX(
        self, address: str | bytes, timeout: float | None = 30, checkPID: bool = False
    ) -> Deferred[Any]:
        """Connect to a UNIX socket, as ``IReactorUNIX.connectUNIX`` does (``timeout`` in seconds)."""
        return self._connect(self.reactor.connectUNIX, address, timeout=timeout, checkPID=checkPID)

    def connectSSL(
        self,
        host: str,
        port: int,
        contextFactory: Any,
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Deferred[Any]:
        """Connect to a TLS server, as ``IReactorSSL.connectSSL`` does (``timeout`` in seconds)."""
        return self._connect(
            self.reactor.connectSSL,
            host,
            port,
            contextFactory=contextFactory,
            timeout=timeout,
            bindAddress=bindAddress,
        )
