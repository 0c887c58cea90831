"""``await deferred`` in asyncio's tasks, once it is enabled, and what it leaves alone.

What becomes of cancelling: ``test_awaiting_cancel.py``. ``as_future`` and ``as_deferred`` by themselves:
``tests/bridge/test_awaitables.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.python.failure import Failure

from tests.bridge.twisted.awaited import outcome, soon, wait, waiting
from tests.bridge.twisted.ecosystem.reactors import logged_errors, result
from tests.support import no_reference_cycles, within
from twisted_compat import defer as ours
from twisted_compat.bridge.twisted import TwistedReactor, as_deferred, as_future, enable_await

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place", "awaiting_enabled")]


# In a task


async def test_a_value() -> None:
    assert await succeed(1) == 1
    later: Deferred[int] = Deferred()
    soon(later.callback, 2)
    assert await later == 2


async def test_a_failure() -> None:
    def raise_it(_: Any) -> None:
        raise KeyError("k")

    with pytest.raises(KeyError) as fired:
        await wait(succeed(1).addCallback(raise_it))
    assert "raise_it" in [entry.name for entry in fired.traceback]
    later: Deferred[int] = Deferred()
    later.addCallback(raise_it)
    soon(later.callback, 1)
    with pytest.raises(KeyError) as awaited:
        await wait(later)
    assert "raise_it" in [entry.name for entry in awaited.traceback]


async def test_a_failure_that_is_awaited_is_not_logged_as_unhandled() -> None:
    with logged_errors() as errors:
        for deferred in (fail(KeyError()), Deferred[int]()):
            if not deferred.called:
                soon(deferred.errback, KeyError())
            with pytest.raises(KeyError):
                await deferred
        del deferred
        gc.collect()
    assert not errors


@pytest.mark.parametrize("error", [StopIteration("s"), asyncio.CancelledError("c"), GeneratorExit()])
async def test_exceptions_that_mean_something_to_coroutines(error: BaseException) -> None:
    later: Deferred[int] = Deferred()

    async def catch() -> BaseException:
        try:
            await later
        except BaseException as caught:
            return caught
        raise AssertionError("nothing was raised")

    soon(later.errback, Failure(error))
    caught = await within(asyncio.ensure_future(catch()))
    assert caught is error or caught.__cause__ is error or type(caught) is type(error)


async def test_one_that_waits_for_another() -> None:
    outer: Deferred[Any] = Deferred()
    inner: Deferred[int] = Deferred()
    outer.addCallback(lambda _: inner)
    outer.callback(None)
    assert outer.called
    soon(inner.callback, 7)
    assert await wait(outer) == 7
    outer = succeed(None).addCallback(lambda _: fail(KeyError()))
    with pytest.raises(KeyError):
        await wait(outer)


async def test_one_that_is_paused() -> None:
    deferred = succeed(1)
    deferred.pause()
    soon(deferred.unpause)
    assert await wait(deferred) == 1


async def test_its_place_in_the_chain() -> None:
    """Who awaits gets what the callbacks so far have made of the result."""
    deferred: Deferred[int] = Deferred()
    deferred.addCallback(lambda n: n + 1)
    task = asyncio.ensure_future(waiting(deferred))
    await asyncio.sleep(0)
    after = outcome(deferred)
    deferred.callback(1)
    assert await within(task) == 2
    assert after == [None]  # it has been taken, as by as_future


async def test_many_that_have_fired_do_not_nest() -> None:
    async def sum_up() -> int:
        return sum([await succeed(number) for number in range(10_000)])

    assert await within(sum_up()) == 49_995_000


async def test_a_long_chain_of_tasks_and_deferreds() -> None:
    async def step(number: int) -> int:
        if not number:
            later: Deferred[int] = Deferred()
            soon(later.callback, 0)
            return await later
        return int(await as_deferred(asyncio.ensure_future(step(number - 1)))) + 1

    assert await within(step(100)) == 100


async def test_awaiting_twice() -> None:
    fired = succeed(1)
    assert [await fired, await fired] == [1, 1]
    failed: Deferred[int] = fail(KeyError("k"))
    for _ in range(2):
        with pytest.raises(KeyError):
            await failed
    later: Deferred[int] = Deferred()
    soon(later.callback, 2)
    assert [await later, await later] == [2, None]  # the first one took it, as as_future does


async def test_two_tasks_await_the_same() -> None:
    deferred: Deferred[int] = Deferred()
    tasks = [asyncio.ensure_future(waiting(deferred)) for _ in range(2)]
    await asyncio.sleep(0)
    deferred.callback(1)
    assert await within(asyncio.gather(*tasks)) == [1, None]


async def test_what_asyncio_waits_with() -> None:
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(3)]
    for number, deferred in enumerate(deferreds):
        soon(deferred.callback, number)
    assert await within(asyncio.gather(*deferreds[:2])) == [0, 1]
    assert await asyncio.wait_for(deferreds[2], 5) == 2
    later: Deferred[int] = Deferred()
    soon(later.callback, 3)
    assert await within(asyncio.shield(waiting(later))) == 3
    first, second = Deferred[int](), Deferred[int]()
    soon(second.callback, "second")
    soon(first.callback, "first")
    completed = [await done for done in asyncio.as_completed([waiting(first), waiting(second)])]
    assert sorted(completed) == ["first", "second"]


@pytest.mark.skipif(not hasattr(asyncio, "TaskGroup"), reason="Python 3.11")
async def test_a_task_group() -> None:
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(3)]
    for number, deferred in enumerate(deferreds):
        soon(deferred.callback, number)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(waiting(deferred)) for deferred in deferreds]
    assert [task.result() for task in tasks] == [0, 1, 2]


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12")
async def test_an_eager_task() -> None:
    loop = asyncio.get_running_loop()
    later: Deferred[int] = Deferred()
    done = asyncio.eager_task_factory(loop, waiting(succeed(1)))  # type: ignore[attr-defined]
    assert done.done()
    begun = asyncio.eager_task_factory(loop, waiting(later))  # type: ignore[attr-defined]
    assert not begun.done()
    later.callback(2)
    assert [await done, await within(begun)] == [1, 2]


async def test_results_of_twisteds_helpers() -> None:
    later: Deferred[int] = Deferred()
    soon(later.callback, 2)
    assert await wait(defer.gatherResults([succeed(1), later])) == [1, 2]
    assert await wait(defer.DeferredList([succeed(1)])) == [(True, 1)]
    lock = defer.DeferredLock()
    await lock.acquire()
    waiting_for_it = lock.acquire()
    soon(lock.release)
    assert await wait(waiting_for_it) is lock
    async with TwistedReactor() as reactor:
        called: Deferred[str] = Deferred()
        reactor.callLater(0.001, called.callback, "later")
        assert await wait(called) == "later"


async def test_fired_by_another_task() -> None:
    deferred: Deferred[int] = Deferred()
    order: list[str] = []

    async def first() -> None:
        order.append(f"got {await deferred}")

    async def second() -> None:
        deferred.callback(1)
        order.append("fired")

    await within(asyncio.gather(first(), second()))
    assert order == ["fired", "got 1"]  # a task never runs within another


async def test_fired_in_another_thread() -> None:
    deferred: Deferred[int] = Deferred()
    task = asyncio.ensure_future(waiting(deferred))
    await asyncio.sleep(0)
    thread = threading.Thread(target=deferred.callback, args=(1,))
    thread.start()
    with pytest.raises(RuntimeError, match=r"callFromThread\(deferred.callback, result\)"):
        await within(task)
    thread.join()


async def test_on_the_loop_of_another_thread() -> None:
    async with TwistedReactor() as reactor:

        async def ask() -> int:
            deferred: Deferred[int] = Deferred()
            loop = asyncio.get_running_loop()
            reactor.callFromThread(loop.call_soon_threadsafe, deferred.callback, 1)
            return await deferred

        assert await within(asyncio.to_thread(asyncio.run, ask())) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio itself leaves cycles of failures there")
@pytest.mark.parametrize("convert", [waiting, as_future], ids=["await", "as_future"])
async def test_nothing_is_left_behind(convert: Any) -> None:
    async def value() -> None:
        later: Deferred[int] = Deferred()
        soon(later.callback, 1)
        await convert(later)

    async def failure() -> None:
        later: Deferred[int] = Deferred()
        soon(later.errback, KeyError())
        with contextlib.suppress(KeyError):
            await convert(later)

    for once in (value, failure):
        await once()
        with no_reference_cycles():
            await once()


async def test_the_context_of_a_task_stays_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def change() -> str:
        token = variable.set("mine")
        later: Deferred[int] = Deferred()
        soon(later.callback, 1)
        await later
        seen = variable.get()
        variable.reset(token)  # which only the same context takes
        return seen

    assert await within(asyncio.ensure_future(change())) == "mine"
    assert variable.get() == "unset"


async def test_a_task_that_waits_can_be_shown() -> None:
    task = asyncio.ensure_future(waiting(Deferred()))
    await asyncio.sleep(0)
    assert "pending" in repr(task)
    assert task.get_stack()
    task.print_stack(file=io.StringIO())
    task.cancel()
    await asyncio.wait([task])


async def test_asked_for_by_another_thread() -> None:
    loop = asyncio.get_running_loop()
    deferred: Deferred[int] = Deferred()
    asked = asyncio.run_coroutine_threadsafe(waiting(deferred), loop)
    loop.call_later(0.001, deferred.callback, 1)
    assert await within(asyncio.to_thread(asked.result, 5)) == 1


async def test_in_an_asynchronous_generator() -> None:
    async def each(*deferreds: Any) -> AsyncIterator[Any]:
        for deferred in deferreds:
            yield await deferred

    later: Deferred[int] = Deferred()
    soon(later.callback, 2)
    assert [result async for result in each(succeed(1), later)] == [1, 2]


async def test_a_coroutine_that_is_closed_while_it_waits() -> None:
    deferred: Deferred[int] = Deferred()
    coroutine = waiting(deferred)
    coroutine.send(None)
    coroutine.close()
    deferred.callback(1)
    assert outcome(deferred) == [1]


async def test_with_debugging_of_deferreds() -> None:
    before = defer.getDebugging()
    defer.setDebugging(True)
    try:
        later: Deferred[int] = Deferred()
        soon(later.callback, 1)
        assert await later == 1
        assert await result(ensureDeferred(waiting(succeed(2)))) == 2
    finally:
        defer.setDebugging(before)


def test_enabling_again_does_nothing() -> None:
    before = Deferred.__await__
    enable_await()
    assert Deferred.__await__ is before


async def test_without_it_a_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deferred, "__await__", Deferred.__iter__)  # as Twisted has it
    with pytest.raises(RuntimeError, match="bad yield"):
        await wait(Deferred())
    later: Deferred[int] = Deferred()
    soon(later.callback, 1)
    assert await within(as_future(later)) == 1


# as_future and as_deferred, as they are offered here


async def test_as_deferred_makes_deferreds_of_twisteds() -> None:
    future = asyncio.get_running_loop().create_future()
    soon(future.set_result, 1)
    for awaitable, value in (
        (future, 1),
        (asyncio.sleep(0, 2), 2),
        (asyncio.ensure_future(asyncio.sleep(0, 3)), 3),
        (ours.succeed(4), 4),
    ):
        deferred: Any = as_deferred(awaitable)
        assert isinstance(deferred, Deferred)
        assert await wait(deferred) == value
    mine: Deferred[int] = succeed(1)
    assert as_deferred(mine) is mine
    listed: Any = defer.DeferredList([mine])
    assert as_deferred(listed) is listed
    with pytest.raises(TypeError, match="can't be awaited"):
        as_deferred(1)  # type: ignore[arg-type]


async def test_as_future_takes_the_loop_that_it_is_given(loop_factory: LoopFactory) -> None:
    loop = asyncio.get_running_loop()
    deferred: Deferred[int] = succeed(1)
    assert as_future(deferred, loop=loop).get_loop() is loop
