"""Certificates."""

from __future__ import annotations

import ssl
import warnings
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from OpenSSL.crypto import X509

from tests.ssl.handshakes import authority_of, key, of_pair, self_signed, shake_hands
from twisted_compat.error import CertificateError
from twisted_compat.interfaces import IAcceptableCiphers
from twisted_compat.ssl import DN, Certificate, CertificateOptions, optionsForClientTLS
from twisted_compat.ssl.authorities import IOpenSSLTrustRoot, OpenSSLCertificateAuthorities
from twisted_compat.ssl.signing import sign_certificate

PEM = self_signed().dump(crypto.FILETYPE_PEM)


class Transport:
    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def getHandle(self) -> Any:
        return self.handle


@pytest.mark.parametrize("format", [crypto.FILETYPE_ASN1, crypto.FILETYPE_PEM], ids=["DER", "PEM"])
def test_what_is_written_can_be_read(format: int) -> None:
    certificate = Certificate.loadPEM(PEM)
    again = Certificate.load(certificate.dump(format), format)
    assert again == certificate and hash(again) == hash(certificate)
    assert again.dump() == certificate.dump()


def test_pem_is_the_default_of_its_own_methods(certificates: Any) -> None:
    assert Certificate.loadPEM(PEM).dumpPEM() == PEM
    assert Certificate.loadPEM(PEM.rstrip()).dumpPEM() == PEM
    assert Certificate.load(Certificate.loadPEM(PEM).dump()).dumpPEM() == PEM


def test_of_several_in_pem_the_first_counts(certificates: Any) -> None:
    with open(certificates.server.both_path, "rb") as file:
        text = file.read()
    with open(certificates.ca_path, "rb") as file:
        text += file.read()
    assert Certificate.loadPEM(text) == of_pair(certificates.server)


def test_is_read_as_what_was_asked_for() -> None:
    class Mine(Certificate):
        def __init__(self, original: X509, note: str = "") -> None:
            super().__init__(original)
            self.note = note

    assert type(Mine.loadPEM(PEM)) is Mine
    assert Mine.load(PEM, crypto.FILETYPE_PEM, ("note",)).note == "note"


@pytest.mark.parametrize("format", [crypto.FILETYPE_ASN1, crypto.FILETYPE_PEM], ids=["DER", "PEM"])
def test_garbage_is_refused(format: int) -> None:
    with pytest.raises(crypto.Error):
        Certificate.load(b"garbage", format)


def test_equals_another_with_the_same_content() -> None:
    assert Certificate.loadPEM(PEM) == Certificate.loadPEM(PEM) == self_signed()
    assert Certificate.loadPEM(PEM) != self_signed("example.org")
    assert Certificate.loadPEM(PEM) != PEM


def test_tells_what_is_in_it(certificates: Any) -> None:
    certificate, authority = of_pair(certificates.client), authority_of(certificates)
    assert certificate.getSubject().commonName == b"a client"
    assert certificate.getIssuer() == authority.getSubject() == authority.getIssuer()
    assert certificate.serialNumber() == certificate.original.to_cryptography().serial_number
    fingerprint = certificate.original.to_cryptography().fingerprint(hashes.SHA256()).hex(":").upper()
    assert certificate.digest("sha256").decode() == fingerprint
    assert len(certificate.digest()) == 16 * 3 - 1
    with pytest.raises(ValueError):
        certificate.digest("no such hash")


def test_the_copies_of_its_names_are_copies() -> None:
    certificate = Certificate.loadPEM(PEM)
    certificate.getSubject().CN = b"another"
    assert certificate.getSubject() == DN(CN="localhost")


def test_names_may_have_letters_beyond_ascii() -> None:
    """Twisted raises UnicodeEncodeError for them, even from repr()."""
    name = DN(CN="bücher".encode())
    own = key().original.to_cryptography_key()
    made = sign_certificate(own, name, name, own.public_key(), 1, 60, "sha256")
    certificate = Certificate(X509.from_cryptography(made))
    assert certificate.getSubject() == name
    assert repr(certificate).startswith("<Certificate Subject=b'b\\xc3\\xbccher' ")
    assert "Common Name: bücher\n" in certificate.inspect()


def test_is_laid_out_for_a_reader() -> None:
    certificate = Certificate.loadPEM(PEM)
    assert certificate.inspect().split("\n") == [
        "Certificate For Subject:",
        "               Common Name: localhost",
        "",
        "Issuer:",
        "               Common Name: localhost",
        "",
        "Serial Number: 1",
        f"Digest: {certificate.digest().decode()}",
        certificate.getPublicKey().inspect(),
    ]


def test_is_shown_with_its_names() -> None:
    assert repr(Certificate.loadPEM(PEM)) == "<Certificate Subject=b'localhost' Issuer=b'localhost'>"


def test_is_shown_without_names_where_it_has_none() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nobody")])
    own = key().original.to_cryptography_key()
    made = sign_certificate(own, DN(O="nobody"), DN(O="nobody"), own.public_key(), 1, 60, "sha256")
    assert made.subject == name
    assert repr(Certificate(X509.from_cryptography(made))) == "<Certificate Subject= Issuer=>"


def test_looks_as_twisteds_does() -> None:
    twisteds = pytest.importorskip("twisted.internet.ssl").Certificate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what pyOpenSSL is about to drop
        theirs = twisteds.loadPEM(PEM)
        assert theirs.inspect() == Certificate.loadPEM(PEM).inspect()
        assert repr(theirs) == repr(Certificate.loadPEM(PEM))


def test_does_for_a_trust_root() -> None:
    assert isinstance(IOpenSSLTrustRoot(Certificate.loadPEM(PEM)), OpenSSLCertificateAuthorities)
    assert IAcceptableCiphers(Certificate.loadPEM(PEM), None) is None


def test_has_no_options_without_its_key() -> None:
    with pytest.raises(NotImplementedError, match="PrivateCertificate"):
        Certificate.loadPEM(PEM).options()


def test_both_ends_certificates_are_read_from_a_connection() -> None:
    handshake = shake_hands(self_signed().options(), optionsForClientTLS("localhost", self_signed()))
    client, server = (Transport(end.connection) for end in (handshake.client, handshake.server))
    assert Certificate.peerFromTransport(client) == Certificate.hostFromTransport(server) == self_signed()
    for read, transport in (
        (Certificate.hostFromTransport, client),
        (Certificate.peerFromTransport, server),
    ):
        with pytest.raises(CertificateError, match=r"^TLS transport without a (host|peer) certificate"):
            read(transport)


def test_the_peers_certificate_is_read_from_the_standard_librarys_connection(certificates: Any) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificates.client_context().wrap_bio(back, there, server_hostname="localhost")
    server = certificates.server_context().wrap_bio(there, back, server_side=True)
    for end in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert Certificate.peerFromTransport(Transport(client)) == of_pair(certificates.server)
    with pytest.raises(CertificateError, match=r"^TLS transport without a peer certificate"):
        Certificate.peerFromTransport(Transport(server))
    with pytest.raises(CertificateError, match="host certificate"):
        Certificate.hostFromTransport(Transport(server))


def test_nothing_is_read_from_a_connection_without_tls() -> None:
    for read in (Certificate.peerFromTransport, Certificate.hostFromTransport):
        with pytest.raises(CertificateError, match=r"^non-TLS"):
            read(Transport(object()))


def test_a_server_that_asks_for_certificates_reads_what_a_client_shows() -> None:
    server = CertificateOptions(
        self_signed().privateKey.original,
        self_signed().original,
        verify=True,
        caCerts=[self_signed("a client", 1).original],
        requireCertificate=False,
    )
    client = optionsForClientTLS("localhost", self_signed(), self_signed("a client", 1))
    handshake = shake_hands(server, client)
    assert Certificate.peerFromTransport(Transport(handshake.server.connection)) == self_signed("a client", 1)
