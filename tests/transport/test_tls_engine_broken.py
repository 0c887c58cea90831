"""The engine, and what isn't TLS, or isn't what the peer has sent: broken, cut off, played again, forged.

What was sent before it is delivered, nothing after it; nothing is raised."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certificates import LIBRARIES, Certificates, Pair
from tests.transport.test_tls_engine import each_library, each_pair, each_version, portions
from tests.transport.tls_bytes import (
    ALERT,
    APPLICATION,
    CHANGE_CIPHER_SPEC,
    CLOSE,
    CLOSE_NOTIFY,
    HANDSHAKE,
    VERSIONS,
    Contexts,
    Side,
    alert,
    chunks,
    kinds,
    record,
    records,
    side_of,
    talk,
)
from twisted_compat.transport.tls_engine import EngineState

libraries = st.sampled_from(LIBRARIES)
versions = st.sampled_from(list(VERSIONS))
each_side = pytest.mark.parametrize("server", [False, True], ids=["client", "server"])


@pytest.fixture(scope="module")
def contexts(certificates: Certificates) -> Contexts:
    return Contexts(certificates)


def has_failed(side: Side) -> None:
    """It has failed for good: nothing changes that, and nothing more is delivered."""
    assert side.engine.state is EngineState.FAILED
    failure = side.engine.failure
    assert isinstance(failure, Exception) and str(failure)
    delivered = bytes(side.plain)
    for more in b"", b"more", record(HANDSHAKE, b"\0\0\0\0"), record(APPLICATION, b"hello"):
        assert side.take(more) == b""
    side.engine.close()
    assert side.outgoing() == b"" and side.engine.failure is failure and not side.engine.peer_closed
    assert side.plain == delivered and side.events[-1] == "failed"


def refuses(side: Side, stream: bytes, sizes: tuple[int, ...] = (1 << 30,)) -> bytes:
    """Have a side take what it must not accept; return what it says to that."""
    for piece in chunks(stream, sizes):
        side.take(piece)
    said = side.outgoing()
    has_failed(side)
    return said


def description(stream: bytes) -> int:
    """What the alert at the end of a stream in the clear says."""
    last = records(stream)[-1]
    assert last[0] == ALERT and len(last) == 7
    return last[6]


def begun(contexts: Contexts, library: str, version: str, server: bool) -> Side:
    """A side that has sent its first flight, and waits for the peer's."""
    one, other = contexts.pair(library, library, version)
    hello = one.outgoing()
    if not server:
        return one
    other.take(hello)
    other.outgoing()
    return other


# What comes instead of a handshake.

NOT_TLS = {
    "garbage": bytes(range(256)),
    "zeros": bytes(300),
    "ones": b"\xff" * 300,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "smtp": b"220 mail.example.org ESMTP ready\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "sslv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x07\x00\xc0\x05\x00\x80\x03\x00\x80\x01\x00\x80"
    b"\x06\x00\x40\x04\x00\x80\x02\x00\x80" + bytes(16),
    "sslv3": record(HANDSHAKE, b"\x01\0\0\x2d\x03\0" + bytes(32) + b"\0\0\x02\x00\x2f\x01\0", 0x0300)
    + bytes(5),
    "data": record(APPLICATION, b"hello"),
    "empty data": record(APPLICATION, b""),
    "no such kind": record(99, b"hello"),
    "too long": record(HANDSHAKE, b"\x01" + bytes(20_000)),
    "unfit message": record(HANDSHAKE, b"\x14\0\0\x0c" + bytes(12)),
    "no such message": record(HANDSHAKE, b"\x63\0\0\x04" + bytes(4)),
    "endless message": record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(16_380))
    + record(HANDSHAKE, bytes(16_384)) * 1030,
    "nothing in a thousand records": record(HANDSHAKE, b"") * 1000,
    "no change of cipher": record(CHANGE_CIPHER_SPEC, b"\x02"),
    "warnings by the thousand": alert(90, level=1) * 1000,
}


@each_library
@each_side
@pytest.mark.parametrize("what", NOT_TLS)
def test_what_is_no_handshake_is_refused(contexts: Contexts, library: str, server: bool, what: str) -> None:
    for version in VERSIONS:
        refuses(contexts.side(library, server, version), NOT_TLS[what])
        side = contexts.side(library, server, version)
        for piece in chunks(NOT_TLS[what][:10_000], [3]):
            side.take(piece)
        assert "open" not in side.events and not side.plain


@each_library
@each_version
@each_side
@settings(max_examples=15, deadline=None)
@given(stream=st.binary(max_size=300), sizes=portions)
def test_any_garbage_opens_nothing(
    contexts: Contexts, library: str, version: str, server: bool, stream: bytes, sizes: list[int]
) -> None:
    side = contexts.side(library, server, version)
    for piece in chunks(stream, sizes):
        side.take(piece)
    assert set(side.events) <= {"failed"} and not side.plain and not side.engine.peer_closed
    side.outgoing()
    if side.state == "FAILED":
        has_failed(side)


@each_library
@each_version
@each_side
@pytest.mark.parametrize(
    "stream",
    [record(APPLICATION, b"hello"), record(HANDSHAKE, b"\x14\0\0\x0c" + bytes(12))],
    ids=["data", "message"],
)
def test_the_refusal_says_why(
    contexts: Contexts, library: str, version: str, server: bool, stream: bytes
) -> None:
    side = contexts.side(library, server, version)
    side.outgoing()
    assert description(refuses(side, stream)) == 10  # unexpected_message (RFC 8446, 6.2)


@each_library
@each_side
@pytest.mark.parametrize(
    ("number", "name"),
    [(40, "handshake failure"), (48, "unknown ca"), (70, "protocol version"), (80, "internal error")],
)
def test_the_peers_refusal_is_named(
    contexts: Contexts, library: str, server: bool, number: int, name: str
) -> None:
    for version in VERSIONS:
        side = begun(contexts, library, version, server)
        assert refuses(side, alert(number)) == b"", "an alert is not answered"
        assert name in str(side.engine.failure).lower().replace("_", " ")


@each_library
@each_version
@each_side
def test_an_end_amid_the_handshake_is_a_failure(
    contexts: Contexts, library: str, version: str, server: bool
) -> None:
    side = begun(contexts, library, version, server)
    assert refuses(side, alert(CLOSE_NOTIFY, level=1)) == b""
    assert side.events == ["failed"]


@each_pair
def test_versions_that_do_not_meet(contexts: Contexts, client: str, server: str, version: str) -> None:
    other_version = {"1.2": "1.3", "1.3": "1.2"}[version]
    one, other = contexts.side(client, False, version), contexts.side(server, True, other_version)
    talk(one, other)
    for side in one, other:
        assert side.events == ["failed"]
        has_failed(side)
    assert "version" in str(one.engine.failure).lower() or "protocol" in str(one.engine.failure).lower()


@each_pair
def test_a_certificate_that_is_refused(
    contexts: Contexts, certificates: Certificates, client: str, server: str, version: str
) -> None:
    """Both sides learn it: the client has the library's error, the server the alert's name."""
    context = certificates.client_context(client, ca=certificates.other_ca_path)
    one, other = side_of(context, False), contexts.side(server, True, version)
    talk(one, other)
    has_failed(one)
    assert one.events == ["failed"]
    assert "certificate verify failed" in str(one.engine.failure).lower().replace("_", " ")
    if client == "stdlib":
        assert isinstance(one.engine.failure, ssl.SSLCertVerificationError)
    assert other.events[-1] == "failed"
    assert "unknown ca" in str(other.engine.failure).lower().replace("_", " ")
    has_failed(other)


@each_library
def test_a_certificate_beyond_all_bounds(
    contexts: Contexts, certificates: Certificates, library: str, tmp_path: Path
) -> None:
    """OpenSSL takes 100 KiB."""
    names = [f"name-{number}.{'x' * 60}.{'y' * 60}.{'z' * 60}.example" for number in range(550)]
    huge = Pair(certificates.authority.issue_cert("localhost", *names), tmp_path, "huge")
    one = contexts.side(library, False)
    other = side_of(certificates.server_context(library, huge), True)
    talk(one, other)
    has_failed(one)
    assert "excessive message size" in str(one.engine.failure)
    has_failed(other)


# Broken bytes.


@settings(max_examples=120, deadline=None)
@given(
    libraries,
    libraries,
    versions,
    st.booleans(),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.data(),
    portions,
)
def test_a_broken_bit_ends_it_there(
    contexts: Contexts,
    client: str,
    server: str,
    version: str,
    from_server: bool,
    lengths: list[int],
    data: st.DataObject,
    sizes: list[int],
) -> None:
    sender, receiver = contexts.opened(client, server, version)
    if from_server:
        sender, receiver = receiver, sender
    sent = [bytes([number]) * length for number, length in enumerate(lengths)]
    flight = [sender.send(message) for message in sent] + [sender.send(CLOSE)]
    stream = bytearray(b"".join(flight))
    position = data.draw(st.integers(0, len(stream) - 1), label="position")
    stream[position] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    whole, end = 0, 0
    for piece in flight:
        end += len(piece)
        if end > position:
            break
        whole += 1
    for piece in chunks(bytes(stream), sizes):
        receiver.take(piece)
    assert receiver.plain == b"".join(sent[:whole])
    assert not receiver.engine.peer_closed
    start = sum(len(piece) for piece in flight[:whole])
    if position - start in (3, 4):  # the length: it may still be waiting for what never comes
        receiver.take(bytes(70_000))
        assert receiver.plain == b"".join(sent[:whole])
    said = receiver.outgoing()
    assert kinds(said) == [ALERT if version == "1.2" else APPLICATION], "it says that something is wrong"
    has_failed(receiver)
    sender.take(said)
    assert "alert" in str(sender.engine.failure).lower()
    has_failed(sender)


@settings(max_examples=120, deadline=None)
@given(libraries, libraries, versions, st.booleans(), st.integers(0, 10_000), st.integers(0, 7), portions)
def test_a_broken_bit_in_the_handshake_changes_nothing_or_ends_it(
    contexts: Contexts,
    client: str,
    server: str,
    version: str,
    from_server: bool,
    position: int,
    bit: int,
    sizes: list[int],
) -> None:
    """Some bits mean nothing. With the others, no side takes the other one's word for anything."""
    one, other = contexts.pair(client, server, version)
    one.on_open, other.on_open = [b"question"], [b"answer"]
    seen = {False: 0, True: 0}
    for _ in range(8):
        for server_speaks, source, target in (False, one, other), (True, other, one):
            stream = bytearray(source.outgoing())
            start, seen[server_speaks] = seen[server_speaks], seen[server_speaks] + len(stream)
            if server_speaks is from_server and start <= position < start + len(stream):
                stream[position - start] ^= 1 << bit
            for piece in chunks(bytes(stream), sizes):
                target.take(piece)
    for side, expected in (one, b"answer"), (other, b"question"):
        assert side.plain in (b"", expected)
        assert not side.engine.peer_closed
        if side.state == "FAILED":
            has_failed(side)


REARRANGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "played again": lambda flight: [flight[0], flight[0], flight[1]],
    "played again later": lambda flight: [flight[0], flight[1], flight[0]],
    "in another order": lambda flight: [flight[0], flight[2], flight[1]],
    "one lost": lambda flight: [flight[0], flight[2]],
    "one cut short": lambda flight: [flight[0], flight[1][:-4], flight[2]],
    "one without its header": lambda flight: [flight[0], flight[1][5:], flight[2]],
    "one without an end": lambda flight: [flight[0], record(APPLICATION, flight[1][5:-16]), flight[2]],
    "amid another": lambda flight: [flight[0], flight[1][:9], flight[2], flight[1][9:]],
    "garbage between": lambda flight: [flight[0], b"garbage", flight[1]],
    "in the clear": lambda flight: [
        flight[0],
        record(APPLICATION, b"in the clear, and long enough for a tag"),
    ],
    "an end in the clear": lambda flight: [flight[0], alert(CLOSE_NOTIFY, level=1)],
    "an alert in the clear": lambda flight: [flight[0], alert(80)],
    "a handshake in the clear": lambda flight: [flight[0], record(HANDSHAKE, b"\0\0\0\0")],
    "too long": lambda flight: [flight[0], record(APPLICATION, bytes(16_384 + 300))],
    "too long to be": lambda flight: [flight[0], record(APPLICATION, bytes(65_535))],
    "empty": lambda flight: [flight[0], record(APPLICATION, b"")],
    "no such kind": lambda flight: [flight[0], record(99, bytes(40))],
}


@each_library
@each_version
@pytest.mark.parametrize("what", REARRANGED)
def test_records_that_are_not_the_next_ones_are_refused(
    contexts: Contexts, library: str, version: str, what: str
) -> None:
    for from_server in False, True:
        for size in 1 << 30, 7:
            receiver, sender = contexts.opened(library, "reference", version)
            if not from_server:
                sender, receiver = contexts.opened("reference", library, version)
            flight = [sender.send(message) for message in (b"first", b"second", b"third")]
            for piece in chunks(b"".join(REARRANGED[what](flight)), [size]):
                receiver.take(piece)
            assert receiver.events == ["open", "data", "failed"]
            assert receiver.plain == (b"firstsecond" if what == "played again later" else b"first")
            assert kinds(receiver.outgoing()) == [ALERT if version == "1.2" else APPLICATION]
            has_failed(receiver)


@each_pair
def test_what_is_cut_off_is_no_end(contexts: Contexts, client: str, server: str, version: str) -> None:
    """Where the close_notify is missing, or a part of it, the engine waits: it knows no other end."""
    one, other = contexts.opened(client, server, version)
    stream = one.send(b"data", CLOSE)
    other.take(stream[:-1])
    assert other.plain == b"data" and other.events == ["open", "data"]
    assert not other.engine.peer_closed and other.state == "OPEN"
    other.take(stream[-1:])
    assert other.events == ["open", "data", "closed"]


@each_pair
def test_records_of_another_connection_are_refused(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    first, second = (contexts.opened(client, server, version) for _ in range(2))
    for number in 0, 1:
        assert refuses(first[1 - number], second[number].send(b"data"))
        assert not first[1 - number].plain


@each_pair
def test_a_side_that_is_spoken_to_in_its_own_words(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    """Reflected: what a side has sent comes back to it."""
    for side in contexts.opened(client, server, version):
        assert refuses(side, side.send(b"data"))
        assert not side.plain
    one, _ = contexts.pair(client, server, version)
    refuses(one, one.outgoing())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(libraries, st.sampled_from(["good", *NOT_TLS])), min_size=2, max_size=8), versions)
def test_one_connections_failure_is_no_other_ones(
    contexts: Contexts, connections: list[tuple[str, str]], version: str
) -> None:
    """OpenSSL has one list of errors for a whole thread."""
    sides = [(*contexts.pair(library, library, version), what) for library, what in connections]
    for one, other, what in sides:
        other.take(one.outgoing() if what == "good" else NOT_TLS[what][:2_000])
    for one, other, what in sides:
        if what == "good":
            talk(one, other)
            other.take(one.send(b"data", CLOSE))
            one.take(other.send(b"data"))
        else:
            one.take(NOT_TLS[what][:2_000])
    for one, other, what in sides:
        if what == "good":
            one.take(other.send(CLOSE))
            assert one.events == other.events == ["open", "data", "closed"]
