"""Twisted-style code inside asyncio: an event loop behind Twisted's reactor interfaces.

The layers, from the bottom; each imports only what is below it:

1. vocabulary: ``interfaces``, ``address``, ``error``, ``failure``, ``protocol``, ``defer``;
   ``vocabulary`` ties them together, ``current`` knows which reactor is meant
2. ``transport``: descriptors, connections and ports, TLS
3. ``adapter``: a loop as a reactor
4. ``task``, ``threads``, ``protocols``, ``ssl``: what stands on a reactor
5. ``bridge``: to and from asyncio's own words

This page adds what asyncio programs start from: :class:`AsyncioReactor`, :func:`run`,
:func:`current_reactor`; ``reactor``, which forwards to the current one as legacy code expects;
:func:`as_future` and :func:`as_deferred`.
"""

from __future__ import annotations

from twisted_compat.adapter.embed import reactor, run
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.bridge.awaitables import as_deferred, as_future
from twisted_compat.current import current_reactor

__all__ = ["AsyncioReactor", "as_deferred", "as_future", "current_reactor", "reactor", "run"]
__version__ = "0.1.0"
