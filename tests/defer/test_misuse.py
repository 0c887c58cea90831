"""What is said to code that fires a Deferred twice, in the wrong thread, or has it wait for itself: what
happened, what to write instead, and at which line."""

from __future__ import annotations

import functools
import sys
import warnings
from types import TracebackType
from typing import Any

import pytest

from twisted_compat.defer import AlreadyCalledError, Deferred, inlineCallbacks, succeed
from twisted_compat.defer.driver import ReturnValue
from twisted_compat.defer.misuse import (
    already_called,
    resumed_too_early,
    warn_of_non_local_return,
    warn_of_waiting_for_itself,
    wrong_thread,
)
from twisted_compat.defer.record import Record


def test_fired_again_without_stacks_says_how_to_have_them() -> None:
    for record in (None, Record()):
        error = already_called(record)
        assert isinstance(error, AlreadyCalledError)
        assert error.args == ()
        assert "can be only once" in str(error) and "`defer.setDebugging(True)`" in str(error)


def test_fired_again_with_stacks_shows_them() -> None:
    record = Record()
    record.note_creation(skip=0)
    record.note_firing(skip=0)
    (text,) = already_called(record).args
    assert text.startswith("\n C: Deferred was created:\n C:")
    assert " I: First Invoker was:\n I:" in text
    assert text.count(f"in {sys._getframe().f_code.co_name}") == 2


def test_of_the_errors_each_says_what_to_write() -> None:
    deferred: Deferred[Any] = Deferred()
    assert "`reactor.callFromThread(deferred.callback, result)`" in str(wrong_thread())
    error = resumed_too_early(deferred)
    assert repr(deferred) in str(error) and "`ensureDeferred(coroutine)`" in str(error)
    assert isinstance(error, RuntimeError)


def _itself(deferred: Deferred[Any]) -> Deferred[Any]:
    return deferred


def test_waiting_for_itself_warns_at_the_function_that_returned_it() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"_itself.*Write `return result` in it, or nothing"
    ) as caught:
        warn_of_waiting_for_itself(_itself)
    code = _itself.__code__
    assert caught[0].filename == code.co_filename
    assert caught[0].lineno in (code.co_firstlineno, code.co_firstlineno + 1)


def test_and_filters_by_the_module_of_that_function_hold() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=__name__.replace(".", r"\."))
        warn_of_waiting_for_itself(_itself)
    assert caught == []


def test_callables_that_have_no_code_of_their_own() -> None:
    class Callable:
        def __call__(self, deferred: Deferred[Any]) -> Deferred[Any]:
            return deferred

    for function in (functools.partial(_itself), Callable()):
        deferred: Deferred[Any] = Deferred()
        deferred.addCallback(lambda _, f=function, d=deferred: f(d))
        with pytest.warns(DeprecationWarning, match="returned the Deferred it was attached to"):
            deferred.callback(None)
        with pytest.warns(DeprecationWarning, match="Callable|partial"):
            warn_of_waiting_for_itself(function)


def _raises(depth: int) -> None:
    if depth:
        _raises(depth - 1)
    raise ReturnValue("value")


def _traceback_of(depth: int) -> TracebackType | None:
    try:
        _raises(depth)
    except ReturnValue as end:
        assert end.__traceback__ is not None
        return end.__traceback__.tb_next  # less this function
    raise AssertionError


def test_a_local_return_value_warns_of_nothing() -> None:
    warn_of_non_local_return(_traceback_of(0))
    warn_of_non_local_return(None)


def test_a_non_local_one_names_both_functions_and_the_line() -> None:
    with pytest.warns(DeprecationWarning, match=r"called in '_raises'.*so ended '_raises'") as caught:
        warn_of_non_local_return(_traceback_of(2))
    assert caught[0].filename == __file__
    assert caught[0].lineno == _raises.__code__.co_firstlineno + 3


def test_functions_that_end_by_themselves_are_not_taken_for_others() -> None:
    @inlineCallbacks
    def inner() -> Any:
        yield
        raise ReturnValue("inner")

    @inlineCallbacks
    def outer() -> Any:
        got = yield inner()
        try:
            yield succeed(None).addCallback(lambda _: 1 / 0)
        except ZeroDivisionError:
            raise ReturnValue((got, "outer")) from None

    assert outer().result == ("inner", "outer")  # and no warning, which would be an error here
