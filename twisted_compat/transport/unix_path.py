"""Names of UNIX sockets: paths, with the files and locks that belong to them, and Linux's abstract names.

Used by :mod:`.unix` and :mod:`.unix_datagram`. See unix(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from typing import Any

from twisted_compat.defer.filelock import FilesystemLock
from twisted_compat.transport.sockets import AF_UNIX

__all__ = ["LONGEST", "SocketName", "shown"]

LONGEST = 107 if sys.platform == "linux" else 103
"""Bytes of the longest path that a UNIX socket can have."""


def shown(name: str | bytes) -> str:
    """A socket's name as people are told it: an abstract one with ``@`` for its zero byte, as tools write it,
    and with escapes for what is no text."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return f"@{text[1:]}" if text.startswith("\0") else text


class SocketName:
    """A UNIX socket's name, and what is at that place in the file system from being bound until it is left.

    :param address: a path; a leading zero byte makes it a name of Linux's abstract namespace, which is in no
        file system. An empty one is an abstract name of the kernel's choice, for who binds to it.
    :ivar encoded: the name in bytes, as the kernel has it.
    :raises TypeError: if ``address`` is no path.
    """

    def __init__(self, address: str | bytes | os.PathLike[Any]) -> None:
        self.encoded: bytes = os.fsencode(address)
        self.is_abstract = self.encoded[:1] in (b"", b"\0")
        self._lock: FilesystemLock | None = None
        self._bound: tuple[bytes, tuple[int, int]] | None = None  # absolute path, and which file is ours

    def __str__(self) -> str:
        return shown(self.encoded)

    # Whether somebody serves it (wantPID, checkPID)

    def refuse_if_abstract(self) -> None:
        """An abstract name has no lock file. Raises ValueError."""
        if self.is_abstract:
            raise ValueError(
                f"There is no lock file for the abstract name {str(self)!r}: leave out wantPID and checkPID. "
                "The kernel frees such a name when its process ends."
            )

    @property
    def _lock_path(self) -> str:
        return os.path.abspath(os.fsdecode(self.encoded + b".lock"))

    def is_locked(self) -> bool:
        """Whether a living process holds the lock file. It stays as it is: who is to serve next finds by it
        what the one before has left."""
        try:
            holder = self._holder()
            if holder <= 0:  # no process has such a number, and kill() means others by it
                return False
            os.kill(holder, 0)
        except PermissionError:
            return True  # somebody else's process, which lives
        except (OSError, OverflowError, ValueError):
            return False  # no lock, or none of a process that there is
        return True

    def _holder(self) -> int:
        return int(os.readlink(self._lock_path))

    def lock(self) -> None:
        """Take the lock file, from a dead process too, whose socket's file is then removed.

        :raises OSError: if a living process holds it, or it can't be made.
        """
        self.check()
        lock = FilesystemLock(self._lock_path)
        try:
            held = lock.lock()
        except ValueError as error:
            raise OSError(errno.EADDRINUSE, f"{lock.name} is not a lock: {error}") from error
        if not held:
            holder = "another process"
            with contextlib.suppress(OSError, ValueError):  # it lets go at this moment
                holder = f"process {self._holder()}"
            raise OSError(errno.EADDRINUSE, f"Cannot acquire lock: {holder} holds {lock.name}")
        self._lock = lock
        if not lock.clean and self._is_left_over():  # else there is nothing, or bind() will tell
            os.unlink(self.encoded)

    # Binding

    def bind(self, skt: socket.socket, mode: int) -> None:
        """Bind ``skt`` to the name.

        :param mode: the permission bits of the file, whatever the umask is.
        :raises OSError: if the name can't be had; the text says what to do.
        """
        if self._bound is not None and self._is_left_over():  # by ourselves: it stays when the port is closed
            self._remove()
        if not self.is_abstract:
            # So that the file never has more than these. Not every system has it; what counts follows below.
            with contextlib.suppress(OSError):
                os.fchmod(skt.fileno(), mode)
        self.check()
        try:
            skt.bind(self.encoded)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and self._is_left_over():
                why = f"{error.strerror}: nobody listens there, a server that ended has left the socket. "
                remedy = "Remove it"
                if skt.type == socket.SOCK_STREAM:
                    remedy += "; or listen with wantPID=True from the first, and this is done for you"
                raise OSError(errno.EADDRINUSE, why + remedy) from error
            raise
        if not self.is_abstract:
            found = os.lstat(self.encoded)
            self._bound = os.path.abspath(self.encoded), (found.st_dev, found.st_ino)
            os.chmod(self.encoded, mode)

    def check(self) -> None:
        """Refuse what Python and the kernel would understand differently, or not say what is wrong with.

        :raises OSError: if it is too long, or a path with a zero byte.
        """
        if not self.is_abstract and b"\0" in self.encoded:
            raise OSError(errno.EINVAL, f"a path has no zero bytes, as {self.encoded!r} has")
        most = LONGEST + self.is_abstract  # a path has one at its end
        if len(self.encoded) > most:
            raise OSError(
                errno.ENAMETOOLONG,
                f"the name of a UNIX socket has {most} bytes at most, and this one has {len(self.encoded)}: "
                "change to its directory, and give a relative path",
            )

    def _is_left_over(self) -> bool:
        """Whether there is a socket that nobody has open."""
        if self.is_abstract:
            return False
        assert AF_UNIX is not None
        # A datagram socket disturbs nobody: a listening one is of the wrong type for it, and says so.
        with socket.socket(AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                if not stat.S_ISSOCK(os.lstat(self.encoded).st_mode):
                    return False
                probe.connect(self.encoded)
            except OSError as error:
                return error.errno == errno.ECONNREFUSED
        return False

    def leave(self, log: Any) -> None:
        """Remove the file, unless another has taken its place since, and let go of the lock.

        :param log: told of what stands in the way, which is no reason not to close.
        """
        lock, self._lock = self._lock, None
        try:
            self._remove()
        except OSError as error:
            log.warning("the socket %s can't be removed: %s", self, error)
        try:
            if lock is not None:
                lock.unlock()
        except (OSError, ValueError) as error:
            log.warning("the lock %s can't be removed: %s", lock.name if lock is not None else "", error)

    def _remove(self) -> None:
        """Remove the file, if it is there and ours."""
        bound, self._bound = self._bound, None
        if bound is not None:
            path, ours = bound
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                if (found.st_dev, found.st_ino) == ours:
                    os.unlink(path)
