"""A chat of lines, on whatever endpoints the command line describes.

``python examples/chat.py stdio: tcp:8080 unix:/tmp/chat`` lets this terminal, everybody who comes by
``nc localhost 8080``, and everybody on this machine who comes by ``nc -U /tmp/chat`` talk to each other.
``tls:directory:port=8443``, ``systemd:index=0`` and ``haproxy:tcp:8080`` are as good; docs/howto/endpoints.md
has them all. Ctrl-C or SIGTERM ends it.

The room and its guests are a Factory and a Protocol as Twisted programs have them, and know nothing of
endpoints. What listens is an asyncio program.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import serverFromString, serving
from twisted_compat.protocol import ServerFactory
from twisted_compat.protocols.basic import LineOnlyReceiver


class Guest(LineOnlyReceiver):
    """One who talks. For the transport it is the producer of what the others say.

    :ivar behind: whether this one reads more slowly than the others talk, and misses what they say.
    """

    delimiter = b"\n"
    MAX_LENGTH = 1024  # bytes

    factory: Room

    def connectionMade(self) -> None:
        self.behind = False
        self.transport.registerProducer(self, True)
        self.name = b"guest %d" % next(self.factory.numbers)
        where = getattr(self.transport.getPeer(), "host", "here")
        self.factory.say(b"* %b has come, from %b" % (self.name, where.encode()))
        self.factory.guests.add(self)

    def lineReceived(self, line: bytes) -> None:
        self.factory.say(b"%b: %b" % (self.name, line.rstrip(b"\r")), besides=self)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.guests.discard(self)
        self.factory.say(b"* %b has gone" % self.name)

    def pauseProducing(self) -> None:
        self.behind = True

    def resumeProducing(self) -> None:
        self.behind = False

    def stopProducing(self) -> None:
        pass  # connectionLost does


class Room(ServerFactory[Guest]):
    """Where the guests are."""

    protocol = Guest

    def __init__(self) -> None:
        self.guests: set[Guest] = set()
        self.numbers = itertools.count(1)

    def say(self, line: bytes, besides: Guest | None = None) -> None:
        """Say something to all guests but one."""
        for guest in self.guests - {besides}:
            if not guest.behind:
                guest.sendLine(line)

    def close(self) -> None:
        """Send all guests away."""
        guests, self.guests = self.guests, set()
        for guest in guests:
            guest.transport.unregisterProducer()  # a producer that there is would be waited for
            guest.transport.loseConnection()


async def chat(descriptions: Iterable[str], ended: asyncio.Event) -> None:
    """Have a chat on these endpoints until it is ended."""
    async with AsyncioReactor() as reactor, AsyncExitStack() as listening:
        room = Room()
        for description in descriptions:
            port = await listening.enter_async_context(serving(serverFromString(reactor, description), room))
            print(f"{description} is {port.getHost()}", file=sys.stderr)
        await ended.wait()
        room.close()


async def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("Write where the chat is to be, such as: chat.py stdio: tcp:8080")
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await chat(sys.argv[1:], ended)


if __name__ == "__main__":
    asyncio.run(main())
