"""The bytes a descriptor has accepted and not sent yet. Pure: no socket, no reactor.

:class:`~twisted_compat.transport.descriptor.FileDescriptor` appends what it is told to write and takes from
the front what one send may carry. Small adjacent writes leave as one piece; a piece larger than one send is
never copied, only looked at through a memoryview.
"""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["WriteBuffer"]

LARGE = 8192
"""Bytes: pieces of this size on average are worth their place in a sendmsg."""

MOST_PIECES = 16
"""Pieces in one sendmsg. More are joined, which is cheaper then; and kernels take no more than IOV_MAX."""

# In the place of the chunks where there are none, so that nothing can be put in it. A deque of its own would
# be a third of what an idle connection takes.
_NONE: Any = ()


class WriteBuffer:
    """A queue of bytes with a cheap end to append to and a cheap front to send from.

    :ivar size: how many bytes it holds.
    :ivar single: all that it holds, if that is one piece, as after one write; else None. Whoever sends often
        looks here before calling :meth:`head`.
    :ivar chunks: the pieces, where it holds more than a single one: whoever writes often appends here, and
        adds to ``size``, before calling :meth:`append`.
    """

    __slots__ = ("_offset", "chunks", "single", "size")

    def __init__(self) -> None:
        self.size = 0
        self.single: bytes | None = None
        self.chunks: deque[bytes] = _NONE  # as long as there is at most a single piece
        self._offset = 0  # how much of the first chunk has been sent

    def __len__(self) -> int:
        return self.size

    def append(self, data: bytes) -> None:
        """Add ``data`` (not empty) at the end. It is kept, not copied."""
        if not self.size:
            self.single = data
            self.size = len(data)
            return
        if self.single is not None:
            self._spread()
        self.chunks.append(data)
        self.size += len(data)

    def _spread(self) -> None:
        """Move the single piece to the chunks: it is not alone any more, or not whole."""
        assert self.single is not None
        self.chunks = deque((self.single,))
        self.single = None

    def head(self, limit: int) -> bytes | memoryview:
        """The first bytes, at least one and at most ``limit`` of them; ``b""`` if there are none.

        What it returns stays in the buffer until :meth:`consume` is told how much of it went out.
        """
        if not self.size:
            return b""
        if self.single is not None:
            if self.size <= limit:
                return self.single
            self._spread()
        chunks, offset = self.chunks, self._offset
        if self.size <= limit and not offset:  # the writes of one turn: in one go, not piece by piece
            self.single = single = b"".join(chunks)
            self.chunks = _NONE
            return single
        # What is left of a joined piece goes out as it is until half of it is gone: joining at every send
        # would copy all of it for each few bytes that a slow peer accepts.
        if len(chunks) > 1 and (len(chunks[0]) - offset) * 2 < limit:
            return self._coalesce(limit)
        return memoryview(chunks[0])[offset : offset + limit]

    def pieces(self, limit: int) -> list[bytes | memoryview] | None:
        """The first ``limit`` bytes, or all, in pieces, for whoever can send several at once (sendmsg).

        :returns: None unless there are a few large ones; joining them, as :meth:`head` does, is cheaper.
        """
        # 2 x 60 KiB, as a producer leaves them, take a quarter less time than joined; 16 x 1 KiB take more.
        chunks, offset = self.chunks, self._offset
        if len(chunks) < 2 or self.size < LARGE * len(chunks):
            return None
        if self.size <= limit and not offset:
            return list(chunks) if len(chunks) <= MOST_PIECES else None
        found: list[bytes | memoryview] = []
        room = limit
        for chunk in chunks:
            if len(found) == MOST_PIECES:
                return None
            piece = memoryview(chunk)[offset : offset + room]
            found.append(piece)
            room -= len(piece)
            if not room:
                break
            offset = 0
        return found if len(found) > 1 else None

    def _coalesce(self, limit: int) -> bytes:
        """Join the chunks at the front into one of up to ``limit`` bytes, so that one send carries them.

        The joined bytes take the place of the chunks: a kernel that accepts little of them does not have them
        joined again.
        """
        chunks = self.chunks
        pieces: list[bytes | memoryview] = [memoryview(chunks.popleft())[self._offset :]]
        self._offset = 0
        room = limit - len(pieces[0])
        # A chunk that doesn't fit leaves with a later send, whole: to split it would be to copy it.
        while chunks and len(chunks[0]) <= room:
            chunk = chunks.popleft()
            pieces.append(chunk)
            room -= len(chunk)
        joined = b"".join(pieces)
        chunks.appendleft(joined)
        return joined

    def consume(self, count: int) -> None:
        """Forget the first ``count`` bytes: they have been sent.

        :raises ValueError: if there are fewer.
        """
        if count == self.size:  # the common case: all of it went out
            self.size = 0
            self.single = None
            if self.chunks:
                self.clear()
            return
        if not 0 <= count < self.size:
            raise ValueError(f"{count} bytes consumed of a buffer of {self.size}")
        if self.single is not None:
            self._spread()
        self.size -= count
        count += self._offset
        chunks = self.chunks
        while count >= len(chunks[0]):
            count -= len(chunks.popleft())
        self._offset = count

    def clear(self) -> None:
        """Forget everything."""
        self.size = 0
        self.single = None
        self.chunks = _NONE
        self._offset = 0

    def __bytes__(self) -> bytes:
        """All that is held, as one bytes object (a copy)."""
        return self.single if self.single is not None else b"".join(self.chunks)[self._offset :]
