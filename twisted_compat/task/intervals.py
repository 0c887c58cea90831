"""The arithmetic of a call every so many seconds. Pure: no clock, no calls; :mod:`.looping` brings those.

The times of a loop are ``start``, ``start + interval``, ``start + 2 * interval`` and so on, as real numbers.
Floats come only near them: adding 0.1 ten times is not 1, and the seconds since the epoch are exact to a
quarter of a microsecond. So an instant that is one of these times but for rounding counts as that time.
"""

from __future__ import annotations

from math import floor, ulp

__all__ = ["intervals_passed", "until_next"]

NEAR = 1e-9
"""What part of an interval is rounding. It lets sums of some 100,000 steps still be whole intervals, and is
the most that the loop's times can shift."""


def intervals_passed(now: float, start: float, interval: float) -> int:
    """How many whole intervals lie between ``start`` and ``now``; a negative number if ``now`` is earlier.

    :param now: seconds, as ``start``.
    :param interval: seconds, more than 0.
    """
    return int(_position(now, start, interval))


def until_next(now: float, start: float, interval: float) -> float:
    """How long it is from ``now`` to the next of the loop's times.

    :param now: seconds, as ``start``.
    :param interval: seconds, more than 0.
    :returns: seconds, more than 0; the whole ``interval`` if ``now`` is one of the times.
    """
    position = _position(now, start, interval)
    if isinstance(position, int):
        return interval
    return (floor(position) + 1) * interval - (now - start)


def _position(now: float, start: float, interval: float) -> float:
    """How many intervals ``now`` is from ``start``; an int if it is, but for rounding, a whole number."""
    elapsed = now - start
    position = elapsed / interval
    whole = round(position)
    rounding = max(interval * NEAR, 2 * ulp(max(abs(now), abs(start))))
    return whole if abs(elapsed - whole * interval) <= rounding else position
