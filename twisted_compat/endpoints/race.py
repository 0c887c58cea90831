"""The order in which the addresses of a host are tried, pure: no clock, no sockets.

RFC 8305, section 4: in the resolver's order, which is that of preference (RFC 6724), but with the versions of
IP taking turns, so that one that doesn't work costs one attempt's delay. See :mod:`.hostname` for the race.
"""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["Line"]


class Line:
    """Addresses waiting to be tried. They may come while others leave."""

    def __init__(self) -> None:
        self._waiting: dict[Any, deque[Any]] = {}
        self._seen: set[Any] = set()
        self._last: Any = None

    def add(self, kind: Any, address: Any) -> None:
        """One more, of a ``kind`` (a version of IP) that takes turns with the others. The same again is
        nothing new."""
        if address not in self._seen:
            self._seen.add(address)
            self._waiting.setdefault(kind, deque()).append(address)

    def has(self, kind: Any) -> bool:
        """Whether any of a kind waits."""
        return bool(self._waiting.get(kind))

    def prefer(self, kind: Any) -> None:
        """Have ``kind`` be the next, though another came first."""
        self._waiting = {kind: self._waiting.pop(kind, deque()), **self._waiting}

    def take(self) -> Any:
        """The next to be tried; None if there is none.

        Of another kind than the one before, if any such waits; at first, of the kind that came first.
        """
        kinds = [kind for kind, waiting in self._waiting.items() if waiting]
        if not kinds:
            return None
        self._last = next((kind for kind in kinds if kind is not self._last), kinds[0])
        return self._waiting[self._last].popleft()
