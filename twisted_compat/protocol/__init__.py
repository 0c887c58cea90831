"""Base classes for what people write: protocols, their factories, and helpers for clients.

================  ====================================================================================
``base``          :class:`Protocol`, :class:`ProcessProtocol`, :class:`DatagramProtocol`, …
``factory``       :class:`Factory`, :class:`ServerFactory`, :class:`ClientFactory`
``reconnecting``  :class:`ReconnectingClientFactory`
``creator``       :class:`ClientCreator`
``adapters``      :class:`FileWrapper`, and protocols as consumers and the other way round
================  ====================================================================================

The names and meanings are those of ``twisted.internet.protocol``. Transports (``transport/``) call what is
defined here and are known here only through :mod:`twisted_compat.interfaces`; ready-made framings stand on it
in :mod:`twisted_compat.protocols`.
"""

from twisted_compat.protocol.adapters import (
    ConsumerToProtocolAdapter,
    FileWrapper,
    ProtocolToConsumerAdapter,
)
from twisted_compat.protocol.base import (
    AbstractDatagramProtocol,
    BaseProtocol,
    ConnectedDatagramProtocol,
    DatagramProtocol,
    ProcessProtocol,
    Protocol,
    connectionDone,
)
from twisted_compat.protocol.creator import ClientCreator
from twisted_compat.protocol.creator import _InstanceFactory as _InstanceFactory
from twisted_compat.protocol.factory import ClientFactory, Factory, ServerFactory
from twisted_compat.protocol.reconnecting import ReconnectingClientFactory

__all__ = [
    "AbstractDatagramProtocol",
    "BaseProtocol",
    "ClientCreator",
    "ClientFactory",
    "ConnectedDatagramProtocol",
    "ConsumerToProtocolAdapter",
    "DatagramProtocol",
    "Factory",
    "FileWrapper",
    "ProcessProtocol",
    "Protocol",
    "ProtocolToConsumerAdapter",
    "ReconnectingClientFactory",
    "ServerFactory",
    "connectionDone",
]
