"""Calls as text, for the ``repr`` of what will make them."""

from __future__ import annotations

from typing import Any

__all__ = ["name_of", "safe_repr"]


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
