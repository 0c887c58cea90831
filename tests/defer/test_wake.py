"""Waking the task that awaits a Deferred: from its thread, from another, when its loop is gone."""

from __future__ import annotations

import asyncio
import gc
import threading
from _thread import get_ident
from typing import Any

import pytest

from tests.support import until, within
from twisted_compat.defer import Deferred
from twisted_compat.defer.wake import wake
from twisted_compat.failure import Failure

from .test_waiter import awaits, started

# The function itself: what it gives to the future, and what it leaves to the Deferred.


async def test_a_future_that_waits_is_given_the_result_be_it_a_failure() -> None:
    for result in (1, None, Failure(KeyError()), Failure(StopIteration()), Failure(asyncio.CancelledError())):
        future = asyncio.get_running_loop().create_future()
        assert wake(result, future, get_ident()) is None
        assert future.result() is result


async def test_one_that_is_done_or_cancelled_leaves_it() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    assert wake("kept", future, get_ident()) == "kept"
    done = asyncio.get_running_loop().create_future()
    done.set_result("before")
    assert wake("kept", done, get_ident()) == "kept"
    assert done.result() == "before"


async def test_one_of_another_thread_is_failed_in_its_own() -> None:
    future = asyncio.get_running_loop().create_future()
    assert wake("kept", future, get_ident() + 1) == "kept"
    assert not future.done()
    with pytest.raises(RuntimeError, match="callFromThread"):
        await within(future)


async def test_one_of_another_thread_that_is_cancelled_in_time_stays_so() -> None:
    future = asyncio.get_running_loop().create_future()
    assert wake("kept", future, get_ident() + 1) == "kept"
    future.cancel()
    await asyncio.sleep(0)
    assert future.cancelled()


def test_one_of_a_closed_loop_leaves_it(loop_factory: Any) -> None:
    for thread in (get_ident(), get_ident() + 1):
        loop = loop_factory()
        future = loop.create_future()
        future.add_done_callback(print)
        loop.close()
        assert wake("kept", future, thread) == "kept"


def test_what_else_a_loop_raises_is_passed_on() -> None:
    class Refusing(asyncio.SelectorEventLoop):
        def call_soon(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("refused")

    loop = Refusing()
    future = loop.create_future()
    future.add_done_callback(print)
    with pytest.raises(RuntimeError, match="refused"):
        wake(1, future, get_ident())
    loop.close()


# A Deferred that is fired in another thread, or after the loop is gone.


async def test_firing_in_another_thread_tells_the_task_what_to_write() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await started(deferred)
    thread = threading.Thread(target=deferred.callback, args=("kept",))
    thread.start()
    with pytest.raises(RuntimeError, match="callFromThread"):
        await within(task)
    thread.join()
    assert deferred.result == "kept"


def test_firing_after_the_loop_is_gone_leaves_the_result_to_the_deferred(loop_factory: Any) -> None:
    loop = loop_factory()
    deferred: Deferred[Any] = Deferred()
    task = loop.create_task(awaits(deferred))
    while not deferred.callbacks:
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    deferred.callback("kept")
    assert deferred.result == "kept"
    task._log_destroy_pending = False  # left behind on purpose


async def test_a_failure_from_another_thread_stays_in_the_deferred(caplog: pytest.LogCaptureFixture) -> None:
    deferred: Deferred[Any] = Deferred()
    deferred.addErrback(lambda failure: failure)
    task = await started(deferred)
    await asyncio.to_thread(deferred.errback, KeyError("kept"))
    with pytest.raises(RuntimeError, match="callFromThread"):
        await within(task)
    deferred.addErrback(lambda failure: failure.type)
    assert deferred.result is KeyError


async def test_cancelled_while_it_is_told_of_the_wrong_thread() -> None:
    deferred: Deferred[Any] = Deferred()
    task = await started(deferred)
    thread = threading.Thread(target=deferred.callback, args=("kept",))
    thread.start()
    thread.join()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert deferred.result == "kept"


def test_the_end_of_the_loop_cancels_what_is_awaited(loop_factory: Any) -> None:
    cancelled: list[Any] = []
    deferred: Deferred[Any] = Deferred(cancelled.append)

    async def main() -> None:
        main.task = asyncio.ensure_future(awaits(deferred))  # type: ignore[attr-defined]
        await until(lambda: deferred.callbacks)

    loop = loop_factory()
    loop.run_until_complete(main())
    task: asyncio.Task[Any] = main.task  # type: ignore[attr-defined]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    assert cancelled == [deferred]


def test_one_that_was_made_and_fires_on_another_loop_of_the_thread(loop_factory: Any) -> None:
    one, other = loop_factory(), loop_factory()
    deferred: Deferred[int] = Deferred()
    task = one.create_task(awaits(deferred))
    one.run_until_complete(asyncio.sleep(0))

    async def fire() -> None:
        deferred.callback(1)

    other.run_until_complete(fire())
    assert one.run_until_complete(task) == 1
    one.close()
    other.close()


def test_a_loop_that_is_gone_does_not_keep_a_failure_from_being_logged(
    loop_factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    loop = loop_factory()
    deferred: Deferred[Any] = Deferred()
    task = loop.create_task(awaits(deferred))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    deferred.errback(KeyError("nobody waits"))
    task._log_destroy_pending = False  # left behind on purpose
    del deferred, task
    gc.collect()
    assert "KeyError: 'nobody waits'" in caplog.text
