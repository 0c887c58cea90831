"""Children: noticed when they exit, reaped once, signalled while they are there; with pidfds and without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
import pytest_asyncio
from zope.interface import implementer

from tests.adapter.reaping import (
    REFUSALS,
    Owner,
    ended,
    held,
    is_child,
    linux_only,
    nothing_more_than,
    refuse_pidfd,
    sleeper,
    started,
    state_of,
    zombie,
)
from tests.support import DEADLINE, eventually, no_reference_cycles, until, within
from tests.transport.children import DONE, Recorder, exited_with, killed_by, shell, spawn
from twisted_compat import AsyncioReactor
from twisted_compat.error import ProcessExitedAlready
from twisted_compat.interfaces import IProcessProtocol
from twisted_compat.protocol import ProcessProtocol

pytestmark = [pytest.mark.without_debug, linux_only]

USER = ContextVar("USER", default="nobody")

SURVIVED = {
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGURG,
    signal.SIGWINCH,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
}


@pytest.fixture(params=["pidfd", "thread"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Children are watched with pidfds, and with threads as where there is none."""
    if request.param == "thread":
        refuse_pidfd(monkeypatch, "old kernel")
    return request.param


@pytest_asyncio.fixture
async def reactor(way: str) -> AsyncIterator[Any]:
    """Leaves nothing."""
    before = held()
    async with AsyncioReactor() as reactor:
        yield reactor
    await nothing_more_than(before)


@pytest_asyncio.fixture
async def plain_reactor() -> AsyncIterator[Any]:
    """The same, where nothing but the usual way matters."""
    before = held()
    async with AsyncioReactor() as reactor:
        yield reactor
    await nothing_more_than(before)


async def told(*owners: Owner) -> list[Any]:
    """What each was told; only that, a few turns later."""
    await until(lambda: all(owner.told for owner in owners))
    for _ in range(3):
        await asyncio.sleep(0)
    assert [len(owner.told) for owner in owners] == [1] * len(owners)
    return [owner.told[0] for owner in owners]


def timers() -> list[Any]:
    """What the running loop is to call later, where it says so: asyncio's does."""
    return [
        handle for handle in getattr(asyncio.get_running_loop(), "_scheduled", ()) if not handle.cancelled()
    ]


# How they end


async def test_every_exit_code(plain_reactor: Any) -> None:
    owners = [Owner() for _ in range(256)]
    for code, owner in enumerate(owners):
        plain_reactor.watch_child(started(f"exit {code}"), owner)
    assert await told(*owners) == [code << 8 for code in range(256)]


async def test_every_signal_that_ends_a_child(plain_reactor: Any) -> None:
    numbers = sorted(signal.valid_signals() - SURVIVED)
    owners = [Owner() for _ in numbers]
    for number, owner in zip(numbers, owners, strict=True):
        plain_reactor.watch_child(sleeper(), owner).signal(number)
    statuses = await told(*owners)
    assert all(os.WIFSIGNALED(status) for status in statuses)
    assert [os.WTERMSIG(status) for status in statuses] == numbers


async def test_a_status_is_the_one_that_waiting_gives(reactor: Any, tmp_path: Any) -> None:
    script = f"cd {tmp_path} && ulimit -c unlimited && kill -ABRT $$"
    _, expected = os.waitpid(started(script), 0)
    owner = Owner()
    reactor.watch_child(started(script), owner)
    assert await told(owner) == [expected]  # where a core can be dumped, WCOREDUMP


async def test_one_that_has_exited_before_is_told_of_later(reactor: Any) -> None:
    owner = Owner()
    reactor.watch_child(zombie(3), owner)
    assert owner.told == []
    assert await told(owner) == [3 << 8]


async def test_one_that_stops_is_alive(reactor: Any) -> None:
    owner, other = Owner(), Owner()
    pid = sleeper()
    watch = reactor.watch_child(pid, owner)
    for number, state in ((signal.SIGSTOP, "T"), (signal.SIGCONT, "S"), (signal.SIGSTOP, "T")):
        watch.signal(number)
        await until(lambda state=state: state_of(pid) == state)  # type: ignore[misc]  # can't infer it
        reactor.watch_child(started("exit 0"), other)
        assert (await told(other)) == [0]  # what had to be noticed, has been
        assert owner.told == []
        other.told.clear()
    watch.signal(signal.SIGKILL)
    assert await told(owner) == [signal.SIGKILL]


async def test_one_that_runs_another_program_is_the_same(reactor: Any) -> None:
    owner = Owner()
    reactor.watch_child(started("exec sh -c 'exit 5'"), owner)
    assert await told(owner) == [5 << 8]


EXIT = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)
"""The number of the system call that ends one thread."""

FIRST_THREAD_ENDS = """
import ctypes, os, threading
def go_on():
    os.read(0, 1)
    THEN
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall(EXIT, 0)
"""


@pytest.mark.skipif(EXIT is None, reason="ends a process's first thread")
@pytest.mark.parametrize(
    ("then", "expected"),
    [("os._exit(7)", 7), ("os.execv('/bin/sh', ['sh', '-c', 'read x; exit 8'])", 8)],
    ids=["exits", "execs"],
)
async def test_one_whose_first_thread_has_ended(plain_reactor: Any, then: str, expected: int) -> None:
    program = FIRST_THREAD_ENDS.replace("THEN", then).replace("EXIT", str(EXIT))
    protocol = spawn(plain_reactor, sys.executable, "-ISEc", program)
    pid = protocol.transport.pid
    await until(lambda: state_of(pid) == "Z")
    other = shell(plain_reactor, "exit 0")
    assert await other.ended() == DONE
    assert not protocol.has("exited")
    protocol.transport.signalProcess(0)  # there is somebody
    protocol.transport.write(b"x")
    if "exec" in then:
        await until(lambda: state_of(pid) == "S")
        assert not protocol.has("exited")
        protocol.transport.write(b"\n")
    assert await protocol.ended() == exited_with(expected)


# Who is told


async def test_each_owner_hears_of_its_own(reactor: Any) -> None:
    sleepers = [sleeper() for _ in range(8)]
    owners = [Owner() for _ in sleepers]
    watches = [reactor.watch_child(pid, owner) for pid, owner in zip(sleepers, owners, strict=True)]
    with ended(*sleepers):
        for index in (3, 0, 7):
            watches[index].signal(signal.SIGTERM)
            assert await told(owners[index]) == [signal.SIGTERM]
        assert [owner.told for owner in owners].count([]) == 5
        for index in (1, 2, 4, 5, 6):
            watches[index].signal(signal.SIGKILL)
        assert await told(*(owners[index] for index in (1, 2, 4, 5, 6))) == [signal.SIGKILL] * 5


async def test_whoever_is_told_may_start_others(reactor: Any) -> None:
    owners: list[Owner] = []

    def again(status: int) -> None:
        if len(owners) < 20:
            owners.append(Owner(again))
            reactor.watch_child(started(f"exit {len(owners)}"), owners[-1])

    again(0)
    await until(lambda: len(owners) == 20 and owners[-1].told)
    assert [owner.told for owner in owners] == [[code << 8] for code in range(1, 21)]


async def test_what_one_raises_keeps_the_others_from_nothing(reactor: Any) -> None:
    def fail(status: int) -> None:
        raise ValueError("on purpose")

    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    owners = [Owner(fail), Owner(), Owner(fail), Owner()]
    for code, owner in enumerate(owners):
        reactor.watch_child(zombie(code), owner)
    assert await told(*owners) == [code << 8 for code in range(4)]


async def test_another_thread_is_refused(plain_reactor: Any) -> None:
    owner, pid = Owner(), sleeper()
    with ended(pid), ThreadPoolExecutor(1) as pool:
        refused = pool.submit(plain_reactor.watch_child, pid, owner).exception(DEADLINE)
    assert isinstance(refused, RuntimeError) and "thread" in str(refused)
    plain_reactor.watch_child(pid, owner)
    assert await told(owner) == [signal.SIGKILL]


# Signals


async def test_a_signal_reaches_nobody_once_the_child_is_gone(
    reactor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    watch = reactor.watch_child(started("exit 0"), owner)
    await told(owner)
    sent: list[Any] = []
    monkeypatch.setattr(os, "kill", lambda *to: sent.append(to))
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *to: sent.append(to))
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        with pytest.raises(ProcessLookupError):
            watch.signal(number)
    assert sent == []


async def test_whoever_is_told_can_t_signal_it(reactor: Any) -> None:
    raised: list[BaseException] = []

    def kill(status: int) -> None:
        try:
            watch.signal(signal.SIGKILL)
        except BaseException as error:
            raised.append(error)

    owner = Owner(kill)
    watch = reactor.watch_child(started("exit 0"), owner)
    await told(owner)
    assert [type(error) for error in raised] == [ProcessLookupError]


@pytest.mark.parametrize("delay", [0, 0.02])
async def test_a_child_isn_t_reaped_while_a_signal_is_on_its_way(
    reactor: Any, monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    """Its number could stand for anybody's process by the time the signal is sent."""
    real = os.kill
    sent: list[int] = []
    pid = sleeper()
    owner = Owner()
    watch = reactor.watch_child(pid, owner)

    def kill(number: int, signal_number: int) -> None:
        if not sent:
            sent.append(number)
            real(pid, signal.SIGKILL)
            eventually(lambda: state_of(pid) != "S")
            time.sleep(delay)  # whatever waits for it in a thread could take it away now
        assert is_child(number)
        real(number, signal_number)

    monkeypatch.setattr(os, "kill", kill)
    with contextlib.suppress(ProcessLookupError):
        watch.signal(signal.SIGTERM)
    if not sent:  # it has another way
        real(pid, signal.SIGKILL)
    monkeypatch.undo()
    assert await told(owner) in ([signal.SIGKILL], [signal.SIGTERM])


async def test_signals_while_the_child_exits(reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.kill

    def kill(number: int, signal_number: int) -> None:
        assert is_child(number)
        real(number, signal_number)

    monkeypatch.setattr(os, "kill", kill)
    for _ in range(20):
        owner = Owner()
        watch = reactor.watch_child(os.posix_spawn("/bin/true", ["true"], {}), owner)
        with pytest.raises(ProcessLookupError):
            while True:
                watch.signal(signal.SIGCONT)
                await asyncio.sleep(0)
        await told(owner)


# The transport over it


async def test_a_process_protocol_hears_what_happened(reactor: Any) -> None:
    for script, outcome in [("exit 0", DONE), ("exit 77", exited_with(77)), ("kill -9 $$", killed_by(9))]:
        protocol = shell(reactor, script)
        assert await protocol.ended() == outcome
        assert protocol.had_a_whole_life(0, 1, 2)
        assert protocol.transport.pid is None


async def test_the_end_is_told_in_the_context_of_the_start(reactor: Any) -> None:
    seen: list[str] = []

    def note(*ignored: Any) -> None:
        seen.append(USER.get())

    async def serve(name: str) -> None:
        USER.set(name)
        await shell(reactor, "exit 0", protocol=Recorder(on_exited=note, on_ended=note), childFDs={}).ended()

    for name in ("alice", "bob"):
        await asyncio.create_task(serve(name))
    assert seen == ["alice", "alice", "bob", "bob"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_end_of_the_program_is_not_the_end_of_the_story(loop_factory: Any, error: Any) -> None:
    def fail(*ignored: Any) -> None:
        raise error("on purpose")

    reactor = AsyncioReactor(loop_factory=loop_factory)
    protocol = Recorder(on_exited=fail)
    reactor.callWhenRunning(shell, reactor, "exit 3", protocol=protocol, childFDs={})
    with pytest.raises(error, match="on purpose"):
        reactor.run()
    assert protocol.story()[1:] == [("exited", exited_with(3)), ("ended", exited_with(3))]


async def test_hundreds_at_once(reactor: Any) -> None:
    protocols = [shell(reactor, f"exit {code % 7}", childFDs={}) for code in range(120)]
    for code, protocol in enumerate(protocols):
        assert await protocol.ended() == (exited_with(code % 7) if code % 7 else DONE)
        assert protocol.story() == [("made",), ("exited", *protocol.events[1][1:]), protocol.events[-1]]


# What is left


@pytest.mark.parametrize(("total", "batch"), [(100, 1), (2_000, 50)], ids=["in a row", "together"])
async def test_many_leave_nothing(plain_reactor: Any, total: int, batch: int) -> None:
    """The fixture looks once more after the stop."""
    await spawn(plain_reactor, "/bin/true").ended()
    before = held()
    for round in range(total // batch):
        fds: Any = None if round % 4 == 0 else {}
        protocols = [spawn(plain_reactor, "/bin/true", childFDs=fds) for _ in range(batch)]
        for protocol in protocols:
            assert await protocol.ended() == DONE
    await nothing_more_than(before)
    assert plain_reactor.getDelayedCalls() == []
    assert plain_reactor.getReaders() == plain_reactor.getWriters() == []
    assert timers() == []


@implementer(IProcessProtocol)
class Brief(ProcessProtocol):
    """Says when it is over, and nothing else."""

    def __init__(self) -> None:
        self.over = asyncio.get_running_loop().create_future()

    def processEnded(self, reason: Any) -> None:
        self.over.set_result(reason.value.status)


async def test_one_that_has_ended_leaves_no_cycles(reactor: Any) -> None:
    async def one() -> None:
        protocol = shell(reactor, "exit 3", protocol=Brief())
        protocol.transport.write(b"to nobody")
        assert await within(protocol.over) == 3 << 8

    await one()
    with no_reference_cycles():
        await one()


@pytest.mark.parametrize("how", [how for how in REFUSALS if how != "old kernel"])
async def test_without_pidfds_nothing_is_different(
    plain_reactor: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    before = held()
    refuse_pidfd(monkeypatch, how)
    protocol = shell(plain_reactor, "read x; exit $x")
    protocol.transport.signalProcess(0)
    protocol.transport.write(b"9\n")
    assert await protocol.ended() == exited_with(9)
    assert protocol.had_a_whole_life(0, 1, 2)
    with pytest.raises(ProcessExitedAlready):
        protocol.transport.signalProcess("KILL")
    await nothing_more_than(before)
    assert timers() == []
