"""Where a UNIX socket is: its names, its file's permissions, what may be in the way, and who removes it."""

from __future__ import annotations

import errno
import logging
import os
import pathlib
import socket
import stat
import sys
import uuid
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from tests.transport.recorders import Connecting, Echo, Listening, errors_logged
from tests.transport.unix_sockets import (
    both_kinds,
    echoes,
    fired,
    leave_behind,
    linux_only,
    listener,
    make_reactor,
    neighbours,
    nobody,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.address import UNIXAddress
from twisted_compat.error import CannotListenError

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


def permissions(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def abstract_name() -> bytes:
    """A name in Linux's abstract namespace that nobody else has, with bytes that are no text."""
    return b"\0twisted_compat\0\xff" + uuid.uuid4().bytes


# -- names


@pytest.mark.parametrize("spell", [str, os.fsencode, pathlib.Path])
@both_kinds
async def test_an_address_is_text_or_bytes_or_a_path_object(path: str, spell: Any, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        port = reactor.listenUNIX(spell(path), Listening(Echo))
        assert port.getHost() == reactor.vocabulary.address.UNIXAddress(path)
        assert port.getHost().name == os.fsencode(path)
        assert await echoes(path)
        factory = Connecting()
        connector = reactor.connectUNIX(spell(path), factory)
        assert connector.getDestination() == reactor.vocabulary.address.UNIXAddress(path)
        await fired(port.stopListening())
        assert neighbours(path) == []


@pytest.mark.parametrize("address", [3, None, 1.5, ["/tmp/socket"]])
async def test_an_address_of_another_type_is_a_type_error(address: Any) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        with pytest.raises(TypeError):
            reactor.listenUNIX(address, factory)
        with pytest.raises(TypeError):
            reactor.connectUNIX(address, Connecting())
        assert factory.events == []


async def test_a_name_that_is_no_text(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    name = os.fsencode(path) + b"\xff\xfe"
    for spelt in (name, os.fsdecode(name)):
        async with AsyncioReactor() as reactor:
            port = reactor.listenUNIX(spelt, Listening(Echo))
            assert port.getHost().name == name
            assert await echoes(name)
            texts = [str(port), repr(port), repr(port.getHost())]
            await fired(port.stopListening())
            assert not os.path.exists(name)
    texts += [record.getMessage() for record in caplog.records]
    for text in texts:
        text.encode()  # as who prints it has to


@linux_only
@both_kinds
async def test_a_name_without_a_file(path: str, kind: str) -> None:
    name = abstract_name()
    async with make_reactor(kind) as reactor:
        factory = Listening(Echo)
        port = reactor.listenUNIX(name, factory, mode=0o600)
        assert port.getHost() == reactor.vocabulary.address.UNIXAddress(name)
        assert port.getHost().name == name
        assert await echoes(name)
        with pytest.raises(reactor.vocabulary.error.CannotListenError) as caught:
            reactor.listenUNIX(name, Listening())
        assert caught.value.socketError.errno == errno.EADDRINUSE
        connecting = Connecting()
        reactor.connectUNIX(name, connecting)
        await fired(port.stopListening())
        port.startListening()
        assert await echoes(name)
        await fired(port.stopListening())
        with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as skt:
            skt.connect(name)


@linux_only
async def test_a_name_without_a_file_as_text() -> None:
    async with AsyncioReactor() as reactor:
        name = f"\0twisted_compat {uuid.uuid4()}"
        port = reactor.listenUNIX(name, Listening(Echo))
        assert port.getHost() == UNIXAddress(name)
        assert await echoes(name)
        name = os.fsdecode(abstract_name())
        port = reactor.listenUNIX(name, Listening(Echo))
        assert port.getHost() == UNIXAddress(name)
        assert await echoes(os.fsencode(name))


def filled(path: str, size: int) -> str:
    """A path in the directory of ``path`` that is ``size`` bytes long."""
    start = os.path.join(os.path.dirname(path), "")
    return start + "x" * (size - len(os.fsencode(start)))


@linux_only
async def test_the_longest_path_there_may_be(path: str) -> None:
    async with AsyncioReactor() as reactor:
        longest = filled(path, 107)
        port = reactor.listenUNIX(longest, Listening(Echo))
        assert await echoes(longest)
        await fired(port.stopListening())
        longest_abstract = abstract_name().ljust(108, b"x")
        reactor.listenUNIX(longest_abstract, Listening(Echo))
        assert await echoes(longest_abstract)


@linux_only
@pytest.mark.parametrize("want_pid", [0, 1])
async def test_a_path_too_long_is_refused_and_told_how_long_it_may_be(path: str, want_pid: int) -> None:
    async with AsyncioReactor() as reactor:
        for size in (108, 109, 3000):
            factory = Listening()
            with pytest.raises(CannotListenError, match=r"\b107\b") as caught:
                reactor.listenUNIX(filled(path, size), factory, wantPID=want_pid)
            assert os.fsencode(caught.value.port) == os.fsencode(filled(path, size))
            assert factory.events == []
        assert neighbours(path) == []


@linux_only
async def test_an_abstract_name_too_long_is_refused() -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(CannotListenError, match=r"\b10[78]\b"):
            reactor.listenUNIX(b"\0" * 109, Listening())


async def test_a_path_with_a_nul_inside_is_refused_and_not_cut_there(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises((CannotListenError, ValueError)):
            reactor.listenUNIX(path + "\0more", Listening())
        assert neighbours(path) == []


@linux_only
@pytest.mark.parametrize("name", ["", b""])
async def test_without_a_name_the_kernel_chooses_one(name: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(name, Listening(Echo))
        chosen = port.getHost().name
        assert chosen.startswith(b"\0") and len(chosen) > 1
        assert await echoes(chosen)


# -- permissions


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o666, 0o600, 0o777, 0o000, 0o640])
async def test_the_file_gets_the_mode_whatever_the_umask(path: str, mode: int, umask: int) -> None:
    async with AsyncioReactor() as reactor:
        before = os.umask(umask)
        try:
            reactor.listenUNIX(path, Listening(), mode=mode)
        finally:
            assert os.umask(before) == umask
        assert permissions(path) == mode


async def test_the_mode_unless_it_is_told(path: str) -> None:
    async with AsyncioReactor() as reactor:
        reactor.listenUNIX(path, Listening())
        assert permissions(path) == 0o666


@pytest.mark.parametrize("mode", [0o600, 0o000, 0o222])
async def test_the_file_never_has_more_than_the_mode(path: str, mode: int) -> None:
    seen = set()

    def look(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_return" and os.path.lexists(path):
            seen.add(permissions(path))

    async with AsyncioReactor() as reactor:
        before = os.umask(0)
        try:
            sys.setprofile(look)
            try:
                reactor.listenUNIX(path, Listening(), mode=mode)
            finally:
                sys.setprofile(None)
        finally:
            os.umask(before)
    assert seen and all(found & ~mode == 0 for found in seen), [oct(found) for found in seen]


async def test_who_may_not_write_to_the_file_may_not_connect(path: str) -> None:
    async with AsyncioReactor() as reactor:
        os.chmod(os.path.dirname(path), 0o755)
        reactor.listenUNIX(path, Listening(Echo), mode=0o000)
        with nobody(), pytest.raises(PermissionError), socket.socket(socket.AF_UNIX) as skt:
            skt.connect(path)


# -- what is in the way


async def refused(reactor: Any, path: str, **options: Any) -> Any:
    """The CannotListenError of listening at ``path``, which leaves no trace."""
    factory = Listening()
    before, readers = neighbours(path) if os.path.exists(os.path.dirname(path)) else [], reactor.getReaders()
    with pytest.raises(reactor.vocabulary.error.CannotListenError) as caught:
        reactor.listenUNIX(path, factory, **options)
    assert factory.events == []
    assert os.fsencode(caught.value.port) == os.fsencode(path)
    assert path in str(caught.value)
    if isinstance(caught.value, CannotListenError):  # in our words
        assert "b'" not in str(caught.value)
    assert reactor.getReaders() == readers
    if os.path.exists(os.path.dirname(path)):
        assert neighbours(path) == before
    return caught.value


@pytest.mark.parametrize("want_pid", [0, 1])
async def test_a_directory_that_does_not_exist(path: str, want_pid: int) -> None:
    async with AsyncioReactor() as reactor:
        error = await refused(reactor, os.path.join(path, "socket"), wantPID=want_pid)
        assert error.socketError.errno == errno.ENOENT


@pytest.mark.parametrize("want_pid", [0, 1])
async def test_a_directory_that_may_not_be_written_to(path: str, want_pid: int) -> None:
    async with AsyncioReactor() as reactor:
        os.chmod(os.path.dirname(path), 0o555)
        try:
            with nobody():
                error = await refused(reactor, path, wantPID=want_pid)
        finally:
            os.chmod(os.path.dirname(path), 0o755)
        assert error.socketError.errno == errno.EACCES


@pytest.mark.parametrize("want_pid", [0, 1])
@both_kinds
async def test_a_regular_file_in_the_way_is_left_as_it_is(path: str, want_pid: int, kind: str) -> None:
    pathlib.Path(path).write_text("precious")
    async with make_reactor(kind) as reactor:
        error = await refused(reactor, path, wantPID=want_pid)
        assert error.socketError.errno == errno.EADDRINUSE
        assert pathlib.Path(path).read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
async def test_other_things_in_the_way_are_left_as_they_are(path: str, make: Any) -> None:
    make(path)
    before = os.lstat(path)
    async with AsyncioReactor() as reactor:
        for want_pid in (0, 1):
            await refused(reactor, path, wantPID=want_pid)
            assert os.lstat(path) == before


@both_kinds
async def test_a_socket_left_behind_is_told_from_one_in_use(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        leave_behind(path)
        error = await refused(reactor, path)
        assert "nobody listens" in str(error)
        assert "wantPID" in str(error)  # what to do about it
        os.unlink(path)
        with listener(path) as skt:
            error = await refused(reactor, path)
            assert "nobody" not in str(error).lower()
            with pytest.raises(BlockingIOError):  # it has not been bothered to find out
                skt.accept()


async def test_a_socket_of_another_type_in_use_is_not_said_to_be_left_behind(path: str) -> None:
    with listener(path, type=socket.SOCK_DGRAM):
        async with AsyncioReactor() as reactor:
            assert "nobody" not in str(await refused(reactor, path)).lower()


async def test_a_busy_server_is_not_said_to_be_gone(path: str) -> None:
    """One whose queue is full, and one that we may not talk to."""
    os.chmod(os.path.dirname(path), 0o777)
    async with AsyncioReactor() as reactor:
        with listener(path, backlog=0) as skt, socket.socket(socket.AF_UNIX) as filler:
            filler.connect(path)
            assert "nobody" not in str(await refused(reactor, path)).lower()
            os.chmod(path, 0)
            with nobody():
                assert "nobody" not in str(await refused(reactor, path)).lower()
            skt.accept()[0].close()


@both_kinds
async def test_two_ports_on_one_path(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        first = reactor.listenUNIX(path, Listening(Echo))
        await refused(reactor, path)
        assert await echoes(path)
        await fired(first.stopListening())
        second = reactor.listenUNIX(path, Listening(Echo))
        assert await echoes(path)
        await fired(second.stopListening())


# -- removing


@both_kinds
async def test_stopping_removes_the_file(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        port = reactor.listenUNIX(path, Listening())
        assert stat.S_ISSOCK(os.lstat(path).st_mode)
        done = port.stopListening()
        await fired(done)
        assert neighbours(path) == []
        reactor.listenUNIX(path, Listening())
    assert neighbours(path) == []  # so does leaving the reactor


@pytest.mark.parametrize("how", ["unlink", "rename over it"])
async def test_another_servers_file_is_not_removed(path: str, how: str, caplog: Any) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(Echo))
        if how == "unlink":
            os.unlink(path)
        with listener(path if how == "unlink" else path + "2"):
            if how != "unlink":
                os.rename(path + "2", path)
            await fired(port.stopListening())
            with socket.socket(socket.AF_UNIX) as skt:
                skt.connect(path)
    assert errors_logged(caplog) == []


async def test_a_regular_file_in_its_place_is_not_removed(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening())
        os.unlink(path)
        pathlib.Path(path).write_text("precious")
        await fired(port.stopListening())
        assert pathlib.Path(path).read_text() == "precious"


@pytest.mark.parametrize("gone", ["file", "directory"])
async def test_stopping_when_the_file_has_gone_already(
    path: str, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        directory = os.path.join(os.path.dirname(path), "inner")
        os.mkdir(directory)
        port = reactor.listenUNIX(os.path.join(directory, "socket"), factory)
        os.unlink(os.path.join(directory, "socket"))
        if gone == "directory":
            os.rmdir(directory)
        await fired(port.stopListening())
        assert factory.events == ["start", "stop"]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_stopping_when_the_file_may_not_be_removed(path: str) -> None:
    """The port is closed all the same, and who waits is told."""
    directory = os.path.dirname(path)
    os.chmod(directory, 0o777)
    with nobody():
        async with AsyncioReactor() as reactor:
            factory = Listening()
            port = reactor.listenUNIX(path, factory)
            if os.stat(directory).st_uid == os.geteuid():
                os.chmod(directory, 0o555)
            else:
                with_root_back(os.chmod, directory, 0o555)
            try:
                done = port.stopListening()
                await fired(done)
            finally:
                with_root_back(os.chmod, directory, 0o700)
            assert factory.events == ["start", "stop"]
            assert port.fileno() == -1


def with_root_back(function: Any, *arguments: Any) -> None:
    """Call it as who started the process."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    try:
        function(*arguments)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("want_pid", [0, 1])
async def test_changing_the_directory_while_listening_on_a_relative_path(
    path: str, want_pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = os.path.dirname(path)
    elsewhere = os.path.join(directory, "elsewhere")
    os.mkdir(elsewhere)
    monkeypatch.chdir(directory)
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX("socket", Listening(Echo), wantPID=want_pid)
        os.chdir(elsewhere)
        with listener("socket"):
            await fired(port.stopListening())
        assert neighbours(path) == ["elsewhere"]
        assert os.listdir(elsewhere) == ["socket"]
    os.chdir("/")


async def test_listening_again_takes_the_same_place(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(os.path.dirname(path))
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX("socket", Listening(Echo), mode=0o640)
        for _ in range(3):
            await fired(port.stopListening())
            assert neighbours(path) == []
            port.startListening()
            assert permissions(path) == 0o640
            assert await echoes(path)
