"""SIGINT and SIGTERM for the reactor while it runs, and the handlers from before put back.

``reactor.py`` installs them as it starts, in ``run()`` or when asked to while embedded. The handlers are
Python's own (:func:`signal.signal`), which call into the loop; the loop's machinery for signals is its
owner's and is left alone.
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

    def __init__(self, loop: asyncio.AbstractEventLoop, on_signal: Callable[[int], object], log: Any) -> None:
        self._loop = loop
        self._log = log
        self._on_signal = on_signal
        self._handler = self._handle  # the very object that is installed, to be known again
        # By signal, the handler from before; None if it isn't a Python one.
        self._previous: dict[int, Any] = {}

    def install(self, *, leave_sigint: bool = False) -> None:
        """Take the signals over.

        :param leave_sigint: leave SIGINT to any handler but Python's default one, also if it is ignored, as
            in a job in the background.

        In a thread other than the main one this does nothing, as Python can't have signal handlers there.
        """
        if self._previous or not _in_main_thread():
            return
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is None:
                continue
            previous = signal.getsignal(number)
            if leave_sigint and number == signal.SIGINT and previous is not signal.default_int_handler:
                continue
            if _belongs_to_a_loop(previous):
                self._log.info("%s has a handler of the loop's owner already: the reactor leaves it", name)
                continue
            signal.signal(number, self._handler)
            self._previous[number] = previous

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
            if signal.getsignal(number) is self._handler:
                # None: C code had set it, and Python can't set that again.
                signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._previous.clear()

    def _handle(self, number: int, frame: Any) -> None:
        """In the middle of whatever the main thread does: only wake the loop, and say it there."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notice, number)

    def _notice(self, number: int) -> None:
        if number not in self._previous:  # restored since
            return
        try:
            self._on_signal(number)
        except Exception:
            self._log.exception("Unhandled exception while handling signal %d", number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _belongs_to_a_loop(handler: Any) -> bool:
    """Whether ``loop.add_signal_handler`` set it: asyncio sets an empty function, uvloop its own method."""
    if getattr(handler, "__module__", None) == "asyncio.unix_events":
        return True
    return isinstance(getattr(handler, "__self__", None), asyncio.AbstractEventLoop)
