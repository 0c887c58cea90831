"""Deferreds of futures and other awaitables, and plain futures of Deferreds."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import types
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import no_reference_cycles, until, within
from twisted_compat.defer import (
    CancelledError,
    Deferred,
    FailureGroup,
    FirstError,
    fail,
    inlineCallbacks,
    succeed,
)
from twisted_compat.defer.futures import (
    deferred_from,
    in_our_words,
    means_cancelled,
    refuse_thread,
    settle_future,
    when_done,
)
from twisted_compat.failure import DefaultException, Failure

from .test_deferred import outcome

pytestmark = pytest.mark.without_debug

BASES = [KeyError("k"), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), CancelledError("ours")]


def _names(error: BaseException) -> str:
    return type(error).__name__


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


# fromFuture.


async def test_from_a_future_that_has_a_result_at_once() -> None:
    future = _future()
    future.set_result(1)
    assert Deferred.fromFuture(future).result == 1


async def test_from_a_future_that_comes_later() -> None:
    future = _future()
    deferred = Deferred.fromFuture(future)
    assert not deferred.called
    future.set_result(1)
    assert await within(deferred) == 1


@pytest.mark.parametrize("error", BASES, ids=_names)
@pytest.mark.parametrize("done", [False, True])
async def test_from_a_future_that_fails_with_anything(error: BaseException, done: bool) -> None:
    future = _future()
    if done:
        future.set_exception(error)
    deferred = Deferred.fromFuture(future)
    if not done:
        future.set_exception(error)
        await until(lambda: deferred.called)
    assert outcome(deferred) is error


async def test_from_a_future_that_was_cancelled_keeps_asyncios_word() -> None:
    future = _future()
    future.cancel("why")
    error = outcome(Deferred.fromFuture(future))
    assert isinstance(error, asyncio.CancelledError)
    assert error.args == ("why",)


async def test_the_same_future_may_have_many() -> None:
    future = _future()
    deferreds = [Deferred.fromFuture(future) for _ in range(3)]
    future.set_result(1)
    await until(lambda: all(deferred.called for deferred in deferreds))
    assert [deferred.result for deferred in deferreds] == [1, 1, 1]


async def test_a_future_may_give_a_failure() -> None:
    future = _future()
    future.set_result(Failure(KeyError()))
    assert isinstance(outcome(Deferred.fromFuture(future)), KeyError)


async def test_from_a_future_that_fails_and_nobody_asks_it_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future = _future()
    seen: list[Any] = []
    Deferred.fromFuture(future).addBoth(lambda result: seen.append(1) or result)
    future.set_exception(KeyError())
    del future
    await until(lambda: seen)
    gc.collect()
    (record,) = caplog.records
    assert record.name == "twisted_compat.defer"
    assert record.exc_info and record.exc_info[0] is KeyError


# asFuture.


async def test_as_future_has_what_the_deferred_comes_to_and_leaves_none() -> None:
    loop = asyncio.get_running_loop()
    assert await within(succeed(1).asFuture(loop)) == 1
    deferred: Deferred[int] = Deferred()
    future = deferred.asFuture(loop)
    assert type(future) is type(loop.create_future())
    deferred.callback(2)
    assert await within(future) == 2
    assert deferred.result is None


@pytest.mark.parametrize("error", BASES, ids=_names)
async def test_as_future_has_the_very_exception(error: BaseException) -> None:
    future = fail(error).asFuture(asyncio.get_running_loop())
    assert future.exception() is error


async def test_as_future_is_cancelled_by_asyncios_word() -> None:
    future = fail(asyncio.CancelledError("why")).asFuture(asyncio.get_running_loop())
    assert future.cancelled()
    with pytest.raises(asyncio.CancelledError, match="why"):
        future.result()


async def test_as_future_cannot_carry_stop_iteration_and_says_so() -> None:
    stopped = StopIteration(1)
    error = fail(stopped).asFuture(asyncio.get_running_loop()).exception()
    assert isinstance(error, RuntimeError)
    assert error.__cause__ is stopped


async def test_a_failure_of_as_future_is_logged_once_if_nobody_asks(caplog: pytest.LogCaptureFixture) -> None:
    future = fail(KeyError()).asFuture(asyncio.get_running_loop())
    await asyncio.sleep(0)
    del future
    gc.collect()
    assert [record.name for record in caplog.records] == ["asyncio"]


async def test_cancelling_as_future_reaches_the_deferred_on_the_next_turn() -> None:
    deferred: Deferred[Any] = Deferred()
    future = deferred.asFuture(asyncio.get_running_loop())
    future.cancel()
    assert future.cancelled()
    assert not deferred.called
    await until(lambda: deferred.called)
    assert deferred.result is None


async def test_as_future_fired_in_another_thread_keeps_the_result() -> None:
    deferred: Deferred[Any] = Deferred()
    future = deferred.asFuture(asyncio.get_running_loop())
    thread = threading.Thread(target=deferred.callback, args=("kept",))
    thread.start()
    with pytest.raises(RuntimeError, match="callFromThread"):
        await within(future)
    thread.join()
    assert deferred.result == "kept"


def test_as_future_of_a_loop_that_is_closed_leaves_the_result(loop_factory: Any) -> None:
    loop = loop_factory()
    deferred: Deferred[Any] = Deferred()
    future = deferred.asFuture(loop)
    loop.close()
    deferred.callback("kept")
    assert deferred.result == "kept"
    assert not future.done()


# deferred_from.


async def test_a_deferred_is_itself() -> None:
    deferred: Deferred[Any] = Deferred()
    assert deferred_from(deferred) is deferred


@types.coroutine
def _old_coroutine() -> Generator[Any, None, int]:
    yield
    return 1


class _Awaitable:
    def __await__(self) -> Generator[Any, None, int]:
        yield from asyncio.sleep(0).__await__()
        return 1


async def _coroutine() -> int:
    await asyncio.sleep(0)
    return 1


async def test_everything_that_can_be_awaited() -> None:
    future = _future()
    future.set_result(1)
    task = asyncio.ensure_future(_coroutine())
    for awaitable in (future, task, _coroutine(), _old_coroutine(), _Awaitable()):
        assert await within(deferred_from(awaitable)) == 1


@pytest.mark.parametrize("plain", [None, 1, "text", [], object(), (n for n in ())])
def test_what_cannot_be_awaited_is_refused_with_what_to_write(plain: Any) -> None:
    with pytest.raises(TypeError, match=r"defer\.succeed\(value\)"):
        deferred_from(plain)


async def test_a_cancelled_future_fails_in_our_words() -> None:
    future = _future()
    future.cancel("why")
    error = outcome(deferred_from(future))
    assert isinstance(error, CancelledError)
    assert error.args == ("why",)
    assert isinstance(error.__cause__, asyncio.CancelledError)


@given(
    results=st.lists(st.one_of(st.integers(), st.sampled_from(BASES[:1] + BASES[4:])), max_size=6),
    data=st.data(),
)
def test_each_result_arrives_once_whatever_the_order(results: list[Any], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(results))))

    async def main() -> None:
        futures = [_future() for _ in results]
        seen: list[tuple[int, Any]] = []
        for index, future in enumerate(futures):
            deferred_from(future).addBoth(lambda result, index=index: seen.append((index, result)))
        for index in order:
            result = results[index]
            set_it = (
                futures[index].set_exception if isinstance(result, Exception) else futures[index].set_result
            )
            set_it(result)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        values = [(index, result.value if isinstance(result, Failure) else result) for index, result in seen]
        assert values == [(index, results[index]) for index in order]

    asyncio.run(main())


async def test_a_success_leaves_no_cycle() -> None:
    loop = asyncio.get_running_loop()

    def once() -> None:
        for future in (loop.create_future(), loop.create_future()):
            deferred_from(future).addCallback(str)
            future.set_result(1)
        deferred: Deferred[int] = Deferred()
        deferred.asFuture(loop)
        deferred.callback(1)

    once()
    await asyncio.sleep(0)
    with no_reference_cycles():
        once()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


# The smaller ones.


def test_in_our_words() -> None:
    failure = Failure(KeyError())
    assert in_our_words(failure) is failure
    try:
        raise asyncio.CancelledError("why")
    except asyncio.CancelledError as caught:
        theirs, ours = caught, in_our_words(Failure())
    assert ours.type is CancelledError
    assert (ours.value.args, ours.value.__cause__) == (("why",), theirs)
    assert ours.getTracebackObject() is theirs.__traceback__


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (1, False),
        (CancelledError(), False),
        (Failure(CancelledError()), True),
        (Failure(asyncio.CancelledError()), False),
        (Failure(FirstError(Failure(CancelledError()), 0)), True),
        (Failure(FirstError(Failure(FirstError(Failure(CancelledError()), 0)), 0)), True),
        (Failure(FirstError(Failure(KeyError()), 0)), False),
        (Failure(FailureGroup([Failure(CancelledError()), Failure(CancelledError())])), True),
        (Failure(FailureGroup([Failure(CancelledError()), Failure(KeyError())])), False),
    ],
)
def test_means_cancelled(result: Any, expected: bool) -> None:
    assert means_cancelled(result) is expected


async def test_settle_future_with_what_is_no_exception() -> None:
    future = _future()
    settle_future(future, Failure("a word"))
    error = future.exception()
    assert isinstance(error, DefaultException)
    assert error.args == ("a word",)


async def test_settle_future_keeps_the_traceback() -> None:
    try:
        raise KeyError
    except KeyError:
        failure = Failure()
    future = _future()
    settle_future(future, failure)
    error = future.exception()
    assert error is not None
    assert error.__traceback__ is failure.getTracebackObject()


def test_refuse_thread_when_nobody_waits_any_more(loop_factory: Any) -> None:
    loop = loop_factory()
    done, waiting = loop.create_future(), loop.create_future()
    done.set_result(1)
    refuse_thread(done)
    loop.run_until_complete(asyncio.sleep(0))
    assert done.result() == 1
    loop.close()
    refuse_thread(waiting)
    assert not waiting.done()


async def test_when_done_says_only_that_it_is() -> None:
    future = _future()
    deferred = when_done(future)
    future.set_exception(KeyError())
    assert await within(deferred) is None
    assert isinstance(future.exception(), KeyError)

    future = _future()
    deferred = when_done(future)
    deferred.cancel()
    await until(lambda: deferred.called)
    assert future.cancelled()
    assert isinstance(outcome(deferred), asyncio.CancelledError)


async def test_a_generator_may_yield_from_a_future() -> None:
    future = _future()

    @inlineCallbacks
    def function() -> Generator[Any, Any, int]:
        result: int = yield from future
        return result

    deferred = function()
    future.set_result(1)
    assert await within(deferred) == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_a_future_takes_no_part_in_what_is_logged_when_awaited(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    future = _future()
    deferred = deferred_from(future)
    if fails:
        future.set_exception(KeyError())
        with pytest.raises(KeyError):
            await within(deferred)
    else:
        future.set_result(1)
        await within(deferred)
    del future, deferred
    gc.collect()
    assert caplog.records == []
