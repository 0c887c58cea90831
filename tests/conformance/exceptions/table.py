"""The rows of the tables of exceptions, and what makes them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Excepted", "because"]


class Excepted(NamedTuple):
    """One test that is not expected to pass.

    :ivar test: its id; with ``*`` for the tests of a class to which the same applies.
    :ivar category: what kind of thing the test depends on.
    :ivar reason: one line, in plain words.
    :ivar loops: where this holds; empty for everywhere.
    :ivar steady: False for one that sometimes passes, also with Twisted's own modules.
    """

    test: str
    category: str
    reason: str
    loops: tuple[str, ...] = ()
    steady: bool = True


def because(
    category: str, reason: str, *tests: str, loops: tuple[str, ...] = (), steady: bool = True
) -> list[Excepted]:
    """The tests to which the same applies."""
    return [Excepted(test, category, reason, loops, steady) for test in tests]
