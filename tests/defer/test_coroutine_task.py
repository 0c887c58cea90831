"""Coroutines that we run as asyncio sees them: tasks, for asyncio's own tools, for anyio and for sniffio."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import sniffio

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, inlineCallbacks
from twisted_compat.defer.coroutine_task import CoroutineTask
from twisted_compat.failure import Failure

from .test_deferred import outcome

since_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has it since Python 3.11")
since_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")


class Waiting:
    """A coroutine of ours that waits for a Deferred, and the task that asyncio sees of it."""

    def __init__(self, deferred: Deferred[Any] | None = None) -> None:
        self.awaited: Deferred[Any] = Deferred() if deferred is None else deferred
        self.task: Any = None
        self.result = ensureDeferred(self._run())

    async def _run(self) -> Any:
        self.task = asyncio.current_task()
        return await self.awaited


async def came_to(deferred: Deferred[Any]) -> Any:
    """What a Deferred comes to, a value or an exception, in turns of the loop."""
    await until(lambda: deferred.called and not deferred.paused)
    return outcome(deferred)


async def turn() -> None:
    """Let everything that is scheduled now run, and what that schedules."""
    for _ in range(5):
        await asyncio.sleep(0)


# Which task is the current one.


async def test_it_is_the_current_task_in_every_step_and_the_one_before_is_again_afterwards() -> None:
    outer = asyncio.current_task()
    seen: list[Any] = []
    steps: list[Deferred[None]] = [Deferred(), Deferred()]

    async def body() -> None:
        for step in steps:
            seen.append(asyncio.current_task())
            await step
            assert asyncio.current_task() is seen[0]
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    result = ensureDeferred(body())
    assert asyncio.current_task() is outer
    for step in steps:
        step.callback(None)
        assert asyncio.current_task() is outer
    await within(result)
    assert isinstance(seen[0], CoroutineTask)
    assert seen == [seen[0]] * 3


async def test_fired_by_a_callback_of_the_loop_none_is_current_afterwards() -> None:
    loop = asyncio.get_running_loop()
    waiting = Waiting()
    after: list[Any] = []

    def fire() -> None:
        waiting.awaited.callback(1)
        after.append(asyncio.current_task())

    loop.call_soon(fire)
    assert await within(waiting.result) == 1
    assert after == [None]


async def test_when_it_raises_the_one_before_is_current_again() -> None:
    outer = asyncio.current_task()

    async def body() -> None:
        raise KeyError

    assert isinstance(outcome(ensureDeferred(body())), KeyError)
    assert asyncio.current_task() is outer


async def test_coroutines_that_start_and_resume_each_other_have_each_their_own() -> None:
    fired_inside: Deferred[None] = Deferred()
    seen: dict[str, Any] = {}

    async def inner() -> None:
        seen["inner"] = asyncio.current_task()
        await fired_inside
        assert asyncio.current_task() is seen["inner"]

    async def outer() -> None:
        task = asyncio.current_task()
        waiting = ensureDeferred(inner())
        assert asyncio.current_task() is task
        fired_inside.callback(None)
        assert asyncio.current_task() is task
        assert waiting.called
        seen["outer"] = task

    await within(ensureDeferred(outer()))
    assert seen["inner"] is not seen["outer"]


async def test_an_inline_callbacks_function_has_the_task_of_who_resumes_it() -> None:
    awaited: Deferred[None] = Deferred()
    seen: list[Any] = []

    @inlineCallbacks
    def generator() -> Any:
        seen.append(asyncio.current_task())
        yield awaited
        seen.append(asyncio.current_task())

    waiting = generator()
    asyncio.get_running_loop().call_soon(awaited.callback, None)
    await within(waiting)
    assert seen == [asyncio.current_task(), None]


async def test_an_asyncio_task_inside_it_is_another() -> None:
    async def child() -> Any:
        return asyncio.current_task()

    async def body() -> tuple[Any, Any]:
        task = asyncio.ensure_future(child())
        assert await task is task
        return asyncio.current_task(), task

    ours, theirs = await within(ensureDeferred(body()))
    assert isinstance(ours, CoroutineTask)
    assert isinstance(theirs, asyncio.Task)


@since_3_12
@pytest.mark.parametrize("fired", [True, False])
async def test_eager_tasks_inside_it_and_it_inside_an_eager_task(fired: bool) -> None:
    loop = asyncio.get_running_loop()
    awaited: Deferred[int] = Deferred()
    if fired:
        awaited.callback(1)
    seen: list[Any] = []

    async def eager_inside() -> int:
        seen.append(asyncio.current_task())
        return await awaited

    async def ours() -> int:
        task = asyncio.current_task()
        eager: Any = asyncio.Task(eager_inside(), loop=loop, eager_start=True)
        assert asyncio.current_task() is task
        result: int = await eager
        assert asyncio.current_task() is task
        assert seen == [eager]
        return result

    async def eager_outside() -> int:
        task = asyncio.current_task()
        result = ensureDeferred(ours())
        assert asyncio.current_task() is task
        if not fired:
            awaited.callback(1)
        return await result

    outermost: Any = asyncio.Task(eager_outside(), loop=loop, eager_start=True)
    assert asyncio.current_task() is not outermost
    assert await within(outermost) == 1


@since_3_12
async def test_with_the_eager_task_factory() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        waiting = Waiting()
        waiting.awaited.callback(1)
        assert await waiting.task == 1

        async def eager() -> Any:
            return asyncio.current_task(), await ensureDeferred(asyncio.sleep(0, 2))

        coroutine = eager()
        try:
            task = loop.create_task(coroutine)
        except TypeError as error:
            coroutine.close()
            pytest.skip(f"{loop} and the eager tasks of this Python don't go together: {error}")
        assert await task == (task, 2)
    finally:
        loop.set_task_factory(None)


# Which tasks there are.


async def test_all_tasks_lists_it_from_its_first_wait_to_its_end() -> None:
    before = asyncio.all_tasks()

    async def never_waits() -> Any:
        assert asyncio.all_tasks() == before
        return asyncio.current_task()

    outcome(ensureDeferred(never_waits()))
    waiting = Waiting()
    assert asyncio.all_tasks() == {*before, waiting.task}
    waiting.awaited.callback(None)
    assert asyncio.all_tasks() == before


def test_when_asyncio_run_ends_it_is_cancelled_and_may_clean_up(loop_factory: Any) -> None:
    events: list[str] = []

    async def background(deferred: Deferred[Any]) -> None:
        try:
            await deferred
        except asyncio.CancelledError:
            events.append("cancelled")
            await asyncio.sleep(0.001)
            events.append("cleaned up")
            raise

    async def main() -> tuple[Any, Any]:
        cancelled: Deferred[Any] = Deferred(lambda _: events.append("canceller"))
        return ensureDeferred(background(cancelled)), ensureDeferred(asyncio.sleep(3600))

    deferred, sleeping = run(loop_factory, main)
    assert events == ["canceller", "cancelled", "cleaned up"]
    for ended in (deferred, sleeping):
        error = outcome(ended)
        assert isinstance(error, CancelledError)
        assert isinstance(error.__cause__, asyncio.CancelledError)


def run(loop_factory: Any, main: Callable[[], Any]) -> Any:
    """asyncio.run on a loop of the factory's."""
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())
    # With a loop factory it comes only later: the same by way of the policy.
    policy = asyncio.get_event_loop_policy()
    made = loop_factory()

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            loop: asyncio.AbstractEventLoop = made
            return loop

    asyncio.set_event_loop_policy(Policy())
    try:
        return asyncio.run(main(), debug=made.get_debug())
    finally:
        asyncio.set_event_loop_policy(policy)


# What a task has to offer.


async def test_its_name() -> None:
    waiting, other = Waiting(), Waiting()
    task = waiting.task
    assert task.get_name().startswith("Deferred-Task-")
    assert task.get_name() == task.get_name() != other.task.get_name()
    task.set_name(5)
    assert task.get_name() == "5"
    assert repr(task).startswith("<CoroutineTask 5 ")
    assert "waiting for <Deferred" in repr(task)
    for each in (waiting, other):
        each.awaited.callback(None)
    assert repr(task).endswith(" finished>")


async def test_its_coroutine_and_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    awaited: Deferred[None] = Deferred()

    async def body() -> Any:
        variable.set(1)
        task: Any = asyncio.current_task()
        await awaited
        return task

    coroutine = body()
    result = ensureDeferred(coroutine)
    (task,) = (each for each in asyncio.all_tasks() if isinstance(each, CoroutineTask))
    assert task.get_coro() is coroutine
    assert task.get_loop() is asyncio.get_running_loop()
    assert task.get_context()[variable] == 1
    assert variable.get(None) is None
    awaited.callback(None)
    assert await within(result) is task
    assert task.get_coro() is coroutine


async def test_its_stack(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    (frame,) = waiting.task.get_stack()
    assert frame.f_code.co_name == "_run"
    assert waiting.task.get_stack(limit=0) == []
    out = io.StringIO()
    waiting.task.print_stack(file=out)
    first, second, *_ = out.getvalue().splitlines()
    assert first == f"Stack for {waiting.task!r} (most recent call last):"
    assert second.endswith("in _run") and __file__ in second
    del frame
    waiting.awaited.callback(None)
    assert waiting.task.get_stack() == []
    waiting.task.print_stack()
    assert "No stack for" in capsys.readouterr().err


async def test_the_stack_of_one_that_failed_is_that_of_its_exception() -> None:
    waiting = Waiting()
    waiting.awaited.errback(KeyError("k"))
    assert waiting.task.get_stack()[0].f_code.co_name == "_run"
    assert len(waiting.task.get_stack()) > len(waiting.task.get_stack(limit=1)) == 1
    out = io.StringIO()
    waiting.task.print_stack(file=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Traceback for ")
    assert lines[-1] == "KeyError: 'k'"
    assert isinstance(outcome(waiting.result), KeyError)


async def test_only_its_coroutine_says_what_its_result_is() -> None:
    waiting = Waiting()
    with pytest.raises(RuntimeError, match="return result"):
        waiting.task.set_result(1)
    with pytest.raises(RuntimeError, match="raise"):
        waiting.task.set_exception(KeyError())
    with pytest.raises(asyncio.InvalidStateError):
        waiting.task.result()
    waiting.awaited.callback(1)
    assert waiting.task.result() == 1
    assert waiting.task.exception() is None
    assert waiting.task.cancel() is False


async def test_cancellations_are_counted_and_can_be_taken_back() -> None:
    waiting = Waiting(Deferred(lambda deferred: deferred.callback("kept")))
    task = waiting.task
    assert (task.cancelling(), task.uncancel()) == (0, 0)
    assert task.cancel() and task.cancel()
    assert task.cancelling() == 2
    assert (task.uncancel(), task.uncancel(), task.uncancel()) == (1, 0, 0)
    assert await within(waiting.result) == "kept"  # it was on its way, and arrives, as with any task


async def test_a_cancellation_taken_back_after_the_result_came_leaves_no_hung_coroutine() -> None:
    waiting = Waiting()
    waiting.task.cancel()
    waiting.awaited.callback("left")
    waiting.task.uncancel()
    assert isinstance(await came_to(waiting.result), CancelledError)
    assert waiting.awaited.result == "left"


async def test_a_coroutine_that_cancels_itself_and_takes_it_back_hears_nothing() -> None:
    async def body() -> str:
        task: Any = asyncio.current_task()
        task.cancel()
        task.uncancel()
        await asyncio.sleep(0)
        return "not cancelled"

    assert await within(ensureDeferred(body())) == "not cancelled"


async def test_a_cycle_of_waits_can_be_shown() -> None:
    tasks: list[Any] = []

    async def body(number: int) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        await tasks[1 - number]

    results = [ensureDeferred(body(number)) for number in (0, 1)]
    await turn()
    assert "..." in repr(tasks[0])
    for waiter in (tasks[0]._fut_waiter, tasks[1]._fut_waiter):
        assert waiter in tasks
    asyncio.Future.cancel(tasks[0])  # what any of the two's cancel would do is to cancel the other, for ever
    assert [type(await came_to(each)) for each in results] == [CancelledError, CancelledError]


async def test_it_cannot_wait_for_itself() -> None:
    async def body() -> None:
        task: Any = asyncio.current_task()
        await task

    error = await came_to(ensureDeferred(body()))
    assert isinstance(error, RuntimeError)
    assert "itself" in str(error)


# Waiting for it as a task.


async def test_others_may_await_it() -> None:
    waiting = Waiting()

    async def ours() -> Any:
        return await waiting.task

    several = asyncio.gather(waiting.task, asyncio.shield(waiting.task), asyncio.ensure_future(waiting.task))
    inside = ensureDeferred(ours())
    done: list[Any] = []
    waiting.task.add_done_callback(done.append)
    waiting.awaited.callback(1)
    assert await within(several) == [1, 1, 1]
    assert await within(inside) == 1
    assert done == [waiting.task]
    assert await within(waiting.result) == 1
    finished, pending = await asyncio.wait({waiting.task})
    assert (finished, pending) == ({waiting.task}, set())


async def test_its_exception_is_that_of_the_coroutine(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Waiting()
    error = KeyError("k")
    gathered = asyncio.gather(waiting.task, return_exceptions=True)
    waiting.awaited.errback(error)
    assert await within(gathered) == [error]
    assert waiting.task.exception() is error
    assert outcome(waiting.result) is error
    del waiting
    gc.collect()
    assert caplog.records == []


async def test_a_failure_that_is_returned_is_its_exception() -> None:
    error = KeyError()
    tasks: list[Any] = []

    async def body() -> Any:
        tasks.append(asyncio.current_task())
        return Failure(error)

    assert outcome(ensureDeferred(body())) is error
    assert tasks[0].exception() is error


async def test_cancelled_with_what_it_was_gathered_and_spared_by_a_shield() -> None:
    waiting, shielded = Waiting(), Waiting()
    gathered = asyncio.gather(waiting.task, asyncio.shield(shielded.task))
    gathered.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await within(gathered)
    assert waiting.task.cancelled()
    error = outcome(waiting.result)
    assert isinstance(error, CancelledError)
    assert error.args == ("why",)
    assert not shielded.task.done()
    shielded.awaited.callback(2)
    assert await within(shielded.result) == 2


# What asyncio has for tasks, in it.


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
            await asyncio.wait_for(Waiting().task, 0.001)
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


# anyio and sniffio.


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
