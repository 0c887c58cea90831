"""Keys with their private part, and certificates with such a key: what signs.

The signing itself is in ``signing``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from OpenSSL import crypto
from OpenSSL.crypto import X509

from twisted_compat.error import VerifyError
from twisted_compat.ssl.authorities import OpenSSLCertificateAuthorities
from twisted_compat.ssl.certificates import Certificate
from twisted_compat.ssl.keys import PublicKey, as_cryptographys, dump, generate
from twisted_compat.ssl.names import DistinguishedName
from twisted_compat.ssl.options import CertificateOptions
from twisted_compat.ssl.requests import CertificateRequest
from twisted_compat.ssl.signing import sign_certificate, sign_request

__all__ = ["KeyPair", "PrivateCertificate"]

K = TypeVar("K", bound="KeyPair")
P = TypeVar("P", bound="PrivateCertificate")

YEAR = 365 * 24 * 60 * 60  # seconds

KINDS = {crypto.TYPE_RSA: "RSA", crypto.TYPE_DSA: "DSA"}


class KeyPair(PublicKey):
    """A private key, and the public one that belongs to it.

    It can be pickled, unencrypted, with a DeprecationWarning: PEM files are a better place for it.

    :param osslpkey: pyOpenSSL's ``PKey``; :attr:`original` afterwards.
    """

    @classmethod
    def load(cls: type[K], data: bytes, format: int = crypto.FILETYPE_ASN1) -> K:
        """Read a key.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``. For one in PEM that is
            encrypted OpenSSL asks for the passphrase, on the terminal.
        :raises OpenSSL.crypto.Error: for what is no key.
        """
        return cls(crypto.load_privatekey(format, data))

    @classmethod
    def generate(cls: type[K], kind: int = crypto.TYPE_RSA, size: int = 2048) -> K:
        """Make a new key.

        :param kind: ``OpenSSL.crypto.TYPE_RSA`` or ``TYPE_DSA``.
        :param size: in bits.
        :raises OpenSSL.crypto.Error: for another kind.
        """
        return cls(generate(kind, size))

    def dump(self, format: int = crypto.FILETYPE_ASN1) -> bytes:
        """Write the private key down, unencrypted.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``.
        :raises ValueError: for another format.
        """
        return dump(self.original, format)

    def inspect(self) -> str:
        """Describe the key in a line."""
        kind = KINDS.get(self.original.type(), "(Unknown Type!)")
        return f"{self.original.bits()}-bit {kind} Key Pair with Hash: {self.keyHash()}"

    def newCertificate(self, newCertData: bytes, format: int = crypto.FILETYPE_ASN1) -> PrivateCertificate:
        """Put a certificate for this key together with it.

        :raises VerifyError: if it is for another key.
        """
        return PrivateCertificate.load(newCertData, self, format)

    # Asking for certificates

    def requestObject(
        self, distinguishedName: DistinguishedName, digestAlgorithm: str = "sha256"
    ) -> CertificateRequest:
        """Ask for a certificate for this key.

        :param distinguishedName: whose it shall be.
        :param digestAlgorithm: which hash is signed.
        :raises ValueError: for an unknown hash, and for a name that no certificate can hold.
        """
        key = as_cryptographys(self.original)
        return CertificateRequest(sign_request(key, distinguishedName, digestAlgorithm))

    def certificateRequest(
        self,
        distinguishedName: DistinguishedName,
        format: int = crypto.FILETYPE_ASN1,
        digestAlgorithm: str = "sha256",
    ) -> bytes:
        """Like :meth:`requestObject`, written down."""
        return self.requestObject(distinguishedName, digestAlgorithm).dump(format)

    # Giving certificates to who asks

    def signRequestObject(
        self,
        issuerDistinguishedName: DistinguishedName,
        requestObject: CertificateRequest,
        serialNumber: int,
        secondsToExpiry: int = YEAR,
        digestAlgorithm: str = "sha256",
    ) -> Certificate:
        """Sign a request with this key.

        A certificate for this key itself, under the issuer's own name, is an authority's. A common name that
        is a host's name or an IP address is written down as such too, as clients want it.

        :param issuerDistinguishedName: who signs.
        :param serialNumber: a positive number, another one for each certificate of the issuer's.
        :param secondsToExpiry: how long it is valid, from now.
        :param digestAlgorithm: which hash is signed.
        :raises ValueError: for an unknown hash, for a number that isn't positive or has more than 159 bits,
            and for a name that no certificate can hold.
        """
        certificate = sign_certificate(
            as_cryptographys(self.original),
            issuerDistinguishedName,
            requestObject.getSubject(),
            requestObject.original.public_key(),
            serialNumber,
            secondsToExpiry,
            digestAlgorithm,
        )
        return Certificate(X509.from_cryptography(certificate))

    def signCertificateRequest(
        self,
        issuerDistinguishedName: DistinguishedName,
        requestData: bytes,
        verifyDNCallback: Callable[[DistinguishedName], Any],
        serialNumber: int,
        requestFormat: int = crypto.FILETYPE_ASN1,
        certificateFormat: int = crypto.FILETYPE_ASN1,
        secondsToExpiry: int = YEAR,
        digestAlgorithm: str = "sha256",
    ) -> Any:
        """Sign a request that is written down, if its name is approved of; see :meth:`signRequestObject`.

        :param verifyDNCallback: called with the name; tells whether to sign, or gives a Deferred that will.
        :returns: the certificate in ``certificateFormat``; or a Deferred of it, if the callback gave one.
        :raises VerifyError: if the name isn't approved of, or the request isn't signed with the key it is
            for.
        """
        request = CertificateRequest.load(requestData, requestFormat)
        name = request.getSubject()

        def sign(approved: Any) -> bytes:
            if not approved:
                raise VerifyError(f"{verifyDNCallback!r} doesn't approve of a certificate for {name!r}.")
            return self.signRequestObject(
                issuerDistinguishedName, request, serialNumber, secondsToExpiry, digestAlgorithm
            ).dump(certificateFormat)

        answer = verifyDNCallback(name)
        if hasattr(answer, "addCallback"):  # a Deferred, whoever has made it
            return answer.addCallback(sign)
        return sign(answer)

    def selfSignedCert(self, serialNumber: int, **kw: str | bytes) -> PrivateCertificate:
        """Make a certificate for this key, signed with itself, which is valid for a year.

        :param kw: the fields of its name, as for :class:`DistinguishedName`.
        """
        name = DistinguishedName(**kw)
        certificate = self.signRequestObject(name, self.requestObject(name), serialNumber)
        return PrivateCertificate.fromCertificateAndKeyPair(certificate, self)

    # Pickling

    def __getstate__(self) -> bytes:
        _warn_of_pickling(self)
        return self.dump()

    def __setstate__(self, state: bytes) -> None:
        _warn_of_pickling(self)
        self.original = crypto.load_privatekey(crypto.FILETYPE_ASN1, state)


class PrivateCertificate(Certificate):
    """A certificate with its key; which is :attr:`privateKey`."""

    privateKey: KeyPair

    @classmethod
    def load(  # type: ignore[override]  # it takes the key as well, as Twisted's does
        cls: type[P], data: bytes, privateKey: KeyPair, format: int = crypto.FILETYPE_ASN1
    ) -> P:
        """Read a certificate, and put it together with its key.

        :param format: ``OpenSSL.crypto.FILETYPE_ASN1`` (DER) or ``FILETYPE_PEM``.
        :raises OpenSSL.crypto.Error: for what is no certificate.
        :raises VerifyError: if it is for another key.
        """
        return cls(crypto.load_certificate(format, data))._setPrivateKey(privateKey)

    @classmethod
    def loadPEM(cls: type[P], data: bytes) -> P:
        """Read a certificate and its key, in PEM, one after the other."""
        return cls.load(data, KeyPair.load(data, crypto.FILETYPE_PEM), crypto.FILETYPE_PEM)

    @classmethod
    def fromCertificateAndKeyPair(cls: type[P], certificateInstance: Certificate, privateKey: KeyPair) -> P:
        """Put a certificate and its key together.

        :raises VerifyError: if it is for another key.
        """
        return cls(certificateInstance.original)._setPrivateKey(privateKey)

    def _setPrivateKey(self: P, key: KeyPair) -> P:
        if not key.matches(self.getPublicKey()):
            raise VerifyError(
                "The certificate isn't for this private key. Give the key that it was requested with."
            )
        self.privateKey = key
        return self

    def newCertificate(self, newCertData: bytes, format: int = crypto.FILETYPE_ASN1) -> PrivateCertificate:
        """Put another certificate together with this one's key, such as the one that replaces it.

        :raises VerifyError: if it is for another key.
        """
        return self.load(newCertData, self.privateKey, format)

    def dumpPEM(self) -> bytes:
        """Write the certificate down in PEM, and the private key after it, unencrypted."""
        return self.dump(crypto.FILETYPE_PEM) + self.privateKey.dump(crypto.FILETYPE_PEM)

    def inspect(self) -> str:
        """Lay out what is in it for a reader, in several lines."""
        return f"{self._inspect()}\n{self.privateKey.inspect()}"

    def __repr__(self) -> str:
        return f"{super().__repr__()} with {self.privateKey!r}"

    def options(self, *authorities: Certificate) -> CertificateOptions:
        """Make a context factory that shows this certificate.

        :param authorities: if there are any, the other end has to show a certificate that one of them has
            signed.
        """
        if not authorities:
            return CertificateOptions(privateKey=self.privateKey.original, certificate=self.original)
        return CertificateOptions(
            privateKey=self.privateKey.original,
            certificate=self.original,
            trustRoot=OpenSSLCertificateAuthorities([authority.original for authority in authorities]),
        )

    # As the key does it, under this certificate's name

    def certificateRequest(
        self, format: int = crypto.FILETYPE_ASN1, digestAlgorithm: str = "sha256"
    ) -> bytes:
        """Ask for a new certificate with this one's name and key; see :meth:`KeyPair.certificateRequest`."""
        return self.privateKey.certificateRequest(self.getSubject(), format, digestAlgorithm)

    def signCertificateRequest(
        self,
        requestData: bytes,
        verifyDNCallback: Callable[[DistinguishedName], Any],
        serialNumber: int,
        requestFormat: int = crypto.FILETYPE_ASN1,
        certificateFormat: int = crypto.FILETYPE_ASN1,
    ) -> Any:
        """Sign a request as an authority; see :meth:`KeyPair.signCertificateRequest`."""
        return self.privateKey.signCertificateRequest(
            self.getSubject(), requestData, verifyDNCallback, serialNumber, requestFormat, certificateFormat
        )

    def signRequestObject(
        self,
        certificateRequest: CertificateRequest,
        serialNumber: int,
        secondsToExpiry: int = YEAR,
        digestAlgorithm: str = "sha256",
    ) -> Certificate:
        """Sign a request as an authority; see :meth:`KeyPair.signRequestObject`."""
        return self.privateKey.signRequestObject(
            self.getSubject(), certificateRequest, serialNumber, secondsToExpiry, digestAlgorithm
        )


def _warn_of_pickling(key: object) -> None:
    warnings.warn(
        f"A {type(key).__name__} is better not pickled. Write its dump() to a file, and load() that.",
        DeprecationWarning,
        stacklevel=3,
    )
