"""Cipher suites, and the parameters of Diffie and Hellman's key exchange."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface.verify import verifyObject

from tests.ssl.handshakes import rsa_key, shake_hands
from twisted_compat.interfaces import IAcceptableCiphers, ICipher
from twisted_compat.ssl import AcceptableCiphers, CertificateOptions, DiffieHellmanParameters, TLSVersion
from twisted_compat.ssl.ciphers import DEFAULT_CIPHERS, OpenSSLCipher, available_ciphers, path_of

A, B, C = map(OpenSSLCipher, "ABC")


def test_interfaces() -> None:
    assert verifyObject(ICipher, A)
    assert verifyObject(IAcceptableCiphers, AcceptableCiphers([]))


def test_a_cipher_is_its_name() -> None:
    assert A == OpenSSLCipher("A") != B
    assert SimpleNamespace(fullName="A") != A
    assert eval(repr(A)) == A


def test_selects_what_is_available_in_its_own_order() -> None:
    choice = AcceptableCiphers([A, B])
    assert choice.selectCiphers([C, B]) == (B,)
    assert choice.selectCiphers(iter([B, C, A])) == (A, B)
    assert choice.selectCiphers(()) == AcceptableCiphers(()).selectCiphers([A]) == ()


def test_a_string_stands_for_ciphers() -> None:
    choice = AcceptableCiphers.fromOpenSSLCipherString("ECDHE-RSA-AES256-GCM-SHA384")
    assert OpenSSLCipher("ECDHE-RSA-AES256-GCM-SHA384") in choice._ciphers
    newer = [cipher.fullName for cipher in choice._ciphers if cipher.fullName.startswith("TLS_")]
    assert len(newer) == len(choice._ciphers) - 1


def test_a_string_may_stand_for_none() -> None:
    assert available_ciphers("", SSL.TLS_METHOD, 0) == ()
    assert available_ciphers("no-such-cipher", SSL.TLS_METHOD, 0) == ()


def test_other_errors_of_openssl_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: object, string: bytes) -> None:
        raise SSL.Error([("SSL routines", "", "something else")])

    monkeypatch.setattr(SSL.Context, "set_cipher_list", fail)
    with pytest.raises(SSL.Error, match="something else"):
        available_ciphers("a string that nothing else asks for", SSL.TLS_METHOD, 0)


def test_the_default_is_safe() -> None:
    names = [cipher.fullName for cipher in DEFAULT_CIPHERS._ciphers]
    assert names and not [
        name
        for name in names
        for weak in ("NULL", "RC4", "DES", "MD5", "EXP", "ADH", "AECDH", "PSK", "SRP")
        if weak in name
    ]


def test_the_default_is_twisteds() -> None:
    theirs = pytest.importorskip("twisted.internet._sslverify").defaultCiphers
    assert [cipher.fullName for cipher in DEFAULT_CIPHERS._ciphers] == [
        cipher.fullName for cipher in theirs._ciphers
    ]


def test_what_was_chosen_is_spoken() -> None:
    name = "ECDHE-RSA-AES128-GCM-SHA256"
    handshake = shake_hands(
        CertificateOptions(rsa_key().original, rsa_key().selfSignedCert(1, CN="localhost").original),
        CertificateOptions(
            acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(name),
            lowerMaximumSecurityTo=TLSVersion.TLSv1_2,
        ),
    )
    assert handshake.client.connection.get_cipher_name() == name


# Diffie and Hellman's


def a_prime() -> int:
    """That of the group ffdhe2048, which RFC 7919 makes out of the number e."""
    e, term = 0, 1 << 2100
    for number in range(1, 400):
        e += term
        term //= number
    return 2**2048 - 2**1984 + ((e >> 2100 - 1918) + 560316) * 2**64 - 1


@pytest.fixture(scope="module")
def parameters_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dh") / "dh.pem"
    prime, generator = b"\x02\x82\x01\x01\0" + a_prime().to_bytes(256, "big"), b"\x02\x01\x02"
    text = base64.encodebytes(b"\x30\x82\x01\x08" + prime + generator)
    path.write_bytes(b"-----BEGIN DH PARAMETERS-----\n" + text + b"-----END DH PARAMETERS-----\n")
    return path


@pytest.mark.parametrize(
    "given", [str, Path, lambda path: SimpleNamespace(path=str(path))], ids=["text", "path", "FilePath"]
)
def test_a_path_may_be_given_in_several_ways(given: Any, parameters_path: Path) -> None:
    assert path_of(DiffieHellmanParameters.fromFile(given(parameters_path))) == str(parameters_path)


def test_the_exchange_without_curves_takes_the_parameters(parameters_path: Path) -> None:
    def server(path: Path) -> CertificateOptions:
        return CertificateOptions(
            rsa_key().original,
            rsa_key().selfSignedCert(1, CN="localhost").original,
            dhParameters=DiffieHellmanParameters(path),
            acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString("DHE+AESGCM"),
            lowerMaximumSecurityTo=TLSVersion.TLSv1_2,
        )

    handshake = shake_hands(server(parameters_path), CertificateOptions())
    assert handshake.done and handshake.client.connection.get_cipher_name().startswith("DHE-RSA-")
    with pytest.raises(SSL.Error):
        server(parameters_path.with_name("missing")).getContext()
