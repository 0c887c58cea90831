"""What questions and answers are made of: the numbers of the DNS, names, questions and records; Twisted's
``twisted.names.dns``, but for its messages and protocols, which are dnspython's business.
"""

from __future__ import annotations

from typing import Any, SupportsInt

from twisted_compat.names.naming import Name, domainString
from twisted_compat.names.record import (
    Charstr,
    Record,
    Record_CNAME,
    Record_DNAME,
    Record_MB,
    Record_MD,
    Record_MF,
    Record_MG,
    Record_MR,
    Record_NS,
    Record_PTR,
    SimpleRecord,
    UnknownRecord,
    str2time,
)
from twisted_compat.names.records import (
    Record_A,
    Record_A6,
    Record_AAAA,
    Record_AFSDB,
    Record_HINFO,
    Record_MINFO,
    Record_MX,
    Record_NAPTR,
    Record_NULL,
    Record_RP,
    Record_SOA,
    Record_SPF,
    Record_SRV,
    Record_SSHFP,
    Record_TXT,
    Record_WKS,
)

__all__ = [
    "A6",
    "AAAA",
    "AFSDB",
    "ALL_RECORDS",
    "ANY",
    "AXFR",
    "CH",
    "CNAME",
    "CS",
    "DNAME",
    "EFORMAT",
    "ENAME",
    "ENOTIMP",
    "EREFUSED",
    "ESERVER",
    "EXT_QUERIES",
    "HINFO",
    "HS",
    "IN",
    "IXFR",
    "MAILA",
    "MAILB",
    "MB",
    "MD",
    "MF",
    "MG",
    "MINFO",
    "MR",
    "MX",
    "NAPTR",
    "NS",
    "NULL",
    "OK",
    "OPT",
    "PORT",
    "PTR",
    "QUERY_CLASSES",
    "QUERY_TYPES",
    "REV_CLASSES",
    "REV_TYPES",
    "RP",
    "SOA",
    "SPF",
    "SRV",
    "SSHFP",
    "TKEY",
    "TSIG",
    "TXT",
    "WKS",
    "A",
    "Charstr",
    "Name",
    "Query",
    "RRHeader",
    "Record_A",
    "Record_A6",
    "Record_AAAA",
    "Record_AFSDB",
    "Record_CNAME",
    "Record_DNAME",
    "Record_HINFO",
    "Record_MB",
    "Record_MD",
    "Record_MF",
    "Record_MG",
    "Record_MINFO",
    "Record_MR",
    "Record_MX",
    "Record_NAPTR",
    "Record_NS",
    "Record_NULL",
    "Record_PTR",
    "Record_RP",
    "Record_SOA",
    "Record_SPF",
    "Record_SRV",
    "Record_SSHFP",
    "Record_TXT",
    "Record_WKS",
    "SimpleRecord",
    "UnknownRecord",
    "domainString",
    "str2time",
]

PORT = 53

# Types (RFC 1035 and later).
A, NS, MD, MF, CNAME, SOA, MB, MG, MR, NULL, WKS, PTR, HINFO, MINFO, MX, TXT, RP, AFSDB = range(1, 19)
AAAA, SRV, NAPTR, A6, DNAME, OPT, SSHFP, SPF, TKEY, TSIG = 28, 33, 35, 38, 39, 41, 44, 99, 249, 250
IXFR, AXFR, MAILB, MAILA, ALL_RECORDS = range(251, 256)

# Classes.
IN, CS, CH, HS = range(1, 5)
ANY = 255

# Codes of answers.
OK, EFORMAT, ESERVER, ENAME, ENOTIMP, EREFUSED = range(6)


def _numbers(names: str) -> dict[int, str]:
    return {globals()[name]: name for name in names.split()}


QUERY_TYPES = _numbers(
    "A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB "
    "AAAA SRV NAPTR A6 DNAME OPT SSHFP SPF TKEY TSIG"
)
EXT_QUERIES = _numbers("IXFR AXFR MAILB MAILA ALL_RECORDS")
REV_TYPES = {name: number for number, name in (QUERY_TYPES | EXT_QUERIES).items()}
QUERY_CLASSES = _numbers("IN CS CH HS ANY")
REV_CLASSES = {name: number for number, name in QUERY_CLASSES.items()}


def _type_name(type: int) -> str:
    return QUERY_TYPES.get(type) or EXT_QUERIES.get(type) or f"UNKNOWN ({type})"


def _class_name(cls: int) -> str:
    return QUERY_CLASSES.get(cls) or f"UNKNOWN ({cls})"


class Query:
    """A question.

    :ivar name: the :class:`~.naming.Name` that it is about.
    :ivar type: the type's number.
    :ivar cls: the class's number.
    """

    __slots__ = ("cls", "name", "type")

    def __init__(self, name: bytes | str = b"", type: int = A, cls: int = IN) -> None:
        self.name = Name(name)
        self.type = type
        self.cls = cls

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Query):
            return NotImplemented
        return (self.name, self.type, self.cls) == (other.name, other.type, other.cls)

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.cls))

    def __str__(self) -> str:
        return f"<Query {self.name} {_type_name(self.type)} {_class_name(self.cls)}>"

    def __repr__(self) -> str:
        return f"Query({self.name.name!r}, {self.type!r}, {self.cls!r})"


class RRHeader:
    """One record of an answer.

    :param ttl: seconds.
    :param payload: what the record says.
    :raises ValueError: if ``payload`` is of another type, or ``ttl`` negative.
    :ivar name: the :class:`~.naming.Name` that it is about.
    :ivar type: the type's number.
    :ivar cls: the class's number.
    :ivar ttl: the seconds that it may still be kept.
    :ivar payload: one of the Record classes; :class:`UnknownRecord` for types that have none.
    :ivar auth: whether a server said it that must know.
    :ivar rdata: the same as ``payload``, as dnspython's ``dns.rdata.Rdata``; None if it isn't of an answer.
    """

    __slots__ = ("auth", "cls", "name", "payload", "rdata", "ttl", "type")

    def __init__(
        self,
        name: bytes | str = b"",
        type: int = A,
        cls: int = IN,
        ttl: SupportsInt = 0,
        payload: Record | None = None,
        auth: bool = False,
        *,
        rdata: Any = None,
    ) -> None:
        if payload is not None and payload.TYPE is not None and type != payload.TYPE:
            raise ValueError(
                f"A record of the type {_type_name(payload.TYPE)} can't be the payload of a header of the "
                f"type {_type_name(type)}. Give both the same."
            )
        self.ttl = int(ttl)
        if self.ttl < 0:
            raise ValueError(f"A record can't be kept for {ttl} seconds. Give 0 or more.")
        self.name = Name(name)
        self.type = type
        self.cls = cls
        self.payload: Any = payload
        self.auth = auth
        self.rdata = rdata

    def isAuthoritative(self) -> bool:
        """Whether a server said it that must know."""
        return self.auth

    def _fields(self) -> tuple[Any, ...]:
        return self.name, self.type, self.cls, self.ttl, self.payload, self.auth

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, RRHeader) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return (
            f"<RR name={self.name} type={_type_name(self.type)} class={_class_name(self.cls)} "
            f"ttl={self.ttl}s auth={self.auth}>"
        )
