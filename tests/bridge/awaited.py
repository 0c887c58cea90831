"""Things to await, ways for them to fail, and what each side should see of it: for ``test_awaitables``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest
from twisted.internet import defer as twisted_defer

from twisted_compat import as_deferred, as_future
from twisted_compat.defer import CancelledError, Deferred, succeed

CLASSES = [Deferred, twisted_defer.Deferred]
ERRORS = [
    KeyError("k"),
    StopIteration("s"),
    StopAsyncIteration("s"),
    GeneratorExit(),
    KeyboardInterrupt(),
    SystemExit(3),
    asyncio.CancelledError("theirs"),
    CancelledError("ours"),
    asyncio.TimeoutError(),
]

both = pytest.mark.parametrize("make", CLASSES, ids=["ours", "twisted"])
each_error = pytest.mark.parametrize(
    "error", ERRORS, ids=lambda error: f"{type(error).__module__}.{type(error).__name__}"
)


async def caught(awaitable: Any) -> BaseException:
    """What awaiting raises. Caught inside the task, as asyncio lets some exceptions end the loop."""
    try:
        await awaitable
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def error_in(deferred: Any) -> BaseException:
    """The exception of a Deferred of either kind, which is handled with that."""
    errors: list[Any] = []
    deferred.addErrback(lambda failure: errors.append(failure.value))
    (error,) = errors
    assert isinstance(error, BaseException)
    return error


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


class Awaitable:
    def __await__(self) -> Generator[Any, None, int]:
        return answer().__await__()


def later() -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 42)
    return future


AWAITABLES: dict[str, Callable[[], Any]] = {
    "future": later,
    "task": lambda: asyncio.ensure_future(answer()),
    "coroutine": answer,
    "object": Awaitable,
    "ours": lambda: succeed(42),
    "twisted": lambda: twisted_defer.succeed(42),
    "as_future": lambda: as_future(succeed(42)),
    "gather": lambda: asyncio.ensure_future(of_gather()),
    "shield": lambda: asyncio.shield(answer()),
}


async def of_gather() -> int:
    (result,) = await asyncio.gather(answer())
    return result


async def fail_at_once(error: BaseException) -> None:
    raise error


async def fail_later(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def is_expected(error: BaseException, seen: BaseException, make: Any) -> bool:
    """Whether ``seen`` is what a Deferred of that kind has for ``error`` raised in a coroutine."""
    if isinstance(error, StopIteration):  # Python's doing
        return isinstance(seen, RuntimeError) and seen.__cause__ is error
    if not isinstance(error, asyncio.CancelledError | CancelledError):
        return seen is error
    expected = CancelledError if make is Deferred else twisted_defer.CancelledError
    return (
        isinstance(seen, expected)
        and seen.args == error.args
        and (seen is error or seen.__cause__ is not None)
    )


class Links:
    """What a result may go through, one after another."""

    ALL: tuple[Callable[[Any], Any], ...] = (
        lambda awaitable: as_future(as_deferred(awaitable)),
        as_deferred,
        lambda awaitable: as_deferred(awaitable, deferred_class=twisted_defer.Deferred),
        lambda awaitable: asyncio.ensure_future(awaits(as_future(as_deferred(awaitable)))),
        lambda awaitable: awaits(as_deferred(awaitable)),
        lambda awaitable: asyncio.shield(as_future(as_deferred(awaitable))),
    )


async def awaits(awaitable: Any) -> Any:
    return await awaitable
