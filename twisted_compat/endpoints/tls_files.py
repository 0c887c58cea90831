"""Certificates and keys from the files that a description of an endpoint names.

Needs pyOpenSSL and cryptography, as :mod:`twisted_compat.ssl` does, which says so if they are missing.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from typing import Any, NamedTuple

from twisted_compat import ssl  # isort: skip  # first, as it says what to install if one of those is missing

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL.crypto import X509, PKey

from twisted_compat.ssl.authorities import OpenSSLCertificateAuthorities

__all__ = ["PEM", "client_options", "server_options"]

logger = logging.getLogger(__name__)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n.+?-----END \1-----", re.DOTALL)


class PEM(NamedTuple):
    """What a file in PEM has in it.

    :ivar certificates: cryptography's certificates, in their order.
    :ivar keys: cryptography's private keys.
    """

    certificates: list[x509.Certificate]
    keys: list[Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PEM:
        """Read a file.

        :raises OSError: if it can't be read.
        :raises ValueError: if it has nothing in PEM, or that is damaged, or a key wants a password.
        """
        with open(path, "rb") as file:
            data = file.read()
        found = cls([], [])
        try:
            for block in _BLOCK.finditer(data):
                if block[1] == b"CERTIFICATE":
                    found.certificates.append(x509.load_pem_x509_certificate(block[0]))
                elif block[1].endswith(b"PRIVATE KEY"):
                    found.keys.append(load_pem_private_key(block[0], None))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} has damaged or locked PEM in it: {error}") from error
        if not any(found):
            raise ValueError(f"{os.fspath(path)} has no certificate or key in PEM in it.")
        return found


def _shown(certificate: str, private_key: str) -> dict[str, Any]:
    """The first certificate of one file with its key of another, as arguments of ``CertificateOptions``; the
    other certificates are sent along."""
    certificates = PEM.read(certificate).certificates
    if not certificates:
        raise ValueError(f"{certificate} has no certificate in it.")
    leaf, *between = certificates
    for key in PEM.read(private_key).keys:
        if key.public_key() == leaf.public_key():
            return {  # as pyOpenSSL has them, for those who look at the options
                "privateKey": PKey.from_cryptography_key(key),
                "certificate": X509.from_cryptography(leaf),
                "extraCertChain": [X509.from_cryptography(each) for each in between],
            }
    raise ValueError(f"{private_key} has no private key for the certificate in {certificate}.")


def server_options(
    private_key: str,
    certificate: str | None,
    method: str | None,
    chain: str | None,
    dh_parameters: str | None,
) -> Any:
    """What a TLS server is told: the arguments are paths, all but ``method``, the name of pyOpenSSL's.

    :returns: ``CertificateOptions``.
    :raises OSError: if a file can't be read. ValueError, if there isn't in it what should be.
    """
    options = _shown(certificate or private_key, private_key)
    if chain is not None:
        options["extraCertChain"] = list(map(X509.from_cryptography, PEM.read(chain).certificates))
        if not options["extraCertChain"]:
            raise ValueError(f"The chain file {chain} has no certificate in it.")
    if dh_parameters is not None:
        with open(dh_parameters, "rb"):
            pass  # it is there; OpenSSL would only say that something is wrong
        options["dhParameters"] = ssl.DiffieHellmanParameters.fromFile(dh_parameters)
    if method is not None:
        if not method.endswith("_METHOD") or not hasattr(ssl.SSL, method):
            raise ValueError(f"pyOpenSSL has no method {method!r}. Write sslmethod=TLS_METHOD, or nothing.")
        options["method"] = getattr(ssl.SSL, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the method, which the description asks for
        made = ssl.CertificateOptions(**options)
    try:
        made.getContext()
    except ssl.SSL.Error as error:
        files = ", ".join(filter(None, [certificate or private_key, chain, dh_parameters]))
        raise ValueError(f"OpenSSL can't use what is in {files}: {error}") from error
    return made


def client_options(
    hostname: str | None,
    certificate: str | None,
    private_key: str | None,
    authorities: str | None,
    *,
    name: str,
) -> Any:
    """What a TLS client is told.

    :param hostname: the server's name, which its certificate has to be for; None, and it isn't looked at.
    :param certificate: the path of the certificate to show, if the server asks for one.
    :param private_key: the path of its key, if that isn't in the same file.
    :param authorities: the path of a directory whose ``.pem`` files have the certificates of those to be
        trusted, or of one such file; None for the platform's, or nobody's if there is no ``hostname``.
    :param name: what ``certificate`` is called in the description.
    :raises OSError: if a file can't be read. ValueError, if there isn't in it what should be.
    """
    options: dict[str, Any] = {}
    if certificate is not None:
        options = _shown(certificate, private_key or certificate)
    elif private_key is not None:
        raise ValueError(f"privateKey is the key of a certificate: give {name} as well.")
    trusted = None if authorities is None else OpenSSLCertificateAuthorities(_certificates_in(authorities))
    if hostname is None:
        return ssl.CertificateOptions(trustRoot=trusted, **options)
    return ssl.optionsForClientTLS(hostname, trusted, extraCertificateOptions=options)


def _certificates_in(path: str) -> list[x509.Certificate]:
    paths = [path]
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if name.lower().endswith(".pem"))
        paths = [os.path.join(path, name) for name in names]
    found: list[x509.Certificate] = []
    for each in paths:
        try:
            found += PEM.read(each).certificates
        except (OSError, ValueError) as error:
            logger.warning("A file of authorities is left out: %s", error)
    if not found:
        raise ValueError(f"There is no certificate of an authority in {path}.")
    return list(dict.fromkeys(found))  # each once, as bundles repeat each other
