"""Hands what this package logs to Twisted's log, where trial and Twisted's tests look for it.

The package reports unhandled failures through :mod:`logging`, as asyncio does; Twisted through its own log.
"""

from __future__ import annotations

import logging

__all__ = ["ToTwistedLog"]

UNHANDLED = "Unhandled error in Deferred:"


class ToTwistedLog(logging.Handler):
    """Passes records on to Twisted's log; one with an exception as a Failure of it, the one that was logged
    if the record has it.

    A Deferred that goes with its failure unhandled makes two events there: that it happened, and then the
    failure, with what debug mode knows.
    """

    def __init__(self) -> None:
        super().__init__()
        from twisted.logger import Logger

        self._log = Logger("twisted_compat")

    def emit(self, record: logging.LogRecord) -> None:
        from twisted_compat.failure import Failure

        message = record.getMessage()
        if record.exc_info is None or record.exc_info[1] is None:
            error = record.levelno >= logging.ERROR
            level = self._log.critical if error else self._log.warn
            level("{message}", message=message, isError=error)
            return
        kind, value, traceback = record.exc_info
        failure = getattr(record, "failure", None) or Failure(value, kind, traceback)
        text, debug = "", ""
        if message.startswith(UNHANDLED):
            debug = message[len(UNHANDLED) :].lstrip("\n")
            text = "(debug: {debug})" if debug else ""
            self._log.critical("{message}", message=UNHANDLED, isError=True)
        self._log.failure(text, failure, debug=debug)
