"""What the calls of every clock have in common: their states, their order, their text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from twisted_compat.adapter.delayed_call import BaseDelayedCall
from twisted_compat.adapter.timers import Timers
from twisted_compat.error import AlreadyCalled, AlreadyCancelled
from twisted_compat.interfaces import IDelayedCall
from twisted_compat.task import Clock
from twisted_compat.vocabulary import NATIVE


def nothing(*args: Any, **kw: Any) -> None: ...


@pytest.fixture(params=["reactor", "hand"])
def clock(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "hand":
        yield Clock()
        return
    loop = asyncio.new_event_loop()
    yield Timers(loop, NATIVE)
    loop.close()


def test_the_interface(clock: Any) -> None:
    call = clock.callLater(10, nothing)
    assert isinstance(call, BaseDelayedCall)
    assert verifyObject(IDelayedCall, call)


def test_a_cancelled_call_lets_go_and_can_be_neither_moved_nor_cancelled(clock: Any) -> None:
    call = clock.callLater(10, nothing, 1, two=2)
    assert call.active()
    call.cancel()
    assert (call.active(), call.cancelled, call.called) == (False, True, False)
    assert (call.func, call.args, call.kw) == (None, (), {})
    assert clock.getDelayedCalls() == []
    for use in (call.cancel, lambda: call.reset(1), lambda: call.delay(1)):
        with pytest.raises(AlreadyCancelled):
            use()


def test_a_call_under_way_counts_as_called() -> None:
    clock = Clock()
    raised: list[BaseException] = []

    def during() -> None:
        assert call.called and not call.active()
        for use in (call.cancel, lambda: call.reset(1), lambda: call.delay(1)):
            with pytest.raises(AlreadyCalled) as caught:
                use()
            raised.append(caught.value)

    call = clock.callLater(1, during)
    clock.advance(1)
    assert len(raised) == 3


def test_moving(clock: Any) -> None:
    call = clock.callLater(10, nothing)
    due = call.getTime()
    call.delay(5)
    assert call.getTime() == pytest.approx(due + 5)
    call.delay(-2)
    assert call.getTime() == pytest.approx(due + 3)
    before = clock.seconds()
    call.reset(1)
    assert before + 1 <= call.getTime() <= clock.seconds() + 1
    with pytest.raises(ValueError, match="NaN"):
        call.reset(float("nan"))


def test_they_compare_by_time(clock: Any) -> None:
    early, late = clock.callLater(1, nothing), clock.callLater(2, nothing)
    assert early < late and early <= late and late > early and late >= early
    assert not late < early
    assert sorted([late, early]) == [early, late]
    assert early != late
    assert len({early, late}) == 2
    assert early <= early and early >= early and not early < early


def test_the_text_says_what_will_be_called(clock: Any) -> None:
    class Rude:
        def __repr__(self) -> str:
            raise LookupError

    call = clock.callLater(10, nothing, 1, rude=Rude())
    text = repr(call)
    assert text.startswith(f"<DelayedCall 0x{id(call):x} [")
    assert "called=0 cancelled=0 nothing(1, rude=<" in text
    assert "LookupError" in text
    call.cancel()
    assert repr(call).endswith("called=0 cancelled=1>")


def test_debug_keeps_who_asked(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clock.callLater(10, nothing).creator is None
    monkeypatch.setattr(BaseDelayedCall, "debug", True)
    creator = clock.callLater(10, nothing).creator
    assert creator is not None
    assert "test_debug_keeps_who_asked" in creator[-1]
