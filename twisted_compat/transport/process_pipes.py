"""Our ends of the pipes to a child process, as FileDescriptors: :class:`ProcessWriter` and
:class:`ProcessReader`.

They read and write; what it means is for their owner (``process.py``, ``stdio.py``, or a stranger's), which
is told of data and of the pipe's end, and closes the descriptor number.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IAddress
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.posix import fcntl
from twisted_compat.transport.sockets import connection_lost
from twisted_compat.vocabulary import Vocabulary

__all__ = ["PipeAddress", "ProcessReader", "ProcessWriter", "read_some", "write_some"]

PIPE_SIZE = 2**16
"""Bytes that a new pipe holds (pipe(7)); a stream of them has the two processes wait for each other."""
GROWN_SIZE = 2**18
"""Bytes that it is made to hold then. All of a user's pipes together may hold 64 MiB, so not all are."""


@implementer(IAddress)
class PipeAddress:
    """The address of both ends of a pipe: there is nothing to tell one from another by (IAddress)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PipeAddress)

    def __hash__(self) -> int:
        return hash(PipeAddress)

    def __repr__(self) -> str:
        return "PipeAddress()"


class _End(FileDescriptor):
    """Either end of a pipe, in use from the start."""

    connected = 1
    turn_flush = True
    can_grow = False
    """Whether the pipe is one that may be made to hold more, when there proves to be much to hold."""

    def __init__(self, reactor: Any, proc: Any, name: Any, fileno: int) -> None:
        super().__init__(reactor)
        os.set_blocking(fileno, False)
        self.proc = proc
        self.name = name
        self.fd = fileno

    def fileno(self) -> int:
        """The number it was made with; -1 once it is lost, as the number is its owner's to close then."""
        return self.fd

    def getHost(self) -> PipeAddress:
        """The same for every pipe (ITransport)."""
        return PipeAddress()

    def getPeer(self) -> PipeAddress:
        """The same for every pipe (ITransport)."""
        return PipeAddress()

    def logPrefix(self) -> str:
        """A word for log lines about it (ILoggingContext)."""
        return f"{type(self).__name__} {self.name}"

    def _grow(self) -> None:
        self.can_grow = False
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # the user's pipes hold as much as they may already
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, GROWN_SIZE)

    def connectionLost(self, reason: Any) -> None:
        """It is lost, for ``reason`` (a Failure): its owner hears of it, and closes the number."""
        super().connectionLost(reason)
        try:
            self.proc.childConnectionLost(self.name, reason)
        finally:
            self.fd = -1


class ProcessWriter(_End):
    """Our end of a pipe that a child reads from, such as its standard input.

    :ivar proc: its owner: ``childConnectionLost(name, reason)`` is called when the pipe is closed, and has to
        close the number.
    :ivar name: what its owner calls it: for a child, the number that it has there.
    :ivar enableReadHack: whether to be readable means that nobody reads the pipe any more. Where it is not
        set, that is found out by the next write alone.

    :param fileno: the number; it is made non-blocking.
    :param forceReadHack: set ``enableReadHack`` without finding out whether the number is of a kind that can
        be read.
    """

    enableReadHack = False

    def __init__(
        self, reactor: Any, proc: Any, name: Any, fileno: int, forceReadHack: bool | int = False
    ) -> None:
        super().__init__(reactor, proc, name, fileno)
        # Of all that can be written, a pipe alone becomes readable by being closed at the other end.
        if stat.S_ISFIFO(os.fstat(fileno).st_mode):
            self.enableReadHack = bool(forceReadHack) or not _can_be_read(fileno)
        if self.enableReadHack:
            self.startReading()
        else:  # known to the reactor all the same, which closes it when it stops
            self.startWriting()

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        """Write as much of ``data`` as the pipe takes at once.

        :returns: the number of bytes; or ConnectionLost.
        """
        written = write_some(self.reactor.vocabulary, self.fd, data)
        if self.can_grow and written != len(data):
            self._grow()
        return written

    def _closeWriteConnection(self) -> BaseException:
        done: BaseException = self.reactor.vocabulary.error.ConnectionDone()  # there is no other direction
        return done

    def doRead(self) -> BaseException | None:
        """It has become readable: nobody reads what is written any more, if ``enableReadHack`` says so.

        :returns: ConnectionLost, then; else None.
        """
        if self.enableReadHack:
            lost: BaseException = self.reactor.vocabulary.error.ConnectionLost("the pipe was closed")
            return lost
        self.stopReading()
        return None


class ProcessReader(_End):
    """Our end of a pipe that a child writes to, such as its standard output.

    :ivar proc: its owner: ``childDataReceived(name, data)`` is called with what is read, and
        ``childConnectionLost(name, reason)`` when the pipe is closed; that has to close the number.
    :ivar name: what its owner calls it: for a child, the number that it has there.

    :param fileno: the number; it is made non-blocking.
    """

    def __init__(self, reactor: Any, proc: Any, name: Any, fileno: int) -> None:
        super().__init__(reactor, proc, name, fileno)
        self.startReading()

    def doRead(self) -> BaseException | None:
        """Read once, up to ``bufferSize`` bytes, and give them to the owner.

        :returns: ConnectionDone at the end, ConnectionLost if reading failed; else None.
        """
        data = read_some(self.reactor.vocabulary, self.fd, self.bufferSize)
        if not isinstance(data, bytes):
            return data
        if self.can_grow and len(data) >= PIPE_SIZE:
            self._grow()
        self.dataReceived(data)
        return None

    def dataReceived(self, data: bytes) -> None:
        """Give ``data`` to the owner."""
        self.proc.childDataReceived(self.name, data)

    def writeSomeData(self, data: bytes | memoryview) -> BaseException:
        """Nothing can be written here: ConnectionLost."""
        lost: BaseException = self.reactor.vocabulary.error.ConnectionLost(
            "this end of the pipe is for reading"
        )
        return lost

    def loseConnection(self, _connDone: Any = None) -> None:
        """Close our end on the next turn of the loop. What the child writes then fails (EPIPE)."""
        if self.connected and not self.disconnecting:
            self.disconnecting = 1
            self.stopReading()
            self._close_reason = _connDone
            self.reactor.callLater(0, self._finish_closing)


def _can_be_read(fileno: int) -> bool:
    try:
        os.read(fileno, 0)
    except OSError:
        return False
    return True


def read_some(vocabulary: Vocabulary, fileno: int, size: int) -> bytes | BaseException | None:
    """Read once from a non-blocking descriptor.

    :param size: bytes, at most.
    :returns: what was read, at least one byte; None if there is nothing now; ConnectionDone at the end,
        ConnectionLost for an error.
    """
    try:
        data = os.read(fileno, size)
    except BlockingIOError:
        return None
    except OSError as error:
        return connection_lost(vocabulary, error)
    return data or vocabulary.error.ConnectionDone()


def write_some(vocabulary: Vocabulary, fileno: int, data: bytes | memoryview) -> int | BaseException:
    """Write once to a non-blocking descriptor.

    :returns: the number of bytes taken, 0 if it would have blocked; ConnectionLost for an error.
    """
    try:
        return os.write(fileno, data)
    except BlockingIOError:
        return 0
    except OSError as error:
        return connection_lost(vocabulary, error)
