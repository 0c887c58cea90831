"""Twisted-style code inside asyncio: an event loop behind Twisted's reactor interfaces.

The layers, from the bottom; each imports only what is below it:

1. vocabulary: ``interfaces``, ``address``, ``error``, ``failure``, ``protocol``, ``defer``, ``protocols``;
``vocabulary`` ties them together,
   ``current`` knows which reactor is meant
2. ``transport``: descriptors, TCP connections and ports
3. ``adapter``: a loop as a reactor

This page adds what asyncio programs start from: :class:`AsyncioReactor`, :func:`run`,
:func:`current_reactor`, and ``reactor``, which forwards to the current one as legacy code expects.
"""

from __future__ import annotations

from twisted_compat.adapter.embed import reactor, run
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.current import current_reactor

__all__ = ["AsyncioReactor", "current_reactor", "reactor", "run"]
__version__ = "0.1.0"
