"""Plain sockets for datagrams, in a network of the test's choice, that know nothing of this package."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.networks import Network
from tests.support import until
from twisted_compat.protocol import DatagramProtocol

__all__ = ["Notes", "PlainPort", "free_number", "plain_port"]


# Of <linux/in.h>; Python doesn't have them.
IP_RECVTTL = getattr(socket, "IP_RECVTTL", 12)
IP_MULTICAST_ALL = 49


class Notes(DatagramProtocol):
    """Writes down what comes, and sends it back in capitals if it is asked to."""

    answers = False

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.senders: list[Any] = []
        self.refused = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append(datagram)
        self.senders.append(addr)
        if self.answers:
            self.transport.write(datagram.upper(), addr)

    def connectionRefused(self) -> None:
        self.refused += 1

    async def has(self, count: int) -> None:
        """Wait until so many have come."""
        await until(lambda: len(self.received) >= count)


def free_number(host: str) -> int:
    """A UDP port that nobody was on a moment ago."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        number: int = probe.getsockname()[1]
        return number


class PlainPort:
    """A socket that hears only of groups that it joined itself.

    :ivar number: its port.
    """

    def __init__(self, skt: socket.socket) -> None:
        self.socket = skt
        self.number: int = skt.getsockname()[1]
        self.ipv6 = skt.family == socket.AF_INET6

    def join(self, group: str, interface: int) -> None:
        """Join a group at the interface with this index."""
        packed = socket.inet_pton(self.socket.family, group)
        if self.ipv6:
            request = packed + struct.pack("@i", interface)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            request = packed + bytes(4) + struct.pack("@i", interface)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def leaves_by(self, interface: int) -> None:
        """Choose the interface for what is sent to groups."""
        if self.ipv6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
        else:
            request = bytes(8) + struct.pack("@i", interface)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)

    def send(self, data: bytes, host: str, number: int, scope: int = 0) -> None:
        """Send a datagram."""
        self.socket.sendto(data, (host, number, 0, scope) if self.ipv6 else (host, number))

    def has_some(self) -> bool:
        """Whether a datagram waits."""
        return bool(select.select([self.socket], [], [], 0)[0])

    async def next(self) -> tuple[bytes, Any]:
        """The next datagram, and where it came from."""
        data, sender, _ = await self._receive()
        return data, sender

    async def next_hops(self) -> tuple[bytes, int]:
        """The next datagram, and how many hops it had left."""
        data, _, hops = await self._receive()
        return data, hops

    async def _receive(self) -> tuple[bytes, Any, int]:
        def attempt() -> Any:
            try:
                return self.socket.recvmsg(65535, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return None

        data, [(_, _, hops)], _, sender = await until(attempt)
        return data, sender, struct.unpack("@i", hops)[0]


@contextmanager
def plain_port(network: Network, address: tuple[Any, ...] = ("", 0)) -> Iterator[PlainPort]:
    """A :class:`PlainPort` in a network.

    :param address: what it is bound to; of the family that this is for.
    """
    ipv6 = ":" in address[0]
    with network.inside():
        skt = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    with skt:
        skt.setblocking(False)
        if ipv6:
            skt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            skt.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
            skt.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        skt.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        skt.bind(address)
        yield PlainPort(skt)
