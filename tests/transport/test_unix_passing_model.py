"""Descriptors amid bytes, in any order and any portions, against a model of where each has to be.

Each descriptor travels with the first byte that is written after it and that none before it has taken. First
without a reactor, on a pair of sockets; then over connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Listening
from tests.transport.unix_sockets import Passed, Receiver, adopted, all_gone, descriptors, which
from twisted_compat import AsyncioReactor
from twisted_compat.transport.unix_passing import Sender, close_all, receive

MOST = 12
"""Descriptors in one example."""


@dataclass(frozen=True)
class Write:
    size: int


@dataclass(frozen=True)
class Descriptor:
    pass


@dataclass(frozen=True)
class Send:
    """Let the kernel have up to so many bytes."""

    limit: int


@dataclass(frozen=True)
class Read:
    """Take up to so many bytes from the kernel."""

    size: int


sizes = st.one_of(st.integers(1, 5), st.integers(1, 3_000), st.integers(1, 40_000))
writes = st.builds(Write, sizes)
passing = st.builds(Descriptor)


def bytes_from(start: int, size: int) -> bytes:
    """A part of a stream in which no byte is like its neighbours."""
    return bytes(index % 251 for index in range(start, start + size))


class Model:
    """The stream as it was asked for.

    :ivar size: bytes that were written.
    :ivar carriers: for each descriptor, in turn, the byte to travel with; it may not have been written yet.
    """

    def __init__(self) -> None:
        self.size = 0
        self.carriers: list[int] = []

    def write(self, size: int) -> bytes:
        data = bytes_from(self.size, size)
        self.size += size
        return data

    def add(self) -> int:
        """One more descriptor; its index."""
        follows = self.carriers[-1] + 1 if self.carriers else 0
        self.carriers.append(max(self.size, follows))
        return len(self.carriers) - 1

    @property
    def carried(self) -> int:
        """How many have a byte."""
        return sum(carrier < self.size for carrier in self.carriers)


@given(
    steps=st.lists(
        st.one_of(writes, passing, st.builds(Send, sizes), st.builds(Read, sizes)), min_size=1, max_size=40
    ),
    buffer=st.sampled_from([1, 8_000, 200_000]),
)
@settings(deadline=None, max_examples=150)
def test_what_is_sent_and_what_waits(steps: list[Any], buffer: int) -> None:
    model, sender = Model(), Sender()
    unsent = bytearray()
    got, arrived = bytearray(), 0
    ours, theirs = socket.socketpair()
    with descriptors(MOST) as passed, ours, theirs, contextlib.closing(sender):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        ours.setblocking(False)
        theirs.setblocking(False)

        def send(limit: int) -> None:
            with contextlib.suppress(BlockingIOError):
                portion = bytes(unsent[:limit])
                if not sender:
                    count = ours.send(portion)
                else:
                    count = sender.send(ours, portion)
                    if count < len(portion):
                        event("the kernel took less")
                del unsent[:count]

        def read(size: int) -> bool:
            nonlocal arrived
            try:
                data, fds, _, _ = socket.recv_fds(theirs, size, 253)
            except BlockingIOError:
                return False
            start = len(got)
            got.extend(data)
            for fd in fds:
                assert which(passed, fd) == arrived
                assert start <= model.carriers[arrived] < len(got)
                arrived += 1
                os.close(fd)
            return True

        for step in steps:
            if isinstance(step, Write):
                unsent += model.write(step.size)
            elif isinstance(step, Descriptor):
                if len(model.carriers) < MOST:
                    sender.add(passed[model.add()].fd, len(unsent))
            elif isinstance(step, Send):
                if unsent:
                    send(step.limit)
            else:
                read(step.size)
        for _ in range(1_000):  # far more than it takes
            if unsent:
                send(100_000)
            if not read(100_000) and not unsent:
                break
        assert got == bytes_from(0, model.size)
        assert arrived == model.carried
        assert len(sender) == len(model.carriers) - model.carried
        sender.close()
        assert not sender and all_gone(passed)


messages = st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 3)), min_size=1, max_size=12)


@given(messages=messages, reads=st.lists(st.integers(1, 3_000), min_size=1, max_size=6))
@settings(deadline=None, max_examples=150)
def test_what_other_programs_send_is_received_in_order(
    messages: list[tuple[int, int]], reads: list[int]
) -> None:
    """None comes after the first byte of the message that it was sent with, however much is read at once."""
    ours, theirs = socket.socketpair()
    with descriptors(3 * len(messages)) as passed, ours, theirs:
        ours.setblocking(False)
        starts: list[int] = []
        total = 0
        for size, count in messages:
            fds = [each.fd for each in passed[len(starts) : len(starts) + count]]
            starts += [total] * count
            assert socket.send_fds(theirs, [bytes_from(total, size)], fds) == size
            total += size
        theirs.close()
        got, arrived, turn = bytearray(), 0, 0
        while True:
            data, extras = receive(ours, reads[turn % len(reads)])
            turn += 1
            for fd in [] if extras is None else extras.descriptors:
                assert which(passed, fd) == arrived
                assert len(got) <= starts[arrived] < len(got) + len(data)
                assert not os.get_inheritable(fd)
                arrived += 1
            if extras is not None:
                assert not extras.truncated and not extras.others
                close_all(extras.descriptors)
            got += data
            if not data:
                break
        assert got == bytes_from(0, total)
        assert arrived == len(starts)
        assert all_gone(passed)


@dataclass(frozen=True)
class Turns:
    """Let the loop turn so many times."""

    count: int


@given(
    steps=st.lists(st.one_of(writes, passing, st.builds(Turns, st.integers(1, 5))), min_size=1, max_size=30),
    buffer_size=st.sampled_from([1, 7, 1_000, 65_536]),
    send_buffer=st.sampled_from([1, 200_000]),
    send_limit=st.sampled_from([1_000, 131_072]),
    pause=st.booleans(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_between_two_of_our_own(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    steps: list[Any],
    buffer_size: int,
    send_buffer: int,
    send_limit: int,
    pause: bool,
) -> None:
    if buffer_size < 1_000:
        steps = [Write(step.size % 200 + 1) if isinstance(step, Write) else step for step in steps]

    async def converse(passed: list[Passed]) -> None:
        model = Model()
        sending, receiving = Receiver(), Receiver()
        async with AsyncioReactor() as reactor:
            with adopted(reactor, sending) as peer:
                taking = reactor.adoptStreamConnection(
                    peer.fileno(), socket.AF_UNIX, Listening(build=lambda addr: receiving)
                )
            assert taking is not None
            taking.bufferSize = buffer_size
            sending.transport.SEND_LIMIT = send_limit
            sending.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            if pause:
                receiving.on_descriptor = pause_for_a_turn
            for step in steps:
                if isinstance(step, Write):
                    sending.transport.write(model.write(step.size))
                elif isinstance(step, Turns):
                    await turns(step.count)
                elif len(model.carriers) < MOST:
                    sending.transport.sendFileDescriptor(passed[model.add()].fd)
            sending.transport.loseConnection()
            await until(lambda: sending.reasons and receiving.reasons)
            overrun = model.carried < len(model.carriers)
            expected = reactor.vocabulary.error
            error = expected.FileDescriptorOverrun if overrun else expected.ConnectionDone
            assert sending.reasons[0].check(error)
            assert receiving.reasons[0].check(expected.ConnectionDone)
        assert receiving.received == bytes_from(0, model.size)
        assert [which(passed, fd) for fd in receiving.descriptors] == list(range(model.carried))
        for position, carrier in zip(receiving.positions(), model.carriers, strict=False):
            assert position <= carrier
        receiving.close()
        assert all_gone(passed)

    loop = loop_factory()
    try:
        with descriptors(MOST) as passed:
            loop.run_until_complete(converse(passed))
    finally:
        loop.close()


def pause_for_a_turn(protocol: Any) -> None:
    protocol.transport.pauseProducing()
    protocol.transport.reactor.callLater(0, protocol.transport.resumeProducing)
