"""From dnspython's records to ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import dns.exception
import dns.name
import dns.rrset

from twisted_compat.names import dns as numbers
from twisted_compat.names.dns import RRHeader
from twisted_compat.names.generic import register
from twisted_compat.names.naming import dotted
from twisted_compat.names.older import limit_pointers
from twisted_compat.names.record import Record, SimpleRecord, UnknownRecord

__all__ = ["headers", "payload_of"]

register()
limit_pointers()


def _a6(rdata: Any, ttl: int) -> Record:
    """RFC 2874, section 3.1: how many bits are missing, the others in whole bytes, and who has them."""
    data: bytes = rdata.data
    missing = data[0]
    count = (128 - missing + 7) // 8
    prefix = dns.name.from_wire(data, 1 + count)[0] if missing else dns.name.root
    record = numbers.Record_A6(missing, prefix=dotted(prefix), ttl=ttl)
    record.suffix = bytes(16 - count) + data[1 : 1 + count]
    return record


def _soa(rdata: Any, ttl: int) -> Record:
    names = dotted(rdata.mname), dotted(rdata.rname)
    return numbers.Record_SOA(
        *names, rdata.serial, rdata.refresh, rdata.retry, rdata.expire, rdata.minimum, ttl=ttl
    )


def _naptr(rdata: Any, ttl: int) -> Record:
    return numbers.Record_NAPTR(
        rdata.order,
        rdata.preference,
        rdata.flags,
        rdata.service,
        rdata.regexp,
        dotted(rdata.replacement),
        ttl=ttl,
    )


READERS: dict[int, Callable[[Any, int], Record]] = {
    numbers.A: lambda r, ttl: numbers.Record_A(r.address, ttl),
    numbers.AAAA: lambda r, ttl: numbers.Record_AAAA(r.address, ttl),
    numbers.A6: _a6,
    numbers.MX: lambda r, ttl: numbers.Record_MX(r.preference, dotted(r.exchange), ttl),
    numbers.SOA: _soa,
    numbers.NULL: lambda r, ttl: numbers.Record_NULL(r.data, ttl),
    numbers.WKS: lambda r, ttl: numbers.Record_WKS(r.address, r.protocol, r.bitmap, ttl),
    numbers.HINFO: lambda r, ttl: numbers.Record_HINFO(r.cpu, r.os, ttl),
    numbers.MINFO: lambda r, ttl: numbers.Record_MINFO(dotted(r.rmailbx), dotted(r.emailbx), ttl),
    numbers.TXT: lambda r, ttl: numbers.Record_TXT(*r.strings, ttl=ttl),
    numbers.SPF: lambda r, ttl: numbers.Record_SPF(*r.strings, ttl=ttl),
    numbers.RP: lambda r, ttl: numbers.Record_RP(dotted(r.mbox), dotted(r.txt), ttl),
    numbers.AFSDB: lambda r, ttl: numbers.Record_AFSDB(r.subtype, dotted(r.hostname), ttl),
    numbers.SRV: lambda r, ttl: numbers.Record_SRV(r.priority, r.weight, r.port, dotted(r.target), ttl),
    numbers.NAPTR: _naptr,
    numbers.SSHFP: lambda r, ttl: numbers.Record_SSHFP(r.algorithm, r.fp_type, r.fingerprint, ttl),
}

ONE_NAME: dict[int, type[SimpleRecord]] = {
    kind.TYPE: kind
    for kind in vars(numbers).values()
    if isinstance(kind, type) and issubclass(kind, SimpleRecord) and kind.TYPE is not None
}


def payload_of(rdata: Any, ttl: int) -> Record:
    """The record that dnspython's is; an :class:`UnknownRecord` for the types that have no class here, and
    for what isn't as its type should be."""
    try:
        kind = ONE_NAME.get(rdata.rdtype)
        if kind is not None:
            return kind(dotted(rdata.target), ttl)
        reader = READERS.get(rdata.rdtype)
        if reader is not None:
            return reader(rdata, ttl)
    except (AttributeError, IndexError, TypeError, ValueError, dns.exception.DNSException):
        pass  # another class than IN, where dnspython has the bytes or other types; or no A6 record at all
    return UnknownRecord(rdata.to_wire(), ttl)


def headers(rrsets: Iterable[dns.rrset.RRset], auth: bool, age: int = 0) -> list[RRHeader]:
    """A section of an answer.

    :param auth: whether the answer is from a server that must know.
    :param age: for how many seconds it has been kept.
    """
    found = []
    for rrset in rrsets:
        name, ttl = dotted(rrset.name), max(0, rrset.ttl - age)
        for rdata in rrset:
            payload = payload_of(rdata, ttl)
            found.append(
                RRHeader(name, int(rrset.rdtype), int(rrset.rdclass), ttl, payload, auth, rdata=rdata)
            )
    return found
