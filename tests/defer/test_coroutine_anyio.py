"""anyio and sniffio in coroutines that we run: scopes, groups, events, threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread
import pytest
import sniffio

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred

from .coroutines import came_to, turn

pytestmark = pytest.mark.without_debug


async def test_sniffio_and_anyio_see_asyncio() -> None:
    async def body() -> tuple[str, str, str]:
        first = sniffio.current_async_library()
        await asyncio.sleep(0)
        info = anyio.get_current_task()
        task: Any = asyncio.current_task()
        assert (info.id, info.name) == (id(task), task.get_name())
        assert info.id in [each.id for each in anyio.get_running_tasks()]
        return first, sniffio.current_async_library(), anyio.get_current_task().name

    first, second, _ = await within(ensureDeferred(body()))
    assert first == second == "asyncio"


async def _forever_deferred() -> None:
    await Deferred()


async def _forever_sleeping() -> None:
    await anyio.sleep_forever()


async def _forever_turning() -> None:
    while True:
        await asyncio.sleep(0)


async def _forever_in_another() -> None:
    await ensureDeferred(_forever_sleeping())


FOREVER = [_forever_deferred, _forever_sleeping, _forever_turning, _forever_in_another]


@pytest.mark.parametrize("wait", FOREVER)
async def test_move_on_after_and_fail_after(wait: Callable[[], Awaitable[None]]) -> None:
    async def body() -> str:
        with anyio.move_on_after(0.001) as scope:
            await wait()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.001):
                await wait()
        with anyio.fail_after(3600):
            await anyio.sleep(0.001)
        return "went on"

    assert await within(ensureDeferred(body())) == "went on"


@pytest.mark.parametrize("wait", FOREVER)
async def test_a_scope_that_is_cancelled_before_and_while_it_is_entered(
    wait: Callable[[], Awaitable[None]],
) -> None:
    async def body() -> str:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await wait()
        assert scope.cancelled_caught
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await wait()
        assert scope.cancelled_caught
        await anyio.sleep(0)
        return "went on"

    assert await within(ensureDeferred(body())) == "went on"


async def test_a_shield_lets_the_clean_up_be_awaited() -> None:
    events: list[str] = []
    cleaned: Deferred[None] = Deferred()

    async def body() -> None:
        with anyio.move_on_after(0.001):
            try:
                await Deferred()
            finally:
                with anyio.CancelScope(shield=True):
                    events.append("cleaning")
                    await cleaned
                    await anyio.sleep(0.001)
                    events.append("cleaned")
                await anyio.sleep(0)
                events.append("never")
        events.append("went on")

    result = ensureDeferred(body())
    await until(lambda: events)
    await turn()
    cleaned.callback(None)
    await within(result)
    assert events == ["cleaning", "cleaned", "went on"]


async def test_a_cancelled_scope_cancels_the_clean_up_again_and_again() -> None:
    cancelled: list[Any] = []

    async def body() -> None:
        with anyio.move_on_after(0.001):
            for _ in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await Deferred(cancelled.append)
            await Deferred(cancelled.append)

    await within(ensureDeferred(body()))
    assert len(cancelled) == 4


async def test_task_groups_of_anyio() -> None:
    events: list[str] = []
    told: Deferred[None] = Deferred()

    async def starts(*, task_status: anyio.abc.TaskStatus[int]) -> None:
        await told
        task_status.started(7)
        try:
            await Deferred()
        finally:
            events.append("cancelled")

    async def fails() -> None:
        await anyio.sleep(0.001)
        raise KeyError

    async def body() -> None:
        async with anyio.create_task_group() as group:
            asyncio.get_running_loop().call_soon(told.callback, None)
            assert await group.start(starts) == 7
            group.cancel_scope.cancel()
        async with anyio.create_task_group() as group:
            group.start_soon(fails)
            await Deferred()

    error = await came_to(ensureDeferred(body()))
    assert [type(each) for each in error.exceptions] == [KeyError]
    assert events == ["cancelled"]


async def test_native_cancellation_goes_through_scopes_of_anyio() -> None:
    for through_the_task in (True, False):
        tasks: list[Any] = []

        async def body(tasks: list[Any] = tasks) -> None:
            tasks.append(asyncio.current_task())
            with anyio.move_on_after(3600):
                async with anyio.create_task_group() as group:
                    group.start_soon(anyio.sleep_forever)
                    await Deferred()

        result = ensureDeferred(body())
        await turn()
        if through_the_task:
            tasks[0].cancel()
        else:
            result.cancel()
        error = await came_to(result)
        if through_the_task:
            assert isinstance(error, CancelledError)
        else:  # the group was failed by our CancelledError, which is no cancellation to anyio
            assert [type(each) for each in error.exceptions] == [CancelledError]


async def test_events_and_threads_of_anyio() -> None:
    event = anyio.Event()

    def in_thread() -> int:
        anyio.from_thread.run_sync(event.set)
        return anyio.from_thread.run(_answer)

    async def _answer() -> int:
        awaited: Deferred[int] = Deferred()
        asyncio.get_running_loop().call_soon(awaited.callback, 8)
        return await awaited

    async def waits() -> None:
        await event.wait()

    async def body() -> int:
        waiting = ensureDeferred(waits())
        answer = await anyio.to_thread.run_sync(in_thread)
        await waiting
        return answer

    assert await within(ensureDeferred(body())) == 8


async def test_a_blocking_portal_runs_one_of_ours() -> None:
    async def ours() -> str:
        await anyio.sleep(0)
        return sniffio.current_async_library()

    async def entry() -> str:
        return await ensureDeferred(ours())

    async with anyio.from_thread.BlockingPortal() as portal:
        assert await asyncio.to_thread(portal.call, entry) == "asyncio"


@pytest.mark.parametrize("wait", [_forever_deferred, _forever_sleeping, _forever_in_another])
async def test_anyio_sees_that_it_is_blocked(wait: Callable[[], Any]) -> None:
    result = ensureDeferred(wait())
    await within(anyio.wait_all_tasks_blocked())
    result.cancel()
    assert isinstance(await came_to(result), CancelledError)
