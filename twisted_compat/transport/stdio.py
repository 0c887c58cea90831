"""A protocol on the process's own standard input and output: :class:`StandardIO`.

What it reads and writes through are ``process_pipes.py``'s two ends, though what stands behind the numbers
may be pipes, terminals, sockets, files or ``/dev/null``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from zope.interface import implementer

from twisted_compat.current import current_reactor
from twisted_compat.interfaces import IConsumer, IPushProducer, ITransport
from twisted_compat.transport.introduce import introduce
from twisted_compat.transport.process_pipes import PipeAddress, ProcessReader, ProcessWriter

__all__ = ["PipeAddress", "StandardIO"]

FILE_READ = 2**20
"""Bytes that one read of a file asks for. Files are always ready, and for that reason not asked for by the
loop as often as they could be read."""

PTMX = os.makedev(5, 2) if hasattr(os, "makedev") else -1
"""Linux's device that is another terminal's master side whenever it is opened."""


@implementer(ITransport, IConsumer, IPushProducer)
class StandardIO:
    """A protocol's transport that reads from one descriptor and writes to another, by default the process's
    standard input and output (ITransport).

    Neither is ever closed, as they are the process's. Nor are they left non-blocking, which is seen by
    whoever shares them, such as the shell: pipes and terminals are opened anew for that; where that can't be
    (sockets), it is undone in the end.

    When the input ends, an IHalfCloseableProtocol hears ``readConnectionLost()``, and may go on writing. For
    any other the end is that of the connection, after all that was written has been sent. Likewise with
    ``writeConnectionLost()`` when nobody reads the output any more, though then nothing can be sent.

    :param proto: its protocol (IProtocol).
    :param stdin: the number to read from.
    :param stdout: the number to write to.
    :param reactor: watches them; the current one if None.
    :raises OSError: if a number isn't open, or no more can be opened.

    :ivar protocol: its protocol; None when the connection is lost.
    :ivar disconnecting: whether it is about to be closed.
    :ivar disconnected: whether the connection is lost.
    """

    def __init__(self, proto: Any, stdin: int = 0, stdout: int = 1, reactor: Any = None) -> None:
        self.reactor = current_reactor() if reactor is None else reactor
        self.protocol = proto
        self.disconnecting = self.disconnected = False
        self._reason: Any = None  # why it is closing, if not because it was asked to
        self._reader: ProcessReader | None = None
        self._writer: ProcessWriter | None = None
        for number in (stdin, stdout):
            os.fstat(number)  # which says so if it isn't open, as long as nothing else has taken the number
        with ExitStack() as at_the_end:
            # Both before either is made non-blocking, as they may be one file.
            reading, writing = _open(stdin, os.O_RDONLY, at_the_end), _open(stdout, os.O_WRONLY, at_the_end)
            at_the_end.callback(self._forget)
            self._writer = ProcessWriter(self.reactor, self, "write", writing)
            self._reader = ProcessReader(self.reactor, self, "read", reading)
            if stat.S_ISREG(os.fstat(reading).st_mode):
                self._reader.bufferSize = FILE_READ
            self._at_the_end = at_the_end.pop_all()
        introduce(proto, self)

    def _forget(self) -> None:
        self._reader = self._writer = None

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the output (ITransport). Dropped once that is closed.

        :raises TypeError: if ``data`` is not bytes-like.
        """
        if self._writer is not None:
            self._writer.write(data)

    def writeSequence(self, data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write every piece of ``data``, in order, as :meth:`write` does (ITransport)."""
        if self._writer is not None:
            self._writer.writeSequence(data)

    # Closing

    def loseConnection(self) -> None:
        """Close when everything that was written has been sent (ITransport). Reading stops at once."""
        self._close(None)

    def _close(self, reason: Any) -> None:
        """
        :param reason: a Failure; None for having been asked to.
        """
        if self.disconnecting or self.disconnected:
            return
        self.disconnecting = True
        self._reason = reason
        if self._reader is not None:
            self._reader.stopReading()
        if self._writer is not None:
            if self._writer.producer is self:  # to hold itself back; now it has nothing more to give
                self._writer.unregisterProducer()
            self._writer.loseConnection()
        else:
            words = self.reactor.vocabulary
            done = reason or words.failure.Failure(words.error.ConnectionDone())
            self.reactor.callLater(0, self.connectionLost, done)

    def loseWriteConnection(self) -> None:
        """Write no more once everything that was written has been sent; reading goes on. An
        IHalfCloseableProtocol hears ``writeConnectionLost()`` then."""
        if self._writer is not None:
            self._writer.loseConnection()

    def connectionLost(self, reason: Any) -> None:
        """The connection is lost, at once, for ``reason`` (a Failure); the protocol is told."""
        if self.disconnected:
            return
        self.disconnected = True
        protocol, self.protocol = self.protocol, None
        for end in (self._writer, self._reader):
            if end is not None and not end.disconnected:
                end.connectionLost(reason)
        self._at_the_end.close()
        try:
            protocol.connectionLost(reason)
        except Exception:
            self.reactor.vocabulary.log.exception("connectionLost of %r raised", protocol)

    # For the two ends

    def childDataReceived(self, name: str, data: bytes) -> None:
        """The input has ``data``."""
        self.protocol.dataReceived(data)

    def childConnectionLost(self, name: str, reason: Any) -> None:
        """One end is lost, for ``reason`` (a Failure)."""
        if self.disconnected:
            return
        if name == "read":
            self._reader = None
            told = self._tell_half_closed("readConnectionLost")
        else:
            self._writer = None
            told = self.disconnecting or self._tell_half_closed("writeConnectionLost")
        if self._writer is None and (self._reader is None or self.disconnecting):
            self.connectionLost(self._reason or reason)
        elif not told and name == "read":
            self._close(reason)
        elif not told and not self._asked_for(reason):
            self.connectionLost(reason)

    def _tell_half_closed(self, method: str) -> bool:
        """Tell an IHalfCloseableProtocol; what that raises ends the connection.

        :returns: whether it is one.
        """
        words = self.reactor.vocabulary
        if not words.interfaces.IHalfCloseableProtocol.providedBy(self.protocol):
            return False
        try:
            getattr(self.protocol, method)()
        except Exception:
            words.log.exception("%s of %r raised: the connection is closed", method, self.protocol)
            self.connectionLost(words.failure.Failure())
        return True

    def _asked_for(self, reason: Any) -> bool:
        """Whether this side closed the output, by :meth:`loseWriteConnection`."""
        return reason.check(self.reactor.vocabulary.error.ConnectionDone) is not None

    # Being a consumer, of what is written

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take ``producer`` as the source of what is written (IConsumer). Once the output is closed, the
        producer is stopped.

        :param producer: an IPushProducer if ``streaming``, else an IPullProducer.
        :raises RuntimeError: if a producer is registered already.
        """
        if self._writer is not None:
            self._writer.registerProducer(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer): a closing that waited for it goes on."""
        if self._writer is not None:
            self._writer.unregisterProducer()

    # Being a producer, of what is read

    def pauseProducing(self) -> None:
        """Read no more for now (IPushProducer)."""
        if self._reader is not None:
            self._reader.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again (IPushProducer), unless the connection is closing."""
        if self._reader is not None and not self.disconnecting:
            self._reader.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody wants what would be read: :meth:`loseConnection` (IProducer)."""
        self.loseConnection()

    stopReading = pauseProducing
    startReading = resumeProducing

    # Addresses

    def getHost(self) -> PipeAddress:
        """The same for every pipe (ITransport)."""
        return PipeAddress()

    def getPeer(self) -> PipeAddress:
        """The same for every pipe (ITransport)."""
        return PipeAddress()


def _open(number: int, mode: int, at_the_end: ExitStack) -> int:
    """A number of our own for what is behind ``number``, to be made non-blocking.

    :param mode: ``os.O_RDONLY`` or ``os.O_WRONLY``.
    :param at_the_end: gets to do what closes it, and leaves everything as it was.
    """
    if _can_be_opened_anew(number):
        with suppress(OSError):  # there is no /proc, or it is another user's
            own = os.open(f"/proc/self/fd/{number}", mode | os.O_NONBLOCK | os.O_NOCTTY)
            at_the_end.callback(os.close, own)
            return own
    own = os.dup(number)
    at_the_end.callback(os.close, own)
    at_the_end.callback(os.set_blocking, own, os.get_blocking(own))
    return own


def _can_be_opened_anew(number: int) -> bool:
    """Whether opening it again gives the same thing, with a flag of its own for being non-blocking.

    A file has a position, which would be another. A named pipe may have no writer any more, and then the loop
    wouldn't be told that it has ended.
    """
    status = os.fstat(number)
    if stat.S_ISCHR(status.st_mode):
        return os.isatty(number) and status.st_rdev != PTMX
    if stat.S_ISFIFO(status.st_mode):
        with suppress(OSError):
            return os.readlink(f"/proc/self/fd/{number}").startswith("pipe:")
    return False
