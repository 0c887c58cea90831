"""What an idle connection takes of a server's memory: ``python -m benchmarks.work.memory PEER``.

The server is in this process, the clients are in another (``idle_clients``). Some connect first, so that what
a server has once, however many connect, is there already; then come those that count. Only memory that is the
process's own is looked at: what the kernel needs for a connection is the same for all.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ..model import Peer, Sample
from ..processes import HOST
from ..servers import BACKLOG
from .command import run
from .inside import Inside, run_inside

__all__ = ["COUNT", "Connections", "measure", "own_memory"]

COUNT = 4000
"""How many connections are measured."""
SHORT_COUNT = 200  # of a measurement that is to be over at once
GROUP = 500  # of clients that connect at a time
SETTLE = 0.05  # seconds for the last of them to become idle
OTHER_FILES = 100  # that a process has open, at the most
PR_SET_THP_DISABLE = 41  # prctl(2)


def own_memory() -> int:
    """Bytes of memory that are this process's own, without garbage (proc(5), ``smaps_rollup``, Anonymous).

    What ``status`` says may be some hundred pages off, and which of the files that are mapped count as
    private depends on who else runs.
    """
    gc.collect()
    with open("/proc/self/smaps_rollup", encoding="ascii", errors="replace") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Anonymous:"))


def _small_pages_only() -> None:
    """Take memory by pages of the usual size: of huge ones, a few thousand connections need two or three."""
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)  # where it can't be had, the figures are coarser


class Connections:
    """Counts the connections that are open, and says when they are as many as somebody waits for.

    :param later: has something called in so many seconds.
    """

    def __init__(self, later: Callable[..., Any]) -> None:
        self._later = later
        self._open = 0
        self._awaited = -1
        self._then: Callable[[], object] = int

    def made(self) -> None:
        """One more is there."""
        self._open += 1
        self._look()

    def lost(self) -> None:
        """One is gone."""
        self._open -= 1
        self._look()

    def wait_for(self, count: int, then: Callable[[], object]) -> None:
        """Call ``then`` as soon as so many are open, and have had a moment to become idle."""
        self._awaited, self._then = count, then
        self._look()

    def _look(self) -> None:
        if self._open == self._awaited:
            self._awaited = -1
            self._later(SETTLE, self._then)


# Servers: each returns its port, and what closes that

Listening = tuple[int, Callable[[], object]]


def _on_reactor(inside: Inside, connections: Connections, protocol: Any) -> Listening:
    class Idle(protocol.Protocol):  # type: ignore[misc]  # whichever library's it is, mypy can't know
        def connectionMade(self) -> None:
            connections.made()

        def connectionLost(self, reason: Any) -> None:
            connections.lost()

    factory = protocol.Factory.forProtocol(Idle)
    port = inside.reactor.listenTCP(0, factory, backlog=BACKLOG, interface=HOST)
    return port.getHost().port, port.stopListening


def ours(inside: Inside, connections: Connections) -> Listening:
    """A Protocol of this package."""
    from twisted_compat import protocol

    return _on_reactor(inside, connections, protocol)


def twisted(inside: Inside, connections: Connections) -> Listening:
    """A Protocol of Twisted's."""
    from twisted.internet import protocol

    return _on_reactor(inside, connections, protocol)


def _listener() -> socket.socket:
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def asyncio_protocol(inside: Inside, connections: Connections) -> Listening:
    """A Protocol of asyncio's."""

    class Idle(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport  # as any does that is to answer one day
            connections.made()

        def connection_lost(self, reason: Exception | None) -> None:
            connections.lost()

    listener, loop = _listener(), asyncio.get_running_loop()
    serving = loop.create_task(loop.create_server(Idle, sock=listener, backlog=BACKLOG))
    return listener.getsockname()[1], lambda: serving.result().close()


def asyncio_streams(inside: Inside, connections: Connections) -> Listening:
    """A coroutine for each connection, which waits to read."""

    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.made()
        await reader.read(65536)
        writer.close()
        await writer.wait_closed()
        connections.lost()

    listener = _listener()
    start = asyncio.start_server(idle, sock=listener, backlog=BACKLOG)
    serving = asyncio.get_running_loop().create_task(start)
    return listener.getsockname()[1], lambda: serving.result().close()


def bare(inside: Inside, connections: Connections) -> Listening:
    """A socket that the loop watches, and nothing else."""
    listener, loop = _listener(), asyncio.get_running_loop()

    def readable(connection: socket.socket) -> None:  # a client that says nothing has ended
        loop.remove_reader(connection.fileno())
        connection.close()
        connections.lost()

    def accept() -> None:
        try:
            while True:
                connection, _address = listener.accept()
                connection.setblocking(False)
                loop.add_reader(connection.fileno(), readable, connection)
                connections.made()
        except BlockingIOError:
            pass  # these were all

    def close() -> None:
        loop.remove_reader(listener.fileno())
        listener.close()

    loop.add_reader(listener.fileno(), accept)
    return listener.getsockname()[1], close


LISTEN: dict[str, Callable[[Inside, Connections], Listening]] = {
    "ours": ours,
    "twisted": twisted,
    "protocol": asyncio_protocol,
    "streams": asyncio_streams,
    "bare": bare,
}


# Measuring


def _course(inside: Inside, connections: Connections, library: str, count: int) -> Iterator[int]:
    """What happens, in order; gives back how many connections are to be open before it goes on."""
    port, close = LISTEN[library](inside, connections)
    command = [sys.executable, "-m", f"{__package__}.idle_clients", str(port)]
    first = count // 4
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as clients:
        yield from _connect(clients, 0, first)
        before = own_memory()
        yield from _connect(clients, first, count)
        grown = own_memory() - before
    yield 0
    close()
    inside.later(0, lambda: inside.end(Sample(value=grown / count)))  # after the port is closed, in this turn


def _connect(clients: subprocess.Popen[str], there: int, more: int) -> Iterator[int]:
    """Have so many more connect, in groups that a listen queue can hold."""
    for done in range(0, more, GROUP):
        group = min(GROUP, more - done)
        print(group, file=clients.stdin, flush=True)
        there += group
        yield there


def measure(peer: Peer, what: str, seconds: float) -> Sample:
    """How many bytes of memory a peer needs for one more idle connection.

    :param seconds: of less than one there are few connections, and the value is not worth much.
    :raises OSError: if the system allows too few open files.
    """
    count = COUNT if seconds >= 1 else SHORT_COUNT
    needed, allowed = count + count // 4 + OTHER_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < needed:
        raise OSError(
            f"{count} connections need {needed} open files, {allowed} are allowed. Raise `ulimit -Hn`."
        )
    _small_pages_only()

    def start(inside: Inside) -> None:
        connections = Connections(inside.later)
        course = _course(inside, connections, peer.kind, count)

        def go_on() -> None:
            for awaited in course:
                connections.wait_for(awaited, step)
                return

        step = inside.guarded(go_on)
        step()

    return run_inside(peer, start)


if __name__ == "__main__":
    run("memory", "Hold idle connections, and look at the memory they take.", (), measure)
