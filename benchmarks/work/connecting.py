"""Connections that are made and given up again: ``python -m benchmarks.work.connecting PEER --what KIND``.

So many at a time, each by an endpoint, as Twisted and this package have them, or by asyncio's
``create_connection``. The server is a process that accepts, and does nothing else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from ..model import Peer, Sample
from ..processes import HOST, cores, limit_of
from .command import run
from .inside import Inside, LoopBatch, Step, run_inside, timed_inside

__all__ = ["KINDS", "measure"]

KINDS = {"connect-tcp": "TCP4ClientEndpoint", "connect-host": "HostnameEndpoint"}
"""What connects where there are endpoints."""
LANES = 20  # connections at a time
SIZE = 200  # connections in a batch
DELAY = 0.25  # seconds, RFC 8305: asyncio races a host's addresses if it is given this

ACCEPTING = """
import collections, signal, socket, sys
signal.alarm(int(sys.argv[1]))
listener = socket.socket(fileno=0)
accepted = collections.deque(maxlen=1000)  # the others have given up theirs before
while True:
    accepted.append(listener.accept()[0])
"""

Connect = Callable[[Callable[[], object]], object]
"""Connects once, gives that up at once, and calls what it is given when it is lost."""


@contextmanager
def accepting(seconds: float, core: int | None) -> Iterator[int]:
    """The port of a server in a process of its own, while the block runs."""
    with socket.create_server((HOST, 0), backlog=4096) as listener:
        command = [sys.executable, "-S", "-E", "-c", ACCEPTING, str(int(limit_of(seconds)) + 1)]
        with subprocess.Popen(command, stdin=listener.fileno()) as process:
            try:
                if core is not None:
                    os.sched_setaffinity(process.pid, {core})
                yield listener.getsockname()[1]
            finally:
                process.send_signal(signal.SIGKILL)


def by_endpoint(library: str, endpoint: str, inside: Inside, port: int) -> Connect:
    """Whatever has Twisted's names.

    :param library: the package that has the modules ``endpoints`` and ``protocol``.
    """
    protocols: Any = import_module(f"{library}.protocol")
    place = getattr(import_module(f"{library}.endpoints"), endpoint)(inside.reactor, HOST, port)

    class Leaving(protocols.Protocol):  # type: ignore[misc]  # whichever library's, mypy can't know
        def __init__(self, then: Callable[[], object]) -> None:
            self.connectionLost = lambda reason: then()

    def leave(protocol: Any) -> None:
        protocol.transport.abortConnection()

    def failed(failure: Any) -> None:
        failure.raiseException()

    def connect(then: Callable[[], object]) -> None:
        factory = protocols.Factory.forProtocol(partial(Leaving, then))
        place.connect(factory).addCallback(leave).addErrback(inside.guarded(failed))

    return connect


class _Leaving(asyncio.Protocol):
    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then

    def connection_lost(self, error: Exception | None) -> None:
        self.then()


def by_asyncio(endpoint: str, inside: Inside, port: int) -> Connect:
    loop = asyncio.get_running_loop()
    race: dict[str, Any] = {"happy_eyeballs_delay": DELAY} if endpoint == KINDS["connect-host"] else {}
    tasks: set[asyncio.Task[None]] = set()

    async def once(then: Callable[[], object]) -> None:
        transport, _ = await loop.create_connection(partial(_Leaving, then), HOST, port, **race)
        # As abortConnection does; else the port of each would be in use for another minute.
        linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()

    def over(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        task.result()

    def connect(then: Callable[[], object]) -> None:
        task = loop.create_task(once(then))
        tasks.add(task)
        task.add_done_callback(inside.guarded(over))

    return connect


WAYS: dict[str, Callable[[str, Inside, int], Connect]] = {
    "ours": partial(by_endpoint, "twisted_compat"),
    "twisted": partial(by_endpoint, "twisted.internet"),
    "protocol": by_asyncio,
}
"""By the kind of peer."""


def connecting(inside: Inside, connect: Connect, size: int) -> LoopBatch:
    """Connect again and again, so many at a time."""

    def batch(then: Step) -> None:
        unstarted, running = size, 0

        def start() -> None:
            nonlocal unstarted, running
            unstarted, running = unstarted - 1, running + 1
            connect(ended)

        def end() -> None:
            nonlocal running
            running -= 1
            if unstarted:
                start()
            elif not running:
                then()

        ended = inside.guarded(end)
        for _ in range(min(LANES, size)):
            start()

    return batch


def measure(peer: Peer, what: str, seconds: float, size: int = SIZE, core: int | None = None) -> Sample:
    """Connections per second.

    :param size: how many a batch has.
    :param core: where the server is to stay.
    """
    with accepting(seconds, core) as port:

        def start(inside: Inside) -> None:
            connect = WAYS[peer.kind](KINDS[what], inside, port)
            timed_inside(inside, connecting(inside, connect, size), size, seconds)

        return run_inside(peer, start)


if __name__ == "__main__":
    run("connecting", "Connect, again and again.", KINDS, partial(measure, core=cores()[1]))
