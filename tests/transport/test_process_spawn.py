"""What a child is given: its program, arguments, environment and directory, and its signals. Each in both of
the ways in which it may be started."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest

from tests.support import until, within
from tests.transport.children import DONE, Recorder, attached, exited_with, shell, spawn
from tests.transport.spawning import (
    CAT,
    SEVERAL,
    blocking,
    finish,
    has_no_mark_of_ours,
    ignoring,
    in_both_ways,
    program,
    seen,
    status,
)
from tests.transport.unix_sockets import linux_only
from twisted_compat import AsyncioReactor

pytestmark = [pytest.mark.without_debug, linux_only]

ENV = "/usr/bin/env"


# -- its arguments and environment

STRANGE = [
    "sh",
    "",
    "two words",
    b"\xff\xfe",
    "ä",
    "\udcff",
    "a\nb",
    pathlib.Path("/x/y"),
    "",
    "*",
    "$x",
    "-",
]


@in_both_ways
async def test_arguments_of_any_kind(path: str | None) -> None:
    async with attached() as reactor:
        for arguments in (STRANGE, tuple(STRANGE)):
            child = Recorder()
            command = ["sh", "-c", 'printf "%s\\0" "$@"', *arguments]
            reactor.spawnProcess(child, "/bin/sh", command, path=path)
            assert await child.ended() == DONE
            assert child.output().split(b"\0")[:-1] == [os.fsencode(each) for each in arguments[1:]]


@in_both_ways
async def test_its_own_name_is_an_argument_like_any_other(path: str | None) -> None:
    async with attached() as reactor:
        for arguments, expected in (
            ((), b"/bin/cat\0"),
            ([], b"/bin/cat\0"),
            (["other"], b"other\0"),
            ([b"\xff", "-", "-"], b"\xff\0-\0-\0"),
            ([""], b"\0"),
        ):
            child = Recorder()
            reactor.spawnProcess(child, CAT, arguments, path=path)
            assert await seen(child, "cmdline") == expected
            await finish(child)


async def environment_of(child: Any) -> set[bytes]:
    """The environment of a child that says it, as ``env -0`` does."""
    assert await child.ended() == DONE
    lines = child.output().split(b"\0")[:-1]
    assert len(lines) == len(set(lines))
    return set(lines)


@in_both_ways
async def test_an_environment_is_exactly_what_is_given(path: str | None) -> None:
    many = {f"VARIABLE_{n}": str(n) for n in range(5_000)}
    async with attached() as reactor:
        for given, expected in (
            ({}, set()),
            ({"A": "1", b"B": b"\xff", "C": "", "D": "x=y"}, {b"A=1", b"B=\xff", b"C=", b"D=x=y"}),
            ({"\udcff": "ä", "x y": pathlib.Path("/x")}, {b"\xff=\xc3\xa4", b"x y=/x"}),
            (many, {f"{name}={value}".encode() for name, value in many.items()}),
            (MappingProxyType({"A": "1"}), {b"A=1"}),
        ):
            child = spawn(reactor, ENV, "-0", env=given, path=path)
            assert await environment_of(child) == expected


@in_both_ways
async def test_no_environment_is_an_empty_one(path: str | None) -> None:
    async with attached() as reactor:
        child = Recorder()
        reactor.spawnProcess(child, ENV, [ENV, "-0"], path=path)
        assert await environment_of(child) == set()


@in_both_ways
async def test_our_environment_is_what_python_knows_of_it_by_now(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATELY", "set")
    os.putenv("HIDDEN", "set by something written in C")
    try:
        async with attached() as reactor:
            child = spawn(reactor, ENV, "-0", env=None, path=path)
            ours = {name + b"=" + value for name, value in os.environb.items()}
            assert await environment_of(child) == ours
            assert b"LATELY=set" in ours
    finally:
        os.unsetenv("HIDDEN")


# -- which program it is


@in_both_ways
async def test_a_bare_name_is_looked_up_in_the_childs_path_else_in_ours(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    for number, place in enumerate(("theirs", "ours", "last")):
        program(tmp_path / place / "tool", f"#!/bin/sh\nexit {number}\n")
    program(tmp_path / "text" / "tool", mode=0o644)
    (tmp_path / "directory" / "tool").mkdir(parents=True)
    (tmp_path / "nothing").mkdir()

    def places(*names: str) -> str:
        return os.pathsep.join(str(tmp_path / name) for name in names)

    monkeypatch.setenv("PATH", places("ours", "last"))
    async with attached() as reactor:
        for environment, expected in (
            ({"PATH": places("theirs", "last")}, DONE),
            ({b"PATH": places("theirs", "last").encode()}, DONE),
            ({"PATH": places("nothing", "absent", "text", "directory", "last")}, exited_with(2)),
            ({"OTHER": "x"}, exited_with(1)),
            ({}, exited_with(1)),
            (None, exited_with(1)),
        ):
            for name in ("tool", b"tool", pathlib.Path("tool")):
                assert await spawn(reactor, name, env=environment, path=path).ended() == expected


async def test_where_a_relative_program_is_relative_to(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "here" / "tool", "#!/bin/sh\nexit 1\n")
    program(tmp_path / "there" / "tool", "#!/bin/sh\nexit 2\n")
    monkeypatch.chdir(tmp_path / "here")
    async with attached() as reactor:
        for name, path, expected in (
            ("./tool", None, 1),
            ("./tool", tmp_path / "there", 2),
            (b"./tool", "../there", 2),
            ("../here/tool", tmp_path / "there", 1),
            (tmp_path / "here" / "tool", tmp_path / "there", 1),
        ):
            assert await spawn(reactor, name, path=path).ended() == exited_with(expected)


@in_both_ways
async def test_scripts_are_run_by_their_interpreter(tmp_path: pathlib.Path, path: str | None) -> None:
    script = program(tmp_path / "script", '#!/bin/sh -e\nprintf "%s|" "$0" "$@"\n')
    async with attached() as reactor:
        for name, environment in ((script, {}), ("script", {"PATH": str(tmp_path)})):
            child = Recorder()
            reactor.spawnProcess(child, name, ["renamed", "a b", ""], environment, path)
            assert await child.ended() == DONE
            assert child.output() == f"{script}|a b||".encode()


# -- where it runs, and what it inherits


async def test_the_directory_it_runs_in(tmp_path: pathlib.Path) -> None:
    strange = tmp_path / os.fsdecode(b"\xff \n")
    strange.mkdir()
    async with attached() as reactor:
        for path in (strange, str(strange), bytes(strange), strange / ".." / strange.name):
            child = spawn(reactor, CAT, path=path)
            await seen(child, "cmdline")
            assert os.readlink(f"/proc/{child.transport.pid}/cwd") == str(strange)
            await finish(child)


async def test_an_empty_path_is_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with attached() as reactor:
        for path in ("", b""):
            child = spawn(reactor, CAT, path=path)
            await seen(child, "cmdline")
            assert os.readlink(f"/proc/{child.transport.pid}/cwd") == str(tmp_path)
            await finish(child)


async def test_no_directory_is_ours_even_if_it_has_been_removed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    async with attached() as reactor:
        for removed in (False, True):
            if removed:
                (tmp_path / "gone").rmdir()
            child = spawn(reactor, CAT)
            await seen(child, "cmdline")
            there = os.readlink(f"/proc/{child.transport.pid}/cwd")
            assert there == str(tmp_path / "gone") + " (deleted)" * removed
            await finish(child)


@in_both_ways
async def test_what_it_shares_with_us(path: str | None) -> None:
    before = os.umask(0o027)
    try:
        async with attached() as reactor:
            child = spawn(reactor, CAT, path=path)
            pid = child.transport.pid
            assert await status(child, "Umask") == ["0027"]
            assert (os.getpgid(pid), os.getsid(pid)) == (os.getpgid(0), os.getsid(0))
            assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)
            await finish(child)
    finally:
        os.umask(before)


# -- its signals


@in_both_ways
@pytest.mark.parametrize("handling", [ignoring, blocking])
async def test_signals_that_we_ignore_or_block_are_as_always_in_the_child(
    handling: Callable[..., Any], path: str | None
) -> None:
    async with attached() as reactor:
        with handling(*SEVERAL):
            child = spawn(reactor, CAT, path=path)
            assert signal.getsignal(signal.SIGUSR1) == (
                signal.SIG_IGN if handling is ignoring else signal.SIG_DFL
            )
        await has_no_mark_of_ours(child)
        await finish(child)


@in_both_ways
async def test_signals_that_are_ignored_without_pythons_knowledge(path: str | None) -> None:
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    before = libc.signal(signal.SIGUSR2, int(signal.SIG_IGN))
    try:
        async with attached() as reactor:
            child = spawn(reactor, CAT, path=path)
            await has_no_mark_of_ours(child)
            await finish(child)
    finally:
        libc.signal(signal.SIGUSR2, before)


@in_both_ways
async def test_a_signal_that_we_handle_is_not_handled_in_the_child(path: str | None) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *args: heard.append(os.getpid()))
    try:
        async with attached() as reactor:
            child = spawn(reactor, CAT, path=path)
            await has_no_mark_of_ours(child)
            child.transport.signalProcess("USR1")
            assert await child.ended() == ("ProcessTerminated", None, signal.SIGUSR1)
            assert heard == []
    finally:
        signal.signal(signal.SIGUSR1, before)


# -- from where it is started


@contextlib.contextmanager
def other_threads() -> Iterator[None]:
    """Another thread runs meanwhile."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@in_both_ways
@pytest.mark.filterwarnings("error")
async def test_a_process_of_many_threads_is_not_warned(path: str | None) -> None:
    async with attached() as reactor:
        with other_threads():
            for handling in (ignoring, blocking):
                with handling(signal.SIGUSR1):
                    child = spawn(reactor, CAT, path=path)
                await has_no_mark_of_ours(child)
                await finish(child)
            child = shell(reactor, "exit 7", path=path, childFDs={5: "r", 4: 0})
            assert await child.ended() == exited_with(7)


@in_both_ways
def test_a_reactor_in_another_thread_has_children_too(path: str | None) -> None:
    results: list[Any] = []

    async def have_a_child() -> None:
        async with AsyncioReactor() as reactor:
            with blocking(*SEVERAL):
                child = spawn(reactor, CAT, path=path)
            await has_no_mark_of_ours(child)
            await finish(child)
            results.append(await within(shell(reactor, "exit 3", path=path).ended()))

    with ignoring(signal.SIGUSR1):  # it is the main thread that can choose that
        thread = threading.Thread(target=lambda: asyncio.run(have_a_child()))
        thread.start()
        thread.join()
    assert results == [exited_with(3)]


def test_a_child_may_be_started_before_the_loop_runs(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    reactor = AsyncioReactor(loop_factory=loop_factory)
    child = Recorder(on_ended=lambda *_: reactor.stop())
    reactor.spawnProcess(child, "/bin/sh", ["sh", "-c", "echo said; exit 3"])
    assert child.events == [("made",)]
    assert child.transport.pid is not None
    reactor.run(installSignalHandlers=False)
    assert child.output() == b"said\n"
    assert child.had_a_whole_life(0, 1, 2)
    assert child.events[-1] == ("ended", exited_with(3))


@in_both_ways
async def test_where_nobody_says_which_descriptors_are_open(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Any = ".") -> Any:
        raise FileNotFoundError(place)

    async with attached() as reactor:
        inheritable = os.dup(0)
        os.set_inheritable(inheritable, True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "listdir", refuse)
            child = spawn(reactor, CAT, path=path)
            other = spawn(reactor, "/bin/sleep", "1000", path=path, childFDs={0: "w", 5: 0})
        await until(lambda: set(os.listdir(f"/proc/{child.transport.pid}/fd")) == {"0", "1", "2"})
        await until(lambda: set(os.listdir(f"/proc/{other.transport.pid}/fd")) == {"0", "5"})
        await finish(child)
        other.transport.signalProcess("KILL")
        await other.ended()
        os.close(inheritable)
