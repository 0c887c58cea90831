"""What ``from twisted.internet import reactor`` gives while reactors are embedded and none is installed."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.main import installReactor
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from zope.interface import providedBy
from zope.interface.verify import verifyObject

from tests.bridge.twisted.ecosystem.reactors import result
from tests.support import DEADLINE, until, within
from twisted_compat import AsyncioReactor
from twisted_compat.bridge.twisted import TwistedReactor, install, place, uninstall

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place")]


def imported() -> Any:
    """What a module gets that imports the reactor now."""
    from twisted.internet import reactor

    return reactor


def in_place() -> Any:
    """What is there, without importing it."""
    assert sys.modules.get(place.PLACE) is vars(sys.modules["twisted.internet"]).get("reactor")
    return sys.modules.get(place.PLACE)


def run(factory: LoopFactory, main: Any) -> Any:
    """Run a coroutine on a loop of its own."""
    loop = factory()
    try:
        return loop.run_until_complete(within(main))
    finally:
        loop.close()


async def test_while_one_is_embedded_it_is_that_one() -> None:
    async with TwistedReactor() as reactor:
        there = imported()
        assert there.loop is asyncio.get_running_loop()
        assert there.callLater == reactor.callLater
        for interface in (IReactorCore, IReactorTCP, IReactorTime):
            assert verifyObject(interface, there)
        assert list(providedBy(there)) == list(providedBy(reactor))
        assert set(dir(reactor)) <= set(dir(there))
        assert repr(reactor) in repr(there)
        there.note = 1
        assert (reactor.note, there.note) == (1, 1)
        del there.note
        assert not hasattr(reactor, "note")
        assert not hasattr(there, "note")
    assert in_place() is None


async def test_what_asks_for_it_by_itself_works() -> None:
    calls: list[int] = []
    async with TwistedReactor():
        looping = LoopingCall(lambda: calls.append(1))
        done = looping.start(0.001)
        await until(lambda: len(calls) > 2)
        looping.stop()
        await result(done)
        assert await result(deferToThread(lambda: 42)) == 42
    assert in_place() is None


def test_it_is_there_as_soon_as_one_has_taken_a_loop(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    reactor = TwistedReactor()
    assert in_place() is None
    assert reactor.loop is not loop
    assert imported().loop is reactor.loop  # which it took just now
    reactor.callLater(0, reactor.stop)
    reactor.run(installSignalHandlers=False)
    assert in_place() is None
    given = TwistedReactor(loop)
    assert imported().loop is loop
    run_and_stop(given)
    loop.close()
    assert in_place() is None


def run_and_stop(reactor: Any) -> None:
    reactor.callWhenRunning(reactor.stop)
    reactor.run(installSignalHandlers=False)


def test_who_imported_it_early_has_the_next_one_too(loop_factory: LoopFactory) -> None:
    early: list[Any] = []

    async def once() -> None:
        async with TwistedReactor() as reactor:
            early.append(imported())
            assert early[0].callLater == reactor.callLater

    for _ in range(2):
        run(loop_factory, once())
        assert in_place() is None
        with pytest.raises(
            RuntimeError, match=r"no TwistedReactor.*async with TwistedReactor\(\) as reactor"
        ):
            early[0].callLater(0, print)
    assert early[0] is early[1]


def test_it_can_be_looked_at_where_no_reactor_is(loop_factory: LoopFactory) -> None:
    async def once() -> Any:
        async with TwistedReactor():
            return imported()

    early = run(loop_factory, once())
    assert "reactor" in repr(early).lower()
    assert not IReactorTime.providedBy(early)


async def test_threads_of_the_pool_have_their_reactor() -> None:
    async with TwistedReactor() as reactor:

        def ask() -> tuple[Any, Any]:
            reactor.callFromThread(done.set_result, threading.get_ident())
            return imported().loop, imported().callFromThread

        done = asyncio.get_running_loop().create_future()
        assert await result(deferToThread(ask)) == (reactor.loop, reactor.callFromThread)
        assert await within(done) != threading.get_ident()


async def test_any_thread_has_the_only_one() -> None:
    async with TwistedReactor() as reactor:
        with ThreadPoolExecutor(1) as executor:
            loop = await asyncio.get_running_loop().run_in_executor(executor, lambda: imported().loop)
    assert loop is reactor.loop


def test_several_in_threads_are_told_apart(loop_factory: LoopFactory) -> None:
    ready = threading.Barrier(3)

    async def one() -> bool:
        async with TwistedReactor() as reactor:
            await asyncio.to_thread(ready.wait, DEADLINE)
            mine = imported().loop is reactor.loop
            in_pool = await result(deferToThread(lambda: imported().loop))
            await asyncio.to_thread(ready.wait, DEADLINE)
            return mine and in_pool is reactor.loop

    with ThreadPoolExecutor(2) as executor:
        running = [executor.submit(run, loop_factory, one()) for _ in range(2)]
        ready.wait(DEADLINE)
        with pytest.raises(RuntimeError, match="no TwistedReactor"):
            _ = imported().loop  # this thread has none, and which of the two could be meant?
        ready.wait(DEADLINE)
        assert [future.result() for future in running] == [True, True]
    assert in_place() is None


async def test_another_loop_has_the_only_one_to_call_from_its_thread() -> None:
    async with TwistedReactor():
        here = asyncio.get_running_loop().create_future()

        async def elsewhere() -> None:
            imported().callFromThread(here.set_result, asyncio.get_running_loop())
            with pytest.raises(RuntimeError, match="callFromThread"):
                imported().callLater(0, print)

        await asyncio.to_thread(asyncio.run, elsewhere())
        assert await within(here) is not asyncio.get_running_loop()


async def test_a_reactor_that_speaks_our_own_types_is_not_meant() -> None:
    async with AsyncioReactor():
        assert in_place() is None
    early = place.STAND_IN
    async with AsyncioReactor():
        with pytest.raises(RuntimeError, match="no TwistedReactor"):
            early.callLater(0, print)


def test_one_that_was_never_left_is_let_go(loop_factory: LoopFactory) -> None:
    async def once() -> weakref.ref[Any]:
        reactor = TwistedReactor()
        reactor.callLater(3600, print)
        return weakref.ref(reactor)

    left = [run(loop_factory, once()) for _ in range(2)]
    assert asyncio.run(only_one())
    gc.collect()
    assert [reference() for reference in left] == [None, None]
    assert in_place() is None


async def only_one() -> bool:
    """Whether a thread without a loop finds that there is one reactor alone."""
    async with TwistedReactor() as reactor:
        with ThreadPoolExecutor(1) as executor:
            found: bool = executor.submit(lambda: imported().loop is reactor.loop).result(DEADLINE)
    return found


# When one is installed


async def test_installing_while_one_is_embedded_installs_that() -> None:
    async with TwistedReactor() as reactor:
        early = imported()
        assert install() is reactor
        assert imported() is reactor
        assert early.callLater == reactor.callLater
    assert in_place() is reactor
    async with TwistedReactor() as another:
        assert early.callLater == another.callLater


def test_an_installed_one_that_rests_gives_way(loop_factory: LoopFactory) -> None:
    async def installed() -> Any:
        async with install() as reactor:
            assert imported() is reactor
            return reactor

    async def embedded(rests: Any) -> None:
        async with TwistedReactor() as reactor:
            assert reactor is not rests
            assert imported().callLater == reactor.callLater

    reactor = run(loop_factory, installed())
    run(loop_factory, embedded(reactor))
    assert in_place() is reactor
    assert run(loop_factory, installed()) is reactor
    assert in_place() is reactor


async def test_uninstalling_while_it_is_in_use_leaves_the_stand_in() -> None:
    async with install() as reactor:
        uninstall()
        assert imported() is not reactor
        assert imported().callLater == reactor.callLater
    assert in_place() is None


# When another's is installed


class Foreign:
    """A reactor of somebody else."""

    def __repr__(self) -> str:
        return "<a foreign reactor>"


async def test_another_reactor_in_the_place_is_worth_a_warning() -> None:
    installReactor(foreign := Foreign())
    with pytest.warns(RuntimeWarning, match=r"is <a foreign reactor>.*\binstall\(\) before") as warned:
        reactor = TwistedReactor()
    assert [warning.filename for warning in warned] == [__file__]
    async with reactor:
        assert imported() is foreign
    assert in_place() is foreign


async def test_the_warning_names_who_used_the_reactor_first() -> None:
    reactor = await asyncio.to_thread(TwistedReactor)  # where no loop runs
    installReactor(Foreign())
    with pytest.warns(RuntimeWarning, match="foreign") as warned:
        async with reactor:
            pass
    assert [warning.filename for warning in warned] == [__file__]


async def test_where_warnings_are_errors_nothing_is_left_of_it() -> None:
    installReactor(foreign := Foreign())
    with pytest.raises(RuntimeWarning, match="foreign"):
        TwistedReactor()
    assert in_place() is foreign
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with TwistedReactor() as reactor:
            assert reactor.running
    assert in_place() is foreign


def test_no_warning_for_a_loop_that_does_not_run(loop_factory: LoopFactory) -> None:
    installReactor(Foreign())
    loop = loop_factory()
    reactor = TwistedReactor(loop)
    ran: list[bool] = []
    reactor.callWhenRunning(lambda: ran.append(reactor.running))
    run_and_stop(reactor)
    loop.close()
    assert ran == [True]
