"""The factory that reads a header first, with the test as the proxy."""

from __future__ import annotations

import gc
import logging
import socket
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.haproxy.behind import behind, ended, nothing_left, warnings
from tests.protocols.haproxy.headers import LOCAL, TCP4, TCP6, UNKNOWN, bad_headers, v1, v2
from tests.support import no_reference_cycles, until
from tests.transport.peers import errors, turns
from tests.transport.recorders import Echo, Listening, Recorder, errors_logged
from twisted_compat.address import IPv4Address, IPv6Address, UNIXAddress
from twisted_compat.interfaces import IProtocolFactory
from twisted_compat.protocols.haproxy import HAProxyWrappingFactory
from twisted_compat.transport.tcp_listen import Server

pytestmark = pytest.mark.without_debug

UNIX = v2(b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0"), kind=0x31)


@pytest.mark.parametrize(
    ("header", "peer", "host"),
    [
        (TCP4, IPv4Address("TCP", "192.0.2.7", 56324), IPv4Address("TCP", "192.0.2.1", 443)),
        (TCP6, IPv6Address("TCP", "2001:db8::7", 56324), IPv6Address("TCP", "2001:db8::1", 443)),
        (UNIX, UNIXAddress("/run/client"), UNIXAddress("/run/server")),
    ],
    ids=["TCP4", "TCP6", "UNIX"],
)
async def test_the_protocol_has_the_transport_and_the_addresses_of_the_header(
    header: bytes, peer: Any, host: Any
) -> None:
    async with behind(Echo) as server:
        connection = await server.said(header + b"hello")
        assert await connection.read(5) == b"hello"
        (protocol,) = server.factory.protocols
        transport = protocol.transport
        assert type(transport) is Server and transport.protocol is protocol
        assert protocol.made == 1
        assert server.factory.addresses == [peer]
        assert (transport.getPeer(), transport.getHost()) == (peer, host)
        assert transport.proxy_info.source == peer
        assert transport.logPrefix() == f"Echo,0,{getattr(peer, 'host', '127.0.0.1')}"
        assert server.reactor.getDelayedCalls() == []
        connection.socket.close()
        await until(lambda: protocol.reasons)
        assert transport.getPeer() == peer


@pytest.mark.parametrize("header", [LOCAL, UNKNOWN], ids=["LOCAL", "UNKNOWN"])
async def test_a_header_that_tells_nothing_leaves_the_connections_addresses(header: bytes) -> None:
    async with behind(Echo) as server:
        connection = await server.said(header + b"hello")
        assert await connection.read(5) == b"hello"
        (protocol,) = server.factory.protocols
        peer = IPv4Address("TCP", *connection.socket.getsockname())
        assert server.factory.addresses == [peer]
        assert protocol.transport.getPeer() == peer
        assert protocol.transport.getHost() == server.port.getHost()
        assert protocol.transport.proxy_info.source is None
        assert protocol.transport.logPrefix() == "Echo,0,127.0.0.1"


async def test_a_header_may_come_byte_by_byte(caplog: pytest.LogCaptureFixture) -> None:
    async with behind(Echo) as server:
        for header in (TCP4, v2(bytes(12))):
            connection = server.peer()
            for byte in header:
                assert await connection.send(bytes([byte])) is None
                await turns(2)
            await connection.send(b"hello")
            assert await connection.read(5) == b"hello"
        assert len(server.factory.protocols) == 2
        assert warnings(caplog) == []


async def test_a_server_that_speaks_first_does_so_after_the_header() -> None:
    class Greeting(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.write(b"welcome ")
            self.transport.write(self.transport.getPeer().host.encode())

    async with behind(Greeting) as server:
        connection = await server.said(TCP4[:20])
        await turns()
        assert server.factory.protocols == []
        await connection.send(TCP4[20:])
        assert await connection.read(17) == b"welcome 192.0.2.7"


async def test_the_loss_comes_after_what_was_sent() -> None:
    async with behind() as server:
        connection = await server.said(TCP4 + b"and then the end")
        connection.socket.close()
        await until(lambda: server.factory.protocols and server.factory.protocols[0].reasons)
        assert server.factory.protocols[0].received == b"and then the end"


async def test_a_connection_leaves_no_cycles(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()  # with that goes what an earlier test's garbage kept: declarations of its classes
    async with behind(Echo) as server:
        for said in (TCP4 + b"hello", TCP4 + b"hello", b"nonsense"):
            with no_reference_cycles() if server.factory.addresses else nullcontext():
                connection = await server.said(said)
                await until(lambda: server.factory.protocols or warnings(caplog))
                connection.socket.close()
                await until(lambda: len(server.reactor.getReaders()) == 1)
                server.factory.protocols.clear()
                await turns()


# -- refused


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        v1("TCP4", "192.0.2.7", "192.0.2.1", 1, 65536),
        v2(command=0x2F),
        bytes(70000),
    ],
    ids=["http", "port", "command", "long"],
)
async def test_a_bad_header_is_one_line_in_the_log(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with behind(Echo) as server:
        with nothing_left(server.reactor):
            connection = await server.said(said)
            await ended(connection)
            connection.socket.close()
            await turns()
        (line,) = warnings(caplog)
        assert "Listening (PROXY)" in line and "127.0.0.1" in line and "InvalidProxyHeader" in line
        assert len(line) < 500
        assert server.factory.events == ["start"] and server.factory.addresses == []
        connection = await server.said(TCP4 + b"hello")
        assert await connection.read(5) == b"hello"


@pytest.mark.parametrize("said", [b"", TCP4[:-1]], ids=["nothing", "a part"])
async def test_a_header_that_does_not_come_in_time_ends_the_connection(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with behind(header_timeout=0.01) as server:
        with nothing_left(server.reactor):
            connection = await server.said(said)
            await ended(connection)
            connection.socket.close()
            await turns()
        (line,) = warnings(caplog)
        assert "it has not come within 0.01 s" in line
        assert server.factory.addresses == []


async def test_there_may_be_no_limit_and_it_ends_with_the_header() -> None:
    for timeout in (None, 10.0):
        async with behind(header_timeout=timeout) as server:
            connection = server.peer()
            await until(lambda: len(server.port.reactor.getReaders()) > 1)
            assert len(server.reactor.getDelayedCalls()) == (timeout is not None)
            await connection.send(TCP4)
            await until(lambda: server.factory.protocols)
            assert server.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("said", [b"", LOCAL[:-1]], ids=["nothing", "a part"])
async def test_an_end_before_the_header_is_one_line_in_the_log(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with behind() as server:
        with nothing_left(server.reactor):
            (await server.said(said)).socket.close()
            await until(lambda: warnings(caplog))
            await turns()
        (line,) = warnings(caplog)
        assert "the connection ended before" in line
        assert server.factory.addresses == []


async def test_a_stopping_reactor_ends_what_waits_for_a_header(caplog: pytest.LogCaptureFixture) -> None:
    async with behind() as server:
        connection = await server.said(TCP4[:-1])
        await until(lambda: server.reactor.getDelayedCalls())
        await server.reactor.stopped() if server.reactor.stop() else None
    assert len(warnings(caplog)) == 1
    connection.socket.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(bad_headers, max_size=10))
async def test_many_bad_headers_leave_nothing(said: list[bytes]) -> None:
    async with behind(Echo) as server:
        with nothing_left(server.reactor):
            for data in said:
                connection = await server.said(data)
                with suppress(OSError):  # it has been reset
                    connection.socket.shutdown(socket.SHUT_WR)
                    await connection.read_all()
                connection.socket.close()
            await turns()
        connection = await server.said(TCP4 + b"hello")
        assert await connection.read(5) == b"hello"


# -- the wrapped factory


async def test_a_factory_may_want_no_protocol(caplog: pytest.LogCaptureFixture) -> None:
    factory = Listening(build=lambda address: None)
    async with behind(factory) as server:
        with nothing_left(server.reactor):
            connection = await server.said(TCP4 + b"hello")
            assert await connection.read_all() == b""
            connection.socket.close()
            await turns()
        assert len(factory.addresses) == 1
        assert warnings(caplog) == []


async def test_a_factory_that_raises_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def build(address: Any) -> Any:
        if len(factory.addresses) == 1:
            raise ZeroDivisionError("no protocol today")
        return Echo()

    factory = Listening(build=build)
    async with behind(factory) as server:
        connection = await server.said(TCP4 + b"hello")
        await ended(connection)
        (line,) = errors_logged(caplog)
        assert "could not serve IPv4Address(type='TCP', host='192.0.2.7', port=56324)" in line
        connection = await server.said(TCP4 + b"hello")
        assert await connection.read(5) == b"hello"
        assert len(errors(caplog)) == 1


@pytest.mark.parametrize("where", ["connectionMade", "dataReceived"])
async def test_a_protocol_that_raises_loses_its_connection(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Raising(Recorder):
        def raises(self, *_: Any) -> None:
            raise ZeroDivisionError("not today")

    setattr(Raising, where, Raising.raises)
    async with behind(Raising) as server:
        await ended(await server.said(TCP4 + b"hello"))
        (protocol,) = server.factory.protocols
        await until(lambda: protocol.reasons)
        assert protocol.reasons[0].check(ZeroDivisionError)
        assert len(errors_logged(caplog)) == 1
        assert server.reactor.getDelayedCalls() == []


async def test_the_factory_is_started_and_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with behind() as server:
        assert "Listening (PROXY) starting on" in caplog.text
        assert server.factory.events == ["start"]
        await server.port.stopListening()
        assert server.factory.events == ["start", "stop"]
        assert IProtocolFactory.providedBy(HAProxyWrappingFactory(server.factory))
