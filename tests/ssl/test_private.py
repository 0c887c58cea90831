"""Keys with their private part, and certificates with such a key."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from OpenSSL import crypto

from tests.ssl.handshakes import key, of_pair, rsa_key, self_signed, shake_hands, signed_by
from twisted_compat.defer import Deferred, succeed
from twisted_compat.error import VerifyError
from twisted_compat.ssl import DN, Certificate, CertificateRequest, KeyPair, PrivateCertificate

FORMATS = [crypto.FILETYPE_ASN1, crypto.FILETYPE_PEM]


# KeyPair


@pytest.mark.parametrize("format", FORMATS, ids=["DER", "PEM"])
def test_a_key_that_is_written_can_be_read(format: int) -> None:
    again = KeyPair.load(rsa_key().dump(format), format)
    assert again.matches(rsa_key())
    assert again.dump(format) == rsa_key().dump(format)


def test_a_key_is_made_as_what_was_asked_for() -> None:
    class Mine(KeyPair):
        pass

    made = Mine.generate(size=1024)
    assert type(made) is type(Mine.load(made.dump())) is Mine
    assert made.original.bits() == 1024
    assert rsa_key().original.bits() == 2048


@pytest.mark.parametrize("format", FORMATS, ids=["DER", "PEM"])
def test_garbage_is_no_key(format: int) -> None:
    with pytest.raises(crypto.Error):
        KeyPair.load(b"garbage", format)


def test_a_key_is_described() -> None:
    assert rsa_key().inspect() == f"2048-bit RSA Key Pair with Hash: {rsa_key().keyHash()}"
    assert key().inspect() == f"256-bit (Unknown Type!) Key Pair with Hash: {key().keyHash()}"
    assert repr(key()) == f"<KeyPair {key().keyHash()}>"


def test_a_key_can_be_pickled_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="KeyPair is better not pickled") as warned:
        again = pickle.loads(pickle.dumps(key()))
    assert again.matches(key()) and again.dump() == key().dump()
    assert len(warned) == 2
    assert {warning.filename for warning in warned} == {__file__}


# Signing


def test_a_request_is_signed_by_an_authority() -> None:
    authority = self_signed("an authority", 2)
    request = key(1).requestObject(DN(CN="example.org"))
    certificate = authority.signRequestObject(request, 7)
    assert certificate.getSubject() == DN(CN="example.org")
    assert certificate.getIssuer() == DN(CN="an authority")
    assert certificate.serialNumber() == 7
    assert certificate.getPublicKey().matches(key(1))


@pytest.mark.parametrize("format", FORMATS, ids=["DER", "PEM"])
def test_a_written_request_is_signed_if_its_name_is_approved_of(format: int) -> None:
    authority, asked = self_signed("an authority", 2), []
    data = authority.signCertificateRequest(
        key(1).certificateRequest(DN(CN="example.org"), format),
        lambda name: asked.append(name) or True,
        7,
        format,
        format,
    )
    certificate = key(1).newCertificate(data, format)
    assert type(certificate) is PrivateCertificate
    assert asked == [certificate.getSubject()] == [DN(CN="example.org")]
    assert certificate.serialNumber() == 7


def test_a_name_that_is_not_approved_of_is_refused() -> None:
    with pytest.raises(VerifyError, match="doesn't approve"):
        key().signCertificateRequest(DN(CN="a"), key(1).certificateRequest(DN(CN="b")), lambda name: False, 1)


def test_a_request_that_is_not_signed_with_its_key_is_refused() -> None:
    data = bytearray(key(1).certificateRequest(DN(CN="b")))
    data[-1] ^= 0xFF
    with pytest.raises(VerifyError, match="isn't signed"):
        key().signCertificateRequest(DN(CN="a"), bytes(data), lambda name: True, 1)


def test_the_approval_may_come_later() -> None:
    approval: Deferred[bool] = Deferred()
    data = key(1).certificateRequest(DN(CN="b"))
    signed = key().signCertificateRequest(DN(CN="a"), data, lambda name: approval, 1)
    got: list[Any] = []
    signed.addCallback(got.append)
    assert got == []
    approval.callback(True)
    assert Certificate.load(got[0]).getSubject() == DN(CN="b")


def test_the_refusal_may_come_later() -> None:
    data = key(1).certificateRequest(DN(CN="b"))
    signed = key().signCertificateRequest(DN(CN="a"), data, lambda name: succeed(False), 1)
    failures: list[Any] = []
    signed.addErrback(failures.append)
    assert [failure.type for failure in failures] == [VerifyError]


def test_a_key_certifies_itself() -> None:
    certificate = key().selfSignedCert(5, CN="localhost", C="SE")
    assert certificate.privateKey is key()
    assert certificate.getSubject() == certificate.getIssuer() == DN(CN="localhost", C="SE")
    assert certificate.serialNumber() == 5


# PrivateCertificate


def test_a_certificate_and_its_key_go_into_one_pem() -> None:
    text = self_signed().dumpPEM()
    assert text.count(b"-----BEGIN ") == 2
    again = PrivateCertificate.loadPEM(text)
    assert again == self_signed() and again.privateKey.matches(key())
    assert again.dumpPEM() == text


def test_the_key_may_come_first(certificates: Any) -> None:
    certificate = of_pair(certificates.server)  # so trustme writes it
    assert certificate.privateKey.matches(certificate.getPublicKey())


def test_a_certificate_for_another_key_is_refused() -> None:
    for put_together in (
        lambda: PrivateCertificate.fromCertificateAndKeyPair(self_signed(), key(1)),
        lambda: PrivateCertificate.load(self_signed().dump(), key(1)),
        lambda: key(1).newCertificate(self_signed().dump()),
        lambda: self_signed("other", 1).newCertificate(self_signed().dump()),
    ):
        with pytest.raises(VerifyError, match="isn't for this private key"):
            put_together()


def test_a_key_gets_a_new_certificate() -> None:
    request = CertificateRequest.load(self_signed().certificateRequest())
    assert request.getSubject() == DN(CN="localhost")
    renewed = self_signed().newCertificate(
        self_signed("an authority", 2).signRequestObject(request, 9, secondsToExpiry=60).dump()
    )
    assert renewed.serialNumber() == 9 and renewed.privateKey is key()


def test_a_private_certificate_is_shown_with_its_key() -> None:
    shown = self_signed()
    assert repr(shown) == (
        f"<PrivateCertificate Subject=b'localhost' Issuer=b'localhost'> with <KeyPair {key().keyHash()}>"
    )
    assert shown.inspect().endswith(f"\n{key().inspect()}")
    assert shown.inspect().startswith("Certificate For Subject:\n")


def test_its_options_show_it() -> None:
    options = self_signed().options()
    assert (options.privateKey, options.certificate) == (key().original, options.certificate)
    assert not options.verify and options.trustRoot is None


def test_its_options_trust_the_authorities_that_are_named() -> None:
    """Each end has a certificate that the other end's authority has signed."""
    one, other = self_signed("one", 2), self_signed("other", 3)
    server, client = signed_by(one, "server", 0), signed_by(other, "client", 1)
    assert shake_hands(server.options(other), client.options(one)).done
    assert not shake_hands(server.options(one), client.options(one)).done
    assert shake_hands(server.options(one, other), client.options(one)).done
