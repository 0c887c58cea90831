"""What a record of the DNS is, and the records that are one name; the others are in ``records.py``.

Plain value objects with Twisted's names, arguments and attributes: equal by what they hold. ``dns.py`` shows
them to the world; ``reading.py`` makes them out of dnspython's.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted_compat.names.naming import Name

__all__ = [
    "Charstr",
    "NameGiven",
    "Record",
    "Record_CNAME",
    "Record_DNAME",
    "Record_MB",
    "Record_MD",
    "Record_MF",
    "Record_MG",
    "Record_MR",
    "Record_NS",
    "Record_PTR",
    "SimpleRecord",
    "Time",
    "UnknownRecord",
    "str2time",
]

NameGiven = bytes | str
Time = str | bytes | int | None
UNITS = {"S": 1, "M": 60, "H": 3600, "D": 86_400, "W": 604_800, "Y": 31_536_000}


def str2time(s: Time) -> int | None:
    """Seconds, from "3600", "60M", "1H", "2D" and the like; anything but text is returned as it is.

    :raises ValueError: if it is text of another form.
    """
    if isinstance(s, bytes):
        s = s.decode("ascii")
    if not isinstance(s, str):
        return s
    text = s.strip().upper()
    try:
        return int(float(text[:-1]) * UNITS[text[-1]]) if text[-1:] in UNITS else int(text)
    except ValueError:
        raise ValueError(
            f"{s!r} is no time. Write seconds, or a number and one of S, M, H, D, W, Y."
        ) from None


class Charstr:
    """A string of at most 255 bytes, inside a NAPTR record.

    :ivar string: the bytes.
    """

    __slots__ = ("string",)

    def __init__(self, string: bytes = b"") -> None:
        if not isinstance(string, bytes):
            raise ValueError(f"{string!r} is not bytes")
        self.string = string

    def __eq__(self, other: object) -> bool:
        return self.string == other.string if isinstance(other, Charstr) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.string)

    def __str__(self) -> str:
        return self.string.decode("ascii", "backslashreplace")

    def __repr__(self) -> str:
        return f"Charstr({self.string!r})"


class Record:
    """What all records have.

    :cvar TYPE: the number of the type.
    :cvar fancybasename: its name.
    :ivar ttl: seconds that it may be kept, as far as it is known.
    """

    __slots__ = ("ttl",)
    __match_args__: tuple[str, ...] = ()
    TYPE: ClassVar[int | None] = None
    fancybasename: ClassVar[str] = "UNKNOWN"
    ttl: int | None

    def _fields(self) -> tuple[Any, ...]:
        values = (getattr(self, name) for name in self.__match_args__)
        return tuple(tuple(value) if isinstance(value, list) else value for value in values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._fields() == other._fields() and self.ttl == other.ttl

    def __hash__(self) -> int:
        return hash((self.__class__, self._fields()))

    def _shown(self, name: str) -> object:
        value = getattr(self, name)
        return value if isinstance(value, (Name, Charstr)) else repr(value)

    def __repr__(self) -> str:
        fields = "".join(f" {name}={self._shown(name)}" for name in self.__match_args__)
        return f"<{self.fancybasename}{fields} ttl={self.ttl}>"


class SimpleRecord(Record):
    """A record that is one domain name.

    :ivar name: the :class:`~.naming.Name`.
    """

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: NameGiven = b"", ttl: Time = None) -> None:
        self.name = Name(name)
        self.ttl = str2time(ttl)


class Record_NS(SimpleRecord):
    """A name server of the zone (RFC 1035)."""

    __slots__ = ()
    TYPE = 2
    fancybasename = "NS"


class Record_MD(SimpleRecord):
    """A mail destination; out of use (RFC 1035)."""

    __slots__ = ()
    TYPE = 3
    fancybasename = "MD"


class Record_MF(SimpleRecord):
    """A mail forwarder; out of use (RFC 1035)."""

    __slots__ = ()
    TYPE = 4
    fancybasename = "MF"


class Record_CNAME(SimpleRecord):
    """The name that this one is an alias of (RFC 1035)."""

    __slots__ = ()
    TYPE = 5
    fancybasename = "CNAME"


class Record_MB(SimpleRecord):
    """The host of a mailbox (RFC 1035, experimental)."""

    __slots__ = ()
    TYPE = 7
    fancybasename = "MB"


class Record_MG(SimpleRecord):
    """A member of a mail group (RFC 1035, experimental)."""

    __slots__ = ()
    TYPE = 8
    fancybasename = "MG"


class Record_MR(SimpleRecord):
    """The new name of a mailbox (RFC 1035, experimental)."""

    __slots__ = ()
    TYPE = 9
    fancybasename = "MR"


class Record_PTR(SimpleRecord):
    """The name that belongs to an address (RFC 1035)."""

    __slots__ = ()
    TYPE = 12
    fancybasename = "PTR"


class Record_DNAME(SimpleRecord):
    """The tree of names that the one below this name is an alias of (RFC 6672)."""

    __slots__ = ()
    TYPE = 39
    fancybasename = "DNAME"


class UnknownRecord(Record):
    """A record of a type that has no class here, such as those of DNSSEC.

    :ivar data: its bytes, with no name in them compressed.
    """

    __slots__ = __match_args__ = ("data",)

    def __init__(self, data: bytes = b"", ttl: Time = None) -> None:
        self.data = data
        self.ttl = str2time(ttl)
