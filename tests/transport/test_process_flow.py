"""What goes to a child and comes from it: over pipes of any number, with producers, paused, in bulk; and talk
with programs."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import Any

import pytest

from tests.support import skip_without, until
from tests.transport.children import DONE, Recorder, attached, exited_with, shell, spawn
from tests.transport.peers import turns
from tests.transport.unix_sockets import linux_only

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 13)  # 2 MiB: far more than any pipe takes
MIB = 1 << 20


def need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        skip_without(program, f"apt-get install {package}")


# Pipes of any number


async def test_a_child_may_have_pipes_of_any_number_both_ways() -> None:
    pipes = {3: "r", 0: "w", 9: "w", 5: "r", 4: "w"}
    script = """
        while read word <&4; do echo "four $word" >&3; done
        while read word <&9; do echo "nine $word" >&5; done
        read word; echo "zero $word" >&5; exit 9
    """
    async with attached() as reactor:
        child = shell(reactor, script, childFDs=pipes)
        assert list(child.transport.pipes) == list(pipes)
        child.transport.writeToChild(4, b"one\ntwo\n")
        child.transport.writeToChild(9, b"three\n")
        child.transport.write(b"four\n")
        await child.said(b"four one\nfour two\n", 3)
        assert not child.has("data", 5)
        child.transport.closeChildFD(4)
        await child.said(b"nine three\n", 5)
        child.transport.closeChildFD(9)
        assert await child.ended() == exited_with(9)
    assert child.output(5) == b"nine three\nzero four\n"
    assert child.had_a_whole_life(*pipes)


@linux_only
async def test_a_child_may_have_pipes_of_high_numbers() -> None:
    async with attached() as reactor:
        script = "cat /proc/self/fd/200 >/proc/self/fd/123"  # redirection itself knows one digit
        child = shell(reactor, script, childFDs={123: "r", 200: "w", 2: "r"})
        child.transport.writeToChild(200, BIG)
        child.transport.closeChildFD(200)
        assert await child.ended() == DONE
    assert child.output(123) == BIG and child.output(2) == b""
    assert child.had_a_whole_life(2, 123, 200)


async def test_a_child_may_have_pipes_alone_that_are_not_standard() -> None:
    async with attached() as reactor:
        child = shell(reactor, "read word <&3; echo $word >&4", childFDs={3: "w", 4: "r"})
        child.transport.writeToChild(3, b"word\n")
        child.transport.loseConnection()  # of which there is nothing
        assert await child.ended() == DONE
    assert child.output(4) == b"word\n" and child.had_a_whole_life(3, 4)


@pytest.mark.parametrize("number", [0, 4])
@pytest.mark.parametrize("unread", [b"", b"unread", BIG], ids=["nothing", "little", "much"])
async def test_a_child_that_closes_a_pipe_we_write_to_is_told_of_without_our_writing(
    number: int, unread: bytes
) -> None:
    async with attached() as reactor:
        script = f"read word <&3; exec {number}<&-; read word <&3; exit 1"
        child = shell(reactor, script, childFDs={number: "w", 3: "w", 1: "r"})
        child.transport.writeToChild(number, unread)
        await turns()
        assert child.events == [("made",)]
        child.transport.writeToChild(3, b"close it\n")
        await child.closed(number)
        child.transport.writeToChild(number, b"dropped")
        assert child.transport.pid is not None and set(child.transport.pipes) == {1, 3}
        child.transport.writeToChild(3, b"exit\n")
        assert await child.ended() == exited_with(1)
    assert child.had_a_whole_life(number, 1, 3)


async def test_what_a_child_reads_late_is_kept_and_sent() -> None:
    async with attached() as reactor:
        child = shell(reactor, "read word <&3; wc -c", childFDs={0: "w", 1: "r", 3: "w"})
        for piece in range(0, len(BIG), 10_000):
            child.transport.write(BIG[piece : piece + 10_000])
        child.transport.closeStdin()
        await turns(20)
        assert not child.has("closed") and child.transport.pipes[0].dataBuffer
        child.transport.writeToChild(3, b"\n")
        assert await child.ended() == DONE
    assert child.output() == b"%d\n" % len(BIG)


# Producers


class Push:
    """Writes pieces of a pattern until it is paused, so many bytes in all; then closes.

    :ivar most: bytes, the most that ever waited in the transport.
    """

    def __init__(self, child: Any, size: int, fd: int = 0) -> None:
        self.child, self.left, self.fd = child, size, fd
        self.paused, self.stopped, self.most = 0, 0, 0
        self.running = False
        self.sent = hashlib.md5()

    def pauseProducing(self) -> None:
        self.paused += 1
        self.running = False

    def resumeProducing(self) -> None:
        self.running = True
        while self.running and self.left:
            piece = BIG[self.left % 7 :][: min(50_000, self.left)]
            self.left -= len(piece)
            self.sent.update(piece)
            self.child.transport.writeToChild(self.fd, piece)
            self.most = max(self.most, len(self.child.transport.pipes[self.fd].dataBuffer))
        if not self.left and self.running:
            self.running = False
            self.child.transport.pipes[self.fd].unregisterProducer()
            self.child.transport.closeChildFD(self.fd)

    def stopProducing(self) -> None:
        self.stopped += 1
        self.running = False


class Hashing(Recorder):
    """Keeps of what comes no more than its size and hash."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.largest, self.hash = 0, 0, hashlib.md5()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        assert childFD == 1
        self.size += len(data)
        self.largest = max(self.largest, len(data))
        self.hash.update(data)


async def test_much_goes_through_a_child_with_little_of_it_in_memory() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat", protocol=Hashing())
        producer = Push(child, 64 * MIB)
        child.transport.registerProducer(producer, True)
        producer.resumeProducing()
        assert await child.ended() == DONE
    assert child.size == 64 * MIB and child.hash.digest() == producer.sent.digest()
    assert producer.paused and not producer.stopped
    assert producer.most <= (1 << 16) + 50_000 and child.largest <= 1 << 16
    assert child.had_a_whole_life(0, 1, 2)


async def test_who_does_not_read_makes_the_producer_wait() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat", protocol=Hashing())
        child.transport.pauseProducing()
        producer = Push(child, 8 * MIB)
        child.transport.registerProducer(producer, True)
        producer.resumeProducing()
        before = -1
        while before != (before := producer.left):  # until pipes and buffers are full
            await turns(50)
        assert producer.left > 4 * MIB and not producer.running and child.size == 0
        child.transport.resumeProducing()
        assert await child.ended() == DONE
    assert child.hash.digest() == producer.sent.digest()


class Pull:
    """Writes a piece whenever it is asked."""

    def __init__(self, child: Any, pieces: list[bytes]) -> None:
        self.child, self.pieces, self.stopped = child, list(pieces), 0

    def resumeProducing(self) -> None:
        if self.pieces:
            self.child.transport.write(self.pieces.pop(0))
        else:
            self.child.transport.unregisterProducer()
            self.child.transport.closeStdin()

    def stopProducing(self) -> None:
        self.stopped += 1


async def test_a_pull_producer_is_asked_for_each_piece() -> None:
    pieces = [b"one ", BIG, b"two", b" three"]
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        producer = Pull(child, pieces)
        child.transport.registerProducer(producer, False)
        assert len(producer.pieces) == 3
        assert await child.ended() == DONE
    assert child.output() == b"".join(pieces) and not producer.stopped


async def test_closing_waits_for_a_pull_producer() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        child.transport.registerProducer(Pull(child, [b"one ", b"two ", b"three"]), False)
        child.transport.closeStdin()
        assert await child.ended() == DONE
    assert child.output() == b"one two three"


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_producer_is_stopped_when_the_child_reads_no_more(streaming: bool) -> None:
    async with attached() as reactor:
        child = shell(reactor, "read word; exec <&-; read word <&3", childFDs={0: "w", 3: "w"})
        producer = Push(child, 4 * MIB) if streaming else Pull(child, [b"word\n", *[BIG] * 4])
        child.transport.registerProducer(producer, streaming)
        if streaming:
            producer.resumeProducing()
            child.transport.write(b"\n")
        with pytest.raises(RuntimeError):
            child.transport.registerProducer(Pull(child, []), False)
        await child.closed(0)
        assert producer.stopped == 1
        child.transport.unregisterProducer()
        late = Pull(child, [b"late"])
        child.transport.registerProducer(late, streaming)
        assert late.stopped == 1 and late.pieces
        child.transport.loseConnection()
        child.transport.closeChildFD(3)
        await child.ended()
        assert producer.stopped == 1


async def test_a_producer_for_a_child_without_standard_input_is_stopped() -> None:
    async with attached() as reactor:
        child = shell(reactor, "exit 0", childFDs={1: "r"})
        producer = Pull(child, [b"dropped"])
        child.transport.registerProducer(producer, False)
        assert producer.stopped == 1
        child.transport.unregisterProducer()
        await child.ended()


async def test_a_pipe_of_another_number_has_a_producer_of_its_own() -> None:
    async with attached() as reactor:
        child = shell(reactor, "wc -c <&5; wc -c", childFDs={0: "w", 1: "r", 5: "w"})
        for fd, size in ((0, 2 * MIB), (5, 3 * MIB)):
            producer = Push(child, size, fd)
            child.transport.pipes[fd].registerProducer(producer, True)
            producer.resumeProducing()
        assert await child.ended() == DONE
    assert child.output() == b"%d\n%d\n" % (3 * MIB, 2 * MIB)


async def test_one_child_may_be_the_producer_for_another() -> None:
    """As a shell joins them, through us, however slow the second is."""
    most = 0

    def relay(source: Any, fd: int, data: bytes) -> None:
        nonlocal most
        sink.transport.write(data)
        if sink.transport.pipes:
            most = max(most, len(sink.transport.pipes[0].dataBuffer))

    def finish(source: Any, fd: int) -> None:
        sink.transport.unregisterProducer()
        sink.transport.closeStdin()

    async with attached() as reactor:
        sink = shell(reactor, "read word <&3; cat", protocol=Hashing(), childFDs={0: "w", 1: "r", 3: "w"})
        source = Recorder(on_data=relay, on_closed=finish)
        spawn(reactor, "head", "-c", str(8 * MIB), "/dev/zero", protocol=source, childFDs={1: "r"})
        sink.transport.registerProducer(source.transport, True)
        await until(lambda: most > 1 << 16)
        await turns(50)
        assert not source.has("closed")
        sink.transport.writeToChild(3, b"\n")
        assert await source.ended() == DONE and await sink.ended() == DONE
    assert sink.size == 8 * MIB and most <= 1 << 17


# Pausing


async def test_nothing_is_lost_or_out_of_order_by_pausing() -> None:
    paused = False

    def pause(child: Any, fd: int, data: bytes) -> None:
        nonlocal paused
        assert not paused
        paused = True
        child.transport.pauseProducing()
        reactor.callLater(0, resume, child)

    def resume(child: Any) -> None:
        nonlocal paused
        paused = False
        child.transport.resumeProducing()

    async with attached() as reactor:
        script = "seq 30000; seq 30000 >&2; seq 5 >&3"
        child = shell(reactor, script, protocol=Recorder(on_data=pause), childFDs={1: "r", 2: "r", 3: "r"})
        assert await child.ended() == DONE
    numbers = b"".join(b"%d\n" % number for number in range(1, 30001))
    assert child.output(1) == child.output(2) == numbers and child.output(3) == b"1\n2\n3\n4\n5\n"
    assert child.had_a_whole_life(1, 2, 3)


async def test_a_child_that_exits_while_paused_ends_when_all_has_been_read() -> None:
    async with attached() as reactor:
        protocol = Recorder(lambda child: child.transport.pauseProducing())
        child = shell(reactor, "echo out; echo err >&2; exit 3", protocol=protocol)
        assert await child.exited() == exited_with(3)
        await turns(20)
        assert not child.has("data") and not child.has("closed", 1) and not child.has("ended")
        child.transport.pauseProducing()
        child.transport.resumeProducing()
        assert await child.ended() == exited_with(3)
    assert (child.output(1), child.output(2)) == (b"out\n", b"err\n") and child.had_a_whole_life(0, 1, 2)


async def test_a_child_that_exits_while_paused_ends_without_more_if_closed() -> None:
    async with attached() as reactor:
        child = shell(reactor, "echo out; exit 3")
        child.transport.pauseProducing()
        await child.exited()
        child.transport.loseConnection()
        child.transport.resumeProducing()
        assert await child.ended() == exited_with(3)
    assert child.output() == b"" and child.had_a_whole_life(0, 1, 2)


async def test_pausing_one_pipe_leaves_the_others() -> None:
    async with attached() as reactor:
        child = shell(reactor, "echo out; echo err >&2; exec cat >&2")
        child.transport.pipes[1].pauseProducing()
        child.transport.write(b"hello")
        await child.said(b"err\nhello", 2)
        assert not child.output(1)
        child.transport.pipes[1].resumeProducing()
        await child.said(b"out\n", 1)
        child.transport.closeStdin()
        await child.ended()
    assert child.had_a_whole_life(0, 1, 2)


# Programs


async def test_a_pipeline_of_a_shell_ends_as_in_any_shell() -> None:
    async with attached() as reactor:
        child = shell(reactor, "yes | head -n 3")
        assert await child.ended() == DONE
    assert (child.output(1), child.output(2)) == (b"y\n" * 3, b"")


async def test_bc_calculates() -> None:
    need("bc", "bc")
    async with attached() as reactor:
        child = spawn(reactor, "bc", "-q")
        said = b""
        for question, answer in (
            (b"2 + 3", b"5"),
            (b"2 ^ 64", b"18446744073709551616"),
            (b"last / 2", b"9223372036854775808"),
        ):
            child.transport.write(question + b"\n")
            said += answer + b"\n"
            await child.said(said)
        child.transport.write(b"quit\n")
        assert await child.ended() == DONE
    assert child.output(2) == b"" and child.had_a_whole_life(0, 1, 2)


async def test_ssh_keygen_makes_a_key_and_asks_before_it_is_overwritten(tmp_path: Any) -> None:
    need("ssh-keygen", "openssh-client")
    path = tmp_path / "key"
    command = ("ssh-keygen", "-t", "ed25519", "-N", "", "-C", "a test", "-f", path)
    async with attached() as reactor:
        first = spawn(reactor, *command)
        assert await first.ended() == DONE
        public = path.with_suffix(".pub").read_bytes()
        assert public.startswith(b"ssh-ed25519 ") and public.endswith(b" a test\n")
        second = spawn(reactor, *command)
        await until(lambda: b"Overwrite (y/n)?" in second.output())
        second.transport.write(b"n\n")
        assert await second.ended() == exited_with(1)
        third = spawn(reactor, "ssh-keygen", "-y", "-f", path)
        assert await third.ended() == DONE
    assert path.with_suffix(".pub").read_bytes() == public == third.output()
    assert os.stat(path).st_mode & 0o777 == 0o600
