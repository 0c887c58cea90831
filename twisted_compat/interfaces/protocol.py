"""The user's side of a connection: protocols, their factories, and what a protocol may ask to hear.

The other side, on which protocols write, is :mod:`twisted_compat.interfaces.transport`; processes have their
own protocol in :mod:`twisted_compat.interfaces.process`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface

from twisted_compat.interfaces.address import IAddress

if TYPE_CHECKING:
    from twisted_compat.failure import Failure
    from twisted_compat.interfaces.transport import ITransport

__all__ = [
    "IFileDescriptorReceiver",
    "IHalfCloseableProtocol",
    "IHandshakeListener",
    "IProtocol",
    "IProtocolFactory",
]


class IProtocol(Interface):
    """What happens on one connection.

    Calls come in this order: ``makeConnection``, which calls ``connectionMade``; any number of
    ``dataReceived``; then ``connectionLost``, once.
    """

    def dataReceived(data: bytes) -> None:
        """Take what has arrived.

        The stream has no message boundaries: one call may bring part of a message or several of them, so keep
        what is incomplete. A good test cuts the same
        input into every size, single bytes included.

        :param data: at least one byte.
        """

    def connectionLost(reason: Failure) -> None:
        """Learn that the connection is over, and drop references that would keep this protocol alive.

        :param reason: a Failure whose value is a ``ConnectionDone`` (clean) or a ``ConnectionLost``
            (unclean), subclasses included; or the exception that one of this protocol's own methods raised.
        """

    def makeConnection(transport: ITransport) -> None:
        """Be tied to a transport. It is stored, and then ``connectionMade`` is called.

        :param transport: an :class:`~twisted_compat.interfaces.transport.ITransport`.
        """

    def connectionMade() -> None:
        """Begin: the connection stands and can be written to.

        For a server that is after the accept, for a client after the connect. Greetings are sent from here.
        """


class IProtocolFactory(Interface):
    """Makes a protocol for each connection of a port, a connector or an endpoint."""

    def buildProtocol(addr: IAddress) -> IProtocol | None:
        """Make the protocol of a connection that has just come to stand.

        :param addr: the peer's :class:`~twisted_compat.interfaces.address.IAddress`.
        :returns: the protocol, or None to refuse, in which case the connection is closed.
        """

    def doStart() -> None:
        """Learn that one more port or connector uses this factory."""

    def doStop() -> None:
        """Learn that one port or connector less uses this factory."""


class IHalfCloseableProtocol(Interface):
    """For protocols that go on with one direction after the other has been closed.

    Without it, the end of either direction is the end of the connection. See TCP's half-close, RFC 9293
    section 3.6.
    """

    def readConnectionLost() -> None:
        """Learn that the peer has finished sending; writing still works.

        From here on it is the protocol's duty to call ``loseConnection`` when it has said everything.
        """

    def writeConnectionLost() -> None:
        """Learn that our own sending side is closed, after ``loseWriteConnection`` has run to its end."""


class IFileDescriptorReceiver(Interface):
    """For protocols on a UNIX socket that accept descriptors passed by the peer (``SCM_RIGHTS``)."""

    def fileDescriptorReceived(descriptor: int) -> None:
        """Take over one open descriptor, which came before the data that was sent along with it.

        :param descriptor: a number that now belongs to this protocol; close it when done with it.
        """


class IHandshakeListener(Interface):
    """For protocols on TLS that want to know when the handshake is through."""

    def handshakeCompleted() -> None:
        """Learn that the handshake has succeeded; the peer's certificate and the protocol are known.

        Called after ``connectionMade`` and before the first ``dataReceived``.
        """
