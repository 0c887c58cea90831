"""What every readable and writable descriptor has in common: buffering, producers, and the steps of closing.

:class:`FileDescriptor` is abstract. A subclass gives ``fileno``, ``doRead`` and ``writeSomeData``, and may
be a stranger's; the reactor calls ``doRead`` and ``doWrite`` when the descriptor is ready
(``adapter/fdset.py`` interprets what they return).
``transport/tcp.py`` builds TCP connections on it, ``transport/tcp_listen.py`` ports; the bytes wait in
``transport/buffer.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import implementer

from twisted_compat.current import current_reactor
from twisted_compat.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    ILoggingContext,
    IPushProducer,
    IReadWriteDescriptor,
    ITransport,
)
from twisted_compat.transport.buffer import WriteBuffer

__all__ = ["FileDescriptor", "as_bytes"]


@implementer(
    IPushProducer, IReadWriteDescriptor, IConsumer, ITransport, IHalfCloseableDescriptor, ILoggingContext
)
class FileDescriptor:
    """An object that a reactor watches for readiness, and that writes through a buffer.

    Its life, told by its flags::

        connected=0                      made, not in use yet
        connected=1                      in use; what is written is buffered and sent
          _writeDisconnecting            half-closing: the write side shuts when the buffer is empty
          _writeDisconnected             half-closed: what is written is dropped
          disconnecting=1                closing: closes when the buffer is empty and no producer is left
        connected=0, disconnected=1      lost; nothing is read or written any more

    :param reactor: an IReactorFDSet provider with a ``vocabulary``; None means the current reactor.
    """

    connected = 0
    disconnected = 0
    disconnecting = 0
    _writeDisconnecting = False
    _writeDisconnected = False
    producer: Any = None
    producerPaused: int | bool = False
    streamingProducer: int | bool = False

    bufferSize = 2**16
    """Bytes: one read asks for this many, and a buffer longer than this is full, which pauses a streaming
    producer."""
    SEND_LIMIT = 128 * 1024
    """Bytes: the most that one send is given."""

    turn_flush = False
    """True where the descriptor is non-blocking and of this package's own make: the reactor may then write
    at the end of the turn in which the data was accepted, without waiting to be told that the descriptor is
    writable."""
    offset = 0
    """Always 0: ``dataBuffer`` begins with the first byte that has not been sent."""

    def __init__(self, reactor: Any = None) -> None:
        self.reactor = current_reactor() if reactor is None else reactor
        self._buffer = WriteBuffer()
        # The reactor's record of this descriptor: its `armed` says that doWrite is going to be called, its
        # `writing` that the loop watches for it. Kept here, it spares each write the calls to find that out.
        self._registration: Any = None
        # Read by every write: an attribute of the instance is found faster than one of a class far up. A
        # subclass may say `connected = 1` in its class body, so each is taken from there.
        self.connected, self.disconnecting = self.connected, self.disconnecting
        self._writeDisconnected, self._writeDisconnecting = self._writeDisconnected, self._writeDisconnecting
        self.producer = self.producer

    # What a subclass gives

    def fileno(self) -> int:
        """The descriptor's number for the operating system; -1 once it is closed (IFileDescriptor)."""
        raise NotImplementedError(f"{type(self).__name__} must define fileno()")

    def doRead(self) -> Any:
        """Read what is available (IReadDescriptor). The result means what :meth:`doWrite`'s means."""
        raise NotImplementedError(f"{type(self).__name__} must define doRead()")

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        """Write as much of ``data`` as is possible at once.

        :returns: the number of bytes written; or a negative number or an exception if the connection is lost.
        """
        raise NotImplementedError(f"{type(self).__name__} must define writeSomeData()")

    def getHost(self) -> Any:
        """This side's address, an IAddress provider (ITransport)."""
        raise NotImplementedError(f"{type(self).__name__} must define getHost()")

    def getPeer(self) -> Any:
        """The other side's address, an IAddress provider (ITransport)."""
        raise NotImplementedError(f"{type(self).__name__} must define getPeer()")

    def logPrefix(self) -> str:
        """A word for log lines about this descriptor (ILoggingContext)."""
        return "-"

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Accept ``data`` to be sent (ITransport, IConsumer). Never blocks, never calls the protocol back.

        It goes out in order, at the end of this turn of the loop at the earliest. Once the connection is
        lost or its write side shut, it is dropped. A streaming producer is paused when more than
        ``bufferSize`` bytes wait.

        :raises TypeError: if ``data`` is not bytes-like.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if data and self.connected and not self._writeDisconnected:
            registration = self._registration
            if registration is None or not registration.armed:
                self.startWriting()  # first, because it may refuse (a wrong thread): then nothing is accepted
            # append, spelled out for the first write of a turn, which nearly always is the only one, and for
            # the third and those that follow.
            buffer = self._buffer
            if not buffer.size:
                buffer.single = data
                buffer.size = len(data)
            elif buffer.single is None:
                buffer.chunks.append(data)
                buffer.size += len(data)
            else:
                buffer.append(data)
            if self.producer is not None:
                self._maybePauseProducer()

    def writeSequence(self, iovec: Iterable[bytes | bytearray | memoryview]) -> None:
        """Accept every piece of ``iovec``, in order, as :meth:`write` does (ITransport)."""
        try:
            data = b"".join([piece if type(piece) is bytes else as_bytes(piece) for piece in iovec])
        except TypeError as error:  # said in Twisted's words, which programs compare with
            raise TypeError("Data must be bytes") from error
        self.write(data)

    @property
    def dataBuffer(self) -> bytes:
        """The bytes accepted and not sent yet (a copy). Assigning replaces them."""
        return bytes(self._buffer)

    @dataBuffer.setter
    def dataBuffer(self, data: bytes) -> None:
        self._buffer.clear()
        if data:
            self._buffer.append(as_bytes(data))

    def doWrite(self) -> Any:
        """Send from the buffer (IWriteDescriptor); once it is empty, ask the producer for more, or close.

        :returns: None if data was written, 0 if none could be; an exception or a negative number if the
            connection is lost.
        """
        buffer = self._buffer
        if buffer.size:
            written = self.writeSomeData(buffer.head(self.SEND_LIMIT))
            if type(written) is not int or written < 0:
                return written
            buffer.consume(written)
            if buffer.size:
                return None if written else 0
        return self._sent_all()

    def _sent_all(self) -> Any:
        """The buffer is empty: who waited for that? If nobody has more to write, call no more."""
        registration, why = self._registration, None
        if registration is None:
            self.stopWriting()
        else:
            registration.armed = False  # who has more says so, by write or startWriting
        if self.producer is not None or self.disconnecting or self._writeDisconnecting:
            why = self._buffer_drained()
        # Not before: what is watched need not be stopped to be started again.
        if registration is not None and registration.writing is not None and not registration.armed:
            self.stopWriting()
        return why

    def _buffer_drained(self) -> Any:
        """Everything accepted has been sent: who waited for that?"""
        producer = self.producer
        # Closing waits for the producer to unregister, unless it is a transport that has been lost itself, as
        # when a relay joins two connections: that one has nothing left to say.
        gone = self.disconnecting and getattr(producer, "disconnected", False)
        if producer is not None and not gone and (not self.streamingProducer or self.producerPaused):
            self.producerPaused = False
            producer.resumeProducing()
        elif self.disconnecting:
            if producer is None or gone or not self.reactor.vocabulary.closing_waits_for_push:
                return self._postLoseConnection()
        elif self._writeDisconnecting and producer is None:
            self._writeDisconnecting = False
            self._writeDisconnected = True  # before the call, whose handler may call loseConnection
            return self._closeWriteConnection()
        return None

    # Closing

    def loseConnection(self, _connDone: Any = None) -> None:
        """Close when everything accepted has been sent and no producer is registered any more (ITransport).

        Reading stops at once.

        :param _connDone: the Failure to close with; None means ConnectionDone.
        """
        if not self.connected or self.disconnecting:
            return
        self.stopReading()
        self.disconnecting = 1
        if _connDone is not None:
            self._close_reason = _connDone
        if self._writeDisconnected:
            # No write will follow to carry the closing, so it is put on a turn of its own: never inside the
            # caller.
            self.stopWriting()
            self.reactor.callLater(0, self._finish_closing)
        else:
            self.startWriting()

    _close_reason: Any = None

    def _finish_closing(self) -> None:
        if self.connected:
            reason = self._postLoseConnection()
            vocabulary = self.reactor.vocabulary
            self.connectionLost(self._close_reason or vocabulary.failure.Failure(reason))

    def loseWriteConnection(self) -> None:
        """Shut the write side when everything accepted has been sent; reading goes on (ITCPTransport)."""
        if self.connected and not self._writeDisconnecting and not self._writeDisconnected:
            self._writeDisconnecting = True
            self.startWriting()

    def _postLoseConnection(self) -> Any:
        """Everything has been sent after :meth:`loseConnection`: the result becomes :meth:`doWrite`'s."""
        if self._close_reason is not None:
            return self._close_reason.value
        return self.reactor.vocabulary.error.ConnectionDone()

    def _closeWriteConnection(self) -> Any:
        """Everything has been sent after :meth:`loseWriteConnection`: shut the write side, if possible."""

    def readConnectionLost(self, reason: Any) -> None:
        """The other side will send no more (IHalfCloseableDescriptor): all is lost, unless a subclass
        knows better."""
        self.connectionLost(reason)

    def writeConnectionLost(self, reason: Any) -> None:
        """The other side will read no more (IHalfCloseableDescriptor): all is lost, unless a subclass
        knows better."""
        self.connectionLost(reason)

    def connectionLost(self, reason: Any) -> None:
        """Lost, for ``reason`` (a Failure): stop everything (IFileDescriptor). Subclasses extend it."""
        self.disconnected = 1
        self.connected = 0
        producer, self.producer = self.producer, None
        self.stopReading()
        self.stopWriting()
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.release()
        self._buffer.clear()
        if producer is not None:
            try:
                producer.stopProducing()
            except Exception:
                log = self.reactor.vocabulary.log
                log.exception("stopProducing of %r raised; %r is closed all the same", producer, self)

    # Being watched by the reactor

    def startReading(self) -> None:
        """Have :meth:`doRead` called whenever there is something to read."""
        self.reactor.addReader(self)

    def stopReading(self) -> None:
        """Have :meth:`doRead` called no more."""
        self.reactor.removeReader(self)

    def startWriting(self) -> None:
        """Have :meth:`doWrite` called when data can be written."""
        self.reactor.addWriter(self)

    def stopWriting(self) -> None:
        """Have :meth:`doWrite` called no more."""
        self.reactor.removeWriter(self)

    # Being a producer, of what is read

    def pauseProducing(self) -> None:
        """Read no more for now (IPushProducer)."""
        self.stopReading()

    def resumeProducing(self) -> None:
        """Read again (IPushProducer), unless the connection is closing."""
        if self.connected and not self.disconnecting:
            self.startReading()

    def stopProducing(self) -> None:
        """Close: nobody wants what would be read (IProducer)."""
        self.loseConnection()

    # Being a consumer, of what a producer writes

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take ``producer`` as the source of what is written (IConsumer).

        :param producer: an IPushProducer if ``streaming``, else an IPullProducer.
        :param streaming: True: it writes on its own, and is paused while the buffer is full. False: it is
            asked for each piece.
        :raises RuntimeError: if a producer is registered already.
        """
        if self.producer is not None:
            raise RuntimeError(
                f"{self!r} has a producer already, {self.producer!r}. "
                f"Call unregisterProducer() before registering {producer!r}."
            )
        if self.disconnected:
            producer.stopProducing()
            return
        self.producer = producer
        self.streamingProducer = streaming
        self.producerPaused = False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer): a closing that waited for it goes on."""
        self.producer = None
        self.producerPaused = False
        if self.connected and (self.disconnecting or self._writeDisconnecting):
            self.startWriting()

    def stopConsuming(self) -> None:
        """The producer has gone for good: let go of it and close."""
        self.unregisterProducer()
        self.loseConnection()

    def _isSendBufferFull(self) -> bool:
        return self._buffer.size > self.bufferSize

    def _maybePauseProducer(self) -> None:
        producer = self.producer  # None is possible: a subclass with a write() of its own calls this too
        if producer is None or not self.streamingProducer or self.producerPaused:
            return
        if self._isSendBufferFull():
            self.producerPaused = True
            producer.pauseProducing()


def as_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """``data`` as bytes that nobody can change while they wait in the buffer."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    hint = ' Encode text first, as in write("...".encode()).' if isinstance(data, str) else ""
    raise TypeError(f"A transport writes bytes, not {type(data).__name__}.{hint}")
