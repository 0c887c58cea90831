"""IReactorFDSet for strangers' descriptors, on every loop, on real files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer

from tests.adapter.strangers import (
    Ours,
    Stranger,
    add,
    errors,
    give_number,
    make_set,
    pair,
    remove,
    reset,
    tcp_pair,
    turns,
)
from tests.support import until
from twisted_compat import error
from twisted_compat.interfaces import IHalfCloseableDescriptor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


# Being called


async def test_a_reader_is_called_while_there_is_something_to_read(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    stranger = Stranger(ours)
    fdset.addReader(stranger)
    fdset.addReader(stranger)  # twice is once
    assert fdset.getReaders() == [stranger] and fdset.getWriters() == []
    await turns()
    assert stranger.reads == 0
    peer.send(b"x" * 2500)
    await until(lambda: len(stranger.received) == 2500)
    assert stranger.reads == 3
    fdset.removeReader(stranger)
    fdset.removeReader(stranger)
    peer.send(b"more")
    await turns()
    assert stranger.reads == 3 and fdset.descriptors() == []


async def test_pipes_read_and_write(fdset: Any) -> None:
    read_end, write_end = os.pipe()
    reader = Stranger(read_end)
    writer = Stranger(write_end)
    writer.write = lambda: (os.write(write_end, b"through"), fdset.removeWriter(writer))[1]
    fdset.addReader(reader)
    fdset.addWriter(writer)
    await until(lambda: reader.received == b"through")
    assert writer.writes == 1
    remove(fdset, reader)
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("method", ["read", "write"])
async def test_removal_inside_its_own_callback(fdset: Any, sockets: Any, method: str) -> None:
    ours, peer = sockets()
    peer.send(b"never read")
    stranger = Stranger(ours)
    setattr(stranger, method, lambda: remove(fdset, stranger))
    add(fdset, stranger, method[0])
    await until(lambda: stranger.reads + stranger.writes)
    await turns()
    assert stranger.reads + stranger.writes == 1 and fdset.descriptors() == []


async def test_leaving_and_coming_back_inside_a_callback(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    peer.send(b"x")

    def read() -> int:
        remove(fdset, stranger)
        add(fdset, stranger, "rw")
        return -1

    stranger = Stranger(ours, read)
    fdset.addReader(stranger)
    await until(lambda: stranger.reasons)
    await turns()
    assert fdset.descriptors() == [] and stranger.reads == 1 and stranger.writes == 0


async def test_one_object_reads_and_writes_and_each_is_removed_alone(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    stranger = Stranger(ours)
    add(fdset, stranger, "rw")
    assert fdset.getReaders() == fdset.getWriters() == fdset.descriptors() == [stranger]
    peer.send(b"x")
    await until(lambda: stranger.received and stranger.writes)
    fdset.removeReader(stranger)
    peer.send(b"y")
    before = stranger.writes
    await until(lambda: stranger.writes > before + 2)
    assert stranger.received == b"x"
    fdset.addReader(stranger)
    fdset.removeWriter(stranger)
    before = stranger.writes
    await until(lambda: stranger.received == b"xy")
    assert stranger.writes == before and fdset.getWriters() == []


async def test_two_objects_on_one_number_are_removed_independently(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    reader, writer = Stranger(ours.fileno()), Stranger(ours.fileno())
    fdset.addReader(reader)
    fdset.addWriter(writer)
    peer.send(b"x")
    await until(lambda: reader.received and writer.writes > 3)
    assert (reader.writes, writer.reads) == (0, 0)
    fdset.removeWriter(reader)  # which is none
    fdset.removeReader(writer)
    assert fdset.getReaders() == [reader] and fdset.getWriters() == [writer]
    fdset.removeWriter(writer)
    peer.send(b"y")
    await until(lambda: reader.received == b"xy")
    fdset.addWriter(writer)
    fdset.removeReader(reader)
    before = writer.writes
    await until(lambda: writer.writes > before + 2)


async def test_a_stand_in_for_one_of_ours_is_someone_else(fdset: Any, sockets: Any) -> None:
    ours, _ = sockets()
    real = Ours(ours, fdset)
    fdset.addReader(real)
    fdset.removeReader(real)

    class StandIn(Stranger):
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    stand_in = StandIn(ours)
    fdset.addReader(stand_in)
    assert fdset.getReaders() == [stand_in]
    fdset.removeReader(real)
    assert fdset.getReaders() == [stand_in]
    fdset.removeReader(stand_in)
    assert fdset.getReaders() == [] and real.reasons == []
    real.connectionLost(None)


@pytest.mark.parametrize("attribute", [None, "their own"])
async def test_a_strangers_own_attribute_may_have_our_name(fdset: Any, sockets: Any, attribute: Any) -> None:
    ours, _ = sockets()
    stranger = Stranger(ours)
    stranger._registration = attribute  # type: ignore[attr-defined]
    add(fdset, stranger, "rw")
    assert fdset.descriptors() == [stranger]
    remove(fdset, stranger)
    assert fdset.descriptors() == []


# Numbers that go bad


@pytest.mark.parametrize("fresh_directions", ["r", "w", "rw"])
@pytest.mark.parametrize("stale_directions", ["r", "w", "rw"])
async def test_a_number_used_again_before_it_was_removed(
    fdset: Any, sockets: Any, numbers: Any, stale_directions: str, fresh_directions: str
) -> None:
    number = numbers(sockets()[0])
    stale = Stranger(number)
    add(fdset, stale, stale_directions)
    await turns()  # the kernel has been told
    ours, peer = sockets()
    give_number(number, ours)
    fresh = Stranger(number)
    stale_calls = stale.reads + stale.writes
    add(fdset, fresh, fresh_directions)
    peer.send(b"x")
    await until(lambda: fresh.received == b"x" if "r" in fresh_directions else fresh.writes)
    await until(lambda: fresh.writes if "w" in fresh_directions else True)
    await turns()
    assert stale.reads + stale.writes == stale_calls
    remove(fdset, stale)  # at last, which must take nothing from the new one
    assert fdset.descriptors() == [fresh]
    peer.send(b"y")
    await until(lambda: fresh.received == b"xy" if "r" in fresh_directions else True)
    before = fresh.writes
    await until(lambda: fresh.writes > before if "w" in fresh_directions else True)
    remove(fdset, fresh)
    before = fresh.writes
    peer.send(b"z")
    await turns()
    assert fresh.received in (b"", b"xy") and fresh.writes == before


async def test_a_descriptor_takes_the_number_of_its_own_former_file(
    fdset: Any, sockets: Any, numbers: Any
) -> None:
    number = numbers(sockets()[0])
    stranger = Stranger(number)
    fdset.addReader(stranger)
    await turns()
    ours, peer = sockets()
    give_number(number, ours)
    fdset.addWriter(stranger)
    await until(lambda: stranger.writes)
    fdset.removeReader(stranger)
    fdset.addReader(stranger)
    peer.send(b"x")
    await until(lambda: stranger.received == b"x")


async def test_numbers_are_used_again_and_again(fdset: Any) -> None:
    """Close first, remove later, in every round; nothing piles up."""
    left: list[Stranger] = []
    for _ in range(20):
        ours, peer = pair()
        stranger = Stranger(ours.fileno())
        add(fdset, stranger, "r")
        peer.send(b"x")
        await until(lambda stranger=stranger: stranger.received)
        ours.close()
        peer.close()
        left.append(stranger)
        if len(left) > 2:
            remove(fdset, left.pop(0))
    for stranger in left:
        remove(fdset, stranger)
    assert fdset.descriptors() == []


async def test_removal_when_the_number_is_gone(fdset: Any, sockets: Any) -> None:
    ours, _ = sockets()
    stranger = Stranger(ours)
    add(fdset, stranger, "rw")
    ours.close()
    assert stranger.fileno() == -1
    remove(fdset, stranger)
    assert fdset.descriptors() == []
    await turns()
    assert stranger.writes == 0


async def test_removal_when_the_number_has_changed(fdset: Any, sockets: Any) -> None:
    (first, peer), (second, _) = sockets(), sockets()
    stranger = Stranger(first)
    add(fdset, stranger, "rw")
    stranger.number = second
    remove(fdset, stranger)
    peer.send(b"x")
    await turns()
    assert fdset.descriptors() == [] and (stranger.reads, stranger.writes) == (0, 0)
    fdset.addReader(Stranger(first))  # free for others


async def test_added_again_with_another_number(fdset: Any, sockets: Any) -> None:
    (first, first_peer), (second, second_peer) = sockets(), sockets()
    stranger = Stranger(first)
    add(fdset, stranger, "rw")
    stranger.number = second
    add(fdset, stranger, "rw")
    assert fdset.getReaders() == fdset.getWriters() == fdset.descriptors() == [stranger]
    first_peer.send(b"old")
    second_peer.send(b"new")
    await until(lambda: stranger.received and stranger.writes)
    await turns()
    assert stranger.received == b"new"
    remove(fdset, stranger)
    assert fdset.descriptors() == []


async def test_the_only_watch_moves_to_another_number(fdset: Any, sockets: Any) -> None:
    (first, _), (second, peer) = sockets(), sockets()
    stranger = Stranger(first)
    fdset.addReader(stranger)
    stranger.number = second
    fdset.addReader(stranger)
    assert fdset.getReaders() == [stranger]
    peer.send(b"x")
    await until(lambda: stranger.received)
    fdset.removeReader(stranger)
    peer.send(b"y")
    await turns()
    assert stranger.received == b"x"


@pytest.mark.parametrize("method", ["read", "write"])
async def test_closing_itself_in_a_callback_and_staying(fdset: Any, sockets: Any, method: str) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    stranger = Stranger(ours)
    setattr(stranger, method, ours.close)
    add(fdset, stranger, method[0])
    await until(lambda: stranger.reasons)
    assert stranger.reasons[0].type is error.ConnectionFdescWentAway
    await turns()
    assert fdset.descriptors() == [] and stranger.reads + stranger.writes == 1


async def test_a_fileno_that_raises_is_logged_once(fdset: Any, sockets: Any, caplog: Any) -> None:
    ours, peer = sockets()
    stranger = Stranger(ours)
    with pytest.raises(ZeroDivisionError):
        fdset.addReader(Stranger(type("Broken", (), {"fileno": lambda self: 1 // 0})()))
    assert fdset.descriptors() == []
    fdset.addReader(stranger)
    stranger.number = type("Broken", (), {"fileno": lambda self: 1 // 0})()
    peer.send(b"x")
    await until(lambda: stranger.reasons)
    await turns()
    assert stranger.reasons[0].type is ZeroDivisionError and stranger.reads == 0
    assert len(errors(caplog)) == 1 and fdset.descriptors() == []


@pytest.mark.parametrize("direction", ["r", "w"])
async def test_a_failed_registration_leaves_nothing(
    fdset: Any, sockets: Any, numbers: Any, direction: str
) -> None:
    ours, peer = sockets()
    number = numbers(sockets()[0])
    os.close(number)
    stranger = Stranger(number)
    for _ in range(2):
        with pytest.raises(OSError):
            add(fdset, stranger, direction)
        assert fdset.descriptors() == fdset.getReaders() == fdset.getWriters() == []
    give_number(number, ours)
    add(fdset, stranger, direction)
    peer.send(b"x")
    await until(lambda: stranger.reads + stranger.writes)


@pytest.mark.parametrize("method", ["addReader", "addWriter"])
async def test_a_closed_descriptor_is_refused(fdset: Any, sockets: Any, method: str) -> None:
    ours, _ = sockets()
    ours.close()
    with pytest.raises(ValueError, match="before closing it"):
        getattr(fdset, method)(Stranger(ours))
    assert fdset.descriptors() == []


@pytest.mark.parametrize("path", ["file", "/dev/null"])
async def test_files_that_cannot_be_polled_cost_little(fdset: Any, tmp_path: Path, path: str) -> None:
    if path == "file":
        path = str(tmp_path / "file")
        Path(path).write_bytes(b"x" * 2500)
    loop = asyncio.get_running_loop()
    with open(path, "rb+", buffering=0) as file:
        stranger = Stranger(file)
        add(fdset, stranger, "rw")
        start = loop.time()
        await until(lambda: stranger.reads >= 5 and stranger.writes >= 5)
        await asyncio.sleep(0.02)
        most = (loop.time() - start) / 0.001 + 2  # 2 ms apart, and a loop may fire up to 1 ms early
        assert stranger.reads <= most and stranger.writes <= most
        assert len(stranger.received) == (0 if path == "/dev/null" else 2500)
        fdset.removeReader(stranger)
        reads, writes = stranger.reads, stranger.writes
        await until(lambda: stranger.writes > writes)
        assert stranger.reads == reads
        fdset.removeWriter(stranger)
        writes = stranger.writes
        await turns()
        assert stranger.writes == writes and fdset.descriptors() == []


async def test_a_file_closed_before_it_is_removed_frees_its_number(
    fdset: Any, sockets: Any, numbers: Any
) -> None:
    """From a file that is only called by the clock to a socket, on one number."""
    ours, peer = sockets()
    number = os.open("/dev/null", os.O_RDONLY)
    stale, fresh = Stranger(number), Stranger(number)
    fdset.addReader(stale)
    await until(lambda: stale.reads)
    give_number(number, ours)
    fdset.addReader(fresh)
    reads = stale.reads
    peer.send(b"x")
    await until(lambda: fresh.received)
    assert stale.reads == reads
    remove(fdset, stale)
    remove(fdset, fresh)
    os.close(number)


async def test_a_number_of_an_asyncio_transport(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=ours)
    stranger = Stranger(writer.get_extra_info("socket").fileno())
    for direction in "rw":
        with pytest.raises(RuntimeError, match=r"belongs to an asyncio transport.*os\.dup"):
            add(fdset, stranger, direction)
        assert fdset.descriptors() == []
    writer.write(b"alive")
    assert await asyncio.wait_for(loop.sock_recv(peer, 100), 5) == b"alive"
    peer.send(b"too")
    assert await asyncio.wait_for(reader.readexactly(3), 5) == b"too"
    writer.close()
    await writer.wait_closed()


# Errors of the connection


async def test_hangup_reaches_reader_and_writer(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    reader = Stranger(ours.fileno(), lambda: fdset.removeReader(reader))
    writer = Stranger(ours.fileno(), write=lambda: fdset.removeWriter(writer))
    peer.close()
    fdset.addReader(reader)
    fdset.addWriter(writer)
    await until(lambda: reader.reads == 1 and writer.writes == 1)


async def test_hangup_reaches_a_writer_that_the_kernel_had_blocked(fdset: Any) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 65536)
    writer = Stranger(write_end, write=lambda: -1)
    fdset.addWriter(writer)
    await turns()
    assert writer.writes == 0
    os.close(read_end)
    await until(lambda: writer.reasons)
    assert writer.reasons[0].type is error.ConnectionLost
    os.close(write_end)


@pytest.mark.parametrize("shared", [True, False])
async def test_reset_reaches_reader_and_writer(fdset: Any, sockets: Any, shared: bool) -> None:
    ours, peer = sockets(tcp_pair)
    reader = Stranger(ours.fileno(), lambda: fdset.removeReader(reader))
    writer = reader if shared else Stranger(ours.fileno())
    writer.write = lambda: fdset.removeWriter(writer)
    reset(peer)
    fdset.addReader(reader)
    fdset.addWriter(writer)
    await until(lambda: reader.reads == 1 and writer.writes == 1)
    await turns()
    assert fdset.descriptors() == []


@pytest.mark.parametrize("writing", [False, True])
async def test_all_is_read_before_a_reset(fdset: Any, sockets: Any, writing: bool) -> None:
    """3,000 bytes and a reset are pending, read 1,000 at a time: four calls, whatever the loop."""
    ours, peer = sockets(tcp_pair)
    peer.send(b"x" * 3000)
    reset(peer)
    stranger = Stranger(ours)

    def read() -> Any:
        try:
            data = ours.recv(1000)
        except ConnectionResetError as reset_error:
            return reset_error
        stranger.received += data
        return None if data else -2

    stranger.read = read
    add(fdset, stranger, "rw" if writing else "r")
    await until(lambda: stranger.reasons)
    assert len(stranger.received) == 3000 and stranger.reads == 4
    assert stranger.reasons[0].type is ConnectionResetError
    assert fdset.descriptors() == []


async def test_an_error_that_is_ignored_is_told_once_a_turn(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets(tcp_pair)
    peer.send(b"x")
    reset(peer)
    stranger = Stranger(ours, lambda: None)
    fdset.addReader(stranger)
    for _ in range(100):
        await asyncio.sleep(0)
    assert 10 <= stranger.reads <= 110  # neither forgotten nor called more often than the loop turns
    fdset.removeReader(stranger)
    before = stranger.reads
    await turns()
    assert stranger.reads == before


async def test_removed_and_added_again_in_the_call_for_an_error(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets(tcp_pair)
    peer.send(b"x" * 10)
    reset(peer)

    def read() -> Any:
        fdset.removeReader(stranger)
        fdset.addReader(stranger)
        return None if stranger.reads < 5 else -1

    stranger = Stranger(ours, read)
    fdset.addReader(stranger)
    await until(lambda: stranger.reasons)
    assert stranger.reads == 5


# What doRead and doWrite return

RESULTS = [(-1, error.ConnectionLost), (-2, error.ConnectionDone), (-7, error.ConnectionLost)]


@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize(("result", "reason"), RESULTS)
async def test_negative_results(
    fdset: Any, sockets: Any, method: str, result: int, reason: type[Exception]
) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    stranger = Stranger(ours)
    setattr(stranger, method, lambda: result)
    add(fdset, stranger, "rw")
    await until(lambda: stranger.reasons)
    await turns()
    assert [failure.type for failure in stranger.reasons] == [reason]
    assert fdset.descriptors() == []


@pytest.mark.parametrize("method", ["read", "write"])
async def test_an_exception_as_result_is_the_reason(fdset: Any, sockets: Any, method: str) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    why = ConnectionResetError("told")
    stranger = Stranger(ours)
    setattr(stranger, method, lambda: why)
    add(fdset, stranger, "rw")
    await until(lambda: stranger.reasons)
    assert [failure.value for failure in stranger.reasons] == [why]
    assert fdset.descriptors() == []


@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize("result", [None, 0])
async def test_results_that_mean_nothing(fdset: Any, sockets: Any, method: str, result: Any) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    stranger = Stranger(ours)
    setattr(stranger, method, lambda: result)
    add(fdset, stranger, method[0])
    await until(lambda: stranger.reads + stranger.writes > 3)
    assert fdset.descriptors() == [stranger] and stranger.reasons == []


@pytest.mark.parametrize("method", ["read", "write"])
async def test_a_result_that_says_nothing_is_explained(
    fdset: Any, sockets: Any, caplog: Any, method: str
) -> None:
    """As when ``dataReceived`` is a coroutine function: it is closed, lest it warn as well."""
    ours, peer = sockets()
    peer.send(b"x")

    async def later() -> None:
        raise AssertionError("not to be run")

    stranger = Stranger(ours)
    setattr(stranger, method, later)
    add(fdset, stranger, method[0])
    await until(lambda: stranger.reasons)
    assert stranger.reasons[0].type is TypeError and "ensure_future" in str(stranger.reasons[0].value)
    assert len(errors(caplog)) == 1 and fdset.descriptors() == []


@implementer(IHalfCloseableDescriptor)
class HalfCloseable(Stranger):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.half: list[Any] = []

    def readConnectionLost(self, reason: Any) -> None:
        self.half.append(reason)

    def writeConnectionLost(self, reason: Any) -> None:
        raise AssertionError("nobody closed the write side")


@pytest.mark.parametrize("result", [-2, error.ConnectionDone()])
async def test_the_end_of_reading_alone(fdset: Any, sockets: Any, result: Any) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    stranger = HalfCloseable(ours, lambda: result)
    add(fdset, stranger, "rw")
    await until(lambda: stranger.half)
    assert stranger.half[0].type is error.ConnectionDone
    assert fdset.getReaders() == [] and fdset.getWriters() == [stranger]
    before = stranger.writes
    await until(lambda: stranger.writes > before)
    assert stranger.reasons == [] and len(stranger.half) == 1
    stranger.write = lambda: -2  # when writing ends, all does
    await until(lambda: stranger.reasons)
    assert fdset.descriptors() == [] and len(stranger.half) == 1


async def test_a_lost_connection_is_not_the_end_of_reading_alone(fdset: Any, sockets: Any) -> None:
    ours, peer = sockets()
    peer.send(b"x")
    stranger = HalfCloseable(ours, lambda: -1)
    fdset.addReader(stranger)
    await until(lambda: stranger.reasons)
    assert stranger.half == []


@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize("exception", [ZeroDivisionError, asyncio.CancelledError])
async def test_an_exception_is_logged_once_and_is_the_reason(
    fdset: Any, sockets: Any, caplog: Any, method: str, exception: type[BaseException]
) -> None:
    (ours, peer), (others, other_peer) = sockets(), sockets()
    peer.send(b"x")

    def fail() -> None:
        raise exception("told")

    stranger, other = Stranger(ours), Stranger(others)
    setattr(stranger, method, fail)
    add(fdset, stranger, method[0])
    fdset.addReader(other)
    await until(lambda: stranger.reasons)
    await turns()
    assert [failure.type for failure in stranger.reasons] == [exception]
    (record,) = errors(caplog)
    assert record.exc_info[0] is exception and record.name == "twisted_compat"
    other_peer.send(b"alive")
    await until(lambda: other.received == b"alive")


@pytest.mark.parametrize("kind", [Stranger, HalfCloseable])
async def test_a_loss_handler_that_raises(fdset: Any, sockets: Any, caplog: Any, kind: Any) -> None:
    (ours, peer), (others, other_peer) = sockets(), sockets()
    peer.send(b"x")

    def fail(reason: Any) -> None:
        raise ZeroDivisionError

    stranger, other = kind(ours, lambda: -2), Stranger(others)
    stranger.connectionLost = stranger.readConnectionLost = fail
    fdset.addReader(stranger)
    fdset.addReader(other)
    await until(lambda: errors(caplog))
    await turns()
    (record,) = errors(caplog)
    assert record.exc_info[0] is ZeroDivisionError
    name = "connectionLost" if kind is Stranger else "readConnectionLost"
    assert record.getMessage().startswith(name)
    assert fdset.descriptors() == [other]
    other_peer.send(b"alive")
    await until(lambda: other.received == b"alive")


# Threads


@pytest.mark.parametrize("method", ["addReader", "addWriter"])
async def test_adding_from_a_wrong_thread(fdset: Any, sockets: Any, method: str) -> None:
    ours, _ = sockets()
    for descriptor in (Stranger(ours), Ours(ours, fdset)):
        with pytest.raises(RuntimeError, match="callFromThread"):
            await asyncio.to_thread(getattr(fdset, method), descriptor)
        assert fdset.getReaders() == fdset.getWriters() == []
    fdset.removeAll()
    for descriptor in fdset.descriptors():
        descriptor.connectionLost(None)


async def test_removing_from_a_wrong_thread(fdset: Any, sockets: Any) -> None:
    ours, _ = sockets()
    stranger = Stranger(ours)
    add(fdset, stranger, "rw")
    for method in (fdset.removeReader, fdset.removeWriter):
        with pytest.raises(RuntimeError, match="callFromThread"):
            await asyncio.to_thread(method, stranger)
    assert fdset.getReaders() == fdset.getWriters() == [stranger]
    before = stranger.writes
    await until(lambda: stranger.writes > before)


# All of them


async def test_remove_all(fdset: Any, sockets: Any) -> None:
    (one, peer), (two, _), (three, _), (four, _) = sockets(), sockets(), sockets(), sockets()
    reader, writer, both, ours = Stranger(one), Stranger(two), Stranger(three), Ours(four, fdset)
    fdset.addReader(reader)
    fdset.addWriter(writer)
    add(fdset, both, "rw")
    ours.write(b"x")
    assert fdset.removeAll() == [reader, writer, both, ours]
    assert fdset.getReaders() == fdset.getWriters() == fdset.removeAll() == []
    assert fdset.descriptors() == [ours]  # a connection that is paused is alive
    peer.send(b"x")
    await turns()
    assert reader.reads == writer.writes == both.writes == 0 and ours.events == []
    ours.connectionLost(None)


async def test_when_empty(fdset: Any, sockets: Any) -> None:
    (one, _), (two, _) = sockets(), sockets()
    calls: list[str] = []
    fdset.when_empty(lambda: calls.append("at once"))
    assert calls == ["at once"]
    stranger, ours = Stranger(one), Ours(two, fdset)
    fdset.addReader(stranger)
    ours.startReading()
    fdset.when_empty(lambda: calls.append("later"))
    fdset.removeReader(stranger)
    ours.pauseProducing()
    assert calls == ["at once"]  # paused, and still to be closed
    ours.connectionLost(None)
    assert calls == ["at once", "later"]
    fdset.addReader(stranger)
    fdset.removeReader(stranger)
    assert calls == ["at once", "later"]


async def test_close(fdset: Any, sockets: Any) -> None:
    (one, peer), (two, _) = sockets(), sockets()
    stranger, ours = Stranger(one), Ours(two, fdset)
    add(fdset, stranger, "rw")
    ours.startReading()
    ours.write(b"x")
    fdset.close()
    fdset.close()
    assert fdset.descriptors() == []
    peer.send(b"x")
    await turns()
    assert (stranger.reads, stranger.writes, ours.events) == (0, 0, [])
    loop = asyncio.get_running_loop()
    assert not loop.remove_reader(one) and not loop.remove_writer(one)  # nothing is left behind


def test_a_loop_closed_under_its_watches(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], sockets: Any
) -> None:
    (one, _), (two, reset_peer), (three, _) = sockets(), sockets(tcp_pair), sockets()
    loop = loop_factory()
    fdset = make_set(loop)
    ignoring = Stranger(two, lambda: None)
    with open(os.devnull, "rb") as file:
        strangers = [Stranger(one), ignoring, Stranger(file)]
        for stranger in strangers:
            add(fdset, stranger, "rw")
        ours = Ours(three, fdset)
        ours.startReading()
        reset(reset_peer)
        loop.run_until_complete(asyncio.sleep(0.005))
        ours.write(b"never sent")
        loop.close()
        for stranger in strangers[:2]:
            remove(fdset, stranger)
        with pytest.raises(RuntimeError, match=r"is closed.*async with AsyncioReactor"):
            fdset.addReader(Stranger(one))
        ours.connectionLost(None)
        assert fdset.removeAll() == [strangers[2]]
        fdset.close()
    assert fdset.descriptors() == []
