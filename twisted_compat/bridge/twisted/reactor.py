"""TwistedReactor: the engine as a reactor of real Twisted.

The engine is ``adapter/reactor.py``; here is TLS as IReactorSSL has it, and what Twisted's own programs
(trial, twistd) use of a reactor beyond any interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorSSL, _ISupportsExitSignalCapturing
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.bridge.twisted.words import TWISTED
from twisted_compat.transport.tcp_connect import Connector
from twisted_compat.transport.tcp_listen import Port

__all__ = ["TwistedReactor"]


@implementer(IReactorSSL, _ISupportsExitSignalCapturing)
class TwistedReactor(AsyncioReactor):
    """A reactor on an asyncio loop for programs written for Twisted.

    See :class:`~twisted_compat.AsyncioReactor` for how it takes a loop, starts and stops; both are the same
    in that.

    :param loop: the loop to take.
    :param loop_factory: makes a loop, such as ``uvloop.new_event_loop``, where none is given and none runs.
    :param signals: whether SIGINT and SIGTERM stop the reactor while it is embedded in somebody else's
        running loop.
    :raises RuntimeError: if the loop has a reactor already, is closed, or can't watch descriptors.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        signals: bool = False,
    ) -> None:
        super().__init__(loop, loop_factory=loop_factory, signals=signals, vocabulary=TWISTED)

    # TLS (IReactorSSL)

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Port:
        """Listen for TLS connections on a TCP port (IReactorSSL); see :meth:`listenTCP`.

        :param contextFactory: what each connection's pyOpenSSL context is from.
        """
        secured = TLSMemoryBIOFactory(contextFactory, False, factory)
        listening = self.listenTCP(port, secured, backlog, interface)
        listening._type = "TLS"
        return listening

    def connectSSL(
        self,
        host: str | bytes,
        port: int | str,
        factory: Any,
        contextFactory: Any,
        timeout: float | None = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Connector:
        """Connect to a TCP port with TLS (IReactorSSL); see :meth:`connectTCP`.

        :param contextFactory: what the connection's pyOpenSSL context is from.
        """
        secured = TLSMemoryBIOFactory(contextFactory, True, factory)
        return self.connectTCP(host, port, secured, timeout, bindAddress)
