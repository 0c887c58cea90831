"""Host names into addresses: IReactorCore.resolve and the resolvers that can be installed.

Twisted has two interfaces for it, and code that knows only one of them::

    resolve(name) -> IResolverSimple    one IPv4 address, as a Deferred
    nameResolver  -> IHostnameResolver  all addresses, told to a receiver

Whichever kind is installed, the other is made from it here. Until then, the loop's own resolver is asked. The
resolvers are in :mod:`.resolvers`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from twisted_compat import interfaces
from twisted_compat.adapter.hostnames import as_text
from twisted_compat.adapter.resolution import DEFAULT_TIMEOUT, OneAddress, Timeout
from twisted_compat.adapter.resolvers import (
    ComplexResolverSimplifier,
    LoopResolver,
    SimpleResolverComplexifier,
)
from twisted_compat.transport.sockets import is_literal
from twisted_compat.vocabulary import Vocabulary

__all__ = ["Names"]


class Names:
    """The resolvers of a reactor.

    :param loop: whose ``getaddrinfo`` is asked unless something else is installed.
    :param vocabulary: whose Deferreds, errors and addresses are given.
    :param reactor: whose ``callLater`` ends look-ups that take too long.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary, reactor: Any) -> None:
        self._vocabulary = vocabulary
        self._loop_resolver = LoopResolver(loop, vocabulary)
        self._name_resolver: Any = self._loop_resolver
        self._reactor = reactor
        self._lookups: set[OneAddress] = set()
        self._simple_resolver: Any = self._simplified(self._loop_resolver)
        self._asked_for_one = self._simple_resolver

    def resolve(self, name: str | bytes, timeout: Timeout = DEFAULT_TIMEOUT) -> Any:
        """Find an address (IReactorCore).

        :param name: the host name; letters beyond ASCII are encoded as IDNA. An IP address, v4 or v6, is
            returned as it is, and an empty name is "0.0.0.0".
        :param timeout: seconds; of a sequence, the sum counts.
        :returns: a Deferred of an IPv4 address as text. It fails with ``DNSLookupError``, which is also
            Deferred's ``TimeoutError`` if it was a matter of time. It can be cancelled.
        """
        name = as_text(name)
        if not name:
            return self._vocabulary.defer.succeed("0.0.0.0")
        if is_literal(name):
            return self._vocabulary.defer.succeed(name)
        return self._asked_for_one.getHostByName(name, timeout)

    @property
    def nameResolver(self) -> Any:
        """The IHostnameResolver in use (IReactorPluggableNameResolver)."""
        return self._name_resolver

    def installResolver(self, resolver: Any) -> Any:
        """Look names up with another simple resolver from now on, in both ways.

        IReactorPluggableResolver.

        :param resolver: an IResolverSimple. If it is an IHostnameResolver besides, it is asked as that.
        :returns: the simple resolver from before; installing that again undoes this.
        :raises TypeError: if ``resolver`` isn't one.
        """
        self._check(resolver, "IResolverSimple", "installResolver")
        previous, self._simple_resolver = self._simple_resolver, resolver
        self._asked_for_one = resolver
        if isinstance(resolver, ComplexResolverSimplifier):
            self._name_resolver = resolver._nameResolver
        elif self._provides(resolver, "IHostnameResolver"):
            self._name_resolver = resolver
            self._asked_for_one = self._simplified(resolver)  # its own answer may be of IPv6
        else:
            self._name_resolver = SimpleResolverComplexifier(resolver, self._vocabulary)
        return previous

    def installNameResolver(self, resolver: Any) -> Any:
        """Look names up with another host name resolver from now on, in both ways.

        IReactorPluggableNameResolver.

        :param resolver: an IHostnameResolver.
        :returns: the host name resolver from before; installing that again undoes this.
        :raises TypeError: if ``resolver`` isn't one.
        """
        self._check(resolver, "IHostnameResolver", "installNameResolver")
        previous, self._name_resolver = self._name_resolver, resolver
        if isinstance(resolver, SimpleResolverComplexifier):
            self._simple_resolver = resolver._simpleResolver
        else:
            self._simple_resolver = self._simplified(resolver)
        self._asked_for_one = self._simple_resolver
        return previous

    def close(self) -> None:
        """End every look-up under way. Those who wait for one are told that the name wasn't found."""
        for lookup in list(self._lookups):
            lookup.give_up("the reactor was stopped")
        self._loop_resolver.close()

    def _simplified(self, resolver: Any) -> ComplexResolverSimplifier:
        return ComplexResolverSimplifier(resolver, self._vocabulary, self._reactor, self._lookups)

    def _provides(self, resolver: Any, interface: str) -> bool:
        """Whether it does in the reactor's words; or in ours, as the resolvers of this package."""
        theirs = getattr(self._vocabulary.interfaces, interface)
        return bool(theirs.providedBy(resolver) or getattr(interfaces, interface).providedBy(resolver))

    def _check(self, resolver: Any, interface: str, method: str) -> None:
        if not self._provides(resolver, interface):
            raise TypeError(
                f"{resolver!r} doesn't provide {interface}, which {method} needs. "
                f"Write @implementer({interface}) above its class."
            )
