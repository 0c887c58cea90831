"""The client factory that does not give up: retries with growing, jittered delays."""

from __future__ import annotations

import logging
import random
from typing import Any

from twisted_compat.current import current_reactor
from twisted_compat.error import NotConnectingError
from twisted_compat.failure import Failure
from twisted_compat.protocol.factory import ClientFactory, P

logger = logging.getLogger(__name__)


class ReconnectingClientFactory(ClientFactory[P]):
    """Connects again whenever connecting fails or a connection is lost, after longer and longer delays.

    Call :meth:`resetDelay` once a connection has proved good (in ``buildProtocol``, say, or after logging
    in). When pickled it keeps its settings and forgets the attempts it was in the middle of.

    :ivar initialDelay: seconds before the first retry.
    :ivar factor: each delay is this many times the one before.
    :ivar maxDelay: the most that growth leads to, in seconds.
    :ivar jitter: standard deviation of the delays, as a part of each; 0 or None for none. It keeps the
        clients of a server that went down from all coming back at once.
    :ivar maxRetries: give up after this many retries without a :meth:`resetDelay`; None to go on for ever.
    :ivar clock: the ``IReactorTime`` to wait by; None for the current reactor.
    :ivar delay: seconds before the next retry, without jitter.
    :ivar retries: how many there were since :meth:`resetDelay`.
    :ivar continueTrying: false once :meth:`stopTrying` has been called.
    """

    maxDelay: float = 3600
    initialDelay: float = 1.0
    factor: float = 2.7182818284590451
    jitter: float | None = 0.119626565582
    maxRetries: int | None = None
    clock: Any = None

    delay: float = initialDelay
    retries: int = 0
    continueTrying: int = 1
    connector: Any = None
    _callID: Any = None

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """``ClientFactory``: try again later."""
        if self.continueTrying:
            self.connector = connector
            self.retry()

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """``ClientFactory``: try again later."""
        if self.continueTrying:
            self.connector = connector
            self.retry()

    def retry(self, connector: Any = None) -> None:
        """Connect again after the delay that is due, unless told to stop or out of retries.

        :param connector: the ``IConnector`` to use; by default the last that failed.
        :raises ValueError: there is no connector, neither given nor known.
        """
        connector = self.connector if connector is None else connector
        if not self.continueTrying:
            if self.noisy:
                logger.info("Not connecting %s again: told to stop", connector)
            return
        if connector is None:
            raise ValueError(
                "No connection of this factory has failed, so there is none to retry. Write retry(connector)."
            )
        self.retries += 1
        if self.maxRetries is not None and self.retries > self.maxRetries:
            if self.noisy:
                logger.info("Not connecting %s again: %d retries have failed", connector, self.maxRetries)
            return
        if self.jitter:
            # A normal distribution has no lower end; a clock does.
            self.delay = max(0.0, random.normalvariate(self.delay, self.delay * self.jitter))
        if self.noisy:
            logger.info("Connecting %s again in %.1f seconds", connector, self.delay)
        # The current reactor is not remembered: the next attempt may be on another loop.
        clock = current_reactor() if self.clock is None else self.clock
        self._callID = clock.callLater(self.delay, self._reconnect, connector)
        self.delay = min(self.delay * self.factor, self.maxDelay)

    def _reconnect(self, connector: Any) -> None:
        self._callID = None
        connector.connect()

    def stopTrying(self) -> None:
        """Never connect again: end the wait or the attempt going on. A connection that stands stays."""
        if self._callID is not None:
            self._callID.cancel()
            self._callID = None
        self.continueTrying = 0
        if self.connector is not None:
            try:
                self.connector.stopConnecting()
            except NotConnectingError:
                logger.debug("%s was not connecting as its factory stopped trying", self.connector)

    def resetDelay(self) -> None:
        """The connection is good: the next retry waits ``initialDelay`` again, and retries count from 0."""
        self.delay = self.initialDelay
        self.retries = 0
        self._callID = None
        self.continueTrying = 1

    def __getstate__(self) -> dict[str, Any]:
        attempts = {"connector", "retries", "delay", "continueTrying", "_callID", "clock"}
        return {name: value for name, value in self.__dict__.items() if name not in attempts}
