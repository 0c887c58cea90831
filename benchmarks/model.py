"""The words of the suite: who is compared, at what, what was found and what was hoped for. No I/O in here.

``peers`` says who there is, ``scenarios`` what there is to compare them at, ``runner`` makes the samples and
``report`` the conclusions.
"""

from __future__ import annotations

import select
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

__all__ = ["BenchmarkError", "Case", "Found", "Goal", "Measure", "Peer", "Sample", "Scenario", "Unit"]


class BenchmarkError(Exception):
    """A process that measures or is measured failed; the text says which, and what it said."""


@dataclass(frozen=True)
class Peer:
    """One that can be measured.

    :ivar name: what the command line, the tables and the results call it.
    :ivar kind: whose transports, timers and Deferreds: "ours", "ours-pyopenssl" (the same, with pyOpenSSL's
        TLS), "ours-twisted" (our transports and timers, Twisted's Deferreds and protocols), "twisted",
        "protocol" and "streams" (asyncio's own), "raw" (none), "bare" (an event loop with nothing on it).
    :ivar loop: "asyncio", "uvloop", "epoll" or "none".
    :ivar label: for people: who that is.
    :ivar needs: the libraries that it can't do without.
    """

    name: str
    kind: str
    loop: str
    label: str
    needs: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether it is this project's own."""
        return self.kind in ("ours", "ours-pyopenssl", "ours-twisted")

    def missing(self) -> str | None:
        """What this machine lacks to run the peer, or None."""
        absent = [name for name in self.needs if find_spec(name) is None]
        if self.loop == "epoll" and not hasattr(select, "epoll"):
            absent.append("epoll")
        return " and ".join(absent) or None


@dataclass(frozen=True)
class Sample:
    """What one measurement of one peer found.

    :ivar value: in the unit of its case.
    :ivar work: how much was done (requests, bytes, operations); 0 where that isn't what is measured.
    :ivar wall: the seconds it took.
    :ivar cpu: seconds of CPU time that whoever was measured used meanwhile; None where that isn't known.
    :ivar client_cpu: the same for the client; None where there was none.
    :ivar memory: by how many bytes the peak memory of whoever was measured lay above what it held before;
        None where that isn't looked at.
    """

    value: float
    work: float = 0
    wall: float = 0
    cpu: float | None = None
    client_cpu: float | None = None
    memory: int | None = None

    @property
    def per_cpu(self) -> float | None:
        """Work done per second of the CPU time of whoever was measured."""
        return self.work / self.cpu if self.work and self.cpu else None


@dataclass(frozen=True)
class Unit:
    """What a case's values count.

    :ivar text: as printed after a number.
    :ivar more_is_better: else less is.
    """

    text: str
    more_is_better: bool = True


@dataclass(frozen=True)
class Goal:
    """How many times as good as another peer one of ours has to be: by its value, or, where less is better,
    by the inverse of it.

    :ivar least: 0 where only the ratio is asked for.
    :ivar at_most: where the goal is a difference instead: by how much of the unit ours may exceed the other.
    """

    ours: str
    other: str
    least: float = 0
    at_most: float | None = None


Measure = Callable[[Peer, float], Sample]
"""Measures a peer for about so many seconds. Raises BenchmarkError."""


@dataclass(frozen=True)
class Case:
    """One thing to compare peers at: one table, one group of bars.

    :ivar name: unique in the suite, of letters, digits and dashes.
    :ivar title: for people, in one line.
    :ivar peers: names of those who take part, in the order in which they take turns.
    :ivar measure: makes one sample.
    :ivar goals: which ratios are told, and what they should be.
    :ivar baseline: the peer that the others are told in relation to.
    :ivar lockstep: whether they wait by nature, for each other or for the kernel, so that nobody can be busy
        all the time.
    """

    name: str
    title: str
    unit: Unit
    peers: tuple[str, ...]
    measure: Measure
    goals: tuple[Goal, ...] = ()
    baseline: str = "twisted-epoll"
    lockstep: bool = False


@dataclass(frozen=True)
class Scenario:
    """Cases that belong together: one name on the command line, one plot.

    :ivar about: for people: what is done, and what to bear in mind when reading the figures.
    :ivar needs: the programs that it can't do without.
    :ivar libraries: those that it can't do without, whoever takes part.
    :ivar linux: whether it asks of the system what only Linux has.
    """

    name: str
    title: str
    about: str
    cases: tuple[Case, ...]
    needs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    linux: bool = False

    def missing(self) -> str | None:
        """What this machine lacks to run the scenario, or None."""
        absent = [name for name in self.needs if shutil.which(name) is None]
        absent += [name for name in self.libraries if find_spec(name) is None]
        if self.linux and sys.platform != "linux":
            absent.append("Linux")
        return " and ".join(absent) or None


Found = dict[str, dict[str, list[Sample]]]
"""What was found: by the name of the case and of the peer, a sample for each round."""
