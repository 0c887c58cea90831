"""Unhandled failures: logged once, with traceback, when nobody can handle them any more; else never."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.support import within
from twisted_compat.defer import (
    Deferred,
    DeferredList,
    ensureDeferred,
    fail,
    inlineCallbacks,
    setDebugging,
    succeed,
)
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

pytestmark = pytest.mark.without_debug


@contextmanager
def unhandled() -> Iterator[list[Any]]:
    """The exceptions that are logged as unhandled in the block, and by collecting garbage at its end."""
    found: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert "Unhandled error in Deferred" in record.getMessage()
            found.append(record.failure.value)  # type: ignore[attr-defined]

    logger, handler = logging.getLogger("twisted_compat.defer"), Handler()
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
        gc.collect()
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


def _boom(_: Any = None) -> None:
    raise KeyError("boom")


def _unhandled(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    gc.collect()
    return [record for record in caplog.records if "Unhandled error in Deferred" in record.getMessage()]


def test_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    succeed(None).addCallback(_boom)
    (record,) = _unhandled(caplog)
    assert (record.name, record.levelno) == ("twisted_compat.defer", logging.ERROR)
    assert "in _boom" in caplog.text
    assert caplog.text.count("KeyError: 'boom'") == 1


def test_also_without_a_traceback_to_show(caplog: pytest.LogCaptureFixture) -> None:
    fail(KeyError("never raised"))
    assert len(_unhandled(caplog)) == 1
    assert "KeyError: 'never raised'" in caplog.text


def test_not_while_the_deferred_lives_or_once_handled(caplog: pytest.LogCaptureFixture) -> None:
    deferred = fail(KeyError())
    assert _unhandled(caplog) == []
    deferred.addErrback(lambda _: None)
    del deferred
    assert _unhandled(caplog) == []


def test_an_errback_that_fails_is_unhandled_again(caplog: pytest.LogCaptureFixture) -> None:
    fail(ValueError()).addErrback(_boom)
    (record,) = _unhandled(caplog)
    assert record.exc_info and record.exc_info[0] is KeyError


def test_a_row_of_deferreds_logs_once(caplog: pytest.LogCaptureFixture) -> None:
    end: Deferred[Any] = Deferred()
    row = end
    for _ in range(5):
        row = succeed(None).addCallback(lambda _, d=row: d)
    end.errback(KeyError())
    del row, end
    assert len(_unhandled(caplog)) == 1


def test_one_in_a_reference_cycle(caplog: pytest.LogCaptureFixture) -> None:
    deferred: Any = Deferred()
    deferred.itself = deferred
    deferred.errback(KeyError())
    del deferred
    assert len(_unhandled(caplog)) == 1


def test_debug_mode_adds_where_it_was_made_and_fired(caplog: pytest.LogCaptureFixture) -> None:
    setDebugging(True)
    try:
        fail(KeyError())
    finally:
        setDebugging(False)
    (record,) = _unhandled(caplog)
    assert "C: Deferred was created" in record.getMessage()
    assert "I: First Invoker was" in record.getMessage()


# Paused ones.


def _paused_then_failed(error: Exception) -> Deferred[Any]:
    deferred: Deferred[Any] = Deferred()
    deferred.pause()
    deferred.addCallback(str)
    deferred.errback(error)
    return deferred


def _paused_then_called_with_a_failure(error: Exception) -> Deferred[Any]:
    deferred: Deferred[Any] = Deferred()
    deferred.pause()
    deferred.addCallback(str)
    deferred.callback(Failure(error))
    return deferred


def _paused_while_it_waited(error: Exception) -> Deferred[Any]:
    inner: Deferred[Any] = Deferred()
    outer = succeed(0).addCallback(lambda _: inner)
    outer.pause()
    inner.errback(error)
    return outer


FAILING: list[Callable[[Exception], Deferred[Any]]] = [
    _paused_then_failed,
    _paused_then_called_with_a_failure,
    _paused_while_it_waited,
]


@pytest.mark.parametrize("make", FAILING)
def test_a_failure_held_back_by_a_pause_is_logged_if_the_pause_never_ends(make: Any) -> None:
    error = KeyError("held back")
    with unhandled() as found:
        make(error)
    assert found == [error]


@pytest.mark.parametrize("make", FAILING)
def test_and_not_if_it_is_handled_afterwards(make: Any) -> None:
    with unhandled() as found:
        deferred = make(KeyError())
        deferred.addErrback(lambda _: None)
        deferred.unpause()
        assert deferred.result is None
        del deferred
    assert found == []


def test_pausing_and_unpausing_a_handled_failure_does_not_make_it_unhandled() -> None:
    async def awaits(deferred: Deferred[Any]) -> None:
        await deferred

    with unhandled() as found:
        deferred = fail(KeyError())
        with pytest.raises(KeyError):
            awaits(deferred).send(None)
        deferred.pause()
        deferred.unpause()
        del deferred
    assert found == []


def test_recovering_and_failing_again_logs_the_last_failure_alone() -> None:
    with unhandled() as found:
        fail(KeyError()).addErrback(lambda _: None).addCallback(int)
    assert [type(error) for error in found] == [TypeError]


# Awaited, yielded and combined ones count as handled.


async def _awaits(deferred: Deferred[Any]) -> None:
    with suppress(KeyError):
        await deferred


@inlineCallbacks
def _yields(deferred: Deferred[Any]) -> Any:
    with suppress(KeyError):
        yield deferred


@pytest.mark.parametrize("fired_before", [True, False])
@pytest.mark.parametrize("through_another", [True, False])
@pytest.mark.parametrize("wait", [_yields, lambda d: ensureDeferred(_awaits(d)), asyncio.ensure_future])
async def test_not_if_it_reached_somebody_who_waited(
    fired_before: bool, through_another: bool, wait: Callable[[Any], Any]
) -> None:
    with unhandled() as found:
        failing: Deferred[Any] = Deferred()
        if fired_before:
            failing.errback(KeyError())
        deferred = succeed(0).addCallback(lambda _, d=failing: d) if through_another else failing
        waiting = wait(_awaits(deferred) if wait is asyncio.ensure_future else deferred)
        await asyncio.sleep(0)
        if not fired_before:
            failing.errback(KeyError())
        await within(waiting)
        assert waiting.result is None or waiting.result() is None
        del failing, deferred, waiting
    assert found == []


async def test_once_if_whoever_waited_lets_it_pass() -> None:
    async def passes(deferred: Deferred[Any]) -> None:
        await deferred

    error = KeyError("passed on")
    with unhandled() as found:
        deferred: Deferred[Any] = Deferred()
        waiting = ensureDeferred(passes(deferred))
        deferred.errback(error)
        del deferred, waiting
        error.__traceback__ = None  # which this test itself keeps
    assert found == [error]


async def _cancelled_between_firing_and_waking(error: Exception) -> None:
    deferred: Deferred[Any] = Deferred()
    task = asyncio.ensure_future(_awaits(deferred))
    await asyncio.sleep(0)
    deferred.errback(error)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_result_that_a_cancelled_task_gave_back_is_logged_if_it_is_a_failure() -> None:
    error = KeyError("given back")
    with unhandled() as found:
        await _cancelled_between_firing_and_waking(error)
    assert found == [error]


def test_lists_handle_what_they_consume() -> None:
    with unhandled() as found:
        both = DeferredList([fail(KeyError()), fail(ValueError())], consumeErrors=True)
        assert [ok for ok, _ in both.result] == [False, False]
        del both
    assert found == []
    with unhandled() as found:
        DeferredList([fail(KeyError())])
    assert [type(error) for error in found] == [KeyError]


def test_log_failure_hands_the_failure_to_log_handlers(caplog: pytest.LogCaptureFixture) -> None:
    failure = Failure(KeyError("k"))
    log_failure("It failed", failure)
    (record,) = caplog.records
    assert record.failure is failure  # type: ignore[attr-defined]
    assert (record.getMessage(), record.levelno, record.name) == (
        "It failed",
        logging.ERROR,
        "twisted_compat.defer",
    )
