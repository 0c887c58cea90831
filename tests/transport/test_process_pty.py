"""Children that run in a terminal of their own: what they find there, and what is said to and fro."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import until
from tests.transport.children import (
    DONE,
    Recorder,
    attached,
    both_kinds,
    exited_with,
    killed_by,
    spawn,
)
from tests.transport.streams import Producer
from tests.transport.terminals import (
    MANY,
    WAITING,
    in_terminal,
    needed,
    number_of,
    place_of,
    printed,
    raw,
)
from tests.transport.unix_sockets import in_both_words, linux_only
from twisted_compat import error

pytestmark = pytest.mark.without_debug

# -- what the child finds


each_way = pytest.mark.parametrize("options", [{}, {"path": "/"}], ids=["spawned", "forked"])
"""There are two ways to start a program: a directory makes it the other."""


@linux_only
@both_kinds
async def test_a_shell_is_talked_to_as_at_a_terminal(kind: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PS1": "ready> ", "TERM": "dumb", "HISTFILE": "/dev/null"}
    async with attached(kind) as reactor:
        protocol = spawn(reactor, needed("bash"), "--norc", "--noprofile", "-i", env=environment, usePTY=True)
        talk = Conversation(protocol)
        await talk.comes(b"ready> ")
        talk.type(b"echo $((6 * 7)) $-\n")
        assert b"\r\n42 " in await talk.comes(b"ready> ")
        talk.type(b"sh -c \"echo as''leep; exec sleep 1000\"\n")
        await talk.comes(b"\r\nasleep\r\n")
        await until(lambda: place_of(protocol.transport.pid).foreground != protocol.transport.pid)
        talk.type(b"\x03")
        assert b"^C" in await talk.comes(b"ready> ")
        talk.type(b"echo $?; jobs; sh -c 'exit 7'\n")
        assert b"\r\n130\r\n" in await talk.comes(b"ready> ")
        talk.type(b"\x04")
        assert await protocol.ended() == exited_with(7)
        assert protocol.had_a_whole_life(terminal=True)


class Conversation:
    """What a child prints, from where one has heard it."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._heard = 0

    def type(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    async def comes(self, sign: bytes) -> bytes:
        """Wait until this comes; all until then."""
        await until(lambda: sign in self._protocol.output()[self._heard :])
        end = self._protocol.output().index(sign, self._heard) + len(sign)
        heard = bytes(self._protocol.output()[self._heard : end])
        self._heard = end
        return heard


@each_way
async def test_its_first_three_descriptors_are_the_terminal_and_there_are_no_others(options: Any) -> None:
    async with attached() as reactor:
        reading, writing = os.pipe()
        os.set_inheritable(reading, True)
        script = "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; exec cat"
        protocol = in_terminal(reactor, script, **options)
        try:
            said = await printed(protocol, b"all\r\n")
            name = said.split(b"\r\n")[0].decode()
            assert os.stat(name).st_rdev
            if os.path.isdir("/proc/self/fd"):
                listing = f"/proc/{protocol.transport.pid}/fd"
                await until(lambda: sorted(os.listdir(listing)) == ["0", "1", "2"])
                assert [os.readlink(f"{listing}/{number}") for number in range(3)] == [name] * 3
        finally:
            os.close(reading)
            os.close(writing)
        protocol.transport.write(b"\x04")
        assert await protocol.ended() == DONE


@linux_only
@each_way
async def test_it_leads_a_session_that_the_terminal_controls(options: Any) -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, f"tty; echo yes >/dev/tty; {WAITING}", **options)
        name = (await printed(protocol, b"yes\r\n")).split(b"\r\n")[0].decode()
        pid, place = protocol.transport.pid, place_of(protocol.transport.pid)
        assert (place.parent, place.session, place.group, place.foreground) == (os.getpid(), pid, pid, pid)
        assert place.terminal == number_of(name)
        ours = place_of(os.getpid())
        assert (ours.session, ours.terminal) != (place.session, place.terminal)
        protocol.transport.write(b"\n")
        assert await protocol.ended() == DONE


@each_way
async def test_signals_are_as_in_a_new_terminal(options: Any) -> None:
    """Python ignores SIGPIPE, and the host may block and ignore others."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        async with attached() as reactor:
            protocol = in_terminal(reactor, "echo ready; exec sleep 1000", **options)
            await printed(protocol, b"ready")
            protocol.transport.write(b"\x03")
            assert await protocol.ended() == killed_by(signal.SIGINT)
            protocol = in_terminal(reactor, "kill -USR1 $$; echo survived", **options)
            assert await protocol.ended() == killed_by(signal.SIGUSR1)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGHUP, before[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
async def test_it_runs_as_whom_and_where_it_is_told() -> None:
    async with attached() as reactor:
        script = "id -u; id -g; pwd; [ -t 0 ] && echo yes >/dev/tty"
        protocol = in_terminal(reactor, script, uid=65534, gid=65534, path="/")
        assert await protocol.ended() == DONE
        assert protocol.output() == b"65534\r\n65534\r\n/\r\nyes\r\n"


async def test_its_environment_is_the_one_that_it_is_given() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, needed("env"), env={"ONLY": "this"}, usePTY=1)
        assert await protocol.ended() == DONE
        assert protocol.output() == b"ONLY=this\r\n"


# -- the window


@both_kinds
async def test_the_child_is_told_of_the_windows_size_and_of_its_changes(kind: str) -> None:
    async with attached(kind) as reactor:
        script = f"stty -echo; trap 'stty size; exit 0' WINCH; stty size; while :; do {WAITING}; done"
        protocol = in_terminal(reactor, script)
        assert protocol.transport.window_size == (0, 0)
        await printed(protocol, b"0 0\r\n")
        protocol.transport.set_window_size(50, 132)
        assert protocol.transport.window_size == (50, 132)
        protocol.transport.write(b"\n")  # a shell that was only about to wait would look at its traps then
        assert await protocol.ended() == DONE
        assert protocol.output() == b"0 0\r\n50 132\r\n"


async def test_the_size_may_be_set_before_the_child_looks() -> None:
    async with attached() as reactor:
        protocol = in_terminal(
            reactor,
            f"{WAITING}; stty size",
            protocol=Recorder(on_made=lambda recorder: recorder.transport.set_window_size(24, 80)),
        )
        protocol.transport.write(b"\n")
        assert await protocol.ended() == DONE
        assert protocol.output() == b"\r\n24 80\r\n"


async def test_the_size_the_child_sets_is_seen() -> None:
    async with attached() as reactor:
        protocol = in_terminal(reactor, f"stty rows 11 cols 22; echo set; {WAITING}")
        await printed(protocol, b"set")
        assert protocol.transport.window_size == (11, 22)
        protocol.transport.loseConnection()
        await protocol.ended()


# -- what is typed, and what is printed


@both_kinds
async def test_what_is_typed_is_echoed_and_comes_in_lines(kind: str) -> None:
    async with attached(kind) as reactor:
        protocol = spawn(reactor, needed("cat"), usePTY=True)
        protocol.transport.write(b"one\n")
        await printed(protocol, b"one\r\none\r\n")
        protocol.transport.writeSequence([b"t", b"w", b"o\n"])
        await printed(protocol, b"two\r\ntwo\r\n")
        protocol.transport.writeToChild(0, b"three\n\x04")
        assert await protocol.ended() == DONE
        assert protocol.output() == b"one\r\none\r\ntwo\r\ntwo\r\nthree\r\nthree\r\n"
        assert protocol.had_a_whole_life(terminal=True)


async def test_a_megabyte_goes_both_ways_at_once() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "head", "-c", str(len(MANY)), usePTY=raw())
        protocol.transport.write(MANY)
        assert await protocol.ended() == DONE
        assert protocol.output() == MANY


@pytest.mark.parametrize("size", [1 << 16, 100])
async def test_all_that_the_child_prints_comes_before_its_end(size: int) -> None:
    def read_by(recorder: Any) -> None:
        recorder.transport.bufferSize = size

    count = 150_000 if size > 100 else 2_000
    async with attached() as reactor:
        protocol = spawn(
            reactor, "seq", "0", str(count - 1), usePTY=raw(), protocol=Recorder(on_made=read_by)
        )
        assert await protocol.ended() == DONE
        assert protocol.output() == b"".join(b"%d\n" % number for number in range(count))
        assert protocol.had_a_whole_life(terminal=True)


async def test_what_is_in_the_terminal_when_the_child_exits_waits_for_who_paused() -> None:
    def pause(recorder: Any) -> None:
        recorder.transport.pauseProducing()

    async with attached() as reactor:
        protocol = in_terminal(reactor, "seq 1000; exit 3", protocol=Recorder(on_made=pause))
        assert await protocol.exited() == exited_with(3)
        for _ in range(10):
            await asyncio.sleep(0)
        assert protocol.story() == [("made",), ("exited", exited_with(3))]
        assert protocol.transport.pid is None
        protocol.transport.resumeProducing()
        assert await protocol.ended() == exited_with(3)
        assert protocol.output() == b"".join(b"%d\r\n" % number for number in range(1, 1001))


async def test_who_pauses_makes_the_child_wait() -> None:
    def pause(recorder: Any, *_: Any) -> None:
        recorder.transport.pauseProducing()

    async with attached() as reactor:
        protocol = spawn(
            reactor,
            "seq",
            "20000",
            usePTY=raw(),
            protocol=Recorder(on_made=pause, on_data=pause),
        )
        expected = b"".join(b"%d\n" % number for number in range(1, 20_001))
        while protocol.output() != expected:
            size = len(protocol.output())
            for _ in range(3):
                await asyncio.sleep(0)
            assert len(protocol.output()) == size
            protocol.transport.resumeProducing()
            await until(lambda size=size: len(protocol.output()) > size)
        protocol.transport.resumeProducing()
        assert await protocol.ended() == DONE


async def test_a_child_that_does_not_read_makes_a_producer_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    async with attached() as reactor:
        protocol = in_terminal(
            reactor,
            'read -r line <"$1"; head -c "$2" | cksum',
            str(tmp_path / "go"),
            str(len(MANY)),
            usePTY=raw(),
        )
        producer = Producer(protocol.transport)
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(MANY[:-1])
        assert producer.told == ["pause"]
        for _ in range(50):
            await asyncio.sleep(0)
        assert producer.told == ["pause"]
        await open_and_write(tmp_path / "go", b"\n")
        await until(lambda: producer.told == ["pause", "resume"])
        protocol.transport.write(MANY[-1:])
        protocol.transport.unregisterProducer()
        assert await protocol.ended() == DONE
        summed = spawn(reactor, needed("cksum"))
        summed.transport.write(MANY)
        summed.transport.closeStdin()
        await summed.ended()
        assert protocol.output() == summed.output()


async def open_and_write(path: Path, data: bytes) -> None:
    """Write to a named pipe as soon as it has a reader."""

    def opened() -> int:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return 0

    writer = await until(opened)
    os.write(writer, data)
    os.close(writer)


async def test_a_pulled_producer_is_asked_until_it_has_no_more() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "head", "-c", "200000", usePTY=raw())
        producer = Producer(protocol.transport, b"x" * 10_000)
        protocol.transport.registerProducer(producer, False)
        assert await protocol.ended() == DONE
        assert protocol.output() == b"x" * 200_000
        assert len(producer.told) >= 20
        assert producer.told == ["resume"] * (len(producer.told) - 1) + ["stop"]


# -- the transport


@both_kinds
async def test_the_transport_offers_all_that_it_has_to(kind: str) -> None:
    async with attached(kind) as reactor:
        protocol = spawn(reactor, needed("cat"), usePTY=True)
        transport = protocol.transport
        for name in ("IProcessTransport", "IConsumer", "IPushProducer"):
            for interface in in_both_words(name) if kind == "twisted" else in_both_words(name)[:1]:
                assert verifyObject(interface, transport)
        assert type(transport.pid) is int
        os.kill(transport.pid, 0)
        assert transport.proto is protocol
        for address in (transport.getHost(), transport.getPeer()):
            assert verifyObject(in_both_words("IAddress")[kind == "twisted"], address)
        transport.closeStdin()
        transport.closeStdout()
        transport.closeStderr()
        for number in (0, 1, 2, 7):
            transport.closeChildFD(number)
        for number in (1, 2, 7):
            with pytest.raises(KeyError):
                transport.writeToChild(number, b"x")
        with pytest.raises(TypeError):
            transport.write("text")
        transport.write(b"still\n")
        await printed(protocol, b"still\r\nstill\r\n")
        transport.stopProducing()
        assert await protocol.ended() == killed_by(signal.SIGHUP)
        assert transport.pid is None
        transport.loseConnection()
        transport.stopProducing()
        transport.pauseProducing()
        transport.resumeProducing()
        transport.closeStdin()
        transport.write(b"dropped")
        transport.writeToChild(0, b"dropped")
        late = Producer(transport)
        transport.registerProducer(late, True)
        assert late.told == ["stop"]
        assert protocol.had_a_whole_life(terminal=True)


@pytest.mark.parametrize("name, number", [("TERM", 15), ("KILL", 9), ("SIGUSR1", 10), (2, 2)])
async def test_signals_are_sent_by_name_and_by_number(name: Any, number: int) -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "sleep", "1000", usePTY=True)
        protocol.transport.signalProcess(name)
        assert await protocol.ended() == killed_by(number)


async def test_a_signal_that_does_not_exist_and_a_child_that_is_no_more_are_told() -> None:
    async with attached() as reactor:
        protocol = spawn(reactor, "sleep", "1000", usePTY=True)
        with pytest.raises(ValueError, match="NONSENSE"):
            protocol.transport.signalProcess("NONSENSE")
        protocol.transport.signalProcess("STOP")
        if os.path.isdir("/proc/self"):
            await until(lambda: place_of(protocol.transport.pid).state == "T")
        assert not protocol.reasons
        protocol.transport.signalProcess("CONT")
        protocol.transport.signalProcess("TERM")
        assert await protocol.exited() == killed_by(signal.SIGTERM)
        with pytest.raises(error.ProcessExitedAlready):
            protocol.transport.signalProcess("TERM")
        await protocol.ended()
