"""The workloads of ``twisted_style`` on this package, embedded the way an asyncio application would do it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from twisted_compat import AsyncioReactor, protocol
from twisted_compat.protocols import basic

from ..processes import HOST, announce
from .twisted_style import factory

__all__ = ["serve"]


def serve(loop: asyncio.AbstractEventLoop, workload: str, backlog: int) -> None:
    """Serve until terminated."""
    words = SimpleNamespace(protocol=protocol, basic=basic)

    async def main() -> None:
        async with AsyncioReactor() as reactor:
            port = reactor.listenTCP(0, factory(workload, words), backlog=backlog, interface=HOST)
            announce(port.getHost().port)
            await reactor.stopped()

    loop.run_until_complete(main())
