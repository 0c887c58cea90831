"""The thread pool of a TwistedReactor: Twisted's own, as code asks for that class."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from twisted.python.threadpool import ThreadPool

from twisted_compat.adapter.threads import REACTOR_POOL_SIZE
from twisted_compat.current import work_for

__all__ = ["ReactorThreadPool"]


class ReactorThreadPool(ThreadPool):
    """Twisted's ThreadPool, whose threads know which reactor they work for.

    :param loop: the reactor's loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(0, REACTOR_POOL_SIZE, "reactor")

        def make_thread(target: Callable[[], object], **kw: Any) -> threading.Thread:
            def work() -> None:
                work_for(loop)
                target()

            return threading.Thread(target=work, **kw)

        self.threadFactory = make_thread  # type: ignore[assignment]  # a function serves where a class is

    def end_soon(self) -> None:
        """Do as ``stop()``, but don't wait."""
        threading.Thread(target=self.stop, name="reactor-thread-pool-stop", daemon=True).start()
