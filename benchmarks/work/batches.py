"""Work in batches: done again and again until the time is up, with the clock looked at only in between.

:func:`timed` is for work that is done when it returns; ``inside`` does the same for work that a running loop
has to do.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from ..model import Sample

__all__ = ["Batch", "Tally", "timed"]

Batch = Callable[[int], object]
"""Does its work as many times as it is told."""


class Tally:
    """Counts batches, and says when it is enough.

    :param size: how often a batch does its work.
    :param seconds: how long to go on, at the least.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._warm = False
        self._count = 0
        self._start = self._cpu_start = self._wall = 0.0

    def another(self) -> bool:
        """Whether to do another batch, now that one is done. The first, which warms, doesn't count."""
        if not self._warm:
            self._warm = True
            gc.collect()  # what came before is not ours to pay for; what follows is, so collecting goes on
            self._cpu_start, self._start = time.process_time(), time.perf_counter()
            return True
        self._wall = time.perf_counter() - self._start
        self._count += self._size
        return self._wall < self._seconds

    def sample(self) -> Sample:
        """What was counted: the value is how often the work was done in a second."""
        cpu = time.process_time() - self._cpu_start
        return Sample(value=self._count / self._wall, work=self._count, wall=self._wall, cpu=cpu)


def timed(batch: Batch, size: int, seconds: float) -> Sample:
    """Do batches, after a first one that doesn't count, until the time is up.

    :param size: how often each does its work.
    :param seconds: how long to go on, at the least.
    """
    tally = Tally(size, seconds)
    batch(size)
    while tally.another():
        batch(size)
    return tally.sample()
