"""What the engine is told by the standard library's ``ssl``. How it behaves is in test_tls_engine.py."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.transport.tls_bytes import CLOSE, Reference, Side, talk
from twisted_compat.transport.tls_engine import CloseNotify, TLSEngine
from twisted_compat.transport.tls_stdlib import PeerCertificate, StdlibBackend


def met(client_context: Any, server_context: Any, name: str | None = "localhost") -> tuple[Side, Side]:
    """Two sides that have shaken hands."""
    client = Side(TLSEngine(StdlibBackend(client_context, False, name)))
    server = Side(TLSEngine(StdlibBackend(server_context, True)))
    talk(client, server)
    assert client.events == server.events == ["open"]
    return client, server


def test_the_handle_is_the_librarys_own(certificates: Certificates) -> None:
    for number, side in enumerate(met(certificates.client_context(), certificates.server_context())):
        is_server = number == 1
        handle = side.engine.backend.handle
        assert isinstance(handle, ssl.SSLObject)
        assert handle.server_side is is_server
        assert handle.server_hostname == (None if is_server else "localhost")
        assert handle.version() == "TLSv1.3"


def test_the_servers_certificate(certificates: Certificates) -> None:
    client, server = met(certificates.client_context(), certificates.server_context())
    certificate = client.engine.backend.peer_certificate()
    assert isinstance(certificate, PeerCertificate)
    pem = certificates.server.certificate.cert_chain_pems[0].bytes().decode()
    assert certificate.der == ssl.PEM_cert_to_DER_cert(pem)
    assert ("DNS", "localhost") in certificate.info["subjectAltName"]
    assert certificate.info == client.engine.backend.handle.getpeercert()
    assert server.engine.backend.peer_certificate() is None, "the client wasn't asked for one"
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.der = b""


def test_the_clients_certificate(certificates: Certificates) -> None:
    context = certificates.client_context(pair=certificates.client)
    _, server = met(context, certificates.server_context(client_ca=True))
    certificate = server.engine.backend.peer_certificate()
    assert ((("commonName", "a client"),)) in certificate.info["subject"]


def test_a_server_that_asks_for_a_certificate_later(certificates: Certificates) -> None:
    """Authentication after the handshake (RFC 8446, 4.6.2), which a client's context may offer."""
    context, other = certificates.client_context(pair=certificates.client), certificates.server_context()
    context.post_handshake_auth = other.post_handshake_auth = True
    other.load_verify_locations(certificates.ca_path)
    other.verify_mode = ssl.CERT_OPTIONAL
    client = Side(TLSEngine(StdlibBackend(context, False, "localhost")))
    server = Side(Reference(other, True, None))
    talk(client, server)
    assert server.engine.tls.getpeercert() is None
    server.engine.tls.verify_client_post_handshake()
    client.take(server.send(b"and now?"))
    server.take(client.outgoing())
    assert (("commonName", "a client"),) in server.engine.tls.getpeercert()["subject"]
    assert client.events == ["open", "data"] and server.events == ["open"]


def test_what_was_not_verified_says_nothing(certificates: Certificates) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client, _ = met(context, certificates.server_context(), None)
    certificate = client.engine.backend.peer_certificate()
    assert certificate.der and certificate.info == {}


def test_nothing_has_been_negotiated(certificates: Certificates) -> None:
    for side in met(certificates.client_context(), certificates.server_context()):
        assert side.engine.backend.negotiated_protocol() is None


def test_what_is_wrong_is_raised_as_the_library_raises_it(certificates: Certificates) -> None:
    for stream in b"garbage!", b"\x16\x03\x01\x00\x05hello":
        backend = StdlibBackend(certificates.server_context(), True)
        with pytest.raises(ssl.SSLError):
            backend.handshake(stream)
    client, server = met(certificates.client_context(), certificates.server_context())
    plaintext: list[bytes] = []
    with pytest.raises(ssl.SSLError):
        server.engine.backend.receive(client.send(b"data") + b"\x17\x03\x03\x00\x13" + bytes(19), plaintext)
    assert plaintext == [b"data"], "what came before it"


def test_the_end_is_told_after_what_came_before_it(certificates: Certificates) -> None:
    client, server = met(certificates.client_context(), certificates.server_context())
    plaintext: list[bytes] = []
    with pytest.raises(CloseNotify):
        server.engine.backend.receive(client.send(b"one", b"two", CLOSE), plaintext)
    assert plaintext == [b"one", b"two"]


def test_a_context_that_verifies_names_needs_one(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="server_hostname"):
        StdlibBackend(certificates.client_context(), False)


@pytest.mark.parametrize("we_are_the_server", [False, True], ids=["client", "server"])
def test_with_a_peer_that_is_not_of_this_package(certificates: Certificates, we_are_the_server: bool) -> None:
    context, other = certificates.client_context(), certificates.server_context()
    if we_are_the_server:
        context, other = other, context
    name = None if we_are_the_server else "localhost"
    us = Side(TLSEngine(StdlibBackend(context, we_are_the_server, name)))
    them = Side(Reference(other, not we_are_the_server, "localhost" if we_are_the_server else None))
    us.on_open, them.on_open = [b"x" * 100_000, CLOSE], [b"y" * 100_000, CLOSE]
    talk(us, them, [1000, 1, 70_000])
    assert us.plain == b"y" * 100_000 and them.plain == b"x" * 100_000
    assert us.events == them.events == ["open", "data", "closed"]
