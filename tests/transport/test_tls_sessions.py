"""A client resumes the session of an earlier connection: with the same context, to the same server, once."""

from __future__ import annotations

import gc
import ssl
import weakref
from typing import Any

import pytest

from tests.certificates import LIBRARIES, Certificates
from tests.transport.tls_bytes import CLOSE, VERSIONS, Side, limited, side_of, talk
from twisted_compat.transport import tls_stdlib
from twisted_compat.transport.tls_sessions import MOST, keep_session, take_session

each_library = pytest.mark.parametrize("library", LIBRARIES)
each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(autouse=True)
def sessions_may_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python loses in these few tests is nothing."""
    monkeypatch.setattr(tls_stdlib, "SESSIONS_LEAK", False)


class Servers:
    """A server of the standard library, which can say whether a session was resumed."""

    def __init__(self, certificates: Certificates, version: str = "1.3", **options: Any) -> None:
        self.context = limited(certificates.server_context(**options), version)

    def meets(self, context: Any, name: str | None = "localhost", keep: bool = True) -> bool:
        """Whether a client with this context resumed a session; the connection ends well then."""
        client = side_of(context, False, name)
        return self.serves(client, keep)

    def serves(self, client: Side, keep: bool = True) -> bool:
        server = side_of(self.context, True, reference=True)
        talk(client, server)
        assert client.events == server.events == ["open"], client.engine.failure
        resumed: bool = server.engine.tls.session_reused
        server.take(client.send(b"question", CLOSE))
        client.take(server.send(b"answer", CLOSE))
        assert client.plain == b"answer" and server.plain == b"question"
        if keep:
            client.engine.backend.keep_session()
        return resumed


@each_library
@each_version
def test_the_next_connection_resumes(certificates: Certificates, library: str, version: str) -> None:
    servers, context = Servers(certificates, version), certificates.client_context(library)
    assert [servers.meets(context) for _ in range(4)] == [False, True, True, True]


@each_library
@each_version
def test_a_session_is_used_once(certificates: Certificates, library: str, version: str) -> None:
    servers, context = Servers(certificates, version), certificates.client_context(library)
    servers.meets(context)
    assert servers.meets(context, keep=False)
    assert not servers.meets(context, keep=False)


@each_library
def test_connections_at_once_do_not_share_one(certificates: Certificates, library: str) -> None:
    servers, context = Servers(certificates), certificates.client_context(library)
    servers.meets(context)
    clients = [side_of(context, False) for _ in range(3)]
    assert [servers.serves(client) for client in clients] == [True, False, False]


@each_library
def test_another_name_is_another_server(certificates: Certificates, library: str) -> None:
    servers, context = Servers(certificates), certificates.client_context(library)
    servers.meets(context, "localhost")
    assert not servers.meets(context, "127.0.0.1")
    assert servers.meets(context, "localhost") and servers.meets(context, "127.0.0.1")


@each_library
def test_another_context_knows_of_none(certificates: Certificates, library: str) -> None:
    servers = Servers(certificates)
    for _ in range(2):
        assert not servers.meets(certificates.client_context(library))


def test_what_was_not_verified_is_not_taken_for_it(certificates: Certificates) -> None:
    """A session keeps the certificate, and isn't asked for it again."""
    context = ssl.create_default_context(cafile=certificates.other_ca_path)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    servers = Servers(certificates)
    servers.meets(context)
    context.verify_mode = ssl.CERT_REQUIRED
    client = side_of(context, False)
    talk(client, side_of(servers.context, True, reference=True))
    assert client.events == ["failed"]
    assert isinstance(client.engine.failure, ssl.SSLCertVerificationError)


def test_a_name_that_was_not_verified_is_not_taken_for_it(certificates: Certificates) -> None:
    context = certificates.client_context()
    context.check_hostname = False
    servers = Servers(certificates)
    servers.meets(context, "elsewhere.example")
    context.check_hostname = True
    client = side_of(context, False, "elsewhere.example")
    talk(client, side_of(servers.context, True, reference=True))
    assert client.events == ["failed"]


@each_library
@each_version
def test_the_certificate_is_known_as_before(certificates: Certificates, library: str, version: str) -> None:
    servers, context = Servers(certificates, version), certificates.client_context(library)
    shown = []
    for _ in range(2):
        client = side_of(context, False)
        servers.serves(client)
        certificate = client.engine.backend.peer_certificate()
        shown.append(certificate if library == "stdlib" else certificate.to_cryptography())
    assert shown[0] == shown[1] and shown[0] is not None


@each_library
def test_a_server_that_has_forgotten_shakes_hands_anew(certificates: Certificates, library: str) -> None:
    context = certificates.client_context(library)
    for _ in range(3):
        assert not Servers(certificates).meets(context)


@each_library
def test_a_server_that_gives_no_tickets(certificates: Certificates, library: str) -> None:
    context, servers = certificates.client_context(library), Servers(certificates)
    servers.context.num_tickets = 0
    for _ in range(3):
        assert not servers.meets(context)


@each_library
@each_version
def test_a_server_that_asks_for_certificates(certificates: Certificates, library: str, version: str) -> None:
    servers = Servers(certificates, version, client_ca=True)
    context = certificates.client_context(library, certificates.client)
    assert [servers.meets(context) for _ in range(3)] == [False, True, True]


@each_library
def test_servers_keep_what_is_theirs(certificates: Certificates, library: str) -> None:
    """Whatever a server's context does by itself; what clients keep is nothing to its backend."""
    server_context, context = certificates.server_context(library), certificates.client_context()
    side_of(server_context, True)
    known = dict(vars(server_context))
    resumed = []
    for _ in range(2):
        client, server = side_of(context, False), side_of(server_context, True)
        talk(client, server)
        server.take(client.send(CLOSE))
        client.take(server.send(CLOSE))
        for side in client, server:
            side.engine.backend.keep_session()
        resumed.append(client.engine.backend.handle.session_reused)
    assert resumed == [False, True]
    assert vars(server_context) == known


def test_none_is_read_where_python_would_never_free_it(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_stdlib, "SESSIONS_LEAK", True)
    read = []
    monkeypatch.setattr(ssl.SSLObject, "session", property(read.append))
    servers, context = Servers(certificates), certificates.client_context()
    assert [servers.meets(context) for _ in range(3)] == [False] * 3
    assert read == []


# Where they are kept.


class Context:
    """Has attributes, as the libraries' contexts have."""


def test_what_is_kept_is_taken_once() -> None:
    context = Context()
    assert take_session(context, "here") is None
    keep_session(context, "here", "first")
    keep_session(context, "here", "second")
    keep_session(context, "there", "third")
    assert [take_session(context, where) for where in ("here", "here", "there", "there")] == [
        "second",
        None,
        "third",
        None,
    ]
    assert take_session(Context(), "here") is None


def test_the_longest_unused_go_first() -> None:
    context = Context()
    for number in range(MOST):
        keep_session(context, number, f"session {number}")
    keep_session(context, 0, "session 0 again")
    keep_session(context, "one more", "it")
    assert take_session(context, 1) is None
    assert take_session(context, 0) == "session 0 again"
    for number in range(MOST + 1000):
        keep_session(context, number, "")
    kept = [number for number in range(MOST + 1000) if take_session(context, number) is not None]
    assert kept == list(range(1000, MOST + 1000))


@each_library
def test_sessions_do_not_keep_a_context_alive(certificates: Certificates, library: str) -> None:
    servers, context = Servers(certificates), certificates.client_context(library)
    for name in "localhost", "127.0.0.1":
        servers.meets(context, name)
    gone = weakref.ref(context)
    del context
    gc.collect()
    assert gone() is None


@each_library
def test_a_connection_leaves_nothing_but_its_session(certificates: Certificates, library: str) -> None:
    servers, context = Servers(certificates), certificates.client_context(library)
    client = side_of(context, False)
    servers.serves(client)
    gone = weakref.ref(client.engine.backend.handle)
    del client
    gc.collect()
    assert gone() is None
    assert servers.meets(context)
