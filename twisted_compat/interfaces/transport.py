"""What a protocol writes to: the stream transports, TCP and UNIX. Their encrypted forms are in
:mod:`twisted_compat.interfaces.tls`, the packet ones in :mod:`twisted_compat.interfaces.datagram`.
"""

from __future__ import annotations

from collections.abc import Iterable

from zope.interface import Interface

from twisted_compat.interfaces.address import IAddress

__all__ = ["ITCPTransport", "ITransport", "IUNIXTransport"]


class ITransport(Interface):
    """One end of a connection, for writing bytes and for closing.

    No call blocks. What a call asks for may happen later, on another turn of the reactor. Like all of the
    reactor, it is for the reactor's own thread.
    """

    def write(data: bytes) -> None:
        """Send bytes after everything written before.

        What cannot be sent at once is kept and sent later. It is either delivered, or the protocol's
        ``connectionLost`` says why the connection ended before that.

        :param data: the bytes to send; none is allowed and sends nothing.
        :raises TypeError: ``data`` is text.
        """

    def writeSequence(data: Iterable[bytes]) -> None:
        """Send several pieces in order, without first joining them in the caller.

        :param data: an iterable of bytes.
        :raises TypeError: one of the pieces is text.
        """

    def loseConnection() -> None:
        """Close once everything written has been sent, and once a registered producer has finished."""

    def getPeer() -> IAddress:
        """Tell where the other end is.

        It is the last hop's address: a proxy or an address translator hides what lies behind, so it is no
        proof of who is talking.

        :returns: an :class:`~twisted_compat.interfaces.address.IAddress`.
        """

    def getHost() -> IAddress:
        """Tell where this end is.

        :returns: an :class:`~twisted_compat.interfaces.address.IAddress`.
        """


class ITCPTransport(ITransport):
    """A transport over TCP (RFC 9293)."""

    def loseWriteConnection() -> None:
        """Close the sending direction only, once what was written is sent and no producer is registered.

        A protocol that provides ``IHalfCloseableProtocol`` is told when it has happened.
        """

    def abortConnection() -> None:
        """Drop the connection at once, whatever is buffered or being produced. A later addition of Twisted.

        Unsent data is discarded and the peer sees a reset. The protocol's ``connectionLost`` follows on a
        later turn, with ``ConnectionAborted``.
        """

    def getTcpNoDelay() -> bool:
        """Tell whether small packets go out at once.

        :returns: True if ``TCP_NODELAY`` is set.
        """

    def setTcpNoDelay(enabled: bool) -> None:
        """Choose between sending small packets at once and gathering them (Nagle, RFC 896).

        :param enabled: True sets ``TCP_NODELAY``: less latency, possibly more packets.
        """

    def getTcpKeepAlive() -> bool:
        """Tell whether an idle connection is probed.

        :returns: True if ``SO_KEEPALIVE`` is set.
        """

    def setTcpKeepAlive(enabled: bool) -> None:
        """Choose whether the operating system probes an idle connection, and so finds out about a dead peer.

        How often (commonly two hours) is the operating system's affair.

        :param enabled: True sets ``SO_KEEPALIVE``.
        """

    def getHost() -> IAddress:
        """Tell the local address.

        :returns: an ``IPv4Address`` or ``IPv6Address``.
        """

    def getPeer() -> IAddress:
        """Tell the peer's address.

        :returns: an ``IPv4Address`` or ``IPv6Address``.
        """


class IUNIXTransport(ITransport):
    """A stream transport over a UNIX domain socket. A later addition of Twisted."""

    def sendFileDescriptor(descriptor: int) -> None:
        """Pass an open descriptor to the peer (``SCM_RIGHTS``).

        It travels with the byte that is written next, so write something after it. The peer has it before
        that byte, and after the descriptors before it; with bytes from before it may come at once, as reading
        keeps no boundary there (unix(7)). It is duplicated: yours can be closed.

        :param descriptor: the number of an open descriptor of this process.
        """
