"""Which descriptors a new process gets, and by what steps: pure, about numbers alone.

A program that is to be started takes a copy of our descriptors along; the steps that :func:`moves` gives are
taken in that copy, before the program begins (``process_spawn.py``). What is marked close-on-exec is closed
as it begins, which is why nothing is said here about most of what we have open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import NamedTuple

__all__ = ["Close", "Duplicate", "Move", "moves"]


class Duplicate(NamedTuple):
    """Make ``target`` another number of what ``source`` is, as ``dup2`` does; it is not close-on-exec."""

    source: int
    target: int


class Close(NamedTuple):
    """Close ``number``."""

    number: int


Move = Duplicate | Close


def moves(mapping: Mapping[int, int], inheritable: Iterable[int]) -> list[Move]:
    """The steps that leave a program with the descriptors it is to have, and no others.

    :param mapping: for each number that the program is to have, our number of the same file.
    :param inheritable: those of our numbers that are not close-on-exec.
    """
    # What is in the way of another, or has its place already but may be close-on-exec, is put aside first:
    # dup2 of a number onto itself need not clear that mark. The numbers it goes to may be in use by us; the
    # copy loses nothing with them.
    in_use = set(mapping.values())
    free = (number for number in count() if number not in mapping and number not in in_use)
    aside = {number: next(free) for number in sorted(in_use) if number in mapping}
    steps: list[Move] = [Duplicate(number, elsewhere) for number, elsewhere in aside.items()]
    steps += [Duplicate(aside.get(ours, ours), theirs) for theirs, ours in sorted(mapping.items())]
    leftover = {*aside.values(), *inheritable} - mapping.keys()
    return steps + [Close(number) for number in sorted(leftover)]
