"""Hands what this package logs to Twisted's log, where trial and Twisted's tests look for it.

The package reports unhandled failures through :mod:`logging`, as asyncio does; Twisted through its own log,
in two events: what happened, and then the failure.
"""

from __future__ import annotations

import logging

__all__ = ["ToTwistedLog"]


class ToTwistedLog(logging.Handler):
    """Passes records on to Twisted's log; those with an exception as a Failure of it."""

    def __init__(self) -> None:
        super().__init__()
        from twisted.logger import Logger

        self._log = Logger("twisted_compat")

    def emit(self, record: logging.LogRecord) -> None:
        from twisted_compat.failure import Failure

        message, _, details = record.getMessage().partition("\n")
        error = record.levelno >= logging.ERROR
        if record.exc_info is None or record.exc_info[1] is None:
            level = self._log.critical if error else self._log.warn
            level("{message}", message=record.getMessage(), isError=error)
            return
        kind, value, traceback = record.exc_info
        if error:
            self._log.critical("{message}", message=message, isError=True)
        self._log.failure("{details}", Failure(value, kind, traceback), details=details, isError=error)
