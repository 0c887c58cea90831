"""The thread pool: as many threads as there is work for, and their end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import DEADLINE, eventually
from twisted_compat.adapter.thread_pool import ThreadPool
from twisted_compat.failure import Failure

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(0, 3, "test")
    pool.start()
    yield pool
    pool.stop()


def test_work_is_done_in_threads(pool: ThreadPool) -> None:
    results: list[Any] = []
    pool.callInThread(lambda *args, **kw: results.append((args, kw, threading.current_thread())), 1, two=2)
    eventually(lambda: results)
    ((args, kw, thread),) = results
    assert (args, kw) == ((1,), {"two": 2})
    assert thread is not threading.main_thread() and thread in pool.threads
    assert thread.name == "PoolThread-test-1"


def test_threads_are_made_as_they_are_needed_up_to_the_maximum(
    pool: ThreadPool, gate: threading.Event
) -> None:
    assert pool.workers == 0
    for number in range(1, 6):
        pool.callInThread(gate.wait)
        eventually(lambda number=number: len(pool.working) == min(number, 3))  # type: ignore[misc]
    assert (pool.workers, len(pool.waiters), pool.q.qsize(), pool.q.empty()) == (3, 0, 2, False)
    gate.set()
    eventually(lambda: len(pool.waiters) == 3)
    assert pool.q.empty()


def test_an_idle_thread_is_used_again(pool: ThreadPool) -> None:
    seen: list[int] = []
    for number in range(20):
        pool.callInThread(lambda: seen.append(threading.get_ident()))
        eventually(lambda number=number: len(seen) > number and not pool.working)  # type: ignore[misc]
    assert len(set(seen)) == 1


def test_start_makes_the_minimum() -> None:
    pool = ThreadPool(2, 4)
    assert (pool.workers, pool.started, pool.joined) == (0, False, False)
    pool.start()
    assert (pool.workers, pool.started) == (2, True)
    pool.stop()
    assert (pool.workers, pool.started, pool.joined) == (0, False, True)


def test_work_from_before_start_waits_for_it() -> None:
    pool = ThreadPool(0, 2)
    results: list[int] = []
    for number in range(10):
        pool.callInThread(results.append, number)
    assert pool.q.qsize() == 10
    pool.start()
    pool.stop()
    assert sorted(results) == list(range(10))


def test_stop_waits_for_all_accepted_work() -> None:
    pool = ThreadPool(0, 2)
    pool.start()
    results: list[int] = []
    for number in range(200):
        pool.callInThread(results.append, number)
    threads = list(pool.threads)
    pool.stop()
    assert sorted(results) == list(range(200))
    assert not any(thread.is_alive() for thread in threads)


def test_a_stopped_pool_drops_work_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    pool = ThreadPool(0, 1)
    pool.start()
    pool.stop()
    pool.callInThread(pytest.fail)
    assert "is stopped" in caplog.text


def test_a_pool_that_never_started_says_what_it_did_not_do(caplog: pytest.LogCaptureFixture) -> None:
    pool = ThreadPool(0, 1)
    pool.callInThread(pytest.fail)
    pool.stop()
    assert "1 calls are not made" in caplog.text


def test_a_stopped_pool_can_start_again(pool: ThreadPool) -> None:
    results: list[int] = []
    pool.stop()
    pool.start()
    pool.callInThread(results.append, 1)
    eventually(lambda: results)


def test_a_worker_may_stop_its_own_pool() -> None:
    pool = ThreadPool(1, 2)
    pool.start()
    pool.callInThread(pool.stop)
    eventually(lambda: pool.joined and pool.workers == 0)


def test_a_smaller_maximum_is_honoured_even_with_work_waiting(pool: ThreadPool) -> None:
    most = 0
    now = 0
    lock = threading.Lock()
    gates = [threading.Event() for _ in range(12)]

    def work(gate: threading.Event) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(DEADLINE)
        with lock:
            now -= 1

    for gate in gates:
        pool.callInThread(work, gate)
    eventually(lambda: now == 3)
    pool.adjustPoolsize(maxthreads=1)
    for gate in gates[:3]:
        gate.set()
    eventually(lambda: pool.workers == 1 and pool.q.qsize() == 8)
    most = 0
    for gate in gates[3:]:
        gate.set()
    eventually(lambda: pool.q.empty() and not pool.working)
    assert most <= 1


def test_a_larger_maximum_starts_threads_for_waiting_work(pool: ThreadPool, gate: threading.Event) -> None:
    pool.adjustPoolsize(0, 0)
    for _ in range(4):
        pool.callInThread(gate.wait)
    assert (pool.workers, pool.q.qsize()) == (0, 4)
    pool.adjustPoolsize(maxthreads=4)
    eventually(lambda: len(pool.working) == 4)


def test_a_larger_minimum_starts_threads(pool: ThreadPool) -> None:
    pool.adjustPoolsize(minthreads=2)
    assert pool.workers == 2


def test_idle_threads_beyond_the_maximum_end(pool: ThreadPool) -> None:
    pool.adjustPoolsize(3, 3)
    pool.adjustPoolsize(0, 1)
    eventually(lambda: pool.workers == 1)


@pytest.mark.parametrize(("least", "most"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_sizes(pool: ThreadPool, least: int, most: int) -> None:
    with pytest.raises(ValueError, match="0 <= minthreads <= maxthreads"):
        ThreadPool(least, most)
    with pytest.raises(ValueError, match="0 <= minthreads <= maxthreads"):
        pool.adjustPoolsize(least, most)
    assert (pool.min, pool.max) == (0, 3)


def test_single_workers_can_be_started_and_stopped(pool: ThreadPool) -> None:
    for _ in range(5):
        pool.startAWorker()
    assert pool.workers == 3
    pool.stopAWorker()
    eventually(lambda: pool.workers == 2)
    for _ in range(5):
        pool.stopAWorker()
    eventually(lambda: pool.workers == 0)
    results: list[int] = []
    pool.callInThread(results.append, 1)
    eventually(lambda: results)


def test_a_pool_that_is_not_started_gets_no_worker() -> None:
    pool = ThreadPool(0, 3)
    pool.startAWorker()
    assert pool.workers == 0


def test_on_result(pool: ThreadPool) -> None:
    results: list[Any] = []
    where: list[Any] = []

    def on_result(*result: Any) -> None:
        where.append(threading.current_thread())
        results.append(result)

    pool.callInThreadWithCallback(on_result, lambda: "fine")
    eventually(lambda: len(results) == 1)
    pool.callInThreadWithCallback(on_result, lambda: 1 / 0)
    eventually(lambda: len(results) == 2)
    assert results[0] == (True, "fine")
    succeeded, failure = results[1]
    assert succeeded is False and isinstance(failure, Failure) and failure.check(ZeroDivisionError)
    assert "1 / 0" in failure.getTraceback()
    assert threading.main_thread() not in where


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_exceptions_are_logged_once_and_the_worker_lives_on(
    pool: ThreadPool, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    def fail(*args: Any) -> None:
        raise kind("on purpose")

    pool.callInThread(fail)
    eventually(lambda: len(caplog.records) == 1 and not pool.working)
    pool.callInThreadWithCallback(fail, lambda: None)
    eventually(lambda: len(caplog.records) == 2 and not pool.working)
    assert all(record.exc_info and record.exc_info[0] is kind for record in caplog.records)
    assert pool.workers == 1


def test_the_context_is_the_caller_s(pool: ThreadPool) -> None:
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("caller's")
    results: list[Any] = []
    pool.callInThreadWithCallback(
        lambda _, value: results.append((value, variable.get())), lambda: variable.get()
    )
    eventually(lambda: results)
    assert results == [("caller's", "caller's")]


def test_what_is_not_callable_is_refused_in_the_caller(pool: ThreadPool) -> None:
    with pytest.raises(TypeError, match="the function itself, not its result"):
        pool.callInThread(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("raises", [False, True])
def test_arguments_and_results_are_let_go_of(pool: ThreadPool, raises: bool) -> None:
    class Thing:
        pass

    def work(thing: Thing) -> Thing:
        if raises:
            raise ValueError
        return thing

    thing = Thing()
    gone = weakref.ref(thing)
    gc.disable()
    try:
        pool.callInThreadWithCallback(lambda *result: None, work, thing)
        del thing
        eventually(lambda: gone() is None)
    finally:
        gc.enable()


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    pool = ThreadPool(0, 2)
    pool.start()
    gate = threading.Event()

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            pool.callInThread(print)
    assert pool.q.empty()
    pool.callInThread(gate.wait)
    results: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        pool.callInThread(results.append, 1)
    assert "No more threads" in caplog.text
    gate.set()
    pool.stop()
    assert results == [1]


def test_dump_stats(pool: ThreadPool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        pool.startAWorker()
        pool.dumpStats()
    assert "waiters: [None]" in caplog.text and "PoolThread-test-1" in caplog.text


def test_pickling_keeps_the_size() -> None:
    copy = pickle.loads(pickle.dumps(ThreadPool(3, 7, "name")))
    assert (copy.min, copy.max, copy.name, copy.workers) == (3, 7, "name", 0)


def test_a_forgotten_pool_neither_keeps_the_program_nor_loses_its_work() -> None:
    program = (
        "import os, time\n"
        "from twisted_compat.adapter.thread_pool import ThreadPool\n"
        "pool = ThreadPool(2, 2)\n"
        "pool.start()\n"
        "for n in range(6): pool.callInThread(lambda n=n: (time.sleep(0.01), os.write(1, b'%d ' % n)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(done.stdout.split()) == list("012345")
