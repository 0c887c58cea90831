"""Coroutines that await Deferreds and are driven by Twisted, or by us: that asyncio's tasks may await
changes nothing for them, in a task's turn either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, inlineCallbacks, succeed

from tests.bridge.twisted.awaited import outcome, soon, wait, waiting
from tests.support import until, within
from twisted_compat import defer as ours
from twisted_compat.bridge.twisted import as_deferred, as_future

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [pytest.mark.without_debug, pytest.mark.usefixtures("empty_place", "awaiting_enabled")]


@inlineCallbacks
def generator(deferred: Any) -> Any:
    """A generator of Twisted's, for a result twice as big."""
    return 2 * (yield deferred)


async def coroutine(deferred: Any) -> Any:
    """A coroutine for Twisted, for a result twice as big."""
    return 2 * (await deferred)


DRIVEN = {
    "ensureDeferred": lambda deferred: ensureDeferred(coroutine(deferred)),
    "inlineCallbacks": generator,
    "inlineCallbacks, from a coroutine": lambda deferred: generator(waiting(deferred)),
    "fromCoroutine": lambda deferred: Deferred.fromCoroutine(coroutine(deferred)),
}
driven = pytest.mark.parametrize("drive", DRIVEN.values(), ids=DRIVEN)


@driven
def test_twisteds_coroutines_outside_of_any_loop(drive: Any) -> None:
    deferred: Deferred[int] = Deferred()
    seen = outcome(drive(deferred))
    assert not seen
    deferred.callback(1)
    assert seen == [2]
    assert outcome(drive(succeed(2))) == [4]
    (failure,) = outcome(drive(fail(KeyError())))
    assert failure.check(KeyError)


@driven
async def test_twisteds_coroutines_in_a_callback_of_the_loop(drive: Any) -> None:
    deferred: Deferred[int] = Deferred()
    seen: list[Any] = []
    soon(lambda: drive(deferred).addBoth(seen.append))
    soon(deferred.callback, 1)
    await until(lambda: seen)
    assert seen == [2]


@driven
async def test_twisteds_coroutines_in_a_tasks_turn(drive: Any) -> None:
    deferred: Deferred[int] = Deferred()
    seen = outcome(drive(deferred))
    deferred.callback(1)
    assert seen == [2]  # at once, on the stack of who fired it
    failing: Deferred[int] = Deferred()
    seen = outcome(drive(failing))
    soon(failing.errback, KeyError())
    await until(lambda: seen)
    assert seen[0].check(KeyError)
    later: Deferred[int] = Deferred()
    soon(later.callback, 3)
    assert await wait(drive(later)) == 6


@driven
async def test_a_task_that_fires_what_twisteds_coroutine_awaits(drive: Any) -> None:
    """So that coroutine goes on, and waits again, in the turn of a task that is not its own."""
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()

    async def both() -> Any:
        return await drive(first) + await drive(second)

    whole = ensureDeferred(both())

    async def fire() -> str:
        first.callback(1)
        return "fired"

    assert await within(asyncio.ensure_future(fire())) == "fired"
    assert not whole.called
    soon(second.callback, 10)
    assert await wait(whole) == 22


async def test_a_failure_awaited_twice_is_raised_twice() -> None:
    async def twice(deferred: Any) -> list[str]:
        seen = []
        for _ in range(2):
            try:
                await deferred
            except KeyError as error:
                seen.append(str(error))
        deferred.addErrback(lambda failure: seen.append(failure.type.__name__))
        return seen

    assert await wait(ensureDeferred(twice(fail(KeyError("k"))))) == ["'k'", "'k'", "KeyError"]


async def test_twisteds_coroutines_await_asyncios_things() -> None:
    async def ask() -> Any:
        future = asyncio.get_running_loop().create_future()
        soon(future.set_result, 1)
        return await as_deferred(future), await as_deferred(asyncio.sleep(0, 2))

    assert await wait(ensureDeferred(ask())) == (1, 2)


# In coroutines that we drive


@pytest.mark.parametrize("fire", ["before", "at once", "later"])
async def test_our_coroutines_await_twisteds_deferreds(fire: str) -> None:
    deferred: Deferred[int] = Deferred()
    if fire == "before":
        deferred.callback(1)
    driven = ours.ensureDeferred(coroutine(deferred))
    if fire == "at once":
        deferred.callback(1)
    elif fire == "later":
        soon(deferred.callback, 1)
    assert await within(as_future(driven)) == 2
    failing: Deferred[int] = Deferred()
    driven = ours.ensureDeferred(coroutine(failing))
    soon(failing.errback, KeyError())
    with pytest.raises(KeyError):
        await within(as_future(driven))


@ours.inlineCallbacks
def our_generator(deferred: Any) -> Any:
    """A generator of ours, for a result twice as big."""
    return 2 * (yield deferred)


@pytest.mark.parametrize(
    "steps", [lambda deferred: deferred, waiting], ids=["yields it", "yields a coroutine"]
)
async def test_our_generators_yield_twisteds_deferreds(steps: Any) -> None:
    deferred: Deferred[int] = Deferred()
    seen = outcome(our_generator(steps(deferred)))
    deferred.callback(1)
    await until(lambda: seen)
    assert seen == [2]
    failing: Deferred[int] = Deferred()
    seen = outcome(our_generator(steps(failing)))
    soon(failing.errback, KeyError())
    await until(lambda: seen)
    assert seen[0].check(KeyError)


@ours.inlineCallbacks
def delegating(deferred: Any) -> Any:
    """A generator of ours that hands on what ``await`` yields."""
    return 2 * (yield from deferred.__await__())


async def test_our_generators_hand_on_what_await_yields() -> None:
    deferred: Deferred[int] = Deferred()
    seen = outcome(delegating(deferred))
    deferred.callback(1)
    await until(lambda: seen)
    assert seen == [2]


async def test_our_coroutine_fires_what_others_await() -> None:
    """A task's, Twisted's and our coroutines wait for each other."""
    for_task, for_theirs, for_ours = (Deferred[int]() for _ in range(3))

    async def fire() -> int:
        for_theirs.callback(1)
        for_task.callback(2)
        return await for_ours

    task = asyncio.ensure_future(waiting(for_task))
    theirs = ensureDeferred(coroutine(for_theirs))
    await asyncio.sleep(0)
    native = ours.ensureDeferred(fire())
    soon(for_ours.callback, 3)
    assert [await within(task), await wait(theirs), await within(as_future(native))] == [2, 2, 3]
