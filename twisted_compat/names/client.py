"""The resolver, and each of its look-ups as a function; Twisted's ``twisted.names.client``.

The functions use the resolver that :func:`getResolver` returns.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from zope.interface import moduleProvides

from twisted_compat.current import current_reactor
from twisted_compat.interfaces import IResolver
from twisted_compat.names.common import Name
from twisted_compat.names.config import Path
from twisted_compat.names.patience import Timeout
from twisted_compat.names.resolver import HOSTS, RESOLV_CONF, Resolver

__all__ = [
    "Resolver",
    "createResolver",
    "getHostByName",
    "getResolver",
    "lookupAFSDatabase",
    "lookupAddress",
    "lookupAddress6",
    "lookupAllRecords",
    "lookupAuthority",
    "lookupCanonicalName",
    "lookupHostInfo",
    "lookupIPV6Address",
    "lookupMailBox",
    "lookupMailExchange",
    "lookupMailGroup",
    "lookupMailRename",
    "lookupMailboxInfo",
    "lookupNameservers",
    "lookupNamingAuthorityPointer",
    "lookupNull",
    "lookupPointer",
    "lookupRecord",
    "lookupResponsibility",
    "lookupSenderPolicy",
    "lookupService",
    "lookupText",
    "lookupWellKnownServices",
    "lookupZone",
    "query",
]

theResolver: Any = None
"""The resolver for everybody, if somebody puts one here, as legacy tests do."""

_resolvers: WeakKeyDictionary[Any, Resolver] = WeakKeyDictionary()


def createResolver(
    servers: Any = None, resolvconf: Path | None = None, hosts: Path | None = None
) -> Resolver:
    """A resolver for a configuration.

    :param servers: IP addresses, or pairs of address and port, to be asked before those of the file.
    :param resolvconf: the path of a ``resolv.conf``; None for the system's.
    :param hosts: the path of a hosts file; None for the system's.
    :raises ValueError: if a server isn't one.
    """
    return Resolver(resolvconf or RESOLV_CONF, servers, hosts=hosts or HOSTS)


def getResolver() -> Any:
    """The resolver of the current reactor, made for the system's configuration when it is first asked for."""
    if theResolver is not None:
        return theResolver
    reactor = current_reactor()
    resolver = _resolvers.get(reactor)
    if resolver is None:
        resolver = _resolvers[reactor] = (
            createResolver()
        )  # that doesn't know the reactor, or neither would go
    return resolver


def getHostByName(name: str | bytes, timeout: Timeout | None = None, effort: int = 16) -> Any:
    """Find an address of a host: see :meth:`Resolver.getHostByName`."""
    return getResolver().getHostByName(name, timeout, effort)


def lookupRecord(name: Name, cls: int, type: int, timeout: Timeout | None = None) -> Any:
    """Look up records of any type and class."""
    return getResolver().lookupRecord(name, cls, type, timeout)


def query(query: Any, timeout: Timeout | None = None) -> Any:
    """Look up what a question is about: see :meth:`Resolver.query`."""
    return getResolver().query(query, timeout)


def lookupAddress(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up A records: IPv4 addresses."""
    return getResolver().lookupAddress(name, timeout)


def lookupIPV6Address(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up AAAA records: IPv6 addresses."""
    return getResolver().lookupIPV6Address(name, timeout)


def lookupAddress6(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up A6 records: IPv6 addresses in an abandoned form."""
    return getResolver().lookupAddress6(name, timeout)


def lookupMailExchange(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up MX records: where mail for the domain goes."""
    return getResolver().lookupMailExchange(name, timeout)


def lookupNameservers(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up NS records: the name servers of the zone."""
    return getResolver().lookupNameservers(name, timeout)


def lookupCanonicalName(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up CNAME records: the name that this one is an alias of."""
    return getResolver().lookupCanonicalName(name, timeout)


def lookupMailBox(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up MB records: the host of a mailbox."""
    return getResolver().lookupMailBox(name, timeout)


def lookupMailGroup(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up MG records: the members of a mail group."""
    return getResolver().lookupMailGroup(name, timeout)


def lookupMailRename(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up MR records: the new name of a mailbox."""
    return getResolver().lookupMailRename(name, timeout)


def lookupPointer(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up PTR records: the name that belongs to an address."""
    return getResolver().lookupPointer(name, timeout)


def lookupAuthority(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up SOA records: the zone's origin and its times."""
    return getResolver().lookupAuthority(name, timeout)


def lookupNull(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up NULL records: any bytes."""
    return getResolver().lookupNull(name, timeout)


def lookupWellKnownServices(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up WKS records: the services of a host."""
    return getResolver().lookupWellKnownServices(name, timeout)


def lookupHostInfo(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up HINFO records: a host's hardware and system."""
    return getResolver().lookupHostInfo(name, timeout)


def lookupMailboxInfo(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up MINFO records: who answers for a mailing list."""
    return getResolver().lookupMailboxInfo(name, timeout)


def lookupText(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up TXT records: text."""
    return getResolver().lookupText(name, timeout)


def lookupSenderPolicy(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up SPF records: who may send the domain's mail."""
    return getResolver().lookupSenderPolicy(name, timeout)


def lookupResponsibility(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up RP records: the person responsible."""
    return getResolver().lookupResponsibility(name, timeout)


def lookupAFSDatabase(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up AFSDB records: the servers of an AFS cell."""
    return getResolver().lookupAFSDatabase(name, timeout)


def lookupService(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up SRV records: the hosts and ports of a service."""
    return getResolver().lookupService(name, timeout)


def lookupNamingAuthorityPointer(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up NAPTR records: rewriting rules."""
    return getResolver().lookupNamingAuthorityPointer(name, timeout)


def lookupAllRecords(name: Name, timeout: Timeout | None = None) -> Any:
    """Look up records of every type that the server has."""
    return getResolver().lookupAllRecords(name, timeout)


def lookupZone(name: Name, timeout: Timeout | None = None) -> Any:
    """Fetch a whole zone from its server."""
    return getResolver().lookupZone(name, timeout)


moduleProvides(IResolver)
