"""The ways to say whom to trust: what is given as ``trustRoot``."""

from __future__ import annotations

from collections.abc import Iterable

from twisted_compat.ssl.authorities import OpenSSLCertificateAuthorities, OpenSSLDefaultPaths
from twisted_compat.ssl.certificates import Certificate

__all__ = ["OpenSSLDefaultPaths", "platformTrust", "trustRootFromCertificates"]


def platformTrust() -> OpenSSLDefaultPaths:
    """Trust the authorities that this machine trusts, as a browser would.

    That is what OpenSSL finds by itself: often the package ca-certificates, or the file that the environment
    variable ``SSL_CERT_FILE`` names. Whether there is anything isn't looked at; without, nobody is trusted.
    """
    return OpenSSLDefaultPaths()


def trustRootFromCertificates(certificates: Iterable[Certificate]) -> OpenSSLCertificateAuthorities:
    """Trust these authorities and no others.

    :param certificates: theirs; those of a :class:`~twisted_compat.ssl.PrivateCertificate` do as well.
    :raises TypeError: for anything else, such as pyOpenSSL's ``X509``.
    """
    certificates = list(certificates)
    for certificate in certificates:
        if not isinstance(certificate, Certificate):
            raise TypeError(
                f"Trust roots are made of certificates of twisted_compat.ssl, not of {certificate!r}. "
                "For pyOpenSSL's X509 write Certificate(x509)."
            )
    return OpenSSLCertificateAuthorities([certificate.original for certificate in certificates])
