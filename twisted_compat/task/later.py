"""A call after some time, as a Deferred: :func:`deferLater`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from twisted_compat.defer import Deferred
from twisted_compat.interfaces import IReactorTime

__all__ = ["deferLater"]

T = TypeVar("T")


@overload
def deferLater(clock: IReactorTime, delay: float) -> Deferred[None]: ...


@overload
def deferLater(clock: IReactorTime, delay: float, callable: None) -> Deferred[None]: ...


@overload
def deferLater(
    clock: IReactorTime, delay: float, callable: Callable[..., Deferred[T]], *args: Any, **kw: Any
) -> Deferred[T]: ...


@overload
def deferLater(
    clock: IReactorTime, delay: float, callable: Callable[..., T], *args: Any, **kw: Any
) -> Deferred[T]: ...


def deferLater(
    clock: IReactorTime, delay: float, callable: Callable[..., Any] | None = None, *args: Any, **kw: Any
) -> Deferred[Any]:
    """Call something after some time.

    :param clock: an ``IReactorTime``, such as the reactor.
    :param delay: seconds.
    :param callable: what to call, with ``args`` and ``kw``; None to do nothing but wait.
    :returns: a Deferred of what the call returns, or of None if there is nothing to call. If the call returns
        a Deferred, that is waited for; a coroutine is handed on as it is. Cancelling it cancels the call.
    """

    def call(_: None) -> Any:
        return None if callable is None else callable(*args, **kw)

    deferred: Deferred[Any] = Deferred(lambda _: delayed.cancel())
    deferred.addCallback(call)
    delayed = clock.callLater(delay, deferred.callback, None)
    return deferred
