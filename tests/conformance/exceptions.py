"""The tests of Twisted's that cannot apply here, each with the reason.

Not a list of what doesn't work yet: a test is here only if passing it would mean to copy how Twisted is
written inside, or how it prints. The runner fails when a listed test passes, or isn't there any more.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EXCEPTIONS", "Excepted"]


class Excepted(NamedTuple):
    """One test that is not expected to pass.

    :ivar test: its id; with ``*`` for the tests of a class that all look at the same private thing.
    :ivar category: what kind of thing the test depends on.
    :ivar reason: one line, in plain words.
    :ivar loops: where this holds; empty for everywhere.
    """

    test: str
    category: str
    reason: str
    loops: tuple[str, ...] = ()


EXCEPTIONS: tuple[Excepted, ...] = ()
