"""Peers whose work is done in the tests' own process, since a process for each would take too long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.loops import new_loop
from benchmarks.model import Peer
from benchmarks.peers import PEERS
from tests.support import skip_without


@contextmanager
def usable(name: str) -> Iterator[Peer]:
    """A peer, while the block runs; where it can't run, the test is skipped. Where one of Twisted's would
    install a reactor, for good, it gets one that is nobody else's.
    """
    peer = PEERS[name]
    lack = peer.missing()
    if lack is not None:
        skip_without(lack, "pip install twisted uvloop")
    loops: list[asyncio.AbstractEventLoop] = []

    def install(kind: str) -> Any:
        if kind == "epoll":
            from twisted.internet.epollreactor import EPollReactor

            return EPollReactor()
        from twisted.internet.asyncioreactor import AsyncioSelectorReactor

        loops.append(new_loop(kind))
        return AsyncioSelectorReactor(loops[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.work.inside.install", install)
        yield peer
    for loop in loops:
        loop.close()
