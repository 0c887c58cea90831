"""Requests for certificates."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import crypto

from tests.ssl.handshakes import key
from twisted_compat.error import VerifyError
from twisted_compat.ssl import DN, CertificateRequest

FORMATS = [crypto.FILETYPE_ASN1, crypto.FILETYPE_PEM]


@pytest.mark.parametrize("format", FORMATS, ids=["DER", "PEM"])
def test_what_is_written_can_be_read(format: int) -> None:
    request = key().requestObject(DN(CN="example.org"))
    again = CertificateRequest.load(request.dump(format), format)
    assert again.getSubject() == request.getSubject() == DN(CN="example.org")
    assert again.dump(format) == request.dump(format)


def test_is_read_as_what_was_asked_for() -> None:
    class Mine(CertificateRequest):
        pass

    assert type(Mine.load(key().certificateRequest(DN(CN="a")))) is Mine


def test_there_is_no_other_format() -> None:
    request = key().requestObject(DN(CN="a"))
    with pytest.raises(ValueError, match="FILETYPE_PEM"):
        request.dump(crypto.FILETYPE_TEXT)
    with pytest.raises(ValueError, match="FILETYPE_PEM"):
        CertificateRequest.load(request.dump(), crypto.FILETYPE_TEXT)


@pytest.mark.parametrize("format", FORMATS, ids=["DER", "PEM"])
def test_garbage_is_refused(format: int) -> None:
    with pytest.raises(ValueError):
        CertificateRequest.load(b"garbage", format)


def test_a_wrong_signature_is_refused() -> None:
    data = bytearray(key().certificateRequest(DN(CN="example.org")))
    data[-1] ^= 0xFF
    with pytest.raises(VerifyError, match=r"CN=example\.org"):
        CertificateRequest.load(bytes(data))


def test_a_name_with_an_unknown_field_is_refused() -> None:
    """Leaving it out would sign for somebody else."""
    name = x509.Name([x509.NameAttribute(NameOID.GIVEN_NAME, "Alice")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = CertificateRequest(builder.sign(key().original.to_cryptography_key(), hashes.SHA256()))
    with pytest.raises(ValueError, match="no field"):
        request.getSubject()
