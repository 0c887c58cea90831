"""Listening, as an asyncio program writes it: ``async with serving(endpoint, factory) as port:``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["serving"]


@asynccontextmanager
async def serving(endpoint: Any, factory: Any) -> AsyncIterator[Any]:
    """Listen as long as the block runs, which is in an asyncio task. Connections that were accepted go on
    afterwards.

    :param endpoint: an IStreamServerEndpoint, of this package or of Twisted.
    :param factory: builds a protocol for each connection.
    :returns: a context manager of the IListeningPort. What ``listen`` fails with is raised as the block is
        entered; leaving it waits until the port is closed. Of a StandardIOEndpoint, which has no port, it is
        the transport, whose connection is lost as the block is left.
    """
    ports: list[Any] = []
    left = False

    def came(port: Any) -> Any:
        ports.append(port)
        if left:  # cancelled, and it came after all
            _stop(port)
        return port

    loop = asyncio.get_running_loop()
    try:
        yield await endpoint.listen(factory).addCallback(came).asFuture(loop)
    finally:
        left = True
        for port in ports:
            stopped = _stop(port)
            if hasattr(stopped, "asFuture"):  # a Deferred, or there is nothing to wait for
                await stopped.asFuture(loop)


def _stop(port: Any) -> Any:
    return port.stopListening() if hasattr(port, "stopListening") else port.loseConnection()
