"""Every workload as Twisted's API has it, written once: for this package and for Twisted itself.

The two differ in where their modules come from and in nothing else, so everything here is given those, as
``words``. Where mypy is told to ignore that a class can't have Any for its base, that is why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from ..processes import HOST, announce
from . import END, OVER_TLS, pieces, resp

__all__ = ["DATAGRAMS", "PROTOCOLS", "factory", "listen"]


def _echo(words: Any) -> type[Any]:
    class Echo(words.protocol.Protocol):  # type: ignore[misc]  # a base that is Any: see the top
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    return Echo


def _lines(words: Any) -> type[Any]:
    class Lines(words.basic.LineReceiver):  # type: ignore[misc]  # a base that is Any: see the top
        count = 0

        def lineReceived(self, line: bytes) -> None:
            if line == b".":
                self.sendLine(b"%d" % self.count)
                self.count = 0
            else:
                self.count += 1

    return Lines


def _line_echo(words: Any) -> type[Any]:
    class LineEcho(words.basic.LineReceiver):  # type: ignore[misc]  # a base that is Any: see the top
        def lineReceived(self, line: bytes) -> None:
            self.sendLine(line)

    return LineEcho


class _Pieces:
    """What a request asks for, piece by piece; then the end of the connection."""

    def __init__(self, transport: Any, request: bytes) -> None:
        self.transport = transport
        self.pieces = pieces(request)

    def send_piece(self) -> bool:
        """Send the next piece, or finish; which of the two it was."""
        piece = next(self.pieces, None)
        if piece is None:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            return False
        self.transport.write(piece)
        return True


def _sender(words: Any, producer: Callable[[Any, bytes], Any], streaming: bool) -> type[Any]:
    """A protocol that has ``producer`` make what is asked for."""

    class Sender(words.basic.LineReceiver):  # type: ignore[misc]  # a base that is Any: see the top
        def lineReceived(self, line: bytes) -> None:
            made = producer(self.transport, line)
            self.transport.registerProducer(made, streaming)
            if streaming:  # one that isn't is asked for its first piece as it is registered
                made.resumeProducing()

    return Sender


def _push(words: Any) -> type[Any]:
    @implementer(words.interfaces.IPushProducer)
    class Push(_Pieces):
        paused = False

        def resumeProducing(self) -> None:
            self.paused = False
            while not self.paused and self.send_piece():
                pass

        def pauseProducing(self) -> None:
            self.paused = True

        def stopProducing(self) -> None:
            self.paused = True

    return _sender(words, Push, streaming=True)


def _pull(words: Any) -> type[Any]:
    @implementer(words.interfaces.IPullProducer)
    class Pull(_Pieces):
        def resumeProducing(self) -> None:
            self.send_piece()

        def stopProducing(self) -> None:
            pass  # nobody is going to ask for more

    return _sender(words, Pull, streaming=False)


def _take(words: Any) -> type[Any]:
    class Take(words.protocol.Protocol):  # type: ignore[misc]  # a base that is Any: see the top
        taken = 0

        def dataReceived(self, data: bytes) -> None:
            self.taken += len(data)
            if data.endswith(END):
                self.transport.write(b"%d\r\n" % self.taken)
                self.taken = 0

    return Take


def _broadcast(words: Any) -> type[Any]:
    listening: list[Any] = []

    class Broadcast(words.protocol.Protocol):  # type: ignore[misc]  # a base that is Any: see the top
        def connectionMade(self) -> None:
            listening.append(self.transport)

        def dataReceived(self, data: bytes) -> None:
            for each in listening:
                each.write(data)

        def connectionLost(self, reason: Any) -> None:
            listening.remove(self.transport)

    return Broadcast


def _greet(words: Any) -> type[Any]:
    class Greet(words.protocol.Protocol):  # type: ignore[misc]  # a base that is Any: see the top
        def connectionMade(self) -> None:
            self.transport.write(b"!")

    return Greet


def _udp_echo(words: Any) -> type[Any]:
    class UdpEcho(words.protocol.DatagramProtocol):  # type: ignore[misc]  # a base that is Any: see the top
        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            self.transport.write(datagram, addr)

    return UdpEcho


PROTOCOLS: dict[str, Callable[[Any], type[Any]]] = {
    "echo": _echo,
    "lines": _lines,
    "line-echo": _line_echo,
    "push": _push,
    "pull": _pull,
    "take": _take,
    "broadcast": _broadcast,
    "greet": _greet,
    "resp-null": resp.null,
}
"""What makes each workload's protocol, for one server, of the words that it is given."""

DATAGRAMS: dict[str, Callable[[Any], type[Any]]] = {"udp-echo": _udp_echo}
"""The same of those whose protocol is given datagrams."""


def listen(reactor: Any, workloads: Sequence[str], words: Any, backlog: int, context: Any = None) -> None:
    """Serve workloads, each on a port of its own, which is told.

    :param words: as for :func:`factory`.
    :param context: for what is served over TLS, as the reactor's ``listenSSL`` wants it.
    """
    for workload in workloads:
        if workload in DATAGRAMS:
            port = reactor.listenUDP(0, DATAGRAMS[workload](words)(), interface=HOST)
        elif workload in OVER_TLS:
            made = factory(OVER_TLS[workload], words)
            port = reactor.listenSSL(0, made, context, backlog=backlog, interface=HOST)
        else:
            port = reactor.listenTCP(0, factory(workload, words), backlog=backlog, interface=HOST)
        announce(port.getHost().port)


def factory(workload: str, words: Any) -> Any:
    """The factory that serves ``workload``.

    :param words: has the library's modules: ``protocol``, ``interfaces``, ``basic`` (with LineReceiver),
        ``internet`` (with the reactor).
    """
    if workload == "web":
        from . import web  # late: it needs Twisted

        return web.site(words.internet.reactor)  # which sees to its sockets' options itself
    if workload == "resp":
        made = resp.factory(words)
    else:
        made = words.protocol.Factory.forProtocol(PROTOCOLS[workload](words))
    made.protocol = _prompt(made.protocol)
    return made


def _prompt(protocol: type[Any]) -> type[Any]:
    """The protocol, on a socket with the options that asyncio's have by themselves: without Nagle's delay,
    bulk data takes half the time on the loopback interface, whoever sends it."""

    class Prompt(protocol):  # type: ignore[misc]  # a base that is Any: see the top
        def makeConnection(self, transport: Any) -> None:
            transport.setTcpNoDelay(True)
            super().makeConnection(transport)

    return Prompt
