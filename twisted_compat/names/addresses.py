"""The addresses of a host: behind aliases (RFC 1034, section 3.6.2), and where a server doesn't look further
itself but says who knows (section 4.3.1)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from twisted_compat.names.asking import USABLE, Outcome, Question
from twisted_compat.names.config import Server
from twisted_compat.names.dns import AAAA, CNAME, IN, NS, SOA, A

__all__ = ["Found", "Hosts", "addresses_of", "has_route", "of_both"]

MOST_ALIASES = 16
MOST_REFERRALS = 16
MOST_GLUE = 8  # servers of a delegation that are asked

Ask = Callable[[Question, tuple[Server, ...]], Awaitable[Outcome]]


@dataclass(frozen=True)
class Found:
    """The addresses of a host, as text; and the outcome of the last question."""

    addresses: list[str]
    outcome: Outcome


@dataclass(frozen=True)
class Hosts:
    """How hosts are looked up.

    :ivar ask: asks a question of some servers.
    :ivar servers: whom to ask.
    :ivar aliases: how many aliases to follow.
    :ivar port: of the servers that a delegation names.
    """

    ask: Ask
    servers: tuple[Server, ...]
    aliases: int = MOST_ALIASES
    port: int = 53


async def addresses_of(hosts: Hosts, name: dns.name.Name, rdtype: int) -> Found:
    """The addresses of a host, of one kind.

    :param rdtype: the number of A or AAAA.
    """
    seen = {name}
    servers, zone = hosts.servers, dns.name.root
    referrals = 0
    while True:
        outcome = await hosts.ask(Question(name, rdtype, IN), servers)
        message = outcome.message
        if message is None or message.rcode() not in USABLE:
            return Found([], outcome)
        target = _end_of_aliases(message, name, seen)
        if target is None or len(seen) > hosts.aliases + 1:
            return Found([], outcome)  # they lead back to where they began, or nowhere
        if found := _addresses_in(message, target, rdtype):
            return Found(found, outcome)
        if message.rcode() == dns.rcode.NXDOMAIN or _of(message.authority, SOA):
            return Found([], outcome)
        if target != name:
            name, servers, zone = target, hosts.servers, dns.name.root
            continue
        referral = _referral(message, name, zone, hosts.port)
        referrals += 1
        if referral is None or referrals > MOST_REFERRALS:
            return Found([], outcome)
        zone, servers = referral


def _end_of_aliases(
    message: dns.message.Message, name: dns.name.Name, seen: set[dns.name.Name]
) -> dns.name.Name | None:
    """Where the aliases in an answer lead; None if that is a loop.

    :param seen: the names on the way, which become more.
    """
    aliases = {rrset.name: rrset[0].target for rrset in _of(message.answer, CNAME)}
    while name in aliases:
        name = aliases[name]
        if name in seen:
            return None
        seen.add(name)
    return name


def _addresses_in(message: dns.message.Message, name: dns.name.Name, rdtype: int) -> list[str]:
    return [rdata.address for rrset in _of(message.answer, rdtype) if rrset.name == name for rdata in rrset]


def _of(section: list[dns.rrset.RRset], *rdtypes: int) -> list[Any]:
    """The records of these types; a server may put those of any class into an answer."""
    return [rrset for rrset in section if rrset.rdtype in rdtypes and rrset.rdclass == IN]


def _referral(
    message: dns.message.Message, name: dns.name.Name, zone: dns.name.Name, port: int
) -> tuple[dns.name.Name, tuple[Server, ...]] | None:
    """The zone further down that the name is in, and its servers, as far as their addresses are told."""
    if message.flags & dns.flags.AA:  # it is the server's own zone, so there is nothing (RFC 1034, 4.3.2)
        return None
    delegations = _of(message.authority, NS)
    for zone_below in {rrset.name for rrset in delegations}:
        deeper = zone_below.is_subdomain(zone) and zone_below != zone
        if not deeper or not name.is_subdomain(zone_below):
            continue
        targets = {rdata.target for rrset in delegations if rrset.name == zone_below for rdata in rrset}
        glue = [
            rdata.address
            for rrset in _of(message.additional, A, AAAA)
            if rrset.name in targets
            for rdata in rrset
        ]
        if glue:
            return zone_below, tuple((address, port) for address in glue[:MOST_GLUE])
    return None


async def of_both(
    look_up: Callable[[int], Awaitable[Found]],
    rdtypes: list[int],
    tell: Callable[[int, list[str]], float | None],
) -> list[Found]:
    """Look for several kinds of addresses at the same time.

    :param look_up: called with the number of a type.
    :param tell: called with the number of a type and its addresses as soon as those are there, if there are
        any. It returns how many seconds the others still have: 0 for none, None for as long as they take.
    :returns: what was found by then.
    """
    tasks = {asyncio.ensure_future(look_up(rdtype)): rdtype for rdtype in rdtypes}
    pending: set[Any] = set(tasks)
    results: list[Found] = []
    patience: float | None = None
    try:
        while pending and patience != 0:
            done, pending = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for task in [task for task in tasks if task in done]:  # AAAA before A, when both are there
                results.append(task.result())
                if results[-1].addresses and patience != 0:
                    patience = tell(tasks[task], results[-1].addresses)
        return results
    finally:
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # of two, one is raised


def has_route(address: str) -> bool:
    """Whether this machine knows how to reach an IPv6 address. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(socket.getaddrinfo(address, 53, flags=socket.AI_NUMERICHOST)[0][4])
    except OSError:
        return False
    return True
