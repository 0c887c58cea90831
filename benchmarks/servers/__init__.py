"""The servers that are measured: every workload, on every peer.

``__main__`` starts one: ``python -m benchmarks.servers PEER WORKLOAD`` prints its port and serves until it is
terminated. ``twisted_style`` has the workloads as Twisted's API has them, written once, for ``ours``,
``under_twisted`` and ``ours_twisted`` to serve; ``asyncio_protocol`` and ``asyncio_streams`` have the same
workloads in asyncio's two ways; each has a table of them, and all but streams one of datagrams. Some are
served over TLS as well: ``tls_contexts`` has what that takes. ``web`` is a site for whoever runs Twisted.
``raw_epoll`` is the least that a server in Python can do. A library is imported only by the server that needs
it, so that no peer pays for another's.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = [
    "ANEW",
    "BACKLOG",
    "END",
    "GREETING",
    "OF_DATAGRAMS",
    "OF_TWISTED",
    "OVER_TLS",
    "PIECE",
    "WORKLOADS",
    "pieces",
]

BACKLOG = 1024

PIECE = bytes(range(256)) * 256
"""64 KiB: what "push" and "pull" write at once. They send as much of it, over and over, as is asked for."""

ANEW = b"anew"

END = b"."
"""What ends that which "take" is sent; nothing else of it may hold this byte."""

GREETING = b"Hello, world!"
"""What "web" answers every request with."""

WORKLOADS = {
    "echo": "sends back what it is sent",
    "lines": "counts lines that end with CRLF; answers the line '.' with how many came since the last one",
    "line-echo": "sends back each line that it is sent",
    "push": "sends as many bytes as a line asks for (see pieces), until told to pause; then closes",
    "pull": "the same, a piece whenever it is asked for one (where there is no such thing: as push)",
    "take": "throws away what it is sent; when the end of it comes, answers how many bytes, in a line",
    "broadcast": "sends what any connection sends to all of them",
    "resp": "is the Redis server of examples/resp_server.py",
    "resp-null": "answers each SET of a Redis client, without a look at it",
    "greet": "sends a byte to whoever connects, and keeps the connection",
}
"""What each workload's server does, whoever the peer is. All put up with clients that go away."""

OVER_TLS = {"tls-echo": "echo", "tls-push": "push", "tls-take": "take"}
"""Which of them are served over TLS as well, by their names there; not by streams nor by bare sockets."""

OF_DATAGRAMS = {"udp-echo": "sends each datagram back to where it came from"}
"""The same of what listens for UDP, where there are no connections: peers that have only streams don't serve
it."""

OF_TWISTED = {"web": "answers HTTP requests with a few words"}
"""The same of what stands on Twisted: only peers that run its own protocols serve it."""


def pieces(request: bytes) -> Iterator[bytes]:
    """What "push" and "pull" send.

    :param request: a line: how many bytes; and behind a space, perhaps, ANEW: then each piece is made anew. A
        server that doesn't wait for its client, and keeps many references to one piece, would seem modest.
    """
    amount, _, manner = request.partition(b" ")
    left = int(amount)
    while left:
        piece = PIECE[:left]
        left -= len(piece)
        yield bytes(bytearray(piece)) if manner == ANEW else piece
