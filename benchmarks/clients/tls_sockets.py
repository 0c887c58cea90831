"""TLS on the blocking sockets of ``sockets``: the standard library's, in memory, so that each receive and
send is one call of the kernel, and a client can decide what to decrypt.

All peers get the same: TLS 1.3, TLS_AES_256_GCM_SHA384, X25519, no session of before, and nobody who verifies
their certificate.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from .sockets import connections

__all__ = ["CIPHER", "Channel", "channels", "client_context"]

CIPHER = "TLS_AES_256_GCM_SHA384"
GROUP = "X25519"
AT_ONCE = 65536


def client_context() -> ssl.SSLContext:
    """What clients ask for. That cipher is what OpenSSL prefers; the group would depend on its version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve(GROUP)
    return context


class Channel:
    """TLS on a connection that has just been made.

    :ivar connection: what is below; who uses it directly has to know what state TLS is in.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.connection = connection
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def handshake(self) -> None:
        """Wait for the handshake.

        :raises ConnectionError: if it fails, or if something else than ``CIPHER`` comes of it.
        """
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLError as error:
                raise ConnectionError(f"The handshake failed: {error}") from error
        self.flush()
        cipher = self.tls.cipher()
        if cipher is None or cipher[0] != CIPHER:
            raise ConnectionError(f"The server chose {cipher} and not {CIPHER}.")

    def feed(self) -> None:
        """Wait for something encrypted, of any size.

        :raises ConnectionError: if the server closes instead.
        """
        data = self.connection.recv(AT_ONCE)
        if not data:
            raise ConnectionError("The server hung up in the middle.")
        self.incoming.write(data)

    def flush(self) -> None:
        """Send what has been encrypted."""
        self.connection.sendall(self.outgoing.read())

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.tls.write(data)
        self.flush()

    def receive(self, size: int = AT_ONCE) -> bytes:
        """Wait for something, of so many bytes at the most; b"" for the end.

        :raises ConnectionError: if the server closes without having said so before.
        """
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                self.feed()
            except ssl.SSLError as error:
                raise ConnectionError(f"The server sent something else than TLS: {error}") from error

    def receive_exactly(self, size: int) -> bytes:
        """Wait for so many bytes.

        :raises ConnectionError: if there are fewer.
        """
        received = b""
        while len(received) < size:
            more = self.receive(size - len(received))
            if not more:
                raise ConnectionError(f"The server closed the connection after {len(received)} bytes.")
            received += more
        return received


@contextmanager
def channels(port: int, count: int) -> Iterator[list[Channel]]:
    """So many connections with TLS, while the block runs; see :func:`~.sockets.connections`."""
    context = client_context()
    with connections(port, count) as sockets:
        made = [Channel(each, context) for each in sockets]
        for each in made:
            each.handshake()
        yield made
