"""The lock between processes: with real links, real processes, and Twisted's own where it is installed."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import DEADLINE, TWISTED_IS_INSTALLED, within
from twisted_compat import AsyncioReactor
from twisted_compat.defer import (
    AlreadyTryingToLockError,
    CancelledError,
    DeferredFilesystemLock,
    FilesystemLock,
    TimeoutError,
    filelock,
    isLocked,
)

from .peers import Child, Clock
from .test_deferred import outcome

DEAD = 2**31 - 1  # no process has this id: it is beyond the highest that Linux and macOS give

OURS = "twisted_compat.defer"
TWISTEDS = "twisted.python.lockfile"
needs_twisted = pytest.mark.skipif(
    not TWISTED_IS_INSTALLED, reason="shares locks with real Twisted, which is optional"
)
MODULES = [OURS, pytest.param(TWISTEDS, marks=needs_twisted)]


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A path for a lock."""
    return str(tmp_path / "lock")


@pytest.fixture(params=MODULES)
def child(request: pytest.FixtureRequest, name: str) -> Iterator[Child]:
    """A process that uses our lock, or Twisted's."""
    with Child(request.param, name) as process:
        yield process


# Within one process.


def test_the_link_points_to_the_process_id(name: str) -> None:
    lock = FilesystemLock(name)
    assert (lock.name, lock.locked, lock.clean) == (name, False, None)
    assert lock.lock()
    assert (lock.locked, lock.clean) == (True, True)
    assert os.readlink(name) == str(os.getpid())
    lock.unlock()
    assert not lock.locked
    assert not os.path.lexists(name)


def test_one_at_a_time_also_within_a_process(name: str) -> None:
    first, second = FilesystemLock(name), FilesystemLock(name)
    assert first.lock()
    assert not first.lock()
    assert not second.lock()
    assert not second.locked
    first.unlock()
    assert second.lock()
    assert second.clean
    second.unlock()


def test_is_locked(name: str) -> None:
    assert not isLocked(name)
    assert not os.path.lexists(name)
    lock = FilesystemLock(name)
    lock.lock()
    assert isLocked(name)
    lock.unlock()
    assert not isLocked(name)


def test_a_path_and_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink(str(DEAD), "lock")
    relative = FilesystemLock("lock")
    assert relative.lock()
    assert relative.clean is False
    assert not FilesystemLock(tmp_path / "lock").lock()
    relative.unlock()


def test_unlocking_what_is_not_locked(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        FilesystemLock(name).unlock()


# Between processes.


def test_processes_exclude_each_other(name: str, child: Child) -> None:
    lock = FilesystemLock(name)
    assert child.ask("lock") == "(True, True)"
    assert not lock.lock()
    assert isLocked(name)
    with pytest.raises(ValueError, match=f"held by process {child.process.pid}"):
        lock.unlock()
    assert child.ask("unlock") == "None"
    assert lock.lock()
    assert lock.clean
    assert child.ask("lock") == "(False, True)"
    assert child.ask("isLocked") == "True"
    assert child.ask("unlock") == "ValueError"
    lock.unlock()
    assert child.ask("isLocked") == "False"


def test_the_lock_of_a_dead_process_is_taken_over(name: str, child: Child) -> None:
    assert child.ask("lock") == "(True, True)"
    child.kill()
    lock = FilesystemLock(name)
    assert lock.lock()
    assert lock.clean is False
    assert os.readlink(name) == str(os.getpid())
    lock.unlock()
    assert lock.lock()
    assert lock.clean is True
    lock.unlock()


def test_of_many_that_find_a_dead_holder_one_gets_the_lock(name: str) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(Child(OURS, name)) for _ in range(4)]
        for _ in range(30):
            os.symlink(str(DEAD), name)
            for process in children:
                process.tell("lock")
            answers = [process.answer() for process in children]
            assert sum(answer.startswith("(True") for answer in answers) == 1, answers
            winner = next(p for p, answer in zip(children, answers, strict=True) if answer[1] == "T")
            assert os.readlink(name) == str(winner.process.pid)
            assert winner.ask("unlock") == "None"


# The steps between which another process can come, one by one.


def first_time(monkeypatch: pytest.MonkeyPatch, function: str, interlude: Callable[[], None]) -> None:
    """Have ``interlude`` run before the first call of a function of the module."""
    original = getattr(filelock, function)

    def replacement(*args: Any) -> Any:
        monkeypatch.setattr(filelock, function, original)
        interlude()
        return original(*args)

    monkeypatch.setattr(filelock, function, replacement)


def relink(name: str, process_id: int) -> None:
    os.unlink(name)
    os.symlink(str(process_id), name)


def test_a_link_taken_over_by_another_since_we_looked_stays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(str(DEAD), name)
    first_time(monkeypatch, "_sole_breaker", lambda: relink(name, os.getppid()))
    assert not FilesystemLock(name).lock()
    assert os.readlink(name) == str(os.getppid())


@pytest.mark.parametrize("step", ["readlink", "kill", "_sole_breaker", "rmlink"])
def test_a_link_that_goes_away_meanwhile_is_a_clean_lock(
    name: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    os.symlink(str(DEAD), name)
    first_time(monkeypatch, step, lambda: os.unlink(name))
    lock = FilesystemLock(name)
    assert lock.lock()
    assert lock.clean is True


def test_somebody_quicker_than_us_after_we_cleared_away(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink(str(DEAD), name)
    unlink = filelock.rmlink

    def unlink_and_lose(path: str) -> None:
        unlink(path)
        os.symlink(str(os.getppid()), path)

    monkeypatch.setattr(filelock, "rmlink", unlink_and_lose)
    lock = FilesystemLock(name)
    assert not lock.lock()
    assert not lock.locked
    assert os.readlink(name) == str(os.getppid())


def test_while_another_clears_away_the_lock_is_not_to_be_had(name: str) -> None:
    os.symlink(str(DEAD), name)
    directory = os.open(os.path.dirname(name), os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        assert not FilesystemLock(name).lock()
        assert os.readlink(name) == str(DEAD)
    finally:
        os.close(directory)
    assert FilesystemLock(name).lock()


def raising(error: int) -> Callable[..., Any]:
    def function(*args: object) -> None:
        raise OSError(error, os.strerror(error))

    return function


def test_a_file_system_without_flock_breaks_as_twisted_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(str(DEAD), name)
    monkeypatch.setattr(fcntl, "flock", raising(errno.ENOLCK))
    lock = FilesystemLock(name)
    assert lock.lock()
    assert lock.clean is False


def test_a_directory_that_cannot_be_read_breaks_as_twisted_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(str(DEAD), name)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", raising(errno.EACCES))
        assert FilesystemLock(name).lock()


# What is no lock, and what may not be done.


@pytest.mark.parametrize("target", ["nobody", "0", "-1", "1 ", "\u0663", "9" * 30, "/etc/passwd"])
def test_a_link_that_no_lock_made(name: str, target: str) -> None:
    os.symlink(target, name)
    for use in (FilesystemLock(name).lock, FilesystemLock(name).unlock, lambda: isLocked(name)):
        with pytest.raises(ValueError, match="no process id"):
            use()
    assert os.readlink(name) == target


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_something_else_than_a_link(name: str, make: Callable[[Path], None]) -> None:
    make(Path(name))
    for use in (FilesystemLock(name).lock, FilesystemLock(name).unlock):
        with pytest.raises(OSError, match="isn't a symbolic link") as caught:
            use()
        assert caught.value.errno == errno.EINVAL
        assert caught.value.filename == name
    assert os.path.exists(name)


def test_a_holder_of_another_user_is_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink("4321", name)
    monkeypatch.setattr(filelock, "kill", raising(errno.EPERM))
    lock = FilesystemLock(name)
    with pytest.raises(PermissionError, match="process 4321, which belongs to somebody else") as caught:
        lock.lock()
    assert caught.value.errno == errno.EPERM
    assert not lock.locked


def test_where_nobody_can_be_asked_all_are_alive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink(str(DEAD), name)
    monkeypatch.setattr(filelock, "kill", None)
    assert not FilesystemLock(name).lock()


@pytest.mark.parametrize("function", ["symlink", "readlink", "rmlink"])
def test_other_errors_of_the_file_system_are_passed_on(
    name: str, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    os.symlink(str(DEAD), name)
    monkeypatch.setattr(filelock, function, raising(errno.EACCES))
    lock = FilesystemLock(name)
    with pytest.raises(PermissionError):
        lock.lock()
    assert not lock.locked


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FilesystemLock(tmp_path / "no" / "lock").lock()


def test_a_system_without_such_links_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filelock, "_IS_POSIX", False)
    with pytest.raises(NotImplementedError, match="filelock"):
        FilesystemLock(name)


# Waiting for it.


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock(name: str, clock: Clock) -> DeferredFilesystemLock:
    return DeferredFilesystemLock(name, scheduler=clock)


def assert_idle(lock: DeferredFilesystemLock, clock: Clock) -> None:
    assert lock._tryLockCall is None
    assert lock._timeoutCall is None
    assert not clock.waiting()


def test_a_free_lock_is_had_at_once(lock: DeferredFilesystemLock, clock: Clock) -> None:
    assert outcome(lock.deferUntilLocked(timeout=1)) is None
    assert lock.locked
    assert lock._scheduler is clock
    assert_idle(lock, clock)


def test_it_is_tried_every_interval(name: str, lock: DeferredFilesystemLock, clock: Clock) -> None:
    other = FilesystemLock(name)
    other.lock()
    waiting = lock.deferUntilLocked(timeout=10)
    clock.advance(2.5)
    other.unlock()
    clock.advance(0.4)
    assert not waiting.called
    clock.advance(0.2)
    assert outcome(waiting) is None
    assert lock.locked
    assert_idle(lock, clock)


def test_the_interval_can_be_set(name: str, lock: DeferredFilesystemLock, clock: Clock) -> None:
    other = FilesystemLock(name)
    other.lock()
    lock._interval = 0.25
    waiting = lock.deferUntilLocked()
    other.unlock()
    clock.advance(0.3)
    assert waiting.called


def test_timeout(name: str, lock: DeferredFilesystemLock, clock: Clock) -> None:
    other = FilesystemLock(name)
    other.lock()
    for _ in range(2):  # nothing of the first is left for the second
        waiting = lock.deferUntilLocked(timeout=5.5)
        clock.advance(5.4)
        assert not waiting.called
        clock.advance(0.2)
        error = outcome(waiting)
        assert isinstance(error, TimeoutError)
        assert "5.5 s" in str(error)
        assert_idle(lock, clock)
    assert not lock.locked


def test_the_last_try_is_at_the_timeout(name: str, lock: DeferredFilesystemLock, clock: Clock) -> None:
    other = FilesystemLock(name)
    other.lock()
    waiting = lock.deferUntilLocked(timeout=1.5)
    clock.advance(1.2)
    other.unlock()
    clock.advance(0.3)
    assert outcome(waiting) is None
    assert_idle(lock, clock)


def test_one_wait_at_a_time(name: str, lock: DeferredFilesystemLock, clock: Clock) -> None:
    other = FilesystemLock(name)
    other.lock()
    first = lock.deferUntilLocked()
    assert isinstance(outcome(lock.deferUntilLocked()), AlreadyTryingToLockError)
    other.unlock()
    clock.advance(1)
    assert outcome(first) is None
    lock.unlock()
    assert outcome(lock.deferUntilLocked()) is None


def test_one_callback_may_wait_again(lock: DeferredFilesystemLock, clock: Clock) -> None:
    lock.lock()
    clock.callLater(1, lock.unlock)

    def again(_: None) -> Any:
        lock.unlock()
        return lock.deferUntilLocked()

    waiting = lock.deferUntilLocked().addCallback(again)
    clock.advance(1)
    assert outcome(waiting) is None


@pytest.mark.parametrize("timeout", [None, 5])
def test_cancel(lock: DeferredFilesystemLock, clock: Clock, timeout: float | None) -> None:
    lock.lock()
    waiting = lock.deferUntilLocked(timeout)
    calls = clock.waiting()
    assert lock._tryLockCall in calls
    assert (lock._timeoutCall in calls) is (timeout is not None)
    waiting.cancel()
    assert isinstance(outcome(waiting), CancelledError)
    assert_idle(lock, clock)


def test_cancel_leaves_a_lock_that_is_free_by_now_alone(
    name: str, lock: DeferredFilesystemLock, clock: Clock
) -> None:
    other = FilesystemLock(name)
    other.lock()
    waiting = lock.deferUntilLocked()
    other.unlock()
    waiting.cancel()
    assert isinstance(outcome(waiting), CancelledError)
    assert not lock.locked
    assert not isLocked(name)


def test_an_error_at_once_and_an_error_later(
    name: str, lock: DeferredFilesystemLock, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FilesystemLock(name)
    other.lock()
    waiting = lock.deferUntilLocked(timeout=5)
    relink(name, DEAD)
    monkeypatch.setattr(filelock, "rmlink", raising(errno.EACCES))
    clock.advance(1)
    assert isinstance(outcome(waiting), PermissionError)
    assert_idle(lock, clock)
    assert isinstance(outcome(lock.deferUntilLocked(timeout=5)), PermissionError)
    assert_idle(lock, clock)


def test_a_time_that_cannot_be_waited_leaves_nothing(
    name: str, lock: DeferredFilesystemLock, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FilesystemLock(name)
    other.lock()

    def refuse(*args: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(clock, "callLater", refuse)
        with pytest.raises(ValueError):
            lock.deferUntilLocked(timeout=-1)
    assert_idle(lock, clock)


async def test_on_the_current_reactor_with_another_process(name: str) -> None:
    async with AsyncioReactor() as reactor:
        lock = DeferredFilesystemLock(name)
        lock._interval = 0.001
        assert lock._scheduler is reactor
        with Child(OURS, name) as child:
            assert child.ask("lock") == "(True, True)"
            waiting = lock.deferUntilLocked(timeout=DEADLINE)
            assert child.ask("unlock") == "None"
            await within(waiting)
        assert lock.locked
        assert lock.clean
        lock.unlock()


def test_the_scheduler_can_be_replaced(lock: DeferredFilesystemLock) -> None:
    other = Clock()
    lock._scheduler = other
    assert lock._scheduler is other
