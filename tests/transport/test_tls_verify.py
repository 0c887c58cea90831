"""Whom connections over TLS trust, what they say of themselves in the handshake, and what is agreed there."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer

from tests.certificates import LIBRARIES, with_each_library
from tests.support import until
from tests.transport.peers import errors
from tests.transport.recorders import Connecting, Listening
from tests.transport.tls_pairs import Ear, connect, lose, lost, pair
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.interfaces import IProtocolNegotiationFactory

pytestmark = pytest.mark.without_debug


def speak(ear: Ear) -> None:
    ear.transport.write(b"a secret")


@asynccontextmanager
async def refusing(
    certificates: Any, server_context: Any, client_context: Any, **options: Any
) -> AsyncIterator[tuple[Ear, Ear]]:
    """Both ends of a connection that one of them refuses; the server's first. Nothing is said to it."""
    server, client = Ear(made=speak), Ear(made=speak)
    contexts = {"server_context": server_context, "client_context": client_context}
    async with pair(certificates, server, client, opened=False, **contexts, **options) as both:
        await both.over()
        assert server.events == ["made", "lost"] and not server.received
        assert both.connecting.events == ["start", "connecting", "lost", "stop"]
        assert both.connecting.reasons[0].value is client.reason.value
        yield server, client


# Servers

REFUSED = {
    "another authority's": ("stranger", {}, "unable to get local issuer certificate", "unknown ca"),
    "expired": ("expired", {}, "certificate has expired", "certificate expired"),
    "another address's": ("wrong_host", {}, "IP address mismatch.*127.0.0.1", "bad certificate"),
    "another host's": (
        "wrong_host",
        {"server_hostname": "localhost"},
        "Hostname mismatch.*localhost",
        "bad certificate",
    ),
    "not the one expected": (
        "server",
        {"server_hostname": "elsewhere.example"},
        "Hostname mismatch.*elsewhere.example",
        "bad certificate",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_default_context_refuses_the_server(
    certificates: Any, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason says what is wrong; and to the server that its certificate is."""
    name, options, said, alert = REFUSED[case]
    server_context = certificates.server_context(pair=getattr(certificates, name))
    client_context = certificates.client_context()
    async with refusing(certificates, server_context, client_context, **options) as (server, client):
        assert type(client.reason.value) is ssl.SSLCertVerificationError
        assert re.search(said, str(client.reason.value))
        assert client.events == ["made", "lost"]
        assert isinstance(server.reason.value, ssl.SSLError)
        assert f"alert {alert}" in str(server.reason.value).lower().replace("_", " ")
        for end in (server, client):
            assert end.transport.getPeerCertificate() is None
    assert errors(caplog) == []


async def test_a_default_context_refuses_the_self_signed(certificates: Any, tmp_path: Path) -> None:
    authority = certificates.other_authority
    authority.cert_pem.write_to_path(str(tmp_path / "certificate"))
    authority.private_key_pem.write_to_path(str(tmp_path / "key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    async with refusing(certificates, context, certificates.client_context()) as (_, client):
        assert type(client.reason.value) is ssl.SSLCertVerificationError
        assert re.search("self.signed certificate", str(client.reason.value))


async def test_pyopenssl_refuses_the_server_and_says_so(certificates: Any) -> None:
    SSL = pytest.importorskip("OpenSSL.SSL")
    server_context = certificates.server_context("pyopenssl", certificates.stranger)
    client_context = certificates.client_context("pyopenssl")
    async with refusing(certificates, server_context, client_context) as (server, client):
        assert client.reason.check(SSL.Error) and "certificate verify failed" in str(client.reason.value)
        assert server.reason.check(SSL.Error) and "alert unknown ca" in str(server.reason.value)


async def test_another_name_may_be_expected(certificates: Any) -> None:
    """Than what is connected to."""
    context = certificates.server_context(pair=certificates.wrong_host)
    async with pair(certificates, server_context=context, server_hostname="elsewhere.example") as both:
        assert both.client.transport.getPeerCertificate().info["subjectAltName"] == (
            ("DNS", "elsewhere.example"),
        )


async def test_a_context_that_verifies_nothing_trusts_everybody(certificates: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    server_context = certificates.server_context(pair=certificates.stranger)
    async with pair(certificates, server_context=server_context, client_context=context) as both:
        certificate = both.client.transport.getPeerCertificate()
        assert certificate.info == {} and certificate.der


# Clients


@with_each_library
async def test_who_shows_a_certificate_is_let_in(certificates: Any, library: str) -> None:
    contexts = {
        "server_context": certificates.server_context(library, client_ca=True),
        "client_context": certificates.client_context(library, certificates.client),
    }
    async with pair(certificates, Ear(handshake=speak), **contexts) as both:
        await until(lambda: both.client.received)
        shown = both.server.transport.getPeerCertificate()
        if library == "stdlib":
            assert (("commonName", "a client"),) in shown.info["subject"]
        else:
            subject = shown.to_cryptography().subject
            assert subject.rfc4514_string().startswith("CN=a client")


@with_each_library
@pytest.mark.parametrize("shown", [None, "stranger"])
async def test_who_shows_none_or_a_stranger_s_is_not(
    certificates: Any, library: str, shown: str | None
) -> None:
    server_context = certificates.server_context(library, client_ca=True)
    mine = shown and getattr(certificates, shown)
    client_context = certificates.client_context(library, mine)
    async with refusing(certificates, server_context, client_context) as (server, client):
        said, heard = str(server.reason.value).lower(), str(client.reason.value).lower().replace("_", " ")
        if shown is None:
            assert "peer did not return a certificate" in said.replace("_", " ")
            assert "alert certificate required" in heard
        else:
            assert "certificate verify failed" in said
            assert "alert unknown ca" in heard


# The server's name


def noting_names(library: str, context: Any) -> list[str | None]:
    """Which names clients of this context ask for."""
    names: list[str | None] = []
    if library == "stdlib":
        context.sni_callback = lambda connection, name, context: names.append(name)
    else:

        def note(connection: Any) -> None:
            name = connection.get_servername()
            names.append(name and name.decode())

        context.set_tlsext_servername_callback(note)
    return names


@with_each_library
async def test_the_server_hears_which_name_is_meant(certificates: Any, library: str) -> None:
    context = certificates.server_context(library)
    names = noting_names(library, context)
    trusting = certificates.client_context()
    trusting.check_hostname = False
    for host, options, expected in (
        ("localhost", {}, "localhost"),
        ("127.0.0.1", {"server_hostname": "other.example"}, "other.example"),
        ("localhost", {"server_hostname": ""}, None),
        ("127.0.0.1", {}, None),  # an address is no name: RFC 6066
    ):
        names.clear()
        contexts = {"server_context": context, "client_context": trusting}
        async with pair(certificates, host=host, **contexts, **options):
            assert names in ([expected], [] if expected is None else [expected])


async def test_pyopenssl_s_client_says_the_name_too(certificates: Any) -> None:
    context = certificates.server_context()
    names = noting_names("stdlib", context)
    contexts = {"server_context": context, "client_context": certificates.client_context("pyopenssl")}
    async with pair(certificates, server_hostname="localhost", **contexts):
        assert names == ["localhost"]


@with_each_library
async def test_a_server_may_have_a_certificate_for_each_name(certificates: Any, library: str) -> None:
    context = certificates.server_context(library)
    other = certificates.server_context(library, certificates.wrong_host)
    if library == "stdlib":

        def choose(connection: Any, name: Any, context: Any) -> None:
            if name == "elsewhere.example":
                connection.context = other

        context.sni_callback = choose
    else:

        def choose_context(connection: Any) -> None:
            if connection.get_servername() == b"elsewhere.example":
                connection.set_context(other)

        context.set_tlsext_servername_callback(choose_context)
    for name in ("localhost", "elsewhere.example"):
        async with pair(certificates, server_context=context, server_hostname=name) as both:
            [(_, shown), *_] = both.client.transport.getPeerCertificate().info["subjectAltName"]
            assert shown == name


# The certificate


@with_each_library
async def test_the_peer_s_certificate(certificates: Any, library: str) -> None:
    seen: list[Any] = []

    def look(ear: Ear) -> None:
        seen.append(ear.transport.getPeerCertificate())

    client = Ear(made=look, handshake=look)
    async with pair(certificates, Ear(), client, library=library) as both:
        assert both.server.transport.getPeerCertificate() is None
        leaf = Path(certificates.server.chain_path).read_text()
        expected = ssl.PEM_cert_to_DER_cert(leaf[: leaf.index("-----END") + 25])
        lose(client)
        await both.over()
        look(client)
    before, shown, after = seen
    assert before is None and after is None
    if library == "stdlib":
        assert shown.der == expected
        assert ("DNS", "localhost") in shown.info["subjectAltName"]
    else:
        from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate

        assert dump_certificate(FILETYPE_ASN1, shown) == expected


async def test_a_certificate_of_several_records(certificates: Any) -> None:
    for library in LIBRARIES:
        context = certificates.server_context(library, certificates.oversized)
        async with pair(certificates, Ear(made=speak), server_context=context) as both:
            await until(lambda both=both: both.client.received == b"a secret")


# The protocol spoken over it


@implementer(IProtocolNegotiationFactory)
class Speaking(Listening):
    names: tuple[bytes, ...] = ()

    def acceptableProtocols(self) -> list[bytes]:
        return list(self.names)


@implementer(IProtocolNegotiationFactory)
class Asking(Connecting):
    names: tuple[bytes, ...] = ()

    def acceptableProtocols(self) -> list[bytes]:
        return list(self.names)


@with_each_library
async def test_the_factories_agree_on_a_protocol(certificates: Any, library: str) -> None:
    """The server chooses; ``negotiatedProtocol`` is known in handshakeCompleted, and not before. They are
    asked for each connection."""
    seen: list[Any] = []

    def look(ear: Ear) -> None:
        seen.append(ear.transport.negotiatedProtocol)

    async with AsyncioReactor() as reactor:
        servers, clients = Speaking(build=lambda addr: Ear(made=look, handshake=look)), Asking()
        port = reactor.listenSSL(0, servers, certificates.server_context(library), interface="127.0.0.1")
        context = certificates.client_context(library)
        for offered, known, agreed in (
            ((b"h2", b"http/1.1"), (b"spdy/1", b"http/1.1", b"h2"), {b"http/1.1", b"h2"}),
            ((b"h2",), (b"h2", b"http/1.1"), {b"h2"}),
            ((), (b"h2",), {None}),
            ((b"h2",), (), {None}),
        ):
            clients.names, servers.names = offered, known
            client = Ear(made=look, handshake=look)
            connect(reactor, port.getHost().port, client, context, factory=clients)
            await until(lambda client=client: client.opened and servers.protocols[-1].opened)
            assert set(seen) - {None} == agreed - {None} or set(seen) - {None} < agreed
            assert client.transport.negotiatedProtocol == servers.protocols[-1].transport.negotiatedProtocol
            assert client.transport.negotiatedProtocol in agreed
            seen.clear()
            lose(client)
            await lost(client, ConnectionDone)


async def test_the_context_s_own_protocols_count_too(certificates: Any) -> None:
    server_context, client_context = certificates.server_context(), certificates.client_context()
    server_context.set_alpn_protocols(["imap", "pop3"])
    client_context.set_alpn_protocols(["pop3", "imap"])
    contexts = {"server_context": server_context, "client_context": client_context}
    async with pair(certificates, **contexts) as both:
        assert [end.transport.negotiatedProtocol for end in both.ends] == [b"imap", b"imap"]


async def test_without_a_common_protocol_the_connection_goes_on(certificates: Any) -> None:
    server_context, client_context = certificates.server_context(), certificates.client_context()
    server_context.set_alpn_protocols(["imap"])
    client_context.set_alpn_protocols(["pop3"])
    contexts = {"server_context": server_context, "client_context": client_context}
    async with pair(certificates, Ear(handshake=speak), **contexts) as both:
        await until(lambda: both.client.received)
        assert [end.transport.negotiatedProtocol for end in both.ends] == [None, None]
