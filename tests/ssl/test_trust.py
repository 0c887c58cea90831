"""The ways to say whom to trust."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ssl.handshakes import authority_of, of_pair, self_signed, shake_hands
from twisted_compat.ssl import (
    Certificate,
    OpenSSLDefaultPaths,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)


def test_the_platform_is_what_openssl_finds() -> None:
    assert isinstance(platformTrust(), OpenSSLDefaultPaths)


def test_the_platforms_file_may_be_named(certificates: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = of_pair(certificates.server).options()
    assert not shake_hands(server, optionsForClientTLS("localhost", platformTrust())).client.done
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_path)
    assert shake_hands(server, optionsForClientTLS("localhost", platformTrust())).done


def test_the_certificates_named_are_trusted_and_no_others(certificates: Any) -> None:
    roots = trustRootFromCertificates(iter([authority_of(certificates), self_signed()]))
    for pair, trusted in ((certificates.server, True), (certificates.stranger, False)):
        handshake = shake_hands(of_pair(pair).options(), optionsForClientTLS("localhost", roots))
        assert handshake.done is trusted
    assert shake_hands(self_signed().options(), optionsForClientTLS("localhost", roots)).done


def test_a_certificate_is_a_root_by_itself(certificates: Any) -> None:
    client = optionsForClientTLS("localhost", authority_of(certificates))
    assert shake_hands(of_pair(certificates.server).options(), client).done


@pytest.mark.parametrize("kind", ["X509", "request", "text"])
def test_roots_are_made_of_certificates(kind: str) -> None:
    wrong = {
        "X509": self_signed().original,
        "request": self_signed().privateKey.requestObject(self_signed().getSubject()),
        "text": self_signed().dumpPEM(),
    }[kind]
    with pytest.raises(TypeError, match=r"Certificate\(x509\)"):
        trustRootFromCertificates([Certificate(self_signed().original), wrong])
