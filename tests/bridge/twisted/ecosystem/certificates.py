"""An authority of our own, and what it says of ``localhost``: for both sides of TLS."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)

__all__ = ["Authority"]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


NOT_ITS_USES = [
    "content_commitment",
    "data_encipherment",
    "decipher_only",
    "digital_signature",
    "encipher_only",
    "key_agreement",
    "key_encipherment",
]


def _may_sign() -> x509.KeyUsage:
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(NOT_ITS_USES, False))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Signs one certificate, for ``localhost``, 127.0.0.1 and ::1.

    :param directory: where its files go: ``authority.pem``, ``server.pem``, ``server.key``.
    """

    def __init__(self, directory: Path) -> None:
        key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = _name("an authority for tests")
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        names += [x509.IPAddress(ip_address(literal)) for literal in ("127.0.0.1", "::1")]
        authority = (
            self._begin(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_may_sign(), critical=True)
            .sign(key, hashes.SHA256())
        )
        certificate = (
            self._begin(name, _name("localhost"), own_key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        self.directory = directory
        self._authority, self._certificate = _pem(authority), _pem(certificate)
        self._key = own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.authority_file = directory / "authority.pem"
        self.certificate_file = directory / "server.pem"
        self.key_file = directory / "server.key"
        self.authority_file.write_bytes(self._authority)
        self.certificate_file.write_bytes(self._certificate)
        self.key_file.write_bytes(self._key)

    @staticmethod
    def _begin(issuer: x509.Name, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .issuer_name(issuer)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    # For Twisted

    def server_options(self) -> CertificateOptions:
        """What a server of Twisted's is given."""
        return PrivateCertificate.loadPEM(self._certificate + self._key).options()

    def trust(self) -> Any:
        """The trust root that knows this authority alone."""
        return trustRootFromCertificates([Certificate.loadPEM(self._authority)])

    def client_options(self) -> Any:
        """What a client of Twisted's is given that wants ``localhost``."""
        return optionsForClientTLS("localhost", trustRoot=self.trust())

    # For everybody else

    def server_context(self) -> ssl.SSLContext:
        """The same for a server on the standard library's ssl."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        """The same for a client on the standard library's ssl."""
        return ssl.create_default_context(cafile=str(self.authority_file))
