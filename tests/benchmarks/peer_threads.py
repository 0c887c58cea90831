"""A server in a thread of the tests' own process, for clients to meet one that misbehaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from benchmarks.processes import HOST


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
