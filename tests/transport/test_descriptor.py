"""FileDescriptor: buffering, producers and closing, on connections of ours and on strangers' pipes."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until, within
from tests.transport.peers import Notes, errors, serving, turns
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.failure import Failure
from twisted_compat.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    ILoggingContext,
    IPushProducer,
    IReadWriteDescriptor,
    ITransport,
)
from twisted_compat.transport.descriptor import FileDescriptor

pytestmark = pytest.mark.without_debug

MORE_THAN_KERNELS_TAKE = b"x" * 12_000_000


class Watched:
    """A socket that notes what is sent, and fails as ``failures`` says."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.sent: list[bytes] = []
        self.failures: list[OSError] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def send(self, data: Any) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        count = self.real.send(data)
        self.sent.append(bytes(data[:count]))
        return count


def watch(protocol: Any) -> Watched:
    protocol.transport.socket = watched = Watched(protocol.transport.socket)
    return watched


class Push:
    """A push producer that writes down what it is told."""

    def __init__(self, consumer: Any = None) -> None:
        self.consumer = consumer
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class Pull(Push):
    """A pull producer of the given pieces, which then unregisters itself."""

    def __init__(self, consumer: Any, pieces: list[bytes]) -> None:
        super().__init__(consumer)
        self.pieces = pieces

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self.pieces:
            self.consumer.write(self.pieces.pop(0))
        else:
            self.consumer.unregisterProducer()


# -- what write takes


@pytest.mark.parametrize("text", ["text", ""])
async def test_text_is_refused_with_the_line_to_write(text: str) -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        with pytest.raises(TypeError, match=r"bytes, not str.*\.encode\(\)"):
            protocol.transport.write(text)
        with pytest.raises(TypeError, match=r"^Data must be bytes$") as told:
            protocol.transport.writeSequence([b"a", text])
        assert "not str" in str(told.value.__cause__)
        protocol.transport.write(b"b")
        protocol.transport.loseConnection()
        assert await peer.read_all() == b"b"


@pytest.mark.parametrize("thing", [None, 5, [b"a"], object()])
async def test_what_is_not_bytes_is_refused(thing: object) -> None:
    async with serving() as bench:
        protocol, _ = await bench.dial()
        with pytest.raises(TypeError, match=type(thing).__name__):
            protocol.transport.write(thing)
        assert protocol.transport.dataBuffer == b""


async def test_bytearrays_and_memoryviews_are_sent_as_they_were() -> None:
    class Bytes(bytes):
        pass

    async with serving() as bench:
        protocol, peer = await bench.dial()
        first, second = bytearray(b"first "), bytearray(b"second ")
        protocol.transport.write(first)
        protocol.transport.write(memoryview(second))
        protocol.transport.write(memoryview(b"e.v.e.r.y. ")[::2])
        protocol.transport.writeSequence([Bytes(b"third "), first])
        protocol.transport.writeSequence((memoryview(b"s.o.m.e. ")[::2], Bytes(b"fourth")))
        first[:] = b"xxxxxxxxxx"
        second[:2] = b"yy"
        protocol.transport.loseConnection()
        assert await peer.read_all() == b"first second every third first some fourth"


async def test_nothing_to_write_sends_and_arms_nothing() -> None:
    async with serving() as bench:
        protocol, _ = await bench.dial()
        watched = watch(protocol)
        for nothing in (b"", bytearray(), memoryview(b"")):
            protocol.transport.write(nothing)
        protocol.transport.writeSequence([])
        protocol.transport.writeSequence([b"", b""])
        assert bench.reactor.getWriters() == []
        await turns()
        assert watched.sent == []


async def test_pieces_arrive_in_order_and_adjacent_writes_leave_in_one_send() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        watched = watch(protocol)
        pieces = [b"%d," % number for number in range(300)]
        for piece in pieces[:100]:
            protocol.transport.write(piece)
        protocol.transport.writeSequence(pieces[100:200])
        protocol.transport.writeSequence(iter(pieces[200:]))
        whole = b"".join(pieces)
        assert protocol.transport.dataBuffer == whole
        assert watched.sent == []  # write itself never sends
        assert await peer.read(len(whole)) == whole
        assert watched.sent == [whole]
        assert protocol.transport.dataBuffer == b""


async def test_data_buffer_can_be_replaced() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(b"before")
        protocol.transport.dataBuffer = b"instead"
        assert (protocol.transport.dataBuffer, protocol.transport.offset) == (b"instead", 0)
        assert await peer.read(7) == b"instead"
        protocol.transport.write(b"dropped")
        protocol.transport.dataBuffer = b""
        protocol.transport.loseConnection()
        assert await peer.read_all() == b""


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EINTR])
async def test_a_kernel_that_takes_nothing_now_is_asked_again(number: int) -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        watched = watch(protocol)
        watched.failures = [OSError(number, os.strerror(number)) for _ in range(3)]
        protocol.transport.write(b"patience")
        assert await peer.read(8) == b"patience"
        assert watched.failures == []
        assert not protocol.lost


async def test_one_send_is_never_given_more_than_its_limit() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        watched = watch(protocol)
        protocol.transport.write(b"z" * 1_000_000)
        assert len(await peer.read(1_000_000)) == 1_000_000
        assert max(map(len, watched.sent)) <= FileDescriptor.SEND_LIMIT
        assert protocol.transport.writeSomeData(b"y" * 300_000) <= FileDescriptor.SEND_LIMIT


# -- when, and from where


async def test_write_never_calls_the_protocol_back() -> None:
    class Nosy(Notes):
        inside = False

        def connectionLost(self, reason: Any = None) -> None:
            assert not self.inside
            super().connectionLost(reason)

    async with serving(Nosy) as bench:
        protocol, peer = await bench.dial()
        peer.reset()  # the next send will fail
        protocol.inside = True
        for _ in range(100):
            protocol.transport.write(b"x" * 100_000)
        protocol.transport.loseConnection()
        protocol.transport.write(b"after")
        assert protocol.events == ["made"]
        protocol.inside = False
        await until(lambda: protocol.lost)


async def test_writes_from_timers_tasks_threads_and_other_connections() -> None:
    class Forwarding(Notes):
        other: Any = None

        def dataReceived(self, data: bytes) -> None:
            if self.other is not None:
                self.other.transport.write(data)

    async with serving(Forwarding) as bench:
        protocol, peer = await bench.dial()
        source, source_peer = await bench.dial()
        source.other = protocol
        write = protocol.transport.write

        bench.reactor.callLater(0, write, b"timer")
        assert await peer.read(5) == b"timer"

        async def task() -> None:
            write(b"task")

        await asyncio.create_task(task())
        assert await peer.read(4) == b"task"

        await source_peer.send(b"connection")
        assert await peer.read(10) == b"connection"

        thread = threading.Thread(target=bench.reactor.callFromThread, args=(write, b"thread"))
        thread.start()
        assert await peer.read(6) == b"thread"
        thread.join()


async def test_a_write_from_a_wrong_thread_is_refused_and_nothing_is_accepted() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()

        with pytest.raises(RuntimeError, match="callFromThread"):
            await asyncio.to_thread(protocol.transport.write, b"wrong")
        assert protocol.transport.dataBuffer == b""
        protocol.transport.write(b"right")
        protocol.transport.loseConnection()
        assert await peer.read_all() == b"right"


# -- closing


async def test_lose_connection_sends_all_then_ends_the_stream() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(MORE_THAN_KERNELS_TAKE)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        assert protocol.transport.disconnecting == 1
        await turns()
        assert protocol.events == ["made"]
        assert await peer.read_all() == MORE_THAN_KERNELS_TAKE
        await until(lambda: protocol.lost)
        assert protocol.events == ["made", "lost"]
        assert protocol.reason.check(ConnectionDone)
        transport = protocol.transport
        assert (transport.connected, transport.disconnected, transport.fileno()) == (0, 1, -1)


async def test_what_is_written_while_closing_goes_out_and_after_that_nothing() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(b"before, ")
        protocol.transport.loseConnection()
        protocol.transport.write(b"while")  # as Twisted does: whatever fits in before the end
        assert await peer.read_all() == b"before, while"
        await until(lambda: protocol.lost)
        protocol.transport.write(b"after")
        protocol.transport.writeSequence([b"after"])
        assert protocol.transport.dataBuffer == b""
        protocol.transport.loseConnection()
        protocol.transport.resumeProducing()
        await turns()
        assert protocol.events == ["made", "lost"]


async def test_lose_connection_with_a_reason_of_its_own() -> None:
    class Bored(Exception):
        pass

    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.loseConnection(Failure(Bored()))
        assert await peer.read_all() == b""
        await until(lambda: protocol.lost)
        assert protocol.reason.check(Bored)


async def test_nothing_is_read_once_closing() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.write(MORE_THAN_KERNELS_TAKE)
        protocol.transport.loseConnection()
        protocol.transport.resumeProducing()
        await peer.send(b"unwanted")
        assert await peer.read_all() == MORE_THAN_KERNELS_TAKE
        await until(lambda: protocol.lost)
        assert protocol.received == b""


# -- push producers


async def test_a_peer_that_never_reads_pauses_the_producer_and_bounds_the_memory() -> None:
    class Fountain(Push):
        """Writes whenever it may."""

        running = True

        def pauseProducing(self) -> None:
            super().pauseProducing()
            self.running = False

        def resumeProducing(self) -> None:
            super().resumeProducing()
            self.running = True

    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport = protocol.transport
        fountain = Fountain()
        transport.registerProducer(fountain, True)
        sent = bytearray()
        most = 0
        idle = 0
        while idle < 50:  # turns without a resume: the kernel is full
            if fountain.running:
                idle = 0
                piece = b"%08d" % len(sent) * 1000
                sent += piece
                transport.write(piece)
                assert fountain.running == (len(transport.dataBuffer) <= transport.bufferSize)
            idle += 1
            most = max(most, len(transport.dataBuffer))
            await asyncio.sleep(0)
        assert fountain.calls[-1] == "pause"
        assert transport.bufferSize < most <= transport.bufferSize + 8000
        assert transport.producerPaused
        resumes = fountain.calls.count("resume")
        assert await peer.read(len(sent)) == sent
        await until(lambda: fountain.calls.count("resume") == resumes + 1)
        assert not transport.producerPaused
        transport.unregisterProducer()
        assert not protocol.lost


async def test_a_producer_is_paused_above_the_limit_and_once() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport, producer = protocol.transport, Push()
        transport.registerProducer(producer, True)
        assert producer.calls == []
        transport.write(b"x" * transport.bufferSize)
        assert producer.calls == []
        transport.write(b"x")
        transport.write(b"x")
        assert producer.calls == ["pause"]
        await peer.read(transport.bufferSize + 2)
        await until(lambda: producer.calls == ["pause", "resume"])


async def test_one_producer_at_a_time() -> None:
    async with serving() as bench:
        protocol, _ = await bench.dial()
        transport = protocol.transport
        transport.registerProducer(Push(), True)
        with pytest.raises(RuntimeError, match="unregisterProducer"):
            transport.registerProducer(Push(), True)
        transport.unregisterProducer()
        assert transport.producer is None
        transport._maybePauseProducer()  # as a subclass's own write() does; there is nobody to pause
        transport.registerProducer(Push(), True)


async def test_a_producer_of_a_lost_connection_is_stopped_at_once() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        producer, late = Push(), Push()
        transport = protocol.transport
        transport.registerProducer(producer, True)
        peer.reset()
        await until(lambda: protocol.lost)
        assert producer.calls == ["stop"]
        transport.registerProducer(late, True)
        assert late.calls == ["stop"]
        assert transport.producer is None


@pytest.mark.parametrize("finish", ["unregisterProducer", "stopConsuming"])
async def test_closing_waits_for_a_push_producer(finish: str) -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        transport, producer = protocol.transport, Push()
        transport.registerProducer(producer, True)
        transport.write(b"x" * 100_000)
        transport.loseConnection()
        assert len(await peer.read(100_000)) == 100_000
        await until(lambda: producer.calls == ["pause", "resume"])
        transport.write(b"more")
        assert await peer.read(4) == b"more"
        await turns()
        assert not protocol.lost
        transport.write(b"the end")
        getattr(transport, finish)()
        assert await peer.read_all() == b"the end"
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionDone)
        assert producer.calls == ["pause", "resume"]  # who has unregistered isn't told to stop


async def test_closing_does_not_wait_for_a_lost_transport_as_producer() -> None:
    async with serving() as bench:
        source, source_peer = await bench.dial()
        sink, sink_peer = await bench.dial()
        sink.transport.registerProducer(source.transport, True)
        source_peer.socket.close()
        await until(lambda: source.lost)
        sink.transport.write(b"all of it")
        sink.transport.loseConnection()
        assert await sink_peer.read_all() == b"all of it"
        await until(lambda: sink.lost)


async def test_closing_does_not_wait_for_a_lost_transport_that_was_paused() -> None:
    async with serving() as bench:
        source, _ = await bench.dial()
        sink, sink_peer = await bench.dial()
        sink.transport.registerProducer(source.transport, True)
        sink.transport.write(b"x" * 5_000_000)  # more than the kernel takes at once
        assert sink.transport.producerPaused
        source.transport.abortConnection()
        await until(lambda: source.lost)
        sink.transport.loseConnection()
        assert await sink_peer.read_all() == b"x" * 5_000_000
        await until(lambda: sink.lost)


# -- pull producers


async def test_a_pull_producer_is_asked_for_each_piece_and_closing_waits_for_it() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        pieces = [b"%d" % number * 50_000 for number in range(10)]
        producer = Pull(protocol.transport, list(pieces))
        protocol.transport.registerProducer(producer, False)
        assert producer.calls == ["resume"]
        protocol.transport.loseConnection()
        assert await peer.read_all() == b"".join(pieces)
        await until(lambda: protocol.lost)
        assert producer.calls == ["resume"] * 11


async def test_stop_consuming_closes() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.registerProducer(Push(), True)
        protocol.transport.stopConsuming()
        assert await peer.read_all() == b""
        await until(lambda: protocol.lost)


async def test_stop_producing_of_the_transport_closes() -> None:
    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.stopProducing()
        assert await peer.read_all() == b""
        await until(lambda: protocol.lost)


# -- producers that raise


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_producer_that_raises_when_resumed_loses_the_connection(
    streaming: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Push):
        def resumeProducing(self) -> None:
            super().resumeProducing()
            if streaming or len(self.calls) > 1:
                raise ZeroDivisionError("in resume")
            self.consumer.write(b"x")

    async with serving() as bench:
        protocol, peer = await bench.dial()
        producer = Broken(protocol.transport)
        protocol.transport.registerProducer(producer, streaming)
        if streaming:
            protocol.transport.write(b"x" * 70_000)
        await peer.read_all()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ZeroDivisionError)
        assert producer.calls[-1] == "stop"
        assert len(errors(caplog)) == 1
        assert "ZeroDivisionError" in caplog.text
        another, another_peer = await bench.dial()
        another.transport.write(b"alive")
        assert await another_peer.read(5) == b"alive"


async def test_a_producer_that_raises_when_stopped_is_logged_and_the_protocol_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Push):
        def stopProducing(self) -> None:
            raise ZeroDivisionError("in stop")

    async with serving() as bench:
        protocol, peer = await bench.dial()
        protocol.transport.registerProducer(Broken(), True)
        peer.socket.close()
        await until(lambda: protocol.lost)
        assert protocol.reason.check(ConnectionDone)
        assert protocol.transport.fileno() == -1
        assert [record.exc_info is not None for record in errors(caplog)] == [True]


# -- strangers' subclasses, on pipes


class PipeWriter(FileDescriptor):
    """As a stranger wrote it: ``connected`` in the class body, and only what must be there."""

    connected = 1
    reason: Any = None

    def __init__(self, reactor: Any, fd: int, hears_hangup: bool = False) -> None:
        FileDescriptor.__init__(self, reactor)
        os.set_blocking(fd, False)
        self.fd = fd
        if hears_hangup:
            self.startReading()

    def fileno(self) -> int:
        return self.fd

    def doRead(self) -> int:
        return -1  # a pipe's write end is readable when its reader is gone

    def writeSomeData(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            return -1

    def connectionLost(self, reason: Any) -> None:
        FileDescriptor.connectionLost(self, reason)
        os.close(self.fd)
        self.fd = -1
        self.reason = reason


class PipeReader(FileDescriptor):
    connected = 1
    end: Any = -2
    reason: Any = None

    def __init__(self, reactor: Any, fd: int) -> None:
        FileDescriptor.__init__(self, reactor)
        os.set_blocking(fd, False)
        self.fd = fd
        self.data = bytearray()
        self.startReading()

    def fileno(self) -> int:
        return self.fd

    def doRead(self) -> Any:
        data = os.read(self.fd, self.bufferSize)
        self.data += data
        return None if data else self.end

    def connectionLost(self, reason: Any) -> None:
        FileDescriptor.connectionLost(self, reason)
        os.close(self.fd)
        self.fd = -1
        self.reason = reason


async def test_a_pipe_carries_all_that_was_written_and_then_ends() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        reader, writer = PipeReader(reactor, read), PipeWriter(reactor, write)
        writer.write(b"begin ")
        writer.writeSequence([b"x" * 1_000_000, b" end"])
        writer.loseConnection()
        await until(lambda: reader.reason is not None)
        assert reader.data == b"begin " + b"x" * 1_000_000 + b" end"
        assert reader.reason.check(ConnectionDone)
        assert writer.reason.check(ConnectionDone)
        assert (writer.connected, writer.disconnected) == (0, 1)


async def test_a_pipe_without_a_reader_loses_the_writer_when_it_writes() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer, producer = PipeWriter(reactor, write), Push()
        writer.registerProducer(producer, True)
        os.close(read)
        writer.write(b"x")
        await until(lambda: writer.reason is not None)
        assert writer.reason.check(ConnectionLost)
        assert producer.calls == ["stop"]


async def test_a_writer_that_reads_hears_that_the_other_end_is_closed() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer = PipeWriter(reactor, write, hears_hangup=True)
        await turns()
        os.close(read)
        await until(lambda: writer.reason is not None)
        assert writer.reason.check(ConnectionLost)
        assert reactor.getReaders() == reactor.getWriters() == []


async def test_a_full_pipe_pauses_a_push_producer_until_it_is_read() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer, producer = PipeWriter(reactor, write), Push()
        writer.registerProducer(producer, True)
        writer.write(b"x" * 500_000)
        await turns()
        assert producer.calls == ["pause"]
        assert 0 < len(writer.dataBuffer) < 500_000
        reader = PipeReader(reactor, read)
        await until(lambda: len(reader.data) == 500_000 and producer.calls == ["pause", "resume"])
        writer.unregisterProducer()
        writer.loseConnection()
        await until(lambda: reader.reason is not None)


async def test_a_pull_producer_on_a_pipe() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        reader, writer = PipeReader(reactor, read), PipeWriter(reactor, write)
        pieces = [b"%d" % number * 40_000 for number in range(8)]
        writer.registerProducer(Pull(writer, list(pieces)), False)
        writer.loseConnection()
        await until(lambda: reader.reason is not None)
        assert reader.data == b"".join(pieces)


@pytest.mark.parametrize(
    ("result", "kind"),
    [(-1, ConnectionLost), (-2, ConnectionDone), (-7, ConnectionLost), (OSError(5, "five"), OSError)],
)
async def test_what_a_result_of_do_read_means(result: Any, kind: type[Exception]) -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        reader = PipeReader(reactor, read)
        reader.end = result
        os.write(write, b"x")
        await until(lambda: reader.data)
        os.close(write)
        await until(lambda: reader.reason is not None)
        assert reader.reason.check(kind)


async def test_a_stranger_that_raises_is_lost_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PipeWriter):
        def writeSomeData(self, data: bytes | memoryview) -> int:
            raise ZeroDivisionError("in write")

    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer = Broken(reactor, write)
        writer.write(b"x")
        await until(lambda: writer.reason is not None)
        assert writer.reason.check(ZeroDivisionError)
        assert len(errors(caplog)) == 1
        os.close(read)


async def test_a_half_closed_stranger_that_does_not_know_better_is_done_for() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer = PipeWriter(reactor, write)
        writer.writeConnectionLost(Failure(ConnectionLost()))
        assert writer.reason.check(ConnectionLost)
        reader = PipeReader(reactor, read)
        reader.readConnectionLost(Failure(ConnectionDone()))
        assert reader.reason.check(ConnectionDone)


async def test_half_closing_twice_closes_once_even_when_a_producer_comes_and_goes_after_it() -> None:
    class Halving(PipeWriter):
        closed = 0

        def _closeWriteConnection(self) -> None:
            self.closed += 1

    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        writer = Halving(reactor, write)
        writer.write(b"last words")
        writer.loseWriteConnection()
        writer.loseWriteConnection()
        await until(lambda: writer.closed)
        writer.loseWriteConnection()
        writer.registerProducer(Push(), True)
        writer.unregisterProducer()
        writer.write(b"too late")
        await turns()
        assert writer.closed == 1
        assert os.read(read, 100) == b"last words"
        os.close(read)
        writer.loseConnection()
        assert not writer.disconnected  # never inside the caller
        await until(lambda: writer.reason is not None)
        assert writer.reason.check(ConnectionDone)


async def test_what_a_stranger_has_not_defined_says_so() -> None:
    async with AsyncioReactor() as reactor:
        bare = FileDescriptor(reactor)
        for method in (bare.fileno, bare.doRead, bare.getHost, bare.getPeer):
            with pytest.raises(NotImplementedError, match=f"must define {method.__name__}"):
                method()
        with pytest.raises(NotImplementedError, match="writeSomeData"):
            bare.writeSomeData(b"")
        bare.write(b"dropped: not connected")
        assert bare.dataBuffer == b""
        assert bare.logPrefix() == "-"


async def test_the_current_reactor_is_the_default() -> None:
    async with AsyncioReactor() as reactor:
        assert FileDescriptor().reactor is reactor


@pytest.mark.parametrize(
    "interface",
    [IPushProducer, IReadWriteDescriptor, IConsumer, ITransport, IHalfCloseableDescriptor, ILoggingContext],
)
async def test_it_provides_what_it_claims(interface: Any) -> None:
    async with AsyncioReactor() as reactor:
        assert verifyObject(interface, FileDescriptor(reactor))


async def test_the_attributes_that_strangers_rely_on() -> None:
    assert (FileDescriptor.bufferSize, FileDescriptor.SEND_LIMIT) == (65536, 131072)
    async with AsyncioReactor() as reactor:
        bare = FileDescriptor(reactor)
        assert not (bare.connected or bare.disconnected or bare.disconnecting)
        assert bare.producer is None
        assert not (bare.producerPaused or bare.streamingProducer)
        assert not (bare._writeDisconnecting or bare._writeDisconnected)


async def test_reading_pauses_and_resumes() -> None:
    async with AsyncioReactor() as reactor:
        read, write = os.pipe()
        reader = PipeReader(reactor, read)
        reader.pauseProducing()
        os.write(write, b"x")
        await turns()
        assert reader.data == b""
        reader.resumeProducing()
        await within(until(lambda: reader.data))
        os.close(write)
        await until(lambda: reader.reason is not None)
