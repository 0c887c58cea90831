"""How many questions a resolver has under way at the same time: each of them holds a socket."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Slots"]


class Slots:
    """A number of places, on one loop; who finds none waits in a queue.

    :param number: how many there are.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def take(self, deadline: float | None) -> bool:
        """Wait for a place, and take it.

        :param deadline: by the loop's clock; None for as long as it takes.
        :returns: False if there was none by then.
        """
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = None if deadline is None else loop.call_at(deadline, _settle, waiter, False)
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():  # it has just been given to us
                self.give()
            raise
        finally:  # whoever has given up is passed over in the queue: looking for them there would take long
            if timer is not None:
                timer.cancel()

    def give(self) -> None:
        """Give a place back: the first in the queue has it then."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self._free += 1


def _settle(waiter: asyncio.Future[bool], result: bool) -> None:
    if not waiter.done():
        waiter.set_result(result)
