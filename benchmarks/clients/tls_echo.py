"""Request and response over TLS, as in ``echo``: all requests are under way, and the client waits for the
reply that has been due the longest. One costs it a ``recv``, a ``send``, and what TLS itself takes.
"""

from __future__ import annotations

import os
import ssl
import time

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from .sockets import WARM_UP, Meter
from .tls_sockets import Channel, channels

__all__ = ["measure"]

AT_ONCE = 65536


def _exchange(made: list[Channel], payload: bytes, seconds: float) -> int:
    """Take each reply and send the next request, in turn, for so many seconds; return how many came."""
    clock = time.perf_counter
    size = len(payload)
    calls = [
        (
            each,
            each.connection.recv,
            each.incoming.write,
            each.tls.read,
            each.tls.write,
            each.outgoing.read,
            each.connection.send,
        )
        for each in made
    ]
    requests = 0
    end = clock() + seconds
    while clock() < end:
        for channel, receive, feed, decrypt, encrypt, encrypted, send in calls:
            feed(receive(AT_ONCE))
            try:
                reply = decrypt(size)
            except ssl.SSLWantReadError:  # it came in pieces, or it is a ticket
                reply = b""
            if len(reply) != size:
                channel.receive_exactly(size - len(reply))
            encrypt(payload)
            send(encrypted())
        requests += len(calls)
    return requests


def measure(port: int, server: int, seconds: float, count: int, payload: bytes) -> Sample:
    """Load an echo server, after a short warm-up; the value is requests per second.

    :param count: how many connections to keep busy.
    :param payload: each request, and the reply to it.
    :raises ConnectionError: if it hangs up, sends back something else, or nothing for too long.
    """
    with channels(port, count) as made:
        for each in made:
            each.send(payload)
        _exchange(made, payload, min(WARM_UP, seconds))
        meter = Meter(server)
        sample = meter.sample(_exchange(made, payload, seconds))
        for each in made:  # the last replies, which there is time to look at
            if each.receive_exactly(len(payload)) != payload:
                raise ConnectionError("The server sent back something other than what it was sent.")
    return sample


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.tls_echo", "Load one echo server, over TLS.")
    command_line.add_argument("--connections", type=int, default=50)
    command_line.add_argument("--size", type=int, default=1024, help="bytes of a request")
    options = command_line.parse_args()
    settle_in(options.core)
    payload = os.urandom(options.size)
    report_sample(measure(options.port, options.server, options.seconds, options.connections, payload))


if __name__ == "__main__":
    main()
