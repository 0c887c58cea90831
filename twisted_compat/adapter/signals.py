"""SIGINT and SIGTERM for the reactor while it runs, and the handlers from before put back.

``reactor.py`` installs them in ``run()``, or when asked to while it is embedded. Everything that changes is
put back as it was: the handlers, and the descriptor that Python writes signal numbers to
(:func:`signal.set_wakeup_fd`).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Signals"]

NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last on Windows only


class Signals:
    """Calls ``on_signal`` in the loop for SIGINT, SIGTERM and, on Windows, SIGBREAK (Ctrl-Break).

    Not taken over is a signal that somebody has given a handler with ``loop.add_signal_handler``: asyncio has
    no way to ask for that handler, so it could not be put back. Its owner stops the reactor.

    :param loop: the loop to call in.
    :param on_signal: called with the signal's number, each time.
    :param log: where to say what could not be done: the reactor's vocabulary's.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], object], log: Any
    ) -> None:
        self._loop = loop
        self._log = log
        self._on_signal = on_signal
        self._previous: dict[
            int, Any
        ] = {}  # signal -> the handler from before; None if it isn't a Python one
        self._ours: dict[int, Any] = {}  # signal -> the Python-level handler while ours is installed
        self._wakeup_before = self._wakeup_installed = -1

    def install(self) -> None:
        """Take the signals over.

        In a thread other than the main one this does nothing, as Python can't have signal handlers there.
        """
        if self._previous or not _in_main_thread():
            return
        self._wakeup_before = _wakeup_fd()
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is None:
                continue
            previous = signal.getsignal(number)
            if _belongs_to_a_loop(previous):
                self._log.info("%s has a handler of the loop's owner already: the reactor leaves it", name)
                continue
            self._take(number)
            self._previous[number] = previous
            self._ours[number] = signal.getsignal(number)
        self._wakeup_installed = _wakeup_fd()

    def restore(self) -> None:
        """Put everything back, whether the loop still runs or is closed.

        A handler that others have set meanwhile is left. Call it in the main thread.
        """
        if not self._previous:
            return
        if not _in_main_thread():
            self._log.error(
                "Signal handlers can't be put back outside the main thread: the reactor's stay installed"
            )
            return
        for number, previous in self._previous.items():
            current = signal.getsignal(number)
            if current == self._ours[number]:
                if not self._loop.is_closed():
                    self._loop_removes(number)
            elif current not in (signal.SIG_DFL, signal.default_int_handler):  # what a closed loop leaves
                continue
            # None: C code had set it, and Python can't set that again.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._previous.clear()
        self._ours.clear()
        self._restore_wakeup_fd()

    def _take(self, number: int) -> None:
        try:
            self._loop.add_signal_handler(number, self._notice, number)
        except NotImplementedError:  # Windows: from the handler into the loop, which wakes up for it
            signal.signal(number, lambda number, frame: self._wake_and_notice(number))

    def _wake_and_notice(self, number: int) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notice, number)

    def _notice(self, number: int) -> None:
        if number not in self._previous:  # restored since; a stopped uvloop can't forget a handler
            return
        try:
            self._on_signal(number)
        except Exception:
            self._log.exception("Unhandled exception while handling signal %d", number)

    def _loop_removes(self, number: int) -> None:
        try:
            self._loop.remove_signal_handler(number)
        except NotImplementedError:
            self._log.debug("The loop has no signal handlers to remove")

    def _restore_wakeup_fd(self) -> None:
        """asyncio takes the descriptor away with its last handler; give it back to whom it belonged before.

        Not if that was the loop itself: it had its reasons to take it away, and may have closed it.
        """
        before = self._wakeup_before
        if before == -1 or before == self._wakeup_installed or _wakeup_fd() != -1:
            return
        try:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        except (OSError, ValueError):
            self._log.debug("The wake-up descriptor %d from before was closed meanwhile", before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _wakeup_fd() -> int:
    """The descriptor that Python writes signal numbers to; the only way to ask for it is to set it."""
    number = signal.set_wakeup_fd(-1)
    if number != -1:
        signal.set_wakeup_fd(number, warn_on_full_buffer=False)
    return number


def _belongs_to_a_loop(handler: Any) -> bool:
    """Whether ``loop.add_signal_handler`` set it: asyncio sets an empty function, uvloop its own method."""
    if getattr(handler, "__module__", None) == "asyncio.unix_events":
        return True
    return isinstance(getattr(handler, "__self__", None), asyncio.AbstractEventLoop)
