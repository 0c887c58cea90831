"""Whose signature under a certificate counts: what ``CertificateOptions`` takes as its ``trustRoot``.

``trust`` has the functions that make these, and a ``Certificate`` turns into one by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography import x509
from OpenSSL.crypto import X509
from zope.interface import Interface, implementer

__all__ = ["IOpenSSLTrustRoot", "OpenSSLCertificateAuthorities", "OpenSSLDefaultPaths"]


class IOpenSSLTrustRoot(Interface):
    """What a context trusts. Its method is for this package alone."""

    def _addCACertsToContext(context: Any) -> None:
        """Have a context trust these authorities as well.

        :param context: pyOpenSSL's ``SSL.Context``.
        """


@implementer(IOpenSSLTrustRoot)
class OpenSSLCertificateAuthorities:
    """These certificates, and what they have signed.

    :param caCerts: pyOpenSSL's ``X509`` objects, or cryptography's certificates.
    """

    def __init__(self, caCerts: Iterable[X509 | x509.Certificate]) -> None:
        self._caCerts = list(caCerts)

    def _addCACertsToContext(self, context: Any) -> None:
        store = context.get_cert_store()
        for certificate in self._caCerts:
            if isinstance(certificate, x509.Certificate):
                certificate = X509.from_cryptography(certificate)
            store.add_cert(certificate)


@implementer(IOpenSSLTrustRoot)
class OpenSSLDefaultPaths:
    """What OpenSSL finds where it was built to look; or where ``SSL_CERT_FILE``, ``SSL_CERT_DIR`` say."""

    def _addCACertsToContext(self, context: Any) -> None:
        context.set_default_verify_paths()
