"""A child process and the pipes to it: :class:`Process`.

Starting it is ``process_spawn.py``, the pipes ``process_pipes.py``, its end ``process_life.py``. A child with
a terminal in place of pipes is ``process_pty.py``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IConsumer, IProcessTransport, IPushProducer
from twisted_compat.transport.process_life import Life, take_back
from twisted_compat.transport.process_pipes import PipeAddress, ProcessReader, ProcessWriter
from twisted_compat.transport.process_program import Program, Text
from twisted_compat.transport.process_spawn import spawn

__all__ = ["Process"]

PIPES: Mapping[int, int | str] = MappingProxyType({0: "w", 1: "r", 2: "r"})
"""What a child has if nothing else is said: pipes to its standard input, output and error."""


@implementer(IProcessTransport, IConsumer, IPushProducer)
class Process:
    """A child process, with any number of pipes to it (IProcessTransport).

    As a consumer it is the child's standard input, as a producer all that the child writes.

    :param reactor: watches pipes (IReactorFDSet) and children (``watch_child``), and has a ``vocabulary``.
    :param executable: the program: a path, or a bare name, which is looked up in PATH.
    :param args: all of its arguments, its name first; if there are none, ``executable`` is its name.
    :param environment: the whole of it; None for ours.
    :param path: the directory to run it in; None for our own.
    :param proto: hears from it (IProcessProtocol); None if there are no pipes.
    :param uid: the number of the user to run it as, with that user's groups; None for our own.
    :param gid: the number of the group to run it as; None for our own.
    :param childFDs: its descriptors, by the number that it has them under: one of our numbers, to share;
        ``"r"`` for a pipe that we read, ``"w"`` for one that we write. None: ``{0: "w", 1: "r", 2: "r"}``.
    :raises OSError: if the program can't be started.
    :raises TypeError: if something is of a wrong type. ValueError, if it makes no sense.

    :ivar pipes: those that are open, by the child's number.
    """

    processWriterFactory = ProcessWriter
    processReaderFactory = ProcessReader

    def __init__(
        self,
        reactor: Any,
        executable: Text,
        args: Sequence[Text],
        environment: Mapping[Any, Any] | None,
        path: Text | None,
        proto: Any,
        uid: int | None = None,
        gid: int | None = None,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> None:
        self.reactor = reactor
        wanted = PIPES if childFDs is None else childFDs
        _check(wanted, proto)
        program = Program.of(executable, args, environment, path, uid, gid)
        self.pipes: dict[int, ProcessReader | ProcessWriter] = {}
        self._writable = {number for number, what in wanted.items() if what == "w"}
        with ExitStack() as if_it_fails:
            ends: dict[int, int] = {}
            with ExitStack() as afterwards:
                mapping = {}
                for number, what in wanted.items():
                    if isinstance(what, int):
                        mapping[number] = what
                    else:
                        read_end, write_end = os.pipe()
                        mapping[number], ends[number] = (
                            (write_end, read_end) if what == "r" else (read_end, write_end)
                        )
                        afterwards.callback(os.close, mapping[number])
                        if_it_fails.callback(os.close, ends[number])
                pid = spawn(program, mapping)
            if_it_fails.callback(take_back, pid, self.pipes.values())
            for number, end in ends.items():
                if wanted[number] == "r":
                    self.pipes[number] = self.processReaderFactory(reactor, self, number, end)
                else:
                    self.pipes[number] = self.processWriterFactory(
                        reactor, self, number, end, forceReadHack=True
                    )
                self.pipes[number].can_grow = True
            self._life = Life(self, proto, pid)
            if_it_fails.pop_all()
        self._life.tell("makeConnection", self)

    @property
    def pid(self) -> int | None:
        """The process number; None once the child has exited (IProcessTransport)."""
        return self._life.pid

    @property
    def status(self) -> int | None:
        """How it exited, as from ``os.waitpid``; None before, and if nobody knows."""
        return self._life.status

    @property
    def proto(self) -> Any:
        """Its protocol; None when all is over."""
        return self._life.protocol

    def __repr__(self) -> str:
        return f"<{type(self).__name__} pid={self.pid} status={self.status}>"

    def signalProcess(self, signalID: str | int) -> None:
        """Send it a signal (IProcessTransport). Never to another process that has its number by now.

        :param signalID: the signal's name, such as ``"TERM"``, or its number.
        :raises ProcessExitedAlready: once it has exited.
        :raises ValueError: if there is no such signal.
        :raises PermissionError: if it has become another user's.
        """
        self._life.signal(signalID)

    # Writing to its descriptors

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to its standard input (ITransport). Dropped if there is no pipe to that, or it is closed.

        :raises TypeError: if ``data`` is not bytes-like.
        """
        if 0 in self.pipes:
            self.pipes[0].write(data)

    def writeSequence(self, seq: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write every piece of ``seq``, in order, as :meth:`write` does (ITransport)."""
        if 0 in self.pipes:
            self.pipes[0].writeSequence(seq)

    def writeToChild(self, childFD: int, data: bytes | bytearray | memoryview) -> None:
        """Write to one of its descriptors (IProcessTransport). Dropped once that pipe is closed.

        :raises KeyError: if it has no such descriptor that we write to.
        :raises TypeError: if ``data`` is not bytes-like.
        """
        if childFD not in self._writable:
            raise KeyError(childFD)
        if childFD in self.pipes:
            self.pipes[childFD].write(data)

    # Closing its descriptors

    def closeChildFD(self, descriptor: int) -> None:
        """Close our end of one of its descriptors: of one that we write to when all that was written is sent
        (IProcessTransport). Closing what is closed, or never was there, does nothing."""
        if descriptor in self.pipes:
            self.pipes[descriptor].loseConnection()

    def closeStdin(self) -> None:
        """Close its standard input when all that was written is sent (IProcessTransport)."""
        self.closeChildFD(0)

    def closeStdout(self) -> None:
        """Close our end of its standard output (IProcessTransport)."""
        self.closeChildFD(1)

    def closeStderr(self) -> None:
        """Close our end of its standard error (IProcessTransport)."""
        self.closeChildFD(2)

    def loseConnection(self) -> None:
        """Close its standard input, output and error (ITransport). It may live on all the same."""
        for descriptor in (0, 2, 1):
            self.closeChildFD(descriptor)

    # Being a consumer, of what is written to its standard input

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take ``producer`` as the source of its standard input (IConsumer). Without a pipe to that, the
        producer is stopped.

        :param producer: an IPushProducer if ``streaming``, else an IPullProducer.
        :raises RuntimeError: if a producer is registered already.
        """
        if 0 in self.pipes:
            self.pipes[0].registerProducer(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """The producer is finished (IConsumer)."""
        if 0 in self.pipes:
            self.pipes[0].unregisterProducer()

    # Being a producer, of what it writes

    def pauseProducing(self) -> None:
        """Read nothing from it for now (IPushProducer). It has to wait when its pipes are full."""
        for pipe in self._readers():
            pipe.pauseProducing()

    def resumeProducing(self) -> None:
        """Read from it again (IPushProducer)."""
        for pipe in self._readers():
            pipe.resumeProducing()

    def stopProducing(self) -> None:
        """Nobody wants what it writes: :meth:`loseConnection` (IProducer)."""
        self.loseConnection()

    def _readers(self) -> list[Any]:
        return [pipe for number, pipe in self.pipes.items() if number not in self._writable]

    # Addresses

    def getHost(self) -> PipeAddress:
        """The same for every process (ITransport)."""
        return PipeAddress()

    def getPeer(self) -> PipeAddress:
        """The same for every process (ITransport)."""
        return PipeAddress()

    # For the pipes, and for its life

    def is_open(self) -> bool:
        """Whether any pipe is open."""
        return bool(self.pipes)

    def child_exited(self) -> None:
        """It has exited. What it wrote before may still be in the pipes, which end by themselves."""

    def childDataReceived(self, name: int, data: bytes) -> None:
        """A pipe has read ``data``."""
        self._life.received(name, data)

    def childConnectionLost(self, childFD: int, reason: Any) -> None:
        """A pipe is closed, for ``reason`` (a Failure)."""
        os.close(self.pipes.pop(childFD).fileno())
        self._life.tell("childConnectionLost", childFD)
        self._life.closed()


def _check(childFDs: Mapping[int, int | str], protocol: Any) -> None:
    """Refuse a mapping that makes no sense, before anything is opened."""
    if not isinstance(childFDs, Mapping):
        raise TypeError(f"childFDs maps numbers of descriptors, and is {childFDs!r}.")
    for number, what in childFDs.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"childFDs maps numbers of descriptors, and {number!r} is none.")
        if number < 0:
            raise ValueError(f"childFDs maps numbers of descriptors, and {number} is negative.")
        if isinstance(what, int) and not isinstance(what, bool):
            if what < 0:
                raise ValueError(f"childFDs[{number}] is {what}, and numbers of descriptors aren't negative.")
            try:
                os.fstat(what)
            except (OSError, OverflowError):
                raise OSError(errno.EBADF, f"childFDs[{number}] is {what}, which isn't open here") from None
        elif not isinstance(what, str):
            raise TypeError(f"childFDs[{number}] is {what!r}. Give 'r', 'w', or a number of ours.")
        elif what not in ("r", "w"):
            raise ValueError(f"childFDs[{number}] is {what!r}. Give 'r', 'w', or a number of ours.")
        elif protocol is None:
            raise ValueError(f"childFDs[{number}] is a pipe, and there is no protocol to hear of it.")
