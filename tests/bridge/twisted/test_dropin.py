"""The reactors that ``twistd --reactor`` and ``trial --reactor`` know.

Whole programs on them are in test_ecosystem_programs.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from twisted.application.reactors import (
    IReactorInstaller,
    NoSuchReactor,
    getReactorTypes,
    installReactor,
)
from twisted.internet.error import ReactorAlreadyInstalledError
from zope.interface.verify import verifyObject

from tests.bridge.twisted.ecosystem.children import run
from twisted_compat.bridge.twisted import TwistedReactor, dropin

pytestmark = pytest.mark.usefixtures("empty_place")

LOOPS = {
    "twisted_compat": asyncio,
    "twisted_compat_uvloop": pytest.importorskip("uvloop") if find_spec("uvloop") else None,
}


def plugins() -> dict[str, Any]:
    """Ours, as Twisted's plugin system finds them."""
    return {kind.shortName: kind for kind in getReactorTypes() if kind.shortName.startswith("twisted_compat")}


def test_twisted_finds_them() -> None:
    found = plugins()
    assert set(found) == set(LOOPS)
    for name in dropin.__all__:
        offered = getattr(dropin, name)
        assert verifyObject(IReactorInstaller, offered)
        there = found[offered.shortName]
        assert (there.moduleName, there.description) == (offered.moduleName, offered.description)
        assert offered.description.isascii()


@pytest.mark.parametrize("name", LOOPS)
def test_what_is_installed_runs_on_its_loop(name: str) -> None:
    if LOOPS[name] is None:
        pytest.skip("uvloop is not installed")
    reactor: Any = installReactor(name)
    assert type(reactor) is TwistedReactor
    assert reactor is sys.modules["twisted.internet.reactor"]
    kinds: list[str] = []
    reactor.callWhenRunning(lambda: kinds.append(type(reactor.loop).__module__.partition(".")[0]))
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert kinds == [LOOPS[name].__name__]


def test_it_is_not_installed_twice() -> None:
    reactor: Any = installReactor("twisted_compat")
    reactor.callWhenRunning(lambda: refused())
    refusals: list[str] = []

    def refused() -> None:
        with pytest.raises(ReactorAlreadyInstalledError) as caught:
            installReactor("twisted_compat")
        refusals.append(str(caught.value))
        reactor.stop()

    reactor.run(installSignalHandlers=False)
    assert len(refusals) == 1
    with pytest.raises(NoSuchReactor):
        installReactor("twisted_compat_of_old")


def test_twistd_tells_of_them() -> None:
    done = run([str(Path(sys.executable).with_name("twistd")), "--help-reactors"])
    assert done.returncode == 0, done.stdout
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for plugin in (dropin.on_asyncio, dropin.on_uvloop):
        assert f"{plugin.shortName} {plugin.description}" in said
