"""``as_future`` and ``as_deferred``, for our Deferreds and Twisted's: nothing is lost between them, and
nobody is left waiting. Who is told what when something is cancelled: ``tests/test_cancellation.py``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import defer as twisted_defer
from twisted.python.failure import Failure as TwistedFailure

from tests.bridge.awaited import (
    AWAITABLES,
    CLASSES,
    ERRORS,
    Links,
    answer,
    both,
    caught,
    each_error,
    error_in,
    fail_at_once,
    fail_later,
    is_expected,
)
from tests.support import no_reference_cycles, until, within
from twisted_compat import as_deferred, as_future
from twisted_compat.defer import CancelledError, Deferred, ensureDeferred, fail, succeed
from twisted_compat.failure import DefaultException, Failure

pytestmark = pytest.mark.without_debug  # nothing here asks whether the loop is in its debug mode

# as_future.


@both
async def test_a_future_has_the_result(make: Any) -> None:
    fired: Any = make()
    fired.callback(1)
    assert as_future(fired).result() == 1
    later: Any = make()
    future = as_future(later)
    assert not future.done()
    later.callback(2)
    assert await within(future) == 2
    assert (await within(future), later.result) == (2, None)


@both
@each_error
@pytest.mark.parametrize("fired", [False, True], ids=["later", "fired"])
async def test_a_future_has_the_failure(make: Any, error: BaseException, fired: bool) -> None:
    deferred: Any = make()
    if fired:
        deferred.errback(error)
    future = as_future(deferred)
    if not fired:
        deferred.errback(error)
    assert future.done()
    seen = await within(caught(future))
    if isinstance(error, asyncio.CancelledError):
        assert future.cancelled()
        assert seen.args == error.args
    elif isinstance(error, StopIteration):
        assert isinstance(seen, RuntimeError)
        assert seen.__cause__ is error
    else:
        assert seen is error


@both
async def test_a_future_may_be_awaited_by_many_and_again(make: Any) -> None:
    deferred: Any = make()
    future = as_future(deferred)

    async def wait() -> Any:
        return await future

    tasks = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    deferred.callback(1)
    assert await within(asyncio.gather(*tasks)) == [1, 1, 1]
    assert await future == 1


@both
async def test_a_failed_future_may_be_awaited_by_many(make: Any) -> None:
    deferred: Any = make()
    future = as_future(deferred)
    waiting = asyncio.gather(*(caught(future) for _ in range(3)))
    await asyncio.sleep(0)
    error = KeyError()
    deferred.errback(error)
    assert await within(waiting) == [error] * 3


@both
async def test_a_future_takes_its_place_in_the_chain(make: Any) -> None:
    deferred: Any = make()
    deferred.addCallback(lambda n: n + 1)
    future = as_future(deferred)
    after: list[Any] = []
    deferred.addCallback(after.append)
    deferred.callback(1)
    assert (await within(future), after) == (2, [None])


@both
async def test_a_future_of_one_that_waits_for_another(make: Any) -> None:
    inner: Any = make()
    outer: Any = make()
    outer.addCallback(lambda _: inner)
    outer.callback(None)
    future = as_future(outer)
    assert not future.done()
    inner.callback(1)
    assert await within(future) == 1


async def test_a_future_is_its_own_future() -> None:
    future = asyncio.get_running_loop().create_future()
    assert as_future(future) is future


async def test_what_asyncio_offers_to_wait_with() -> None:
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(4)]
    futures = [as_future(deferred) for deferred in deferreds]
    for index, deferred in enumerate(deferreds):
        asyncio.get_running_loop().call_later(0.001, deferred.callback, index)
    done, _ = await within(asyncio.wait(futures[:2]))
    assert done == set(futures[:2])
    assert await within(asyncio.shield(futures[2])) == 2
    assert await within(asyncio.gather(*futures)) == [0, 1, 2, 3]


async def test_shield_keeps_the_deferred_from_being_cancelled() -> None:
    deferred: Deferred[int] = Deferred()
    future = as_future(deferred)
    shield = asyncio.shield(future)
    shield.cancel()
    await asyncio.sleep(0)
    assert not deferred.called
    deferred.callback(1)
    assert await within(future) == 1


@both
async def test_a_failure_nobody_awaits_is_logged_once(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    deferred: Any = make()
    future = as_future(deferred)
    deferred.errback(KeyError())
    await asyncio.sleep(0)
    del future, deferred
    gc.collect()
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is KeyError


@both
async def test_a_failure_that_is_awaited_is_not_logged(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    deferred: Any = make()
    future = as_future(deferred)
    deferred.errback(KeyError())
    with pytest.raises(KeyError):
        await future
    del future, deferred
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("failure", [Failure("a word"), Failure(7)])
async def test_a_failure_that_holds_no_exception(failure: Failure) -> None:
    error = as_future(fail(failure)).exception()
    assert isinstance(error, DefaultException)
    assert error.args == (failure.value,)


async def test_a_failure_keeps_its_traceback() -> None:
    def raises(_: Any) -> None:
        raise KeyError

    for deferred in (succeed(1).addCallback(raises), twisted_defer.succeed(1).addCallback(raises)):
        with pytest.raises(KeyError) as raised:
            await as_future(deferred)
        assert "raises" in [entry.name for entry in raised.traceback]


# as_future: threads and loops.


@both
async def test_firing_in_another_thread_says_what_to_write_and_keeps_the_result(make: Any) -> None:
    deferred: Any = make()
    future = as_future(deferred)
    thread = threading.Thread(target=deferred.callback, args=("kept",))
    thread.start()
    with pytest.raises(RuntimeError, match=r"callFromThread\(deferred.callback, result\)"):
        await within(future)
    thread.join()
    if make is Deferred:
        assert deferred.result == "kept"


def test_a_loop_may_be_named_and_need_not_run_yet(loop_factory: Callable[[], Any]) -> None:
    loop = loop_factory()
    deferred: Deferred[int] = Deferred()
    future = as_future(deferred, loop=loop)
    assert future.get_loop() is loop
    deferred.callback(1)
    assert loop.run_until_complete(future) == 1
    loop.close()


def test_without_a_loop_it_is_an_error() -> None:
    deferred: Deferred[int] = Deferred()
    with pytest.raises(RuntimeError, match="no running event loop"):
        as_future(deferred)
    deferred.callback(1)
    assert deferred.result == 1  # it has been left alone


def test_firing_after_the_loop_is_closed_leaves_the_result(loop_factory: Callable[[], Any]) -> None:
    loop = loop_factory()
    deferred: Deferred[Any] = Deferred()
    future = as_future(deferred, loop=loop)
    loop.close()
    deferred.callback("kept")
    assert deferred.result == "kept"
    assert not future.done()


@pytest.mark.parametrize("wrong", [None, 1, "text", object(), asyncio.sleep])
async def test_what_is_no_deferred_is_refused_with_what_to_write(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"`asyncio\.ensure_future\(coroutine\)`"):
        as_future(wrong)


async def test_a_coroutine_is_refused_and_still_usable() -> None:
    coroutine = answer()
    with pytest.raises(TypeError, match="as_future takes a Deferred"):
        as_future(coroutine)
    assert await coroutine == 42


# as_future: cancelling, beyond the tables.


async def test_cancelling_a_future_that_is_done_does_nothing() -> None:
    future = as_future(succeed(1))
    assert future.cancel() is False
    assert future.result() == 1


async def test_one_that_is_paused_does_not_hold_a_cancelled_future() -> None:
    deferred = succeed("kept")
    deferred.pause()
    future = as_future(deferred)
    assert future.cancel()
    assert future.cancelled()
    deferred.unpause()
    assert deferred.result == "kept"


async def test_two_futures_of_one_deferred_the_second_has_none() -> None:
    deferred: Deferred[int] = Deferred()
    futures = [as_future(deferred), as_future(deferred)]
    deferred.callback(1)
    assert await within(asyncio.gather(*futures)) == [1, None]


@pytest.mark.parametrize("combine", ["gatherResults", "race"])
@both
async def test_several_that_were_cancelled_with_the_future(make: Any, combine: str) -> None:
    defer = sys.modules[make.__module__.removesuffix(".deferred")]
    several: list[Any] = [make(), make()]
    future = as_future(getattr(defer, combine)(several))
    future.cancel("why")
    with pytest.raises(asyncio.CancelledError):
        await within(future)
    assert future.cancelled()

    async def wait() -> None:
        await getattr(defer, combine)([make(), make()])

    deferred = ensureDeferred(wait())
    await asyncio.sleep(0)
    (task,) = asyncio.all_tasks() - {asyncio.current_task()}
    task.cancel()
    with pytest.raises(CancelledError) as caught:
        await within(deferred)
    assert type(caught.value.__cause__) is asyncio.CancelledError
    for one in several:
        one.addErrback(lambda failure: None)


async def test_our_cancelled_error_for_another_reason_is_an_error() -> None:
    future = as_future(fail(CancelledError()))
    assert not future.cancelled()
    assert isinstance(future.exception(), CancelledError)


# as_deferred.


@both
@pytest.mark.parametrize("kind", AWAITABLES)
async def test_a_deferred_of_every_kind_of_awaitable(make: Any, kind: str) -> None:
    deferred = as_deferred(AWAITABLES[kind](), deferred_class=make)
    assert isinstance(deferred, make)
    seen: list[Any] = []
    deferred.addCallback(seen.append)
    await until(lambda: seen)
    assert seen == [42]


async def test_a_deferred_of_the_wanted_kind_is_itself() -> None:
    ours, theirs = Deferred[int](), twisted_defer.Deferred[int]()
    assert as_deferred(ours) is ours
    assert as_deferred(theirs, deferred_class=twisted_defer.Deferred) is theirs


@both
@each_error
@pytest.mark.parametrize("start", [fail_at_once, fail_later])
async def test_a_deferred_has_what_the_coroutine_raises(make: Any, error: BaseException, start: Any) -> None:
    deferred = as_deferred(start(error), deferred_class=make)
    await until(lambda: deferred.called)
    seen = error_in(deferred)
    assert is_expected(error, seen, make), repr(seen)


@both
@pytest.mark.parametrize("error", [e for e in ERRORS if not isinstance(e, StopIteration)], ids=repr)
async def test_a_deferred_has_what_the_future_fails_with(make: Any, error: BaseException) -> None:
    future = asyncio.get_running_loop().create_future()
    deferred = as_deferred(future, deferred_class=make)
    if isinstance(error, asyncio.CancelledError):
        future.cancel(*error.args)
    else:
        future.set_exception(error)
    await until(lambda: deferred.called)
    seen = error_in(deferred)
    assert is_expected(error, seen, make), repr(seen)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("towards", CLASSES, ids=["to ours", "to twisted"])
def test_failures_between_the_two_kinds_of_deferreds(error: BaseException, towards: Any) -> None:
    away: Any = CLASSES[1 - CLASSES.index(towards)]()
    deferred = as_deferred(away, deferred_class=towards)
    away.errback(error)
    seen = error_in(deferred)
    if isinstance(error, CancelledError) and towards is not Deferred:
        assert isinstance(seen, twisted_defer.CancelledError)
        assert (seen.args, seen.__cause__) == (error.args, error)
    else:
        assert seen is error


def test_twisteds_cancelled_error_becomes_ours() -> None:
    error = twisted_defer.CancelledError("why")
    seen = error_in(as_deferred(twisted_defer.fail(error)))
    assert isinstance(seen, CancelledError)
    assert (seen.args, seen.__cause__) == (("why",), error)


def test_there_and_back_again() -> None:
    for make in CLASSES:
        deferred = make()
        other = CLASSES[1 - CLASSES.index(make)]
        back: Any = as_deferred(as_deferred(deferred, deferred_class=other), deferred_class=make)
        seen: list[Any] = []
        back.addCallback(seen.append)
        deferred.callback(1)
        assert seen == [1]


def test_twisteds_failure_is_one_of_ours_here() -> None:
    failures: list[Any] = []
    as_deferred(twisted_defer.fail(TwistedFailure(KeyError("k")))).addErrback(failures.append)
    (failure,) = failures
    assert isinstance(failure, Failure)
    assert failure.check(KeyError)


@both
@pytest.mark.parametrize("plain", [None, 1, "text", [], object(), (n for n in ())])
def test_what_cannot_be_awaited_is_refused(make: Any, plain: Any) -> None:
    with pytest.raises(TypeError, match=r"can't be awaited.*\n?.*as_deferred\(coroutine\(\)\)"):
        as_deferred(plain, deferred_class=make)


def test_a_coroutine_needs_no_loop_unless_it_waits_for_one() -> None:
    deferred: Deferred[int] = Deferred()

    async def wait() -> int:
        return await deferred + 1

    result = as_deferred(wait())
    deferred.callback(1)
    assert result.result == 2


async def test_a_coroutine_begins_at_once_and_is_a_task() -> None:
    seen: list[Any] = []

    async def body() -> None:
        seen.append(asyncio.current_task())

    outer = asyncio.current_task()
    as_deferred(body())
    assert seen and seen[0] is not None and seen[0] is not outer


async def test_a_failure_in_a_deferred_nobody_looks_at_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    future = asyncio.get_running_loop().create_future()
    as_deferred(future)
    as_deferred(fail_later(ValueError()))
    future.set_exception(KeyError())
    del future
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    types = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert sorted(types, key=repr) == [KeyError, ValueError]
    assert {record.name for record in caplog.records} == {"twisted_compat.defer"}


async def test_a_subclass_with_its_own_cancelled_error_in_no_module() -> None:
    class Special(twisted_defer.Deferred[Any]):
        pass

    future = asyncio.get_running_loop().create_future()
    deferred = as_deferred(future, deferred_class=Special)
    deferred.cancel()
    await until(lambda: not isinstance(getattr(deferred, "result", deferred), Special))
    assert isinstance(error_in(deferred), CancelledError | twisted_defer.CancelledError)


# Both.


@both
async def test_a_success_leaves_no_cycle(make: Any) -> None:
    async def once() -> None:
        deferred: Any = make()
        future = as_future(deferred)
        deferred.callback(1)
        await future
        future = asyncio.get_running_loop().create_future()
        seen: list[Any] = []
        as_deferred(future, deferred_class=make).addCallback(seen.append)
        as_deferred(answer(), deferred_class=make).addCallback(seen.append)
        future.set_result(1)
        while len(seen) < 2:
            await asyncio.sleep(0)

    await once()
    with no_reference_cycles():
        await once()
        await asyncio.sleep(0)


@given(links=st.lists(st.sampled_from(Links.ALL), max_size=8), fails=st.booleans(), early=st.booleans())
def test_a_result_goes_through_any_row_of_them(links: list[Any], fails: bool, early: bool) -> None:
    async def main() -> None:
        first: Deferred[Any] = Deferred()
        error = KeyError()
        fire: Any = (lambda: first.errback(error)) if fails else (lambda: first.callback(1))
        if early:
            fire()
        last: Any = first
        for link in links:
            last = link(last)
        if not early:
            asyncio.get_running_loop().call_soon(fire)
        last = as_future(as_deferred(last))
        if fails:
            assert await within(caught(last)) is error
        else:
            assert await within(last) == 1

    asyncio.run(main())


@given(links=st.lists(st.sampled_from(Links.ALL), max_size=8))
def test_cancelling_goes_through_any_row_of_them(links: list[Any]) -> None:
    async def main() -> None:
        cancelled: list[Any] = []
        first: Deferred[Any] = Deferred(cancelled.append)
        last: Any = first
        for link in links:
            last = link(last)
        future = as_future(as_deferred(last))
        for _ in range(len(links) + 1):
            await asyncio.sleep(0)  # every task has begun
        future.cancel("why")
        error = await within(caught(future))
        assert isinstance(error, asyncio.CancelledError)
        # shield lets go of what it shields, which is then left alone
        assert cancelled == ([] if Links.ALL[-1] in links else [first])
        if not cancelled:
            first.callback(1)
            for _ in range(3 * len(links)):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
