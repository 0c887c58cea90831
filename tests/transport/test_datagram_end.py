"""The end of ports for datagrams: with the reactor, and without a trace; and calls from other threads."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import no_reference_cycles, until, within
from tests.transport.datagrams import (
    Failing,
    Notes,
    Words,
    errors_logged,
    in_both_words,
    linux_only,
    nothing_left_open,
    plain_udp,
    turn,
    unused_address,
    where_of,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.error import BindError, MessageLengthError

pytestmark = pytest.mark.without_debug

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@in_both_words
async def test_the_reactor_stops_with_ports_open(speaking: Any) -> None:
    words: Words = speaking()
    made: list[Any] = [words.notes() for _ in range(4)]
    reactor = words.reactor()
    with nothing_left_open():
        async with reactor:
            reactor.listenUDP(0, made[0], interface="127.0.0.1")
            reactor.listenUDP(0, made[1], interface="127.0.0.1").pauseProducing()
            connected = reactor.listenUDP(0, made[2], interface="127.0.0.1")
            connected.connect(*unused_address())
            connected.write(b"x")
            reactor.listenMulticast(0, made[3], interface="127.0.0.1").stopListening()
    assert [notes.events[-1] for notes in made] == ["stop"] * 4
    assert all(notes.transport is None for notes in made)


async def test_a_protocol_that_fails_to_stop_with_the_reactor_is_logged() -> None:
    def fail(protocol: Any) -> None:
        raise ZeroDivisionError("mine")

    with errors_logged() as logged, nothing_left_open():
        async with AsyncioReactor() as reactor:
            last = Notes()
            reactor.listenUDP(0, Notes(stop=fail), interface="127.0.0.1")
            reactor.listenUDP(0, last, interface="127.0.0.1")
        await turn()
        gc.collect()  # an unhandled failure is logged as it goes
    assert last.events == ["start", "stop"]
    assert len(logged) == 1 and "mine" in logged[0]


def test_listening_before_there_is_a_loop(loop_factory: LoopFactory) -> None:
    def hello(protocol: Any) -> None:
        protocol.transport.write(b"hello", where_of(protocol.transport))

    reactor = AsyncioReactor(loop_factory=loop_factory)
    notes = Notes(start=hello, datagram=lambda p, data, addr: reactor.stop())
    reactor.listenUDP(0, notes, interface="127.0.0.1")
    reactor.run()
    assert notes.data == [b"hello"] and notes.events == ["start", "stop"]


async def test_other_threads_are_refused() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        raised: list[BaseException] = []

        def call(function: Callable[..., Any], *args: Any) -> None:
            try:
                function(*args)
            except BaseException as error:
                raised.append(error)

        with plain_udp() as skt, nothing_left_open():
            calls: list[Any] = [
                (reactor.listenUDP, 0, notes, "127.0.0.1"),
                (reactor.listenMulticast, 0, notes, "127.0.0.1"),
                (reactor.adoptDatagramPort, skt.fileno(), socket.AF_INET, notes),
            ]
            for arguments in calls:
                thread = threading.Thread(target=call, args=arguments)
                thread.start()
                thread.join()
        assert len(raised) == len(calls)
        for error, (function, *_) in zip(raised, calls, strict=True):
            assert isinstance(error, RuntimeError) and "callFromThread" in str(error)
            assert function.__name__ in str(error)
        assert notes.events == [] and not reactor.getReaders()


async def test_other_threads_do_not_stop_it() -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        raised: list[RuntimeError] = []

        def call() -> None:
            for ask in (port.stopListening, port.pauseProducing):
                try:
                    ask()
                except RuntimeError as error:
                    raised.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert ["callFromThread" in str(error) for error in raised] == [True, True]
        with plain_udp() as peer:
            for _ in range(5):
                peer.sendto(b"x", where_of(port))
            await until(lambda: len(notes.received) == 5)
        await within(as_future(port.stopListening()))
        assert notes.events == ["start", "stop"]


async def used_up(reactor: AsyncioReactor) -> weakref.ref[Any]:
    """A port with a full life; what is left of it."""
    notes = Notes(datagram=lambda p, data, addr: p.transport.write(data, addr))
    port = reactor.listenUDP(0, notes, interface="127.0.0.1")
    with plain_udp() as peer:
        peer.sendto(b"hello", where_of(port))
        await until(lambda: notes.received)
        port.connect(*unused_address())
        port.write(b"anybody?")
        port.write(b"anybody?")
        await until(lambda: "refused" in notes.events)
        port.pauseProducing()
        port.resumeProducing()
    done: list[Any] = []
    port.stopListening().addCallback(done.append)
    await until(lambda: done)
    return weakref.ref(port)


@linux_only
async def test_a_closed_port_leaves_no_cycle() -> None:
    async with AsyncioReactor() as reactor:
        await used_up(reactor)
        await turn()
        with no_reference_cycles():
            left = await used_up(reactor)
            await turn()
            assert left() is None


async def test_errors_leave_no_cycle() -> None:
    def once() -> weakref.ref[Any]:
        port = reactor.listenUDP(0, Notes(), interface="127.0.0.1")
        for attempt in (
            lambda: port.write(b"x", ("127.255.255.255", 9)),
            lambda: port.write(b"x", ("198.51.100.1", 9)),
            lambda: port.write(b"x", ("localhost", 9)),
            lambda: port.write(b"x" * 70_000, ("127.0.0.1", 9)),
            lambda: port.connect("198.51.100.1", 9),
            lambda: reactor.listenUDP(port.getHost().port, Notes(), interface="127.0.0.1"),
            lambda: reactor.listenUDP(0, Notes(), interface="localhost"),
            lambda: reactor.listenUDP(0, Notes(start=lambda p: 1 // 0), interface="127.0.0.1"),
            lambda: reactor.adoptDatagramPort(port.fileno(), socket.AF_INET6, Notes()),
        ):
            with pytest.raises((OSError, ArithmeticError, ValueError, BindError, MessageLengthError)):
                attempt()
        port.connectionLost()
        return weakref.ref(port)

    async with AsyncioReactor() as reactor:
        once()
        with no_reference_cycles():
            assert once()() is None


async def test_an_unusable_socket_leaves_no_cycle() -> None:
    async def once() -> weakref.ref[Any]:
        notes = Notes()
        port = reactor.listenUDP(0, notes, interface="127.0.0.1")
        Failing(port, receiving=(errno.ENOTSOCK,))
        with plain_udp() as peer:
            peer.sendto(b"x", where_of(port))
            await until(lambda: "stop" in notes.events)
        return weakref.ref(port)

    async with AsyncioReactor() as reactor:
        await once()
        await turn()
        with no_reference_cycles():
            left = await once()
            await turn()
            assert left() is None
