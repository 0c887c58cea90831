"""Locks between processes, in the format of Twisted's ``twisted.python.lockfile``, and a Deferred for one.

A lock is a symbolic link: it is held while that exists, and points to the process id of its holder, as a
decimal number and not as a file that is anywhere. To make a link and to find that one is there is one step of
the file system, so no two processes get it. A Twisted process and ours keep each other out.

:class:`FilesystemLock` does that, :class:`DeferredFilesystemLock` tries it again and again on a reactor's
clock. The locks within a process are :mod:`~twisted_compat.defer.locks`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import readlink, symlink
from os import unlink as rmlink
from typing import TYPE_CHECKING

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.errors import TimeoutError
from twisted_compat.defer.gathering import fail
from twisted_compat.failure import Failure

if TYPE_CHECKING:
    from twisted_compat.interfaces import IDelayedCall, IReactorTime

__all__ = ["AlreadyTryingToLockError", "DeferredFilesystemLock", "FilesystemLock", "isLocked"]

# readlink, rmlink, symlink and kill are names of twisted.python.lockfile too, where tests of legacy code
# replace them; so they are looked up at each use. Where kill is None no holder is ever found dead.
kill: Callable[[int, int], None] | None = os.kill

_IS_POSIX = os.name == "posix"


class FilesystemLock:
    """A lock between processes, held while a symbolic link exists.

    What a process leaves behind that ends without unlocking is found and taken over, as long as its process
    id is free. Where another process has got that id since, the lock counts as held, as in Twisted.

    :ivar name: the path of the link.
    :ivar locked: whether this object holds the lock.
    :ivar clean: once :meth:`lock` has returned True: whether the holder before had unlocked it. None before.
    """

    clean: bool | None = None
    locked = False

    def __init__(self, name: str | os.PathLike[str]) -> None:
        """
        :param name: the path of the link, in a directory that exists; the same for all who share the lock.
        :raises NotImplementedError: where the system isn't a POSIX one.
        """
        if not _IS_POSIX:
            raise NotImplementedError(
                f"FilesystemLock needs POSIX symbolic links, which {os.name!r} hasn't. "
                "Install `filelock` there and write `filelock.FileLock(name)`."
            )
        self.name = name

    def lock(self) -> bool:
        """Take the lock, if it is free or its holder is gone.

        :returns: whether this object has it now. False also for a lock that this process holds, be it by
            this object, and for one of a dead process that another is taking over at this moment.
        :raises ValueError: if the link isn't one that a lock makes.
        :raises PermissionError: if its holder is somebody else's process, which then is alive; or if the
            link may not be made or removed.
        :raises OSError: if something that isn't a link is there, and for all else that the file system
            objects to.
        """
        clean = True
        while True:
            try:
                symlink(str(os.getpid()), self.name)
            except FileExistsError:
                pass
            else:
                self.locked = True
                self.clean = clean
                return True
            try:
                holder = self._holder()
                if _is_alive(holder, self.name):
                    return False
                with _sole_breaker(self.name) as alone:
                    if not alone:
                        return False
                    # Whoever was here before us may have taken it over. A link of theirs must stay.
                    if self._holder() == holder and not _is_alive(holder, self.name):
                        rmlink(self.name)
                        clean = False
            except FileNotFoundError:
                continue  # unlocked, or cleared away, meanwhile: whoever is first now has it

    def unlock(self) -> None:
        """Give the lock back. Any object for it does, in the process that holds it.

        :raises ValueError: if another process holds it, or the link isn't one that a lock makes.
        :raises OSError: if there is no link (:exc:`FileNotFoundError`), or it may not be removed.
        """
        holder = self._holder()
        if holder != os.getpid():
            raise ValueError(
                f"The lock {self.name!r} is held by process {holder}, not by this one. "
                "Unlock it there; here, `if lock.locked: lock.unlock()`."
            )
        rmlink(self.name)
        self.locked = False

    def _holder(self) -> int:
        """The process id that the link says."""
        try:
            target = readlink(self.name)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise OSError(
                errno.EINVAL,
                "Something that isn't a symbolic link is where the lock should be. "
                "Remove it, or give the lock another name; it is",
                self.name,
            ) from error
        if not (target.isascii() and target.isdigit() and 0 < int(target) < 1 << 31):
            raise ValueError(
                f"The link {self.name!r} points to {target!r}, which is no process id, so it isn't a lock. "
                "Remove it, or give the lock another name."
            )
        return int(target)


def _is_alive(process_id: int, name: str | os.PathLike[str]) -> bool:
    """Whether there is such a process; ``name`` is the lock's, for what is said if we may not ask."""
    if kill is None:
        return True
    try:
        kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"The lock is held by process {process_id}, which belongs to somebody else. "
            "Stop that one, or have a lock for each user; it is",
            name,
        ) from error
    return True


@contextmanager
def _sole_breaker(name: str | os.PathLike[str]) -> Iterator[bool]:
    """Be the only process of ours that clears away what a dead one left in the directory of ``name``.

    Two that find the same dead holder would both remove "its" link: the second that of the first, who by
    then holds the lock. What keeps them apart is a lock on the directory, which ends with its process and
    leaves nothing behind. Twisted knows nothing of it, so the race with a Twisted process is as in Twisted.

    :returns: a context manager of whether we are. Not if another is at it: a reactor should not wait.
    """
    import fcntl  # there is none on Windows, where this module can be imported

    directory = None
    try:
        try:
            directory = os.open(os.path.dirname(os.fspath(name)) or os.curdir, os.O_RDONLY)
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        except OSError:
            # A directory that can't be read, or a file system (NFS) without this: no worse than in Twisted.
            alone = True
        yield alone
    finally:
        if directory is not None:
            os.close(directory)


def isLocked(name: str | os.PathLike[str]) -> bool:
    """Whether somebody holds the lock, found out by taking it for a moment.

    :param name: the path of its link.
    :raises ValueError, OSError: as :meth:`FilesystemLock.lock`.
    """
    lock = FilesystemLock(name)
    if not lock.lock():
        return True
    lock.unlock()
    return False


class AlreadyTryingToLockError(Exception):
    """:meth:`DeferredFilesystemLock.deferUntilLocked` was called while an earlier call still waits."""


class DeferredFilesystemLock(FilesystemLock):
    """A :class:`FilesystemLock` that can be waited for.

    ========  =================  =======================  =======================================
    state     ``_tryLockCall``   ``_timeoutCall``         left by
    ========  =================  =======================  =======================================
    idle      None               None                     ``deferUntilLocked``
    trying    the next try       None without a timeout   the lock, the timeout, an error, cancel
    ========  =================  =======================  =======================================

    There is no event for a link that goes away, so it is tried every ``_interval`` seconds.
    """

    _interval: float = 1
    _tryLockCall: IDelayedCall | None = None
    _timeoutCall: IDelayedCall | None = None

    def __init__(self, name: str | os.PathLike[str], scheduler: IReactorTime | None = None) -> None:
        """
        :param name: as for :class:`FilesystemLock`.
        :param scheduler: the clock to wait on; None for that of the reactor current when it is needed.
        """
        super().__init__(name)
        self._given_scheduler = scheduler

    @property
    def _scheduler(self) -> IReactorTime:
        if self._given_scheduler is not None:
            return self._given_scheduler
        from twisted_compat.current import current_reactor

        reactor: IReactorTime = current_reactor()
        return reactor

    @_scheduler.setter
    def _scheduler(self, scheduler: IReactorTime | None) -> None:
        self._given_scheduler = scheduler

    def deferUntilLocked(self, timeout: float | None = None) -> Deferred[None]:
        """Try to take the lock, now and until it succeeds.

        :param timeout: seconds after which to give up, with one last try; None to go on for ever.
        :returns: a Deferred fired with None when this object has the lock; which fails with
            :exc:`~twisted_compat.defer.TimeoutError`, with :exc:`AlreadyTryingToLockError` if an earlier
            call still waits, or with what :meth:`~FilesystemLock.lock` raises. Cancelling it gives up, and
            takes no lock, not even one that is free by now.
        """
        if self._tryLockCall is not None:
            return fail(
                AlreadyTryingToLockError(
                    f"An earlier deferUntilLocked() still waits for {self.name!r}. "
                    "Wait for that, or write DeferredFilesystemLock(name) for each who waits."
                )
            )
        done: Deferred[None] = Deferred(lambda _: self._stop_trying())
        if not self._take_for(done):
            scheduler = self._scheduler
            if timeout is not None:
                self._timeoutCall = scheduler.callLater(timeout, self._time_is_up, done, timeout)
            self._tryLockCall = scheduler.callLater(self._interval, self._try_again, scheduler, done)
        return done

    def _take_for(self, done: Deferred[None]) -> bool:
        """Try to lock, and fire ``done`` if that is over, in either way; returns whether it is."""
        try:
            if not self.lock():
                return False
        except Exception:
            self._stop_trying()
            done.errback(Failure())
            return True
        self._stop_trying()
        done.callback(None)
        return True

    def _try_again(self, scheduler: IReactorTime, done: Deferred[None]) -> None:
        if not self._take_for(done):
            self._tryLockCall = scheduler.callLater(self._interval, self._try_again, scheduler, done)

    def _time_is_up(self, done: Deferred[None], timeout: float) -> None:
        if not self._take_for(done):
            self._stop_trying()
            done.errback(TimeoutError(f"The lock {self.name!r} could not be had within {timeout} s."))

    def _stop_trying(self) -> None:
        calls = (self._tryLockCall, self._timeoutCall)
        self._tryLockCall = self._timeoutCall = None
        for call in calls:
            if call is not None and call.active():
                call.cancel()
