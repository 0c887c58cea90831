"""Children beside those that the host program has: nobody takes away what is another's."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.adapter.reaping import (
    Owner,
    children_of_ours,
    held,
    linux_only,
    nothing_more_than,
    refuse_pidfd,
    started,
    state_of,
)
from tests.support import DEADLINE, until, within
from tests.transport.children import (
    DONE,
    UNKNOWN,
    both_kinds,
    exited_with,
    killed_by,
    make_reactor,
    shell,
    spawn,
)
from twisted_compat import AsyncioReactor
from twisted_compat.error import ProcessExitedAlready

pytestmark = [pytest.mark.without_debug, linux_only]


@pytest_asyncio.fixture(params=["pidfd", "thread"])
async def reactor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """With pidfds, and with threads as where there is none; leaves no child."""
    if request.param == "thread":
        refuse_pidfd(monkeypatch, "old kernel")
    before = children_of_ours().keys()
    async with AsyncioReactor() as reactor:
        yield reactor
    await until(lambda: children_of_ours().keys() <= before)


@pytest.fixture
def sigchld() -> Iterator[None]:
    """What becomes of SIGCHLD is put back."""
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGCHLD, before)


def wakeup_fd() -> int:
    number = signal.set_wakeup_fd(-1)
    if number != -1:
        signal.set_wakeup_fd(number, warn_on_full_buffer=False)
    return number


def dispositions() -> list[set[signal.Signals]]:
    """Which signals this process catches, ignores and blocks, as the system knows it; but for those that are
    the C library's own."""
    found = []
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("SigCgt", "SigIgn", "SigBlk")):
            mask = int(line.split()[1], 16)
            found.append({number for number in signal.valid_signals() if mask >> number - 1 & 1})
    return found


# What the host has is left alone


@pytest.mark.parametrize("hosts", ["none", "a handler", "blocked"])
async def test_no_signal_handler_is_touched(reactor: Any, sigchld: None, hosts: str) -> None:
    seen: list[int] = []
    if hosts == "a handler":
        signal.signal(signal.SIGCHLD, lambda number, frame: seen.append(number))
    elif hosts == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    before = signal.getsignal(signal.SIGCHLD), wakeup_fd(), dispositions()
    protocol = shell(reactor, "read x; exit $x")
    assert (signal.getsignal(signal.SIGCHLD), wakeup_fd(), dispositions()) == before
    protocol.transport.write(b"6\n")
    assert await protocol.ended() == exited_with(6)
    assert (signal.getsignal(signal.SIGCHLD), wakeup_fd(), dispositions()) == before
    if hosts == "a handler":
        await until(lambda: signal.SIGCHLD in seen)


# Each keeps the exit statuses of its own children


async def test_the_loop_s_own_children(reactor: Any) -> None:
    async def theirs(code: int) -> int:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            f"cat; exit {code}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(b"x" * code)
        assert output == b"x" * code
        assert process.returncode is not None
        return process.returncode

    async def ours(code: int) -> Any:
        return await shell(reactor, f"exit {code}").ended()

    codes = range(1, 9)
    results = await within(asyncio.gather(*(life(code) for code in codes for life in (theirs, ours))))
    assert results == [result for code in codes for result in (code, exited_with(code))]


async def test_popen(reactor: Any) -> None:
    processes = [subprocess.Popen(["/bin/sh", "-c", f"read x; exit {code}"], stdin=-1) for code in range(6)]
    protocols = [shell(reactor, f"exit {code}") for code in (1, 2, 3)]
    assert [await protocol.ended() for protocol in protocols] == [exited_with(code) for code in (1, 2, 3)]
    waits = [asyncio.to_thread(process.wait) for process in processes[:3]]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    protocols = [shell(reactor, f"exit {code}") for code in (1, 2, 3)]
    assert await within(asyncio.gather(*waits)) == [0, 1, 2]
    for process in processes[3:]:
        await until(lambda process=process: process.poll() is not None)  # type: ignore[misc]  # can't infer it
    assert [process.returncode for process in processes[3:]] == [3, 4, 5]
    assert [await protocol.ended() for protocol in protocols] == [exited_with(code) for code in (1, 2, 3)]


async def test_a_child_forked_by_hand(reactor: Any) -> None:
    pid = started("exit 5")
    protocols = [shell(reactor, f"exit {code}") for code in (1, 2, 3)]
    assert [await protocol.ended() for protocol in protocols] == [exited_with(code) for code in (1, 2, 3)]
    await until(lambda: state_of(pid) == "Z")
    reactor.watch_child(started("exit 0"), owner := Owner())
    await until(lambda: owner.told)
    assert os.waitpid(pid, 0) == (pid, 5 << 8)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_multiprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]  # that of the tests: nothing a child has to import
    monkeypatch.delattr(main, "__file__", raising=False)
    monkeypatch.setattr(main, "__spec__", None)

    async def work() -> None:
        async with AsyncioReactor() as reactor:
            ours = [shell(reactor, f"read x; exit {code}") for code in range(1, 4)]
            kinds: list[Any] = [multiprocessing.get_context(kind) for kind in ("fork", "spawn")]
            theirs = [kind.Process(target=os._exit, args=(40 + n,)) for n, kind in enumerate(kinds)]
            for process in theirs:
                process.start()
            with kinds[0].Pool(2) as pool:
                result = pool.map_async(abs, range(-50, 0))
                ours[0].transport.closeStdin()
                for protocol in ours[1:]:
                    protocol.transport.signalProcess("TERM")
                assert [await protocol.ended() for protocol in ours[1:]] == [killed_by(signal.SIGTERM)] * 2
                assert await asyncio.to_thread(result.get, DEADLINE) == [*range(50, 0, -1)]
                pool.close()
                await within(asyncio.to_thread(pool.join))
            await ours[0].ended()
            for process in theirs:
                await within(asyncio.to_thread(process.join))
            assert [process.exitcode for process in theirs] == [40, 41]
            for process in theirs:
                process.close()

    asyncio.run(work())


# A host that takes ours away


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning; nothing may be worse."""
    assert all(record.levelno <= logging.WARNING for record in caplog.records)
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def reap_everything(*signal_and_frame: Any) -> None:
    """As programs of old do when they get SIGCHLD."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


@pytest_asyncio.fixture
async def watching() -> AsyncIterator[Any]:
    """With pidfds alone: a thread waits, so that nobody can come before it."""
    before = held()
    async with AsyncioReactor() as reactor:
        yield reactor
    await nothing_more_than(before)


@pytest.mark.parametrize("taker", [os.waitpid, "any"])
async def test_one_that_somebody_else_has_reaped(
    watching: Any, caplog: pytest.LogCaptureFixture, taker: Any
) -> None:
    protocol = shell(watching, "exit 3")
    pid = protocol.transport.pid
    assert os.waitpid(pid if taker is os.waitpid else -1, 0) == (pid, 3 << 8)
    with pytest.raises(ProcessExitedAlready):
        protocol.transport.signalProcess("KILL")
    assert await protocol.ended() == UNKNOWN
    assert protocol.had_a_whole_life(0, 1, 2)
    assert protocol.reasons[0].value.status is None
    (complaint,) = complaints(caplog)
    assert str(pid) in complaint
    assert await shell(watching, "exit 4").ended() == exited_with(4)


@both_kinds
async def test_it_is_said_in_the_reactor_s_words(kind: str) -> None:
    async with make_reactor(kind) as reactor:
        error = reactor.vocabulary.error
        protocol = shell(reactor, "exit 3")
        os.waitpid(protocol.transport.pid, 0)
        with pytest.raises(error.ProcessExitedAlready):
            protocol.transport.signalProcess("KILL")
        assert await protocol.ended() == UNKNOWN
        assert [type(reason.value) for reason in protocol.reasons] == [error.ProcessTerminated] * 2
        with pytest.raises(error.ProcessExitedAlready):
            protocol.transport.signalProcess("KILL")


async def test_one_that_is_reaped_before_it_is_watched(
    reactor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pid = started("exit 3")
    os.waitpid(pid, 0)
    owner = Owner()
    watch = reactor.watch_child(pid, owner)
    assert owner.told == []
    await until(lambda: owner.told)
    assert owner.told == [None]
    assert len(complaints(caplog)) == 1
    with pytest.raises(ProcessLookupError):
        watch.signal(signal.SIGKILL)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, reap_everything], ids=["ignored", "taken"])
async def test_a_host_that_lets_no_child_wait(
    reactor: Any, sigchld: None, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    signal.signal(signal.SIGCHLD, handler)
    protocols = [shell(reactor, "exit 3") for _ in range(10)]
    silent = [spawn(reactor, "/bin/true", childFDs={}) for _ in range(10)]
    for protocol in (*protocols, *silent):
        assert await protocol.ended() in (UNKNOWN, exited_with(3), DONE)
        if handler is signal.SIG_IGN:
            assert protocol.reasons[0].value.status is None
        with pytest.raises(ProcessExitedAlready):
            protocol.transport.signalProcess(0)
    unknown = [p for p in (*protocols, *silent) if p.reasons[0].value.status is None]
    assert len(complaints(caplog)) == len(unknown)


async def test_one_that_lives_where_children_are_not_waited_for(reactor: Any, sigchld: None) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    protocol = shell(reactor, "echo here; read x; echo $x; kill -9 $$")
    await protocol.said(b"here\n")
    protocol.transport.signalProcess(0)
    protocol.transport.write(b"there\n")
    assert await protocol.ended() == UNKNOWN
    assert protocol.output() == b"here\nthere\n"


# A number that is another's by now


NUMBERS = """
import asyncio, os, signal, subprocess, time
from twisted_compat import AsyncioReactor
from twisted_compat.error import ProcessExitedAlready

class Notes:
    def makeConnection(self, process):
        self.process, self.reasons = process, []
        self.ended = asyncio.get_running_loop().create_future()
    def processExited(self, reason):
        self.reasons.append(reason)
    def processEnded(self, reason):
        self.ended.set_result(reason.value.status)

def ours(reactor, *command):
    notes = Notes()
    reactor.spawnProcess(notes, command[0], command, childFDs={})
    return notes

def stranger(pid):  # a child of the host's that gets this number
    time.sleep(0.03)  # when it was started can be told from when the other was
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    found = subprocess.Popen(["/bin/sh", "-c", "read x; exit $x"], stdin=subprocess.PIPE)
    assert found.pid == pid, (found.pid, pid)
    return found

def lives(stranger):
    assert stranger.poll() is None
    stranger.communicate(b"9\\n", 10)
    assert stranger.returncode == 9, stranger.returncode

def refused(notes):
    try:
        notes.process.signalProcess("KILL")
    except ProcessExitedAlready:
        return
    raise AssertionError("it was signalled")

async def main():
    async with AsyncioReactor() as reactor:
        reaped = ours(reactor, "/bin/true")
        pid = reaped.process.pid
        assert await reaped.ended == 0
        other = stranger(pid)
        refused(reaped)
        lives(other)

        taken = ours(reactor, "/bin/true")
        pid = taken.process.pid
        os.waitpid(pid, 0)
        other = stranger(pid)
        refused(taken)
        other.stdin.close()  # it exits, and can be waited for
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert await taken.ended is None
        refused(taken)
        assert other.wait(10) != 0

        left = ours(reactor, "/bin/sleep", "1000")
        pid = left.process.pid
    assert await left.ended is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    other = stranger(pid)
    other.communicate(b"9\\n")
    other = stranger(pid)
    other.stdin.write(b"9\\n")
    other.stdin.close()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    async with AsyncioReactor() as reactor:
        assert await ours(reactor, "/bin/true").ended == 0
        refused(left)
    assert other.wait(10) == 9

asyncio.run(main())
del os.pidfd_open
asyncio.run(main())
"""


def test_another_process_that_has_the_number_is_not_touched() -> None:
    own_numbers = ["unshare", *(["-Ur"] if os.geteuid() else []), "--pid", "--fork", "--mount-proc"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*own_numbers, "true"], capture_output=True).returncode
    ):
        pytest.skip("no process may have numbers of its own here")
    result = subprocess.run(
        [*own_numbers, sys.executable, "-c", NUMBERS], capture_output=True, timeout=DEADLINE
    )
    assert result.returncode == 0, result.stderr.decode()
