"""TLS around any transport: the layer between it and a protocol.

:class:`TLSTransport` is the protocol of what is beneath, and the transport of the protocol above. How it gets
there is in ``tls_factory.py``. What the bytes mean is known to ``tls_engine.py``; producers are told through
``tls_producer.py``; and ``layer.py`` has others than the protocol, who know the transport beneath, go through
the layer as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import implementedBy, implementer, providedBy

from twisted_compat.current import current_reactor
from twisted_compat.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    ILoggingContext,
    INegotiated,
    IProtocol,
    IPushProducer,
    ISSLTransport,
    ISystemHandle,
)
from twisted_compat.transport.descriptor import FileDescriptor, as_bytes
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.layer import MORE_FOR_THE_LAYER, Beneath, forget_layer, put_layer
from twisted_compat.transport.tls_engine import EngineState, TLSEngine
from twisted_compat.transport.tls_producer import ProducerThroughTLS
from twisted_compat.vocabulary import NATIVE

__all__ = ["TLSTransport"]

_GATHER = 2**16
"""Bytes: so much of what is written in one turn is encrypted at once. Also, what waits beyond it is too much
for a streaming producer."""
_AT_ONCE = 2**18
"""Bytes: the most plaintext whose ciphertext is made before any of it is handed on."""


@implementer(
    INegotiated,
    ISSLTransport,
    ISystemHandle,
    IConsumer,
    IPushProducer,
    IProtocol,
    IHalfCloseableProtocol,
    ILoggingContext,
)
class TLSTransport:
    """One side of a TLS connection (ISSLTransport, INegotiated; RFC 8446), as Twisted's TLSMemoryBIOProtocol.

    Its life; each direction ends by itself::

        handshaking   what is written waits
        open          what is written in one turn of the loop is encrypted together
          half-closing  loseWriteConnection: our close_notify goes out once everything is written
        closing       loseConnection: nothing is delivered any more. Everything goes out, our close_notify and
                      TCP's FIN; then the peer's end is awaited
        failed        TLS can't go on: an alert says so to the peer, and `_reason` here
        lost          the transport beneath is

    :param factory: a :class:`~.tls_factory.TLSFactory`.
    :param wrappedProtocol: the protocol above.
    :param _connectWrapped: False if it has been told of its connection already.
    :ivar transport: the transport beneath. What is not said here is asked of it.
    :ivar negotiatedProtocol: what ALPN has settled, bytes; None for nothing.
    """

    transport: Any = None
    negotiatedProtocol: bytes | None = None
    TLS = True
    asked_host: str | None = None
    connected = 0
    disconnected = 0
    disconnecting = 0

    _words = NATIVE
    _handshaking = False
    _reason: Any = None  # the Failure to tell of, in the place of the transport's
    _closing = False  # what is written goes out, and nothing more is taken
    _all_sent = False  # the transport has sent everything, its FIN included
    _closing_beneath = False  # the transport was told to close
    _paused = False
    _held = b""  # was decrypted while nobody wanted it
    _ended = False  # the peer's end, or a failure, has been dealt with
    _introduced = False  # the protocol above has heard of its connection
    _delivering = False
    _flush_call: Any = None
    verification_error: str | None = None  # which one failed, where a callback of pyOpenSSL knows
    _deadline: Any = None
    _producer: ProducerThroughTLS | None = None

    def __init__(self, factory: Any, wrappedProtocol: Any, _connectWrapped: bool = True) -> None:
        self.factory = factory
        self.wrappedProtocol = wrappedProtocol
        self._connect_wrapped = _connectWrapped
        self._engine: TLSEngine | None = None
        self._unsent: list[bytes] = []
        self._unsent_size = 0

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks: also what is beneath
        mine = implementedBy(type(self))
        return mine if self.transport is None else mine + providedBy(self.transport)

    def __getattr__(self, name: str) -> Any:
        # Only ever reached for what is missing.
        return getattr(self.transport, name)

    # The beginning

    def makeConnection(self, transport: Any) -> None:
        """There is a connection beneath (IProtocol): tell the protocol, and begin the handshake.

        :raises: whatever the context factory, or the protocol, raises.
        """
        reactor = self.factory.clock or getattr(transport, "reactor", None) or current_reactor()
        self._call_later = reactor.callLater
        self._words = getattr(getattr(transport, "reactor", None), "vocabulary", NATIVE)
        engine = TLSEngine(self.factory.make_backend(self))
        if isinstance(transport, (FileDescriptor, TLSTransport)):
            # Others who close it, or write there, do so through the layer: a connector, the stopping reactor.
            transport = put_layer(transport, self, also=MORE_FOR_THE_LAYER)
        self.transport = transport
        self._write_beneath = transport.write
        self._engine = engine
        self.connected = 1
        self._introduced = True
        if self._connect_wrapped:
            self.wrappedProtocol.makeConnection(self)
            if not self.connected or (self.disconnecting and not self._unsent):
                return  # it was closed by what it was told
        self._handshaking = True
        self._start_deadline(self.factory.handshake_timeout, self._handshake_timed_out)
        engine.start()
        self._send_out()
        self._look_at_engine(engine)

    def _handshake_timed_out(self) -> None:
        self._deadline = None
        text = f"the TLS handshake was not through within {self.factory.handshake_timeout:g} seconds"
        self._reason = self._failure(self._words.error.TimeoutError(string=text))
        self.abortConnection()

    def _handshake_done(self, engine: TLSEngine) -> None:
        self._handshaking = False
        self._stop_deadline()
        self.negotiatedProtocol = engine.backend.negotiated_protocol()
        beneath = self.transport
        if isinstance(beneath, Beneath):
            beneath.transport.negotiatedProtocol = self.negotiatedProtocol
        if self._paused:
            beneath.pauseProducing()
        listens = self._words.interfaces.IHandshakeListener.providedBy(self.wrappedProtocol)
        if listens and not self.disconnecting:
            self._delivering = True
            try:
                self.wrappedProtocol.handshakeCompleted()
            finally:
                self._delivering = False
        self.flush()
        if self._producer is not None:
            self._producer.settle()

    # From the peer

    def dataReceived(self, data: bytes) -> Any:
        """Ciphertext has come (IProtocol).

        :returns: what the protocol's ``dataReceived`` returned.
        """
        engine = self._engine
        if engine is None:
            return None
        plaintext = engine.receive(data)
        if engine.news or self._paused or self.disconnecting:
            return self._received(engine, plaintext)
        if not plaintext:
            return None
        # _deliver, spelled out: nearly everything that comes goes this way
        self._delivering = True
        try:
            return self.wrappedProtocol.dataReceived(plaintext)
        finally:
            self._delivering = False
            if self._unsent:
                self.flush()

    def _received(self, engine: TLSEngine, plaintext: bytes) -> Any:
        """What is rare: the handshake went on, an end has come, or nobody is to be told now."""
        self._held += plaintext
        self._send_out()
        if self._handshaking and engine.state is EngineState.OPEN and self._reason is None:
            self._handshake_done(engine)
        result = self._deliver()
        self._look_at_engine(engine)
        return result

    def _deliver(self) -> Any:
        """Give the protocol what has been decrypted, unless it doesn't want it now, or any more."""
        if self.disconnecting or self._reason is not None:
            self._held = b""
        if not self._held or self._paused:
            return None
        plaintext, self._held = self._held, b""
        self._delivering = True
        try:
            return self.wrappedProtocol.dataReceived(plaintext)
        finally:
            self._delivering = False
            self.flush()

    def _look_at_engine(self, engine: TLSEngine) -> None:
        """What could be delivered has been: has an end come after it?"""
        if self._engine is None or self._ended or (self._paused and not self.disconnecting):
            return
        if self._reason is not None:
            self._fail(self._reason)
        elif engine.failure is not None:
            self._fail(self._failure(engine.failure))
        elif engine.peer_closed:
            self._ended = True
            self._peer_closed(engine)

    def _peer_closed(self, engine: TLSEngine) -> None:
        """The peer's close_notify has come, and everything before it has been delivered."""
        if self.disconnecting:
            if engine.closed:
                self._close_beneath()  # both directions are
        elif self._words.interfaces.IHalfCloseableProtocol.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.readConnectionLost()
        else:
            # As at the end of a plain connection, a producer has nobody to write to any more.
            self.disconnecting = 1
            self._drop_producer()
            self.flush()
            self._send_close_notify(engine)
            self._close_beneath()

    def readConnectionLost(self) -> None:
        """The transport's stream has ended (IHalfCloseableProtocol)."""
        engine = self._engine
        if engine is None or self._reason is not None:
            return
        if self.disconnecting and (engine.closed or not self._unsent):
            self._close_beneath()
        elif not engine.peer_closed:
            self._fail(self._truncated())

    def _truncated(self) -> Any:
        when = (
            "amid the TLS handshake"
            if self._handshaking
            else "without TLS's close_notify: there may have been more"
        )
        return self._failure(self._words.error.ConnectionLost(f"the peer closed the connection {when}"))

    def connectionLost(self, reason: Any) -> None:
        """The transport is lost (IProtocol): tell the protocol why."""
        if self.disconnected:
            return
        engine, done = self._engine, self._words.error.ConnectionDone
        self.connected, self.disconnected = 0, 1
        self._stop_deadline()
        if self._flush_call is not None:
            call, self._flush_call = self._flush_call, None
            call.cancel()
        self._drop_unsent()
        if self._reason is not None:
            reason = self._reason
        elif engine is not None and not self._closing_beneath:
            if self.disconnecting and self._all_sent:
                reason = self._failure(done())  # everything had gone out: how it ends doesn't matter
            elif reason.check(done) and not engine.peer_closed and not (self.disconnecting and engine.closed):
                reason = self._truncated()
        if engine is not None and engine.closed and engine.failure is None:
            engine.backend.keep_session()
        forget_layer(self)
        protocol, self.wrappedProtocol = self.wrappedProtocol, None
        try:
            if self._introduced:
                protocol.connectionLost(reason)
        finally:
            forget_layer(self, answers_too=True)
            self._engine = self._producer = None

    # From the protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Accept ``data`` to be sent (ITransport, IConsumer). After ``loseConnection`` or
        ``loseWriteConnection`` it is dropped, unless a producer is still registered.

        :raises TypeError: if ``data`` is not bytes-like.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if not data or not self.connected or (self._closing and self._producer is None):
            return
        size = self._unsent_size + len(data)
        if not self._delivering and self._flush_call is None and not self._handshaking:
            self._flush_call = self._call_later(
                0, self._flush_later
            )  # first: a wrong thread is refused there
        self._unsent.append(data)
        self._unsent_size = size
        if size >= _GATHER:
            self.flush()
            if self._producer is not None:
                self._producer.settle()

    def writeSequence(self, iovec: Iterable[bytes | bytearray | memoryview]) -> None:
        """Accept every piece of ``iovec``, in order, as :meth:`write` does (ITransport)."""
        try:
            data = b"".join([piece if type(piece) is bytes else as_bytes(piece) for piece in iovec])
        except TypeError as error:  # said in Twisted's words, which programs compare with
            raise TypeError("Data must be bytes") from error
        self.write(data)

    def _flush_later(self) -> None:
        self._flush_call = None
        self.flush()

    def flush(self) -> None:
        """Encrypt what has been written, and hand it to the transport; then close, if that waited for it."""
        engine = self._engine
        if engine is None or engine.state is not EngineState.OPEN:
            return
        pieces = self._unsent
        if pieces and not engine.closed:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._drop_unsent()
            if len(data) <= _AT_ONCE:
                engine.send(data)
                self._write_beneath(engine.outgoing())
            else:
                whole = memoryview(data)
                for start in range(0, len(data), _AT_ONCE):
                    engine.send(bytes(whole[start : start + _AT_ONCE]))
                    self._write_beneath(engine.outgoing())
            if engine.failure is not None:
                self._look_at_engine(engine)
                return
        if self._closing:
            self._close_when_sent(engine)

    def _drop_unsent(self) -> None:
        self._unsent = []
        self._unsent_size = 0

    def _send_out(self) -> None:
        """Hand what the engine has made, beside what was written, to the transport."""
        if self._engine is not None:
            data = self._engine.outgoing()
            if data:
                self._write_beneath(data)

    # Closing

    def loseConnection(self, *_: Any) -> None:
        """Send everything and our close_notify, wait for the peer to close as well, and close (ITransport).
        Nothing is delivered any more."""
        engine = self._engine
        if self.disconnecting or not self.connected or engine is None:
            return
        self.disconnecting = 1
        self._closing = True
        self._held = b""
        if engine.state is EngineState.HANDSHAKING and not self._unsent and self._producer is None:
            self._close_beneath()  # nothing has been said, and nothing is to be
            return
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()  # else the peer's answer would not be seen
        self.flush()

    def loseWriteConnection(self) -> None:
        """Send everything and our close_notify; reading goes on (ITCPTransport)."""
        if self.connected and not self._closing:
            self._closing = True
            self.flush()

    def _close_when_sent(self, engine: TLSEngine) -> None:
        """The close that was asked for goes on, if nobody has anything more to write."""
        if self._unsent or self._producer is not None:
            return
        half_closeable = hasattr(self.transport, "loseWriteConnection")
        if not engine.closed:
            self._send_close_notify(engine)
            if half_closeable:
                self.transport.loseWriteConnection()
            elif not self.disconnecting:
                self._call_later(0, self.writeConnectionLost)
        if self.disconnecting:
            if engine.peer_closed or not half_closeable:
                self._close_beneath()
            elif self._all_sent:
                self._await_the_peer()

    def _send_close_notify(self, engine: TLSEngine) -> None:
        self._closing = True
        engine.close()
        self._send_out()

    def writeConnectionLost(self) -> None:
        """The transport has sent everything, its end of stream included (IHalfCloseableProtocol)."""
        self._all_sent = True
        if self.disconnecting:
            self._await_the_peer()
        elif self._words.interfaces.IHalfCloseableProtocol.providedBy(self.wrappedProtocol):
            self.wrappedProtocol.writeConnectionLost()

    def _await_the_peer(self) -> None:
        """All is sent: the peer has a while to close as well, so that closing can't make it lose anything."""
        if self._deadline is None and self.connected:
            self._start_deadline(self.factory.shutdown_timeout, self._close_beneath)

    def _close_beneath(self) -> None:
        """Nothing is left to be said, or heard: close the transport, when it has sent everything."""
        self._closing_beneath = True
        self.disconnecting = 1
        self._stop_deadline()
        self.transport.loseConnection()

    def _fail(self, reason: Any) -> None:
        """TLS can't go on: close with what alert there is. A peer that doesn't take it can't hold us up."""
        self._reason = reason
        self._ended = True
        self.disconnecting = 1
        self._closing = True
        self._drop_unsent()
        self._drop_producer()
        self._send_out()
        self._close_beneath()
        if self.connected:
            self._start_deadline(self.factory.shutdown_timeout, self._abort_beneath)

    def failVerification(self, reason: Any) -> None:
        """The peer is not who it should be: close with that ``reason``, a Failure. For those who make TLS
        connections and verify in a callback of theirs, that is, amid the handshake."""
        if self._reason is None:
            self._reason = reason

    def abortConnection(self) -> None:
        """Close at once, without sending anything more (ITCPTransport)."""
        if self.connected:
            self.disconnecting = 1
            self._closing = True
            self._held = b""
            self._drop_unsent()
            self._stop_deadline()
            self._abort_beneath()

    def _abort_beneath(self) -> None:
        getattr(self.transport, "abortConnection", self.transport.loseConnection)()

    def _failure(self, error: BaseException) -> Any:
        return self._words.failure.Failure(error)

    def _start_deadline(self, seconds: float, call: Any) -> None:
        self._stop_deadline()
        self._deadline = self._call_later(seconds, call)

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    # Being a producer, of what is received

    def pauseProducing(self) -> None:
        """Deliver nothing, the end included, until :meth:`resumeProducing` (IPushProducer)."""
        if self.connected and not self.disconnecting:
            self._paused = True
            if not self._handshaking:  # which goes on
                self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Deliver again (IPushProducer)."""
        if self._paused and self.connected:
            self._paused = False
            engine = self._engine
            if self._held or (
                engine is not None and (engine.peer_closed or engine.failure) and not self._ended
            ):
                self._call_later(0, self._deliver_what_waited)  # never inside the caller
            else:
                self.transport.resumeProducing()

    def _deliver_what_waited(self) -> None:
        engine = self._engine
        if engine is not None and not self._paused:
            self._deliver()
            self._look_at_engine(engine)
            if self._engine is not None and not self._paused:
                self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Close: nobody wants what would be received (IProducer)."""
        self.loseConnection()

    # Being a consumer, of what a producer writes

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take ``producer`` as the source of what is written (IConsumer).

        :param producer: an IPushProducer if ``streaming``, else an IPullProducer.
        :raises RuntimeError: if a producer is registered already.
        """
        if not self.connected:
            producer.stopProducing()
            return
        if self._producer is not None:
            raise RuntimeError(
                f"{self!r} has a producer already, {self._producer.producer!r}. "
                f"Call unregisterProducer() before registering {producer!r}."
            )
        self._producer = ProducerThroughTLS(self, producer, streaming)
        self.transport.registerProducer(self._producer, streaming)
        self._producer.settle()

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer): a closing that waited for it goes on."""
        if self._producer is not None:
            self._producer = None
            self.transport.unregisterProducer()
            if self._closing:
                self.flush()

    @property
    def producer(self) -> Any:
        """The producer that is registered, if any."""
        return None if self._producer is None else self._producer.producer

    @property
    def streamingProducer(self) -> bool:
        """Whether that is an IPushProducer."""
        return self._producer is not None and self._producer.streaming

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self.transport.unregisterProducer()
            producer.stopProducing()

    def is_full(self) -> bool:
        """Whether a producer should wait until something has been encrypted."""
        return self._unsent_size >= _GATHER

    def is_drained(self) -> bool:
        """Whether all that was written has been encrypted, and more could be."""
        engine = self._engine
        return (
            not self._unsent and engine is not None and engine.state is EngineState.OPEN and not engine.closed
        )

    # What it is

    @property
    def protocol(self) -> Any:
        """The protocol above, by the name that other transports have for theirs."""
        return self.wrappedProtocol

    @protocol.setter
    def protocol(self, protocol: Any) -> None:
        self.wrappedProtocol = protocol

    def getHandle(self) -> Any:
        """The ``ssl.SSLObject`` or ``OpenSSL.SSL.Connection`` (ISystemHandle); None once it is lost."""
        return None if self._engine is None else self._engine.backend.handle

    def getPeerCertificate(self) -> Any:
        """The certificate that the peer showed (ISSLTransport).

        :returns: pyOpenSSL's ``X509``, or :class:`~.tls_stdlib.PeerCertificate` where an ``ssl.SSLContext``
            was given; None if there was none, before the handshake, and once the connection is lost.
        """
        engine = self._engine
        if engine is None or engine.state is not EngineState.OPEN:
            return None
        return engine.backend.peer_certificate()

    def startTLS(self, contextFactory: Any, normal: bool = True, **options: Any) -> None:
        """TLS within TLS, from here on; see :func:`~.tls_factory.start_tls`. A client has to be told the
        ``server_hostname``, which hardly is that of the outer connection."""
        self.factory.start_tls(self, contextFactory, normal, **options)

    def logPrefix(self) -> str:
        """The protocol's name, for log lines (ILoggingContext)."""
        return f"{log_prefix(self._words, self.wrappedProtocol)} (TLS)"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.wrappedProtocol!r} over {self.transport!r}>"
