"""What a connection is told, once it is made; and copies of what tells it."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL

from tests.ssl.handshakes import Layer, authority_of, key, of_pair, self_signed, shake_hands, signed_by
from twisted_compat.ssl import CertificateOptions, TLSVersion, optionsForClientTLS, platformTrust

KEY, CERTIFICATE = key().original, self_signed().original


def test_the_layer_is_the_connections_data() -> None:
    layer, options = Layer(), CertificateOptions()
    for connection in (options.clientConnectionForTLS(layer), options.serverConnectionForTLS(layer)):
        assert connection.get_app_data() is layer
        assert connection.get_context() is options.getContext()


def test_the_chain_is_sent_along() -> None:
    root = self_signed("a root", 2)
    leaf = signed_by(root, "localhost")
    options = CertificateOptions(leaf.privateKey.original, leaf.original, extraCertChain=[root.original])
    handshake = shake_hands(options, optionsForClientTLS("localhost", root))
    chain = handshake.client.connection.get_peer_cert_chain()
    assert chain is not None and len(chain) == 2


def test_a_client_is_asked_for_a_certificate(certificates: Any) -> None:
    authority = authority_of(certificates)
    server = of_pair(certificates.server).options(authority)
    for pair, welcome in ((certificates.client, True), (certificates.stranger, False), (None, False)):
        client = optionsForClientTLS("localhost", authority, pair and of_pair(pair))
        assert shake_hands(server, client).server.done is welcome


def test_a_client_may_show_none_if_it_need_not(certificates: Any) -> None:
    authority, cert = authority_of(certificates), of_pair(certificates.server)
    server = CertificateOptions(
        cert.privateKey.original,
        cert.original,
        verify=True,
        caCerts=[authority.original],
        requireCertificate=False,
    )
    assert shake_hands(server, optionsForClientTLS("localhost", authority)).done
    stranger = optionsForClientTLS("localhost", authority, of_pair(certificates.stranger))
    assert not shake_hands(server, stranger).server.done


def test_a_session_is_resumed_where_the_server_remembers() -> None:
    """With certificates of clients as well, for which sessions need a name."""
    for enabled in (True, False):
        cert = self_signed()
        server = CertificateOptions(KEY, CERTIFICATE, trustRoot=cert, enableSessions=enabled)
        client = optionsForClientTLS(
            "localhost",
            cert,
            cert,
            extraCertificateOptions={"lowerMaximumSecurityTo": TLSVersion.TLSv1_2},
        )
        first = shake_hands(server, client)
        assert first.done
        session = first.client.connection.get_session()
        assert session is not None
        first.client.connection.shutdown()

        def again(layer: Layer, client: Any = client, session: Any = session) -> SSL.Connection:
            connection: SSL.Connection = client.clientConnectionForTLS(layer)
            connection.set_session(session)
            return connection

        second = shake_hands(server, SimpleNamespace(clientConnectionForTLS=again))
        assert second.done
        assert (second.flights < first.flights) is enabled


# The context for a name


def test_a_server_may_have_a_context_for_each_name() -> None:
    hosts = {b"one.example": self_signed("one.example", 2), b"two.example": self_signed("two.example", 3)}
    contexts = {name: cert.options().getContext() for name, cert in hosts.items()}
    server = CertificateOptions(KEY, CERTIFICATE, contextForServerName=contexts.get)
    for name, cert in hosts.items():
        assert shake_hands(server, optionsForClientTLS(name.decode(), cert)).done
    assert shake_hands(server, optionsForClientTLS("localhost", self_signed())).done


def test_a_client_that_asks_for_no_name_asks_for_none() -> None:
    asked: list[bytes | None] = []
    server = CertificateOptions(KEY, CERTIFICATE, contextForServerName=asked.append)
    assert shake_hands(server, CertificateOptions()).done
    assert asked == [None]


def test_without_a_context_for_the_name_the_connection_is_aborted(caplog: pytest.LogCaptureFixture) -> None:
    def broken(name: bytes | None) -> SSL.Context:
        raise RuntimeError(f"no context for {name!r}")

    server = CertificateOptions(KEY, CERTIFICATE, contextForServerName=broken)
    with caplog.at_level(logging.ERROR):
        handshake = shake_hands(server, optionsForClientTLS("localhost", self_signed()))
    assert handshake.server.layer.aborted and not handshake.client.layer.aborted
    assert "no context for the name" in caplog.text
    assert "RuntimeError: no context for b'localhost'" in caplog.text


def test_without_a_layer_to_abort_pyopenssl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[type[BaseException]] = []
    monkeypatch.setattr("sys.excepthook", lambda kind, error, traceback: heard.append(kind))
    monkeypatch.setattr("sys.unraisablehook", lambda said: heard.append(said.exc_type))  # of older pyOpenSSL
    server = CertificateOptions(KEY, CERTIFICATE, contextForServerName={}.__getitem__)
    plain = SimpleNamespace(getContext=server.getContext)
    shake_hands(plain, optionsForClientTLS("localhost", self_signed()))
    assert heard == [KeyError]


def test_keys_are_logged_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a transport can't see to: the context has been used when it gets the connection."""
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    handshake = shake_hands(self_signed().options(), optionsForClientTLS("localhost", self_signed()))
    random = handshake.client.connection.client_random()
    assert random is not None
    assert f"CLIENT_HANDSHAKE_TRAFFIC_SECRET {random.hex()} " in log.read_text()


# Copying


def test_a_copy_makes_its_own_context() -> None:
    options = CertificateOptions(KEY, CERTIFICATE, verifyDepth=3)
    context = options.getContext()
    with pytest.warns(DeprecationWarning, match="better not pickled"):
        other = copy.copy(options)
    assert other.verifyDepth == 3 and other.certificate is CERTIFICATE
    assert other.getContext() is not context is options.getContext()
    assert shake_hands(other, optionsForClientTLS("localhost", self_signed())).done


def test_can_be_pickled_without_a_key() -> None:
    options = CertificateOptions(trustRoot=platformTrust(), acceptableProtocols=[b"h2"])
    options.getContext()
    with pytest.warns(DeprecationWarning) as warned:
        other = pickle.loads(pickle.dumps(options))
    assert len(warned) == 2
    assert other._acceptableProtocols == [b"h2"] and other.verify
    assert other.getContext().get_verify_mode() & SSL.VERIFY_PEER
