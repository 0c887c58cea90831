"""Real Twisted on this engine: the same transports, ports, timers and threads, speaking Twisted's own types.

The one place of this package that imports Twisted. :class:`TwistedReactor` attaches to an asyncio loop as
:class:`~twisted_compat.AsyncioReactor` does, and everything that is written for Twisted runs on it;
:func:`install` makes it ``twisted.internet.reactor``.

================  ==================================================================================
``reactor``       TwistedReactor: the facade, with what Twisted's programs expect beyond interfaces
``installing``    install, uninstall: who may be ``twisted.internet.reactor``
``place``         what is there while nothing is installed: a stand-in for the reactor of the running loop
``words``         TWISTED, the vocabulary, and which interfaces of Twisted's the engine provides
``logs``          the engine's messages, and who is speaking, in Twisted's log
``tls``           Twisted's own TLS over our TCP
``threads``       Twisted's own thread pool
``clocks``        delayed calls by the clock that a test has put in place of ``reactor.seconds``
``scrapy``        the reactor for Scrapy's setting
``dropin``        the reactors for ``twistd --reactor``
``on_uvloop``     the one of them that is on uvloop
``awaiting``      as_future, as_deferred, enable_await: Twisted's Deferreds in asyncio's tasks
================  ==================================================================================
"""

from __future__ import annotations

try:
    import twisted.internet.defer  # noqa: F401  # "import twisted" alone finds any project's twisted/plugins
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "twisted":
        raise
    raise ModuleNotFoundError(
        "twisted_compat.bridge.twisted needs Twisted, which is not installed. "
        "Write: pip install 'twisted-compat[twisted]'",
        name=error.name,
    ) from error

from twisted_compat.bridge.twisted.awaiting import as_deferred, as_future, enable_await
from twisted_compat.bridge.twisted.installing import install, uninstall
from twisted_compat.bridge.twisted.reactor import TwistedReactor
from twisted_compat.bridge.twisted.words import TWISTED

__all__ = [
    "TWISTED",
    "TwistedReactor",
    "as_deferred",
    "as_future",
    "enable_await",
    "install",
    "uninstall",
]

# From where it is to be imported. Twisted's tools look for install() in the module of the reactor's class.
TwistedReactor.__module__ = __name__
