"""What the benchmarks in Twisted's own repository do with a reactor, on Twisted's reactors and on this
package's: ``python -m benchmarks.work.twisted_own_inside PEER --what KIND``.

They are ``test_calllater`` and ``test_tcp_throughput`` there, written anew from what they are about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..model import Peer, Sample
from ..processes import HOST
from .command import run
from .inside import Inside, LoopBatch, Step, run_inside, timed_inside

__all__ = ["CALLS", "KINDS", "measure"]

CALLS = 100
STEP = 1e-6  # seconds from one call to the next
MIB = 2**20
PIECE = bytes(16 * 1024)


def calls(inside: Inside, protocol: Any) -> LoopBatch:
    """Ask for calls at a hundred different times, and make them all."""
    later = inside.later

    def batch(then: Step) -> None:
        left = CALLS

        def one() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for number in range(CALLS):
            later(STEP * number, one)

    return batch


def transfer(inside: Inside, protocol: Any) -> LoopBatch:
    """Send 1 MiB to an echo server of the same reactor, a piece whenever it is asked for, and get it back."""

    class Echo(protocol.Protocol):  # type: ignore[misc]  # whichever library's it is, mypy can't know
        def connectionMade(self) -> None:
            self.transport.setTcpNoDelay(True)

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    class Sender(protocol.Protocol):  # type: ignore[misc]  # as above
        def __init__(self, ended: Callable[[int], None]) -> None:
            self.unsent = self.missing = MIB
            self.ended = ended

        def connectionMade(self) -> None:
            self.transport.setTcpNoDelay(True)
            self.transport.registerProducer(self, False)

        def resumeProducing(self) -> None:
            self.transport.write(PIECE)
            self.unsent -= len(PIECE)
            if not self.unsent:
                self.transport.unregisterProducer()

        def stopProducing(self) -> None:
            pass  # the connection is lost, which connectionLost hears

        def dataReceived(self, data: bytes) -> None:
            self.missing -= len(data)
            if not self.missing:
                self.transport.loseConnection()

        def connectionLost(self, reason: Any) -> None:
            self.ended(self.missing)

    port = inside.reactor.listenTCP(0, protocol.Factory.forProtocol(Echo), interface=HOST).getHost().port

    def batch(then: Step) -> None:
        def ended(missing: int) -> None:
            if missing:
                raise ConnectionError(f"{missing} bytes of {MIB} did not come back.")
            then()

        factory = protocol.ClientFactory()
        factory.noisy = False  # nothing is logged here, which would take longer than to connect
        factory.buildProtocol = lambda address: Sender(inside.guarded(ended))
        inside.reactor.connectTCP(HOST, port, factory)

    return batch


KINDS: dict[str, tuple[Callable[[Inside, Any], LoopBatch], int]] = {
    "calls": (calls, CALLS),
    "transfer": (transfer, 1),
}
"""Each with how much a batch of it is: calls, MiB."""


def _protocol(library: str) -> Any:
    if library == "ours":
        from twisted_compat import protocol as ours

        return ours
    from twisted.internet import protocol as twisted

    return twisted


def measure(peer: Peer, what: str, seconds: float) -> Sample:
    """How much of one of KINDS a peer does in a second.

    Of calls it is a second of CPU time, since they have to be waited for; Twisted's own moves a clock.
    """
    make, size = KINDS[what]

    def start(inside: Inside) -> None:
        timed_inside(inside, make(inside, _protocol(peer.kind)), size, seconds)

    sample = run_inside(peer, start)
    if what == "calls" and sample.per_cpu is not None:
        return replace(sample, value=sample.per_cpu)
    return sample


if __name__ == "__main__":
    run("twisted_own_inside", "Do what Twisted's own benchmarks do.", KINDS, measure)
