"""UNIX sockets for datagrams to and from one peer: connecting, failing to, and peers that go or are full."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import no_reference_cycles, until, within
from tests.transport.datagrams import (
    ConnectedNotes,
    Words,
    errors_logged,
    in_both_words,
    linux_only,
    nothing_left_open,
    plain_unix,
    received,
    turn,
)
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.address import UNIXAddress
from twisted_compat.error import ConnectError
from twisted_compat.transport.unix_path import SocketName

pytestmark = pytest.mark.without_debug


@in_both_words
async def test_it_sends_to_its_peer_and_hears_it(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.connected_notes(datagram=lambda p, data, _: p.transport.write(data.upper()))
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    async with words.reactor() as reactor:
        with plain_unix(theirs) as peer:
            port = reactor.connectUNIXDatagram(theirs, notes, bindAddress=ours)
            assert notes.events == ["start"] and notes.transport is port
            for name in (
                "IUNIXDatagramConnectedTransport",
                "IListeningPort",
                "IConnector",
                "ILoggingContext",
            ):
                assert verifyObject(getattr(words.interfaces, name), port)
            assert port.getHost() == words.address.UNIXAddress(ours)
            assert port.getPeer() == port.getDestination() == words.address.UNIXAddress(theirs)
            skt = port.getHandle()
            assert not skt.getblocking() and not skt.get_inheritable()
            port.write(b"hello")
            port.writeSequence([b"in ", b"pieces"])
            port.write(b"")
            assert [await received(peer) for _ in range(3)] == [
                (data, ours) for data in (b"hello", b"in pieces", b"")
            ]
            for data in (b"answer", b""):
                peer.sendto(data, ours)
                assert (await received(peer))[0] == data.upper()
            assert notes.received == [(b"answer", None), (b"", None)]
            assert stat.S_IMODE(os.lstat(ours).st_mode) == 0o666


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
async def test_names_of_every_kind(kind: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs") as peer:
            port = reactor.connectUNIXDatagram(
                kind(str(tmp_path / "theirs")), notes, mode=0o600, bindAddress=kind(str(tmp_path / "ours"))
            )
            assert port.getPeer() == UNIXAddress(str(tmp_path / "theirs"))
            assert stat.S_IMODE((tmp_path / "ours").lstat().st_mode) == 0o600
            port.write(b"hello")
            assert await received(peer) == (b"hello", str(tmp_path / "ours"))


@linux_only
async def test_abstract_names() -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        name = f"\0twisted_compat {os.getpid()} connected"
        with plain_unix(name) as peer:
            port = reactor.connectUNIXDatagram(name, notes, bindAddress=name + " to")
            assert port.getPeer() == UNIXAddress(os.fsencode(name))
            assert port.getHost() == UNIXAddress(os.fsencode(name) + b" to")
            port.write(b"hello")
            assert await received(peer) == (b"hello", os.fsencode(name) + b" to")
            peer.sendto(b"answer", name + " to")
            await until(lambda: notes.data == [b"answer"])


async def test_without_a_name_of_its_own(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with plain_unix(tmp_path / "theirs") as peer:
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", ConnectedNotes())
            assert port.getHost() == UNIXAddress(None)
            port.write(b"hello")
            assert await received(peer) == (b"hello", None)


async def test_others_are_not_heard(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs") as peer, plain_unix(tmp_path / "stranger") as stranger:
            reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
            with pytest.raises(PermissionError):
                stranger.sendto(b"stranger", str(tmp_path / "ours"))
            peer.sendto(b"peer", str(tmp_path / "ours"))
            await until(lambda: notes.data == [b"peer"])


async def test_nor_who_writes_while_it_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind = SocketName.bind

    def bind_and_be_written_to(name: SocketName, skt: socket.socket, mode: int) -> None:
        bind(name, skt, mode)
        with contextlib.suppress(PermissionError), plain_unix() as stranger:
            stranger.sendto(b"stranger", str(tmp_path / "ours"))

    monkeypatch.setattr(SocketName, "bind", bind_and_be_written_to)
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs") as peer:
            reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
            peer.sendto(b"peer", str(tmp_path / "ours"))
            await until(lambda: b"peer" in notes.data)
        assert notes.data == [b"peer"]


async def test_what_is_longer_than_the_most_is_cut(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs") as peer:
            reactor.connectUNIXDatagram(tmp_path / "theirs", notes, 3, bindAddress=tmp_path / "ours")
            peer.sendto(b"hello", str(tmp_path / "ours"))
            await until(lambda: notes.data == [b"hel"])


async def test_what_cannot_be_written(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with plain_unix(tmp_path / "theirs") as peer:
            port: Any = reactor.connectUNIXDatagram(tmp_path / "theirs", ConnectedNotes())
            for what in ("text", None, 7):
                with pytest.raises(TypeError):
                    port.write(what)
                with pytest.raises(TypeError):
                    port.writeSequence([what])
            with pytest.raises(TypeError):
                port.write(b"x", str(tmp_path / "theirs"))
            with pytest.raises(reactor.vocabulary.error.MessageLengthError):
                port.write(b"x" * 1_000_000)
            port.write(b"end")
            assert (await received(peer))[0] == b"end"
            await within(as_future(port.stopListening()))
            port.write(b"dropped")
            port.writeSequence([b"dropped"])
            peer.sendto(b"last", str(tmp_path / "theirs"))
            assert (await received(peer))[0] == b"last"
        assert port.datagrams_dropped == 0


# Failing to connect


@in_both_words
async def test_nobody_is_there(speaking: Any, tmp_path: Path) -> None:
    """Told on a later turn, and nothing is left."""
    words: Words = speaking()
    with plain_unix(tmp_path / "gone"):
        pass
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    async with words.reactor() as reactor:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.bind(f"\0twisted_compat {os.getpid()} stream")
            stream.listen()
            for name, error in [
                (tmp_path / "missing", words.error.ConnectError),
                (tmp_path / "gone", words.error.ConnectionRefusedError),
                (tmp_path / "file", words.error.ConnectionRefusedError),
                (tmp_path / ("x" * 300), words.error.ConnectError),
                (f"{tmp_path}/gone\0", words.error.ConnectError),
                (stream.getsockname(), words.error.ConnectError),
            ]:
                notes = words.connected_notes()
                with nothing_left_open():
                    port = reactor.connectUNIXDatagram(name, notes, bindAddress=tmp_path / "ours")
                    assert notes.events == []
                    await until(partial(bool, notes.events))
                assert notes.events == ["failed"] and notes.failures[0].check(error)
                assert sorted(tmp_path.iterdir()) == before
                assert notes.transport is None and port.stopListening() is None and not port.connected
                port.write(b"dropped")
                await turn()
                assert notes.events == ["failed"]
        assert not reactor.getReaders()


async def test_why_it_failed(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        reactor.connectUNIXDatagram(tmp_path / "missing", notes)
        await until(lambda: notes.failures)
        assert notes.failures[0].type is ConnectError and notes.failures[0].value.osError == errno.ENOENT


@in_both_words
async def test_its_own_name_cannot_be_had(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    async with words.reactor() as reactor:
        with plain_unix(tmp_path / "theirs"):
            for name in ("theirs", "missing/ours", "x" * 300):
                notes = words.connected_notes()
                with nothing_left_open():
                    reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / name)
                    await until(partial(bool, notes.events))
                assert notes.events == ["failed"]
                assert notes.failures[0].check(words.error.CannotListenError)
            assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("name", [7, None, ["path"]])
async def test_only_names_are_names(name: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open(), pytest.raises(TypeError):
            reactor.connectUNIXDatagram(name, ConnectedNotes())


@in_both_words
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_connection_failed_raises(speaking: Any, error: type[BaseException], tmp_path: Path) -> None:
    def fail(protocol: Any, failure: Any) -> None:
        raise error("mine")

    words: Words = speaking()
    notes = words.connected_notes(failed=fail)
    async with words.reactor() as reactor:
        with errors_logged() as logged:
            reactor.connectUNIXDatagram(tmp_path / "missing", notes)
            await until(lambda: notes.events)
            await turn()
        assert notes.events == ["failed"] and len(logged) == 1 and "mine" in logged[0]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, asyncio.CancelledError])
async def test_start_protocol_raises(error: type[BaseException], tmp_path: Path) -> None:
    def fail(protocol: Any) -> None:
        raise error("mine")

    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes(start=fail)
        with plain_unix(tmp_path / "theirs") as peer:
            for _ in range(2):
                with nothing_left_open(), pytest.raises(error, match="mine"):
                    reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
                assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
            notes.hooks.clear()
            reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours").write(b"x")
            assert (await received(peer))[0] == b"x"
        assert notes.events == ["start"] * 3


# Peers that go, or are full


@linux_only
@in_both_words
async def test_the_peer_goes(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.connected_notes()
    async with words.reactor() as reactor:
        with plain_unix(tmp_path / "theirs"):
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
        for count in range(1, 21):
            port.write(b"anybody?")
            assert notes.events.count("refused") == count - 1  # never inside write
            await until(partial(notes.refused, count))
            assert port.datagrams_dropped == count
        for _ in range(3):
            port.write(b"anybody?")
        await until(lambda: notes.events.count("refused") > 20)
        await turn()
        assert notes.events == ["start"] + ["refused"] * 21 and port.connected
        stopped: list[Any] = []
        port.stopListening().addCallback(stopped.append)
        await until(lambda: stopped)
        assert notes.events[-1] == "stop"


@linux_only
@pytest.mark.parametrize("how", ["stopListening", "connectionLost"])
async def test_stopping_when_the_peer_is_gone(how: str, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes(refused=lambda p: getattr(p.transport, how)())
        with plain_unix(tmp_path / "theirs"):
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes)
        port.write(b"anybody?")
        port.write(b"anybody?")
        await until(lambda: "stop" in notes.events)
        assert notes.events == ["start", "refused", "stop"]


@linux_only
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_connection_refused_raises(error: type[BaseException], tmp_path: Path) -> None:
    def fail(protocol: Any) -> None:
        raise error("mine")

    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes(refused=fail)
        with plain_unix(tmp_path / "theirs"):
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes)
        with errors_logged() as logged:
            port.write(b"anybody?")
            await until(lambda: "refused" in notes.events)
            await turn()
        assert len(logged) == 1 and "mine" in logged[0] and port.connected


@in_both_words
async def test_a_full_peer(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.connected_notes()
    async with words.reactor() as reactor:
        with plain_unix(tmp_path / "theirs") as peer:
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes)
            for n in range(2000):
                port.write(b"%d" % n)
            dropped = port.datagrams_dropped
            assert 0 < dropped < 2000
            for n in range(2000 - dropped):
                assert (await received(peer))[0] == b"%d" % n
            port.write(b"room again")
            assert (await received(peer))[0] == b"room again"
        assert notes.events == ["start"] and port.datagrams_dropped == dropped


# As a connector, and as a port


@in_both_words
async def test_disconnecting_and_connecting_again(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.connected_notes()
    async with words.reactor() as reactor:
        with plain_unix(tmp_path / "theirs") as peer:
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
            with pytest.raises(RuntimeError):
                port.connect()
            with pytest.raises(words.error.AlreadyListened):
                port.startListening()
            with pytest.raises(words.error.NotConnectingError):
                port.stopConnecting()
            for count in (1, 2, 3):
                port.disconnect()
                await until(partial(notes.stopped, count))
                port.connect()
                port.write(b"here again")
                assert (await received(peer))[0] == b"here again"
        assert notes.events == ["start", "stop"] * 3 + ["start"]


async def test_connecting_to_who_is_back(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes)
        await until(lambda: notes.events == ["failed"])
        with plain_unix(tmp_path / "theirs") as peer:
            port.connect()
            port.write(b"hello")
            assert (await received(peer))[0] == b"hello"
        assert notes.events == ["failed", "start"]


@pytest.mark.parametrize("how", ["stopListening", "loseConnection", "stopProducing"])
async def test_closing(how: str, tmp_path: Path) -> None:
    """Its own file stays, as of any port for datagrams."""
    async with AsyncioReactor() as reactor:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs"), nothing_left_open():
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
            getattr(port, how)()
            assert notes.events == ["start"]
            await until(lambda: "stop" in notes.events)
            assert notes.transport is None and (tmp_path / "ours").is_socket()
            assert port.getHost() == UNIXAddress(str(tmp_path / "ours"))


async def test_what_it_is_called(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = str(tmp_path / "theirs")
    async with AsyncioReactor() as reactor:
        with plain_unix(path):
            port = reactor.connectUNIXDatagram(path, ConnectedNotes())
            assert path in repr(port) and "ConnectedNotes" in repr(port)
            assert port.logPrefix().startswith("ConnectedNotes")
            assert [m for m in caplog.messages if path in m and m.startswith("ConnectedNotes starting")]
            await within(as_future(port.stopListening()))
            assert [m for m in caplog.messages if path in m and "Closed" in m]
            assert "not" in repr(port)


async def test_the_reactor_stops(tmp_path: Path) -> None:
    notes = ConnectedNotes()
    with plain_unix(tmp_path / "theirs"), nothing_left_open():
        async with AsyncioReactor() as reactor:
            reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
    assert notes.events == ["start", "stop"]


async def test_it_leaves_no_cycle(tmp_path: Path) -> None:
    async def once() -> None:
        notes = ConnectedNotes()
        with plain_unix(tmp_path / "theirs") as peer:
            port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
            peer.sendto(b"x", str(tmp_path / "ours"))
            await until(lambda: notes.received)
        port.write(b"anybody?")
        await until(lambda: "refused" in notes.events)
        done: list[Any] = []
        port.stopListening().addCallback(done.append)
        await until(lambda: done)
        notes = ConnectedNotes()
        (tmp_path / "ours").unlink()
        port = reactor.connectUNIXDatagram(tmp_path / "theirs", notes, bindAddress=tmp_path / "ours")
        await until(lambda: notes.events)
        (tmp_path / "theirs").unlink()

    async with AsyncioReactor() as reactor:
        await once()
        await turn()
        with no_reference_cycles():
            await once()
            await turn()
