"""The words a reactor speaks: which Deferred, Failure, errors, addresses and interfaces its transports hand
out.

Transports, timers and resolvers never import an error or an interface of their own: they ask the vocabulary
of the reactor they were given. That is what lets the same engine speak this package's types (:data:`NATIVE`)
or real Twisted's.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from twisted_compat import address, defer, error, failure, interfaces

__all__ = ["NATIVE", "Vocabulary"]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """One consistent set of types, each a module with Twisted's names in it.

    :ivar address: ``IPv4Address``, ``IPv6Address``, ``UNIXAddress``, ``HostnameAddress``.
    :ivar defer: ``Deferred`` and its helpers.
    :ivar error: the table of errors.
    :ivar failure: ``Failure``.
    :ivar interfaces: the zope interfaces that ``providedBy`` is asked of.
    """

    address: ModuleType
    defer: ModuleType
    error: ModuleType
    failure: ModuleType
    interfaces: ModuleType


NATIVE = Vocabulary(address=address, defer=defer, error=error, failure=failure, interfaces=interfaces)
"""This package's own types: needs ``zope.interface`` alone."""
