"""Unhandled failures: logged once, with traceback, when nobody can handle them any more; else never."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from twisted_compat.defer import Deferred, fail, setDebugging, succeed


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


def test_success_makes_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        inner: Deferred[Any] = Deferred()
        outer = succeed(1).addCallback(lambda _, d=inner: d).addBoth(str)
        inner.callback(2)
        del inner, outer
        assert gc.collect() == 0
    finally:
        gc.enable()
