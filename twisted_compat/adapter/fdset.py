"""IReactorFDSet on ``loop.add_reader`` and ``loop.add_writer``, and the turn-end flush.

This part alone interprets what ``doRead`` and ``doWrite`` return. It keeps a :class:`Registration` for each descriptor; how a number is watched on the
loop, and what goes wrong with numbers, is ``watch.py``. Who is watched are transports (``transport/``) and strangers' descriptors.

The **turn-end flush**: a descriptor with ``turn_flush`` that asks to write is not watched for writability. If it asked inside its own ``doRead``,
its ``doWrite`` is called as that returns; otherwise once, with all others that asked, before the loop polls again. Only if that leaves something
unsent is it watched.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from threading import get_ident
from typing import Any

from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.watch import Watch, WatchBoard
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DescriptorSet", "Registration"]

logger = logging.getLogger(__name__)


class Registration:
    """One descriptor's place in the set, and what the loop calls for it.

    :ivar reading: the watch for readability, or None.
    :ivar writing: the watch for writability, or None.
    :ivar armed: the descriptor's ``doWrite`` will be called: it is watched, its flush is due, or its ``doRead`` is running.
    """

    __slots__ = ("armed", "descriptor", "fdset", "reading", "writing")

    def __init__(self, fdset: DescriptorSet, descriptor: Any) -> None:
        self.fdset = fdset
        self.descriptor = descriptor
        self.reading: Watch | None = None
        self.writing: Watch | None = None
        self.armed = False

    def on_readable(self) -> None:
        """A descriptor with ``turn_flush`` can be read; what it then has to write goes out as soon as it has been.

        While it reads it counts as armed, so that its writes need not ask for it one by one.
        """
        descriptor = self.descriptor
        self.armed = True
        try:
            why = descriptor.doRead()
        except Exception as error:
            why = self.fdset.raised(descriptor, "doRead", error)
        except BaseException:
            self.fdset.settle(self)
            raise
        if why:
            self.fdset.settle(self)
            self.fdset.lost(self, why, reading=True)
        elif self.writing is None and self.armed:
            if descriptor._buffer.size or descriptor.disconnecting or descriptor._writeDisconnecting:
                self.on_writable()
            else:
                self.armed = False

    def on_writable(self) -> None:
        """The descriptor can be written, or its turn has come to try."""
        try:
            why = self.descriptor.doWrite()
        except Exception as error:
            why = self.fdset.raised(self.descriptor, "doWrite", error)
        if why:
            self.fdset.lost(self, why, reading=False)
        elif self.armed and self.writing is None:
            self.fdset.watch_writability(self)

    def on_stranger_readable(self) -> None:
        """Any other descriptor can be read. Its number may change under us."""
        try:
            why = self.descriptor.doRead()
        except Exception as error:
            why = self.fdset.raised(self.descriptor, "doRead", error)
        if why:
            self.fdset.lost(self, why, reading=True)
        else:
            self._check_number(self.reading)

    def on_stranger_writable(self) -> None:
        """Like :meth:`on_writable`, for a descriptor whose number may change under us."""
        self.on_writable()
        self._check_number(self.writing)

    def _check_number(self, watch: Watch | None) -> None:
        """Lose a descriptor that closed itself, or took another number, and stayed registered."""
        if watch is not None and self.descriptor.fileno() != watch.fd:
            self.fdset.lost(self, self.fdset.vocabulary.error.ConnectionFdescWentAway(), reading=False)

    def release(self) -> None:
        """The descriptor is lost: forget it."""
        self.fdset.forget(self)


class DescriptorSet:
    """The descriptors that a reactor watches (IReactorFDSet).

    :param loop: the loop that watches.
    :param vocabulary: whose errors and Failures the descriptors are told of.
    :param ownership: which thread may call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, vocabulary: Vocabulary, ownership: Ownership) -> None:
        self.vocabulary = vocabulary
        self._loop = loop
        self._ownership = ownership
        self._board = WatchBoard(loop)
        self._registrations: dict[int, Registration] = {}  # by id() of the descriptor, which need not be hashable
        self._due: list[Registration] = []  # who is to be flushed before the loop polls again
        self._on_empty: Callable[[], None] | None = None
        self._context = contextvars.copy_context()  # a flush serves many writers: it runs in none of their contexts

    # IReactorFDSet

    def addReader(self, reader: Any) -> None:
        """Call ``reader.doRead()`` whenever it is readable, until it is removed.

        :param reader: an IReadDescriptor provider.
        :raises OSError: if the operating system won't watch its number; then it is not registered.
        :raises RuntimeError: from a wrong thread, or if its number belongs to an asyncio transport.
        """
        registration = self._registration_of(reader)
        watch = registration.reading
        fd = reader.fileno()
        if watch is not None:
            if watch.fd == fd:
                return
            self.removeReader(reader)
        self._ownership.check("reactor.addReader")
        name = "on_readable" if _is_ours(reader) else "on_stranger_readable"
        try:
            registration.reading = self._board.start(fd, False, registration, name)
        finally:
            self._keep_or_drop(registration)

    def addWriter(self, writer: Any) -> None:
        """Call ``writer.doWrite()`` whenever it is writable, until it is removed.

        :param writer: an IWriteDescriptor provider.
        :raises OSError: if the operating system won't watch its number; then it is not registered.
        :raises RuntimeError: from a wrong thread, or if its number belongs to an asyncio transport.
        """
        registration = self._registration_of(writer)
        if registration.armed:
            watch = registration.writing
            if watch is None or watch.fd == writer.fileno():
                return
            self.removeWriter(writer)
        if not getattr(writer, "turn_flush", False):
            self._ownership.check("reactor.addWriter")
            self.watch_writability(registration)
        else:
            if get_ident() != self._ownership.thread_id:  # spelled out: this is every write of a timer or a task
                self._ownership.check("transport.write")
            self._flush_later(registration)

    def removeReader(self, reader: Any) -> None:
        """Call ``reader.doRead()`` no more. Removing what is not there does nothing."""
        registration = self._find(reader)
        if registration is not None and registration.reading is not None:
            self._ownership.check("reactor.removeReader")
            watch, registration.reading = registration.reading, None
            watch.stop()
            self._keep_or_drop(registration)

    def removeWriter(self, writer: Any) -> None:
        """Call ``writer.doWrite()`` no more. Removing what is not there does nothing."""
        registration = self._find(writer)
        if registration is not None:
            registration.armed = False
            if registration.writing is not None:
                self._ownership.check("reactor.removeWriter")
                watch, registration.writing = registration.writing, None
                watch.stop()
                self._keep_or_drop(registration)

    def removeAll(self) -> list[Any]:
        """Remove every reader and writer.

        :returns: the descriptors that were removed, each once.
        """
        removed = [r.descriptor for r in self._registrations.values() if r.reading is not None or r.armed]
        for descriptor in removed:
            self.removeReader(descriptor)
            self.removeWriter(descriptor)
        return removed

    def getReaders(self) -> list[Any]:
        """The descriptors whose ``doRead`` is called now."""
        return [r.descriptor for r in self._registrations.values() if r.reading is not None]

    def getWriters(self) -> list[Any]:
        """The descriptors whose ``doWrite`` is called when they are writable."""
        return [r.descriptor for r in self._registrations.values() if r.armed]

    # For the reactor's shutdown

    def descriptors(self) -> list[Any]:
        """Every descriptor that is alive here, those that are paused included."""
        return [registration.descriptor for registration in self._registrations.values()]

    def when_empty(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` once, as soon as no descriptor is alive here; at once if that is so now."""
        if self._registrations:
            self._on_empty = callback
        else:
            callback()

    def close(self) -> None:
        """Watch nothing any more."""
        for registration in list(self._registrations.values()):
            self.forget(registration)
        self._board.close()

    # For registrations

    def watch_writability(self, registration: Registration) -> None:
        """Have the loop say when the descriptor is writable: the kernel would block, or a stranger has to be asked first."""
        descriptor = registration.descriptor
        name = "on_writable" if _is_ours(descriptor) else "on_stranger_writable"
        try:
            registration.writing = self._board.start(descriptor.fileno(), True, registration, name)
            registration.armed = True
        finally:
            self._keep_or_drop(registration)

    def raised(self, descriptor: Any, method: str, error: Exception) -> Exception:
        """``descriptor.method`` raised: log it, once; the descriptor is lost for that reason."""
        logger.error("%s of %r raised: it is closed", method, descriptor, exc_info=error)
        return error

    def lost(self, registration: Registration, why: Any, *, reading: bool) -> None:
        """``doRead`` or ``doWrite`` returned ``why``, or something else did away with the descriptor: tell it.

        :param why: an exception, or a negative number: -2 is ConnectionDone, any other ConnectionLost.
        :param reading: it was ``doRead``, so that ConnectionDone may mean the end of what is read, and of that alone.
        """
        descriptor = registration.descriptor
        words = self.vocabulary
        if not isinstance(why, BaseException):
            why = words.error.ConnectionDone() if why == -2 else words.error.ConnectionLost()
        reason = words.failure.Failure(why)
        halfway = (
            reading
            and type(why) is words.error.ConnectionDone
            and words.interfaces.IHalfCloseableDescriptor.providedBy(descriptor)
        )
        self.removeReader(descriptor)
        try:
            if halfway:
                descriptor.readConnectionLost(reason)
            else:
                self.forget(registration)
                descriptor.connectionLost(reason)
        except Exception:
            logger.exception("connectionLost of %r raised", descriptor)

    def forget(self, registration: Registration) -> None:
        """Stop whatever is watched for it and remove it."""
        registration.armed = False
        for watch in (registration.reading, registration.writing):
            if watch is not None:
                watch.stop()
        registration.reading = registration.writing = None
        self._drop(registration)

    # Finding, making and dropping registrations

    def _find(self, descriptor: Any) -> Registration | None:
        if isinstance(descriptor, FileDescriptor):
            registration: Registration | None = descriptor._registration
            if registration is None or registration.fdset is self:
                return registration
        return self._registrations.get(id(descriptor))

    def _registration_of(self, descriptor: Any) -> Registration:
        # The attribute first: it spares each write a function call and a look-up by id.
        registration: Registration | None = getattr(descriptor, "_registration", None)
        if registration is not None and registration.fdset is self:
            return registration
        registration = self._registrations.get(id(descriptor))
        if registration is None:
            registration = self._registrations[id(descriptor)] = Registration(self, descriptor)
            if isinstance(descriptor, FileDescriptor):
                descriptor._registration = registration
        return registration

    def _keep_or_drop(self, registration: Registration) -> None:
        """Drop what is not watched any more, except transports in use: a paused one is still to be closed at shutdown."""
        if registration.reading is None and not registration.armed:
            descriptor = registration.descriptor
            if not (isinstance(descriptor, FileDescriptor) and descriptor.connected):
                self._drop(registration)

    def _drop(self, registration: Registration) -> None:
        descriptor = registration.descriptor
        if self._registrations.get(id(descriptor)) is registration:
            del self._registrations[id(descriptor)]
        if isinstance(descriptor, FileDescriptor) and descriptor._registration is registration:
            descriptor._registration = None
        if not self._registrations and self._on_empty is not None:
            on_empty, self._on_empty = self._on_empty, None
            on_empty()

    # The turn-end flush

    def settle(self, registration: Registration) -> None:
        """A ``doRead`` ended out of the ordinary: armed from now on only if there is something to write."""
        if registration.armed and registration.writing is None:
            registration.armed = False
            if registration.descriptor._buffer.size:
                self._flush_later(registration)

    def _flush_later(self, registration: Registration) -> None:
        if not self._due:
            self._loop.call_soon(self._flush_due, context=self._context)
        registration.armed = True
        self._due.append(registration)

    def _flush_due(self) -> None:
        due, self._due = self._due, []
        remaining = iter(due)
        try:
            for registration in remaining:
                if registration.armed and registration.writing is None:
                    registration.on_writable()
        finally:
            for registration in remaining:  # only if a KeyboardInterrupt or SystemExit got out: nobody loses their flush by it
                self._flush_later(registration)


def _is_ours(descriptor: Any) -> bool:
    """Whether the descriptor's number is sure to stay as it is until it has removed itself."""
    return bool(getattr(descriptor, "turn_flush", False))
