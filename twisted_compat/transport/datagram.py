"""A socket for datagrams, bound and in use: what UDP and UNIX datagram ports have in common.

:class:`DatagramPort` receives, a bounded number in each turn of the loop, tells the protocol, and closes.
``udp.py`` and ``unix_datagram.py`` make the socket and know its addresses. What is sent goes out at once or
never: datagrams are not kept.
"""

from __future__ import annotations

import errno
import inspect
import socket
from collections.abc import Callable
from itertools import repeat
from operator import itemgetter
from typing import Any, ClassVar

from zope.interface import classImplementsOnly, implementer

from twisted_compat.interfaces import IListeningPort, ILoggingContext, IReadDescriptor, ISystemHandle
from twisted_compat.transport import sockets
from twisted_compat.transport.closing import Closing
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.introduce import log_prefix
from twisted_compat.transport.opening import open_socket

__all__ = ["ABOUT_AN_EARLIER_ONE", "DatagramPort"]

DATAGRAMS_A_TURN = 128
"""How many datagrams are received before it is the others' turn: about a millisecond for small answers."""

BATCH = 64
"""How many of them are received before the first is delivered: a sixth more answers than one by one, and less
than a tenth of a millisecond for the first to wait."""

_NO_ROOM = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM})
ABOUT_AN_EARLIER_ONE = frozenset(
    getattr(errno, name)
    for name in (
        "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "ENONET", "ENOPROTOOPT", "EOPNOTSUPP",
        "EMSGSIZE", "ECONNRESET", "EACCES", "EPERM", "EPROTO", "ETIMEDOUT",
    )
    if hasattr(errno, name)
)  # fmt: skip
"""What the kernel says, at the next call, of a datagram that was sent before: see udp(7) and icmp(7)."""


@implementer(IListeningPort, IReadDescriptor, ILoggingContext, ISystemHandle)
class DatagramPort(FileDescriptor):
    """A port for datagrams and the protocol that receives them.

    State, in FileDescriptor's own flags: idle (``connected`` 0) -> in use (``connected`` 1), also while it is
    asked to stop -> idle, ``disconnected`` 1. ``startListening`` may follow again.

    :param protocol: has the methods of a DatagramProtocol.
    :param maxPacketSize: bytes: of a longer datagram the rest is cut off.
    :raises ValueError: if that is no number of bytes.
    :ivar port: where it was asked to be: a port number, or a path.
    :ivar interface: for IP, the address that it was asked to be at.
    :ivar protocol: who is told; may be replaced.
    :ivar socket: the socket; None when not in use.
    :ivar maxThroughput: bytes that are received in one turn, about, so that the others get theirs.
    :ivar datagrams_dropped: how many datagrams were given up because the kernel had no room for them.
    """

    turn_flush = True  # for the reactor: never blocks, and its number is its own until it is closed
    addressFamily: int = socket.AF_INET
    socketType = socket.SOCK_DGRAM
    maxThroughput = 256 * 1024
    port: Any = None
    interface: str | None = None
    _type: ClassVar[str]  # for the log
    _reading = False
    _batch_size = BATCH
    # Whether a sender's address is told as the kernel gave it; else _deliver sees to it.
    _tells_address_as_it_is = True
    # The address that the protocol was told of last, and the same as the kernel has it: most datagrams are
    # answers, and their address need not be looked at once more.
    _told: Any = None
    _sender: Any = None

    def __init__(self, protocol: Any, maxPacketSize: int = 8192, reactor: Any = None) -> None:
        super().__init__(reactor)
        if not isinstance(maxPacketSize, int) or maxPacketSize < 0:
            raise ValueError(f"maxPacketSize is a number of bytes, such as 8192, and not {maxPacketSize!r}.")
        self.protocol = protocol
        self.maxPacketSize = maxPacketSize
        self.socket: socket.socket | None = None
        self.datagrams_dropped = 0
        self._adopted: socket.socket | None = None
        self._closing = Closing()
        self._undelivered: list[tuple[bytes, Any]] = []  # of a batch in which the port was paused
        self._catching_up: Any = None
        self._refusal: Any = None
        self._address: Any = None  # the last one, of a port that is closed

    # What a subclass gives

    def _take_place(self, skt: socket.socket) -> None:
        """Bind as asked. Raises OSError."""
        raise NotImplementedError(f"{type(self).__name__} must define _take_place()")

    def _leave_place(self) -> None:
        """The port could not begin after all: leave nothing behind of :meth:`_take_place`."""

    def _place(self) -> str:
        """Where it is, for messages."""
        raise NotImplementedError(f"{type(self).__name__} must define _place()")

    # Beginning

    def fileno(self) -> int:
        """The socket's number; -1 when not in use."""
        return -1 if self.socket is None else self.socket.fileno()

    def getHandle(self) -> Any:
        """The socket (ISystemHandle)."""
        return self.socket

    def createInternetSocket(self) -> socket.socket:
        """A new non-blocking socket of ``self.addressFamily``."""
        return sockets.datagram_socket(self.addressFamily)

    def startListening(self) -> None:
        """Bind, and start the protocol, which may write from now on (IListeningPort).

        :raises CannotListenError: if the system refuses the address.
        :raises AlreadyListened: if the port is in use.
        """
        self._refuse_if_in_use()
        self._begin(open_socket(self) if self._adopted is None else self._adopted)

    def _refuse_if_in_use(self) -> None:
        if self.connected:
            raise self.reactor.vocabulary.error.AlreadyListened(
                f"{self!r} is in use already. Write reactor.listenUDP(...) for a second port."
            )

    def _begin(self, skt: socket.socket) -> None:
        # Somebody else may go on with a socket that is adopted, and with what waits in it.
        self._batch_size = BATCH if self._adopted is None else 1
        self._adopted = None
        self.socket = skt
        self.connected, self.disconnected = 1, 0
        protocol, vocabulary = self.protocol, self.reactor.vocabulary
        try:
            vocabulary.log.info("%s starting on %s", log_prefix(vocabulary, protocol), self._place())
            self.startReading()
            protocol.makeConnection(self)
        except BaseException:
            self._close_socket()
            self._leave_place()
            if getattr(protocol, "transport", None) is self:
                protocol.transport = None
            self._closing.done(self, lambda: None)  # it may have been asked to stop before that
            raise

    # Receiving

    def startReading(self) -> None:
        """Receive datagrams, from now on or again; unless the port has been asked to stop."""
        if not self._closing.begun:
            super().startReading()  # first, because it may refuse: a wrong thread
            self._reading = True
            if self._undelivered:
                self._catch_up_later()

    def stopReading(self) -> None:
        """Leave datagrams waiting until :meth:`startReading`."""
        super().stopReading()  # first, as above
        self._reading = False
        self._forget_catching_up()

    def doRead(self) -> Any:
        """Datagrams wait: receive a bounded number of them (IReadDescriptor).

        A batch is received before the first of it is delivered. Then the answers go out one right after the
        other, and a peer on another core, which would sleep between one and the next, is woken once for many.

        :returns: ConnectionLost if the socket is unusable.
        """
        skt = self.socket
        assert skt is not None
        if self._undelivered and not self._catch_up():
            return None
        size, room, left = max(self.maxPacketSize, 1), self.maxThroughput, DATAGRAMS_A_TURN
        while room > 0 and left > 0 and self._goes_on(skt):
            most = min(self._batch_size, 1 + room // size)
            batch: list[tuple[bytes, Any]] = []
            drained, failed = False, None
            try:
                # A loop in C. What it has received stays in the list when there is no more.
                batch.extend(map(skt.recvfrom, repeat(self.maxPacketSize, most)))
            except (BlockingIOError, InterruptedError):
                drained = True
            except OSError as error:
                failed = error.with_traceback(None)  # whose frames would keep this port
            if not self._deliver_all(batch, skt):
                break
            if failed is not None and not self._survives(failed):
                lost = self.reactor.vocabulary.error.ConnectionLost(str(failed))
                lost.__cause__ = failed
                return lost
            if drained:
                break
            left -= most
            room -= sum(map(len, map(itemgetter(0), batch)))
        return None

    def _goes_on(self, skt: socket.socket) -> bool:
        """Whether the protocol has not paused or stopped the port, or even made it listen anew."""
        return self._reading and self.socket is skt

    def _deliver_all(self, batch: list[tuple[bytes, Any]], skt: socket.socket) -> bool:
        """Tell the protocol of each datagram, unless it wants no more. Returns whether it goes on."""
        remaining = iter(batch)
        try:
            for data, sender in remaining:
                try:
                    if self._tells_address_as_it_is:
                        self._told = self._sender = sender
                        result = self.protocol.datagramReceived(data, sender)
                    else:
                        result = self._deliver(data, sender)
                    if result is not None:
                        self._look_at(result)
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException:  # CancelledError too: it is about the protocol, and not about the port
                    self.reactor.vocabulary.log.exception("datagramReceived of %r raised", self.protocol)
                if not self._reading or self.socket is not skt:
                    return False
            return True
        finally:
            rest = list(remaining)
            if rest and self.socket is skt and not self._closing.begun:
                self._undelivered = rest
                if self._reading:  # it was interrupted
                    self._catch_up_later()

    def _catch_up_later(self) -> None:
        if self._catching_up is None:
            self._catching_up = self.reactor.callLater(0, self._catch_up)

    def _catch_up(self) -> bool:
        """Deliver what had been received when the port was paused. Returns whether it goes on."""
        self._forget_catching_up()
        rest, self._undelivered = self._undelivered, []
        return self.socket is not None and self._deliver_all(rest, self.socket)

    def _forget_catching_up(self) -> None:
        call_off(self._catching_up)
        self._catching_up = None

    def _look_at(self, result: Any) -> None:
        """``datagramReceived`` returned something: its author may have meant us to run it."""
        if inspect.iscoroutine(result):
            result.close()  # it will not be run, and need not complain of that as well
            self.reactor.vocabulary.log.error(
                "datagramReceived of %r is a coroutine function, and was not run. Start what takes time with "
                "asyncio.ensure_future(...) in a plain one.",
                self.protocol,
            )

    def _deliver(self, data: bytes, sender: Any) -> Any:
        """Tell the protocol of a datagram from whom it can't be told as it is; return what it returns."""
        raise NotImplementedError(f"{type(self).__name__} must define _deliver()")

    def _survives(self, error: OSError) -> bool:
        """Receiving failed: whether that was about one datagram, and not about the socket."""
        if error.errno == errno.ECONNREFUSED:
            self._tell_refused()
        elif error.errno not in ABOUT_AN_EARLIER_ONE and error.errno not in _NO_ROOM:
            return False
        else:
            self.reactor.vocabulary.log.debug("%r: a datagram came to nothing: %s", self, error)
        return True

    # Sending

    def _send_failed(self, error: OSError, send: Callable[..., Any], *args: Any) -> None:
        """``send(*args)`` raised: drop the datagram, or say why it can't be sent.

        :raises MessageLengthError: if it is too long.
        :raises OSError: for what the writer may do something about.
        """
        try:
            if error.errno in _NO_ROOM:
                self.datagrams_dropped += 1
            elif error.errno == errno.EMSGSIZE:
                raise self.reactor.vocabulary.error.MessageLengthError(
                    f"{len(args[0])} bytes are too many for one datagram here"
                ) from error
            else:
                raise error
        finally:
            del error  # its traceback comes to have this frame: the two would be a cycle

    def _refused_later(self) -> None:
        """Tell the protocol on a later turn, once: not inside its write."""
        if self._refusal is None:
            self._refusal = self.reactor.callLater(0, self._tell_refused_now)

    def _tell_refused_now(self) -> None:
        self._refusal = None
        self._tell_refused()

    def _tell_refused(self) -> None:
        """Nobody receives what is sent to the peer. The port goes on."""
        if self._closing.begun:
            return
        try:
            self.protocol.connectionRefused()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # as in doRead
            self.reactor.vocabulary.log.exception("connectionRefused of %r raised", self.protocol)

    def _forget_refusal(self) -> None:
        call_off(self._refusal)
        self._refusal = None

    # Closing

    def stopListening(self) -> Any:
        """Stop (IListeningPort). Nothing is received any more.

        :returns: a Deferred that fires, on a later turn, when the port is closed; None if it was not in use.
        """
        if not self.connected:
            return None
        self.stopReading()
        return self._closing.ask(self)

    def loseConnection(self, _connDone: Any = None) -> Any:
        """:meth:`stopListening`, by the name that transports have for it."""
        return self.stopListening()

    def connectionLost(self, reason: Any = None) -> None:
        """Close the socket and stop the protocol, at once. A second call does nothing."""
        if self.socket is None:
            return
        place = self._place()
        self._close_socket()
        self.reactor.vocabulary.log.info("(%s Port %s Closed)", self._type, place)
        self._closing.done(self, self.protocol.doStop)

    def _close_socket(self) -> None:
        super().connectionLost(None)
        skt, self.socket = self.socket, None
        self._told = self._sender = None
        self._undelivered = []
        self._forget_refusal()
        if skt is not None:
            self._address = self._address_of(skt)
            skt.close()  # not shut down: whoever we adopted it from may go on with it

    def doWrite(self) -> None:
        """Never called: nothing waits to be written."""
        raise RuntimeError("A port for datagrams sends each at once, and is not watched for writability.")

    # Saying what it is

    def getHost(self) -> Any:
        """The address that it is bound to (IListeningPort); of a closed port, the last one.

        :raises RuntimeError: if it has never been in use.
        """
        if self.socket is not None:
            return self._address_of(self.socket)
        if self._address is None:
            raise RuntimeError("A port that is not in use has no address yet. Call startListening() first.")
        return self._address

    def _address_of(self, skt: socket.socket) -> Any:
        return sockets.address_of(self.reactor.vocabulary, skt.getsockname(), "UDP")

    def logPrefix(self) -> str:
        """The protocol's name and the kind of port, for log lines (ILoggingContext)."""
        return f"{log_prefix(self.reactor.vocabulary, self.protocol)} ({self._type})"

    def __repr__(self) -> str:
        kind = type(self.protocol)
        where = f"on {self._place()}" if self.socket is not None else "(not listening)"
        return f"<{kind.__module__}.{kind.__name__} {where}>"


# And nothing of what a FileDescriptor is besides: a stream of bytes.
classImplementsOnly(DatagramPort, IListeningPort, IReadDescriptor, ILoggingContext, ISystemHandle)
