"""Standard input and output, as a place to listen at: there is one connection, and it is there at once."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IStreamServerEndpoint
from twisted_compat.transport.process_pipes import PipeAddress
from twisted_compat.transport.stdio import StandardIO
from twisted_compat.vocabulary import vocabulary_of

__all__ = ["StandardIOEndpoint"]


@implementer(IStreamServerEndpoint)
class StandardIOEndpoint:
    """Puts a protocol on standard input and output. The factory isn't told that it is in use (``doStart``),
    as in Twisted: it has no port.

    :param reactor: the reactor to read and write by.
    """

    _stdio: Any = StandardIO

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def listen(self, stdioProtocolFactory: Any) -> Any:
        """Begin (IStreamServerEndpoint).

        :returns: a Deferred of the :class:`~twisted_compat.stdio.StandardIO`, which is the protocol's
            transport. It fails with NoProtocol, or with what the factory raised.
        """
        words = vocabulary_of(self._reactor)
        return words.defer.execute(self._begin, stdioProtocolFactory)

    def _begin(self, factory: Any) -> Any:
        protocol = factory.buildProtocol(PipeAddress())
        if protocol is None:
            raise vocabulary_of(self._reactor).error.NoProtocol
        return self._stdio(protocol, reactor=self._reactor)
