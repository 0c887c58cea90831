"""Factories: what makes a protocol for each connection of a port or a connector.

:mod:`~twisted_compat.protocol.reconnecting` has the factory that connects again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from zope.interface import implementer

from twisted_compat.failure import Failure
from twisted_compat.interfaces import ILoggingContext, IProtocolFactory

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    P = TypeVar("P", default=Any)
else:
    from typing import TypeVar

    P = TypeVar("P")

F = TypeVar("F", bound="Factory[Any]")

logger = logging.getLogger(__name__)


@implementer(IProtocolFactory, ILoggingContext)
class Factory(Generic[P]):
    """Makes a protocol for each connection (``IProtocolFactory``), and outlives them: shared state goes here.

    :cvar protocol: what :meth:`buildProtocol` calls, without arguments, to make a protocol: a class or any
        callable.
    :cvar noisy: whether starting and stopping are logged.
    :ivar numPorts: how many ports and connectors use this factory now.
    """

    protocol: Callable[..., P] | None = None
    numPorts: int = 0
    noisy: bool = True

    @classmethod
    def forProtocol(cls: type[F], protocol: Callable[..., Any], *args: Any, **kwargs: Any) -> F:
        """Make a factory of this class for ``protocol`` (a class or callable).

        :param args: what this factory class is called with, as are ``kwargs``.
        :returns: the factory.
        """
        factory = cls(*args, **kwargs)
        factory.protocol = protocol
        return factory

    def logPrefix(self) -> str:
        """``ILoggingContext``: the name that log lines about this factory begin with."""
        return type(self).__name__

    def doStart(self) -> None:
        """One more port or connector: calls :meth:`startFactory` for the first. For those to call."""
        if not self.numPorts:
            if self.noisy:
                logger.info("Starting factory %r", self)
            self.startFactory()
        self.numPorts += 1

    def doStop(self) -> None:
        """One port or connector less: calls :meth:`stopFactory` for the last. Too many calls do nothing."""
        if not self.numPorts:
            return
        self.numPorts -= 1
        if not self.numPorts:
            if self.noisy:
                logger.info("Stopping factory %r", self)
            self.stopFactory()

    def startFactory(self) -> None:
        """Override: the first port or connector is about to use this factory; open what it needs."""

    def stopFactory(self) -> None:
        """Override: the last port or connector is done with this factory; close what it opened."""

    def buildProtocol(self, addr: Any) -> P | None:  # type: ignore[override]  # P: like an IProtocol
        """Make the protocol of one connection, and set its ``factory``. Override to make it otherwise.

        :param addr: the peer's ``IAddress``, or None.
        :returns: the protocol, or None to close the connection at once.
        """
        assert self.protocol is not None, (
            f"{type(self).__name__} does not know which protocol to make. Set its `protocol` to a class, "
            f"or write {type(self).__name__}.forProtocol(YourProtocol)."
        )
        protocol = self.protocol()
        protocol.factory = self  # type: ignore[attr-defined]  # any callable may have made it
        return protocol


class ServerFactory(Factory[P]):
    """A factory for ports."""


class ClientFactory(Factory[P]):
    """A factory for connectors, which also tell it how connecting goes.

    In the last two methods ``connector.connect()`` tries again.
    """

    def startedConnecting(self, connector: Any) -> None:
        """Override: an attempt begins; ``connector.stopConnecting()`` ends it. Takes the ``IConnector``."""

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Override: the attempt has failed, for ``reason`` (a Failure)."""

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """Override: the connection stood and is over, for ``reason`` (a Failure)."""
