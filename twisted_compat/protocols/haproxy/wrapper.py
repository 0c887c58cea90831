"""Reads the PROXY protocol header of each connection, before anybody hears of that.

:class:`HAProxyWrappingFactory` is the factory of the port, :class:`HeaderReader` the protocol of a connection
until its header is there. Then ``handover.py`` puts the wrapped factory's own protocol in its place.
"""

from __future__ import annotations

import os
from typing import Any

from zope.interface import alsoProvides, directlyProvides, implementer, providedBy

from twisted_compat.current import attached_reactor
from twisted_compat.interfaces import (
    IFileDescriptorReceiver,
    IHandshakeListener,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IProtocolNegotiationFactory,
)
from twisted_compat.protocols.haproxy.handover import HeldBack, told_what_it_says
from twisted_compat.protocols.haproxy.info import InvalidProxyHeader, ProxyInfo
from twisted_compat.protocols.haproxy.parser import HeaderParser
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.vocabulary import NATIVE, vocabulary_of

__all__ = ["HEADER_TIMEOUT", "HAProxyWrappingFactory", "HeaderReader"]

HEADER_TIMEOUT = 10.0
"""Seconds in which a header has to be there. A proxy sends it at once."""
MOST_DESCRIPTORS = 253
"""How many descriptors may come along with a header, over a UNIX socket: as many as with one message."""


@implementer(IProtocolFactory, ILoggingContext)
class HAProxyWrappingFactory:
    """Serves connections that a proxy hands on, each with a PROXY protocol header (version 1 or 2).

    The wrapped factory's ``buildProtocol`` is called once the header is there, with the client's address; or,
    if the header names none, as for a health check of the proxy's, with that of the connection. Its protocol
    is the transport's, which it is told of as without a proxy; ``transport.getPeer()`` and ``getHost()`` are
    what the header says, and ``transport.proxy_info`` is that, a :class:`~.info.ProxyInfo`. A connection
    without a header, with a bad one, or whose header doesn't come in time is closed; one line in the log says
    why, and the wrapped factory hears nothing.

    Anybody who can connect can say anything in such a header: listen where only the proxy can connect.

    :param wrappedFactory: an IProtocolFactory provider.
    :param header_timeout: seconds until the header has to be there; None: it may take for ever.
    """

    def __init__(self, wrappedFactory: Any, header_timeout: float | None = HEADER_TIMEOUT) -> None:
        self.wrappedFactory = wrappedFactory
        self.header_timeout = header_timeout
        # Of either vocabulary: which one it is, is known when there is a connection.
        for interface in providedBy(wrappedFactory).flattened():
            if interface.__name__ == IProtocolNegotiationFactory.__name__:
                alsoProvides(self, interface)
                self.acceptableProtocols = wrappedFactory.acceptableProtocols

    def buildProtocol(self, addr: Any) -> Any:
        """Make what reads the header of a connection of the proxy's (IProtocolFactory)."""
        return HeaderReader(self, addr)

    def doStart(self) -> None:
        """Called as the factory comes into use (IProtocolFactory)."""
        self.wrappedFactory.doStart()

    def doStop(self) -> None:
        """Called as the factory goes out of use (IProtocolFactory)."""
        self.wrappedFactory.doStop()

    def logPrefix(self) -> str:
        """The wrapped factory's name, for log lines (ILoggingContext)."""
        return f"{log_prefix(NATIVE, self.wrappedFactory)} (PROXY)"


@implementer(IProtocol, IHandshakeListener, IFileDescriptorReceiver, ILoggingContext)
class HeaderReader:
    """The protocol of a connection until its header is there. Its life::

        reading    ``_parser`` has what has come so far; ``_deadline`` limits the time
        refused    the connection is being closed; nothing matters any more
        through    ``_protocol`` is the wrapped factory's, and the transport's: nothing comes here any more,
                   unless the transport is a stranger's that goes on calling us. Then it is handed on.

    :param factory: the :class:`HAProxyWrappingFactory`.
    :param address: the connection's peer, an IAddress provider.
    """

    transport: Any = None
    _parser: HeaderParser | None = None
    _deadline: Any = None
    _words = NATIVE
    _protocol: Any = None
    _encrypted = False  # a handshake has been completed

    def __init__(self, factory: HAProxyWrappingFactory, address: Any) -> None:
        self.factory = factory
        self._address = address
        self._descriptors: list[int] = []

    def logPrefix(self) -> str:
        """The wrapped factory's name, for log lines (ILoggingContext)."""
        return self.factory.logPrefix()

    def makeConnection(self, transport: Any) -> None:
        """There is a connection: begin to read (IProtocol)."""
        self.transport = transport
        reactor = getattr(transport, "reactor", None) or attached_reactor()
        self._words = words = vocabulary_of(reactor)
        if words is not NATIVE:
            also = words.interfaces
            alsoProvides(self, also.IProtocol, also.IHandshakeListener, also.IFileDescriptorReceiver)
        self._parser = HeaderParser(words.address)
        timeout = self.factory.header_timeout
        if timeout is not None and reactor is not None:
            self._deadline = reactor.callLater(timeout, self._too_late, timeout)

    def connectionMade(self) -> None:
        """Never called: :meth:`makeConnection` does all (IProtocol)."""

    # The header

    def dataReceived(self, data: bytes) -> Any:
        """A part of the header has come (IProtocol), or all of it and what follows.

        :returns: what the protocol's ``dataReceived`` returned.
        """
        if self._parser is None:
            return None if self._protocol is None else self._protocol.dataReceived(data)
        try:
            found = self._parser.feed(data)
        except InvalidProxyHeader as error:
            self._refuse(f"{type(error).__name__}: {error}")
            return None
        return None if found is None else self._hand_over(*found)

    def handshakeCompleted(self) -> None:
        """The header comes through TLS (IHandshakeListener); the protocol is told when it is there."""
        self._encrypted = True
        if self._protocol is not None:
            self._tell_handshake(self._protocol)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """A descriptor has come, which belongs to what follows the header (IFileDescriptorReceiver)."""
        if self._protocol is not None:
            self._protocol.fileDescriptorReceived(descriptor)
        elif self._parser is None:
            os.close(descriptor)
        else:
            self._descriptors.append(descriptor)
            if len(self._descriptors) > MOST_DESCRIPTORS:
                self._refuse("too many file descriptors came with it")

    def connectionLost(self, reason: Any) -> None:
        """The connection is over (IProtocol)."""
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        elif self._parser is not None:
            self._stop()
            self._complain(f"the connection ended before ({reason.getErrorMessage()})")

    def _too_late(self, timeout: float) -> None:
        self._refuse(f"it has not come within {timeout:g} s")

    def _refuse(self, why: str) -> None:
        self._stop()
        self._complain(why)
        # Not loseConnection: nothing was written, and what else may come is nobody's.
        getattr(self.transport, "abortConnection", self.transport.loseConnection)()

    def _complain(self, why: str) -> None:
        self._words.log.warning(
            "%s: without a PROXY protocol header, the connection of %s is closed: %s",
            self.logPrefix(),
            self._address,
            why,
        )

    def _stop(self) -> None:
        """Read no more, and wait for nothing."""
        self._parser = None
        call_off(self._deadline)
        self._deadline = None
        descriptors, self._descriptors = self._descriptors, []
        for descriptor in descriptors:
            os.close(descriptor)

    # After it

    def _hand_over(self, info: ProxyInfo, rest: bytes) -> Any:
        """Have the connection served, and be no part of it any more."""
        descriptors, self._descriptors = self._descriptors, []
        self._stop()
        transport = self.transport
        try:
            protocol = self._built(self._address if info.source is None else info.source)
            if protocol is None:
                transport.loseConnection()
                return None
            self._protocol = protocol
            replaced = self._leave_place(protocol)
            transport = told_what_it_says(transport, info, protocol)
            held_back = HeldBack(transport, protocol, rest, replaced)
            protocol.makeConnection(transport)
            if self._encrypted:
                self._tell_handshake(protocol)
            if self._words.interfaces.IFileDescriptorReceiver.providedBy(protocol):
                while descriptors:
                    protocol.fileDescriptorReceived(descriptors.pop(0))
            elif descriptors:
                self._words.log.warning("%r takes no file descriptors: they are closed", protocol)
            return held_back.deliver()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _built(self, address: Any) -> Any:
        factory = self.factory.wrappedFactory
        try:
            return factory.buildProtocol(address)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.transport.loseConnection()
                raise
            self._words.log.error(
                "%r could not serve %s: its connection is closed", factory, address, exc_info=True
            )
            return None

    def _leave_place(self, protocol: Any) -> bool:
        """Let the transport call the protocol itself, if it is of those that can be told so.

        :returns: whether it is.
        """
        transport = self.transport
        if getattr(transport, "protocol", None) is self:
            try:
                transport.protocol = protocol
            except AttributeError:
                pass
            else:
                return True
        # What it is asked for beyond IProtocol.
        directlyProvides(self, providedBy(protocol))
        return False

    def __getattr__(self, name: str) -> Any:
        # Only ever reached for what is missing: by a stranger's transport that goes on calling us.
        if name.startswith("_") or self._protocol is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._protocol, name)

    def _tell_handshake(self, protocol: Any) -> None:
        if self._words.interfaces.IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()
