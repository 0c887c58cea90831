"""What a reactor watches: objects with a file descriptor number, and the callbacks it makes on them.

:class:`~twisted_compat.interfaces.reactor.IReactorFDSet` takes providers of these; the transports in
:mod:`twisted_compat.interfaces.transport` are usually built on one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted_compat.failure import Failure

__all__ = [
    "IFileDescriptor",
    "IHalfCloseableDescriptor",
    "ILoggingContext",
    "IReadDescriptor",
    "IReadWriteDescriptor",
    "ISystemHandle",
    "IWriteDescriptor",
]


class ILoggingContext(Interface):
    """Something whose events can be told apart in a log."""

    def logPrefix() -> str:
        """Say which words introduce this object's log lines.

        :returns: a short text, commonly the name of the protocol's class.
        """


class IFileDescriptor(ILoggingContext):
    """An object that stands for one open descriptor of the operating system."""

    def fileno() -> int:
        """Tell the number of the descriptor.

        :returns: the number the operating system knows it by; -1 once it is closed.
        """

    def connectionLost(reason: Failure) -> None:
        """Learn that the descriptor is finished: closed here, closed by the peer, or broken by an exception.

        The reactor calls it once, after it has stopped watching. A provider of
        :class:`IHalfCloseableDescriptor` hears of each direction separately before this.

        :param reason: a Failure; ``ConnectionDone`` for a clean end, ``ConnectionLost`` for an unclean one,
            or whatever exception ended it.
        """


class IReadDescriptor(IFileDescriptor):
    """A descriptor from which something can be read."""

    def doRead() -> BaseException | int | None:
        """Read what is there, now that the descriptor is readable.

        :returns: None (or 0) to go on; an exception instance, or a negative number from the error table, to
            say that the connection is lost and why.
        """


class IWriteDescriptor(IFileDescriptor):
    """A descriptor to which something can be written."""

    def doWrite() -> BaseException | int | None:
        """Write some of what is waiting, now that the descriptor takes data.

        :returns: None (or 0) to go on; an exception instance, or a negative number from the error table, to
            say that the connection is lost and why.
        """


class IReadWriteDescriptor(IReadDescriptor, IWriteDescriptor):
    """A descriptor for both directions, such as a socket."""


class IHalfCloseableDescriptor(Interface):
    """A descriptor whose two directions end one at a time."""

    def writeConnectionLost(reason: Failure) -> None:
        """Learn that nothing more can be written.

        :param reason: a Failure telling why; ``ConnectionDone`` if we closed that side ourselves.
        """

    def readConnectionLost(reason: Failure) -> None:
        """Learn that nothing more will be read.

        :param reason: a Failure telling why; ``ConnectionDone`` if the peer closed its sending side.
        """


class ISystemHandle(Interface):
    """Something built on an object of the operating system's networking, and willing to show it."""

    def getHandle() -> Any:
        """Give out the wrapped object, for options that have no method here.

        Reading from it, writing to it or closing it behind the transport's back breaks the transport.

        :returns: here a :class:`socket.socket`, or a descriptor number where there is no socket.
        """
