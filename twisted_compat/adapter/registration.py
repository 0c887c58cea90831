"""One descriptor's place in a set, and what the loop calls for it: the innermost part of the data path.

What a descriptor's ``doRead`` and ``doWrite`` return is interpreted by the set (``fdset.py``), which is asked
only when there is something to interpret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_compat.adapter.watch import Watch

if TYPE_CHECKING:
    from twisted_compat.adapter.fdset import DescriptorSet

__all__ = ["Registration"]

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
        """A descriptor with ``turn_flush`` can be read; what it then has to write goes out at the end of the
        turn, or right after if it is alone.

        While it reads it counts as armed, so that its writes need not ask for it one by one.
        """
        descriptor = self.descriptor
        self.armed = reading = True
        try:
            why = descriptor.doRead()
            if not why and self.armed and self.writing is None:
                # on_writable, spelled out: this is every answer that a server gives.
                if descriptor._buffer.size or descriptor.disconnecting or descriptor._writeDisconnecting:
                    fdset = self.fdset
                    if not fdset.alone:
                        fdset.flush_later(self)
                        return
                    fdset.alone -= 1
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
