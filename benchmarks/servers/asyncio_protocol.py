"""Every workload as asyncio's ``Protocol`` or ``DatagramProtocol``: the transports that a loop itself has."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..processes import HOST, announce
from . import END, OVER_TLS, pieces, resp_asyncio

__all__ = ["DATAGRAMS", "PROTOCOLS", "Connected", "LineProtocol", "serve"]

LONGEST = 16384
"""Bytes of the longest line that is put up with: LineReceiver's limit."""


class Connected(asyncio.Protocol):
    """Keeps its transport: what all of these begin with."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio names the base, and gives this


class Echo(Connected):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class LineProtocol(Connected):
    """Cuts what it is sent into lines, as one does by hand."""

    rest = b""

    def data_received(self, data: bytes) -> None:
        lines = (self.rest + data).split(b"\r\n")
        self.rest = lines.pop()
        for line in lines:
            self.line_received(line)
        if len(self.rest) > LONGEST:
            self.transport.close()

    def line_received(self, line: bytes) -> None:
        raise NotImplementedError


class Lines(LineProtocol):
    count = 0

    def line_received(self, line: bytes) -> None:
        if line == b".":
            self.transport.write(b"%d\r\n" % self.count)
            self.count = 0
        else:
            self.count += 1


class LineEcho(LineProtocol):
    def line_received(self, line: bytes) -> None:
        self.transport.write(line + b"\r\n")


class Push(LineProtocol):
    paused = False

    def line_received(self, line: bytes) -> None:
        self.pieces = pieces(line)
        self.resume_writing()

    def resume_writing(self) -> None:
        self.paused = False
        transport = self.transport
        while not self.paused and not transport.is_closing():
            piece = next(self.pieces, None)
            if piece is None:
                # Not at once: selector transports that are closed while they resume lose their connection
                # twice.
                asyncio.get_running_loop().call_soon(transport.close)
                return
            transport.write(piece)

    def pause_writing(self) -> None:
        self.paused = True


class Take(Connected):
    taken = 0

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        if data.endswith(END):
            self.transport.write(b"%d\r\n" % self.taken)
            self.taken = 0


class Broadcast(Connected):
    """:param listening: the transports of all connections, for all of them to share."""

    def __init__(self, listening: list[asyncio.Transport]) -> None:
        self.listening = listening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.listening.append(self.transport)

    def data_received(self, data: bytes) -> None:
        for each in self.listening:
            each.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.listening.remove(self.transport)


class Greet(Connected):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(b"!")


class UdpEcho(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # as above

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.transport.sendto(data, addr)


PROTOCOLS: dict[str, Callable[[], asyncio.Protocol]] = {
    "echo": Echo,
    "lines": Lines,
    "line-echo": LineEcho,
    "push": Push,
    "pull": Push,
    "take": Take,
    "broadcast": partial(Broadcast, []),
    "greet": Greet,
    "resp": resp_asyncio.Resp,
    "resp-null": resp_asyncio.Null,
}
"""What makes a protocol for each connection, by workload."""

DATAGRAMS: dict[str, Callable[[], asyncio.DatagramProtocol]] = {"udp-echo": UdpEcho}
"""What makes the protocol that all datagrams are given to, by workload."""


def serve(
    loop: asyncio.AbstractEventLoop,
    workloads: Sequence[str],
    backlog: int,
    context: ssl.SSLContext | None = None,
) -> None:
    """Serve until terminated, each on a port of its own.

    :param context: for what is served over TLS.
    """
    for workload in workloads:
        if workload in DATAGRAMS:
            receiving = loop.create_datagram_endpoint(DATAGRAMS[workload], local_addr=(HOST, 0))
            name = loop.run_until_complete(receiving)[0].get_extra_info("sockname")
        else:
            tls = context if workload in OVER_TLS else None
            protocol = PROTOCOLS[OVER_TLS.get(workload, workload)]
            listening = loop.create_server(protocol, HOST, 0, backlog=backlog, ssl=tls)
            name = loop.run_until_complete(listening).sockets[0].getsockname()
        announce(name[1])
    loop.run_forever()
