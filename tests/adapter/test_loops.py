"""What loops do differently, asked of the loops themselves."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable

import pytest

from tests.adapter.strangers import reset, tcp_pair
from twisted_compat.adapter.loops import capabilities_of, close_loop


async def test_each_loop_does_what_its_capabilities_say() -> None:
    """An error condition is pending, and the callback ignores it: is it called again?"""
    loop = asyncio.get_running_loop()
    ours, peer = tcp_pair()
    reset(peer)
    calls: list[None] = []
    loop.add_reader(ours, calls.append, None)
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert (len(calls) == 1) is capabilities_of(loop).drops_watch_on_error
    loop.remove_reader(ours)
    ours.close()


async def test_timers_are_at_most_a_resolution_early() -> None:
    loop = asyncio.get_running_loop()
    resolution = capabilities_of(loop).timer_resolution
    for delay in (0.0004, 0.0016, 0.0051):
        due = loop.time() + delay
        fired = loop.create_future()
        loop.call_later(delay, fired.set_result, None)
        await fired
        assert loop.time() >= due - resolution


def test_a_subclass_does_what_its_base_does(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    plain = loop_factory()
    custom = type("Custom", (type(plain),), {"__module__": "somebody.elses"})()
    try:
        assert capabilities_of(custom) == capabilities_of(plain)
    finally:
        plain.close()
        custom.close()


def test_any_selector_will_do() -> None:
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        assert not capabilities_of(loop).drops_watch_on_error
    finally:
        loop.close()


@pytest.mark.parametrize("bases", [(asyncio.AbstractEventLoop,), (asyncio.BaseEventLoop,), ()])
def test_a_loop_that_cannot_watch_is_named(bases: tuple[type, ...]) -> None:
    kind = type(
        "ProactorEventLoop", bases, {"__module__": "asyncio.windows_events", "__del__": lambda loop: None}
    )
    with pytest.raises(
        RuntimeError, match=r"asyncio\.windows_events\.ProactorEventLoop cannot watch.*SelectorEventLoop"
    ):
        capabilities_of(kind.__new__(kind))


def test_a_loop_is_closed_also_when_interrupted() -> None:
    class Interrupted(asyncio.SelectorEventLoop):
        async def shutdown_asyncgens(self) -> None:
            raise KeyboardInterrupt

    loop = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        close_loop(loop)
    assert loop.is_closed()
