"""Cancelling tasks and coroutines that await Twisted's Deferreds: what docs/cancellation.md says of
``as_future`` holds of ``await`` as well."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.defer import Deferred, ensureDeferred

from tests.support import within
from twisted_compat import defer as ours
from twisted_compat.bridge.twisted import as_deferred, as_future

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place", "awaiting_enabled")]


async def waiting(deferred: Any) -> Any:
    return await deferred


async def begun(deferred: Any) -> asyncio.Task[Any]:
    """A task that waits for a Deferred by now."""
    task = asyncio.ensure_future(waiting(deferred))
    await asyncio.sleep(0)
    return task


class Cancelled:
    """A Deferred, and how often its canceller has been called."""

    def __init__(self, then: Callable[[Any], object] = lambda deferred: None) -> None:
        self.calls = 0
        self.then = then
        self.deferred: Deferred[Any] = Deferred(self._cancel)

    def _cancel(self, deferred: Any) -> None:
        self.calls += 1
        self.then(deferred)


async def cancelled(task: Any) -> tuple[Any, ...]:
    """That it was cancelled, and with which words."""
    with pytest.raises(asyncio.CancelledError) as caught:
        await within(task)
    assert task.cancelled()
    return caught.value.args


# The task is cancelled


async def test_the_canceller_runs_and_the_task_is_cancelled() -> None:
    work = Cancelled()
    task = await begun(work.deferred)
    task.cancel()
    assert work.calls == 1  # at once
    await cancelled(task)
    assert work.calls == 1
    assert work.deferred.called


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 passes messages on")
async def test_the_message_comes_through() -> None:
    work = Cancelled()
    task = await begun(work.deferred)
    task.cancel("why")
    assert await cancelled(task) == ("why",)


async def test_a_canceller_that_has_a_result_after_all() -> None:
    work = Cancelled(lambda deferred: deferred.callback("after all"))
    task = await begun(work.deferred)
    task.cancel()
    assert await within(task) == "after all"


async def test_a_canceller_that_fails_otherwise() -> None:
    work = Cancelled(lambda deferred: deferred.errback(KeyError("k")))
    task = await begun(work.deferred)
    task.cancel()
    with pytest.raises(KeyError):
        await within(task)


async def test_a_callback_that_cleans_up_is_waited_for() -> None:
    cleaned: Deferred[None] = Deferred()
    work = Cancelled()
    work.deferred.addErrback(lambda failure: cleaned.addCallback(lambda _: failure))
    task = await begun(work.deferred)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    cleaned.callback(None)
    await cancelled(task)


async def test_one_that_waits_for_another_passes_it_on() -> None:
    inner = Cancelled()
    outer: Deferred[Any] = Deferred()
    outer.addCallback(lambda _: inner.deferred)
    outer.callback(None)
    task = await begun(outer)
    task.cancel()
    assert inner.calls == 1
    await cancelled(task)


async def test_before_its_first_step_nothing_is_cancelled() -> None:
    work = Cancelled()
    task = asyncio.ensure_future(waiting(work.deferred))
    task.cancel()
    await cancelled(task)
    assert (work.calls, work.deferred.called) == (0, False)


async def test_once_the_result_is_there_nothing_is_cancelled() -> None:
    work = Cancelled()
    task = await begun(work.deferred)
    work.deferred.callback(1)
    task.cancel()
    await cancelled(task)
    assert work.calls == 0


async def test_twice() -> None:
    held: Deferred[None] = Deferred()
    work = Cancelled()
    work.deferred.addErrback(lambda failure: held.addCallback(lambda _: failure))
    task = await begun(work.deferred)
    task.cancel()
    task.cancel()
    held.addErrback(lambda _: None)
    await cancelled(task)
    assert work.calls == 1


async def test_it_may_be_swallowed() -> None:
    work, other = Cancelled(), Cancelled()

    async def stubborn() -> Any:
        try:
            await work.deferred
        except asyncio.CancelledError:
            return await other.deferred

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    other.deferred.callback("goes on")
    assert await within(task) == "goes on"
    assert (work.calls, other.calls) == (1, 0)


async def test_a_canceller_that_raises_is_logged_and_the_task_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(deferred: Any) -> None:
        raise ValueError("in the canceller")

    work = Cancelled(fail)
    task = await begun(work.deferred)
    task.cancel()
    await cancelled(task)
    assert caplog.text.count("in the canceller") >= 1


@pytest.mark.parametrize("chained", [False, True], ids=["itself", "what it waits for"])
@pytest.mark.parametrize("convert", [waiting, as_future], ids=["await", "as_future"])
async def test_one_that_is_paused_holds_nobody(convert: Any, chained: bool) -> None:
    paused: Any = defer.succeed(1)
    paused.pause()
    task = asyncio.ensure_future(
        convert(defer.succeed(None).addCallback(lambda _: paused) if chained else paused)
    )
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    held = not task.done()
    paused.unpause()
    await asyncio.wait([task], timeout=5)
    assert not held
    assert task.cancelled()


# Only the Deferred is


async def test_a_deferred_that_somebody_else_cancels_is_a_failure() -> None:
    work = Cancelled()
    task = await begun(work.deferred)
    work.deferred.cancel()
    with pytest.raises((defer.CancelledError, ours.CancelledError)) as caught:
        await within(task)
    assert not isinstance(caught.value, asyncio.CancelledError)
    assert not task.cancelled()


async def test_and_it_is_twisteds_error_that_the_task_sees() -> None:
    """Code that was written for Twisted's Deferreds catches Twisted's error."""
    before = Cancelled()
    before.deferred.cancel()
    with pytest.raises(defer.CancelledError):
        await within(waiting(before.deferred))
    while_it_waits = Cancelled()
    task = await begun(while_it_waits.deferred)
    while_it_waits.deferred.cancel()
    with pytest.raises(defer.CancelledError):
        await within(task)


# What asyncio cancels with


async def test_a_timeout() -> None:
    work = Cancelled()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiting(work.deferred), 0.001)
    assert work.calls == 1


@pytest.mark.skipif(not hasattr(asyncio, "timeout"), reason="Python 3.11")
async def test_a_timeout_of_a_block() -> None:
    work, late = Cancelled(), Cancelled(lambda deferred: deferred.callback("late"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await work.deferred
    async with asyncio.timeout(0.001) as timeout:  # no error: there is a result after all
        assert await late.deferred == "late"
    assert timeout.expired()
    assert work.calls == late.calls == 1


async def test_gather() -> None:
    works = [Cancelled(), Cancelled()]
    gathered = asyncio.gather(*(work.deferred for work in works))
    await asyncio.sleep(0)
    gathered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(gathered)
    assert [work.calls for work in works] == [1, 1]


@pytest.mark.skipif(not hasattr(asyncio, "TaskGroup"), reason="Python 3.11")
async def test_a_task_group_that_fails() -> None:
    work, failing = Cancelled(), Cancelled()
    asyncio.get_running_loop().call_soon(failing.deferred.errback, KeyError("k"))
    with pytest.raises(BaseException) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(waiting(work.deferred))
            group.create_task(waiting(failing.deferred))
    assert [type(error) for error in caught.value.exceptions] == [KeyError]  # type: ignore[attr-defined]
    assert (work.calls, failing.calls) == (1, 0)


async def test_anyio() -> None:
    anyio = pytest.importorskip("anyio")
    work, late = Cancelled(), Cancelled(lambda deferred: deferred.callback("late"))
    with anyio.move_on_after(0.001) as scope:
        await work.deferred
    assert scope.cancelled_caught
    with anyio.move_on_after(0.001) as scope:
        assert await late.deferred == "late"
    assert (work.calls, late.calls) == (1, 1)


async def test_shield() -> None:
    work = Cancelled()
    inner = await begun(work.deferred)
    outer = asyncio.ensure_future(asyncio.wait_for(asyncio.shield(inner), 5))
    await asyncio.sleep(0)
    outer.cancel()
    await cancelled(outer)
    assert (work.calls, inner.done()) == (0, False)
    work.deferred.callback("kept")
    assert await within(inner) == "kept"


# Coroutines of Twisted's and ours


async def test_twisteds_coroutine_begun_in_a_task() -> None:
    """What it awaits is yielded within a task's turn, and yet it is no task that waits."""
    work = Cancelled()
    theirs = ensureDeferred(waiting(work.deferred))
    theirs.cancel()
    assert work.calls == 1
    with pytest.raises(defer.CancelledError):
        await within(waiting(theirs))


async def test_twisteds_coroutine_with_a_result_after_all() -> None:
    work = Cancelled(lambda deferred: deferred.callback("after all"))
    theirs = ensureDeferred(waiting(work.deferred))
    theirs.cancel()
    assert await within(waiting(theirs)) == "after all"


async def test_a_task_that_awaits_twisteds_coroutine() -> None:
    work = Cancelled()
    task = await begun(ensureDeferred(waiting(work.deferred)))
    task.cancel()
    assert work.calls == 1
    await cancelled(task)


@pytest.mark.parametrize("swallow", [False, True], ids=["passed on", "swallowed"])
async def test_twisteds_coroutine_may_swallow_it(swallow: bool) -> None:
    work = Cancelled()

    async def theirs() -> str:
        try:
            await work.deferred
        except defer.CancelledError:
            if swallow:
                return "swallowed"
            raise
        raise AssertionError("not cancelled")

    task = await begun(ensureDeferred(theirs()))
    task.cancel()
    if swallow:
        assert await within(task) == "swallowed"
    else:
        await cancelled(task)


async def test_our_coroutine() -> None:
    work = Cancelled()
    native = ours.ensureDeferred(waiting(work.deferred))
    await asyncio.sleep(0)
    native.cancel()
    with pytest.raises(ours.CancelledError):
        await within(waiting(native))
    assert work.calls == 1


async def test_a_deferred_of_a_task_cancels_the_task() -> None:
    work = Cancelled()
    task = await begun(work.deferred)
    theirs = as_deferred(task)
    theirs.cancel()
    with pytest.raises(defer.CancelledError):
        await within(waiting(theirs))
    assert task.cancelled()
    assert work.calls == 1
