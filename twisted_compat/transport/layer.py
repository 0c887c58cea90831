"""A layer between a connection and its protocol, such as TLS that is started on it midway.

The protocol keeps its transport, and what it writes there has to go through the layer from then on; the layer
writes to what is :class:`Beneath`. Of which kind the layer is, is not known here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from zope.interface import providedBy

from twisted_compat.transport.descriptor import FileDescriptor

__all__ = ["MORE_FOR_THE_LAYER", "Beneath", "forget_layer", "put_layer", "take_layer_away"]

TOLD_TO_THE_LAYER = ("write", "writeSequence", "loseConnection", "registerProducer", "unregisterProducer")
ASKED_OF_THE_LAYER = ("getHandle", "getPeerCertificate")
"""What of a transport any layer does, and answers, in its place."""
MORE_FOR_THE_LAYER = (
    "abortConnection",
    "loseWriteConnection",
    "pauseProducing",
    "resumeProducing",
    "startTLS",
    "stopProducing",
)
"""What a layer may do besides."""
ALL_TOLD = TOLD_TO_THE_LAYER + MORE_FOR_THE_LAYER


def put_layer(
    transport: Any, layer: Any, also: tuple[str, ...] = (), bulk: tuple[int, int] | None = None
) -> Beneath:
    """Make ``layer`` the protocol of ``transport``, and what a protocol calls there go through it.

    :param transport: a connected transport of ours with a protocol.
    :param layer: has the methods of a transport and of a protocol.
    :param also: which of ``MORE_FOR_THE_LAYER`` it has as well.
    :param bulk: how much, in bytes, to receive at once, and to send. It is received into a buffer that all
        layers of the thread share: this one has to copy what it is given.
    :returns: what the layer is to write to.
    """
    transport.protocol = layer
    transport.TLS = True
    # Attributes of the instance, in front of the methods of its class: so no write of a connection without a
    # layer, which most are, has to ask whether there is one.
    for name in TOLD_TO_THE_LAYER + ASKED_OF_THE_LAYER + also:
        setattr(transport, name, getattr(layer, name))
    if bulk is not None and isinstance(transport, FileDescriptor):
        descriptor: Any = transport
        received, sent = bulk
        descriptor.read_buffer = _shared_buffer(received)
        descriptor.SEND_LIMIT = max(descriptor.SEND_LIMIT, sent)
    return Beneath(transport)


_shared = threading.local()
_FREED_ONCE = 2**20
"""Bytes. What glibc has on its heap beyond 128 KiB it gives back to the system as soon as it is free, and
gets again, page by page, for what comes next, which can take as long as TLS itself. Once it has seen a block
of this size come and go, it keeps as much.
"""


def _shared_buffer(size: int) -> memoryview:
    """One buffer for each thread: so much in new bytes for each reading takes longer than more readings."""
    buffer: memoryview | None = getattr(_shared, "buffer", None)
    if buffer is None or len(buffer) < size:
        bytes(_FREED_ONCE)
        buffer = _shared.buffer = memoryview(bytearray(size))
    return buffer


def take_layer_away(transport: Any, protocol: Any) -> None:
    """Undo :func:`put_layer`: the layer could not begin.

    :param protocol: the one from before.
    """
    forget_layer(transport, answers_too=True)
    transport.protocol = protocol
    transport.read_buffer = None
    transport.TLS = type(transport).TLS


def forget_layer(transport: Any, *, answers_too: bool = False) -> None:
    """The transport is lost: its own methods again, which know that.

    :param answers_too: also those that answer, as nobody is left to be told of the loss: no cycle remains.
    """
    own = vars(transport)
    if "getHandle" in own:  # else there is no layer
        for name in ALL_TOLD + (ASKED_OF_THE_LAYER if answers_too else ()):
            own.pop(name, None)


class Beneath:
    """The transport as its layer has it: without the layer. Everything else is the transport's own.

    :ivar transport: the transport.
    """

    write: Any

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks
        return providedBy(self.transport)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send pieces as they are (ITransport)."""
        self.write(b"".join(iovec))  # the transport's own would call the layer's write

    def getHandle(self) -> Any:
        """The transport's own handle (ISystemHandle)."""
        return type(self.transport).getHandle(self.transport)

    def __getattr__(self, name: str) -> Any:
        if name not in ALL_TOLD:
            return getattr(self.transport, name)
        # The method of the class, past the layer's; kept for the next time.
        method = getattr(type(self.transport), name).__get__(self.transport)
        setattr(self, name, method)
        return method
