"""The context factories of old."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from OpenSSL import SSL
from zope.interface.verify import verifyObject

from tests.ssl.handshakes import shake_hands
from twisted_compat.interfaces import IOpenSSLContextFactory
from twisted_compat.ssl import (
    ClientContextFactory,
    ContextFactory,
    DefaultOpenSSLContextFactory,
)

OLD = SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3 | SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1


class Fake:
    """A context that can be looked into."""

    options = 0

    def __init__(self, method: int) -> None:
        self.method = method

    def set_options(self, options: int) -> None:
        self.options |= options

    def use_certificate_file(self, path: str) -> None:
        self.certificate = path

    def use_privatekey_file(self, path: str) -> None:
        self.key = path


@pytest.fixture
def server(certificates: Any) -> DefaultOpenSSLContextFactory:
    return DefaultOpenSSLContextFactory(certificates.server.key_path, certificates.server.chain_path)


def test_interfaces(server: DefaultOpenSSLContextFactory) -> None:
    for factory in (ContextFactory(), ClientContextFactory(), server):
        assert verifyObject(IOpenSSLContextFactory, factory)
    assert (ContextFactory.isClient, server.isClient, ClientContextFactory.isClient) == (0, 0, 1)


def test_a_servers_context_is_a_subclasss() -> None:
    with pytest.raises(NotImplementedError, match=r"Mine\.getContext"):
        type("Mine", (ContextFactory,), {})().getContext()


def test_they_connect(server: DefaultOpenSSLContextFactory) -> None:
    assert shake_hands(server, ClientContextFactory()).done


def test_the_key_and_the_certificate_are_files() -> None:
    context: Any = DefaultOpenSSLContextFactory("key", "certificate", _contextFactory=Fake).getContext()
    assert (context.key, context.certificate) == ("key", "certificate")
    assert context.method == SSL.TLS_METHOD


def test_a_file_that_is_missing_is_noticed_at_once(certificates: Any) -> None:
    pair = certificates.server
    for paths in ((pair.key_path, "missing"), ("missing", pair.chain_path)):
        with pytest.raises(SSL.Error):
            DefaultOpenSSLContextFactory(*paths)


def test_a_servers_context_is_made_once(server: DefaultOpenSSLContextFactory) -> None:
    assert server.getContext() is server.getContext() is server._context


def test_a_clients_context_is_made_each_time() -> None:
    factory = ClientContextFactory()
    assert factory.getContext() is not factory.getContext()


def test_a_server_can_be_pickled(server: DefaultOpenSSLContextFactory) -> None:
    again = pickle.loads(pickle.dumps(server))
    assert again.privateKeyFileName == server.privateKeyFileName
    assert again.getContext() is not server.getContext()
    assert shake_hands(again, ClientContextFactory()).done


@pytest.mark.parametrize("method", ["TLS_METHOD", "SSLv23_METHOD"])
def test_old_versions_are_out(method: str) -> None:
    context: Any = DefaultOpenSSLContextFactory("key", "certificate", getattr(SSL, method), Fake).getContext()
    assert context.options & OLD == OLD
    assert not context.options & (SSL.OP_NO_TLSv1_2 | SSL.OP_NO_TLSv1_3)


def test_a_server_may_ask_for_one_version_by_name(certificates: Any) -> None:
    context: Any = DefaultOpenSSLContextFactory("key", "cert", SSL.TLSv1_1_METHOD, Fake).getContext()
    assert context.method == SSL.TLSv1_1_METHOD
    assert not context.options & SSL.OP_NO_TLSv1_1
    pair = certificates.server
    server = DefaultOpenSSLContextFactory(pair.key_path, pair.chain_path, SSL.TLSv1_2_METHOD)
    handshake = shake_hands(server, ClientContextFactory())
    assert handshake.client.connection.get_protocol_version_name() == "TLSv1.2"


@pytest.mark.parametrize("name", ["SSLv23_METHOD", "TLSv1_METHOD"])
def test_a_client_never_speaks_old_versions(name: str) -> None:
    class Mine(ClientContextFactory):
        method = getattr(SSL, name)
        _contextFactory = Fake

    context: Any = Mine().getContext()
    assert (context.method, context.options & OLD) == (Mine.method, OLD)


def test_a_subclass_extends_the_context() -> None:
    class Mine(ClientContextFactory):
        def getContext(self) -> SSL.Context:
            self.method = SSL.SSLv23_METHOD
            context = ClientContextFactory.getContext(self)
            context.set_options(SSL.OP_NO_TLSv1_3)
            context.set_verify(SSL.VERIFY_PEER)
            return context

    context = Mine().getContext()
    assert context.get_verify_mode() == SSL.VERIFY_PEER


def test_a_subclass_makes_its_own_context(certificates: Any) -> None:
    class Mine(ContextFactory):
        def getContext(self) -> SSL.Context:
            context: SSL.Context = certificates.server_context("pyopenssl")
            return context

    assert shake_hands(Mine(), ClientContextFactory()).done


def test_a_context_verifies_nothing(certificates: Any) -> None:
    pair = certificates.stranger
    server = DefaultOpenSSLContextFactory(pair.key_path, pair.chain_path)
    assert shake_hands(server, ClientContextFactory()).done


def test_renegotiation_and_compression_are_out() -> None:
    class Mine(ClientContextFactory):
        _contextFactory = Fake

    server: Any = DefaultOpenSSLContextFactory("key", "certificate", _contextFactory=Fake).getContext()
    client: Any = Mine().getContext()
    for option in (SSL.OP_NO_RENEGOTIATION, SSL.OP_NO_COMPRESSION):
        assert server.options & option and client.options & option
