"""Calls as text, for the ``repr`` of what will make them, and where a call came from."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from twisted_compat._frames import is_ours

__all__ = ["caller", "name_of", "safe_repr", "where_called_from"]


def name_of(function: Any) -> str:
    """What a function is called where it was written; for another callable, its repr."""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    return name if isinstance(name, str) else safe_repr(function)


def safe_repr(value: object) -> str:
    """The repr of somebody else's object; one that raises must not hide the rest of the text."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"


def caller() -> tuple[FrameType, int]:
    """The frame outside this package that called into it.

    :returns: with how far up it is, as ``warnings.warn`` counts its ``stacklevel`` where this is called.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    return frame, level


def where_called_from() -> str:
    """The file and line outside this package that called into it: "file.py:12"."""
    frame, _ = caller()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
