"""The thread pool of a TwistedReactor: Twisted's own, as code asks for that class."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from twisted.python import context, log
from twisted.python.threadpool import ThreadPool

from twisted_compat.adapter.thread_pool import started_pools
from twisted_compat.adapter.threads import REACTOR_POOL_SIZE
from twisted_compat.current import work_for

__all__ = ["ReactorThreadPool"]


class ReactorThreadPool(ThreadPool):
    """Twisted's ThreadPool, whose threads know which reactor they work for.

    They are daemons, so that a reactor that is never left keeps no program from ending; the work that was
    accepted is still done then.

    :param loop: the reactor's loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(0, REACTOR_POOL_SIZE, "reactor")

        def make_thread(target: Callable[[], object], **kw: Any) -> threading.Thread:
            def work() -> None:
                work_for(loop)
                target()

            return threading.Thread(target=work, daemon=True, **kw)

        self.threadFactory = make_thread  # type: ignore[assignment]  # a function serves where a class is

    def start(self) -> None:
        """Start the threads."""
        started_pools.add(self)
        super().start()

    def stop(self) -> None:
        """End the threads after the work that they were given, and wait for them. Again, it does nothing."""
        if self.joined:
            return
        started_pools.discard(self)
        super().stop()

    def end_soon(self) -> None:
        """Do as :meth:`stop`, but don't wait."""
        threading.Thread(target=self.stop, name="reactor-thread-pool-stop", daemon=True).start()

    def callInThreadWithCallback(
        self, onResult: Any, func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Call ``func`` in a thread, in the caller's context: also in its log context, which says who speaks
        now and would have nothing to say there."""
        speaking = {log.ILogContext: context.get(log.ILogContext).copy()}
        context.call(speaking, super().callInThreadWithCallback, onResult, func, *args, **kw)
