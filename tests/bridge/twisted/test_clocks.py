"""``reactor.seconds`` replaced by a test's own clock, as trial's ``patch`` and ``unittest.mock`` do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock, LoopingCall
from zope.interface.verify import verifyObject

from tests.support import until, within
from twisted_compat.bridge.twisted import TwistedReactor

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

pytestmark = pytest.mark.usefixtures("empty_place")


async def test_calls_tell_their_time_by_it() -> None:
    clock = Clock()
    clock.advance(100)
    async with TwistedReactor() as reactor:
        before = reactor.callLater(3600, print)
        reactor.seconds = clock.seconds
        assert reactor.seconds() == 100
        call = reactor.callLater(3600, print)
        assert verifyObject(IDelayedCall, call)
        assert (call.getTime(), call.time, call.seconds()) == (3700, 3700, 100)
        clock.advance(5)
        assert (reactor.seconds(), call.seconds(), call.getTime()) == (105, 105, 3700)
        call.delay(10)
        assert call.getTime() == 3710
        call.delay(-20)
        assert call.getTime() == 3690
        assert "[3585.000000s]" in repr(call)
        assert before.getTime() > 1e9
        assert set(reactor.getDelayedCalls()) == {before, call}
        later = reactor.callLater(3601, print)
        assert call < later
        assert sorted([later, call]) == [call, later]
        for one in (before, call, later):
            one.cancel()
        assert not reactor.getDelayedCalls()


async def test_resetting_counts_from_now() -> None:
    clock = Clock()
    async with TwistedReactor() as reactor:
        reactor.seconds = clock.seconds
        call = reactor.callLater(3600, print)
        call.reset(60)
        # It waits by the real clock, which has gone on a little: so much its time is later.
        assert 60 <= call.getTime() < 70


async def test_calls_are_made_by_the_real_clock() -> None:
    clock = Clock()
    made: list[Any] = []
    async with TwistedReactor() as reactor:
        reactor.seconds = clock.seconds
        reactor.callLater(0, made.append, 1)
        reactor.callLater(0.001, lambda *args, **kw: made.append((args, kw)), 2, timers=3, seconds=4)
        cancelled = reactor.callLater(0.001, made.append, "cancelled")
        cancelled.cancel()
        sooner = reactor.callLater(3600, made.append, "sooner")
        sooner.reset(0)
        await until(lambda: len(made) == 3)
        assert sorted(made, key=str) == [((2,), {"timers": 3, "seconds": 4}), 1, "sooner"]
        assert not cancelled.active()
        with pytest.raises(AlreadyCancelled):
            cancelled.cancel()
        with pytest.raises(AlreadyCalled):
            sooner.reset(1)


async def test_what_call_later_refuses_it_refuses_still() -> None:
    async with TwistedReactor() as reactor:
        reactor.seconds = Clock().seconds
        with pytest.raises(ValueError, match="negative"):
            reactor.callLater(-1, print)
        with pytest.raises(TypeError, match="not callable"):
            reactor.callLater(1, None)
        with pytest.raises(TypeError):
            reactor.callLater()
        assert not reactor.getDelayedCalls()


async def test_it_can_be_put_back() -> None:
    async with TwistedReactor() as reactor:
        original = reactor.seconds
        call_later = reactor.callLater
        for undo in (
            lambda: setattr(reactor, "seconds", original),
            lambda: delattr(reactor, "seconds"),
        ):
            reactor.seconds = lambda: 5.0
            kept = reactor.callLater(10, print)
            assert reactor.callLater != call_later
            undo()
            assert reactor.seconds() > 1e9
            assert reactor.callLater == call_later
            assert reactor.callLater(10, print).getTime() > 1e9
            assert kept.getTime() == 15.0  # what was asked for by that clock stays so
        reactor.seconds = original  # which it is
        assert reactor.callLater == call_later


async def test_mock_and_monkeypatch() -> None:
    async with TwistedReactor() as reactor:
        with mock.patch.object(reactor, "seconds", lambda: 5.0):
            assert reactor.seconds() == 5.0
            assert reactor.callLater(1, print).getTime() == 6.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reactor, "seconds", lambda: 7.0)
            assert reactor.callLater(1, print).getTime() == 8.0
        assert reactor.seconds() > 1e9
        assert reactor.callLater(1, print).getTime() > 1e9


async def test_what_twisted_builds_on_it() -> None:
    clock = Clock()
    counts: list[int] = []
    async with TwistedReactor() as reactor:
        reactor.seconds = clock.seconds
        looping = LoopingCall.withCount(counts.append)
        looping.clock = reactor
        done = looping.start(0.001, now=True)
        clock.advance(0.003)
        await until(lambda: len(counts) > 1)
        looping.stop()
        done.addErrback(print)
    assert counts[0] == 1
    assert counts[1] >= 1


def test_it_goes_from_loop_to_loop(loop_factory: LoopFactory) -> None:
    reactor = TwistedReactor()

    async def main() -> float:
        async with reactor:
            call = reactor.callLater(10, print)
            return float(call.getTime())

    reactor.seconds = lambda: 5.0
    for _ in range(2):
        loop = loop_factory()
        assert loop.run_until_complete(within(main())) == 15.0
        loop.close()
        assert reactor.seconds() == 5.0
        assert reactor.callLater(20, print).getTime() == 25.0
    del reactor.seconds
    assert reactor.seconds() > 1e9


def test_before_and_between_runs(loop_factory: LoopFactory) -> None:
    reactor = TwistedReactor(loop_factory=loop_factory)
    reactor.seconds = lambda: 5.0
    for _ in range(2):
        made: list[str] = []
        call = reactor.callLater(0.001, made.append, "made")
        reactor.callLater(0.002, reactor.stop)
        assert call.getTime() == 5.001
        reactor.run(installSignalHandlers=False)
        assert made == ["made"]
