"""Many iterators in turn: whose turn it is, when there is one at all, and on which reactor."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import until, within
from twisted_compat import AsyncioReactor, current
from twisted_compat.defer import Deferred, DeferredList
from twisted_compat.task import Clock, Cooperator, SchedulerStopped, coiterate, cooperate
from twisted_compat.task.cooperator import _defaults

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A default reactor for this test alone."""
    default = AsyncioReactor()
    monkeypatch.setattr(current, "_default", default)
    return default


def cooperator_on(clock: Clock, steps: int = 1, **kw: Any) -> Cooperator:
    """One that makes so many steps a turn, and a turn a second."""

    def after_some() -> Callable[[], bool]:
        left = iter(range(steps - 1))
        return lambda: next(left, None) is None

    return Cooperator(after_some, lambda tick: clock.callLater(1, tick), **kw)


def noting(seen: list[Any], values: Any) -> Iterator[None]:
    for value in values:
        seen.append(value)
        yield


def forever() -> Iterator[None]:
    while True:
        yield


def results_of(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


# Turns


def test_it_takes_them_in_turn(clock: Clock) -> None:
    seen: list[Any] = []
    cooperator = cooperator_on(clock)
    for values in ("abc", (1, 2, 3), "xy"):
        cooperator.cooperate(noting(seen, values))
    clock.pump([1] * 12)
    assert seen == ["a", 1, "x", "b", 2, "y", "c", 3]
    assert clock.calls == []


@given(st.lists(st.integers(0, 6), max_size=6), st.integers(1, 10))
def test_it_is_fair_however_long_its_turns(lengths: list[int], steps: int) -> None:
    clock, seen = Clock(), list[Any]()
    cooperator = cooperator_on(clock, steps)
    ends = [
        results_of(cooperator.coiterate(noting(seen, [(step, task) for step in range(length)])))
        for task, length in enumerate(lengths)
    ]
    clock.pump([1] * (sum(lengths) + len(lengths)))
    assert seen == sorted(seen)
    assert len(seen) == sum(lengths) and all(ends) and clock.calls == []


def test_one_that_is_added_in_a_step_comes_before_the_next_round(clock: Clock) -> None:
    seen: list[str] = []
    cooperator = cooperator_on(clock, steps=100)

    def adding() -> Iterator[None]:
        seen.append("adding")
        cooperator.cooperate(noting(seen, ["added"]))
        yield
        seen.append("adding again")

    cooperator.cooperate(adding())
    cooperator.cooperate(noting(seen, ["other"]))
    clock.advance(1)
    assert seen == ["adding", "other", "added", "adding again"]


def test_a_turn_ends_when_the_predicate_says_so(clock: Clock) -> None:
    seen: list[int] = []
    cooperator = cooperator_on(clock, steps=10)
    cooperator.cooperate(noting(seen, range(100)))
    clock.advance(1)
    assert seen == list(range(10))
    clock.advance(1)
    assert seen == list(range(20))


def test_a_turn_is_short_by_default(clock: Clock) -> None:
    cooperator = Cooperator(scheduler=lambda tick: clock.callLater(1, tick))
    task = cooperator.cooperate(forever())
    clock.pump([1, 1])  # each comes back
    task.stop()
    assert clock.calls == []


def test_a_predicate_that_raises_does_not_end_the_work(clock: Clock) -> None:
    seen: list[int] = []
    predicates: list[Any] = [lambda: 1 // 0, lambda: True]
    cooperator = Cooperator(lambda: predicates.pop(0), lambda tick: clock.callLater(1, tick))
    cooperator.cooperate(noting(seen, range(5)))
    with pytest.raises(ZeroDivisionError):
        clock.advance(1)
    clock.advance(1)
    assert seen == [0, 1]


# Scheduling


def test_there_is_one_turn_to_come_and_only_while_there_is_work(clock: Clock) -> None:
    cooperator = cooperator_on(clock)
    assert clock.calls == []
    first, second = cooperator.cooperate(forever()), cooperator.cooperate(forever())
    assert len(clock.calls) == 1
    first.stop()
    assert len(clock.calls) == 1
    second.pause()
    assert clock.calls == []
    second.resume()
    assert len(clock.calls) == 1
    clock.advance(1)
    assert len(clock.calls) == 1


def test_work_that_is_added_as_other_work_ends_needs_no_turn_more(clock: Clock) -> None:
    asked: list[Any] = []

    def schedule(tick: Callable[[], None]) -> Any:
        asked.append(tick)
        return clock.callLater(1, tick)

    cooperator = Cooperator(lambda: lambda: True, schedule)
    ended: list[Any] = []
    cooperator.coiterate(iter(())).addCallback(lambda _: cooperator.coiterate(iter(())).addBoth(ended.append))
    clock.advance(1)
    assert len(asked) == 2
    clock.advance(1)
    assert len(asked) == 2 and len(ended) == 1


def test_a_scheduler_may_return_anything_that_can_be_cancelled() -> None:
    class Call:
        def __init__(self, tick: Callable[[], None]) -> None:
            self.tick, self.cancelled = tick, False
            calls.append(self)

        def cancel(self) -> None:
            assert not self.cancelled
            self.cancelled = True

    calls: list[Call] = []
    cooperator = Cooperator(lambda: lambda: True, Call)
    task = cooperator.cooperate(forever())
    cooperator.cooperate(iter(())).stop()
    assert len(calls) == 1 and not calls[0].cancelled
    task.stop()
    assert calls[0].cancelled
    seen: list[int] = []
    cooperator.cooperate(noting(seen, [1]))
    calls[1].tick()
    calls[2].tick()
    assert seen == [1] and len(calls) == 3


def test_a_turn_that_somebody_else_called_off_is_asked_for_again(clock: Clock) -> None:
    seen: list[int] = []
    cooperator = cooperator_on(clock)
    task = cooperator.cooperate(noting(seen, [1]))
    clock.calls[0].cancel()
    cooperator.cooperate(noting(seen, [2]))
    clock.pump([1, 1])
    assert seen == [1, 2]
    clock.calls[0].cancel()
    task.stop()  # has nothing to call off


# Starting and stopping


def test_it_waits_to_be_started(clock: Clock) -> None:
    seen: list[int] = []
    cooperator = cooperator_on(clock, started=False)
    assert not cooperator.running
    cooperator.cooperate(noting(seen, [1, 2]))
    cooperator.cooperate(noting(seen, [3])).stop()
    assert clock.calls == []
    cooperator.start()
    assert cooperator.running
    clock.pump([1, 1])
    assert seen == [1, 2]
    cooperator.start()
    assert len(clock.calls) == 1


def test_stopping_ends_the_tasks(clock: Clock) -> None:
    cooperator = cooperator_on(clock)
    ends = [results_of(cooperator.coiterate(forever())) for _ in range(3)]
    cooperator.stop()
    assert not cooperator.running
    assert all(end[0].check(SchedulerStopped) for end in ends)
    assert clock.calls == []


@pytest.mark.parametrize("given_deferred", [True, False])
def test_a_stopped_one_takes_no_tasks_until_it_is_started_again(clock: Clock, given_deferred: bool) -> None:
    cooperator = cooperator_on(clock)
    cooperator.stop()
    done: Deferred[Any] | None = Deferred() if given_deferred else None
    assert results_of(cooperator.coiterate(forever(), done))[0].check(SchedulerStopped)
    assert clock.calls == []
    cooperator.start()
    seen: list[int] = []
    cooperator.cooperate(noting(seen, [1]))
    clock.advance(1)
    assert seen == [1]


def test_a_paused_task_hears_of_it_when_it_would_go_on(clock: Clock) -> None:
    awaited: Deferred[None] = Deferred()
    cooperator = cooperator_on(clock)
    results = results_of(cooperator.coiterate(iter([awaited])))
    clock.advance(1)
    cooperator.stop()
    assert results == []
    awaited.callback(None)
    assert results[0].check(SchedulerStopped)


def test_a_paused_task_goes_on_if_it_was_started_again(clock: Clock) -> None:
    seen: list[int] = []
    cooperator = cooperator_on(clock)
    task = cooperator.cooperate(noting(seen, [1]))
    task.pause()
    cooperator.stop()
    cooperator.start()
    task.resume()
    clock.advance(1)
    assert seen == [1]


def test_stopping_in_a_step(clock: Clock) -> None:
    cooperator = cooperator_on(clock, steps=100)

    def stopping() -> Iterator[None]:
        cooperator.stop()
        yield

    ends = [results_of(cooperator.coiterate(work)) for work in (forever(), stopping(), forever())]
    clock.advance(1)
    assert all(end[0].check(SchedulerStopped) for end in ends)
    assert clock.calls == []


def test_stopping_tasks_whose_callbacks_end_others(clock: Clock) -> None:
    cooperator = cooperator_on(clock)
    first, second = cooperator.cooperate(forever()), cooperator.cooperate(forever())
    first.whenDone().addErrback(lambda _: second.stop())
    results = results_of(second.whenDone())
    cooperator.stop()
    assert len(results) == 1


def test_coiterate_fires_the_deferred_it_is_given(clock: Clock) -> None:
    done: Deferred[Any] = Deferred()
    results, work = results_of(done), iter([1])
    cooperator = cooperator_on(clock)
    assert cooperator.coiterate(work, done) is done
    clock.pump([1, 1])
    assert results == [work]


# The default cooperator, and reactors


async def test_on_the_reactor_of_the_running_loop() -> None:
    async with AsyncioReactor() as reactor:
        seen: list[int] = []
        work = noting(seen, range(5))
        assert await within(coiterate(work)) is work
        await within(cooperate(noting(seen, range(5, 10))).whenDone())
        assert seen == list(range(10))
        assert reactor.getDelayedCalls() == []


async def test_other_things_go_on_meanwhile() -> None:
    async with AsyncioReactor() as reactor:
        task = cooperate(forever())
        turned: Deferred[None] = Deferred()
        reactor.callLater(0.001, turned.callback, None)
        await within(turned)
        task.stop()


async def test_deferreds_on_a_reactor() -> None:
    async with AsyncioReactor() as reactor:
        waits: list[Deferred[None]] = []

        def waiting() -> Iterator[Any]:
            for _ in range(3):
                waits.append(Deferred())
                reactor.callLater(0, waits[-1].callback, None)
                yield waits[-1]

        await within(DeferredList([coiterate(waiting()) for _ in range(4)]))
        assert len(waits) == 12


async def test_a_task_that_is_cancelled_takes_its_work_with_it() -> None:
    async with AsyncioReactor() as reactor:
        seen: list[int] = []

        async def work() -> None:
            await coiterate(noting(seen, iter(int, 1)))

        task = asyncio.create_task(work())
        await until(lambda: len(seen) > 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        assert reactor.getDelayedCalls() == []


async def test_each_reactor_has_its_own(loop_factory: LoopFactory) -> None:
    async def inside() -> Any:
        async with AsyncioReactor() as reactor:
            task = cooperate(forever())
            cooperator = _defaults[reactor]
            task.stop()
            return cooperator

    def other_loop() -> Any:
        loop = loop_factory()
        try:
            return loop.run_until_complete(within(inside()))
        finally:
            loop.close()

    async with AsyncioReactor() as reactor:
        mine = cooperate(forever())
        other = await asyncio.get_running_loop().run_in_executor(None, other_loop)
        assert _defaults[reactor] is not other
        cooperate(forever()).stop()
        mine.stop()


def test_a_reactor_that_has_ended_is_not_kept_alive(loop_factory: LoopFactory) -> None:
    tasks: list[Any] = []

    async def use() -> Any:
        async with AsyncioReactor() as reactor:
            tasks.append(cooperate(forever()))
            return weakref.ref(reactor)

    loop = loop_factory()
    gone = loop.run_until_complete(within(use()))
    loop.close()
    gc.collect()
    assert gone() is None
    tasks[0].pause()
    with pytest.raises(RuntimeError, match="is gone"):
        tasks[0].resume()


def test_a_reactor_that_runs_again_works_again(default: Any) -> None:
    """What was left undone in the first run goes on, like the reactor's other calls."""
    steps: list[str] = []

    def run(name: str) -> Any:
        task: list[Any] = []

        def begin() -> None:
            task.append(cooperate(noting(steps, iter(lambda: name, None))))
            default.callLater(0.02, default.stop)

        default.callWhenRunning(begin)
        default.run(installSignalHandlers=False)
        return task[0]

    task = run("first")
    assert steps
    steps.clear()
    run("second")
    assert set(steps) == {"first", "second"}
    task.stop()


def test_a_loop_that_was_closed_under_the_reactor(
    default: Any, loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave_work() -> None:
        cooperate(forever())

    async def work() -> list[int]:
        seen: list[int] = []
        await coiterate(noting(seen, range(5)))
        return seen

    loop = loop_factory()
    loop.run_until_complete(within(leave_work()))
    loop.close()
    loop = loop_factory()

    async def work_and_leave() -> list[int]:
        async with default:
            return await work()

    assert loop.run_until_complete(within(work_and_leave())) == list(range(5))
    loop.close()
    assert "was closed before its reactor was left" in caplog.text


def test_before_the_reactor_runs(default: Any) -> None:
    seen: list[int] = []
    coiterate(noting(seen, range(3))).addBoth(lambda _: default.stop())
    default.run(installSignalHandlers=False)
    assert seen == [0, 1, 2]


def test_making_one_touches_no_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_default", None)
    monkeypatch.setattr(current, "_default_factory", None)
    Cooperator().stop()
    Cooperator(started=False).cooperate(forever())


async def test_one_of_your_own_uses_the_current_reactor() -> None:
    cooperator = Cooperator()
    async with AsyncioReactor():
        seen: list[int] = []
        await within(cooperator.coiterate(noting(seen, range(3))))
        assert seen == [0, 1, 2]
