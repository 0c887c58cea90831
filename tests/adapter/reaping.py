"""Children that were started without this package, who watches them, and what the system says is left."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import eventually, until
from tests.transport.children import UNKNOWN, Recorder
from twisted_compat import AsyncioReactor
from twisted_compat.error import ProcessExitedAlready

__all__ = [
    "REFUSALS",
    "Held",
    "Owner",
    "children_of_ours",
    "ended",
    "held",
    "is_alive",
    "is_child",
    "linux_only",
    "nothing_more_than",
    "reaped",
    "refuse_pidfd",
    "sleeper",
    "started",
    "state_of",
    "was_left",
    "zombie",
]

_waitid: Any = getattr(os, "waitid", None)  # a test may take it away

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at children in /proc")

REFUSALS: dict[str, int | None] = {
    "missing": None,
    "old kernel": errno.ENOSYS,
    "forbidden": errno.EPERM,
    "too many": errno.EMFILE,
    "as on macOS": None,
    "no thread": errno.ENOSYS,
}
"""What can be wrong with ``os.pidfd_open``: the error it raises, or None where it isn't there. With the last
two something else is missing, too: ``os.waitid``, and threads."""


class Owner:
    """Of one child; notes what it is told."""

    def __init__(self, told: Callable[[Any], object] | None = None) -> None:
        self.told: list[Any] = []
        self._then = told

    def child_exited(self, status: int | None) -> None:
        self._note(status)

    def child_left(self) -> None:
        self._note("left")

    def _note(self, what: Any) -> None:
        self.told.append(what)
        if self._then is not None:
            self._then(what)


def started(script: str) -> int:
    """The number of a shell that runs this."""
    return _spawned("/bin/sh", "-c", script)


def sleeper() -> int:
    """The number of a child that does nothing, for longer than any test takes."""
    return _spawned("/bin/sleep", "1000")


def _spawned(*command: str) -> int:
    ignored = [signal.SIGPIPE, signal.SIGXFSZ]  # by Python
    return os.posix_spawn(command[0], command, {"PATH": os.defpath}, setsigdef=ignored)


def zombie(code: int = 0) -> int:
    """The number of a child that has exited already."""
    pid = started(f"exit {code}")
    eventually(lambda: state_of(pid) == "Z")
    return pid


def _stat(pid: int | str) -> tuple[str, int] | None:
    """The state of a process, and whose child it is."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def state_of(pid: int) -> str:
    """The letter that ps shows, such as Z for one that has exited; "" where there is no such process."""
    found = _stat(pid)
    return found[0] if found else ""


def is_child(pid: int) -> bool:
    """Whether that number stands for a child of ours, alive or not."""
    found = _stat(pid)
    return found is not None and found[1] == os.getpid()


def is_alive(pid: int) -> bool:
    """Whether that number stands for a child of ours that runs, sleeps, or is stopped."""
    return is_child(pid) and state_of(pid) not in ("Z", "")


def children_of_ours() -> dict[int, str]:
    """The state of each child that nobody has reaped."""
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # as mostly: there is nothing to look through /proc for
        return {}
    found = {int(name): _stat(name) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: stat[0] for pid, stat in found.items() if stat and stat[1] == os.getpid()}


class Held(NamedTuple):
    """What this process has of the system's.

    :ivar descriptors: how many of each kind, or of each file. (A loop may take others between two runs.)
    :ivar children: the state of each.
    :ivar threads: their numbers.
    """

    descriptors: Counter[str]
    children: dict[int, str]
    threads: set[str]


def held() -> Held:
    """What this process has now."""
    descriptors: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            descriptors[re.sub(r":\[\d+\]$", "", os.readlink(f"/proc/self/fd/{name}"))] += 1
    return Held(descriptors, children_of_ours(), set(os.listdir("/proc/self/task")))


async def nothing_more_than(before: Held) -> None:
    """Wait until all is gone that has come since."""

    def gone() -> bool:
        now = held()
        return (
            not now.descriptors - before.descriptors
            and now.children.keys() <= before.children.keys()
            and now.threads <= before.threads
        )

    try:
        await until(gone)
    except AssertionError:
        now = held()
        for pid in now.children.keys() - before.children.keys():  # lest the next test finds them
            os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"before: {before}, now: {now}") from None


def refuse_pidfd(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Let there be no pidfd for this package, for one of the ``REFUSALS``."""
    number = REFUSALS[how]
    if how == "as on macOS":
        monkeypatch.delattr(os, "waitid", raising=False)
    elif how == "no thread":

        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
    if number is None:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        return

    real = os.pidfd_open

    def refuse(pid: int, flags: int = 0) -> int:
        assert number is not None
        if sys._getframe(1).f_globals["__name__"].startswith("asyncio."):  # its children's
            return real(pid, flags)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", refuse)


@contextmanager
def ended(*pids: int) -> Iterator[None]:
    """These children are gone after the block, whatever happens in it; unless they aren't ours any more."""
    try:
        yield
    finally:
        for pid in pids:
            if is_child(pid):
                os.kill(pid, signal.SIGKILL)


def was_left(protocol: Recorder, *pipes: int) -> bool:
    """Whether it was told that its child is left alone, and nothing else but that its pipes are closed."""
    names = [event[0] for event in protocol.events]
    assert names[0] == "made" and names[-1] == "ended" and "exited" not in names
    assert sorted(event[1] for event in protocol.events if event[0] == "closed") == sorted(pipes)
    assert protocol.events[-1] == ("ended", UNKNOWN)
    assert protocol.reasons[0].value.status is None
    assert protocol.transport.pid is None
    with pytest.raises(ProcessExitedAlready):
        protocol.transport.signalProcess("KILL")
    return True


async def reaped(pid: int) -> None:
    """Once it has exited: by the next reactor at the latest."""
    await until(lambda: state_of(pid) in ("Z", ""))
    async with AsyncioReactor():
        await until(lambda: not is_child(pid))
