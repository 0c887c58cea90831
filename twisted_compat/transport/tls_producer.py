"""What a TLS connection registers as a producer with the transport beneath it.

That may be a producer of the application's. Two buffers can be full, or empty: the transport's, and what
waits in ``tls.py`` to be encrypted, such as during the handshake. The producer is told of both as if of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IPullProducer, IPushProducer

__all__ = ["ProducerThroughTLS", "WhenSent"]


@implementer(IPushProducer, IPullProducer)
class ProducerThroughTLS:
    """What is registered with the transport beneath in the place of an application's producer.

    :param layer: the :class:`~.tls.TLSTransport`.
    :param producer: the application's.
    :param streaming: whether that is an IPushProducer; else an IPullProducer.
    """

    def __init__(self, layer: Any, producer: Any, streaming: bool) -> None:
        self.layer = layer
        self.producer = producer
        self.streaming = streaming
        self._full_beneath = False
        self._paused = False
        self._asked = False  # the transport would take more of a pull producer

    # Told by the transport beneath

    def pauseProducing(self) -> None:
        """The transport's buffer is full (IPushProducer)."""
        self._full_beneath = True
        self.settle()

    def resumeProducing(self) -> None:
        """The transport's buffer is empty (IPushProducer, IPullProducer)."""
        self._full_beneath = False
        self._asked = True
        self.settle()
        self.layer.flush()  # a closing may have waited for it

    def stopProducing(self) -> None:
        """The transport is lost (IProducer)."""
        self.producer.stopProducing()

    # Told by the layer

    def settle(self) -> None:
        """Something was written, encrypted or sent: pause, resume or ask the producer, as may be needed."""
        if self.streaming:
            full = self._full_beneath or self.layer.is_full()
            if full is not self._paused:
                self._paused = full
                (self.producer.pauseProducing if full else self.producer.resumeProducing)()
        elif self._asked and self.layer.is_drained():
            self._asked = False
            self.producer.resumeProducing()
            self.layer.flush()  # so that the transport has something whose sending it can tell of


@implementer(IPullProducer)
class WhenSent:
    """Calls back once a transport has sent everything: a pull producer that has nothing.

    :param transport: one of ours, without a producer, that has something to send.
    :param callback: called once.
    """

    def __init__(self, transport: Any, callback: Callable[[], None]) -> None:
        self._transport = transport
        self._callback: Callable[[], None] | None = None
        transport.registerProducer(self, False)  # which asks it at once, and then whenever all is sent
        self._callback = callback

    def resumeProducing(self) -> None:
        """All is sent (IPullProducer)."""
        callback = self._callback
        if callback is not None:
            self.stop()
            callback()

    def stopProducing(self) -> None:
        """The transport is lost (IProducer)."""
        self._callback = None

    def stop(self) -> None:
        """Don't call back any more."""
        self._callback = None
        self._transport.unregisterProducer()
