"""Protocols framed by a delimiter: :class:`LineReceiver` and :class:`LineOnlyReceiver`.

They stand on :mod:`twisted_compat.protocol` alone and know a transport only as something to write to, pause
and close, so they can be driven with bytes and no socket. Any way of cutting a stream into chunks gives the
same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from twisted_compat.protocol import Protocol

__all__ = ["LineOnlyReceiver", "LineReceiver"]


# Bytes: up to here, joining and searching once more is cheaper than keeping count of what was searched.
SHORT = 1024
# Lines: after leaving line mode, so many are cut one by one before larger and larger batches are cut.
CAUTIOUS = 8


class _Backlog(bytearray):
    """Many bytes waiting for the end of their line: additions are cheap, and no byte is searched twice."""

    delimiter = b""
    searched = 0

    def has_line(self, delimiter: bytes) -> bool:
        """Whether ``delimiter`` occurs; looks only at what has been added since it was last asked for."""
        if delimiter != self.delimiter:
            self.delimiter = delimiter
            self.searched = 0
        if self.find(delimiter, self.searched) >= 0:
            return True
        # The last bytes may be the first half of a delimiter: they are looked at again with what follows.
        self.searched = max(0, len(self) - len(delimiter) + 1)
        return False


class _Received:
    """What a :class:`LineReceiver` has been given and has not delivered. In the order of arrival::

        lines   an iterator over lines that are cut (by ``cut_by``) but not delivered; None for no lines
        rest    the bytes that follow them, not cut yet
        held    what came after those, once there is much of it; None for nothing

    The loop that delivers and whatever empties the buffer share ``lines``: emptying it ends the loop.
    ``busy`` is true while that loop runs.

    Cutting many lines at once is the fastest, but wasted where the protocol leaves line mode after one or
    two, and no gain where there is only one. So ``batch`` lines are cut at once, or 1 while ``single`` is not
    0: it counts down, and is set again by leaving line mode or by a chunk of one line.
    """

    __slots__ = ("batch", "busy", "cut_by", "held", "lines", "rest", "single")

    def __init__(self) -> None:
        self.lines: Iterator[bytes] | None = None
        self.cut_by = b""
        self.rest = b""
        self.held: _Backlog | None = None
        self.busy = False
        self.batch = 128
        self.single = 0

    def add(self, data: bytes) -> None:
        """Add ``data`` at the end. However many and small the additions are, this stays linear."""
        if self.held is not None:
            self.held += data
        elif len(self.rest) < SHORT:
            self.rest += data
        else:
            self.held = _Backlog(data)

    def take(self) -> bytes:
        """Empty the buffer, and return what was in it."""
        taken = self.rest
        self.rest = b""
        self.single = CAUTIOUS
        if self.lines is not None:
            taken = self.cut_by.join([*self.lines, taken])
            self.lines = None
            self.batch = CAUTIOUS
        if self.held is not None:
            taken += self.held
            self.held = None
        return taken

    def cut(self, delimiter: bytes) -> Iterator[bytes] | None:
        """Make the next batch out of ``rest``, where there is none. None if ``rest`` has no whole line."""
        cut = self.rest.split(delimiter, self.batch)
        self.rest = cut.pop()
        count = len(cut)
        if count < 2:
            if not count:
                return None
            self.single = 1
        elif count == self.batch:
            self.batch *= 2
        self.cut_by = delimiter
        self.lines = lines = iter(cut)
        return lines

    def release(self, delimiter: bytes) -> bool:
        """Where ``rest`` has no whole line: add what is held to it. False if there is none even so."""
        held = self.held
        if held is None:
            if len(self.rest) < SHORT:
                return False
            held = _Backlog(self.rest)
        elif self.rest:
            held = _Backlog(self.rest + held)
        if held.has_line(delimiter):
            self.rest = bytes(held)
            self.held = None
            return True
        self.rest = b""
        self.held = held
        return False


def _bring_near(protocol: Protocol, names: tuple[str, ...]) -> None:
    # Python 3.10 and 3.11 read an attribute of the instance several times as fast as one of its class.
    for name in names:
        with suppress(AttributeError):  # a subclass made it a property
            setattr(protocol, name, getattr(protocol, name))


_GO_ON = object()


class _PauseableMixin:
    """``IPushProducer`` for a protocol that keeps what arrives while it is paused. Legacy code imports it by
    this name.

    The class it is mixed into holds on to its input while ``paused`` is true, and takes ``dataReceived(b"")``
    as the request to go on with it.
    """

    paused = False
    transport: Any
    dataReceived: Any

    def pauseProducing(self) -> None:
        """Deliver nothing more until :meth:`resumeProducing`, and stop the transport from reading."""
        self.paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Let the transport read again, and deliver what was kept; a delivery that is running goes on."""
        self.paused = False
        self.transport.resumeProducing()
        self.dataReceived(b"")

    def stopProducing(self) -> None:
        """Deliver nothing more, and have the transport stop for good."""
        self.paused = True
        self.transport.stopProducing()


class LineOnlyReceiver(Protocol):
    """Cuts the stream into lines; has neither a raw mode nor pausing.

    :cvar delimiter: what ends a line (bytes).
    :cvar MAX_LENGTH: the longest line to accept, in bytes without its delimiter.
    """

    delimiter: bytes = b"\r\n"
    MAX_LENGTH: int = 16384
    _rest: bytes = b""
    _held: _Backlog | None = None  # in the place of _rest, once that is long
    _lines: Iterator[bytes] = iter(())  # cut and not delivered yet; the running delivery goes on with it

    def makeConnection(self, transport: Any) -> None:
        """``IProtocol``: as every protocol's."""
        _bring_near(self, ("delimiter", "MAX_LENGTH"))
        super().makeConnection(transport)

    @property
    def _buffer(self) -> bytes:
        """The line that has not ended yet. Subclasses in the wild read and assign it."""
        return self._rest if self._held is None else bytes(self._held)

    @_buffer.setter
    def _buffer(self, data: bytes) -> None:
        self._rest, self._held = data, None

    def dataReceived(self, data: bytes) -> Any:
        """``IProtocol``: deliver each whole line in ``data`` (bytes), keep what is left for the next call.

        :returns: what :meth:`lineLengthExceeded` returned, where it was called; else None.
        """
        delimiter = self.delimiter
        if self._held is not None:
            self._held += data
            if not self._held.has_line(delimiter):
                return self._check_unfinished(self._held)
            data = bytes(self._held)
            self._held = None
        elif self._rest:
            data = self._rest + data
        cut = data.split(delimiter)
        self._rest = cut.pop()
        self._lines = lines = iter(cut)
        for line in lines:
            # An earlier line of this chunk may have closed the connection: the peer's later ones are void.
            if self.transport.disconnecting:
                return None
            if len(line) > self.MAX_LENGTH:
                return self.lineLengthExceeded(line)
            self.lineReceived(line)
        rest = self._rest
        if len(rest) >= SHORT:
            self._held = _Backlog(rest)
            self._rest = b""
            return self._check_unfinished(self._held)
        return self._check_unfinished(rest) if len(rest) > self.MAX_LENGTH else None

    def clearLineBuffer(self) -> bytes:
        """Empty the buffer: return all that has arrived and has not been delivered (bytes)."""
        taken = self.delimiter.join([*self._lines, self._buffer])
        self._buffer = b""
        return taken

    def _check_unfinished(self, unfinished: bytes | _Backlog) -> Any:
        # Up to a whole delimiter less one byte of it may turn out to belong to the delimiter, not the line.
        if len(unfinished) >= self.MAX_LENGTH + len(self.delimiter):
            return self.lineLengthExceeded(bytes(unfinished))
        return None

    def lineReceived(self, line: bytes) -> Any:
        """Override: one whole ``line`` (bytes, without its delimiter) has arrived."""
        raise NotImplementedError(_unwritten(self, "lineReceived(self, line)"))

    def sendLine(self, line: bytes) -> Any:
        """Send ``line`` (bytes) followed by the delimiter."""
        return self.transport.writeSequence((line, self.delimiter))

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is longer than ``MAX_LENGTH``: close the connection. Override to do something else.

        :param line: the line, or as much of it as there is (bytes).
        """
        return self.transport.loseConnection()


class LineReceiver(Protocol, _PauseableMixin):
    """Cuts the stream into lines, and can switch to raw bytes and back in the middle of a chunk.

    In line mode each line goes to :meth:`lineReceived`, in raw mode whatever has arrived goes to
    :meth:`rawDataReceived`. Delivery stops in the middle of a chunk when the protocol pauses itself, when
    ``lineReceived`` or ``rawDataReceived`` returns something true, and after a line that closes the
    transport; what is left stays in the buffer, and the next ``dataReceived`` goes on.

    :cvar delimiter: what ends a line (bytes); may be changed at any time, and holds from the next line on.
    :cvar MAX_LENGTH: the longest line to accept, in bytes without its delimiter.
    :ivar line_mode: 1 in line mode, 0 in raw mode.
    :ivar paused: true between :meth:`pauseProducing` and :meth:`resumeProducing`.
    """

    line_mode: int = 1
    delimiter: bytes = b"\r\n"
    MAX_LENGTH: int = 16384
    _received: _Received | None = None

    def makeConnection(self, transport: Any) -> None:
        """``IProtocol``: as every protocol's."""
        _bring_near(self, ("delimiter", "MAX_LENGTH", "line_mode", "paused"))
        super().makeConnection(transport)

    def dataReceived(self, data: bytes) -> Any:
        """``IProtocol``: deliver the lines or the raw bytes that ``data`` (bytes) completes.

        Called from inside a delivery, it only adds to the buffer, which the running delivery then goes on
        with.

        :returns: what the last ``lineReceived``, ``rawDataReceived`` or ``lineLengthExceeded`` returned,
            where that ended the delivery; else None.
        """
        received = self._received
        if received is None:
            received = self._received = _Received()
        if received.rest or received.held is not None:
            received.add(data)
        else:
            received.rest = data
        if received.busy:
            return None
        received.busy = True
        try:
            while not self.paused:
                if not self.line_mode:
                    if received.lines is None and received.held is None:
                        data, received.rest, received.single = received.rest, b"", CAUTIOUS
                    else:
                        data = received.take()
                    if not data:
                        return None
                    why = self.rawDataReceived(data)
                    if why:
                        return why
                    continue
                delimiter = self.delimiter
                if not received.single or received.lines is not None:
                    why = self._deliver_batch(received, delimiter)
                    if why is not _GO_ON:
                        return why
                    continue
                line, found, rest = received.rest.partition(delimiter)
                if not found:
                    if received.release(delimiter):
                        continue
                    return self._check_unfinished(received, delimiter)
                received.rest = rest
                if len(line) > self.MAX_LENGTH:
                    return self.lineLengthExceeded(line + delimiter + received.take())
                why = self.lineReceived(line)
                if why:
                    return why
                transport = self.transport
                if transport is not None and transport.disconnecting:
                    return why
                if received.rest:
                    received.single -= 1
                elif received.held is None:
                    return None
            return None
        finally:
            received.busy = False

    def _deliver_batch(self, received: _Received, delimiter: bytes) -> Any:
        # As dataReceived's second half, but many lines at a time. Returns what dataReceived shall return, or
        # _GO_ON.
        lines = received.lines
        if lines is None:
            lines = received.cut(delimiter)
            if lines is None:
                if received.release(delimiter):
                    return _GO_ON
                return self._check_unfinished(received, delimiter)
        elif received.cut_by is not delimiter:
            received.rest = received.take()
            return _GO_ON
        for line in lines:
            if len(line) > self.MAX_LENGTH:
                return self.lineLengthExceeded(line + delimiter + received.take())
            why = self.lineReceived(line)
            if why:
                return why
            transport = self.transport
            if transport is not None and transport.disconnecting:
                return why
            if self.paused or not self.line_mode or self.delimiter is not delimiter:
                return _GO_ON
        received.lines = None
        return _GO_ON if received.rest or received.held is not None else None

    def _check_unfinished(self, received: _Received, delimiter: bytes) -> Any:
        # All there is, if anything, is the beginning of one line; of that, up to a whole delimiter less one
        # byte may turn out to belong to the delimiter.
        unfinished = received.rest if received.held is None else received.held
        if len(unfinished) >= self.MAX_LENGTH + len(delimiter):
            return self.lineLengthExceeded(received.take())
        return None

    def clearLineBuffer(self) -> bytes:
        """Empty the buffer: return all that has arrived and has not been delivered (bytes)."""
        return b"" if self._received is None else self._received.take()

    @property
    def _buffer(self) -> bytes:
        """All that has arrived and has not been delivered. Subclasses in the wild read and assign it."""
        buffer = self.clearLineBuffer()
        self._buffer = buffer
        return buffer

    @_buffer.setter
    def _buffer(self, data: bytes) -> None:
        if self._received is None:
            self._received = _Received()
        self._received.take()
        self._received.rest = data

    @property
    def _busyReceiving(self) -> bool:
        """Whether a delivery is running."""
        return self._received is not None and self._received.busy

    def setLineMode(self, extra: bytes = b"") -> Any:
        """Deliver lines from now on.

        :param extra: bytes that ``rawDataReceived`` was given and that are not raw any more; they come before
            whatever arrives later. Inside ``lineReceived`` there are none: leave it out.
        :returns: what ``dataReceived(extra)`` returned, or None.
        """
        self.line_mode = 1
        if extra:
            return self.dataReceived(extra)
        return None

    def setRawMode(self) -> None:
        """Deliver raw bytes from now on, beginning with those that follow the line being delivered."""
        self.line_mode = 0

    def lineReceived(self, line: bytes) -> Any:
        """Override: one whole ``line`` (bytes, without its delimiter) has arrived.

        :returns: something true to stop the delivery and have ``dataReceived`` return it; commonly None.
        """
        raise NotImplementedError(_unwritten(self, "lineReceived(self, line)"))

    def rawDataReceived(self, data: bytes) -> Any:
        """Override: ``data`` (bytes, at least one) has arrived in raw mode. Returns: see ``lineReceived``."""
        raise NotImplementedError(_unwritten(self, "rawDataReceived(self, data)"))

    def sendLine(self, line: bytes) -> Any:
        """Send ``line`` (bytes) followed by the delimiter."""
        return self.transport.write(line + self.delimiter)

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is longer than ``MAX_LENGTH``: close the connection. Override to do something else.

        :param line: all that the buffer held, starting with the line that is too long or with as much of it
            as there is (bytes).
        :returns: what ``dataReceived`` shall return.
        """
        return self.transport.loseConnection()


def _unwritten(protocol: Protocol, method: str) -> str:
    name = type(protocol).__name__
    return f"{name} does not say what to do with its input. Write `def {method}: ...` in {name}."
