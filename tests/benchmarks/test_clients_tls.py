"""The clients for TLS: they count what was done, and notice a server that does something else."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("OpenSSL")

from cryptography.exceptions import InvalidTag

from benchmarks.clients import sockets, tls_bulk, tls_echo, tls_handshakes, tls_sockets
from benchmarks.clients.bulk import MIB
from benchmarks.clients.tls_wire import Client
from benchmarks.processes import HOST
from benchmarks.servers import END
from benchmarks.servers.tls_contexts import CONTEXTS, make_certificate

from .peer_threads import served

Behaviour = Callable[..., object]
REQUEST = b"request"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    make_certificate(path)
    return path


@pytest.fixture(scope="module")
def context(certificate: Path) -> ssl.SSLContext:
    made: ssl.SSLContext = CONTEXTS["ours"](certificate)
    return made


@contextmanager
def secured(behave: Behaviour, context: ssl.SSLContext, count: int = 1) -> Iterator[int]:
    """As ``served``, over TLS."""

    def shake_hands(*connections: socket.socket) -> None:
        with ExitStack() as stack, suppress(ssl.SSLError):
            behave(
                *[stack.enter_context(context.wrap_socket(each, server_side=True)) for each in connections]
            )

    with served(shake_hands, count) as port:
        yield port


def echoes(connection: socket.socket, change: Callable[[bytes], bytes] = bytes) -> None:
    while data := connection.recv(65536):
        connection.sendall(change(data))


def hangs_up(*connections: socket.socket) -> None:
    connections[0].recv(65536)


# Request and response


def measure_echo(port: int, payload: bytes = REQUEST) -> Any:
    return tls_echo.measure(port, os.getpid(), 0.01, count=1, payload=payload)


@pytest.mark.parametrize("size", [1, 1024, 50_000])
def test_requests_are_counted(context: ssl.SSLContext, size: int) -> None:
    with secured(echoes, context) as port:
        assert measure_echo(port, bytes(size)).work >= 1


def test_an_answer_may_come_in_pieces(context: ssl.SSLContext) -> None:
    def dribbles(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            for byte in data:
                connection.sendall(bytes((byte,)))

    with secured(dribbles, context) as port:
        assert measure_echo(port).work >= 1


def test_another_answer_is_an_error(context: ssl.SSLContext) -> None:
    with (
        secured(lambda connection: echoes(connection, bytes.swapcase), context) as port,
        pytest.raises(ConnectionError, match="other than"),
    ):
        measure_echo(port)


def test_to_hang_up_is_an_error(context: ssl.SSLContext) -> None:
    with secured(hangs_up, context) as port, pytest.raises(ConnectionError, match="hung up"):
        measure_echo(port)


def test_an_end_in_the_middle_is_an_error(context: ssl.SSLContext) -> None:
    def ends(connection: ssl.SSLSocket) -> None:
        connection.sendall(connection.recv(65536)[:3])
        connection.unwrap()

    with secured(ends, context) as port, pytest.raises(ConnectionError, match="after 3 bytes"):
        measure_echo(port)


def test_something_else_than_tls_is_an_error() -> None:
    with (
        served(lambda connection: connection.sendall(b"220 hello\r\n")) as port,
        pytest.raises(ConnectionError, match="The handshake failed"),
    ):
        measure_echo(port)


# Bulk


def sends(error: int, *connections: socket.socket) -> None:
    """The first one takes nothing; it isn't sent anything either."""
    for each in connections[1:]:
        each.sendall(bytes(int(each.recv(64) or -error) + error))
        each.setblocking(False)
        with suppress(ssl.SSLWantReadError):  # who has counted enough doesn't say goodbye
            each.unwrap()  # type: ignore[attr-defined]  # it is an SSLSocket


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warming up shall not take long."""
    monkeypatch.setattr(tls_bulk, "WARM_UP", 100_000)


@pytest.mark.usefixtures("little")
def test_what_is_sent_is_counted(context: ssl.SSLContext) -> None:
    with secured(partial(sends, 0), context, 3) as port:
        assert tls_bulk.take(port, os.getpid(), MIB).work == 1


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("error", [-1, -2, 1])
def test_more_or_less_is_an_error(context: ssl.SSLContext, error: int) -> None:
    with (
        secured(partial(sends, error), context, 3) as port,
        pytest.raises(ConnectionError, match=f"asked for 100000 bytes and sent {100_000 + error}"),
    ):
        tls_bulk.take(port, os.getpid(), MIB)


@pytest.mark.parametrize("error", [-2, 1])
def test_more_or_less_is_seen_in_headers_too(context: ssl.SSLContext, error: int) -> None:
    amount = MIB - 100  # so that one more is in the same record as the last of them
    with (
        secured(lambda connection: sends(error, connection, connection), context) as port,
        tls_sockets.channels(port, 1) as (channel,),
    ):
        channel.send(b"%d\r\n" % amount)
        if error > 0:
            assert tls_bulk._count(channel, amount) == amount + error
        else:
            with pytest.raises(ConnectionError, match="hung up"):
                tls_bulk._count(channel, amount)


def takes(error: int, *connections: socket.socket) -> None:
    for each in connections:
        taken = 0
        while data := each.recv(65536):
            taken += len(data)
            if data.endswith(END):
                each.sendall(b"%d\r\n" % (taken + error))
                break


@pytest.mark.usefixtures("little")
def test_what_is_taken_is_counted(context: ssl.SSLContext) -> None:
    with secured(partial(takes, 0), context, 2) as port:
        assert tls_bulk.give(port, os.getpid(), MIB).work == 1


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (partial(takes, 1), "was sent 100000 bytes and counted 100001"),
        (hangs_up, "hung up|reset by peer|Broken pipe"),
    ],
)
def test_what_is_not_taken_is_an_error(context: ssl.SSLContext, behave: Behaviour, message: str) -> None:
    with secured(behave, context, 2) as port, pytest.raises(ConnectionError, match=message):
        tls_bulk.give(port, os.getpid(), MIB)


class Pieces:
    """A connection on which these bytes come, in pieces of these sizes, over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.turn = data, sizes, 0

    def recv_into(self, buffer: memoryview) -> int:
        size = min(len(self.data), self.sizes[self.turn % len(self.sizes)])
        self.turn += 1
        buffer[:size], self.data = self.data[:size], self.data[size:]
        return size


@given(
    st.lists(st.integers(0, 60).filter(lambda size: size != tls_bulk.FAREWELL), max_size=20),
    st.lists(st.integers(1, 100), min_size=1, max_size=5),
)
def test_records_are_counted_when_they_are_whole(contents: list[int], sizes: list[int]) -> None:
    lengths = [size + tls_bulk.SEAL for size in contents]
    stream = b"".join(b"\x17\x03\x03" + length.to_bytes(2, "big") + bytes(length) for length in lengths)
    ends = list(accumulate(length + tls_bulk.HEADER for length in lengths))
    records, seen = tls_bulk.Records(), b""
    connection = SimpleNamespace(connection=Pieces(stream, sizes))
    while len(seen) < len(stream):
        seen += records.receive(connection)  # type: ignore[arg-type]  # all that it looks at
        assert seen == stream[: len(seen)]
        assert records.content == sum(
            size for size, end in zip(contents, ends, strict=True) if end <= len(seen)
        )


def test_what_is_not_encrypted_is_not_counted() -> None:
    connection = SimpleNamespace(connection=Pieces(b"HTTP/1.1 400 No", [100]))
    with pytest.raises(ConnectionError, match="record of type 72"):
        tls_bulk.Records().receive(connection)  # type: ignore[arg-type]  # as above


# Handshakes


@contextmanager
def visited(behave: Behaviour, context: ssl.SSLContext, count: int) -> Iterator[int]:
    """The port of a server that so many visit, one after the other; while the block runs."""

    def serve() -> None:
        for _ in range(count):
            with (
                suppress(OSError),
                listener.accept()[0] as connection,
                context.wrap_socket(connection, server_side=True) as each,
            ):
                behave(each)

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def test_visits_are_counted(context: ssl.SSLContext) -> None:
    with visited(echoes, context, 3) as port:  # to warm up, to be counted, and one that is broken off
        assert tls_handshakes.measure(port, os.getpid(), 0, count=1).work == 1


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (hangs_up, "hung up|instead of an answer"),
        (lambda connection: echoes(connection, bytes.swapcase), "other than"),
    ],
)
def test_a_visit_that_goes_wrong_is_an_error(
    context: ssl.SSLContext, behave: Behaviour, message: str
) -> None:
    with visited(behave, context, 1) as port, pytest.raises(ConnectionError, match=message):
        tls_handshakes.measure(port, os.getpid(), 0, count=1)


def test_to_be_kept_waiting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PATIENCE", 0.1)
    monkeypatch.setattr(tls_handshakes, "PATIENCE", 0.1)
    with (
        socket.create_server((HOST, 0)) as listener,
        pytest.raises(ConnectionError, match=r"for 0\.1 seconds"),
    ):
        tls_handshakes.measure(listener.getsockname()[1], os.getpid(), 0, count=2)


class Server:
    """OpenSSL's side of the handshake, in memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def shake_hands(self, data: bytes) -> bytes:
        self.incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


def in_pieces(size: int, data: bytes) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_a_handshake_of_our_own_is_one_that_openssl_takes(context: ssl.SSLContext, size: int) -> None:
    client, server = Client(), Server(context)
    *before, last = in_pieces(size, server.shake_hands(client.hello))
    assert all(client.finish(piece, REQUEST) == b"" for piece in before)
    tickets = server.shake_hands(client.finish(last, REQUEST))
    assert server.tls.cipher() == (tls_sockets.CIPHER, "TLSv1.3", 256)
    assert server.tls.read() == REQUEST
    server.tls.write(b"an answer")
    pieces = in_pieces(size, tickets + server.outgoing.read())
    assert b"".join(map(client.receive, pieces)) == b"an answer"
    server.incoming.write(client.close())
    assert server.tls.read() == b""


def test_another_kind_of_handshake_is_an_error(certificate: Path) -> None:
    other: ssl.SSLContext = CONTEXTS["ours"](certificate)
    other.set_ecdh_curve("prime256v1")
    client, server = Client(), Server(other)
    server.incoming.write(client.hello)
    with pytest.raises(ssl.SSLError):
        server.tls.do_handshake()
    with pytest.raises(ConnectionError, match="The server sent"):
        client.finish(server.outgoing.read(), REQUEST)


def test_another_cipher_is_an_error(context: ssl.SSLContext) -> None:
    client = Client()
    hello = Server(context).shake_hands(client.hello).replace(b"\x13\x02", b"\x13\x01", 1)
    with pytest.raises(ConnectionError, match="something else than X25519"):
        client.finish(hello, REQUEST)


def test_what_is_not_sealed_with_the_secret_is_an_error(context: ssl.SSLContext) -> None:
    client = Client()
    flight = Server(context).shake_hands(client.hello)
    with pytest.raises(InvalidTag):
        client.finish(flight[:-1] + bytes((flight[-1] ^ 1,)), REQUEST)
