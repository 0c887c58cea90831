"""Every workload as a coroutine on asyncio's streams.

Streams raise ConnectionError from a read or a write when the client has gone away in the middle. That is no
failure of a server: it is why each of them suppresses it, and closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from functools import partial

from ..processes import HOST, announce
from . import END, pieces, resp_asyncio

__all__ = ["HANDLERS", "serve"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = 0
    with suppress(ConnectionError), closing(writer):
        while line := await reader.readline():
            if line == b".\r\n":
                writer.write(b"%d\r\n" % count)
                await writer.drain()
                count = 0
            else:
                count += 1


async def line_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()


async def push(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        request = (await reader.readline()).rstrip()
        for piece in pieces(request) if request else ():  # it is empty from a client that has gone
            writer.write(piece)
            await writer.drain()


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    taken = 0
    with suppress(ConnectionError), closing(writer):
        while data := await reader.read(65536):
            taken += len(data)
            if data.endswith(END):
                writer.write(b"%d\r\n" % taken)
                await writer.drain()
                taken = 0


async def broadcast(
    listening: list[asyncio.StreamWriter], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    listening.append(writer)
    try:
        with suppress(ConnectionError), closing(writer):
            while data := await reader.read(65536):
                for each in listening:
                    if not each.is_closing():  # its task has not come to hear of it yet
                        each.write(data)
                await writer.drain()
    finally:
        listening.remove(writer)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        writer.write(b"!")
        await reader.read()  # until the client goes


HANDLERS: dict[str, Handler] = {
    "echo": echo,
    "lines": lines,
    "line-echo": line_echo,
    "push": push,
    "pull": push,
    "take": take,
    "broadcast": partial(broadcast, []),
    "greet": greet,
    "resp": resp_asyncio.resp_stream,
    "resp-null": resp_asyncio.null_stream,
}
"""What serves each connection, by workload."""


def serve(loop: asyncio.AbstractEventLoop, workloads: Sequence[str], backlog: int) -> None:
    """Serve until terminated, each on a port of its own."""
    for workload in workloads:
        listening = asyncio.start_server(HANDLERS[workload], HOST, 0, backlog=backlog)
        announce(loop.run_until_complete(listening).sockets[0].getsockname()[1])
    loop.run_forever()
