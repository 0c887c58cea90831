"""TLS around any transport: the layer between it and a protocol.

:class:`TLSTransport` is the protocol of what is beneath, and the transport of the protocol above. How it gets
there is in ``tls_factory.py``, and how it ends in ``tls_ending.py``. What the bytes mean is known to
``tls_engine.py``; producers are told through ``tls_producer.py``; and ``layer.py`` has others than the
protocol, who know the transport beneath, go through the layer as well.
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
from twisted_compat.transport.buffer import LARGE, WriteBuffer
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor, as_bytes
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.layer import MORE_FOR_THE_LAYER, Beneath, forget_layer, put_layer
from twisted_compat.transport.tls_ending import Ending
from twisted_compat.transport.tls_engine import RECORD, EngineState, TLSEngine
from twisted_compat.transport.tls_producer import ProducerThroughTLS
from twisted_compat.vocabulary import NATIVE

__all__ = ["TLSTransport"]

_GATHER = 2**19
"""Bytes: so much of what is written in one turn is sent at once; and more than that is too much for a
streaming producer, as with asyncio's TLS. With an eighth of it, sending much takes a third longer."""
_SENT_AT_ONCE = _GATHER + 2**13
"""Bytes: what that may become by being encrypted."""
_ENCRYPTED_AT_ONCE = 7 * RECORD
"""Bytes: what becomes one piece for the transport, which sends several at once."""
_RECEIVED_AT_ONCE = 2**18


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
        failed        TLS can't go on: an alert says so to the peer
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

    verification_error: str | None = None
    """Which verification failed, where a callback of pyOpenSSL's knows."""
    words = NATIVE
    _handshaking = False
    _paused = False
    _held = b""  # was decrypted while nobody wanted it
    _delivering = False
    _flush_call: Any = None
    _producer: ProducerThroughTLS | None = None

    def __init__(self, factory: Any, wrappedProtocol: Any, _connectWrapped: bool = True) -> None:
        self.factory = factory
        self.wrappedProtocol = wrappedProtocol
        self._connect_wrapped = _connectWrapped
        self.engine: TLSEngine | None = None
        self.unsent = WriteBuffer()
        self._ending = Ending(self)

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
        self.call_later = reactor.callLater
        self.words = getattr(getattr(transport, "reactor", None), "vocabulary", NATIVE)
        engine = TLSEngine(self.factory.make_backend(self))
        if isinstance(transport, (FileDescriptor, TLSTransport)):
            # Others who close it, or write there, do so through the layer: a connector, the stopping reactor.
            transport = put_layer(
                transport, self, also=MORE_FOR_THE_LAYER, bulk=(_RECEIVED_AT_ONCE, _SENT_AT_ONCE)
            )
        self.transport = transport
        self._write_beneath = transport.write
        self.engine = engine
        self.connected = 1
        self._handshaking = True
        if self._connect_wrapped:
            self.wrappedProtocol.makeConnection(self)
            if not self.connected or self._ending.closed_beneath:
                return  # it was closed by what it was told
        self._ending.limit_handshake()
        engine.start()
        self.send_out()
        self._ending.received(engine)

    def _handshake_done(self, engine: TLSEngine) -> None:
        self._handshaking = False
        self._ending.handshake_done()
        self.negotiatedProtocol = engine.backend.negotiated_protocol()
        beneath = self.transport
        if isinstance(beneath, Beneath):
            beneath.transport.negotiatedProtocol = self.negotiatedProtocol
        if self._paused:
            beneath.pauseProducing()
        listens = self.words.interfaces.IHandshakeListener.providedBy(self.wrappedProtocol)
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

    def dataReceived(self, data: bytes | memoryview) -> Any:
        """Ciphertext has come (IProtocol).

        :returns: what the protocol's ``dataReceived`` returned.
        """
        engine = self.engine
        if engine is None:
            return None
        records = engine.receive_records(data)
        if engine.news or self._paused or self._held or self.disconnecting:
            return self._received(engine, records)
        if not records:
            return None
        # _deliver, spelled out: nearly everything that comes goes this way
        self._delivering = True
        try:
            if len(records) > 1:
                return self._give(records)
            return self.wrappedProtocol.dataReceived(records[0])
        finally:
            self._delivering = False
            if self.unsent.size:
                self.flush()

    def _give(self, records: list[bytes]) -> Any:
        """Give the protocol several records. Large ones are not joined, which would take as long as half of
        their decryption; it may want no more after the first of them."""
        if sum(map(len, records)) < LARGE * len(records):
            return self.wrappedProtocol.dataReceived(b"".join(records))
        for index, record in enumerate(records):
            if self._paused or self.disconnecting or self.engine is None:
                self._held += b"".join(records[index:])
                break
            result = self.wrappedProtocol.dataReceived(record)
            if result:
                return result
        return None

    def _received(self, engine: TLSEngine, records: list[bytes]) -> Any:
        """What is rare: the handshake went on, an end has come, or nobody is to be told now."""
        self._held += b"".join(records)
        self.send_out()
        if self._handshaking and engine.state is EngineState.OPEN and self._ending.reason is None:
            self._handshake_done(engine)
        return self._deliver(engine)

    def _deliver(self, engine: TLSEngine) -> Any:
        """Tell the protocol what has come, the end included, unless it doesn't want it now, or any more."""
        result = None
        if self.disconnecting or self._ending.reason is not None:
            self._held = b""
        elif self._held and not self._paused:
            plaintext, self._held = self._held, b""
            self._delivering = True
            try:
                result = self.wrappedProtocol.dataReceived(plaintext)
            finally:
                self._delivering = False
                self.flush()
        if self.engine is not None and (self.disconnecting or not self._paused):
            self._ending.received(engine)
        return result

    def readConnectionLost(self) -> None:
        """The transport's stream has ended (IHalfCloseableProtocol)."""
        if self.engine is not None:
            self._ending.stream_ended(self.engine)

    def writeConnectionLost(self) -> None:
        """Somebody, not us, has closed the transport's sending side (IHalfCloseableProtocol): the peer will
        have something to say to that."""

    def connectionLost(self, reason: Any) -> None:
        """The transport is lost (IProtocol): tell the protocol why."""
        engine = self.engine
        if self.disconnected or engine is None:  # without one, nobody has heard of a connection
            self._ending.over()
            return
        self.connected, self.disconnected = 0, 1
        call_off(self._flush_call)
        self._flush_call = None
        self.unsent.clear()
        reason = self._ending.why(reason, engine)
        if isinstance(self.transport, Beneath) and self.is_client:
            self.transport.transport.reason_above = reason
        if engine.closed and engine.failure is None:
            engine.backend.keep_session()
        forget_layer(self)
        protocol, self.wrappedProtocol = self.wrappedProtocol, None
        try:
            protocol.connectionLost(reason)
        finally:
            forget_layer(self, answers_too=True)
            self.engine = self._producer = None
            self._ending.over()

    # From the protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Accept ``data`` to be sent (ITransport, IConsumer). After ``loseConnection`` or
        ``loseWriteConnection`` it is dropped, unless a producer is still registered.

        :raises TypeError: if ``data`` is not bytes-like.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if not data or not self.connected or (self._ending.asked and self._producer is None):
            return
        if not self._delivering and self._flush_call is None and not self._handshaking:
            self._flush_call = self.call_later(0, self._flush_later)  # first: a wrong thread is refused there
        self.unsent.append(data)
        if self.unsent.size >= _GATHER:
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
        engine = self.engine
        if engine is None or engine.state is not EngineState.OPEN:
            return
        unsent = self.unsent
        while unsent.size and not engine.closed:
            data = unsent.head(_ENCRYPTED_AT_ONCE)
            engine.send(data)
            unsent.consume(len(data))  # before the next line: it may pause a producer, which may write
            self._write_beneath(engine.outgoing())
            if engine.failure is not None:
                self._ending.received(engine)
                return
        if self._ending.asked:
            self._ending.go_on(engine)

    def send_out(self) -> None:
        """Hand what the engine has made, beside what was written, to the transport."""
        if self.engine is not None:
            data = self.engine.outgoing()
            if data:
                self._write_beneath(data)

    # Closing: what happens then is in tls_ending.py

    def loseConnection(self, *_: Any) -> None:
        """Send everything and our close_notify, wait for the peer to close as well, and close (ITransport).
        Nothing is delivered any more."""
        if self.disconnecting:
            self.flush()  # who it waits for may be gone by now
        elif self.connected:
            self._ending.lose()
            self._held = b""
            self._paused = False
            if hasattr(self.transport, "resumeProducing"):  # else nobody can have paused it
                self.transport.resumeProducing()  # so that the peer's answer is seen

    def loseWriteConnection(self) -> None:
        """Send everything and our close_notify; reading goes on (ITCPTransport)."""
        if self.connected and not self._ending.asked:
            self._ending.lose_write()

    def abortConnection(self) -> None:
        """Close at once, without sending anything more (ITCPTransport)."""
        if self.connected:
            self._held = b""
            self._ending.abort()

    def failVerification(self, reason: Any) -> None:
        """The peer is not who it should be: close with that ``reason``, a Failure. For those who make TLS
        connections and verify in a callback of theirs, that is, amid the handshake."""
        if self._ending.reason is None:
            self._ending.reason = reason
            if self.connected and not self._handshaking:
                self._ending.abort()

    # Being a producer, of what is received

    def pauseProducing(self) -> None:
        """Deliver nothing, the end included, until :meth:`resumeProducing` (IPushProducer)."""
        if self.connected and not self.disconnecting:
            self._paused = True
            if not self._handshaking:  # which goes on
                self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Deliver again (IPushProducer)."""
        engine = self.engine
        if engine is not None and self.connected:
            waiting = self._held or engine.peer_closed or engine.failure is not None
            if waiting:
                self.call_later(0, self._deliver_what_waited)  # never inside the caller
            else:
                self.transport.resumeProducing()
            self._paused = False

    def _deliver_what_waited(self) -> None:
        if self.engine is not None and not self._paused:
            self._deliver(self.engine)
            if self.engine is not None and not self._paused:
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
        if not self.connected or (self.engine is not None and self.engine.closed):
            producer.stopProducing()
            return
        if self._producer is not None:
            raise RuntimeError(
                f"{self!r} has a producer already, {self._producer.producer!r}. "
                f"Call unregisterProducer() before registering {producer!r}."
            )
        self._producer = ProducerThroughTLS(self, producer, streaming)
        self.transport.registerProducer(self._producer, streaming)
        if self._producer is not None:  # else it has finished already
            self._producer.settle()

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer): a closing that waited for it goes on."""
        if self._producer is not None:
            self._producer = None
            self.transport.unregisterProducer()
            if self._ending.asked:
                self.flush()

    @property
    def producer(self) -> Any:
        """The producer that is registered, if any."""
        return None if self._producer is None else self._producer.producer

    @property
    def streamingProducer(self) -> bool:
        """Whether that is an IPushProducer."""
        return self._producer is not None and self._producer.streaming

    def awaits_producer(self) -> bool:
        """Whether there is a producer that has not said that it is finished. Another transport that is lost
        has nothing to say any more, as when a relay joins two connections."""
        if self._producer is None:
            return False
        if not getattr(self._producer.producer, "disconnected", False):
            return True
        self._producer = None
        self.transport.unregisterProducer()
        return False

    def drop_producer(self) -> None:
        """Nobody reads any more what the producer would write."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self.transport.unregisterProducer()
            producer.stopProducing()

    def is_full(self) -> bool:
        """Whether a producer should wait until something has been encrypted."""
        return self.unsent.size >= _GATHER

    def is_drained(self) -> bool:
        """Whether all that was written has been encrypted, and more could be."""
        engine = self.engine
        return (
            not self.unsent.size
            and engine is not None
            and engine.state is EngineState.OPEN
            and not engine.closed
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
        return None if self.engine is None else self.engine.backend.handle

    def getPeerCertificate(self) -> Any:
        """The certificate that the peer showed (ISSLTransport).

        :returns: pyOpenSSL's ``X509``, or :class:`~.tls_stdlib.PeerCertificate` where an ``ssl.SSLContext``
            was given; None if there was none, before the handshake, and once the connection is lost.
        """
        engine = self.engine
        if engine is None or engine.state is not EngineState.OPEN:
            return None
        return engine.backend.peer_certificate()

    def startTLS(self, contextFactory: Any, normal: bool = True, **options: Any) -> None:
        """TLS within TLS, from here on; see :func:`~.tls_factory.start_tls`. A client has to be told the
        ``server_hostname``, which hardly is that of the outer connection."""
        self.factory.start_tls(self, contextFactory, normal, **options)

    def logPrefix(self) -> str:
        """The protocol's name, for log lines (ILoggingContext)."""
        return f"{log_prefix(self.words, self.wrappedProtocol)} (TLS)"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.wrappedProtocol!r} over {self.transport!r}>"
