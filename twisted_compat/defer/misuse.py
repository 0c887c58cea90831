"""What a Deferred says to code that fires it twice or makes it wait for itself.

Apart from :mod:`~twisted_compat.defer.deferred` because it is all words: nothing here runs while Deferreds
are used rightly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from twisted_compat.defer.errors import AlreadyCalledError
from twisted_compat.defer.record import Record
from twisted_compat.failure import Failure

__all__ = ["already_called", "returned_itself"]


def already_called(record: Record | None) -> AlreadyCalledError:
    """The error for firing again; ``record`` is that of the Deferred in debug mode, with the stacks to
    show.
    """
    stacks = "" if record is None else record.describe()
    return AlreadyCalledError("\n" + stacks) if stacks else AlreadyCalledError()


def returned_itself(function: Callable[..., Any]) -> Failure:
    """Warn, as Twisted does, at the callback that returned its own Deferred; and fail, as waiting for
    oneself never ends.

    :raises DeprecationWarning: where warnings are made errors.
    """
    message = "Callback returned the Deferred it was attached to; this breaks the callback chain."
    code = getattr(function, "__code__", None)
    if code is None:
        warnings.warn(message, DeprecationWarning, stacklevel=4)
    else:
        module = function.__module__
        warnings.warn_explicit(message, DeprecationWarning, code.co_filename, code.co_firstlineno, module)
    return Failure(
        RuntimeError(
            f"The callback {function!r} returned the Deferred it was attached to, so it waits for itself. "
            "Write `return result` in it, or nothing."
        )
    )
