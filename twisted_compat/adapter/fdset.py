"""IReactorFDSet on ``loop.add_reader`` and ``loop.add_writer``, and the turn-end flush.

This part alone interprets what ``doRead`` and ``doWrite`` return. It keeps a :class:`Registration` for each
descriptor; how a number is watched on the loop, and what goes wrong with numbers, is ``watch.py``. Who is
watched are transports (``transport/``) and strangers' descriptors.

The **turn-end flush**: a descriptor with ``turn_flush`` that asks to write is not watched for writability. If
it asked inside its own ``doRead``, its ``doWrite`` is called as that returns; otherwise once, with all others
that asked, before the loop waits again. Only if the kernel took less than it was given is it watched.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from threading import get_ident
from typing import Any

from twisted_compat.adapter.ownership import Ownership
from twisted_compat.adapter.watch import Watch, WatchBoard
from twisted_compat.transport.descriptor import FileDescriptor
from twisted_compat.vocabulary import Vocabulary

__all__ = ["DescriptorSet", "Registration"]

SENDS_A_TURN = 32
"""How often one descriptor may send before it is the others' turn: about a millisecond, for 4 MiB."""


class Registration:
    """One descriptor's place in the set, and what the loop calls for it.

    :ivar reading: the watch for readability, or None.
    :ivar writing: the watch for writability, or None.
    :ivar armed: the descriptor's ``doWrite`` will be called: it is watched, its flush is due, or its
        ``doRead`` or ``doWrite`` is running.
    :ivar due: it is among those to be flushed before the loop waits again.
    """

    __slots__ = ("armed", "descriptor", "due", "fdset", "reading", "writing")

    def __init__(self, fdset: DescriptorSet, descriptor: Any) -> None:
        self.fdset = fdset
        self.descriptor = descriptor
        self.reading: Watch | None = None
        self.writing: Watch | None = None
        self.armed = False
        self.due = False

    def on_readable(self) -> None:
        """A descriptor with ``turn_flush`` can be read; what it then has to write goes out right after.

        While it reads it counts as armed, so that its writes need not ask for it one by one.
        """
        descriptor = self.descriptor
        self.armed = reading = True
        try:
            why = descriptor.doRead()
            if not why and self.armed and self.writing is None:
                # on_writable, spelled out: this is every answer that a server gives.
                if descriptor._buffer.size or descriptor.disconnecting or descriptor._writeDisconnecting:
                    reading = False
                    why = descriptor.doWrite()
                else:
                    self.armed = False
        except (KeyboardInterrupt, SystemExit):
            self.fdset.settle(self)
            raise
        except BaseException as error:  # CancelledError too: who isn't closed for it would be called for ever
            why = self.fdset.raised(descriptor, "doRead" if reading else "doWrite", error)
        if why:
            self.fdset.settle(self)
            self.fdset.lost(self, why, reading=reading)
            why = None  # this frame is in its traceback: the two would be a cycle
        elif self.armed and self.writing is None:
            if why is None:  # the kernel took all that it was given, and there is more
                self.fdset.flush_later(self)
            else:
                self._watch_or_lose()

    def on_writable(self) -> None:
        """A descriptor with ``turn_flush`` can be written, or its turn has come to try.

        It goes on as long as the kernel takes what a producer has ready: a trip through the loop for each
        send would make bulk data take twice the time. After so many sends it is the others' turn.
        """
        descriptor = self.descriptor
        try:
            why = descriptor.doWrite()
            sends = 1
            while self.armed and why is None and sends < SENDS_A_TURN:
                why = descriptor.doWrite()
                sends += 1
        except (KeyboardInterrupt, SystemExit):
            self.fdset.flush_again(self)
            raise
        except BaseException as error:
            why = self.fdset.raised(descriptor, "doWrite", error)
        if why:
            self.fdset.lost(self, why, reading=False)
            why = None  # as above
        elif self.armed and self.writing is None:
            self._watch_or_lose()

    def _watch_or_lose(self) -> None:
        """Go on when the kernel takes more. If the number can't be watched, no better moment will come."""
        try:
            self.fdset.watch_writability(self)
        except (OSError, RuntimeError, ValueError) as error:
            self.fdset.lost(self, error, reading=False)

    def on_stranger_readable(self) -> None:
        """Any other descriptor can be read."""
        self._call_stranger("doRead", reading=True)

    def on_stranger_writable(self) -> None:
        """Any other descriptor can be written."""
        self._call_stranger("doWrite", reading=False)

    def _call_stranger(self, method: str, *, reading: bool) -> None:
        """Once, since it may block. Its number may change under us, before the call and in it."""
        if self._number_is_good(self.reading if reading else self.writing):
            try:
                why = getattr(self.descriptor, method)()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                why = self.fdset.raised(self.descriptor, method, error)
            if why:
                self.fdset.lost(self, why, reading=reading)
                why = None  # as above
            else:
                self._number_is_good(self.reading if reading else self.writing)

    def _number_is_good(self, watch: Watch | None) -> bool:
        """Lose a descriptor that is closed, or has taken another number, and stayed registered."""
        if watch is None or watch.stopped:  # a loop with wrong books may have this call queued
            return False
        fdset = self.fdset
        try:
            good: bool = self.descriptor.fileno() == watch.fd
        except Exception as error:
            fdset.lost(self, fdset.raised(self.descriptor, "fileno", error), reading=False)
            return False
        if not good:
            self.watch_failed(watch)
        return good

    def watch_failed(self, watch: Watch) -> None:
        """The number that ``watch`` is about has become another's, or nobody's."""
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
        # By id() of the descriptor, which need not be hashable.
        self._registrations: dict[int, Registration] = {}
        self._due: list[Registration] = []  # who is to be flushed before the loop waits again
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
            registration.reading = self._board.start(fd, False, registration, name, steady=ours)
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
        self._board.close()

    # For registrations

    def watch_writability(self, registration: Registration) -> None:
        """Have the loop say when it is writable: the kernel would block, or it is a stranger's."""
        descriptor = registration.descriptor
        ours = _is_ours(descriptor)
        name = "on_writable" if ours else "on_stranger_writable"
        registration.armed = False
        try:
            fd = descriptor.fileno()
            registration.writing = self._board.start(fd, True, registration, name, steady=ours)
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
