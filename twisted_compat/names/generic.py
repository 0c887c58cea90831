"""Classes for dnspython, of the mail records of RFC 1035 that it has none for.

Names in them may be compressed: they point into the message around them. Taken out of it as plain bytes, as
dnspython does with types it doesn't know, they would be lost.
"""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import dns.immutable
import dns.rdata
import dns.rdatatype
import dns.rdtypes.nsbase

__all__ = ["register"]


# dnspython's decorator has no types.
@dns.immutable.immutable  # type: ignore[untyped-decorator, unused-ignore]
class MailName(dns.rdtypes.nsbase.NSBase):
    """MB, MG, MR, MD and MF: one name."""

    __slots__: list[str] = []


@dns.immutable.immutable  # type: ignore[untyped-decorator, unused-ignore]  # as above
class MINFO(dns.rdata.Rdata):
    """Two names: of who is responsible for a mailing list, and of who gets its errors."""

    __slots__ = ["emailbx", "rmailbx"]

    def __init__(self, rdclass: Any, rdtype: Any, rmailbx: Any, emailbx: Any) -> None:
        super().__init__(rdclass, rdtype)
        as_name: Any = self._as_name  # it has no types
        self.rmailbx = as_name(rmailbx)
        self.emailbx = as_name(emailbx)

    # Before dnspython 2.9, which has the next one in its place.
    def to_text(self, origin: Any = None, relativize: bool = True, *_: Any, **kw: Any) -> str:
        names = (name.choose_relativity(origin, relativize) for name in (self.rmailbx, self.emailbx))
        return " ".join(map(str, names))

    def to_styled_text(self, style: Any) -> str:
        return f"{self.rmailbx.to_styled_text(style)} {self.emailbx.to_styled_text(style)}"

    @classmethod
    def from_text(
        cls,
        rdclass: Any,
        rdtype: Any,
        tok: Any,
        origin: Any = None,
        relativize: bool = True,
        relativize_to: Any = None,
    ) -> MINFO:
        names = [tok.get_name(origin, relativize, relativize_to) for _ in range(2)]
        return cls(rdclass, rdtype, *names)

    def _to_wire(
        self, file: Any, compress: Any = None, origin: Any = None, canonicalize: bool = False
    ) -> None:
        for name in (self.rmailbx, self.emailbx):
            name.to_wire(file, compress, origin, canonicalize)

    @classmethod
    def from_wire_parser(cls, rdclass: Any, rdtype: Any, parser: Any, origin: Any = None) -> MINFO:
        # dnspython's own way to read a name that may be compressed; how that is said differs with versions.
        one_name = dns.rdtypes.nsbase.NSBase.from_wire_parser
        names = [one_name(rdclass, rdtype, parser, origin).target for _ in range(2)]
        return cls(rdclass, rdtype, *names)


def register() -> None:
    """Tell dnspython of them. Where it, or somebody else, has a class already, that one stays.

    All of its own are loaded now. It would load each when it first meets the type, and a record of that type
    but of the class ANY, as a hostile server may send it, would then stand for all others.
    """
    dns.rdata.load_all_types()
    for name in ("MB", "MD", "MF", "MG", "MINFO", "MR"):
        number = dns.rdatatype.from_text(name)
        implementation = MINFO if name == "MINFO" else MailName
        with suppress(dns.rdata.RdatatypeExists):
            dns.rdata.register_type(SimpleNamespace(**{name: implementation}), number, name)
