"""Coroutines run by us: what they may await, what they raise, their contexts, and what they leave behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twisted.internet import defer as twisted_defer

from tests.support import no_reference_cycles, within
from twisted_compat.defer import (
    CancelledError,
    Deferred,
    NotACoroutineError,
    ensureDeferred,
    fail,
    inlineCallbacks,
    setDebugging,
    succeed,
)

from .coroutines import Waiting, came_to, run, turn, wait
from .test_deferred import outcome


class Yields:
    """An awaitable of another library: it yields what it is given, and returns what it is sent."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self.value)


# What it may await.


def test_it_runs_at_once_and_without_a_loop() -> None:
    first: Deferred[int] = Deferred()

    async def body() -> int:
        number = await first + await succeed(2)
        await asyncio.sleep(0)  # without a loop there is no other turn to wait for
        return number

    result = ensureDeferred(body())
    assert not result.called
    first.callback(1)
    assert outcome(result) == 3
    assert outcome(ensureDeferred(wait(succeed(1)))) == 1
    assert outcome(Deferred.fromCoroutine(wait(succeed(1)))) == 1
    theirs: twisted_defer.Deferred[int] = twisted_defer.Deferred()
    of_theirs = ensureDeferred(wait(theirs))
    theirs.callback(2)
    assert outcome(of_theirs) == 2


@pytest.mark.parametrize("thing", [None, 1, "text", wait, asyncio.sleep])
def test_nothing_but_a_coroutine_is_run(thing: Any) -> None:
    with pytest.raises(NotACoroutineError, match="ensureDeferred"):
        ensureDeferred(thing)


def test_a_coroutine_that_has_run_already() -> None:
    coroutine = wait(succeed(1))
    assert outcome(ensureDeferred(coroutine)) == 1
    assert isinstance(outcome(ensureDeferred(coroutine)), RuntimeError)


async def test_it_is_resumed_on_the_stack_of_who_fires() -> None:
    awaited: Deferred[int] = Deferred()
    result = ensureDeferred(wait(awaited))
    awaited.callback(1)
    assert result.result == 1


async def test_futures_tasks_coroutines_deferreds_and_what_is_built_of_them() -> None:
    loop = asyncio.get_running_loop()

    @inlineCallbacks
    def generator() -> Generator[Any, Any, int]:
        return (yield asyncio.sleep(0, 5))

    async def body() -> list[Any]:
        future = loop.create_future()
        loop.call_soon(future.set_result, 0)
        theirs: twisted_defer.Deferred[int] = twisted_defer.Deferred()
        loop.call_soon(theirs.callback, 7)
        return [
            await future,
            await asyncio.ensure_future(asyncio.sleep(0, 1)),
            await wait(asyncio.sleep(0, 2)),
            await ensureDeferred(asyncio.sleep(0, 3)),
            await asyncio.gather(asyncio.sleep(0, 4), succeed(4)),
            await generator(),
            await twisted_defer.succeed(6),
            await theirs,
            await asyncio.wrap_future(pool.submit(int, "8")),
        ]

    with ThreadPoolExecutor(1) as pool:
        assert await within(ensureDeferred(body())) == [0, 1, 2, 3, [4, 4], 5, 6, 7, 8]


async def test_what_they_fail_with() -> None:
    async def raises() -> None:
        await asyncio.sleep(0)
        raise KeyError("k")

    loop = asyncio.get_running_loop()
    theirs: twisted_defer.Deferred[int] = twisted_defer.Deferred()
    loop.call_soon(theirs.errback, KeyError("k"))
    awaitables = [
        fail(KeyError("k")),
        ensureDeferred(raises()),
        asyncio.ensure_future(raises()),
        raises(),
        theirs,
        twisted_defer.fail(KeyError("k")),
    ]
    for awaitable in awaitables:
        error = await came_to(ensureDeferred(wait(awaitable)))
        assert isinstance(error, KeyError)
        assert error.args == ("k",)


@pytest.mark.parametrize("value", [1, "text", object(), [], Yields(1)])
async def test_something_of_another_library_is_refused(value: Any) -> None:
    error = await came_to(ensureDeferred(wait(Yields(value))))
    assert isinstance(error, RuntimeError)
    assert "neither a Deferred nor a future" in str(error)
    assert "Await only" in str(error)


async def test_it_may_catch_that_and_go_on() -> None:
    async def body() -> str:
        with pytest.raises(RuntimeError):
            await Yields(1)
        await asyncio.sleep(0)
        return "went on"

    assert await within(ensureDeferred(body())) == "went on"


async def test_a_future_that_is_yielded_and_not_awaited() -> None:
    future = asyncio.get_running_loop().create_future()
    error = await came_to(ensureDeferred(wait(Yields(future))))
    assert isinstance(error, RuntimeError)
    assert "await" in str(error)


async def test_a_bare_yield_is_a_turn_of_the_loop() -> None:
    events: list[str] = []

    async def body() -> None:
        for number in range(3):
            events.append(f"step {number}")
            await asyncio.sleep(0)

    async def watch() -> None:
        for number in range(3):
            events.append(f"turn {number}")
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(watch())
    asyncio.get_running_loop().call_soon(lambda: ensureDeferred(body()))
    await within(watching)
    assert events == ["turn 0", "step 0", "turn 1", "step 1", "turn 2", "step 2"]


async def test_many_waits_do_not_recurse() -> None:
    async def body() -> int:
        total = 0
        for _ in range(5000):
            total += await succeed(1)
        return total

    async def nested(depth: int) -> int:
        return 0 if depth == 0 else 1 + await ensureDeferred(nested(depth - 1))

    assert outcome(ensureDeferred(body())) == 5000
    assert outcome(ensureDeferred(nested(50))) == 50


# Exceptions.

ODD = [KeyboardInterrupt("k"), SystemExit(3), GeneratorExit("g"), StopAsyncIteration("s")]


@pytest.mark.parametrize("error", ODD, ids=repr)
async def test_whatever_it_raises_is_the_failure(error: BaseException) -> None:
    async def body(step: Deferred[None] | None) -> None:
        if step is not None:
            await step
        raise error

    assert outcome(ensureDeferred(body(None))) is error
    step: Deferred[None] = Deferred()
    later = ensureDeferred(body(step))
    step.callback(None)
    assert outcome(later) is error


@pytest.mark.parametrize("error", ODD, ids=repr)
async def test_whatever_is_awaited_raises_arrives(error: BaseException) -> None:
    assert outcome(ensureDeferred(wait(fail(error)))) is error
    waiting = Waiting()
    waiting.awaited.errback(error)
    assert outcome(waiting.result) is error
    assert waiting.task.exception() is error


async def test_stop_iteration_is_what_python_makes_of_it_in_a_coroutine() -> None:
    error = StopIteration("s")

    async def body() -> None:
        raise error

    waiting = Waiting()
    waiting.awaited.errback(error)
    for deferred in (ensureDeferred(body()), ensureDeferred(wait(fail(error))), waiting.result):
        came = outcome(deferred)
        assert isinstance(came, RuntimeError)
        assert came.__cause__ is error or came is error


@pytest.mark.parametrize("error", [CancelledError("why"), asyncio.CancelledError("why")], ids=repr)
async def test_either_word_for_cancelled_is_ours_in_its_deferred(error: BaseException) -> None:
    async def body() -> None:
        raise error

    waiting = Waiting()
    waiting.awaited.errback(error)
    for deferred in (ensureDeferred(body()), ensureDeferred(wait(fail(error))), waiting.result):
        came = outcome(deferred)
        assert isinstance(came, CancelledError)
        assert came.args == ("why",)
        assert (came if isinstance(error, CancelledError) else came.__cause__) is error


async def test_an_unhandled_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))

    async def body(number: int) -> None:
        if number:
            await asyncio.sleep(0)
        raise KeyError(number)

    for number in (0, 1):
        ensureDeferred(body(number))
        await turn()
        gc.collect()
        (record,) = caplog.records
        assert record.exc_info and isinstance(record.exc_info[1], KeyError)
        assert record.exc_info[1].args == (number,)
        assert record.levelno == logging.ERROR
        caplog.clear()
    assert heard == []


async def test_a_handled_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()
    caplog.clear()

    async def raises() -> None:
        await asyncio.sleep(0)
        raise KeyError

    async def catches() -> None:
        with pytest.raises(KeyError):
            await ensureDeferred(raises())

    await within(ensureDeferred(catches()))
    with pytest.raises(KeyError):
        await ensureDeferred(raises())
    gc.collect()
    assert caplog.records == []


def test_one_that_nobody_resumes_is_closed_when_it_is_collected(loop_factory: Any) -> None:
    events: list[str] = []

    async def body(deferred: Deferred[None]) -> None:
        try:
            await deferred
        except BaseException as error:
            events.append(type(error).__name__)
            raise

    async def main() -> None:
        deferred: Deferred[None] = Deferred()
        gone = weakref.ref(ensureDeferred(body(deferred)))
        del deferred
        gc.collect()
        assert gone() is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop_factory, main)
    ensureDeferred(body(Deferred()))
    gc.collect()
    assert events == ["GeneratorExit"] * 2


async def test_closed_by_hand_it_leaves_the_result_to_the_deferred() -> None:
    deferred: Deferred[str] = Deferred()
    coroutine = wait(deferred)
    result = ensureDeferred(coroutine)
    coroutine.close()
    deferred.callback("not taken by it")
    assert isinstance(outcome(result), RuntimeError) or not result.called


# Contexts.


async def test_it_has_a_copy_of_the_context_and_keeps_it_across_waits() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("caller")
    steps: list[Deferred[None]] = [Deferred(), Deferred()]

    async def body() -> list[str]:
        seen = [variable.get()]
        token = variable.set("coroutine")
        await steps[0]
        seen.append(variable.get())
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        seen.append(variable.get())
        await steps[1]
        variable.reset(token)
        seen.append(variable.get())
        return seen

    result = ensureDeferred(body())
    assert variable.get() == "caller"
    variable.set("later")
    steps[0].callback(None)
    assert variable.get() == "later"
    asyncio.get_running_loop().call_later(0.005, steps[1].callback, None)
    assert await within(result) == ["caller", "coroutine", "coroutine", "caller"]


async def test_fired_by_a_task_that_runs_in_its_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    awaited: Deferred[int] = Deferred()
    tasks: list[Any] = []

    async def body() -> int:
        tasks.append(asyncio.current_task())
        variable.set(1)
        return await awaited + variable.get()

    result = ensureDeferred(body())
    tasks[0].get_context().run(awaited.callback, 1)
    assert await came_to(result) == 2


# Memory, and debugging.


async def test_on_the_success_path_no_cycle_is_left() -> None:
    async def waits() -> int:
        awaited: Deferred[int] = Deferred()
        asyncio.get_running_loop().call_soon(awaited.callback, 1)
        return await awaited + await succeed(1)

    async def all_kinds() -> None:
        await ensureDeferred(waits())
        await ensureDeferred(asyncio.sleep(0))
        await ensureDeferred(asyncio.sleep(0.001))
        await ensureDeferred(wait(ensureDeferred(waits())))
        await ensureDeferred(wait(asyncio.ensure_future(waits())))
        ensureDeferred(wait(succeed(1)))

    await all_kinds()
    await turn()
    with no_reference_cycles():
        await all_kinds()


async def test_in_debug_mode() -> None:
    setDebugging(True)
    try:
        waiting = Waiting()
        waiting.awaited.callback(1)
        assert await within(waiting.result) == 1
        failing = Waiting()
        failing.task.cancel()
        assert isinstance(await came_to(failing.result), CancelledError)
    finally:
        setDebugging(False)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_the_coroutine_may_make_eager_tasks_that_fire_what_it_awaits() -> None:
    awaited: Deferred[int] = Deferred()

    async def fires() -> None:
        awaited.callback(1)

    async def body() -> int:
        task: Any = asyncio.Task(fires(), loop=asyncio.get_running_loop(), eager_start=True)
        assert task.done()
        return await awaited

    assert await within(ensureDeferred(body())) == 1
