"""How each library starts a child and talks to it; ``processes`` says what for, and measures."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .inside import Inside

__all__ = ["LIBRARIES", "Library"]

PIECE = bytes(64 * 1024)
TRUE = shutil.which("true") or "/bin/true"
CAT = shutil.which("cat") or "/bin/cat"

Ended = Callable[[int | None], object]
"""Is given the exit code."""
Pumped = Callable[[int | None, int], object]
"""Is given the exit code, and how many bytes came back."""
Started = Callable[[int], object]
"""Is given the process id."""


class Library(Protocol):
    """What is asked of each. Children have the environment of this process, and three pipes."""

    def run(self, then: Ended) -> None:
        """Run ``true``, which says nothing, until it has exited and its pipes are closed."""

    def pump(self, size: int, started: Started, then: Pumped) -> None:
        """Send so many bytes through a ``cat``, no faster than it takes them, until it has exited."""


class OnReactor:
    """A ProcessProtocol, Twisted's or this package's.

    :param protocol: the module that has it.
    """

    def __init__(self, inside: Inside, protocol: Any) -> None:
        class Ending(protocol.ProcessProtocol):  # type: ignore[misc]  # whichever library's, mypy can't know
            def __init__(self, then: Ended) -> None:
                self.then = then

            def processEnded(self, reason: Any) -> None:
                self.then(reason.value.exitCode)

        class Pumping(protocol.ProcessProtocol):  # type: ignore[misc]  # as above
            def __init__(self, size: int, then: Pumped) -> None:
                self.left, self.then = size, then
                self.received = 0

            def connectionMade(self) -> None:
                self.transport.registerProducer(self, True)
                self.resumeProducing()

            def resumeProducing(self) -> None:
                self.paused = False
                while self.left and not self.paused:
                    self.left -= len(PIECE)
                    self.transport.write(PIECE)
                if not self.left:
                    self.transport.unregisterProducer()
                    self.transport.closeStdin()

            def pauseProducing(self) -> None:
                self.paused = True

            def stopProducing(self) -> None:
                pass  # the pipe is closed; processEnded tells how much came

            def outReceived(self, data: bytes) -> None:
                self.received += len(data)

            def processEnded(self, reason: Any) -> None:
                self.then(reason.value.exitCode, self.received)

        self.spawn = inside.reactor.spawnProcess
        self.ending, self.pumping = Ending, Pumping

    def run(self, then: Ended) -> None:
        self.spawn(self.ending(then), TRUE, ["true"], env=None)

    def pump(self, size: int, started: Started, then: Pumped) -> None:
        started(self.spawn(self.pumping(size, then), CAT, ["cat"], env=None).pid)


def ours(inside: Inside) -> Library:
    """On this package's reactor."""
    from twisted_compat import protocol

    return OnReactor(inside, protocol)


def twisted(inside: Inside) -> Library:
    """On one of Twisted's."""
    from twisted.internet import protocol

    return OnReactor(inside, protocol)


class _OnLoop:
    """What needs a coroutine to start a child."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Any], then: Callable[[Any], object]) -> None:
        """Have it done by a task, and call ``then`` with the result."""
        task = self.loop.create_task(work)
        self.tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            self.tasks.discard(task)
            then(task.result())

        task.add_done_callback(self.inside.guarded(done))


class _Ending(asyncio.SubprocessProtocol):
    def __init__(self, then: Ended) -> None:
        self.then = then

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.SubprocessTransport
        self.transport = transport

    def connection_lost(self, reason: Exception | None) -> None:
        self.transport.close()
        self.then(self.transport.get_returncode())


class _Pumping(_Ending):
    def __init__(self, size: int, then: Pumped) -> None:
        super().__init__(lambda code: then(code, self.received))
        self.left, self.received = size, 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.pipe = transport.get_pipe_transport(0)
        self.resume_writing()

    def resume_writing(self) -> None:
        self.paused = False
        while self.left and not self.paused:
            self.left -= len(PIECE)
            self.pipe.write(PIECE)
        if not self.left:  # not here: closed while it resumes us, asyncio's pipe forgets what it has not sent
            asyncio.get_running_loop().call_soon(self.pipe.close)

    def pause_writing(self) -> None:
        self.paused = True

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.received += len(data)


class OnProtocols(_OnLoop):
    """asyncio's SubprocessProtocol."""

    def run(self, then: Ended) -> None:
        self.begin(self.loop.subprocess_exec(lambda: _Ending(then), TRUE), lambda _: None)

    def pump(self, size: int, started: Started, then: Pumped) -> None:
        work = self.loop.subprocess_exec(lambda: _Pumping(size, then), CAT)
        self.begin(work, lambda made: started(made[0].get_pid()))


async def _end() -> int | None:
    child = await asyncio.create_subprocess_exec(TRUE, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    await child.communicate()
    return child.returncode


async def _pump(size: int, started: Started) -> tuple[int | None, int]:
    child = await asyncio.create_subprocess_exec(CAT, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    started(child.pid)
    into, out, errors = child.stdin, child.stdout, child.stderr
    assert into is not None
    assert out is not None
    assert errors is not None

    async def feed() -> None:
        for _ in range(size // len(PIECE)):
            into.write(PIECE)
            await into.drain()
        into.close()

    async def count() -> int:
        received = 0
        while data := await out.read(len(PIECE)):
            received += len(data)
        return received

    _, received, _ = await asyncio.gather(feed(), count(), errors.read())
    return await child.wait(), received


class OnStreams(_OnLoop):
    """asyncio's ``create_subprocess_exec``, and streams."""

    def run(self, then: Ended) -> None:
        self.begin(_end(), then)

    def pump(self, size: int, started: Started, then: Pumped) -> None:
        self.begin(_pump(size, started), lambda found: then(*found))


LIBRARIES: dict[str, Callable[[Inside], Library]] = {
    "ours": ours,
    "twisted": twisted,
    "protocol": OnProtocols,
    "streams": OnStreams,
}
"""By the kind of peer."""
