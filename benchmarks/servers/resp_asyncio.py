"""The Redis server of ``examples`` without a reactor: its protocol class on asyncio's own transports.

The protocol is the very same, LineReceiver included; what differs is who reads the socket and writes to it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from functools import cache
from typing import Any

from .resp import Answers, source

__all__ = ["Null", "Resp", "null_stream", "resp_stream"]


@cache
def _database() -> Any:
    """The factory that all connections of this process share; made late, since it imports this package."""
    return source().RespFactory()


class _Transport:
    """An asyncio transport with what the protocol asks of a Twisted one.

    :param transport: that; not every loop's is an ``asyncio.Transport``, they are just like one.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.write = transport.write
        self.disconnecting = False
        self.producer: Any = None

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._transport.close()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self._transport.pause_reading()

    def resumeProducing(self) -> None:
        if not self.disconnecting:
            self._transport.resume_reading()


def _connected(transport: asyncio.BaseTransport) -> Any:
    """A protocol that has this transport."""
    protocol = _database().buildProtocol(None)
    protocol.makeConnection(_Transport(transport))
    return protocol


class Resp(asyncio.Protocol):
    """Hands on what it hears; asyncio's flow control becomes that of the protocol, which is a producer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol = _connected(transport)

    def data_received(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connectionLost(exc)

    def pause_writing(self) -> None:
        if self._protocol.transport.producer is not None:
            self._protocol.transport.producer.pauseProducing()

    def resume_writing(self) -> None:
        if self._protocol.transport.producer is not None:
            self._protocol.transport.producer.resumeProducing()


class Null(asyncio.Protocol):
    """Answers and does nothing else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # named the base, given this
        self._answers = Answers()

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answers.to(data))


async def resp_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same on streams, whose ``drain`` is the flow control."""
    protocol = _connected(writer.transport)
    try:
        with suppress(ConnectionError), closing(writer):
            while data := await reader.read(65536):
                protocol.dataReceived(data)
                await writer.drain()
    finally:
        protocol.connectionLost(None)


async def null_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers = Answers()
    with suppress(ConnectionError), closing(writer):
        while data := await reader.read(65536):
            writer.write(answers.to(data))
            await writer.drain()
