"""What the tests of how children are started share: both ways, and looking at a child from outside."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import until
from tests.transport.children import DONE

CAT = "/bin/cat"
in_both_ways = pytest.mark.parametrize("path", [None, "/"], ids=["here", "elsewhere"])
"""Where the child runs: elsewhere, it can't be started by posix_spawn."""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
NOBODY = 65534
UNKNOWN = 4_000_000_000  # a user that no system knows
SEVERAL = (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGTTOU, signal.SIGRTMIN + 5)


async def seen(child: Any, name: str) -> bytes:
    """A file of /proc about a child that runs."""
    about = pathlib.Path(f"/proc/{child.transport.pid}")
    await until(lambda: (about / "cmdline").read_bytes())  # its program has begun
    return (about / name).read_bytes()


async def status(child: Any, *names: str) -> list[str]:
    """These lines of the status of a child that runs."""
    lines = dict(line.split(":\t", 1) for line in (await seen(child, "status")).decode().splitlines())
    return [lines[name].strip() for name in names]


async def finish(child: Any) -> None:
    """End a child that runs until its standard input ends."""
    child.transport.closeStdin()
    assert await child.ended() == DONE, child.events
    assert child.had_a_whole_life(0, 1, 2)


def program(file: pathlib.Path, text: str = "#!/bin/sh\nexit 7\n", mode: int = 0o755) -> str:
    """Write a program; where it is."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return str(file)


# -- signals

NEVER_CHOSEN = (1 << 31) | (1 << 32)  # 32 and 33: glibc's own, which its posix_spawn has ignored


async def has_no_mark_of_ours(child: Any) -> None:
    """All signals have their default action in this child, and none is blocked."""
    blocked, ignored, caught = (int(mask, 16) for mask in await status(child, "SigBlk", "SigIgn", "SigCgt"))
    assert (blocked, ignored & ~NEVER_CHOSEN, caught) == (0, 0, 0)


@contextlib.contextmanager
def ignoring(*numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def blocking(*numbers: int) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | set(numbers)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
