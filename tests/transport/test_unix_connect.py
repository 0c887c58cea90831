"""Connecting to UNIX sockets: what can go wrong and what it is called, waiting for a busy port, and the
connector's states."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import pathlib
import re
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until
from tests.transport.connecting import connected, failed
from tests.transport.recorders import Connecting, Echo, Listening, Recorder, errors_logged
from tests.transport.unix_sockets import (
    both_kinds,
    calls_counted,
    full,
    leave_behind,
    linux_only,
    listener,
    make_reactor,
    nobody,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.address import UNIXAddress
from twisted_compat.error import (
    ConnectError,
    ConnectionRefusedError,
    NotConnectingError,
    TimeoutError,
    UserError,
)
from twisted_compat.interfaces import IConnector
from twisted_compat.transport import unix

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


@both_kinds
async def test_connects_and_talks(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        address, error = reactor.vocabulary.address.UNIXAddress, reactor.vocabulary.error
        server = Listening(Echo)
        reactor.listenUNIX(path, server)
        factory = Connecting()
        connector = reactor.connectUNIX(path, factory)
        assert verifyObject(IConnector, connector)
        assert connector.state == "connecting"
        assert factory.events == ["start", "connecting"] and not factory.protocols
        protocol = await connected(factory)
        assert connector.state == "connected"
        transport = protocol.transport
        assert connector.transport is transport
        assert factory.addresses == [address(path)]
        assert (transport.getPeer(), transport.getHost()) == (address(path), address(None))
        assert type(transport.getPeer()) is type(connector.getDestination()) is address
        assert transport.logPrefix() == "Recorder,client"
        assert not transport.getHandle().get_inheritable()
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        connector.disconnect()
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", "connecting", "lost", "stop"]
        assert factory.reasons[0].check(error.ConnectionDone)
        assert protocol.reasons[0].check(error.ConnectionDone)
        assert connector.state == "disconnected"
        assert not reactor.getDelayedCalls()


async def test_what_clients_and_connectors_are_called(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with listener(path):
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            assert "connecting" in repr(connector) and path in repr(connector)
            await connected(factory)
            assert path in repr(connector.transport) and path in str(connector.transport)
            assert "connected" in repr(connector)


async def test_connecting_without_saying_when_to_give_up(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with listener(path):
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            assert connector.timeout == 30
            await connected(factory)
            factory = Connecting()
            reactor.connectUNIX(path, factory, timeout=None)
            await connected(factory)


# -- what goes wrong


@pytest.mark.parametrize(
    ("place", "kind_of_error", "code"),
    [
        ("nothing", ConnectError, errno.ENOENT),
        ("no directory", ConnectError, errno.ENOENT),
        ("file for a directory", ConnectError, errno.ENOTDIR),
        ("left behind", ConnectionRefusedError, errno.ECONNREFUSED),
        ("regular file", ConnectionRefusedError, errno.ECONNREFUSED),
        ("directory", ConnectionRefusedError, errno.ECONNREFUSED),
        ("datagrams", ConnectError, errno.EPROTOTYPE),
        ("not permitted", ConnectError, errno.EACCES),
    ],
)
@both_kinds
@linux_only
async def test_why_there_is_no_connection(
    path: str, place: str, kind_of_error: type[Exception], code: int, kind: str
) -> None:
    target = path
    with contextlib.ExitStack() as stack:
        if place in ("no directory", "file for a directory"):
            target = os.path.join(path, "socket")
            if place != "no directory":
                pathlib.Path(path).touch()
        elif place == "left behind":
            leave_behind(path)
        elif place == "regular file":
            pathlib.Path(path).touch()
        elif place == "directory":
            os.mkdir(path)
        elif place == "datagrams":
            stack.enter_context(listener(path, type=socket.SOCK_DGRAM))
        elif place == "not permitted":
            stack.enter_context(listener(path))
            os.chmod(os.path.dirname(path), 0o755)
            os.chmod(path, 0)
            stack.enter_context(nobody())
        async with make_reactor(kind) as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(target, factory)
            assert factory.events == ["start", "connecting"]  # the outcome is told on a later turn
            reason = await failed(factory)
            assert type(reason.value) is getattr(reactor.vocabulary.error, kind_of_error.__name__)
            assert reason.value.osError == code
            assert connector.state == "disconnected"
            assert not reactor.getDelayedCalls()


@linux_only
async def test_nobody_has_an_abstract_name() -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()
        reactor.connectUNIX(b"\0twisted_compat nobody\xff", factory)
        assert (await failed(factory)).check(ConnectionRefusedError)


@linux_only
async def test_a_path_that_none_can_have(path: str) -> None:
    async with AsyncioReactor() as reactor:
        for target, what in [(path + "x" * 108, r"\b107\b"), (path + "\0more", "zero byte")]:
            factory = Connecting()
            with listener(path):
                reactor.connectUNIX(target, factory)
                reason = await failed(factory)
                assert type(reason.value) is ConnectError
                assert re.search(what, str(reason.value))
            os.unlink(path)


async def test_no_descriptor_is_left_for_it(path: str) -> None:
    with listener(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()

            class Exhausted(unix.Client):
                def createInternetSocket(self) -> socket.socket:
                    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

            connector = unix.Connector(path, factory, 30, reactor)
            connector._makeTransport = (  # type: ignore[method-assign]  # as a test's own connector has it
                lambda: Exhausted(connector._socket_name, connector, 0, reactor)
            )
            connector.connect()
            reason = await failed(factory)
            assert reason.check(ConnectError)
            assert reason.value.osError == errno.EMFILE


async def test_the_protocol_is_not_built(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with listener(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting(build=lambda addr: None)
            reactor.connectUNIX(path, factory)
            await until(lambda: factory.events[-1] == "stop")
            assert factory.events == ["start", "connecting", "lost", "stop"]
            assert errors_logged(caplog) == []
            factory = Connecting(build=lambda addr: 1 / 0)
            reactor.connectUNIX(path, factory)
            assert (await failed(factory)).check(ConnectError)
            assert len(errors_logged(caplog)) == 1


# -- a port whose queue is full


@both_kinds
async def test_a_full_queue_is_waited_for(path: str, kind: str) -> None:
    with full(path) as (skt, _):
        async with make_reactor(kind) as reactor:
            factories = [Connecting() for _ in range(5)]
            for factory in factories:
                reactor.connectUNIX(path, factory)
            await asyncio.sleep(0.05)
            assert all(factory.events == ["start", "connecting"] for factory in factories)
            accepted = []

            def accept() -> bool:
                with contextlib.suppress(BlockingIOError):
                    accepted.append(skt.accept()[0])
                return all(factory.protocols for factory in factories)

            await until(accept)
            for factory in factories:
                assert (await connected(factory)).made == 1
            for each in accepted:
                each.close()
            await until(lambda: all(factory.events[-1] == "stop" for factory in factories))
            assert not reactor.getDelayedCalls()


async def test_waiting_does_not_spin(path: str) -> None:
    with full(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            with calls_counted("connect", "connect_ex", "getsockopt") as called:
                while reactor.seconds() < connector.timeoutID.getTime() - 29.7:
                    await asyncio.sleep(0.01)
            assert 0 < called.count("connect") + called.count("connect_ex") <= 20
            assert len(called) <= 40
            assert connector.transport not in reactor.getWriters() + reactor.getReaders()
            connector.stopConnecting()


@both_kinds
async def test_waiting_for_too_long_is_a_timeout(path: str, kind: str) -> None:
    with full(path):
        async with make_reactor(kind) as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory, timeout=0.05)
            handle = connector.transport.getHandle()
            assert (await failed(factory)).check(reactor.vocabulary.error.TimeoutError)
            assert connector.state == "disconnected"
            assert handle.fileno() == -1
            assert not reactor.getDelayedCalls()


async def test_no_time_at_all_is_a_timeout(path: str) -> None:
    with full(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            reactor.connectUNIX(path, factory, timeout=0)
            assert (await failed(factory)).check(TimeoutError)


@pytest.mark.parametrize("method", ["stopConnecting", "disconnect"])
@both_kinds
async def test_waiting_can_be_stopped(path: str, method: str, kind: str) -> None:
    with full(path):
        async with make_reactor(kind) as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            await until(lambda: len(reactor.getDelayedCalls()) == 2)  # the timeout, and the next try
            handle = connector.transport.getHandle()
            getattr(connector, method)()
            assert factory.events == ["start", "connecting", "failed", "stop"]
            assert factory.reasons[0].check(reactor.vocabulary.error.UserError)
            assert handle.fileno() == -1
            assert not reactor.getDelayedCalls()
            with pytest.raises(reactor.vocabulary.error.NotConnectingError):
                connector.stopConnecting()


async def test_the_port_is_closed_while_its_queue_is_waited_for(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with full(path):
            factory = Connecting()
            reactor.connectUNIX(path, factory)
            await until(lambda: len(reactor.getDelayedCalls()) == 2)
        assert (await failed(factory)).check(ConnectionRefusedError)


async def test_leaving_the_reactor_while_waiting(path: str, no_collector: None) -> None:
    with full(path) as (skt, waiting):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            await until(lambda: len(reactor.getDelayedCalls()) == 2)
            assert connector.transport is not None
            handle = connector.transport.getHandle()
        assert handle.fileno() == -1
        assert not factory.protocols
        for each in waiting:
            skt.accept()[0].close()
            each.close()
        with pytest.raises(BlockingIOError):
            skt.accept()  # it has not come


async def test_aborting_an_attempt_fails_it(path: str) -> None:
    with full(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            await until(lambda: len(reactor.getDelayedCalls()) == 2)
            assert connector.transport is not None
            connector.transport.abortConnection()
            assert (await failed(factory)).check(ConnectError)
            assert not reactor.getDelayedCalls()


# -- states


async def test_stopping_before_the_first_turn(path: str) -> None:
    with listener(path) as skt:
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            connector.stopConnecting()
            assert factory.events == ["start", "connecting", "failed", "stop"]
            assert factory.reasons[0].check(UserError)
            assert not reactor.getDelayedCalls()
            factory = Connecting()
            factory.on_started = lambda connector: connector.stopConnecting()
            connector = reactor.connectUNIX(path, factory)
            assert factory.events == ["start", "connecting", "failed", "stop"]
            assert connector.state == "disconnected"
            await asyncio.sleep(0.01)
            with pytest.raises(BlockingIOError):
                skt.accept()


async def test_stopping_when_connected_is_too_late(path: str) -> None:
    with listener(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            connector = reactor.connectUNIX(path, factory)
            with pytest.raises(RuntimeError, match="can't connect in this state"):
                connector.connect()
            protocol = await connected(factory)
            with pytest.raises(NotConnectingError):
                connector.stopConnecting()
            with pytest.raises(RuntimeError, match="can't connect in this state"):
                connector.connect()
            assert not protocol.reasons
            connector.disconnect()
            await until(lambda: protocol.reasons)
            connector.disconnect()  # nothing left to do


async def test_connecting_again_when_lost(path: str) -> None:
    async with AsyncioReactor() as reactor:
        server = Listening(Recorder)
        reactor.listenUNIX(path, server)
        factory = Connecting()
        factory.again = lambda connector: connector.connect() if len(factory.reasons) < 3 else None
        reactor.connectUNIX(path, factory)

        def made(number: int) -> Any:
            return len(server.protocols) == number and server.protocols[-1].made

        def lost(number: int) -> bool:
            return len(factory.reasons) == number

        for number in range(1, 4):
            await until(functools.partial(made, number))
            server.protocols[-1].transport.loseConnection()
            await until(functools.partial(lost, number))
        await until(lambda: factory.events[-1] == "stop")
        assert factory.events == ["start", *["connecting", "lost"] * 3, "stop"]
        assert [len(protocol.reasons) for protocol in factory.protocols] == [1, 1, 1]


async def test_connecting_again_when_failed_and_when_stopped(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Connecting()

        def again(connector: Any) -> None:
            if len(factory.reasons) == 2:
                reactor.listenUNIX(path, Listening(Echo))
            connector.connect()

        def started(connector: Any) -> None:
            if len(factory.reasons) == 1:
                connector.stopConnecting()

        factory.again = again
        factory.on_started = started
        connector = reactor.connectUNIX(path, factory)
        protocol = await connected(factory)
        assert factory.events == ["start", "connecting", "failed", "connecting", "failed", "connecting"]
        assert [type(reason.value) for reason in factory.reasons] == [ConnectError, UserError]
        assert connector.transport is protocol.transport
        assert connector.getDestination() == UNIXAddress(path)
        factory.again = None


async def test_a_relative_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(os.path.dirname(path))
    with listener(path):
        async with AsyncioReactor() as reactor:
            factory = Connecting()
            reactor.connectUNIX("socket", factory)
            protocol = await connected(factory)
            assert protocol.transport.getPeer().name == b"socket"


@pytest.mark.parametrize("ending", ["lost", "refused", "stopped", "timeout"])
async def test_no_reference_cycle_is_left(path: str, ending: str, no_collector: None) -> None:
    async with AsyncioReactor() as reactor:
        with contextlib.ExitStack() as stack:
            if ending == "lost":
                stack.enter_context(listener(path))
            elif ending == "refused":
                leave_behind(path)
            else:
                stack.enter_context(full(path))
            events: list[str] = []
            factory = Connecting()
            factory.events = events
            connector = reactor.connectUNIX(path, factory, timeout=0.03 if ending == "timeout" else 30)
            watched: list[Any] = [weakref.ref(connector), weakref.ref(connector.transport)]
            if ending == "lost":
                protocol = await connected(factory)
                watched += [weakref.ref(protocol)]
                protocol.transport.loseConnection()
                factory.protocols.clear()
                del protocol
            elif ending == "stopped":
                await asyncio.sleep(0.01)
                connector.stopConnecting()
            del connector
            await until(lambda: events[-1] == "stop")
            factory.reasons.clear()
            await asyncio.sleep(0)
            assert [reference() for reference in watched] == [None] * len(watched)
