"""Public keys; making keys, and writing them down."""

from __future__ import annotations

import gc
import weakref

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from OpenSSL import crypto
from OpenSSL.crypto import PKey

from tests.ssl.handshakes import key, rsa_key, self_signed
from twisted_compat.ssl.keys import PublicKey, as_cryptographys, dump, generate

ED = PKey.from_cryptography_key(ed25519.Ed25519PrivateKey.generate())


def public() -> PublicKey:
    """The public part of key()."""
    return self_signed().getPublicKey()


def test_keys_match_by_their_public_part() -> None:
    assert public().matches(key())
    assert key().matches(public())
    assert not key().matches(key(1))


def test_is_shown_by_its_hash() -> None:
    shown = public()
    assert len(shown.keyHash()) == 32 and int(shown.keyHash(), 16)
    assert repr(shown) == f"<PublicKey {shown.keyHash()}>"
    assert shown.inspect() == f"Public Key with Hash: {shown.keyHash()}"


def test_the_hash_is_twisteds() -> None:
    twisteds = pytest.importorskip("twisted.internet._sslverify").PublicKey
    assert key().keyHash() == twisteds(key().original).keyHash()


@pytest.mark.parametrize("kind", ["RSA", "DSA"])
def test_makes_keys(kind: str) -> None:
    made = generate(getattr(crypto, f"TYPE_{kind}"), 1024)
    assert (made.type(), made.bits()) == (getattr(crypto, f"TYPE_{kind}"), 1024)


def test_makes_no_other_keys() -> None:
    with pytest.raises(crypto.Error, match="TYPE_RSA"):
        generate(crypto.TYPE_EC, 256)


@pytest.mark.parametrize("pkey", [key().original, rsa_key().original, ED], ids=["EC", "RSA", "Ed25519"])
def test_what_is_written_can_be_read(pkey: PKey) -> None:
    der, pem = dump(pkey, crypto.FILETYPE_ASN1), dump(pkey, crypto.FILETYPE_PEM)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n") and pem.endswith(b"-----END PRIVATE KEY-----\n")
    for read in (load_der_private_key(der, None), load_pem_private_key(pem, None)):
        assert PublicKey(PKey.from_cryptography_key(read)).matches(PublicKey(pkey))


def test_a_key_is_converted_once_and_forgotten_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pkey = crypto.load_privatekey(crypto.FILETYPE_ASN1, key().dump())
    converted = as_cryptographys(pkey)
    assert converted.private_numbers() == pkey.to_cryptography_key().private_numbers()
    monkeypatch.delattr(PKey, "to_cryptography_key")
    assert as_cryptographys(pkey) is converted
    gone = weakref.ref(pkey)
    del pkey
    gc.collect()
    assert gone() is None


def test_der_is_in_the_form_of_its_kind() -> None:
    """As pyOpenSSL wrote it, which is what old programs read."""
    rsa_encryption = bytes.fromhex("06092a864886f70d010101")  # PKCS #8 names the kind, PKCS #1 doesn't
    assert rsa_encryption not in dump(rsa_key().original, crypto.FILETYPE_ASN1)


def test_is_not_written_in_a_format_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="FILETYPE_PEM"):
        dump(key().original, crypto.FILETYPE_TEXT)


def test_what_has_no_private_part_is_not_written() -> None:
    with pytest.raises(crypto.Error, match="no private part"):
        dump(public().original, crypto.FILETYPE_PEM)
