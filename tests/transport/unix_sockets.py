"""What the tests of UNIX sockets share: either kind of reactor, places for sockets, plain peers, and
descriptors that can be told apart and followed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from zope.interface import directlyProvides

from tests.support import TWISTED_IS_INSTALLED, until, within
from tests.transport.recorders import Listening, Recorder
from twisted_compat import AsyncioReactor, as_future, interfaces

both_kinds = pytest.mark.parametrize(
    "kind",
    [
        "native",
        pytest.param(
            "twisted", marks=pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted is not installed")
        ),
    ],
)
"""Runs a test with the reactor that speaks this package's words, and with the one that speaks Twisted's."""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux has this, and nobody else")

MANY = bytes(range(256)) * 20_000  # 5 MB: more than any kernel keeps for a UNIX socket


def make_reactor(kind: str) -> Any:
    """A reactor for the running loop; an asynchronous context manager."""
    if kind == "native":
        return AsyncioReactor()
    from twisted_compat.bridge.twisted import TwistedReactor  # imports Twisted

    return TwistedReactor()


def in_both_words(name: str) -> list[Any]:
    """The interface of that name: this package's, and Twisted's if there is one."""
    found = [getattr(interfaces, name)]
    if TWISTED_IS_INSTALLED:
        from twisted.internet import interfaces as twisteds

        found.append(getattr(twisteds, name))
    return found


async def fired(deferred: Any) -> Any:
    """What a Deferred comes to, of whichever kind it is."""
    return await within(as_future(deferred))


# -- places


@contextlib.contextmanager
def socket_path() -> Iterator[str]:
    """A path for a socket, in a directory of its own; short, as paths of sockets have to be."""
    directory = tempfile.mkdtemp(prefix="unix")
    try:
        yield os.path.join(directory, "socket")
    finally:
        shutil.rmtree(directory)


def neighbours(path: str) -> list[str]:
    """What there is in the directory of ``path``."""
    return sorted(os.listdir(os.path.dirname(path)))


@contextlib.contextmanager
def listener(path: Any, backlog: int = 50, type: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    """A plain socket that is bound to ``path``, and listens if its kind can. Its file stays, as files do."""
    with socket.socket(socket.AF_UNIX, type) as skt:
        skt.bind(path)
        if type == socket.SOCK_STREAM:
            skt.listen(backlog)
        skt.setblocking(False)
        yield skt


def leave_behind(path: Any) -> None:
    """The file of a socket that nobody has open."""
    with listener(path):
        pass


@contextlib.contextmanager
def full(path: str) -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    """A plain listener whose queue has no room left, and those that wait in it."""
    with contextlib.ExitStack() as stack:
        skt = stack.enter_context(listener(path, backlog=0))
        waiting = []
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            if filler.connect_ex(path):
                break
            waiting.append(filler)
        yield skt, waiting


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@contextlib.contextmanager
def living_process() -> Iterator[int]:
    """The number of a process that does nothing as long as the block runs."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Permissions hold while the block runs: root would be above them."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def calls_counted(*names: str) -> Iterator[list[str]]:
    """The names, of these, of what is called meanwhile in this thread and is written in C, such as a socket's
    methods."""
    called: list[str] = []

    def note(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in names:
            called.append(function.__name__)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


# -- peers


@contextlib.contextmanager
def client_of(path: Any) -> Iterator[socket.socket]:
    """A plain socket that is connected to ``path``, which the kernel does without the listener's doing."""
    with socket.socket(socket.AF_UNIX) as skt:
        skt.connect(path)
        skt.setblocking(False)
        yield skt


async def send(skt: socket.socket, data: bytes) -> None:
    await within(asyncio.get_running_loop().sock_sendall(skt, data))


async def read(skt: socket.socket, size: int = 1 << 40) -> bytes:
    """Exactly ``size`` bytes, or what comes until the end of the stream."""
    data = bytearray()
    while len(data) < size:
        piece = await within(asyncio.get_running_loop().sock_recv(skt, min(size - len(data), 1 << 18)))
        if not piece:
            break
        data += piece
    return bytes(data)


async def read_with_descriptors(skt: socket.socket, size: int = 1 << 16) -> tuple[bytes, list[int]]:
    """What one ``recvmsg`` of ``size`` bytes gets, and the descriptors that came along."""

    def attempt() -> Any:
        try:
            return socket.recv_fds(skt, size, 253, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    data, descriptors, _flags, _address = await until(attempt)
    return data, descriptors


async def echoes(path: Any, message: bytes = b"hello") -> bool:
    """Whether who listens at ``path`` sends back what a new client says."""
    with client_of(path) as skt:
        await send(skt, message)
        return await read(skt, len(message)) == message


# -- descriptors to pass


class Passed:
    """A descriptor to be passed: the reading end of a pipe, which can be known again wherever it turns up.

    :ivar fd: its number, until :meth:`forget`.
    """

    def __init__(self) -> None:
        self.fd, self._writing_end = os.pipe()
        self._name = self._identity(self.fd)
        self._forgotten = False

    @staticmethod
    def _identity(fd: int) -> tuple[int, int]:
        status = os.fstat(fd)
        return status.st_dev, status.st_ino

    def is_same(self, fd: int) -> bool:
        """Whether ``fd`` is a copy."""
        return self._identity(fd) == self._name

    def forget(self) -> None:
        """Close the original: those that have been passed on are all that there is."""
        if not self._forgotten:
            self._forgotten = True
            os.close(self.fd)

    def is_gone(self) -> bool:
        """Whether no copy is left after :meth:`forget`: in no process, and under way in no socket."""
        poller = select.poll()
        poller.register(self._writing_end, 0)
        return bool(poller.poll(0))

    def close(self) -> None:
        self.forget()
        os.close(self._writing_end)


@contextlib.contextmanager
def descriptors(count: int) -> Iterator[list[Passed]]:
    """So many, each another."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Passed())) for _ in range(count)]


def which(passed: list[Passed], fd: int) -> int:
    """The index of the one that ``fd`` is a copy of."""
    [found] = [index for index, each in enumerate(passed) if each.is_same(fd)]
    return found


def all_gone(passed: list[Passed]) -> bool:
    """Whether no copy of any is left, in whatever process or socket."""
    for each in passed:
        each.forget()
    return all(each.is_gone() for each in passed)


async def read_each(peer: socket.socket, count: int) -> list[tuple[bytes, list[int]]]:
    """So many bytes, each with the descriptors that came with it."""
    return [await read_with_descriptors(peer, 1) for _ in range(count)]


def close_read(found: list[tuple[bytes, list[int]]]) -> None:
    """Close the descriptors that came."""
    for _, fds in found:
        for fd in fds:
            os.close(fd)


class Receiver(Recorder):
    """Remembers data and descriptors in the order in which they came; does what ``on_descriptor`` says."""

    on_descriptor: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[bytes | int] = []
        directlyProvides(self, *in_both_words("IFileDescriptorReceiver"))

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.arrived.append(data)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        self.arrived.append(descriptor)
        if self.on_descriptor is not None:
            self.on_descriptor(self)

    @property
    def descriptors(self) -> list[int]:
        return [each for each in self.arrived if isinstance(each, int)]

    def positions(self) -> list[int]:
        """Before which byte of the stream each descriptor came."""
        found, count = [], 0
        for each in self.arrived:
            if isinstance(each, int):
                found.append(count)
            else:
                count += len(each)
        return found

    def close(self) -> None:
        """Close the descriptors that came."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.arrived = [each for each in self.arrived if isinstance(each, bytes)]


class Halves(Recorder):
    """Is told of each half, and remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []
        directlyProvides(self, *in_both_words("IHalfCloseableProtocol"))

    def readConnectionLost(self) -> None:
        self.halves.append("read")

    def writeConnectionLost(self) -> None:
        self.halves.append("write")


@contextlib.contextmanager
def adopted(reactor: Any, protocol: Any) -> Iterator[socket.socket]:
    """Put ``protocol`` on one end of a new pair of sockets; the block has the other, plain end."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            reactor.adoptStreamConnection(
                ours.fileno(), socket.AF_UNIX, Listening(build=lambda addr: protocol)
            )
        theirs.setblocking(False)
        yield theirs


@contextlib.asynccontextmanager
async def conversing(
    build: Callable[[], Any] = Receiver, kind: str = "native"
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A protocol on a UNIX transport, and the plain socket at the other end; all is closed afterwards."""
    protocol = build()
    try:
        async with make_reactor(kind) as reactor:
            with adopted(reactor, protocol) as peer:
                yield protocol, peer
    finally:
        if isinstance(protocol, Receiver):
            protocol.close()
