"""Terminals seen from the other side, and what the system knows about them and about who runs in them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
import tty
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support import DEADLINE, eventually, skip_without, until
from tests.transport.children import shell

MANY = b"".join(b"%d\n" % number for number in range(150_000))  # 1 MB; what is missing, or moved, would show


# -- numbers


def open_numbers() -> set[int]:
    """The descriptors this process has."""
    with os.scandir("/dev/fd") as found:
        numbers = {int(each.name) for each in found}
    return {number for number in numbers if is_open(number)}  # without the one that this was found out by


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def identity(fd: int) -> tuple[int, int, int]:
    """What is open there."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino, status.st_rdev


def is_blocking(fd: int) -> bool:
    """Whether who reads or writes there is made to wait. That is a flag of the open file, which all share who
    have it, in whatever process."""
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


async def put(fd: int, data: bytes) -> None:
    """Write it all; the number is made non-blocking."""
    os.set_blocking(fd, False)
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await asyncio.sleep(0.001)


async def take(fd: int, size: int = 1 << 40) -> bytes:
    """So many bytes, or what comes until the end; the number is made non-blocking."""
    os.set_blocking(fd, False)
    data = bytearray()

    def more() -> bytes:
        return read_if_any(fd, min(size - len(data), 1 << 16))

    while len(data) < size:
        piece = await until(more)
        if piece == b"at the end":
            break
        data += piece
    return bytes(data)


def read_if_any(fd: int, size: int = 1 << 16) -> bytes:
    """What is there to read: nothing, or ``b"at the end"``."""
    try:
        return os.read(fd, size) or b"at the end"
    except BlockingIOError:
        return b""
    except OSError as error:
        if error.errno != errno.EIO:  # so the master of a terminal that nobody has open
            raise
        return b"at the end"


# -- terminals


class Terminal:
    """A terminal: its program reads and writes ``slave``, whose device is ``name``, its user ``master``."""

    def __init__(self, raw: bool) -> None:
        self.master, self.slave = pty.openpty()
        self.name = os.ttyname(self.slave)
        self._ours = [self.master, self.slave]
        if raw:
            tty.setraw(self.slave, termios.TCSANOW)

    def both(self) -> tuple[int, int, str]:
        """What ``usePTY`` wants."""
        return self.master, self.slave, self.name

    def handed_over(self, *numbers: int) -> None:
        """These (all, if none are named) somebody else closes."""
        self._ours = [number for number in self._ours if numbers and number not in numbers]

    def close(self, *numbers: int) -> None:
        """Close these (all that are ours, if none are named)."""
        for number in numbers or list(self._ours):
            self._ours.remove(number)
            os.close(number)


@contextlib.contextmanager
def terminal(raw: bool = True) -> Iterator[Terminal]:
    """A new terminal.

    :param raw: whether bytes go through as they are, instead of in lines and being echoed.
    """
    found = Terminal(raw)
    try:
        yield found
    finally:
        found.close()


def set_size(fd: int, rows: int, columns: int) -> None:
    """What a terminal emulator does when its window changes."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def settings(fd: int) -> list[Any]:
    """A terminal's: what ``stty -a`` shows."""
    return termios.tcgetattr(fd)


# -- children in terminals

WAITING = "read -r line"  # what a script does until it is told something, or is hung up


def in_terminal(reactor: Any, script: str, *arguments: str, usePTY: Any = True, **options: Any) -> Any:
    """Run a script of sh(1) in a terminal; see :func:`~tests.transport.children.spawn`."""
    return shell(reactor, script, *arguments, usePTY=usePTY, **options)


def raw() -> tuple[int, int, str]:
    """A terminal for a child, through which bytes go as they are."""
    place = Terminal(raw=True)
    place.handed_over()
    return place.both()


async def printed(protocol: Any, sign: bytes) -> bytes:
    """Wait until this has been printed; all that has been."""
    await until(lambda: sign in protocol.output())
    return bytes(protocol.output())


# -- processes


class Place(NamedTuple):
    """Where the system has a process: see proc_pid_stat(5)."""

    state: str
    parent: int
    group: int
    session: int
    terminal: int
    foreground: int


def place_of(pid: int) -> Place:
    """Where a process is (Linux)."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        state, *numbers = file.read().rpartition(") ")[2].split()[:6]
    return Place(state, *map(int, numbers))


def number_of(name: str) -> int:
    """A terminal's device number, as :class:`Place` has it."""
    device = os.stat(name).st_rdev
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


def is_gone(pid: int) -> bool:
    """Whether there is no such process any more, not even one that waits to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def needed(program: str) -> str:
    """The path of a program; the test is skipped where it is missing."""
    return shutil.which(program) or skip_without(program, f"install {program}")


@contextlib.contextmanager
def run_in(place: Terminal, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in a terminal until the block ends. Its session has no controlling terminal."""
    with subprocess.Popen(
        command, stdin=place.slave, stdout=place.slave, stderr=place.slave, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def read_until(fd: int, sign: bytes) -> bytes:
    """What comes, until it ends with ``sign``; for where there is no loop."""
    data = bytearray()
    os.set_blocking(fd, False)
    while not data.endswith(sign):
        piece = eventually(lambda: read_if_any(fd))
        assert piece != b"at the end", f"{bytes(data)!r} ended without {sign!r}"
        data += piece
    return bytes(data)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; its exit code."""
    return process.wait(timeout=DEADLINE)
