"""A protocol on standard input and output that are pipes, sockets and terminals."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import weakref
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Echo, Recorder, descriptor_limit, errors_logged, fill_descriptors
from tests.transport.streams import Producer, standing, streams
from tests.transport.terminals import MANY, identity, is_blocking, open_numbers, read_if_any, take
from tests.transport.unix_sockets import both_kinds, in_both_words, nobody
from twisted_compat import AsyncioReactor, stdio
from twisted_compat.error import ConnectionDone
from twisted_compat.protocol import Protocol
from twisted_compat.stdio import StandardIO

pytestmark = pytest.mark.without_debug

each_channel = pytest.mark.parametrize("channel", ["pipes", "socket", "terminal"])


# -- what it is


@both_kinds
async def test_it_is_a_transport_a_consumer_and_a_producer(kind: str) -> None:
    async with standing(Recorder, kind=kind) as (protocol, _far):
        for name in ("ITransport", "IConsumer", "IPushProducer"):
            for interface in in_both_words(name) if kind == "twisted" else in_both_words(name)[:1]:
                assert verifyObject(interface, protocol.transport)
        for address in (protocol.transport.getHost(), protocol.transport.getPeer()):
            assert isinstance(address, stdio.PipeAddress)
            assert verifyObject(in_both_words("IAddress")[kind == "twisted"], address)


# -- a conversation


@both_kinds
@each_channel
async def test_what_comes_in_is_received_and_what_is_written_goes_out(channel: str, kind: str) -> None:
    async with standing(Recorder, channel, kind) as (protocol, far):
        assert protocol.made == 1
        await far.send(b"hello")
        await until(lambda: protocol.received == b"hello")
        protocol.transport.write(b"to ")
        protocol.transport.writeSequence([b"you", b"", b" too"])
        assert await far.read(10) == b"to you too"
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(protocol.transport.reactor.vocabulary.error.ConnectionDone)
        await turns()
        assert len(protocol.reasons) == 1


@each_channel
async def test_a_megabyte_goes_both_ways_at_once(channel: str) -> None:
    async with standing(Echo, channel) as (protocol, far):
        _, back = await asyncio.gather(far.send(MANY), far.read(len(MANY)))
        assert back == MANY
        assert not protocol.reasons


async def test_the_same_socket_may_be_both_under_one_number() -> None:
    near, far = socket.socketpair()
    with near, far:
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            StandardIO(protocol, near.fileno(), near.fileno(), reactor)
            far.setblocking(False)
            loop = asyncio.get_running_loop()
            _, back = await asyncio.gather(loop.sock_sendall(far, MANY), take(far.fileno(), len(MANY)))
            assert back == MANY
            far.shutdown(socket.SHUT_WR)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)
        assert near.getblocking() is is_blocking(near.fileno()) is True


async def test_it_may_write_as_it_is_made_and_in_its_last_moment() -> None:
    def greet(protocol: Any) -> None:
        protocol.transport.write(b"hello")

    with streams() as far:
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            protocol.on_made = greet
            protocol.on_lost = lambda protocol: greet(protocol) or protocol.transport.loseConnection()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            assert await far.read(5) == b"hello"
            far.end()
            await until(lambda: protocol.reasons)
            await turns()
        assert len(protocol.reasons) == 1
        assert read_if_any(far.reads) == b""


@each_channel
async def test_only_a_socket_is_made_not_to_wait_and_only_while_it_is_used(channel: str) -> None:
    """A pipe or a terminal is shared with those who started the program, and live on after it."""
    async with standing(Recorder, channel) as (protocol, far):
        if channel != "socket":
            assert is_blocking(far.stdin)
            assert is_blocking(far.stdout)
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert is_blocking(far.stdin)
        assert is_blocking(far.stdout)


async def test_what_did_not_wait_before_does_not_wait_afterwards() -> None:
    with streams("socket") as far:
        os.set_blocking(far.stdin, False)
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            await far.send(b"x")
            assert await far.read(1) == b"x"
        assert not is_blocking(far.stdin)


async def test_what_it_opens_no_child_inherits() -> None:
    with streams() as far:
        before = open_numbers()
        async with AsyncioReactor() as reactor:
            StandardIO(Recorder(), far.stdin, far.stdout, reactor)
            for number in open_numbers() - before:
                assert not os.get_inheritable(number)


@pytest.mark.parametrize("hindrance", ["not ours to open", "no /proc"])
async def test_pipes_that_can_not_be_opened_anew_serve_as_they_are(
    hindrance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after su(1), where they are another user's."""
    opened = os.open

    def without_proc(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).startswith(("/proc/", "/dev/fd/")):
            raise FileNotFoundError(2, "No such file or directory", path)
        return opened(path, *args, **kwargs)

    with streams() as far:
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            if hindrance == "no /proc":
                monkeypatch.setattr(os, "open", without_proc)
                StandardIO(protocol, far.stdin, far.stdout, reactor)
            else:
                with nobody():
                    StandardIO(protocol, far.stdin, far.stdout, reactor)
            _, back = await asyncio.gather(far.send(MANY), far.read(len(MANY)))
            assert back == MANY
            far.end()
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)
            assert is_blocking(far.stdin)
            assert is_blocking(far.stdout)


async def test_a_number_that_is_not_open_is_refused_at_once() -> None:
    with streams() as far:
        free = os.dup(far.stdin)
        os.close(free)
        async with AsyncioReactor() as reactor:
            before = open_numbers()
            for pair in ((free, far.stdout), (far.stdin, free)):
                protocol = Recorder()
                with pytest.raises(OSError, match="Bad file descriptor"):
                    StandardIO(protocol, *pair, reactor=reactor)
                assert protocol.made == 0
            await turns()
            assert open_numbers() == before
        assert is_blocking(far.stdin)


async def test_one_after_the_other_takes_over_where_the_last_one_left_off() -> None:
    class OnePiece(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.write(data)
            self.transport.loseConnection()

    with streams() as far:
        async with AsyncioReactor() as reactor:
            files = identity(far.stdin), identity(far.stdout)
            for piece in (b"one", b"two", b"three"):
                await far.send(piece)  # while nobody is there
                protocol = OnePiece()
                StandardIO(protocol, far.stdin, far.stdout, reactor)
                assert await far.read(len(piece)) == piece
                await until(lambda protocol=protocol: protocol.reasons)
                assert protocol.received == piece
            assert (identity(far.stdin), identity(far.stdout)) == files


@each_channel
async def test_another_may_be_made_as_one_is_lost(channel: str) -> None:
    with streams(channel) as far:
        async with AsyncioReactor() as reactor:
            first, second = Recorder(), Echo()
            first.on_lost = lambda _: StandardIO(second, far.stdin, far.stdout, reactor)
            StandardIO(first, far.stdin, far.stdout, reactor)
            first.transport.write(b"one ")
            first.transport.loseConnection()
            _, back = await asyncio.gather(far.send(MANY[:100_000]), far.read(100_004))
            assert back == b"one " + MANY[:100_000]
        assert len(first.reasons) == len(second.reasons) == 1
        assert is_blocking(far.stdin)
        assert is_blocking(far.stdout)


@each_channel
async def test_without_a_descriptor_left_it_is_not_made(channel: str) -> None:
    with streams(channel) as far:
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            await turns()
            with descriptor_limit(max(open_numbers()) + 2):
                used = fill_descriptors()
                os.close(used.pop())
                before = open_numbers()
                with pytest.raises(OSError) as caught:
                    StandardIO(protocol, far.stdin, far.stdout, reactor)
                assert open_numbers() == before
                for number in used:
                    os.close(number)
            assert caught.value.errno == errno.EMFILE
            await turns()
            assert protocol.made == 0
            assert is_blocking(far.stdin)
            assert is_blocking(far.stdout)


async def test_without_a_reactor_it_takes_the_one_of_the_loop() -> None:
    with streams() as far:
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            transport = StandardIO(protocol, stdin=far.stdin, stdout=far.stdout)
            assert transport.reactor is reactor
            await far.send(b"x")
            assert await far.read(1) == b"x"


async def test_nothing_of_it_stays_in_memory(no_collector: None) -> None:
    with streams() as far:
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            protocol.transport.write(b"x")
            far.end()
            left = weakref.ref(protocol), weakref.ref(protocol.transport)
            reasons = protocol.reasons
            del protocol
            await until(lambda: reasons)
            reasons.clear()
            await until(lambda: left[0]() is left[1]() is None)


# -- flow


async def test_who_pauses_receives_nothing_until_it_resumes() -> None:
    class Pausing(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()

    async with standing(Pausing) as (protocol, far):
        sending = asyncio.ensure_future(far.send(MANY))
        await until(lambda: protocol.received)
        while protocol.received != MANY:
            size = len(protocol.received)
            await turns(3)
            assert len(protocol.received) == size
            protocol.transport.resumeProducing()
            await until(lambda size=size: len(protocol.received) > size)
        await sending
        far.end()
        await turns()
        assert not protocol.reasons
        protocol.transport.resumeProducing()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_pausing_before_anything_came_holds() -> None:
    class Pausing(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.pauseProducing()

    async with standing(Pausing) as (protocol, far):
        await far.send(b"x")
        await turns()
        assert protocol.received == b""
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"x")


async def test_a_streaming_producer_is_paused_while_nobody_reads() -> None:
    async with standing(Recorder) as (protocol, far):
        producer = Producer(protocol.transport)
        protocol.transport.registerProducer(producer, True)
        with pytest.raises(RuntimeError):
            protocol.transport.registerProducer(producer, True)
        protocol.transport.write(MANY)
        assert producer.told == ["pause"]
        await turns()
        assert producer.told == ["pause"]
        assert await far.read(len(MANY)) == MANY
        await until(lambda: producer.told == ["pause", "resume"])
        protocol.transport.loseConnection()
        await turns()
        if not protocol.reasons:
            protocol.transport.write(b"more")  # it waits for the producer
            protocol.transport.unregisterProducer()
            assert await far.read(4) == b"more"
        await until(lambda: protocol.reasons)


async def test_a_pulled_producer_is_asked_as_fast_as_it_is_read() -> None:
    async with standing(Recorder) as (protocol, far):
        producer = Producer(protocol.transport, b"x" * 50_000)
        protocol.transport.registerProducer(producer, False)
        await turns(50)
        assert len(producer.told) < 10
        assert await far.read(1_000_000) == b"x" * 1_000_000
        assert len(producer.told) >= 20
        protocol.transport.unregisterProducer()
        asked = len(producer.told)
        protocol.transport.loseConnection()
        assert await far.read(50_000 * asked - 1_000_000) == b"x" * (50_000 * asked - 1_000_000)
        await until(lambda: protocol.reasons)
        assert producer.told == ["resume"] * asked


async def test_a_producer_is_stopped_when_the_reader_goes_away_and_when_all_is_over() -> None:
    async with standing(Recorder) as (protocol, far):
        producer = Producer(protocol.transport)
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(MANY)
        far.close(far.reads)
        await until(lambda: protocol.reasons)
        assert producer.told == ["pause", "stop"]
        late = Producer(protocol.transport)
        protocol.transport.registerProducer(late, False)
        assert late.told == ["stop"]
        protocol.transport.unregisterProducer()


async def test_a_relay_from_one_pair_of_streams_to_another_holds_what_fits() -> None:
    class Relay(Protocol):
        def dataReceived(self, data: bytes) -> None:
            receiver.transport.write(data)

    receiver = Recorder()
    with streams() as first, streams() as second:
        async with AsyncioReactor() as reactor:
            source = Relay()
            StandardIO(source, first.stdin, first.stdout, reactor)
            StandardIO(receiver, second.stdin, second.stdout, reactor)
            receiver.transport.registerProducer(source.transport, True)
            sending = asyncio.ensure_future(first.send(MANY))
            await turns(100)
            assert not sending.done()
            _, back = await asyncio.gather(sending, second.read(len(MANY)))
            assert back == MANY
            receiver.transport.unregisterProducer()


@pytest.mark.parametrize("channel", ["pipes", "socket"])
async def test_a_filter_may_hold_itself_back(channel: str) -> None:
    class Filter(Echo):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.registerProducer(self.transport, True)

    async with standing(Filter, channel) as (protocol, far):
        sending = asyncio.ensure_future(far.send(MANY))
        await turns(100)
        assert not sending.done()
        _, back = await asyncio.gather(sending, far.read(len(MANY)))
        assert back == MANY
        far.end()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_a_pulled_producer_goes_on_after_the_end_of_input() -> None:
    async with standing(Recorder) as (protocol, far):
        producer = Producer(protocol.transport, b"x" * 1_000)
        protocol.transport.registerProducer(producer, False)
        far.end()
        assert await far.read(200_000) == b"x" * 200_000
        assert not protocol.reasons
        protocol.transport.unregisterProducer()
        size = 1_000 * len(producer.told) - 200_000
        assert await far.read(size) == b"x" * size
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_what_connection_made_raises_is_logged_and_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    def fail(protocol: Any) -> None:
        raise LookupError("not found")

    def build() -> Any:
        protocol = Recorder()
        protocol.on_made = fail
        return protocol

    async with standing(build) as (protocol, _far):
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(LookupError)
    assert len(errors_logged(caplog)) == 1
