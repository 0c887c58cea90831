"""The engine, and a peer that has shaken hands and then says what it must not say, or what is seldom said.

What OpenSSL doesn't make is made with the keys, which peers here write to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import LIBRARIES, Certificates
from tests.transport.test_tls_engine import each_library
from tests.transport.test_tls_engine_broken import each_side, refuses
from tests.transport.tls_bytes import (
    ALERT,
    APPLICATION,
    CHANGE_CIPHER_SPEC,
    CLOSE,
    CLOSE_NOTIFY,
    HANDSHAKE,
    Contexts,
    Forger,
    kinds,
    side_of,
    talk,
)


class Forged:
    """An engine that has shaken hands with a peer whose keys we have."""

    def __init__(self, certificates: Certificates, tmp_path: Path, library: str, server: bool) -> None:
        pytest.importorskip("cryptography")
        contexts = Contexts(certificates)
        peer_context = contexts.context("reference", not server, "1.3")
        log = tmp_path / "keys"
        peer_context.keylog_filename = str(log)
        if not server:
            peer_context.num_tickets = 0  # each would have been sent with the keys, and counted
        self.side = contexts.side(library, server, "1.3")
        self.peer = side_of(peer_context, not server, reference=True)
        talk(self.peer, self.side)
        assert self.side.events == ["open"]
        self.forger = Forger(log, not server)


@pytest.fixture
def forged(
    certificates: Certificates, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[str, bool], Forged]:
    return lambda library, server: Forged(certificates, tmp_path, library, server)


@each_library
@each_side
def test_new_keys(forged: Callable[[str, bool], Forged], library: str, server: bool) -> None:
    """KeyUpdate (RFC 8446, 4.6.3), glued to what is sent with the old keys and the new ones."""
    case = forged(library, server)
    side, forger = case.side, case.forger
    stream = forger.record(APPLICATION, b"old, ") + forger.key_update(answer=False)
    side.take(stream + forger.record(APPLICATION, b"new, "))
    assert side.plain == b"old, new, " and side.outgoing() == b""
    side.take(forger.key_update(answer=True))
    case.peer.take(side.outgoing())
    side.take(forger.record(APPLICATION, b"newer"))
    side.take(forger.key_update(answer=True) + forger.record(APPLICATION, b", newest"))
    assert side.plain == b"old, new, newer, newest" and side.events == ["open", "data"]
    # The answers come at the latest with what is sent next; the peer follows.
    case.peer.take(side.send(b"data", CLOSE))
    assert case.peer.plain == b"data" and case.peer.events == ["open", "data", "closed"]


@each_library
@each_side
def test_new_keys_after_our_own_end(
    forged: Callable[[str, bool], Forged], library: str, server: bool
) -> None:
    """What follows is received all the same."""
    case = forged(library, server)
    side, forger = case.side, case.forger
    case.peer.take(side.send(b"data", CLOSE))
    side.take(forger.key_update(answer=True) + forger.record(APPLICATION, b"one, "))
    side.take(forger.key_update(answer=True))
    side.take(forger.record(APPLICATION, b"two") + forger.alert(CLOSE_NOTIFY))
    assert side.plain == b"one, two" and side.events == ["open", "data", "closed"]
    assert case.peer.events == ["open", "data", "closed"]


@each_library
@each_side
def test_padding_and_empty_records(forged: Callable[[str, bool], Forged], library: str, server: bool) -> None:
    case = forged(library, server)
    side, forger = case.side, case.forger
    side.take(
        forger.record(APPLICATION, b"padded", padding=1000) + forger.record(APPLICATION, b"", padding=50)
    )
    side.take(b"".join(forger.record(APPLICATION, b"") for _ in range(5)))
    side.take(forger.record(APPLICATION, b" and more"))
    assert side.plain == b"padded and more" and side.events == ["open", "data"]


@each_library
@each_side
def test_data_after_the_end(forged: Callable[[str, bool], Forged], library: str, server: bool) -> None:
    case = forged(library, server)
    side, forger = case.side, case.forger
    end = forger.record(APPLICATION, b"data") + forger.alert(CLOSE_NOTIFY)
    side.take(end + forger.record(APPLICATION, b"more"))
    side.take(forger.record(APPLICATION, b"and more"))
    assert side.plain == b"data" and side.events == ["open", "data", "closed"]


FORGED: dict[str, Callable[[Forger], bytes]] = {
    "nothing in a thousand records": lambda forger: b"".join(
        forger.record(APPLICATION, b"") for _ in range(1000)
    ),
    "no such kind": lambda forger: forger.record(99, b"hello"),
    "nothing but padding": lambda forger: forger.record(0, b"", padding=20),
    "no such message": lambda forger: forger.record(HANDSHAKE, b"\x63\0\0\x04" + bytes(4)),
    "another hello": lambda forger: forger.record(HANDSHAKE, b"\x01\0\0\x04" + bytes(4)),
    "a hello request": lambda forger: forger.record(HANDSHAKE, bytes(4)),
    "a false key update": lambda forger: forger.record(HANDSHAKE, b"\x18\0\0\x01\x07"),
    "too long": lambda forger: forger.record(APPLICATION, bytes(16_385)),
    "a change of cipher": lambda forger: forger.record(CHANGE_CIPHER_SPEC, b"\x01"),
    "a warning": lambda forger: forger.alert(100),
    "a fatal alert": lambda forger: forger.alert(80, level=2),
    "half an alert": lambda forger: forger.record(ALERT, b"\x01"),
}


@each_library
@each_side
@pytest.mark.parametrize("what", FORGED)
def test_what_the_peer_must_not_send(
    forged: Callable[[str, bool], Forged], library: str, server: bool, what: str
) -> None:
    case = forged(library, server)
    stream = case.forger.record(APPLICATION, b"before") + FORGED[what](case.forger)
    said = refuses(case.side, stream)
    assert case.side.plain == b"before" and case.side.events == ["open", "data", "failed"]
    if what in ("a fatal alert", "a warning"):
        assert said == b""
    else:
        assert said
        case.peer.take(said)
        assert "alert" in str(case.peer.engine.failure).lower()


# A second handshake, which TLS 1.2 had.


class Raw:
    """A pyOpenSSL connection as it is, which shakes hands as often as it likes."""

    def __init__(self, contexts: Contexts, server: bool) -> None:
        self.SSL = pytest.importorskip("OpenSSL.SSL")
        certificates = contexts.certificates
        make = certificates.server_context if server else certificates.client_context
        context = make("pyopenssl")
        context.set_max_proto_version(self.SSL.TLS1_2_VERSION)
        self.tls = self.SSL.Connection(context, None)
        (self.tls.set_accept_state if server else self.tls.set_connect_state)()
        self.plain = b""

    def speak(self, method: Callable[..., Any], *args: Any) -> bytes:
        """Call a method of the connection; return what it sends."""
        with contextlib.suppress(self.SSL.WantReadError):
            method(*args)
        try:
            sent: bytes = self.tls.bio_read(1 << 20)
        except self.SSL.WantReadError:
            return b""
        return sent

    def take(self, data: bytes) -> bytes:
        if data:
            self.tls.bio_write(data)
        return self.speak(self.read)

    def read(self) -> None:
        while True:
            self.plain += self.tls.recv(100_000)


class Creator:
    """Makes connections of a context that nobody has prepared."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        return pytest.importorskip("OpenSSL.SSL").Connection(self.context, None)

    serverConnectionForTLS = clientConnectionForTLS


@pytest.mark.parametrize("library", [*LIBRARIES, "creator"])
@each_side
def test_a_second_handshake_is_refused(certificates: Certificates, library: str, server: bool) -> None:
    pytest.importorskip("OpenSSL.SSL")
    contexts = Contexts(certificates)
    raw = Raw(contexts, not server)
    if library == "creator":
        if not hasattr(raw.tls, "set_options"):
            pytest.skip("this pyOpenSSL can't tell a connection")
        side = side_of(Creator(contexts.context("pyopenssl", server, "1.2")), server)
    else:
        side = contexts.side(library, server, "1.2")
    hello = raw.speak(raw.tls.do_handshake)
    for _ in range(3):
        side.take(hello)
        hello = raw.take(side.outgoing())
    assert side.events == ["open"]
    assert raw.tls.renegotiate()
    asked = raw.speak(raw.tls.do_handshake)
    assert kinds(asked) == [HANDSHAKE]
    side.take(asked)
    said = side.outgoing()
    assert kinds(said) == [ALERT], "no hello of its own"
    assert side.state == "OPEN", "a polite refusal (RFC 5246, 7.2.2: no_renegotiation)"
    # Its peer may take that, or end the connection.
    try:
        raw.take(said)
    except raw.SSL.Error:
        return
    raw.take(side.send(b"answer"))
    assert raw.plain == b"answer"
    side.take(raw.speak(raw.tls.send, b"question"))
    assert side.plain == b"question"
