"""Signals: noticed in the loop, and put back as they were."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import until
from twisted_compat.adapter.signals import Signals
from twisted_compat.vocabulary import NATIVE

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = [
    pytest.mark.without_debug,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals to itself"),
]


def wakeup_fd() -> int:
    number = signal.set_wakeup_fd(-1)
    if number != -1:
        signal.set_wakeup_fd(number)
    return number


@pytest.fixture(autouse=True)
def _leave_signals_alone() -> Iterator[None]:
    """Whatever a test does wrong, the next one starts with the usual handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    descriptor = wakeup_fd()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(descriptor)


def handler(number: int, frame: Any) -> None:
    """A host's own handler."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_are_noticed_each_time(number: int) -> None:
    seen: list[int] = []
    signals = Signals(asyncio.get_running_loop(), seen.append, NATIVE.log)
    signals.install()
    try:
        for count in (1, 2, 3):
            os.kill(os.getpid(), number)
            await until(lambda count=count: len(seen) == count)  # type: ignore[misc]
    finally:
        signals.restore()
    assert seen == [number] * 3


@pytest.mark.parametrize("previous", [handler, signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_previous_handler_is_put_back(number: int, previous: Any) -> None:
    signal.signal(number, previous)
    descriptor = wakeup_fd()
    signals = Signals(asyncio.get_running_loop(), print, NATIVE.log)
    signals.install()
    assert signal.getsignal(number) is not previous
    signals.install()  # a second time changes nothing
    signals.restore()
    assert signal.getsignal(number) is previous
    assert wakeup_fd() == descriptor
    signals.restore()
    assert signal.getsignal(number) is previous


@pytest.mark.parametrize("before", [True, False])
def test_around_a_loop_that_runs_and_closes(loop_factory: LoopFactory, before: bool) -> None:
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = loop_factory()
    seen: list[int] = []

    def notice(number: int) -> None:
        seen.append(number)
        loop.stop()

    signals = Signals(loop, notice, NATIVE.log)
    signals.install()
    loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
    loop.run_forever()
    if before:
        signals.restore()
    loop.close()
    if not before:
        signals.restore()
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert wakeup_fd() == -1


def test_a_restored_loop_that_runs_again_notices_nothing(loop_factory: LoopFactory) -> None:
    caught: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    loop = loop_factory()
    signals = Signals(loop, lambda number: pytest.fail("restored"), NATIVE.log)
    signals.install()
    loop.run_until_complete(asyncio.sleep(0))
    signals.restore()

    async def again() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: caught)
        await asyncio.sleep(0.01)

    loop.run_until_complete(again())
    loop.close()
    assert caught == [signal.SIGTERM]


async def test_a_handler_of_the_host_s_loop_is_left(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    hosts: list[str] = []
    ours: list[int] = []
    loop.add_signal_handler(signal.SIGTERM, hosts.append, "host's")
    signals = Signals(loop, ours.append, NATIVE.log)
    try:
        with caplog.at_level(logging.INFO):
            signals.install()
        assert "SIGTERM has a handler" in caplog.text
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: hosts and ours)
        signals.restore()
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: len(hosts) == 2)
        assert ours == [signal.SIGINT]
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_other_handlers_of_the_loop_go_on() -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    try:
        descriptor = wakeup_fd()
        signals = Signals(loop, print, NATIVE.log)
        signals.install()
        signals.restore()
        assert wakeup_fd() == descriptor
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: seen)
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def test_a_handler_that_was_set_meanwhile_stays() -> None:
    signals = Signals(asyncio.get_running_loop(), print, NATIVE.log)
    signals.install()
    signal.signal(signal.SIGTERM, handler)
    signals.restore()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert signal.getsignal(signal.SIGINT) is not None
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


def test_a_foreign_wakeup_descriptor_is_given_back(loop_factory: LoopFactory) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    loop = loop_factory()
    signals = Signals(loop, print, NATIVE.log)
    signals.install()
    loop.run_until_complete(asyncio.sleep(0))
    signals.restore()
    loop.close()
    assert wakeup_fd() == theirs.fileno()
    signal.set_wakeup_fd(-1)
    ours.close()
    theirs.close()


def test_a_wakeup_descriptor_that_was_closed_is_not(loop_factory: LoopFactory) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    loop = loop_factory()
    signals = Signals(loop, print, NATIVE.log)
    signals.install()
    ours.close()
    theirs.close()
    signals.restore()
    loop.close()
    signal.set_wakeup_fd(-1)


async def test_in_another_thread_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    before = signal.getsignal(signal.SIGINT)
    signals = Signals(asyncio.get_running_loop(), print, NATIVE.log)
    await asyncio.to_thread(signals.install)
    assert signal.getsignal(signal.SIGINT) is before
    signals.restore()
    signals.install()
    await asyncio.to_thread(signals.restore)
    assert "outside the main thread" in caplog.text
    signals.restore()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loop_in_another_thread(loop_factory: LoopFactory) -> None:
    before = signal.getsignal(signal.SIGINT)

    async def main() -> None:
        signals = Signals(asyncio.get_running_loop(), print, NATIVE.log)
        signals.install()
        signals.restore()

    def elsewhere() -> None:
        loop = loop_factory()
        loop.run_until_complete(main())
        loop.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert signal.getsignal(signal.SIGINT) is before


async def test_what_on_signal_raises_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(number: int) -> None:
        raise ValueError("on purpose")

    signals = Signals(asyncio.get_running_loop(), fail, NATIVE.log)
    signals.install()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: caplog.records)
    finally:
        signals.restore()
    (record,) = caplog.records
    assert record.exc_info and record.exc_info[0] is ValueError


class LoopWithoutSignals:
    """As the loops on Windows are."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def add_signal_handler(self, *args: Any) -> None:
        raise NotImplementedError

    remove_signal_handler = add_signal_handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_a_loop_that_has_no_signal_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[int] = []
    loop: Any = LoopWithoutSignals()
    signals = Signals(loop, seen.append, NATIVE.log)
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: seen)
    signals.restore()
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before
