"""Descriptors that arrive over UNIX connections: who gets them, in what order, and that none is left open
when nobody does. The sending side is in ``test_unix_passing.py``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Recorder, descriptor_limit, errors_logged
from tests.transport.unix_sockets import (
    Passed,
    Receiver,
    adopted,
    all_gone,
    both_kinds,
    conversing,
    descriptors,
    linux_only,
    read,
    which,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost

pytestmark = pytest.mark.without_debug

MOST = 253
"""As many as Linux lets one message carry."""


def pass_on(peer: socket.socket, data: bytes, passed: list[Passed]) -> None:
    """Send descriptors as any program does."""
    assert socket.send_fds(peer, [data], [each.fd for each in passed]) == len(data)


@contextlib.contextmanager
def few_descriptors_to_be_had(count: int = 0) -> Iterator[None]:
    """Use up every descriptor that the limit leaves, but for so many."""
    used = []
    with descriptor_limit(max(int(each) for each in os.listdir("/dev/fd")) + 10):
        try:
            with contextlib.suppress(OSError):
                while True:
                    used.append(os.dup(0))
            for _ in range(count):
                os.close(used.pop())
            yield
        finally:
            for fd in used:
                os.close(fd)


# -- who gets them


@both_kinds
async def test_a_descriptor_comes_before_the_bytes_that_it_was_sent_with(kind: str) -> None:
    with descriptors(1) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            pass_on(peer, b"hello", passed)
            await until(lambda: protocol.received == b"hello")
            fd, data = protocol.arrived
            assert passed[0].is_same(fd) and data == b"hello"
            assert not os.get_inheritable(fd)
            protocol.close()
            assert all_gone(passed)


async def test_what_arrives_works() -> None:
    async with conversing() as (protocol, peer):
        reading, writing = os.pipe()
        socket.send_fds(peer, [b"x"], [reading])
        os.close(reading)
        await until(lambda: protocol.received)
        os.write(writing, b"through the pipe")
        os.close(writing)
        assert os.read(protocol.descriptors[0], 100) == b"through the pipe"


async def test_bytes_that_were_read_before_come_before() -> None:
    with descriptors(2) as passed:
        async with conversing() as (protocol, peer):
            peer.send(b"before")
            await until(lambda: protocol.received == b"before")
            pass_on(peer, b"x", passed[:1])
            await until(lambda: protocol.received == b"beforex")
            peer.send(b"between")
            await until(lambda: protocol.received == b"beforexbetween")
            pass_on(peer, b"y", passed[1:])
            await until(lambda: protocol.received == b"beforexbetweeny")
            assert protocol.positions() == [6, 14]


@linux_only
@pytest.mark.parametrize("count", [2, 64, MOST])
async def test_several_in_one_message_come_in_their_order(count: int) -> None:
    with descriptors(count) as passed:
        async with conversing() as (protocol, peer):
            pass_on(peer, b"x", passed)
            await until(lambda: protocol.received)
            assert [which(passed, fd) for fd in protocol.descriptors] == list(range(count))
            assert protocol.arrived[-1] == b"x"
            assert not any(os.get_inheritable(fd) for fd in protocol.descriptors)
            protocol.close()
            assert all_gone(passed)


async def test_messages_with_descriptors_one_after_the_other() -> None:
    with descriptors(20) as passed:
        async with conversing() as (protocol, peer):
            for index, each in enumerate(passed):
                pass_on(peer, bytes([index]), [each])
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: protocol.reasons)
            assert [which(passed, fd) for fd in protocol.descriptors] == list(range(20))
            assert protocol.positions() == list(range(20))
            assert protocol.received == bytes(range(20))
            assert protocol.reasons[0].check(ConnectionDone)


async def test_what_comes_with_the_last_byte_comes_before_the_end() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            protocol.on_lost = lambda protocol: protocol.arrived.append(b"lost")
            pass_on(peer, b"x", passed)
            peer.close()
            await until(lambda: protocol.reasons)
            assert passed[0].is_same(protocol.arrived[0])
            assert protocol.arrived[1:] == [b"x", b"lost"]


async def test_the_longest_reading_with_descriptors() -> None:
    with descriptors(2) as passed:
        async with conversing() as (protocol, peer):
            size = protocol.transport.bufferSize
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * size)
            pass_on(peer, b"x" * size, passed[:1])
            pass_on(peer, b"y" * 10, passed[1:])
            await until(lambda: len(protocol.received) == size + 10)
            first, second = protocol.positions()
            assert first == 0 and second <= size
            assert [which(passed, fd) for fd in protocol.descriptors] == [0, 1]


@both_kinds
async def test_the_last_descriptor_can_replace_the_protocol(kind: str) -> None:
    with descriptors(1) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            after = Recorder()

            def replace(protocol: Any) -> None:
                after.transport = protocol.transport
                protocol.transport.protocol = after

            protocol.on_descriptor = replace
            pass_on(peer, b"hello", passed)
            await until(lambda: after.received == b"hello")
            assert protocol.received == b""
            peer.close()
            await until(lambda: after.reasons)
            assert not protocol.reasons


# -- nobody takes them


@both_kinds
async def test_a_protocol_that_takes_none_gets_the_bytes_alone(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with descriptors(3) as passed:
        async with conversing(Recorder, kind) as (protocol, peer):
            pass_on(peer, b"hello", passed)
            await until(lambda: protocol.received == b"hello")
            assert all_gone(passed)
            peer.send(b" again")
            await until(lambda: protocol.received == b"hello again")
    if kind == "native":
        [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert "Recorder" in warning and "IFileDescriptorReceiver" in warning


async def test_unread_descriptors_are_closed_with_the_connection() -> None:
    with descriptors(3) as passed:
        async with conversing() as (protocol, peer):
            protocol.transport.pauseProducing()
            pass_on(peer, b"x", passed[:2])
            pass_on(peer, b"y", passed[2:])
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)
            assert protocol.arrived == []
            assert all_gone(passed)


@pytest.mark.parametrize("how", ["abortConnection", "connectionLost"])
async def test_closing_at_the_first_of_several_closes_the_others(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with descriptors(5) as passed:
        async with conversing() as (protocol, peer):

            def end(protocol: Any) -> None:
                if how == "abortConnection":
                    protocol.transport.abortConnection()
                else:
                    failure = protocol.transport.reactor.vocabulary.failure.Failure
                    protocol.transport.connectionLost(failure(ConnectionAborted()))

            protocol.on_descriptor = end
            pass_on(peer, b"hello", passed)
            await until(lambda: protocol.reasons)
            await turns()
            assert [which(passed, fd) for fd in protocol.descriptors] == [0]
            assert protocol.received == b""
            assert len(protocol.reasons) == 1
            assert protocol.reasons[0].check(ConnectionAborted)
            protocol.close()
            assert all_gone(passed)
    assert errors_logged(caplog) == []


@both_kinds
async def test_closing_in_an_orderly_way_at_the_first_of_several_loses_none(kind: str) -> None:
    with descriptors(5) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            protocol.on_descriptor = lambda protocol: protocol.transport.loseConnection()
            pass_on(peer, b"hello", passed)
            await until(lambda: protocol.reasons)
            assert await read(peer) == b""
            taken = [which(passed, fd) for fd in protocol.descriptors]
            assert taken == list(range(len(taken))) and taken
            protocol.close()
            assert all_gone(passed)


@both_kinds
async def test_pausing_at_the_first_of_several_loses_none(kind: str) -> None:
    with descriptors(4) as passed:
        async with conversing(kind=kind) as (protocol, peer):

            def pause(protocol: Any) -> None:
                if len(protocol.descriptors) == 1:
                    protocol.transport.pauseProducing()

            protocol.on_descriptor = pause
            pass_on(peer, b"hello", passed[:3])
            pass_on(peer, b"later", passed[3:])
            await until(lambda: protocol.descriptors)
            await turns()
            assert len(protocol.descriptors) <= 3 and b"later" not in protocol.received
            protocol.transport.resumeProducing()
            await until(lambda: protocol.received == b"hellolater")
            assert [which(passed, fd) for fd in protocol.descriptors] == [0, 1, 2, 3]
            assert protocol.positions() == [0, 0, 0, 5]


@both_kinds
async def test_raising_at_the_first_of_several_closes_the_others(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with descriptors(5) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            protocol.on_descriptor = lambda protocol: 1 / 0
            pass_on(peer, b"hello", passed)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ZeroDivisionError)
            assert len(protocol.reasons) == 1
            assert [which(passed, fd) for fd in protocol.descriptors] == [0]
            assert protocol.received == b""
            protocol.close()
            protocol.reasons.clear()
            assert all_gone(passed)
    if kind == "native":
        assert len(errors_logged(caplog)) == 1


# -- there is no room for them


@both_kinds
async def test_without_room_for_them_the_connection_is_lost_and_says_why(kind: str) -> None:
    with descriptors(3) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            pass_on(peer, b"hello", passed)
            with few_descriptors_to_be_had():
                await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(protocol.transport.reactor.vocabulary.error.ConnectionLost)
            assert "descriptors" in protocol.reasons[0].getErrorMessage()
            assert "ulimit" in protocol.reasons[0].getErrorMessage()
            assert protocol.descriptors == []
            assert all_gone(passed)


async def test_with_room_for_some_of_them_none_is_left_open() -> None:
    with descriptors(20) as passed:
        async with conversing() as (protocol, peer):
            pass_on(peer, b"hello", passed)
            with few_descriptors_to_be_had(5):
                await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionLost)
            protocol.close()
            assert all_gone(passed)


async def test_without_room_the_other_connections_live() -> None:
    with descriptors(2) as passed:
        async with AsyncioReactor() as reactor:
            unlucky, other = Receiver(), Receiver()
            with adopted(reactor, unlucky) as first, adopted(reactor, other) as second:
                pass_on(first, b"x", passed)
                with few_descriptors_to_be_had():
                    await until(lambda: unlucky.reasons)
                    second.send(b"hello")
                    await until(lambda: other.received == b"hello")
                    other.transport.write(b"hello")
                    assert await read(second, 5) == b"hello"
                pass_on(second, b"x", passed)
                await until(lambda: len(other.descriptors) == 2)
                assert not other.reasons
            other.close()


async def test_a_protocol_that_takes_none_may_have_no_room_either() -> None:
    with descriptors(2) as passed:
        async with conversing(Recorder) as (protocol, peer):
            pass_on(peer, b"hello", passed)
            with few_descriptors_to_be_had():
                await until(lambda: protocol.reasons or protocol.received == b"hello")
            assert all_gone(passed)


# -- what else may come


@linux_only
@pytest.mark.parametrize("count", [0, 1, MOST])
async def test_credentials_are_no_use_and_no_harm(count: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with descriptors(count) as passed:
        async with conversing() as (protocol, peer):
            handle = protocol.transport.getHandle()
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            if passed:
                pass_on(peer, b"hello", passed)
            else:
                peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")
            assert [which(passed, fd) for fd in protocol.descriptors] == list(range(count))
            protocol.transport.write(b"answer")
            assert await read(peer, 6) == b"answer"
            await turns()
            assert not protocol.reasons
            logged = [record.getMessage() for record in caplog.records]
            [about] = [text for text in logged if "unsupported ancillary data" in text]
            assert f"level {socket.SOL_SOCKET}, type {socket.SCM_CREDENTIALS}" in about


@linux_only
async def test_credentials_at_the_end_of_the_stream() -> None:
    async with conversing() as (protocol, peer):
        protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        peer.send(b"bye")
        peer.close()
        await until(lambda: protocol.reasons)
        assert protocol.received == b"bye"
        assert protocol.reasons[0].check(ConnectionDone)


async def test_urgent_bytes_are_no_use_and_no_harm() -> None:
    """Newer Linux has them for UNIX sockets too."""
    async with conversing() as (protocol, peer):
        peer.send(b"before")
        try:
            peer.send(b"!", socket.MSG_OOB)
        except OSError:
            pytest.skip("this system has none")
        peer.send(b"after")
        await until(lambda: protocol.received.endswith(b"after"))
        assert protocol.received.startswith(b"before")
        peer.close()
        await until(lambda: protocol.reasons)
        await asyncio.sleep(0)
        assert protocol.reasons[0].check(ConnectionDone)
