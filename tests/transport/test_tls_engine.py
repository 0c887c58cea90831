"""The engine, with bytes alone: what two sides say arrives, whatever pieces it comes in.

All tests are about both libraries, on either side, and about TLS 1.2 and 1.3."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certificates import LIBRARIES, Certificates
from tests.transport.tls_bytes import (
    ALERT,
    APPLICATION,
    CLOSE,
    VERSIONS,
    Contexts,
    chunks,
    kinds,
    records,
    talk,
)
from twisted_compat.transport.tls_engine import EngineState

COMBINATIONS = [
    pytest.param(*combination, id="-".join(combination))
    for combination in itertools.product(LIBRARIES, LIBRARIES, VERSIONS)
]
each_pair = pytest.mark.parametrize(("client", "server", "version"), COMBINATIONS)
each_version = pytest.mark.parametrize("version", VERSIONS)
each_library = pytest.mark.parametrize("library", LIBRARIES)

kinds_of_peers = st.sampled_from(["stdlib", "pyopenssl", "reference"])
versions = st.sampled_from(list(VERSIONS))
portions = st.lists(
    st.one_of(st.integers(1, 6), st.integers(1, 200), st.integers(1, 40_000), st.just(1 << 30)),
    min_size=1,
    max_size=6,
)
messages = st.lists(
    st.builds(
        lambda size, seed: (
            bytes((seed + number) % 251 for number in range(97)) * (size // 97) + b"." * (size % 97)
        ),
        st.one_of(st.integers(1, 50), st.sampled_from([16_383, 16_384, 16_385, 50_000])),
        st.integers(0, 250),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def contexts(certificates: Certificates) -> Contexts:
    return Contexts(certificates)


@each_pair
def test_what_is_said_arrives_and_both_sides_end(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    one, other = contexts.opened(client, server, version)
    for sender, receiver in (one, other), (other, one):
        for message in b"a", b"b" * 16_384, b"c" * 16_385, bytes(1_000_000):
            receiver.plain.clear()
            receiver.take(sender.send(message))
            assert receiver.plain == message
    other.take(one.send(CLOSE))
    assert other.engine.peer_closed and not other.engine.closed
    one.take(other.send(CLOSE))
    for side in one, other:
        assert side.events == ["open", "data", "closed"]
        assert side.engine.closed and side.engine.failure is None
        assert side.engine.state is EngineState.OPEN
        assert side.outgoing() == b""


@settings(max_examples=40, deadline=None)
@given(
    kinds_of_peers,
    kinds_of_peers,
    versions,
    messages,
    messages,
    st.sampled_from(["at once", "when the peer has", "never"]),
    st.sampled_from(["at once", "when the peer has", "never"]),
    portions,
    portions,
)
def test_any_pieces_give_the_same(
    contexts: Contexts,
    client: str,
    server: str,
    version: str,
    questions: list[bytes],
    answers: list[bytes],
    client_closes: str,
    server_closes: str,
    forth: list[int],
    back: list[int],
) -> None:
    """The handshake, messages and ends, glued together and cut anywhere, come out as if each came alone."""
    one, other = contexts.pair(client, server, version)
    closing = {"at once": ([CLOSE], []), "when the peer has": ([], [CLOSE]), "never": ([], [])}
    for side, sent, closes in (one, questions, client_closes), (other, answers, server_closes):
        at_open, side.on_closed = closing[closes]
        side.on_open = [*sent, *at_open]
    talk(one, other, forth, back)
    assert other.plain == b"".join(questions)
    assert one.plain == b"".join(answers)
    anybody = "at once" in (client_closes, server_closes)
    client_ends, server_ends = (anybody and closes != "never" for closes in (client_closes, server_closes))
    for side, incoming, peer_ends, ends in (
        (one, answers, server_ends, client_ends),
        (other, questions, client_ends, server_ends),
    ):
        assert side.events == ["open"] + ["data"] * bool(incoming) + ["closed"] * peer_ends
        assert (side.engine.closed, side.engine.peer_closed) == (ends, peer_ends)
        assert side.state == "OPEN" and side.engine.failure is None


@each_pair
def test_byte_by_byte(contexts: Contexts, client: str, server: str, version: str) -> None:
    one, other = contexts.pair(client, server, version)
    one.on_open, other.on_open = [b"question", CLOSE], [b"answer"]
    other.on_closed = [b" after the end", CLOSE]
    talk(one, other, [1])
    assert other.plain == b"question"
    assert one.plain == b"answer after the end"
    assert one.events == other.events == ["open", "data", "closed"]


@each_pair
def test_a_record_is_delivered_as_soon_as_its_last_byte_has_come(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    one, other = contexts.opened(client, server, version)
    for sender, receiver in (one, other), (other, one):
        for count in 1, 2, 3:
            stream = b"".join(sender.send(b"%d" % number) for number in range(count))
            ends = list(itertools.accumulate(len(piece) for piece in records(stream)))
            for position in range(len(stream)):
                plain = receiver.take(stream[position : position + 1])
                assert plain == (b"%d" % ends.index(position + 1) if position + 1 in ends else b"")


@each_pair
@settings(max_examples=5, deadline=None)
@given(cut=st.integers(1, 300), sizes=portions)
def test_what_follows_the_handshake_at_once_is_delivered(
    contexts: Contexts, client: str, server: str, version: str, cut: int, sizes: list[int]
) -> None:
    """A client's last words of the handshake, a message and the end, in pieces that begin anywhere."""
    one, other = contexts.pair(client, server, version)
    one.on_open = [b"x" * 20_000, b"y", CLOSE]
    while one.state == "HANDSHAKING":
        stream = one.outgoing()
        other.take(stream)
        one.take(other.outgoing())
    for piece in [*chunks(one.outgoing(), [cut, 1 << 30])]:
        for smaller in chunks(piece, sizes):
            other.take(smaller)
    if version == "1.2":  # the server has the last word there, and only then may the client begin
        talk(one, other, sizes)
    assert other.plain == b"x" * 20_000 + b"y"
    assert other.events == ["open", "data", "closed"]


@each_library
@each_version
def test_a_client_begins_and_a_server_waits(contexts: Contexts, library: str, version: str) -> None:
    one, other = contexts.pair(library, library, version)
    assert one.state == other.state == "HANDSHAKING"
    assert kinds(one.outgoing()) == [22]
    assert one.outgoing() == b"", "once is enough"
    assert other.outgoing() == b""


@each_pair
def test_nothing_received_changes_nothing(contexts: Contexts, client: str, server: str, version: str) -> None:
    one, other = contexts.pair(client, server, version)
    hello = one.outgoing()
    for side in one, other:
        assert side.take(b"") == b"" and side.events == [] and side.outgoing() == b""
    other.take(hello)
    talk(one, other)
    for side in one, other:
        assert side.take(b"") == b"" and side.events == ["open"] and side.outgoing() == b""
    end = one.send(b"data", CLOSE)
    assert other.take(end[:3]) == other.take(b"") == b""
    other.take(end[3:])
    assert other.take(b"") == b"" and other.events == ["open", "data", "closed"]


@each_pair
def test_an_empty_message_is_nothing(contexts: Contexts, client: str, server: str, version: str) -> None:
    one, other = contexts.opened(client, server, version)
    for sender, receiver in (one, other), (other, one):
        receiver.take(sender.send(b""))
        receiver.take(sender.send(b"", b"something", b""))
        assert receiver.plain == b"something"
        assert receiver.state == sender.state == "OPEN"


@each_pair
def test_both_speak_at_once(contexts: Contexts, client: str, server: str, version: str) -> None:
    """What is under way crosses what is sent meanwhile, also the ends."""
    one, other = contexts.opened(client, server, version)
    for number in range(20):
        forth, back = one.send(b"%d," % number * 3_000), other.send(b"%d;" % number)
        one.take(back[:10])
        other.take(forth[:5000])
        more = one.send(b"more")
        one.take(back[10:])
        other.take(forth[5000:] + more)
    forth, back = one.send(CLOSE), other.send(CLOSE)
    one.take(back)
    other.take(forth)
    assert one.plain == b"".join(b"%d;" % number for number in range(20))
    assert other.plain == b"".join(b"%d," % number * 3_000 + b"more" for number in range(20))
    assert one.events == other.events == ["open", "data", "closed"]


@each_pair
def test_records_are_full(contexts: Contexts, client: str, server: str, version: str) -> None:
    one, other = contexts.opened(client, server, version)
    for side in one, other:
        assert kinds(side.send(bytes(16_384 * 3))) == [APPLICATION] * 3
        assert kinds(side.send(b"")) == []


@each_pair
def test_tickets_are_no_data(contexts: Contexts, client: str, server: str, version: str) -> None:
    """TLS 1.3's servers send tickets when the handshake is over: they are taken, and nothing is delivered."""
    one, other = contexts.pair(client, server, version)
    other.take(one.outgoing())
    one.take(other.outgoing())
    other.take(one.outgoing())
    assert other.state == "OPEN"
    tickets = other.outgoing()
    assert tickets
    assert one.take(tickets) == b""
    assert one.outgoing() == b""
    assert one.events == ["open"]


# Ends.


@each_pair
def test_who_has_closed_still_receives(contexts: Contexts, client: str, server: str, version: str) -> None:
    for first in 0, 1:
        sides = contexts.opened(client, server, version)
        one, other = sides[first], sides[1 - first]
        end = one.send(b"a question", CLOSE)
        early = other.send(b"early, ")
        one.take(early)
        other.take(end)
        for message in b"late, ", b"x" * 50_000, b".":
            one.take(other.send(message))
        assert one.plain == b"early, late, " + b"x" * 50_000 + b"."
        assert one.events == ["open", "data"] and one.outgoing() == b""
        one.take(other.send(CLOSE))
        assert one.events == ["open", "data", "closed"]
        assert one.outgoing() == other.outgoing() == b""


@each_pair
def test_closing_twice_says_it_once(contexts: Contexts, client: str, server: str, version: str) -> None:
    for side in contexts.opened(client, server, version):
        assert len(kinds(side.send(CLOSE))) == 1
        assert side.send(CLOSE) == b""
        assert side.engine.closed and side.state == "OPEN"


@each_library
@each_version
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("begun", [False, True], ids=["at once", "begun"])
def test_closing_amid_the_handshake_is_no_error(
    contexts: Contexts, library: str, version: str, server: bool, begun: bool
) -> None:
    """There is nothing to end yet, and the handshake may go on."""
    one, other = contexts.pair(library, library, version)
    side = other if server else one
    if begun:
        other.take(one.outgoing())
    side.engine.close()
    assert side.state == "HANDSHAKING" and side.engine.failure is None
    talk(one, other)
    assert one.events == other.events == ["open"]
    assert not side.engine.closed


@each_pair
def test_after_the_peers_end_nothing_is_delivered(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    for first in 0, 1:
        sides = contexts.opened(client, server, version)
        one, other = sides[first], sides[1 - first]
        other.take(one.send(b"data", CLOSE))
        for garbage in b"garbage", b"\x17\x03\x03\x00\x05hello", bytes(100_000):
            assert other.take(garbage) == b""
        assert other.plain == b"data" and other.state == "OPEN"
        one.take(other.send(b"still", CLOSE))
        assert one.plain == b"still" and one.events == ["open", "data", "closed"]


@each_pair
def test_what_the_peer_sends_in_one_piece_with_its_end_stops_there(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    for first in 0, 1:
        sides = contexts.opened(client, server, version)
        one, other = sides[first], sides[1 - first]
        other.take(one.send(b"data", CLOSE) + b"\x17\x03\x03\x00\x05hello" + bytes(500))
        assert other.plain == b"data"
        assert other.events == ["open", "data", "closed"] and other.engine.failure is None


@each_pair
def test_what_is_handed_out_is_handed_out_once(
    contexts: Contexts, client: str, server: str, version: str
) -> None:
    one, other = contexts.opened(client, server, version)
    for sender, receiver in (one, other), (other, one):
        stream = sender.send(b"data" * 100_000)
        assert sender.engine.outgoing() == b""
        assert receiver.take(stream) == b"data" * 100_000
        last = sender.send(CLOSE)
        assert kinds(last) == [ALERT if version == "1.2" else APPLICATION]
        assert sender.engine.outgoing() == b""


def test_a_failure_keeps_nothing_alive(contexts: Contexts) -> None:
    for library in LIBRARIES:
        side = contexts.side(library, server=True)
        side.take(b"GET / HTTP/1.1\r\n\r\n")
        failure: Any = side.engine.failure
        assert failure.__traceback__ is None and failure.__context__ is None
