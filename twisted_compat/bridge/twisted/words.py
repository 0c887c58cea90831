"""Twisted's vocabulary, and which of Twisted's interfaces our engine provides.

``twisted_compat/vocabulary.py`` says what a vocabulary is.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from twisted.internet import address, defer, error, interfaces
from twisted.python import failure
from zope.interface import classImplements, implementedBy

from twisted_compat import endpoints, transport
from twisted_compat.adapter import delayed_call, facade, resolution, resolvers
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.bridge.twisted.logs import TwistedLog
from twisted_compat.bridge.twisted.tls import start_tls
from twisted_compat.transport import tcp
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
    closing_waits_for_push=False,
)
"""Twisted's own types."""

# Beyond the interfaces that have the same name in both vocabularies.
ALSO: dict[type[Any], tuple[Any, ...]] = {tcp.Connection: (interfaces.ITLSTransport,)}
# Twisted's TLS needs pyOpenSSL: TwistedReactor says whether it is there.
NOT = frozenset({"IReactorSSL"})
NEED_PYOPENSSL = frozenset({"tls_pyopenssl", "tls_files", "tls_directory"})
"""Modules that are imported where they are needed."""


def declare() -> None:
    """Declare of the engine's classes that they implement, of Twisted's interfaces, those that have the names
    of ours."""
    classes: list[Any] = [facade.Facade, AsyncioReactor]
    # TLS is Twisted's here, but for what an endpoint of ours puts on a connection.
    rooms = [
        f"{package.__name__}.{module.name}"
        for package in (transport, endpoints)
        for module in iter_modules(package.__path__)
        if module.name not in NEED_PYOPENSSL
    ]
    for module in (delayed_call, resolution, resolvers, *map(import_module, rooms)):
        classes += [thing for thing in vars(module).values() if isinstance(thing, type)]
    for cls in classes:
        if cls.__module__.startswith("twisted_compat."):
            ours = [interface.__name__ for interface in implementedBy(cls)]
            theirs = [
                getattr(interfaces, name) for name in ours if hasattr(interfaces, name) and name not in NOT
            ]
            declares: Any = classImplements  # the checker's plugin wants to see the class named here
            declares(cls, *theirs, *ALSO.get(cls, ()))


declare()
