"""Producers whose data goes through TLS: in bounded memory, and registered before or after it was started."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.secured import (
    MARKS,
    Notes,
    secure,
    two_of_ours,
)
from tests.support import until

pytestmark = MARKS

PIECE = bytes(1 << 16)


@implementer(IPushProducer)
class Pushing:
    """Writes a piece for every turn of the loop, as long as it may."""

    def __init__(self, transport: Any, pieces: int) -> None:
        self.transport = transport
        self.left = pieces
        self.pauses = self.stops = 0
        self.paused = False
        self.most = 0
        self._soon()

    def _soon(self) -> None:
        self.transport.reactor.callLater(0, self._write)

    def _write(self) -> None:
        if self.paused or not self.left:
            return
        self.left -= 1
        self.transport.write(PIECE)
        self.most = max(self.most, len(self.transport.dataBuffer))
        if self.left:
            self._soon()
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.pauses += 1
        self.paused = True

    def resumeProducing(self) -> None:
        if self.paused:
            self.paused = False
            self._soon()

    def stopProducing(self) -> None:
        self.stops += 1
        self.paused = True


@implementer(IPullProducer)
class Pulled:
    """Writes a piece whenever it is asked to, but for the first ``idle`` times."""

    def __init__(self, transport: Any, pieces: int, idle: int = 0) -> None:
        self.transport = transport
        self.left = pieces
        self.idle = idle
        self.stops = 0

    def resumeProducing(self) -> None:
        if self.idle:
            self.idle -= 1
            return
        self.left -= 1
        self.transport.write(PIECE)
        if not self.left:
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self.stops += 1


class Counting(Notes):
    """Counts what it receives."""

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)


@pytest.mark.parametrize("before", [True, False], ids=["registered before", "registered after"])
@pytest.mark.parametrize("kind", [Pushing, Pulled], ids=["push", "pull"])
async def test_a_producer_goes_on_through_tls(authority: Authority, kind: Any, before: bool) -> None:
    pieces = 64  # 4 MiB
    async with two_of_ours(Counting()) as (server, client):
        if kind is Pushing:
            producer = Pushing(server.transport, pieces)
        else:
            producer = Pulled(server.transport, pieces, idle=before)  # being registered, it is asked at once
        if not before:
            secure(server, client, authority)
        server.transport.registerProducer(producer, kind is Pushing)
        if before:
            secure(server, client, authority)
        await until(lambda: client.reasons)
        assert client.count == pieces * len(PIECE)
        assert producer.left == producer.stops == 0
        assert client.reasons[0].check(ConnectionDone)


async def test_much_data_takes_little_memory(authority: Authority) -> None:
    pieces = 256  # 16 MiB
    async with two_of_ours(Counting()) as (server, client):
        secure(server, client, authority)
        client.transport.pauseProducing()
        producer = Pushing(server.transport, pieces)
        server.transport.registerProducer(producer, True)
        client.transport.resumeProducing()
        await until(lambda: client.count)
        client.transport.pauseProducing()
        await until(lambda: producer.paused)  # nobody reads: it is told
        assert producer.left
        client.transport.resumeProducing()
        await until(lambda: client.reasons)
        assert client.count == pieces * len(PIECE)
        assert producer.pauses
        assert producer.most < 8 * len(PIECE)


async def test_a_producer_is_stopped_when_the_connection_is_lost(authority: Authority) -> None:
    async with two_of_ours() as (server, client):
        secure(server, client, authority)
        producer = Pushing(server.transport, 1 << 20)
        server.transport.registerProducer(producer, True)
        await until(lambda: client.received)
        client.transport.abortConnection()
        await until(lambda: server.reasons)
        assert producer.stops == 1
        late = Pulled(server.transport, 1)
        server.transport.registerProducer(late, False)
        assert (late.left, late.stops) == (1, 1)
