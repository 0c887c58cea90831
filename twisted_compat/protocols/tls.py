"""TLS around other protocols, by the names that Twisted has for it; what they name is ``transport/tls.py``.

Legacy code wraps factories, ``reactor.listenTCP(port, TLSMemoryBIOFactory(context, False, factory))``, and
asks of a transport whether it is a TLSMemoryBIOProtocol.
"""

from __future__ import annotations

from twisted_compat.transport.tls import TLSTransport as TLSMemoryBIOProtocol
from twisted_compat.transport.tls_factory import TLSFactory as TLSMemoryBIOFactory

__all__ = ["TLSMemoryBIOFactory", "TLSMemoryBIOProtocol"]
