"""Very much in one direction over TLS, by a client that does next to none of TLS's work while the clock runs.

What the server sends is decrypted until the first of it has come; from there on the client only adds up what
the headers of the records say, which costs it little more than a copy out of the kernel. What it sends itself
has been encrypted before.
"""

from __future__ import annotations

import ssl
from dataclasses import replace

from ..model import Sample
from ..processes import parser, report_sample, settle_in
from ..servers import ANEW, END
from .bulk import MIB, UNTAKEN
from .sockets import Meter
from .tls_sockets import Channel, channels

__all__ = ["Records", "give", "take"]

AT_ONCE = 4 * MIB
WARM_UP = 8 * MIB
PIECE = bytes(65536)  # without END in it

HEADER = 5  # bytes of a record's header: its type, the version, how long the rest is (RFC 8446, 5.1)
ENCRYPTED = 23  # the type of all that is
SEAL = 17  # bytes by which the rest is longer than what was encrypted: the true type, and AES-GCM's tag
FAREWELL = 2  # bytes of close_notify; nobody sends so little of anything else


class Records:
    """How much there is in encrypted records, as their headers tell. Nobody pads them.

    :ivar content: bytes in the records that have come to their end, leaving out the one that says goodbye.
    """

    def __init__(self) -> None:
        self.content = 0
        self._buffer = bytearray(AT_ONCE)
        self._view = memoryview(self._buffer)
        self._rest = b""  # a header that has not come to its end
        self._skip = 0  # bytes until the next header
        self._begun = 0  # what the record holds that has not come to its end

    def receive(self, channel: Channel) -> memoryview:
        """Wait for more, and count it; what has come, which the next call overwrites.

        :raises ConnectionError: if the server closes instead, or sends something else.
        """
        buffer, start = self._buffer, len(self._rest)
        buffer[:start] = self._rest
        count = channel.connection.recv_into(self._view[start:])
        if not count:
            raise ConnectionError("The server hung up in the middle.")
        end, position, begun = start + count, self._skip, self._begun
        while position + HEADER <= end:
            if buffer[position] != ENCRYPTED:
                raise ConnectionError(f"The server sent a record of type {buffer[position]}.")
            length = buffer[position + 3] << 8 | buffer[position + 4]
            self.content += begun
            begun = 0 if length == SEAL + FAREWELL else length - SEAL
            position += HEADER + length
        if position <= end:
            self.content += begun
            begun = 0
        self._begun, self._rest = begun, bytes(self._view[position:end])
        self._skip = max(0, position - end)
        return self._view[start:end]


def _ask(channel: Channel, amount: int, manner: bytes = b"") -> None:
    channel.send(b"%d%b\r\n" % (amount, manner))


def _drained(channel: Channel) -> int:
    """How much can be decrypted of what has come."""
    amount = 0
    try:
        while data := channel.tls.read(AT_ONCE):
            amount += len(data)
    except ssl.SSLWantReadError:
        pass
    return amount


def _count(channel: Channel, amount: int) -> int:
    """Take what comes until it is so much at least; how much it was."""
    records, decrypted = Records(), 0
    while not decrypted:
        channel.incoming.write(records.receive(channel))
        decrypted = _drained(channel)
    others = records.content - decrypted  # in records that were about sessions
    while records.content - others < amount:
        records.receive(channel)
    return records.content - others


def take(port: int, server: int, amount: int) -> Sample:
    """Have a server send so many bytes; the value is MiB per second.

    A second client asks for very much and takes nothing, which is to cost the server neither time nor memory.

    :raises ConnectionError: if it sends more or less, or nothing for too long.
    """
    with channels(port, 3) as (idle, short, long):
        before = Meter(server)
        _ask(idle, UNTAKEN, b" " + ANEW)
        _ask(short, WARM_UP)
        taken = sum(len(data) for data in iter(short.receive, b""))
        if taken != WARM_UP:
            raise ConnectionError(f"The server was asked for {WARM_UP} bytes and sent {taken}.")
        meter = Meter(server)
        _ask(long, amount)
        taken = _count(long, amount)
        sample = meter.sample(amount / MIB)
        memory = before.sample(0).memory
    if taken != amount:
        raise ConnectionError(f"The server was asked for {amount} bytes and sent {taken}.")
    return replace(sample, memory=memory)


def _encrypted(channel: Channel, amount: int) -> list[bytes]:
    """So many bytes for "take", in pieces, as they are going to be sent."""
    whole, rest = divmod(amount - len(END), len(PIECE))
    made = []
    for piece in (*[PIECE] * whole, PIECE[:rest] + END):
        channel.tls.write(piece)
        made.append(channel.outgoing.read())
    return made


def _give(channel: Channel, pieces: list[bytes], amount: int) -> None:
    """Send what is of so many bytes, and wait until the server has had them all."""
    for piece in pieces:
        channel.connection.sendall(piece)
    answer = b""
    while not answer.endswith(b"\r\n"):
        more = channel.receive()
        if not more:
            raise ConnectionError("The server closed the connection in the middle of the measurement.")
        answer += more
    if int(answer) != amount:
        raise ConnectionError(f"The server was sent {amount} bytes and counted {int(answer)}.")


def give(port: int, server: int, amount: int) -> Sample:
    """Send a server so many bytes; the value is MiB per second, until it has said that it has them.

    :raises ConnectionError: if it hangs up, counts something else, or takes nothing for too long.
    """
    with channels(port, 2) as (short, long):
        _give(short, _encrypted(short, WARM_UP), WARM_UP)
        pieces = _encrypted(long, amount)
        meter = Meter(server)
        _give(long, pieces, amount)
        return meter.sample(amount / MIB)


def main() -> None:
    """Load the server that the command line names."""
    command_line = parser("clients.tls_bulk", "Have one server send or take very much, over TLS.")
    command_line.add_argument("--mib", type=int, default=256, help="how much that is")
    command_line.add_argument("--give", action="store_true", help="the server is to take it, not to send it")
    options = command_line.parse_args()
    settle_in(options.core)
    measure = give if options.give else take
    report_sample(measure(options.port, options.server, options.mib * MIB))


if __name__ == "__main__":
    main()
