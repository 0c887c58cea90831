"""What the benchmarks in Twisted's own repository do without a reactor, on Twisted and on this package:
``python -m benchmarks.work.twisted_own PEER --what KIND``.

They are ``test_deferred``, ``test_linereceiver`` and ``test_filedescriptor`` there, written anew from what
they are about. ``twisted_own_inside`` has those that need a reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ..model import Peer, Sample
from .batches import Batch, timed
from .command import run

__all__ = ["CHUNKS", "KINDS", "PIECES", "SIZE", "measure"]

SIZE = 1000  # how often a batch does its work


# Deferreds


def _add(result: int, more: int) -> int:
    return result + more


def await_fired(words: Any) -> Batch:
    """Await Deferreds that have fired, all in one coroutine."""
    ensure_deferred, succeed = words.defer.ensureDeferred, words.defer.succeed

    async def coroutine(count: int) -> None:
        for number in range(count):
            await succeed(number)

    def batch(count: int) -> None:
        assert ensure_deferred(coroutine(count)).called

    return batch


def fire_first(words: Any) -> Batch:
    """Fire a Deferred, then give it four callbacks with an argument each."""
    make = words.defer.Deferred

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = make()
            deferred.callback(0)
            for more in range(4):
                deferred.addCallback(_add, more)

    return batch


def fire_last(words: Any) -> Batch:
    """Give a Deferred four callbacks with an argument each, then fire it."""
    make = words.defer.Deferred

    def batch(count: int) -> None:
        for _ in range(count):
            deferred = make()
            for more in range(4):
                deferred.addCallback(_add, more)
            deferred.callback(0)

    return batch


def errors(words: Any) -> Batch:
    """A callback raises, the errback that looks at that raises something else, and that is dropped."""
    succeed = words.defer.succeed

    def fail(result: Any) -> None:
        raise ValueError("of the callback")

    def fail_too(failure: Any) -> None:
        failure.trap(ValueError)
        raise LookupError("of the errback")

    def drop(result: Any) -> None:
        return None

    def batch(count: int) -> None:
        for _ in range(count):
            succeed(1).addCallback(fail).addErrback(fail_too).addBoth(drop)

    return batch


def chain_fired(words: Any) -> Batch:
    """Two callbacks return Deferreds that have fired."""
    make = words.defer.Deferred

    def batch(count: int) -> None:
        for _ in range(count):
            outer, first, second = make(), make(), make()
            first.callback(1)
            second.callback(2)
            outer.addCallback(lambda _, inner=first: inner)
            outer.addCallback(lambda _, inner=second: inner)
            outer.callback(0)

    return batch


def chain_waiting(words: Any) -> Batch:
    """Two callbacks return Deferreds that fire later, the second of which waits for a third itself."""
    make = words.defer.Deferred

    def batch(count: int) -> None:
        for _ in range(count):
            outer, first, second, third = make(), make(), make(), make()
            outer.addCallback(lambda _, inner=first: inner)
            outer.addCallback(lambda _, inner=second: inner)
            second.addCallback(lambda _, inner=third: inner)
            outer.callback(0)
            first.callback(1)
            second.callback(2)
            third.callback(3)

    return batch


# Lines

CHUNKS = (16, 64, 256, 1024)
"""Bytes that a protocol is given at a time."""
LINE = b"0123456789" * 5 + b"\r\n"


class Nowhere:
    """A transport of which nothing is asked but whether it is about to close."""

    disconnecting = False


def lines(receiver: str, chunk: int) -> Callable[[Any], Batch]:
    """Cut a stream into lines of 50 bytes, which nobody looks at.

    :param receiver: the name of the protocol's class.
    :param chunk: how many bytes it is given at a time.
    :returns: makes batches; how many lines one takes is a multiple of SIZE.
    """

    def make(words: Any) -> Batch:
        class Lines(getattr(words.basic, receiver)):  # type: ignore[misc]  # mypy can't know what that is
            def lineReceived(self, line: bytes) -> None:
                pass

        stream = LINE * SIZE
        protocol = Lines()
        protocol.makeConnection(Nowhere())

        def batch(count: int) -> None:
            for _ in range(count // SIZE):
                for start in range(0, len(stream), chunk):
                    protocol.dataReceived(stream[start : start + chunk])

        return batch

    return make


# Pieces

PIECES: dict[str, list[bytes]] = {
    "one": [b"x" * 8192],
    "four": [b"x" * 1024] * 4,
    "hundred": [b"x"] * 100,
    "headers": [piece for number in range(24) for piece in (b"Name-%d" % number, b": ", b"value", b"\r\n")],
}
"""What is written as a sequence: large pieces, tiny ones, a mixture."""


def pieces(sequence: list[bytes]) -> Callable[[Any], Batch]:
    """Write a sequence to a descriptor that is told to send it at once, and whose kernel takes everything."""

    def make(words: Any) -> Batch:
        class Descriptor(words.FileDescriptor):  # type: ignore[misc]  # mypy can't know what that is
            connected = 1

            def startWriting(self) -> None:
                pass

            def stopWriting(self) -> None:
                pass

            def writeSomeData(self, data: bytes) -> int:
                return len(data)

        descriptor = Descriptor(object())

        def batch(count: int) -> None:
            for _ in range(count):
                descriptor.writeSequence(sequence)
                descriptor.doWrite()

        return batch

    return make


# Measuring

KINDS: dict[str, Callable[[Any], Batch]] = {
    "await": await_fired,
    "fire-first": fire_first,
    "fire-last": fire_last,
    "errors": errors,
    "chain-fired": chain_fired,
    "chain-waiting": chain_waiting,
    **{f"lines-{chunk}": lines("LineReceiver", chunk) for chunk in CHUNKS},
    **{f"only-lines-{chunk}": lines("LineOnlyReceiver", chunk) for chunk in CHUNKS},
    **{f"pieces-{name}": pieces(sequence) for name, sequence in PIECES.items()},
}


def _ours() -> Any:
    from twisted_compat import defer
    from twisted_compat.protocols import basic
    from twisted_compat.transport.descriptor import FileDescriptor

    return SimpleNamespace(defer=defer, basic=basic, FileDescriptor=FileDescriptor)


def _twisted() -> Any:
    from twisted.internet import defer
    from twisted.internet.abstract import FileDescriptor
    from twisted.protocols import basic

    return SimpleNamespace(defer=defer, basic=basic, FileDescriptor=FileDescriptor)


def measure(peer: Peer, what: str, seconds: float) -> Sample:
    """How often a second a peer does one of KINDS; of lines, how many."""
    words = _ours() if peer.kind == "ours" else _twisted()
    return timed(KINDS[what](words), SIZE, seconds)


if __name__ == "__main__":
    run("twisted_own", "Do what Twisted's own benchmarks do.", KINDS, measure)
