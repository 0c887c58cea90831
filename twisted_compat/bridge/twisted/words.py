"""Twisted's vocabulary, and which of Twisted's interfaces our engine provides.

``twisted_compat/vocabulary.py`` says what a vocabulary is.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import address, defer, error, interfaces
from twisted.python import failure
from zope.interface import classImplements, implementedBy

from twisted_compat.adapter import delayed_call, names
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.bridge.twisted.logs import TwistedLog
from twisted_compat.bridge.twisted.tls import start_tls
from twisted_compat.transport import descriptor, tcp, tcp_connect, tcp_listen
from twisted_compat.vocabulary import Vocabulary

__all__ = ["TWISTED"]

TWISTED = Vocabulary(
    address=address,
    defer=defer,
    error=error,
    failure=failure,
    interfaces=interfaces,
    log=TwistedLog(),
    start_tls=start_tls,
)
"""Twisted's own types."""

# Beyond the interfaces that have the same name in both vocabularies.
ALSO: dict[type[Any], tuple[Any, ...]] = {tcp.Connection: (interfaces.ITLSTransport,)}


def declare() -> None:
    """Declare of the engine's classes that they implement, of Twisted's interfaces, those that have the names
    of ours."""
    for module in (AsyncioReactor, delayed_call, names, descriptor, tcp, tcp_connect, tcp_listen):
        classes = [module] if isinstance(module, type) else vars(module).values()
        for thing in classes:
            if isinstance(thing, type) and thing.__module__.startswith("twisted_compat."):
                ours = [interface.__name__ for interface in implementedBy(thing)]
                theirs = [getattr(interfaces, name) for name in ours if hasattr(interfaces, name)]
                classImplements(thing, *theirs, *ALSO.get(thing, ()))


declare()
