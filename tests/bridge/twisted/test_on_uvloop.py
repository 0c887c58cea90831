"""install() on uvloop, for who can name no more than a module."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

import pytest
from twisted.internet.error import ReactorAlreadyInstalledError

from twisted_compat.bridge.twisted import TwistedReactor, uninstall

uvloop = pytest.importorskip("uvloop")
on_uvloop = importlib.import_module("twisted_compat.bridge.twisted.on_uvloop")

pytestmark = pytest.mark.usefixtures("empty_place")


def test_it_runs_on_uvloop() -> None:
    reactor = on_uvloop.install()
    assert type(reactor) is TwistedReactor
    assert reactor is sys.modules["twisted.internet.reactor"]
    for _ in range(2):
        loops: list[Any] = []
        reactor.callWhenRunning(lambda loops=loops: loops.append(asyncio.get_running_loop()))
        reactor.callWhenRunning(reactor.stop)
        reactor.run(installSignalHandlers=False)
        assert [isinstance(loop, uvloop.Loop) for loop in loops] == [True]
        assert loops[0].is_closed()


async def test_in_a_running_loop_it_takes_that() -> None:
    async with on_uvloop.install() as reactor:
        assert reactor.loop is asyncio.get_running_loop()
        with pytest.raises(ReactorAlreadyInstalledError):
            on_uvloop.install()
    uninstall()


def test_without_uvloop_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, on_uvloop.__name__)
    with pytest.raises(ModuleNotFoundError, match="uvloop"):
        importlib.import_module(on_uvloop.__name__)
