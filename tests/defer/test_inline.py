"""``inlineCallbacks``: what may be yielded, how it is cancelled, ``returnValue``, context, memory."""

from __future__ import annotations

import asyncio
import gc
import types
import warnings
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, fail, inlineCallbacks, returnValue, succeed
from twisted_compat.failure import Failure

from .test_deferred import outcome

Steps = Generator[Any, Any, Any]


@inlineCallbacks
def received(*yielded: Any) -> Steps:
    """What each ``yield`` gives, in a list; an exception where it raises one."""
    got: list[Any] = []
    for thing in yielded:
        try:
            got.append((yield thing))
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not error.args:
                raise  # it is being closed
            got.append(error)
    return got


# What may be yielded.


@pytest.mark.parametrize("value", [None, 1, "text", Deferred, asyncio.Future, [Deferred], str])
def test_plain_values_come_back(value: Any) -> None:
    assert outcome(received(value)) == [value]


def test_deferreds_that_have_fired_are_taken_as_a_callback_would() -> None:
    fired, failed = succeed(1), fail(KeyError("k"))
    one, error = outcome(received(fired, failed))
    assert (one, error.args) == (1, ("k",))
    assert (fired.result, failed.result) == (None, None)


def test_deferreds_that_fire_later_or_fail() -> None:
    later: list[Deferred[int]] = [Deferred() for _ in range(3)]
    waiting = received(*later)
    assert not waiting.called
    later[0].callback(0)
    later[2].callback(2)  # before it is waited for
    error = KeyError()
    later[1].errback(error)
    assert outcome(waiting) == [0, error, 2]
    assert [deferred.result for deferred in later] == [None, None, None]


def test_paused_and_chained_ones() -> None:
    inner: Deferred[int] = Deferred()
    chained = succeed(0).addCallback(lambda _: inner)
    paused = succeed(2)
    paused.pause()
    waiting = received(chained, paused)
    inner.callback(1)
    assert not waiting.called
    paused.unpause()
    assert outcome(waiting) == [1, 2]


def test_one_whose_callbacks_are_running() -> None:
    running: Deferred[int] = Deferred()
    waiting: list[Deferred[Any]] = []
    running.addCallback(lambda n: waiting.append(received(running)) or n)
    running.addCallback(lambda n: n + 1)
    running.callback(1)
    assert outcome(waiting[0]) == [2]  # it has its place behind them


def test_a_failure_that_is_yielded_is_raised() -> None:
    error = KeyError()
    assert outcome(received(Failure(error))) == [error]


def test_a_deferred_that_is_the_result_of_another_is_a_value() -> None:
    inner: Deferred[int] = Deferred()
    assert outcome(received(succeed(inner))) == [inner]


def test_a_deferred_that_is_returned_is_the_result_and_can_be_waited_for() -> None:
    inner: Deferred[int] = Deferred()

    @inlineCallbacks
    def returns() -> Steps:
        yield
        return inner

    outer = succeed(0).addCallback(lambda _: returns())
    inner.callback(1)
    assert outer.result == 1


def test_generators_are_run_as_the_function_itself() -> None:
    deferred: Deferred[int] = Deferred()

    def doubled() -> Steps:
        return 2 * (yield deferred)

    def fails() -> Steps:
        yield
        raise KeyError("k")

    waiting = received(doubled(), fails())
    deferred.callback(1)
    two, error = outcome(waiting)
    assert (two, error.args) == (2, ("k",))


def test_generators_may_be_delegated_to() -> None:
    one: Deferred[int] = Deferred()
    two: Deferred[int] = Deferred()

    def part() -> Steps:
        return (yield one) + 1

    @inlineCallbacks
    def whole() -> Steps:
        return (yield from part()) + (yield from two)

    waiting = whole()
    one.callback(1)
    two.callback(3)
    assert outcome(waiting) == 5


def test_without_a_loop_coroutines_and_awaitables_that_need_none() -> None:
    deferred: Deferred[int] = Deferred()

    async def coroutine() -> int:
        return await deferred + 1

    class Awaitable:
        def __await__(self) -> Steps:
            return (yield from succeed(5))

    waiting = received(coroutine(), Awaitable())
    deferred.callback(1)
    assert outcome(waiting) == [2, 5]


async def test_what_asyncio_makes() -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.001, future.set_result, 1)
    done = loop.create_future()
    done.set_result(2)
    failed = loop.create_future()
    failed.set_exception(KeyError("k"))
    task = asyncio.ensure_future(asyncio.sleep(0.001, 3))

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError

    gathered = asyncio.gather(asyncio.sleep(0, 4), asyncio.sleep(0, 5))
    got = await within(received(future, done, failed, task, asyncio.sleep(0.001, 6), fails(), gathered))
    assert got[:2] + got[3:5] + got[6:] == [1, 2, 3, 6, [4, 5]]
    assert (type(got[2]), type(got[5])) == (KeyError, ValueError)


async def test_a_future_that_somebody_cancels_is_our_cancelled_error() -> None:
    future = asyncio.get_running_loop().create_future()
    waiting = received(future)
    future.cancel("why")
    (error,) = await within(waiting)
    assert type(error) is CancelledError
    assert isinstance(error.__cause__, asyncio.CancelledError)


async def test_yield_from_in_a_task_takes_the_result_too(caplog: pytest.LogCaptureFixture) -> None:
    one: Deferred[int] = Deferred()
    two: Deferred[int] = Deferred()
    future = asyncio.get_running_loop().create_future()

    @inlineCallbacks
    def old_style() -> Steps:
        first = yield from one
        try:
            yield from two
        except KeyError as error:
            return first, error.args, (yield from future)

    waiting = old_style()
    one.callback(1)
    await until(lambda: two.callbacks)
    two.errback(KeyError("k"))
    future.set_result(3)
    assert await within(waiting) == (1, ("k",), 3)
    assert (one.result, two.result) == (None, None)

    gc.collect()
    assert caplog.records == []


async def test_yield_from_in_a_task_is_cancelled_as_an_await() -> None:
    deferred: Deferred[int] = Deferred()

    @inlineCallbacks
    def old_style() -> Steps:
        yield from deferred

    waiting = old_style()
    waiting.cancel()
    with pytest.raises(CancelledError):
        await within(waiting)
    assert deferred.called and deferred.result is None


async def test_old_coroutines_of_asyncio() -> None:
    @types.coroutine
    def old_style() -> Steps:
        return (yield from asyncio.sleep(0.001, 7).__await__())

    assert await within(received(old_style())) == [7]


def test_twisteds_deferreds() -> None:
    twisted = pytest.importorskip("twisted.internet.defer")
    later = twisted.Deferred()
    waiting = received(twisted.succeed(1), twisted.fail(KeyError("k")), later)
    later.callback(2)
    one, error, two = outcome(waiting)
    assert (one, error.args, two) == (1, ("k",), 2)

    cancelled: list[Any] = []
    waiting = received(twisted.Deferred(cancelled.append))
    waiting.cancel()
    (error,) = outcome(waiting)
    assert len(cancelled) == 1 and type(error) is CancelledError


def test_five_thousand_that_have_fired_do_not_recurse() -> None:
    assert outcome(received(*(succeed(n) for n in range(5_000)))) == list(range(5_000))


def test_five_thousand_that_fire_inside_the_function_do_not_recurse() -> None:
    @inlineCallbacks
    def fires_its_own() -> Steps:
        total = 0
        for _ in range(5_000):
            deferred: Deferred[int] = Deferred()
            deferred.addCallback(lambda n: n + 1)
            deferred.callback(0)
            total += yield deferred
        return total

    assert outcome(fires_its_own()) == 5_000


def test_firing_many_in_turn_does_not_recurse() -> None:
    deferreds: list[Deferred[int]] = [Deferred() for _ in range(5_000)]
    waiting = received(*deferreds)
    for number, deferred in enumerate(deferreds):
        deferred.callback(number)
    assert outcome(waiting) == list(range(5_000))


# How it ends.


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_every_exception_fails_the_deferred(error: type[BaseException]) -> None:
    @inlineCallbacks
    def raises() -> Steps:
        yield
        raise error("said")

    failure = outcome(raises())
    assert (type(failure), failure.args) == (error, ("said",))


@pytest.mark.parametrize(
    "error",
    [StopIteration("x"), KeyboardInterrupt(), SystemExit(2), GeneratorExit("z"), asyncio.CancelledError("y")],
)
def test_every_exception_of_a_deferred_arrives_at_the_yield(error: BaseException) -> None:
    for fired_before in (True, False):
        deferred: Deferred[Any] = Deferred()
        if fired_before:
            deferred.errback(error)
        waiting = received(deferred)
        if not fired_before:
            deferred.errback(error)
        assert outcome(waiting) == [error]


def test_those_it_lets_pass_are_its_own_but_stop_iteration_and_asyncios_word_for_cancelled() -> None:
    @inlineCallbacks
    def passes(deferred: Deferred[Any]) -> Steps:
        yield deferred

    exits = SystemExit(3)
    assert outcome(passes(fail(exits))) is exits
    stopped = outcome(passes(fail(StopIteration("x"))))
    assert isinstance(stopped, RuntimeError) and isinstance(stopped.__cause__, StopIteration)
    asyncios = asyncio.CancelledError("why")
    ours = outcome(passes(fail(asyncios)))
    assert (type(ours), ours.args, ours.__cause__) == (CancelledError, ("why",), asyncios)


def test_functions_that_make_no_generator() -> None:
    @inlineCallbacks
    def plain() -> Any:
        return 1

    @inlineCallbacks
    def raises() -> Any:
        raise KeyError

    with pytest.raises(TypeError, match=r"needs a generator function, but .*plain.* returned 1"):
        plain()
    with pytest.raises(KeyError):
        raises()
    with pytest.raises(TypeError):
        received.__wrapped__(unknown=1)  # type: ignore[attr-defined]


def test_it_looks_like_the_function() -> None:
    assert (received.__name__, received.__doc__) == (
        "received",
        "What each ``yield`` gives, in a list; an exception where it raises one.",
    )


# returnValue.


def test_return_value_ends_it_and_is_deprecated() -> None:
    @inlineCallbacks
    def old() -> Steps:
        got = yield succeed(1)
        returnValue(got + 1)

    with pytest.warns(DeprecationWarning, match="write `return result`") as caught:
        assert outcome(old()) == 2
    assert caught[0].filename == __file__


def test_also_from_an_except_block_after_a_failure() -> None:
    @inlineCallbacks
    def old() -> Steps:
        try:
            yield fail(KeyError())
        except KeyError:
            returnValue("handled")

    with pytest.warns(DeprecationWarning) as caught:
        assert outcome(old()) == "handled"
    assert len(caught) == 1  # not taken for a non-local one


def _ends_its_caller() -> None:
    returnValue("from elsewhere")


@pytest.mark.parametrize("fails_first", [False, True])
def test_called_by_a_plain_function_it_warns_who_was_ended(fails_first: bool) -> None:
    @inlineCallbacks
    def ended() -> Steps:
        try:
            yield fail(KeyError()) if fails_first else 1
        except KeyError:
            _ends_its_caller()
        _ends_its_caller()

    with pytest.warns(DeprecationWarning) as caught:
        assert outcome(ended()) == "from elsewhere"
    (message,) = (warning for warning in caught if "not an inlineCallbacks function" in str(warning.message))
    assert "'_ends_its_caller'" in str(message.message) and "'ended'" in str(message.message)
    assert (message.filename, message.lineno) == (__file__, _ends_its_caller.__code__.co_firstlineno + 1)


def test_where_warnings_are_errors_it_fails_and_does_not_hang() -> None:
    deferred: Deferred[Any] = Deferred()

    @inlineCallbacks
    def ended() -> Steps:
        yield deferred
        _ends_its_caller()

    waiting = ended()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "returnValue is deprecated")
        warnings.filterwarnings("error", "returnValue.. was called in")
        deferred.callback(1)
    assert isinstance(outcome(waiting), DeprecationWarning)


def test_without_a_yield_it_is_a_mistake() -> None:
    @inlineCallbacks
    def no_generator() -> Any:
        returnValue(1)

    with pytest.warns(DeprecationWarning), pytest.raises(TypeError, match="has no yield"):
        no_generator()


# Random functions against what they should receive.

_KINDS = st.sampled_from(
    ["value", "fired", "failed", "later", "later fails", "chained", "generator", "coroutine"]
)


@given(st.lists(st.tuples(_KINDS, st.integers()), max_size=12))
def test_random_functions(kinds_and_times: list[tuple[str, int]]) -> None:
    later: list[tuple[int, Deferred[Any], Any]] = []
    kinds = [kind for kind, _ in kinds_and_times]

    def make(kind: str, number: int) -> Any:
        if kind == "value":
            return number
        if kind == "fired":
            return succeed(number)
        if kind == "failed":
            return fail(KeyError(number))
        deferred: Deferred[Any] = Deferred()
        time = kinds_and_times[number][1]
        later.append((time, deferred, KeyError(number) if kind == "later fails" else number))
        if kind == "chained":
            return succeed(None).addCallback(lambda _: deferred)
        if kind == "generator":
            return (one for one in [deferred])
        if kind == "coroutine":
            return _awaiting(deferred)
        return deferred

    waiting = received(*(make(kind, number) for number, kind in enumerate(kinds)))
    for _, deferred, result in sorted(later, key=lambda fire: fire[0]):
        deferred.callback(Failure(result) if isinstance(result, KeyError) else result)
    expected = [
        ("failed", number) if kind in ("failed", "later fails") else None if kind == "generator" else number
        for number, kind in enumerate(kinds)
    ]
    got = [("failed", *one.args) if isinstance(one, KeyError) else one for one in outcome(waiting)]
    assert got == expected


async def _awaiting(deferred: Deferred[Any]) -> Any:
    return await deferred
