"""UNIX sockets that somebody else made: adopted ports and connections."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.recorders import Echo, Listening
from tests.transport.unix_sockets import (
    both_kinds,
    client_of,
    echoes,
    fired,
    linux_only,
    listener,
    make_reactor,
    neighbours,
    read,
    send,
    socket_path,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import UnsupportedAddressFamily, UnsupportedSocketType

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


# -- ports


@both_kinds
async def test_an_adopted_port_serves_and_leaves_the_file(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with listener(path) as skt:
            factory = Listening(Echo)
            port = reactor.adoptStreamPort(skt.fileno(), socket.AF_UNIX, factory)
            assert factory.events == ["start"]
            assert port.getHost() == reactor.vocabulary.address.UNIXAddress(path)
            assert not port.socket.get_inheritable()
            assert path in repr(port)
            assert await echoes(path)
            await fired(port.stopListening())
            assert factory.events == ["start", "stop"]
            assert neighbours(path) == ["socket"]
            with client_of(path) as client:  # the caller's own descriptor listens on
                accepted, _ = skt.accept()
                with accepted:
                    accepted.sendall(b"hello")
                assert await read(client) == b"hello"
        assert neighbours(path) == ["socket"]


async def test_the_caller_may_close_his_own(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with listener(path) as skt:
            port = reactor.adoptStreamPort(skt.fileno(), socket.AF_UNIX, Listening(Echo))
        assert await echoes(path)
        await fired(port.stopListening())
        with pytest.raises(ConnectionRefusedError), client_of(path):
            pass
        assert neighbours(path) == ["socket"]


@linux_only
async def test_an_adopted_port_with_a_name_without_a_file() -> None:
    name = b"\0twisted_compat\0\xff" + uuid.uuid4().bytes
    async with AsyncioReactor() as reactor:
        with listener(name) as skt:
            port = reactor.adoptStreamPort(skt.fileno(), socket.AF_UNIX, Listening(Echo))
            assert port.getHost().name == name
            assert await echoes(name)
            await fired(port.stopListening())


async def test_leaving_the_reactor_leaves_an_adopted_ports_file(path: str) -> None:
    with listener(path) as skt:
        async with AsyncioReactor() as reactor:
            reactor.adoptStreamPort(skt.fileno(), socket.AF_UNIX, Listening(Echo))
        assert neighbours(path) == ["socket"]


async def test_an_adopted_port_that_had_no_path_on_the_way(path: str) -> None:
    """Its file has been removed, or another's is there: it serves those who came before."""
    async with AsyncioReactor() as reactor:
        with listener(path) as skt, client_of(path) as client:
            os.unlink(path)
            port = reactor.adoptStreamPort(skt.fileno(), socket.AF_UNIX, Listening(Echo))
            await send(client, b"hello")
            assert await read(client, 5) == b"hello"
            await fired(port.stopListening())


# -- connections


@both_kinds
async def test_an_adopted_connection_talks(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            factory = Listening(Echo)
            with ours:
                transport = reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
            assert factory.protocols[0].transport is transport
            assert factory.protocols[0].made == 1
            address = reactor.vocabulary.address.UNIXAddress(None)
            assert (transport.getHost(), transport.getPeer()) == (address, address)
            assert factory.addresses == [address]
            assert (transport.getHost().name, transport.getPeer().name) == (None, None)
            assert not transport.getHandle().get_inheritable()
            assert "Echo" in repr(transport) and transport.logPrefix().startswith("Echo,")
            await send(theirs, b"hello")
            assert await read(theirs, 5) == b"hello"
        await until(lambda: factory.protocols[0].reasons)
        assert factory.protocols[0].reasons[0].check(reactor.vocabulary.error.ConnectionDone)


async def test_an_adopted_connections_addresses(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with listener(path) as skt, client_of(path):
            accepted, _ = skt.accept()
            with accepted:
                factory = Listening(Echo)
                transport = reactor.adoptStreamConnection(accepted.fileno(), socket.AF_UNIX, factory)
            assert transport is not None
            assert (transport.getHost().name, transport.getPeer().name) == (os.fsencode(path), None)
            assert path in repr(transport)
            transport.loseConnection()
            await until(lambda: factory.protocols[0].reasons)


async def test_what_an_adopted_connections_factory_does() -> None:
    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            with ours:
                fd = ours.fileno()
                refusing = Listening(build=lambda addr: None)
                assert reactor.adoptStreamConnection(fd, socket.AF_UNIX, refusing) is None
                with pytest.raises(ZeroDivisionError):
                    reactor.adoptStreamConnection(fd, socket.AF_UNIX, Listening(build=lambda addr: 1 / 0))
            assert await read(theirs) == b""  # no duplicate is left open


# -- what can't be adopted


def _pipe() -> tuple[int, list[Callable[[], Any]]]:
    reading, writing = os.pipe()
    return reading, [lambda: os.close(reading), lambda: os.close(writing)]


def _made(*arguments: Any) -> tuple[int, list[Callable[[], Any]]]:
    skt = socket.socket(*arguments)
    return skt.fileno(), [skt.close]


STRANGERS: dict[str, Callable[[], tuple[int, list[Callable[[], Any]]]]] = {
    "pipe": _pipe,
    "TCP": lambda: _made(socket.AF_INET),
    "UNIX datagram": lambda: _made(socket.AF_UNIX, socket.SOCK_DGRAM),
    "unconnected": lambda: _made(socket.AF_UNIX),
}


@pytest.mark.parametrize("method", ["adoptStreamPort", "adoptStreamConnection"])
@pytest.mark.parametrize("stranger", STRANGERS)
async def test_what_is_no_such_socket_is_refused(stranger: str, method: str) -> None:
    fd, closing = STRANGERS[stranger]()
    try:
        async with AsyncioReactor() as reactor:
            before = len(os.listdir("/dev/fd"))
            factory = Listening()
            with pytest.raises((OSError, UnsupportedSocketType)):
                getattr(reactor, method)(fd, socket.AF_UNIX, factory)
            assert factory.events == factory.addresses == []
            assert len(os.listdir("/dev/fd")) == before
            os.fstat(fd)  # the caller's own is still open
            assert reactor.getReaders() == []
    finally:
        for close in closing:
            close()


@pytest.mark.parametrize("method", ["adoptStreamPort", "adoptStreamConnection"])
async def test_a_number_that_is_not_open_is_refused(method: str) -> None:
    fd = os.dup(0)
    os.close(fd)
    async with AsyncioReactor() as reactor:
        for number in (-1, fd):
            with pytest.raises((OSError, ValueError)):
                getattr(reactor, method)(number, socket.AF_UNIX, Listening())


async def test_a_wrong_family_is_refused(path: str) -> None:
    async with AsyncioReactor() as reactor:
        ours, theirs = socket.socketpair()
        with ours, theirs, listener(path) as skt:
            for family in (socket.AF_INET, socket.AF_INET6):
                factory = Listening()
                with pytest.raises(OSError):
                    reactor.adoptStreamConnection(ours.fileno(), family, factory)
                with pytest.raises(OSError):
                    reactor.adoptStreamPort(skt.fileno(), family, factory)
                assert factory.events == factory.addresses == []
            for unknown in (0, 12345, getattr(socket, "AF_NETLINK", 16)):
                with pytest.raises(UnsupportedAddressFamily):
                    reactor.adoptStreamConnection(ours.fileno(), unknown, Listening())
                with pytest.raises(UnsupportedAddressFamily):
                    reactor.adoptStreamPort(skt.fileno(), unknown, Listening())
