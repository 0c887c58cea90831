"""After the header: what a protocol may do with its connection, and sees of it, as without a proxy."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from zope.interface import implementer

from tests.protocols.haproxy.behind import Paused, Receiving, behind, ended, nothing_left, warnings
from tests.protocols.haproxy.headers import LOCAL, TCP4
from tests.support import until
from tests.transport.peers import turns
from tests.transport.recorders import Listening, Recorder, errors_logged
from tests.transport.tls_pairs import Ear, HalfEar, Opposite
from tests.transport.tls_programs import Serving
from tests.transport.unix_sockets import all_gone, descriptors, socket_path, which
from twisted_compat.address import IPv4Address
from twisted_compat.error import ConnectionAborted, ConnectionDone
from twisted_compat.interfaces import IHalfCloseableProtocol

pytestmark = pytest.mark.without_debug

CLIENT = IPv4Address("TCP", "192.0.2.7", 56324)


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


async def only(factory: Listening) -> Any:
    await until(lambda: factory.protocols and factory.protocols[0].made)
    return factory.protocols[0]


# -- pausing


async def test_who_pauses_at_once_is_told_nothing_before_he_resumes() -> None:
    async with behind(Paused) as server:
        connection = await server.said(TCP4 + b"with the header, ")
        protocol = await only(server.factory)
        await connection.send(b"after it")
        await turns(20)
        assert protocol.received == b""
        protocol.transport.resumeProducing()
        assert protocol.received == b""  # never inside the caller
        await until(lambda: len(protocol.received) == 25)
        assert protocol.received == b"with the header, after it"
        assert not {"startReading", "stopReading"} & set(vars(protocol.transport))
        protocol.transport.pauseProducing()
        await connection.send(b"more")
        await turns(20)
        assert len(protocol.received) == 25
        protocol.transport.resumeProducing()
        await until(lambda: len(protocol.received) == 29)


async def test_who_pauses_and_resumes_at_once_is_told_right_away() -> None:
    class Undecided(Paused):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.resumeProducing()
            if len(server.factory.protocols) == 2:
                self.transport.pauseProducing()

    async with behind(Undecided) as server:
        connection = await server.said(TCP4 + b"hello")
        await until(lambda: server.factory.protocols and server.factory.protocols[0].received == b"hello")
        await connection.send(b", again")
        await until(lambda: server.factory.protocols[0].received == b"hello, again")
        await server.said(TCP4 + b"hello")
        await until(lambda: len(server.factory.protocols) == 2)
        await turns(20)
        assert server.factory.protocols[1].received == b""
        assert server.reactor.getDelayedCalls() == []


async def test_who_changes_his_mind_before_he_was_told_is_not() -> None:
    async with behind(Paused) as server:
        await server.said(TCP4 + b"hello")
        protocol = await only(server.factory)
        protocol.transport.resumeProducing()
        protocol.transport.pauseProducing()
        await turns(20)
        assert protocol.received == b""
        protocol.transport.resumeProducing()
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"hello")


@pytest.mark.parametrize(
    ("method", "reason"), [("loseConnection", ConnectionDone), ("abortConnection", ConnectionAborted)]
)
@pytest.mark.parametrize("kind", [Recorder, Paused])
async def test_who_closes_is_told_of_nothing_but_that(kind: Any, method: str, reason: Any) -> None:
    """At once, or while it is paused; resuming after that means nothing."""

    def close(protocol: Any) -> None:
        getattr(protocol.transport, method)()
        protocol.transport.resumeProducing()

    class Closing(kind):  # type: ignore[misc]  # a class that is a parameter
        def connectionMade(self) -> None:
            super().connectionMade()
            if kind is Recorder:
                close(self)

    async with behind(Closing) as server:
        with nothing_left(server.reactor):
            connection = await server.said(TCP4 + b"hello")
            protocol = await only(server.factory)
            if kind is Paused:
                close(protocol)
            await until(lambda: protocol.reasons)
            await turns()
            assert protocol.received == b"" and protocol.reasons[0].check(reason)
            assert not {"startReading", "stopReading"} & set(vars(protocol.transport))
            connection.socket.close()


async def test_who_raises_when_he_is_told_later_loses_his_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Raising(Paused):
        def dataReceived(self, data: bytes) -> None:
            raise ZeroDivisionError("not today")

    async with behind(Raising) as server:
        connection = await server.said(TCP4 + b"hello")
        protocol = await only(server.factory)
        protocol.transport.resumeProducing()
        await ended(connection)
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ZeroDivisionError)
        assert len(errors_logged(caplog)) == 1


async def test_much_goes_through_with_back_pressure() -> None:
    """A relay's one side: it pauses whenever it has something, and resumes a turn later."""

    class Slow(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()
            self.transport.reactor.callLater(0, self.transport.resumeProducing)

    async with behind(Slow) as server:
        much = bytes(range(256)) * 2**12  # 1 MiB
        connection = await server.said(TCP4 + much)
        connection.socket.close()
        protocol = await only(server.factory)
        await until(lambda: protocol.reasons)
        assert protocol.received == much


async def test_a_producer_is_paused_while_the_client_does_not_read() -> None:
    class Producer:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def __getattr__(self, name: str) -> Any:
            return lambda: self.heard.append(name)

    class Producing(Recorder):
        def connectionMade(self) -> None:
            self.producer = Producer()
            self.transport.registerProducer(self.producer, True)
            self.transport.write(bytes(2**24))
            super().connectionMade()

    async with behind(Producing) as server:
        connection = await server.said(TCP4)
        protocol = await only(server.factory)
        assert protocol.producer.heard == ["pauseProducing"]
        assert len(await connection.read(2**24)) == 2**24
        await until(lambda: protocol.producer.heard == ["pauseProducing", "resumeProducing"])
        protocol.transport.unregisterProducer()


# -- ends


async def test_each_directions_end_is_told() -> None:
    @implementer(IHalfCloseableProtocol)
    class Half(Recorder):
        halves: Any = ()

        def readConnectionLost(self) -> None:
            self.halves = (*self.halves, "read")
            self.transport.write(b"goodbye")
            self.transport.loseWriteConnection()

        def writeConnectionLost(self) -> None:
            self.halves = (*self.halves, "write")
            self.transport.loseConnection()

    async with behind(Half) as server:
        connection = await server.said(LOCAL + b"hello")
        connection.socket.shutdown(socket.SHUT_WR)
        assert await connection.read_all() == b"goodbye"
        protocol = await only(server.factory)
        await until(lambda: protocol.reasons)
        assert (protocol.received, protocol.halves) == (b"hello", ("read", "write"))


# -- TLS


async def test_tls_begins_with_what_came_with_the_header(certificates: Any) -> None:
    """STARTTLS as soon as the connection is there: the client's first words of TLS came with the header."""

    def start(ear: Any) -> None:
        ear.transport.startTLS(certificates.server_context())

    ears: list[Any] = []
    factory = Listening(build=lambda address: ears.append(HalfEar(made=start)) or ears[-1])
    async with behind(factory) as server:
        other = Opposite(server.peer().socket, certificates.client_context(), False)
        with suppress(ssl.SSLWantReadError):
            other.tls.do_handshake()
        await other.send(TCP4 + other.outgoing.read())
        await other.handshake()
        await other.say(b"hello")
        (ear,) = ears
        await until(lambda: ear.received == b"hello")
        assert ear.events == ["made", "handshake", "data"]
        assert ear.transport.getPeer() == CLIENT
        assert ear.transport.proxy_info.source == CLIENT
        await other.notify()
        await until(lambda: "read_lost" in ear.events)


@pytest.mark.parametrize("kind", ["at once", "paused"])
async def test_the_header_may_come_through_tls(certificates: Any, kind: str) -> None:
    """As when it is this factory that is given to listenSSL."""

    def made(ear: Any) -> None:
        if kind == "paused":
            ear.transport.pauseProducing()

    ears: list[Any] = []
    factory = Serving(build=lambda address: ears.append(Ear(made=made)) or ears[-1])
    factory.names = [b"http/1.1"]
    async with behind(factory, context=certificates.server_context()) as server:
        context = certificates.client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        other = Opposite(server.peer().socket, context, False)
        await other.handshake()
        assert other.tls.selected_alpn_protocol() == "http/1.1"
        await other.say(TCP4 + b"hello")
        await other.say(b", again")
        await until(lambda: ears)
        (ear,) = ears
        assert ear.transport.getPeer() == CLIENT == factory.addresses[0]
        if kind == "paused":
            await turns(20)
            assert ear.events == ["made", "handshake"]
            ear.transport.resumeProducing()
        await until(lambda: ear.received == b"hello, again")
        assert ear.events == ["made", "handshake", "data"]
        assert ear.transport.protocol is ear


# -- descriptors over UNIX sockets


async def test_descriptors_that_come_with_the_header_are_the_protocols(path: str) -> None:
    async with behind(Receiving, path=path) as server:
        with descriptors(2) as passed:
            connection = server.peer()
            for each, data in zip(passed, (TCP4 + b"one", b"two"), strict=True):
                socket.send_fds(connection.socket, [data], [each.fd])
            protocol = await only(server.factory)
            await until(lambda: protocol.received == b"onetwo")
            with closing(connection.socket):
                assert [which(passed, number) for number in protocol.numbers] == [0, 1]
                assert server.factory.addresses == [CLIENT]
            for number in protocol.numbers:
                os.close(number)
            assert all_gone(passed)


@pytest.mark.parametrize(
    "said", [TCP4 + b"unwanted", TCP4[:-1], b"nonsense"], ids=["unwanted", "a part", "nonsense"]
)
async def test_descriptors_that_nobody_takes_are_closed(path: str, said: bytes) -> None:
    async with behind(Recorder, path=path) as server:
        with descriptors(1) as passed:
            connection = server.peer()
            socket.send_fds(connection.socket, [said], [passed[0].fd])
            connection.socket.shutdown(socket.SHUT_WR)
            await ended(connection)
            assert all_gone(passed)


async def test_too_many_descriptors_are_no_header(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with behind(Recorder, path=path) as server:
        with descriptors(1) as passed, nothing_left(server.reactor):
            connection = server.peer()
            for byte in TCP4[:2]:
                socket.send_fds(connection.socket, [bytes([byte])], [passed[0].fd] * 200)
            await ended(connection)
            connection.socket.close()
            await turns()
        (line,) = warnings(caplog)
        assert "too many file descriptors" in line
