"""TLS without sockets: ciphertext in, plaintext out, and the other way round.

:class:`TLSEngine` knows in which state a TLS connection is, and nothing of transports; what is done with its
results is ``tls.py``. The cryptography is a library's, behind the small interface :class:`TLSBackend`: there
is one of the standard library's ``ssl`` (``tls_stdlib.py``) and one of pyOpenSSL (``tls_pyopenssl.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

__all__ = ["RECORD", "CloseNotify", "EngineState", "MakeBackend", "TLSBackend", "TLSEngine"]

RECORD = 16384
"""Bytes: the most plaintext that one TLS record carries (RFC 8446, 5.1)."""


class CloseNotify(Exception):
    """The peer has said that it will send no more (RFC 8446, 6.1). Raised by backends, for the engine."""


class TLSBackend(Protocol):
    """One TLS connection of some library, over two buffers in memory.

    What the library refuses is raised as the library raises it.
    """

    @property
    def handle(self) -> Any:
        """The library's own object."""

    @property
    def speaks_first(self) -> bool:
        """Whether it is the client's."""

    def handshake(self, data: bytes | memoryview) -> bool:
        """Take ``data`` from the peer, and go on with the handshake as far as it goes.

        :returns: whether it is through.
        """

    def receive(self, data: bytes | memoryview, plaintext: list[bytes]) -> bool:
        """Take ``data`` from the peer after the handshake; append to ``plaintext`` what becomes readable.
        Like :meth:`handshake`, it keeps nothing of ``data`` itself, which others will write over.

        :returns: whether there may be something to send because of it.
        :raises CloseNotify: after the last of what the peer has sent.
        """

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt ``data``, not empty, or the beginning of it.

        :returns: how much of it, in bytes.
        """

    def close(self) -> None:
        """Make the close_notify."""

    def outgoing(self) -> bytes:
        """Hand out what is to be sent."""

    def peer_certificate(self) -> Any:
        """The certificate that the peer showed, as the library has it; None if it showed none."""

    def negotiated_protocol(self) -> bytes | None:
        """The protocol settled by ALPN (RFC 7301), if any."""

    def keep_session(self) -> None:
        """The connection ends well: a later one may resume its session."""


MakeBackend = Callable[[Any], TLSBackend]
"""Makes the backend of a connection; called with its TLS layer."""


class EngineState(Enum):
    """How far a TLS connection is."""

    HANDSHAKING = "handshaking"
    """Nothing can be sent or received yet."""
    OPEN = "open"
    """The handshake is through. Each direction ends by itself: ``closed``, ``peer_closed``."""
    FAILED = "failed"
    """``failure`` says why; an alert may wait in :meth:`TLSEngine.outgoing`."""


class TLSEngine:
    """One side of a TLS connection, fed with bytes.

    :param backend: the library's part.
    :ivar state: an :class:`EngineState`.
    :ivar failure: the exception with which it failed.
    :ivar peer_closed: whether the peer has closed its direction with a close_notify: nothing more will come.
    :ivar closed: whether :meth:`close` has closed ours: nothing more can be sent.
    :ivar news: whether the last :meth:`receive` changed any of these, or made something to send. With
        pyOpenSSL the answer to a change of keys that came together with data is not noticed: it goes with
        what is sent next, which is early enough (RFC 8446, 4.6.3).
    """

    __slots__ = ("backend", "closed", "failure", "news", "peer_closed", "state")

    def __init__(self, backend: TLSBackend) -> None:
        self.backend = backend
        self.state = EngineState.HANDSHAKING
        self.failure: BaseException | None = None
        self.peer_closed = False
        self.closed = False
        self.news = False

    def start(self) -> None:
        """Begin the handshake: a client's first flight is to be sent then. A server waits for that."""
        if self.backend.speaks_first:
            self._handshake(b"")

    def receive(self, data: bytes | memoryview) -> bytes:
        """Take ciphertext from the peer.

        What fails is not raised: what came before it is returned all the same, and ``failure`` is set.

        :returns: the plaintext that can be read because of it; b"" if there is none.
        """
        return b"".join(self.receive_records(data))

    def receive_records(self, data: bytes | memoryview) -> list[bytes]:
        """As :meth:`receive`, for whoever has no need to have it in one piece.

        :returns: the plaintext of each record that has some.
        """
        plaintext: list[bytes] = []
        if self.state is not EngineState.OPEN or self.peer_closed:
            self.news = True
            if self.state is not EngineState.HANDSHAKING:
                return plaintext  # nothing that comes after the end means anything
            if not self._handshake(data):
                return plaintext
            data = b""  # what followed the handshake waits in the backend
        else:
            self.news = False
        try:
            if self.backend.receive(data, plaintext):
                self.news = True
        except CloseNotify:
            self.news = self.peer_closed = True
        except Exception as error:
            self._fail(error)
        return plaintext

    def send(self, data: bytes | memoryview) -> None:
        """Encrypt ``data``; only while it is open, and before :meth:`close`. What fails is not raised,
        as by :meth:`receive`."""
        try:
            sent, size = 0, len(data)
            while sent < size:
                sent += self.backend.send(memoryview(data)[sent:] if sent else data)
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """End our direction with a close_notify, once; what the peer sends can still be received."""
        if self.state is EngineState.OPEN and not self.closed:
            self.closed = True
            try:
                self.backend.close()
            except Exception as error:
                self._fail(error)

    def outgoing(self) -> bytes:
        """Hand out the ciphertext that is to be sent to the peer now."""
        return self.backend.outgoing()

    def _handshake(self, data: bytes | memoryview) -> bool:
        try:
            if self.backend.handshake(data):
                self.state = EngineState.OPEN
                return True
        except Exception as error:
            self._fail(error)
        return False

    def _fail(self, error: Exception) -> None:
        self.news = True
        self.state = EngineState.FAILED
        # Its traceback leads through here, and would keep the connection as long as somebody keeps the error.
        self.failure = error.with_traceback(None)
