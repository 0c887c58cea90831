"""One call after some time, as a Deferred."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import until, within
from twisted_compat import AsyncioReactor
from twisted_compat.defer import CancelledError, Deferred
from twisted_compat.failure import Failure
from twisted_compat.task import Clock, deferLater


@pytest.fixture
def clock() -> Clock:
    return Clock()


def results_of(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


def test_the_result_is_what_the_call_returns(clock: Clock) -> None:
    results = results_of(deferLater(clock, 3, divmod, 7, 2))
    clock.advance(2)
    assert results == []
    clock.advance(1)
    assert results == [(3, 1)]


def test_keywords_are_passed_on(clock: Clock) -> None:
    results = results_of(deferLater(clock, 0, lambda *args, **kw: (args, kw), 1, b=2))
    clock.advance(0)
    assert results == [((1,), {"b": 2})]


@pytest.mark.parametrize("nothing", [(), (None,)])
def test_without_a_call_it_only_waits(clock: Clock, nothing: tuple[None, ...]) -> None:
    results = results_of(deferLater(clock, 2, *nothing))
    clock.advance(1)
    assert results == []
    clock.advance(1)
    assert results == [None]


def test_what_the_call_raises_is_the_failure(clock: Clock) -> None:
    results = results_of(deferLater(clock, 1, int, "text"))
    clock.advance(1)
    assert isinstance(results[0], Failure) and results[0].check(ValueError)


def test_a_deferred_from_the_call_is_waited_for(clock: Clock) -> None:
    results = results_of(deferLater(clock, 1, deferLater, clock, 1, str))
    clock.advance(1)
    assert results == []
    clock.advance(1)
    assert results == [""]


def test_cancelling_cancels_the_call(clock: Clock) -> None:
    deferred: Deferred[Any] = deferLater(clock, 1, pytest.fail, "called")
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError)
    assert clock.getDelayedCalls() == []


def test_cancelling_after_the_call_cancels_what_it_returned(clock: Clock) -> None:
    inner: Deferred[None] = Deferred()
    deferred = deferLater(clock, 1, lambda: inner)
    results = results_of(deferred)
    clock.advance(1)
    deferred.cancel()
    assert results[0].check(CancelledError) and inner.called


def test_cancelling_inside_the_call_changes_nothing(clock: Clock) -> None:
    deferred: Deferred[Any] = deferLater(clock, 1, lambda: deferred.cancel())
    results = results_of(deferred)
    clock.advance(1)
    assert results == [None]


async def test_on_a_reactor() -> None:
    async with AsyncioReactor() as reactor:
        assert await within(deferLater(reactor, 0.001, lambda: "done")) == "done"

        async def sleep() -> None:
            await deferLater(reactor, 1000)

        sleeper = asyncio.create_task(sleep())
        await until(reactor.getDelayedCalls)
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        assert reactor.getDelayedCalls() == []
