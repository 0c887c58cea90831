"""The peers: one echo server for each name.

``python -m benchmarks.servers NAME`` prints its port and serves until it is terminated. ``__main__`` starts
one process of this module for each measurement; ``load`` is what connects to it. A library is imported only
by the server that needs it, so that no peer pays for another's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

__all__ = ["PEERS", "Peer", "new_loop", "pin"]

HOST = "127.0.0.1"
BACKLOG = 1024


@dataclass(frozen=True)
class Peer:
    """One server to measure.

    :ivar serve: serves until the process is terminated; announces its port first.
    :ivar needs: the libraries that it can't do without.
    :ivar epoll: whether it needs Linux's epoll.
    """

    serve: Callable[[], None]
    needs: tuple[str, ...] = ()
    epoll: bool = False

    def missing(self) -> str | None:
        """What this machine lacks to run the peer, or None."""
        absent = [name for name in self.needs if find_spec(name) is None]
        if self.epoll and not hasattr(select, "epoll"):
            absent.append("epoll")
        return " and ".join(absent) or None


def pin(core: int | None) -> None:
    """Keep this process on one core; without a core, or on a system that can't, do nothing."""
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {core})


def _announce(port: int) -> None:
    print(port, flush=True)


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A loop of a kind: "asyncio" or "uvloop"."""
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _serve_ours(kind: str) -> None:
    """This package, embedded the way an asyncio application would do it."""
    from twisted_compat import AsyncioReactor
    from twisted_compat.protocol import Factory, Protocol

    class Echo(Protocol):
        def dataReceived(self, data: bytes) -> None:
            assert self.transport is not None
            self.transport.write(data)

    async def main() -> None:
        async with AsyncioReactor() as reactor:
            port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=BACKLOG, interface=HOST)
            _announce(port.getHost().port)
            await reactor.stopped()

    new_loop(kind).run_until_complete(main())


def _serve_twisted() -> None:
    """Twisted, on whichever reactor is installed by now."""
    # Twisted's types say neither that the module is the reactor nor which factories listen.
    from twisted.internet import reactor as installed
    from twisted.internet.protocol import Factory, Protocol

    reactor: Any = installed

    class Echo(Protocol):
        def dataReceived(self, data: bytes) -> None:
            assert self.transport is not None
            self.transport.write(data)

    port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=BACKLOG, interface=HOST)
    _announce(port.getHost().port)
    reactor.run()


def _serve_twisted_epoll() -> None:
    from twisted.internet import epollreactor

    epollreactor.install()  # type: ignore[no-untyped-call]
    _serve_twisted()


def _serve_twisted_asyncio(kind: str) -> None:
    from twisted.internet import asyncioreactor

    asyncioreactor.install(new_loop(kind))  # type: ignore[no-untyped-call]
    _serve_twisted()


def _serve_protocol(kind: str) -> None:
    """The loop's own transports."""

    class Echo(asyncio.Protocol):
        transport: asyncio.Transport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport  # type: ignore[assignment]

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    loop = new_loop(kind)
    server = loop.run_until_complete(loop.create_server(Echo, HOST, 0, backlog=BACKLOG))
    _announce(server.sockets[0].getsockname()[1])
    loop.run_forever()


def _serve_raw_epoll() -> None:
    """The least that a server in Python can do: no protocol, no buffer, no errors to speak of."""
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    _announce(listener.getsockname()[1])
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    accepting = listener.fileno()
    connections: dict[int, socket.socket] = {}
    while True:
        for fd, _event in poller.poll():
            if fd == accepting:
                connection, _address = listener.accept()
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = connections[fd]
            data = connection.recv(65536)
            if data:
                connection.send(data)  # a blocking socket: the kernel takes all of it
            else:
                del connections[fd]
                connection.close()  # which takes it out of the poller too


PEERS: dict[str, Peer] = {
    "ours-asyncio": Peer(lambda: _serve_ours("asyncio")),
    "ours-uvloop": Peer(lambda: _serve_ours("uvloop"), ("uvloop",)),
    "twisted-epoll": Peer(_serve_twisted_epoll, ("twisted",), epoll=True),
    "twisted-asyncio": Peer(lambda: _serve_twisted_asyncio("asyncio"), ("twisted",)),
    "twisted-uvloop": Peer(lambda: _serve_twisted_asyncio("uvloop"), ("twisted", "uvloop")),
    "protocol-asyncio": Peer(lambda: _serve_protocol("asyncio")),
    "protocol-uvloop": Peer(lambda: _serve_protocol("uvloop"), ("uvloop",)),
    "raw-epoll": Peer(_serve_raw_epoll, epoll=True),
}


def main() -> None:
    """Serve as the peer that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description="Run one echo server.")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--core", type=int, help="the core to stay on")
    parser.add_argument("--lifetime", type=int, default=0, help="seconds to live at most (0: no limit)")
    options = parser.parse_args()
    pin(options.core)
    # Where whoever started this was killed and can't end it, the kernel will.
    signal.alarm(options.lifetime)
    PEERS[options.name].serve()


if __name__ == "__main__":
    main()
