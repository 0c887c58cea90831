"""A child process on a pseudo-terminal: :class:`PTYProcess`.

Both directions go through one descriptor, the terminal's master side. Starting the child is
``process_spawn.py``, its end ``process_life.py``. A child with pipes is ``process.py``.
"""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from zope.interface import implementer

from twisted_compat.interfaces import IProcessTransport
from twisted_compat.transport.delayed import call_off
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.transport.posix import fcntl, termios
from twisted_compat.transport.process_life import Life, take_back
from twisted_compat.transport.process_pipes import PipeAddress, read_some, write_some
from twisted_compat.transport.process_program import Program, Text
from twisted_compat.transport.process_spawn import spawn

__all__ = ["PTYProcess"]

FIRST_LOOK, LAST_LOOK = 0.05, 1.0
"""Seconds between looks at a terminal that nobody has open, as long as the child lives, which may open it
again: at first, and at last."""

SIZE = struct.Struct("HHHH")
"""A terminal's size as the system has it (ioctl_tty(2)): rows, columns, and twice what nobody uses."""


@implementer(IProcessTransport)
class PTYProcess(FileDescriptor):
    """A child process with a terminal for its standard input, output and error (IProcessTransport).

    The terminal controls a session of the child's own. What it shows comes to ``childDataReceived(1, data)``,
    echoes of what was typed included. Closing it hangs up: the session gets SIGHUP.

    :param reactor: watches the terminal (IReactorFDSet) and children (``watch_child``); has a ``vocabulary``.
    :param executable: as :class:`~.process.Process` has it, and so on to ``gid``.
    :param proto: hears from it (IProcessProtocol).
    :param usePTY: true to open a terminal; or one that is open, as (master's number, slave's number, slave's
        name), whose numbers are the transport's to close from now on.
    :raises OSError: if the program can't be started; a terminal that was given stays as it is.
    :raises TypeError: if something is of a wrong type. ValueError, if it makes no sense.
    """

    turn_flush = True
    fd: int = -1
    _interval = FIRST_LOOK
    _looking: Any = None  # the delayed call, while nobody but we has the terminal open
    _reads_later = _writes_later = False  # what is put off until then

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
        usePTY: bool | int | Sequence[Any] = True,
    ) -> None:
        super().__init__(reactor)
        if proto is None:
            raise ValueError("A terminal was asked for, and there is no protocol to hear of it.")
        program = Program.of(executable, args, environment, path, uid, gid)
        with ExitStack() as if_it_fails:
            if isinstance(usePTY, Sequence):
                self.fd, slave, _ = usePTY
                _check(self.fd, slave)
            else:
                self.fd, slave = os.openpty()
                if_it_fails.callback(os.close, self.fd)
                if_it_fails.callback(os.close, slave)
            pid = spawn(program, {}, terminal=slave)
            if_it_fails.callback(take_back, pid, (self,))
            os.set_blocking(self.fd, False)
            self.connected = 1
            self.startReading()
            self._life = Life(self, proto, pid)
            if_it_fails.pop_all()
        os.close(slave)
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
        """Send it a signal; see :meth:`~.process.Process.signalProcess` (IProcessTransport)."""
        self._life.signal(signalID)

    # The terminal

    def fileno(self) -> int:
        """The number of the terminal's master side; -1 once it is closed (IFileDescriptor)."""
        return self.fd

    @property
    def window_size(self) -> tuple[int, int]:
        """The terminal's size in characters, as (rows, columns); a new one is told none, (0, 0), and so is
        one that is closed."""
        if self.fd < 0:
            return 0, 0
        rows, columns, _, _ = SIZE.unpack(fcntl.ioctl(self.fd, termios.TIOCGWINSZ, bytes(SIZE.size)))
        return rows, columns

    def set_window_size(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; programs in the foreground get SIGWINCH if that is another. Once it is
        closed, this does nothing.

        :param rows: characters from top to bottom, up to 65535. As ``columns``, from left to right.
        :raises struct.error: if a number is out of range.
        """
        size = SIZE.pack(rows, columns, 0, 0)
        if self.fd >= 0:
            fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    # Reading and writing

    def doRead(self) -> BaseException | None:
        """Read once what it shows (IReadDescriptor).

        :returns: ConnectionDone once the child has exited and nobody has the terminal open any more,
            ConnectionLost for an error.
        """
        words = self.reactor.vocabulary
        data = read_some(words, self.fd, self.bufferSize)
        if isinstance(data, bytes):
            self._interval = FIRST_LOOK
            if not self.disconnecting:
                self._life.received(1, data)
            return None
        cause = getattr(data, "__cause__", None)
        if not isinstance(cause, OSError) or cause.errno != errno.EIO:
            return data
        if self.pid is None:
            done: BaseException = words.error.ConnectionDone()
            return done
        self.stopReading()
        self._reads_later = True
        self._look_later()
        return None

    def stopReading(self) -> None:
        """Have :meth:`doRead` called no more (FileDescriptor)."""
        self._reads_later = False
        super().stopReading()

    def writeSomeData(self, data: bytes | memoryview) -> int | BaseException:
        """Type as much of ``data`` as the terminal takes at once. Where nobody has the terminal open, it
        is dropped if the child has exited, or if we are closing: then there is nobody to type for.

        :returns: the number of bytes; or ConnectionLost.
        """
        written = write_some(self.reactor.vocabulary, self.fd, data)
        if written == 0 and self._is_vacant():
            if self.pid is None or self.disconnecting:
                return len(data)
            self.stopWriting()
            self._writes_later = True
            self._look_later()
        return written

    # While nobody but us has the terminal open, though the child lives, which may open it again. To close it
    # would hang up, and kill a child that has only closed its standard descriptors, as many do just before
    # they exit. To watch it would mean to be called again and again.

    def _is_vacant(self) -> bool:
        asking = select.poll()
        asking.register(self.fd, 0)
        return any(events & select.POLLHUP for _, events in asking.poll(0))

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = self.reactor.callLater(self._interval, self._look)
            self._interval = min(self._interval * 2, LAST_LOOK)

    def _look(self) -> None:
        self._looking = None
        if self._reads_later:
            self._reads_later = False
            self.startReading()
        if self._writes_later:
            self._writes_later = False
            self.startWriting()

    def child_exited(self) -> None:
        """It has exited: if nobody has the terminal open, that is the end."""
        call_off(self._looking)
        self._look()

    def writeToChild(self, childFD: int, data: bytes | bytearray | memoryview) -> None:
        """Type ``data`` (IProcessTransport).

        :raises KeyError: if it isn't for descriptor 0, the child's standard input.
        :raises TypeError: if ``data`` is not bytes-like.
        """
        if childFD != 0:
            raise KeyError(childFD)
        self.write(data)

    # Closing

    def closeStdin(self) -> None:
        """Does nothing (IProcessTransport): input and output are one terminal. To end the input, type what
        ends it, as a rule ``b"\\x04"`` at the beginning of a line."""

    def closeStdout(self) -> None:
        """Does nothing, as :meth:`closeStdin` (IProcessTransport)."""

    def closeStderr(self) -> None:
        """Does nothing, as :meth:`closeStdin` (IProcessTransport)."""

    def closeChildFD(self, descriptor: int) -> None:
        """Does nothing, as :meth:`closeStdin` (IProcessTransport)."""

    def loseConnection(self, _connDone: Any = None) -> None:
        """Hang up when all that was written has been typed (ITransport). What it shows from now on is
        dropped."""
        super().loseConnection(_connDone)
        if self.connected:  # a child whose output nobody reads would wait for that, and read no more
            self.startReading()

    def connectionLost(self, reason: Any) -> None:
        """The terminal is closed (IFileDescriptor)."""
        super().connectionLost(reason)
        call_off(self._looking)
        self._writes_later = False
        number, self.fd = self.fd, -1
        os.close(number)
        self._life.closed()

    # Addresses

    def getHost(self) -> PipeAddress:
        """The same for every process (ITransport)."""
        return PipeAddress()

    def getPeer(self) -> PipeAddress:
        """The same for every process (ITransport)."""
        return PipeAddress()

    # For its life

    def is_open(self) -> bool:
        """Whether the terminal is open."""
        return bool(self.connected)


def _check(master: int, slave: int) -> None:
    """Refuse a terminal that can't control a session.

    :raises OSError: if it is none; PermissionError, if it controls one already.
    """
    for number in (master, slave):
        os.fstat(number)  # which says so if it isn't even open
        if not os.isatty(number):
            raise OSError(errno.ENOTTY, f"usePTY has {number} in it, which is no terminal")
    controlled = 0
    with suppress(OSError):  # some systems tell nobody but those whom it controls
        controlled = os.tcgetpgrp(master)
    if controlled:
        raise PermissionError(errno.EPERM, f"the terminal {os.ttyname(slave)} controls a session already")
