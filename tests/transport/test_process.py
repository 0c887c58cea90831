"""The transport to a child process: what it offers, how it writes, closes and signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.support import eventually, until, within
from tests.transport.children import (
    DONE,
    Recorder,
    attached,
    both_kinds,
    children,
    exited_with,
    is_zombie,
    killed_by,
    shell,
    spawn,
)
from tests.transport.unix_sockets import in_both_words, linux_only
from twisted_compat import AsyncioReactor
from twisted_compat.error import ProcessExitedAlready
from twisted_compat.interfaces import IConsumer, IProcessTransport, IPushProducer, IReactorProcess
from twisted_compat.transport.process_pipes import ProcessReader, ProcessWriter

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 13)  # 2 MiB: far more than any pipe takes


# What there is


async def test_the_reactor_and_the_transport_provide_what_the_interfaces_say() -> None:
    async with attached() as reactor:
        assert verifyObject(IReactorProcess, reactor)
        child = spawn(reactor, "/bin/cat")
        for interface in (IProcessTransport, IConsumer, IPushProducer):
            assert verifyObject(interface, child.transport)
        child.transport.closeStdin()
        await child.ended()


async def test_the_transport_knows_the_child() -> None:
    seen: list[Any] = []

    def note(child: Any, reason: Any = None) -> None:
        seen.append(child.transport.pid)

    async with attached() as reactor:
        child = shell(reactor, "echo $$; exec cat", protocol=Recorder(note, on_exited=note, on_ended=note))
        transport = child.transport
        assert transport.proto is child and transport.status is None
        pid = transport.pid
        await child.said(b"%d\n" % pid)
        assert transport.pid == pid and children() >= {pid}
        transport.closeStdin()
        await child.ended()
        assert seen == [pid, None, None]
        assert transport.pid is None and transport.status == 0


async def test_the_transport_has_a_dictionary_of_the_pipes_that_are_open() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        pipes = child.transport.pipes
        assert {number: type(pipe) for number, pipe in pipes.items()} == {
            0: ProcessWriter,
            1: ProcessReader,
            2: ProcessReader,
        }
        assert all(pipe.name == number and pipe.proc is child.transport for number, pipe in pipes.items())
        child.transport.closeStderr()
        await child.closed(2)
        assert set(child.transport.pipes) == {0, 1}
        child.transport.closeStdin()
        await child.ended()
        assert child.transport.pipes == {}


@both_kinds
async def test_both_ends_have_an_address(kind: str) -> None:
    async with attached(kind) as reactor:
        child = spawn(reactor, "/bin/true")
        for address in (child.transport.getHost(), child.transport.getPeer()):
            [*_, interface] = (
                in_both_words("IAddress") if kind == "twisted" else in_both_words("IAddress")[:1]
            )
            assert verifyObject(interface, address)
            assert type(address).__name__ in ("PipeAddress", "_PipeAddress")
        await child.ended()


async def test_who_wants_no_pipe_needs_no_protocol() -> None:
    async with attached() as reactor:
        transport = reactor.spawnProcess(None, "/bin/true", childFDs={})
        assert transport.pipes == {}
        await until(lambda: transport.pid is None)
        with pytest.raises(ProcessExitedAlready):
            transport.signalProcess("KILL")
        for options in ({}, {"childFDs": {1: "r"}}, {"usePTY": True}):
            with pytest.raises(ValueError):
                reactor.spawnProcess(None, "/bin/true", **options)


async def test_a_program_that_is_not_there_is_told_of_at_once() -> None:
    async with attached() as reactor:
        child = Recorder()
        with pytest.raises(FileNotFoundError, match="/no/such/program"):
            reactor.spawnProcess(child, "/no/such/program", ["program"])
        assert child.events == []


# Where and when


@linux_only
def test_a_child_may_be_started_before_the_loop_runs(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    early = shell(reactor, "echo early; exit 7")
    eventually(lambda: is_zombie(early.transport.pid))
    child = spawn(reactor, "/bin/cat", protocol=Recorder(on_ended=lambda *_: reactor.stop()))
    assert early.events == child.events == [("made",)]
    child.transport.write(b"hello")
    child.on_data = lambda *_: child.transport.closeStdin()
    reactor.run()
    assert early.had_a_whole_life(0, 1, 2) and child.had_a_whole_life(0, 1, 2)
    assert early.output() == b"early\n" and early.events[-1] == ("ended", exited_with(7))
    assert child.output() == b"hello" and child.events[-1] == ("ended", DONE)


async def test_another_thread_may_start_none() -> None:
    async with attached() as reactor:
        raised: list[Exception] = []

        def start() -> None:
            try:
                spawn(reactor, "/bin/true")
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert [type(error) for error in raised] == [RuntimeError]


# Writing


async def test_what_is_written_is_read_by_the_child_in_order() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        child.transport.write(b"one ")
        child.transport.writeSequence([b"two ", bytearray(b"three "), memoryview(b"four ")])
        child.transport.writeToChild(0, b"five ")
        await child.said(b"one two three four five ")
        child.transport.write(BIG)
        child.transport.write(b"end")
        child.transport.closeStdin()
        assert await child.ended() == DONE
    assert child.output() == b"one two three four five " + BIG + b"end"
    assert child.had_a_whole_life(0, 1, 2)


async def test_only_bytes_are_written_and_only_where_there_is_a_pipe_to_write_to() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        with pytest.raises(TypeError):
            child.transport.write("text")
        with pytest.raises(TypeError):
            child.transport.writeToChild(0, "text")
        for number in (1, 2, 3, -1):
            with pytest.raises(KeyError):
                child.transport.writeToChild(number, b"bytes")
        child.transport.closeStdin()
        await child.closed(0)
        child.transport.writeToChild(0, b"dropped")
        await child.ended()
        child.transport.write(b"dropped")
        child.transport.writeToChild(0, b"dropped")
        with pytest.raises(KeyError):
            child.transport.writeToChild(1, b"bytes")
    assert child.output() == b""


async def test_without_a_pipe_to_standard_input_what_is_written_is_dropped() -> None:
    async with attached() as reactor:
        child = shell(reactor, "echo done", childFDs={1: "r"})
        child.transport.write(b"dropped")
        child.transport.writeSequence([b"dropped"])
        child.transport.closeStdin()
        with pytest.raises(KeyError):
            child.transport.writeToChild(0, b"bytes")
        await child.ended()
    assert child.output() == b"done\n" and child.had_a_whole_life(1)


# Closing


async def test_closing_our_end_of_an_output_ends_who_goes_on_writing() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "yes")
        await until(child.output)
        child.transport.closeStdout()
        assert await child.ended() == killed_by(signal.SIGPIPE)
    assert child.had_a_whole_life(0, 1, 2)


async def test_the_standard_error_is_closed_alone() -> None:
    async with attached() as reactor:
        child = shell(reactor, "echo one >&2; read word; echo two >&2 || echo $word; exit 0")
        await child.said(b"one\n", 2)
        child.transport.closeStderr()
        await child.closed(2)
        child.transport.closeStderr()
        assert not child.has("closed", 0) and not child.has("closed", 1)
        child.transport.write(b"three\n")
        assert await child.ended() == killed_by(signal.SIGPIPE)
    assert child.had_a_whole_life(0, 1, 2)


async def test_closing_what_is_not_there_or_closed_already_does_nothing() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")

        def close_all_that_is_not_open() -> None:
            for number in (-1, 3, 77):
                child.transport.closeChildFD(number)
            if child.has("ended"):
                child.transport.closeStdin()
                child.transport.closeStdout()
                child.transport.closeStderr()
                child.transport.loseConnection()
                child.transport.stopProducing()

        close_all_that_is_not_open()
        child.transport.write(b"hello")
        await child.said(b"hello")
        child.transport.closeChildFD(2)
        child.transport.closeChildFD(2)
        child.transport.closeStdin()
        child.transport.closeStdin()
        assert await child.ended() == DONE
        close_all_that_is_not_open()
    assert child.had_a_whole_life(0, 1, 2)


@pytest.mark.parametrize("method", ["loseConnection", "stopProducing"])
async def test_losing_the_connection_closes_the_three_standard_pipes_once_all_is_sent(method: str) -> None:
    pipes = {0: "w", 1: "r", 2: "r", 3: "r", 4: "w"}
    async with attached() as reactor:
        child = shell(reactor, "wc -c >&3; read word <&4; echo $word >&3; exit 3", childFDs=pipes)
        child.transport.write(BIG)
        getattr(child.transport, method)()
        await child.said(b"%d\n" % len(BIG), 3)
        assert {event[1] for event in child.events if event[0] == "closed"} == {0, 1, 2}
        assert set(child.transport.pipes) == {3, 4}
        child.transport.writeToChild(4, b"still here\n")
        assert await child.ended() == exited_with(3)
    assert child.output(3) == b"%d\nstill here\n" % len(BIG)
    assert child.had_a_whole_life(0, 1, 2, 3, 4)


async def test_pipes_are_not_closed_in_the_caller() -> None:
    """As with connections: nobody hears of an end while it is still asking for it."""
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        child.transport.loseConnection()
        assert child.events == [("made",)]
        await child.ended()


# Signals


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("KILL", signal.SIGKILL),
        ("TERM", signal.SIGTERM),
        ("SIGHUP", signal.SIGHUP),
        (int(signal.SIGINT), signal.SIGINT),
        (signal.SIGUSR1, signal.SIGUSR1),
        pytest.param("SIGRTMIN", getattr(signal, "SIGRTMIN", 0), marks=linux_only),
    ],
    ids=["KILL", "TERM", "SIGHUP", "a number", "an enum", "SIGRTMIN"],
)
async def test_a_signal_has_a_name_or_a_number(name: str | int, number: int) -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        child.transport.signalProcess(name)
        assert await child.ended() == killed_by(number)
        with pytest.raises(ProcessExitedAlready):
            child.transport.signalProcess(name)
    assert child.had_a_whole_life(0, 1, 2)


async def test_a_signal_that_there_is_not_is_refused() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/cat")
        for unknown in ("NOSUCH", "SIGNOSUCH", "", "SIG", "_IGN", "SIG_DFL", "kill ", 12345, -1):
            with pytest.raises(ValueError):
                child.transport.signalProcess(unknown)
        child.transport.write(b"hello")
        await child.said(b"hello")
        child.transport.closeStdin()
        assert await child.ended() == DONE


async def test_a_child_may_handle_a_signal() -> None:
    async with attached() as reactor:
        child = shell(reactor, "trap 'echo handled; exit 9' TERM; echo ready; while read word; do :; done")
        await child.said(b"ready\n")
        child.transport.signalProcess("TERM")
        child.transport.write(b"\n")
        assert await child.ended() == exited_with(9)
    assert child.output() == b"ready\nhandled\n"


@linux_only
async def test_who_has_exited_and_not_been_noticed_is_not_hurt_by_a_signal() -> None:
    async with attached() as reactor:
        child = spawn(reactor, "/bin/true")
        eventually(lambda: is_zombie(child.transport.pid))
        with contextlib.suppress(ProcessExitedAlready):
            child.transport.signalProcess("KILL")
        assert await child.ended() == DONE


async def test_a_child_that_has_exited_is_sent_no_signal_while_others_hold_its_pipes() -> None:
    tried: list[type[Exception]] = []

    def try_it(child: Any, reason: Any) -> None:
        with pytest.raises(ProcessExitedAlready) as raised:
            child.transport.signalProcess("KILL")
        tried.append(raised.type)

    async with attached() as reactor:
        child = shell(reactor, "exec 3<&0; cat <&3 & exit 0", protocol=Recorder(on_exited=try_it))
        await child.exited()
        with pytest.raises(ProcessExitedAlready):
            child.transport.signalProcess(signal.SIGTERM)
        child.transport.closeStdin()
        await child.ended()
    assert tried == [ProcessExitedAlready]


# Beside others


async def test_a_child_does_not_hold_the_pipes_of_another_open() -> None:
    async with attached() as reactor:
        first = spawn(reactor, "/bin/cat")
        second = spawn(reactor, "/bin/cat")
        first.transport.closeStdin()
        assert await first.ended() == DONE  # of whose standard input the second has no copy
        assert second.events == [("made",)]
        second.transport.closeStdin()
        assert await second.ended() == DONE


async def test_each_loop_tells_of_its_own_children() -> None:
    """A reactor on another loop, in another thread, has children at the same time."""

    def elsewhere() -> Any:
        async def main() -> Any:
            async with AsyncioReactor() as reactor:
                child = shell(reactor, "cat; exit 3")
                child.transport.write(b"there")
                child.transport.closeStdin()
                await child.ended()
                return child

        return asyncio.run(main())

    async with attached() as reactor:
        child = shell(reactor, "cat; exit 2")
        other = await within(asyncio.to_thread(elsewhere))
        assert child.story() == [("made",)]
        child.transport.write(b"here")
        child.transport.closeStdin()
        assert await child.ended() == exited_with(2)
    assert other.events[-1] == ("ended", exited_with(3)) and other.had_a_whole_life(0, 1, 2)
    assert (child.output(), other.output()) == (b"here", b"there")
