"""TCP endpoints: their arguments, good and bad ones, over both versions of IP."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.endpoints.attempts import a_place, busy_place, failed, held, outcome, over
from tests.support import free_port, until
from tests.transport.peers import turns
from tests.transport.programs import socat
from tests.transport.recorders import Connecting, Echo, Listening, Recorder, answered
from tests.transport.unix_sockets import both_kinds, fired, linux_only, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
)
from twisted_compat.error import (
    CannotListenError,
    ConnectBindError,
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    ServiceNameUnknownError,
    TimeoutError,
)
from twisted_compat.interfaces import IListeningPort, IStreamServerEndpoint

pytestmark = pytest.mark.without_debug

CLIENTS = [TCP4ClientEndpoint, TCP6ClientEndpoint]
SERVERS = {
    "4": (TCP4ServerEndpoint, TCP4ClientEndpoint, "127.0.0.1", "0.0.0.0"),
    "6": (TCP6ServerEndpoint, TCP6ClientEndpoint, "::1", "::"),
}
each_client = pytest.mark.parametrize("client", CLIENTS)
each_version = pytest.mark.parametrize("version", SERVERS)


# -- listening


@both_kinds
@each_version
async def test_a_server_and_a_client(version: str, kind: str) -> None:
    server, client, host, everywhere = SERVERS[version]
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        factory = Listening(Echo)
        listening = server(reactor, 0).listen(factory)
        assert isinstance(listening, reactor.vocabulary.defer.Deferred)
        port = await fired(listening)
        assert reactor.vocabulary.interfaces.IListeningPort.providedBy(port)
        assert port.getHost().host == everywhere and factory.events == ["start"]
        number = port.getHost().port
        protocol = await fired(client(reactor, host, number).connect(Connecting()))
        words = reactor.vocabulary.address
        expected = (words.IPv4Address if version == "4" else words.IPv6Address)("TCP", host, number)
        assert protocol.transport.getPeer() == expected
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert factory.addresses == [protocol.transport.getHost()]
        await fired(port.stopListening())
        assert factory.events == ["start", "stop"]
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons and factory.protocols[0].reasons)
        await over(before, reactor)


@each_version
async def test_listening_at_one_address(version: str) -> None:
    server, _, host, _ = SERVERS[version]
    async with AsyncioReactor() as reactor:
        endpoint = server(reactor, 0, interface=host)
        assert verifyObject(IStreamServerEndpoint, endpoint)
        port = await fired(endpoint.listen(Listening(Echo)))
        assert verifyObject(IListeningPort, port)
        assert port.getHost().host == host
        assert await answered(port)


async def test_one_endpoint_listens_as_often_as_it_is_asked_to() -> None:
    async with AsyncioReactor() as reactor:
        endpoint = TCP4ServerEndpoint(reactor, 0, 7, "127.0.0.1")
        factory = Listening(Echo)
        ports = [await fired(endpoint.listen(factory)) for _ in range(3)]
        assert len({port.getHost().port for port in ports}) == 3
        assert factory.numPorts == 3 and factory.events == ["start"]
        for port in ports:
            assert await answered(port)
            await fired(port.stopListening())
        assert factory.events == ["start", "stop"]


@both_kinds
@each_version
async def test_where_somebody_listens_already(version: str, kind: str) -> None:
    server, _, host, _ = SERVERS[version]
    with a_place("tcp" + version) as place:
        async with make_reactor(kind) as reactor:
            before = held(reactor)
            factory = Listening()
            endpoint = server(reactor, place.where[1], interface=host)
            error = await failed(endpoint.listen(factory), reactor.vocabulary.error.CannotListenError)
            assert (error.interface, error.port) == (host, place.where[1])
            assert error.socketError.errno == errno.EADDRINUSE
            assert held(reactor) == before
            assert not factory.numPorts
            place.close()
            port = await fired(endpoint.listen(factory))
            assert port.getHost().port == place.where[1]


NO_PLACES = [
    ({"port": 65536}, (OverflowError, CannotListenError)),
    ({"port": -1}, (OverflowError, CannotListenError)),
    ({"port": "no number"}, (TypeError, CannotListenError)),
    ({"port": 1.5}, (TypeError, CannotListenError)),
    ({"interface": "192.0.2.1"}, CannotListenError),
    ({"interface": 5}, (TypeError, AttributeError)),
    ({"interface": None}, (TypeError, AttributeError)),
    ({"interface": "fe80::1%nowhere"}, CannotListenError),
    ({"backlog": "many"}, (TypeError, CannotListenError)),
    ({"backlog": 1 << 40}, (OverflowError, CannotListenError)),
]


async def test_listening_where_nobody_can() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        for options, error in NO_PLACES:
            print(options)
            factory = Listening()
            arguments = {"port": 0, "interface": "127.0.0.1", **options}
            await failed(TCP4ServerEndpoint(reactor, **arguments).listen(factory), error)
            assert held(reactor) == before
            assert not factory.numPorts


@pytest.mark.parametrize("factory", [None, object()], ids=["None", "object"])
async def test_listening_without_a_factory(factory: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        await failed(TCP4ServerEndpoint(reactor, 0).listen(factory), AttributeError)
        assert held(reactor) == before


async def test_listening_with_a_factory_that_cannot_start() -> None:
    class Broken(Listening):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        await failed(TCP4ServerEndpoint(reactor, 0).listen(Broken()), ZeroDivisionError)
        assert held(reactor) == before


@linux_only
async def test_how_many_may_wait() -> None:
    async with AsyncioReactor() as reactor:
        for backlog in (1, 33):
            port = await fired(TCP4ServerEndpoint(reactor, 0, backlog, "127.0.0.1").listen(Listening()))
            # struct tcp_info: of a listening socket, how many may wait stands where tcpi_sacked does
            with socket.socket(fileno=os.dup(port.fileno())) as listener:
                told = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            assert int.from_bytes(told[28:32], "little") == backlog


# -- connecting


@each_client
async def test_no_more_than_these_arguments_are_needed(client: Any) -> None:
    """And they may have the names that Twisted's have."""
    async with AsyncioReactor() as reactor:
        with a_place("tcp4" if client is TCP4ClientEndpoint else "tcp6") as place:
            host, port = place.where
            await fired(client(reactor, host, port).connect(Connecting()))
            endpoint = client(reactor=reactor, host=host, port=port, timeout=None, bindAddress=None)
            connecting = endpoint.connect(protocolFactory=Connecting())
            await turns(1)
            await fired(connecting)
            assert not reactor.getDelayedCalls()


@each_client
async def test_an_attempt_is_given_up_after_so_long(client: Any) -> None:
    with busy_place("tcp4" if client is TCP4ClientEndpoint else "tcp6") as place:
        async with AsyncioReactor() as reactor:
            before = held(reactor)
            start = reactor.seconds()
            connecting = client(reactor, *place.where).connect(Connecting())
            found = outcome(connecting)
            times = sorted(call.getTime() - start for call in reactor.getDelayedCalls())
            assert times[-1] == pytest.approx(30, abs=1)
            connecting.cancel()
            assert found and held(reactor) == before
            await failed(client(reactor, *place.where, 0.01).connect(Connecting()), TimeoutError)
            assert held(reactor) == before


@pytest.mark.parametrize(
    "binding",
    [("127.0.0.1", 0), "127.0.0.2", b"127.0.0.3", (b"127.0.0.1", 0), ("", 0), ["127.0.0.1", 0]],
    ids=str,
)
async def test_connecting_from_an_address(binding: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            endpoint = place.client(reactor, bindAddress=binding)
            for _ in range(2):  # it isn't used up
                protocol = await fired(endpoint.connect(Connecting()))
                host = binding if isinstance(binding, (str, bytes)) else binding[0]
                host = (host.decode() if isinstance(host, bytes) else host) or "127.0.0.1"
                assert protocol.transport.getHost().host == host
                assert (await place.accept()).getpeername()[0] == host


async def test_connecting_from_a_port() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            number = free_port()
            protocol = await fired(
                place.client(reactor, bindAddress=("127.0.0.1", number)).connect(Connecting())
            )
            assert (await place.accept()).getpeername() == ("127.0.0.1", number)
            protocol.transport.abortConnection()


async def test_connecting_from_an_ipv6_address() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp6") as place:
            protocol = await fired(place.client(reactor, bindAddress="::1").connect(Connecting()))
            assert protocol.transport.getHost().host == "::1"


async def test_a_port_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            monkeypatch.setattr(socket, "getservbyname", lambda name, kind: {"service": place.where[1]}[name])
            protocol = await fired(TCP4ClientEndpoint(reactor, "127.0.0.1", "service").connect(Connecting()))
            assert protocol.transport.getPeer().port == place.where[1]


BAD_ARGUMENTS = [
    ({"port": "no such service"}, ServiceNameUnknownError),
    ({"port": None}, TypeError),
    ({"port": 1.5}, TypeError),
    ({"port": -1}, (OverflowError, OSError, ConnectError)),
    ({"port": 65536}, (OverflowError, ConnectError)),
    ({"port": 1 << 70}, (OverflowError, ConnectError)),
    ({"host": None}, TypeError),
    ({"host": 5}, TypeError),
    ({"host": b"\xff"}, ValueError),
    ({"host": "with\0zero"}, (ValueError, DNSLookupError)),
    ({"host": "a" * 70 + ".example"}, (ValueError, DNSLookupError)),
    ({"host": "fe80::1%nowhere"}, DNSLookupError),
    ({"host": "\ud800"}, (ValueError, DNSLookupError)),
    ({"timeout": "long"}, TypeError),
    ({"timeout": -1}, (ValueError, TimeoutError, AssertionError)),
    ({"bindAddress": 5}, TypeError),
    ({"bindAddress": ()}, (TypeError, IndexError)),
    ({"bindAddress": ("127.0.0.1",)}, TypeError),
    ({"bindAddress": ("127.0.0.1", "80")}, (TypeError, ConnectError)),
    ({"bindAddress": ("127.0.0.1", 65536)}, (OverflowError, ConnectError)),
    ({"bindAddress": (None, 0)}, (TypeError, ConnectError)),
    ({"bindAddress": "192.0.2.1"}, ConnectBindError),
    ({"bindAddress": b"\xff"}, ValueError),
    ({"bindAddress": "\0"}, (TypeError, ValueError, ConnectBindError)),
]


async def test_bad_arguments_fail_the_deferred() -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        for options, error in BAD_ARGUMENTS:
            print(options)
            factory = Connecting()
            endpoint = TCP6ClientEndpoint(reactor, **{"host": "::1", "port": 9, **options})
            await failed(endpoint.connect(factory), error)
            assert factory.events in ([], ["start", "stop"])
            await over(before, reactor)


@pytest.mark.parametrize("timeout", ["long", -1])
async def test_a_bad_timeout_is_no_attempt(timeout: Any) -> None:
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            factory = Connecting()
            await failed(place.client(reactor, timeout=timeout).connect(factory), Exception)
            assert held(reactor) == before
            await turns()
            assert not place.is_asked() and not factory.addresses
            assert factory.events in ([], ["start", "stop"])


@each_client
async def test_an_address_of_the_other_version_to_connect_from(client: Any) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        host, other = "127.0.0.1", "::1"
        if client is TCP6ClientEndpoint:
            host, other = other, host
        await failed(client(reactor, host, 9, 30, other).connect(Connecting()), ConnectBindError)
        assert held(reactor) == before


async def test_connecting_in_another_thread_fails_the_deferred_or_says_so() -> None:
    """A Deferred belongs to one thread: here it is what says that this is the wrong one."""
    async with AsyncioReactor() as reactor:
        with a_place("tcp4") as place:
            before = held(reactor)
            found: list[Any] = []
            thread = threading.Thread(
                target=lambda: found.extend(outcome(place.client(reactor).connect(Connecting())))
            )
            thread.start()
            thread.join()
            assert found[0].check(RuntimeError) and "callFromThread" in found[0].getErrorMessage()
            await turns()
            assert not place.is_asked() and held(reactor) == before


# -- a peer that knows nothing of this package


async def test_socat_at_either_end() -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Listening(Echo)))
        async with socat("STDIO", f"TCP4:127.0.0.1:{port.getHost().port}") as program:
            await program.takes(b"hello\n")
            assert await program.line() == b"hello\n"
        number = free_port()
        async with socat(f"TCP6-LISTEN:{number},bind=[::1]", "EXEC:cat"):
            protocol = await fired(TCP6ClientEndpoint(reactor, "::1", number).connect(Connecting()))
            protocol.transport.write(b"one two")
            await until(lambda: protocol.received == b"one two")
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)


# -- the words of who asks


async def test_a_factory_of_no_ones_counts_its_ports() -> None:
    """One factory for both sides at once."""
    async with AsyncioReactor() as reactor:
        factory = Connecting(Recorder)
        port = await fired(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        protocol = await fired(endpoint.connect(factory))
        assert factory.numPorts == 2
        await fired(port.stopListening())
        assert factory.numPorts == 1
        protocol.transport.loseConnection()
        await until(lambda: not factory.numPorts)
        assert factory.events == ["start", "stop"]
        await failed(endpoint.connect(factory), ConnectionRefusedError)
        assert factory.events == ["start", "stop", "start", "stop"]
