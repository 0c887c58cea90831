"""Watches on a board: what the loop is told, and what is done when it loses one."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.adapter.strangers import give_number, pair, reset, tcp_pair
from tests.support import until
from twisted_compat.adapter.loops import capabilities_of
from twisted_compat.adapter.watch import Watch, WatchBoard


class Owner:
    """Counts its calls and does what it is told in them."""

    def __init__(self, then: Callable[[], Any] | None = None) -> None:
        self.calls = 0
        self.failed: list[Watch] = []
        self.then = then

    def ready(self) -> None:
        self.calls += 1
        if self.then is not None:
            self.then()

    def watch_failed(self, watch: Watch) -> None:
        self.failed.append(watch)


@pytest.fixture
def two() -> Any:
    one, other = pair()
    yield one, other
    one.close()
    other.close()


def board() -> WatchBoard:
    return WatchBoard(asyncio.get_running_loop())


async def quiet() -> None:
    for _ in range(4):
        await asyncio.sleep(0.001)


async def test_start_and_stop(two: Any) -> None:
    ours, peer = two
    watching, owner = board(), Owner()
    watch = watching.start(ours.fileno(), False, owner, "ready")
    assert not watch.stopped
    peer.send(b"x")
    await until(lambda: owner.calls > 2)
    watch.stop()
    watch.stop()
    assert watch.stopped
    calls = owner.calls
    await quiet()
    assert owner.calls == calls
    assert not asyncio.get_running_loop().remove_reader(ours)


async def test_both_directions_of_one_number(two: Any) -> None:
    ours, peer = two
    watching, reader, writer = board(), Owner(), Owner()
    reading = watching.start(ours.fileno(), False, reader, "ready")
    writing = watching.start(ours.fileno(), True, writer, "ready")
    await until(lambda: writer.calls)
    assert reader.calls == 0
    writing.stop()
    peer.send(b"x")
    await until(lambda: reader.calls)
    reading.stop()


async def test_the_second_watch_of_a_number_replaces_the_first(two: Any) -> None:
    ours, peer = two
    watching, old, new = board(), Owner(), Owner()
    first = watching.start(ours.fileno(), False, old, "ready")
    second = watching.start(ours.fileno(), False, new, "ready")
    assert first.stopped
    first.stop()  # too late to harm the second
    peer.send(b"x")
    await until(lambda: new.calls)
    assert old.calls == 0
    second.stop()


@pytest.mark.parametrize("steady", [True, False])
async def test_a_shared_number_keeps_both(two: Any, steady: bool) -> None:
    watching, reader, writer = board(), Owner(), Owner()
    reading = watching.start(two[0].fileno(), False, reader, "ready", steady=steady)
    writing = watching.start(two[0].fileno(), True, writer, "ready", steady=steady)
    assert not reading.stopped
    watching.close()
    assert reading.stopped and writing.stopped


@pytest.mark.parametrize("stale_writes", [True, False])
async def test_a_stale_watch_is_never_called_for_the_new_file(two: Any, stale_writes: bool) -> None:
    watching, stale, fresh = board(), Owner(), Owner()
    number = two[0].detach()
    old = watching.start(number, stale_writes, stale, "ready")
    await quiet()
    ours, peer = pair()
    give_number(number, ours)
    stale.calls = 0
    new = watching.start(number, not stale_writes, fresh, "ready")
    assert old.stopped
    peer.send(b"x")
    await until(lambda: fresh.calls)
    new.stop()
    await quiet()
    assert stale.failed == []
    os.close(number)
    peer.close()


async def test_one_owners_watches_move_to_the_new_file_together(two: Any) -> None:
    watching, owner = board(), Owner()
    number = two[0].detach()
    reading = watching.start(number, False, owner, "ready")
    await quiet()
    ours, peer = pair()
    give_number(number, ours)
    writing = watching.start(number, True, owner, "ready")
    await until(lambda: owner.calls)
    writing.stop()
    calls = owner.calls
    assert not reading.stopped
    peer.send(b"x")
    await until(lambda: owner.calls > calls)
    reading.stop()
    os.close(number)
    peer.close()


async def test_what_cannot_be_watched_is_not_on_the_books(two: Any) -> None:
    watching = board()
    with pytest.raises(ValueError, match="Add a descriptor before closing it"):
        watching.start(-1, False, Owner(), "ready")
    number = two[0].detach()
    os.close(number)
    for writing in (False, True):
        with pytest.raises(OSError):
            watching.start(number, writing, Owner(), "ready")
    assert watching._by_fd == ({}, {})


async def test_a_file_is_called_by_the_clock() -> None:
    watching = board()
    with open(os.devnull, "rb") as file:
        owner = Owner(lambda: watch.stop() if owner.calls == 3 else None)
        watch = watching.start(file.fileno(), False, owner, "ready")
        await until(lambda: owner.calls == 3)
        await quiet()
        assert owner.calls == 3


async def test_an_error_condition_is_told_until_it_is_stopped() -> None:
    ours, peer = tcp_pair()
    reset(peer)
    watching, owner = board(), Owner()
    watch = watching.start(ours.fileno(), False, owner, "ready")
    await until(lambda: owner.calls > 20)
    watch.stop()
    calls = owner.calls
    await quiet()
    gc.collect()
    await quiet()
    assert owner.calls == calls and owner.failed == []
    ours.close()


async def test_a_lost_watch_that_cannot_be_made_again() -> None:
    """Its number is closed in the call for the error; only some loops have lost the watch by then."""
    if not capabilities_of(asyncio.get_running_loop()).drops_watch_on_error:
        pytest.skip("this loop never loses a watch")
    ours, peer = tcp_pair()
    reset(peer)
    number = ours.detach()
    watching, owner = board(), Owner(lambda: os.close(number))
    watch = watching.start(number, False, owner, "ready")
    await until(lambda: owner.failed)
    assert owner.failed == [watch] and owner.calls == 1
    watch.stop()
    assert watching._by_fd == ({}, {})


def test_a_closed_loop(loop_factory: Callable[[], asyncio.AbstractEventLoop], two: Any) -> None:
    loop = loop_factory()
    watching = WatchBoard(loop)
    watch = watching.start(two[0].fileno(), True, Owner(), "ready")
    loop.close()
    gc.collect()
    with pytest.raises(RuntimeError, match=r"loop of this reactor is closed.*async with AsyncioReactor"):
        watching.start(two[1].fileno(), True, Owner(), "ready")
    watch.stop()
    watching.close()
    assert watching._by_fd == ({}, {})
