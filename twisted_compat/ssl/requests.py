"""Requests for certificates (PKCS #10, RFC 2986): a name and a public key, for an authority to sign."""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from twisted_compat.error import VerifyError
from twisted_compat.ssl.names import DistinguishedName, copied_from

__all__ = ["CertificateRequest"]

R = TypeVar("R", bound="CertificateRequest")


class CertificateRequest:
    """A request for a certificate, signed with the key it is for.

    :param original: cryptography's ``x509.CertificateSigningRequest``; :attr:`original` afterwards.
    """

    def __init__(self, original: x509.CertificateSigningRequest) -> None:
        self.original = original

    @classmethod
    def load(cls: type[R], requestData: bytes, requestFormat: int = crypto.FILETYPE_ASN1) -> R:
        """Read a request.

        :param requestFormat: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``.
        :raises ValueError: for what is no request, and for another format.
        :raises VerifyError: if it isn't signed with the key it is for.
        """
        if requestFormat == crypto.FILETYPE_ASN1:
            request = x509.load_der_x509_csr(requestData)
        elif requestFormat == crypto.FILETYPE_PEM:
            request = x509.load_pem_x509_csr(requestData)
        else:
            raise _no_format(requestFormat)
        if not request.is_signature_valid:
            raise VerifyError(
                f"The request for {request.subject.rfc4514_string()!r} isn't signed with the key it is for."
            )
        return cls(request)

    def getSubject(self) -> DistinguishedName:
        """Tell who asks.

        :returns: a copy of the name.
        :raises ValueError: if it has a field that a :class:`DistinguishedName` doesn't have.
        """
        return copied_from(self.original.subject, strict=True)

    def dump(self, format: int = crypto.FILETYPE_ASN1) -> bytes:
        """Write the request down.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``.
        :raises ValueError: for another format.
        """
        if format == crypto.FILETYPE_ASN1:
            return self.original.public_bytes(Encoding.DER)
        if format == crypto.FILETYPE_PEM:
            return self.original.public_bytes(Encoding.PEM)
        raise _no_format(format)


def _no_format(format: object) -> ValueError:
    return ValueError(f"A request is FILETYPE_PEM or FILETYPE_ASN1, not {format!r}")
