"""What a program printed, and how it ended, as Deferreds."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.children import children, open_descriptors
from twisted_compat import AsyncioReactor, as_future
from twisted_compat.defer import CancelledError, Deferred, gatherResults
from twisted_compat.error import ProcessDone, ProcessTerminated
from twisted_compat.failure import DefaultException, Failure
from twisted_compat.utils import (
    getProcessOutput,
    getProcessOutputAndValue,
    getProcessValue,
)
from twisted_compat.vocabulary import NATIVE

pytestmark = pytest.mark.without_debug

MUCH = bytes(range(256)) * 4096  # 1 MiB: far more than fits into a pipe
SH = "/bin/sh"
ALL = [getProcessOutput, getProcessValue, getProcessOutputAndValue]
each_of_them = pytest.mark.parametrize("get", ALL, ids=lambda get: get.__name__)


def script(text: str, *args: str) -> tuple[str, list[str]]:
    """The executable and the arguments of a shell's script."""
    return SH, ["-c", text, *args]


async def fired(deferred: Any) -> Any:
    return await within(as_future(deferred))


async def failure_of(deferred: Deferred[Any]) -> Failure:
    """The Failure it comes to, which nothing else hears of."""
    seen: list[Any] = []
    deferred.addBoth(seen.append)
    await until(lambda: seen)
    assert isinstance(seen[0], Failure), seen
    return seen[0]


def is_gone(pid: int) -> bool:
    """Whether there is no such process any more, not even one to be waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def pid_in(file: pathlib.Path) -> int:
    """The number that a child wrote there, once it has."""
    return int(await until(lambda: file.exists() and file.read_text().endswith("\n") and file.read_text()))


# -- what a program printed, and its exit code


async def test_output() -> None:
    async with AsyncioReactor() as reactor:
        assert await fired(getProcessOutput("/bin/echo", ["a", "b  c"], reactor=reactor)) == b"a b  c\n"
        assert await fired(getProcessOutput(b"/bin/echo", (b"\xff", ""), reactor=reactor)) == b"\xff \n"
        assert await fired(getProcessOutput("/bin/true", reactor=reactor)) == b""


async def test_exit_code() -> None:
    async with AsyncioReactor() as reactor:
        for code in (0, 1, 255):
            assert await fired(getProcessValue(*script(f"exit {code}"), reactor=reactor)) == code


async def test_a_child_that_a_signal_ended_has_no_exit_code() -> None:
    async with AsyncioReactor() as reactor:
        assert await fired(getProcessValue(*script("kill -9 $$"), reactor=reactor)) is None


async def test_output_errors_and_exit_code() -> None:
    async with AsyncioReactor() as reactor:
        everything = getProcessOutputAndValue(*script("echo out; echo err >&2; exit 7"), reactor=reactor)
        assert await fired(everything) == (b"out\n", b"err\n", 7)
        assert await fired(getProcessOutputAndValue("/bin/true", reactor=reactor)) == (b"", b"", 0)


async def test_output_errors_and_signal() -> None:
    async with AsyncioReactor() as reactor:
        everything = getProcessOutputAndValue(*script("echo out; echo err >&2; kill -15 $$"), reactor=reactor)
        failure = await failure_of(everything)
        assert failure.value == (b"out\n", b"err\n", signal.SIGTERM)


async def test_an_exit_code_or_a_signal_takes_nothing_from_the_output() -> None:
    async with AsyncioReactor() as reactor:
        for end in ("exit 3", "kill -9 $$"):
            assert await fired(getProcessOutput(*script(f"echo yes; {end}"), reactor=reactor)) == b"yes\n"


async def test_the_programs_name_comes_before_the_arguments() -> None:
    async with AsyncioReactor() as reactor:
        said = getProcessOutput(SH, ["-c", 'echo "$0"'], reactor=reactor)
        assert await fired(said) == b"/bin/sh\n"


async def test_environment_and_directory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAID", "ours")
    (tmp_path / "here").touch()
    say = script('echo "$SAID"; echo *')
    async with AsyncioReactor() as reactor:
        for get, what in (
            (getProcessOutput, lambda out: out),
            (getProcessOutputAndValue, lambda out: out[0]),
        ):
            said = await fired(get(*say, path=str(tmp_path), reactor=reactor))
            assert what(said) == b"\nhere\n"
            said = await fired(get(*say, {"SAID": "theirs"}, str(tmp_path), reactor))
            assert what(said) == b"theirs\nhere\n"
            assert what(await fired(get(*say, None, str(tmp_path), reactor))) == b"ours\nhere\n"
        is_there = script('[ -e here ] && [ "$SAID" = theirs ]')
        assert await fired(getProcessValue(*is_there, {"SAID": "theirs"}, str(tmp_path), reactor)) == 0
        assert await fired(getProcessValue(*is_there, reactor=reactor)) == 1


@each_of_them
async def test_much_output_holds_nobody_up(get: Any) -> None:
    async with AsyncioReactor() as reactor:
        result = await fired(get("/usr/bin/head", ["-c", str(len(MUCH)), "/dev/zero"], reactor=reactor))
        size = len(MUCH)
        assert result in (0, bytes(size), (bytes(size), b"", 0))


async def test_many_at_once() -> None:
    async with AsyncioReactor() as reactor:
        all_said = gatherResults(
            [getProcessOutput("/bin/echo", [str(n)], reactor=reactor) for n in range(20)]
        )
        assert await fired(all_said) == [b"%d\n" % n for n in range(20)]


# -- standard error


async def test_the_first_bytes_of_standard_error_fail_the_output_at_once() -> None:
    async with AsyncioReactor() as reactor:
        # Its end comes only when its standard input is closed.
        failure = await failure_of(
            getProcessOutput(*script("echo oops >&2; read x; exit 3"), reactor=reactor)
        )
        assert failure.check(OSError)
        assert "oops" in str(failure.value)
        ended = await failure_of(failure.value.processEnded)  # type: ignore[attr-defined] # only these have it
        assert ended.check(ProcessTerminated)
        assert ended.value.exitCode == 3  # type: ignore[attr-defined] # a ProcessTerminated


async def test_standard_error_of_a_child_that_ends_well() -> None:
    async with AsyncioReactor() as reactor:
        failure = await failure_of(getProcessOutput(*script("echo out; echo oops >&2"), reactor=reactor))
        ended = await failure_of(failure.value.processEnded)  # type: ignore[attr-defined] # only these have it
        assert ended.check(ProcessDone)


async def test_a_child_may_go_on_complaining_and_printing() -> None:
    async with AsyncioReactor() as reactor:
        # What it says after our end has been closed it can't get rid of.
        chatty = script(
            "trap '' PIPE; for i in 1 2 3; do echo out; echo err >&2; done 2>&1; echo 1 >&2; exit 4"
        )
        failure = await failure_of(getProcessOutput(*chatty, errortoo=False, reactor=reactor))
        ended = await failure_of(failure.value.processEnded)  # type: ignore[attr-defined] # only these have it
        assert ended.check(ProcessTerminated)


async def test_errors_too() -> None:
    async with AsyncioReactor() as reactor:
        both = getProcessOutput(*script("echo err >&2; sleep 0.01; echo out"), errortoo=True, reactor=reactor)
        assert await fired(both) == b"err\nout\n"


# -- standard input


async def test_what_is_written_comes_back() -> None:
    async with AsyncioReactor() as reactor:
        for text in (MUCH, b"short", b""):
            result = await fired(getProcessOutputAndValue("/bin/cat", stdinBytes=text, reactor=reactor))
            assert result == (text, b"", 0)


async def test_a_child_that_reads_none_of_its_input() -> None:
    async with AsyncioReactor() as reactor:
        result = await fired(getProcessOutputAndValue(*script("exit 5"), stdinBytes=MUCH, reactor=reactor))
        assert result == (b"", b"", 5)


async def test_text_is_refused_and_no_child_is_left() -> None:
    others = children()
    async with AsyncioReactor() as reactor:
        with pytest.raises(TypeError):
            await fired(getProcessOutputAndValue("/bin/cat", stdinBytes="text", reactor=reactor))  # type: ignore[arg-type] # on purpose
        await until(lambda: children() <= others)


async def test_without_any_bytes_standard_input_stays_open() -> None:
    async with AsyncioReactor() as reactor:
        waiting = getProcessOutputAndValue("/bin/cat", reactor=reactor)
        short = await fired(getProcessOutputAndValue("/bin/cat", stdinBytes=b"x", reactor=reactor))
        assert short == (b"x", b"", 0)
        assert not waiting.called
        waiting.cancel()
        assert (await failure_of(waiting)).check(CancelledError)


# -- what doesn't start


@each_of_them
async def test_what_can_not_be_started_fails_the_deferred(get: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text("no program")
    async with AsyncioReactor() as reactor:
        before = open_descriptors()
        missing = await failure_of(get(str(tmp_path / "nothing"), reactor=reactor))
        assert missing.check(FileNotFoundError)
        assert "nothing" in str(missing.value)
        assert (await failure_of(get(str(tmp_path / "text"), reactor=reactor))).check(PermissionError)
        nowhere = str(tmp_path / "nothing")
        assert (await failure_of(get("/bin/true", path=nowhere, reactor=reactor))).check(FileNotFoundError)
        assert open_descriptors().items() <= before.items()


# -- cancelling


@each_of_them
async def test_cancelling_kills_the_child(get: Any, tmp_path: pathlib.Path) -> None:
    async with AsyncioReactor() as reactor:
        before = open_descriptors()
        pid_file = tmp_path / "pid"
        stubborn = script("trap '' TERM HUP INT; echo $$ > \"$1\"; exec sleep 1000", "sh", str(pid_file))
        deferred = get(*stubborn, {"PATH": os.defpath}, reactor=reactor)
        pid = await pid_in(pid_file)
        deferred.cancel()
        assert (await failure_of(deferred)).check(CancelledError)
        deferred.cancel()
        await until(lambda: is_gone(pid))
        await until(lambda: open_descriptors().items() <= before.items())


@each_of_them
async def test_cancelling_does_not_wait_for_the_childs_children(get: Any, tmp_path: pathlib.Path) -> None:
    async with AsyncioReactor() as reactor:
        before = open_descriptors()
        pid_file = tmp_path / "pid"
        parent = script('sleep 1000 & echo $! > "$1"; wait', "sh", str(pid_file))
        deferred = get(*parent, {"PATH": os.defpath}, reactor=reactor)
        grandchild = await pid_in(pid_file)
        try:
            deferred.cancel()
            assert (await failure_of(deferred)).check(CancelledError)
            await until(lambda: open_descriptors().items() <= before.items())
        finally:
            os.kill(grandchild, signal.SIGKILL)


async def test_cancelling_as_soon_as_it_has_started_and_when_all_is_over() -> None:
    async with AsyncioReactor() as reactor:
        before = open_descriptors()
        deferred = getProcessOutput("/bin/cat", reactor=reactor)
        deferred.cancel()
        assert (await failure_of(deferred)).check(CancelledError)
        deferred = getProcessOutput("/bin/true", reactor=reactor)
        assert await fired(deferred) == b""
        deferred.cancel()
        await until(lambda: open_descriptors().items() <= before.items())


async def test_a_task_that_is_cancelled_takes_the_child_along(tmp_path: pathlib.Path) -> None:
    async with AsyncioReactor() as reactor:
        pid_file = tmp_path / "pid"
        long = script('echo $$ > "$1"; exec cat', "sh", str(pid_file))

        async def ask() -> bytes:
            return await getProcessOutput(*long, {"PATH": os.defpath}, reactor=reactor)

        task = asyncio.ensure_future(ask())
        pid = await pid_in(pid_file)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(task)
        await until(lambda: is_gone(pid))


# -- the reactor


async def test_the_current_reactor_is_meant_unless_another_is_named() -> None:
    async with AsyncioReactor():
        assert await within(getProcessOutput("/bin/echo", ["hi"])) == b"hi\n"
        assert await within(getProcessValue(*script("exit 4"))) == 4
        assert await within(getProcessOutputAndValue("/bin/cat", stdinBytes=b"z")) == (b"z", b"", 0)


async def test_tasks_await_them() -> None:
    async with AsyncioReactor():
        with pytest.raises(OSError, match="oops") as caught:
            await within(getProcessOutput(*script("echo oops >&2")))
        with pytest.raises(ProcessDone):
            await within(caught.value.processEnded)  # type: ignore[attr-defined] # only these have it
        with pytest.raises(FileNotFoundError):
            await within(getProcessValue("/nothing/here"))
        several = await within(
            asyncio.gather(*(as_future(getProcessValue(*script(f"exit {n}"))) for n in (1, 2)))
        )
        assert several == [1, 2]


async def test_a_task_learns_what_there_was_when_a_signal_ended_it() -> None:
    async with AsyncioReactor():
        with pytest.raises(DefaultException) as caught:
            await within(getProcessOutputAndValue(*script("echo out; kill -9 $$")))
        assert caught.value.args == ((b"out\n", b"", signal.SIGKILL),)


class Spawning:
    """Stands for a reactor: keeps what it is to spawn; nothing runs."""

    vocabulary = NATIVE

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.request: tuple[Any, ...] = ()

    def spawnProcess(self, proto: Any, executable: Any, args: Any, env: Any, path: Any) -> Any:
        self.proto = proto
        self.request = (executable, list(args), env, path)
        proto.makeConnection(self)
        return self

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))  # type: ignore[arg-type] # names and arguments


DONE = Failure(ProcessDone(0))


def test_the_reactor_is_asked_for_what_was_said() -> None:
    for get in ALL:
        reactor = Spawning()
        get("x", ["y", "z"], {"a": "b"}, "/p", reactor)
        assert reactor.request == ("x", ["x", "y", "z"], {"a": "b"}, "/p")


def test_nothing_is_fired_before_the_end() -> None:
    results: list[Any] = []
    for get in ALL:
        reactor = Spawning()
        get("x", reactor=reactor).addBoth(results.append)
        reactor.proto.childDataReceived(1, b"a")
        reactor.proto.childDataReceived(1, b"b")
        for number in range(3):
            reactor.proto.childConnectionLost(number)
        reactor.proto.processExited(DONE)
        assert results == []
        reactor.proto.processEnded(DONE)
        assert results.pop() in (b"ab", 0, (b"ab", b"", 0))


def test_one_cancelled_fires_once_and_is_quiet_at_the_end() -> None:
    for get in ALL:
        reactor = Spawning()
        results: list[Any] = []
        deferred = get("x", reactor=reactor)
        deferred.addBoth(results.append)
        deferred.cancel()
        deferred.cancel()
        assert [failure.check(CancelledError) for failure in results] == [CancelledError]
        assert ("signalProcess", "KILL") in reactor.calls or (
            "signalProcess",
            signal.SIGKILL,
        ) in reactor.calls
        reactor.proto.childDataReceived(1, b"late")
        reactor.proto.childDataReceived(2, b"late")
        reactor.proto.processExited(DONE)
        reactor.proto.processEnded(DONE)
        assert len(results) == 1


@pytest.mark.parametrize("error", [NATIVE.error.ProcessExitedAlready(), PermissionError("it is root's now")])
def test_one_cancelled_whose_child_can_not_be_killed(error: Exception) -> None:
    class Beyond(Spawning):
        def signalProcess(self, signalID: Any) -> None:
            raise error

    for get in ALL:
        reactor = Beyond()
        results: list[Any] = []
        deferred = get("x", reactor=reactor)
        deferred.addBoth(results.append)
        deferred.cancel()
        assert [failure.check(CancelledError) for failure in results] == [CancelledError]
        assert ("loseConnection",) in reactor.calls


def test_a_reactor_that_does_not_say_which_words_it_speaks() -> None:
    class Silent(Spawning):
        @property
        def vocabulary(self) -> Any:
            raise AttributeError("vocabulary")

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    for get in ALL:
        reactor = Silent()
        deferred = get("x", reactor=reactor)
        reactor.proto.processEnded(DONE)
        assert isinstance(deferred, Deferred)
        assert deferred.called
