"""How certificates and requests are signed: cryptography's builders, for ``private.KeyPair``."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_compat.ssl.names import DistinguishedName, as_x509_name

__all__ = ["sign_certificate", "sign_request"]

DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

HOST_NAME = re.compile(
    r"(?!(.*\.)?[0-9]+$)"  # a number at the end is no name's
    r"(\*\.)?([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE,
)


def sign_request(key: Any, subject: DistinguishedName, digest: str) -> x509.CertificateSigningRequest:
    """Ask for a certificate.

    :param key: cryptography's private key, which the certificate shall be for.
    :param digest: the name of a hash, as in :data:`DIGESTS`.
    :raises ValueError: for an unknown digest, and for a name that no certificate can hold.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(as_x509_name(subject))
    return builder.sign(key, _algorithm(key, digest))


def sign_certificate(
    key: Any,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    public_key: Any,
    serial: int,
    seconds: int,
    digest: str,
) -> x509.Certificate:
    """Certify that a public key belongs to a name, from now on.

    A common name that is a host's name or an IP address is written down as such, too (subjectAltName): nobody
    looks for hosts in common names any more. Who signs for themselves becomes an authority, which may sign
    for others; nobody else does.

    :param key: cryptography's private key, the issuer's.
    :param public_key: cryptography's public key, the subject's.
    :param seconds: how long it shall be valid; less than 0 for a certificate that has expired.
    :param digest: the name of a hash, as in :data:`DIGESTS`.
    :raises ValueError: for an unknown digest, a serial number that is not positive or has more than 159 bits,
        and for a name that no certificate can hold.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    end = now + timedelta(seconds=seconds)
    authority = issuer == subject and _encoded(key.public_key()) == _encoded(public_key)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(as_x509_name(issuer))
        .subject_name(as_x509_name(subject))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(min(now, end))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    host = _host(subject.get("commonName", b"").decode())
    if host is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return builder.sign(key, _algorithm(key, digest))


def _algorithm(key: Any, digest: str) -> Any:
    try:
        algorithm = DIGESTS[digest.lower()]
    except KeyError:
        raise ValueError(f"There is no digest {digest!r}. There are: {', '.join(DIGESTS)}.") from None
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return None  # these bring their own
    return algorithm()


def _encoded(public_key: Any) -> Any:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _host(common_name: str) -> x509.GeneralName | None:
    try:
        return x509.IPAddress(ipaddress.ip_address(common_name))
    except ValueError:
        return x509.DNSName(common_name) if HOST_NAME.fullmatch(common_name) else None
