"""UNIX datagrams with programs that know nothing of this package: systemd-notify(1), logger(1), socat(1)."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import TWISTED_IS_INSTALLED, until
from tests.transport.plain_datagrams import Notes
from tests.transport.programs import as_user, need, ran, socat
from tests.transport.unix_sockets import both_kinds, linux_only, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionRefusedError
from twisted_compat.protocol import ConnectedDatagramProtocol

pytestmark = pytest.mark.without_debug

NOBODY = 65534
as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may become another user"
)


@pytest.fixture(params=["file", pytest.param("abstract", marks=linux_only)])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """What a port is given: a path, or a name that is in no directory."""
    with socket_path() as path:
        yield path if request.param == "file" else f"\0{path}"


def other(place: str) -> str:
    """Another place of that kind."""
    return f"{place}-other"


def named(how: str, place: str) -> str:
    """What socat is told, such as UNIX-SENDTO or ABSTRACT-SENDTO."""
    return f"ABSTRACT-{how}:{place[1:]}" if place[0] == "\0" else f"UNIX-{how}:{place}"


def as_told(place: str) -> str | bytes:
    """How a protocol is told of a sender there: as Python's sockets do it."""
    return place.encode() if place[0] == "\0" else place


class ConnectedNotes(ConnectedDatagramProtocol):
    """Says something at once; writes down what it hears."""

    def __init__(self, *words: bytes) -> None:
        self.words = words
        self.received: list[bytes] = []
        self.refused = 0
        self.failures: list[Any] = []

    def startProtocol(self) -> None:
        for word in self.words:
            self.transport.write(word)

    def datagramReceived(  # type: ignore[override]  # there is one sender only: see the class
        self, datagram: bytes
    ) -> None:
        self.received.append(datagram)

    def connectionRefused(self) -> None:
        self.refused += 1

    def connectionFailed(self, failure: Any) -> None:
        self.failures.append(failure)


# systemd's protocol between services and their manager, sd_notify(3)


def of_notify_socket(variable: str) -> str:
    """The place that $NOTIFY_SOCKET names: in it an abstract name begins with "@"."""
    return f"\0{variable[1:]}" if variable.startswith("@") else variable


def as_notify_socket(place: str) -> str:
    """What the manager puts into $NOTIFY_SOCKET."""
    return place.replace("\0", "@")


@linux_only
@both_kinds
async def test_a_service_tells_its_manager_that_it_is_ready(
    place: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", as_notify_socket(place))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(place)
        manager.setblocking(False)
        service = ConnectedNotes(b"READY=1", b"STATUS=serving")
        async with make_reactor(kind) as reactor:
            port = reactor.connectUNIXDatagram(of_notify_socket(os.environ["NOTIFY_SOCKET"]), service)
            port.write(b"STOPPING=1")
        heard = [manager.recvmsg(100, 100) for _ in range(3)]
    assert [data for data, *_ in heard] == [b"READY=1", b"STATUS=serving", b"STOPPING=1"]
    for _, [(_, kind_of_message, credentials)], *_ in heard:  # the manager looks who it was
        assert kind_of_message == socket.SCM_CREDENTIALS
        assert credentials[:4] == os.getpid().to_bytes(4, "little")
    assert (service.refused, service.failures) == (0, [])


@linux_only
@both_kinds
async def test_a_manager_hears_systemd_notify(place: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which at last sends a descriptor, and waits until the manager has closed it."""
    monkeypatch.setenv("NOTIFY_SOCKET", as_notify_socket(place))
    manager = Notes()
    async with make_reactor(kind) as reactor:
        reactor.listenUNIXDatagram(place, manager)
        ended = await ran("systemd-notify", "--ready", "--status=a word", "WATCHDOG=1")
        assert ended == (0, b"", b"")
    first, *more = [datagram.splitlines() for datagram in manager.received]
    assert {b"READY=1", b"STATUS=a word", b"WATCHDOG=1"} <= set(first)
    assert more in ([], [[b"BARRIER=1"]])  # the latter since systemd 246


# syslog


@linux_only
@both_kinds
async def test_logger_finds_us_at_its_socket(kind: str) -> None:
    """As it finds /dev/log (RFC 3164)."""
    log = Notes()
    with socket_path() as path:
        async with make_reactor(kind) as reactor:
            reactor.listenUNIXDatagram(path, log)
            for text in ("the first line", "the second, of many words: é"):
                ended = await ran("logger", "--socket", path, "--priority", "mail.err", "--tag", "us", text)
                assert ended == (0, b"", b"")
            await log.has(2)
    assert all(each.startswith(b"<19>") for each in log.received)  # mail is 2, an error 3
    assert [each.rpartition(b"us: ")[2].decode() for each in log.received] == [
        "the first line",
        "the second, of many words: é",
    ]


async def test_the_standard_librarys_handler_finds_us() -> None:
    log, count = Notes(), 200
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            reactor.listenUNIXDatagram(path, log)

            def tell() -> None:  # waits where our queue is full
                handler = logging.handlers.SysLogHandler(address=path)
                for number in range(count):
                    text = f"number {number}"
                    handler.handle(logging.LogRecord("us", logging.WARNING, "", 0, text, None, None))
                handler.close()

            await asyncio.to_thread(tell)
            await log.has(count)
    assert log.received == [b"<12>number %d\0" % number for number in range(count)]


# socat


@both_kinds
async def test_socat_is_answered(place: str, kind: str) -> None:
    protocol = Notes()
    protocol.answers = True
    async with make_reactor(kind) as reactor:
        port = reactor.listenUNIXDatagram(place, protocol)
        assert port.getHost().name == place.encode()
        async with socat("STDIO", f"{named('SENDTO', place)},bind={other(place).lstrip(chr(0))}") as program:
            for line in (b"one\n", b"two\n", b"x" * 8000 + b"\n"):
                await program.takes(line)
                assert await program.line() == line.upper()
    assert set(protocol.senders) == {as_told(other(place))}


async def test_who_has_no_name_is_heard_and_can_not_be_answered(place: str) -> None:
    protocol = Notes()
    async with AsyncioReactor() as reactor:
        reactor.listenUNIXDatagram(place, protocol)
        async with socat("STDIO", named("SENDTO", place)) as program:
            await program.takes(b"guess who")
            await protocol.has(1)
    assert (protocol.received, protocol.senders) == ([b"guess who"], [None])


@both_kinds
async def test_socat_answers_a_port_that_has_a_name(place: str, kind: str) -> None:
    protocol = Notes()
    async with make_reactor(kind) as reactor, socat(f"{named('RECVFROM', place)},fork", "EXEC:cat"):
        port = reactor.listenUNIXDatagram(other(place), protocol)
        for count in range(3):
            port.write(b"%d" % count, place)
            await protocol.has(count + 1)
    assert protocol.received == [b"0", b"1", b"2"]
    assert set(protocol.senders) == {as_told(place)}


@both_kinds
async def test_socat_answers_a_port_that_is_connected_to_it(place: str, kind: str) -> None:
    protocol = ConnectedNotes(b"hello")
    async with make_reactor(kind) as reactor, socat(f"{named('RECVFROM', place)},fork", "EXEC:cat"):
        port = reactor.connectUNIXDatagram(place, protocol, bindAddress=other(place))
        await until(lambda: protocol.received == [b"hello"])
        port.write(b"again")
        await until(lambda: protocol.received == [b"hello", b"again"])
    assert (protocol.refused, protocol.failures) == (0, [])


async def test_a_long_datagram_reaches_socat_whole() -> None:
    protocol, data = Notes(), bytes(range(256)) * 400
    with socket_path() as path:
        async with AsyncioReactor() as reactor:
            echo = socat("-b", str(len(data)), f"UNIX-RECVFROM:{path},fork", "EXEC:cat")
            async with echo:
                port = reactor.listenUNIXDatagram(other(path), protocol, maxPacketSize=len(data))
                port.write(data, path)
                await until(lambda: sum(map(len, protocol.received)) == len(data))
    assert b"".join(protocol.received) == data


async def test_when_socat_has_gone_it_refuses(place: str) -> None:
    protocol = ConnectedNotes(b"hello")
    async with AsyncioReactor() as reactor:
        async with socat(f"{named('RECVFROM', place)},fork", "EXEC:cat"):
            port = reactor.connectUNIXDatagram(place, protocol, bindAddress=other(place))
            await until(lambda: protocol.received == [b"hello"])
        port.write(b"are you there?")
        assert protocol.refused == 0, "not inside write()"
        await until(lambda: protocol.refused)
        assert port.datagrams_dropped == 1
        late = ConnectedNotes(b"anybody?")
        reactor.connectUNIXDatagram(place, late)
        await until(lambda: late.failures)
    assert isinstance(late.failures[0].value, ConnectionRefusedError)


# Who may send


@as_root
@pytest.mark.parametrize("mode", [0o666, 0o622, 0o600], ids=oct)
async def test_another_user_may_send_if_the_mode_says_so(mode: int) -> None:
    need("socat")
    protocol = Notes()
    with socket_path() as path:
        os.chmod(os.path.dirname(path), 0o755)
        async with AsyncioReactor() as reactor:
            reactor.listenUNIXDatagram(path, protocol, mode=mode)
            command = as_user(NOBODY, "socat", "-u", "STDIN", f"UNIX-SENDTO:{path}")
            ended = await ran(*command, stdin=b"hello")
            if mode & 0o002:
                await protocol.has(1)
                assert ended == (0, b"", b"")
            else:
                assert ended.code == 1 and b"Permission denied" in ended.complaints
    assert protocol.received == ([b"hello"] if mode & 0o002 else [])


# Twisted's own protocols


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")
async def test_twisteds_protocols_talk_to_each_other_and_to_socat(place: str) -> None:
    from twisted.internet import protocol
    from twisted.internet.address import UNIXAddress

    from tests.bridge.twisted.ecosystem.reactors import embedded

    class Capitals(protocol.DatagramProtocol):
        noisy = False
        transport: Any

        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            self.transport.write(datagram.upper(), addr)

    class Asking(protocol.ConnectedDatagramProtocol):
        noisy = False
        transport: Any
        heard: list[bytes]

        def startProtocol(self) -> None:
            self.heard = []
            self.transport.write(b"a question")

        def datagramReceived(self, datagram: bytes) -> None:  # type: ignore[override]  # there is one peer only
            self.heard.append(datagram)

    asking = Asking()
    async with embedded() as reactor:
        port = reactor.listenUNIXDatagram(place, Capitals())
        assert port.getHost() == UNIXAddress(place.encode())
        reactor.connectUNIXDatagram(place, asking, bindAddress=other(place))
        await until(lambda: asking.heard)
        third = f"{place}-third"
        async with socat("STDIO", f"{named('SENDTO', place)},bind={third.lstrip(chr(0))}") as program:
            await program.takes(b"words\n")
            assert await program.line() == b"WORDS\n"
    assert asking.heard == [b"A QUESTION"]
