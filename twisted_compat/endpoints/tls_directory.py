"""A directory of certificates, of which each client is shown the one for the name that it asks for (SNI).

All ``.pem`` files in it and below count. Certificates and keys find each other, wherever they are; those
without a key stand between the others and their authorities. It is read again when it has changed.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import datetime, timezone
from typing import Any

from twisted_compat import ssl  # isort: skip  # first, as in tls_files.py

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from zope.interface import implementer

from twisted_compat.endpoints.tls_files import PEM
from twisted_compat.interfaces import IOpenSSLServerConnectionCreator

__all__ = ["CertificateDirectory"]

logger = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds after which a directory is looked at again, as its certificates may have been renewed."""


@implementer(IOpenSSLServerConnectionCreator)
class CertificateDirectory:
    """Says how to encrypt: as the certificates in a directory have it.

    A client that asks for no name, or for an unknown one, is shown the first by the files' names.

    :param path: the directory.
    :raises OSError: if it can't be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: list[tuple[str, int, int]] = []
        self._looked = 0.0
        self._by_name: dict[str, Any] = {}
        self._first: Any = None
        os.listdir(path)
        self._look()

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Make the TLS state of one connection (IOpenSSLServerConnectionCreator)."""
        if not self._by_name or time.monotonic() - self._looked > LOOK_AGAIN:
            self._look()
        connection: SSL.Connection = self._first.serverConnectionForTLS(tlsProtocol)
        return connection

    def _context_for(self, name: bytes | None) -> SSL.Context | None:
        if not name:
            return None  # that of the first stays
        options = self._find(name)
        if options is None:
            self._look()  # it may be new
            options = self._find(name)
        if options is None:
            logger.warning("There is no certificate for %r in %s", name, self.path)
            return None
        context: SSL.Context = options.getContext()
        return context

    def _find(self, name: bytes) -> Any:
        wanted = name.decode("ascii", "replace").lower()
        return self._by_name.get(wanted) or self._by_name.get("*." + wanted.partition(".")[2])

    # Reading it

    def _look(self) -> None:
        """Read the directory, if there is anything new in it."""
        self._looked = time.monotonic()
        there = self._files()
        if there != self._seen or self._first is None:
            self._seen = there
            self._read([path for path, *_ in there])

    def _files(self) -> list[tuple[str, int, int]]:
        """The files that count, with what is different when they are."""
        found = []
        for directory, _, names in os.walk(self.path):
            for name in names:
                if name.lower().endswith(".pem"):
                    path = os.path.join(directory, name)
                    try:
                        status = os.stat(path)
                    except OSError:  # gone, or a link to nothing
                        continue
                    found.append((path, status.st_mtime_ns, status.st_size))
        return sorted(found)

    def _read(self, paths: list[str]) -> None:
        files = PEM([], [])
        for path in paths:
            try:
                for all_of_it, more in zip(files, PEM.read(path), strict=True):
                    all_of_it.extend(more)
            except (OSError, ValueError) as error:
                logger.warning("A file of certificates is left out: %s", error)
        self._by_name = {}
        found = _matched(files, self._context_for)
        for leaf, options in sorted(
            found, key=lambda pair: _worth(pair[0])
        ):  # the best comes last, and stays
            self._by_name.update(dict.fromkeys(_names(leaf), options))
        valid = [options for leaf, options in found if _worth(leaf)[0]]
        self._first = (valid or [options for _, options in found] or [None])[0]
        if self._first is None:
            logger.warning("There is no certificate with its key in %s", self.path)
            self._first = ssl.CertificateOptions(contextForServerName=self._context_for)


def _matched(files: PEM, context_for: Any) -> list[tuple[x509.Certificate, Any]]:
    """Each certificate that has its key, and the options for it; of those for one key, the best."""
    by_key: dict[bytes, x509.Certificate] = {}
    for certificate in sorted(files.certificates, key=_worth):
        by_key[_key_of(certificate.public_key())] = certificate
    # A dict, as a key may be in several files.
    keys = {_key_of(key.public_key()): key for key in files.keys}
    pairs = [(by_key.pop(public), key) for public, key in keys.items() if public in by_key]
    if len(pairs) < len(keys):
        logger.warning("There are %d private keys without their certificates", len(keys) - len(pairs))
    between = {certificate.subject: certificate for certificate in by_key.values()}
    found = []
    for leaf, key in pairs:
        options = ssl.CertificateOptions(
            privateKey=key,
            certificate=leaf,
            extraCertChain=_chain(leaf, between),
            contextForServerName=context_for,
        )
        try:
            options.getContext()
        except SSL.Error as error:
            logger.warning("A certificate is left out, %s: %s", leaf.subject.rfc4514_string(), error)
        else:
            found.append((leaf, options))
    return found


def _worth(certificate: x509.Certificate) -> tuple[bool, datetime]:
    """What one certificate is better by than another: it is valid now; its time began later."""
    try:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except AttributeError:  # cryptography before version 42
        begin, end = (
            moment.replace(tzinfo=timezone.utc)
            for moment in (certificate.not_valid_before, certificate.not_valid_after)
        )
    return begin <= datetime.now(timezone.utc) <= end, begin


def _key_of(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _chain(leaf: x509.Certificate, between: dict[x509.Name, x509.Certificate]) -> list[Any]:
    """Those that lead from a certificate towards its authority."""
    chain: list[Any] = []
    issuer = between.get(leaf.issuer)
    while issuer is not None and issuer not in chain:
        chain.append(issuer)
        issuer = between.get(issuer.issuer)
    return chain


def _names(certificate: x509.Certificate) -> list[str]:
    """The names that a certificate is for, in lower case."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [str(name.value) for name in common]
    return [name.lower() for name in names]
