"""UDP and TCP sockets as ``dns.asyncquery`` takes them, on the loop's readiness.

Unlike those of dnspython's own backend they are closed at once, whenever their task is cancelled; a UDP
socket is connected, so that the system tells when nobody listens, and drops what comes from elsewhere; and
there is one deadline for all that is done with one of them, by the loop's clock.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.inet

__all__ = ["Datagrams", "Stream"]

UNDER_WAY = (BlockingIOError, InterruptedError)


class _Ready:
    """A socket to one server, and waiting for it.

    :param loop: whose readiness is waited for; the running one.
    :param where: the server's IP address and port.
    :param kind: ``socket.SOCK_DGRAM`` or ``socket.SOCK_STREAM``.
    :param deadline: by the loop's clock.
    :raises OSError: if there can't be such a socket.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, where: tuple[str, int], kind: int, deadline: float
    ) -> None:
        self.loop = loop
        self.deadline = deadline
        self.late = False
        self.family = dns.inet.af_for_address(where[0])
        self.destination: Any = dns.inet.low_level_address_tuple(where, self.family)
        self.socket = socket.socket(self.family, kind)
        self.socket.setblocking(False)

    async def receive(self, size: int) -> bytes:
        """Wait, and read what is there. It waits even if there is something, so that a flood of messages
        leaves the loop its turns.

        :raises dns.exception.Timeout: at the deadline. But what came while it was we who had no time still
            counts, once.
        """
        while True:
            in_time = await self._wait(self.loop.add_reader, self.loop.remove_reader)
            if not in_time and self.late:
                raise dns.exception.Timeout
            self.late = not in_time
            try:
                return self.socket.recv(size)
            except UNDER_WAY:
                if not in_time:
                    raise dns.exception.Timeout from None

    async def writable(self) -> None:
        """Wait until something can be written.

        :raises dns.exception.Timeout: at the deadline.
        """
        if not await self._wait(self.loop.add_writer, self.loop.remove_writer):
            raise dns.exception.Timeout

    async def _wait(self, add: Callable[..., Any], remove: Callable[[Any], Any]) -> bool:
        """Wait until the loop calls back. False: the deadline is over, whatever else there may be."""
        if self.loop.time() >= self.deadline:
            return False
        number = self.socket.fileno()
        waiter: asyncio.Future[bool] = self.loop.create_future()
        timer = self.loop.call_at(self.deadline, _settle, waiter, False)
        add(number, _settle, waiter, True)
        try:
            return await waiter
        finally:
            timer.cancel()
            remove(number)


def _settle(waiter: asyncio.Future[bool], in_time: bool) -> None:
    if not waiter.done():
        waiter.set_result(in_time)


class Datagrams:
    """A UDP socket that is connected to a server; ``async with`` closes it.

    :param where: the server's IP address and port.
    :param deadline: by the loop's clock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, where: tuple[str, int], deadline: float) -> None:
        self._ready = ready = _Ready(loop, where, socket.SOCK_DGRAM, deadline)
        self.family = ready.family
        try:
            ready.socket.connect(ready.destination)  # no packet: it doesn't wait
        except OSError:
            ready.socket.close()
            raise

    async def __aenter__(self) -> Any:  # for dns.asyncquery, which has its own class for such a socket
        return self

    async def sendto(self, what: Any, destination: Any, timeout: float | None) -> int:
        """Send a message to the server."""
        while True:
            try:
                return self._ready.socket.send(what)
            except UNDER_WAY:
                await self._ready.writable()

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        """The next message from the server.

        :raises dns.exception.Timeout: at the deadline.
        :raises OSError: where the system knows that nobody listens there.
        """
        return await self._ready.receive(size), self._ready.destination

    async def __aexit__(self, *_: object) -> None:
        self._ready.socket.close()


class Stream:
    """A TCP connection to a server, once :meth:`connect` is done; ``async with`` closes it.

    :param where: the server's IP address and port.
    :param deadline: by the loop's clock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, where: tuple[str, int], deadline: float) -> None:
        self._ready = _Ready(loop, where, socket.SOCK_STREAM, deadline)

    async def __aenter__(self) -> Any:  # as above
        return self

    async def connect(self) -> None:
        """Connect.

        :raises OSError: if the server can't be reached.
        :raises dns.exception.Timeout: at the deadline.
        """
        ready = self._ready
        number = ready.socket.connect_ex(ready.destination)
        if number in (errno.EINPROGRESS, errno.EINTR):
            await ready.writable()
            number = ready.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        """Send bytes."""
        left = memoryview(what)
        while left:
            try:
                left = left[self._ready.socket.send(left) :]
            except UNDER_WAY:
                await self._ready.writable()

    async def recv(self, size: int, timeout: float | None) -> bytes:
        """Receive some bytes; none when the server has closed."""
        return await self._ready.receive(size)

    async def getpeername(self) -> Any:
        """The server's address: dnspython asks for it to know whether it is connected."""
        return self._ready.socket.getpeername()

    async def __aexit__(self, *_: object) -> None:
        self._ready.socket.close()
