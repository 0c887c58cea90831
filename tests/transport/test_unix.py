"""UNIX connections: what both ends promise, data both ways, and who is at the other end. How they end is in
``test_unix_ending.py``, descriptors that travel with the bytes in ``test_unix_passing.py``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until
from tests.transport.connecting import connected
from tests.transport.recorders import Connecting, Listening, Recorder
from tests.transport.unix_sockets import (
    MANY,
    both_kinds,
    conversing,
    linux_only,
    make_reactor,
    read,
    send,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.transport.unix import PeerCredentials

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


@contextlib.asynccontextmanager
async def both_ends(path: str, kind: str = "native", protocol: Any = Recorder) -> AsyncIterator[Any]:
    """A server's protocol and a client's, connected to each other."""
    async with make_reactor(kind) as reactor:
        server, client = Listening(protocol), Connecting(protocol)
        reactor.listenUNIX(path, server)
        reactor.connectUNIX(path, client)
        await connected(client)
        await until(lambda: server.protocols and server.protocols[0].made)
        yield server.protocols[0], client.protocols[0]


# -- what they promise


@pytest.mark.parametrize(
    "name",
    [
        "ITransport",
        "IUNIXTransport",
        "ISystemHandle",
        "IPushProducer",
        "IConsumer",
        "IReadWriteDescriptor",
        "IHalfCloseableDescriptor",
        "ILoggingContext",
    ],
)
@both_kinds
async def test_both_ends_provide_what_they_claim(path: str, name: str, kind: str) -> None:
    async with both_ends(path, kind) as ends:
        for end in ends:
            interface = getattr(end.transport.reactor.vocabulary.interfaces, name)
            assert verifyObject(interface, end.transport)


async def test_handles_and_numbers(path: str) -> None:
    async with both_ends(path) as ends:
        for end in ends:
            handle = end.transport.getHandle()
            assert (handle.family, handle.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
            assert handle.fileno() == end.transport.fileno() >= 0
            assert handle.getblocking() is False


async def test_options_of_tcp(path: str) -> None:
    """Programs set them on whatever they are given."""
    async with both_ends(path) as ends:
        for end in ends:
            transport = end.transport
            for value in (True, False, 1, 0):
                transport.setTcpNoDelay(value)
                assert transport.getTcpNoDelay() is False
                transport.setTcpKeepAlive(value)
                assert transport.getTcpKeepAlive() is bool(value)
                option = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert bool(option) is bool(value)


# -- who is at the other end


@linux_only
@both_kinds
async def test_both_ends_tell_who_the_other_is(path: str, kind: str) -> None:
    async with both_ends(path, kind) as ends:
        ours = PeerCredentials(pid=os.getpid(), uid=os.geteuid(), gid=os.getegid())
        for end in ends:
            assert end.transport.peer_credentials() == ours
            pid, uid, gid = end.transport.peer_credentials()
            assert (pid, uid, gid) == tuple(ours)


CONNECT = """
import os, socket, sys
user = int(sys.argv[2])
if user:
    os.setgid(user)
    os.setuid(user)
with socket.socket(socket.AF_UNIX) as skt:
    skt.connect(sys.argv[1])
    skt.recv(1)
"""


@linux_only
@pytest.mark.parametrize("user", [0, 65534, 4_000_000_000])
async def test_another_process_is_told_from_ours(path: str, user: int) -> None:
    if user and os.geteuid():
        pytest.skip("only root can be another user")
    os.chmod(os.path.dirname(path), 0o755)
    async with AsyncioReactor() as reactor:
        factory = Listening()
        reactor.listenUNIX(path, factory)
        with subprocess.Popen([sys.executable, "-c", CONNECT, path, str(user)]) as process:
            await until(lambda: factory.protocols and factory.protocols[0].made)
            transport = factory.protocols[0].transport
            found = transport.peer_credentials()
            transport.loseConnection()
            await until(lambda: process.poll() is not None)
            assert process.returncode == 0
        uid, gid = (user, user) if user else (os.geteuid(), os.getegid())
        assert found == (process.pid, uid, gid)


async def test_where_nobody_tells_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_PEERCRED", raising=False)
    async with conversing() as (protocol, _peer):
        with pytest.raises(NotImplementedError):
            protocol.transport.peer_credentials()


# -- data


@both_kinds
async def test_megabytes_arrive_whole_in_both_directions(kind: str) -> None:
    async with conversing(Recorder, kind) as (protocol, peer):
        protocol.transport.write(MANY)
        _, got = await asyncio.gather(send(peer, MANY[::-1]), read(peer, len(MANY)))
        assert got == MANY
        await until(lambda: len(protocol.received) == len(MANY))
        assert protocol.received == MANY[::-1]


@both_kinds
async def test_megabytes_between_two_of_our_own(path: str, kind: str) -> None:
    async with both_ends(path, kind) as (server, client):
        server.transport.writeSequence([MANY[:1000], MANY[1000:]])
        client.transport.write(MANY[::-1])
        await until(lambda: len(server.received) == len(client.received) == len(MANY))
        assert (server.received, client.received) == (MANY[::-1], MANY)


async def test_many_small_writes_and_a_large_one() -> None:
    async with conversing() as (protocol, peer):
        for _ in range(1100):
            protocol.transport.write(b"x")
        protocol.transport.write(MANY)
        protocol.transport.loseConnection()
        assert await read(peer) == b"x" * 1100 + MANY
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_only_bytes_can_be_written() -> None:
    async with conversing() as (protocol, peer):
        with pytest.raises(TypeError):
            protocol.transport.write("text")
        protocol.transport.write(bytearray(b"more "))
        protocol.transport.write(memoryview(b"bytes"))
        assert await read(peer, 10) == b"more bytes"


async def test_a_paused_transport_reads_nothing() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.pauseProducing()
        await send(peer, b"early")
        for _ in range(20):
            await asyncio.sleep(0)
        assert protocol.received == b""
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"early")


class Pushing:
    """A producer that writes a piece a turn as long as it is not paused."""

    def __init__(self, transport: Any, count: int) -> None:
        self.transport = transport
        self.left = count
        self.calls: list[str] = []
        self.paused = False
        transport.registerProducer(self, True)
        self.write()

    def write(self) -> None:
        while self.left and not self.paused:
            self.left -= 1
            self.transport.write(b"x" * 10_000)
        if not self.left:
            self.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self.calls.append("pause")
        self.paused = True

    def resumeProducing(self) -> None:
        self.calls.append("resume")
        self.paused = False
        self.write()

    def stopProducing(self) -> None:
        self.calls.append("stop")
        self.paused = True


@both_kinds
async def test_a_producer_is_held_back_by_who_does_not_read(kind: str) -> None:
    async with conversing(Recorder, kind) as (protocol, peer):
        producer = Pushing(protocol.transport, 500)
        await until(lambda: len(protocol.transport.dataBuffer) < 65_536 or producer.paused)
        for _ in range(20):
            await asyncio.sleep(0)
        assert producer.left and producer.paused
        protocol.transport.loseConnection()
        if kind == "native":  # Twisted's transports don't wait for who pushes
            assert await read(peer) == b"x" * 5_000_000
            assert producer.calls[-1] == "resume" and "stop" not in producer.calls
        else:
            await read(peer)
        await until(lambda: protocol.reasons)


async def test_a_producer_is_told_that_the_connection_is_lost() -> None:
    async with conversing(Recorder) as (protocol, peer):
        producer = Pushing(protocol.transport, 1_000)
        await until(lambda: producer.paused)
        peer.close()
        await until(lambda: protocol.reasons)
        assert producer.calls[-1] == "stop"
