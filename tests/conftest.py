"""Every async test runs on stdlib asyncio and on uvloop, each with the loop's debug mode off and on; or off
alone where it is marked ``without_debug``, as what a peer is told has nothing to do with that."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import settings

from tests.support import TWISTED_IS_INSTALLED

try:
    import uvloop
except ImportError:
    uvloop = None

settings.register_profile(
    "suite", max_examples=50
)  # half of what it does by itself; more where a test says so
settings.load_profile("suite")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background: the programs that tests start, and interrupt, would ignore it as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TWISTEDS_OWN = [
    "bridge/test_awaitables.py",
    "bridge/twisted",
    "defer/test_coroutine.py",
    "defer/test_coroutine_cancel.py",
    "defer/test_coroutine_loops.py",
    "test_cancellation.py",
]
"""What is about Twisted's types beside ours."""

collect_ignore = [] if TWISTED_IS_INSTALLED else TWISTEDS_OWN


def _debug(factory: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    def make() -> asyncio.AbstractEventLoop:
        loop = factory()
        loop.set_debug(True)
        loop.slow_callback_duration = 60  # on a busy machine anything may be slow, and would be logged
        return loop

    return make


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    LOOPS["uvloop"] = uvloop.new_event_loop
PLAIN_LOOPS = dict(LOOPS)
LOOPS |= {f"{name}-debug": _debug(factory) for name, factory in list(LOOPS.items())}


def pytest_collection_finish() -> None:
    """What has been imported and collected by now stays: a test that collects garbage needn't look at it."""
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return PLAIN_LOOPS if item.get_closest_marker("without_debug") else LOOPS


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tests' :class:`~tests.certificates.Certificates`."""
    pytest.importorskip("trustme")
    from tests.certificates import Certificates

    return Certificates(tmp_path_factory.mktemp("certificates"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``loop_factory``, for plain (not async) tests that make and run loops themselves: one of each kind."""
    if "loop_factory" in metafunc.fixturenames:
        plain = metafunc.definition.get_closest_marker("without_debug")
        loops = PLAIN_LOOPS if plain else LOOPS
        metafunc.parametrize("loop_factory", loops.values(), ids=loops)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What goes during the test goes by itself, without the collector of cycles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
