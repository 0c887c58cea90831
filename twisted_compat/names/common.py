"""One method for each type of record, out of one for all: what a resolver has besides its own work; Twisted's
``twisted.names.common``."""

from __future__ import annotations

from typing import Any

from twisted_compat.names import dns
from twisted_compat.names.patience import Timeout

__all__ = ["ResolverBase", "typeToMethod"]

Name = str | bytes | dns.Name

typeToMethod = {
    dns.A: "lookupAddress",
    dns.AAAA: "lookupIPV6Address",
    dns.A6: "lookupAddress6",
    dns.MX: "lookupMailExchange",
    dns.NS: "lookupNameservers",
    dns.CNAME: "lookupCanonicalName",
    dns.MB: "lookupMailBox",
    dns.MG: "lookupMailGroup",
    dns.MR: "lookupMailRename",
    dns.PTR: "lookupPointer",
    dns.SOA: "lookupAuthority",
    dns.NULL: "lookupNull",
    dns.WKS: "lookupWellKnownServices",
    dns.HINFO: "lookupHostInfo",
    dns.MINFO: "lookupMailboxInfo",
    dns.TXT: "lookupText",
    dns.SPF: "lookupSenderPolicy",
    dns.RP: "lookupResponsibility",
    dns.AFSDB: "lookupAFSDatabase",
    dns.SRV: "lookupService",
    dns.NAPTR: "lookupNamingAuthorityPointer",
    dns.ALL_RECORDS: "lookupAllRecords",
    dns.AXFR: "lookupZone",
}
"""The method for each type."""


class ResolverBase:
    """A resolver whose class defines ``_lookup(name, cls, type, timeout)``, which returns a Deferred.

    What each method takes and returns is told by
    :class:`~twisted_compat.interfaces.name.IResolver`: a Deferred of the answers, the authority and the
    additional section, three lists of :class:`~.dns.RRHeader`.
    """

    def _lookup(self, name: Any, cls: int, type: int, timeout: Timeout | None) -> Any:
        raise NotImplementedError("A subclass of ResolverBase must define _lookup(name, cls, type, timeout).")

    def lookupRecord(self, name: Name, cls: int, type: int, timeout: Timeout | None = None) -> Any:
        """Look up records of any type and class (IResolver)."""
        return self._lookup(name, cls, type, timeout)

    def query(self, query: Any, timeout: Timeout | None = None) -> Any:
        """Look up what a question is about, with the method for its type (IResolver).

        :param query: has a ``name``, a ``cls`` and a ``type``, as :class:`~.dns.Query` does.
        """
        method = typeToMethod.get(query.type) if query.cls == dns.IN else None
        if method is None:
            return self._lookup(query.name, query.cls, query.type, timeout)
        return getattr(self, method)(query.name, timeout)

    def lookupAddress(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up A records: IPv4 addresses (IResolver)."""
        return self._lookup(name, dns.IN, dns.A, timeout)

    def lookupIPV6Address(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up AAAA records: IPv6 addresses (IResolver)."""
        return self._lookup(name, dns.IN, dns.AAAA, timeout)

    def lookupAddress6(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up A6 records: IPv6 addresses in an abandoned form (IResolver)."""
        return self._lookup(name, dns.IN, dns.A6, timeout)

    def lookupMailExchange(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up MX records: where mail for the domain goes (IResolver)."""
        return self._lookup(name, dns.IN, dns.MX, timeout)

    def lookupNameservers(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up NS records: the name servers of the zone (IResolver)."""
        return self._lookup(name, dns.IN, dns.NS, timeout)

    def lookupCanonicalName(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up CNAME records: the name that this one is an alias of (IResolver)."""
        return self._lookup(name, dns.IN, dns.CNAME, timeout)

    def lookupMailBox(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up MB records: the host of a mailbox (IResolver)."""
        return self._lookup(name, dns.IN, dns.MB, timeout)

    def lookupMailGroup(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up MG records: the members of a mail group (IResolver)."""
        return self._lookup(name, dns.IN, dns.MG, timeout)

    def lookupMailRename(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up MR records: the new name of a mailbox (IResolver)."""
        return self._lookup(name, dns.IN, dns.MR, timeout)

    def lookupPointer(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up PTR records: the name that belongs to an address (IResolver)."""
        return self._lookup(name, dns.IN, dns.PTR, timeout)

    def lookupAuthority(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up SOA records: the zone's origin and its times (IResolver)."""
        return self._lookup(name, dns.IN, dns.SOA, timeout)

    def lookupNull(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up NULL records: any bytes (IResolver)."""
        return self._lookup(name, dns.IN, dns.NULL, timeout)

    def lookupWellKnownServices(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up WKS records: the services of a host (IResolver)."""
        return self._lookup(name, dns.IN, dns.WKS, timeout)

    def lookupHostInfo(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up HINFO records: a host's hardware and system (IResolver)."""
        return self._lookup(name, dns.IN, dns.HINFO, timeout)

    def lookupMailboxInfo(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up MINFO records: who answers for a mailing list (IResolver)."""
        return self._lookup(name, dns.IN, dns.MINFO, timeout)

    def lookupText(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up TXT records: text (IResolver)."""
        return self._lookup(name, dns.IN, dns.TXT, timeout)

    def lookupSenderPolicy(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up SPF records: who may send the domain's mail (IResolver)."""
        return self._lookup(name, dns.IN, dns.SPF, timeout)

    def lookupResponsibility(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up RP records: the person responsible (IResolver)."""
        return self._lookup(name, dns.IN, dns.RP, timeout)

    def lookupAFSDatabase(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up AFSDB records: the servers of an AFS cell (IResolver)."""
        return self._lookup(name, dns.IN, dns.AFSDB, timeout)

    def lookupService(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up SRV records: the hosts and ports of a service (IResolver)."""
        return self._lookup(name, dns.IN, dns.SRV, timeout)

    def lookupNamingAuthorityPointer(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up NAPTR records: rewriting rules (IResolver)."""
        return self._lookup(name, dns.IN, dns.NAPTR, timeout)

    def lookupAllRecords(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Look up records of every type that the server has (IResolver)."""
        return self._lookup(name, dns.IN, dns.ALL_RECORDS, timeout)

    def lookupZone(self, name: Name, timeout: Timeout | None = None) -> Any:
        """Fetch a whole zone from its server (IResolver)."""
        return self._lookup(name, dns.IN, dns.AXFR, timeout)
