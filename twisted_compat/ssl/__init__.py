"""Certificates, keys, and what a TLS connection is told to do; under the names of Twisted's
``twisted.internet.ssl``, on pyOpenSSL.

``CertificateOptions`` and ``optionsForClientTLS`` make what ``listenSSL``, ``connectSSL`` and ``startTLS``
take as their context factory. An ``ssl.SSLContext`` of the standard library does there as well, without any
of this.

================  =======================================================================================
``options``       :class:`CertificateOptions`: everything a connection is told, for servers and clients
``client``        :func:`optionsForClientTLS`: for clients, with the server's name checked
``verifying``     private: which certificates are accepted, and what is said of those that aren't
``negotiation``   ALPN, the choice of the protocol to speak
``versions``      :class:`TLSVersion`, and which versions are allowed
``ciphers``       :class:`AcceptableCiphers`, :class:`DiffieHellmanParameters`
``trust``         :func:`platformTrust`, :func:`trustRootFromCertificates`
``authorities``   private: whose signature counts
``contexts``      the context factories of old, which verify nothing
``certificates``  :class:`Certificate`
``requests``      :class:`CertificateRequest`
``private``       :class:`KeyPair` and :class:`PrivateCertificate`, which sign
``signing``       private: how certificates and requests are signed
``keys``          public keys, and how keys are made and written down
``names``         :class:`DistinguishedName`
``handing``       private: how pyOpenSSL's contexts are given certificates and keys
================  =======================================================================================

Needs pyOpenSSL, cryptography and service-identity: ``pip install 'twisted-compat[tls]'``.
"""

from __future__ import annotations

try:
    import cryptography.x509  # noqa: F401  it is only asked for
    import service_identity  # noqa: F401  it is only asked for
    from OpenSSL import SSL
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"twisted_compat.ssl needs {str(error.name).partition('.')[0]}, which is not installed. "
        "Write: pip install 'twisted-compat[tls]'",
        name=error.name,
    ) from error

from service_identity import VerificationError

from twisted_compat.ssl.certificates import Certificate
from twisted_compat.ssl.ciphers import AcceptableCiphers, DiffieHellmanParameters
from twisted_compat.ssl.client import optionsForClientTLS
from twisted_compat.ssl.contexts import ClientContextFactory, ContextFactory, DefaultOpenSSLContextFactory
from twisted_compat.ssl.names import DN, DistinguishedName
from twisted_compat.ssl.negotiation import ProtocolNegotiationSupport, protocolNegotiationMechanisms
from twisted_compat.ssl.options import CertificateOptions
from twisted_compat.ssl.private import KeyPair, PrivateCertificate
from twisted_compat.ssl.requests import CertificateRequest
from twisted_compat.ssl.trust import OpenSSLDefaultPaths, platformTrust, trustRootFromCertificates
from twisted_compat.ssl.versions import TLSVersion

__all__ = [
    "DN",
    "SSL",
    "AcceptableCiphers",
    "Certificate",
    "CertificateOptions",
    "CertificateRequest",
    "ClientContextFactory",
    "ContextFactory",
    "DefaultOpenSSLContextFactory",
    "DiffieHellmanParameters",
    "DistinguishedName",
    "KeyPair",
    "OpenSSLDefaultPaths",
    "PrivateCertificate",
    "ProtocolNegotiationSupport",
    "TLSVersion",
    "VerificationError",
    "optionsForClientTLS",
    "platformTrust",
    "protocolNegotiationMechanisms",
    "supported",
    "trustRootFromCertificates",
]

supported = True
"""Whether there is TLS; where there isn't, this module can't be imported."""
