"""Frames as plain values, texts of them, and tracebacks made from them again."""

from __future__ import annotations

import pickle
import sys
import traceback
from types import TracebackType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat._frames import (
    Frame,
    describe_frame,
    entries,
    format_frames,
    safely,
    stand_in_traceback,
    variables_as_text,
)


def explode(variable: object = "a variable") -> None:
    raise ValueError("bang")


def caught() -> TracebackType:
    try:
        explode()
    except ValueError as error:
        assert error.__traceback__ is not None
        return error.__traceback__
    raise AssertionError("unreachable")


def text(frames: list[Frame], detail: str = "default") -> str:
    pieces: list[str] = []
    format_frames(frames, pieces.append, detail)
    return "".join(pieces)


# Describing.


def test_entries_from_the_outermost_to_the_innermost() -> None:
    assert [entry.tb_frame.f_code.co_name for entry in entries(caught())] == ["caught", "explode"]
    assert list(entries(None)) == []


def test_a_frame_as_values() -> None:
    *_, last = entries(caught())
    line = explode.__code__.co_firstlineno + 1
    assert describe_frame(last, False) == ("explode", __file__, line, (), ())
    name, _, _, local, global_ = describe_frame(last, True)
    assert (name, list(local)) == ("explode", [("variable", "a variable")])
    assert dict(global_)["explode"] is explode
    assert "__builtins__" not in dict(global_)


def test_the_frame_of_a_module_has_its_variables_once() -> None:
    scope: dict[str, Any] = {"here": 1}
    with pytest.raises(ZeroDivisionError) as raised:
        exec("1 / 0", scope)
    *_, last = entries(raised.value.__traceback__)
    assert describe_frame(last, True) == ("<module>", "<string>", 1, [("here", 1)], ())


# Standing in.


def test_a_stand_in_has_names_files_and_lines() -> None:
    frames = [describe_frame(entry, True) for entry in entries(caught())]
    stand_in = stand_in_traceback(frames)
    shown = [(entry.name, entry.filename, entry.lineno) for entry in traceback.extract_tb(stand_in)]
    assert shown == [frame[:3] for frame in frames]
    assert "raise ValueError" in "".join(traceback.format_tb(stand_in))
    assert stand_in_traceback([]) is None


def test_its_frames_refer_to_no_caller_and_no_variable() -> None:
    stand_in = stand_in_traceback([describe_frame(entry, True) for entry in entries(caught())])
    for entry in entries(stand_in):
        assert entry.tb_frame.f_back is None
        assert entry.tb_frame.f_locals == {} and entry.tb_frame.f_globals == {}


def test_it_can_be_raised_with() -> None:
    stand_in = stand_in_traceback([("far_away", "not a file.py", 12, (), ())])
    with pytest.raises(KeyError) as raised:
        raise KeyError("k").with_traceback(stand_in)
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "far_away"
    assert 'File "not a file.py", line 12, in far_away' in "".join(traceback.format_tb(stand_in))


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
FRAMES = st.lists(
    st.tuples(
        NAMES,
        NAMES,
        st.integers(1, 2**31 - 1),
        st.just(()),
        st.just(()),
    ),
    max_size=20,
)


@given(FRAMES)
def test_any_frames_stand_in_for_themselves(frames: list[Frame]) -> None:
    assert [describe_frame(entry, False) for entry in entries(stand_in_traceback(frames))] == frames


def test_thousands_of_frames() -> None:
    frames: list[Frame] = [("name", "file.py", line, (), ()) for line in range(1, 5_001)]
    stand_in = stand_in_traceback(frames)
    assert sum(1 for _ in entries(stand_in)) == 5_000


# Texts.


def test_default_text_is_pythons() -> None:
    tb = caught()
    frames = [describe_frame(entry, False) for entry in entries(tb)]
    if sys.version_info < (3, 11):  # later ones point at the place in the line
        assert text(frames) == "".join(traceback.format_tb(tb))
    lines = [line for line in "".join(traceback.format_tb(tb)).splitlines(True) if line.strip(" ^~\n")]
    assert text(frames) == "".join(lines)


def test_a_line_that_cannot_be_found_is_left_out() -> None:
    assert text([("f", "not a file.py", 1, (), ())]) == '  File "not a file.py", line 1, in f\n'


def test_brief_text() -> None:
    frames: list[Frame] = [("f", "one.py", 1, (), ()), ("g", "two.py", 2, (), ())]
    assert text(frames, "brief") == "one.py:1:f\ntwo.py:2:g\n"
    assert text([], "brief") == ""


def test_verbose_text() -> None:
    frame: Frame = ("f", "one.py", 1, [("a", 1)], [("b", "two")])
    assert text([frame], "verbose") == ("one.py:1: in f\n  Locals:\n    a = 1\n  Globals:\n    b = 'two'\n")
    without = text([frame], "verbose-vars-not-captured")
    assert "captureVars=True" in without and without.endswith("one.py:1: in f\n")


def test_another_detail_is_an_error_before_anything_is_written() -> None:
    written: list[str] = []
    with pytest.raises(ValueError, match="Write 'default', 'brief' or 'verbose'"):
        format_frames([("f", "one.py", 1, (), ())], written.append, "much")
    assert written == []


# Variables and broken texts.


class Mute:
    """Its own method for its text is broken."""

    def __repr__(self) -> str:
        raise LookupError("no words")


def test_variables_become_texts_that_are_shown_as_they_are_also_after_pickling() -> None:
    variables = variables_as_text([("a", "text"), ("b", 1), ("c", Mute())])
    for kept in (variables, variables_as_text(variables), pickle.loads(pickle.dumps(variables))):
        assert dict(kept)["a"] == "'text'" and dict(kept)["b"] == "1"
        shown = text([("f", "one.py", 1, kept, ())], "verbose")
        assert "    a = 'text'\n    b = 1\n" in shown
        assert "Mute at 0x" in shown and "its repr() raised LookupError" in shown


def test_safely() -> None:
    assert safely(repr, "a") == "'a'"
    assert safely(str, 1) == "1"
    assert safely(repr, Mute()).startswith(f"<{__name__}.Mute at 0x")

    class Stubborn:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        safely(repr, Stubborn())
