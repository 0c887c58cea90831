"""The words a reactor speaks: which Deferred, Failure, errors, addresses and interfaces its transports hand
out, and where they say what goes wrong.

Transports, timers and resolvers never import an error or an interface of their own: they ask the vocabulary
of the reactor they were given. That is what lets the same engine speak this package's types (:data:`NATIVE`)
or real Twisted's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from twisted_compat import address, defer, error, failure, interfaces

__all__ = ["NATIVE", "Vocabulary", "vocabulary_of"]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """One consistent set of types, most of them a module with Twisted's names in it.

    :ivar address: ``IPv4Address``, ``IPv6Address``, ``UNIXAddress``, ``HostnameAddress``.
    :ivar defer: ``Deferred`` and its helpers.
    :ivar error: the table of errors.
    :ivar failure: ``Failure``.
    :ivar interfaces: the zope interfaces that ``providedBy`` is asked of.
    :ivar log: where the engine says what it did and what raised: has the methods of a logging.Logger.
    :ivar start_tls: puts TLS on a transport, called as ``start_tls(transport, contextFactory, normal)``; None
        for that of ``transport/tls_factory.py``.
    :ivar closing_waits_for_push: whether ``loseConnection`` waits until a streaming producer unregisters, as
        ITransport promises. Real Twisted's transports don't, and its TLS and its web server rely on that.
    """

    address: ModuleType
    defer: ModuleType
    error: ModuleType
    failure: ModuleType
    interfaces: ModuleType
    log: Any
    start_tls: Callable[[Any, Any, bool], None] | None = None
    closing_waits_for_push: bool = True


NATIVE = Vocabulary(
    address=address,
    defer=defer,
    error=error,
    failure=failure,
    interfaces=interfaces,
    log=logging.getLogger("twisted_compat"),
)
"""This package's own types: needs ``zope.interface`` alone."""


def vocabulary_of(reactor: Any) -> Vocabulary:
    """The words that a reactor speaks; of one that isn't ours, and has no ``vocabulary``, :data:`NATIVE`."""
    words: Vocabulary = getattr(reactor, "vocabulary", NATIVE)
    return words
