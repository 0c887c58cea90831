"""What the tests of descriptions share: who listens or connects as described, and files that they name."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from tests.support import until, within
from tests.transport.recorders import Connecting, Echo, Listening, Recorder
from tests.transport.unix_sockets import fired
from twisted_compat.endpoints import clientFromString, serverFromString

__all__ = [
    "HERE",
    "backlog",
    "connected",
    "dh_parameters",
    "directory_of",
    "echoed",
    "listening",
    "plain_tls",
    "spoken",
    "write_pem",
]

HERE = "127.0.0.1"


@contextlib.asynccontextmanager
async def listening(reactor: Any, description: str | bytes, protocol: Any = Echo) -> AsyncIterator[Any]:
    """A port that echoes, at what this describes, until the block ends."""
    port = await fired(serverFromString(reactor, description).listen(Listening(protocol)))
    try:
        yield port
    finally:
        await fired(port.stopListening())


async def connected(reactor: Any, description: str | bytes, protocol: Any = Recorder) -> Any:
    """The protocol that has been connected to what this describes."""
    made = await fired(clientFromString(reactor, description).connect(Connecting(protocol)))
    assert made.made == 1
    # Twisted's own TLS has another name for it.
    name = "wrappedProtocol" if hasattr(made.transport, "wrappedProtocol") else "protocol"
    assert made.reasons or getattr(made.transport, name) is made
    return made


async def spoken(protocol: Any, data: bytes = b"hello") -> None:
    """Send this to one that echoes, hear it back, and part."""
    protocol.transport.write(data)
    await until(lambda: protocol.received == data or protocol.reasons)
    assert protocol.received == data, protocol.reasons
    protocol.transport.loseConnection()
    await until(lambda: protocol.reasons)


async def echoed(address: Any, context: ssl.SSLContext | None = None, name: str | None = None) -> Any:
    """Say something to a server that echoes, as asyncio's own streams do.

    :param address: ``(host, port)``, or a path.
    :param context: for TLS; ``name`` is the server's then.
    :returns: asyncio's transport, closed by now, that still knows about its TLS.
    """
    options: dict[str, Any] = {} if context is None else {"ssl": context, "server_hostname": name or ""}
    if isinstance(address, (str, bytes)):
        reader, writer = await within(asyncio.open_unix_connection(address, **options))
    else:
        reader, writer = await within(asyncio.open_connection(*address, **options))
    try:
        writer.write(b"hello")
        assert await within(reader.readexactly(5)) == b"hello"
        return writer.transport
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await within(writer.wait_closed())


@contextlib.asynccontextmanager
async def plain_tls(context: ssl.SSLContext, path: str | None = None) -> AsyncIterator[tuple[int, list[Any]]]:
    """asyncio's own server that echoes over TLS.

    :param path: where it listens; None for a TCP port.
    :returns: its port, and what each client that finished its handshake showed (``getpeercert()``).
    """
    shown: list[Any] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        shown.append(writer.get_extra_info("peercert"))
        with contextlib.suppress(OSError):
            while data := await reader.read(1000):
                writer.write(data)
        writer.close()

    if path is None:
        server = await asyncio.start_server(serve, HERE, 0, ssl=context)
        number = server.sockets[0].getsockname()[1]
    else:
        server, number = await asyncio.start_unix_server(serve, path, ssl=context), 0
    try:
        yield number, shown
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def backlog(port: Any) -> int | None:
    """How many connections wait at most at a TCP port, as Linux tells it (tcp_info of one that listens); None
    elsewhere."""
    if sys.platform != "linux":
        return None
    with socket.socket(fileno=os.dup(port.fileno())) as skt:
        return int(struct.unpack_from("I", skt.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 28)[0])


# Files


def directory_of(directory: Path, paths: Iterable[str]) -> str:
    """A new directory with copies of these files."""
    directory.mkdir()
    for path in paths:
        shutil.copy(path, directory)
    return str(directory)


def write_pem(path: Path, *blobs: Any) -> Path:
    """These, of trustme's, one after the other in a file."""
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return path


def dh_parameters(path: Path) -> str:
    """A file with the group ffdhe2048, whose prime RFC 7919 makes out of the number e."""
    e, term = 0, 1 << 2100
    for number in range(1, 400):
        e += term
        term //= number
    prime = 2**2048 - 2**1984 + ((e >> 2100 - 1918) + 560316) * 2**64 - 1
    numbers = b"\x02\x82\x01\x01\0" + prime.to_bytes(256, "big"), b"\x02\x01\x02"
    text = base64.encodebytes(b"\x30\x82\x01\x08" + b"".join(numbers))
    path.write_bytes(b"-----BEGIN DH PARAMETERS-----\n" + text + b"-----END DH PARAMETERS-----\n")
    return str(path)
