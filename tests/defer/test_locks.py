"""DeferredLock and DeferredSemaphore: who gets in, in which order, and that no place is ever lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, DeferredLock, DeferredSemaphore, fail, succeed
from twisted_compat.failure import Failure

from .test_deferred import outcome

pytestmark = pytest.mark.without_debug

Guard = Any  # a DeferredLock or a DeferredSemaphore
MAKERS: dict[str, Callable[[], Guard]] = {"lock": DeferredLock, "semaphore": lambda: DeferredSemaphore(1)}


@pytest.fixture(params=list(MAKERS))
def guard(request: pytest.FixtureRequest) -> Guard:
    """A guard with one place, of each kind in turn."""
    return MAKERS[request.param]()


def is_free(guard: Guard) -> bool:
    return not guard.locked if isinstance(guard, DeferredLock) else guard.tokens == guard.limit


# What both do.


def test_acquire_is_granted_at_once_and_then_in_order(guard: Guard) -> None:
    order: list[int] = []
    for number in range(4):
        guard.acquire().addCallback(lambda got, n: order.append(n) or got, number)
    assert order == [0]
    assert len(guard.waiting) == 3
    for number in range(1, 4):
        guard.release()
        assert order == list(range(number + 1))
        assert not is_free(guard)
    guard.release()
    assert is_free(guard)


def test_acquire_gives_the_guard(guard: Guard) -> None:
    first, second = guard.acquire(), guard.acquire()
    assert outcome(first) is guard
    guard.release()
    assert outcome(second) is guard


def test_nobody_who_comes_later_gets_a_place_that_is_handed_over(guard: Guard) -> None:
    order: list[str] = []
    guard.acquire()
    guard.acquire().addCallback(lambda _: order.append("waited"))

    def comes_later() -> Deferred[Any]:
        return guard.acquire().addCallback(lambda _: order.append("later"))

    guard.waiting[0].addCallback(lambda _: comes_later() and None)
    guard.release()
    assert order == ["waited"]
    guard.release()
    assert order == ["waited", "later"]


def test_releasing_what_nobody_holds_says_so(guard: Guard) -> None:
    with pytest.raises(AssertionError, match=r"run\(f\)"):
        guard.release()
    guard.acquire()
    guard.release()
    with pytest.raises(AssertionError):
        guard.release()
    assert is_free(guard)


def test_cancelling_a_wait_gives_up_the_place_in_the_row(guard: Guard) -> None:
    guard.acquire()
    waits = [guard.acquire() for _ in range(3)]
    waits[1].cancel()
    assert isinstance(outcome(waits[1]), CancelledError)
    assert guard.waiting == [waits[0], waits[2]]
    guard.release()
    guard.release()
    assert waits[0].called and waits[2].called
    guard.release()
    assert is_free(guard)


def test_cancelling_after_the_grant_does_nothing(guard: Guard) -> None:
    at_once, waited = guard.acquire(), guard.acquire()
    at_once.cancel()
    guard.release()
    waited.cancel()
    assert outcome(waited) is guard
    assert not is_free(guard)


def test_a_waiter_may_cancel_the_next_while_it_is_let_in(guard: Guard) -> None:
    guard.acquire()
    first, second, third = (guard.acquire() for _ in range(3))
    first.addCallback(lambda _: second.cancel())
    first.addCallback(lambda _: guard.release())
    second.addErrback(lambda failure: failure.trap(CancelledError) and None)
    guard.release()
    assert third.called
    guard.release()
    assert is_free(guard)


def test_a_place_is_not_lost_on_a_waiter_fired_by_a_stranger(guard: Guard) -> None:
    guard.acquire()
    stranger, honest = guard.acquire(), guard.acquire()
    stranger.callback("mine")
    guard.release()
    assert honest.called
    guard.acquire().callback(None)
    guard.release()
    assert is_free(guard)


def test_waiting_can_be_used_and_replaced_as_a_list(guard: Guard) -> None:
    guard.acquire()
    waits = [guard.acquire() for _ in range(3)]
    assert guard.waiting == waits
    assert guard.waiting[:2] == waits[:2]
    assert guard.waiting.pop(0) is waits[0]
    guard.waiting = [waits[2], waits[1]]
    waits[1].cancel()
    outcome(waits[1])
    assert guard.waiting == [waits[2]]
    guard.release()
    assert waits[2].called


@pytest.mark.parametrize("count", [3, 5_000])
def test_any_number_of_waiters_that_release_at_once(guard: Guard, count: int) -> None:
    order: list[int] = []
    guard.acquire()
    waits = [guard.run(order.append, number) for number in range(count)]
    guard.release()
    assert order == list(range(count))
    assert is_free(guard)
    assert all(wait.called for wait in waits)
    assert not guard.waiting


def test_releasing_too_often_from_deep_down_is_found_too(guard: Guard) -> None:
    errors: list[AssertionError] = []

    def release(_: object) -> None:
        guard.release()

    def release_twice(_: object) -> None:
        guard.release()
        try:
            guard.release()
        except AssertionError as error:
            errors.append(error)

    guard.acquire()
    for _ in range(15):
        guard.acquire().addCallback(release)
    guard.acquire().addCallback(release_twice)
    last = guard.acquire()
    guard.release()
    assert len(errors) == 1
    assert last.called
    assert not is_free(guard)


def test_the_next_runs_before_release_returns(guard: Guard) -> None:
    seen: list[str] = []
    guard.acquire()
    first, second = guard.acquire(), guard.acquire()
    second.addCallback(lambda _: seen.append("second"))

    def release(_: object) -> None:
        guard.release()
        seen.append("released")

    first.addCallback(release)
    guard.release()
    assert seen == ["second", "released"]


# run().


def test_run_holds_until_the_result_is_there(guard: Guard) -> None:
    work: Deferred[str] = Deferred()
    running = guard.run(lambda *, given: work if given else None, given=True)
    waited = guard.run(lambda: "second")
    assert not is_free(guard)
    assert not waited.called
    work.callback("first")
    assert outcome(running) == "first"
    assert outcome(waited) == "second"
    assert is_free(guard)


def test_run_passes_any_keyword_and_wants_a_function(guard: Guard) -> None:
    assert outcome(guard.run(dict, self=1, f=2, guard=3)) == {"self": 1, "f": 2, "guard": 3}
    with pytest.raises(TypeError):
        guard.run()
    assert is_free(guard)


@pytest.mark.parametrize(
    "function", [lambda: 1 / 0, lambda: fail(ZeroDivisionError()), lambda: Failure(ZeroDivisionError())]
)
def test_run_releases_after_a_failure(guard: Guard, function: Callable[[], Any]) -> None:
    assert isinstance(outcome(guard.run(function)), ZeroDivisionError)
    assert is_free(guard)


def test_run_cancelled_in_the_row_never_calls(guard: Guard) -> None:
    called: list[int] = []
    guard.acquire()
    running = guard.run(called.append, 1)
    running.cancel()
    assert isinstance(outcome(running), CancelledError)
    guard.release()
    assert not called
    assert is_free(guard)


def test_run_cancelled_at_work_cancels_the_work_and_releases(guard: Guard) -> None:
    cancelled: list[Any] = []
    work: Deferred[None] = Deferred(cancelled.append)
    running = guard.run(lambda: work)
    running.cancel()
    assert cancelled == [work]
    assert isinstance(outcome(running), CancelledError)
    assert is_free(guard)


def test_run_waits_for_work_that_takes_its_time_to_be_cancelled(guard: Guard) -> None:
    cleaned: Deferred[str] = Deferred()
    work: Deferred[Any] = Deferred()
    work.addErrback(lambda _: cleaned)
    running = guard.run(lambda: work)
    running.cancel()
    assert not is_free(guard)
    cleaned.callback("clean")
    assert outcome(running) == "clean"
    assert is_free(guard)


def test_run_of_a_function_that_releases_by_itself_fails_and_loses_nothing(guard: Guard) -> None:
    assert isinstance(outcome(guard.run(guard.release)), AssertionError)
    assert is_free(guard)


async def test_run_of_a_coroutine(guard: Guard) -> None:
    done: Deferred[str] = Deferred()

    async def work() -> str:
        return await done + "!"

    running = guard.run(work)
    assert not is_free(guard)
    done.callback("done")
    assert await within(running) == "done!"
    assert is_free(guard)


async def test_run_of_a_coroutine_that_is_cancelled(guard: Guard) -> None:
    async def work() -> None:
        await Deferred()

    running = guard.run(work)
    running.cancel()
    with pytest.raises(CancelledError):
        await within(running)
    assert is_free(guard)


# async with.


async def test_async_with_in_tasks_lets_them_in_one_by_one(guard: Guard) -> None:
    inside: list[int] = []
    order: list[int] = []

    async def work(number: int) -> None:
        async with guard as got:
            assert got is guard
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.remove(number)
            order.append(number)

    await within(asyncio.gather(*(work(number) for number in range(5))))
    assert order == list(range(5))
    assert is_free(guard)


async def test_async_with_releases_after_an_exception(guard: Guard) -> None:
    with pytest.raises(KeyError):
        async with guard:
            assert not is_free(guard)
            raise KeyError
    assert is_free(guard)


async def hold(guard: Guard, entered: list[str] | None = None) -> None:
    async with guard:
        if entered is not None:
            entered.append("in")


async def start(coroutine: Coroutine[Any, Any, None], guard: Guard, waiters: int = 1) -> asyncio.Task[None]:
    """A task that has come as far as to wait for the guard."""
    task = asyncio.ensure_future(coroutine)
    await until(lambda: len(guard.waiting) == waiters)
    return task


async def test_a_task_cancelled_in_the_row_gives_up_its_place(guard: Guard) -> None:
    guard.acquire()
    first = await start(hold(guard), guard)
    second = await start(hold(guard), guard, waiters=2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(first)
    assert len(guard.waiting) == 1
    guard.release()
    await within(second)
    assert is_free(guard)


async def test_a_task_cancelled_between_grant_and_entry_hands_the_place_on(guard: Guard) -> None:
    entered: list[str] = []
    guard.acquire()
    task = await start(hold(guard, entered), guard)
    guard.release()  # granted, and the task will run on a later turn
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert not entered
    assert is_free(guard)


def test_a_coroutine_closed_in_the_row_gives_up_its_place(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    guard.acquire()
    coroutine = hold(guard)
    coroutine.send(None)  # as a driver does that is given Deferreds
    assert len(guard.waiting) == 1
    with caplog.at_level(logging.ERROR):
        coroutine.close()
    assert not caplog.records
    assert not guard.waiting
    guard.release()
    assert is_free(guard)


async def test_a_deadline_on_an_acquire(guard: Guard) -> None:
    guard.acquire()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(hold(guard), 0.01)
    assert not guard.waiting
    guard.release()
    await within(hold(guard))
    assert is_free(guard)


# What only a semaphore does.


def test_a_semaphore_counts() -> None:
    semaphore = DeferredSemaphore(3)
    assert (semaphore.tokens, semaphore.limit) == (3, 3)
    granted = [semaphore.acquire() for _ in range(5)]
    assert [wait.called for wait in granted] == [True] * 3 + [False] * 2
    assert semaphore.tokens == 0
    for tokens in (0, 0, 1, 2, 3):
        semaphore.release()
        assert semaphore.tokens == tokens
    with pytest.raises(AssertionError, match="3 tokens"):
        semaphore.release()


@pytest.mark.parametrize("tokens", [0, -1])
def test_a_semaphore_lets_somebody_in(tokens: int) -> None:
    with pytest.raises(ValueError, match=r"DeferredSemaphore\(1\)"):
        DeferredSemaphore(tokens)


def test_a_lock_is_read_by_its_attribute() -> None:
    lock = DeferredLock()
    assert lock.locked is False
    lock.acquire()
    assert lock.locked is True


def test_subclasses_may_be_wrapped_around() -> None:
    class Counting(DeferredLock):
        acquired = 0

        def acquire(self) -> Any:
            self.acquired += 1
            return super().acquire()

    lock = Counting()
    assert outcome(lock.run(succeed, 1)) == 1
    assert lock.acquired == 1


class SemaphoreMachine(RuleBasedStateMachine):
    """A semaphore against a count and a queue of names; some waiters release as they are let in."""

    def __init__(self) -> None:
        super().__init__()
        self.semaphore = DeferredSemaphore(2)
        self.waiting: deque[tuple[Deferred[Any], bool]] = deque()
        self.held = 0
        self.let_in: list[Any] = []
        self.expected: list[Any] = []

    @rule(brief=st.booleans())
    def acquire(self, brief: bool) -> None:
        wait = self.semaphore.acquire()
        entry = (wait, brief)
        if self.held < 2:
            self.expected.append(wait)
            self.held += not brief
        else:
            self.waiting.append(entry)

        def enter(_: object) -> None:
            self.let_in.append(wait)
            if brief:
                self.semaphore.release()

        wait.addCallback(enter)

    @precondition(lambda self: self.held)
    @rule()
    def release(self) -> None:
        self.held -= 1
        while self.waiting and self.held < 2:
            wait, brief = self.waiting.popleft()
            self.expected.append(wait)
            self.held += not brief
        self.semaphore.release()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.waiting) - 1))
        wait, _ = self.waiting[index]
        del self.waiting[index]
        wait.cancel()
        assert isinstance(outcome(wait), CancelledError)

    @precondition(lambda self: not self.held)
    @rule()
    def release_too_often(self) -> None:
        with pytest.raises(AssertionError):
            self.semaphore.release()

    @invariant()
    def agrees(self) -> None:
        assert self.let_in == self.expected
        assert self.semaphore.tokens == 2 - self.held
        assert self.semaphore.waiting == [wait for wait, _ in self.waiting]
        assert not self.semaphore.waiting or not self.semaphore.tokens


TestSemaphoreMachine = SemaphoreMachine.TestCase
TestSemaphoreMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
