"""A host name's addresses, in time that the test lets pass: which is tried when, and what comes of it."""

from __future__ import annotations

import sys

import pytest

from tests.endpoints.naming import Scene, ToldNames
from twisted_compat.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted_compat.error import (
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
)

A6, B6, C6 = "2001:db8::a", "2001:db8::b", "2001:db8::c"
A4, B4, C4 = "192.0.2.1", "192.0.2.2", "192.0.2.3"

# Which comes next


@pytest.mark.parametrize(
    ("told", "order"),
    [
        ([A6, A4], [A6, A4]),
        ([A4, A6], [A4, A6]),  # whoever prefers IPv4 (gai.conf) has his way
        ([A6, B6, C6, A4, B4], [A6, A4, B6, B4, C6]),
        ([A4, B4, C4, A6], [A4, A6, B4, C4]),
        ([A6, A4, B4, B6], [A6, A4, B6, B4]),
        ([A4, B4], [A4, B4]),
        ([A6, B6], [A6, B6]),
        ([A6, A4, A6, A4, A6], [A6, A4]),  # told twice: an attempt each would tell nothing new
    ],
)
def test_the_families_take_turns_in_the_order_of_the_resolver(told: list[str], order: list[str]) -> None:
    scene = Scene(*told).begin()
    for count in range(1, len(order) + 1):
        assert scene.tried == scene.under_way == order[:count]
        scene.after(0.25)
    scene.after(5)
    assert scene.tried == order and not scene.results
    scene.deferred.cancel()
    assert scene.leaves_nothing() and len(scene.results) == 1


@pytest.mark.parametrize(("delay", "option"), [(0.25, None), (2.0, 2.0), (0.125, 0.125)])
def test_the_next_attempt_begins_a_delay_after_the_one_before(delay: float, option: float | None) -> None:
    scene = Scene(A6, A4, B6, attemptDelay=option).begin()
    scene.after(delay - 0.01)
    assert scene.tried == [A6]
    scene.after(0.01)
    assert scene.tried == [A6, A4]
    scene.after(delay - 0.01)
    assert scene.tried == [A6, A4]
    scene.after(0.01)
    assert scene.tried == [A6, A4, B6]
    assert [attempt.began for attempt in scene.reactor.attempts] == [0, delay, 2 * delay]


def test_without_a_delay_all_are_tried_at_once() -> None:
    scene = Scene(A6, A4, B6, attemptDelay=0).begin()
    scene.after(0)
    assert scene.under_way == [A6, A4, B6]


def test_an_attempt_that_fails_has_the_next_begin_at_once_and_the_delay_counts_from_there() -> None:
    scene = Scene(A6, A4, B6, B4).begin()
    scene.after(0.125)
    scene.fail(A6)
    assert scene.tried == [A6, A4]
    scene.after(0.125)  # when it would have been the next one's turn
    assert scene.tried == [A6, A4]
    scene.after(0.125)
    assert scene.tried == [A6, A4, B6]


def test_attempts_that_fail_before_they_have_begun_follow_each_other_at_once() -> None:
    scene = Scene(A6, A4, B6, B4)
    scene.reactor.refused = {A6, A4, B6}
    scene.begin()
    scene.after(0)
    assert scene.tried == [A6, A4, B6, B4] and scene.under_way == [B4]


def test_hundreds_that_fail_at_once_fit_the_stack() -> None:
    hosts = [f"2001:db8::{number:x}" for number in range(1, 1500)]
    scene = Scene(*hosts)
    scene.reactor.refused = set(hosts)
    depths = set()

    def start() -> None:
        frame, depth = sys._getframe(), 0
        while frame := frame.f_back:
            depth += 1
        depths.add(depth)

    scene.factory.startFactory = start
    scene.begin()
    scene.after(0)
    assert scene.tried == hosts and max(depths) - min(depths) < 20
    assert isinstance(scene.failure, ConnectionRefusedError) and scene.leaves_nothing()


def test_the_failure_of_the_latest_has_the_next_begin_at_once() -> None:
    scene = Scene(A6, A4, B6, B4).begin()
    scene.after(0.25)
    scene.fail(A4)
    assert scene.under_way == [A6, B6]


def test_the_failure_of_an_earlier_one_hurries_nobody() -> None:
    scene = Scene(A6, A4, B6, B4).begin()
    scene.after(0.25)
    scene.fail(A6)
    assert scene.tried == [A6, A4]  # the latest has not had its time yet
    scene.after(0.25)
    assert scene.tried == [A6, A4, B6]


# Addresses that are told one by one


def test_the_first_ipv6_address_is_tried_at_once() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    assert scene.tried == [A6]


def test_ipv4_waits_for_ipv6_for_50_ms() -> None:
    scene = Scene().begin()
    scene.tell(A4)
    scene.after(0.045)
    assert scene.tried == []
    scene.after(0.01)
    assert scene.tried == [A4]


def test_the_wait_for_ipv6_begins_with_the_first_ipv4_address() -> None:
    scene = Scene().begin()
    scene.after(1)
    scene.tell(A4)
    scene.after(0.03)
    scene.tell(B4)
    scene.after(0.03)
    assert scene.tried == [A4]


def test_ipv6_that_comes_while_ipv4_waits_is_first() -> None:
    scene = Scene().begin()
    scene.tell(A4)
    scene.after(0.01)
    scene.tell(A6)
    assert scene.tried == [A6]
    scene.after(0.25)
    assert scene.tried == [A6, A4]


def test_ipv6_that_comes_on_the_same_turn_as_ipv4_keeps_its_place_and_need_not_be_waited_for() -> None:
    scene = Scene().begin()
    scene.tell(A4, A6)
    scene.after(0)
    assert scene.tried == [A4]
    scene.after(0.25)
    assert scene.tried == [A4, A6]


def test_ipv4_waits_no_longer_than_for_the_end_of_the_search() -> None:
    scene = Scene().begin()
    scene.tell(A4, B4)
    scene.after(0.01)
    scene.complete()
    assert scene.tried == [A4]


def test_what_is_told_later_takes_its_turn() -> None:
    scene = Scene().begin()
    scene.tell(A6, B6)
    scene.after(0.125)
    scene.tell(A4)
    assert scene.tried == [A6]
    scene.after(0.125)
    assert scene.tried == [A6, A4]
    scene.tell(B4)
    scene.after(0.25)
    assert scene.tried == [A6, A4, B6]
    scene.after(0.25)
    assert scene.tried == [A6, A4, B6, B4]


def test_what_is_told_after_all_were_tried_and_long_ago_is_tried_at_once() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    scene.after(3)
    assert not scene.reactor.getDelayedCalls()  # nothing to wait for
    scene.tell(A4)
    assert scene.under_way == [A6, A4]


def test_what_is_told_soon_after_the_last_was_tried_waits_for_the_delay() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    scene.after(0.2)
    scene.tell(A4)
    assert scene.tried == [A6]
    scene.after(0.06)
    assert scene.tried == [A6, A4]


def test_what_is_told_after_all_have_failed_is_tried_at_once() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    scene.fail(A6)
    assert not scene.results
    scene.tell(A4)
    assert scene.tried == [A6, A4]
    scene.fail(A4, NoRouteError())
    assert not scene.results  # there may be more
    scene.complete()
    assert isinstance(scene.failure, NoRouteError) and scene.leaves_nothing()


def test_a_search_that_never_ends_does_not_keep_a_connection_from_being_made() -> None:
    scene = Scene().begin()
    scene.tell(A4)
    scene.after(0.05)
    scene.succeed(A4)
    assert scene.result is scene.factory.protocols[0]
    assert scene.names.cancelled == 1 and scene.leaves_nothing()


def test_a_search_that_says_that_it_is_over_more_than_once() -> None:
    scene = Scene(A6, A4).begin()
    scene.complete()
    scene.fail(A6)
    scene.complete()
    assert scene.under_way == [A4] and not scene.results
    scene.fail(A4)
    scene.complete()
    assert isinstance(scene.failure, ConnectionRefusedError)


def test_what_is_told_after_the_end_of_the_search_is_not_tried() -> None:
    scene = Scene(A6).begin()
    scene.tell(A4)
    scene.after(1)
    scene.fail(A6)
    assert scene.tried == [A6] and isinstance(scene.failure, ConnectionRefusedError)


def test_what_is_told_after_the_end_changes_nothing() -> None:
    scene = Scene(A6).begin()
    scene.fail(A6)
    scene.tell(A4)
    scene.complete()
    scene.after(1)
    assert scene.tried == [A6] and len(scene.results) == 1 and scene.leaves_nothing()


def test_nothing_is_tried_after_the_connection_was_made() -> None:
    scene = Scene().begin()
    scene.tell(A6)
    scene.succeed(A6)
    scene.tell(B6, A4)
    scene.complete()
    scene.after(1)
    assert scene.tried == [A6] and scene.results == scene.factory.protocols and scene.leaves_nothing()


@pytest.mark.parametrize("told", [[], [UNIXAddress("/nowhere"), HostnameAddress(b"other.example", 80)]])
def test_without_an_address_the_look_up_has_failed(told: list[object]) -> None:
    scene = Scene().begin()
    for address in told:
        scene.names.receiver.addressResolved(address)
    scene.after(0.1)
    assert not scene.results
    scene.complete()
    assert isinstance(scene.failure, DNSLookupError) and "many.example" in str(scene.failure)
    assert not scene.tried and scene.leaves_nothing()


def test_a_resolver_that_raises() -> None:
    class Raising(ToldNames):
        def resolveHostName(self, *args: object, **kw: object) -> ToldNames:
            raise ZeroDivisionError

    scene = Scene(names=Raising()).begin()
    assert isinstance(scene.failure, ZeroDivisionError) and scene.leaves_nothing()


def test_a_resolver_that_raises_after_it_has_told_an_address() -> None:
    class Raising(ToldNames):
        def resolveHostName(self, *args: object, **kw: object) -> ToldNames:
            super().resolveHostName(*args, **kw)  # type: ignore[arg-type]  # whatever it was given
            raise ZeroDivisionError

    scene = Scene(names=Raising(A4, complete=False)).begin()
    scene.after(1)
    assert isinstance(scene.failure, ZeroDivisionError) and scene.leaves_nothing()


def test_a_resolver_that_raises_after_all_have_failed() -> None:
    class Raising(ToldNames):
        def resolveHostName(self, *args: object, **kw: object) -> ToldNames:
            super().resolveHostName(*args, **kw)  # type: ignore[arg-type]  # whatever it was given
            raise ZeroDivisionError

    scene = Scene(names=Raising(A4))
    scene.reactor.refused = {A4}
    scene.begin()
    assert isinstance(scene.failure, (ConnectionRefusedError, ZeroDivisionError)) and scene.leaves_nothing()


@pytest.mark.parametrize("host", [A4, A6, A6.encode(), "fe80::1%eth0"])
def test_an_address_is_not_looked_up(host: str | bytes) -> None:
    scene = Scene(host=host)
    scene.begin()
    if scene.names.asked:  # or if it is, what comes of that doesn't matter
        scene.complete()
    text = host.decode() if isinstance(host, bytes) else host
    assert scene.tried == [text]
    scene.succeed(text)
    assert scene.result is scene.factory.protocols[0] and scene.leaves_nothing()


def test_addresses_of_a_kind_of_ones_own() -> None:
    class Ours(IPv4Address):
        """One with a note on it."""

    scene = Scene().begin()
    scene.names.receiver.addressResolved(Ours("TCP", A4, 80))
    scene.complete()
    assert scene.tried == [A4]


def test_the_zone_of_an_address_is_kept() -> None:
    scene = Scene().begin()
    scene.names.receiver.addressResolved(IPv6Address("TCP", "fe80::1", 80, 0, 3))
    scene.complete()
    assert scene.tried == ["fe80::1%3"]
