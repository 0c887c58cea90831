"""Programs and servers that know nothing of Twisted, to talk to."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support import DEADLINE, skip_without, within

__all__ = ["BIG", "HTTPServer", "curl", "http_server"]

BIG = b"0123456789abcdef" * (1 << 18)  # 4 MiB: beyond what sockets take at once


async def curl(*arguments: str, fails: bool = False) -> bytes:
    """What curl prints.

    :param fails: whether it is to end with an error.
    """
    program = shutil.which("curl")
    if program is None:
        skip_without("curl", "apt-get install curl")

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program, "--silent", "--show-error", "--max-time", str(DEADLINE), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )

    done = await within(asyncio.to_thread(run), 2 * DEADLINE)
    assert (done.returncode != 0) == fails, (done.returncode, done.stderr)
    return done.stdout


class HTTPServer(ThreadingHTTPServer):
    """The standard library's server on a free port of 127.0.0.1, with pages to test a client with."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.peers: list[int] = []  # whose requests came, by their ports
        self.port = self.server_address[1]
        self.address = f"{'https' if context else 'http'}://localhost:{self.port}"
        if context is not None:  # the handshake is the connection's thread's, not the accepting one's
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error."""


class Pages(BaseHTTPRequestHandler):
    """``/hello``, ``/big``, ``/echo`` (what was posted), ``/moved``, ``/slow`` and ``/torn``."""

    protocol_version = "HTTP/1.1"
    server: HTTPServer

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """GET."""
        self.server.peers.append(self.client_address[1])
        if self.path == "/moved":
            self._answer(302, b"", Location="/hello")
        elif self.path == "/slow":
            time.sleep(DEADLINE)  # longer than any client of ours waits; its thread may outlive the test
        elif self.path == "/torn":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"not a thousand bytes")
            self.close_connection = True
        else:
            self._answer(200, BIG if self.path == "/big" else b"hello", **{"Set-Cookie": "a=b"})

    def do_POST(self) -> None:
        """POST."""
        self.server.peers.append(self.client_address[1])
        self._answer(200, self._posted())

    def _posted(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces = bytearray()
        while size := int(self.rfile.readline(), 16):
            pieces += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(pieces)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        headers |= {
            "Content-Length": str(len(body)),
            "Content-Type": self.headers["Content-Type"] or "text/plain",
        }
        headers["X-Cookie"] = self.headers["Cookie"] or ""
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def http_server(context: ssl.SSLContext | None = None) -> Iterator[HTTPServer]:
    """An HTTP server in a thread; with TLS if there is a context."""
    with HTTPServer(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
