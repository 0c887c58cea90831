"""The interfaces that reactors, transports, protocols and resolvers provide, all under one roof.

Import them from here: ``from twisted_compat.interfaces import IReactorTCP``. Each room (a module) holds one
subject: ``reactor`` (running, time, threads, descriptors), ``network`` (opening sockets), ``process``,
``name``, ``transport``, ``datagram``, ``tls``, ``descriptor``, ``producer``, ``protocol``, ``endpoint``,
``service``, ``address``. They import one another and ``zope.interface``, nothing else.

Names of methods and arguments are Twisted's, since code calls them by name. Where an older and a newer
Twisted name an argument differently, the older name stands; what a newer one added is here as well.
"""

from __future__ import annotations

from twisted_compat.interfaces.address import IAddress
from twisted_compat.interfaces.datagram import (
    IMulticastTransport,
    IUDPTransport,
    IUNIXDatagramConnectedTransport,
    IUNIXDatagramTransport,
)
from twisted_compat.interfaces.descriptor import (
    IFileDescriptor,
    IHalfCloseableDescriptor,
    ILoggingContext,
    IReadDescriptor,
    IReadWriteDescriptor,
    ISystemHandle,
    IWriteDescriptor,
)
from twisted_compat.interfaces.endpoint import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParser,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted_compat.interfaces.name import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IResolutionReceiver,
    IResolver,
    IResolverSimple,
)
from twisted_compat.interfaces.network import (
    IConnector,
    IListeningPort,
    IReactorArbitrary,
    IReactorMulticast,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
    IReactorUDP,
    IReactorUNIX,
    IReactorUNIXDatagram,
)
from twisted_compat.interfaces.network import _IReactorArbitrary as _IReactorArbitrary
from twisted_compat.interfaces.process import IProcessProtocol, IProcessTransport, IReactorProcess
from twisted_compat.interfaces.producer import (
    IConsumer,
    IFinishableConsumer,
    IProducer,
    IPullProducer,
    IPushProducer,
)
from twisted_compat.interfaces.protocol import (
    IFileDescriptorReceiver,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
)
from twisted_compat.interfaces.reactor import (
    IDelayedCall,
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorInThreads,
    IReactorThreads,
    IReactorTime,
    IReactorWin32Events,
)
from twisted_compat.interfaces.service import IServiceCollection
from twisted_compat.interfaces.tls import (
    IAcceptableCiphers,
    ICipher,
    INegotiated,
    IOpenSSLClientConnectionCreator,
    IOpenSSLContextFactory,
    IOpenSSLServerConnectionCreator,
    IProtocolNegotiationFactory,
    ISSLTransport,
    ITLSTransport,
)
from twisted_compat.interfaces.transport import ITCPTransport, ITransport, IUNIXTransport

__all__ = [
    "IAcceptableCiphers",
    "IAddress",
    "ICipher",
    "IConnector",
    "IConsumer",
    "IDelayedCall",
    "IFileDescriptor",
    "IFileDescriptorReceiver",
    "IFinishableConsumer",
    "IHalfCloseableDescriptor",
    "IHalfCloseableProtocol",
    "IHandshakeListener",
    "IHostResolution",
    "IHostnameResolver",
    "IListeningPort",
    "ILoggingContext",
    "IMulticastTransport",
    "INegotiated",
    "IOpenSSLClientConnectionCreator",
    "IOpenSSLContextFactory",
    "IOpenSSLServerConnectionCreator",
    "IProcessProtocol",
    "IProcessTransport",
    "IProducer",
    "IProtocol",
    "IProtocolFactory",
    "IProtocolNegotiationFactory",
    "IPullProducer",
    "IPushProducer",
    "IReactorArbitrary",
    "IReactorCore",
    "IReactorFDSet",
    "IReactorFromThreads",
    "IReactorInThreads",
    "IReactorMulticast",
    "IReactorPluggableNameResolver",
    "IReactorPluggableResolver",
    "IReactorProcess",
    "IReactorSSL",
    "IReactorSocket",
    "IReactorTCP",
    "IReactorThreads",
    "IReactorTime",
    "IReactorUDP",
    "IReactorUNIX",
    "IReactorUNIXDatagram",
    "IReactorWin32Events",
    "IReadDescriptor",
    "IReadWriteDescriptor",
    "IResolutionReceiver",
    "IResolver",
    "IResolverSimple",
    "ISSLTransport",
    "IServiceCollection",
    "IStreamClientEndpoint",
    "IStreamClientEndpointStringParser",
    "IStreamClientEndpointStringParserWithReactor",
    "IStreamServerEndpoint",
    "IStreamServerEndpointStringParser",
    "ISystemHandle",
    "ITCPTransport",
    "ITLSTransport",
    "ITransport",
    "IUDPTransport",
    "IUNIXDatagramConnectedTransport",
    "IUNIXDatagramTransport",
    "IUNIXTransport",
    "IWriteDescriptor",
]
