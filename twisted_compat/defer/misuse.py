"""What is said to code that fires a Deferred twice, in the wrong thread, or makes it wait for itself.

Apart from the modules that say it because it is all words: nothing here runs while Deferreds are used
rightly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from twisted_compat._frames import describe_frame, entries, is_ours
from twisted_compat.defer.errors import AlreadyCalledError
from twisted_compat.defer.record import Record

__all__ = [
    "already_called",
    "resumed_too_early",
    "warn_of_non_local_return",
    "warn_of_waiting_for_itself",
    "wrong_thread",
]


def already_called(record: Record | None) -> AlreadyCalledError:
    """The error for firing again; ``record`` is that of the Deferred in debug mode, with the stacks to
    show.
    """
    stacks = "" if record is None else record.describe()
    return AlreadyCalledError("\n" + stacks) if stacks else AlreadyCalledError()


def warn_of_waiting_for_itself(function: Callable[..., Any]) -> None:
    """Warn, as Twisted does, at the callback that returned its own Deferred, which now waits for itself.

    :raises DeprecationWarning: where warnings are made errors.
    """
    message = (
        f"Callback returned the Deferred it was attached to: {function!r}. That waits for itself now. "
        "Write `return result` in it, or nothing."
    )
    code = getattr(function, "__code__", None)
    if code is None:
        warnings.warn(message, DeprecationWarning, stacklevel=4)
    else:
        last_line = max(line for _, _, line in code.co_lines() if line is not None)
        warnings.warn_explicit(message, DeprecationWarning, code.co_filename, last_line, function.__module__)


def wrong_thread() -> RuntimeError:
    """The error for a task whose Deferred was fired in another thread. The Deferred keeps the result."""
    return RuntimeError(
        "A Deferred that a task awaits was fired from a thread other than that of the task. "
        "In that thread write `reactor.callFromThread(deferred.callback, result)`."
    )


def resumed_too_early(deferred: object) -> RuntimeError:
    """The error for a coroutine that is resumed before what it awaits has a result."""
    return RuntimeError(
        f"A coroutine that awaits {deferred!r} was resumed before that has a result: what runs it "
        "doesn't know Deferreds. Run it with `ensureDeferred(coroutine)` or as an asyncio task."
    )


def warn_of_non_local_return(tb: TracebackType | None) -> None:
    """Warn, as Twisted does, if ``returnValue`` was called by a plain function that the generator called.

    :param tb: how the exception of ``returnValue`` came to the driver.
    """
    frames = [describe_frame(entry, capture=False) for entry in entries(tb)]
    frames = [frame for frame in frames if not is_ours(frame[1])]
    if len(frames) > 1:
        name, filename, line, *_ = frames[-1]
        message = (
            f"returnValue() was called in {name!r}, which is not an inlineCallbacks function, "
            f"and so ended {frames[0][0]!r}."
        )
        warnings.warn_explicit(message, DeprecationWarning, filename, line)
