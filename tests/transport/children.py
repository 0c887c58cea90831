"""What the tests of child processes share: a protocol that writes everything down, starting children, and
looking for what has been left behind."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from zope.interface import directlyProvides

from tests.support import until, within
from tests.transport.unix_sockets import both_kinds, in_both_words, make_reactor
from twisted_compat.protocol import ProcessProtocol

__all__ = [
    "DONE",
    "UNKNOWN",
    "Recorder",
    "attached",
    "both_kinds",
    "children",
    "exited_with",
    "how",
    "is_zombie",
    "killed_by",
    "make_reactor",
    "open_descriptors",
    "shell",
    "spawn",
]

Event = tuple[Any, ...]


class Recorder(ProcessProtocol):
    """Writes down all that it is told, in order; does what it has been given to do.

    :param on_made: called with this recorder in ``makeConnection``; as are ``on_data`` (recorder, number,
        bytes), ``on_closed`` (recorder, number), ``on_exited`` and ``on_ended`` (recorder, reason). What they
        raise is raised.
    :ivar events: ``("made",)``, ``("data", number, bytes)``, ``("closed", number)``, ``("exited", how)``,
        ``("ended", how)``, where ``how`` is what :func:`how` makes of the reason.
    :ivar reasons: the Failures that came, that of ``processExited`` before that of ``processEnded``.
    """

    def __init__(
        self,
        on_made: Callable[[Any], object] | None = None,
        on_data: Callable[[Any, int, bytes], object] | None = None,
        on_closed: Callable[[Any, int], object] | None = None,
        on_exited: Callable[[Any, Any], object] | None = None,
        on_ended: Callable[[Any, Any], object] | None = None,
    ) -> None:
        self.on_made, self.on_data, self.on_closed = on_made, on_data, on_closed
        self.on_exited, self.on_ended = on_exited, on_ended
        self.events: list[Event] = []
        self.reasons: list[Any] = []
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        directlyProvides(self, *in_both_words("IProcessProtocol"))

    # What the transport calls

    def makeConnection(self, process: Any) -> None:
        self.transport = process
        self._note("made")
        if self.on_made is not None:
            self.on_made(self)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._note("data", childFD, data)
        if self.on_data is not None:
            self.on_data(self, childFD, data)

    def childConnectionLost(self, childFD: int) -> None:
        self._note("closed", childFD)
        if self.on_closed is not None:
            self.on_closed(self, childFD)

    def processExited(self, reason: Any) -> None:
        self.reasons.append(reason)
        self._note("exited", how(reason))
        if self.on_exited is not None:
            self.on_exited(self, reason)

    def processEnded(self, reason: Any) -> None:
        self.reasons.append(reason)
        self._note("ended", how(reason))
        if self.on_ended is not None:
            self.on_ended(self, reason)

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        for name, future in self._waiting:
            if name == event[0] and not future.done():
                future.set_result(None)

    # What a test asks

    async def ended(self) -> Any:
        """Wait for ``processEnded``; what :func:`how` says about it."""
        return await self._once("ended")

    async def exited(self) -> Any:
        """Wait for ``processExited``; what :func:`how` says about it."""
        return await self._once("exited")

    async def _once(self, name: str) -> Any:
        if not self.has(name):
            self._waiting.append((name, asyncio.get_running_loop().create_future()))
            await within(self._waiting[-1][1])
        return next(event[-1] for event in self.events if event[0] == name)

    async def said(self, data: bytes, fd: int = 1) -> None:
        """Wait until the child has written this, and nothing else, to its descriptor ``fd``."""
        await until(lambda: len(self.output(fd)) >= len(data))
        assert self.output(fd) == data

    async def closed(self, fd: int) -> None:
        """Wait until the pipe to the child's descriptor ``fd`` has been said to be closed."""
        await until(lambda: self.has("closed", fd))

    def has(self, *event: Any) -> bool:
        """Whether there was an event that begins like this."""
        return any(each[: len(event)] == event for each in self.events)

    def output(self, fd: int = 1) -> bytes:
        """All that the child has written to its descriptor ``fd`` so far."""
        return b"".join([event[2] for event in self.events if event[:2] == ("data", fd)])

    def story(self) -> list[Event]:
        """The events; what came in several pieces from one descriptor, with nothing between, is one."""
        merged: list[Event] = []
        for event in self.events:
            if event[0] == "data" and merged and merged[-1][:2] == event[:2]:
                merged[-1] = (*event[:2], merged[-1][2] + event[2])
            else:
                merged.append(event)
        return merged

    def had_a_whole_life(self, *pipes: int, terminal: bool = False) -> bool:
        """Check that all came that has to come, once, and in an order in which it may come.

        :param pipes: the child's numbers of the pipes.
        :param terminal: data may come from 1, which has no end of its own.
        """
        names = [event[0] for event in self.events]
        assert names[0] == "made" and names[-1] == "ended", names
        assert [names.count(name) for name in ("made", "exited", "ended")] == [1, 1, 1], names
        assert sorted(event[1] for event in self.events if event[0] == "closed") == sorted(pipes), self.events
        closed: set[int] = set()
        for event in self.events:
            if event[0] == "data":
                assert event[2] and type(event[2]) is bytes, event
                assert (terminal and event[1] == 1) or (event[1] in pipes and event[1] not in closed), event
            elif event[0] == "closed":
                closed.add(event[1])
        assert len({event[1] for event in self.events if event[0] in ("exited", "ended")}) == 1
        return True


def how(reason: Any) -> tuple[str, int | None, int | None]:
    """What a Failure says about a child's end: the name of the error, the exit code, the signal."""
    error = reason.value
    if error.status is not None:  # as waitpid(2) has it
        assert (error.exitCode, error.signal) == (
            os.WEXITSTATUS(error.status) if os.WIFEXITED(error.status) else None,
            os.WTERMSIG(error.status) if os.WIFSIGNALED(error.status) else None,
        )
    return type(error).__name__, error.exitCode, error.signal


DONE = ("ProcessDone", 0, None)
UNKNOWN = ("ProcessTerminated", None, None)


def exited_with(code: int) -> tuple[str, int | None, int | None]:
    """What :func:`how` says of a child that exited with this code, other than 0."""
    return "ProcessTerminated", code, None


def killed_by(number: int) -> tuple[str, int | None, int | None]:
    """What :func:`how` says of a child that a signal of this number ended."""
    return "ProcessTerminated", None, number


# Starting


def spawn(
    reactor: Any,
    *command: Any,
    protocol: Any = None,
    env: Mapping[Any, Any] | None = None,
    **options: Any,
) -> Any:
    """Run a command, with this process's own environment if nothing else is said.

    :returns: the protocol, a :class:`Recorder` if none is given. Its ``transport`` is that to the child.
    """
    protocol = Recorder() if protocol is None else protocol
    transport = reactor.spawnProcess(protocol, command[0], command, env, **options)
    assert transport is protocol.transport
    return protocol


def shell(reactor: Any, script: str, *arguments: str, protocol: Any = None, **options: Any) -> Any:
    """Run a script of sh(1), which finds its ``arguments`` in ``$1`` …; see :func:`spawn`."""
    return spawn(reactor, "/bin/sh", "-c", script, "sh", *arguments, protocol=protocol, **options)


@contextlib.asynccontextmanager
async def attached(kind: str = "native", left: Sequence[int] = ()) -> AsyncIterator[Any]:
    """A reactor on the running loop. When the block is over, it has left no child and no descriptor.

    :param left: numbers of children that may be there afterwards.
    """
    descriptors, before = open_descriptors(), children()
    async with make_reactor(kind) as reactor:
        yield reactor
    await until(lambda: not children() - before - set(left))
    assert open_descriptors().items() - descriptors.items() == set()


# Looking around


def open_descriptors() -> dict[int, str]:
    """What this process has open, by number; nothing where /proc doesn't tell."""
    found = {}
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        with contextlib.suppress(FileNotFoundError):  # that of listing itself
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def children() -> set[int]:
    """The numbers of this process's children, those included that nobody has waited for."""
    found: set[int] = set()
    for path in glob.glob("/proc/self/task/*/children"):
        with contextlib.suppress(FileNotFoundError), open(path) as file:
            found.update(map(int, file.read().split()))
    return found


def is_zombie(pid: int) -> bool:
    """Whether this child has ended and nobody has waited for it; False where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return False
