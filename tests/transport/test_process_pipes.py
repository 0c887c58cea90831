"""ProcessWriter and ProcessReader by themselves, as somebody else's classes have and extend them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.children import DONE, Recorder, attached, shell, spawn
from tests.transport.peers import errors, turns
from tests.transport.unix_sockets import linux_only
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.transport.process import Process
from twisted_compat.transport.process_pipes import ProcessReader, ProcessWriter

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 13)  # 2 MiB: far more than any pipe takes


# By themselves


class Owner:
    """What a pipe tells its owner, who closes its number."""

    def __init__(self) -> None:
        self.received = b""
        self.lost: list[Any] = []

    def childDataReceived(self, name: Any, data: bytes) -> None:
        assert name == "name"
        self.received += data

    def childConnectionLost(self, name: Any, reason: Any) -> None:
        assert name == "name"
        self.lost.append(reason.type)


class Pipe:
    """Both ends, of which a test closes what nobody else does."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.closed: set[int] = set()

    def close(self, number: int) -> None:
        os.close(number)
        self.closed.add(number)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for number in {pipe.reading, pipe.writing} - pipe.closed:
        os.close(number)


def read_now(number: int) -> bytes:
    """All that there is in a pipe."""
    os.set_blocking(number, False)
    data = bytearray()
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(number, 1 << 16):
            data += piece
    return bytes(data)


async def test_a_writer_writes_all_before_it_is_lost_and_leaves_the_number_to_its_owner(pipe: Pipe) -> None:
    owner, read = Owner(), bytearray()
    async with attached() as reactor:
        writer = ProcessWriter(reactor, owner, "name", pipe.writing)
        assert writer.proc is owner and writer.name == "name" and writer.fd == pipe.writing
        assert writer.fileno() == pipe.writing and not os.get_blocking(pipe.writing)
        writer.write(BIG)
        writer.writeSequence([b"the", b" end"])
        writer.loseConnection()
        await until(lambda: read.extend(read_now(pipe.reading)) or (len(read) > len(BIG) and owner.lost))
        assert bytes(read) == BIG + b"the end"
        assert owner.lost == [ConnectionDone] and not writer.connected
        writer.write(b"dropped")
        await turns()
        assert read_now(pipe.reading) == b""
        os.fstat(pipe.writing)  # open


async def test_a_writer_is_lost_when_nobody_reads_any_more(pipe: Pipe) -> None:
    owner = Owner()
    async with attached() as reactor:
        writer = ProcessWriter(reactor, owner, "name", pipe.writing)
        assert writer.enableReadHack
        writer.write(BIG)
        await turns()
        assert not owner.lost
        pipe.close(pipe.reading)
        await until(lambda: owner.lost)
        assert owner.lost == [ConnectionLost]
        os.fstat(pipe.writing)


async def test_a_reader_reads_all_before_it_is_lost_and_leaves_the_number_to_its_owner(pipe: Pipe) -> None:
    owner = Owner()
    async with attached() as reactor:
        reader = ProcessReader(reactor, owner, "name", pipe.reading)
        assert reader.proc is owner and reader.name == "name" and reader.fd == pipe.reading
        assert reader.fileno() == pipe.reading and not os.get_blocking(pipe.reading)
        os.set_blocking(pipe.writing, False)
        written = os.write(pipe.writing, BIG)
        pipe.close(pipe.writing)
        await until(lambda: owner.lost)
        assert owner.received == BIG[:written]
        assert owner.lost == [ConnectionDone] and not reader.connected
        os.fstat(pipe.reading)


async def test_a_reader_that_is_closed_reads_no_more(pipe: Pipe) -> None:
    owner = Owner()
    async with attached() as reactor:
        reader = ProcessReader(reactor, owner, "name", pipe.reading)
        os.write(pipe.writing, b"hello")
        reader.loseConnection()
        reader.loseConnection()
        assert owner.lost == []
        await until(lambda: owner.lost)
        await turns()
        assert owner.lost == [ConnectionDone] and owner.received == b""
        os.fstat(pipe.reading)


def regular_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def socket_end() -> int:
    one, other = socket.socketpair()
    with one, other:
        return os.dup(one.fileno())


def null() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def both_ways() -> int:
    """A named pipe open for both: there is always somebody who reads."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "fifo")
        os.mkfifo(path)
        return os.open(path, os.O_RDWR)


@pytest.mark.parametrize("open_it", [regular_file, socket_end, null], ids=["file", "socket", "null"])
@pytest.mark.parametrize("force", [False, True])
async def test_what_is_no_pipe_is_never_taken_for_one(open_it: Callable[[], int], force: bool) -> None:
    owner, number = Owner(), open_it()
    try:
        async with attached() as reactor:
            writer = ProcessWriter(reactor, owner, "name", number, forceReadHack=force)
            assert not writer.enableReadHack
            writer.loseConnection()
            await until(lambda: owner.lost)
        assert owner.lost == [ConnectionDone]
    finally:
        os.close(number)


async def test_a_writer_writes_to_a_file() -> None:
    owner = Owner()
    with tempfile.TemporaryFile() as file:
        async with attached() as reactor:
            writer = ProcessWriter(reactor, owner, "name", file.fileno())
            for _ in range(3):
                writer.write(BIG)
            writer.loseConnection()
            await until(lambda: owner.lost)
        file.seek(0)
        assert file.read() == BIG * 3


@linux_only
async def test_a_pipe_that_we_could_read_as_well_is_not_lost_by_being_readable() -> None:
    owner, number = Owner(), both_ways()
    try:
        async with attached() as reactor:
            writer = ProcessWriter(reactor, owner, "name", number)
            assert not writer.enableReadHack
            writer.write(b"hello")
            await until(lambda: not writer.dataBuffer)
            writer.startReading()  # as somebody might
            await turns(20)
            assert owner.lost == [] and os.read(number, 10) == b"hello"
            writer.loseConnection()
            await until(lambda: owner.lost)
        assert owner.lost == [ConnectionDone]
    finally:
        os.close(number)


@linux_only
@pytest.mark.parametrize("force", [True, 1])
async def test_where_it_is_known_what_it_is_that_may_be_said(pipe: Pipe, force: Any) -> None:
    owner = Owner()
    async with attached() as reactor:
        assert ProcessWriter(reactor, owner, "name", pipe.writing, forceReadHack=force).enableReadHack
        pipe.close(pipe.reading)
        await until(lambda: owner.lost)
    assert owner.lost == [ConnectionLost]


# Somebody else's subclasses


async def test_a_strangers_writer_may_write_in_its_own_way(pipe: Pipe) -> None:
    class Loud(ProcessWriter):
        calls = 0

        def write(self, data: bytes) -> None:
            self.stopReading()
            super().write(data.upper())

        def writeSomeData(self, data: Any) -> Any:
            self.calls += 1
            return super().writeSomeData(bytes(data[:3]))

    owner = Owner()
    async with attached() as reactor:
        writer = Loud(reactor, owner, "name", pipe.writing)
        writer.write(b"hello ")
        writer.write(b"world")
        writer.loseConnection()
        await until(lambda: owner.lost)
        assert read_now(pipe.reading) == b"HELLO WORLD"
        assert writer.calls == 4 and owner.lost == [ConnectionDone]


@pytest.mark.parametrize(
    "failing",
    [lambda: ConnectionLost("as it writes"), lambda: -1, lambda: OSError(errno.EIO, "no")],
    ids=["an error", "a negative number", "an OSError"],
)
async def test_a_strangers_writer_may_be_lost_by_writing(pipe: Pipe, failing: Callable[[], Any]) -> None:
    class Failing(ProcessWriter):
        def writeSomeData(self, data: Any) -> Any:
            return failing()

    owner = Owner()
    async with attached() as reactor:
        Failing(reactor, owner, "name", pipe.writing).write(b"hello")
        await until(lambda: owner.lost)
        assert len(owner.lost) == 1


async def test_a_strangers_writer_that_raises_is_lost_and_that_is_logged(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(ProcessWriter):
        def writeSomeData(self, data: Any) -> Any:
            raise ZeroDivisionError

    owner = Owner()
    async with attached() as reactor:
        Failing(reactor, owner, "name", pipe.writing).write(b"hello")
        await until(lambda: owner.lost)
        assert owner.lost == [ZeroDivisionError]
    [record] = errors(caplog)
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_a_strangers_reader_may_read_in_its_own_way(pipe: Pipe) -> None:
    class Slow(ProcessReader):
        def doRead(self) -> Any:
            data = os.read(self.fileno(), 2)
            if not data:
                return ConnectionLost("my own end")
            self.dataReceived(data + b"|")
            return None

    owner = Owner()
    async with attached() as reactor:
        Slow(reactor, owner, "name", pipe.reading)
        os.write(pipe.writing, b"hello")
        pipe.close(pipe.writing)
        await until(lambda: owner.lost)
    assert owner.received == b"he|ll|o|" and owner.lost == [ConnectionLost]


async def test_a_strangers_writer_that_ignores_readiness_to_read_is_lost_by_writing_alone(pipe: Pipe) -> None:
    class Deaf(ProcessWriter):
        calls = 0

        def doRead(self) -> Any:
            self.calls += 1
            self.stopReading()

    owner = Owner()
    async with attached() as reactor:
        writer = Deaf(reactor, owner, "name", pipe.writing)
        pipe.close(pipe.reading)
        await until(lambda: writer.calls or owner.lost)
        await turns(20)
        assert not owner.lost and writer.calls == 1
        writer.write(b"hello")
        await until(lambda: owner.lost)
    assert owner.lost == [ConnectionLost]


async def test_a_pipe_that_nobody_reads_does_not_keep_us_busy(pipe: Pipe) -> None:
    class Counting(ProcessWriter):
        calls = 0

        def doRead(self) -> Any:
            self.calls += 1
            return super().doRead()

        def writeSomeData(self, data: Any) -> Any:
            self.calls += 1
            return super().writeSomeData(data)

    owner = Owner()
    async with attached() as reactor:
        writer = Counting(reactor, owner, "name", pipe.writing)
        writer.write(BIG)
        await until(lambda: writer.calls)
        await turns(200)
        assert writer.calls < 10 and not owner.lost
        pipe.close(pipe.reading)
        await until(lambda: owner.lost)
    assert writer.calls < 20


async def test_a_child_may_have_pipes_of_a_strangers_classes() -> None:
    class Writer(ProcessWriter):
        def write(self, data: bytes) -> None:
            super().write(data.upper())

    class Mine(Process):
        processWriterFactory = Writer

    async with attached() as reactor:
        child = Recorder()
        process = Mine(reactor, "/bin/cat", [], {}, None, child)
        assert type(process.pipes[0]) is Writer
        process.write(b"hello")
        await child.said(b"HELLO")
        process.loseConnection()
        await child.ended()
    assert child.had_a_whole_life(0, 1, 2)


async def test_two_children_may_be_joined_by_a_pipe_of_ours(pipe: Pipe) -> None:
    async with attached() as reactor:
        first = shell(reactor, "echo one; echo two", childFDs={1: pipe.writing})
        second = spawn(reactor, "/bin/cat", childFDs={0: pipe.reading, 1: "r"})
        assert await first.ended() == DONE and not second.has("exited")
        pipe.close(pipe.writing)  # ours, which stayed open
        assert await second.ended() == DONE
        os.fstat(pipe.reading)
    assert second.output() == b"one\ntwo\n"
    assert first.had_a_whole_life() and second.had_a_whole_life(1)
