"""Clients that want to see the certificate of the host that they meant."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface.verify import verifyObject

from tests.ssl.handshakes import Layer, authority_of, of_pair, self_signed, shake_hands
from twisted_compat.interfaces import IOpenSSLClientConnectionCreator
from twisted_compat.ssl import Certificate, CertificateOptions, optionsForClientTLS
from twisted_compat.ssl.client import ClientTLSOptions
from twisted_compat.transport.sockets import is_literal


def name_asked_for(hostname: str, **how: Any) -> bytes | None:
    """What a server hears that it is asked for."""
    heard: list[bytes | None] = []
    cert = self_signed()
    server = CertificateOptions(cert.privateKey.original, cert.original, contextForServerName=heard.append)
    shake_hands(server, optionsForClientTLS(hostname, cert, **how))
    (name,) = heard
    return name


def test_interfaces() -> None:
    assert verifyObject(IOpenSSLClientConnectionCreator, optionsForClientTLS("localhost"))


def test_the_layer_is_the_connections_data() -> None:
    layer = Layer()
    assert optionsForClientTLS("localhost").clientConnectionForTLS(layer).get_app_data() is layer


def test_the_layer_is_the_connections_data_whoever_has_made_it() -> None:
    layer, other = Layer(), Layer()
    context = CertificateOptions().getContext()
    made = ClientTLSOptions(lambda layer: SSL.Connection(context, None), "localhost")
    assert made.clientConnectionForTLS(layer).get_app_data() is layer

    def remember(layer: Layer) -> SSL.Connection:
        connection = SSL.Connection(context, None)
        connection.set_app_data(other)
        return connection

    assert ClientTLSOptions(remember, "localhost").clientConnectionForTLS(layer).get_app_data() is other


@pytest.mark.parametrize("host", [b"localhost", None, 5])
def test_a_host_is_text(host: Any) -> None:
    with pytest.raises(TypeError, match=type(host).__name__):
        optionsForClientTLS(host)


@pytest.mark.parametrize(
    ("text", "is_address"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("127.1", False),
        ("1.2.3.4.5", False),
        ("example.org", False),
        ("", False),
        ("a\0b", False),
        ("b\u00fccher.example", False),
    ],
)
def test_what_is_an_address(text: str, is_address: bool) -> None:
    assert is_literal(text) is is_address


def test_a_name_is_asked_for() -> None:
    assert name_asked_for("www.example.org") == b"www.example.org"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%lo"])
def test_an_address_is_not_asked_for(address: str) -> None:
    assert name_asked_for(address) is None


def test_what_is_asked_for_may_be_said() -> None:
    assert name_asked_for("www.example.org", sendServerName=False) is None
    assert name_asked_for("127.0.0.1", sendServerName=True) == b"127.0.0.1"


def test_letters_beyond_ascii_are_encoded() -> None:
    assert name_asked_for("b\u00fccher.example") == b"xn--bcher-kva.example"


def test_they_are_encoded_without_the_package_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert name_asked_for("b\u00fccher.example") == b"xn--bcher-kva.example"


@pytest.mark.parametrize("hostname", ["a..b", "x" * 64])
def test_what_can_be_no_name_is_refused(hostname: str) -> None:
    with pytest.raises(UnicodeError):
        optionsForClientTLS(hostname)


def test_names_with_letters_beyond_ascii_are_checked() -> None:
    cert = self_signed("xn--bcher-kva.example", 2)
    assert shake_hands(cert.options(), optionsForClientTLS("b\u00fccher.example", cert)).done
    assert not shake_hands(cert.options(), optionsForClientTLS("b\u00fcrger.example", cert)).client.done


def test_an_address_with_a_zone_is_checked_without() -> None:
    cert = self_signed("fe80::1", 3)
    assert shake_hands(cert.options(), optionsForClientTLS("fe80::1%eth0", cert)).done


def test_shows_its_certificate_where_it_is_asked_to(certificates: Any) -> None:
    authority = authority_of(certificates)
    server = of_pair(certificates.server).options(authority)
    client = optionsForClientTLS("localhost", authority, of_pair(certificates.client))
    handshake = shake_hands(server, client)
    assert handshake.done
    shown = Certificate.peerFromTransport(SimpleNamespace(getHandle=lambda: handshake.server.connection))
    assert shown == of_pair(certificates.client)


def test_further_options_are_passed_on_and_left_as_they_were(certificates: Any) -> None:
    extra: dict[str, Any] = {"verifyDepth": 3}
    made = optionsForClientTLS(
        "localhost",
        authority_of(certificates),
        of_pair(certificates.client),
        extraCertificateOptions=extra,
    )
    assert made.clientConnectionForTLS(Layer()).get_context().get_verify_depth() == 3
    assert extra == {"verifyDepth": 3}


def test_its_connections_share_a_context() -> None:
    """So that a session can be resumed."""
    made = optionsForClientTLS("localhost")
    one, other = (made.clientConnectionForTLS(Layer()).get_context() for _ in range(2))
    assert one is other
