"""A program that is one function: :func:`react` runs it on the reactor and exits with its code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

from twisted_compat.adapter.embed import ReactorProxy
from twisted_compat.adapter.loops import refuse_inside_a_loop
from twisted_compat.adapter.reactor import AsyncioReactor
from twisted_compat.current import current_reactor
from twisted_compat.defer import Deferred, ensureDeferred
from twisted_compat.defer.record import log_failure
from twisted_compat.failure import Failure

__all__ = ["react"]


def react(
    main: Callable[..., Deferred[Any] | Coroutine[Any, Any, Any]],
    argv: Iterable[Any] = (),
    _reactor: Any = None,
) -> NoReturn:
    """Run the reactor until ``main`` is done, or something else stops the reactor, and exit.

    ``main(reactor, *argv)`` is called as soon as the reactor runs, so there is a running event loop in it.

    :param main: returns a Deferred or a coroutine.
    :param argv: what to call it with, after the reactor.
    :param _reactor: the reactor to run; the process's default one if None.
    :raises SystemExit: always, unless ``main`` itself (not its Deferred) raises something. The code is 0; 1
        if ``main`` failed, which is logged; its own if it failed with SystemExit. A signal that stops the
        reactor before ``main`` is done doesn't count as a failure.
    :raises RuntimeError: inside a running event loop.
    """
    if _reactor is None or isinstance(_reactor, AsyncioReactor | ReactorProxy):
        refuse_inside_a_loop("react()", "`await main(reactor)` in a coroutine of yours")
    reactor = current_reactor() if _reactor is None else _reactor
    program = _Program(reactor)
    reactor.addSystemEventTrigger("before", "shutdown", program.note_shutdown)
    reactor.callWhenRunning(program.begin, main, tuple(argv))
    reactor.run()
    if program.raised is not None:
        raise program.raised
    sys.exit(program.code)


class _Program:
    """One run of :func:`react`.

    :ivar code: what to exit with.
    :ivar raised: what ``main`` raised instead of returning something.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._stopping = False
        self.code: Any = 0
        self.raised: BaseException | None = None

    def note_shutdown(self) -> None:
        """The reactor is stopping, whoever told it to."""
        self._stopping = True

    def begin(self, main: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call main."""
        try:
            finished = ensureDeferred(main(self._reactor, *args))
        except BaseException as error:
            self.raised = error  # for the caller of react(), when the reactor has stopped in order
            self._stop()
        else:
            finished.addBoth(self._finish)

    def _finish(self, result: Any) -> None:
        if isinstance(result, Failure):
            if isinstance(result.value, SystemExit):
                self.code = result.value.code
            else:
                log_failure("main, which react() runs, failed", result)
                self.code = 1
        self._stop()

    def _stop(self) -> None:
        if self._stopping:
            return
        try:
            self._reactor.stop()
        except Exception as error:
            # Told to stop a moment ago. By name: the reactor may be Twisted's or a test's, and so its error.
            if type(error).__name__ != "ReactorNotRunning":
                raise
