"""One thing in the shape of another: protocol and consumer, and a file as a transport.

``IConsumer(protocol)`` and ``IProtocol(consumer)`` find the first two, through a hook of zope.interface that
looks at these two interfaces only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from zope.interface import implementer
from zope.interface.interface import adapter_hooks

from twisted_compat.failure import Failure
from twisted_compat.interfaces import IConsumer, IProtocol, ITransport

logger = logging.getLogger(__name__)


class _Adapter:
    """Holds the object that it makes look like another; that one answers for any third interface."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __conform__(self, interface: Any) -> Any:
        conform = getattr(self.original, "__conform__", None)
        return None if conform is None else conform(interface)


@implementer(IConsumer)
class ProtocolToConsumerAdapter(_Adapter):
    """Lets a producer write to a protocol: ``IConsumer(protocol)``. The producer is never paused."""

    def write(self, data: bytes) -> None:
        """``IConsumer``: the protocol receives ``data`` (bytes)."""
        self.original.dataReceived(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """``IConsumer``: nothing to do."""

    def unregisterProducer(self) -> None:
        """``IConsumer``: nothing to do."""


@implementer(IProtocol)
class ConsumerToProtocolAdapter(_Adapter):
    """Lets a transport deliver to a consumer: ``IProtocol(consumer)``. It learns of the data only."""

    def dataReceived(self, data: bytes) -> None:
        """``IProtocol``: the consumer is written ``data`` (bytes)."""
        self.original.write(data)

    def connectionLost(self, reason: Failure) -> None:
        """``IProtocol``: nothing to do."""

    def makeConnection(self, transport: Any) -> None:
        """``IProtocol``: nothing to do."""

    def connectionMade(self) -> None:
        """``IProtocol``: nothing to do."""


def _adapt(interface: Any, obj: Any) -> Any:
    if interface is IConsumer and IProtocol.providedBy(obj):
        return ProtocolToConsumerAdapter(obj)
    if interface is IProtocol and IConsumer.providedBy(obj):
        return ConsumerToProtocolAdapter(obj)
    return None


adapter_hooks.append(_adapt)


@implementer(ITransport)
class FileWrapper:
    """A file as a transport (``ITransport``), to see what a protocol writes. It delivers nothing.

    :param file: has ``write(bytes)`` and ``close()``.
    :ivar closed: 1 after :meth:`loseConnection`.
    """

    closed: int = 0
    disconnecting: int = 0
    producer: Any = None
    streamingProducer: int | bool = 0

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        """``ITransport``: write to the file; what goes wrong goes to :meth:`handleException`."""
        try:
            self.file.write(data)
        except Exception:
            self.handleException()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """``ITransport``: write all of ``data`` (an iterable of bytes) at once."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """``ITransport``: close the file."""
        self.closed = 1
        try:
            self.file.close()
        except OSError:
            self.handleException()

    def getPeer(self) -> Any:
        """``ITransport``: not an address, since there is none."""
        return "file", "file"

    def getHost(self) -> Any:
        """``ITransport``: not an address, since there is none."""
        return "file"

    def handleException(self) -> None:
        """Called while an exception of the file is being handled: logs it. Override to do something else."""
        logger.error("%r failed under a FileWrapper", self.file, exc_info=True)

    def _checkProducer(self) -> None:
        # For tests to call where a real transport would have room again.
        if self.producer:
            self.producer.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """``IConsumer``: a pull producer is asked for its first piece at once."""
        self.producer = producer
        self.streamingProducer = streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """``IConsumer``: forget the producer."""
        self.producer = None

    def stopConsuming(self) -> None:
        """Forget the producer and close the file."""
        self.unregisterProducer()
        self.loseConnection()

    def pauseProducing(self) -> None:
        """``IPushProducer``: nothing to do, since nothing is delivered."""

    def resumeProducing(self) -> None:
        """``IPushProducer``: nothing to do, since nothing is delivered."""

    def stopProducing(self) -> None:
        """``IPushProducer``: close the file."""
        self.loseConnection()
