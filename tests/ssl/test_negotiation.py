"""ALPN."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface import implementer

from tests.ssl.handshakes import Handshake, Layer, self_signed, shake_hands
from twisted_compat.interfaces import IProtocolNegotiationFactory
from twisted_compat.ssl import (
    CertificateOptions,
    ProtocolNegotiationSupport,
    optionsForClientTLS,
    protocolNegotiationMechanisms,
)
from twisted_compat.ssl.negotiation import chooses_protocol, protocols_for


@implementer(IProtocolNegotiationFactory)
class Speaks:
    """A factory of protocols, of which each connection speaks one."""

    def __init__(self, *names: bytes) -> None:
        self.names = list(names)

    def acceptableProtocols(self) -> list[bytes]:
        return self.names


def layer(factory: Any) -> Layer:
    return Layer(SimpleNamespace(wrappedFactory=factory))


def connect(
    server: list[bytes] | None,
    client: list[bytes] | None,
    server_layer: Layer | None = None,
    client_layer: Layer | None = None,
) -> Handshake:
    cert = self_signed()
    return shake_hands(
        CertificateOptions(cert.privateKey.original, cert.original, acceptableProtocols=server),
        optionsForClientTLS("localhost", cert, acceptableProtocols=client),
        server_layer,
        client_layer,
    )


def chosen(handshake: Handshake) -> bytes:
    assert handshake.done
    names = {end.connection.get_alpn_proto_negotiated() for end in (handshake.server, handshake.client)}
    assert len(names) == 1
    return names.pop()


def test_the_factorys_protocols_come_first() -> None:
    assert protocols_for(layer(Speaks(b"a", b"b")), [b"c"]) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("protocol", [None, Layer(), layer(None), layer(object())])
def test_there_may_be_no_factory_that_speaks_any(protocol: Any) -> None:
    assert protocols_for(protocol, [b"c"]) == [b"c"]
    assert protocols_for(protocol, ()) == []


def test_what_the_server_wants_most_is_chosen() -> None:
    assert chosen(connect([b"h2", b"http/1.1"], [b"http/1.1", b"h2"])) == b"h2"
    assert chosen(connect([b"h2", b"http/1.1"], [b"http/1.1"])) == b"http/1.1"


def test_both_factories_are_asked() -> None:
    handshake = connect(None, None, layer(Speaks(b"a", b"b")), layer(Speaks(b"b", b"c")))
    assert chosen(handshake) == b"b"


@pytest.mark.parametrize(("server", "client"), [(None, [b"h2"]), ([b"h2"], None), ([], []), (None, None)])
def test_without_anything_to_choose_from_it_goes_on(
    server: list[bytes] | None, client: list[bytes] | None
) -> None:
    assert chosen(connect(server, client)) == b""


def test_without_anything_in_common_both_are_told() -> None:
    handshake = connect([b"h2"], [b"irc"])
    assert "no application protocol of [b'h2'] in [b'irc']" in handshake.server.said
    assert handshake.client.said in ("tlsv1 alert no application protocol", "")  # older ones have no text


def test_a_context_by_itself_chooses_too() -> None:
    cert = self_signed()
    options = CertificateOptions(cert.privateKey.original, cert.original, acceptableProtocols=[b"h2"])
    plain = SimpleNamespace(getContext=options.getContext)
    client = optionsForClientTLS("localhost", cert, acceptableProtocols=[b"h2"])
    assert chosen(shake_hands(plain, client)) == b"h2"


def test_the_callback_is_pyopenssls() -> None:
    connection = SimpleNamespace(get_app_data=lambda: None)
    assert chooses_protocol([b"a"])(connection, [b"b", b"a"]) == b"a"  # type: ignore[arg-type]  # a stand-in
    assert chooses_protocol(())(connection, [b"a"]) is SSL.NO_OVERLAPPING_PROTOCOLS  # type: ignore[arg-type]  # a stand-in


def test_there_is_always_alpn() -> None:
    with pytest.warns(DeprecationWarning, match="always ALPN") as warned:
        support = protocolNegotiationMechanisms()
    assert [warning.filename for warning in warned] == [__file__]
    assert support is ProtocolNegotiationSupport.ALPN
    assert not support & ProtocolNegotiationSupport.NPN
    assert support | ProtocolNegotiationSupport.NOSUPPORT == support
