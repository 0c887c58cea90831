"""A layer between a connection and its protocol, such as TLS that is started on it midway.

The protocol keeps its transport, and what it writes there has to go through the layer from then on; the layer
writes to what is :class:`Beneath`. Of which kind the layer is, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zope.interface import providedBy

from twisted_compat.transport.descriptor import FileDescriptor

__all__ = ["Beneath", "forget_layer", "put_layer", "take_layer_away"]

TOLD_TO_THE_LAYER = ("write", "writeSequence", "loseConnection", "registerProducer", "unregisterProducer")
ASKED_OF_THE_LAYER = ("getHandle", "getPeerCertificate")
"""What of a transport the layer does, and answers, in its place."""


def put_layer(transport: Any, layer: Any) -> Beneath:
    """Make ``layer`` the protocol of ``transport``, and what a protocol calls there go through it.

    :param transport: a connected FileDescriptor with a protocol.
    :param layer: has the methods of a transport and of a protocol; its ``makeConnection`` is to be called
        next, with what is returned.
    """
    transport.protocol = layer
    transport.TLS = True
    # Attributes of the instance, in front of the methods of its class: so no write of a connection without a
    # layer, which most are, has to ask whether there is one.
    for name in TOLD_TO_THE_LAYER + ASKED_OF_THE_LAYER:
        setattr(transport, name, getattr(layer, name))
    return Beneath(transport)


def take_layer_away(transport: Any, protocol: Any) -> None:
    """Undo :func:`put_layer`: the layer could not begin.

    :param protocol: the one from before.
    """
    forget_layer(transport, answers_too=True)
    transport.protocol = protocol
    transport.TLS = False


def forget_layer(transport: Any, *, answers_too: bool = False) -> None:
    """The transport is lost: its own methods again, which know that.

    :param answers_too: also those that answer, as nobody is left to be told of the loss: no cycle remains.
    """
    for name in TOLD_TO_THE_LAYER + (ASKED_OF_THE_LAYER if answers_too else ()):
        transport.__dict__.pop(name, None)


class Beneath:
    """The transport as its layer has it: without the layer.

    :param transport: the transport, from which everything else is taken.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks
        return providedBy(self._transport)

    def write(self, data: bytes) -> None:
        """Send bytes as they are (ITransport)."""
        FileDescriptor.write(self._transport, data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send pieces as they are (ITransport)."""
        FileDescriptor.write(self._transport, b"".join(iovec))

    def loseConnection(self, *args: Any) -> None:
        """Close the connection when everything is sent (ITransport)."""
        FileDescriptor.loseConnection(self._transport, *args)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take a producer of what is sent (IConsumer)."""
        FileDescriptor.registerProducer(self._transport, producer, streaming)

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer)."""
        FileDescriptor.unregisterProducer(self._transport)

    def getHandle(self) -> Any:
        """The socket (ISystemHandle)."""
        return self._transport.socket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
