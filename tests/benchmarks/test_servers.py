"""Every workload on every peer that can run here, over real sockets: that all of them do the same thing is
what makes comparing them fair."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

from benchmarks.clients.sockets import connect, connections, reset
from benchmarks.clients.tls_sockets import channels
from benchmarks.clients.wrk import exchange
from benchmarks.peers import OTHER_TLS, PEERS, SERVERS, TWISTED_WORDS
from benchmarks.processes import serving
from benchmarks.servers import (
    OF_DATAGRAMS,
    OF_TWISTED,
    OVER_TLS,
    PIECE,
    WORKLOADS,
    asyncio_protocol,
    asyncio_streams,
    raw_epoll,
    twisted_style,
)
from benchmarks.servers.__main__ import serve
from benchmarks.servers.ours import WORDS
from benchmarks.servers.tls_contexts import CONTEXTS, make_certificate
from tests.support import skip_without

ROOT = Path(__file__).parents[2]
EVERYBODY = (*SERVERS, *TWISTED_WORDS)
MORE_THAN_A_KERNEL_TAKES = 12 * 2**20
SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"


@dataclass
class Running:
    """A server that is up.

    :ivar ports: by workload.
    :ivar said: what it writes to standard error.
    """

    process: subprocess.Popen[str]
    ports: dict[str, int]
    said: Path


def start(peer: str, workloads: tuple[str, ...], said: Path, certificate: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.servers", peer, *workloads, "--lifetime", "600"]
    if certificate.exists():
        command += ["--certificate", str(certificate)]
    with said.open("w") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """One server for each peer, all started at once."""
    logs = tmp_path_factory.mktemp("servers")
    certificate = logs / "certificate.pem"
    if find_spec("OpenSSL") is not None:
        make_certificate(certificate)
    up: dict[str, Running] = {}
    with ExitStack() as stack:
        for name in (*EVERYBODY, *OTHER_TLS, "raw-epoll"):
            if PEERS[name].missing() is None:
                workloads = tuple(WORKLOADS) if name in EVERYBODY else ("echo",)
                if name in TLS_PEERS and certificate.exists():
                    workloads += tuple(OVER_TLS)
                if name in DATAGRAM_PEERS:
                    workloads += tuple(OF_DATAGRAMS)
                if name in TWISTED_PEERS:
                    workloads += tuple(OF_TWISTED)
                process = stack.enter_context(start(name, workloads, logs / name, certificate))
                stack.callback(process.terminate)
                up[name] = Running(process, dict.fromkeys(workloads, 0), logs / name)
        for each in up.values():
            assert each.process.stdout is not None
            for workload in each.ports:
                port = each.process.stdout.readline()
                assert port, each.said.read_text()
                each.ports[workload] = int(port)
        yield up


def server_of(peer: str, running: dict[str, Running]) -> Running:
    if peer not in running:
        skip_without(str(PEERS[peer].missing()), "pip install twisted uvloop")
    return running[peer]


HALF_A_LINE = b"a line\r\nand ha"


def receive(connection: socket.socket, count: int) -> bytes:
    return connection.recv(count, socket.MSG_WAITALL)


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo(port: int) -> None:
    with connections(port, 2) as (one, two):
        one.sendall(b"this")
        two.sendall(b"that")
        assert receive(one, 4) == b"this"
        assert receive(two, 4) == b"that"


def lines(port: int) -> None:
    with connections(port, 1) as (connection,):
        connection.sendall(b"one\r\n\r\nthr")
        connection.sendall(b"ee\r")
        connection.sendall(b"\n.\r\n")
        assert receive(connection, 3) == b"3\r\n"
        connection.sendall(b".\r\n" + b"x" * 62 + b"\r\n..\r\n.\r\n")
        assert receive(connection, 6) == b"0\r\n2\r\n"


def line_echo(port: int) -> None:
    with connections(port, 1) as (connection,):
        connection.sendall(b"one\r\ntwo\r\nthr")
        assert receive(connection, 10) == b"one\r\ntwo\r\n"
        connection.sendall(b"ee\r\n")
        assert receive(connection, 7) == b"three\r\n"


def bulk(port: int) -> None:
    with connections(port, 4) as (slow, *others):
        slow.sendall(
            b"%d\r\n" % MORE_THAN_A_KERNEL_TAKES
        )  # and it takes nothing until the others have theirs
        for each, count in zip(others, (0, 1, 300_001), strict=True):
            each.sendall(b"%d\r\n" % count)
            assert everything(each) == PIECE * (count // len(PIECE)) + PIECE[: count % len(PIECE)]
        assert everything(slow) == PIECE * (MORE_THAN_A_KERNEL_TAKES // len(PIECE))


def take(port: int) -> None:
    with connections(port, 1) as (connection,):
        for payload in (b".", b"x" * 300_000 + b"."):
            connection.sendall(payload)
            answer = b"%d\r\n" % len(payload)
            assert receive(connection, len(answer)) == answer


def broadcast(port: int) -> None:
    first = connect(port)
    with connections(port, 2) as (second, third):
        third.sendall(b"to all")  # the last one, so that all are there
        assert [receive(each, 6) for each in (first, second, third)] == [b"to all"] * 3
        reset(first)
        second.sendall(b"again")
        assert [receive(each, 5) for each in (second, third)] == [b"again"] * 2


def greet(port: int) -> None:
    with connections(port, 2) as (one, two):
        assert receive(one, 1) == receive(two, 1) == b"!"
        one.sendall(b"?")  # which it has no answer to
        one.shutdown(socket.SHUT_WR)
        assert everything(one) == b""


def resp(port: int) -> None:
    with connections(port, 1) as (connection,):
        connection.sendall(SET + b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
        assert receive(connection, 12) == b"+OK\r\n$1\r\nv\r\n"


def resp_null(port: int) -> None:
    with connections(port, 1) as (connection,):
        connection.sendall(SET + SET[:7])
        assert receive(connection, 5) == b"+OK\r\n"
        connection.sendall(SET[7:] + SET)
        assert receive(connection, 10) == b"+OK\r\n" * 2


def answer(connection: socket.socket) -> bytes:
    """The next datagram, but for an answer to a client that had the same number and has gone."""
    while (datagram := connection.recv(65536)) == HALF_A_LINE:
        pass
    return datagram


def udp_echo(port: int) -> None:
    with connections(port, 2, datagrams=True) as (one, two):
        for datagram in (b"this", b"this too", b"x" * 1024):
            one.send(datagram)
        two.send(b"that")
        assert [answer(one) for _ in range(3)] == [b"this", b"this too", b"x" * 1024]
        assert answer(two) == b"that"


def tls_echo(port: int) -> None:
    with channels(port, 2) as (one, two):
        one.send(b"this")
        two.send(b"that" * 8192)
        assert one.receive_exactly(4) == b"this"
        assert two.receive_exactly(32768) == b"that" * 8192


def tls_push(port: int) -> None:
    with channels(port, 3) as (slow, one, two):
        slow.send(b"%d\r\n" % MORE_THAN_A_KERNEL_TAKES)
        for each, count in ((one, 0), (two, 300_001), (slow, MORE_THAN_A_KERNEL_TAKES)):
            if each is not slow:
                each.send(b"%d\r\n" % count)
            whole, rest = divmod(count, len(PIECE))
            assert b"".join(iter(each.receive, b"")) == PIECE * whole + PIECE[:rest]


def tls_take(port: int) -> None:
    with channels(port, 1) as (channel,):
        for payload in (b".", b"x" * 300_000 + b"."):
            channel.send(payload)
            answer = b"%d\r\n" % len(payload)
            assert channel.receive_exactly(len(answer)) == answer


def web(port: int) -> None:
    exchange(port, 0)
    with connections(port, 1) as (connection,):
        connection.sendall(b"POST / HTTP/1.0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.0 405 ")


EXCHANGES: dict[str, Callable[[int], None]] = {
    "echo": echo,
    "lines": lines,
    "line-echo": line_echo,
    "push": bulk,
    "pull": bulk,
    "take": take,
    "broadcast": broadcast,
    "resp": resp,
    "resp-null": resp_null,
    "greet": greet,
}
"""What every peer does."""
EXCHANGES_OF_DATAGRAMS: dict[str, Callable[[int], None]] = {"udp-echo": udp_echo}
EXCHANGES_OVER_TLS: dict[str, Callable[[int], None]] = {
    "tls-echo": tls_echo,
    "tls-push": tls_push,
    "tls-take": tls_take,
}
EXCHANGES_OF_TWISTED: dict[str, Callable[[int], None]] = {"web": web}
DATAGRAM_PEERS = [name for name in EVERYBODY if PEERS[name].kind != "streams"]
TLS_PEERS = [name for name in (*EVERYBODY, *OTHER_TLS) if PEERS[name].kind in CONTEXTS]
TWISTED_PEERS = [name for name in EVERYBODY if PEERS[name].kind in ("twisted", "ours-twisted")]


@pytest.mark.parametrize(("peer", "workload"), [*product(EVERYBODY, EXCHANGES), ("raw-epoll", "echo")])
def test_every_peer_does_what_the_workload_is(peer: str, workload: str, running: dict[str, Running]) -> None:
    EXCHANGES[workload](server_of(peer, running).ports[workload])


@pytest.mark.parametrize(("peer", "workload"), [*product(DATAGRAM_PEERS, EXCHANGES_OF_DATAGRAMS)])
def test_all_but_streams_answer_datagrams(peer: str, workload: str, running: dict[str, Running]) -> None:
    EXCHANGES_OF_DATAGRAMS[workload](server_of(peer, running).ports[workload])


@pytest.mark.parametrize(("peer", "workload"), [*product(TLS_PEERS, EXCHANGES_OVER_TLS)])
def test_all_but_streams_serve_over_tls(peer: str, workload: str, running: dict[str, Running]) -> None:
    ports = server_of(peer, running).ports
    if workload not in ports:
        skip_without("pyOpenSSL", "pip install pyOpenSSL")
    EXCHANGES_OVER_TLS[workload](ports[workload])


def test_the_bare_loop_answers_datagrams() -> None:
    peer = PEERS["raw-epoll"]
    if lack := peer.missing():
        pytest.skip(f"{lack} is not there")
    with serving(peer, "udp-echo", 0.1) as server:
        udp_echo(server.port)


@pytest.mark.parametrize(("peer", "workload"), [*product(TWISTED_PEERS, EXCHANGES_OF_TWISTED)])
def test_what_stands_on_twisted_does_what_it_should(
    peer: str, workload: str, running: dict[str, Running]
) -> None:
    EXCHANGES_OF_TWISTED[workload](server_of(peer, running).ports[workload])


LAST_WORDS = {
    "push": (b"", b"%d\r\n" % MORE_THAN_A_KERNEL_TAKES),
    "pull": (b"", b"%d\r\n" % MORE_THAN_A_KERNEL_TAKES),
    "broadcast": (b"",),  # it would reach others
}
"""What clients say before they go; others than these: nothing, a line and half a line."""


@pytest.mark.parametrize("peer", [*EVERYBODY, *OTHER_TLS, "raw-epoll"])
def test_clients_that_go_away_leave_servers_unmoved(peer: str, running: dict[str, Running]) -> None:
    server = server_of(peer, running)
    every_exchange = EXCHANGES | EXCHANGES_OVER_TLS | EXCHANGES_OF_DATAGRAMS | EXCHANGES_OF_TWISTED
    for workload, port in server.ports.items():
        for words in LAST_WORDS.get(workload, (b"", HALF_A_LINE)):
            for leave in (reset, socket.socket.close):
                connection = connect(port, datagrams=workload in OF_DATAGRAMS)
                connection.sendall(words)
                leave(connection)
        every_exchange[workload](port)
    assert server.process.poll() is None
    assert server.said.read_text() == ""


def test_every_library_serves_every_workload() -> None:
    assert set(asyncio_protocol.PROTOCOLS) == set(asyncio_streams.HANDLERS) == set(WORKLOADS)
    assert set(EXCHANGES) == set(WORKLOADS)
    assert set(EXCHANGES_OVER_TLS) == set(OVER_TLS)
    assert set(OVER_TLS.values()) <= set(WORKLOADS)
    assert set(EXCHANGES_OF_TWISTED) == set(OF_TWISTED)
    assert set(asyncio_protocol.DATAGRAMS) == set(twisted_style.DATAGRAMS) == set(OF_DATAGRAMS)
    assert set(EXCHANGES_OF_DATAGRAMS) == set(OF_DATAGRAMS)
    for workload in WORKLOADS:
        assert callable(twisted_style.factory(workload, WORDS).buildProtocol)


def test_what_is_not_served_is_said() -> None:
    for workloads in (["lines"], ["echo", "lines"], ["echo", "udp-echo"]):
        with pytest.raises(ValueError, match=f"one of echo or udp-echo, not {' and '.join(workloads)}"):
            raw_epoll.serve(workloads, 1)
    with pytest.raises(ValueError, match="bare-asyncio is no server"):
        serve("bare-asyncio", ["echo"], 1)
    with pytest.raises(ValueError, match="ours-asyncio doesn't serve web: that stands on Twisted"):
        serve("ours-asyncio", ["echo", "web"], 1)
    with pytest.raises(ValueError, match="streams-asyncio doesn't serve udp-echo: a stream has no datagrams"):
        serve("streams-asyncio", ["echo", "udp-echo"], 1)
    with pytest.raises(ValueError, match="protocol-asyncio doesn't serve tls-echo: it was given no cert"):
        serve("protocol-asyncio", ["echo", "tls-echo"], 1)
    with pytest.raises(ValueError, match="streams-asyncio doesn't serve tls-take: TLS is not among"):
        serve("streams-asyncio", ["tls-take"], 1, Path("certificate.pem"))
