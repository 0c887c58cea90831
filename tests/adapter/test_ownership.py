"""Which thread a reactor belongs to, and what any other is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from twisted_compat.adapter.ownership import Ownership


def in_thread(function: Callable[[], Any], name: str = "another") -> list[BaseException]:
    """Run ``function`` in a thread of that name to its end; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    return raised


async def test_the_owner_passes() -> None:
    ownership = Ownership(asyncio.get_running_loop())
    ownership.check("reactor.callLater")
    assert ownership.thread_id == threading.get_ident()


async def test_any_other_thread_is_taught() -> None:
    ownership = Ownership(asyncio.get_running_loop())
    (error,) = in_thread(lambda: ownership.check("reactor.callLater"))
    assert isinstance(error, RuntimeError)
    text = str(error)
    assert "reactor.callLater was called in the thread 'another'" in text
    assert f"belongs to {threading.current_thread().name!r}" in text
    assert "reactor.callFromThread(reactor.callLater, ...)" in text
    ownership.check("reactor.callLater")  # and it is still ours


def test_a_loop_that_moved_takes_its_reactor_along(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loop = loop_factory()
    ownership = Ownership(loop)

    async def use() -> None:
        ownership.check("reactor.stop")
        assert ownership.thread_id == threading.get_ident()

    assert in_thread(lambda: loop.run_until_complete(use())) == []
    with pytest.raises(RuntimeError, match="a thread that has ended"):
        ownership.check("reactor.stop")
    ownership.take()
    ownership.check("reactor.stop")
    loop.close()


def test_another_loop_in_the_calling_thread_is_no_excuse(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    ours, others = loop_factory(), loop_factory()
    ownership = Ownership(ours)

    async def use() -> None:
        ownership.check("reactor.stop")

    (error,) = in_thread(lambda: others.run_until_complete(use()))
    assert isinstance(error, RuntimeError) and "not thread-safe" in str(error)
    ours.close()
    others.close()
