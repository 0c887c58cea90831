"""The ways in: run(), and the reactor that code imports."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface import Interface, alsoProvides, implementedBy, providedBy
from zope.interface.verify import verifyObject

from tests.support import until, within
from twisted_compat import AsyncioReactor, current, current_reactor, reactor, run
from twisted_compat.adapter.embed import _run_on
from twisted_compat.interfaces import IReactorTCP
from twisted_compat.protocol import Factory, Protocol

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A default reactor for this test alone."""
    default = AsyncioReactor()
    monkeypatch.setattr(current, "_default", default)
    return default


# run


def test_run_calls_main_with_a_reactor_and_the_arguments(loop_factory: LoopFactory) -> None:
    seen: list[Any] = []

    async def main(reactor: Any, *args: Any) -> str:
        seen.extend((reactor, reactor.running, current_reactor(), args, asyncio.get_running_loop()))
        return "result"

    assert run(main, 1, "two", loop_factory=loop_factory) == "result"
    used, running, current, args, loop = seen
    assert (running, current, args) == (True, used, (1, "two"))
    assert not used.running
    assert loop.is_closed()


def test_run_without_a_factory_and_again() -> None:
    async def main(reactor: Any) -> Any:
        return reactor

    assert run(main) is not run(main)


def test_run_raises_what_main_raises_after_closing(loop_factory: LoopFactory) -> None:
    ports: list[Any] = []

    async def main(reactor: Any) -> None:
        ports.append(reactor.listenTCP(0, Factory.forProtocol(Protocol)))
        raise LookupError("of mine")

    with pytest.raises(LookupError, match="of mine"):
        run(main, loop_factory=loop_factory)
    assert not ports[0].connected


async def test_run_inside_a_loop_says_what_to_write(recwarn: pytest.WarningsRecorder) -> None:
    async def main(reactor: Any) -> None:
        pass

    with pytest.raises(RuntimeError, match="async with AsyncioReactor"):
        run(main)
    gc.collect()
    assert not recwarn.list  # no coroutine that nobody awaited


def test_run_wants_the_function_and_not_its_coroutine() -> None:
    async def main() -> None:
        pass

    coroutine = main()
    with pytest.raises(TypeError, match=r"Write run\(main, \*args\)"):
        run(coroutine)  # type: ignore[arg-type]
    coroutine.close()


# What Python 3.10 needs for run(loop_factory=...)


def test_run_on_returns_and_closes(loop_factory: LoopFactory) -> None:
    async def main() -> str:
        assert asyncio.get_running_loop() is loop
        return "result"

    loop = loop_factory()
    assert _run_on(loop, main()) == "result"
    assert loop.is_closed()


@pytest.mark.parametrize("error", [LookupError, SystemExit, KeyboardInterrupt])
def test_run_on_raises_and_closes(loop_factory: LoopFactory, error: type[BaseException]) -> None:
    async def main() -> None:
        raise error("of mine")

    loop = loop_factory()
    with pytest.raises(error, match="of mine"):
        _run_on(loop, main())
    assert loop.is_closed()


def test_run_on_ends_what_is_left(loop_factory: LoopFactory) -> None:
    ended: list[str] = []
    problems: list[dict[str, Any]] = []
    left: list[Any] = []

    async def obedient() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at the end")

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            ended.append("generator")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
        left.extend((asyncio.ensure_future(obedient()), asyncio.ensure_future(failing()), numbers()))
        await left[2].__anext__()
        await asyncio.get_running_loop().run_in_executor(None, ended.append, "executor")

    _run_on(loop_factory(), main())
    assert sorted(ended) == ["executor", "generator", "task"]
    assert [str(problem["exception"]) for problem in problems] == ["at the end"]


# The reactor that code imports


def test_the_proxy_claims_and_provides_what_the_reactor_does(default: Any) -> None:
    claimed = list(implementedBy(AsyncioReactor))
    assert list(providedBy(reactor)) == claimed
    for interface in claimed:
        assert interface.providedBy(reactor)


async def test_the_proxy_verifies_as_each_interface() -> None:
    async with AsyncioReactor() as inside:
        assert IReactorTCP in providedBy(reactor)
        for interface in providedBy(inside):
            assert verifyObject(interface, reactor)


def test_the_proxy_provides_what_one_reactor_alone_does(default: Any) -> None:
    class IMine(Interface):
        pass

    assert not IMine.providedBy(reactor)
    alsoProvides(default, IMine)
    assert IMine.providedBy(reactor)


def test_the_proxy_s_attributes_are_the_reactor_s(default: Any) -> None:
    assert reactor.run == default.run
    reactor.mine = 1
    assert default.mine == 1
    del reactor.mine
    assert not hasattr(default, "mine")
    with pytest.raises(AttributeError):
        _ = reactor.mine
    with pytest.raises(AttributeError):
        del reactor.mine
    assert dir(reactor) == dir(default)
    assert repr(default) in repr(reactor)


async def test_the_proxy_stands_for_the_loop_s_reactor() -> None:
    async with AsyncioReactor() as inside:
        assert reactor.stop == inside.stop
        assert repr(inside) in repr(reactor)


def test_the_proxy_runs_and_runs_again(default: Any) -> None:
    for turn in range(2):
        ran: list[int] = []
        reactor.callWhenRunning(ran.append, turn)
        reactor.callWhenRunning(reactor.callLater, 0, reactor.stop)
        reactor.run()
        assert ran == [turn]


def test_used_inside_a_loop_it_attaches_then(default: Any, loop_factory: LoopFactory) -> None:
    async def main() -> None:
        assert not default.running
        called = asyncio.Event()
        reactor.callLater(0, called.set)
        assert default.running
        assert default.loop is asyncio.get_running_loop()
        await called.wait()
        reactor.stop()
        await reactor.stopped()

    loop = loop_factory()
    loop.run_until_complete(main())
    loop.close()


def test_the_default_reactor_follows_from_a_closed_loop_to_the_next(
    default: Any, loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        called = asyncio.Event()
        reactor.callLater(0, called.set)  # the method of the reactor that goes straight to a part of it
        await within(called.wait())

    for _ in range(2):
        _run_on(loop_factory(), main())
    default.leave_closed_loop()
    assert "the event loop was closed before its reactor was left" in caplog.text


@pytest.mark.parametrize("leave", [True, False])
def test_with_asyncio_run_twice(default: Any, loop_factory: LoopFactory, leave: bool) -> None:
    async def main() -> None:
        port = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        assert default.loop is asyncio.get_running_loop()
        ports.append(port)
        _, writer = await asyncio.open_connection("127.0.0.1", port.getHost().port)
        await until(lambda: port.sessionno)
        writer.close()
        await writer.wait_closed()
        if leave:
            reactor.stop()
            await reactor.stopped()

    ports: list[Any] = []
    for _ in range(2):
        _run_on(loop_factory(), main())
    assert not ports[0].connected
    assert ports[1].connected == (not leave)
    if not leave:
        assert reactor.seconds() > 0  # on a loop of its own again: what the closed one held is closed
        default.loop.close()
        default._unbind()
    assert not ports[1].connected
