"""Which certificates are accepted, and what is said of those that are not."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pytest
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError

from tests.ssl.handshakes import (
    Handshake,
    Layer,
    authority_of,
    key,
    of_pair,
    self_signed,
    shake_hands,
    signed_by,
)
from twisted_compat.ssl import (
    DN,
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted_compat.ssl.signing import sign_certificate
from twisted_compat.ssl.verifying import checks_name, explain, remembers_error


class Connection:
    """As much of a connection as a callback asks for."""

    def __init__(self, layer: Layer | None) -> None:
        self.layer = layer

    def get_app_data(self) -> Layer | None:
        return self.layer


def connect(certificates: Any, pair: Any, host: str = "localhost", roots: Any = None) -> Handshake:
    client = optionsForClientTLS(host, roots or authority_of(certificates))
    return shake_hands(of_pair(pair).options(), client)


def nameless() -> PrivateCertificate:
    """A certificate that is for no host at all."""
    return self_signed("not a host's name", 4)


def test_a_good_certificate_leaves_no_trace(certificates: Any) -> None:
    handshake = connect(certificates, certificates.server)
    assert handshake.done
    assert handshake.client.layer.verification_error is None
    assert handshake.client.layer.failures == []


def test_an_unknown_authority_is_told_apart_from_others(certificates: Any) -> None:
    handshake = connect(certificates, certificates.stranger)
    assert "certificate verify failed" in handshake.client.said
    said = handshake.client.layer.verification_error
    assert said is not None
    assert said.startswith("unable to get local issuer certificate, at depth 0: ")
    assert "trustme" in said
    assert "unknown ca" in handshake.server.said


def test_an_expired_certificate_is_told_apart_from_others(certificates: Any) -> None:
    handshake = connect(certificates, certificates.expired)
    said = handshake.client.layer.verification_error
    assert said is not None and said.startswith("certificate has expired, at depth 0: ")
    assert handshake.client.layer.failures == []


def test_an_error_further_up_names_the_authority() -> None:
    """One that has expired has signed what would be good."""
    own, name = key(5).original.to_cryptography_key(), DN(CN="an authority")
    expired = sign_certificate(own, name, name, own.public_key(), 1, -60, "sha256")
    authority = PrivateCertificate.fromCertificateAndKeyPair(
        Certificate(X509.from_cryptography(expired)), key(5)
    )
    client = optionsForClientTLS("localhost", authority)
    handshake = shake_hands(signed_by(authority, "localhost").options(), client)
    assert handshake.client.layer.verification_error == (
        "certificate has expired, at depth 1: CN=an authority"
    )


def test_a_self_signed_certificate_is_told_apart_from_others(certificates: Any) -> None:
    client = optionsForClientTLS("localhost", authority_of(certificates))
    handshake = shake_hands(self_signed().options(), client)
    assert handshake.client.layer.verification_error == ("self-signed certificate, at depth 0: CN=localhost")


def test_a_server_that_asks_for_certificates_tells_as_well(certificates: Any) -> None:
    server = of_pair(certificates.server).options(authority_of(certificates))
    client = optionsForClientTLS("localhost", authority_of(certificates), of_pair(certificates.stranger))
    handshake = shake_hands(server, client)
    said = handshake.server.layer.verification_error
    assert said is not None and said.startswith("unable to get local issuer certificate, at depth 0")
    assert not handshake.server.done


def test_a_server_that_is_shown_none_hears_it_from_openssl(certificates: Any) -> None:
    server = of_pair(certificates.server).options(authority_of(certificates))
    handshake = shake_hands(server, optionsForClientTLS("localhost", authority_of(certificates)))
    assert "peer did not return a certificate" in handshake.server.said


def test_a_wrong_name_fails_the_verification(certificates: Any) -> None:
    handshake = connect(certificates, certificates.wrong_host)
    (failure,) = handshake.client.layer.failures
    assert isinstance(failure, VerificationError)
    assert "localhost" in str(failure)
    assert handshake.client.layer.verification_error is None
    assert not handshake.client.done


def test_a_certificate_without_any_name_is_refused() -> None:
    """Of this service-identity raises another error, which is not to be taken for consent."""
    handshake = shake_hands(nameless().options(), optionsForClientTLS("localhost", nameless()))
    (failure,) = handshake.client.layer.failures
    assert isinstance(failure, (CertificateError, VerificationError))
    assert not handshake.client.done


def test_the_chain_matters_more_than_that_there_is_no_name() -> None:
    handshake = shake_hands(nameless().options(), optionsForClientTLS("localhost", self_signed()))
    assert "self-signed certificate" in (handshake.client.layer.verification_error or "")


def test_addresses_are_looked_for_as_addresses(certificates: Any) -> None:
    for address, good in (("127.0.0.1", True), ("::1", True), ("127.0.0.2", False), ("::2", False)):
        handshake = connect(certificates, certificates.server, address)
        assert handshake.client.done is good
        assert bool(handshake.client.layer.failures) is not good


def test_the_name_of_an_authority_does_not_matter() -> None:
    authority = self_signed("an.authority.example", 2)
    server = signed_by(authority, "localhost")
    options = server.options()
    options.extraCertChain = [authority.original]
    assert shake_hands(options, optionsForClientTLS("localhost", authority)).done
    handshake = shake_hands(options, optionsForClientTLS("an.authority.example", authority))
    assert not handshake.client.done and handshake.client.layer.failures


def test_a_check_that_fails_to_work_refuses(caplog: pytest.LogCaptureFixture) -> None:
    check = checks_name("localhost", True)
    with caplog.at_level(logging.ERROR):
        assert check(Connection(Layer()), None, 0, 0, 1) is False  # type: ignore[arg-type]  # neither is real
    assert caplog.records == []  # the layer was told

    class Broken(Layer):
        def failVerification(self, reason: Any) -> None:
            raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR):
        wrong = self_signed("elsewhere.example", 3).original
        assert check(Connection(Broken()), wrong, 0, 0, 1) is False  # type: ignore[arg-type]  # a stand-in
    assert "A certificate is refused" in caplog.text and "RuntimeError: broken" in caplog.text


def test_a_context_by_itself_has_nobody_to_tell(certificates: Any) -> None:
    certificate = of_pair(certificates.server).original
    assert remembers_error(Connection(None), certificate, 20, 0, 0) is False  # type: ignore[arg-type]  # a stand-in
    assert remembers_error(Connection(None), certificate, 0, 0, 1) is True  # type: ignore[arg-type]  # a stand-in


def test_a_certificate_that_can_not_be_read_is_explained_all_the_same() -> None:
    class Unreadable:
        def to_cryptography(self) -> Any:
            raise ValueError("no")

    said = explain(Unreadable(), 10, 3)  # type: ignore[arg-type]  # a stand-in
    assert said == "certificate has expired, at depth 3: a certificate that can't be read"


def test_an_unknown_error_is_called_so(certificates: Any) -> None:
    assert "unknown" in explain(of_pair(certificates.server).original, 987, 0)


@pytest.mark.parametrize("host", ["localhost", "elsewhere.example"])
def test_the_layer_goes_with_its_connection(certificates: Any, host: str) -> None:
    handshake = connect(certificates, certificates.server, host)
    gone = weakref.ref(handshake.client.layer)
    handshake.client.layer.failures.clear()  # whose tracebacks know it
    del handshake
    gc.collect()
    assert gone() is None


def test_trust_alone_looks_at_no_name(certificates: Any) -> None:
    client = CertificateOptions(trustRoot=trustRootFromCertificates([authority_of(certificates)]))
    assert shake_hands(of_pair(certificates.wrong_host).options(), client).done
