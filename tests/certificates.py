"""Certificates for the tests, good and bad ones, and the contexts of both TLS libraries made of them.

trustme makes what is good; what no authority would sign (expired, not yet valid) is asked of it as well.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import trustme

__all__ = ["LIBRARIES", "Certificates", "Giving", "in_each_role", "with_each_library"]

LIBRARIES = ("stdlib", "pyopenssl")
"""The makes of contexts there are."""
with_each_library = pytest.mark.parametrize("library", LIBRARIES)
in_each_role = pytest.mark.parametrize("role", ["server", "client"])


@dataclass
class Pair:
    """A certificate with its key, as files."""

    certificate: trustme.LeafCert
    directory: Path
    name: str

    @cached_property
    def chain_path(self) -> str:
        """PEM: the certificate, and what stands between it and the root."""
        path = self.directory / f"{self.name}.chain.pem"
        path.write_bytes(b"".join(blob.bytes() for blob in self.certificate.cert_chain_pems))
        return str(path)

    @cached_property
    def key_path(self) -> str:
        """PEM: the private key."""
        path = self.directory / f"{self.name}.key.pem"
        self.certificate.private_key_pem.write_to_path(str(path))
        return str(path)

    @cached_property
    def both_path(self) -> str:
        """PEM: the key, and the certificates."""
        path = self.directory / f"{self.name}.pem"
        self.certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)


class Certificates:
    """An authority, what it has signed, and contexts. Everything is made when first asked for.

    :param directory: where the files are put.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = trustme.CA()
        self.other_authority = trustme.CA()

    def _pair(self, name: str, certificate: trustme.LeafCert) -> Pair:
        return Pair(certificate, self.directory, name)

    @cached_property
    def ca_path(self) -> str:
        """PEM: the authority's certificate."""
        path = self.directory / "ca.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return str(path)

    @cached_property
    def other_ca_path(self) -> str:
        """PEM: the certificate of an authority that has signed nothing of the server's."""
        path = self.directory / "other-ca.pem"
        self.other_authority.cert_pem.write_to_path(str(path))
        return str(path)

    @cached_property
    def server(self) -> Pair:
        """For localhost, 127.0.0.1 and ::1."""
        return self._pair("server", self.authority.issue_cert("localhost", "127.0.0.1", "::1"))

    @cached_property
    def client(self) -> Pair:
        """A client's."""
        return self._pair("client", self.authority.issue_cert("client@example.org", common_name="a client"))

    @cached_property
    def stranger(self) -> Pair:
        """For the same names as the server's, by the other authority."""
        issued = self.other_authority.issue_cert("localhost", "127.0.0.1", "::1")
        return self._pair("stranger", issued)

    @cached_property
    def wrong_host(self) -> Pair:
        """For another host's name."""
        return self._pair("wrong-host", self.authority.issue_cert("elsewhere.example"))

    @cached_property
    def expired(self) -> Pair:
        """It ended yesterday."""
        then = datetime.now(timezone.utc) - timedelta(days=1)
        issued = self.authority.issue_cert("localhost", "127.0.0.1", "::1", not_after=then)
        return self._pair("expired", issued)

    @cached_property
    def oversized(self) -> Pair:
        """With so many names that it takes several records."""
        names = [f"name-{number}.{'x' * 40}.example" for number in range(900)]
        return self._pair("oversized", self.authority.issue_cert("localhost", "127.0.0.1", *names))

    # Contexts: `library` is one of LIBRARIES.

    def server_context(
        self, library: str = "stdlib", pair: Pair | None = None, client_ca: bool = False
    ) -> Any:
        """A server's ``ssl.SSLContext``, or pyOpenSSL's Context.

        :param client_ca: whether clients have to show a certificate of the authority.
        """
        pair = pair or self.server
        if library == "stdlib":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.chain_path, pair.key_path)
            if client_ca:
                context.load_verify_locations(self.ca_path)
                context.verify_mode = ssl.CERT_REQUIRED
            return context
        SSL = pytest.importorskip("OpenSSL.SSL")
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate_chain_file(pair.chain_path)
        context.use_privatekey_file(pair.key_path)
        context.set_session_id(b"tests")
        if client_ca:
            context.load_verify_locations(self.ca_path)
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        return context

    def client_context(self, library: str = "stdlib", pair: Pair | None = None, ca: str | None = None) -> Any:
        """A client's, which trusts the authority.

        :param pair: what it shows to servers that ask; None for nothing.
        :param ca: the path of the authority to trust instead.
        """
        if library == "stdlib":
            context = ssl.create_default_context(cafile=ca or self.ca_path)
            if pair is not None:
                context.load_cert_chain(pair.chain_path, pair.key_path)
            return context
        SSL = pytest.importorskip("OpenSSL.SSL")
        context = SSL.Context(SSL.TLS_METHOD)
        context.load_verify_locations(ca or self.ca_path)
        context.set_verify(SSL.VERIFY_PEER)
        if pair is not None:
            context.use_certificate_chain_file(pair.chain_path)
            context.use_privatekey_file(pair.key_path)
        return context


class Giving:
    """Has a context (IOpenSSLContextFactory), and counts how often it is asked."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.asked = 0

    def getContext(self) -> Any:
        self.asked += 1
        return self.context
