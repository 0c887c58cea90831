"""The two ends of a TLS connection: both ours, on one reactor; or the other one a plain socket with the
standard library's TLS over it, each step of which the test takes itself, wrong ones included."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

from zope.interface import implementer

from tests.support import until, within
from tests.transport.peers import Peer, turns
from tests.transport.recorders import Connecting, Listening
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted_compat.protocol import Protocol

__all__ = [
    "Ear",
    "HalfEar",
    "Opposite",
    "Pair",
    "abort",
    "connect",
    "facing",
    "lose",
    "lost",
    "numbered",
    "pair",
    "plain_pair",
]

LOCALHOST = "127.0.0.1"


@implementer(IHandshakeListener)
class Ear(Protocol):
    """Writes down all that it is told.

    :param on: for an event (made, handshake, data, lost; read_lost, write_lost), what to do with the protocol
        then.
    :ivar events: each as it came; pieces of data that follow one another count as one.
    """

    transport: Any

    def __init__(self, **on: Callable[[Any], Any]) -> None:
        self.on = on
        self.events: list[str] = []
        self.received = bytearray()
        self.reason: Any = None

    def heard(self, event: str) -> None:
        if event != "data" or self.events[-1] != "data":
            self.events.append(event)
        if event in self.on:
            self.on[event](self)

    def connectionMade(self) -> None:
        self.heard("made")

    def handshakeCompleted(self) -> None:
        self.heard("handshake")

    def dataReceived(self, data: bytes) -> None:
        assert type(data) is bytes and data
        self.received += data
        self.heard("data")

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason
        self.heard("lost")

    @property
    def opened(self) -> bool:
        return "handshake" in self.events

    @property
    def lost(self) -> bool:
        return "lost" in self.events


@implementer(IHalfCloseableProtocol)
class HalfEar(Ear):
    """Is told of each direction's end."""

    def readConnectionLost(self) -> None:
        self.heard("read_lost")

    def writeConnectionLost(self) -> None:
        self.heard("write_lost")


def lose(ear: Ear) -> None:
    ear.transport.loseConnection()


def abort(ear: Ear) -> None:
    ear.transport.abortConnection()


async def lost(ear: Ear, error: Any) -> str:
    """Wait for the loss, for this reason; how the reason reads."""
    await until(lambda: ear.lost)
    await turns()
    assert ear.events.count("lost") == 1
    assert ear.reason.check(error), ear.reason
    assert not isinstance(ear.reason.value, ConnectionDone) or error is ConnectionDone
    return str(ear.reason.value)


def numbered(size: int, start: int = 0) -> bytes:
    """A part of a stream in which no place looks like another near it."""
    count = (start + size) // 4 + 1
    text = b"".join(number.to_bytes(4, "big") for number in range(start // 4, count))
    return text[start % 4 : start % 4 + size]


class Pair:
    """A server's and a client's protocol that talk to each other."""

    def __init__(self, reactor: Any, server: Any, client: Any) -> None:
        self.reactor = reactor
        self.server = server
        self.client = client
        self.port: Any = None
        self.connector: Any = None
        self.connecting: Any = None

    @property
    def ends(self) -> tuple[Any, Any]:
        return self.server, self.client

    async def opened(self) -> None:
        await until(lambda: self.server.opened and self.client.opened)

    async def over(self) -> None:
        """Wait until both have lost the connection."""
        await until(lambda: self.server.lost and self.client.lost)


def connect(
    reactor: Any, number: int, protocol: Any, context: Any, host: str = LOCALHOST, **options: Any
) -> tuple[Any, Connecting]:
    """Connect ``protocol`` to a port of this machine by TLS; the connector and its factory."""
    factory = options.pop("factory", None) or Connecting()
    factory.build = lambda addr: protocol
    return reactor.connectSSL(host, number, factory, context, **options), factory


@contextlib.asynccontextmanager
async def pair(
    certificates: Any,
    server: Any = None,
    client: Any = None,
    *,
    library: str = "stdlib",
    server_context: Any = None,
    client_context: Any = None,
    host: str = LOCALHOST,
    opened: bool = True,
    listen: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Pair]:
    """A :class:`Pair` on a reactor of its own on the running loop.

    :param library: whose contexts both have, where none are given.
    :param opened: whether to wait for the handshake.
    :param listen: options of ``listenSSL``, beside the usual.
    :param options: those of ``connectSSL``.
    """
    server, client = server or Ear(), client or Ear()
    async with AsyncioReactor() as reactor:
        both = Pair(reactor, server, client)
        both.port = reactor.listenSSL(
            0,
            Listening(build=lambda addr: server),
            server_context or certificates.server_context(library),
            interface="::1" if host == "::1" else LOCALHOST,
            **(listen or {}),
        )
        context = client_context or certificates.client_context(library)
        number = both.port.getHost().port
        both.connector, both.connecting = connect(reactor, number, client, context, host, **options)
        if opened:
            await both.opened()
        yield both


@contextlib.asynccontextmanager
async def plain_pair(server: Any, client: Any, path: Any = None) -> AsyncIterator[Pair]:
    """A :class:`Pair` whose connection is not encrypted so far.

    :param path: of the UNIX socket; None for TCP.
    """
    async with AsyncioReactor() as reactor:
        both = Pair(reactor, server, client)
        listening = Listening(build=lambda addr: server)
        both.connecting = Connecting(build=lambda addr: client)
        if path is None:
            both.port = reactor.listenTCP(0, listening, interface=LOCALHOST)
            both.connector = reactor.connectTCP(LOCALHOST, both.port.getHost().port, both.connecting)
        else:
            both.port = reactor.listenUNIX(path, listening)
            both.connector = reactor.connectUNIX(path, both.connecting)
        await until(lambda: server.events and client.events)
        yield both


class Opposite(Peer):
    """A plain socket, and the standard library's TLS, which knows nothing of it.

    :param skt: connected, not blocking.
    """

    def __init__(
        self, skt: socket.socket, context: ssl.SSLContext, server_side: bool, name: str | None = LOCALHOST
    ) -> None:
        super().__init__(skt)
        skt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each of its steps may take 40 ms
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, None if server_side else name)

    async def flush(self) -> None:
        """Send what TLS has to send."""
        if data := self.outgoing.read():
            await self.send(data)

    async def feed(self) -> None:
        """Wait for something from the other end, and give it to TLS."""
        piece = await within(asyncio.get_running_loop().sock_recv(self.socket, 1 << 18))
        if piece:
            self.incoming.write(piece)
        else:
            self.incoming.write_eof()

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                await self.feed()
            else:
                return await self.flush()

    def encrypted(self, data: bytes) -> bytes:
        """``data`` as it goes over the wire; what was waiting to be sent comes first."""
        if data:
            self.tls.write(data)
        return self.outgoing.read()

    async def say(self, data: bytes) -> None:
        await self.send(self.encrypted(data))

    async def hear(self, count: int = 1 << 40) -> bytes:
        """Exactly ``count`` bytes, or fewer if the other end says first that no more will come.

        Raises ``ssl.SSLEOFError`` where the stream ends without that.
        """
        heard = bytearray()
        while len(heard) < count:
            try:
                piece = self.tls.read(min(count - len(heard), 1 << 16))
            except ssl.SSLWantReadError:
                await self.flush()
                await self.feed()
            except ssl.SSLZeroReturnError:
                break
            else:
                if not piece:
                    break
                heard += piece
        return bytes(heard)

    def farewell(self) -> bytes:
        """Our close_notify as it goes over the wire."""
        with contextlib.suppress(ssl.SSLError):  # it wants the other's, which is nothing to wait for
            self.tls.unwrap()
        return self.outgoing.read()

    async def notify(self) -> None:
        """Say that no more will come, in TLS only."""
        await self.send(self.farewell())

    def end(self) -> None:
        """Say that no more will come, in TCP only."""
        self.socket.shutdown(socket.SHUT_WR)

    async def ended(self) -> bytes:
        """Wait for the end of TCP's stream; what came before it. A reset counts as the end."""
        try:
            return await self.read_all()
        except ConnectionError:
            return b""


class Facing:
    """One end is ours (``ear``), the other is the test's (``other``)."""

    def __init__(self, reactor: Any, ear: Any, other: Opposite) -> None:
        self.reactor = reactor
        self.ear = ear
        self.other = other

    async def opened(self) -> None:
        await self.other.handshake()
        await until(lambda: self.ear.opened)


@contextlib.asynccontextmanager
async def facing(
    certificates: Any,
    ear: Any = None,
    *,
    role: str = "server",
    library: str = "stdlib",
    context: Any = None,
    opposite_context: ssl.SSLContext | None = None,
    opened: bool = True,
    plain: bool = False,
    narrow: bool = False,
    **options: Any,
) -> AsyncIterator[Facing]:
    """A connection with an :class:`Opposite`.

    :param role: ours: server or client.
    :param library: whose context ours is, where none is given.
    :param opened: whether to wait for the handshake; else the other has not begun it.
    :param plain: ours is a connection without TLS so far.
    :param narrow: the kernel holds little of what is on its way.
    :param options: those of ``listenSSL`` or ``connectSSL``.
    """
    ear = ear or Ear()
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        skt = stack.enter_context(socket.socket())
        skt.setblocking(False)
        if narrow:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                skt.setsockopt(socket.SOL_SOCKET, option, 1 << 14)
        async with AsyncioReactor() as reactor:
            if role == "server":
                context = context or certificates.server_context(library)
                listening = Listening(build=lambda addr: ear)
                if plain:
                    port = reactor.listenTCP(0, listening, interface=LOCALHOST)
                else:
                    port = reactor.listenSSL(0, listening, context, interface=LOCALHOST, **options)
                await within(loop.sock_connect(skt, (LOCALHOST, port.getHost().port)))
                other = Opposite(skt, opposite_context or certificates.client_context(), False)
            else:
                context = context or certificates.client_context(library)
                skt.bind((LOCALHOST, 0))
                skt.listen()
                if plain:
                    reactor.connectTCP(*skt.getsockname(), Connecting(build=lambda addr: ear))
                else:
                    connect(reactor, skt.getsockname()[1], ear, context, **options)
                accepted, _ = await within(loop.sock_accept(skt))
                stack.enter_context(accepted)
                other = Opposite(accepted, opposite_context or certificates.server_context(), True)
            try:
                await until(lambda: ear.events)
                if narrow:
                    beneath = (ear.transport if plain else ear.transport.transport).getHandle()
                    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                        beneath.setsockopt(socket.SOL_SOCKET, option, 1 << 14)
                both = Facing(reactor, ear, other)
                if opened and not plain:
                    await both.opened()
                yield both
            finally:
                other.socket.close()
