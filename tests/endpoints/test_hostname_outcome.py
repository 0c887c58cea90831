"""What becomes of an attempt to connect to a host, in time that the test lets pass: the first connection
wins, or all attempts fail, or it is given up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.endpoints.naming import Scene, ToldNames, address_of
from tests.support import within
from twisted_compat.address import HostnameAddress
from twisted_compat.error import (
    ConnectBindError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    NoProtocol,
    NoRouteError,
    TimeoutError,
)

pytestmark = pytest.mark.without_debug

A6, B6, C6 = "2001:db8::a", "2001:db8::b", "2001:db8::c"
A4, B4, C4 = "192.0.2.1", "192.0.2.2", "192.0.2.3"

# What comes of it


@pytest.mark.parametrize("winner", [A6, A4, B6])
def test_the_first_connection_wins_and_the_other_attempts_are_stopped(winner: str) -> None:
    scene = Scene(A6, A4, B6, B4).begin()
    scene.after(0.25)
    scene.after(0.25)
    scene.succeed(winner)
    (protocol,) = scene.factory.protocols
    assert scene.result is protocol and protocol.made == 1
    assert protocol.transport is scene.attempt(winner).transport
    assert protocol.transport.protocol is protocol  # nothing stays in between
    assert scene.factory.addresses == [address_of(winner)]
    losers = [attempt for attempt in scene.reactor.attempts if attempt.host != winner]
    assert all(loser.stopped for loser in losers) and len(losers) == 2
    assert scene.leaves_nothing()
    scene.after(5)
    assert scene.tried == [A6, A4, B6]


def test_the_deferred_fires_once_the_protocol_has_been_told() -> None:
    scene = Scene(A6)
    seen: list[int] = []
    scene.factory.build = None
    scene.endpoint.connect(scene.factory).addCallback(lambda protocol: seen.append(protocol.made))
    scene.after(0)
    scene.succeed(A6)
    assert seen == [1]


def test_the_last_failure_is_told() -> None:
    scene = Scene(A6, A4, B6).begin()
    scene.after(0.25)
    scene.after(0.25)
    scene.fail(B6, ConnectionRefusedError())
    scene.fail(A6, NoRouteError())
    assert not scene.results
    scene.fail(A4, TimeoutError())
    assert isinstance(scene.failure, TimeoutError) and scene.leaves_nothing()


def test_the_factory_hears_of_its_start_and_its_stop_and_of_no_attempt() -> None:
    scene = Scene(A6, A4, B6).begin()
    scene.fail(A6)
    scene.after(0.25)
    scene.succeed(B6)
    assert scene.factory.numPorts == 1
    assert {"connecting", "failed", "lost"}.isdisjoint(scene.factory.events)
    failing = Scene(A6, A4).begin()
    failing.fail(A6)
    failing.fail(A4)
    assert failing.factory.numPorts == 0
    assert set(failing.factory.events) == {"start", "stop"} and failing.factory.events[-1] == "stop"


def test_a_factory_that_refuses() -> None:
    scene = Scene(A6)
    scene.factory.build = lambda _: None
    scene.begin()
    scene.succeed(A6)
    assert isinstance(scene.failure, NoProtocol)
    assert scene.attempt(A6).transport.disconnecting and scene.leaves_nothing()


def test_each_attempt_has_the_timeout_and_the_binding() -> None:
    scene = Scene(A4, A6, B4, timeout=7, bindAddress=("192.0.2.9", 1234)).begin()
    scene.fail(A4, ConnectBindError())
    assert scene.tried == [A4, B4]  # from there IPv6 can't be reached
    assert [attempt.timeout for attempt in scene.reactor.attempts] == [7, 7]
    assert [tuple(attempt.binding) for attempt in scene.reactor.attempts] == [("192.0.2.9", 1234)] * 2
    assert [attempt.port for attempt in scene.reactor.attempts] == [80, 80]


def test_each_attempt_has_30_seconds_unless_told_otherwise() -> None:
    attempt = Scene(A6).begin().attempt(A6)
    assert (attempt.timeout, attempt.binding) == (30, None)


@pytest.mark.parametrize("binding", ["192.0.2.9", b"192.0.2.9", ("192.0.2.9", 0), (b"192.0.2.9", 0)])
def test_the_ways_to_say_what_to_bind_to(binding: object) -> None:
    attempt = Scene(A4, bindAddress=binding).begin().attempt(A4)
    assert tuple(attempt.binding) == ("192.0.2.9", 0)


def test_the_same_endpoint_connects_as_often_as_it_is_asked() -> None:
    scene = Scene(A6).begin()
    scene.succeed(A6)
    other = ToldNames(A4)
    scene.reactor.installNameResolver(other)  # it is asked for when it is needed
    again = scene.endpoint.connect(scene.factory)
    scene.after(0)
    scene.succeed(A4)
    results: list[object] = []
    again.addBoth(results.append)
    assert results == [scene.factory.protocols[1]]


# Giving up


def cancelled(scene: Scene) -> bool:
    """Whether the Deferred was cancelled, at once, and nothing goes on."""
    scene.deferred.cancel()
    assert isinstance(scene.failure, ConnectingCancelledError)
    assert scene.failure.address == HostnameAddress(b"many.example", 80)
    assert scene.leaves_nothing()
    begun = scene.tried
    if scene.names.receiver is not None:  # whatever it still says
        scene.tell(C6, C4)
        scene.complete()
    scene.after(5)
    assert scene.tried == begun and len(scene.results) == 1
    return True


def test_cancelling_before_the_first_turn() -> None:
    scene = Scene(A6, A4)
    scene.deferred = scene.endpoint.connect(scene.factory)
    scene.deferred.addBoth(scene.results.append)
    assert cancelled(scene)
    assert not scene.under_way


def test_cancelling_while_the_name_is_looked_up() -> None:
    scene = Scene().begin()
    assert cancelled(scene)
    assert scene.names.cancelled == 1


def test_cancelling_a_look_up_that_can_not_be_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene().begin()
    scene.names.can_cancel = False
    assert cancelled(scene)
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


def test_cancelling_while_ipv4_waits_for_ipv6() -> None:
    scene = Scene().begin()
    scene.tell(A4)
    assert cancelled(scene)
    assert scene.names.cancelled == 1


def test_cancelling_with_one_attempt_and_with_more_under_way() -> None:
    for wait in (0, 0.25, 0.5):
        scene = Scene(A6, A4, B6).begin()
        scene.after(wait / 2)
        scene.after(wait / 2)
        assert cancelled(scene)
        assert all(attempt.stopped for attempt in scene.reactor.attempts)


def test_cancelling_between_attempts() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    scene.fail(A6)
    assert cancelled(scene)


def test_cancelling_afterwards_changes_nothing() -> None:
    scene = Scene(A6, A4).begin()
    scene.succeed(A6)
    scene.deferred.cancel()
    assert scene.results == scene.factory.protocols
    assert not scene.factory.protocols[0].transport.disconnecting


def test_cancelling_as_the_factory_starts() -> None:
    scene = Scene(A6, A4)
    scene.names.completes = False
    scene.names.at_once = ()
    scene.begin()
    scene.factory.startFactory = scene.deferred.cancel  # type: ignore[method-assign]  # for this one
    scene.tell(A6)
    scene.after(5)
    assert isinstance(scene.failure, ConnectingCancelledError)
    assert scene.leaves_nothing() and scene.factory.numPorts == 0


def test_a_search_that_begins_after_it_was_given_up_is_given_up() -> None:
    class Late(ToldNames):
        def resolveHostName(self, receiver: Any, *args: Any) -> ToldNames:  # type: ignore[override]  # shorter
            self.receiver = receiver
            return self

    names = Late()
    scene = Scene(names=names).begin()
    scene.deferred.cancel()
    names.receiver.resolutionBegan(names)
    assert names.cancelled == 1 and scene.leaves_nothing()


def test_cancelling_while_the_factory_builds_the_protocol_closes_the_connection() -> None:
    scene = Scene(A6, A4)
    build = type(scene.factory).buildProtocol

    def cancel(addr: object) -> object:
        scene.factory.build = None
        scene.deferred.cancel()
        return build(scene.factory, addr)

    scene.begin()
    scene.factory.build = cancel
    scene.succeed(A6)
    assert isinstance(scene.failure, ConnectingCancelledError) and scene.leaves_nothing()
    transport = scene.attempt(A6).transport
    assert transport is None or transport.disconnecting


async def test_awaiting_it() -> None:
    scene = Scene(A6)
    awaited = scene.endpoint.connect(scene.factory)
    scene.after(0)
    scene.succeed(A6)
    assert await within(awaited) is scene.factory.protocols[0]
