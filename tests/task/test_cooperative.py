"""A task of a cooperator: pausing, stopping, ending, and who hears of it. Turns are made by hand, one step
each."""

from __future__ import annotations

import contextvars
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from twisted_compat import task as package
from twisted_compat.defer import CancelledError, Deferred, fail, succeed
from twisted_compat.failure import Failure
from twisted_compat.task import (
    Clock,
    CooperativeTask,
    Cooperator,
    NotPaused,
    SchedulerError,
    SchedulerStopped,
    TaskDone,
    TaskFailed,
    TaskFinished,
    TaskStopped,
)


class Work:
    """An iterator that counts; or does, once, what ``next`` says."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.next: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if isinstance(self.next, BaseException):
            raise self.next
        if callable(self.next):
            return self.next()
        self.done.append(len(self.done))
        value, self.next = self.next, None
        return value


class Bench:
    """A cooperator that makes one step a turn, and its work."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cooperator = Cooperator(lambda: lambda: True, lambda tick: self.clock.callLater(1, tick))
        self.work = Work()
        self.task: CooperativeTask[Any] = self.cooperator.cooperate(self.work)

    def turn(self) -> list[int]:
        self.clock.advance(1)
        return self.work.done

    def ended_with(self) -> list[Any]:
        return results_of(self.task.whenDone())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def results_of(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


def test_the_errors_and_their_bases() -> None:
    assert issubclass(SchedulerError, Exception)
    for base, errors in {
        SchedulerError: (SchedulerStopped, TaskFinished, NotPaused),
        TaskFinished: (TaskDone, TaskStopped, TaskFailed),
    }.items():
        assert all(error.__bases__ == (base,) for error in errors)


def test_the_errors_explain_themselves() -> None:
    assert "Call its start()" in str(SchedulerStopped())
    assert "Call resume() once for each pause()" in str(NotPaused())
    for error in (TaskDone, TaskStopped, TaskFailed, TaskFinished):
        assert "Use task.whenDone()" in str(error())
    assert str(TaskDone("said otherwise")) == "said otherwise"


def test_steps(bench: Bench) -> None:
    assert bench.work.done == []
    assert bench.turn() == [0]
    assert bench.turn() == [0, 1]


def test_the_end_is_told_to_everybody(bench: Bench) -> None:
    first, second = bench.task.whenDone(), bench.task.whenDone()
    assert first is not second
    results = [results_of(first.addCallback(lambda _: "changed")), results_of(second)]
    bench.work.next = StopIteration()
    bench.turn()
    assert results == [["changed"], [bench.work]]
    assert bench.ended_with() == [bench.work]
    assert bench.clock.calls == []


def test_a_failure_is_told_to_everybody(bench: Bench) -> None:
    results = [bench.ended_with(), bench.ended_with()]
    bench.work.next = LookupError("of mine")
    bench.turn()
    for told in [*results, bench.ended_with()]:
        assert isinstance(told[0], Failure) and told[0].value is bench.work.next


def test_stopping_is_told(bench: Bench) -> None:
    results = bench.ended_with()
    bench.task.stop()
    assert results[0].check(TaskStopped) and bench.ended_with()[0].check(TaskStopped)
    assert bench.turn() == [] and bench.clock.calls == []


@pytest.mark.parametrize(
    ("how", "expected"),
    [(StopIteration(), TaskDone), (LookupError(), TaskFailed), (None, TaskStopped)],
    ids=["done", "failed", "stopped"],
)
def test_what_has_ended_can_not_be_paused_or_stopped(bench: Bench, how: Any, expected: Any) -> None:
    if how is None:
        bench.task.stop()
    else:
        bench.work.next = how
        bench.turn()
    bench.ended_with()
    for method in (bench.task.stop, bench.task.pause):
        with pytest.raises(expected) as caught:
            method()
        with pytest.raises(expected) as again:
            method()
        assert caught.value is not again.value  # or its traceback would grow
    with pytest.raises(NotPaused):
        bench.task.resume()


def test_what_the_cooperator_ended_says_so(bench: Bench) -> None:
    bench.cooperator.stop()
    with pytest.raises(SchedulerStopped):
        bench.task.stop()


# Pausing


def test_pauses_are_counted(bench: Bench) -> None:
    bench.turn()
    bench.task.pause()
    bench.task.pause()
    assert bench.turn() == [0] and bench.clock.calls == []
    bench.task.resume()
    assert bench.turn() == [0] and bench.clock.calls == []
    bench.task.resume()
    assert bench.work.done == [0]
    assert bench.turn() == [0, 1]
    with pytest.raises(NotPaused):
        bench.task.resume()


def test_stopping_a_paused_task(bench: Bench) -> None:
    bench.task.pause()
    results = bench.ended_with()
    bench.task.stop()
    assert results[0].check(TaskStopped)
    bench.task.resume()
    assert bench.turn() == [] and bench.clock.calls == []


def test_a_task_that_pauses_itself(bench: Bench) -> None:
    bench.work.next = bench.task.pause
    bench.turn()
    bench.work.next = None
    assert bench.turn() == []
    bench.task.resume()
    assert bench.turn() == [0]


def test_a_task_that_pauses_and_resumes_itself(bench: Bench) -> None:
    def once() -> None:
        bench.work.next = None
        bench.task.pause()
        bench.task.resume()

    bench.work.next = once
    bench.turn()
    assert bench.turn() == [0]


# Waiting for a Deferred


def test_a_deferred_is_waited_for(bench: Bench) -> None:
    deferred: Deferred[str] = Deferred()
    bench.work.next = deferred
    bench.turn()
    assert bench.turn() == [0] and bench.clock.calls == []
    results = results_of(deferred)
    deferred.callback("result")
    assert results == [None]  # it was consumed
    assert bench.turn() == [0, 1]


def test_a_deferred_that_has_fired(bench: Bench) -> None:
    bench.work.next = succeed("result")
    bench.turn()
    assert bench.turn() == [0, 1]


def test_a_pause_while_it_waits_counts_too(bench: Bench) -> None:
    deferred: Deferred[None] = Deferred()
    bench.work.next = deferred
    bench.turn()
    bench.task.pause()
    bench.task.resume()
    assert bench.turn() == [0]
    bench.task.pause()
    deferred.callback(None)
    assert bench.turn() == [0]
    bench.task.resume()
    assert bench.turn() == [0, 1]


def test_a_deferred_that_fails_ends_it(bench: Bench) -> None:
    deferred: Deferred[None] = Deferred()
    results = bench.ended_with()
    bench.work.next = deferred
    bench.turn()
    deferred.errback(LookupError())
    assert results[0].check(LookupError)
    with pytest.raises(TaskFailed):
        bench.task.pause()


def test_a_deferred_that_has_failed_ends_it(bench: Bench) -> None:
    results = bench.ended_with()
    bench.work.next = fail(LookupError())
    bench.turn()
    assert results[0].check(LookupError) and bench.clock.calls == []


def test_stopping_leaves_the_deferred_to_itself(bench: Bench) -> None:
    deferred: Deferred[int] = Deferred()
    bench.work.next = deferred
    bench.turn()
    results = results_of(deferred)
    bench.task.stop()
    bench.ended_with()
    assert results == []
    deferred.callback(7)
    assert results == [None]
    assert bench.turn() == [0]


def test_a_failure_that_comes_after_stopping_is_not_lost(bench: Bench) -> None:
    deferred: Deferred[None] = Deferred()
    bench.work.next = deferred
    bench.turn()
    results = bench.ended_with()
    bench.task.stop()
    late = results_of(deferred)
    deferred.errback(LookupError())
    assert late[0].check(LookupError) and results[0].check(TaskStopped)


# Stopping itself


def test_a_task_that_stops_itself(bench: Bench) -> None:
    results = bench.ended_with()
    bench.work.next = bench.task.stop
    bench.turn()
    assert results[0].check(TaskStopped) and bench.clock.calls == []


def test_a_task_that_stops_itself_and_yields_a_deferred(bench: Bench) -> None:
    deferred: Deferred[str] = Deferred()

    def stop() -> Deferred[str]:
        bench.task.stop()
        return deferred

    bench.work.next = stop
    bench.turn()
    results = results_of(deferred)
    deferred.callback("result")
    assert results == ["result"]


@pytest.mark.parametrize("end", [StopIteration, LookupError])
def test_a_task_that_stops_itself_and_ends(bench: Bench, end: type[Exception]) -> None:
    results, others = bench.ended_with(), Work()
    bench.cooperator.cooperate(others)

    def stop() -> None:
        bench.task.stop()
        raise end

    bench.work.next = stop
    if end is StopIteration:
        bench.turn()
    else:
        with pytest.raises(LookupError):  # to whoever called: nobody else would hear of it
            bench.turn()
    assert results[0].check(TaskStopped)
    bench.turn()
    assert others.done == [0]


def test_a_callback_may_stop_the_cooperator(bench: Bench) -> None:
    results: list[Any] = []

    def stop(result: Any) -> None:
        bench.cooperator.stop()
        results.append(result)

    bench.task.whenDone().addCallback(stop)
    bench.work.next = StopIteration()
    bench.turn()
    assert results == [bench.work]


# Cancelling what coiterate returns


def test_cancelling_stops_the_task(bench: Bench) -> None:
    bench.task.stop()
    work = Work()
    deferred = bench.cooperator.coiterate(work)
    bench.turn()
    results = results_of(deferred)
    deferred.cancel()
    bench.turn()
    assert work.done == [0] and results[0].check(CancelledError) and bench.clock.calls == []


def waiting_on(bench: Bench, awaited: Deferred[Any]) -> tuple[Deferred[Any], list[Any], Work]:
    bench.task.stop()
    work = Work()
    deferred = bench.cooperator.coiterate(work)
    work.next = awaited
    bench.turn()
    return deferred, results_of(deferred), work


def test_cancelling_cancels_what_the_task_waits_for(bench: Bench) -> None:
    awaited: Deferred[None] = Deferred()
    deferred, results, _ = waiting_on(bench, awaited)
    deferred.cancel()
    assert awaited.called and results[0].check(CancelledError)


def test_cancelling_what_makes_something_else_of_it(bench: Bench) -> None:
    deferred, results, _ = waiting_on(bench, Deferred(lambda awaited: awaited.errback(LookupError())))
    deferred.cancel()
    assert results[0].check(LookupError)


def test_cancelling_what_succeeds_all_the_same(bench: Bench) -> None:
    deferred, results, work = waiting_on(bench, Deferred(lambda awaited: awaited.callback(None)))
    deferred.cancel()
    bench.turn()
    assert results[0].check(CancelledError) and work.done == [0]


def test_cancelling_what_takes_its_time_logs_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    for error, logged in ((CancelledError("late"), 0), (LookupError("late"), 1)):
        ends: Deferred[Any] = Deferred()
        ends.cancel = lambda: None  # type: ignore[method-assign]  # it has begun to clean up
        slow: Deferred[Any] = Deferred(lambda slow: slow.callback(None))
        slow.addCallback(lambda _, ends=ends: ends)
        deferred, results, work = waiting_on(Bench(), slow)
        deferred.cancel()
        assert results[0].check(CancelledError) and work.done == [0]
        ends.errback(error)
        del ends, slow, deferred, work
        gc.collect()
        assert len(caplog.records) == logged


def test_cancelling_one_of_several_listeners_only_leaves(bench: Bench) -> None:
    deferred = bench.task.whenDone()
    others = bench.ended_with()
    results = results_of(deferred)
    deferred.cancel()
    assert results[0].check(CancelledError)
    assert bench.turn() == [0]
    bench.work.next = StopIteration()
    bench.turn()
    assert others == [bench.work]


# The rest


def test_a_failure_nobody_listens_to_is_not_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """As in Twisted: who wants to know calls whenDone()."""
    bench.work.next = LookupError()
    bench.turn()
    with caplog.at_level(logging.ERROR):
        bench.task = bench.work.next = None  # type: ignore[assignment]
        gc.collect()
    assert not caplog.records


def test_all_steps_run_in_one_context_of_the_task_s_own(bench: Bench) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def work() -> Iterator[None]:
        token = variable.set("inside")
        yield
        seen.append(variable.get())
        variable.reset(token)
        yield
        seen.append(variable.get())

    bench.task.stop()
    variable.set("made here")
    bench.cooperator.cooperate(work())
    variable.set("elsewhere")
    for _ in range(3):
        bench.turn()
    assert seen == ["inside", "made here"] and variable.get() == "elsewhere"


def test_the_package_has_every_name() -> None:
    assert set(package.__all__) == {
        "Clock",
        "CooperativeTask",
        "Cooperator",
        "LoopingCall",
        "NotPaused",
        "SchedulerError",
        "SchedulerStopped",
        "TaskDone",
        "TaskFailed",
        "TaskFinished",
        "TaskStopped",
        "coiterate",
        "cooperate",
        "deferLater",
        "react",
    }
    assert all(hasattr(package, name) for name in package.__all__)
