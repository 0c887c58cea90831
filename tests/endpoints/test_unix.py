"""UNIX endpoints: their arguments, files and lock files, and descriptors that travel through them."""

from __future__ import annotations

import errno
import os
import pathlib
import socket
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.endpoints.attempts import a_place, failed, held, outcome, over
from tests.support import until
from tests.transport.peers import turns
from tests.transport.programs import socat
from tests.transport.recorders import Connecting, Echo, Listening, Recorder
from tests.transport.unix_sockets import (
    Receiver,
    both_kinds,
    dead_process,
    descriptors,
    echoes,
    fired,
    leave_behind,
    linux_only,
    listener,
    living_process,
    make_reactor,
    neighbours,
    read_with_descriptors,
    socket_path,
    which,
)
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import UNIXClientEndpoint, UNIXServerEndpoint
from twisted_compat.error import BadFileError, CannotListenError, ConnectError, ConnectionRefusedError
from twisted_compat.interfaces import IListeningPort, IStreamClientEndpoint, IStreamServerEndpoint

pytestmark = pytest.mark.without_debug


@pytest.fixture
def path() -> Iterator[str]:
    with socket_path() as path:
        yield path


# -- both ends


@both_kinds
async def test_a_server_and_a_client(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        before = held(reactor)
        address = reactor.vocabulary.address.UNIXAddress
        server, client = UNIXServerEndpoint(reactor, path), UNIXClientEndpoint(reactor, path)
        assert reactor.vocabulary.interfaces.IStreamServerEndpoint.providedBy(server)
        assert reactor.vocabulary.interfaces.IStreamClientEndpoint.providedBy(client)
        factory = Listening(Echo)
        listening = server.listen(factory)
        assert isinstance(listening, reactor.vocabulary.defer.Deferred)
        port = await fired(listening)
        assert port.getHost() == address(path) and type(port.getHost()) is address
        protocol = await fired(client.connect(Connecting()))
        assert protocol.transport.protocol is protocol
        assert (protocol.transport.getPeer(), protocol.transport.getHost()) == (address(path), address(None))
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        await fired(port.stopListening())
        assert not os.path.exists(path)
        await failed(client.connect(Connecting()), reactor.vocabulary.error.ConnectError)
        protocol.transport.loseConnection()
        await until(lambda: protocol.reasons and factory.protocols[0].reasons)
        assert factory.events == ["start", "stop"]
        await over(before, reactor)


async def test_what_they_provide(path: str) -> None:
    async with AsyncioReactor() as reactor:
        assert verifyObject(IStreamClientEndpoint, UNIXClientEndpoint(reactor, path))
        endpoint = UNIXServerEndpoint(reactor, path)
        assert verifyObject(IStreamServerEndpoint, endpoint)
        assert verifyObject(IListeningPort, await fired(endpoint.listen(Listening())))


@pytest.mark.parametrize("make", [str, os.fsencode, pathlib.Path], ids=["str", "bytes", "Path"])
async def test_a_path_is_written_in_any_way(path: str, make: Any) -> None:
    async with AsyncioReactor() as reactor:
        await fired(UNIXServerEndpoint(reactor, make(path)).listen(Listening(Echo)))
        assert await echoes(path)
        protocol = await fired(UNIXClientEndpoint(reactor, make(path)).connect(Connecting()))
        assert protocol.made


@linux_only
async def test_a_name_that_is_in_no_directory(path: str) -> None:
    async with AsyncioReactor() as reactor:
        name = "\0" + path
        await fired(UNIXServerEndpoint(reactor, name).listen(Listening(Echo)))
        protocol = await fired(UNIXClientEndpoint(reactor, name.encode()).connect(Connecting()))
        protocol.transport.write(b"hello")
        await until(lambda: protocol.received == b"hello")
        assert not neighbours(path)


async def test_the_names_of_the_arguments_are_twisteds(path: str) -> None:
    async with AsyncioReactor() as reactor:
        server = UNIXServerEndpoint(reactor=reactor, address=path, backlog=1, mode=0o600, wantPID=True)
        await fired(server.listen(Listening()))
        client = UNIXClientEndpoint(reactor=reactor, path=path, timeout=None, checkPID=True)
        connecting = client.connect(protocolFactory=Connecting())
        await turns(1)
        assert (await fired(connecting)).made and not reactor.getDelayedCalls()


# -- listening


async def test_who_may_connect(path: str) -> None:
    async with AsyncioReactor() as reactor:
        for mode, expected in ((None, 0o666), (0o640, 0o640), (0, 0)):
            endpoint = UNIXServerEndpoint(reactor, path, **({} if mode is None else {"mode": mode}))
            port = await fired(endpoint.listen(Listening()))
            assert stat.S_IMODE(os.stat(path).st_mode) == expected
            await fired(port.stopListening())


async def test_a_lock_file(path: str) -> None:
    async with AsyncioReactor() as reactor:
        endpoint = UNIXServerEndpoint(reactor, path, wantPID=True)
        port = await fired(endpoint.listen(Listening()))
        assert neighbours(path) == ["socket", "socket.lock"]
        assert os.readlink(f"{path}.lock") == str(os.getpid())
        before = held(reactor)
        await failed(endpoint.listen(Listening()), CannotListenError)
        assert held(reactor) == before
        await fired(port.stopListening())
        assert neighbours(path) == []
        await fired((await fired(endpoint.listen(Listening()))).stopListening())


async def test_what_a_dead_process_has_left_is_taken_over_only_if_asked(path: str) -> None:
    async with AsyncioReactor() as reactor:
        leave_behind(path)
        os.symlink(str(dead_process()), f"{path}.lock")
        await failed(UNIXServerEndpoint(reactor, path).listen(Listening()), CannotListenError)
        port = await fired(UNIXServerEndpoint(reactor, path, wantPID=1).listen(Listening(Echo)))
        assert await echoes(path)
        await fired(port.stopListening())


@both_kinds
async def test_where_somebody_listens_already(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        with listener(path):
            before = held(reactor)
            factory = Listening()
            error = await failed(
                UNIXServerEndpoint(reactor, path).listen(factory),
                reactor.vocabulary.error.CannotListenError,
            )
            assert error.socketError.errno == errno.EADDRINUSE
            assert held(reactor) == before and not factory.numPorts
            assert os.path.exists(path)


NO_PLACES = [
    ({"address": "/nowhere/at/all"}, CannotListenError),
    ({"address": "x" * 200}, (CannotListenError, ValueError)),
    ({"address": "with\0zero"}, (CannotListenError, ValueError)),
    ({"address": None}, TypeError),
    ({"address": 5}, TypeError),
    ({"address": "\0abstract", "wantPID": True}, ValueError),
    ({"mode": "rw"}, TypeError),
    ({"backlog": "many"}, TypeError),
]


@linux_only
async def test_listening_where_nobody_can(path: str) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        for options, error in NO_PLACES:
            print(options)
            factory = Listening()
            await failed(UNIXServerEndpoint(reactor, **{"address": path, **options}).listen(factory), error)
            assert held(reactor) == before
            assert not factory.numPorts and neighbours(path) == []


async def test_listening_with_a_factory_that_cannot_start(path: str) -> None:
    class Broken(Listening):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    async with AsyncioReactor() as reactor:
        before = held(reactor)
        await failed(UNIXServerEndpoint(reactor, path, wantPID=True).listen(Broken()), ZeroDivisionError)
        assert held(reactor) == before
        assert neighbours(path) == []


# -- connecting


BAD_ARGUMENTS = [
    ({}, ConnectError),
    ({"path": "/nowhere/at/all"}, ConnectError),
    ({"path": "x" * 200}, (ConnectError, ValueError)),
    ({"path": ""}, (ConnectError, ValueError)),
    ({"path": "with\0zero"}, (ConnectError, ValueError)),
    ({"path": None}, TypeError),
    ({"path": 5}, TypeError),
    ({"path": "\0abstract", "checkPID": True}, ValueError),
    ({"path": "\0of no one's"}, ConnectionRefusedError),
    ({"timeout": "long"}, TypeError),
]


@linux_only
async def test_what_fails_the_deferred(path: str) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        for options, error in BAD_ARGUMENTS:
            print(options)
            factory = Connecting()
            await failed(UNIXClientEndpoint(reactor, **{"path": path, **options}).connect(factory), error)
            assert factory.events in ([], ["start", "stop"])
            await over(before, reactor)


async def test_a_bad_timeout_is_no_attempt() -> None:
    async with AsyncioReactor() as reactor:
        with a_place("unix") as place:
            before = held(reactor)
            await failed(place.client(reactor, timeout="long").connect(Connecting()), TypeError)
            assert held(reactor) == before
            await turns()
            assert not place.is_asked()


@both_kinds
async def test_whether_somebody_lives_there(path: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        endpoint = UNIXClientEndpoint(reactor, path, checkPID=1)
        with listener(path):
            await failed(endpoint.connect(Connecting()), reactor.vocabulary.error.BadFileError)
            os.symlink(str(dead_process()), f"{path}.lock")
            await failed(endpoint.connect(Connecting()), reactor.vocabulary.error.BadFileError)
            os.unlink(f"{path}.lock")
            with living_process() as pid:
                os.symlink(str(pid), f"{path}.lock")
                assert (await fired(endpoint.connect(Connecting()))).made


async def test_cancelling_where_nobody_lives(path: str) -> None:
    async with AsyncioReactor() as reactor:
        before = held(reactor)
        connecting = UNIXClientEndpoint(reactor, path, checkPID=1).connect(Connecting())
        found = outcome(connecting)
        connecting.cancel()
        await turns()
        assert not found[0].check(BadFileError) and len(found) == 1
        assert held(reactor) == before


# -- descriptors


@both_kinds
async def test_descriptors_reach_the_protocol(path: str, kind: str) -> None:
    """Also those that come with the very first bytes."""
    async with make_reactor(kind) as reactor:
        with descriptors(2) as passed, a_place("unix") as place:
            before = held(reactor)
            connecting = UNIXClientEndpoint(reactor, place.where[0]).connect(Connecting(Receiver))
            peer = await place.accept()
            socket.send_fds(peer, [b"both"], [each.fd for each in passed])
            protocol = await fired(connecting)
            await until(lambda: protocol.received == b"both")
            assert [which(passed, fd) for fd in protocol.descriptors] == [0, 1]
            protocol.close()
            protocol.transport.sendFileDescriptor(passed[1].fd)
            protocol.transport.write(b"!")
            data, (fd,) = await read_with_descriptors(peer)
            assert data == b"!" and which(passed, fd) == 1
            os.close(fd)
            peer.close()
            await until(lambda: protocol.reasons)
            await over(before, reactor)


async def test_descriptors_for_a_server(path: str) -> None:
    async with AsyncioReactor() as reactor:
        factory = Listening(Receiver)
        await fired(UNIXServerEndpoint(reactor, path).listen(factory))
        client = await fired(UNIXClientEndpoint(reactor, path).connect(Connecting()))
        with descriptors(1) as passed:
            client.transport.sendFileDescriptor(passed[0].fd)
            client.transport.write(b"!")
            await until(lambda: factory.protocols and factory.protocols[0].received)
            assert [which(passed, fd) for fd in factory.protocols[0].descriptors] == [0]
            factory.protocols[0].close()


async def test_descriptors_for_who_wants_none(path: str) -> None:
    async with AsyncioReactor() as reactor:
        with descriptors(1) as passed, a_place("unix") as place:
            protocol = await fired(place.client(reactor).connect(Connecting()))
            peer = await place.accept()
            socket.send_fds(peer, [b"!"], [passed[0].fd])
            passed[0].forget()
            await until(lambda: protocol.received == b"!")
            await until(passed[0].is_gone)


# -- a peer that knows nothing of this package


async def test_socat_at_either_end(path: str) -> None:
    async with AsyncioReactor() as reactor:
        port = await fired(UNIXServerEndpoint(reactor, path).listen(Listening(Echo)))
        async with socat("STDIO", f"UNIX-CONNECT:{path}") as program:
            await program.takes(b"hello\n")
            assert await program.line() == b"hello\n"
        await fired(port.stopListening())
        async with socat(f"UNIX-LISTEN:{path}", "EXEC:cat"):
            protocol = await fired(UNIXClientEndpoint(reactor, path).connect(Connecting(Recorder)))
            protocol.transport.write(b"one two")
            await until(lambda: protocol.received == b"one two")
            protocol.transport.loseConnection()
            await until(lambda: protocol.reasons)
