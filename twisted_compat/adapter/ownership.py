"""Which thread a reactor belongs to, and the error for calls from any other.

One :class:`Ownership` is shared by the parts of a reactor. Its check is a comparison of two numbers, cheap
enough for every timer; whoever has no room even for the call compares :attr:`Ownership.thread_id` in place,
as ``fdset.py`` does.
"""

from __future__ import annotations

import asyncio
import threading
from threading import get_ident

__all__ = ["Ownership"]


class Ownership:
    """The thread that may use a reactor: the one that made it, until another runs its loop.

    :param loop: the reactor's loop, if it has one yet.
    :ivar thread_id: the thread's number, as :func:`threading.get_ident` gives it.
    """

    __slots__ = ("_loop", "thread_id")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self.thread_id = get_ident()

    def take(self) -> None:
        """Make the calling thread the owner: it is about to run the loop."""
        self.thread_id = get_ident()

    def check(self, api: str) -> None:
        """Let the owner pass; teach everybody else.

        :param api: what was called, as the caller would write it: ``"reactor.callLater"``.
        :raises RuntimeError: the calling thread is not the owner.
        """
        if get_ident() != self.thread_id:
            self._check_again(api)

    def _check_again(self, api: str) -> None:
        """The numbers differ. If the loop runs right here, then it has moved to this thread since."""
        if self._loop is not None and asyncio._get_running_loop() is self._loop:
            self.take()
            return
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        owner = names.get(self.thread_id, "a thread that has ended")
        raise RuntimeError(
            f"{api} was called in the thread {threading.current_thread().name!r}, but this reactor "
            f"belongs to {owner!r} and is not thread-safe. "
            f"Write `reactor.callFromThread({api}, ...)` instead."
        )
