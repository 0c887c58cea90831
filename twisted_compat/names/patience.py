"""How long to wait for whom, by the ``timeout`` of a look-up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Patience", "Timeout"]

Timeout = float | Sequence[float]

LEAST = 0.001  # seconds: less is nothing


@dataclass(frozen=True)
class Patience:
    """How long a look-up may take.

    :ivar rounds: the seconds to wait for each server: the first time that it is asked, the second, and so on.
    :ivar total: the seconds for everything; None if there are just the rounds.
    :ivar deadline: when those are over, by the loop's clock; two look-ups that differ in it alone wait alike.
    """

    rounds: tuple[float, ...]
    total: float | None = None
    deadline: float = 0.0

    @classmethod
    def of(cls, timeout: Timeout | None, default: Timeout, now: float) -> Patience:
        """From what a look-up was given.

        :param timeout: seconds for everything; or seconds for each round over the servers; None for
            ``default``.
        :param now: by the loop's clock.
        :raises ValueError: if it is nothing of that.
        """
        rounds = _rounds(default)
        if timeout is None or _is_empty(timeout):
            timeout = default
        if isinstance(timeout, (int, float)):
            patience = cls(rounds, float(timeout), now + timeout)
        else:
            patience = cls(_rounds(timeout))
        numbers = patience.rounds if patience.total is None else (*rounds, patience.total)
        if not all(0 < seconds < float("inf") for seconds in numbers):  # which "not a number" isn't either
            raise _wrong(timeout)
        return patience

    @property
    def key(self) -> tuple[tuple[float, ...], float | None]:
        """What look-ups have in common that may share one question."""
        return self.rounds, self.total

    @property
    def joinable(self) -> float:
        """For how many seconds another's question may have been under way, to be joined instead of asked."""
        return self.rounds[0] if self.total is None else min(self.rounds[0], self.total / 4)

    def tries(self) -> Iterator[int]:
        """The numbers of the rounds: with a limit for everything, they go on until that is reached."""
        return iter(range(len(self.rounds))) if self.total is None else itertools.count()

    def seconds(self, number: int, left_to_ask: int, now: float) -> float:
        """How long to wait for the next server; 0 when the time is over.

        :param number: that of the round.
        :param left_to_ask: how many servers are to be asked in this round, with that one: if there is a limit
            for everything, each gets its part.
        :param now: by the loop's clock.
        """
        seconds = self.rounds[min(number, len(self.rounds) - 1)]
        if self.total is not None:
            left = self.deadline - now
            seconds = min(seconds, left / left_to_ask) if left > LEAST else 0.0
        return seconds


def _is_empty(timeout: Timeout) -> bool:
    return isinstance(timeout, Sequence) and not timeout


def _rounds(timeout: Timeout) -> tuple[float, ...]:
    if isinstance(timeout, (int, float)):
        return (float(timeout),)
    if isinstance(timeout, (str, bytes)) or not all(isinstance(seconds, (int, float)) for seconds in timeout):
        raise _wrong(timeout)
    return tuple(map(float, timeout))


def _wrong(timeout: object) -> ValueError:
    return ValueError(
        f"A look-up can't wait for {timeout!r} seconds. "
        "Write seconds, such as timeout=10, or some for each round, such as timeout=(1, 3, 11)."
    )
