"""Listening: accepting, refusing, running out of descriptors, stopping; and adopted sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import sys
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until, within
from tests.transport.recorders import (
    Echo,
    Listening,
    Recorder,
    answered,
    client_of,
    descriptor_limit,
    errors_logged,
    received,
    resetting,
)
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import AlreadyListened, CannotListenError, ConnectionDone, UnsupportedAddressFamily
from twisted_compat.interfaces import IListeningPort, ILoggingContext, IReadDescriptor, ITCPTransport
from twisted_compat.transport import tcp_listen
from twisted_compat.transport.tcp_listen import Port

# -- accepting


async def test_listens_and_serves() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        assert factory.events == ["start"]
        assert port.getHost() == IPv4Address("TCP", "127.0.0.1", port.socket.getsockname()[1])
        with client_of(port) as skt:
            await until(lambda: factory.protocols and factory.protocols[0].made)
            transport = factory.protocols[0].transport
            assert factory.addresses == [IPv4Address("TCP", *skt.getsockname())]
            assert transport.getPeer() == factory.addresses[0]
            assert transport.getHost() == port.getHost()
            assert transport.server is port
            assert not transport.getTcpNoDelay()
            assert not transport.getHandle().get_inheritable()
            assert transport.logPrefix() == "Echo,0,127.0.0.1"
            assert repr(transport) == f"<Echo #0 on {port.getHost().port}>"
            skt.sendall(b"hello")
            assert await received(skt) == b"hello"
        await until(lambda: factory.protocols[0].reasons)
        assert factory.protocols[0].reasons[0].check(ConnectionDone)
        assert "Echo #0" in repr(transport)
        assert await answered(port)
        assert factory.protocols[1].transport.sessionno == 1


async def test_what_ports_and_servers_claim() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        for interface in (IListeningPort, IReadDescriptor, ILoggingContext):
            assert verifyObject(interface, port)
        assert port.logPrefix() == "tests.transport.recorders.Listening"
        assert str(port.getHost().port) in repr(port)
        with client_of(port):
            await until(lambda: factory.protocols)
            assert verifyObject(ITCPTransport, factory.protocols[0].transport)
        with pytest.raises(RuntimeError, match="nothing to write"):
            port.doWrite()


@pytest.mark.parametrize(
    ("interface", "host"),
    [("", "0.0.0.0"), ("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "::1"), ("::", "::")],
)
async def test_interfaces(interface: str, host: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(Echo), interface=interface)
        assert port.getHost().host == host
        assert isinstance(port.getHost(), IPv6Address) == (":" in host)
        assert await answered(port)


async def test_all_interfaces_of_ipv6_take_ipv4_where_the_system_says_so() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="::")
        if port.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            pytest.skip("this system keeps the families apart")
        with socket.create_connection(("127.0.0.1", port.getHost().port)):
            await until(lambda: factory.addresses)
            assert factory.addresses[0].host == "::ffff:127.0.0.1"


async def test_writing_in_connection_made_arrives() -> None:
    async with AsyncioReactor() as reactor:
        greeter = type(
            "Greeter", (Recorder,), {"on_made": staticmethod(lambda p: p.transport.write(b"220 hi"))}
        )
        port = reactor.listenTCP(0, Listening(greeter), interface="127.0.0.1")
        with client_of(port) as skt:
            assert await received(skt) == b"220 hi"


async def test_a_turn_accepts_a_bounded_number() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        port.numberAccepts = 2
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(client_of(port))
            counts = []
            for _ in range(4):
                port.doRead()
                counts.append(len(factory.protocols))
            assert counts == [2, 4, 5, 5]


async def test_a_paused_port_leaves_connections_in_the_queue() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        factory.build = lambda addr: port.stopReading() or Echo()  # stops in the middle of accepting
        with client_of(port), client_of(port):
            await until(lambda: factory.protocols)
            await asyncio.sleep(0.01)
            assert len(factory.protocols) == 1
            port.startReading()
            await until(lambda: len(factory.protocols) == 2)


async def test_a_transport_class_of_ones_own() -> None:
    class Own(tcp_listen.Server):
        pass

    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        port.transport = Own
        with client_of(port):
            await until(lambda: factory.protocols and factory.protocols[0].made)
            assert type(factory.protocols[0].transport) is Own


@pytest.mark.without_debug
async def test_five_thousand_at_once() -> None:
    """As many as the machine lets us have, up to 5,000, each of which is served."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 10_300 if hard == resource.RLIM_INFINITY else min(hard, 10_300)
    count = (limit - 300) // 2
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        with descriptor_limit(limit), contextlib.ExitStack() as stack:
            port = reactor.listenTCP(0, factory, backlog=4096, interface="127.0.0.1")
            clients = [stack.enter_context(socket.socket()) for _ in range(count)]
            for skt in clients:
                skt.setblocking(False)
                skt.connect_ex(port.socket.getsockname())
            await until(lambda: len(factory.protocols) == count, 60)
            for skt in clients:
                skt.send(b"x")
            for skt in clients:
                assert await received(skt) == b"x"
            for skt in clients:
                skt.close()
            await until(lambda: all(protocol.reasons for protocol in factory.protocols), 60)
            assert all(len(protocol.reasons) == 1 for protocol in factory.protocols)
            assert await answered(port)
        assert reactor.getReaders() == [port] or port in reactor.getReaders()


# -- what cannot be listened on


async def test_an_address_in_use() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(), interface="127.0.0.1")
        number = port.getHost().port
        factory = Listening()
        with pytest.raises(CannotListenError) as caught:
            reactor.listenTCP(number, factory, interface="127.0.0.1")
        assert (caught.value.interface, caught.value.port) == ("127.0.0.1", number)
        assert caught.value.socketError.errno == errno.EADDRINUSE
        assert factory.events == []


@pytest.mark.parametrize("interface", ["192.0.2.1", "fe80::1%nosuchif", "nowhere.invalid"])
async def test_an_address_that_is_not_ours(interface: str) -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(CannotListenError):
            reactor.listenTCP(0, Listening(), interface=interface)


async def test_an_impossible_port() -> None:
    async with AsyncioReactor() as reactor:
        with pytest.raises(OverflowError):
            reactor.listenTCP(65536, Listening())


async def test_start_factory_raises() -> None:
    class Faulty(Listening):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        port = Port(0, Faulty(), interface="127.0.0.1", reactor=reactor)
        with pytest.raises(ZeroDivisionError):
            port.startListening()
        assert not port.connected and not reactor.getReaders()


async def test_listening_twice() -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(), interface="127.0.0.1")
        with pytest.raises(AlreadyListened, match="listenTCP"):
            port.startListening()


# -- stopping


async def test_stopping_takes_a_turn() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        address = port.getHost()
        with client_of(port) as skt:
            await until(lambda: factory.protocols)
            done, done_too = port.stopListening(), port.stopListening()
            assert factory.events == ["start"] and port.connected
            await within(done)
            await within(done_too)
            assert factory.events == ["start", "stop"]
            assert port not in reactor.getReaders()
            assert port.fileno() == -1 and "not listening" in repr(port)
            assert port.stopListening() is None
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address.host, address.port))
            skt.sendall(b"still here")  # connections outlive their port
            assert await received(skt) == b"still here"


async def test_a_port_that_never_listened() -> None:
    async with AsyncioReactor() as reactor:
        port = Port(0, Listening(), reactor=reactor)
        assert port.stopListening() is None
        assert "not listening" in repr(port)
        with pytest.raises(RuntimeError, match="startListening"):
            port.getHost()


async def test_listening_again() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        for _ in range(3):
            await within(port.stopListening())
            port.startListening()
            assert await answered(port)
        assert factory.events == ["start", "stop"] * 3 + ["start"]


async def test_stopping_while_accepting() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        stopped: list[Any] = []
        factory.build = lambda addr: stopped.append(port.stopListening()) or Recorder()
        with client_of(port), client_of(port) as late:
            await until(lambda: stopped)
            await within(stopped[0])
            assert await received(late) == b""
            assert len(factory.protocols) == 1


async def test_stop_factory_raises(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Listening):
        def stopFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Faulty(), interface="127.0.0.1")
        with pytest.raises(ZeroDivisionError):
            await within(port.stopListening())
        assert not port.connected
        with pytest.raises(ZeroDivisionError):  # to who closes it without asking
            reactor.listenTCP(0, Faulty(), interface="127.0.0.1").connectionLost(None)
        assert errors_logged(caplog) == []


async def test_nothing_stays_open() -> None:
    open_before = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, Listening(Echo), interface="127.0.0.1")
        assert await answered(port)
        await within(port.stopListening())
        with pytest.raises(CannotListenError):
            reactor.listenTCP(0, Listening(), interface="192.0.2.1")
    open_after = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
    assert len(open_after) <= len(open_before) + 1  # the listing's own


# -- what goes wrong with one connection


async def test_build_protocol_returns_none() -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(build=lambda addr: None)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with client_of(port) as skt:
            assert await received(skt) == b""
        factory.build = None
        factory.protocol = Echo
        assert await answered(port)
        assert factory.protocols[0].transport.sessionno == 0


async def test_build_protocol_raises(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo, build=lambda addr: 1 / 0)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with client_of(port) as skt:
            assert await received(skt) == b""
        assert len(errors_logged(caplog)) == 1
        factory.build = None
        assert await answered(port)
    assert len(errors_logged(caplog)) == 1


async def test_connection_made_raises(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        faulty = type("Faulty", (Recorder,), {"on_made": staticmethod(lambda p: 1 / 0)})
        factory = Listening(faulty)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with client_of(port) as skt:
            assert await received(skt) == b""
        assert [bool(r.check(ZeroDivisionError)) for r in factory.protocols[0].reasons] == [True]
        assert len(errors_logged(caplog)) == 1
        factory.protocol = Echo
        assert await answered(port)


async def test_connection_made_and_then_connection_lost_raise(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        raising = staticmethod(lambda p: 1 / 0)
        factory = Listening(type("Faulty", (Recorder,), {"on_made": raising, "on_lost": raising}))
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        with client_of(port) as skt:
            assert await received(skt) == b""
        assert len(errors_logged(caplog)) == 2  # one for each
        factory.protocol = Echo
        assert await answered(port)


async def test_peers_that_reset_before_they_are_accepted(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        port.stopReading()
        for _ in range(20):
            with client_of(port) as skt:
                resetting(skt)
        port.startReading()
        assert await answered(port)
        await until(lambda: all(protocol.reasons for protocol in factory.protocols))
        assert all(len(protocol.reasons) == 1 for protocol in factory.protocols)
    assert errors_logged(caplog) == []


# -- adopted sockets


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_adopting_a_port(family: socket.AddressFamily, host: str) -> None:
    async with AsyncioReactor() as reactor:
        with socket.socket(family) as listener:
            listener.bind((host, 0))
            listener.listen()
            factory = Listening(Echo)
            port = reactor.adoptStreamPort(listener.fileno(), family, factory)
            assert factory.events == ["start"]
            assert port.getHost().host == host
            assert port.getHost().port == listener.getsockname()[1]
            assert await answered(port)
            await within(port.stopListening())
            # The caller's own descriptor listens on: somebody else may still accept.
            with socket.create_connection(listener.getsockname()[:2]):
                await until(lambda: _accepted(listener))


def _accepted(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_adopting_a_connection(family: socket.AddressFamily, host: str) -> None:
    async with AsyncioReactor() as reactor:
        with socket.socket(family) as listener:
            listener.bind((host, 0))
            listener.listen()
            with socket.create_connection(listener.getsockname()[:2]) as skt:
                accepted, _ = listener.accept()
                skt.setblocking(False)
                factory = Listening(Echo)
                with accepted:
                    transport = reactor.adoptStreamConnection(accepted.fileno(), family, factory)
                assert factory.protocols[0].transport is transport
                assert transport.getPeer().port == skt.getsockname()[1]
                assert transport.getHost().port == listener.getsockname()[1]
                assert repr(transport) == f"<Echo #{transport.getPeer().port} on {transport.getHost().port}>"
                skt.sendall(b"hello")
                assert await received(skt) == b"hello"
            await until(lambda: factory.protocols[0].reasons)


async def test_what_an_adopted_connections_factory_does() -> None:
    async with AsyncioReactor() as reactor:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            skt = stack.enter_context(socket.create_connection(listener.getsockname()))
            accepted, _ = listener.accept()
            with accepted:
                fd = accepted.fileno()
                refusing = Listening(build=lambda addr: None)
                assert reactor.adoptStreamConnection(fd, socket.AF_INET, refusing) is None
                with pytest.raises(ZeroDivisionError):
                    reactor.adoptStreamConnection(fd, socket.AF_INET, Listening(build=lambda addr: 1 / 0))
            skt.setblocking(False)
            assert await received(skt) == b""  # no duplicate is left open


async def test_families_that_cannot_be_adopted() -> None:
    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with pytest.raises(UnsupportedAddressFamily):
                reactor.adoptStreamPort(ours.fileno(), 9999, Listening())
            with pytest.raises(UnsupportedAddressFamily):
                reactor.adoptStreamConnection(ours.fileno(), 9999, Listening())
            with pytest.raises(OSError):  # of another family
                reactor.adoptStreamConnection(ours.fileno(), socket.AF_INET, Listening())
            with pytest.raises(OSError), socket.socket() as idle:  # it doesn't listen
                reactor.adoptStreamPort(idle.fileno(), socket.AF_INET, Listening())
            with pytest.raises(OSError):
                reactor.adoptStreamPort(-1, socket.AF_INET, Listening())
