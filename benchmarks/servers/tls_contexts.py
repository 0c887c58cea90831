"""What the servers need for TLS: a certificate, made once for all of them, and what each peer makes of it.

Each is what its users would write, with nothing set that they wouldn't: so all speak TLS 1.3, and what the
client asks for decides on the rest. Whatever they send beyond the handshake, such as tickets for sessions, is
theirs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

__all__ = ["CONTEXTS", "make_certificate"]


def make_certificate(path: Path) -> None:
    """Write a key (P-256) and a certificate for localhost that it has signed itself, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(encoding)
    )


def stdlib(certificate: Path) -> ssl.SSLContext:
    """A context of the standard library's ``ssl``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def pyopenssl(certificate: Path) -> Any:
    """CertificateOptions of ours, which are pyOpenSSL's, as Twisted's are."""
    from twisted_compat.ssl import PrivateCertificate

    return PrivateCertificate.loadPEM(certificate.read_bytes()).options()


def twisted(certificate: Path) -> Any:
    """Twisted's CertificateOptions. No reactor gets installed by that."""
    from twisted.internet.ssl import PrivateCertificate

    return PrivateCertificate.loadPEM(certificate.read_bytes()).options()


CONTEXTS: dict[str, Callable[[Path], Any]] = {
    "ours": stdlib,
    "ours-pyopenssl": pyopenssl,
    "ours-twisted": twisted,
    "twisted": twisted,
    "protocol": stdlib,
}
"""What makes a peer's context of a certificate, by the peer's kind."""
