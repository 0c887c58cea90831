"""install() and uninstall(): who is ``twisted.internet.reactor``, on which loop, and what a second one is
told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import twisted.internet
from twisted.internet.error import ReactorAlreadyInstalledError
from twisted.internet.main import installReactor

from tests.bridge.twisted.ecosystem.children import run
from tests.support import within
from twisted_compat import AsyncioReactor, current_reactor
from twisted_compat.bridge.twisted import TwistedReactor, install, place, uninstall

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place")]


def imported() -> Any:
    """What a module gets that imports the reactor now."""
    from twisted.internet import reactor

    return reactor


def in_place() -> Any:
    """What is there, without importing it."""
    assert sys.modules.get(place.PLACE) is getattr(twisted.internet, "reactor", None)
    return sys.modules.get(place.PLACE)


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that doesn't run."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def run_on(loop: asyncio.AbstractEventLoop, main: Any) -> Any:
    """Run a coroutine to its end, and close the loop."""
    try:
        return loop.run_until_complete(within(main))
    finally:
        loop.close()


# Which loop it takes


async def test_in_a_running_loop_it_takes_that() -> None:
    async with install() as reactor:
        assert imported() is in_place() is current_reactor() is reactor
        assert type(reactor) is TwistedReactor
        assert (reactor.loop, reactor.running) == (asyncio.get_running_loop(), True)
    assert (in_place(), reactor.running) == (reactor, False)


async def test_in_a_running_loop_it_may_take_another(other_loop: asyncio.AbstractEventLoop) -> None:
    reactor = install(other_loop)
    assert (in_place(), reactor.loop) == (reactor, other_loop)
    reactor.callWhenRunning(reactor.stop)
    await asyncio.to_thread(reactor.run, installSignalHandlers=False)
    assert not other_loop.is_closed()


def test_before_a_loop_runs_it_takes_the_one_that_does(loop_factory: LoopFactory) -> None:
    reactor = install()
    assert imported() is reactor

    async def main() -> None:
        async with reactor:
            assert reactor.loop is asyncio.get_running_loop()

    run_on(loop_factory(), main())


def test_run_makes_the_loop_that_it_was_told_to(loop_factory: LoopFactory) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def make() -> asyncio.AbstractEventLoop:
        made.append(loop_factory())
        return made[-1]

    reactor = install(loop_factory=make)
    assert not made
    seen: list[asyncio.AbstractEventLoop] = []
    for count in (1, 2):
        reactor.callWhenRunning(lambda: seen.append(asyncio.get_running_loop()))
        reactor.callLater(0, reactor.stop)
        reactor.run(installSignalHandlers=False)
        assert len(made) == count
        assert seen.pop() is made[-1]
        assert made[-1].is_closed()
    assert install() is reactor
    assert install(loop_factory=asyncio.new_event_loop) is reactor
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert len(made) == 2  # it has been told otherwise since


def test_a_loop_that_can_not_be_had_leaves_nothing_in_the_place() -> None:
    closed = asyncio.new_event_loop()
    closed.close()
    with pytest.raises(RuntimeError, match="closed event loop"):
        install(closed)
    assert in_place() is None


async def test_a_loop_with_a_reactor_of_our_own_types_names_that() -> None:
    async with AsyncioReactor() as native:
        with pytest.raises(RuntimeError, match="has a reactor already, <AsyncioReactor"):
            install()
        assert in_place() is None
        assert current_reactor() is native


# With one that is embedded


async def test_the_one_of_the_running_loop_is_installed() -> None:
    async with TwistedReactor() as reactor:
        assert install() is in_place() is reactor
    uninstall()
    async with TwistedReactor() as reactor:
        assert install(reactor.loop, loop_factory=asyncio.new_event_loop) is in_place() is reactor
    assert in_place() is reactor
    assert install() is reactor
    async with reactor:
        assert reactor.loop is asyncio.get_running_loop()


async def test_another_loop_gets_another(other_loop: asyncio.AbstractEventLoop) -> None:
    async with TwistedReactor() as embedded:
        reactor = install(other_loop)
        assert reactor is not embedded
        assert (in_place(), reactor.loop, embedded.loop) == (reactor, other_loop, asyncio.get_running_loop())
        reactor.callWhenRunning(reactor.stop)
        await asyncio.to_thread(reactor.run, installSignalHandlers=False)


async def test_one_in_another_thread_is_not_meant() -> None:
    async with TwistedReactor() as embedded:

        def run_one() -> list[Any]:
            reactor = install(loop_factory=asyncio.new_event_loop)
            there: list[Any] = []
            reactor.callWhenRunning(lambda: there.append(in_place()))
            reactor.callWhenRunning(reactor.stop)
            reactor.run(installSignalHandlers=False)
            return [reactor, *there]

        reactor, there = await within(asyncio.to_thread(run_one))
        assert reactor is there is not embedded
        assert embedded.running
        assert imported().callLater == embedded.callLater  # as the other one rests


async def test_one_that_is_embedded_takes_the_place_of_one_that_rests() -> None:
    async with install() as resting:
        pass
    async with TwistedReactor() as reactor:
        assert reactor is not resting
        assert install() is reactor
        assert in_place() is reactor
    assert in_place() is reactor


# Once more


def test_the_same_one_goes_from_loop_to_loop(loop_factory: LoopFactory) -> None:
    kept: list[Any] = []

    async def main() -> None:
        async with install() as reactor:
            kept.append(imported())
            assert kept[0] is reactor
            assert reactor.loop is asyncio.get_running_loop()
            turn = asyncio.get_running_loop().create_future()
            kept[0].callLater(0, turn.set_result, None)
            await within(turn)

    for _ in range(3):
        run_on(loop_factory(), main())
        assert in_place() is kept[0]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_loop_closed_under_it_is_left_behind(loop_factory: LoopFactory) -> None:
    async def main() -> Any:
        return install()

    reactor = run_on(loop_factory(), main())
    assert run_on(loop_factory(), main()) is reactor
    assert run_on(loop_factory(), main()) is in_place() is reactor


async def test_one_that_is_in_use_is_not_taken_away() -> None:
    async with install() as reactor:
        for again in (install, lambda: install(reactor.loop), lambda: install(loop_factory=print)):
            with pytest.raises(ReactorAlreadyInstalledError, match=r"stopped\(\)") as caught:
                again()
            assert repr(reactor) in str(caught.value)
        assert (in_place(), reactor.running) == (reactor, True)
        reactor.stop()
        with pytest.raises(ReactorAlreadyInstalledError, match="stopping"):
            install()
        await within(reactor.stopped())
        assert install() is reactor
        assert reactor.loop is asyncio.get_running_loop()


async def test_one_in_use_elsewhere_is_not_taken_away_either() -> None:
    async with install() as reactor:

        async def elsewhere() -> None:
            with pytest.raises(ReactorAlreadyInstalledError, match="running"):
                install()
            async with TwistedReactor():
                with pytest.raises(ReactorAlreadyInstalledError, match="running"):
                    install()

        await within(asyncio.to_thread(asyncio.run, elsewhere()))
        assert in_place() is reactor


def test_what_was_done_to_the_place_by_hand_is_seen(loop_factory: LoopFactory) -> None:
    async def use() -> Any:
        async with install() as reactor:
            assert imported() is reactor
            return reactor

    reactor = run_on(loop_factory(), use())
    del sys.modules[place.PLACE]
    assert install() is reactor
    assert imported() is reactor
    del sys.modules[place.PLACE]
    installReactor(foreign := object())
    with pytest.raises(ReactorAlreadyInstalledError, match=r"is builtins\.object already"):
        install()
    uninstall()
    assert in_place() is foreign


async def test_who_looks_for_the_importer_minds_nothing_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> Any:
        raise RuntimeError(f"no {name} yet")

    lazy: Any = type(sys)("lazy")
    lazy.__getattr__ = refuse
    async with install():
        for name, thing in {"no_module": (1, 2), "none_yet": None, "lazy": lazy}.items():
            monkeypatch.setitem(sys.modules, name, thing)
        with pytest.raises(ReactorAlreadyInstalledError):
            install()
        del sys.modules[place.PLACE]
        with pytest.raises(ReactorAlreadyInstalledError):
            install()


# uninstall


async def test_uninstalling() -> None:
    uninstall()  # nothing is there
    async with install() as reactor:
        pass
    uninstall()
    assert in_place() is None
    async with install() as another:
        assert another is not reactor
        assert imported() is another
    async with reactor:  # who kept it can go on with it
        assert reactor.loop is asyncio.get_running_loop()


async def test_anothers_reactor_is_not_uninstalled() -> None:
    installReactor(foreign := object())
    uninstall()
    assert in_place() is foreign


# Who was first, in processes of their own

PROGRAM = """
import sys
import twisted_compat.bridge.twisted as bridge

def attempt(case):
    try:
        bridge.install()
    except bridge.installing.ReactorAlreadyInstalledError as error:
        print(case, error, sep=": ")
    else:
        print(case, "installed", sep=": ")
    # As if nothing had happened, for the next case.
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(sys.path[0]) and name != "__main__":
            del sys.modules[name]
    sys.modules.pop("twisted.internet.reactor", None)
    vars(sys.modules["twisted.internet"]).pop("reactor", None)

import top; attempt("top")
import outer; attempt("nested")
import before; attempt("before")
import renamed; attempt("renamed")
import function; function.ask(); attempt("function")
import dotted; attempt("dotted")
from twisted.internet import epollreactor
epollreactor.install(); attempt("epoll")
import asyncio
from twisted.internet import asyncioreactor
asyncioreactor.install(asyncio.new_event_loop()); import top; attempt("asyncio")
from twisted.internet import reactor; attempt("program")
del reactor
attempt("nobody")
"""

MODULES = {
    "top": "from twisted.internet import reactor",
    "outer": "import inner\nfrom twisted.internet import reactor",
    "inner": "import innermost",
    "innermost": "import sys\nfrom twisted.internet import reactor",
    "before": "from twisted.internet import reactor\nimport top",
    "renamed": "from twisted.internet import reactor as clock",
    "function": "def ask():\n    from twisted.internet import reactor",
    "dotted": "import twisted.internet.reactor",
}


def test_the_error_names_the_reactor_and_who_imported_it_first(tmp_path: Path) -> None:
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(f"{source}\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run([sys.executable, str(tmp_path / "program.py")], tmp_path)
    assert done.returncode == 0, done.stdout
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    default = "twisted.internet.epollreactor.EPollReactor"
    elsewhere = "imported elsewhere than at a module's top"
    for case, reactor, importer in (
        ("top", default, "imported first by {}/top.py."),
        ("nested", default, "imported first by {}/innermost.py."),
        ("before", default, "imported first by {}/"),  # before.py or top.py, whose import ends first
        ("renamed", default, "imported first by {}/renamed.py."),
        ("function", default, elsewhere),
        ("dotted", default, elsewhere),
        ("epoll", default, elsewhere),
        (
            "asyncio",
            "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
            "imported first by {}/top.py.",
        ),
        ("program", default, "imported first by {}/program.py."),
    ):
        assert f"twisted.internet.reactor is {reactor} already, " in said[case], case
        assert importer.format(tmp_path) in said[case], case
        assert "Call twisted_compat.bridge.twisted.install() above that import" in said[case], case
    assert said["nobody"] == "installed"
