"""Passing descriptors: producers that are held back by them, subclasses that send in their own way, and what
stays behind."""

from __future__ import annotations

import asyncio
import socket
import weakref
from typing import Any

import pytest

from tests.support import until
from tests.transport.unix_sockets import (
    Receiver,
    adopted,
    all_gone,
    both_kinds,
    close_read,
    conversing,
    descriptors,
    read,
    read_each,
)
from twisted_compat import AsyncioReactor
from twisted_compat.transport.unix import Server

pytestmark = pytest.mark.without_debug

# -- producers


class Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


@both_kinds
async def test_a_producer_is_paused_by_many_descriptors_and_resumed_when_they_are_sent(kind: str) -> None:
    with descriptors(1) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            producer = Producer()
            protocol.transport.registerProducer(producer, True)
            for _ in range(64):
                protocol.transport.sendFileDescriptor(passed[0].fd)
            assert producer.calls == []
            protocol.transport.write(b"x" * 64)
            assert producer.calls == []
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"x")
            assert producer.calls == ["pause"]
            found = await read_each(peer, 65)
            assert sum(len(fds) for _, fds in found) == 65
            close_read(found)
            await until(lambda: producer.calls == ["pause", "resume"])
            protocol.transport.unregisterProducer()


async def test_a_producer_that_writes_one_byte_for_each_descriptor_goes_on_for_ever() -> None:
    """However many of them it is paused by."""

    class Passing(Producer):
        left = 300

        def resumeProducing(self) -> None:
            super().resumeProducing()
            self.produce()

        def produce(self) -> None:
            while self.left and self.calls[-1:] != ["pause"]:
                self.left -= 1
                protocol.transport.sendFileDescriptor(passed[0].fd)
                protocol.transport.write(b"x")
            if not self.left:
                protocol.transport.unregisterProducer()
                protocol.transport.loseConnection()

    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            producer = Passing()
            protocol.transport.registerProducer(producer, True)
            producer.produce()
            assert producer.calls == ["pause"]
            found = await read_each(peer, 300)
            assert sum(len(fds) for _, fds in found) == 300
            close_read(found)
            assert await read(peer) == b""
            assert all_gone(passed)


async def test_a_producer_is_not_left_paused_by_descriptors_that_no_byte_carries() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            producer = Producer()
            protocol.transport.registerProducer(producer, True)
            for _ in range(65):
                protocol.transport.sendFileDescriptor(passed[0].fd)
            assert producer.calls == ["pause"]
            await until(lambda: producer.calls == ["pause", "resume"])  # who else should write the bytes?
            protocol.transport.write(b"x" * 65)
            found = await read_each(peer, 65)
            assert sum(len(fds) for _, fds in found) == 65
            close_read(found)
            protocol.transport.unregisterProducer()


# -- subclasses


async def test_a_subclass_may_send_in_its_own_way() -> None:
    class Careful(Server):
        def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
            sizes.append(len(data))
            return super().writeSomeData(data[:3])

    sizes: list[int] = []
    with descriptors(1) as passed:
        async with AsyncioReactor() as reactor:
            ours, theirs = socket.socketpair()
            with theirs:
                theirs.setblocking(False)
                protocol = Receiver()
                transport = Careful(ours, protocol, "", None, 0, reactor)
                protocol.makeConnection(transport)
                transport.write(b"12345678")
                assert await read(theirs, 8) == b"12345678"
                assert sizes == [8, 5, 2]
                transport.sendFileDescriptor(passed[0].fd)
                transport.write(b"abcd")
                found = await read_each(theirs, 4)
                assert [len(fds) for _, fds in found] == [1, 0, 0, 0]
                assert sizes == [8, 5, 2, 4, 1]
                close_read(found)
                transport.loseConnection()
                assert await read(theirs) == b""


async def test_a_lost_connection_that_passed_descriptors_leaves_no_cycle(no_collector: None) -> None:
    with descriptors(2) as passed:
        async with AsyncioReactor() as reactor:
            lost: list[Any] = []
            protocol = Receiver()
            with adopted(reactor, protocol) as peer:
                transport = protocol.transport
                watched = weakref.ref(transport)
                transport.sendFileDescriptor(passed[0].fd)
                transport.write(b"x")
                close_read(await read_each(peer, 1))
                transport.sendFileDescriptor(passed[1].fd)
                transport.loseConnection()
                protocol.on_lost = lost.append
                await until(lambda: lost)
                protocol.transport = None
                protocol.reasons.clear()
                lost.clear()
                del transport
                await asyncio.sleep(0)
                assert watched() is None
