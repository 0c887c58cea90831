"""Listening on UNIX sockets: accepting, stopping, running out of descriptors; and adopted sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import os
import socket
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import no_reference_cycles, until
from tests.transport.recorders import (
    Echo,
    Listening,
    Recorder,
    descriptor_limit,
    errors_logged,
    fill_descriptors,
)
from tests.transport.unix_sockets import (
    both_kinds,
    client_of,
    echoes,
    fired,
    leave_behind,
    linux_only,
    make_reactor,
    neighbours,
    read,
    send,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.address import UNIXAddress
from twisted_compat.error import AlreadyListened, CannotListenError, ConnectionDone
from twisted_compat.interfaces import (
    IFileDescriptor,
    IListeningPort,
    ILoggingContext,
    IReactorUNIX,
    IReadDescriptor,
)
from twisted_compat.transport.unix import Port, Server

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


# -- accepting


@both_kinds
async def test_listens_and_serves(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        address, error = reactor.vocabulary.address, reactor.vocabulary.error
        factory = Listening(Echo)
        port = reactor.listenUNIX(path, factory)
        assert factory.events == ["start"]
        assert port.getHost() == address.UNIXAddress(path)
        with client_of(path) as skt:
            await until(lambda: factory.protocols and factory.protocols[0].made)
            transport = factory.protocols[0].transport
            assert [each.name for each in factory.addresses] == [None]
            assert transport.getPeer() == address.UNIXAddress(None)
            assert transport.getHost() == address.UNIXAddress(path)
            assert type(transport.getPeer()) is type(transport.getHost()) is address.UNIXAddress
            assert transport.server is port
            assert not transport.getHandle().get_inheritable()
            assert not port.socket.get_inheritable()
            assert transport.logPrefix() == "Echo,0,"
            assert repr(transport) == str(transport) == f"<Echo #0 on {path}>"
            await send(skt, b"hello")
            assert await read(skt, 5) == b"hello"
        await until(lambda: factory.protocols[0].reasons)
        assert factory.protocols[0].reasons[0].check(error.ConnectionDone)
        assert "Echo #0" in repr(transport)
        assert await echoes(path)
        assert factory.protocols[1].transport.sessionno == 1


@both_kinds
async def test_a_client_with_a_name_is_known_by_it(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        factory = Listening(Echo)
        reactor.listenUNIX(path, factory)
        with socket.socket(socket.AF_UNIX) as skt:
            skt.bind(path + ".client")
            skt.connect(path)
            await until(lambda: factory.protocols)
            transport = factory.protocols[0].transport
            assert transport.getPeer().name == factory.addresses[0].name == os.fsencode(path + ".client")
            assert transport.logPrefix() == f"Echo,0,{path}.client"


async def test_what_ports_claim(path: str) -> None:
    async with AsyncioReactor() as reactor:
        assert verifyObject(IReactorUNIX, reactor)
        port = reactor.listenUNIX(path, Listening())
        for interface in (IListeningPort, IReadDescriptor, IFileDescriptor, ILoggingContext):
            assert verifyObject(interface, port)
        assert port.logPrefix() == "tests.transport.recorders.Listening"
        assert port.port == os.fsencode(path)
        with pytest.raises(RuntimeError, match="nothing to write"):
            port.doWrite()


async def test_what_a_port_is_called(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = Port(path, Listening(), reactor=reactor)
        assert repr(port) == "<tests.transport.recorders.Listening (not listening)>"
        port.startListening()
        assert repr(port) == str(port) == f"<tests.transport.recorders.Listening on {path!r}>"
        await fired(port.stopListening())
        assert repr(port) == "<tests.transport.recorders.Listening (not listening)>"


@pytest.mark.parametrize("spell", [str, os.fsencode])
async def test_what_is_logged(path: str, spell: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(spell(path), Listening())
        await fired(port.stopListening())
    logged = [record.getMessage() for record in caplog.records if record.name == "twisted_compat"]
    assert logged == [f"Listening starting on {path!r}", f"(UNIX Port {path} Closed)"]


async def test_a_turn_accepts_a_bounded_number(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenUNIX(path, factory)
        port.numberAccepts = 2
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(client_of(path))
            counts = []
            for _ in range(4):
                port.doRead()
                counts.append(len(factory.protocols))
            assert counts == [2, 4, 5, 5]


@linux_only
@pytest.mark.parametrize("backlog", [0, 3, 7])
async def test_as_many_wait_as_was_asked_for(path: str, backlog: int) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(Echo), backlog=backlog)
        port.stopReading()
        with contextlib.ExitStack() as stack:
            codes = []
            for _ in range(backlog + 3):
                skt = stack.enter_context(socket.socket(socket.AF_UNIX))
                skt.setblocking(False)
                codes.append(skt.connect_ex(path))
            assert codes == [0] * (backlog + 1) + [errno.EAGAIN] * 2


async def test_a_paused_port_leaves_connections_in_the_queue(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenUNIX(path, factory)

        def build(addr: Any) -> Echo:
            port.stopReading()  # in the middle of accepting
            return Echo()

        factory.build = build
        with client_of(path), client_of(path):
            await until(lambda: factory.protocols)
            assert port not in reactor.getReaders()
            assert len(factory.protocols) == 1
            port.startReading()
            await until(lambda: len(factory.protocols) == 2)


async def test_clients_that_are_gone_before_they_are_accepted(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Recorder)
        port = reactor.listenUNIX(path, factory)
        port.stopReading()
        for number in range(20):
            with client_of(path) as skt:
                await send(skt, b"last words"[: number % 2 * 10])
        port.startReading()
        await until(lambda: len(factory.protocols) == 20)
        await until(lambda: all(protocol.reasons for protocol in factory.protocols))
        assert all(protocol.reasons[0].check(ConnectionDone) for protocol in factory.protocols)
        assert [protocol.received for protocol in factory.protocols] == [b"", b"last words"] * 10
    assert errors_logged(caplog) == []


async def test_a_transport_class_of_ones_own(path: str) -> None:
    class Own(Server):
        pass

    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenUNIX(path, factory)
        port.transport = Own
        with client_of(path):
            await until(lambda: factory.protocols and factory.protocols[0].made)
            assert type(factory.protocols[0].transport) is Own


async def test_a_protocol_that_is_not_built_or_not_made(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo, build=lambda addr: None)
        reactor.listenUNIX(path, factory)
        with client_of(path) as skt:
            assert await read(skt) == b""
        assert errors_logged(caplog) == []
        factory.build = lambda addr: 1 / 0
        with client_of(path) as skt:
            assert await read(skt) == b""
        assert len(errors_logged(caplog)) == 1
        faulty = type("Faulty", (Recorder,), {"on_made": staticmethod(lambda protocol: 1 / 0)})
        factory.build = lambda addr: faulty()
        with client_of(path) as skt:
            assert await read(skt) == b""
        assert factory.protocols[0].reasons[0].check(ZeroDivisionError)
        assert len(errors_logged(caplog)) == 2
        factory.build = None
        assert await echoes(path)


# -- stopping


async def test_stopping_takes_a_turn(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenUNIX(path, factory)
        with client_of(path) as skt:
            await until(lambda: factory.protocols)
            done, done_too = port.stopListening(), port.loseConnection()
            assert factory.events == ["start"] and port.connected
            await fired(done)
            await fired(done_too)
            assert factory.events == ["start", "stop"]
            assert port not in reactor.getReaders()
            assert port.fileno() == -1
            assert port.getHost() == UNIXAddress(path)
            assert port.stopListening() is None
            with pytest.raises(FileNotFoundError), client_of(path):
                pass
            await send(skt, b"still here")  # connections outlive their port
            assert await read(skt, 10) == b"still here"


async def test_a_port_that_never_listened(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = Port(path, Listening(), reactor=reactor)
        assert port.stopListening() is None
        assert port.fileno() == -1
        with pytest.raises(RuntimeError, match="startListening"):
            port.getHost()
        assert neighbours(path) == []


async def test_listening_twice_is_an_error_that_changes_nothing(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(Echo))
        with pytest.raises(AlreadyListened):
            port.startListening()
        assert await echoes(path)


async def test_listening_again_before_the_port_is_closed(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = reactor.listenUNIX(path, Listening(Echo))
        done = port.stopListening()
        with pytest.raises(AlreadyListened):
            port.startListening()
        await fired(done)
        port.startListening()
        assert await echoes(path)


async def test_stopping_while_accepting(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening()
        port = reactor.listenUNIX(path, factory)
        stopped: list[Any] = []

        def build(addr: Any) -> Recorder:
            stopped.append(port.stopListening())
            return Recorder()

        factory.build = build
        with client_of(path), client_of(path) as late:
            await until(lambda: stopped)
            await fired(stopped[0])
            with contextlib.suppress(ConnectionResetError):
                assert await read(late) == b""
            assert len(factory.protocols) == 1


@both_kinds
async def test_leaving_the_reactor_with_connections_open(path: str, kind: str) -> None:
    factory = Listening(Recorder)
    async with make_reactor(kind) as reactor:
        reactor.listenUNIX(path, factory, wantPID=1)
        skt = socket.socket(socket.AF_UNIX)
        skt.connect(path)
        skt.setblocking(False)
        await until(lambda: factory.protocols and factory.protocols[0].made)
        factory.protocols[0].transport.write(b"goodbye")
    with skt:
        assert await read(skt) == b"goodbye"
    assert [len(protocol.reasons) for protocol in factory.protocols] == [1]
    assert factory.events == ["start", "stop"]
    assert neighbours(path) == []


async def test_a_port_that_was_closed_leaves_no_cycle(path: str, no_collector: None) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenUNIX(path, factory, wantPID=1)
        assert await echoes(path)
        await until(functools.partial(getattr, factory.protocols[0], "reasons"))
        await fired(port.stopListening())
        watched: list[Any] = [weakref.ref(each) for each in (port, factory, factory.protocols[0].transport)]
        factory.protocols.clear()  # which keep their transports, and so the port
        del port, factory
        await asyncio.sleep(0)
        assert [reference() for reference in watched] == [None] * 3


async def test_a_port_that_could_not_listen_leaves_no_cycle(path: str) -> None:
    async with AsyncioReactor() as reactor:
        leave_behind(path)

        def listen() -> None:
            with pytest.raises(CannotListenError):
                reactor.listenUNIX(path, Listening())
            with pytest.raises(CannotListenError):
                reactor.listenUNIX(path * 3, Listening())

        listen()
        with no_reference_cycles():
            listen()


# -- running out


async def test_shedding_when_descriptors_run_out(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Echo)
        port = reactor.listenUNIX(path, factory)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(10)]
        with descriptor_limit(clients[-1].fileno() + 20):
            used = fill_descriptors()
            try:
                for skt in clients:
                    skt.setblocking(False)
                    skt.connect(path)
                for skt in clients:
                    assert await read(skt) == b""  # told, rather than left to wait
                    skt.close()
                assert port in reactor.getReaders()
            finally:
                for fd in used:
                    os.close(fd)
            [warning] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
            assert "ulimit" in warning and path in warning
            assert factory.protocols == []
            assert await echoes(path)


async def test_what_fails_without_descriptors(path: str) -> None:
    async with AsyncioReactor() as reactor:
        before = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
        with descriptor_limit(len(os.listdir("/dev/fd")) + 30):
            used = fill_descriptors()
            try:
                with pytest.raises(reactor.vocabulary.error.CannotListenError) as caught:
                    reactor.listenUNIX(path, Listening(), wantPID=1)
            finally:
                for fd in used:
                    os.close(fd)
        assert caught.value.socketError.errno == errno.EMFILE
        assert neighbours(path) == []
        after = sorted(os.listdir("/proc/self/fd")) if sys.platform == "linux" else []
        assert after == before
        reactor.listenUNIX(path, Listening(Echo), wantPID=1)
        assert await echoes(path)
