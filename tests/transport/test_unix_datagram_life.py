"""UNIX sockets for datagrams: receivers that are full, adopting, closing, and what others may do to them."""

from __future__ import annotations

import array
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import no_reference_cycles, until, within
from tests.transport.datagrams import (
    Notes,
    Words,
    abstract_name,
    answer,
    in_both_words,
    linux_only,
    nothing_left_open,
    plain_unix,
    received,
    turn,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.address import UNIXAddress
from twisted_compat.error import UnsupportedAddressFamily, UnsupportedSocketType
from twisted_compat.transport.unix_datagram import DatagramPort

pytestmark = pytest.mark.without_debug


@in_both_words
async def test_what_a_full_receiver_does_not_take_is_dropped_and_counted(
    speaking: Any, tmp_path: Path
) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        port = reactor.listenUNIXDatagram(None, words.notes())
        with plain_unix(tmp_path / "full") as full, plain_unix(tmp_path / "other") as other:
            for n in range(2000):
                port.write(b"%d" % n, tmp_path / "full")
            dropped = port.datagrams_dropped
            assert 0 < dropped < 2000
            port.write(b"others are not full", tmp_path / "other")
            assert (await received(other))[0] == b"others are not full"
            for n in range(2000 - dropped):
                assert (await received(full))[0] == b"%d" % n
            port.write(b"room again", tmp_path / "full")
            assert (await received(full))[0] == b"room again"
        assert port.datagrams_dropped == dropped and port.connected


async def test_others_get_their_turn_though_datagrams_never_end(tmp_path: Path) -> None:
    def again(protocol: Any, data: bytes, addr: Any) -> None:
        if len(protocol.received) < 50_000:  # lest a test that fails never ends
            protocol.transport.write(data, addr)

    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=again)
        port = reactor.listenUNIXDatagram(tmp_path / "socket", notes)
        for _ in range(5):
            port.write(b"", tmp_path / "socket")
        await until(lambda: notes.received)
        turns: list[int] = []
        reactor.callLater(0, turns.append, 1)
        await until(lambda: turns)
        assert len(notes.received) < 50_000
        await within(as_future(port.stopListening()))


@pytest.mark.parametrize("how", ["stopListening", "connectionLost", "pauseProducing"])
async def test_nothing_follows_in_the_midst_of_a_batch(how: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=lambda p, data, addr: data == b"1" and getattr(p.transport, how)())
        port = reactor.listenUNIXDatagram(tmp_path / "socket", notes)
        with plain_unix() as peer:
            for n in range(5):
                peer.sendto(b"%d" % n, str(tmp_path / "socket"))
        await until(lambda: len(notes.received) >= 2)
        for _ in range(5):
            await turn()
        assert notes.data == [b"0", b"1"]
        if how == "pauseProducing":
            port.resumeProducing()
            await until(lambda: len(notes.received) == 5)


async def test_after_the_close_writes_are_dropped(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIXDatagram(None, Notes())
        with plain_unix(tmp_path / "peer") as peer:
            await within(as_future(port.stopListening()))
            port.write(b"x", tmp_path / "peer")
            port.write(b"x", tmp_path / "missing")
            port.writeSequence([b"x"], tmp_path / "peer")
            peer.sendto(b"end", str(tmp_path / "peer"))
            assert (await received(peer))[0] == b"end"


@linux_only
async def test_descriptors_that_strangers_send_along_are_not_kept(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        reactor.listenUNIXDatagram(tmp_path / "socket", notes)
        with plain_unix() as peer, nothing_left_open():
            peer.connect(str(tmp_path / "socket"))
            for _ in range(3):
                passed = array.array("i", [peer.fileno()] * 5)
                peer.sendmsg([b"with five"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
            await until(lambda: len(notes.received) == 3)


# Adopting


@linux_only
@in_both_words
@pytest.mark.parametrize("kind", ["path", "abstract", "none"])
async def test_adopting(speaking: Any, kind: str, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.notes(datagram=answer)
    name: Any = {"path": str(tmp_path / "socket"), "abstract": abstract_name(), "none": None}[kind]
    async with words.reactor() as reactor:
        with plain_unix(name) as original, plain_unix(tmp_path / "peer") as peer:
            with nothing_left_open():
                port = reactor.adoptDatagramPort(original.fileno(), socket.AF_UNIX, notes)
                told = os.fsencode(name) if kind == "abstract" else name
                assert notes.events == ["start"] and port.getHost() == words.address.UNIXAddress(told)
                port.write(b"hello", str(tmp_path / "peer"))
                assert await received(peer) == (b"hello", told)
                if name is not None:
                    peer.sendto(b"hello", name)
                    assert await received(peer) == (b"HELLO", told)
                    assert notes.received == [(b"hello", str(tmp_path / "peer"))]
                stopped: list[Any] = []
                port.stopListening().addCallback(stopped.append)
                await until(lambda: stopped)
                assert notes.events == ["start", "stop"]
            if kind == "path":
                assert (tmp_path / "socket").is_socket()
            if name is not None:
                peer.sendto(b"the original's", name)
                assert (await received(original))[0] == b"the original's"


async def test_what_cannot_be_adopted(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        streams = socket.socketpair()
        reading, writing = os.pipe()
        with streams[0], streams[1], plain_unix(tmp_path / "socket") as skt, nothing_left_open():
            with pytest.raises((OSError, UnsupportedSocketType)):
                reactor.adoptDatagramPort(streams[0].fileno(), socket.AF_UNIX, notes)
            for family in (socket.AF_INET, socket.AF_INET6):
                with pytest.raises(OSError):
                    reactor.adoptDatagramPort(skt.fileno(), family, notes)
            for number in (reading, -1, 1 << 20):
                with pytest.raises(OSError):
                    reactor.adoptDatagramPort(number, socket.AF_UNIX, notes)
            with pytest.raises(UnsupportedAddressFamily):
                reactor.adoptDatagramPort(skt.fileno(), 9999, notes)
            with pytest.raises(ZeroDivisionError):
                reactor.adoptDatagramPort(skt.fileno(), socket.AF_UNIX, Notes(start=lambda p: 1 // 0))
        os.close(reading)
        os.close(writing)
        assert notes.events == [] and (tmp_path / "socket").is_socket()


# Saying what it is, and the end


async def test_what_it_is_called(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = str(tmp_path / "socket")
    async with AsyncioReactor() as reactor:
        port = DatagramPort(path, Notes(), reactor=reactor)
        assert "not listening" in repr(port) and port.fileno() == -1 and port.getHandle() is None
        with pytest.raises(RuntimeError, match="startListening"):
            port.getHost()
        assert port.stopListening() is None
        port.startListening()
        assert port.logPrefix().startswith("Notes") and path in repr(port) and "Notes" in repr(port)
        assert [m for m in caplog.messages if m.startswith("Notes starting on") and path in m]
        await within(as_future(port.stopListening()))
        assert [m for m in caplog.messages if "Closed" in m and path in m]
        assert "not listening" in repr(port) and port.getHost() == UNIXAddress(path)


@in_both_words
async def test_the_reactor_stops_with_ports_open(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    several: list[Any] = [words.notes() for _ in range(3)]
    reactor = words.reactor()
    with nothing_left_open():
        async with reactor:
            reactor.listenUNIXDatagram(tmp_path / "first", several[0])
            reactor.listenUNIXDatagram(tmp_path / "second", several[1]).pauseProducing()
            reactor.listenUNIXDatagram(None, several[2])
    assert [notes.events for notes in several] == [["start", "stop"]] * 3


async def test_other_threads_are_refused(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        raised: list[BaseException] = []

        def call() -> None:
            for function in (reactor.listenUNIXDatagram, reactor.connectUNIXDatagram):
                try:
                    function(tmp_path / "socket", Notes())
                except RuntimeError as error:
                    raised.append(error)

        with nothing_left_open():
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        assert ["callFromThread" in str(error) for error in raised] == [True, True]
        assert list(tmp_path.iterdir()) == [] and not reactor.getReaders()


async def test_it_leaves_no_cycle(tmp_path: Path) -> None:
    async def once() -> None:
        notes = Notes()
        port = reactor.listenUNIXDatagram(tmp_path / "socket", notes)
        port.write(b"x", tmp_path / "socket")
        for name in ("missing", "x" * 300):
            with pytest.raises(OSError):
                port.write(b"x", tmp_path / name)
        await until(lambda: notes.received)
        done: list[Any] = []
        port.stopListening().addCallback(done.append)
        await until(lambda: done)
        (tmp_path / "socket").unlink()

    async with AsyncioReactor() as reactor:
        await once()
        await turn()
        with no_reference_cycles():
            await once()
            await turn()
