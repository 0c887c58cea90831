"""The ways in which standard input and output end: from outside, whole or by halves, and by our own doing."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Echo, Recorder, errors_logged
from tests.transport.streams import Producer, standing, streams
from tests.transport.terminals import MANY, is_blocking, read_if_any
from tests.transport.unix_sockets import Halves, both_kinds
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost
from twisted_compat.stdio import StandardIO

pytestmark = pytest.mark.without_debug


# -- the end of input


@pytest.mark.parametrize("channel", ["pipes", "socket"])
async def test_what_was_written_before_the_end_of_input_is_sent_first(channel: str) -> None:
    async with standing(Echo, channel) as (protocol, far):
        await far.send(MANY)
        far.end()
        await turns(50)
        assert not protocol.reasons
        assert await far.read(len(MANY)) == MANY
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)


async def test_all_input_is_read_before_its_end_is_told() -> None:
    with streams() as far:
        await far.send(b"x" * 50_000)
        far.end()
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            await until(lambda: protocol.reasons)
            assert protocol.received == b"x" * 50_000
            assert protocol.reasons[0].check(ConnectionDone)


@both_kinds
async def test_who_is_told_of_halves_goes_on_writing_after_the_end_of_input(kind: str) -> None:
    async with standing(Halves, kind=kind) as (protocol, far):
        far.end()
        await until(lambda: protocol.halves)
        protocol.transport.write(MANY)
        assert await far.read(len(MANY)) == MANY
        assert not protocol.reasons
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(protocol.transport.reactor.vocabulary.error.ConnectionDone)
        assert protocol.halves == ["read"]


async def test_a_named_pipe_whose_writer_has_been_and_gone_ends(tmp_path: Any) -> None:
    """Opened anew it is never reported as hung up, if there is no writer then."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with streams() as far:
        stdin = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(path, os.O_WRONLY)
        os.set_blocking(stdin, True)
        try:
            os.write(writer, b"the last")
            os.close(writer)
            async with AsyncioReactor() as reactor:
                protocol = Recorder()
                StandardIO(protocol, stdin, far.stdout, reactor)
                await until(lambda: protocol.reasons)
                assert protocol.received == b"the last"
                assert protocol.reasons[0].check(ConnectionDone)
        finally:
            os.close(stdin)


# -- the reader goes away


@both_kinds
@pytest.mark.parametrize("channel", ["pipes", "socket"])
async def test_a_reader_that_goes_away_is_noticed_by_writing(channel: str, kind: str) -> None:
    async with standing(Recorder, channel, kind) as (protocol, far):
        if channel == "socket":
            far.close(far.sends)
        protocol.transport.write(MANY)
        far.close(far.reads)
        await until(lambda: protocol.reasons)
        error = protocol.transport.reactor.vocabulary.error
        assert protocol.reasons[0].check(error.ConnectionLost, error.ConnectionDone)
        protocol.transport.write(b"dropped")
        await turns()
        assert len(protocol.reasons) == 1


async def test_a_reader_of_a_pipe_that_goes_away_is_noticed_without_writing() -> None:
    async with standing(Recorder) as (protocol, far):
        far.close(far.reads)
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionLost, ConnectionDone)


async def test_a_reader_that_had_gone_before_it_began_is_noticed() -> None:
    with streams() as far:
        far.close(far.reads)
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            assert protocol.made == 1
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionLost, ConnectionDone)


async def test_who_is_told_of_halves_goes_on_reading_without_a_reader() -> None:
    async with standing(Halves) as (protocol, far):
        far.close(far.reads)
        await until(lambda: protocol.halves)
        producer = Producer(protocol.transport)
        protocol.transport.registerProducer(producer, True)
        assert producer.told == ["stop"]
        await far.send(b"still")
        await until(lambda: protocol.received == b"still")
        protocol.transport.write(b"dropped")
        far.end()
        await until(lambda: len(protocol.halves) == 2)
        assert protocol.halves == ["write", "read"]
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        await turns()
        assert len(protocol.reasons) == 1


# -- losing it


async def test_losing_the_connection_sends_what_was_written_first_and_reads_no_more() -> None:
    async with standing(Recorder) as (protocol, far):
        protocol.transport.write(MANY)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        protocol.transport.pauseProducing()
        protocol.transport.resumeProducing()
        await far.send(b"unread")
        await turns(50)
        assert not protocol.reasons
        assert await far.read(len(MANY)) == MANY
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert protocol.received == b""
        os.set_blocking(far.stdin, False)  # what it left is there for the next one
        assert read_if_any(far.stdin) == b"unread"
        os.set_blocking(far.stdin, True)


async def test_to_stop_producing_is_to_lose_the_connection() -> None:
    async with standing(Recorder) as (protocol, far):
        protocol.transport.write(b"x")
        protocol.transport.stopProducing()
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ConnectionDone)
        assert await far.read(1) == b"x"


@pytest.mark.parametrize("build", [Halves, Recorder])
async def test_losing_the_write_side_sends_what_was_written_and_goes_on_reading(build: Any) -> None:
    async with standing(build) as (protocol, far):
        protocol.transport.write(MANY)
        protocol.transport.loseWriteConnection()
        assert await far.read(len(MANY)) == MANY
        if build is Halves:
            await until(lambda: protocol.halves == ["write"])
        await far.send(b"still")
        await until(lambda: protocol.received == b"still")
        protocol.transport.write(b"dropped")
        await turns()
        assert read_if_any(far.reads) == b""
        far.end()
        if build is Halves:
            await until(lambda: protocol.halves == ["write", "read"])
            protocol.transport.loseConnection()
        await until(lambda: protocol.reasons)
        await turns()
        assert len(protocol.reasons) == 1


async def test_the_reactors_stop_sends_what_was_written() -> None:
    with streams() as far:
        async with AsyncioReactor() as reactor:
            protocol = Recorder()
            StandardIO(protocol, far.stdin, far.stdout, reactor)
            protocol.transport.write(MANY)
            reading = asyncio.ensure_future(far.read(len(MANY)))
        assert len(protocol.reasons) == 1
        assert await reading == MANY
        assert is_blocking(far.stdin)
        assert is_blocking(far.stdout)


# -- its protocol's faults


async def test_what_data_received_raises_is_logged_and_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    class Raises(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            raise LookupError("not found")

    async with standing(Raises) as (protocol, far):
        await far.send(b"x")
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(LookupError)
        assert protocol.received == b"x"
    assert len(errors_logged(caplog)) == 1


async def test_what_connection_lost_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(protocol: Any) -> None:
        raise LookupError("not found")

    async with standing(Recorder) as (protocol, far):
        protocol.on_lost = fail
        far.end()
        await until(lambda: protocol.reasons)
    assert len(errors_logged(caplog)) == 1


@pytest.mark.parametrize("half", ["read", "write"])
async def test_what_the_end_of_a_half_raises_is_logged_and_the_reason(
    half: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises(Halves):
        def readConnectionLost(self) -> None:
            raise LookupError("no more input")

        def writeConnectionLost(self) -> None:
            raise LookupError("no more output")

    async with standing(Raises) as (protocol, far):
        far.close(far.sends if half == "read" else far.reads)
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(LookupError)
    assert len(errors_logged(caplog)) == 1
