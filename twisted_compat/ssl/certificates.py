"""Certificates (X.509), without their keys. ``private`` has those with."""

from __future__ import annotations

from typing import Any, TypeVar

from OpenSSL import crypto
from OpenSSL.crypto import X509

from twisted_compat.error import CertificateError
from twisted_compat.ssl.authorities import IOpenSSLTrustRoot, OpenSSLCertificateAuthorities
from twisted_compat.ssl.keys import PublicKey
from twisted_compat.ssl.names import DistinguishedName, copied_from

__all__ = ["Certificate"]

C = TypeVar("C", bound="Certificate")


class Certificate:
    """A certificate. Where a trust root is asked for, it does for one: then this is the authority to trust.

    :param original: pyOpenSSL's ``X509``; :attr:`original` afterwards.
    """

    def __init__(self, original: X509) -> None:
        self.original = original

    # Where it comes from

    @classmethod
    def load(
        cls: type[C], requestData: bytes, format: int = crypto.FILETYPE_ASN1, args: tuple[Any, ...] = ()
    ) -> C:
        """Read a certificate.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``.
        :param args: what else the class's constructor wants.
        :raises OpenSSL.crypto.Error: for what is no certificate.
        """
        return cls(crypto.load_certificate(format, requestData), *args)

    @classmethod
    def loadPEM(cls: type[C], data: bytes) -> C:
        """Read a certificate that is in PEM. Of several the first counts."""
        return cls.load(data, crypto.FILETYPE_PEM)

    @classmethod
    def peerFromTransport(cls: type[C], transport: Any) -> C:
        """Read the certificate that the other end has shown.

        :param transport: any, once its handshake is done.
        :raises CertificateError: if it has no TLS, or the other end has shown none.
        """
        return cls(_shown(transport, "peer"))

    @classmethod
    def hostFromTransport(cls: type[C], transport: Any) -> C:
        """Read the certificate that we show to the other end.

        :param transport: any; one whose TLS is the standard library's doesn't tell.
        :raises CertificateError: if it has no TLS, or we show none.
        """
        return cls(_shown(transport, "host"))

    # What is in it

    def getSubject(self) -> DistinguishedName:
        """Tell whose certificate it is.

        :returns: a copy of the name; fields that a :class:`DistinguishedName` doesn't have are not in it.
        """
        return copied_from(self.original.to_cryptography().subject)

    def getIssuer(self) -> DistinguishedName:
        """Tell who has signed it.

        :returns: a copy of the name; fields that a :class:`DistinguishedName` doesn't have are not in it.
        """
        return copied_from(self.original.to_cryptography().issuer)

    def getPublicKey(self) -> PublicKey:
        """Give the key that it is about."""
        return PublicKey(self.original.get_pubkey())

    def serialNumber(self) -> int:
        """Give the number that its issuer has given it."""
        return self.original.get_serial_number()

    def digest(self, method: str = "md5") -> bytes:
        """Give its fingerprint.

        :param method: which hash: any that OpenSSL knows by name.
        :returns: pairs of hexadecimal digits, with colons between them.
        :raises ValueError: for an unknown hash.
        """
        return self.original.digest(method)

    def inspect(self) -> str:
        """Lay out what is in it for a reader, in several lines."""
        return f"{self._inspect()}\n{self.getPublicKey().inspect()}"

    def _inspect(self) -> str:
        return (
            f"Certificate For Subject:\n{self.getSubject().inspect()}\n\n"
            f"Issuer:\n{self.getIssuer().inspect()}\n\n"
            f"Serial Number: {self.serialNumber()}\n"
            f"Digest: {self.digest().decode()}"
        )

    # What to do with it

    def dump(self, format: int = crypto.FILETYPE_ASN1) -> bytes:
        """Write it down.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER), ``FILETYPE_PEM`` or ``FILETYPE_TEXT``.
        :raises ValueError: for another format.
        """
        return crypto.dump_certificate(format, self.original)

    def dumpPEM(self) -> bytes:
        """Write it down in PEM."""
        return self.dump(crypto.FILETYPE_PEM)

    def options(self, *authorities: Certificate) -> Any:
        """Not for a certificate without its key.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(
            "A certificate without its key has no options to connect with. Make a PrivateCertificate of both."
        )

    def __conform__(self, interface: Any) -> Any:
        """See ``zope.interface``: what asks for a trust root gets one."""
        return OpenSSLCertificateAuthorities([self.original]) if interface is IOpenSSLTrustRoot else None

    def __eq__(self, other: object) -> bool:
        return self.dump() == other.dump() if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.dump())

    def __repr__(self) -> str:
        names = (name.get("commonName") for name in (self.getSubject(), self.getIssuer()))
        subject, issuer = ("" if name is None else repr(name) for name in names)
        return f"<{type(self).__name__} Subject={subject} Issuer={issuer}>"


GETTERS = {"peer": ("get_peer_certificate",), "host": ("get_host_certificate", "get_certificate")}
"""What a TLS connection's methods that give a certificate may be called."""


def _shown(transport: Any, end: str) -> X509:
    handle = transport.getHandle()
    getter = next((getter for name in GETTERS[end] if (getter := getattr(handle, name, None))), None)
    if getter is not None:
        certificate: X509 | None = getter()
    elif end == "peer" and hasattr(handle, "getpeercert"):  # the standard library's
        encoded = handle.getpeercert(True)
        certificate = encoded and crypto.load_certificate(crypto.FILETYPE_ASN1, encoded)
    else:
        raise CertificateError(f"non-TLS transport, so no {end} certificate: {transport!r}")
    if certificate is None:
        raise CertificateError(f"TLS transport without a {end} certificate: {transport!r}")
    return certificate
