"""Every workload as an ``asyncio.Protocol``: the transports that the loop itself has."""

from __future__ import annotations

import asyncio

from ..processes import HOST, announce

__all__ = ["serve"]


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio names the base, and gives this

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


_PROTOCOLS: dict[str, type[asyncio.Protocol]] = {"echo": Echo}


def serve(loop: asyncio.AbstractEventLoop, workload: str, backlog: int) -> None:
    """Serve until terminated."""
    server = loop.run_until_complete(loop.create_server(_PROTOCOLS[workload], HOST, 0, backlog=backlog))
    announce(server.sockets[0].getsockname()[1])
    loop.run_forever()
