"""One direction of one descriptor number, watched on the loop; and all the ways in which a number goes bad.

``fdset.py`` decides who is watched and why; this module makes the loop do it, whatever has become of the
number meanwhile:

* **closed and used again** while somebody still watched the old file: the loop's books and the kernel's
  disagree, so the stale watches are dropped and the new one is made from scratch. Where the loop notices
  nothing (uvloop), the files themselves are compared, lest the stale watch be called for the new file;
* **not pollable** (a regular file, ``/dev/null``): the callback is called every few milliseconds instead;
* **watch lost after an error**: some loops call back once and then forget the watch. It is made again on the
  next turn, so that the callback goes on being called as long as the condition lasts, as on every other loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Protocol

from twisted_compat.adapter.loops import capabilities_of

__all__ = ["Watch", "WatchBoard"]

logger = logging.getLogger(__name__)

UNPOLLABLE_INTERVAL = 0.002
"""Seconds between calls for a file that is always ready: 32 MB/s of 64 KiB reads, at next to no load for a
reader that does nothing."""


class Owner(Protocol):
    """Who is called by a watch, through a method it names when it starts."""

    def watch_failed(self, watch: Watch) -> None:
        """The watch, lost by the loop, could not be made again: its number is closed, or another's by now."""


class Watch:
    """A callback, called while a number is ready in one direction. Made by :meth:`WatchBoard.start`.

    :ivar fd: the number.
    :ivar owner: whoever asked; told apart by identity.
    :ivar file: which file the number stood for when the watch was made; None if the owner is sure to stop the
        watch before the number is closed.
    :ivar stopped: it is not to call back any more.
    """

    __slots__ = ("_lifeline", "_name", "_ticking", "board", "fd", "file", "owner", "stopped", "writing")

    def __init__(
        self, board: WatchBoard, fd: int, writing: bool, owner: Owner, name: str, file: tuple[int, int] | None
    ) -> None:
        self.board = board
        self.fd = fd
        self.writing = writing
        self.owner = owner
        self.file = file
        self.stopped = False
        self._name = name
        self._lifeline: weakref.ref[MethodType] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Call back no more. Never fails, whatever has become of the number."""
        self.stopped = True
        self._lifeline = None
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self.board.stopped(self)

    def tell_loop(self) -> None:
        """Have the loop watch. Raises what ``loop.add_reader`` raises."""
        # A bound method of its own for each watch, which nothing but the loop holds: when the loop drops it
        # unasked, its weak reference tells. That finds a lost watch at no cost for a healthy one's events.
        method: MethodType = getattr(self.owner, self._name)
        if self.board.drops_watch_on_error:
            self._lifeline = weakref.ref(method, self._dropped)
        try:
            self.board.add(self.writing, self.fd, method)
        except PermissionError:
            self._lifeline = None
            self._ticking = self.board.loop.call_later(0, self._tick, method)
        except BaseException:
            self._lifeline = None
            raise

    def _tick(self, method: Callable[[], None]) -> None:
        self._ticking = self.board.loop.call_later(UNPOLLABLE_INTERVAL, self._tick, method)
        method()

    def _dropped(self, lifeline: weakref.ref[MethodType]) -> None:
        """The loop let go of the callback without having been told to."""
        if lifeline is self._lifeline and not self.board.loop.is_closed():
            self.board.loop.call_soon(self._resume, lifeline)

    def _resume(self, lifeline: weakref.ref[MethodType]) -> None:
        if lifeline is self._lifeline:
            self.board.remove(self.writing, self.fd)  # the loop still has its dead poll on the books
            try:
                self.tell_loop()
            except (OSError, RuntimeError) as error:
                logger.debug("descriptor number %d can't be watched again: %s", self.fd, error)
                self.owner.watch_failed(self)


class WatchBoard:
    """All watches on one loop, by number and direction.

    :param loop: a loop that can watch descriptors.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.drops_watch_on_error = capabilities_of(loop).drops_watch_on_error
        self._by_fd: tuple[dict[int, Watch], dict[int, Watch]] = ({}, {})  # readers, writers

    def start(self, fd: int, writing: bool, owner: Owner, name: str, *, steady: bool = False) -> Watch:
        """Call ``owner.name()`` while ``fd`` is ready.

        :param fd: the number.
        :param writing: ready for writing, not for reading.
        :param steady: the owner is sure to stop the watch before the number is closed.
        :returns: the watch, to be stopped by whoever asked for it.
        :raises OSError: if the kernel won't watch the number, as when it isn't open.
        :raises RuntimeError: if an asyncio transport uses the number, or the loop is closed.
        :raises ValueError: if the number is negative.
        """
        if fd < 0:
            raise ValueError(
                f"Descriptor number {fd} can't be watched: it is closed. Add a descriptor before closing it."
            )
        watches = self._by_fd[writing]
        previous = watches.get(fd)
        if previous is not None:  # the file it watched is gone, and nobody said so
            previous.stop()
        other = self._by_fd[not writing].get(fd)
        if other is not None and other.owner is not owner and other.file not in (None, _file_of(fd)):
            other.stop()  # likewise
        watch = watches[fd] = Watch(self, fd, writing, owner, name, None if steady else _file_of(fd))
        try:
            try:
                watch.tell_loop()
            except (FileNotFoundError, FileExistsError):
                self._start_afresh(watch)
        except BaseException:
            del watches[fd]
            raise
        return watch

    def _start_afresh(self, watch: Watch) -> None:
        """The loop's books speak of an earlier file of this number: clear them both ways, then watch."""
        self.remove(False, watch.fd)
        self.remove(True, watch.fd)
        other = self._by_fd[not watch.writing].get(watch.fd)
        watch.tell_loop()
        if other is not None:
            if other.owner is watch.owner:
                other.tell_loop()
            else:
                other.stop()

    def stopped(self, watch: Watch) -> None:
        """``watch`` has been stopped: have the loop forget it, unless the number is another's by now."""
        watches = self._by_fd[watch.writing]
        if watches.get(watch.fd) is watch:
            del watches[watch.fd]
            self.remove(watch.writing, watch.fd)

    def add(self, writing: bool, fd: int, callback: Callable[[], None]) -> None:
        """``loop.add_writer`` or ``loop.add_reader``; see :meth:`start` for what they raise."""
        loop = self.loop
        try:
            if writing:
                loop.add_writer(fd, callback)
            else:
                loop.add_reader(fd, callback)
        except RuntimeError as error:
            if loop.is_closed():
                raise RuntimeError(
                    "The event loop of this reactor is closed, so nothing can be watched on it any more. "
                    "Leave the reactor before its loop is closed: "
                    "`async with AsyncioReactor() as reactor: ...`"
                ) from error
            raise RuntimeError(
                f"Descriptor number {fd} belongs to an asyncio transport ({error}). "
                "Watch a duplicate of your own instead: os.dup(transport.get_extra_info('socket').fileno())."
            ) from error

    def remove(self, writing: bool, fd: int) -> None:
        """``loop.remove_writer`` or its twin, for a number that may be closed or another's by now."""
        if self.loop.is_closed():
            return
        try:
            if writing:
                self.loop.remove_writer(fd)
            else:
                self.loop.remove_reader(fd)
        except (OSError, RuntimeError) as error:
            # ENOENT: the file is closed, and the selector has dropped the number by failing. RuntimeError:
            # the host's own transport has taken the number, and with it the loop's books.
            logger.debug("descriptor number %d was gone before it was removed: %s", fd, error)

    def close(self) -> None:
        """Stop every watch."""
        for watches in self._by_fd:
            for watch in list(watches.values()):
                watch.stop()


def _file_of(fd: int) -> tuple[int, int] | None:
    """What tells the file behind a number from any other that is open."""
    try:
        status = os.fstat(fd)
    except OSError:  # not open: the loop is about to say so
        return None
    return status.st_dev, status.st_ino
