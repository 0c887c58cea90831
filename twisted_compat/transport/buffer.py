"""The bytes a descriptor has accepted and not sent yet. Pure: no socket, no reactor.

:class:`~twisted_compat.transport.descriptor.FileDescriptor` appends what it is told to write and takes from the front what one send may
carry. Small adjacent writes leave as one piece; a piece larger than one send is never copied, only looked at through a memoryview.
"""

from __future__ import annotations

from collections import deque

__all__ = ["WriteBuffer"]


class WriteBuffer:
    """A queue of bytes with a cheap end to append to and a cheap front to send from.

    :ivar size: how many bytes it holds.
    """

    __slots__ = ("_chunks", "_offset", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # how much of the first chunk has been sent
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def append(self, data: bytes) -> None:
        """Add ``data`` (not empty) at the end. It is kept, not copied."""
        self._chunks.append(data)
        self.size += len(data)

    def head(self, limit: int) -> bytes | memoryview:
        """The first bytes, at least one and at most ``limit`` of them; ``b""`` if there are none.

        What it returns stays in the buffer until :meth:`consume` is told how much of it went out.
        """
        chunks = self._chunks
        if not chunks:
            return b""
        first = chunks[0]
        if self._offset:
            if len(first) - self._offset >= limit or len(chunks) == 1:
                return memoryview(first)[self._offset : self._offset + limit]
        elif len(chunks) == 1 and len(first) <= limit:  # the common case: one whole write
            return first
        elif len(first) >= limit:
            return memoryview(first)[:limit]
        return self._coalesce(limit)

    def _coalesce(self, limit: int) -> bytes | memoryview:
        """Join the chunks at the front into one of up to ``limit`` bytes, so that one send carries them.

        The joined bytes take the place of the chunks: a kernel that accepts little of them does not have them joined again.
        """
        chunks = self._chunks
        pieces: list[bytes | memoryview] = []
        room = limit
        while chunks and room > 0:
            chunk = chunks.popleft()
            piece: bytes | memoryview = memoryview(chunk)[self._offset :] if self._offset else chunk
            self._offset = 0
            if pieces and len(piece) > room:
                chunks.appendleft(chunk)  # it leaves with a later send, whole and uncopied
                break
            pieces.append(piece)
            room -= len(piece)
        joined = b"".join(pieces)
        chunks.appendleft(joined)
        return joined

    def consume(self, count: int) -> None:
        """Forget the first ``count`` bytes: they have been sent.

        :raises ValueError: if there are fewer.
        """
        if count == self.size:  # the common case: all of it went out
            self._chunks.clear()
            self._offset = self.size = 0
            return
        if not 0 <= count < self.size:
            raise ValueError(f"{count} bytes consumed of a buffer of {self.size}")
        self.size -= count
        count += self._offset
        chunks = self._chunks
        while count >= len(chunks[0]):
            count -= len(chunks.popleft())
        self._offset = count

    def clear(self) -> None:
        """Forget everything."""
        self._chunks.clear()
        self._offset = self.size = 0

    def __bytes__(self) -> bytes:
        """All that is held, as one bytes object (a copy)."""
        return b"".join(self._chunks)[self._offset :]
