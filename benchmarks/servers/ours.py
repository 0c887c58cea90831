"""The workloads of ``twisted_style`` on this package, embedded the way an asyncio application would do it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import twisted_compat
from twisted_compat import AsyncioReactor, interfaces, protocol
from twisted_compat.protocols import basic

from .twisted_style import listen

__all__ = ["WORDS", "serve"]

WORDS = SimpleNamespace(protocol=protocol, basic=basic, interfaces=interfaces, internet=twisted_compat)


def serve(
    loop: asyncio.AbstractEventLoop, workloads: Sequence[str], backlog: int, context: Any = None
) -> None:
    """Serve until terminated, each on a port of its own.

    :param context: for what is served over TLS, of either TLS library.
    """

    async def main() -> None:
        async with AsyncioReactor() as reactor:
            listen(reactor, workloads, WORDS, backlog, context)
            await reactor.stopped()

    loop.run_until_complete(main())
