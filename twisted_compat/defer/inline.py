"""``inlineCallbacks``: functions that read like plain ones and ``yield`` where they have to wait.

``driver`` runs them. The modern way to write the same is a coroutine function: ``coroutine``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from functools import wraps
from types import GeneratorType
from typing import Any, NoReturn, ParamSpec, TypeVar

from twisted_compat.defer.deferred import Deferred
from twisted_compat.defer.driver import Driver, ReturnValue

__all__ = ["inlineCallbacks", "returnValue"]

T = TypeVar("T")
P = ParamSpec("P")


def inlineCallbacks(f: Callable[P, Generator[Any, Any, T]]) -> Callable[P, Deferred[T]]:
    """A decorator for a generator function that yields what it waits for.

    ``result = yield deferred`` suspends the function until the Deferred has a result, and gives that or
    raises its failure's exception. A coroutine, an asyncio future or task, or anything else that ``await``
    takes is waited for as well; a generator is run like the function itself; any other value comes back at
    once.

    The function runs at once, and later on the stack of whoever fires what it waits for, always in a copy of
    the context (:mod:`contextvars`) it was called in.

    :param f: what it returns is the result.
    :returns: a function that returns a Deferred. Cancelling that cancels the Deferred waited for; the
        function sees :exc:`CancelledError` at its ``yield``, and may catch it and go on.
    :raises TypeError: when called, if ``f`` does not make a generator.
    """

    @wraps(f)
    def start(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        try:
            generator = f(*args, **kwargs)
        except ReturnValue:
            raise TypeError(
                f"inlineCallbacks needs a generator function, but {f!r} called returnValue and has no yield. "
                "Write `return result` in it, and leave the decorator out or add a yield."
            ) from None
        if not isinstance(generator, GeneratorType):
            raise TypeError(
                f"inlineCallbacks needs a generator function, but {f!r} returned {generator!r}. "
                "Write `yield` where it waits, or leave the decorator out."
            )
        return Driver(generator).start()

    return start


def returnValue(val: object) -> NoReturn:
    """End an :func:`inlineCallbacks` function with a result. Deprecated since Twisted 24.7: write
    ``return result``.
    """
    warnings.warn("returnValue is deprecated; write `return result`", DeprecationWarning, stacklevel=2)
    raise ReturnValue(val)
