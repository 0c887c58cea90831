"""The workloads of ``twisted_style`` on Twisted, on whichever of its reactors."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ..loops import new_loop
from .twisted_style import listen

__all__ = ["install", "serve", "words"]


def install(loop: str) -> Any:
    """Install the reactor that stands on a kind of loop, and return it."""
    if loop == "epoll":
        from twisted.internet import epollreactor

        epollreactor.install()
    else:
        from twisted.internet import asyncioreactor

        asyncioreactor.install(new_loop(loop))
    from twisted.internet import reactor

    return reactor


def serve(loop: str, workloads: Sequence[str], backlog: int, context: Any = None) -> None:
    """Serve until terminated, each on a port of its own.

    :param context: Twisted's context factory, for what is served over TLS.
    """
    reactor = install(loop)
    listen(reactor, workloads, words(), backlog, context)
    reactor.run()


def words() -> Any:
    """Twisted's modules for ``twisted_style``; the reactor is to be installed before."""
    from twisted import internet
    from twisted.internet import interfaces, protocol
    from twisted.protocols import basic

    return SimpleNamespace(protocol=protocol, basic=basic, interfaces=interfaces, internet=internet)
