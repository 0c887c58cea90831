"""The turn-end flush: when what is written goes out, and in whose turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.adapter.strangers import (
    Ours,
    make_set,
    turns,
)
from tests.support import until, within
from twisted_compat.adapter.fdset import ALONE
from twisted_compat.adapter.registration import SENDS_A_TURN

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Spied:
    """A set whose flushes and calls of ``loop.add_writer`` are counted."""

    def __init__(self, fdset: Any) -> None:
        self.flushes = 0
        self.watched_writers = 0
        add, flush = fdset.board.add, fdset._flush_due

        def counting_add(writing: bool, fd: int, callback: Any) -> None:
            self.watched_writers += writing
            add(writing, fd, callback)

        def counting_flush() -> None:
            self.flushes += 1
            flush()

        fdset.board.add, fdset._flush_due = counting_add, counting_flush


async def test_what_is_written_in_its_own_read_goes_out_as_that_returns(fdset: Any, sockets: Any) -> None:
    skt, peer = sockets()
    spied = Spied(fdset)

    def on_data(self: Ours, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.events.append, "next turn")
        self.write(data)
        self.write(b"!")
        self.events.append("returned")

    ours = Ours(skt, fdset, on_data)
    ours.startReading()
    peer.send(b"x")
    await until(lambda: "next turn" in ours.events)
    assert ours.events == ["read", "returned", "send", "next turn"]
    assert peer.recv(100) == b"x!"
    assert (spied.flushes, spied.watched_writers) == (0, 0)
    assert fdset.getWriters() == []
    ours.connectionLost(None)


async def test_answers_of_one_turn_go_out_together_once_several_have_been_seen_to_come(
    fdset: Any, sockets: Any
) -> None:
    made = [sockets() for _ in range(5)]
    events: list[str] = []

    def on_data(self: Ours, data: bytes) -> None:
        events.append("read")
        self.write(data)

    connections = [Ours(skt, fdset, on_data) for skt, _ in made]
    for connection in connections:
        connection.startReading()
        connection.events = events
    rounds = 0
    while events[-10:] != ["read"] * 5 + ["send"] * 5:
        rounds += 1
        assert rounds <= 3 * ALONE
        events.clear()
        for _, peer in made:
            peer.send(b"x")
        await until(lambda: events.count("send") == 5)
        assert all(peer.recv(10) == b"x" for _, peer in made)
    # One alone again is sent at the end of its turn, once, and then right away.
    for left in (ALONE, ALONE - 1):
        events.clear()
        made[0][1].send(b"y")
        await until(lambda: "send" in events)
        assert made[0][1].recv(10) == b"y"
        assert fdset.alone == left
    for connection in connections:
        connection.connectionLost(None)


async def test_reading_alone_sends_nothing(fdset: Any, sockets: Any) -> None:
    skt, peer = sockets()
    ours = Ours(skt, fdset)
    ours.startReading()
    peer.send(b"x")
    await until(lambda: ours.events)
    assert ours.events == ["read"] and fdset.getWriters() == []
    ours.write(b"later")
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer, 100), 5) == b"later"
    ours.connectionLost(None)


async def test_what_is_written_elsewhere_goes_out_once_a_turn(fdset: Any, sockets: Any) -> None:
    spied = Spied(fdset)
    made = [sockets() for _ in range(3)]
    ours = [Ours(skt, fdset) for skt, _ in made]
    for piece in (b"a", b"b", b"c"):
        for each in ours:
            each.write(piece)
    assert [each.events for each in ours] == [[], [], []]
    assert fdset.getWriters() == ours
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [each.events for each in ours] == [["send"], ["send"], ["send"]]
    assert [peer.recv(100) for _, peer in made] == [b"abc"] * 3
    assert (spied.flushes, spied.watched_writers) == (1, 0)
    assert fdset.getWriters() == []
    for each in ours:
        each.connectionLost(None)
    assert fdset.descriptors() == []


async def test_one_connections_read_writes_to_another(fdset: Any, sockets: Any) -> None:
    (first, first_peer), (second, second_peer) = sockets(), sockets()
    spied = Spied(fdset)
    other = Ours(second, fdset)
    ours = Ours(first, fdset, lambda self, data: other.write(data))
    ours.startReading()
    first_peer.send(b"x")
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(second_peer, 100), 5) == b"x"
    assert (spied.flushes, spied.watched_writers) == (1, 0)
    ours.connectionLost(None)
    other.connectionLost(None)


@pytest.mark.parametrize("inside", [True, False])
async def test_the_loop_watches_only_when_the_kernel_would_block(
    fdset: Any, sockets: Any, inside: bool
) -> None:
    skt, peer = sockets()
    spied = Spied(fdset)
    data = bytes(range(256)) * 20_000
    ours = Ours(skt, fdset, lambda self, _: self.write(data))
    ours.startReading()
    if inside:
        peer.send(b"x")
    else:
        ours.write(data)
    await until(lambda: fdset.getWriters() and spied.watched_writers)
    received = b""
    while len(received) < len(data):
        received += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer, 2**20), 5)
    assert received == data
    await until(lambda: not fdset.getWriters())
    assert spied.watched_writers == 1
    ours.write(b"again")
    await turns()
    assert spied.watched_writers == 1 and peer.recv(100) == b"again"
    ours.connectionLost(None)


class Pieces:
    """A pull producer of so many small pieces for its consumer."""

    def __init__(self, consumer: Ours, count: int) -> None:
        self.consumer = consumer
        self.left = count

    def resumeProducing(self) -> None:
        if self.left:
            self.left -= 1
            self.consumer.write(b"x")
        else:
            self.consumer.unregisterProducer()

    def stopProducing(self) -> None:
        raise AssertionError("the connection was lost")


async def test_a_producer_goes_on_while_the_kernel_takes_it(fdset: Any, sockets: Any) -> None:
    spied = Spied(fdset)
    skt, peer = sockets()
    ours = Ours(skt, fdset)
    ours.registerProducer(Pieces(ours, 10), False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ours.producer is None and ours.events == ["send"] * 10
    assert (spied.flushes, spied.watched_writers) == (1, 0)
    assert peer.recv(100) == b"x" * 10 and fdset.getWriters() == []
    ours.connectionLost(None)


async def test_a_producer_that_never_waits_leaves_others_their_turn(fdset: Any, sockets: Any) -> None:
    spied = Spied(fdset)
    (skt, peer), (other_skt, other_peer) = sockets(), sockets()
    ours, other = Ours(skt, fdset), Ours(other_skt, fdset)
    other.events = ours.events
    ours.registerProducer(Pieces(ours, 100), False)
    other.write(b"y")
    received = b""
    while len(received) < 100:
        received += await within(asyncio.get_running_loop().sock_recv(peer, 1000))
    await until(lambda: ours.producer is None)
    await turns()
    assert received == b"x" * 100 and other_peer.recv(10) == b"y"
    assert ours.events[: SENDS_A_TURN + 1] == ["send"] * (SENDS_A_TURN + 1) and len(ours.events) == 101
    assert (spied.flushes, spied.watched_writers) == (1, 1)  # the rest came with the loop's own turns
    assert fdset.getWriters() == []
    ours.connectionLost(None)
    other.connectionLost(None)


async def test_a_write_that_tells_nothing_is_not_called_without_end(fdset: Any, sockets: Any) -> None:
    class Silent(Ours):
        def doWrite(self) -> None:
            self.events.append("called")
            super().doWrite()

    skt, _ = sockets()
    ours = Silent(skt, fdset)
    ours.write(b"x" * 5_000_000)  # more than a kernel takes from someone whom nobody reads
    await turns()
    called = len(ours.events)
    await turns()
    assert len(ours.events) == called
    ours.connectionLost(None)


def test_a_write_that_is_refused_is_refused_again(loop_factory: Any, sockets: Any) -> None:
    loop = loop_factory()
    fdset = make_set(loop)
    skt, _ = sockets()
    ours = Ours(skt, fdset)
    loop.close()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            ours.write(b"x")
    assert ours.dataBuffer == b""


class Queueing(Ours):
    """Keeps what is written in a queue of its own until it can be sent."""

    def __init__(self, *args: Any) -> None:
        self.queue: list[bytes] = []
        super().__init__(*args)

    def write(self, data: Any) -> None:
        self.queue.append(data)
        self.startWriting()

    def doWrite(self) -> Any:
        while self.queue:
            super().write(self.queue.pop(0))
        return super().doWrite()


async def test_asking_to_write_is_enough_for_a_producer_to_go_on(fdset: Any, sockets: Any) -> None:
    skt, peer = sockets()
    ours = Queueing(skt, fdset)
    ours.registerProducer(Pieces(ours, 50), False)
    await until(lambda: ours.producer is None)
    await turns()
    assert peer.recv(100) == b"x" * 50 and fdset.getWriters() == []
    ours.connectionLost(None)


async def test_a_closing_that_is_not_ready_yet_is_asked_once(fdset: Any, sockets: Any) -> None:
    class Waiting(Ours):
        def _postLoseConnection(self) -> Any:
            self.events.append("closing")

    skt, _ = sockets()
    ours = Waiting(skt, fdset)
    ours.write(b"x")
    ours.loseConnection()
    await turns()
    assert ours.events == ["send", "closing"]
    ours.connectionLost(None)


async def test_disarmed_before_its_flush(fdset: Any, sockets: Any) -> None:
    skt, _ = sockets()
    ours = Ours(skt, fdset)
    ours.write(b"x")
    ours.stopWriting()
    await turns()
    assert ours.events == [] and fdset.getWriters() == []
    ours.startWriting()
    await until(lambda: ours.events)
    ours.connectionLost(None)
    ours.connected = 0
    fdset.addWriter(ours)
    fdset.removeWriter(ours)
    assert fdset.descriptors() == []


async def test_lost_before_its_flush(fdset: Any, sockets: Any) -> None:
    skt, _ = sockets()
    ours = Ours(skt, fdset)
    ours.write(b"x")
    ours.connectionLost(None)
    await turns()
    assert ours.events == [] and fdset.descriptors() == []


async def test_a_flush_that_fails_loses_only_its_own(fdset: Any, sockets: Any) -> None:
    made = [sockets() for _ in range(3)]
    ours = [Ours(skt, fdset) for skt, _ in made]
    made[1][1].close()
    for each in ours:
        each.write(b"x")
    await until(lambda: ours[1].reasons)
    assert ours[1].reasons[0].type is BrokenPipeError
    assert made[0][1].recv(10) == made[2][1].recv(10) == b"x"
    ours[0].connectionLost(None)
    ours[2].connectionLost(None)


async def test_a_socket_closed_underneath_is_lost_when_it_would_block(fdset: Any, sockets: Any) -> None:
    skt, _ = sockets()
    ours = Ours(skt, fdset)
    ours.writeSomeData = lambda data: 0  # type: ignore[method-assign]
    ours.write(b"x")
    skt.close()
    await until(lambda: ours.reasons)
    assert fdset.descriptors() == []


async def test_written_before_the_end_of_what_is_read(fdset: Any, sockets: Any) -> None:
    """An answer given in the very call that finds the end of reading still goes out."""
    skt, peer = sockets()

    def on_data(self: Ours, data: bytes) -> Any:
        self.write(b"answer")
        return -2

    ours = Ours(skt, fdset, on_data)
    ours.readConnectionLost = lambda reason: None  # type: ignore[method-assign]
    ours.startReading()
    peer.send(b"x")
    assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer, 100), 5) == b"answer"
    assert fdset.getReaders() == []
    ours.connectionLost(None)


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_one_flush_loses_no_other(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], sockets: Any, exception: type[BaseException]
) -> None:
    loop = loop_factory()
    fdset = make_set(loop)
    made = [sockets() for _ in range(3)]
    ours = [Ours(skt, fdset) for skt, _ in made]
    send = ours[1].writeSomeData

    def interrupted(data: Any) -> Any:
        ours[1].writeSomeData = send  # type: ignore[method-assign]
        raise exception

    ours[1].writeSomeData = interrupted  # type: ignore[method-assign]
    for each in ours:
        each.write(b"x")
    loop.call_later(5, loop.stop)
    with pytest.raises(exception):
        loop.run_forever()
    ours[0].write(b"y")
    loop.run_until_complete(asyncio.sleep(0.005))
    assert [peer.recv(10) for _, peer in made] == [b"xy", b"x", b"x"] or made[0][1].recv(10) == b"y"
    assert fdset.getWriters() == []
    fdset.close()
    loop.close()


def test_an_interrupt_in_a_read_loses_nothing_written_in_it(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], sockets: Any
) -> None:
    loop = loop_factory()
    fdset = make_set(loop)
    skt, peer = sockets()

    def on_data(self: Ours, data: bytes) -> None:
        self.write(data)
        raise KeyboardInterrupt

    ours = Ours(skt, fdset, on_data)
    ours.startReading()
    peer.send(b"x")
    loop.call_later(5, loop.stop)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0.005))
    assert peer.recv(10) == b"x" and fdset.getReaders() == [ours]
    fdset.close()
    loop.close()
