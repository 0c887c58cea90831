"""DeferredQueue: everything put comes out once, in order, to those who asked, in order; and its limits."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support import until, within
from twisted_compat.defer import CancelledError, Deferred, DeferredQueue, QueueOverflow, QueueUnderflow
from twisted_compat.failure import Failure

from .test_deferred import outcome


def test_things_wait_for_gets_and_gets_for_things() -> None:
    queue: DeferredQueue[int] = DeferredQueue()
    queue.put(1)
    queue.put(2)
    assert [outcome(queue.get()), outcome(queue.get())] == [1, 2]
    first, second = queue.get(), queue.get()
    assert not first.called
    queue.put(3)
    assert outcome(first) == 3
    assert not second.called
    queue.put(4)
    assert outcome(second) == 4


def test_a_full_queue_says_so_and_keeps_what_it_has() -> None:
    queue: DeferredQueue[int] = DeferredQueue(size=2)
    queue.put(1)
    queue.put(2)
    with pytest.raises(QueueOverflow, match="size is 2"):
        queue.put(3)
    assert queue.pending == [1, 2]
    outcome(queue.get())
    queue.put(3)
    assert queue.pending == [2, 3]


def test_too_many_gets_are_told_so() -> None:
    queue: DeferredQueue[int] = DeferredQueue(backlog=1)
    wait = queue.get()
    with pytest.raises(QueueUnderflow, match="backlog is 1"):
        queue.get()
    queue.put(1)
    assert outcome(wait) == 1
    queue.get()


def test_limits_of_nothing() -> None:
    no_stock: DeferredQueue[int] = DeferredQueue(size=0)
    with pytest.raises(QueueOverflow):
        no_stock.put(1)
    wait = no_stock.get()
    no_stock.put(2)
    assert outcome(wait) == 2
    no_wait: DeferredQueue[int] = DeferredQueue(backlog=0)
    with pytest.raises(QueueUnderflow):
        no_wait.get()
    no_wait.put(3)
    assert outcome(no_wait.get()) == 3


def test_limits_can_be_changed_later() -> None:
    queue: DeferredQueue[int] = DeferredQueue(1, 1)
    assert (queue.size, queue.backlog) == (1, 1)
    queue.put(1)
    queue.size = None
    queue.put(2)
    assert queue.pending == [1, 2]


def test_a_cancelled_get_takes_nothing() -> None:
    queue: DeferredQueue[int] = DeferredQueue(backlog=2)
    cancelled, kept = queue.get(), queue.get()
    cancelled.cancel()
    assert isinstance(outcome(cancelled), CancelledError)
    assert queue.waiting == [kept]
    queue.get()  # there is room in the backlog again
    queue.put(1)
    assert outcome(kept) == 1


def test_cancelling_a_get_that_was_served_does_nothing() -> None:
    queue: DeferredQueue[int] = DeferredQueue()
    served = queue.get()
    queue.put(1)
    served.cancel()
    assert outcome(served) == 1


def test_a_failure_goes_to_the_errbacks() -> None:
    queue: DeferredQueue[Any] = DeferredQueue()
    wait = queue.get()
    queue.put(Failure(KeyError()))
    assert isinstance(outcome(wait), KeyError)
    queue.put(Failure(KeyError()))
    assert isinstance(outcome(queue.get()), KeyError)


def test_a_thing_is_not_lost_on_a_get_fired_by_a_stranger() -> None:
    queue: DeferredQueue[int] = DeferredQueue()
    stranger, honest = queue.get(), queue.get()
    stranger.callback(0)
    queue.put(1)
    assert outcome(honest) == 1
    queue.get().callback(0)
    queue.put(2)
    assert queue.pending == [2]


def test_a_consumer_may_ask_again_as_it_is_served() -> None:
    queue: DeferredQueue[int] = DeferredQueue(backlog=1)
    got: list[int] = []

    def consume(thing: int) -> None:
        got.append(thing)
        queue.get().addCallback(consume)

    queue.get().addCallback(consume)
    for thing in range(2_000):
        queue.put(thing)
    assert got == list(range(2_000))


def test_the_rows_can_be_used_and_replaced_as_lists() -> None:
    queue: DeferredQueue[Any] = DeferredQueue()
    for thing in "abc":
        queue.put(thing)
    assert queue.pending == ["a", "b", "c"]
    assert queue.pending.pop(0) == "a"
    assert queue.pending[:1] == ["b"]
    queue.pending = []
    wait, other = queue.get(), queue.get()
    assert queue.waiting == [wait, other]
    queue.waiting = [other]
    queue.put("d")
    assert outcome(other) == "d"
    assert not wait.called


async def test_tasks_as_producer_and_consumer() -> None:
    queue: DeferredQueue[int | None] = DeferredQueue()
    got: list[int] = []

    async def consume() -> None:
        while (thing := await queue.get()) is not None:
            got.append(thing)

    consumer = asyncio.ensure_future(consume())
    for thing in range(50):
        queue.put(thing)
        await asyncio.sleep(0)
    queue.put(None)
    await within(consumer)
    assert got == list(range(50))


async def test_a_task_cancelled_while_it_waits_takes_nothing() -> None:
    queue: DeferredQueue[int] = DeferredQueue()

    async def consume() -> int:
        return await queue.get()

    task = asyncio.ensure_future(consume())
    await until(lambda: queue.waiting)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    queue.put(1)
    assert await within(queue.get()) == 1


async def test_a_thing_that_came_as_its_task_was_cancelled_is_left_in_the_deferred() -> None:
    queue: DeferredQueue[int] = DeferredQueue()
    wait = queue.get()

    async def consume() -> int:
        return await wait

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(0)
    queue.put(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert await within(wait) == 1


class QueueMachine(RuleBasedStateMachine):
    """A queue with any limits against two plain rows."""

    @initialize(size=st.none() | st.integers(0, 3), backlog=st.none() | st.integers(0, 3))
    def begin(self, size: int | None, backlog: int | None) -> None:
        self.queue: DeferredQueue[int] = DeferredQueue(size, backlog)
        self.pending: deque[int] = deque()
        self.waiting: deque[Deferred[int]] = deque()
        self.next = 0

    @rule()
    def put(self) -> None:
        thing = self.next
        if self.waiting:
            self.queue.put(thing)
            assert outcome(self.waiting.popleft()) == thing
        elif self.queue.size is not None and len(self.pending) == self.queue.size:
            with pytest.raises(QueueOverflow):
                self.queue.put(thing)
            return
        else:
            self.queue.put(thing)
            self.pending.append(thing)
        self.next += 1

    @rule()
    def get(self) -> None:
        if self.pending:
            assert outcome(self.queue.get()) == self.pending.popleft()
        elif self.queue.backlog is not None and len(self.waiting) == self.queue.backlog:
            with pytest.raises(QueueUnderflow):
                self.queue.get()
        else:
            self.waiting.append(self.queue.get())

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.waiting) - 1))
        wait = self.waiting[index]
        del self.waiting[index]
        wait.cancel()
        assert isinstance(outcome(wait), CancelledError)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert self.queue.pending == list(self.pending)
        assert self.queue.waiting == list(self.waiting)
        assert not (self.pending and self.waiting)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
