"""How long a server takes to start: ``python -m benchmarks.work.startup PEER --what KIND``.

Each time a fresh interpreter is given a few lines of Python: to import what a server needs, or the shortest
program that serves echoes. It is given those as text, since a module of this package would bring along what
the package has imported, which is nothing that a server needs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from ..clients.sockets import connect
from ..model import Peer, Sample
from .command import run

__all__ = ["KINDS", "import_lines", "measure", "serve_lines"]

# What a server needs

_LOOPS = {"asyncio": "import asyncio", "uvloop": "import asyncio, uvloop", "epoll": ""}
_OURS = """
from twisted_compat import AsyncioReactor, protocol
from twisted_compat.protocols import basic
"""
_OURS_TWISTED = """
from twisted_compat.bridge.twisted import install
from twisted.internet import protocol
from twisted.protocols import basic
"""
_EPOLL_REACTOR = """
from twisted.internet import epollreactor
epollreactor.install()
"""
_ASYNCIO_REACTOR = """
from twisted.internet import asyncioreactor
asyncioreactor.install({loop}.new_event_loop())
"""
_TWISTED = """
from twisted.internet import protocol, reactor
from twisted.protocols import basic
"""


def import_lines(peer: Peer) -> str:
    """Imports what a server needs: the loop or reactor, protocols, and lines where the library has them."""
    lines = _LOOPS[peer.loop]
    if peer.kind == "ours":
        lines += _OURS
    elif peer.kind == "ours-twisted":
        lines += _OURS_TWISTED
    elif peer.kind == "twisted":
        lines += _EPOLL_REACTOR if peer.loop == "epoll" else _ASYNCIO_REACTOR.format(loop=peer.loop)
        lines += _TWISTED
    return lines


# Servers

_PROTOCOL = """
class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)
"""
_LISTEN = 'reactor.listenTCP(0, protocol.Factory.forProtocol(Echo), interface="127.0.0.1")'
_SERVE_ECHOES = f"port = {_LISTEN}; print(port.getHost().port, flush=True); await reactor.stopped()"

_SERVE = {
    "ours": f"""
{_PROTOCOL}
async def main():
    async with AsyncioReactor() as reactor:
        {_SERVE_ECHOES}
""",
    "ours-twisted": f"""
{_PROTOCOL}
async def main():
    async with install() as reactor:
        {_SERVE_ECHOES}
""",
    "twisted": f"""
{_PROTOCOL}
print({_LISTEN}.getHost().port, flush=True)
reactor.run()
""",
    "protocol": """
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)

async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
""",
    "streams": """
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
""",
}
LIFETIME = 60  # seconds: a server outlives this process by no more


def serve_lines(peer: Peer) -> str:
    """Serves echoes, and prints its port first."""
    run_main = "" if peer.kind == "twisted" else f"{peer.loop}.new_event_loop().run_until_complete(main())"
    alarm = f"import signal\nsignal.alarm({LIFETIME})"
    return f"{alarm}\n{import_lines(peer)}\n{_SERVE[peer.kind]}\n{run_main}"


# Measuring


def time_import(peer: Peer) -> float:
    """Seconds that a fresh interpreter takes for its imports, by its own clock."""
    lines = (
        f"import time\nstart = time.perf_counter()\n{import_lines(peer)}\nprint(time.perf_counter() - start)"
    )
    done = subprocess.run([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def time_serve(peer: Peer) -> float:
    """Seconds until a server, which is not running yet, has answered its first client."""
    start = time.perf_counter()
    command = [sys.executable, "-c", serve_lines(peer)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            with connect(int(port)) as connection:
                connection.send(b"?")
                if connection.recv(1) != b"?":
                    raise ConnectionError("The server sent back something other than what it was sent.")
            return time.perf_counter() - start
        finally:
            process.terminate()


KINDS: dict[str, Callable[[Peer], float]] = {"import": time_import, "serve": time_serve}


def measure(peer: Peer, what: str, seconds: float) -> Sample:
    """The median of the seconds that one of KINDS takes, again and again until the time is up.

    The first time doesn't count if there is another: it has read from the disk what now is in memory.
    """
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        times.append(KINDS[what](peer))
    return Sample(value=median(times[1:] or times))


if __name__ == "__main__":
    run("startup", "Start a server, or import what it needs.", KINDS, measure)
