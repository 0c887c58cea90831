"""Which reactor is meant: in a loop, outside one, in other threads."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import within
from twisted_compat import AsyncioReactor, current, current_reactor
from twisted_compat.current import register_reactor, unregister_reactor

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """No default reactor yet; those that get made, which are no reactors but will do."""
    made: list[object] = []

    def factory() -> object:
        made.append(object())
        return made[-1]

    monkeypatch.setattr(current, "_default", None)
    monkeypatch.setattr(current, "_default_factory", factory)
    return made


def in_thread(call: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


def test_outside_a_loop_it_is_the_default_made_once(made: list[object]) -> None:
    assert made == []
    assert current_reactor() is current_reactor()
    assert in_thread(current_reactor) is current_reactor()
    assert made == [current_reactor()]


def test_many_threads_that_ask_first_get_the_same(made: list[object]) -> None:
    barrier = threading.Barrier(8)
    got: list[Any] = []

    def ask() -> None:
        barrier.wait()
        got.append(current_reactor())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == made * 8


async def test_in_a_loop_it_is_the_loop_s(made: list[object]) -> None:
    async with AsyncioReactor() as reactor:
        assert current_reactor() is reactor
    assert current_reactor() is made[0]


async def test_in_a_thread_without_a_loop_it_is_the_only_one_that_runs(
    made: list[object], loop_factory: LoopFactory
) -> None:
    async def beside() -> None:
        async with AsyncioReactor():
            assert in_thread(current_reactor) is made[0]

    async with AsyncioReactor() as reactor:
        assert in_thread(current_reactor) is reactor
        other_loop = loop_factory()
        await asyncio.get_running_loop().run_in_executor(None, other_loop.run_until_complete, beside())
        other_loop.close()
        assert in_thread(current_reactor) is reactor
    assert in_thread(current_reactor) is made[0]


async def test_in_a_thread_of_a_pool_it_is_the_pool_s(made: list[object]) -> None:
    other_loop = asyncio.new_event_loop()
    other = AsyncioReactor(other_loop)
    async with AsyncioReactor() as reactor:
        answered = asyncio.get_running_loop().create_future()

        def ask() -> None:
            mine = current_reactor()
            mine.callFromThread(answered.set_result, mine)

        reactor.callInThread(ask)
        assert await within(answered) is reactor
    other_loop.close()
    other.leave_closed_loop()


async def test_a_thread_s_loop_has_its_own(loop_factory: LoopFactory) -> None:
    async def inside() -> tuple[Any, Any]:
        async with AsyncioReactor() as reactor:
            return reactor, current_reactor()

    def other_loop() -> tuple[Any, Any]:
        loop = loop_factory()
        try:
            return loop.run_until_complete(within(inside()))
        finally:
            loop.close()

    async with AsyncioReactor() as mine:
        theirs, current_there = await asyncio.get_running_loop().run_in_executor(None, other_loop)
        assert current_there is theirs is not mine
        assert current_reactor() is mine


def test_without_a_way_to_make_one_it_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_default", None)
    monkeypatch.setattr(current, "_default_factory", None)
    with pytest.raises(RuntimeError, match="import twisted_compat"):
        current_reactor()


def test_a_factory_that_fails_is_asked_again(made: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    factory = current._default_factory
    monkeypatch.setattr(current, "_default_factory", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        current_reactor()
    monkeypatch.setattr(current, "_default_factory", factory)
    assert current_reactor() is made[0]


async def test_registering(made: list[object]) -> None:
    loop, reactor = asyncio.get_running_loop(), object()
    register_reactor(loop, reactor)
    register_reactor(loop, reactor)
    assert current_reactor() is reactor
    with pytest.raises(RuntimeError, match="has a reactor already"):
        register_reactor(loop, object())
    unregister_reactor(loop, object())  # the loop has been taken by another since
    assert current_reactor() is reactor
    unregister_reactor(loop, reactor)
    unregister_reactor(loop, reactor)
    assert current_reactor() is made[0]


def test_a_loop_is_not_kept_alive(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    loop.close()
    register_reactor(loop, object())
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
