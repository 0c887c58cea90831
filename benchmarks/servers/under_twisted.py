"""The workloads of ``twisted_style`` on Twisted, on whichever of its reactors."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ..loops import new_loop
from ..processes import HOST, announce
from .twisted_style import factory

__all__ = ["install", "serve"]


def install(loop: str) -> Any:
    """Install the reactor that stands on a kind of loop, and return it."""
    if loop == "epoll":
        from twisted.internet import epollreactor

        epollreactor.install()  # type: ignore[no-untyped-call]
    else:
        from twisted.internet import asyncioreactor

        asyncioreactor.install(new_loop(loop))  # type: ignore[no-untyped-call]
    from twisted.internet import reactor

    return reactor


def serve(loop: str, workloads: Sequence[str], backlog: int) -> None:
    """Serve until terminated, each on a port of its own."""
    reactor = install(loop)
    from twisted import internet
    from twisted.internet import interfaces, protocol
    from twisted.protocols import basic

    words = SimpleNamespace(protocol=protocol, basic=basic, interfaces=interfaces, internet=internet)
    for workload in workloads:
        port = reactor.listenTCP(0, factory(workload, words), backlog=backlog, interface=HOST)
        announce(port.getHost().port)
    reactor.run()
