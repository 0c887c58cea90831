"""One connection attempt, told through a Deferred: what every client endpoint of a socket is made of.

A reactor's ``connect...`` methods tell a factory what becomes of an attempt. :class:`_WrappingFactory` stands
before the program's own factory for one attempt, and turns what it hears into the result of a Deferred.

Private names are the ones of Twisted's: programs and Twisted's tests reach for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from zope.interface import alsoProvides, implementer

from twisted_compat.defer import Deferred
from twisted_compat.interfaces import (
    IFileDescriptorReceiver,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IProtocolNegotiationFactory,
)
from twisted_compat.protocol import BaseProtocol, Factory
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.vocabulary import NATIVE, Vocabulary, vocabulary_of

__all__ = ["connectProtocol", "connect_by", "connection_deferred"]

# What a transport asks of a protocol before it calls certain methods.
ASKED_FOR = (IHalfCloseableProtocol, IFileDescriptorReceiver, IHandshakeListener)


def connect_by(reactor: Any, factory: Any, connect: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make one attempt.

    :param reactor: whose words are spoken.
    :param factory: the program's IProtocolFactory.
    :param connect: such as ``reactor.connectTCP``. It is given ``args``, ``kwargs``, and a ``factory``, and
        returns the connector.
    :returns: a Deferred of the protocol. It fails with what ``connect`` raises, too.
    """
    words = vocabulary_of(reactor)
    wrapping = _WrappingFactory(factory, words)
    try:
        connector = connect(*args, factory=wrapping, **kwargs)
        if not wrapping.was_started:  # a stranger's reactor, which tells nobody
            wrapping.startedConnecting(connector)
    except Exception:
        if not wrapping._onConnection.called:
            wrapping._onConnection.errback(words.failure.Failure())
    return wrapping._onConnection


def connection_deferred(words: Vocabulary, canceller: Callable[[Any], None]) -> Any:
    """The Deferred of a connection's protocol."""
    kind = ConnectionDeferred if words.defer.Deferred is Deferred else words.defer.Deferred
    return kind(canceller)


class ConnectionDeferred(Deferred[Any]):
    """A Deferred of a protocol. A task that is cancelled while it awaits this, just as the connection is
    made, will never have that: so it is closed."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from super().__await__())
        except asyncio.CancelledError:
            # What it comes to has been left here, if it comes to anything.
            self.addCallbacks(_abort, lambda failure: None)
            raise

    __iter__ = __await__


def _abort(protocol: Any) -> None:
    transport = getattr(protocol, "transport", None)
    if transport is not None:
        getattr(transport, "abortConnection", transport.loseConnection)()


@implementer(IProtocolFactory, ILoggingContext)
class _WrappingFactory:
    """Has the program's factory build its protocol, and tells a Deferred.

    :param wrappedFactory: the program's factory. It hears nothing of the attempt.
    :param words: whose Deferred and errors.
    :ivar _onConnection: the Deferred of the protocol. Cancelling it ends the attempt, in whatever state.
    """

    noisy = False

    def __init__(self, wrappedFactory: Any, words: Vocabulary = NATIVE) -> None:
        self._wrappedFactory = wrappedFactory
        self._words = words
        self._connector: Any = None
        self.was_started = False
        self._has_protocol = False
        self._onConnection: Any = connection_deferred(words, self._cancelled)
        if words.interfaces.IProtocolNegotiationFactory.providedBy(wrappedFactory):
            self.acceptableProtocols = wrappedFactory.acceptableProtocols
            alsoProvides(self, IProtocolNegotiationFactory, words.interfaces.IProtocolNegotiationFactory)

    def __repr__(self) -> str:
        return repr(self._wrappedFactory)

    def doStart(self) -> None:
        """The program's factory comes into use (IProtocolFactory)."""
        self._wrappedFactory.doStart()

    def doStop(self) -> None:
        """The program's factory goes out of use (IProtocolFactory), which is the end of this one."""
        factory, self._wrappedFactory = self._wrappedFactory, None  # it may know a protocol: leave no cycle
        factory.doStop()

    def logPrefix(self) -> str:
        """The program's factory's name, for log lines (ILoggingContext)."""
        return log_prefix(self._words, self._wrappedFactory)

    def startedConnecting(self, connector: Any) -> None:
        """Remember how to end the attempt."""
        self.was_started = True
        self._connector = connector

    def buildProtocol(self, addr: Any) -> Any:
        """Have the protocol built (IProtocolFactory). What the factory raises fails the Deferred."""
        self._has_protocol = True
        try:
            protocol = self._wrappedFactory.buildProtocol(addr)
            if protocol is None:
                raise self._words.error.NoProtocol
        except Exception:
            self._fail(self._words.failure.Failure())
            return None
        if self._onConnection.called:  # cancelled by the factory itself
            return None
        return _WrappingProtocol(self._onConnection, protocol, self._words)

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """There is no connection."""
        self._forget(connector)
        self._fail(reason)

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        """The connection is lost: the protocol knows."""
        self._forget(connector)
        self._fail(reason)  # unless it had been made

    def _forget(self, connector: Any) -> None:
        """The two know each other: leave no cycle behind."""
        if connector is self._connector:
            self._connector = None

    def _fail(self, reason: Any) -> None:
        if not self._onConnection.called:
            self._onConnection.errback(reason)

    def _cancelled(self, deferred: Any) -> None:
        deferred.errback(self._words.error.ConnectingCancelledError(self._connector.getDestination()))
        if not self._has_protocol:  # else whoever gives it its connection sees that it isn't wanted
            self._connector.stopConnecting()


@implementer(IProtocol, ILoggingContext)
class _WrappingProtocol(BaseProtocol):
    """Stands before the program's protocol until that has its connection, then fires the Deferred.

    On a transport of ours it puts the protocol into its own place, so that nothing is on the data's path. To
    anybody else's it goes on passing everything on.
    """

    def __init__(self, connectedDeferred: Any, wrappedProtocol: Any, words: Vocabulary = NATIVE) -> None:
        self._connectedDeferred = connectedDeferred
        self._wrappedProtocol = wrappedProtocol
        self._words = words
        for ours in ASKED_FOR:
            theirs = getattr(words.interfaces, ours.__name__)
            if theirs.providedBy(wrappedProtocol):
                alsoProvides(self, ours, theirs)

    def __repr__(self) -> str:
        return repr(self._wrappedProtocol)  # the one that whoever reads the log knows

    def logPrefix(self) -> str:
        """The protocol's name, for log lines (ILoggingContext)."""
        return log_prefix(self._words, self._wrappedProtocol)

    def makeConnection(self, transport: Any) -> None:
        """Connected: tell the protocol, then the Deferred (IProtocol)."""
        self.transport = transport
        protocol, deferred = self._wrappedProtocol, self._connectedDeferred
        for name in ("protocol", "wrappedProtocol"):  # the second is what Twisted's TLS calls it
            if getattr(transport, name, None) is self:
                setattr(transport, name, protocol)
        try:
            protocol.makeConnection(transport)
        except BaseException:
            if not deferred.called:
                deferred.errback(self._words.failure.Failure())
            raise
        if not deferred.called:
            deferred.callback(protocol)
        else:  # it was cancelled meanwhile, and nobody will ever have the protocol
            _abort(protocol)

    def dataReceived(self, data: bytes) -> Any:
        """Pass it on (IProtocol)."""
        return self._wrappedProtocol.dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        """Pass it on (IProtocol)."""
        self._wrappedProtocol.connectionLost(reason)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """Pass it on (IFileDescriptorReceiver)."""
        self._wrappedProtocol.fileDescriptorReceived(descriptor)

    def readConnectionLost(self) -> None:
        """Pass it on (IHalfCloseableProtocol)."""
        self._wrappedProtocol.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Pass it on (IHalfCloseableProtocol)."""
        self._wrappedProtocol.writeConnectionLost()

    def handshakeCompleted(self) -> None:
        """Pass it on (IHandshakeListener)."""
        self._wrappedProtocol.handshakeCompleted()


def connectProtocol(endpoint: Any, protocol: Any) -> Any:
    """Connect one protocol that there is already.

    :param endpoint: an IStreamClientEndpoint.
    :param protocol: the IProtocol.
    :returns: what ``endpoint.connect`` does: a Deferred of ``protocol``.
    """
    return endpoint.connect(_OneProtocol(protocol))


class _OneProtocol(Factory[Any]):
    noisy = False

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def buildProtocol(self, addr: Any) -> Any:
        return self._instance
