"""Every workload as a coroutine on asyncio's streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..processes import HOST, announce

__all__ = ["serve"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


_HANDLERS: dict[str, Handler] = {"echo": echo}


def serve(loop: asyncio.AbstractEventLoop, workload: str, backlog: int) -> None:
    """Serve until terminated."""
    server = loop.run_until_complete(asyncio.start_server(_HANDLERS[workload], HOST, 0, backlog=backlog))
    announce(server.sockets[0].getsockname()[1])
    loop.run_forever()
