"""TLS with asyncio's own (and uvloop's), on the same loop: streams at the other end of our connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.recorders import resetting
from tests.transport.tls_programs import Dialling, Peer, Serving, Speaker, libraries, named_in, opened
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

HERE = "127.0.0.1"
BIG = bytes(range(256)) * (1 << 13) + b"the end"  # 2 MiB: more than any kernel keeps for a socket


class Streams:
    """asyncio's end of a connection: a reader and a writer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def sends(self, data: bytes) -> None:
        self.writer.write(data)
        await within(self.writer.drain())

    async def reads(self, count: int) -> bytes:
        return await within(self.reader.readexactly(count))

    async def reads_all(self) -> bytes:
        return await within(self.reader.read())

    async def closes(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # ssl.SSLError among them: its close is not always a clean one
            await within(self.writer.wait_closed())


class Pair:
    """A connection: ``ours`` is the protocol at the one end, ``theirs`` the streams at the other."""

    def __init__(self, ours: Any, theirs: Streams) -> None:
        self.ours = ours
        self.theirs = theirs


@contextlib.asynccontextmanager
async def we_serve(certificates: Any, library: str, protocol: Any) -> AsyncIterator[Pair]:
    """Our server, and ``asyncio.open_connection``."""
    factory = Serving(protocol)
    async with AsyncioReactor() as reactor:
        context = certificates.server_context(library)
        port = reactor.listenSSL(0, factory, context, interface=HERE).getHost().port
        trusting = certificates.client_context()
        opening = asyncio.open_connection(HERE, port, ssl=trusting, server_hostname="localhost")
        streams = Streams(*await within(opening))
        try:
            yield Pair(await opened(factory), streams)
        finally:
            await streams.closes()


@contextlib.asynccontextmanager
async def we_connect(certificates: Any, library: str, protocol: Any) -> AsyncIterator[Pair]:
    """``asyncio.start_server``, and our client."""
    accepted: asyncio.Queue[Streams] = asyncio.Queue()
    factory = Dialling(protocol)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(Streams(reader, writer))

    server = await asyncio.start_server(accept, HERE, 0, ssl=certificates.server_context())
    async with AsyncioReactor() as reactor:
        context = certificates.client_context(library)
        port = server.sockets[0].getsockname()[1]
        reactor.connectSSL(HERE, port, factory, context, server_hostname="localhost")
        protocol = await opened(factory)
        streams = await within(accepted.get())
        try:
            yield Pair(protocol, streams)
        finally:
            await streams.closes()
            server.close()
            await within(server.wait_closed())


SIDES: dict[str, Callable[..., Any]] = {"our server": we_serve, "our client": we_connect}
sides = pytest.mark.parametrize("side", list(SIDES))


@libraries
@sides
async def test_much_goes_both_ways_at_once(certificates: Any, library: str, side: str) -> None:
    """Both write all at once, and read what comes meanwhile."""
    async with SIDES[side](certificates, library, Speaker) as pair:
        pair.ours.transport.write(BIG)
        _, received = await asyncio.gather(pair.theirs.sends(BIG), pair.theirs.reads(len(BIG)))
        await until(lambda: len(pair.ours.received) >= len(BIG))
        assert received == BIG
        assert pair.ours.received == BIG
        if side == "our client":
            assert pair.ours.certificate == named_in(certificates.server.chain_path)
        await pair.theirs.closes()
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionDone"]


@libraries
@sides
async def test_what_we_wrote_before_we_closed_arrives(certificates: Any, library: str, side: str) -> None:
    """uvloop's TLS drops what its reader hasn't had yet, should TCP's end come together with TLS's."""
    async with SIDES[side](certificates, library, Speaker) as pair:
        await pair.theirs.sends(b"hello")
        await until(lambda: pair.ours.received == b"hello")
        pair.ours.transport.write(BIG)
        pair.ours.transport.loseConnection()
        assert await pair.theirs.reads_all() == BIG
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionDone"]


@libraries
@sides
async def test_what_they_wrote_before_they_closed_arrives(certificates: Any, library: str, side: str) -> None:
    """All of it, and once; one that may go on after the end of a direction hears of it first."""
    async with SIDES[side](certificates, library, Peer) as pair:
        pair.theirs.writer.write(BIG)
        pair.theirs.writer.close()
        await until(lambda: pair.ours.halves or pair.ours.reasons)
        assert pair.ours.received == BIG
        pair.ours.transport.loseConnection()
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionDone"]


@libraries
@sides
async def test_we_end_our_half(certificates: Any, library: str, side: str) -> None:
    """asyncio has no half-closed TLS: it takes the end of the one direction for the end of both."""
    async with SIDES[side](certificates, library, Peer) as pair:
        pair.ours.transport.write(b"the last words")
        pair.ours.transport.loseWriteConnection()
        assert await pair.theirs.reads_all() == b"the last words"
        await until(lambda: "write" in pair.ours.halves)
        await pair.theirs.closes()
        await until(lambda: pair.ours.halves == ["write", "read"] or pair.ours.reasons)
        pair.ours.transport.loseConnection()
        await until(lambda: pair.ours.reasons)
    # asyncio of Python 3.10 closes before it has sent the close_notify that it has made.
    old = sys.version_info < (3, 11) and type(asyncio.get_running_loop()).__module__.startswith("asyncio")
    assert pair.ours.ended == ["ConnectionLost" if old else "ConnectionDone"]


@libraries
@sides
async def test_both_close_at_once(certificates: Any, library: str, side: str) -> None:
    async with SIDES[side](certificates, library, Speaker) as pair:
        pair.ours.transport.loseConnection()
        await pair.theirs.closes()
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionDone"]


@libraries
@sides
async def test_they_abort(certificates: Any, library: str, side: str) -> None:
    """TCP's end comes without TLS's: that is no clean one."""
    async with SIDES[side](certificates, library, Peer) as pair:
        await pair.theirs.sends(b"cut off")
        await until(lambda: pair.ours.received)
        pair.theirs.writer.transport.abort()
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionLost"]
    assert (pair.ours.received, pair.ours.halves) == (b"cut off", [])


@libraries
@sides
async def test_we_abort(certificates: Any, library: str, side: str) -> None:
    """Nothing that was written then arrives."""
    async with SIDES[side](certificates, library, Speaker) as pair:
        pair.ours.transport.write(b"never to be sent")
        pair.ours.transport.abortConnection()
        with contextlib.suppress(OSError):
            assert await pair.theirs.reads_all() == b""
        await until(lambda: pair.ours.reasons)
    assert pair.ours.ended == ["ConnectionAborted"]


@libraries
async def test_a_peer_that_does_not_wait_for_our_end_has_closed_all_the_same(
    certificates: Any, library: str
) -> None:
    """With a plain socket: its close_notify is there, and then nobody to take ours."""

    def dial(port: int) -> ssl.SSLSocket:
        plain = socket.create_connection((HERE, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # both are there once they are sent
        return trusting.wrap_socket(plain, server_hostname="localhost")

    trusting, factory = certificates.client_context(), Serving(Speaker)
    async with AsyncioReactor() as reactor:
        context = certificates.server_context(library)
        port = reactor.listenSSL(0, factory, context, interface=HERE).getHost().port
        with await within(asyncio.to_thread(dial, port)) as theirs:
            protocol = await opened(factory)
            protocol.dataReceived = lambda data: resetting(theirs).close()
            theirs.setblocking(False)
            theirs.send(b"the last words")
            with pytest.raises(ssl.SSLWantReadError):
                theirs.unwrap()
            await until(lambda: protocol.reasons)
    assert protocol.ended == ["ConnectionDone"]


# In mid-stream: loop.start_tls


class Upgrading(Speaker):
    """Says "go" in the clear, and goes on with TLS; so does whom "go" is said to."""

    context: Any = None
    first = False

    def connectionMade(self) -> None:
        super().connectionMade()
        if self.first:
            self._go_on(b"go")

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if not self.handshakes and self.received == b"please":
            self._go_on(b"go")
        elif not self.handshakes:
            assert self.received == b"go"
            self.transport.startTLS(self.context, server_hostname="localhost")
            self.received = b""

    def _go_on(self, word: bytes) -> None:
        self.transport.write(word)
        self.received = b""
        self.transport.startTLS(self.context)


class TheirEnd(asyncio.Protocol):
    """asyncio's, which starts TLS once it has received what it waits for."""

    def __init__(self, context: ssl.SSLContext, server_side: bool, says: bytes, awaits: bytes) -> None:
        self.context = context
        self.server_side = server_side
        self.says = says
        self.awaits = awaits
        self.received = b""
        self.secured: asyncio.Task[Any] | None = None
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.says)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.secured is None and self.received == self.awaits:
            self.transport.pause_reading()  # what comes is TLS, and not for this protocol
            self.secured = asyncio.get_running_loop().create_task(self._upgrade())

    async def _upgrade(self) -> None:
        self.received = b""
        host = None if self.server_side else "localhost"
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, self.context, server_side=self.server_side, server_hostname=host
        )
        self.transport.write(b"secret")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


@libraries
async def test_their_client_starts_tls_in_mid_stream(certificates: Any, library: str) -> None:
    factory = Serving(Upgrading)
    async with AsyncioReactor() as reactor:
        Upgrading.context = certificates.server_context(library)
        port = reactor.listenTCP(0, factory, interface=HERE).getHost().port
        theirs = TheirEnd(certificates.client_context(), False, says=b"please", awaits=b"go")
        await within(asyncio.get_running_loop().create_connection(lambda: theirs, HERE, port))
        await until(lambda: theirs.secured is not None)
        await within(theirs.secured)
        ours = await opened(factory)
        await until(lambda: ours.received == b"secret")
        ours.transport.write(BIG)
        ours.transport.loseConnection()
        await until(lambda: len(theirs.received) == len(BIG) and theirs.lost and ours.reasons)
        theirs.transport.close()  # that it has been lost is not enough for Python 3.10
    assert theirs.received == BIG
    assert ours.ended == ["ConnectionDone"]


@libraries
async def test_their_server_starts_tls_in_mid_stream(certificates: Any, library: str) -> None:
    factory, loop = Dialling(Upgrading), asyncio.get_running_loop()
    accepted: list[TheirEnd] = []

    def accept() -> TheirEnd:
        accepted.append(TheirEnd(certificates.server_context(), True, says=b"", awaits=b"please"))
        return accepted[0]

    server = await loop.create_server(accept, HERE, 0)
    async with AsyncioReactor() as reactor:
        Upgrading.context = certificates.client_context(library)
        reactor.connectTCP(HERE, server.sockets[0].getsockname()[1], factory)
        await until(lambda: factory.protocols and factory.protocols[0].made)
        (ours,) = factory.protocols
        ours.transport.write(b"please")
        await until(lambda: accepted and accepted[0].secured is not None)
        accepted[0].transport.write(b"go")
        await opened(factory)
        await within(accepted[0].secured)
        await until(lambda: ours.received == b"secret")
        accepted[0].transport.write(BIG)
        accepted[0].transport.close()
        await until(lambda: ours.reasons and accepted[0].lost)
    assert ours.received == b"secret" + BIG
    assert ours.ended == ["ConnectionDone"]
    server.close()
    await within(server.wait_closed())
