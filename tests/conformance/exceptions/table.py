"""The rows of the tables of exceptions, and what makes them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CAPABILITIES", "Excepted", "because", "until_there_is"]


class Excepted(NamedTuple):
    """One test that is not expected to pass.

    :ivar test: its id; with ``*`` for the tests of a class to which the same applies.
    :ivar category: what kind of thing the test depends on.
    :ivar reason: one line, in plain words.
    :ivar loops: where this holds; empty for everywhere.
    :ivar steady: False for one that sometimes passes, also with Twisted's own modules.
    :ivar capability: for a test that will pass once the reactor can do more: what, of :data:`CAPABILITIES`.
    """

    test: str
    category: str
    reason: str
    loops: tuple[str, ...] = ()
    steady: bool = True
    capability: str | None = None


class _Capability(NamedTuple):
    category: str
    reason: str


PROCESSES = "open: child processes and standard I/O"

CAPABILITIES = {
    "process": _Capability(PROCESSES, "there is no IReactorProcess yet"),
    "stdio": _Capability(PROCESSES, "there is no standard I/O yet"),
}
"""What our TwistedReactor can't do yet."""


def because(category: str, reason: str, *tests: str, loops: tuple[str, ...] = ()) -> list[Excepted]:
    """The tests to which the same applies for good."""
    return [Excepted(test, category, reason, loops) for test in tests]


def until_there_is(capability: str, *tests: str, loops: tuple[str, ...] = ()) -> list[Excepted]:
    """The tests that wait for one of :data:`CAPABILITIES`."""
    return [Excepted(test, *CAPABILITIES[capability], loops, capability=capability) for test in tests]
