"""Children that can't be started: spawnProcess says why at once, and nothing is left of the attempt."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import pathlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.children import (
    DONE,
    Recorder,
    attached,
    both_kinds,
    children,
    exited_with,
    is_zombie,
    make_reactor,
    open_descriptors,
    shell,
    spawn,
)
from tests.transport.recorders import descriptor_limit, fill_descriptors
from tests.transport.spawning import (
    CAT,
    NOBODY,
    UNKNOWN,
    blocking,
    ignoring,
    in_both_ways,
    only_root,
    program,
)
from tests.transport.unix_sockets import linux_only, nobody
from twisted_compat.adapter import shutdown
from twisted_compat.transport.process import Process

pytestmark = [pytest.mark.without_debug, linux_only]


@contextlib.contextmanager
def nothing_left(reactor: Any) -> Iterator[None]:
    """The block leaves no descriptor, no child, and nothing for the reactor to watch."""
    before = open_descriptors(), children(), set(reactor.getReaders()), set(reactor.getWriters())
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    descriptors, others, *watched = before
    assert open_descriptors().items() <= descriptors.items()
    assert children() <= others
    assert [set(reactor.getReaders()), set(reactor.getWriters())] == watched
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def refused(reactor: Any, error: Any, *command: Any, **options: Any) -> Any:
    """Try to start a child that can't be started; what was raised. The protocol has heard nothing."""
    protocol = Recorder()
    with nothing_left(reactor), pytest.raises(error) as caught:
        spawn(reactor, *command, protocol=protocol, **options)
    assert protocol.events == []
    return caught.value


# -- what the system refuses


@both_kinds
@in_both_ways
async def test_programs_that_can_not_be_run(tmp_path: pathlib.Path, kind: str, path: str | None) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    here = str(tmp_path)
    async with attached(kind) as reactor:
        for name, code in (
            (f"{here}/missing", errno.ENOENT),
            (f"{here}/missing/missing", errno.ENOENT),
            (f"{here}/dangling", errno.ENOENT),
            (f"{here}/loop", errno.ELOOP),
            (f"{here}/{'x' * 300}", errno.ENAMETOOLONG),
            (here, errno.EACCES),  # a directory
            (program(tmp_path / "text", mode=0o644), errno.EACCES),
            (program(tmp_path / "text", mode=0o644) + "/x", errno.ENOTDIR),
            (program(tmp_path / "nobodys", "#!/no/such/interpreter\n"), errno.ENOENT),
            (program(tmp_path / "unsaid", "exit 7\n"), errno.ENOEXEC),  # no "#!": only a shell would run it
            (program(tmp_path / "empty", ""), errno.ENOEXEC),
        ):
            failure = refused(reactor, OSError, name, path=path)
            assert failure.errno == code
            assert type(failure) is type(OSError(code, ""))
            assert name in str(failure)
        assert await spawn(reactor, "/bin/true", path=path).ended() == DONE


@in_both_ways
async def test_bare_names_that_are_nowhere(tmp_path: pathlib.Path, path: str | None) -> None:
    program(tmp_path / "text", mode=0o644)
    (tmp_path / "directory").mkdir()
    environment = {"PATH": f"/nothing:{tmp_path}"}
    async with attached() as reactor:
        for name in ("nowhere", b"nowhere", pathlib.Path("nowhere"), "directory"):
            failure = refused(reactor, FileNotFoundError, name, env=environment, path=path)
            assert os.fsdecode(name) in str(failure)
        assert "text" in str(refused(reactor, PermissionError, "text", env=environment, path=path))
        refused(reactor, FileNotFoundError, "sh", env={"PATH": "/nothing"}, path=path)
        refused(reactor, FileNotFoundError, "", path=path)


async def test_directories_to_run_in_that_are_none(tmp_path: pathlib.Path) -> None:
    file, missing, removed = tmp_path / "file", tmp_path / "missing", tmp_path / "removed"
    file.touch()
    async with attached() as reactor:
        for name, error in (
            (file, NotADirectoryError),
            (missing, FileNotFoundError),
            (removed, FileNotFoundError),
        ):
            for path in (str(name), bytes(name), name):
                assert name.name in str(refused(reactor, error, "/bin/true", path=path))
        assert await spawn(reactor, "/bin/true", path=tmp_path).ended() == DONE


async def test_what_we_have_no_permission_for(tmp_path: pathlib.Path) -> None:
    closed = tmp_path / "closed"
    tool = program(closed / "tool")
    async with attached() as reactor:
        assert await spawn(reactor, tool, path=tmp_path).ended() == exited_with(7)
        closed.chmod(0)
        with nobody():
            for command, path in ((tool, None), (tool, "/"), ("/bin/true", closed)):
                assert "closed" in str(refused(reactor, PermissionError, command, path=path))
            assert refused(reactor, OSError, "tool", env={"PATH": str(closed)}).errno in (
                errno.EACCES,
                errno.ENOENT,
            )
        closed.chmod(0o755)


@in_both_ways
async def test_more_than_a_program_may_be_given(path: str | None) -> None:
    too_long = "x" * (1 << 21)  # Linux takes 128 KiB in one piece
    async with attached() as reactor:
        for options in ({}, {"env": {"A": too_long}}, {"env": {too_long: "a"}}):
            command = ["/bin/true"] if options else ["/bin/true", too_long]
            assert refused(reactor, OSError, *command, path=path, **options).errno == errno.E2BIG
        assert refused(reactor, OSError, "/bin/true", *["x" * 100_000] * 100, path=path).errno == errno.E2BIG


@in_both_ways
async def test_a_program_that_is_being_written(tmp_path: pathlib.Path, path: str | None) -> None:
    tool = program(tmp_path / "tool")
    async with attached() as reactor:
        with open(tool, "a"):
            assert refused(reactor, OSError, tool, path=path).errno == errno.ETXTBSY
        assert await spawn(reactor, tool, path=path).ended() == exited_with(7)


@in_both_ways
async def test_where_the_kernel_reaps_children_by_itself(path: str | None) -> None:
    async with attached() as reactor:
        with ignoring(signal.SIGCHLD):
            refused(reactor, FileNotFoundError, "/nothing/here", path=path)
            gc.collect()  # which may warn of what has been left


@only_root
async def test_a_program_that_is_not_for_that_user(tmp_path: pathlib.Path) -> None:
    closed = tmp_path / "closed"
    tool = program(closed / "tool")
    closed.chmod(0o700)
    async with attached() as reactor:
        for user in (NOBODY, UNKNOWN):
            assert "tool" in str(refused(reactor, PermissionError, tool, uid=user, gid=user))
        assert await spawn(reactor, tool, uid=0).ended() == exited_with(7)


# -- what we have run out of


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[list[int]]:
    """There is room for so many more; what takes the rest."""
    used = fill_descriptors()
    for _ in range(count):
        os.close(used.pop())
    try:
        yield used
    finally:
        for number in used:
            os.close(number)


@in_both_ways
@pytest.mark.parametrize("shares", [False, True], ids=["pipes", "shared"])
async def test_a_few_descriptors_too_little_or_just_enough(path: str | None, shares: bool) -> None:
    outcomes = []
    async with attached() as reactor:
        with descriptor_limit(max(open_descriptors()) + 30):
            for left in range(16):
                child = Recorder()
                with descriptors_left(left) as used:
                    mapping = {0: used[0], 1: used[1], 7: used[0]} if shares else None
                    watched = set(reactor.getReaders())
                    try:
                        spawn(reactor, "/bin/true", protocol=child, path=path, childFDs=mapping)
                    except OSError as error:
                        assert error.errno == errno.EMFILE
                        with descriptors_left(0) as free:
                            assert len(free) == left
                        assert set(reactor.getReaders()) == watched
                        assert child.events == []
                outcomes.append(bool(child.events))
                if child.events:
                    assert await child.ended() == DONE
                    assert child.had_a_whole_life(*(() if shares else (0, 1, 2)))
    assert outcomes == sorted(outcomes)
    assert outcomes[-1]
    assert shares or not outcomes[0]


async def test_no_thread_to_wait_in_for_a_child_without_a_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise OSError(errno.ENOSYS, "no pidfds here")

    def none_left(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    async with attached() as reactor:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pidfd_open", refuse, raising=False)
            patch.setattr(threading.Thread, "start", none_left)
            child = spawn(reactor, "/bin/true")
        assert await child.ended() == DONE


class Refusing:
    """Stands for a pipe that can't be made ready."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise KeyError("no pipes today")


@pytest.mark.parametrize("which", ["processReaderFactory", "processWriterFactory"])
async def test_a_child_whose_pipes_can_not_be_made_ready(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, which, Refusing)
    async with attached() as reactor:
        refused(reactor, KeyError, "/bin/sleep", "1000")
        with monkeypatch.context() as patch:
            patch.delattr(os, "pidfd_open", raising=False)
            refused(reactor, KeyError, "/bin/sleep", "1000")


# -- what makes no sense


@in_both_ways
async def test_arguments_of_a_wrong_type(path: str | None) -> None:
    async with attached() as reactor:
        for executable in (None, 1, ["/bin/cat"], bytearray(b"/bin/cat")):
            refused(reactor, TypeError, executable, path=path)
        for arguments in (
            "cat",
            b"cat",
            ["cat", 1],
            ["cat", None],
            [["cat"]],
            5,
            [bytearray(b"cat")],
        ):
            with nothing_left(reactor), pytest.raises(TypeError):
                reactor.spawnProcess(Recorder(), CAT, arguments, path=path)
        for environment in ("A=1", ["A=1"], [("A", "1")], {"A": 1}, {1: "A"}, {"A": None}, {None: "A"}, 5):
            refused(reactor, TypeError, CAT, env=environment, path=path)


async def test_directories_of_a_wrong_type() -> None:
    async with attached() as reactor:
        for path in (1.5, ["/"], bytearray(b"/"), object()):
            refused(reactor, TypeError, CAT, path=path)


@in_both_ways
async def test_texts_with_zero_bytes_in_them(path: str | None) -> None:
    async with attached() as reactor:
        for executable in ("/bin/cat\0", b"/bin/cat\0x", "cat\0", b"\0", pathlib.Path("/bin/ca\0t")):
            with nothing_left(reactor), pytest.raises(ValueError):
                reactor.spawnProcess(Recorder(), executable, ["cat"], path=path)
        refused(reactor, ValueError, CAT, "a\0b", path=path)
        refused(reactor, ValueError, CAT, b"\0", path=path)
        for environment in ({"A": "\0"}, {"A\0": "b"}, {b"\0": b""}, {"PATH": "/bin\0"}):
            refused(reactor, ValueError, CAT, env=environment, path=path)
        refused(reactor, ValueError, CAT, path="/\0")


@in_both_ways
async def test_names_that_no_variable_has(path: str | None) -> None:
    async with attached() as reactor:
        for name in ("", "A=B", "=", b"A=", "=A"):
            refused(reactor, ValueError, CAT, env={name: "x"}, path=path)


@in_both_ways
async def test_descriptors_that_make_no_sense(path: str | None) -> None:
    closed = os.dup(0)
    os.close(closed)
    async with attached() as reactor:
        for mapping in ({-1: "r"}, {0: "x"}, {0: ""}, {0: "rw"}, {0: -1}, {1: "r", -5: 0}):
            refused(reactor, ValueError, CAT, childFDs=mapping, path=path)
        for wrong in (
            {"0": "r"},
            {1.0: "r"},
            {None: 0},
            {0: None},
            {0: 1.0},
            {0: b"r"},
            {0: [1]},
            ["r"],
            5,
            "r",
        ):
            refused(reactor, TypeError, CAT, childFDs=wrong, path=path)
        for mapping in ({0: closed}, {0: "w", 1: "r", closed: closed}, {0: "w", 2: 2**31}, {0: 2**70}):
            failure = refused(reactor, OSError, CAT, childFDs=mapping, path=path)
            assert failure.errno == errno.EBADF
        with descriptor_limit(500):
            for beyond in (500, 10**6, 2**31, 2**70):
                refused(reactor, (OSError, ValueError), CAT, childFDs={beyond: "r"}, path=path)


@in_both_ways
async def test_what_is_wrong_is_named(path: str | None) -> None:
    async with attached() as reactor:
        assert "-7" in str(refused(reactor, ValueError, CAT, childFDs={0: "w", -7: "r"}, path=path))
        assert "'rw'" in str(refused(reactor, ValueError, CAT, childFDs={0: "w", 4: "rw"}, path=path))
        assert "9999" in str(refused(reactor, OSError, CAT, childFDs={0: "w", 4: 9999}, path=path))


async def test_pipes_beside_a_terminal() -> None:
    async with attached() as reactor:
        for mapping in ({0: "w"}, {}):
            refused(reactor, ValueError, CAT, usePTY=True, childFDs=mapping)


async def test_nobody_to_hear_of_pipes() -> None:
    async with attached() as reactor:
        for options in ({}, {"childFDs": {5: "r"}}, {"usePTY": True}):
            with nothing_left(reactor), pytest.raises(ValueError):
                reactor.spawnProcess(None, CAT, ["cat"], **options)
        transport = reactor.spawnProcess(None, "/bin/sh", ["sh", "-c", "exit 3"], childFDs={})
        await until(lambda: transport.pid is None)
        assert os.WEXITSTATUS(transport.status) == 3


async def test_what_raises_when_it_is_looked_at() -> None:
    class Raising(dict[Any, Any]):
        def items(self) -> Any:
            raise KeyError("raised here")

        __fspath__ = __iter__ = items

    async with attached() as reactor:
        refused(reactor, KeyError, Raising())
        for option in ("env", "path", "childFDs"):
            refused(reactor, KeyError, CAT, **{option: Raising({1: "r"})})


# -- from where it can't be started


async def test_in_another_thread() -> None:
    async with attached() as reactor:
        failures: list[BaseException] = []
        protocol = Recorder()

        def try_it() -> None:
            try:
                spawn(reactor, CAT, protocol=protocol)
            except BaseException as error:
                failures.append(error)

        with nothing_left(reactor):
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
        assert [type(failure) for failure in failures] == [RuntimeError]
        assert protocol.events == []


@in_both_ways
async def test_every_failure_is_told_however_many_numbers_are_taken(path: str | None) -> None:
    """The way back from the child is not in the way of its descriptors."""
    async with attached() as reactor:
        for mapping in (
            dict.fromkeys(range(60), "r"),
            dict.fromkeys(range(60), 0),
            {number: number ^ 1 for number in (0, 1)} | {2: "r"},
            {},
            {max(open_descriptors()) + 1: "r"},
        ):
            refused(reactor, FileNotFoundError, "/nothing/here", childFDs=mapping, path=path)
            with blocking(signal.SIGUSR1):
                refused(reactor, FileNotFoundError, "/nothing/here", childFDs=mapping, path=path)
            child = shell(reactor, "exit 7", childFDs=mapping, path=path)
            assert await child.ended() == exited_with(7)


@in_both_ways
async def test_a_failure_is_told_where_nobody_says_which_descriptors_are_open(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Any = ".") -> Any:
        raise FileNotFoundError(place)

    async with attached() as reactor:
        for mapping in (None, {1: "r", 5: 0}):
            with monkeypatch.context() as patch, pytest.raises(FileNotFoundError, match="here"):
                patch.setattr(os, "listdir", refuse)
                spawn(reactor, "/nothing/here", path=path, childFDs=mapping)


async def test_who_starts_a_child_again_and_again_has_an_end_when_the_reactor_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []

    def again(*_: Any) -> None:
        if len(started) < 20:
            child = spawn(reactor, "/bin/sleep", "1000", protocol=Recorder(on_ended=again))
            started.append(child.transport.pid)

    monkeypatch.setattr(shutdown, "GRACE", 0.01)
    before = open_descriptors()
    async with make_reactor("native") as reactor:
        again()
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    assert len(started) < 20
    assert open_descriptors().items() <= before.items()
    await until(lambda: all(is_zombie(pid) for pid in children() & set(started)))
    async with make_reactor("native"):  # which takes care of those who were left
        pass
    assert not children() & set(started)
