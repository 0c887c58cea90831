"""The factory that connects again: when, how often, and how it is stopped. Time is a list of calls here."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.error import NotConnectingError
from twisted_compat.protocol import Protocol, ReconnectingClientFactory, connectionDone, reconnecting


class Call:
    def __init__(self, delay: float, run: Callable[[], Any]) -> None:
        self.delay, self.run, self.cancelled = delay, run, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """An ``IReactorTime`` whose calls are made by hand."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Call:
        assert delay >= 0
        self.calls.append(Call(delay, lambda: callable(*args)))
        return self.calls[-1]


class Connector:
    """An ``IConnector`` that counts; every attempt fails as soon as the test says so."""

    def __init__(self, connecting: bool = False) -> None:
        self.connects = self.stops = 0
        self.connecting = connecting

    def connect(self) -> None:
        self.connects += 1

    def stopConnecting(self) -> None:
        self.stops += 1
        if not self.connecting:
            raise NotConnectingError("we're not trying to connect")


def make(**settings: Any) -> tuple[ReconnectingClientFactory[Any], Clock, Connector]:
    factory: ReconnectingClientFactory[Any] = ReconnectingClientFactory()
    factory.clock = clock = Clock()
    for name, value in settings.items():
        setattr(factory, name, value)
    return factory, clock, Connector()


class TestBackoff:
    def test_grows_up_to_the_most(self) -> None:
        factory, clock, connector = make(jitter=None)
        for _ in range(12):
            factory.clientConnectionFailed(connector, connectionDone)
            clock.calls[-1].run()
        expected = [min(math.e**n, 3600) for n in range(12)]
        assert [call.delay for call in clock.calls] == pytest.approx(expected)
        assert (connector.connects, factory.retries) == (12, 12)

    def test_own_settings(self) -> None:
        factory, clock, connector = make(jitter=0, delay=2, factor=3, maxDelay=10)
        for _ in range(4):
            factory.clientConnectionLost(connector, connectionDone)
        assert [call.delay for call in clock.calls] == [2, 6, 10, 10]

    def test_reset(self) -> None:
        factory, clock, connector = make(jitter=0, initialDelay=0.5)
        for _ in range(3):
            factory.clientConnectionLost(connector, connectionDone)
        factory.resetDelay()
        assert (factory.delay, factory.retries, factory.continueTrying) == (0.5, 0, 1)
        factory.clientConnectionLost(connector, connectionDone)
        assert clock.calls[-1].delay == 0.5

    def test_jitter_spreads_around_the_delay(self) -> None:
        random.seed(5)
        delays = []
        for _ in range(400):
            factory, clock, connector = make(delay=100.0)
            factory.clientConnectionLost(connector, connectionDone)
            delays.append(clock.calls[0].delay)
        mean = sum(delays) / len(delays)
        deviation = math.sqrt(sum((delay - mean) ** 2 for delay in delays) / len(delays))
        assert mean == pytest.approx(100, rel=0.05)
        assert deviation == pytest.approx(11.96, rel=0.2)

    @given(st.integers(), st.floats(0, 5), st.floats(0.001, 1e6))
    def test_never_negative(self, seed: int, jitter: float, delay: float) -> None:
        random.seed(seed)
        factory, clock, connector = make(jitter=jitter, delay=delay)
        for _ in range(5):
            factory.clientConnectionLost(connector, connectionDone)
        assert all(call.delay >= 0 for call in clock.calls)
        assert factory.delay <= factory.maxDelay


class TestGivingUp:
    @pytest.mark.parametrize("most", [0, 1, 3])
    def test_after_the_last_retry(self, most: int) -> None:
        factory, clock, connector = make(maxRetries=most)
        for _ in range(most + 2):
            factory.clientConnectionFailed(connector, connectionDone)
        assert len(clock.calls) == most

    def test_counts_again_after_a_reset(self) -> None:
        factory, clock, connector = make(maxRetries=1)
        for _ in range(3):
            factory.clientConnectionFailed(connector, connectionDone)
            factory.resetDelay()
        assert len(clock.calls) == 3

    def test_stopped_during_the_wait(self) -> None:
        factory, clock, connector = make()
        factory.clientConnectionFailed(connector, connectionDone)
        factory.stopTrying()
        assert clock.calls[0].cancelled
        assert (connector.connects, connector.stops) == (0, 1)
        factory.clientConnectionFailed(connector, connectionDone)
        factory.retry()
        assert len(clock.calls) == 1

    def test_stopped_during_an_attempt(self) -> None:
        factory, clock, _ = make()
        connector = Connector(connecting=True)
        factory.clientConnectionFailed(connector, connectionDone)
        clock.calls[0].run()
        factory.stopTrying()
        assert not clock.calls[0].cancelled  # it has been made, and cancelling it would be an error
        assert (connector.connects, connector.stops) == (1, 1)

    def test_stopped_before_anything(self) -> None:
        factory, clock, connector = make()
        factory.stopTrying()
        factory.clientConnectionLost(connector, connectionDone)
        assert clock.calls == []

    def test_going_on_after_a_stop(self) -> None:
        factory, clock, connector = make()
        factory.stopTrying()
        factory.resetDelay()
        factory.clientConnectionLost(connector, connectionDone)
        assert len(clock.calls) == 1


class TestRetry:
    def test_with_a_connector(self) -> None:
        factory, clock, connector = make()
        factory.retry(connector)
        clock.calls[0].run()
        assert connector.connects == 1

    def test_without_any_teaches(self) -> None:
        factory, _, _ = make()
        with pytest.raises(ValueError, match=r"Write retry\(connector\)"):
            factory.retry()

    def test_current_reactor_is_asked_each_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clocks = [Clock(), Clock()]
        remaining = iter(clocks)
        monkeypatch.setattr(reconnecting, "current_reactor", lambda: next(remaining))
        factory, _, connector = make(clock=None)
        factory.retry(connector)
        factory.retry(connector)
        assert [len(clock.calls) for clock in clocks] == [1, 1]
        assert factory.clock is None


def test_pickled_without_the_live_parts() -> None:
    factory, _, connector = make(maxRetries=7, protocol=Protocol)
    factory.clientConnectionFailed(connector, connectionDone)
    factory.stopTrying()
    copy = pickle.loads(pickle.dumps(factory))
    assert (copy.maxRetries, copy.protocol) == (7, Protocol)
    assert (copy.connector, copy.clock, copy._callID) == (None, None, None)
    assert (copy.delay, copy.retries, copy.continueTrying) == (1.0, 0, 1)
