"""The reactor itself: running and stopping, time, threads, and watching descriptors.

What it opens is elsewhere: sockets in :mod:`twisted_compat.interfaces.network`, processes in
:mod:`twisted_compat.interfaces.process`, resolvers in :mod:`twisted_compat.interfaces.name`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from zope.interface import Attribute, Interface

from twisted_compat.interfaces.descriptor import IFileDescriptor, IReadDescriptor, IWriteDescriptor

if TYPE_CHECKING:
    from twisted_compat.defer import Deferred

__all__ = [
    "IDelayedCall",
    "IReactorCore",
    "IReactorFDSet",
    "IReactorFromThreads",
    "IReactorInThreads",
    "IReactorThreads",
    "IReactorTime",
    "IReactorWin32Events",
]


class IReactorCore(Interface):
    """Running, stopping, and the events that go with them.

    An event (``"startup"``, ``"shutdown"``, ``"persist"``) has three phases, in this order: ``"before"``,
    whose triggers may return Deferreds that are waited for; ``"during"``; ``"after"``. An exception in one
    trigger is logged and does not keep the others from running.
    """

    running = cast(
        bool, Attribute("True from the startup event to the end of the shutdown event, otherwise False.")
    )

    def resolve(name: str, timeout: float | Sequence[int] = 10) -> Deferred[str]:
        """Find an address of a host name.

        :param name: the host name; an IPv4 address is returned as it is.
        :param timeout: seconds; or a sequence of them, one for each try.
        :returns: a Deferred of an IP address as text; it fails with ``DNSLookupError``.
        """

    def run() -> None:
        """Fire ``"startup"``, then handle events until :meth:`stop` or :meth:`crash`.

        :raises ReactorAlreadyRunning: it runs.
        """

    def stop() -> None:
        """Fire ``"shutdown"`` and, once its triggers are through, let :meth:`run` return.

        :raises ReactorNotRunning: it does not run, or is already stopping.
        """

    def crash() -> None:
        """Let :meth:`run` return at once, without any event: data may be lost.

        Meant for when a shutdown trigger hangs.
        """

    def iterate(delay: float = 0) -> None:
        """Handle what is due, once, for code that has a main loop of its own.

        The reactor has been started; this must not be called from one of its callbacks.

        :param delay: how many seconds to wait for something to happen.
        """

    def fireSystemEvent(eventType: str) -> None:
        """Fire an event: run its triggers, phase after phase.

        :param eventType: the event's name.
        """

    def addSystemEventTrigger(
        phase: str, eventType: str, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> Any:
        """Have something called when an event fires.

        :param phase: ``"before"``, ``"during"`` or ``"after"``.
        :param eventType: the event's name.
        :param callable: what to call. In the ``"before"`` phase it may return a Deferred, and the next phase
            waits for it; elsewhere what it returns is ignored.
        :param args: for ``callable``.
        :param kw: for ``callable``.
        :returns: an opaque value for :meth:`removeSystemEventTrigger`.
        :raises KeyError: there is no such phase.
        """

    def removeSystemEventTrigger(triggerID: Any) -> None:
        """Take a trigger back.

        :param triggerID: what :meth:`addSystemEventTrigger` returned.
        :raises KeyError: it belongs to no event or phase.
        :raises ValueError: it has been removed or has run.
        :raises TypeError: it is not of the kind that :meth:`addSystemEventTrigger` returns.
        """

    def callWhenRunning(callable: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Call something at startup, or now if the reactor runs.

        :param callable: what to call.
        :param args: for ``callable``.
        :param kw: for ``callable``.
        :returns: None if it was called now; otherwise the trigger's value, see :meth:`addSystemEventTrigger`.
        """


class IDelayedCall(Interface):
    """A call that a reactor will make later."""

    def getTime() -> float:
        """Tell when the call is due.

        :returns: seconds, on the clock of the reactor's ``seconds``.
        """

    def cancel() -> None:
        """Call it off.

        :raises AlreadyCalled: it has been made.
        :raises AlreadyCancelled: it has been called off before.
        """

    def delay(secondsLater: float) -> None:
        """Put the call off, counted from when it is due now.

        :param secondsLater: seconds to add; negative ones bring it forward.
        :raises AlreadyCalled: it has been made.
        :raises AlreadyCancelled: it has been called off.
        """

    def reset(secondsFromNow: float) -> None:
        """Make the call due a given time from now, be that later or earlier than before.

        :param secondsFromNow: seconds.
        :raises AlreadyCalled: it has been made.
        :raises AlreadyCancelled: it has been called off.
        """

    def active() -> bool:
        """Tell whether the call is still to come.

        :returns: False once it has been made or called off.
        """


class IReactorTime(Interface):
    """A reactor's clock."""

    def seconds() -> float:
        """Tell the time.

        :returns: seconds; its differences are elapsed time, and it never goes backwards.
        """

    def callLater(delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> IDelayedCall:
        """Call something once, after some time, never earlier.

        :param delay: seconds, not negative; 0 means on the next turn.
        :param callable: what to call.
        :param args: for ``callable``.
        :param kw: for ``callable``.
        :returns: an :class:`IDelayedCall`, to call it off or move it.
        """

    def getDelayedCalls() -> Sequence[IDelayedCall]:
        """List the calls still to come.

        :returns: those that have been neither made nor called off, in no particular order.
        """


class IReactorFromThreads(Interface):
    """A reactor that other threads can reach. A later division of :class:`IReactorThreads`."""

    def callFromThread(callable: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Have something called in the reactor's thread, on a later turn; the one method for any thread.

        A sleeping reactor is woken. Calls from one thread keep their order. In the reactor's own thread, use
        ``callLater(0, ...)``.

        :param callable: what to call.
        :param args: for ``callable``.
        :param kw: for ``callable``.
        """


class IReactorInThreads(Interface):
    """A reactor that runs things in threads. A later division of :class:`IReactorThreads`."""

    def callInThread(callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Have something called in a thread of the pool. An exception is logged; there is no result.

        :param callable: what to call.
        :param args: for ``callable``.
        :param kwargs: for ``callable``.
        """


class IReactorThreads(IReactorFromThreads, IReactorInThreads):
    """A reactor with a pool of threads."""

    def getThreadPool() -> Any:
        """Give the pool that :meth:`callInThread` uses, made when first asked for.

        :returns: the pool; it has the methods of Twisted's ``ThreadPool``.
        """

    def suggestThreadPoolSize(size: int) -> None:
        """Say how many threads the pool may have at most.

        :param size: a number of threads.
        """


class IReactorFDSet(Interface):
    """A reactor that watches descriptors: anything with a ``fileno`` method."""

    def addReader(reader: IReadDescriptor) -> None:
        """Watch for reading: ``doRead`` is called whenever there is something, until :meth:`removeReader`.

        Adding it twice changes nothing.

        :param reader: an :class:`~twisted_compat.interfaces.descriptor.IReadDescriptor`.
        """

    def addWriter(writer: IWriteDescriptor) -> None:
        """Watch for writing: ``doWrite`` is called whenever there is room, until :meth:`removeWriter`.

        Adding it twice changes nothing.

        :param writer: an :class:`~twisted_compat.interfaces.descriptor.IWriteDescriptor`.
        """

    def removeReader(reader: IReadDescriptor) -> None:
        """Watch for reading no more. One that is not watched is fine.

        :param reader: what was given to :meth:`addReader`.
        """

    def removeWriter(writer: IWriteDescriptor) -> None:
        """Watch for writing no more. One that is not watched is fine.

        :param writer: what was given to :meth:`addWriter`.
        """

    def removeAll() -> list[IFileDescriptor]:
        """Watch nothing more, but keep what the reactor needs for itself, such as its waker.

        :returns: everything that was watched, each once.
        """

    def getReaders() -> list[IReadDescriptor]:
        """List what is watched for reading.

        :returns: the readers.
        """

    def getWriters() -> list[IWriteDescriptor]:
        """List what is watched for writing.

        :returns: the writers.
        """


class IReactorWin32Events(Interface):
    """A reactor that watches Windows event objects."""

    def addEvent(event: Any, fd: IFileDescriptor, action: str) -> None:
        """Watch an event object.

        :param event: a handle made by ``win32event.CreateEvent``.
        :param fd: whose method to call.
        :param action: the name of that method.
        """

    def removeEvent(event: Any) -> None:
        """Watch an event object no more.

        :param event: what was given to :meth:`addEvent`.
        """
