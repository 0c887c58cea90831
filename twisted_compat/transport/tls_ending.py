"""How a TLS connection ends: in which order its two directions do, who is waited for and how long, and what
the protocol is told.

:class:`Ending` belongs to one :class:`~.tls.TLSTransport`, and looks at its engine. Each direction of TLS
ends by a close_notify (RFC 8446, 6.1). When both have, or waiting ends, the transport beneath is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.layer import Beneath
from twisted_compat.transport.tls_engine import EngineState, TLSEngine
from twisted_compat.transport.tls_producer import WhenSent

__all__ = ["Ending"]


class Ending:
    """The end of one connection. What has happened of it::

        asked           loseConnection or loseWriteConnection was called: when everything is written, our
                        close_notify follows
        all_sent        the transport has sent it; after loseConnection the peer's is awaited, not for ever
        seen            the peer's end, or a failure, has been dealt with
        closed_beneath  the transport has been told to close, which it does when it has sent everything

    :param layer: the :class:`~.tls.TLSTransport`.
    :ivar reason: the Failure that the protocol is told of, in the place of the transport's; None for none.
    """

    __slots__ = ("_deadline", "_layer", "_sending", "all_sent", "asked", "closed_beneath", "reason", "seen")

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.asked = False
        self.all_sent = False
        self.seen = False
        self.closed_beneath = False
        self.reason: Any = None
        self._deadline: Any = None
        self._sending: WhenSent | None = None

    # Asked for from above

    def lose(self) -> None:
        """Close when everything is sent (loseConnection)."""
        layer, engine = self._layer, self._layer.engine
        layer.disconnecting = 1
        self.asked = True
        waiting = layer.unsent.size or layer.awaits_producer()
        if engine.state is EngineState.HANDSHAKING and not waiting:
            self.close_beneath()  # nothing has been said, and nothing is to be
        else:
            layer.flush()

    def lose_write(self) -> None:
        """Close our direction when everything is sent (loseWriteConnection)."""
        self.asked = True
        self._layer.flush()

    def abort(self) -> None:
        """Close at once (abortConnection)."""
        layer = self._layer
        layer.disconnecting = 1
        self.asked = self.closed_beneath = True
        layer.unsent.clear()
        self._no_deadline()
        self._abort_beneath()

    def go_on(self, engine: TLSEngine) -> None:
        """What has been written is encrypted: close, if that was asked for and nobody writes more."""
        layer = self._layer
        if not self.asked or layer.unsent.size or layer.awaits_producer():
            return
        first = not engine.closed
        if first:
            self._close_notify(engine)
        if layer.disconnecting and engine.peer_closed:
            self.close_beneath()
        elif first:
            self._watch_sending()
        elif layer.disconnecting and self.all_sent:
            self._await_the_peer()

    def _watch_sending(self) -> None:
        layer = self._layer
        if isinstance(layer.transport, Beneath):
            self._sending = WhenSent(layer.transport, self._sent)
        else:  # a stranger's, which may never ask for more: what it was given counts as sent
            layer.call_later(0, self._sent)

    def _sent(self) -> None:
        """The transport has sent everything."""
        layer, self._sending = self._layer, None
        if layer is None or not layer.connected:
            return
        self.all_sent = True
        if layer.disconnecting:
            self._await_the_peer()
        elif self._is_half_closeable():
            layer.wrappedProtocol.writeConnectionLost()

    def received(self, engine: TLSEngine) -> None:
        """What could be delivered has been: is there an end after it?"""
        if self.seen:
            return
        if self.reason is not None:
            self.fail(self.reason)
        elif engine.failure is not None:
            self.fail(self._failure(engine.failure))
        elif engine.peer_closed:
            self.seen = True
            self._peer_closed(engine)

    def _peer_closed(self, engine: TLSEngine) -> None:
        layer = self._layer
        if layer.disconnecting:
            if engine.closed:
                self.close_beneath()  # both directions are; else ours will be, and then it is
        elif self._is_half_closeable():
            layer.wrappedProtocol.readConnectionLost()
        else:
            # As at the end of a plain connection: a producer has nobody to write to any more, and that is it,
            # even if the peer resets the connection, as it may not care for our answer.
            layer.disconnecting = 1
            layer.drop_producer()
            layer.flush()
            self._close_notify(engine)
            self.reason = self._failure(layer.words.error.ConnectionDone())
            self.close_beneath()

    def stream_ended(self, engine: TLSEngine) -> None:
        """The transport's stream has ended (readConnectionLost)."""
        layer = self._layer
        if self.reason is not None:
            return
        if layer.disconnecting and (engine.closed or not layer.unsent.size):
            self.close_beneath()
        elif not engine.peer_closed:
            self.fail(self._truncated(engine))

    def why(self, reason: Any, engine: TLSEngine) -> Any:
        """The transport is lost, for ``reason``, a Failure.

        :returns: the Failure for the protocol to be told of.
        """
        layer, done = self._layer, self._layer.words.error.ConnectionDone
        self._no_deadline()
        if self.reason is not None:
            return self.reason
        if layer.disconnecting and self.all_sent:
            return self._failure(done())  # the peer had everything there was: how it closes doesn't matter
        expected = self.closed_beneath or engine.peer_closed or (layer.disconnecting and engine.closed)
        return reason if expected or not reason.check(done) else self._truncated(engine)

    # Steps

    def _is_half_closeable(self) -> bool:
        layer = self._layer
        interface = layer.words.interfaces.IHalfCloseableProtocol
        return bool(interface.providedBy(layer.wrappedProtocol))

    def _close_notify(self, engine: TLSEngine) -> None:
        self.asked = True
        engine.close()
        self._layer.send_out()

    def _await_the_peer(self) -> None:
        """The peer has a while to close as well: to close before could make it lose what comes last. So could
        a FIN: uvloop's TLS drops what it has not delivered yet when that comes."""
        if self._deadline is None and self._layer.connected:
            self.limit(self._layer.factory.shutdown_timeout, self.close_beneath)

    def close_beneath(self) -> None:
        """Nothing is left to be said, or heard: close the transport, when it has sent everything."""
        self.closed_beneath = True
        self._layer.disconnecting = 1
        self._no_deadline()
        if self._sending is not None:
            self._sending.stop()
            self._sending = None
        self._layer.transport.loseConnection()

    def fail(self, reason: Any) -> None:
        """TLS can't go on, for ``reason``, a Failure: close with what alert there is. A peer that doesn't
        take it can't hold us up."""
        layer = self._layer
        self.reason = reason
        self.seen = self.asked = True
        layer.disconnecting = 1
        layer.unsent.clear()
        layer.drop_producer()
        layer.send_out()
        self.close_beneath()
        if layer.connected:
            self.limit(layer.factory.shutdown_timeout, self._abort_beneath)

    def _abort_beneath(self) -> None:
        beneath = self._layer.transport
        getattr(beneath, "abortConnection", beneath.loseConnection)()

    def _truncated(self, engine: TLSEngine) -> Any:
        amid = engine.state is EngineState.HANDSHAKING
        when = "amid the TLS handshake" if amid else "without TLS's close_notify: there may have been more"
        return self._failure(self._layer.words.error.ConnectionLost(f"the peer closed the connection {when}"))

    def _failure(self, error: BaseException) -> Any:
        return self._layer.words.failure.Failure(error)

    # Limits

    def limit_handshake(self) -> None:
        """The handshake begins: it has to be through in time."""
        self.limit(self._layer.factory.handshake_timeout, self._handshake_timed_out)

    def handshake_done(self) -> None:
        """The handshake is through."""
        self._no_deadline()

    def _handshake_timed_out(self) -> None:
        seconds = self._layer.factory.handshake_timeout
        text = f"the TLS handshake was not through within {seconds:g} seconds"
        self.reason = self._failure(self._layer.words.error.TimeoutError(string=text))
        self.abort()

    def limit(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback()`` in ``seconds``, unless something else comes first."""
        self._no_deadline()
        self._deadline = self._layer.call_later(seconds, callback)

    def _no_deadline(self) -> None:
        call_off(self._deadline)
        self._deadline = None

    def over(self) -> None:
        """The protocol has been told: let go of the layer."""
        self._layer = None
