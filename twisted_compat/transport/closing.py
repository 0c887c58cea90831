"""Who waits for a port to close: the part of stopping that all kinds of ports have in common.

Used by :mod:`.tcp_listen`, :mod:`.unix` and :mod:`.datagram`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_compat.transport.delayed import call_off

__all__ = ["Closing"]


class Closing:
    """One port's way from being asked to stop until it has stopped.

    :ivar begun: it has been asked, and is not closed yet.
    """

    __slots__ = ("_call", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Any] = []
        self._call: Any = None

    @property
    def begun(self) -> bool:
        return self._call is not None

    def ask(self, port: Any, reason: Any = None) -> Any:
        """Have the port's ``connectionLost(reason)`` called on a later turn, once however often it is asked.

        :param reason: a Failure; None means ConnectionDone.
        :returns: a Deferred for whoever asks, which fires when the port is closed.
        """
        vocabulary = port.reactor.vocabulary
        deferred = vocabulary.defer.Deferred()
        self._waiting.append(deferred)
        if self._call is None:
            if reason is None:
                reason = vocabulary.failure.Failure(vocabulary.error.ConnectionDone())
            self._call = port.reactor.callLater(0, port.connectionLost, reason)
        return deferred

    def done(self, port: Any, stop: Callable[[], Any]) -> None:
        """The port is closed: stop whom it served, then tell who waits.

        :param stop: the ``doStop`` of the port's factory or protocol. What it raises, those who wait are
            told; if there are none, whoever closed the port without being asked. KeyboardInterrupt and
            SystemExit go on in any case.
        """
        call_off(self._call)  # if the port was lost in another way first
        self._call = None
        waiting, self._waiting = self._waiting, []
        try:
            stop()
        except BaseException as error:
            failure = port.reactor.vocabulary.failure.Failure()
            for deferred in waiting:
                deferred.errback(failure)
            del failure  # its traceback has this frame: the two would be a cycle
            if not waiting or isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
        else:
            for deferred in waiting:
                deferred.callback(None)
