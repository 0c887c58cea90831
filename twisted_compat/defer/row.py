"""A row of things that wait their turn: a deque to us, a list to legacy code.

:mod:`~twisted_compat.defer.locks` and :mod:`~twisted_compat.defer.queues` keep theirs in public attributes,
which are lists in Twisted and are looked at, sliced and compared by the code around them. We take from the
left, where a list moves everything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, SupportsIndex, TypeVar, overload

__all__ = ["Row"]

T = TypeVar("T")


class Row(deque[T]):
    """A deque with what a list has and a deque lacks: ``pop(0)``, slices, ``+`` and ``==`` with a list.

    ``append``, ``popleft`` and ``remove`` are those of the deque, in C.
    """

    __hash__ = None  # it changes, as a list does

    def pop(self, index: SupportsIndex = -1) -> T:
        """Remove and return the thing at ``index``, by default the last.

        :raises IndexError: if there is none.
        """
        item: T = self[index]
        del self[index]
        return item

    def replace(self, items: Iterable[T]) -> None:
        """Have ``items`` in place of all that is here."""
        kept = list(items)  # they may be taken from this very row
        self.clear()
        self.extend(kept)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return list(self)[index] if isinstance(index, slice) else super().__getitem__(index)

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        if not isinstance(index, slice):
            super().__setitem__(index, value)
            return
        items = list(self)
        items[index] = value
        self.replace(items)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        if not isinstance(index, slice):
            super().__delitem__(index)
            return
        items = list(self)
        del items[index]
        self.replace(items)

    # A deque's gives a deque, and wants one. Where legacy code adds, it has lists.
    def __add__(self, other: Iterable[T]) -> list[T]:  # type: ignore[override]
        return [*self, *other]

    def __radd__(self, other: Iterable[T]) -> list[T]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, deque)):
            return list(self) == list(other)
        return NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other  # that of the deque knows nothing of lists
