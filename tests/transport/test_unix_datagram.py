"""UNIX sockets for datagrams that are tied to nobody: names, files, and full or missing receivers."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until, within
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
from twisted_compat.error import (
    AlreadyListened,
    CannotListenError,
)
from twisted_compat.transport.unix_path import LONGEST

pytestmark = pytest.mark.without_debug

# Names


@in_both_words
async def test_it_hears_and_answers(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.notes(datagram=answer)
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    async with words.reactor() as reactor:
        port = reactor.listenUNIXDatagram(ours, notes)
        assert notes.events == ["start"] and notes.transport is port
        for name in ("IUNIXDatagramTransport", "IListeningPort", "IReadDescriptor", "ILoggingContext"):
            assert verifyObject(getattr(words.interfaces, name), port)
        assert port.getHost() == words.address.UNIXAddress(ours)
        skt = port.getHandle()
        assert not skt.getblocking() and not skt.get_inheritable()
        with plain_unix(theirs) as peer:
            peer.sendto(b"hello", ours)
            assert await received(peer) == (b"HELLO", ours)
        assert notes.received == [(b"hello", theirs)]
        assert port.datagrams_dropped == 0


@pytest.mark.parametrize("kind", [str, bytes, Path])
async def test_paths_of_every_kind(kind: Any, tmp_path: Path) -> None:
    def of_that_kind(path: Path) -> Any:
        return os.fsencode(path) if kind is bytes else kind(path)

    async with AsyncioReactor() as reactor:
        notes = Notes()
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        port = reactor.listenUNIXDatagram(of_that_kind(ours), notes)
        assert port.getHost() == UNIXAddress(str(ours))
        with plain_unix(theirs) as peer:
            peer.sendto(b"hello", str(ours))
            port.write(b"to it", of_that_kind(theirs))
            port.writeSequence([b"in ", b"pieces"], of_that_kind(theirs))
            assert [(await received(peer))[0] for _ in range(2)] == [b"to it", b"in pieces"]
            await until(lambda: notes.data == [b"hello"])


async def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=answer)
        path = os.fsencode(tmp_path) + b"/\xff\xfe"
        reactor.listenUNIXDatagram(path, notes)
        with plain_unix(os.fsencode(tmp_path) + b"/\xe9") as peer:
            peer.sendto(b"hello", path)
            assert (await received(peer))[0] == b"HELLO"


@linux_only
@pytest.mark.parametrize("kind", [str, os.fsencode])
async def test_abstract_names(kind: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes(datagram=answer)
        name = abstract_name()
        port = reactor.listenUNIXDatagram(kind(name), notes)
        assert port.getHost() == UNIXAddress(os.fsencode(name))
        with plain_unix(name + "'s peer") as peer:
            peer.sendto(b"hello", name)
            assert await received(peer) == (b"HELLO", os.fsencode(name))
            assert notes.received == [(b"hello", os.fsencode(name) + b"'s peer")]
            for _ in range(2):  # it is free as soon as it is closed
                await within(as_future(port.stopListening()))
                port.startListening()
            peer.sendto(b"again", name)
            assert (await received(peer))[0] == b"AGAIN"


@pytest.mark.parametrize("name", [None, ""])
async def test_without_a_name_it_only_sends(name: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUNIXDatagram(name, notes)
        assert port.getHost() == UNIXAddress(None)
        hearing = Notes()
        reactor.listenUNIXDatagram(tmp_path / "hearing", hearing)
        port.write(b"hello", tmp_path / "hearing")
        await until(lambda: hearing.received)
        assert hearing.received == [(b"hello", None)]
        assert "None" in repr(port)
        await within(as_future(port.stopListening()))
        port.startListening()
        assert notes.events == ["start", "stop", "start"]


# Files


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o666, 0o600, 0o777, 0o000])
async def test_the_file_has_the_mode_that_was_asked_for(umask: int, mode: int, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with AsyncioReactor() as reactor:
        before = os.umask(umask)
        try:
            reactor.listenUNIXDatagram(path, Notes(), mode=mode)
            assert os.umask(umask) == umask  # and it is what it was
        finally:
            os.umask(before)
        found = path.lstat().st_mode
        assert stat.S_ISSOCK(found) and stat.S_IMODE(found) == mode


async def test_the_mode_by_default(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        reactor.listenUNIXDatagram(tmp_path / "socket", Notes())
        assert stat.S_IMODE((tmp_path / "socket").lstat().st_mode) == 0o666


@in_both_words
async def test_the_file_stays(speaking: Any, tmp_path: Path) -> None:
    """Nobody listens there then: the next one is told what to do."""
    words: Words = speaking()
    path = tmp_path / "socket"
    async with words.reactor() as reactor:
        stopped: list[Any] = []
        port = reactor.listenUNIXDatagram(path, words.notes())
        port.stopListening().addCallback(stopped.append)
        await until(lambda: stopped)
        assert stat.S_ISSOCK(path.lstat().st_mode)
        for address in (path, str(path), bytes(path)):
            with nothing_left_open(), pytest.raises(words.error.CannotListenError) as caught:
                reactor.listenUNIXDatagram(address, words.notes())
        assert "nobody listens" in str(caught.value) and "emove" in str(caught.value)
        assert "wantPID" not in str(caught.value)  # which is of streams
        path.unlink()
        reactor.listenUNIXDatagram(path, words.notes())


async def test_a_name_in_use(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        path = tmp_path / "socket"
        first = Notes()
        reactor.listenUNIXDatagram(path, first)
        second = Notes()
        with nothing_left_open(), pytest.raises(CannotListenError) as caught:
            reactor.listenUNIXDatagram(path, second)
        assert "nobody listens" not in str(caught.value) and str(path) in str(caught.value)
        assert second.events == [] and second.transport is None
        with plain_unix() as peer:
            peer.sendto(b"hello", str(path))
            await until(lambda: first.data == [b"hello"])


@linux_only
async def test_an_abstract_name_in_use() -> None:
    async with AsyncioReactor() as reactor:
        with plain_unix(abstract_name()), nothing_left_open(), pytest.raises(CannotListenError):
            reactor.listenUNIXDatagram(abstract_name(), Notes())


async def test_names_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "directory").mkdir()
    before = sorted(tmp_path.iterdir())
    async with AsyncioReactor() as reactor:
        for name in ("file", "directory", "missing/socket", "file/socket", "x" * 300, "zero\0byte"):
            notes = Notes()
            with nothing_left_open(), pytest.raises(CannotListenError) as caught:
                reactor.listenUNIXDatagram(f"{tmp_path}/{name}", notes)
            assert "nobody listens" not in str(caught.value)
            assert notes.events == [] and notes.transport is None
        assert sorted(tmp_path.iterdir()) == before and (tmp_path / "file").read_text() == "mine"


async def test_the_longest_name_and_one_byte_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUNIXDatagram("x" * LONGEST, notes)
        port.write(b"to itself", "x" * LONGEST)
        await until(lambda: notes.received == [(b"to itself", "x" * LONGEST)])
        with pytest.raises(CannotListenError, match=str(LONGEST)):
            reactor.listenUNIXDatagram("y" * (LONGEST + 1), Notes())
        assert [path.name for path in tmp_path.iterdir()] == ["x" * LONGEST]


@pytest.mark.parametrize("name", [7, 1.5, ["path"]])
async def test_only_names_are_names(name: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        with nothing_left_open():
            with pytest.raises(TypeError):
                reactor.listenUNIXDatagram(name, Notes())
            port: Any = reactor.listenUNIXDatagram(None, Notes())
            with pytest.raises(TypeError):
                port.write(b"x", name)
            with pytest.raises(TypeError):
                port.write(b"x", None)
            port.connectionLost()


async def test_start_protocol_raises(tmp_path: Path) -> None:
    """The name is free again, as if nothing had been."""
    async with AsyncioReactor() as reactor:
        notes = Notes(start=lambda p: 1 // 0)
        for _ in range(2):
            with nothing_left_open(), pytest.raises(ZeroDivisionError):
                reactor.listenUNIXDatagram(tmp_path / "socket", notes)
            assert list(tmp_path.iterdir()) == [] and notes.transport is None
        notes.hooks.clear()
        reactor.listenUNIXDatagram(tmp_path / "socket", notes)


@in_both_words
async def test_a_file_that_is_not_to_be_had_as_asked(
    speaking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made already when that turns out, and removed again."""

    def refuse(*args: Any, **kw: Any) -> None:
        raise PermissionError(errno.EPERM, "no modes here")

    words: Words = speaking()
    notes = words.connected_notes()
    async with words.reactor() as reactor:
        with plain_unix(tmp_path / "peer"), nothing_left_open():
            monkeypatch.setattr(os, "chmod", refuse)
            with pytest.raises(words.error.CannotListenError, match="no modes here"):
                reactor.listenUNIXDatagram(tmp_path / "socket", words.notes())
            reactor.connectUNIXDatagram(tmp_path / "peer", notes, bindAddress=tmp_path / "socket")
            await until(lambda: notes.failures)
            monkeypatch.undo()
        assert [path.name for path in tmp_path.iterdir()] == ["peer"]


async def test_a_protocol_in_use(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        reactor.listenUNIXDatagram(tmp_path / "first", notes)
        with nothing_left_open(), pytest.raises(AssertionError):
            reactor.listenUNIXDatagram(tmp_path / "second", notes)
        assert [path.name for path in tmp_path.iterdir()] == ["first"]
        with plain_unix() as peer:
            peer.sendto(b"hello", str(tmp_path / "first"))
            await until(lambda: notes.data == [b"hello"])


async def test_listening_again_on_its_own_file(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        port = reactor.listenUNIXDatagram(tmp_path / "socket", notes)
        with pytest.raises(AlreadyListened):
            port.startListening()
        for _ in range(3):
            await within(as_future(port.stopListening()))
            port.startListening()
            with plain_unix() as peer:
                peer.sendto(b"hello", str(tmp_path / "socket"))
                await until(lambda: notes.received)
            notes.received.clear()
        await within(as_future(port.stopListening()))
        with plain_unix(tmp_path / "other"):  # which has taken the place since: not to be removed
            os.replace(tmp_path / "other", tmp_path / "socket")
            with pytest.raises(CannotListenError):
                port.startListening()


# Writing


@in_both_words
async def test_who_is_not_there(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        port = reactor.listenUNIXDatagram(tmp_path / "ours", notes)
        with plain_unix(tmp_path / "gone"):
            pass
        (tmp_path / "file").touch()
        with socket.socket(socket.AF_UNIX) as stream:
            stream.bind(str(tmp_path / "stream"))
            stream.listen()
            for _ in range(2):
                with pytest.raises(FileNotFoundError):
                    port.write(b"x", tmp_path / "missing")
                with pytest.raises(ConnectionRefusedError):
                    port.write(b"x", tmp_path / "gone")
                with pytest.raises(OSError):
                    port.write(b"x", tmp_path / "file")
                with pytest.raises(OSError):
                    port.write(b"x", tmp_path / "stream")
                with pytest.raises(OSError):
                    port.write(b"x", "x" * 300)
        await turn()
        port.write(b"end", tmp_path / "ours")
        await until(lambda: notes.data == [b"end"])
        assert notes.events == ["start"] and port.datagrams_dropped == 0


async def test_a_zero_byte_does_not_end_a_path(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        hearing = Notes()
        reactor.listenUNIXDatagram(tmp_path / "socket", hearing)
        port = reactor.listenUNIXDatagram(None, Notes())
        with pytest.raises((OSError, ValueError)):
            port.write(b"not for it", f"{tmp_path}/socket\0 and more")
        port.write(b"for it", tmp_path / "socket")
        await until(lambda: hearing.received)
        assert hearing.data == [b"for it"]


@pytest.mark.parametrize("what", ["text", None, 7])
async def test_only_bytes_are_written(what: Any, tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIXDatagram(None, Notes())
        with plain_unix(tmp_path / "peer"):
            with pytest.raises(TypeError):
                port.write(what, tmp_path / "peer")
            with pytest.raises(TypeError):
                port.writeSequence([what], tmp_path / "peer")


@in_both_words
async def test_lengths(speaking: Any, tmp_path: Path) -> None:
    words: Words = speaking()
    notes = words.notes()
    async with words.reactor() as reactor:
        reactor.listenUNIXDatagram(tmp_path / "socket", notes, maxPacketSize=100_000)
        port = reactor.listenUNIXDatagram(None, words.notes())
        port.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
        port.write(b"", tmp_path / "socket")
        port.write(b"x" * 90_000, tmp_path / "socket")
        with pytest.raises(words.error.MessageLengthError):
            port.write(b"x" * 1_000_000, tmp_path / "socket")
        port.write(b"end", tmp_path / "socket")
        await until(lambda: len(notes.received) == 3)
        assert notes.data == [b"", b"x" * 90_000, b"end"] and port.datagrams_dropped == 0


async def test_what_is_longer_than_the_most_is_cut(tmp_path: Path) -> None:
    async with AsyncioReactor() as reactor:
        notes = Notes()
        reactor.listenUNIXDatagram(tmp_path / "socket", notes, maxPacketSize=3)
        with plain_unix() as peer:
            for data in (b"hello", b"", b"you"):
                peer.sendto(data, str(tmp_path / "socket"))
            await until(lambda: len(notes.received) == 3)
        assert notes.data == [b"hel", b"", b"you"]
