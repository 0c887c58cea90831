"""Where endpoints connect to: plain sockets on this machine that know nothing of this package. And what a
process and its reactor hold: no more than before, once an attempt is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from tests.support import DEADLINE, until, within
from tests.transport.recorders import Recorder, resetting
from tests.transport.unix_sockets import fired, full, socket_path
from twisted_compat.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint

__all__ = [
    "KINDS",
    "BareFactory",
    "Place",
    "Told",
    "a_place",
    "busy_place",
    "ended",
    "failed",
    "held",
    "outcome",
    "over",
    "reset",
]

KINDS = ("tcp4", "unix")
"""The kinds of places that what all endpoints have in common is tried at; there is ``tcp6`` as well."""
_TCP = {"tcp4": (socket.AF_INET, "127.0.0.1"), "tcp6": (socket.AF_INET6, "::1")}
_CLIENTS: dict[str, Any] = {
    "tcp4": TCP4ClientEndpoint,
    "tcp6": TCP6ClientEndpoint,
    "unix": UNIXClientEndpoint,
}


class Place:
    """Somewhere that a plain socket listens.

    :param kind: one of ``KINDS``, or tcp6.
    :param stack: closes all that it opens and accepts.
    :ivar where: what an endpoint is told: host and port, or a path.
    :ivar accepted: whom it has accepted; ``last`` is the last of them.
    """

    last: socket.socket

    def __init__(self, kind: str, stack: contextlib.ExitStack) -> None:
        self.kind = kind
        self._stack = stack
        self.accepted: list[socket.socket] = []
        self.where: tuple[Any, ...] = (stack.enter_context(socket_path()),) if kind == "unix" else ()
        self.listen()

    def listen(self, backlog: int = 50) -> None:
        """Listen, where it did before if it did; see :meth:`close`."""
        family, host = (socket.AF_UNIX, "") if self.kind == "unix" else _TCP[self.kind]
        self.listener = self._stack.enter_context(socket.socket(family))
        if self.kind == "unix":
            self.listener.bind(self.where[0])
        else:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(self.where or (host, 0))
            self.where = self.listener.getsockname()[:2]
        self.listener.listen(backlog)
        self.listener.setblocking(False)

    def close(self) -> None:
        """Nobody listens any more. The file of a UNIX socket stays, as it does."""
        self.listener.close()

    def listen_again(self, backlog: int = 50) -> None:
        """After :meth:`close`."""
        if self.kind == "unix":
            os.unlink(self.where[0])
        self.listen(backlog)

    def client(self, reactor: Any, **options: Any) -> Any:
        """An endpoint that connects to here."""
        return _CLIENTS[self.kind](reactor, *self.where, **options)

    def address(self, reactor: Any) -> Any:
        """This place in the words of a reactor."""
        words = reactor.vocabulary.address
        if self.kind == "unix":
            return words.UNIXAddress(self.where[0])
        return (words.IPv4Address if self.kind == "tcp4" else words.IPv6Address)("TCP", *self.where)

    def is_asked(self) -> bool:
        """Whether somebody has been waiting to be accepted, who is ``last`` now."""
        try:
            accepted, _ = self.listener.accept()
        except BlockingIOError:
            return False
        accepted.setblocking(False)
        self.last = self._stack.enter_context(accepted)
        self.accepted.append(accepted)
        return True

    async def accept(self) -> socket.socket:
        """Whom the next connection is from."""
        await until(self.is_asked)
        return self.last

    async def accept_at_once(self) -> socket.socket:
        """The same, as soon as the kernel has connected them, whether or not the other end knows that."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE
        while not self.is_asked():
            assert loop.time() < deadline
            await asyncio.sleep(0)
        return self.last


@contextlib.contextmanager
def a_place(kind: str) -> Iterator[Place]:
    """A :class:`Place`, until the block ends."""
    with contextlib.ExitStack() as stack:
        yield Place(kind, stack)


@contextlib.contextmanager
def busy_place(kind: str) -> Iterator[Place]:
    """A place whose queue is full: who connects to it waits for a long time."""
    with contextlib.ExitStack() as stack:
        place = Place(kind, stack)
        place.close()
        if kind == "unix":
            os.unlink(place.where[0])
            stack.enter_context(full(place.where[0]))
        else:
            place.listen(0)
            for _ in range(3):
                filler = stack.enter_context(socket.socket(place.listener.family))
                filler.setblocking(False)
                filler.connect_ex(place.where)
        yield place


async def ended(skt: socket.socket) -> bytes:
    """What a plain socket receives until the end; a reset counts as one."""
    loop, data = asyncio.get_running_loop(), b""
    while True:
        try:
            piece = await within(loop.sock_recv(skt, 1 << 16))
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def reset(skt: socket.socket) -> None:
    """Close it as no peer should."""
    resetting(skt).close()


# What is held


def held(*reactors: Any) -> tuple[int, ...]:
    """How many descriptors the process has; and of each reactor, how many calls are to come, and how many
    descriptors it reads and writes."""
    counts = [len(os.listdir("/dev/fd"))]
    for reactor in reactors:
        counts += [len(reactor.getDelayedCalls()), len(reactor.getReaders()), len(reactor.getWriters())]
    return tuple(counts)


async def over(before: tuple[int, ...], *reactors: Any) -> None:
    """Wait until no more is held than before."""
    try:
        await until(lambda: held(*reactors) == before)
    except AssertionError:
        assert held(*reactors) == before
        raise


# Who is told


class Told(Recorder):
    """Remembers in which order it hears of things."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []

    def connectionMade(self) -> None:
        self.order.append("made")
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        self.order.append("data")
        super().dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.order.append("lost")
        super().connectionLost(reason)


class BareFactory:
    """Has what an IProtocolFactory has to have."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.calls: list[str] = []

    def doStart(self) -> None:
        self.calls.append("start")

    def doStop(self) -> None:
        self.calls.append("stop")

    def buildProtocol(self, addr: Any) -> Any:
        self.calls.append("build")
        return self.protocol


# How an attempt ends


async def failed(deferred: Any, error: Any) -> Any:
    """The exception, of this class, that a Deferred fails with."""
    try:
        result = await fired(deferred)
    except error as exc:
        return exc
    raise AssertionError(f"it came to {result!r}")


def outcome(deferred: Any) -> list[Any]:
    """A list that will have what the Deferred comes to, as soon as it does."""
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found
