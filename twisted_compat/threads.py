"""Calls that cross threads: work that blocks goes to a thread and its result comes back as a Deferred; a
thread asks something of the reactor and waits for the answer. Twisted's ``twisted.internet.threads``.

The pool of threads and ``callFromThread`` are the reactor's (``adapter/threads.py``). Any reactor with these
two methods will do, and any pool with ``callInThreadWithCallback``, Twisted's own included.

Context variables go along both ways: a call in a thread sees those of its caller, and the callbacks of its
Deferred see what it made of them, whatever reactor and pool carry them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from inspect import iscoroutine
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar, overload

from twisted_compat.current import current_reactor
from twisted_compat.defer import Deferred, ensureDeferred, fail, maybeDeferred
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

__all__ = ["blockingCallFromThread", "callMultipleInThread", "deferToThread", "deferToThreadPool"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

LOOK = 0.5
"""How often, in seconds, a thread that waits for an answer looks whether the loop is still there to give it:
nothing is told when a loop is closed."""


def deferToThread(f: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Deferred[R]:
    """Call ``f(*args, **kwargs)`` in a thread of the current reactor's pool.

    :param f: may block.
    :returns: as :func:`deferToThreadPool`; once the reactor's threads have ended it fails at once, with
        RuntimeError.
    :raises TypeError: if ``f`` can't be called.
    """
    reactor = current_reactor()
    try:
        pool = reactor.getThreadPool()
    except RuntimeError:
        return fail()
    return deferToThreadPool(reactor, pool, f, *args, **kwargs)


def deferToThreadPool(
    reactor: Any, threadpool: Any, f: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> Deferred[R]:
    """Call ``f(*args, **kwargs)`` in a thread of a pool.

    ====================================  ====================================================================
    what happens                          the Deferred
    ====================================  ====================================================================
    ``f`` returns                         is fired with the result, in the reactor's thread
    ``f`` returns a coroutine             gets the coroutine's result; that runs in the reactor's thread
    ``f`` raises, be it SystemExit        fails with that, the traceback in the thread included
    the Deferred is cancelled             fails with CancelledError. A thread can't be interrupted: ``f`` is
                                          called all the same, and its result or failure dropped
    the reactor stops while ``f`` works   is fired: this package's reactors wait for their threads. (Twisted's
                                          do too, but leave the result to their next ``run()``.)
    the loop is closed while ``f`` works  is never fired, as nothing could run its callbacks. The result is
                                          logged: a warning, or the failure
    the pool is stopped already           fails with RuntimeError. (Twisted: is never fired.)
    ====================================  ====================================================================

    :param reactor: in its thread the Deferred is fired: has ``callFromThread`` (IReactorFromThreads).
    :param threadpool: has ``callInThreadWithCallback``, as Twisted's ``ThreadPool``.
    :param f: may block.
    :raises TypeError: if ``f`` can't be called.
    """
    if not callable(f):
        raise TypeError(
            f"A thread can't call {f!r}, which is not callable. "
            "Write `deferToThread(function, *args)`: the function itself, not its result."
        )
    if getattr(threadpool, "joined", False):
        return fail(
            RuntimeError(
                f"{f!r} can't be called in a thread: the thread pool is stopped. Call deferToThread before "
                '`pool.stop()`, or in reactor.addSystemEventTrigger("before", "shutdown", function).'
            )
        )
    deferred: Deferred[Any] = Deferred()
    deferred.addCallback(_awaited)
    context = copy_context()
    # As one object, so that no argument of f can be taken for one of the pool's.
    work = partial(context.run, f, *args, **kwargs)
    way_back = _WayBack(_from_thread_of(reactor), context, deferred, f)
    try:
        threadpool.callInThreadWithCallback(way_back, work)
    except RuntimeError:  # no thread is to be had
        return fail()
    return deferred


def callMultipleInThread(
    tupleList: Iterable[tuple[Callable[..., object], Sequence[Any], Mapping[str, Any]]],
) -> None:
    """Make several calls one after the other in one thread of the current reactor's pool.

    There is no result. An exception is logged, and ends the calls.

    :param tupleList: function, positional arguments and keyword arguments of each call.
    """
    current_reactor().callInThread(_call_each, list(tupleList))


def _call_each(calls: Sequence[tuple[Callable[..., object], Sequence[Any], Mapping[str, Any]]]) -> None:
    for f, args, kwargs in calls:
        f(*args, **kwargs)


@overload
def blockingCallFromThread(reactor: Any, f: Callable[P, Deferred[R]], *a: P.args, **kw: P.kwargs) -> R: ...


@overload
def blockingCallFromThread(reactor: Any, f: Callable[P, R], *a: P.args, **kw: P.kwargs) -> R: ...


def blockingCallFromThread(reactor: Any, f: Callable[..., Any], *a: Any, **kw: Any) -> Any:
    """Call ``f(*a, **kw)`` in the reactor's thread, from another thread, and wait for the result.

    :param reactor: has ``callFromThread`` (IReactorFromThreads).
    :param f: may return a Deferred or a coroutine: that is waited for.
    :returns: what ``f`` returned, or what came of that.
    :raises BaseException: what ``f`` raised, or that failed with, with its traceback.
    :raises RuntimeError: in the reactor's own thread, which can't wait for itself; and when the loop is
        closed, also while this waits. (Twisted waits for ever.)
    """
    loop = _loop_of(reactor)
    if loop is not None and asyncio._get_running_loop() is loop:
        raise RuntimeError(
            f"blockingCallFromThread({f!r}) was called in the reactor's own thread, which would wait for "
            "itself for ever. Write `await maybeDeferred(f)` or `maybeDeferred(f).addCallback(...)` there."
        )
    answers: SimpleQueue[Any] = SimpleQueue()

    def ask() -> None:
        maybeDeferred(f, *a, **kw).addBoth(answers.put)

    _from_thread_of(reactor)(copy_context().run, ask)
    answer = answers.get() if loop is None else _wait(answers, loop, f)
    if not isinstance(answer, Failure):
        return answer
    try:
        answer.raiseException()
    finally:
        del answer  # the traceback of the exception has this frame in it


def _wait(answers: SimpleQueue[Any], loop: asyncio.AbstractEventLoop, f: Callable[..., Any]) -> Any:
    while True:
        closed = loop.is_closed()  # asked first: an answer may come just before the end
        try:
            return answers.get(timeout=0 if closed else LOOK)
        except Empty:
            if closed:
                raise RuntimeError(
                    f"The event loop of the reactor was closed before {f!r} had a result. End the thread "
                    'before the loop: reactor.addSystemEventTrigger("before", "shutdown", end_the_thread).'
                ) from None


# The way from a thread to a reactor


def _loop_of(reactor: Any) -> asyncio.AbstractEventLoop | None:
    """The asyncio loop that a reactor is on now, if it says; ours do."""
    loop = getattr(reactor, "loop", None)
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


def _from_thread_of(reactor: Any) -> Callable[..., object]:
    """What to call something with in the thread of the reactor as it is now.

    That is its loop where there is one: by the time the thread ends the reactor may have left that loop, and
    asking the reactor then would put the call on the next loop that it takes.
    """
    loop = _loop_of(reactor)
    result: Callable[..., object] = reactor.callFromThread if loop is None else loop.call_soon_threadsafe
    return result


class _WayBack:
    """Takes the result of one call from the thread to the Deferred. The pool calls it, once, in the thread.

    From then on it refers to nothing: the pool's frame still refers to it, and a Failure to that frame.

    :param from_thread: calls something in the reactor's thread.
    :param context: what the call ran in; nobody else is in it any more.
    :param deferred: to fire.
    :param f: what was called, to name it in errors.
    """

    __slots__ = ("_held",)

    def __init__(
        self,
        from_thread: Callable[..., object],
        context: Context,
        deferred: Deferred[Any],
        f: Callable[..., object],
    ) -> None:
        self._held: Any = (from_thread, context, deferred, f)

    def __call__(self, succeeded: bool, result: Any) -> None:
        from_thread, context, deferred, f = self._held
        self._held = None
        if not succeeded:
            result = _as_ours(result)
        try:
            from_thread(context.run, _arrive, deferred, f, result)
        except RuntimeError:  # the loop is closed
            _drop(deferred, f, result)


def _arrive(deferred: Deferred[Any], f: Callable[..., object], result: Any) -> None:
    """In the reactor's thread: fire."""
    if isinstance(result, Deferred):
        result = Failure(
            TypeError(
                f"{f!r} returned a Deferred in a thread, where none may be used. In the thread write "
                "`return blockingCallFromThread(reactor, function)`, with the function that returns it."
            )
        )
    elif iscoroutine(result) and deferred.called:  # cancelled: nobody will run it
        result.close()
    deferred.callback(result)  # a Failure, too


def _drop(deferred: Deferred[Any], f: Callable[..., object], result: Any) -> None:
    """In the thread, when the reactor's is no more: say what is lost, unless nobody waited for it."""
    if iscoroutine(result):
        result.close()
    if deferred.called:  # cancelled
        return
    if isinstance(result, Failure):
        log_failure(f"{f!r} failed in a thread, after its reactor's event loop was closed", result)
    else:
        logger.warning("%r returned in a thread, after its reactor's event loop was closed", f)


def _as_ours(failure: Any) -> Failure:
    """The Failure itself, or one with the same exception and traceback: Twisted's pool makes Twisted's."""
    if isinstance(failure, Failure):
        return failure
    return Failure(failure.value, failure.type, failure.getTracebackObject())


def _awaited(result: Any) -> Any:
    """The first callback: what ``f`` returned, or what comes of the coroutine that it returned."""
    return ensureDeferred(result) if iscoroutine(result) else result
