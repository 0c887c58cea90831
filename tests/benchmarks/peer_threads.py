"""Servers in a thread of the tests' own process, for clients to meet one that misbehaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from benchmarks.processes import HOST


@contextmanager
def answered(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """The port of a server that sends back what ``answer`` makes of each datagram, or nothing for None; while
    the block runs."""

    def serve() -> None:
        datagram, address = port.recvfrom(65536)
        while address != ender.getsockname():
            if (reply := answer(datagram)) is not None:
                port.sendto(reply, address)
            datagram, address = port.recvfrom(65536)

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender,
    ):
        port.bind((HOST, 0))
        ender.bind((HOST, 0))
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port.getsockname()[1]
        finally:
            ender.sendto(b"", port.getsockname())
            thread.join()


@contextmanager
def served(behave: Callable[..., object], count: int = 1) -> Iterator[int]:
    """The port of a server that accepts so many connections, calls ``behave`` with all of them, and then
    closes them; while the block runs."""

    def serve() -> None:
        with ExitStack() as stack, suppress(ConnectionError):
            behave(*[stack.enter_context(listener.accept()[0]) for _ in range(count)])

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()
