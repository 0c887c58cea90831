"""A whole zone from one of its servers: AXFR over TCP (RFC 5936)."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from twisted_compat.names.asking import UNREACHABLE, UNREADABLE, Outcome, describe, said
from twisted_compat.names.config import Server
from twisted_compat.names.patience import Patience
from twisted_compat.names.sockets import Stream

__all__ = ["transfer"]

SOA = dns.rdatatype.SOA


async def transfer(
    zone: dns.name.Name, servers: tuple[Server, ...], patience: Patience
) -> tuple[Outcome, list[dns.rrset.RRset]]:
    """Ask one server after another for the zone, until one gives it.

    :returns: what came of it; and the records, each by itself, as they came: the first and the last is SOA.
    """
    loop = asyncio.get_running_loop()
    told = []
    failed: dns.message.Message | None = None
    unreadable = False
    for index, server in enumerate(servers):
        seconds = patience.seconds(0, len(servers) - index, loop.time())
        if seconds <= 0:
            break
        try:
            message, records = await _from_one(loop, server, zone, loop.time() + seconds)
        except dns.exception.Timeout:
            told.append(f"{describe(server)}: not complete in time")
        except (*UNREACHABLE, *UNREADABLE) as error:
            unreadable |= isinstance(error, UNREADABLE)
            told.append(f"{describe(server)}: {said(error)}")
        else:
            told.append(f"{describe(server)}: {dns.rcode.to_text(message.rcode())}")
            if message.rcode() == dns.rcode.NOERROR:
                return Outcome(f"{zone} AXFR: {told[-1]}", message), records
            failed = message
    return Outcome(f"{zone} AXFR: " + "; ".join(told), failed, unreadable=unreadable), []


async def _from_one(
    loop: asyncio.AbstractEventLoop, server: Server, zone: dns.name.Name, deadline: float
) -> tuple[dns.message.Message, list[dns.rrset.RRset]]:
    query = dns.message.make_query(zone, dns.rdatatype.AXFR, dns.rdataclass.IN, flags=0)
    records: list[dns.rrset.RRset] = []
    async with Stream(loop, server, deadline) as stream:
        await stream.connect()
        await dns.asyncquery.send_tcp(stream, query)
        while True:
            message, _ = await dns.asyncquery.receive_tcp(stream, one_rr_per_rrset=True)
            if message.id != query.id or not message.flags & dns.flags.QR:
                raise dns.exception.FormError("the server answered something else")
            if message.rcode() != dns.rcode.NOERROR:
                return message, []
            for rrset in message.answer:
                records.append(rrset)
                is_origin = rrset.rdtype == SOA and rrset.name == zone
                if len(records) == 1 and not is_origin:
                    raise dns.exception.FormError("the zone doesn't begin with its SOA record")
                if len(records) > 1 and is_origin:
                    return message, records
            if not records:
                raise dns.exception.FormError("the server gave nothing of the zone")
