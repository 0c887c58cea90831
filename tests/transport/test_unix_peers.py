"""UNIX streams with programs that know nothing of this package: socat(1), curl(1), and plain Python."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED, until, within
from tests.transport.programs import Program, as_user, need, ran, running, socat
from tests.transport.recorders import Connecting, Echo, Listening, Recorder
from tests.transport.unix_sockets import Receiver, both_kinds, linux_only, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone
from twisted_compat.protocol import Protocol

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 17) + b"the end"  # 32 MiB: far more than any kernel keeps for a socket

NOBODY = 65534
as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may become another user"
)
needs_twisted = pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")


@pytest.fixture(params=["file", pytest.param("abstract", marks=linux_only)])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """What listenUNIX and connectUNIX are given: a path, or a name that is in no directory."""
    with socket_path() as path:
        yield path if request.param == "file" else f"\0{path}"


def named(how: str, place: str) -> str:
    """What socat is told, such as UNIX-LISTEN or ABSTRACT-LISTEN."""
    return f"ABSTRACT-{how}:{place[1:]}" if place[0] == "\0" else f"UNIX-{how}:{place}"


# socat


@both_kinds
async def test_socat_connects_and_is_answered(place: str, kind: str) -> None:
    factory = Listening(Echo)
    async with make_reactor(kind) as reactor:
        reactor.listenUNIX(place, factory)
        async with socat("STDIO", named("CONNECT", place)) as program:
            for line in (b"one\n", b"two\n"):
                await program.takes(line)
                assert await program.line() == line
        await until(lambda: factory.protocols[0].reasons)
    assert [kind.__name__ for kind in map(type, factory.addresses)] == ["UNIXAddress"]
    assert factory.protocols[0].reasons[0].type.__name__ == "ConnectionDone"


@both_kinds
async def test_socat_listens_and_answers(place: str, kind: str) -> None:
    factory = Connecting()
    async with make_reactor(kind) as reactor, socat(named("LISTEN", place), "EXEC:cat"):
        reactor.connectUNIX(place, factory)
        await until(lambda: factory.protocols and factory.protocols[0].made)
        (protocol,) = factory.protocols
        protocol.transport.write(b"one")
        await until(lambda: protocol.received == b"one")
        protocol.transport.writeSequence([b" t", b"wo"])
        await until(lambda: protocol.received == b"one two")
        protocol.transport.loseConnection()
        await until(lambda: factory.events[-1] == "stop")
    assert factory.events == ["start", "connecting", "lost", "stop"]


@both_kinds
async def test_much_comes_whole_through_socat_to_a_server_and_back(place: str, kind: str) -> None:
    async with make_reactor(kind) as reactor:
        reactor.listenUNIX(place, Listening(Echo))
        async with socat("-b", "65536", "STDIO", named("CONNECT", place)) as program:
            _, back = await asyncio.gather(program.takes(BIG), program.printed(len(BIG)))
    assert back == BIG


class Uploading(Recorder):
    """Says everything at once, then that this was all."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.pieces: list[bytes] = []
        self.transport.write(BIG)
        self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)


@both_kinds
async def test_much_comes_whole_from_a_client_through_socat_and_back(place: str, kind: str) -> None:
    factory = Connecting(Uploading)
    listening = named("LISTEN", place)
    async with make_reactor(kind) as reactor, socat("-b", "65536", "-t", "10", listening, "EXEC:cat"):
        reactor.connectUNIX(place, factory)
        await until(lambda: factory.protocols and factory.protocols[0].reasons)
    (protocol,) = factory.protocols
    assert b"".join(protocol.pieces) == BIG
    assert protocol.reasons[0].type.__name__ == "ConnectionDone"


# Who may connect


@as_root
@pytest.mark.parametrize("mode", [0o666, 0o660, 0o600], ids=oct)
async def test_another_user_may_connect_if_the_mode_says_so(mode: int) -> None:
    need("socat")
    with socket_path() as path:
        os.chmod(os.path.dirname(path), 0o755)
        async with AsyncioReactor() as reactor:
            reactor.listenUNIX(path, Listening(Echo), mode=mode)
            command = as_user(NOBODY, "socat", "-t", "10", "STDIO", f"UNIX-CONNECT:{path}")
            ended = await ran(*command, stdin=b"hello")
    if mode == 0o666:
        assert ended == (0, b"hello", b"")
    else:
        assert ended.code == 1 and b"Permission denied" in ended.complaints


I_LISTEN = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", file=sys.stderr, flush=True)
client, _ = server.accept()
client.recv(1)
"""


def python(code: str, *arguments: str) -> contextlib.AbstractAsyncContextManager[Program]:
    """A Python that has nothing but its standard library; ready at once, or when it says so."""
    ready = [b"ready\n"] if "ready" in code else []
    return running(sys.executable, "-I", "-S", "-c", code, *arguments, ready=ready)


@linux_only
@pytest.mark.parametrize("user", [None, pytest.param(NOBODY, marks=as_root)], ids=["the same", "another"])
async def test_a_server_knows_which_process_of_whose_has_connected(user: int | None) -> None:
    factory = Listening()
    need("socat")
    with socket_path() as path:
        os.chmod(os.path.dirname(path), 0o755)
        async with AsyncioReactor() as reactor:
            reactor.listenUNIX(path, factory)
            command = ["socat", "STDIO", f"UNIX-CONNECT:{path}"]
            async with running(*command if user is None else as_user(user, *command)) as client:
                await until(lambda: factory.protocols)
                credentials = factory.protocols[0].transport.peer_credentials()
    assert (credentials.pid, credentials.uid) == (client.pid, os.getuid() if user is None else user)
    assert credentials.gid == (os.getgid() if user is None else user)


@linux_only
async def test_a_client_knows_which_process_listens() -> None:
    factory = Connecting()
    with socket_path() as path:
        async with AsyncioReactor() as reactor, python(I_LISTEN, path) as server:
            reactor.connectUNIX(path, factory)
            await until(lambda: factory.protocols)
            credentials = factory.protocols[0].transport.peer_credentials()
    assert credentials == (server.pid, os.getuid(), os.getgid())


# curl


class Answerer(Protocol):
    """HTTP/1.1, as much as it takes: tells what was asked for, and what was sent along."""

    def connectionMade(self) -> None:
        self.request = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self.request += data
        while b"\r\n\r\n" in self.request:
            head, _, rest = bytes(self.request).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            self.request = bytearray(rest[size:])
            answer = head.split()[1] + b"\n" + rest[:size]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
            self.transport.write(answer)


async def curl(place: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """What curl prints that asks a UNIX socket."""
    option = "--abstract-unix-socket" if place[0] == "\0" else "--unix-socket"
    common = ("--silent", "--show-error", "--fail", "--max-time", "10", option, place.lstrip("\0"))
    ended = await ran("curl", *common, *arguments, stdin=stdin)
    assert ended.code == 0, ended
    return ended.printed


async def test_curl_is_answered(place: str) -> None:
    factory = Listening(Answerer)
    posted = BIG[: 1 << 20]
    async with AsyncioReactor() as reactor:
        reactor.listenUNIX(place, factory)
        assert await curl(place, "http://localhost/one", "http://localhost/two") == b"/one\n/two\n"
        if place[0] != "\0":  # there curl makes a new connection each time
            assert len(factory.protocols) == 1
        sending = ("--header", "Expect:", "--data-binary", "@-", "http://localhost/big")
        assert await curl(place, *sending, stdin=posted) == b"/big\n" + posted


@needs_twisted
async def test_curl_is_answered_by_twisteds_web_server(place: str) -> None:
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    from tests.bridge.twisted.ecosystem.reactors import embedded

    class Page(Resource):
        isLeaf = True

        def render_GET(self, request: Any) -> bytes:
            return b"%s for %s" % (request.path, type(request.getClientAddress()).__name__.encode())

        def render_POST(self, request: Any) -> bytes:
            return bytes(request.content.read())

    posted = BIG[: 1 << 20]
    async with embedded() as reactor:
        site = Site(Page(), reactor=reactor)  # type: ignore[no-untyped-call]  # Resource has no types
        site.noisy = False
        reactor.listenUNIX(place, site)
        assert await curl(place, "http://localhost/page") == b"/page for UNIXAddress"
        assert await curl(place, "--data-binary", "@-", "http://localhost/", stdin=posted) == posted


# Descriptors

SENDS_DESCRIPTORS = """
import os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
readers = []
for number in range(3):
    reader, writer = os.pipe()
    os.write(writer, b"pipe %d" % number)
    readers.append(reader)
client.sendall(b"before;")
client.recv(1)
socket.send_fds(client, [b"three of them;"], readers)
client.sendall(b"after;")
"""

TAKES_DESCRIPTORS = """
import os, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
data, found = b"", []
while not data.endswith(b"."):
    more, descriptors, flags, _ = socket.recv_fds(client, 1 if sys.argv[2] == "slowly" else 65536, 10)
    assert not flags & socket.MSG_CTRUNC
    data += more
    found += descriptors
print(data.decode())
for descriptor in found:
    print(os.read(descriptor, 100).decode())
"""


@both_kinds
async def test_python_sends_descriptors(kind: str) -> None:
    factory = Listening(Receiver)
    with socket_path() as path, contextlib.ExitStack() as stack:
        async with make_reactor(kind) as reactor:
            reactor.listenUNIX(path, factory)
            async with python(SENDS_DESCRIPTORS, path):
                await until(lambda: factory.protocols and factory.protocols[0].received == b"before;")
                (protocol,) = factory.protocols
                stack.callback(protocol.close)
                protocol.transport.write(b"x")
                await until(lambda: protocol.reasons)
        assert protocol.received == b"before;three of them;after;"
        assert [os.read(fd, 100) for fd in protocol.descriptors] == [b"pipe 0", b"pipe 1", b"pipe 2"]
        assert set(protocol.positions()) == {len(b"before;")}
        assert not any(os.get_inheritable(fd) for fd in protocol.descriptors)


@both_kinds
@pytest.mark.parametrize("how", ["slowly", "at once"])
async def test_python_takes_descriptors(kind: str, how: str) -> None:
    class Sending(Recorder):
        def connectionMade(self) -> None:
            for number in range(3):
                reader, writer = os.pipe()
                os.write(writer, b"pipe %d" % number)
                self.transport.write(b"%d" % number)
                self.transport.sendFileDescriptor(reader)
                os.close(reader)
                os.close(writer)
            self.transport.write(b"end.")

    with socket_path() as path:
        async with make_reactor(kind) as reactor:
            reactor.listenUNIX(path, Listening(Sending))
            async with python(TAKES_DESCRIPTORS, path, how) as child:
                ended = await child.ended()
    assert ended == (0, b"012end.\npipe 0\npipe 1\npipe 2\n", b"")


HANDS_OVER_A_PORT = """
import socket, sys
port = socket.create_server(("127.0.0.1", 0))
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
socket.send_fds(client, [b"%d" % port.getsockname()[1]], [port.fileno()])
"""


async def test_a_port_that_was_opened_by_another_process_is_handed_over() -> None:
    """As by one that may bind to a low number, or that lets a new version take over."""
    factory = Listening(Echo)

    class Taking(Receiver):
        def fileDescriptorReceived(self, descriptor: int) -> None:
            reactor.adoptStreamPort(descriptor, socket.AF_INET, factory)
            os.close(descriptor)

    handed = Listening(Taking)
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            reactor.listenUNIX(path, handed)
            async with python(HANDS_OVER_A_PORT, path) as child:
                assert (await child.ended()).code == 0
            await until(lambda: handed.protocols[0].reasons)
            number = int(handed.protocols[0].received)
            reader, writer = await within(asyncio.open_connection("127.0.0.1", number))
            writer.write(b"hello")
            assert await within(reader.readexactly(5)) == b"hello"
            writer.close()
            await within(writer.wait_closed())


# Twisted's own reactor, in a process of its own

TWISTED = """
import os, sys
from twisted.internet import interfaces, protocol, reactor
from zope.interface import implementer

@implementer(interfaces.IFileDescriptorReceiver)
class Talk(protocol.Protocol):
    def connectionMade(self):
        reader, writer = os.pipe()
        os.write(writer, b"of Twisted")
        self.transport.sendFileDescriptor(reader)
        self.transport.write(b"from Twisted")

    def fileDescriptorReceived(self, descriptor):
        print(os.read(descriptor, 100).decode(), flush=True)

    def dataReceived(self, data):
        print(data.decode(), flush=True)

    def connectionLost(self, reason):
        if what == "connect":
            reactor.stop()

what, path = sys.argv[1:]
if what == "listen":
    reactor.listenUNIX(path, protocol.Factory.forProtocol(Talk), wantPID=True)
    reactor.callWhenRunning(print, "ready", file=sys.stderr, flush=True)
else:
    factory = protocol.ClientFactory.forProtocol(Talk)
    factory.clientConnectionFailed = lambda connector, reason: (print(reason.type.__name__), reactor.stop())
    reactor.connectUNIX(path, factory, checkPID=True)
reactor.run()
"""


class TalksToTwisted(Receiver):
    def connectionMade(self) -> None:
        super().connectionMade()
        reader, writer = os.pipe()
        os.write(writer, b"of ours")
        self.transport.sendFileDescriptor(reader)
        self.transport.write(b"from ours")
        os.close(reader)
        os.close(writer)


async def talked(protocol: Any, twisted: Program) -> None:
    await until(lambda: protocol.received == b"from Twisted")
    (descriptor,) = protocol.descriptors
    assert os.read(descriptor, 100) == b"of Twisted"
    protocol.close()
    assert [await twisted.line(), await twisted.line()] == [b"of ours\n", b"from ours\n"]


@needs_twisted
async def test_twisted_finds_our_lock_and_exchanges_descriptors_with_us() -> None:
    factory = Listening(TalksToTwisted)
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            reactor.listenUNIX(path, factory, wantPID=True)
            async with running(sys.executable, "-c", TWISTED, "connect", path) as program:
                await until(lambda: factory.protocols)
                await talked(factory.protocols[0], program)
                factory.protocols[0].transport.loseConnection()
                assert await program.ended() == (0, b"", b"")
        async with running(sys.executable, "-c", TWISTED, "connect", path) as program:
            assert (await program.ended()).printed == b"BadFileError\n"


@needs_twisted
async def test_we_find_twisteds_lock_and_take_over_once_it_has_died() -> None:
    factory = Connecting(TalksToTwisted)
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            listening = running(sys.executable, "-c", TWISTED, "listen", path, ready=[b"ready\n"])
            async with listening as program:
                reactor.connectUNIX(path, factory, checkPID=True)
                await until(lambda: factory.protocols)
                await talked(factory.protocols[0], program)
            # Which has killed it.
            assert os.path.lexists(path) and os.path.lexists(f"{path}.lock")
            port = reactor.listenUNIX(path, Listening(Echo), wantPID=True)
            reader, writer = await within(asyncio.open_unix_connection(path))
            writer.write(b"hello")
            assert await within(reader.readexactly(5)) == b"hello"
            writer.close()
            await within(writer.wait_closed())
            await within(port.stopListening())
        assert os.listdir(os.path.dirname(path)) == []
    assert isinstance(factory.reasons[0].value, ConnectionDone)
