"""Programs that know nothing of this package, to exchange datagrams and bytes with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from subprocess import PIPE
from typing import NamedTuple, TypeVar

from tests.support import DEADLINE, skip_without, within

__all__ = ["Ended", "Program", "as_user", "need", "ran", "running", "socat"]

T = TypeVar("T")

# By whose package of Debian's a program comes that a test can't assume.
PACKAGES = {
    "curl": "curl",
    "dig": "bind9-dnsutils",
    "logger": "bsdutils",
    "socat": "socat",
    "systemd-notify": "systemd",
}

SOCAT_IS_READY = (b" listening on ", b" receiving on ", b" starting data transfer loop")


class Ended(NamedTuple):
    code: int
    printed: bytes
    complaints: bytes


class Program:
    """A program that runs. It is waited for in threads: what the loop has of its own for that is not what is
    tested here."""

    def __init__(self, *command: str) -> None:
        # A group of its own, which its children are in: they hold its pipes, and may be about to wait for it.
        self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._in, self._out, self._complaints = self.process.stdin, self.process.stdout, self.process.stderr

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    async def is_ready(self, signs: Sequence[bytes]) -> None:
        """Wait until it has said one of these on its standard error."""
        said = b""
        while not any(sign in said for sign in signs):
            line = await _in_a_thread(self._complaints.readline)
            said += line
            assert line, f"{self.process.args!r} ended: {said!r}"

    async def takes(self, data: bytes) -> None:
        """Write this to its standard input."""

        def write() -> None:
            self._in.write(data)
            self._in.flush()

        await _in_a_thread(write)

    async def line(self) -> bytes:
        """One line of what it prints; nothing when it has closed its standard output."""
        return await _in_a_thread(self._out.readline)

    async def printed(self, count: int) -> bytes:
        """So many bytes of what it prints; fewer if it doesn't print so many."""
        return await _in_a_thread(lambda: self._out.read(count))

    async def ended(self, stdin: bytes = b"") -> Ended:
        """Wait for its end; what it printed that wasn't read so far.

        :param stdin: the last that it is told, as far as it listens.
        """
        printed, complaints = await _in_a_thread(lambda: self.process.communicate(stdin, timeout=DEADLINE))
        return Ended(self.process.returncode, printed, complaints)

    def kill(self) -> None:
        """End it and its children, if they are there, and close its pipes. What reads them in a thread comes
        to their end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=DEADLINE)


async def _in_a_thread(call: Callable[[], T]) -> T:
    return await within(asyncio.to_thread(call))


def need(program: str) -> None:
    """Skip the test where this program is missing."""
    if shutil.which(program) is None:
        skip_without(program, f"apt-get install {PACKAGES[program]}")


def as_user(number: int, *command: str) -> list[str]:
    """The command line that runs ``command`` as another user, of the group with the same number."""
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", *command]


async def ran(*command: str, stdin: bytes = b"") -> Ended:
    """What a program printed, once it has ended."""
    async with running(*command) as program:
        return await program.ended(stdin)


@contextlib.asynccontextmanager
async def running(*command: str, ready: Sequence[bytes] = ()) -> AsyncIterator[Program]:
    """A program that runs until the block ends.

    :param ready: one of these it says on its standard error once it can be talked to.
    """
    if command[0] in PACKAGES:
        need(command[0])
    program = Program(*command)
    try:
        if ready:
            await program.is_ready(ready)
        yield program
    finally:
        program.kill()


def socat(*arguments: str) -> contextlib.AbstractAsyncContextManager[Program]:
    """socat(1), which is listening or connected when the block begins."""
    return running("socat", "-d", "-d", *arguments, ready=SOCAT_IS_READY)
