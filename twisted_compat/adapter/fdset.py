"""IReactorFDSet on ``loop.add_reader`` and ``loop.add_writer``, and the turn-end flush.

This part alone interprets what ``doRead`` and ``doWrite`` return. It keeps a ``registration.py`` for each
descriptor, which is what the loop calls; how a number is watched, and what goes wrong with numbers, is
``watch.py``. Who is watched are transports (``transport/``) and strangers' descriptors.

The **turn-end flush**: a descriptor with ``turn_flush`` that asks to write is not watched for writability.
Its ``doWrite`` is called once, with those of all others that asked, before the loop waits again: so a peer on
another core, which would sleep between one answer and the next, is woken once for many. Where a flush served
one alone, the next answers go out as the ``doRead`` that they were made in returns, which spares the loop a
turn. Only if the kernel took less than it was given is a descriptor watched.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from threading import get_ident
from typing import Any

from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.registration import Registration
from twisted_compat.adapter.watch import WatchBoard
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DescriptorSet"]

ALONE = 16
"""How many answers are sent as they are made after a flush had only one to serve."""


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
        self.board = WatchBoard(loop)
        # By id() of the descriptor, which need not be hashable.
        self._registrations: dict[int, Registration] = {}
        self._due: list[Registration] = []  # who is to be flushed before the loop waits again
        self.alone = ALONE  # how many more answers are sent at once, as nobody else seems to have any
        self._on_empty: Callable[[], None] | None = None
        # A flush serves many writers: it runs in none of their contexts.
        self._context = contextvars.copy_context()

    # IReactorFDSet

    def addReader(self, reader: Any) -> None:
        """Call ``reader.doRead()`` whenever it is readable, until it is removed.

        :param reader: an IReadDescriptor provider.
        :raises OSError: if the operating system won't watch its number; then it is not registered.
        :raises RuntimeError: from a wrong thread, or if its number belongs to an asyncio transport.
        """
        self._ownership.check("reactor.addReader")
        fd = reader.fileno()
        registration = self._registration_of(reader)
        watch = registration.reading
        if watch is not None:
            if watch.fd == fd:
                return
            registration.reading = None  # it has taken another number since
            watch.stop()
        ours = _is_ours(reader)
        name = "on_readable" if ours else "on_stranger_readable"
        try:
            registration.reading = self.board.start(fd, False, registration, name, steady=ours)
        finally:
            self._keep_or_drop(registration)

    def addWriter(self, writer: Any) -> None:
        """Call ``writer.doWrite()`` whenever it is writable, until it is removed.

        :param writer: an IWriteDescriptor provider.
        :raises OSError: if the operating system won't watch its number; then it is not registered.
        :raises RuntimeError: from a wrong thread, or if its number belongs to an asyncio transport.
        """
        # _find and flush_later are spelled out: a third less for a write that isn't an answer, as when one
        # message goes to all.
        try:
            registration = writer._registration
            known = registration.descriptor is writer and registration.fdset is self
        except AttributeError:  # None has neither
            known = False
        if not known:
            registration = self._registration_of(writer)
        watch = registration.writing
        if registration.armed or watch is not None:
            if watch is None or watch.fd == writer.fileno():
                registration.armed = True
                return
            self._check("reactor.addWriter", registration)
            registration.armed, registration.writing = False, None  # it has taken another number since
            watch.stop()
        if not getattr(writer, "turn_flush", False):
            self._check("reactor.addWriter", registration)
            self.watch_writability(registration)
        else:
            if get_ident() != self._ownership.thread_id:
                self._check("transport.write", registration)
            if not registration.due:
                if not self._due:
                    self._loop.call_soon(self._flush_due, context=self._context.copy())
                self._due.append(registration)
                registration.due = True
            registration.armed = True

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
            watch = registration.writing
            if watch is not None:
                self._ownership.check("reactor.removeWriter")
                registration.writing = None
                watch.stop()
            registration.armed = False
            if registration.reading is None:
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
        self.board.close()

    # For registrations

    def watch_writability(self, registration: Registration) -> None:
        """Have the loop say when it is writable: the kernel would block, or it is a stranger's."""
        descriptor = registration.descriptor
        ours = _is_ours(descriptor)
        name = "on_writable" if ours else "on_stranger_writable"
        registration.armed = False
        try:
            fd = descriptor.fileno()
            registration.writing = self.board.start(fd, True, registration, name, steady=ours)
            registration.armed = True
        finally:
            self._keep_or_drop(registration)

    def raised(self, descriptor: Any, method: str, error: BaseException) -> BaseException:
        """``descriptor.method`` raised: log it, once; the descriptor is lost for that reason."""
        self.vocabulary.log.error("%s of %r raised: it is closed", method, descriptor, exc_info=error)
        return error

    def lost(self, registration: Registration, why: Any, *, reading: bool) -> None:
        """``doRead`` or ``doWrite`` returned ``why``, or something else did away with it: tell the
        descriptor.

        :param why: an exception, or a negative number: -2 is ConnectionDone, any other ConnectionLost.
        :param reading: it was ``doRead``, so that ConnectionDone may be the end of what is read alone.
        """
        descriptor = registration.descriptor
        registration = self._find(descriptor) or registration  # it may have left and come back in the call
        words = self.vocabulary
        if isinstance(why, int):
            why = words.error.ConnectionDone() if why == -2 else words.error.ConnectionLost()
        elif not isinstance(why, BaseException):
            why = self._unreadable_result(descriptor, why)
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
            words.log.exception("%sonnectionLost of %r raised", "readC" if halfway else "c", descriptor)

    def _unreadable_result(self, descriptor: Any, result: Any) -> TypeError:
        """What was returned says nothing about the connection: it was most likely meant for somebody else."""
        if inspect.iscoroutine(result):
            result.close()  # it will not be run, and need not complain of that as well
        error = TypeError(
            f"{descriptor!r} or its protocol returned {result!r}, where None, a negative number or an "
            "exception says what became of the connection. In dataReceived, start what takes time with "
            "asyncio.ensure_future(...) and return None."
        )
        self.vocabulary.log.error("the connection is closed: %s", error)
        return error

    def forget(self, registration: Registration) -> None:
        """Stop whatever is watched for it and remove it."""
        registration.armed = False
        for watch in (registration.reading, registration.writing):
            if watch is not None:
                watch.stop()
        registration.reading = registration.writing = None
        self._drop(registration)

    def _check(self, api: str, registration: Registration) -> None:
        """Check the calling thread, and leave nothing behind of a call from a wrong one."""
        try:
            self._ownership.check(api)
        except RuntimeError:
            self._keep_or_drop(registration)
            raise

    # Finding, making and dropping registrations

    def _find(self, descriptor: Any) -> Registration | None:
        # The attribute first: it spares each write a look-up by id. Strangers have none, or one of their own,
        # or the one of a descriptor that they stand for.
        try:
            mine: Registration | None = descriptor._registration
            if mine is not None and mine.descriptor is descriptor and mine.fdset is self:
                return mine
        except AttributeError:
            pass
        return self._registrations.get(id(descriptor))

    def _registration_of(self, descriptor: Any) -> Registration:
        registration = self._find(descriptor)
        if registration is None:
            registration = self._registrations[id(descriptor)] = Registration(self, descriptor)
            if isinstance(descriptor, FileDescriptor):
                descriptor._registration = registration
        return registration

    def _keep_or_drop(self, registration: Registration) -> None:
        """Drop what is not watched any more, except transports in use: shutdown closes the paused ones."""
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
            descriptor = registration.descriptor
            if descriptor._buffer.size or descriptor.disconnecting or descriptor._writeDisconnecting:
                self.flush_later(registration)

    def flush_again(self, registration: Registration) -> None:
        """A ``doWrite`` was interrupted: if it was a flush, it is due once more."""
        if registration.armed and registration.writing is None:
            registration.due = False
            self.flush_later(registration)

    def flush_later(self, registration: Registration) -> None:
        """Have its ``doWrite`` called before the loop waits again."""
        if not registration.due:
            if not self._due:
                self._loop.call_soon(self._flush_due, context=self._context.copy())
            self._due.append(registration)
            registration.due = True
        registration.armed = True

    def _flush_due(self) -> None:
        due, self._due = self._due, []
        if len(due) == 1:
            self.alone = ALONE
        remaining = iter(due)
        try:
            for registration in remaining:
                if registration.armed and registration.writing is None:
                    registration.on_writable()
                registration.due = False  # not before: what it writes meanwhile needs no flush of its own
        finally:
            # Only if a KeyboardInterrupt or SystemExit got out: nobody loses their flush by it.
            for registration in remaining:
                registration.due = False
                if registration.armed:
                    self.flush_later(registration)


def _is_ours(descriptor: Any) -> bool:
    """Whether the descriptor's number is sure to stay as it is until it has removed itself."""
    return bool(getattr(descriptor, "turn_flush", False))
