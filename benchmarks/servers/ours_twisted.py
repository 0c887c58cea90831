"""The workloads of ``twisted_style`` with Twisted's own classes, on this package's reactor: what a Twisted
program gains that is embedded in an asyncio application."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from twisted_compat.bridge.twisted import install

from .twisted_style import listen
from .under_twisted import words

__all__ = ["serve"]


def serve(
    loop: asyncio.AbstractEventLoop, workloads: Sequence[str], backlog: int, context: Any = None
) -> None:
    """Serve until terminated, each on a port of its own.

    :param context: Twisted's context factory, for what is served over TLS.
    """

    async def main() -> None:
        async with install() as reactor:
            listen(reactor, workloads, words(), backlog, context)
            await reactor.stopped()

    loop.run_until_complete(main())
