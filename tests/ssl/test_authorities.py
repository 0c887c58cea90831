"""Whose signature counts."""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from tests.ssl.handshakes import authority_of, of_pair, self_signed, shake_hands
from twisted_compat.ssl import CertificateOptions, optionsForClientTLS
from twisted_compat.ssl.authorities import (
    IOpenSSLTrustRoot,
    OpenSSLCertificateAuthorities,
    OpenSSLDefaultPaths,
)


class Context:
    asked = 0

    def set_default_verify_paths(self) -> None:
        self.asked += 1


def test_interfaces() -> None:
    assert verifyObject(IOpenSSLTrustRoot, OpenSSLDefaultPaths())
    assert verifyObject(IOpenSSLTrustRoot, OpenSSLCertificateAuthorities([]))


def test_openssl_is_asked_for_what_it_finds_by_itself() -> None:
    context = Context()
    OpenSSLDefaultPaths()._addCACertsToContext(context)
    assert context.asked == 1


def test_both_kinds_of_certificates_do(certificates: Any) -> None:
    original = authority_of(certificates).original
    for certificate in (original, original.to_cryptography()):
        roots = OpenSSLCertificateAuthorities([certificate])
        client = optionsForClientTLS("localhost", roots)
        assert shake_hands(of_pair(certificates.server).options(), client).done


def test_nobody_is_trusted_by_an_empty_choice() -> None:
    client = CertificateOptions(trustRoot=OpenSSLCertificateAuthorities([]))
    assert not shake_hands(self_signed().options(), client).client.done


def test_roots_may_be_used_again(certificates: Any) -> None:
    roots = OpenSSLCertificateAuthorities(iter([authority_of(certificates).original]))
    for _ in range(2):
        client = optionsForClientTLS("localhost", roots)
        assert shake_hands(of_pair(certificates.server).options(), client).done
