"""What the contexts' callbacks settle in the handshake: ALPN, virtual hosts, who is believed."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface import implementer

from tests.certificates import LIBRARIES, Certificates
from tests.transport.test_tls_context import both_libraries, context_of, each_library, each_side
from tests.transport.tls_bytes import Layer, Side, side_of, talk
from twisted_compat.interfaces import IProtocolNegotiationFactory
from twisted_compat.transport.tls_context import backend_maker
from twisted_compat.transport.tls_engine import TLSEngine

# ALPN.


@implementer(IProtocolNegotiationFactory)
class Speaking:
    """A factory of protocols that says which ones it speaks."""

    def __init__(self, *protocols: bytes) -> None:
        self.protocols = protocols

    def acceptableProtocols(self) -> Any:
        return self.protocols


def settled(client: Side, server: Side) -> bytes | None:
    """What two sides settle: the same."""
    talk(client, server)
    assert client.events == server.events == ["open"]
    name = client.engine.backend.negotiated_protocol()
    assert server.engine.backend.negotiated_protocol() == name
    found: bytes | None = name
    return found


@both_libraries
@pytest.mark.parametrize(
    ("offered", "accepted", "expected"),
    [
        ([b"h2", b"http/1.1"], [b"h2", b"http/1.1"], b"h2"),
        ([b"h2", b"http/1.1"], [b"http/1.1", b"h2"], b"http/1.1"),  # the server's liking counts
        ([b"h2", b"http/1.1"], [b"http/1.1"], b"http/1.1"),
        ([b"h2"], [b"http/1.1"], None),
        ([b"h2"], [], None),
        ([], [b"h2"], None),
        ([], [], None),
        ([b"x" * 255], [b"x" * 255], b"x" * 255),
    ],
)
def test_the_factories_settle_what_is_spoken(
    certificates: Certificates,
    library: str,
    other: str,
    offered: list[bytes],
    accepted: list[bytes],
    expected: bytes | None,
) -> None:
    """Having nothing in common is no error."""
    client = side_of(certificates.client_context(library), False, factory=Speaking(*offered))
    server = side_of(certificates.server_context(other), True, factory=Speaking(*accepted))
    assert settled(client, server) == expected


@each_library
def test_the_factory_is_asked_for_each_connection(certificates: Certificates, library: str) -> None:
    speaking = Speaking(b"one")
    context = certificates.server_context(library)
    make = backend_maker(context, False, None, speaking)
    for protocol in b"one", b"two":
        speaking.protocols = (protocol,)
        client = side_of(certificates.client_context(), False, factory=Speaking(b"one", b"two"))
        assert settled(client, Side(TLSEngine(make(Layer(speaking))))) == protocol


@each_library
def test_a_factory_that_says_nothing_leaves_the_contexts_protocols(
    certificates: Certificates, library: str
) -> None:
    server_context, client_context = (
        certificates.server_context(library),
        certificates.client_context(library),
    )
    if library == "stdlib":
        for context in server_context, client_context:
            context.set_alpn_protocols(["context/1"])
    else:
        client_context.set_alpn_protos([b"context/1"])
        server_context.set_alpn_select_callback(lambda connection, offered: offered[0])
    client, server = side_of(client_context, False), side_of(server_context, True, factory=object())
    assert settled(client, server) == b"context/1"


@each_side
def test_a_pyopenssl_context_that_is_in_use_can_still_be_given(
    certificates: Certificates, is_client: bool
) -> None:
    SSL = pytest.importorskip("OpenSSL.SSL")
    context = context_of(certificates, "pyopenssl", is_client)
    SSL.Connection(context, None)
    side, other = (
        side_of(context, not is_client),
        side_of(context_of(certificates, "stdlib", not is_client), is_client),
    )
    talk(*((side, other) if is_client else (other, side)))
    assert side.events == other.events == ["open"]
    if is_client:
        return
    try:
        context.set_options(0)
    except ValueError:  # older pyOpenSSL can still tell it of ALPN then
        with pytest.raises(ValueError, match="already been used"):
            backend_maker(context, False, None, Speaking(b"h2"))


# What programs do in the callbacks of their contexts.


def test_a_callback_that_chooses_another_context(certificates: Certificates) -> None:
    """By the name that is asked for: virtual hosts."""
    SSL = pytest.importorskip("OpenSSL.SSL")
    special = {
        "stdlib": certificates.server_context("stdlib", certificates.wrong_host),
        "pyopenssl": certificates.server_context("pyopenssl", certificates.wrong_host),
    }

    def by_name(tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if name == "elsewhere.example":
            tls.context = special["stdlib"]

    def by_servername(connection: Any) -> None:
        if connection.get_servername() == b"elsewhere.example":
            connection.set_context(special["pyopenssl"])

    contexts = {library: certificates.server_context(library) for library in LIBRARIES}
    contexts["stdlib"].sni_callback = by_name
    contexts["pyopenssl"].set_tlsext_servername_callback(by_servername)
    assert isinstance(special["pyopenssl"], SSL.Context)
    for library in LIBRARIES:
        for name in "localhost", "elsewhere.example", "localhost":
            client = side_of(certificates.client_context(), False, name)
            talk(client, side_of(contexts[library], True))
            assert client.events == ["open"], client.engine.failure


@pytest.mark.parametrize("verdict", [True, False])
def test_a_verifying_callback_decides(certificates: Certificates, verdict: bool) -> None:
    """pyOpenSSL's, which finds the layer at the connection."""
    SSL = pytest.importorskip("OpenSSL.SSL")
    layers: list[Any] = []

    def verify(connection: Any, *what: Any) -> bool:
        layers.append(connection.get_app_data())
        return verdict

    context = certificates.client_context("pyopenssl", ca=certificates.other_ca_path)
    context.set_verify(SSL.VERIFY_PEER, verify)
    client, server = side_of(context, False), side_of(certificates.server_context(), True)
    talk(client, server)
    assert client.events == (["open"] if verdict else ["failed"])
    assert layers and {type(layer) for layer in layers} == {Layer}


def _raise(*_: Any) -> Any:
    raise LookupError("a mistake in a callback")


CALLBACKS: dict[str, Callable[[Any], None]] = {
    "verify": lambda context: context.set_verify(sys.modules["OpenSSL.SSL"].VERIFY_PEER, _raise),
    "alpn": lambda context: context.set_alpn_select_callback(_raise),
}


@pytest.mark.parametrize("what", CALLBACKS)
def test_a_callback_that_raises_ends_the_connection(certificates: Certificates, what: str) -> None:
    pytest.importorskip("OpenSSL.SSL")
    is_client = what == "verify"
    context = context_of(certificates, "pyopenssl", is_client)
    CALLBACKS[what](context)
    side = side_of(context, not is_client)
    other = side_of(context_of(certificates, "stdlib", not is_client), is_client, factory=Speaking(b"h2"))
    talk(*((side, other) if is_client else (other, side)))
    assert side.state == "FAILED"
    assert isinstance(side.engine.failure, LookupError)
    assert other.state == "FAILED", "it is told by an alert"


@each_library
def test_factories_that_share_a_context_speak_what_is_theirs(
    certificates: Certificates, library: str
) -> None:
    """Also while both have connections that have just begun."""
    context = certificates.server_context(library)
    speaking = [Speaking(b"one"), object(), Speaking(b"two"), Speaking()]
    servers = [side_of(context, True, factory=factory) for factory in speaking]
    clients = [
        side_of(certificates.client_context(), False, factory=Speaking(b"two", b"one")) for _ in servers
    ]
    assert [settled(*pair) for pair in zip(clients, servers, strict=True)] == [b"one", None, b"two", None]


@each_library
def test_clients_that_share_a_context_offer_what_is_theirs(certificates: Certificates, library: str) -> None:
    context = certificates.client_context(library)
    offering = [Speaking(b"one"), object(), Speaking(b"two"), Speaking()]
    clients = [side_of(context, False, factory=factory) for factory in offering]
    servers = [
        side_of(certificates.server_context(), True, factory=Speaking(b"one", b"two")) for _ in clients
    ]
    assert [settled(*pair) for pair in zip(clients, servers, strict=True)] == [b"one", None, b"two", None]
