"""The Resolver: ``engine.py``'s coroutines as Deferreds, which end with their reactor.

``client.py`` shows it to the world.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

import dns.name
from zope.interface import implementer

from twisted_compat.adapter.hostnames import as_text
from twisted_compat.adapter.resolution import DEFAULT_TIMEOUT, Resolution
from twisted_compat.adapter.resolvers import socket_type
from twisted_compat.current import current_reactor
from twisted_compat.interfaces import IHostnameResolver, IResolver
from twisted_compat.names.addresses import MOST_ALIASES
from twisted_compat.names.common import ResolverBase
from twisted_compat.names.config import Configuration, Path, as_server
from twisted_compat.names.dns import AAAA, AXFR, IN, A
from twisted_compat.names.engine import Engine, best_of
from twisted_compat.names.error import DNSQueryTimeoutError, DomainError, ResolverError, lookup_error
from twisted_compat.names.hosts import HostsFile
from twisted_compat.names.naming import domainString, parse_name
from twisted_compat.names.patience import Patience, Timeout
from twisted_compat.names.running import Job, Running
from twisted_compat.transport.sockets import is_ipv6, is_literal
from twisted_compat.vocabulary import Vocabulary, vocabulary_of

__all__ = ["HOSTS", "RESOLV_CONF", "Resolver"]

RESOLV_CONF = "/etc/resolv.conf"
HOSTS = "/etc/hosts"
EXPECTED = (DomainError, DNSQueryTimeoutError, ResolverError)  # what only means that there are no addresses


@implementer(IResolver, IHostnameResolver)
class Resolver(ResolverBase):
    """Asks name servers. Nothing of it blocks, and it holds no socket while nothing is looked up.

    It may be used on several reactors, one after another. Answers are kept for as long as their records say.

    :param resolv: the path of a ``resolv.conf(5)``, which is read again when it has changed: its servers,
        search list, ``ndots`` and ``rotate`` count. If neither this nor ``servers`` is given, it is
        ``/etc/resolv.conf``.
    :param servers: IP addresses, or pairs of address and port, to be asked before those of ``resolv``.
    :param timeout: for look-ups that are given none: seconds for everything, or seconds to wait for each
        server in each round.
    :param reactor: the look-ups end with it, and their Deferreds are of its vocabulary; by default the
        current one at each look-up. Who looks up before a reactor runs, should name it.
    :param search: the search list, in the place of that of ``resolv``.
    :param hosts: the path of a hosts file, which is read again when it has changed; None for none.
    :raises ValueError: if one of ``servers`` isn't one, or ``timeout`` none.
    """

    def __init__(
        self,
        resolv: Path | None = None,
        servers: Sequence[Any] | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        reactor: Any = None,
        *,
        search: Iterable[str | bytes] | None = None,
        hosts: Path | None = HOSTS,
    ) -> None:
        if isinstance(servers, (str, bytes)):
            raise ValueError(f"Name servers are given as a list. Write servers=[{servers!r}].")
        self.servers = [] if servers is None else [as_server(server) for server in servers]
        self.resolv = RESOLV_CONF if resolv is None and not self.servers else resolv
        self.timeout = DEFAULT_TIMEOUT if isinstance(timeout, Sequence) and not timeout else timeout
        Patience.of(None, self.timeout, 0.0)  # what can't be one is told now
        suffixes = None
        if search is not None:
            suffixes = tuple(parse_name(suffix).derelativize(dns.name.root) for suffix in search)
        config = Configuration(self.resolv, tuple(self.servers), suffixes)
        self._engine = Engine(config, self.timeout)
        self._hosts_file = HostsFile(hosts)
        self._running = Running(self._engine.shared.cancel_all)
        self._reactor = reactor

    # Records (IResolver); the method for each type is ResolverBase's

    def _lookup(self, name: Any, cls: int, type: int, timeout: Timeout | None) -> Any:
        reactor, words = self._place()
        if type == AXFR and cls == IN:
            return self._deferred(reactor, words, partial(self._engine.zone, words, name, timeout))
        return self._deferred(reactor, words, partial(self._engine.records, words, name, cls, type, timeout))

    # Hosts (IResolverSimple, IHostnameResolver)

    def getHostByName(
        self, name: str | bytes, timeout: Timeout | None = None, effort: int = MOST_ALIASES
    ) -> Any:
        """Find an address of a host (IResolverSimple): in the hosts file, or else in the DNS, behind aliases.

        :param name: the host name; letters beyond ASCII are encoded as IDNA. An IP address is returned as it
            is.
        :param timeout: seconds for everything; or seconds to wait for each server in each round.
        :param effort: how many aliases to follow, one after another.
        :returns: a Deferred of an IP address as text: an IPv6 one if this machine has a route to it, else an
            IPv4 one, else whatever there is. It fails with ``DNSLookupError``, which is also the Deferreds'
            ``TimeoutError`` if it was a matter of time. It can be cancelled.
        """
        reactor, words = self._place()
        try:
            host = domainString(as_text(name)).decode("ascii")
        except (TypeError, UnicodeError) as error:
            return words.defer.fail(lookup_error(words, f"{name!r} can't be a host name: {error}", error))
        if is_literal(host):
            return words.defer.succeed(host)
        known = self._hosts_file.addresses(host, words)
        if known:
            return words.defer.succeed(best_of(known))

        async def look_up() -> str:
            try:
                return await self._engine.one_address(words, host, timeout, effort)
            except (DomainError, DNSQueryTimeoutError) as error:
                raise lookup_error(words, f"{name!r}: {error}", error) from error

        return self._deferred(
            reactor, words, look_up, lambda error: lookup_error(words, f"{name!r}: {error}")
        )

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Find all addresses of a host (IHostnameResolver): in the hosts file, or else in the DNS, behind
        aliases. A name that can't be found has none.

        :param resolutionReceiver: an IResolutionReceiver. What takes no asking it is told before this
            returns: that the search began, an IP address, what is in the hosts file. The rest as it comes.
        :param hostName: the name, or an IP address. Letters beyond ASCII are encoded as IDNA.
        :param portNumber: the port to put into the addresses.
        :param addressTypes: which addresses are wanted: of IPv4Address and IPv6Address; None for both.
        :param transportSemantics: "TCP" or "UDP".
        :returns: an IHostResolution.
        :raises ValueError: for other transport semantics.
        """
        socket_type(transportSemantics)  # raises for what is none
        reactor, words = self._place()
        resolution = Resolution(hostName, resolutionReceiver, addressTypes, words.log)
        if not resolution.begin():
            return resolution
        tell = partial(_tell, words, resolution, transportSemantics, portNumber)
        try:
            host = domainString(resolution.name).decode("ascii")
        except UnicodeError:
            resolution.complete()
            return resolution
        known = [host] if is_literal(host) else self._hosts_file.addresses(host, words)
        kinds = _kinds(words, resolution.types)
        known = [address for address in known if (AAAA if is_ipv6(address) else A) in kinds]
        if known or not kinds or is_literal(host):
            tell(known)
            resolution.complete()
            return resolution

        async def look_up() -> None:
            await self._engine.hosts(words, host, kinds, None, lambda _, addresses: tell(addresses))

        def finish(_: None, error: BaseException | None) -> None:
            if error is not None and not isinstance(error, EXPECTED):
                words.log.error("Resolving %r failed in an unexpected way", resolution.name, exc_info=error)
            resolution.complete()

        job = self._running.start(reactor, look_up, finish)
        resolution.stop_with(job.cancel)
        return resolution

    def _place(self) -> tuple[Any, Vocabulary]:
        """The reactor to look up on, and its words."""
        reactor = current_reactor() if self._reactor is None else self._reactor
        return reactor, vocabulary_of(reactor)

    def _deferred(
        self,
        reactor: Any,
        words: Vocabulary,
        work: Callable[[], Coroutine[Any, Any, Any]],
        at_end: Callable[[Exception], Exception] = lambda error: error,
    ) -> Any:
        """A Deferred of what a coroutine function returns; cancelling it ends that.

        :param at_end: makes the error for the end of the reactor.
        """
        deferred = words.defer.Deferred(lambda _: job.cancel())

        def finish(result: Any, error: BaseException | None) -> None:
            if error is None:
                deferred.callback(result)
            else:
                deferred.errback(at_end(error) if isinstance(error, ResolverError) else error)

        job: Job = self._running.start(reactor, work, finish)
        return deferred


def _kinds(words: Vocabulary, types: list[Any] | None) -> list[int]:
    """The types of records to ask for, for these classes of addresses."""
    kinds = {AAAA: words.address.IPv6Address, A: words.address.IPv4Address}
    return [kind for kind, cls in kinds.items() if types is None or cls in types]


def _tell(words: Vocabulary, resolution: Resolution, semantics: str, port: int, addresses: list[str]) -> None:
    for address in addresses:
        if is_ipv6(address):
            try:  # the number of the interface that a link-local address is on
                where = socket.getaddrinfo(address, None, socket.AF_INET6, flags=socket.AI_NUMERICHOST)[0][4]
            except OSError:  # there is no such interface
                continue
            host, _, *rest = where
            resolution.found(words.address.IPv6Address(semantics, host, port, *rest))
        else:
            resolution.found(words.address.IPv4Address(semantics, address, port))
