"""Passing descriptors over UNIX connections: what is sent, when, with which byte, and what becomes of those
that can't be. The receiving side is in ``test_unix_passing_receive.py``."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Listening, Recorder, descriptor_limit, errors_logged
from tests.transport.unix_sockets import (
    MANY,
    Halves,
    Passed,
    Receiver,
    all_gone,
    both_kinds,
    close_read,
    conversing,
    descriptors,
    linux_only,
    make_reactor,
    nobody,
    read,
    read_each,
    read_with_descriptors,
    send,
    socket_path,
    which,
)
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost, FileDescriptorOverrun

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


# -- with which byte


@both_kinds
async def test_a_descriptor_goes_with_the_byte_written_next(kind: str) -> None:
    with descriptors(1) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            protocol.transport.write(b"ab")
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"cd")
            found = await read_each(peer, 4)
            assert [(data, len(fds)) for data, fds in found] == [(b"a", 0), (b"b", 0), (b"c", 1), (b"d", 0)]
            assert passed[0].is_same(found[2][1][0])
            close_read(found)


async def test_each_descriptor_goes_with_a_byte_of_its_own() -> None:
    with descriptors(3) as passed:
        async with conversing() as (protocol, peer):
            for each in passed:
                protocol.transport.sendFileDescriptor(each.fd)
            protocol.transport.write(b"abcd")
            found = await read_each(peer, 4)
            assert [[which(passed, fd) for fd in fds] for _, fds in found] == [[0], [1], [2], []]
            close_read(found)


async def test_a_descriptor_waits_for_its_byte() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            protocol.transport.write(b"a")
            protocol.transport.sendFileDescriptor(passed[0].fd)
            assert await read(peer, 1) == b"a"
            await turns()
            with pytest.raises(BlockingIOError):
                peer.recv(1)
            assert protocol.transport not in protocol.transport.reactor.getWriters()
            protocol.transport.write(b"b")
            [(data, fds)] = found = await read_each(peer, 1)
            assert data == b"b" and passed[0].is_same(fds[0])
            close_read(found)


async def test_writing_a_sequence_between_descriptors() -> None:
    with descriptors(2) as passed:
        async with conversing() as (protocol, peer):
            transport = protocol.transport
            transport.writeSequence([b"a", b"b"])
            transport.sendFileDescriptor(passed[0].fd)
            transport.writeSequence([b"", b"c", b"d"])
            transport.write(b"")
            transport.sendFileDescriptor(passed[1].fd)
            transport.writeSequence([b"e"])
            found = await read_each(peer, 5)
            assert [len(fds) for _, fds in found] == [0, 0, 1, 0, 1]
            close_read(found)


async def test_descriptors_amid_megabytes() -> None:
    """The bytes are more than one send is given, and than the kernel takes at once."""
    places = [0, 1, 131_071, 131_072, 131_073, 1_000_000, 1_000_001]
    with descriptors(len(places)) as passed:
        async with conversing() as (protocol, peer):
            for place, end, each in zip(places, [*places[1:], len(MANY)], passed, strict=True):
                protocol.transport.sendFileDescriptor(each.fd)
                protocol.transport.write(MANY[place:end])
            got, found = bytearray(), []
            while len(got) < len(MANY):
                start = len(got)
                data, fds = await read_with_descriptors(peer)
                got += data
                found += [(start, len(got), which(passed, fd)) for fd in fds]
                close_read([(data, fds)])
            assert got == MANY
            assert [index for _, _, index in found] == list(range(len(places)))
            for start, end, index in found:
                assert start <= places[index] < end


async def test_many_descriptors() -> None:
    with descriptors(200) as passed:
        async with conversing() as (protocol, peer):
            for each in passed:
                protocol.transport.sendFileDescriptor(each.fd)
            protocol.transport.write(b"x" * 200)
            protocol.transport.loseConnection()
            found = await read_each(peer, 200)
            assert [which(passed, fd) for _, fds in found for fd in fds] == list(range(200))
            close_read(found)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)


@both_kinds
async def test_between_two_of_our_own(path: str, kind: str) -> None:
    with descriptors(2) as passed:
        async with make_reactor(kind) as reactor:
            server, client = Listening(Receiver), Connecting(Receiver)
            reactor.listenUNIX(path, server)
            reactor.connectUNIX(path, client)
            await until(lambda: client.protocols and client.protocols[0].made and server.protocols)
            ends = client.protocols[0], server.protocols[0]
            for each, sender, receiver in zip(passed, ends, reversed(ends), strict=True):
                sender.transport.write(b"before")
                await until(lambda receiver=receiver: receiver.received == b"before")  # type: ignore[misc]
                sender.transport.sendFileDescriptor(each.fd)
                sender.transport.write(b"after")
                await until(lambda receiver=receiver: receiver.received == b"beforeafter")  # type: ignore[misc]
                assert receiver.positions() == [6]
                assert each.is_same(receiver.descriptors[0])
                receiver.close()


# -- whose it is


@both_kinds
async def test_the_caller_may_close_his_own_at_once(kind: str) -> None:
    with descriptors(2) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            number = passed[0].fd
            protocol.transport.sendFileDescriptor(number)
            passed[0].forget()
            os.dup2(passed[1].fd, number)  # and what has the number now is another's
            try:
                protocol.transport.write(b"x")
                [(_, fds)] = found = await read_each(peer, 1)
            finally:
                os.close(number)
            assert passed[0].is_same(fds[0])
            close_read(found)
            await until(passed[0].is_gone)


async def test_the_callers_own_stays_open() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"x")
            close_read(await read_each(peer, 1))
            os.fstat(passed[0].fd)
        assert all_gone(passed)


async def test_what_waits_is_inherited_by_no_child() -> None:
    with descriptors(1) as passed:
        os.set_inheritable(passed[0].fd, True)
        async with conversing() as (protocol, _peer):
            protocol.transport.sendFileDescriptor(passed[0].fd)
            copies = [int(each) for each in os.listdir("/dev/fd")]
            copies = [fd for fd in copies if fd != passed[0].fd and _is_copy(passed[0], fd)]
            assert copies and not any(os.get_inheritable(fd) for fd in copies)


def _is_copy(passed: Passed, fd: int) -> bool:
    try:
        return passed.is_same(fd)
    except OSError:  # the listing's own, closed since
        return False


@both_kinds
async def test_what_is_not_open_is_refused_and_nothing_is_changed(kind: str) -> None:
    with descriptors(1) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            closed = os.dup(0)
            os.close(closed)
            for number in (-1, closed, 1 << 20):
                with pytest.raises(OSError):
                    protocol.transport.sendFileDescriptor(number)
            for thing in ("0", None, b"0", 1.5):
                with pytest.raises(TypeError):
                    protocol.transport.sendFileDescriptor(thing)
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"x")
            [(_, fds)] = found = await read_each(peer, 1)
            assert passed[0].is_same(fds[0])
            close_read(found)
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            vocabulary = protocol.transport.reactor.vocabulary
            assert protocol.reasons[0].check(vocabulary.error.ConnectionDone)


async def test_there_is_no_room_for_a_copy() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            with descriptor_limit(3), pytest.raises(OSError):
                protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"x")
            [(_, fds)] = found = await read_each(peer, 1)
            assert len(fds) == 1
            close_read(found)


async def test_a_connection_can_be_passed_over_itself() -> None:
    async with conversing() as (protocol, peer):
        protocol.transport.sendFileDescriptor(protocol.transport.fileno())
        protocol.transport.write(b"x")
        [(_, fds)] = await read_each(peer, 1)
        with socket.socket(fileno=fds[0]) as copy:
            copy.send(b"from the copy")
        assert await read(peer, 13) == b"from the copy"


# -- what can't be sent


@pytest.mark.parametrize("ending", ["loseConnection", "loseWriteConnection"])
@both_kinds
async def test_more_descriptors_than_bytes_are_an_overrun(ending: str, kind: str) -> None:
    with descriptors(3) as passed:
        async with conversing(kind=kind) as (protocol, peer):
            for each in passed:
                protocol.transport.sendFileDescriptor(each.fd)
            protocol.transport.write(b"ab")
            getattr(protocol.transport, ending)()
            found = await read_each(peer, 2)
            assert [which(passed, fd) for _, fds in found for fd in fds] == [0, 1]
            await until(lambda: protocol.reasons)
            vocabulary = protocol.transport.reactor.vocabulary
            assert protocol.reasons[0].check(vocabulary.error.FileDescriptorOverrun)
            assert protocol.reasons[0].check(vocabulary.error.ConnectionLost)
            assert await read(peer) == b""
            close_read(found)
            assert all_gone(passed)


async def test_an_overrun_comes_on_a_later_turn_also_without_any_byte() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, _peer):
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.loseConnection()
            assert not protocol.reasons
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(FileDescriptorOverrun)
            assert all_gone(passed)


async def test_what_is_written_while_closing_still_carries() -> None:
    with descriptors(1) as passed:
        async with conversing() as (protocol, peer):
            protocol.transport.loseConnection()
            protocol.transport.sendFileDescriptor(passed[0].fd)
            protocol.transport.write(b"x")
            found = await read_each(peer, 1)
            assert len(found[0][1]) == 1
            close_read(found)
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)


@pytest.mark.parametrize("ending", ["abort", "peer closes", "raises", "leaving the reactor"])
async def test_those_that_wait_when_it_ends_are_closed(ending: str, caplog: pytest.LogCaptureFixture) -> None:
    with descriptors(20) as passed:
        async with conversing(Recorder) as (protocol, peer):
            protocol.transport.write(MANY)  # which nobody reads
            for each in passed:
                protocol.transport.sendFileDescriptor(each.fd)
                protocol.transport.write(b"x")
            await turns()
            if ending == "abort":
                protocol.transport.abortConnection()
                protocol.transport.sendFileDescriptor(passed[0].fd)  # dropped
            elif ending == "peer closes":
                peer.close()
            elif ending == "raises":
                protocol.dataReceived = lambda data: 1 / 0
                await send(peer, b"x")
            if ending != "leaving the reactor":
                await until(lambda: protocol.reasons)
                protocol.transport.sendFileDescriptor(passed[0].fd)  # dropped too
                assert all_gone(passed)
        assert len(protocol.reasons) == 1
        if ending == "abort":
            assert protocol.reasons[0].check(ConnectionAborted)
        assert all_gone(passed)
    assert len(errors_logged(caplog)) == (ending == "raises")


@linux_only
async def test_more_on_their_way_than_the_system_lets_us_have() -> None:
    """Linux counts those that nobody has received yet, and is strict with who is not root."""
    with descriptors(1) as passed:
        async with conversing(Recorder) as (protocol, peer):
            limit = max(int(each) for each in os.listdir("/dev/fd")) + 20
            with nobody(), descriptor_limit(limit):
                for _ in range(limit):
                    if protocol.reasons:
                        break
                    for _ in range(5):
                        protocol.transport.sendFileDescriptor(passed[0].fd)
                    protocol.transport.write(b"x" * 5)
                    await turns()
                if not protocol.reasons:
                    pytest.skip("here the kernel has no room for so many bytes, or no such limit")
            assert protocol.reasons[0].check(ConnectionLost)
            assert protocol.reasons[0].value.__cause__.errno == errno.ETOOMANYREFS
            peer.close()
            assert all_gone(passed)


async def test_those_on_their_way_are_closed_with_the_connection() -> None:
    with descriptors(3) as passed:
        async with conversing() as (protocol, peer):
            for each in passed:
                protocol.transport.sendFileDescriptor(each.fd)
                protocol.transport.write(b"x")
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            for each in passed:
                each.forget()
            assert not any(each.is_gone() for each in passed)  # the peer may read them yet
            peer.close()
            assert all_gone(passed)


async def test_sending_over_what_is_lost_or_shut_drops_it() -> None:
    with descriptors(2) as passed:
        async with conversing(Halves) as (protocol, peer):
            protocol.transport.loseWriteConnection()
            await until(lambda: protocol.halves == ["write"])
            protocol.transport.sendFileDescriptor(passed[0].fd)
            await send(peer, b"x")
            await until(lambda: protocol.received == b"x")
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
            assert protocol.reasons[0].check(ConnectionDone)
            protocol.transport.sendFileDescriptor(passed[1].fd)
            assert all_gone(passed)
