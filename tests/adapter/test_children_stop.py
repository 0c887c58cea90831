"""Children of a reactor that stops, or whose loop is closed: told, left alone, and reaped all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.adapter.reaping import (
    Owner,
    children_of_ours,
    ended,
    held,
    is_alive,
    is_child,
    linux_only,
    nothing_more_than,
    reaped,
    refuse_pidfd,
    sleeper,
    state_of,
    was_left,
)
from tests.support import DEADLINE, eventually, until, within
from tests.transport.children import Recorder, exited_with, shell, spawn
from twisted_compat import AsyncioReactor
from twisted_compat.current import current_reactor

pytestmark = [pytest.mark.without_debug, linux_only]

FOREVER = 3600.0
LONG = "exec sleep 1000"


@pytest.fixture(params=["pidfd", "thread"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Children are watched with pidfds, and with threads as where there is none."""
    if request.param == "thread":
        refuse_pidfd(monkeypatch, "old kernel")
    return request.param


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever doesn't exit at once lives on."""
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", 0.02)


@pytest.fixture
def endless_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is waited for is waited for."""
    monkeypatch.setattr("twisted_compat.adapter.shutdown.GRACE", FOREVER)


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    before = held()
    yield
    for pid in children_of_ours().keys() - before.children.keys():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise AssertionError("a child was left")


@contextlib.asynccontextmanager
async def stopping() -> AsyncIterator[Any]:
    """A reactor that stops at the end of the block. If that takes for ever, it doesn't."""
    async with AsyncioReactor() as reactor:
        yield reactor
        try:
            await stop(reactor)
        except asyncio.TimeoutError:
            reactor._parts.hurry()  # type: ignore[union-attr]  # it is stopping: it has them
            raise


async def stop(reactor: Any) -> None:
    reactor.stop()
    await within(reactor.stopped())


# The grace


async def test_a_child_that_ends_with_its_input_is_told_of_as_usual(way: str, endless_grace: None) -> None:
    async with stopping() as reactor:
        protocols = [shell(reactor, f"cat; exit {code}") for code in range(1, 4)]
        for protocol in protocols:
            protocol.transport.write(b"the last of it")
    for code, protocol in enumerate(protocols, 1):
        assert protocol.had_a_whole_life(0, 1, 2)
        assert protocol.reasons[0].value.exitCode == code


async def test_one_that_has_exited_just_before_is_told_of_as_usual(way: str, endless_grace: None) -> None:
    """Though nobody waits for it."""
    async with stopping() as reactor:
        protocol = shell(reactor, "exit 3", childFDs={})
        pid = protocol.transport.pid
        eventually(lambda: not is_alive(pid))
    assert protocol.story()[1:] == [("exited", exited_with(3)), ("ended", exited_with(3))]


async def test_a_hurry_ends_the_wait(way: str, endless_grace: None) -> None:
    async with AsyncioReactor() as reactor:
        protocol = shell(reactor, LONG)
        pid = protocol.transport.pid
        reactor.stop()
        await protocol.closed(0)
        await protocol.closed(1)
        assert not protocol.has("ended")
        assert reactor._parts is not None
        reactor._parts.hurry()
    with ended(pid):
        assert was_left(protocol, 0, 1, 2)
    await reaped(pid)


async def test_nobody_is_killed(way: str, no_grace: None, caplog: pytest.LogCaptureFixture) -> None:
    before = held()
    with caplog.at_level(logging.INFO):
        async with AsyncioReactor() as reactor:
            protocol = shell(reactor, LONG)
            pid = protocol.transport.pid
    with ended(pid):
        assert was_left(protocol, 0, 1, 2)
        assert [r.levelno for r in caplog.records if str(pid) in r.getMessage()] == [logging.INFO]
        assert is_alive(pid)
        assert held().descriptors == before.descriptors
    await reaped(pid)


async def test_a_child_without_a_pipe_isn_t_waited_for(way: str, endless_grace: None) -> None:
    async with stopping() as reactor:
        protocol = spawn(reactor, "/bin/sleep", "1000", childFDs={})
        pid = protocol.transport.pid
    with ended(pid):
        assert was_left(protocol)
        assert is_alive(pid)
    await reaped(pid)


async def test_an_owner_hears_that_its_child_is_left(way: str, no_grace: None) -> None:
    async with AsyncioReactor() as reactor:
        owner, pid = Owner(), sleeper()
        watch = reactor.watch_child(pid, owner)
    with ended(pid):
        assert owner.told == ["left"]
        with pytest.raises(ProcessLookupError):
            watch.signal(signal.SIGKILL)
    await reaped(pid)
    assert owner.told == ["left"]


async def test_a_child_that_is_stopped_is_left_as_it_is(way: str, no_grace: None) -> None:
    async with AsyncioReactor() as reactor:
        protocol = shell(reactor, LONG)
        pid = protocol.transport.pid
        protocol.transport.signalProcess("STOP")
        await until(lambda: state_of(pid) == "T")
    with ended(pid):
        assert was_left(protocol, 0, 1, 2)
        assert state_of(pid) == "T"
    await reaped(pid)


async def test_one_started_as_the_last_of_all(way: str, no_grace: None) -> None:
    protocols: list[Any] = []
    pids: list[int] = []
    before = held()

    def start() -> None:
        protocols.append(shell(reactor, LONG))
        pids.append(protocols[0].transport.pid)

    async with AsyncioReactor() as reactor:
        reactor.addSystemEventTrigger("after", "shutdown", start)
    with ended(*pids):
        assert was_left(protocols[0], 0, 1, 2)
        assert not held().descriptors - before.descriptors
    await reaped(pids[0])


async def test_one_started_while_others_are_waited_for(way: str, endless_grace: None) -> None:
    pids: list[int] = []
    protocols: list[Any] = []
    before = held()

    def another(protocol: Any, reason: Any) -> None:
        protocols.append(shell(reactor, LONG))
        pids.append(protocols[-1].transport.pid)
        assert reactor._parts is not None
        reactor._parts.hurry()

    async with stopping() as reactor:
        shell(reactor, "cat", protocol=Recorder(on_ended=another))
    with ended(*pids):
        assert len(protocols) == 1 and was_left(protocols[0], 0, 1, 2)
        assert not held().descriptors - before.descriptors
    for pid in pids:
        await reaped(pid)


async def test_none_is_started_by_the_last_words_of_one_that_is_left(way: str, no_grace: None) -> None:
    refused: list[BaseException] = []
    before = held()

    def another(protocol: Any, reason: Any) -> None:
        with pytest.raises(RuntimeError, match="has stopped") as caught:
            shell(reactor, LONG)
        refused.append(caught.value)

    async with AsyncioReactor() as reactor:
        protocol = shell(reactor, LONG, protocol=Recorder(on_ended=another))
        pid = protocol.transport.pid
    with ended(pid):
        assert was_left(protocol, 0, 1, 2)
        assert len(refused) == 1
        now = held()
        assert not now.descriptors - before.descriptors
        assert now.children.keys() - before.children.keys() == {pid}
    await reaped(pid)


async def test_a_child_that_is_always_started_again(
    way: str, no_grace: None, caplog: pytest.LogCaptureFixture
) -> None:
    before = held()
    started = 0

    def another(*ignored: Any) -> None:
        nonlocal started
        if started < 500:
            spawn(reactor, "/bin/true", protocol=Recorder(on_ended=another), childFDs={})
            started += 1

    async with AsyncioReactor() as reactor:
        another()
    assert started < 500
    refusals = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.exc_info and record.exc_info[0] for record in refusals] == [RuntimeError]
    await until(lambda: not any(is_alive(pid) for pid in children_of_ours().keys() - before.children))
    async with AsyncioReactor():
        await nothing_more_than(before)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, SystemExit])
async def test_what_the_last_words_raise_keeps_nobody_waiting(
    no_grace: None, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    def fail(*ignored: Any) -> None:
        raise error("on purpose")

    before = held()
    async with AsyncioReactor() as reactor:
        protocols = [shell(reactor, LONG, protocol=Recorder(on_ended=fail)) for _ in range(3)]
        pids = [protocol.transport.pid for protocol in protocols]
    with ended(*pids):
        assert all(was_left(protocol, 0, 1, 2) for protocol in protocols)
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [r.exc_info and r.exc_info[0] for r in errors] == [error] * 3
    for pid in pids:
        await reaped(pid)
    await nothing_more_than(before)


# Reaped by whoever comes next


@pytest.mark.parametrize("occasion", ["spawn", "start", "stop"])
async def test_what_was_left_is_reaped_later(way: str, no_grace: None, occasion: str) -> None:
    async with AsyncioReactor() as reactor:
        pid = shell(reactor, LONG).transport.pid
    if occasion != "start":
        reactor = AsyncioReactor()
        reactor.callWhenRunning(lambda: None)
    with ended(pid):
        assert is_alive(pid)
    eventually(lambda: not is_alive(pid))
    if occasion == "start":
        reactor = AsyncioReactor()
        reactor.callWhenRunning(lambda: None)
        await until(lambda: not is_child(pid))
    elif occasion == "spawn":
        protocol = spawn(reactor, "/bin/true", childFDs={})
        await until(lambda: not is_child(pid))
        await protocol.ended()
    await stop(reactor)
    await until(lambda: not is_child(pid))


# Reactors in turn, and together


async def test_reactors_in_turn_on_one_loop(way: str, no_grace: None) -> None:
    before = held()
    pids = []
    for turn in range(4):
        async with AsyncioReactor() as reactor:
            pids.append(shell(reactor, LONG).transport.pid)
            assert await shell(reactor, f"exit {turn + 1}").ended() == exited_with(turn + 1)
            if len(pids) > 1:
                os.kill(pids[-2], signal.SIGKILL)
    with ended(*pids):
        assert [is_child(pid) for pid in pids][-1]
    for pid in pids:
        await reaped(pid)
    await nothing_more_than(before)


def test_reactors_on_loops_in_threads(way: str, loop_factory: Callable[[], Any]) -> None:
    results: dict[int, Any] = {}

    async def main(number: int) -> None:
        async with AsyncioReactor() as reactor:
            protocols = [shell(reactor, f"exit {number}") for _ in range(10)]
            results[number] = {await protocol.ended() for protocol in protocols}

    def run(number: int) -> None:
        loop = loop_factory()
        loop.run_until_complete(main(number))
        loop.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert results == {number: {exited_with(number)} for number in range(1, 4)}


# A loop that is closed, and one of its own


@pytest.fixture
def ran(loop_factory: Any) -> Callable[[Any], Any]:
    """As asyncio.run does, on each loop."""

    def run(main: Any) -> Any:
        loop = loop_factory()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run


def test_a_loop_closed_under_its_reactor(
    way: str, ran: Any, no_grace: None, caplog: pytest.LogCaptureFixture
) -> None:
    before = held()

    async def main() -> Any:
        reactor = current_reactor()
        silent = spawn(reactor, "/bin/sleep", "1000", childFDs={})
        return (shell(reactor, LONG), silent), [shell(reactor, "exit 3") for _ in range(3)]

    alive, finished = ran(main())
    pids = [protocol.transport.pid for protocol in alive]
    with ended(*pids):
        eventually(
            lambda: not any(is_alive(pid) for pid in children_of_ours().keys() - {*pids, *before.children})
        )
        again = ran(last_words(3))
        assert again == exited_with(3)
        assert all(is_alive(pid) for pid in pids)
    assert was_left(alive[0], 0, 1, 2) and was_left(alive[1])
    for protocol in finished:
        names = [event[0] for event in protocol.events]
        assert names.count("ended") == 1 and names[-1] == "ended"
        assert protocol.transport.pid is None
    assert "closed before its reactor was left" in caplog.text
    for pid in pids:
        ran(reaped(pid))
    eventually(lambda: not held().descriptors - before.descriptors)


async def last_words(code: int) -> Any:
    return await shell(current_reactor(), f"exit {code}").ended()


def test_a_reactor_that_runs_again_and_again(way: str, loop_factory: Any, no_grace: None) -> None:
    before = held()
    reactor = AsyncioReactor(loop_factory=loop_factory)
    pids = []

    def stop_if_both_have(*ignored: Any) -> None:
        if first.has("ended") and second.has("ended"):
            reactor.stop()

    for turn in range(1, 4):
        first, second = (Recorder(on_ended=stop_if_both_have) for _ in range(2))
        shell(reactor, f"read x; exit {turn}", protocol=first)  # before it runs
        lives_on = shell(reactor, LONG)
        pids.append(lives_on.transport.pid)
        reactor.callWhenRunning(first.transport.write, b"\n")
        reactor.callWhenRunning(shell, reactor, f"exit {turn + 3}", protocol=second)
        reactor.run()
        assert first.reasons[-1].value.exitCode == turn
        assert second.reasons[-1].value.exitCode == turn + 3
        assert was_left(lives_on, 0, 1, 2)
        os.kill(pids[-1], signal.SIGKILL)
        eventually(lambda: not is_alive(pids[-1]))
    reactor.callWhenRunning(reactor.stop)
    reactor.run()
    eventually(lambda: not any(is_child(pid) for pid in pids))
    eventually(lambda: not held().descriptors - before.descriptors)


def test_a_reactor_that_never_runs(way: str, loop_factory: Any, no_grace: None) -> None:
    """It has a loop of its own, on which nothing happens before it runs."""
    reactor = AsyncioReactor(loop_factory=loop_factory)
    protocol = shell(reactor, "exit 3")
    pid = protocol.transport.pid
    eventually(lambda: state_of(pid) == "Z")
    assert protocol.story() == [("made",)]
    reactor.callWhenRunning(lambda: reactor.stop())
    reactor.run()
    assert protocol.had_a_whole_life(0, 1, 2)
    assert protocol.reasons[0].value.exitCode == 3


async def test_a_crash_leaves_children_as_they_are(way: str, no_grace: None) -> None:
    async with AsyncioReactor() as reactor:
        owner, pid = Owner(), sleeper()
        watch = reactor.watch_child(pid, owner)
        protocol = shell(reactor, "read x; exit $x")
        reactor.crash()
        await asyncio.sleep(0)
        assert owner.told == [] and not protocol.has("ended")
        watch.signal(signal.SIGKILL)
        protocol.transport.write(b"4\n")
        await until(lambda: owner.told)
        assert await protocol.ended() == exited_with(4)
    assert owner.told == [signal.SIGKILL]


def test_a_crash_and_another_run(way: str, loop_factory: Any) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    protocol = Recorder(on_ended=lambda *ignored: reactor.stop())
    reactor.callWhenRunning(lambda: shell(reactor, "read x; exit $x", protocol=protocol))
    reactor.callWhenRunning(reactor.crash)
    reactor.run()
    assert not protocol.has("ended")
    protocol.transport.write(b"5\n")
    reactor.run()
    assert protocol.had_a_whole_life(0, 1, 2)
    assert protocol.reasons[0].value.exitCode == 5


PROGRAM = """
import asyncio, os
def refuse(*arguments):
    raise OSError(38, "no such call")
os.pidfd_open = refuse
from twisted_compat import AsyncioReactor, current_reactor
from twisted_compat.protocol import ProcessProtocol
async def left():
    async with AsyncioReactor() as reactor:
        reactor.spawnProcess(ProcessProtocol(), "/bin/sleep", ["sleep", "1000"], childFDs={0: 0, 2: 2})
async def forgotten():
    current_reactor().spawnProcess(ProcessProtocol(), "/bin/sleep", ["sleep", "1000"], childFDs={0: 0, 2: 2})
asyncio.run(left())
asyncio.run(forgotten())
"""


def test_a_program_ends_though_threads_wait_for_children() -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=-1, stderr=-1, start_new_session=True)
    try:
        assert program.wait(DEADLINE) == 0
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
