"""What the tests of datagram ports share: protocols that write down what they hear, plain sockets as their
peers, and both vocabularies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import TWISTED_IS_INSTALLED, until, within
from twisted_compat import AsyncioReactor, address, error, interfaces
from twisted_compat.protocol import ConnectedDatagramProtocol, DatagramProtocol

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")
families = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


class Noting:
    """Writes down what it is told, in the order of it; ``hooks`` say what else is to be done then.

    :ivar received: the datagrams, each with its sender (None where it isn't told).
    :ivar events: the rest: "start", "stop", "refused", "failed".
    """

    transport: Any

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        self.received: list[tuple[bytes, Any]] = []
        self.events: list[str] = []
        self.failures: list[Any] = []
        self.hooks = hooks

    @property
    def data(self) -> list[bytes]:
        """What it has received, without the senders."""
        return [data for data, _ in self.received]

    def has(self, data: bytes) -> bool:
        """Whether it has received that."""
        return data in self.data

    def refused(self, times: int) -> bool:
        """Whether it has been told so often that nobody is there."""
        return self.events.count("refused") == times

    def stopped(self, times: int) -> bool:
        """Whether it has been stopped so often."""
        return self.events.count("stop") == times

    def _happened(self, event: str, *more: Any) -> None:
        if event in self.hooks:
            self.hooks[event](self, *more)

    def startProtocol(self) -> None:
        self.events.append("start")
        self._happened("start")

    def stopProtocol(self) -> None:
        self.events.append("stop")
        self._happened("stop")

    def datagramReceived(self, datagram: bytes, addr: Any = None) -> None:
        self.received.append((datagram, addr))
        self._happened("datagram", datagram, addr)

    def connectionRefused(self) -> None:
        self.events.append("refused")
        self._happened("refused")

    def connectionFailed(self, failure: Any) -> None:
        self.events.append("failed")
        self.failures.append(failure)
        self._happened("failed", failure)


class Notes(Noting, DatagramProtocol):
    """The usual one."""


class ConnectedNotes(Noting, ConnectedDatagramProtocol):
    """For ports that know one peer only."""


class Words(NamedTuple):
    """A reactor, and the words that it and its protocols speak."""

    reactor: Callable[..., Any]
    notes: Callable[..., Any]
    connected_notes: Callable[..., Any]
    address: Any
    error: Any
    interfaces: Any


def native() -> Words:
    return Words(AsyncioReactor, Notes, ConnectedNotes, address, error, interfaces)


def twisted() -> Words:
    import twisted.internet.address
    import twisted.internet.error
    import twisted.internet.interfaces
    from twisted.internet import protocol

    from twisted_compat.bridge.twisted import TwistedReactor

    return Words(
        TwistedReactor,
        type("Notes", (Noting, protocol.DatagramProtocol), {}),
        type("ConnectedNotes", (Noting, protocol.ConnectedDatagramProtocol), {}),
        twisted.internet.address,
        twisted.internet.error,
        twisted.internet.interfaces,
    )


in_both_words = pytest.mark.parametrize(
    "speaking",
    [
        pytest.param(native, id="native"),
        pytest.param(
            twisted,
            id="twisted",
            marks=pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed"),
        ),
    ],
)
"""The test is run once for each vocabulary; ``speaking()`` gives its words."""


@contextlib.contextmanager
def plain_udp(host: str = "127.0.0.1", port: int = 0) -> Iterator[socket.socket]:
    """A bound UDP socket that knows nothing of this package."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as skt:
        skt.setblocking(False)
        skt.bind((host, port))
        yield skt


@contextlib.contextmanager
def plain_unix(name: str | bytes | Path | None = None) -> Iterator[socket.socket]:
    """A UNIX datagram socket that knows nothing of this package."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as skt:
        skt.setblocking(False)
        if name is not None:
            skt.bind(os.fspath(name))
        yield skt


def abstract_name() -> str:
    """A name that no other process has."""
    return f"\0twisted_compat {os.getpid()} datagrams"


async def received(skt: socket.socket, size: int = 1 << 17) -> tuple[bytes, Any]:
    """The next datagram of a plain socket, and its sender."""

    def attempt() -> Any:
        try:
            return skt.recvfrom(size)
        except BlockingIOError:
            return None

    found: tuple[bytes, Any] = await until(attempt)
    return found


def unused_address(host: str = "127.0.0.1") -> tuple[str, int]:
    """Where nobody listened for UDP a moment ago."""
    with plain_udp(host) as skt:
        where: tuple[str, int] = skt.getsockname()[:2]
        return where


def where_of(port: Any) -> tuple[str, int]:
    """Where to send what a UDP port is to receive."""
    host = port.getHost()
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return loopback.get(host.host, host.host), host.port


def open_descriptors() -> list[str]:
    """What this process has open, by number; nothing where the system doesn't say."""
    if sys.platform != "linux":
        return []
    listed = os.listdir("/proc/self/fd")  # which has the number of the listing itself
    return sorted(f"{n}: {file}" for n in listed if (file := _file_behind(n)) and "/fd" not in file)


def _file_behind(number: str) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def nothing_left_open() -> Iterator[None]:
    """The block closes what it opens."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@contextlib.contextmanager
def errors_logged() -> Iterator[list[str]]:
    """What is logged as an error meanwhile, in this package's log or Twisted's; each with its traceback."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.exc_info, record.getMessage()
            said.append(f"{record.getMessage()}: {record.exc_info[1]!r}")

    handler = Handler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.ExitStack() as stack:
            if TWISTED_IS_INSTALLED:
                stack.enter_context(_twisteds_errors(said))
            yield said
    finally:
        logging.getLogger().removeHandler(handler)


@contextlib.contextmanager
def _twisteds_errors(said: list[str]) -> Iterator[None]:
    from twisted.logger import formatEvent, globalLogPublisher

    def observe(event: Any) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            said.append(f"{formatEvent(event)}: {failure.value!r}")

    globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]  # a function will do
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observe)  # type: ignore[arg-type]  # as above


def answer(protocol: Any, data: bytes, addr: Any) -> None:
    """For a hook: say it again, louder."""
    protocol.transport.write(data.upper(), addr)


async def heard(port: Any, notes: Notes) -> None:
    """What is sent to a UDP port arrives."""
    count = len(notes.received)
    with plain_udp() as peer:
        peer.sendto(b"hello", where_of(port))
        await until(lambda: len(notes.received) == count + 1)


class Failing:
    """Stands before a port's socket: its ``recvfrom`` or its ``send`` and ``sendto`` fail, with each of the
    given errnos in turn, before they work again."""

    def __init__(self, port: Any, *, receiving: tuple[int, ...] = (), sending: tuple[int, ...] = ()) -> None:
        self._skt = port.socket
        self.receiving, self.sending = list(receiving), list(sending)
        port.socket = self

    def recvfrom(self, *args: Any) -> Any:
        self._fail(self.receiving)
        return self._skt.recvfrom(*args)

    def send(self, *args: Any) -> Any:
        self._fail(self.sending)
        return self._skt.send(*args)

    def sendto(self, *args: Any) -> Any:
        self._fail(self.sending)
        return self._skt.sendto(*args)

    @staticmethod
    def _fail(codes: list[int]) -> None:
        if codes:
            code = codes.pop(0)
            raise OSError(code, os.strerror(code))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._skt, name)


async def turn() -> None:
    """Let the loop turn once."""
    await asyncio.sleep(0)


def leave(loop: asyncio.AbstractEventLoop, reactor: Any) -> None:
    """The end of a test that runs a loop of its own: the reactor is left, and the loop closed."""

    async def main() -> None:
        async with reactor:
            pass

    loop.run_until_complete(within(main()))
    loop.close()
