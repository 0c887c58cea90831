"""Event loops by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["LoopFactory", "loop_factory"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(name: str) -> LoopFactory:
    """What makes a loop.

    :param name: ``asyncio`` or ``uvloop``.
    """
    if name == "uvloop":
        import uvloop

        factory: LoopFactory = uvloop.new_event_loop
        return factory
    return asyncio.SelectorEventLoop
