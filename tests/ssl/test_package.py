"""The names of twisted_compat.ssl beside those of Twisted's module."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest

import twisted_compat.ssl as ours

PUBLIC_METHODS = {
    "Certificate": (
        "load loadPEM peerFromTransport hostFromTransport getSubject getIssuer getPublicKey serialNumber"
        " digest inspect dump dumpPEM options"
    ),
    "CertificateOptions": "__init__ getContext",
    "CertificateRequest": "load getSubject dump",
    "ContextFactory": "getContext",
    "ClientContextFactory": "getContext",
    "DefaultOpenSSLContextFactory": "__init__ cacheContext getContext",
    "DistinguishedName": "__init__ inspect",
    "KeyPair": (
        "__init__ load generate dump inspect newCertificate requestObject certificateRequest"
        " signRequestObject signCertificateRequest selfSignedCert keyHash matches"
    ),
    "PrivateCertificate": (
        "load loadPEM fromCertificateAndKeyPair newCertificate dumpPEM inspect options certificateRequest"
        " signCertificateRequest signRequestObject"
    ),
    "AcceptableCiphers": "__init__ selectCiphers fromOpenSSLCipherString",
    "DiffieHellmanParameters": "__init__ fromFile",
}


@pytest.fixture(scope="module")
def twisteds() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("twisted.internet.ssl")


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """The names of arguments, how they may be given, and their defaults; without annotations."""
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def test_every_name_is_there() -> None:
    assert [name for name in ours.__all__ if not hasattr(ours, name)] == []


def test_every_public_name_of_twisteds_is_there(twisteds: Any) -> None:
    assert set(twisteds.__all__) <= set(ours.__all__)


@pytest.mark.parametrize("name", PUBLIC_METHODS)
def test_methods_take_what_twisteds_take(twisteds: Any, name: str) -> None:
    for method in PUBLIC_METHODS[name].split():
        expected = parameters(getattr(getattr(twisteds, name), method))
        assert parameters(getattr(getattr(ours, name), method)) == expected, method


@pytest.mark.parametrize("name", ["optionsForClientTLS", "platformTrust", "trustRootFromCertificates"])
def test_functions_take_what_twisteds_take(twisteds: Any, name: str) -> None:
    assert parameters(getattr(ours, name)) == parameters(getattr(twisteds, name))


def test_versions_are_called_as_twisteds_are(twisteds: Any) -> None:
    expected = [constant.name for constant in twisteds.TLSVersion.iterconstants()]
    assert [version.name for version in ours.TLSVersion.iterconstants()] == expected
