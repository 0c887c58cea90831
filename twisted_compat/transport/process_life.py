"""The life of a child process, as its protocol is told of it; what pipes and terminals have in common.

``process.py`` and ``process_pty.py`` have one :class:`Life` each. Who notices that the child has exited is
``adapter/children.py``.
"""

from __future__ import annotations

import enum
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from twisted_compat.transport.descriptor import FileDescriptor

__all__ = ["Life", "signal_number", "take_back"]


class State(enum.Enum):
    """Where a child is in its life::

    RUNNING -> EXITED    it has exited, and has been reaped: processExited is told
    EXITED  -> ENDED     what led to it is closed as well: processEnded is told
    RUNNING -> ENDED     the reactor has stopped and leaves it alone: processEnded is told, for a reason
                         unknown
    """

    RUNNING = "running"
    EXITED = "exited"
    ENDED = "ended"


class Life:
    """What becomes of one child.

    :param transport: whose life it is: gives ``reactor`` and ``is_open()``, whether data may still come, and
        hears ``child_exited()``, before the protocol does.
    :param protocol: who is told (IProcessProtocol); None for nobody.
    :param pid: the child's process number.

    :ivar pid: that number; None once the child has been reaped, when it may become another's.
    :ivar status: how the child exited, as from ``os.waitpid``; None before, and if nobody knows.
    """

    def __init__(self, transport: Any, protocol: Any, pid: int) -> None:
        self.protocol = protocol
        self.pid: int | None = pid
        self.status: int | None = None
        self._transport: Any = transport  # None when all is over
        self._words = transport.reactor.vocabulary
        self._state = State.RUNNING
        self._child = transport.reactor.watch_child(pid, self, waited_for=transport.is_open())

    def tell(self, method: str, *args: Any) -> None:
        """Call a method of the protocol; what it raises is logged, but for what ends the program."""
        if self.protocol is not None:
            try:
                getattr(self.protocol, method)(*args)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # CancelledError too: it is about the protocol alone
                self._words.log.exception("%s of %r raised", method, self.protocol)

    def received(self, childFD: int, data: bytes) -> None:
        """The child has written ``data``. What the protocol raises is the pipe's or terminal's to bear."""
        if self.protocol is not None:
            self.protocol.childDataReceived(childFD, data)

    def signal(self, signalID: str | int) -> None:
        """Send a signal; see :meth:`~.process.Process.signalProcess`."""
        number = signal_number(signalID)
        if self.pid is None:
            raise self._words.error.ProcessExitedAlready()
        try:
            self._child.signal(number)
        except ProcessLookupError as error:
            raise self._words.error.ProcessExitedAlready() from error

    def child_exited(self, status: int | None) -> None:
        """The child has been reaped.

        :param status: as from ``os.waitpid``; None if somebody else had taken it.
        """
        self.pid = None
        self.status = status
        self._state = State.EXITED
        self._transport.child_exited()
        try:
            self.tell("processExited", self._reason())
        finally:
            self.closed()

    def child_left(self) -> None:
        """The reactor has stopped, and the child goes on without it."""
        self.pid = None
        self._end()

    def closed(self) -> None:
        """Something that led to the child is closed: if that was the last, it is all over."""
        if self._state is State.EXITED and not self._transport.is_open():
            self._end()

    def _end(self) -> None:
        self._state = State.ENDED
        try:
            self.tell("processEnded", self._reason())
        finally:
            self.protocol = self._transport = None

    def _reason(self) -> Any:
        words = self._words
        if self.status is None:
            reason = words.error.ProcessTerminated()
        elif not self.status:
            reason = words.error.ProcessDone(self.status)
        elif os.WIFEXITED(self.status):
            reason = words.error.ProcessTerminated(os.WEXITSTATUS(self.status), None, self.status)
        else:
            reason = words.error.ProcessTerminated(None, os.WTERMSIG(self.status), self.status)
        return words.failure.Failure(reason)


def signal_number(signalID: str | int) -> int:
    """The number of a signal.

    :param signalID: its number, or its name with or without "SIG".
    :raises ValueError: if there is none.
    """
    if isinstance(signalID, str):
        number = getattr(signal, f"SIG{signalID.removeprefix('SIG')}", None)
        if isinstance(number, signal.Signals):
            return number
    elif signalID == 0 or signalID in signal.valid_signals():
        return signalID
    raise ValueError(f"There is no signal {signalID!r}. Give a name, such as 'TERM', or a number.")


def take_back(pid: int, descriptors: Iterable[FileDescriptor]) -> None:
    """A child has been started that can't be looked after: it is not to be.

    :param descriptors: what leads to it; whoever opened them closes their numbers.
    """
    for descriptor in descriptors:
        FileDescriptor.connectionLost(descriptor, None)  # nobody else's: there is nobody to tell
    with suppress(ProcessLookupError, ChildProcessError):  # it is reaped already, where SIGCHLD is ignored
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
