"""A protocol on standard input and output that are files and devices, which no loop can watch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Echo, Recorder
from tests.transport.streams import Producer, Streams, streams
from tests.transport.terminals import MANY, identity, is_blocking, open_numbers, read_if_any
from tests.transport.unix_sockets import Halves
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.stdio import StandardIO

pytestmark = pytest.mark.without_debug


@contextlib.asynccontextmanager
async def standing_on(
    stdin: Any,
    stdout: Any,
    build: Callable[[], Any] = Echo,
    *,
    reading: int = os.O_RDONLY,
    writing: int = os.O_WRONLY | os.O_CREAT,
) -> AsyncIterator[tuple[Any, Streams]]:
    """A protocol on these files (None: on a pipe), and the streams, whose numbers the files have. All has to
    be afterwards as it was.

    :param stdin: a path; with a second value, from where to read.
    """
    with streams() as far:
        start = 0
        if isinstance(stdin, tuple):
            stdin, start = stdin
        if stdin is not None:
            put_in_place(far.stdin, stdin, reading)
            os.lseek(far.stdin, start, os.SEEK_SET)
        if stdout is not None:
            put_in_place(far.stdout, stdout, writing)
        given = far.stdin, far.stdout
        files, before = [identity(fd) for fd in given], open_numbers()
        async with AsyncioReactor() as reactor:
            protocol = build()
            StandardIO(protocol, *given, reactor=reactor)
            yield protocol, far
        assert [identity(fd) for fd in given] == files
        assert [is_blocking(fd) for fd in given] == [True, True]
        assert open_numbers() <= before


def put_in_place(number: int, path: Any, flags: int) -> None:
    """Open a file under a number that is in use."""
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, number)
    os.close(opened)


def offset(fd: int) -> int:
    """Where the next that reads or writes there goes on."""
    return os.lseek(fd, 0, os.SEEK_CUR)


# -- regular files


async def test_a_file_is_copied_to_a_file_from_where_they_stand(tmp_path: Path) -> None:
    """As when a shell has run other commands before on the same open files: ``(cmd1; cmd2) <in >out``."""
    (tmp_path / "in").write_bytes(b"taken by others" + MANY)
    (tmp_path / "out").touch()
    with streams() as far:
        put_in_place(far.stdin, tmp_path / "in", os.O_RDONLY)
        put_in_place(far.stdout, tmp_path / "out", os.O_WRONLY)
        assert os.read(far.stdin, 15) == b"taken by others"
        os.write(far.stdout, b"printed by others\n")
        async with AsyncioReactor() as reactor:
            protocol = Echo()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)
        assert offset(far.stdin) == 15 + len(MANY)
        os.write(far.stdout, b"printed afterwards")
    assert (tmp_path / "out").read_bytes() == b"printed by others\n" + MANY + b"printed afterwards"


async def test_a_file_is_read_to_its_end_and_a_pipe_gets_it_all(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(MANY)
    async with standing_on((tmp_path / "in", 6), None) as (protocol, far):
        await turns(50)
        assert not protocol.reasons
        assert await far.read(len(MANY) - 6) == MANY[6:]
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert offset(far.stdin) == len(MANY)


async def test_an_empty_file_is_at_its_end_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    async with standing_on(tmp_path / "in", None, Recorder) as (protocol, _far):
        assert protocol.made == 1
        assert not protocol.reasons
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_what_is_appended_goes_to_the_end_whoever_else_appends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old ")
    async with standing_on(None, path, Recorder, writing=os.O_WRONLY | os.O_APPEND) as (protocol, _far):
        protocol.transport.write(b"one ")
        await until(lambda: path.read_bytes() == b"old one ")
        with path.open("ab") as other:
            other.write(b"two ")
        protocol.transport.write(b"three")
        await until(lambda: path.read_bytes() == b"old one two three")


async def test_all_that_was_written_is_in_the_file_when_the_connection_is_lost(tmp_path: Path) -> None:
    async with standing_on(None, tmp_path / "out", Recorder) as (protocol, far):
        for start in range(0, len(MANY), 100_000):
            protocol.transport.write(MANY[start : start + 100_000])
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert (tmp_path / "out").read_bytes() == MANY
        assert offset(far.stdout) == len(MANY)


async def test_the_end_of_input_does_not_cut_off_what_goes_to_a_file(tmp_path: Path) -> None:
    async with standing_on(None, tmp_path / "out") as (protocol, far):
        await far.send(MANY)
        far.end()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert (tmp_path / "out").read_bytes() == MANY


async def test_reading_a_file_pauses_and_resumes(tmp_path: Path) -> None:
    class Pausing(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()

    (tmp_path / "in").write_bytes(MANY)
    async with standing_on(tmp_path / "in", None, Pausing) as (protocol, far):
        await until(lambda: protocol.received)
        while protocol.received != MANY:
            size = len(protocol.received)
            await turns(5)
            assert len(protocol.received) == size == offset(far.stdin)
            protocol.transport.resumeProducing()
            await until(lambda size=size: len(protocol.received) > size)
        await turns(5)
        assert not protocol.reasons
        protocol.transport.resumeProducing()
        await until(lambda: protocol.reasons)


async def test_a_pulled_producer_fills_a_file(tmp_path: Path) -> None:
    async with standing_on(None, tmp_path / "out", Recorder) as (protocol, _far):
        producer = Producer(protocol.transport, b"x" * 10_000)
        protocol.transport.registerProducer(producer, False)
        await until(lambda: len(producer.told) > 20)
        protocol.transport.unregisterProducer()
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert (tmp_path / "out").read_bytes() == b"x" * 10_000 * len(producer.told)


async def test_who_is_told_of_halves_answers_after_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"question")
    async with standing_on(tmp_path / "in", tmp_path / "out", Halves) as (protocol, _far):
        await until(lambda: protocol.halves)
        assert (protocol.halves, protocol.received) == (["read"], b"question")
        protocol.transport.write(b"answer")
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert (tmp_path / "out").read_bytes() == b"answer"


# -- devices


async def test_on_the_null_device_it_ends_at_once() -> None:
    async with standing_on(os.devnull, os.devnull, Recorder) as (protocol, _far):
        protocol.transport.write(MANY)
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert protocol.received == b""


async def test_a_service_with_no_input_goes_on_printing() -> None:
    async with standing_on(os.devnull, None, Halves) as (protocol, far):
        await until(lambda: protocol.halves == ["read"])
        protocol.transport.write(MANY)
        assert await far.read(len(MANY)) == MANY
        assert not protocol.reasons


async def test_what_goes_to_the_null_device_is_gone_and_input_goes_on() -> None:
    async with standing_on(None, os.devnull, Recorder) as (protocol, far):
        protocol.transport.write(MANY)
        await far.send(b"x")
        await until(lambda: protocol.received == b"x")
        assert not protocol.reasons


async def test_input_that_can_not_be_read_is_connection_lost() -> None:
    """nohup(1) gives its command the null device as input, open for writing only."""
    async with standing_on(os.devnull, None, Recorder, reading=os.O_WRONLY) as (protocol, _far):
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionLost, ConnectionDone)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
async def test_a_full_disk_is_connection_lost() -> None:
    async with standing_on(None, "/dev/full", Recorder) as (protocol, _far):
        producer = Producer(protocol.transport)
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(b"x")
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionLost)
        assert producer.told == ["stop"]


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no /dev/zero")
async def test_input_without_end_leaves_the_loop_to_others() -> None:
    async with standing_on("/dev/zero", None, Recorder) as (protocol, far):
        await until(lambda: protocol.received)
        protocol.transport.write(b"still there")
        assert await far.read(11) == b"still there"
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        size = len(protocol.received)
        await turns()
        assert len(protocol.received) == size
        assert read_if_any(far.reads) == b""
