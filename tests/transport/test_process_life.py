"""What becomes of a child process, as its protocol hears of it: in which order, and whoever interferes."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import weakref
from typing import Any

import pytest

from tests.support import eventually, until
from tests.transport.children import (
    DONE,
    Recorder,
    attached,
    exited_with,
    is_zombie,
    killed_by,
    shell,
    spawn,
)
from tests.transport.peers import errors, turns
from tests.transport.unix_sockets import linux_only
from twisted_compat.error import ProcessExitedAlready

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 13)  # 2 MiB: far more than any pipe takes


# The end


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", DONE),
        ("exit 1", exited_with(1)),
        ("exit 255", exited_with(255)),
        ("kill -TERM $$", killed_by(signal.SIGTERM)),
        ("ulimit -c 0; kill -SEGV $$", killed_by(signal.SIGSEGV)),
        pytest.param("kill -34 $$", killed_by(34), marks=linux_only),
    ],
    ids=["0", "1", "255", "TERM", "SEGV", "a real-time signal"],
)
async def test_the_reason_says_how_the_child_ended(script: str, end: Any) -> None:
    async with attached() as reactor:
        child = shell(reactor, f"echo out; echo err >&2; {script}")
        assert await child.ended() == end
    assert child.had_a_whole_life(0, 1, 2)
    assert (child.output(1), child.output(2)) == (b"out\n", b"err\n")


@linux_only
async def test_all_that_a_child_wrote_before_it_exited_comes_before_the_end() -> None:
    """As much as a pipe holds, by a child that has long exited when somebody reads."""
    async with attached() as reactor:
        child = shell(reactor, "head -c 65536 /dev/zero; head -c 30000 /dev/zero >&2; exit 3")
        eventually(lambda: is_zombie(child.transport.pid))
        assert await child.ended() == exited_with(3)
    assert (child.output(1), child.output(2)) == (bytes(65536), bytes(30000))
    assert child.had_a_whole_life(0, 1, 2)


async def test_pipes_may_be_closed_long_before_the_child_exits() -> None:
    async with attached() as reactor:
        child = shell(reactor, "exec >&- 2>&-; read word; exit 4")
        await child.closed(1)
        await child.closed(2)
        assert not child.has("closed", 0) and child.transport.pid is not None
        child.transport.write(b"word\n")
        assert await child.ended() == exited_with(4)
    assert child.had_a_whole_life(0, 1, 2)


async def test_a_child_without_pipes_ends_when_it_exits() -> None:
    async with attached() as reactor:
        child = shell(reactor, "exit 5", childFDs={})
        assert await child.ended() == exited_with(5)
    assert child.events == [("made",), ("exited", exited_with(5)), ("ended", exited_with(5))]


# Who else has the pipes


async def test_a_child_has_exited_but_not_ended_while_its_own_children_have_its_pipes() -> None:
    script = "exec 3<&0; { read word <&3; echo for $word; read word <&3; } & exit 5"
    async with attached() as reactor:
        child = shell(reactor, script)
        assert await child.exited() == exited_with(5)
        await turns()
        assert child.transport.pid is None and [event[0] for event in child.events] == ["made", "exited"]
        child.transport.write(b"you\n")
        await child.said(b"for you\n")
        assert not child.has("ended")
        child.transport.closeStdin()
        assert await child.ended() == exited_with(5)
    assert child.had_a_whole_life(0, 1, 2)


@pytest.mark.parametrize("when", ["before", "in", "after"])
async def test_losing_the_connection_ends_a_child_whose_own_children_live_on(when: str) -> None:
    async with attached() as reactor:
        ours, theirs = os.pipe()  # what keeps them alive
        child = shell(reactor, "wc -c <&4 & read word; exit 6", childFDs={0: "w", 1: "r", 2: "r", 4: ours})
        os.close(ours)
        if when == "in":
            child.on_exited = lambda *_: child.transport.loseConnection()
        if when == "before":
            child.transport.loseConnection()
        else:
            child.transport.write(b"word\n")
        await child.exited()
        if when == "after":
            assert not child.has("ended")
            child.transport.loseConnection()
        assert await child.ended() == exited_with(6)
        os.write(theirs, b"they are still there")
        os.close(theirs)
    assert child.had_a_whole_life(0, 1, 2) and child.output() == b""


# Stopping and going on


@linux_only
async def test_a_stopped_child_is_alive() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        for word in (b"one ", b"two "):
            before = child.output()
            child.transport.signalProcess("STOP")
            await until(lambda: state_of(child.transport.pid) == "T")
            child.transport.write(word)
            await turns(20)
            assert child.output() == before and not child.has("exited")
            child.transport.signalProcess("CONT")
            await child.said(before + word)
        child.transport.signalProcess("STOP")
        await until(lambda: state_of(child.transport.pid) == "T")
        child.transport.signalProcess("KILL")
        assert await child.ended() == killed_by(signal.SIGKILL)
    assert child.had_a_whole_life(0, 1, 2)


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


# As it is made


@pytest.mark.parametrize("method", ["loseConnection", "closeStdin"])
async def test_a_child_may_be_written_to_and_closed_as_it_is_made(method: str) -> None:
    def begin(child: Any) -> None:
        child.transport.write(BIG)
        getattr(child.transport, method)()

    async with attached() as reactor:
        child = shell(
            reactor, "wc -c >&3", protocol=Recorder(begin), childFDs={0: "w", 1: "r", 2: "r", 3: "r"}
        )
        assert await child.ended() == DONE
    assert child.output(3) == b"%d\n" % len(BIG) and child.had_a_whole_life(0, 1, 2, 3)


async def test_a_child_may_be_signalled_as_it_is_made() -> None:
    async with attached() as reactor:
        child = spawn(
            reactor, "/bin/cat", protocol=Recorder(lambda child: child.transport.signalProcess("KILL"))
        )
        assert await child.ended() == killed_by(signal.SIGKILL)
    assert child.had_a_whole_life(0, 1, 2)


@linux_only
async def test_a_child_that_ends_as_it_is_made_is_told_of_afterwards() -> None:
    def wait(child: Any) -> None:
        eventually(lambda: is_zombie(child.transport.pid))

    async with attached() as reactor:
        child = shell(reactor, "echo out; echo err >&2; exit 1", protocol=Recorder(wait))
        assert child.events == [("made",)]
        assert await child.ended() == exited_with(1)
    assert child.output(1) == b"out\n" and child.output(2) == b"err\n"
    assert child.had_a_whole_life(0, 1, 2)


async def test_what_make_connection_raises_is_logged_and_the_child_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(child: Any) -> None:
        raise ZeroDivisionError("as it is made")

    async with attached() as reactor:
        child = Recorder(fail)
        transport = reactor.spawnProcess(child, "/bin/cat")
        transport.write(b"hello")
        transport.closeStdin()
        assert await child.ended() == DONE
    assert child.output() == b"hello" and child.had_a_whole_life(0, 1, 2)
    [record] = errors(caplog)
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_nothing_is_logged_about_a_child_that_ends_as_it_likes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with attached() as reactor:
        for script in ("exit 0", "exit 1", "kill -9 $$"):
            await shell(reactor, script).ended()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# Methods that raise


@pytest.mark.parametrize("which", ["data", "closed", "exited", "ended"])
async def test_what_a_method_raises_is_logged_once_and_the_rest_goes_on(
    which: str, caplog: pytest.LogCaptureFixture
) -> None:
    raised = []

    def fail(child: Any, what: Any, data: Any = None) -> None:
        if not raised:
            raised.append(what)
            raise ZeroDivisionError(which)

    async with attached() as reactor:
        protocol = Recorder(**{f"on_{which}": fail})
        child = shell(reactor, "echo out; read word; echo $word >&2; exit 3", protocol=protocol)
        await child.said(b"out\n")
        if which == "data":
            await child.closed(1)
        child.transport.write(b"err\n")
        assert await child.ended() == exited_with(3)
        assert len(raised) == 1
    assert child.output(2) == b"err\n"
    assert child.had_a_whole_life(0, 1, 2)
    [record] = errors(caplog)
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_who_raises_at_data_has_that_pipe_closed_and_no_other() -> None:
    def fail(child: Any, fd: int, data: bytes) -> None:
        if fd == 1:
            raise ZeroDivisionError

    async with attached() as reactor:
        script = "echo out; read word; echo $word >&2; echo $word; exit 3"
        child = shell(reactor, script, protocol=Recorder(on_data=fail))
        await child.closed(1)
        assert set(child.transport.pipes) == {0, 2}
        child.transport.write(b"err\n")
        assert await child.ended() == killed_by(signal.SIGPIPE)
    assert (child.output(1), child.output(2)) == (b"out\n", b"err\n")


# Methods that call the transport


async def test_everything_may_be_called_in_every_method() -> None:
    def call_everything(child: Any, *_: Any) -> None:
        transport = child.transport
        transport.pauseProducing()
        transport.resumeProducing()
        transport.write(b"x")
        transport.writeToChild(0, b"y")
        for fd in (0, 1, 2, 3):
            transport.closeChildFD(fd)
        transport.loseConnection()
        transport.getHost()
        transport.getPeer()
        transport.registerProducer(Stopped(), True)
        transport.unregisterProducer()
        with contextlib.suppress(ProcessExitedAlready):
            transport.signalProcess("CONT")
        transport.stopProducing()

    class Stopped:
        def stopProducing(self) -> None:
            pass

    async with attached() as reactor:
        for first in ("on_made", "on_data", "on_closed", "on_exited", "on_ended"):
            child = shell(reactor, "echo out; exec >&-; read word; exit 0", protocol=Recorder())
            setattr(child, first, call_everything)
            for method in ("on_data", "on_closed", "on_exited", "on_ended"):
                setattr(child, method, call_everything)
            await child.ended()
            assert child.had_a_whole_life(0, 1, 2)


async def test_a_child_may_be_followed_by_another_at_every_turn_of_its_life() -> None:
    started: list[Any] = []

    def next_one(child: Any, *_: Any) -> None:
        if child.generation < 2:
            started.append(Recorder(*[next_one] * 5))
            started[-1].generation = child.generation + 1
            shell(reactor, "echo", protocol=started[-1], childFDs={1: "r"})

    async with attached() as reactor:
        first = Recorder(*[next_one] * 5)
        first.generation = 0
        shell(reactor, "echo", protocol=first, childFDs={1: "r"})
        await until(lambda: len(started) == 5 + 25 and all(child.has("ended") for child in [first, *started]))
        assert all(child.had_a_whole_life(1) and child.output() == b"\n" for child in [first, *started])


# Many


async def test_hundreds_at_once_are_each_told_of_once() -> None:
    async with attached() as reactor:
        everyone = [spawn(reactor, "/bin/true", childFDs={1: "r"}) for _ in range(200)]
        for child in everyone:
            assert await child.ended() == DONE
    assert all(child.had_a_whole_life(1) for child in everyone)


async def test_many_with_different_ends_are_not_confused() -> None:
    async with attached() as reactor:
        everyone = [shell(reactor, 'echo "$1"; exit "$1"', str(code)) for code in range(1, 41)]
        assert [await child.ended() for child in everyone] == [exited_with(code) for code in range(1, 41)]
    assert [child.output() for child in everyone] == [b"%d\n" % code for code in range(1, 41)]


# The reactor's end


async def test_the_pipes_of_a_child_that_lives_on_are_closed_even_if_nobody_reads_them() -> None:
    async with attached() as reactor:
        child = shell(reactor, "exec cat; exit 3")
        child.transport.pauseProducing()
    assert child.has("ended") and child.had_a_whole_life(0, 1, 2)


# What is kept


async def test_a_child_that_nobody_keeps_is_heard_of_all_the_same(no_collector: None) -> None:
    heard: list[Any] = []

    async with attached() as reactor:
        reactor.spawnProcess(
            Recorder(on_ended=lambda child, reason: heard.append(child.output())),
            "/bin/echo",
            ["echo", "hello"],
        )
        gc.collect()
        await until(lambda: heard)
    assert heard == [b"hello\n"]


async def test_nothing_of_a_child_that_has_ended_is_kept(no_collector: None) -> None:
    async with attached() as reactor:
        child = shell(reactor, "cat; exit 3")
        child.transport.write(b"hello")
        child.transport.closeStdin()
        await child.ended()
        await turns()
        kept = [weakref.ref(child), weakref.ref(child.transport)]
        del child
        await turns()
        assert [each() for each in kept] == [None, None]
