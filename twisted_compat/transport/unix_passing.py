"""Descriptors that travel over a UNIX stream with its bytes (SCM_RIGHTS, unix(7)): sending and receiving.

Knows a socket and neither a transport nor a reactor; ``unix.py`` has one :class:`Sender` for each connection
that sends any.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Extras", "Sender", "close_all", "receive"]

MOST_AT_ONCE = 253
"""How many descriptors Linux lets one message carry (SCM_MAX_FD)."""

_INT = array("i").itemsize
# Room for these, and for the sender's credentials, which some ask the kernel to add (SO_PASSCRED).
_SPACES = (MOST_AT_ONCE * _INT, 3 * _INT) if hasattr(socket, "CMSG_SPACE") else ()  # not on Windows
_ROOM = sum(socket.CMSG_SPACE(size) for size in _SPACES)
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Sender:
    """The descriptors that wait to be sent, each with the place in the stream that it has.

    A descriptor needs a byte to travel with: the first that was accepted after it, and that no descriptor
    before it has taken. (A receiver that reads more at once gets it with bytes from before, too, and can't
    tell; but never later than its byte.) It is duplicated at once, so that the caller may close his own.
    """

    def __init__(self) -> None:
        self._sent = 0  # bytes, since a descriptor had to wait
        self._waiting: deque[tuple[int, int]] = deque()  # the byte to travel with, and the descriptor

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, fd: int, unsent: int) -> None:
        """Let a descriptor wait.

        :param unsent: how many bytes were accepted before it and have not been sent yet.
        :raises OSError: if it is not open, or there is no room for one more.
        """
        if not self._waiting:
            self._sent = 0  # it did not hear of what was sent meanwhile
        position = self._sent + unsent
        if self._waiting:
            position = max(position, self._waiting[-1][0] + 1)
        self._waiting.append((position, os.dup(fd)))

    def send(self, skt: socket.socket, data: bytes | memoryview) -> int:
        """Send bytes from the front of the stream, with the descriptors that go with them. To be used, and
        nothing else, as long as any wait.

        :returns: how many bytes the kernel took. Raises what ``socket.send`` raises if it took none.
        """
        view, total = memoryview(data), 0
        while total < len(view):
            try:
                count, whole = self._send_piece(skt, view[total:])
            except OSError:
                if not total:
                    raise
                break  # it will be raised again, by the next call
            total += count
            self._sent += count
            if not whole:
                break
        return total

    def _send_piece(self, skt: socket.socket, view: memoryview) -> tuple[int, bool]:
        """Send up to the byte that the next descriptor travels with, or that one and what follows it."""
        waiting = self._waiting
        if waiting and waiting[0][0] == self._sent:
            _, fd = waiting[0]
            end = waiting[1][0] - self._sent if len(waiting) > 1 else len(view)
            piece = view[:end]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
            count = skt.sendmsg([piece], rights)
            if count:
                waiting.popleft()
                os.close(fd)
        else:
            piece = view[: waiting[0][0] - self._sent] if waiting else view
            count = skt.send(piece)
        return count, count == len(piece)

    def close(self) -> None:
        """Close what waits: it will not be sent."""
        while self._waiting:
            os.close(self._waiting.popleft()[1])


class Extras(NamedTuple):
    """What came with the bytes of one reading.

    :ivar descriptors: open descriptors; whoever gets them closes them.
    :ivar others: the level and the type of what is none.
    :ivar truncated: descriptors were lost, as this process has no room for them.
    """

    descriptors: list[int]
    others: list[tuple[int, int]]
    truncated: bool


def receive(skt: socket.socket, size: int) -> tuple[bytes, Extras | None]:
    """Receive up to ``size`` bytes, and what travels with them. No child process inherits a descriptor of
    those.

    :returns: the bytes, ``b""`` at the end of the stream; and what came with them, if anything did. Raises
        what ``socket.recv`` raises.
    """
    data, ancillary, flags, _ = skt.recvmsg(size, _ROOM, _CLOSE_ON_EXEC)
    truncated = bool(flags & socket.MSG_CTRUNC)
    if not ancillary and not truncated:
        return data, None
    descriptors = array("i")
    others: list[tuple[int, int]] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _INT])
        else:
            others.append((level, kind))
    if not _CLOSE_ON_EXEC:
        for fd in descriptors:
            os.set_inheritable(fd, False)
    return data, Extras(descriptors.tolist(), others, truncated)


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors that nobody takes."""
    for fd in descriptors:
        os.close(fd)
