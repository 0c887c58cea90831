"""Child processes: the reactor that starts them, the transport to them, the protocol that hears from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from zope.interface import Attribute, Interface

from twisted_compat.interfaces.transport import ITransport

if TYPE_CHECKING:
    from twisted_compat.failure import Failure

    _Text = str | bytes

__all__ = ["IProcessProtocol", "IProcessTransport", "IReactorProcess"]

NO_VARIABLES: Mapping[Any, Any] = MappingProxyType({})
"""The environment of a child for which none is given."""


class IProcessProtocol(Interface):
    """What happens with one child process."""

    def makeConnection(process: IProcessTransport) -> None:
        """Be tied to a process that has been started.

        :param process: an :class:`IProcessTransport`.
        """

    def childDataReceived(childFD: int, data: bytes) -> None:
        """Take what the child has written.

        :param childFD: the number of the descriptor as the child knows it; 1 is its standard output.
        :param data: at least one byte.
        """

    def childConnectionLost(childFD: int) -> None:
        """Learn that one of the child's descriptors is closed.

        :param childFD: the number of the descriptor as the child knows it.
        """

    def processExited(reason: Failure) -> None:
        """Learn that the child has exited. Data that it wrote before may still come.

        :param reason: a Failure with ``ProcessDone`` for exit code 0, otherwise with ``ProcessTerminated``.
        """

    def processEnded(reason: Failure) -> None:
        """Learn that it is all over: the child has exited and all its descriptors are closed.

        :param reason: a Failure with ``ProcessDone`` for exit code 0, otherwise with ``ProcessTerminated``.
        """


class IProcessTransport(ITransport):
    """A child process and the pipes to it. ``write`` goes to its standard input."""

    pid = cast(
        "int | None",
        Attribute(
            "The process number, from before makeConnection until before processEnded; otherwise None."
        ),
    )

    def closeStdin() -> None:
        """Close the child's standard input once everything written to it has been sent."""

    def closeStdout() -> None:
        """Close our end of the child's standard output."""

    def closeStderr() -> None:
        """Close our end of the child's standard error."""

    def closeChildFD(descriptor: int) -> None:
        """Close our end of one of the child's descriptors; for a writing one, once what was written is sent.

        :param descriptor: its number as the child knows it.
        """

    def writeToChild(childFD: int, data: bytes) -> None:
        """Send bytes to one of the child's descriptors.

        :param childFD: its number as the child knows it.
        :param data: the bytes to send.
        :raises KeyError: the child has no such descriptor that we write to.
        """

    def loseConnection() -> None:
        """Close standard input, output and error. The child may live on."""

    def signalProcess(signalID: str | int) -> None:
        """Send the child a signal.

        :param signalID: ``"KILL"``, ``"TERM"``, ``"INT"`` or ``"HUP"``, or a signal's number.
        :raises ProcessExitedAlready: the child is no more.
        :raises ValueError: there is no signal of that name.
        """


class IReactorProcess(Interface):
    """A reactor that starts child processes."""

    def spawnProcess(
        processProtocol: IProcessProtocol,
        executable: _Text,
        args: Sequence[_Text] = (),
        env: Mapping[_Text, _Text] | None = NO_VARIABLES,
        path: _Text | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | int | tuple[int, int, _Text] = 0,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> IProcessTransport:
        """Start a child process.

        :param processProtocol: hears what happens with it.
        :param executable: the program's file; give the full path.
        :param args: the child's arguments; the first is by custom the program's name.
        :param env: the child's whole environment. None passes on our own; left out, the child gets an empty
            one.
        :param path: the directory to run it in; None for the current one.
        :param uid: the user number to run it as (POSIX); None for our own.
        :param gid: the group number to run it as (POSIX); None for our own.
        :param usePTY: true to give the child a terminal of its own; or an open one, as
            ``(master descriptor, slave descriptor, slave's device name)``.
        :param childFDs: the child's descriptors. Each key is a number in the child; each value is the number
            of one of our descriptors to share, or ``"r"`` for a pipe that we read from, or ``"w"`` for a pipe
            that we write to. None means ``{0: "w", 1: "r", 2: "r"}``.
        :returns: the transport to it.
        :raises OSError: the system has no room for another process (``EAGAIN``, ``ENOMEM``).
        """
