"""Failure: what it holds, asks, raises and shows; that it leaves no cycle; that it travels."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from twisted_compat import failure as failure_module
from twisted_compat.failure import DefaultException, Failure, NoCurrentExceptionError, exc_info_of


class Boom(Exception):
    """Weakly referable, unlike a builtin exception."""


def explode(variable: object = "a variable") -> None:
    raise Boom("bang")


def caught(**options: Any) -> Failure:
    """A Failure made where it is made in practice; no variable of this frame keeps it."""
    try:
        explode()
    except Boom:
        return Failure(**options)
    raise AssertionError("unreachable")


def names(failure: Failure) -> list[str]:
    return [frame[0] for frame in failure.frames]


# --- holding ------------------------------------------------------------------------------------------------


def test_holds_the_exception_being_handled() -> None:
    failure = caught()
    assert failure.type is Boom
    assert type(failure.value) is Boom
    assert failure.tb is not None and failure.getTracebackObject() is failure.tb
    assert names(failure) == ["caught", "explode"]
    assert failure.frames[-1][1] == __file__
    assert failure.frames[-1][2] == explode.__code__.co_firstlineno + 1
    assert failure.stack == []
    assert failure.pickled == 0
    assert failure.parents[0] == f"{__name__}.Boom"
    assert failure.parents[1:] == ["builtins.Exception", "builtins.BaseException", "builtins.object"]


def test_nothing_to_hold() -> None:
    with pytest.raises(NoCurrentExceptionError, match="except block"):
        Failure()


def test_an_instance_that_was_never_raised() -> None:
    value = Boom("calm")
    failure = Failure(value)
    assert (failure.type, failure.value, failure.tb, failure.frames) == (Boom, value, None, [])
    assert failure.getTracebackObject() is None


def test_an_instance_brings_its_traceback() -> None:
    value = caught().value
    assert names(Failure(value)) == ["caught", "explode"]
    assert Failure.without_traceback(value).tb is None
    assert Failure.without_traceback(value).type is Boom


def test_explicit_type_and_traceback() -> None:
    tb = caught().tb
    failure = Failure(ValueError("x"), KeyError, tb)
    assert failure.type is KeyError and failure.tb is tb
    assert failure.check(LookupError) and not failure.check(ValueError)
    assert failure.getTraceback().endswith("builtins.KeyError: x\n")


def test_numbers_rise() -> None:
    assert Failure(Boom()).count < Failure.without_traceback(Boom()).count


def test_of_a_failure_is_the_same_failure() -> None:
    first = caught()
    second = Failure(first)
    assert second is not first
    assert vars(second) == vars(first)


def test_of_a_failure_that_was_raised_shows_the_way_it_came() -> None:
    first = caught()

    def again() -> None:
        raise first

    try:
        again()
    except Failure:
        second = Failure()
    assert second.value is first.value and second.type is Boom
    assert names(second) == [sys._getframe().f_code.co_name, "again", "caught", "explode"]
    second.cleanFailure()
    first.cleanFailure()


def test_anything_else_is_held_as_it_is() -> None:
    failure = Failure("a string, as old code does")
    assert failure.type.__name__ == "str"
    assert failure.getErrorMessage() == "a string, as old code does"
    with pytest.raises(DefaultException, match="old code"):
        failure.raiseException()


# --- asking -------------------------------------------------------------------------------------------------


def test_check() -> None:
    failure = Failure(ConnectionResetError())
    assert failure.check(KeyError, OSError, ConnectionError) is OSError
    assert failure.check(KeyError) is None
    assert failure.check() is None
    assert failure.check("builtins.KeyError", "builtins.OSError") == "builtins.OSError"
    assert Failure(KeyboardInterrupt()).check(KeyboardInterrupt) is KeyboardInterrupt


def test_check_recognises_a_class_by_its_name() -> None:
    reloaded = type("Boom", (Exception,), {"__module__": __name__})
    assert caught().check(reloaded) is reloaded
    other = caught()
    other.type = f"{__name__}.Boom"  # type: ignore[assignment]  # as a Failure from another process may have it
    assert other.check(Boom) is Boom
    assert other.check(KeyError) is None


def test_trap() -> None:
    failure = caught()
    assert failure.trap(KeyError, Boom) is Boom
    try:
        failure.trap(KeyError)
    except Boom:
        again = Failure()
    assert again.value is failure.value
    assert names(again)[-2:] == ["caught", "explode"]
    again.cleanFailure()


def test_error_message_survives_a_broken_str() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

        __repr__ = __str__

    failure = Failure(Mute())
    for text in (failure.getErrorMessage(), repr(failure), str(failure), failure.getTraceback()):
        assert "Mute" in text
    assert "its str() raised ValueError" in failure.getErrorMessage()


def test_frames_and_parents_may_be_set() -> None:
    failure = Failure(Boom("bang"))
    failure.frames = [["far_away", "there.py", 7, (), ()]]
    failure.parents = ["elsewhere.Error"]
    assert failure.frames == [("far_away", "there.py", 7, (), ())]
    assert failure.check("elsewhere.Error") and not failure.check("elsewhere.Other")
    assert failure.check(Boom) is Boom  # a class is asked of the class
    with pytest.raises(Boom) as raised:
        failure.raiseException()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "far_away"
    assert "there.py:7:far_away" in failure.getBriefTraceback()


# --- raising ------------------------------------------------------------------------------------------------


def test_raise_exception_keeps_the_traceback() -> None:
    failure = caught()
    for _ in range(3):  # and it does not grow
        with pytest.raises(Boom) as raised:
            failure.raiseException()
        assert raised.value is failure.value
        functions = [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)]
        assert functions[1:] == ["raiseException", "caught", "explode"]
    assert names(failure) == ["caught", "explode"]


def test_throw_into_a_generator() -> None:
    def listening() -> Generator[str, None, str]:
        try:
            yield "ready"
        except Boom as error:
            yield str(error)
        return "done"

    generator = listening()
    next(generator)
    assert caught().throwExceptionIntoGenerator(generator) == "bang"
    with pytest.raises(StopIteration):
        next(generator)


def test_throw_into_a_generator_that_does_not_care() -> None:
    def deaf() -> Iterator[None]:
        yield

    generator = deaf()
    next(generator)
    with pytest.raises(Boom) as raised:
        caught().throwExceptionIntoGenerator(generator)  # type: ignore[arg-type]
    functions = [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)]
    assert functions[-3:] == ["deaf", "caught", "explode"]


# --- letting go ---------------------------------------------------------------------------------------------


def _only_make() -> Failure:
    return caught()


def _raise_it() -> Failure:
    try:
        caught().raiseException()
    except Boom:
        return Failure()


def _trap_it() -> Failure:
    try:
        caught().trap(KeyError)
    except Boom:
        return Failure()
    raise AssertionError("unreachable")


def _throw_it() -> Failure:
    def deaf() -> Generator[None, None, None]:
        yield

    generator = deaf()
    next(generator)
    try:
        caught().throwExceptionIntoGenerator(generator)
    except Boom:
        return Failure()
    raise AssertionError("unreachable")


def _raise_failure() -> Failure:
    try:
        raise caught()
    except Failure:
        return Failure()


def _show_it() -> Failure:
    return _shown(caught())


def _shown(failure: Failure) -> Failure:
    for detail in ("default", "brief", "verbose"):
        failure.getTraceback(detail=detail)
    pickle.dumps(failure)
    return failure


MAKERS: list[Callable[[], Failure]] = [_only_make, _raise_it, _trap_it, _throw_it, _raise_failure, _show_it]


@pytest.mark.parametrize("make", MAKERS)
def test_no_cycles(no_collector: None, make: Callable[[], Failure]) -> None:
    failure = make()
    watched: list[weakref.ref[Any]] = [weakref.ref(failure), weakref.ref(failure.value)]
    del failure
    assert [reference() for reference in watched] == [None, None]


def test_clean_failure_lets_go_of_the_frames(no_collector: None) -> None:
    class Heavy:
        pass

    def hold() -> tuple[Failure, weakref.ref[Heavy]]:
        heavy = Heavy()
        try:
            try:
                explode(heavy)
            except Boom:
                raise KeyError("second")  # noqa: B904  its context holds frames too
        except KeyError:
            failure = Failure()  # in a variable of a frame of its own traceback: a cycle until it is cleaned
        return failure, weakref.ref(heavy)

    failure, heavy = hold()
    before = failure.getTraceback()
    assert heavy() is not None
    failure.cleanFailure()
    assert heavy() is None
    assert failure.tb is None and failure.value.__traceback__ is None and failure.pickled == 1
    assert names(failure) == ["hold"]
    after = failure.getTraceback()
    assert after == "".join(
        line for line in before.splitlines(True) if not line.strip() or line.strip(" ^~\n")
    )
    watched = weakref.ref(failure)
    del failure
    assert watched() is None


def test_clean_failure_of_groups_and_loops_of_causes() -> None:
    inner, outer = caught().value, caught().value
    inner.__context__, outer.__context__ = outer, inner
    outer.exceptions = [inner]  # type: ignore[attr-defined]  # as an ExceptionGroup has
    failure = Failure(outer)
    failure.cleanFailure()
    assert outer.__traceback__ is None
    inner.__context__ = outer.__context__ = None
    assert [entry.name for entry in traceback.extract_tb(inner.__traceback__)] == ["caught", "explode"]


def test_a_cleaned_failure_still_raises_with_names_and_lines() -> None:
    failure = caught()
    known = failure.frames
    failure.cleanFailure()
    with pytest.raises(Boom) as raised:
        failure.raiseException()
    entries = traceback.extract_tb(raised.value.__traceback__)[-2:]
    assert [(e.name, e.filename, e.lineno) for e in entries] == [frame[:3] for frame in known]


def test_clean_failure_without_anything_to_clean() -> None:
    failure = Failure(Boom())
    failure.cleanFailure()
    assert failure.frames == [] and failure.tb is None
    Failure("text").cleanFailure()


# --- travelling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "travel", [copy.copy, lambda f: pickle.loads(pickle.dumps(f))], ids=["copy", "pickle"]
)
def test_travels_with_its_frames_as_text(travel: Callable[[Failure], Failure]) -> None:
    before = caught()
    before.note = "mine"  # type: ignore[attr-defined]
    after = travel(before)
    assert after.type is Boom and str(after.value) == "bang"
    assert after.tb is None and after.pickled == 1 and before.pickled == 0
    assert after.frames == before.frames and after.parents == before.parents and after.count == before.count
    assert after.getBriefTraceback() == before.getBriefTraceback()
    assert after.check(Boom) is Boom
    assert after.note == "mine"  # type: ignore[attr-defined]
    assert isinstance(after.getTraceback(), str)
    assert travel(after).frames == before.frames
    assert before.tb is not None


def test_captured_variables_travel_as_text() -> None:
    after = pickle.loads(pickle.dumps(caught(captureVars=True)))
    assert dict(after.frames[-1][3])["variable"] == "'a variable'"
    assert "variable = 'a variable'\n" in after.getTraceback(detail="verbose")


def test_in_another_process() -> None:
    script = (
        "import pickle, sys\nfrom twisted_compat.failure import Failure\n"
        "def far_away(): return {}['key']\n"
        "try: far_away()\nexcept KeyError: sys.stdout.buffer.write(pickle.dumps(Failure()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
    failure = pickle.loads(done.stdout)
    with pytest.raises(KeyError) as raised:
        failure.raiseException()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "far_away"


# --- showing ------------------------------------------------------------------------------------------------


def test_as_logging_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    failure = caught()
    assert exc_info_of(failure) == (failure.type, failure.value, failure.tb)
    failure.cleanFailure()
    logging.getLogger(__name__).error("it failed", exc_info=exc_info_of(failure))
    assert "in explode" in caplog.text and "Boom" in caplog.text


def test_default_text_is_pythons() -> None:
    failure = caught()
    assert failure.getTraceback() == "".join(traceback.format_exception(failure.value))


def test_default_text_shows_causes() -> None:
    try:
        try:
            explode()
        except Boom as error:
            raise KeyError("second") from error
    except KeyError:
        text = Failure().getTraceback()
    assert "direct cause" in text and "Boom: bang" in text and text.endswith("KeyError: 'second'\n")


def test_text_without_frames() -> None:
    failure = Failure(ValueError("calm"))
    assert failure.getTraceback() == "Traceback (most recent call last):\nValueError: calm\n"
    assert failure.getBriefTraceback() == ("Traceback (failure with no frames): <class 'ValueError'>: calm\n")
    assert repr(failure) == "<twisted_compat.failure.Failure builtins.ValueError: calm>"


def test_brief_text() -> None:
    failure = caught()
    lines = [f"{filename}:{line}:{name}\n" for name, filename, line, _, _ in failure.frames]
    assert failure.getBriefTraceback() == "".join([f"Traceback: {Boom}: bang\n", *lines])
    assert str(failure) == f"[Failure instance: {failure.getBriefTraceback()}]"


def test_verbose_text() -> None:
    text = caught(captureVars=True).getTraceback(detail="verbose")
    assert "in explode\n  Locals:\n    variable = 'a variable'\n  Globals:\n" in text
    assert "__builtins__" not in text
    assert "captureVars=True" in caught().getTraceback(detail="verbose")


def test_verbose_text_at_module_level_has_no_globals_twice() -> None:
    scope: dict[str, Any] = {"Failure": Failure}
    exec("try: 1 / 0\nexcept ZeroDivisionError: failure = Failure(captureVars=True)", scope)
    frame = scope.pop("failure").frames[0]
    assert dict(frame[3])["Failure"] is Failure and frame[4] == ()


def test_eliding_leaves_out_this_package() -> None:
    try:
        caught().raiseException()
    except Boom:
        failure = Failure()
    try:
        failure.trap(KeyError)
    except Boom as error:
        error.__context__ = KeyError("earlier")
        failure = Failure()
    for detail in ("default", "brief", "verbose"):
        assert failure_module.__file__ in failure.getTraceback(detail=detail)
        elided = failure.getTraceback(elideFrameworkCode=1, detail=detail)
        assert failure_module.__file__ not in elided and "explode" in elided
    failure.cleanFailure()


def test_unknown_detail() -> None:
    with pytest.raises(ValueError, match="'brief'"):
        caught().getTraceback(detail="much")


def test_printing(capsys: pytest.CaptureFixture[str]) -> None:
    failure = caught()
    for show, detail in (
        (failure.printTraceback, "default"),
        (failure.printBriefTraceback, "brief"),
        (failure.printDetailedTraceback, "verbose"),
    ):
        out = io.StringIO()
        show(file=out)
        assert out.getvalue() == failure.getTraceback(detail=detail)
    failure.printTraceback()
    assert capsys.readouterr().err == failure.getTraceback()


def test_debug_mode_opens_the_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("pdb.post_mortem", opened.append)
    monkeypatch.setattr(failure_module, "_debugging", False)
    failure_module.startDebugMode()
    assert opened == [caught().tb]
    Failure(Boom())
    monkeypatch.setattr(failure_module, "DO_POST_MORTEM", False)
    caught()
    assert len(opened) == 1
