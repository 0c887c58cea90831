"""Every way in which a UNIX connection ends: from either side, whole or by halves, and what is left then."""

from __future__ import annotations

import asyncio
import errno
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.recorders import Echo, Listening, Recorder, errors_logged
from tests.transport.unix_sockets import (
    MANY,
    Halves,
    both_kinds,
    client_of,
    conversing,
    read,
    send,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


# -- the peer ends it


@both_kinds
async def test_the_end_of_the_stream_is_connection_done(kind: str) -> None:
    async with conversing(Recorder, kind) as (protocol, peer):
        await send(peer, b"bye")
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: protocol.reasons)
        assert protocol.received == b"bye"
        assert protocol.reasons[0].check(protocol.transport.reactor.vocabulary.error.ConnectionDone)
        assert await read(peer) == b""
        assert len(protocol.reasons) == 1


async def test_all_is_read_that_came_before_the_end() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.bufferSize = 1000
        await send(peer, b"x" * 30_500)
        peer.close()
        await until(lambda: protocol.reasons)
        assert protocol.received == b"x" * 30_500
        assert protocol.reasons[0].check(ConnectionDone)


async def test_a_peer_that_closes_over_what_we_sent_is_connection_lost() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.write(b"unread")
        await until(lambda: not protocol.transport.dataBuffer)
        peer.close()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionLost)
        assert protocol.reasons[0].value.__cause__.errno == errno.ECONNRESET


async def test_writing_to_who_is_gone_is_connection_lost(caplog: pytest.LogCaptureFixture) -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.pauseProducing()  # so that only the writing can find out
        protocol.transport.write(MANY)
        peer.close()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionLost)
        assert protocol.reasons[0].value.__cause__.errno in (errno.EPIPE, errno.ECONNRESET)
        assert protocol.transport.dataBuffer == b""
        protocol.transport.write(b"dropped")
    assert errors_logged(caplog) == []


# -- we end it


async def test_losing_the_connection_sends_what_was_written_first() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.write(MANY)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not protocol.reasons
        assert await read(peer) == MANY
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        protocol.transport.loseConnection()
        protocol.transport.abortConnection()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(protocol.reasons) == 1


async def test_what_nobody_reads_any_more_does_not_cost_the_peer_the_answer() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.pauseProducing()
        await send(peer, b"unread" * 1_000)
        protocol.transport.write(b"answer")
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert await read(peer) == b"answer"


@both_kinds
async def test_aborting_sends_nothing(kind: str) -> None:
    async with conversing(Recorder, kind) as (protocol, peer):
        protocol.transport.write(b"never")
        protocol.transport.abortConnection()
        protocol.transport.write(b"nor this")
        protocol.transport.loseConnection()
        protocol.transport.resumeProducing()
        assert not protocol.reasons  # it hears of it on a later turn
        assert await read(peer) == b""
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(protocol.transport.reactor.vocabulary.error.ConnectionAborted)


async def test_aborting_ends_a_closing_that_cannot_finish() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.write(MANY)
        protocol.transport.loseConnection()
        for _ in range(5):
            await asyncio.sleep(0)
        protocol.transport.abortConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionAborted)
        assert len(await read(peer)) < len(MANY)


@both_kinds
async def test_the_peer_ends_its_half_first(kind: str) -> None:
    async with conversing(Halves, kind) as (protocol, peer):
        await send(peer, b"question")
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: protocol.halves == ["read"])
        assert protocol.received == b"question"
        protocol.transport.write(MANY)
        assert await read(peer, len(MANY)) == MANY
        protocol.transport.loseConnection()
        assert await read(peer) == b""
        await until(lambda: protocol.reasons)
        assert protocol.halves == ["read"]


@both_kinds
async def test_we_end_our_half_first(kind: str) -> None:
    async with conversing(Halves, kind) as (protocol, peer):
        protocol.transport.write(MANY)
        protocol.transport.loseWriteConnection()
        assert protocol.halves == []
        assert await read(peer) == MANY
        await until(lambda: protocol.halves == ["write"])
        protocol.transport.write(b"dropped")
        await send(peer, b"answer")
        await until(lambda: protocol.received == b"answer")
        peer.close()
        await until(lambda: protocol.halves == ["write", "read"])
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)


async def test_half_closing_when_the_protocol_does_not_care() -> None:
    async with conversing(Recorder) as (protocol, peer):
        protocol.transport.write(b"all")
        protocol.transport.loseWriteConnection()
        assert await read(peer) == b"all"
        await send(peer, b"still heard")
        await until(lambda: protocol.received == b"still heard")
        peer.close()
        await until(lambda: protocol.reasons)


# -- protocols that raise, and what stays behind


@pytest.mark.parametrize("callback", ["dataReceived", "connectionLost"])
async def test_an_exception_ends_its_connection_alone(
    path: str, callback: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Echo):
        def dataReceived(self, data: bytes) -> None:
            if callback == "dataReceived":
                raise ZeroDivisionError
            self.transport.loseConnection()

        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            if callback == "connectionLost":
                raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        factory = Listening(Broken)
        reactor.listenUNIX(path, factory)
        with client_of(path) as skt:
            await send(skt, b"x")
            assert await read(skt) == b""
        await until(lambda: factory.protocols[0].reasons)
        assert len(errors_logged(caplog)) == 1
        factory.protocol = Echo
        with client_of(path) as skt:
            await send(skt, b"x")
            assert await read(skt, 1) == b"x"


@pytest.mark.parametrize("ending", ["lose", "abort", "peer", "half"])
async def test_no_reference_cycle_is_left(path: str, ending: str, no_collector: None) -> None:
    async with AsyncioReactor() as reactor:
        ended: list[str] = []
        halves: list[str] = []
        factory = Listening(Halves if ending == "half" else Recorder)
        reactor.listenUNIX(path, factory)
        with client_of(path) as peer:
            await until(lambda: factory.protocols and factory.protocols[0].made)
            protocol = factory.protocols.pop()
            protocol.on_lost, protocol.halves = (lambda protocol: ended.append("lost")), halves
            transport = protocol.transport
            watched = [weakref.ref(protocol), weakref.ref(transport)]
            reasons = protocol.reasons
            del protocol
            transport.write(b"x")
            if ending == "lose":
                transport.loseConnection()
            elif ending == "abort":
                transport.abortConnection()
            elif ending == "peer":
                peer.shutdown(socket.SHUT_RDWR)
            else:
                transport.loseWriteConnection()
                await until(lambda: halves)
                transport.loseConnection()
            del transport
            await until(lambda: ended)
            reasons.clear()
            await asyncio.sleep(0)
            assert [reference() for reference in watched] == [None, None]
