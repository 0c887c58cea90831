"""Frames as plain values, and tracebacks made from them again.

What :mod:`twisted_compat.failure` needs to show where an exception happened, also when the traceback is gone:
name, file, line and variables of each frame; texts of them; stand-in tracebacks.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Generator, Sequence
from types import FunctionType, TracebackType
from typing import Any, TypeAlias

__all__ = [
    "Frame",
    "Variables",
    "describe_frame",
    "entries",
    "format_frames",
    "is_ours",
    "safely",
    "stand_in_traceback",
    "variables_as_text",
]

_PACKAGE = os.path.dirname(__file__) + os.sep

Variables: TypeAlias = Sequence[tuple[str, Any]]
Frame: TypeAlias = tuple[str, str, int, Variables, Variables]
"""Function name, file name, line number, local and global variables (both empty unless captured)."""


def entries(tb: TracebackType | None) -> Generator[TracebackType, None, None]:
    while tb is not None:
        yield tb
        tb = tb.tb_next


def is_ours(filename: str) -> bool:
    """Whether a frame of that file runs this package's own code."""
    return filename.startswith(_PACKAGE)


def describe_frame(entry: TracebackType, capture: bool) -> Frame:
    frame = entry.tb_frame
    local: Variables = ()
    global_: Variables = ()
    if capture:
        local = [pair for pair in frame.f_locals.items() if pair[0] != "__builtins__"]
        if frame.f_locals is not frame.f_globals:
            global_ = [pair for pair in frame.f_globals.items() if pair[0] != "__builtins__"]
    return frame.f_code.co_name, frame.f_code.co_filename, entry.tb_lineno, local, global_


def _suspended() -> Generator[None, None, None]:
    """Never run: only its frame is used, under other names."""
    yield


def stand_in_traceback(frames: Sequence[Frame]) -> TracebackType | None:
    """A real traceback whose frames have these names, files and lines, and no variables.

    A frame cannot be constructed, but a generator that has not started has one, and it refers to no caller.
    The last instruction is given as -1, "unknown": ``traceback`` then takes the line number from the entry.
    """
    link: TracebackType | None = None
    for name, filename, line, _, _ in reversed(frames):
        code = _suspended.__code__.replace(co_name=name, co_filename=filename)
        link = TracebackType(link, FunctionType(code, {})().gi_frame, -1, line)
    return link


def format_frames(frames: Sequence[Frame], write: Callable[[str], object], detail: str = "default") -> None:
    """Write frames as text, a line or several for each.

    :param frames: as :attr:`Failure.frames` has them.
    :param write: called with each piece of text.
    :param detail: ``"default"`` as Python prints them, ``"brief"`` a short line each, ``"verbose"`` with
        their variables, ``"verbose-vars-not-captured"`` with a line that says why there are none.
    :raises ValueError: for another detail.
    """
    if detail not in ("default", "brief", "verbose", "verbose-vars-not-captured"):
        raise ValueError(f"There is no detail {detail!r} of frames. Write 'default', 'brief' or 'verbose'.")
    if detail == "verbose-vars-not-captured":
        write("(variables were not captured: Failure(captureVars=True) keeps them)\n")
    for name, filename, line, local, global_ in frames:
        if detail == "default":
            write(f'  File "{filename}", line {line}, in {name}\n')
            source = linecache.getline(filename, line).strip()
            write(f"    {source}\n" if source else "")
        elif detail == "brief":
            write(f"{filename}:{line}:{name}\n")
        else:
            write(f"{filename}:{line}: in {name}\n")
            for title, variables in (("Locals", local), ("Globals", global_)):
                if variables and detail == "verbose":
                    write(f"  {title}:\n")
                    for key, value in variables:
                        write(f"    {key} = {shown(value)}\n")


class _Text(str):
    """The ``repr`` that a captured variable had; shown as it is."""


def variables_as_text(variables: Variables) -> Variables:
    return [(name, _Text(shown(value))) for name, value in variables]


def shown(value: object) -> str:
    return value if isinstance(value, _Text) else safely(repr, value)


def safely(show: Any, value: object) -> str:
    """``str`` or ``repr`` of something whose own method for it may be broken."""
    try:
        return str(show(value))
    except Exception as error:
        cls, broken = type(value), type(error).__name__
        return f"<{cls.__module__}.{cls.__name__} at {id(value):#x}: its {show.__name__}() raised {broken}>"
