"""Noticing that child processes have exited, and reaping them: each by itself, and no others.

Each child has a pidfd of its own that the loop watches; a thread that waits, where the system has none to
give. There is no handler for SIGCHLD, and nobody waits for just any child: so those of asyncio, uvloop,
subprocess and multiprocessing in the same process remain theirs.

``transport/process_life.py`` is told.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Protocol

from twisted_compat.adapter.watch import Watch, WatchBoard

__all__ = ["Child", "Children"]


class Owner(Protocol):
    """Who wants to know about a child."""

    def child_exited(self, status: int | None) -> None:
        """It has exited and been reaped.

        :param status: as from ``os.waitpid``; None if somebody else was faster to take it.
        """

    def child_left(self) -> None:
        """The reactor stops, and it goes on. Nothing more will be said."""


_left: dict[int, bytes | None] = {}
"""Children that outlived the reactors that started them, to be reaped when next somebody looks: when each was
started, by which it is known from another that has got its number."""

POLL = 0.02
"""Seconds between looks at a child that there is no other way to wait for."""

_ALIVE = object()


def reap_those_left() -> None:
    """Reap the children of former reactors that have exited meanwhile."""
    for pid, started in tuple(_left.items()):
        if _is_another(pid, started) or _reap(pid) is not _ALIVE:
            _left.pop(pid, None)


def _read_start(pid: int) -> bytes:
    """When a process was started, by the system's own reckoning. Raises OSError if that isn't known."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()[19]


def _started(pid: int) -> bytes | None:
    """When a process was started; None if that isn't known."""
    try:
        return _read_start(pid)
    except OSError:
        return None


def _is_another(pid: int, started: bytes | None) -> bool:
    """Whether the number is known to be nobody's by now, or not his any more who was started then."""
    try:
        return started is not None and _read_start(pid) != started
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:  # no descriptor is to be had, say
        return False


def _reap(pid: int, pidfd: int | None = None) -> Any:
    """The status of a child that has exited; ``_ALIVE``; or None if somebody else has reaped it."""
    try:
        if pidfd is not None:  # by its number it might be another by now
            exit = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
            return _ALIVE if exit is None else _as_status(exit.si_code, exit.si_status)
        found, status = os.waitpid(pid, os.WNOHANG)
        return status if found else _ALIVE
    except ChildProcessError:
        return None


def _as_status(code: int, number: int) -> int:
    """What ``os.waitpid`` says, from what ``os.waitid`` does."""
    if code == os.CLD_EXITED:
        return number << 8
    return number | 0x80 if code == os.CLD_DUMPED else number


class Children:
    """The children of one reactor.

    :param loop: the loop that watches.
    :param board: what is watched on it.
    :param log: where to say what went wrong.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, board: WatchBoard, log: Any) -> None:
        self.loop = loop
        self.board = board
        self.log = log
        self._alive: set[Child] = set()
        self._on_quiet: Callable[[], None] | None = None
        self._closed = False
        reap_those_left()

    def check_open(self) -> None:
        """Raise RuntimeError once children are watched no more."""
        if self._closed:
            raise RuntimeError("The reactor has stopped: it can't look after another child process.")

    def watch(self, pid: int, owner: Owner, *, waited_for: bool = True) -> Child:
        """Tell ``owner`` when a child exits, on a later turn of the loop, and reap it then.

        :param pid: of a child of this process that nobody else waits for.
        :param waited_for: whether a reactor that stops waits a moment for it.
        :raises RuntimeError: once :meth:`close` has been called.
        """
        self.check_open()
        reap_those_left()
        child = Child(self, pid, owner, waited_for)
        child.start()
        self._alive.add(child)
        return child

    def when_quiet(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` once, as soon as there are no children that are waited for; at once if that is
        so now."""
        self._on_quiet = callback
        self._tell_quiet()

    def close(self) -> None:
        """Leave those that are alive to themselves, and watch no others."""
        self._closed = True
        for child in list(self._alive):
            try:
                child.check()
                child.leave()
            except KeyboardInterrupt:
                raise
            except BaseException:  # SystemExit too: what was asked for is happening, and others are waiting
                self.log.exception("the end of child process %d was told, and that raised", child.pid)
        reap_those_left()

    def gone(self, child: Child) -> None:
        """``child`` is nobody's concern any more."""
        self._alive.discard(child)
        self._tell_quiet()

    def _tell_quiet(self) -> None:
        if self._on_quiet is not None and not any(child.waited_for for child in self._alive):
            callback, self._on_quiet = self._on_quiet, None
            callback()


class Child:
    """One child. Made by :meth:`Children.watch`.

    :ivar pid: its number.
    :ivar waited_for: whether a reactor that stops waits for it.
    """

    def __init__(self, children: Children, pid: int, owner: Owner, waited_for: bool) -> None:
        self.pid = pid
        self.waited_for = waited_for
        self._children = children
        self._owner: Owner | None = owner
        self._pidfd: int | None = None
        self._watch: Watch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._context: Context | None = None  # of who started it, for a thread that has none of that
        self._started: bytes | None = None  # when it was, if its number is all that we have of it

    def start(self) -> None:
        """Begin to wait for it."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
            self._watch = self._children.board.start(self._pidfd, False, self, "check", steady=True)
        except ProcessLookupError:  # reaped already: by the kernel itself, where SIGCHLD is ignored
            self._timer = self._children.loop.call_later(0, self.check)
        except (AttributeError, OSError):  # an old kernel, one that won't say, or no descriptor to be had
            self._wait_otherwise()

    def watch_failed(self, watch: Watch) -> None:
        """The loop can't watch its pidfd any more."""
        self._wait_otherwise()

    def _wait_otherwise(self) -> None:
        """In a thread; if none is to be had, or it couldn't wait without reaping, by looking now and then."""
        self._started = _started(self.pid)
        self._context = copy_context()
        try:
            if not hasattr(os, "waitid"):
                raise RuntimeError
            threading.Thread(target=self._wait, name=f"waits for process {self.pid}", daemon=True).start()
        except RuntimeError:
            self._look_again()

    def _look_again(self) -> None:
        self._timer = self._children.loop.call_later(POLL, self._look)

    def _look(self) -> None:
        self.check()
        if self._owner is not None:
            self._look_again()

    def _wait(self) -> None:
        """Wait for the exit without reaping: until that the number is this child's, and signals reach it."""
        with suppress(ChildProcessError):  # somebody else has reaped it
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        try:
            self._children.loop.call_soon_threadsafe(self.check, context=self._context)
        except RuntimeError:  # the loop is closed, and its reactor left the child
            reap_those_left()

    def check(self) -> None:
        """If it has exited, reap it and tell."""
        if self._owner is None:
            reap_those_left()
            return
        status = None if self._was_taken() else _reap(self.pid, self._pidfd)
        if status is _ALIVE:
            return
        if status is None:
            self._children.log.warning(
                "somebody else has reaped child process %d, so it isn't known how it ended. Is SIGCHLD "
                "ignored here, or does something wait for any child, as os.wait() does?",
                self.pid,
            )
        owner = self._owner
        self._let_go()
        owner.child_exited(status)

    def leave(self) -> None:
        """Leave it to itself, unless it is gone."""
        owner = self._owner
        if owner is not None:
            self._children.log.info("child process %d goes on though its reactor stops", self.pid)
            _left[self.pid] = _started(self.pid)
            self._let_go()
            owner.child_left()

    def _let_go(self) -> None:
        self._owner = None
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._timer is not None:
            self._timer.cancel()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._children.gone(self)

    def _was_taken(self) -> bool:
        """Whether somebody else has reaped it, so that its number may be another's by now."""
        if self._pidfd is not None:
            return False  # it tells by itself
        if _is_another(self.pid, self._started):
            return True
        if hasattr(os, "waitid"):
            try:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return True
        return False

    def signal(self, number: int) -> None:
        """Send it a signal, and never anybody else.

        :raises ProcessLookupError: if it has been reaped, or is left to itself.
        :raises PermissionError: if it has become another user's.
        """
        if self._owner is None or self._was_taken():
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if self._pidfd is not None:
            signal.pidfd_send_signal(self._pidfd, number)
        else:
            os.kill(self.pid, number)
