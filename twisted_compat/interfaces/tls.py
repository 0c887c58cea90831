"""TLS: the encrypted transports, and what may be given to say how to encrypt.

The plain transports are in :mod:`twisted_compat.interfaces.transport`. The objects called contexts and
connections here are pyOpenSSL's; nothing of it is imported.
"""

from __future__ import annotations

from typing import Any, cast

from zope.interface import Attribute, Interface

from twisted_compat.interfaces.transport import ITCPTransport

__all__ = [
    "IAcceptableCiphers",
    "ICipher",
    "INegotiated",
    "IOpenSSLClientConnectionCreator",
    "IOpenSSLContextFactory",
    "IOpenSSLServerConnectionCreator",
    "IProtocolNegotiationFactory",
    "ISSLTransport",
    "ITLSTransport",
]


class ITLSTransport(ITCPTransport):
    """A TCP transport that can be switched to TLS while it is open, as STARTTLS commands do."""

    def startTLS(contextFactory: Any) -> None:
        """Encrypt from here on. The transport provides :class:`ISSLTransport` afterwards.

        What was written before goes out in the clear; what is written after waits for the handshake.

        :param contextFactory: an :class:`IOpenSSLContextFactory`, or one of the connection creators below.
        """


class ISSLTransport(ITCPTransport):
    """A transport that is encrypted with TLS (RFC 8446)."""

    def getPeerCertificate() -> Any:
        """Tell which certificate the peer showed.

        :returns: pyOpenSSL's ``X509``, or None if there was none or the handshake is not done.
        """


class INegotiated(ISSLTransport):
    """An encrypted transport on which the protocol to speak was settled in the handshake (ALPN, RFC 7301)."""

    negotiatedProtocol = cast(
        "bytes | None",
        Attribute("The agreed protocol's name as bytes, such as b'h2'; None if none is agreed (yet)."),
    )


class IProtocolNegotiationFactory(Interface):
    """For protocol factories that speak several protocols and let the handshake choose (ALPN, RFC 7301)."""

    def acceptableProtocols() -> list[bytes]:
        """Name the protocols to offer or to choose from.

        :returns: a list of names in bytes, the most wanted first.
        """


class IOpenSSLContextFactory(Interface):
    """The simple way to say how to encrypt: one context for every connection."""

    def getContext() -> Any:
        """Give the context.

        :returns: pyOpenSSL's ``SSL.Context``; may be the same one each time.
        """


class IOpenSSLServerConnectionCreator(Interface):
    """Sets up the server's side of TLS for each connection."""

    def serverConnectionForTLS(tlsProtocol: Any) -> Any:
        """Make the TLS state of one accepted connection.

        :param tlsProtocol: the TLS layer that will use it; its factory may provide
            :class:`IProtocolNegotiationFactory`.
        :returns: pyOpenSSL's ``SSL.Connection``, made on a context and without a socket.
        """


class IOpenSSLClientConnectionCreator(Interface):
    """Sets up the client's side of TLS for each connection, including whom to expect at the other end."""

    def clientConnectionForTLS(tlsProtocol: Any) -> Any:
        """Make the TLS state of one outgoing connection.

        :param tlsProtocol: the TLS layer that will use it; its factory may provide
            :class:`IProtocolNegotiationFactory`.
        :returns: pyOpenSSL's ``SSL.Connection``, made on a context and without a socket.
        """


class ICipher(Interface):
    """One cipher suite."""

    fullName = cast(
        str, Attribute("The suite's name as OpenSSL writes it, for example 'ECDHE-RSA-AES256-GCM-SHA384'.")
    )


class IAcceptableCiphers(Interface):
    """A choice of cipher suites, in order."""

    def selectCiphers(availableCiphers: tuple[ICipher, ...]) -> tuple[ICipher, ...]:
        """Choose from what this machine has.

        :param availableCiphers: every suite that OpenSSL offers here.
        :returns: those to use, the most wanted first.
        """
