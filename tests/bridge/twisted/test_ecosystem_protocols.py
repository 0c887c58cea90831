"""AMP (with TLS started midway), SSH and WebSocket on our reactor, with somebody else at the other end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, ProcessTerminated
from twisted.internet.protocol import Factory, Protocol

from tests.bridge.twisted.ecosystem.amp_words import Ask, Call, Divide, Peer, Sum
from tests.bridge.twisted.ecosystem.certificates import Authority
from tests.bridge.twisted.ecosystem.children import program, running
from tests.bridge.twisted.ecosystem.reactors import embedded, installed, result
from tests.bridge.twisted.ecosystem.sshd import Sshd, sshd
from tests.support import free_port, until, within

pytestmark = [  # of pyOpenSSL about how Twisted's certificates use it
    pytest.mark.without_debug,
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:X509.get_subject:DeprecationWarning"),
]

BIG = bytes(range(256)) * 4096  # 1 MiB


# AMP, with a peer on Twisted's own reactor


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def amp_port(authority: Authority) -> Iterator[int]:
    with running(program("amp_peer", authority.directory)) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


def amp_peer(authority: Authority) -> Peer:
    certificate = authority.certificate_file.read_bytes() + authority.key_file.read_bytes()
    return Peer(
        ssl.PrivateCertificate.loadPEM(certificate),
        ssl.Certificate.loadPEM(authority.authority_file.read_bytes()),
    )


async def test_amp_asks_and_is_asked(amp_port: int, authority: Authority) -> None:
    async with embedded() as reactor:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", amp_port)
        peer = await result(connectProtocol(endpoint, amp_peer(authority)))
        assert await result(peer.callRemote(Ask, times=100)) == {"total": sum(range(100))}
        with pytest.raises(ZeroDivisionError):
            await result(peer.callRemote(Divide, a=1, b=0))
        assert await result(peer.callRemote(Divide, a=1, b=2)) == {"quotient": 0.5}
        peer.transport.loseConnection()
        await until(lambda: peer.lost)
        assert peer.lost.check(ConnectionDone)


async def test_amp_starts_tls_as_client(amp_port: int, authority: Authority) -> None:
    async with embedded() as reactor:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", amp_port)
        peer = await result(connectProtocol(endpoint, amp_peer(authority)))
        assert await result(peer.callRemote(Sum, a=1, b=2)) == {"total": 3}
        assert await result(Deferred.fromCoroutine(peer.start_tls())) == "localhost"
        assert await result(peer.callRemote(Ask, times=100)) == {"total": sum(range(100))}
        peer.transport.loseConnection()
        await until(lambda: peer.lost)


async def test_amp_is_told_to_start_tls(amp_port: int, authority: Authority) -> None:
    served: list[Peer] = []

    def serve() -> Peer:
        served.append(amp_peer(authority))
        return served[-1]

    async with embedded() as reactor:
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await result(endpoint.listen(Factory.forProtocol(serve)))  # type: ignore[arg-type]
        peer = await result(
            connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", amp_port), amp_peer(authority))
        )
        answer = await result(peer.callRemote(Call, port=port.getHost().port))
        assert answer == {"total": 42, "peer": "localhost"}
        (called,) = served
        await until(lambda: called.lost)


# SSH, with OpenSSH's server


@pytest.fixture(scope="module")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Command(Protocol):
    """What talks to a command that runs elsewhere."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = reason


def ssh_command(reactor: Any, server: Sshd, command: str, port: int | None = None) -> Any:
    """An endpoint."""
    from twisted.conch.client.knownhosts import KnownHostsFile
    from twisted.conch.endpoints import SSHCommandClientEndpoint  # imports the global reactor
    from twisted.conch.ssh.keys import Key
    from twisted.python.filepath import FilePath

    return SSHCommandClientEndpoint.newConnection(
        reactor,
        command.encode(),
        server.user.encode(),
        b"127.0.0.1",
        port or server.port,
        keys=[Key.fromFile(str(server.user_key))],
        agentEndpoint=None,
        knownHosts=KnownHostsFile.fromPath(FilePath(str(server.known_hosts))),
        ui=object(),  # has nothing to ask
    )


async def test_ssh_runs_a_command(ssh_server: Sshd) -> None:
    async with installed() as reactor:
        endpoint = ssh_command(reactor, ssh_server, f"head -c {len(BIG)} | sha256sum; exit 3")
        command = await result(connectProtocol(endpoint, Command()))
        command.transport.write(BIG)
        reason = await until(lambda: command.ended)
        assert command.received.split()[0].decode() == hashlib.sha256(BIG).hexdigest()
        assert reason.check(ProcessTerminated)
        assert reason.value.exitCode == 3


async def test_ssh_runs_a_command_that_says_much(ssh_server: Sshd) -> None:
    async with installed() as reactor:
        endpoint = ssh_command(reactor, ssh_server, "head -c 5000000 /dev/zero")
        command = await result(connectProtocol(endpoint, Command()))
        reason = await until(lambda: command.ended)
        assert reason.check(ConnectionDone)
        assert command.received == bytes(5_000_000)


async def test_ssh_is_refused(ssh_server: Sshd) -> None:
    async with installed() as reactor:
        endpoint = ssh_command(reactor, ssh_server, "true", free_port())
        with pytest.raises(ConnectionRefusedError):
            await result(connectProtocol(endpoint, Command()))


# WebSocket: autobahn, with aiohttp


@pytest.fixture
async def aiohttp_echo() -> AsyncIterator[int]:
    """A server of aiohttp's on the test's own loop; its port."""
    from aiohttp import web

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            await (socket.send_str if isinstance(message.data, str) else socket.send_bytes)(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_autobahn_serves_web_sockets() -> None:
    pytest.importorskip("autobahn")
    import aiohttp

    async with embedded() as reactor:
        from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol

        closed: list[Any] = []

        class Echo(WebSocketServerProtocol):  # type: ignore[misc]
            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                self.sendMessage(payload, isBinary)

            def onClose(self, *how: Any) -> None:
                closed.append(how)

        factory = WebSocketServerFactory(reactor=reactor)
        factory.protocol = Echo
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        async with aiohttp.ClientSession() as session:
            address = f"http://127.0.0.1:{port.getHost().port}/"
            async with session.ws_connect(address, max_msg_size=0) as socket:
                await socket.send_str("gr\u00fc\u00df")
                assert await within(socket.receive_str()) == "gr\u00fc\u00df"
                await socket.send_bytes(BIG)
                assert await within(socket.receive_bytes()) == BIG
        await until(lambda: closed)
        assert closed[0][:2] == (True, 1000)


async def test_autobahn_is_a_web_sockets_client(aiohttp_echo: int) -> None:
    pytest.importorskip("autobahn")
    async with embedded() as reactor:
        from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol

        received: list[Any] = []
        closed = asyncio.Event()

        class Client(WebSocketClientProtocol):  # type: ignore[misc]
            def onOpen(self) -> None:
                self.sendMessage(b"hello")
                self.sendMessage(BIG, isBinary=True)

            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                received.append((payload, isBinary))
                if isBinary:
                    self.sendClose(1000)

            def onClose(self, *how: Any) -> None:
                closed.set()

        factory = WebSocketClientFactory(f"ws://127.0.0.1:{aiohttp_echo}/", reactor=reactor)
        factory.protocol = Client
        reactor.connectTCP("127.0.0.1", aiohttp_echo, factory)
        await within(closed.wait())
        assert received == [(b"hello", False), (BIG, True)]
