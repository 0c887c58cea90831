"""What a TLS connection is told: certificates, whom to trust, versions, ciphers, and the rest.

``client.optionsForClientTLS`` stands on this, and has the server's name checked.
"""

from __future__ import annotations

import functools
import inspect
import logging
import secrets
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509
from zope.interface import implementer

from twisted_compat.interfaces import (
    IAcceptableCiphers,
    IOpenSSLClientConnectionCreator,
    IOpenSSLContextFactory,
    IOpenSSLServerConnectionCreator,
)
from twisted_compat.ssl.authorities import IOpenSSLTrustRoot, OpenSSLCertificateAuthorities
from twisted_compat.ssl.ciphers import DEFAULT_CIPHERS, available_ciphers, path_of
from twisted_compat.ssl.handing import add_to_chain, use_certificate, use_private_key
from twisted_compat.ssl.negotiation import chooses_protocol, protocols_for
from twisted_compat.ssl.verifying import remembers_error
from twisted_compat.ssl.versions import DEFAULT_MINIMUM, TLSVersion, disabled_by, oldest_allowed
from twisted_compat.transport.tls_pyopenssl import prepare

__all__ = ["ALWAYS", "CertificateOptions"]

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

ALWAYS = SSL.OP_NO_SSLv2 | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION
"""The options of OpenSSL's that every context has. What is compressed before it is encrypted can be guessed
at by its length, and a renegotiation is work that a peer may ask for without end."""

EXCLUSIVE = (
    ("trustRoot", "requireCertificate"),
    ("trustRoot", "verify"),
    ("trustRoot", "caCerts"),
    ("method", "insecurelyLowerMinimumTo"),
    ("method", "raiseMinimumTo"),
    ("method", "lowerMaximumSecurityTo"),
    ("raiseMinimumTo", "insecurelyLowerMinimumTo"),
)
"""Arguments that say the same in two ways: only one of each pair may be given, whatever its value."""


def _refuse_both(pairs: Sequence[tuple[str, str]]) -> Callable[[F], F]:
    """Decorate a function: it raises TypeError if it is given both arguments of a pair."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            for one, other in pairs:
                if one in given and other in given:
                    raise TypeError(
                        f"{one} and {other} are mutually exclusive: they were both given. Leave one out."
                    )
            return function(*args, **kwargs)

        return checked  # type: ignore[return-value]  # it takes and gives what the function does

    return decorate


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator, IOpenSSLContextFactory)
class CertificateOptions:
    """What a server's or a client's connections are told. Give it as their context factory.

    A client that is told only this doesn't look whose certificate it is shown, whatever it trusts:
    :func:`~twisted_compat.ssl.optionsForClientTLS` makes what does.

    :param privateKey: pyOpenSSL's ``PKey``, or cryptography's private key, of the certificate to show.
    :param certificate: pyOpenSSL's ``X509``, or cryptography's certificate, to show.
    :param method: deprecated: what pyOpenSSL's ``Context`` is made with. By default the versions from TLS 1.2
        on.
    :param trustRoot: whom to trust: ``platformTrust()``, ``trustRootFromCertificates(...)`` or a
        ``Certificate``. If given, the peer has to show a certificate that one of them has signed.
    :param verify: of old: whether the peer's certificate has to be signed by one of ``caCerts``.
    :param caCerts: of old: a list of pyOpenSSL's ``X509``.
    :param verifyDepth: how many certificates there may be between the peer's and the authority's.
    :param requireCertificate: of old: whether a peer that shows no certificate is refused; if ``verify``.
    :param verifyOnce: whether clients are asked for their certificate only in the first handshake.
    :param enableSingleUseKeys: whether the keys of Diffie and Hellman's exchange are made anew each time.
    :param enableSessions: whether a server remembers sessions, for clients that come again.
    :param fixBrokenPeers: whether to work around errors of old peers.
    :param enableSessionTickets: whether sessions are given to clients to keep (RFC 5077).
    :param extraCertChain: certificates to send along: those between ``certificate`` and the authority's.
    :param acceptableCiphers: an IAcceptableCiphers; by default a safe choice.
    :param dhParameters: :class:`~twisted_compat.ssl.DiffieHellmanParameters`, for the exchange without
        elliptic curves; by default OpenSSL's own, or none if it is older than version 4.
    :param acceptableProtocols: names of protocols in bytes, the most wanted first (ALPN). A server ends the
        handshake if a client offers others only.
    :param raiseMinimumTo: a :class:`~twisted_compat.ssl.TLSVersion`: none older, if it is newer than the
        default.
    :param insecurelyLowerMinimumTo: a TLSVersion: none older, even if it is older than the default.
    :param lowerMaximumSecurityTo: a TLSVersion: none newer.
    :param contextForServerName: called with the name that a client asks for, bytes or None; returns
        pyOpenSSL's ``Context`` to go on with, or None for the one that there is.
    :raises ValueError: for a certificate without its key or the other way round, for a chain without a
        certificate, for ``verify`` without ``caCerts``, for versions of which none is left, and for ciphers
        of which none can be used.
    :raises TypeError: for two arguments that are mutually exclusive (:data:`EXCLUSIVE`).
    """

    _contextFactory: Callable[[int], Any] = SSL.Context
    _context: Any = None
    _defaultMinimumTLSVersion = DEFAULT_MINIMUM

    @_refuse_both(EXCLUSIVE)
    def __init__(
        self,
        privateKey: Any = None,
        certificate: X509 | x509.Certificate | None = None,
        method: int | None = None,
        verify: bool = False,
        caCerts: list[X509] | None = None,
        verifyDepth: int = 9,
        requireCertificate: bool = True,
        verifyOnce: bool = True,
        enableSingleUseKeys: bool = True,
        enableSessions: bool = False,
        fixBrokenPeers: bool = False,
        enableSessionTickets: bool = False,
        extraCertChain: list[X509] | None = None,
        acceptableCiphers: IAcceptableCiphers | None = None,
        dhParameters: Any = None,
        trustRoot: Any = None,
        acceptableProtocols: Sequence[bytes] | None = None,
        raiseMinimumTo: TLSVersion | None = None,
        insecurelyLowerMinimumTo: TLSVersion | None = None,
        lowerMaximumSecurityTo: TLSVersion | None = None,
        contextForServerName: Callable[[bytes | None], SSL.Context | None] | None = None,
    ) -> None:
        if (privateKey is None) != (certificate is None):
            raise ValueError(
                "A certificate and its key go together: give both of privateKey and certificate."
            )
        if extraCertChain is not None and certificate is None:
            raise ValueError("extraCertChain goes along with a certificate: give privateKey and certificate.")
        if verify and not caCerts:
            raise ValueError("verify needs to know whom to trust: give caCerts, or better only trustRoot.")
        self.privateKey = privateKey
        self.certificate = certificate
        self.extraCertChain = extraCertChain if extraCertChain is not None else []
        self.caCerts = caCerts
        self.verifyDepth = verifyDepth
        self.verifyOnce = verifyOnce
        self.enableSingleUseKeys = enableSingleUseKeys
        self.enableSessions = enableSessions
        self.fixBrokenPeers = fixBrokenPeers
        self.enableSessionTickets = enableSessionTickets
        self.dhParameters = dhParameters
        self._acceptableProtocols = acceptableProtocols
        self._contextForServerName = contextForServerName

        self.verify = verify or trustRoot is not None
        self.requireCertificate = requireCertificate  # where trustRoot is given, it can't be
        if trustRoot is None and verify:
            trustRoot = OpenSSLCertificateAuthorities(caCerts or ())
        self.trustRoot = None if trustRoot is None else IOpenSSLTrustRoot(trustRoot)

        self._mode = (
            SSL.MODE_RELEASE_BUFFERS
        )  # a connection that waits for data keeps none of OpenSSL's buffers
        self._options = self._switches()
        if method is None:
            self.method = SSL.TLS_METHOD
            oldest = oldest_allowed(
                raiseMinimumTo,
                insecurelyLowerMinimumTo,
                lowerMaximumSecurityTo,
                self._defaultMinimumTLSVersion,
            )
            self._options |= disabled_by(oldest, lowerMaximumSecurityTo)
        else:
            self.method = method
            warnings.warn(
                "CertificateOptions(method=...) is deprecated, since it leaves old versions in. "
                "Write raiseMinimumTo=TLSVersion.TLSv1_3, or lowerMaximumSecurityTo=..., or nothing.",
                DeprecationWarning,
                stacklevel=3,
            )
        self._cipherString = self._ciphers(acceptableCiphers or DEFAULT_CIPHERS)

    def _switches(self) -> int:
        options: int = ALWAYS
        if self.enableSingleUseKeys:
            options |= SSL.OP_SINGLE_DH_USE | SSL.OP_SINGLE_ECDH_USE
        if self.fixBrokenPeers:
            options |= SSL.OP_ALL
        if not self.enableSessionTickets:
            options |= SSL.OP_NO_TICKET
        return options

    def _ciphers(self, acceptable: Any) -> str:
        selected = acceptable.selectCiphers(available_ciphers("ALL", self.method, self._options))
        if not selected:
            raise ValueError(
                "None of the acceptableCiphers can be used here, so no connection could be made."
            )
        return ":".join(cipher.fullName for cipher in selected)

    # What is asked of it

    def getContext(self) -> SSL.Context:
        """Give pyOpenSSL's context, the same one each time (IOpenSSLContextFactory)."""
        if self._context is None:
            self._context = self._makeContext()
        context: SSL.Context = self._context
        return context

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make the TLS state of one connection (IOpenSSLServerConnectionCreator)."""
        return self._makeTLSConnection(tlsProtocol)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make the TLS state of one connection (IOpenSSLClientConnectionCreator)."""
        return self._makeTLSConnection(tlsProtocol)

    def _makeTLSConnection(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self.getContext(), None)
        connection.set_app_data(tlsProtocol)  # for the callbacks, of which none can hold a reference
        protocols = protocols_for(tlsProtocol, self._acceptableProtocols or ())
        if protocols:
            connection.set_alpn_protos(protocols)
        return connection

    def _makeContext(self, skipCiphers: bool = False) -> SSL.Context:
        """Make a context. Subclasses outside extend this, with Twisted's argument.

        :param skipCiphers: whether the ciphers are left as OpenSSL has them.
        """
        context = self._contextFactory(self.method)
        context.set_options(self._options)
        context.set_mode(self._mode)
        if self.certificate is not None:
            use_certificate(context, self.certificate)
            use_private_key(context, self.privateKey)
            for certificate in self.extraCertChain:
                add_to_chain(context, certificate)
            context.check_privatekey()
        self._set_verification(context)
        # Without a name for its sessions a server that asks for certificates refuses those who come again.
        context.set_session_id(secrets.token_hex(8).encode())
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER if self.enableSessions else SSL.SESS_CACHE_OFF)
        if self.dhParameters:
            context.load_tmp_dh(path_of(self.dhParameters))
        if self._contextForServerName is not None:
            context.set_tlsext_servername_callback(_switches_context(self._contextForServerName))
        context.set_alpn_select_callback(chooses_protocol(self._acceptableProtocols or ()))
        if not skipCiphers:
            context.set_cipher_list(self._cipherString.encode("ascii"))
        if isinstance(context, SSL.Context):
            prepare(context)  # here, since a transport only comes by once a connection is made of it
        return context  # type: ignore[no-any-return]  # _contextFactory makes what does for one

    def _set_verification(self, context: Any) -> None:
        if self.verifyDepth is not None:
            context.set_verify_depth(self.verifyDepth)
        if not self.verify:
            context.set_verify(SSL.VERIFY_NONE)
            return
        mode = SSL.VERIFY_PEER
        if self.requireCertificate:
            mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        if self.verifyOnce:
            mode |= SSL.VERIFY_CLIENT_ONCE
        if self.trustRoot is not None:
            self.trustRoot._addCACertsToContext(context)
        context.set_verify(mode, remembers_error)

    # Copying and pickling: all but the context, which is made again.

    def __getstate__(self) -> dict[str, Any]:
        _warn_of_pickling()
        return {name: value for name, value in vars(self).items() if name != "_context"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _warn_of_pickling()
        self.__dict__ = state


def _warn_of_pickling() -> None:
    warnings.warn(
        "CertificateOptions are better not pickled. Keep what they are made of, and make them anew.",
        DeprecationWarning,
        stacklevel=3,
    )


def _switches_context(
    context_for: Callable[[bytes | None], SSL.Context | None],
) -> Callable[[SSL.Connection], None]:
    """Make a callback that goes on with the context for the name that the client asks for."""

    def switch(connection: SSL.Connection) -> None:
        try:
            context = context_for(connection.get_servername())
            if context is not None:
                connection.set_context(context)
        except Exception:  # pyOpenSSL would keep it to itself, and go on with the wrong context
            logger.exception(
                "A connection is aborted, since there is no context for the name that it asks for"
            )
            protocol = connection.get_app_data()
            if protocol is None:
                raise
            protocol.abortConnection()

    return switch
