"""How certificates and requests are signed."""

from __future__ import annotations

import ipaddress
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.ssl.handshakes import key, rsa_key, self_signed, shake_hands, signed_by
from twisted_compat.ssl import DN, optionsForClientTLS
from twisted_compat.ssl.signing import sign_certificate, sign_request

OWN = key().original.to_cryptography_key()
OTHERS = key(1).original.to_cryptography_key()


def sign(subject: DN, issuer: DN | None = None, public_key: Any = None, **how: Any) -> x509.Certificate:
    arguments = {"serial": 1, "seconds": 60, "digest": "sha256"} | how
    public_key = public_key or OWN.public_key()
    return sign_certificate(OWN, issuer or subject, subject, public_key, **arguments)


def hosts(certificate: x509.Certificate) -> list[Any]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [general_name.value for general_name in extension.value]


def is_authority(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def valid(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the names that cryptography 41 has as well
        ends = certificate.not_valid_before, certificate.not_valid_after
    return tuple(end.replace(tzinfo=timezone.utc) for end in ends)  # type: ignore[return-value]  # two of two


@pytest.mark.parametrize(
    "name", ["localhost", "www.example.org", "*.example.org", "_sip.a-b.example", "xn--bcher-kva.de"]
)
def test_a_host_in_the_common_name_is_one_that_clients_look_for(name: str) -> None:
    assert hosts(sign(DN(CN=name))) == [name]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_so_is_an_address(address: str) -> None:
    assert hosts(sign(DN(CN=address))) == [ipaddress.ip_address(address)]


@pytest.mark.parametrize(
    "name", ["A. Person", "a@example.org", "-a", "a..b", "b\u00fccher", "a.*.b", "12345", "a.5", None]
)
def test_any_other_common_name_is_only_that(name: str | None) -> None:
    subject = DN(O="x") if name is None else DN(CN=name.encode())
    with pytest.raises(x509.ExtensionNotFound):
        hosts(sign(subject))


def test_is_valid_from_now_on_for_as_long_as_was_said() -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    begin, end = valid(sign(DN(CN="a"), seconds=3600))
    assert now <= begin <= datetime.now(timezone.utc)
    assert end - begin == timedelta(hours=1)


def test_may_have_expired_when_it_is_made() -> None:
    assert valid(sign(DN(CN="a"), seconds=-3600))[1] < datetime.now(timezone.utc)


def test_who_signs_for_themselves_is_an_authority_and_nobody_else() -> None:
    assert is_authority(sign(DN(CN="a")))
    assert not is_authority(sign(DN(CN="b"), DN(CN="a")))
    assert not is_authority(sign(DN(CN="a"), DN(CN="a"), OTHERS.public_key()))
    assert not is_authority(sign(DN(CN="b"), DN(CN="a"), OTHERS.public_key()))


def test_what_a_self_signed_certificate_has_signed_is_trusted() -> None:
    authority = self_signed("an authority", 2)
    server = signed_by(authority, "localhost", 1)
    assert shake_hands(server.options(), optionsForClientTLS("localhost", authority)).done


def test_what_that_has_signed_in_turn_is_not() -> None:
    authority = self_signed("an authority", 2)
    impostor = signed_by(signed_by(authority, "www.example.org", 1), "localhost", 0)
    options = impostor.options()
    options.extraCertChain = [signed_by(authority, "www.example.org", 1).original]
    handshake = shake_hands(options, optionsForClientTLS("localhost", authority))
    assert not handshake.client.done


@pytest.mark.parametrize("digest", ["sha224", "sha256", "SHA384", "sha512"])
def test_signs_the_hash_that_was_asked_for(digest: str) -> None:
    for signed in (sign(DN(CN="a"), digest=digest), sign_request(OWN, DN(CN="a"), digest)):
        assert signed.signature_hash_algorithm is not None
        assert signed.signature_hash_algorithm.name == digest.lower()


def test_there_is_no_other_hash() -> None:
    for attempt in (
        lambda: sign(DN(CN="a"), digest="rot13"),
        lambda: sign_request(OWN, DN(CN="a"), "rot13"),
    ):
        with pytest.raises(ValueError, match=r"no digest 'rot13'.*sha256"):
            attempt()


def test_signs_with_keys_that_bring_a_hash_of_their_own() -> None:
    own = ed25519.Ed25519PrivateKey.generate()
    assert sign_request(own, DN(CN="a"), "sha256").is_signature_valid
    made = sign_certificate(own, DN(CN="a"), DN(CN="a"), own.public_key(), 1, 60, "sha256")
    assert made.signature_hash_algorithm is None and is_authority(made)


def test_signs_with_rsa() -> None:
    assert rsa_key().requestObject(DN(CN="a")).original.is_signature_valid


@pytest.mark.parametrize("serial", [0, -1, 1 << 160])
def test_a_serial_number_that_no_certificate_can_have_is_refused(serial: int) -> None:
    with pytest.raises(ValueError):
        sign(DN(CN="a"), serial=serial)
