"""What asyncio has for its tasks, in coroutines that we run: timeouts, groups, locks, queues, threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support import within
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred

from .coroutines import Waiting, came_to, run, since_3_11, turn, waiting_task

pytestmark = pytest.mark.without_debug


@since_3_11
async def test_timeouts_nested_rescheduled_and_not_reached() -> None:
    loop = asyncio.get_running_loop()

    async def body() -> list[str]:
        events = []
        async with asyncio.timeout(3600):
            for deadline in (asyncio.timeout(0.001), asyncio.timeout_at(loop.time())):
                with pytest.raises(TimeoutError):
                    async with deadline:
                        await Deferred()
                assert deadline.expired()
                events.append("inner")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                async with asyncio.timeout(3600):
                    await asyncio.sleep(3600)
        events.append("outer")
        async with asyncio.timeout(3600) as rescheduled:
            rescheduled.reschedule(None)
            await asyncio.sleep(0.001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as rescheduled:
                rescheduled.reschedule(loop.time() + 0.001)
                await Deferred()
        task: Any = asyncio.current_task()
        assert task.cancelling() == 0
        return events

    assert await within(ensureDeferred(body())) == ["inner", "inner", "outer"]


@since_3_11
async def test_a_timeout_that_expires_in_the_turn_in_which_the_deferred_fires() -> None:
    loop = asyncio.get_running_loop()
    awaited: Deferred[str] = Deferred()

    async def body() -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as timeout:
                loop.call_soon(expire, timeout)
                loop.call_soon(awaited.callback, "kept")
                await awaited
        return await awaited

    def expire(timeout: Any) -> None:
        timeout._on_timeout()

    assert await within(ensureDeferred(body())) == "kept"


@since_3_11
async def test_a_timeout_is_told_from_a_cancellation() -> None:
    for through_the_task in (True, False):
        awaited: Deferred[None] = Deferred()
        tasks: list[Any] = []

        async def body(awaited: Deferred[None] = awaited, tasks: list[Any] = tasks) -> None:
            tasks.append(asyncio.current_task())
            async with asyncio.timeout(3600):
                await awaited

        result = ensureDeferred(body())
        if through_the_task:
            tasks[0].cancel("why")
        else:
            result.cancel()
        assert isinstance(await came_to(result), CancelledError)


async def test_wait_for() -> None:
    async def body() -> int:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(Deferred(), 0.001)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waiting_task(), 0.001)
        waiting = Waiting()
        asyncio.get_running_loop().call_soon(waiting.awaited.callback, 1)
        return int(await asyncio.wait_for(waiting.task, 3600))

    assert await within(ensureDeferred(body())) == 1


@since_3_11
async def test_a_child_that_fails_cancels_the_parent_which_awaits_a_deferred() -> None:
    cancelled: list[Any] = []

    async def child() -> None:
        await asyncio.sleep(0.001)
        raise KeyError

    async def body() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await Deferred(cancelled.append)

    error = await came_to(ensureDeferred(body()))
    assert isinstance(error, ExceptionGroup)  # noqa: F821
    assert [type(each) for each in error.exceptions] == [KeyError]
    assert len(cancelled) == 1


@since_3_11
async def test_a_parent_that_is_cancelled_cancels_its_children() -> None:
    children: list[Any] = []
    for through_the_task in (True, False):
        tasks: list[Any] = []

        async def child() -> None:
            await Deferred()

        async def body(tasks: list[Any] = tasks) -> None:
            tasks.append(asyncio.current_task())
            async with asyncio.TaskGroup() as group:
                children.append(group.create_task(child()))

        result = ensureDeferred(body())
        await turn()
        if through_the_task:
            tasks[0].cancel()
        else:
            result.cancel()
        assert isinstance(await came_to(result), CancelledError)
        assert children[-1].cancelled()


@since_3_11
async def test_a_child_that_has_failed_while_the_parent_is_woken() -> None:
    async def child() -> None:
        raise KeyError

    async def body() -> str:
        with contextlib.suppress(BaseException):
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "not cancelled once more"

    assert await within(ensureDeferred(body())) == "not cancelled once more"


async def test_locks_semaphores_events_and_queues() -> None:
    lock, semaphore, event = asyncio.Lock(), asyncio.Semaphore(1), asyncio.Event()
    condition: asyncio.Condition = asyncio.Condition()
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    got: list[int] = []

    async def first() -> None:
        async with lock, semaphore:
            await event.wait()
            for number in range(3):
                await queue.put(number)
        async with condition:
            condition.notify_all()

    async def second() -> None:
        async with condition:
            async with asyncio.Lock():
                event.set()
            await condition.wait()
        async with lock, semaphore:
            pass

    async def third() -> None:
        while len(got) < 3:
            got.append(await queue.get())

    for deferred in [ensureDeferred(body()) for body in (first, second, third)]:
        await within(deferred)
    assert got == [0, 1, 2]


@since_3_11
async def test_a_barrier() -> None:
    barrier = asyncio.Barrier(2)

    async def body() -> int:
        return await barrier.wait()

    assert {await within(each) for each in [ensureDeferred(body()), ensureDeferred(body())]} == {0, 1}


async def test_to_thread_keeps_the_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def body() -> str:
        variable.set("ours")
        return await asyncio.to_thread(variable.get)

    assert await within(ensureDeferred(body())) == "ours"


async def test_async_with_async_for_and_generators_that_are_closed() -> None:
    events: list[str] = []
    source: list[Deferred[int]] = [Deferred(), Deferred()]

    async def generator() -> AsyncIterator[int]:
        try:
            for deferred in source:
                yield await deferred
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield
        events.append("left")

    async def body() -> int:
        async with manager(), contextlib.aclosing(generator()) as numbers:
            async for number in numbers:
                return number
        raise AssertionError

    result = ensureDeferred(body())
    await turn()
    source[0].callback(7)
    assert await within(result) == 7
    assert events == ["closed", "left"]


def test_generators_left_open_are_closed_with_the_loop(loop_factory: Any) -> None:
    events: list[str] = []

    async def generator() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    kept: list[Any] = []

    async def body() -> None:
        kept.append(generator())
        await kept[0].__anext__()

    async def main() -> None:
        await ensureDeferred(body())

    run(loop_factory, main)
    assert events == ["closed"]


async def test_streams() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def body() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"line\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        return answer

    assert await within(ensureDeferred(body())) == b"line\n"
