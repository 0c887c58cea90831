"""The questions under way: each once, whoever waits for it, and not too many at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from twisted_compat.names.asking import Outcome
from twisted_compat.names.slots import Slots

__all__ = ["Shared"]

MOST_UNDER_WAY = 100  # questions; each holds a socket


class _Flight:
    """A question under way since a time by the loop's clock, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Outcome], since: float) -> None:
        self.task = task
        self.since = since
        self.waiters = 0


class _OnLoop:
    """What is under way on one loop: all of it, and what others may join."""

    def __init__(self) -> None:
        self.flights: set[_Flight] = set()
        self.newest: dict[Hashable, _Flight] = {}
        self.slots = Slots(MOST_UNDER_WAY)


class Shared:
    """Questions under way. One that nobody waits for any more is given up."""

    def __init__(self) -> None:
        self._loops: dict[asyncio.AbstractEventLoop, _OnLoop] = {}

    async def get(
        self, key: Hashable, seconds: float, ask: Callable[[Slots], Coroutine[Any, Any, Outcome]]
    ) -> Outcome:
        """Wait for the outcome of a question.

        :param key: what the same questions have in common.
        :param seconds: if the same is under way for longer, it is asked anew, as not much time may be left.
        :param ask: a coroutine function that asks it, when it has one of the places it is given.
        """
        loop = asyncio.get_running_loop()
        here = self._on(loop)
        flight = here.newest.get(key)
        if flight is None or loop.time() - flight.since > seconds:
            flight = here.newest[key] = _Flight(loop.create_task(ask(here.slots)), loop.time())
            here.flights.add(flight)
        task = flight.task
        flight.waiters += 1
        try:
            await asyncio.wait((task,))  # not the task itself, which our being cancelled must not reach
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                here.flights.discard(flight)
                if here.newest.get(key) is flight:
                    del here.newest[key]
                if not here.flights and self._loops.get(loop) is here:
                    del self._loops[loop]
                if not task.done():
                    task.cancel()
                    await asyncio.wait((task,))
        return task.result()

    def cancel_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up every question on a loop, so that its sockets are closed on the next turn."""
        here = self._loops.pop(loop, None)
        for flight in here.flights if here is not None else ():
            flight.task.cancel()

    def _on(self, loop: asyncio.AbstractEventLoop) -> _OnLoop:
        for other in [known for known in self._loops if known.is_closed()]:
            del self._loops[other]
        return self._loops.setdefault(loop, _OnLoop())
