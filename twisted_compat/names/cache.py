"""Answers that may be given again, for as long as their records say (RFC 1035; RFC 2308 for "there is
none")."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import dns.message
import dns.rcode
import dns.rdatatype

__all__ = ["Cache", "seconds_to_keep"]

SIZE = 2_000  # answers
# Bytes on the wire. In memory a byte takes forty, and up to a hundred in what is made to take much.
TOTAL = 1 << 20
LARGEST = 4096
LONGEST = 7 * 86_400  # seconds; RFC 8767, section 4
LONGEST_NEGATIVE = 3 * 3_600  # seconds; RFC 2308, section 5


class _Entry(NamedTuple):
    message: dns.message.Message
    since: float
    until: float
    length: int


class Cache:
    """The answers that were used last. Very large ones are not kept.

    :param size: how many at most.
    :param total: how many bytes they may have on the wire, all together.
    :param clock: seconds, from whenever.
    """

    def __init__(
        self, size: int = SIZE, total: int = TOTAL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size = size
        self._most = total
        self._clock = clock
        self._length = 0
        self._kept: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> tuple[dns.message.Message, int] | None:
        """The answer to a question and its age in seconds; None if there is none."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        now = self._clock()
        if now >= entry.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return entry.message, int(now - entry.since)

    def put(self, key: Hashable, message: dns.message.Message) -> None:
        """Keep an answer, if it may be kept."""
        seconds = seconds_to_keep(message)
        if seconds <= 0:
            return
        length = length_of(message)
        if length > LARGEST:
            return
        self._drop(key)
        now = self._clock()
        self._kept[key] = _Entry(message, now, now + seconds, length)
        self._length += length
        while len(self._kept) > self._size or self._length > self._most:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._length = 0

    def _drop(self, key: Hashable) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self._length -= entry.length


def length_of(message: dns.message.Message) -> int:
    """How many bytes an answer has on the wire."""
    wire = getattr(message, "wire", None)  # not in all versions of dnspython
    return len(message.to_wire(max_size=65_535) if wire is None else wire)


def seconds_to_keep(message: dns.message.Message) -> int:
    """For how long an answer may be given again; 0 if it may not be.

    That there is no such name, or no such record, may be kept for as long as the SOA record beside it says.
    """
    missing = message.rcode() == dns.rcode.NXDOMAIN
    if not missing and message.rcode() != dns.rcode.NOERROR:
        return 0
    times = [rrset.ttl for rrset in message.answer]
    asked = message.question[0].rdtype if message.question else None
    if missing or all(rrset.rdtype != asked for rrset in message.answer):
        negative = [min(rrset.ttl, _minimum(rrset)) for rrset in message.authority if _is_soa(rrset)]
        if missing and not negative:
            return 0
        times += [min(LONGEST_NEGATIVE, *negative)] if negative else []
    return min(LONGEST, *times) if times else 0


def _is_soa(rrset: Any) -> bool:
    return bool(rrset.rdtype == dns.rdatatype.SOA and len(rrset))


def _minimum(rrset: Any) -> int:
    return int(getattr(rrset[0], "minimum", 0))  # another class has only the bytes
