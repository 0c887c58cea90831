"""Giving the result of a Deferred to the asyncio task that waits for it.

How the task came to wait is told in :mod:`~twisted_compat.defer.waiter`. Apart from that, as a Deferred needs
this without asyncio being there.
"""

from __future__ import annotations

from _thread import get_ident  # what threading.get_ident is, without loading threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

__all__ = ["wake"]


def wake(result: Any, future: asyncio.Future[Any], thread: int) -> Any:
    """Set the result of the future that a task waits on.

    :param result: that of the Deferred, be it a Failure.
    :param thread: the identity of the task's thread. In another one the task is told that this is wrong.
    :returns: what is then left to the Deferred: None, or ``result`` as the task couldn't be given it.
    :raises RuntimeError: what the loop's ``call_soon`` raises, unless it is that the loop is closed.
    """
    if thread == get_ident():
        if future.done():  # the task was cancelled
            return result
        try:
            future.set_result(result)
        except RuntimeError:
            if not future.get_loop().is_closed():
                raise
            return result
        return None
    from twisted_compat.defer.futures import refuse_thread

    refuse_thread(future)
    return result
