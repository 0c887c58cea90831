"""The event loops that peers run on."""

from __future__ import annotations

import asyncio

__all__ = ["new_loop"]


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A loop of a kind: "asyncio" or "uvloop"."""
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
