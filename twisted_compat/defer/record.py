"""What a Deferred keeps beside its result: the failure nobody has handled yet, and in debug mode where it
was made and fired.

A Deferred makes a :class:`Record` only when it holds a failure or debugging is on, so the success path pays
nothing. The record is an object of its own because its end is the event: it goes when its Deferred goes,
also when that is part of a cycle, and a failure still in it then is one that no errback will ever see.
"""

from __future__ import annotations

import logging
import traceback

from twisted_compat.defer.errors import CancelledError
from twisted_compat.failure import Failure, exc_info_of

__all__ = ["Record", "log_failure"]

# One name for the whole package: it is what people configure, whichever module of it speaks.
_logger = logging.getLogger("twisted_compat.defer")


def log_failure(message: str, failure: Failure) -> None:
    """Log ``failure`` with its traceback, at error level, to the logger ``twisted_compat.defer``.

    The log record has it as its attribute ``failure``, for handlers that know what to do with one.
    """
    _logger.error(message, exc_info=exc_info_of(failure), extra={"failure": failure})


class Record:
    """The history of one Deferred.

    :ivar failure: the failure it ended with, as long as nothing has handled it.
    :ivar creator: in debug mode, the stack it was made on, as lines.
    :ivar invoker: in debug mode, the stack it was fired on, as lines.
    """

    __slots__ = ("creator", "failure", "invoker")

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.creator: list[str] | None = None
        self.invoker: list[str] | None = None

    def note_creation(self, skip: int) -> None:
        """Remember the present stack, less its ``skip`` innermost frames, as where the Deferred was made."""
        self.creator = traceback.format_stack()[: -skip - 1]

    def note_firing(self, skip: int) -> None:
        """Remember the present stack, less its ``skip`` innermost frames, as where the Deferred was fired."""
        self.invoker = traceback.format_stack()[: -skip - 1]

    def describe(self) -> str:
        """The two stacks as text, each line marked ``C:`` (creator) or ``I:`` (invoker); empty when none
        was taken.
        """
        return _marked("C", "Deferred was created", self.creator) + _marked(
            "I", "First Invoker was", self.invoker
        )

    def __del__(self) -> None:
        if self.failure is not None and not _is_cancelled_task(self.failure):
            log_failure(("Unhandled error in Deferred:\n" + self.describe()).rstrip("\n"), self.failure)


def _is_cancelled_task(failure: Failure) -> bool:
    """Whether this is asyncio's word for being cancelled in ours: to asyncio that is no error to report."""
    cause = failure.value.__cause__ if isinstance(failure.value, CancelledError) else None
    return cause is not None and not isinstance(cause, Exception)


def _marked(letter: str, title: str, stack: list[str] | None) -> str:
    if stack is None:
        return ""
    lines = "".join(stack).rstrip().splitlines()
    return "".join(f" {letter}:{line}\n" for line in [f" {title}:", *lines])
