"""Lock files beside UNIX sockets: who takes them, who leaves them, and what those who connect make of
them."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED, until
from tests.transport.connecting import connected, failed
from tests.transport.recorders import Connecting, Echo, Listening, errors_logged
from tests.transport.unix_sockets import (
    both_kinds,
    dead_process,
    echoes,
    fired,
    leave_behind,
    listener,
    living_process,
    make_reactor,
    neighbours,
    nobody,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import BadFileError, CannotListenError

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


def lock(path: str, holder: Any) -> None:
    """Leave a lock of ``holder`` beside ``path``."""
    os.symlink(str(holder), path + ".lock")


def holder(path: str) -> str:
    return os.readlink(path + ".lock")


# -- those who listen


@both_kinds
async def test_the_lock_has_our_number_while_we_listen(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        port = reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert holder(path) == str(os.getpid())
        assert await echoes(path)
        await fired(port.stopListening())
        assert neighbours(path) == []
        port.startListening()
        assert holder(path) == str(os.getpid())
    assert neighbours(path) == []


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")
async def test_twisted_understands_our_locks_and_we_understand_twisteds(path: str) -> None:
    from twisted.python.lockfile import FilesystemLock, isLocked

    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(), wantPID=True)
        assert isLocked(path + ".lock")
        await fired(port.stopListening())
        assert not isLocked(path + ".lock")
        twisteds = FilesystemLock(path + ".lock")
        assert twisteds.lock()
        with pytest.raises(CannotListenError):
            reactor.listenUNIX(path, Listening(), wantPID=True)
        twisteds.unlock()
        reactor.listenUNIX(path, Listening(), wantPID=True)


async def test_without_being_asked_no_lock_is_made_or_looked_at(path: str) -> None:
    lock(path, os.getpid())
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(Echo))
        assert await echoes(path)
        await fired(port.stopListening())
    assert neighbours(path) == ["socket.lock"]


@both_kinds
async def test_what_the_dead_left_is_taken_over(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        leave_behind(path)
        lock(path, dead_process())
        port = reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert holder(path) == str(os.getpid())
        assert await echoes(path)
        await fired(port.stopListening())
        assert neighbours(path) == []


async def test_the_dead_may_have_left_a_lock_alone(path: str) -> None:
    lock(path, dead_process())
    async with AsyncioReactor() as reactor:
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert holder(path) == str(os.getpid())
        assert await echoes(path)


async def test_of_the_dead_no_regular_file_is_removed(path: str) -> None:
    pathlib.Path(path).write_text("precious")
    lock(path, dead_process())
    async with AsyncioReactor() as reactor:
        with pytest.raises(CannotListenError):
            reactor.listenUNIX(path, Listening(), wantPID=1)
        assert pathlib.Path(path).read_text() == "precious"


async def test_a_dead_holders_socket_that_somebody_listens_on_is_not_taken_away(path: str) -> None:
    with listener(path):
        lock(path, dead_process())
        before = os.lstat(path)
        async with AsyncioReactor() as reactor:
            with pytest.raises(CannotListenError):
                reactor.listenUNIX(path, Listening(), wantPID=1)
            assert os.lstat(path).st_ino == before.st_ino


@both_kinds
async def test_what_belongs_to_the_living_is_left(path: str, kind: str) -> None:
    leave_behind(path)
    with living_process() as process:
        lock(path, process)
        async with make_reactor(kind) as reactor:
            factory = Listening()
            with pytest.raises(reactor.vocabulary.error.CannotListenError) as caught:
                reactor.listenUNIX(path, factory, wantPID=1)
            assert path in str(caught.value)
            assert str(process) in str(caught.value)
            assert factory.events == []
        assert holder(path) == str(process)
        assert stat.S_ISSOCK(os.lstat(path).st_mode)


async def test_another_users_process_is_alive_too(path: str) -> None:
    lock(path, 1)
    async with AsyncioReactor() as reactor:
        with pytest.raises(CannotListenError):
            reactor.listenUNIX(path, Listening(), wantPID=1)
    assert neighbours(path) == ["socket.lock"]


async def test_the_second_of_two_ports_in_this_process_is_refused(path: str) -> None:
    async with AsyncioReactor() as reactor:
        first = reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        for want_pid in (0, 1):
            with pytest.raises(CannotListenError):
                reactor.listenUNIX(path, Listening(), wantPID=want_pid)
            assert holder(path) == str(os.getpid())
            assert await echoes(path)
        await fired(first.stopListening())
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert await echoes(path)


@pytest.mark.parametrize("text", ["", "nonsense", "0", "-1", "12x", "9" * 30, "/etc/passwd"])
async def test_a_lock_that_makes_no_sense_is_in_the_way(path: str, text: str) -> None:
    if text:
        lock(path, text)
    else:
        pathlib.Path(path + ".lock").write_text(str(dead_process()))  # no symbolic link at all
    async with AsyncioReactor() as reactor:
        factory = Listening()
        with pytest.raises(CannotListenError) as caught:
            reactor.listenUNIX(path, factory, wantPID=1)
        assert path + ".lock" in str(caught.value)
        assert factory.events == []
    assert neighbours(path) == ["socket.lock"]


@pytest.mark.parametrize("left", ["regular file", "socket"])
async def test_the_lock_is_given_back_if_listening_fails_after_all(path: str, left: str) -> None:
    if left == "socket":
        leave_behind(path)
    else:
        pathlib.Path(path).write_text("precious")
    async with AsyncioReactor() as reactor:
        with pytest.raises(CannotListenError):
            reactor.listenUNIX(path, Listening(), wantPID=1)
        assert neighbours(path) == ["socket"]
        os.unlink(path)
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert await echoes(path)


@pytest.mark.parametrize("want_pid", [0, 1])
@both_kinds
async def test_a_factory_that_does_not_start_leaves_nothing(path: str, want_pid: int, kind: str) -> None:
    class Faulty(Listening):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    async with make_reactor(kind) as reactor:
        with pytest.raises(ZeroDivisionError):
            reactor.listenUNIX(path, Faulty(), wantPID=want_pid)
        assert neighbours(path) == []
        reactor.listenUNIX(path, Listening(Echo), wantPID=want_pid)
        assert await echoes(path)


async def test_a_factory_that_raises_as_it_stops_leaves_nothing(path: str) -> None:
    class Faulty(Listening):
        def stopFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Faulty(), wantPID=1)
        with pytest.raises(ZeroDivisionError):
            await fired(port.stopListening())
        assert neighbours(path) == []


@pytest.mark.parametrize("text", ["1", "nonsense", None])
async def test_a_lock_that_is_not_ours_any_more_is_left(path: str, text: Any, caplog: Any) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenUNIX(path, factory, wantPID=1)
        os.unlink(path + ".lock")
        if text is not None:
            lock(path, text)
        await fired(port.stopListening())
        assert factory.events == ["start", "stop"]
        assert neighbours(path) == ([] if text is None else ["socket.lock"])
    assert errors_logged(caplog) == []


async def test_an_abstract_name_has_no_lock() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        with pytest.raises(ValueError, match="wantPID"):
            reactor.listenUNIX("\0abstract", factory, wantPID=1)
        assert factory.events == []
        connecting = Connecting()
        with pytest.raises(ValueError, match="checkPID"):
            reactor.connectUNIX(b"\0abstract", connecting, checkPID=1)
        assert connecting.events == []


# -- those who connect


@both_kinds
async def test_who_checks_connects_to_a_living_holder(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        factory = Connecting()
        reactor.connectUNIX(path, factory, checkPID=1)
        protocol = await connected(factory)
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert holder(path) == str(os.getpid())


@pytest.mark.parametrize("left", ["nothing", "lock of the dead", "nonsense", "0", "-1", "regular file"])
@both_kinds
async def test_who_checks_does_not_connect_without_a_living_holder(path: str, left: str, kind: str) -> None:
    if left == "lock of the dead":
        lock(path, dead_process())
    elif left == "regular file":
        pathlib.Path(path + ".lock").write_text(str(os.getpid()))
    elif left != "nothing":  # what is no process's number
        lock(path, left)
    with listener(path):
        async with make_reactor(kind) as reactor:
            before = neighbours(path)
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory, checkPID=1)
            assert factory.events == ["start", "connecting"]  # the outcome is told on a later turn
            reason = await failed(factory)
            assert reason.check(reactor.vocabulary.error.BadFileError)
            assert connector.state == "disconnected"
            assert neighbours(path) == before
            assert not reactor.getDelayedCalls()


async def test_who_checks_leaves_it_to_the_next_server_to_take_over(path: str) -> None:
    leave_behind(path)
    lock(path, dead_process())
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectUNIX(path, factory, checkPID=1)
        assert (await failed(factory)).check(BadFileError)
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert await echoes(path)


@pytest.mark.parametrize("alive", [True, False])
async def test_who_checks_need_not_be_allowed_to_write_there(path: str, alive: bool) -> None:
    directory = os.path.dirname(path)
    lock(path, 1 if alive else dead_process())
    with listener(path):
        os.chmod(path, 0o666)
        os.chmod(directory, 0o555)
        try:
            with nobody():
                async with AsyncioReactor() as reactor:
                    factory = Connecting()
                    reactor.connectUNIX(path, factory, checkPID=1)
                    if alive:
                        await connected(factory)
                    else:
                        assert (await failed(factory)).check(BadFileError)
        finally:
            os.chmod(directory, 0o755)


async def test_who_checks_finds_another_users_process_alive(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(process: int, signal: int) -> None:
        asked.append((process, signal))
        raise PermissionError

    asked: list[tuple[int, int]] = []
    lock(path, 1)
    with listener(path):
        async with AsyncioReactor() as reactor:
            monkeypatch.setattr(os, "kill", kill)  # which as root raises nothing of the kind
            factory = Connecting()
            reactor.connectUNIX(path, factory, checkPID=1)
            await connected(factory)
    assert asked == [(1, 0)]


async def test_each_attempt_checks(path: str) -> None:
    with listener(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()

            def again(connector: Any) -> None:
                lock(path, os.getpid())
                connector.connect()

            factory.again = again
            reactor.connectUNIX(path, factory, checkPID=1)
            await connected(factory)
            assert factory.events == ["start", "connecting", "failed", "connecting"]
            assert factory.reasons[0].check(BadFileError)
            factory.again = None
