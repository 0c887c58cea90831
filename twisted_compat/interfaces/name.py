"""Names into addresses: simple, DNS (RFC 1035) and host name resolvers, and the reactors that take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from zope.interface import Attribute, Interface

from twisted_compat.interfaces.address import IAddress

if TYPE_CHECKING:
    from twisted_compat.defer import Deferred

    _Timeout = float | Sequence[int]
    _Records = tuple[list[Any], list[Any], list[Any]]

__all__ = [
    "IHostResolution",
    "IHostnameResolver",
    "IReactorPluggableNameResolver",
    "IReactorPluggableResolver",
    "IResolutionReceiver",
    "IResolver",
    "IResolverSimple",
]


class IHostResolution(Interface):
    """A host name being resolved."""

    name = cast(str, Attribute("The host name that is being resolved, as text."))

    def cancel() -> None:
        """Give up. The receiver hears of no further address, only that the resolution is complete."""


class IResolutionReceiver(Interface):
    """Told about the addresses of a host name as they are found.

    ``resolutionBegan`` once, then ``addressResolved`` for each address (perhaps none), then
    ``resolutionComplete``.
    """

    def resolutionBegan(resolutionInProgress: IHostResolution) -> None:
        """Learn that the search has begun.

        :param resolutionInProgress: the search; it can be cancelled.
        """

    def addressResolved(address: IAddress) -> None:
        """Learn of one address.

        :param address: an :class:`~twisted_compat.interfaces.address.IAddress` with the port that was asked
            for.
        """

    def resolutionComplete() -> None:
        """Learn that there is nothing more. If no address came, the name has none or the search failed."""


class IHostnameResolver(Interface):
    """Finds all addresses of a host name."""

    def resolveHostName(
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Start a search.

        :param resolutionReceiver: is told what is found.
        :param hostName: the name; one with letters beyond ASCII is encoded as IDNA. An IP address literal is
            fine.
        :param portNumber: the port to put into the addresses, 0 to 65535.
        :param addressTypes: the address classes that are wanted, such as ``[IPv6Address]``; None for all.
        :param transportSemantics: ``"TCP"`` for a stream, ``"UDP"`` for datagrams.
        :returns: the search, the same that ``resolutionBegan`` is given.
        """


class IResolverSimple(Interface):
    """Finds one address of a host name."""

    def getHostByName(name: str, timeout: Sequence[int] = (1, 3, 11, 45)) -> Deferred[str]:
        """Look for an address.

        :param name: the host name.
        :param timeout: seconds to wait for each try, one number a try.
        :returns: a Deferred of an IP address as text. Where the name has several, which one is open. It fails
            with ``DNSLookupError``, or with a timeout error when the tries are used up.
        """


class IResolver(IResolverSimple):
    """Asks the DNS, one method for each type of record.

    Each method returns a Deferred of three lists of records: the answers, the authority section, and the
    additional section (RFC 1035, section 4.1). It fails with a DNS error, or with a timeout error after
    ``timeout`` seconds.
    """

    def lookupRecord(name: str, cls: int, type: int, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up records of any type and class. Today's Twisted no longer has it.

        :param name: the domain name.
        :param cls: the class's number; 1 is the Internet.
        :param type: the type's number.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def query(query: Any, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Answer a query object by calling the lookup method of its type.

        :param query: has a ``name``, a ``cls`` and a ``type``.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupAddress(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up A records: IPv4 addresses (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupAddress6(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up A6 records: IPv6 addresses in the abandoned form of RFC 2874.

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupIPV6Address(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up AAAA records: IPv6 addresses (RFC 3596).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupMailExchange(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up MX records: where mail for the domain goes (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupNameservers(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up NS records: the name servers of the zone (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupCanonicalName(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up CNAME records: the name that this one is an alias of (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupMailBox(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up MB records: the host of a mailbox (RFC 1035, experimental).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupMailGroup(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up MG records: the members of a mail group (RFC 1035, experimental).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupMailRename(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up MR records: the new name of a mailbox (RFC 1035, experimental).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupPointer(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up PTR records: the name that belongs to an address (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupAuthority(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up SOA records: the zone's origin and its times (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupNull(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up NULL records: arbitrary bytes (RFC 1035, experimental).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupWellKnownServices(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up WKS records: the services of a host (RFC 1035, out of use).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupHostInfo(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up HINFO records: a host's hardware and system (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupMailboxInfo(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up MINFO records: who answers for a mailing list (RFC 1035, experimental).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupText(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up TXT records: free text (RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupResponsibility(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up RP records: the person responsible (RFC 1183).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupAFSDatabase(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up AFSDB records: the servers of an AFS cell (RFC 1183).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupService(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up SRV records: the hosts and ports of a service (RFC 2782).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupAllRecords(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up records of every type that the server has (query type ``*``, RFC 1035).

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupNamingAuthorityPointer(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up NAPTR records: rewriting rules (RFC 3403). A later addition of Twisted.

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupSenderPolicy(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Look up SPF records: who may send the domain's mail (RFC 4408). A later addition of Twisted.

        :param name: the domain name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """

    def lookupZone(name: str, timeout: _Timeout = 10) -> Deferred[_Records]:
        """Fetch a whole zone from its server (AXFR, RFC 5936).

        :param name: the zone's name.
        :param timeout: seconds; or a sequence of them, one for each try.
        """


class IReactorPluggableResolver(Interface):
    """A reactor whose simple resolver can be replaced."""

    def installResolver(resolver: IResolverSimple) -> IResolverSimple:
        """Resolve with another resolver from now on.

        :param resolver: an :class:`IResolverSimple`.
        :returns: the one that was in use.
        """


class IReactorPluggableNameResolver(Interface):
    """A reactor whose host name resolver can be replaced. A later addition of Twisted."""

    nameResolver = cast(IHostnameResolver, Attribute("The IHostnameResolver that the reactor uses now."))

    def installNameResolver(resolver: IHostnameResolver) -> IHostnameResolver:
        """Resolve host names with another resolver from now on.

        :param resolver: an :class:`IHostnameResolver`.
        :returns: the one that was in use.
        """
