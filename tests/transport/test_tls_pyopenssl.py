"""What the engine is told by pyOpenSSL. How it behaves is in test_tls_engine.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.certificates import Certificates
from tests.transport.tls_bytes import CLOSE, Layer, Side, side_of, talk
from twisted_compat.transport.tls_context import backend_maker
from twisted_compat.transport.tls_engine import CloseNotify, TLSEngine

SSL = pytest.importorskip("OpenSSL.SSL")
crypto = pytest.importorskip("OpenSSL.crypto")
tls_pyopenssl = pytest.importorskip("twisted_compat.transport.tls_pyopenssl")


def side(context: Any, server: bool) -> Side:
    connection = SSL.Connection(context, None)
    (connection.set_accept_state if server else connection.set_connect_state)()
    return Side(TLSEngine(tls_pyopenssl.PyOpenSSLBackend(connection)))


def met(client_context: Any, server_context: Any) -> tuple[Side, Side]:
    """Two sides that have shaken hands."""
    client, server = side(client_context, False), side(server_context, True)
    talk(client, server)
    assert client.events == server.events == ["open"]
    return client, server


def contexts(certificates: Certificates, **options: Any) -> tuple[Any, Any]:
    return certificates.client_context("pyopenssl"), certificates.server_context("pyopenssl", **options)


def test_the_handle_is_the_librarys_own(certificates: Certificates) -> None:
    for one in met(*contexts(certificates)):
        handle = one.engine.backend.handle
        assert isinstance(handle, SSL.Connection)
        assert handle.get_protocol_version_name() == "TLSv1.3"


def test_the_servers_certificate(certificates: Certificates) -> None:
    client, server = met(*contexts(certificates))
    certificate = client.engine.backend.peer_certificate()
    assert isinstance(certificate, crypto.X509)
    pem = certificates.server.certificate.cert_chain_pems[0].bytes()
    assert crypto.dump_certificate(crypto.FILETYPE_PEM, certificate).strip() == pem.strip()
    assert server.engine.backend.peer_certificate() is None, "the client wasn't asked for one"


def test_the_clients_certificate(certificates: Certificates) -> None:
    context = certificates.client_context("pyopenssl", pair=certificates.client)
    _, server = met(context, certificates.server_context("pyopenssl", client_ca=True))
    shown = server.engine.backend.peer_certificate().to_cryptography()
    assert "CN=a client" in shown.subject.rfc4514_string()


def test_nothing_has_been_negotiated(certificates: Certificates) -> None:
    for one in met(*contexts(certificates)):
        assert one.engine.backend.negotiated_protocol() is None


def test_what_is_wrong_is_raised_as_the_library_raises_it(certificates: Certificates) -> None:
    for stream in b"garbage!", b"\x16\x03\x01\x00\x05hello":
        backend = side(certificates.server_context("pyopenssl"), True).engine.backend
        with pytest.raises(SSL.Error):
            backend.handshake(stream)
    client, server = met(*contexts(certificates))
    plaintext: list[bytes] = []
    with pytest.raises(SSL.Error):
        server.engine.backend.receive(client.send(b"data") + b"\x17\x03\x03\x00\x13" + bytes(19), plaintext)
    assert plaintext == [b"data"], "what came before it"


def test_the_end_is_told_after_what_came_before_it(certificates: Certificates) -> None:
    client, server = met(*contexts(certificates))
    plaintext: list[bytes] = []
    with pytest.raises(CloseNotify):
        server.engine.backend.receive(client.send(b"one", b"two", CLOSE), plaintext)
    assert plaintext == [b"one", b"two"]


def test_preparing_a_context_twice_or_late_does_no_harm(certificates: Certificates) -> None:
    context = certificates.server_context("pyopenssl")
    tls_pyopenssl.prepare(context)
    tls_pyopenssl.prepare(context)
    late = certificates.server_context("pyopenssl")
    SSL.Connection(late, None)
    tls_pyopenssl.prepare(late)


@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_callbacks_find_the_layer_at_the_connection(certificates: Certificates, server: bool) -> None:
    """As Twisted's, and so the callbacks that were written for it, do."""
    context = contexts(certificates)[server]
    seen = []
    context.set_info_callback(lambda connection, where, result: seen.append(connection.get_app_data()))
    layer = Layer()
    one = Side(TLSEngine(backend_maker(context, not server, "localhost")(layer)))
    other = side_of(contexts(certificates)[not server], not server)
    talk(*((other, one) if server else (one, other)))
    assert one.events == other.events == ["open"]
    assert seen and all(found is layer for found in seen)


def test_the_context_of_the_chosen_host_may_be_of_another_kind(certificates: Certificates) -> None:
    """One that hasn't been prepared."""
    client_context, server_context = contexts(certificates)
    chosen = certificates.server_context("pyopenssl")
    server_context.set_tlsext_servername_callback(lambda connection: connection.set_context(chosen))
    client, server = side_of(client_context, False), side_of(server_context, True)
    talk(client, server)
    assert client.events == server.events == ["open"]
    assert server.engine.backend.handle.get_context() is chosen
