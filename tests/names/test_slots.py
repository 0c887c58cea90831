"""The places for questions, and who waits for one."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import within
from twisted_compat.names.slots import Slots

pytestmark = pytest.mark.without_debug


async def test_who_finds_no_place_waits_in_the_order_of_coming() -> None:
    slots, came = Slots(2), []

    async def visit(name: int) -> None:
        assert await slots.take(None)
        came.append(name)

    tasks = [asyncio.ensure_future(visit(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert came == [0, 1]
    tasks[3].cancel()
    for _ in range(3):
        slots.give()
    await within(asyncio.wait(tasks))
    assert came == [0, 1, 2, 4]
    slots.give()
    assert slots._free == 2


async def test_a_place_that_comes_as_one_gives_up_goes_to_the_next() -> None:
    slots = Slots(1)
    assert await slots.take(None)
    first, second = (asyncio.ensure_future(slots.take(None)) for _ in range(2))
    await asyncio.sleep(0)
    slots.give()  # to the first
    first.cancel()
    assert await within(second)
    assert first.cancelled()
    slots.give()
    assert slots._free == 1


async def test_who_has_waited_long_enough_goes_without() -> None:
    slots, loop = Slots(1), asyncio.get_running_loop()
    assert await slots.take(loop.time() + 60)
    assert not await within(slots.take(loop.time() + 0.01))
    slots.give()
    assert await within(slots.take(loop.time() + 60))
