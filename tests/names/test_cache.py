"""How long answers are kept, by a clock that the tests move."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.rcode
import dns.rdata
import dns.rrset
import pytest

from tests.names.server import reply
from twisted_compat.names.cache import LONGEST, LONGEST_NEGATIVE, Cache, length_of, seconds_to_keep

QUERY = dns.message.make_query("host.example.", "A")
A = "host.example. 60 IN A 192.0.2.1"
SOA = "example. 90 IN SOA ns. admin. 1 2 3 4 30"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (60, reply(QUERY, A)),
        (5, reply(QUERY, A, "host.example. 5 IN A 192.0.2.2")),
        (7, reply(QUERY, "host.example. 7 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1")),
        (0, reply(QUERY, "host.example. 0 IN A 192.0.2.1")),
        (LONGEST, reply(QUERY, "host.example. 99999999 IN A 192.0.2.1")),
        (60, reply(QUERY, A, authority=(SOA,))),  # it is about what isn't there, and this is
        (30, reply(QUERY, authority=(SOA,))),
        (20, reply(QUERY, authority=("example. 20 IN SOA ns. admin. 1 2 3 4 30",))),
        (LONGEST_NEGATIVE, reply(QUERY, authority=("example. 999999 IN SOA ns. admin. 1 2 3 4 999999",))),
        (30, reply(QUERY, authority=(SOA,), rcode=dns.rcode.NXDOMAIN)),
        (0, reply(QUERY, rcode=dns.rcode.NXDOMAIN)),
        (0, reply(QUERY, "host.example. 50 IN CNAME b.example.", rcode=dns.rcode.NXDOMAIN)),
        (
            10,
            reply(QUERY, "host.example. 10 IN CNAME b.example.", authority=(SOA,), rcode=dns.rcode.NXDOMAIN),
        ),
        (30, reply(QUERY, "host.example. 50 IN CNAME b.example.", authority=(SOA,))),
        (50, reply(QUERY, "host.example. 50 IN CNAME b.example.")),
        (0, reply(QUERY, authority=("example. 50 IN NS ns.example.",))),  # a delegation
        (0, reply(QUERY)),
        (0, reply(QUERY, A, rcode=dns.rcode.SERVFAIL)),
    ],
)
def test_an_answer_is_kept_as_long_as_its_records_say(seconds: int, message: Any) -> None:
    assert seconds_to_keep(message) == seconds


def test_what_is_kept_grows_old_and_goes() -> None:
    clock = Clock()
    cache = Cache(clock=clock)
    message = reply(QUERY, A)
    cache.put("a", message)
    for clock.now, age in ((0.0, 0), (0.9, 0), (1.0, 1), (59.9, 59)):
        assert cache.get("a") == (message, age)
    clock.now = 60.0
    assert cache.get("a") is None
    assert len(cache) == 0


def test_what_was_used_last_stays() -> None:
    cache = Cache(size=2, clock=Clock())
    for key in "abac":
        cache.put(key, reply(QUERY, A)) if cache.get(key) is None else None
    assert cache.get("a") is not None
    assert cache.get("c") is not None
    assert cache.get("b") is None
    assert len(cache) == 2
    cache.clear()
    assert cache.get("a") is None


def test_what_may_not_be_kept_is_not() -> None:
    cache = Cache(clock=Clock())
    cache.put("a", reply(QUERY))
    assert len(cache) == 0


def large(records: int) -> Any:
    addresses = (f"192.0.{number // 256}.{number % 256}" for number in range(records))
    message = reply(QUERY, *(f"host.example. 60 IN A {address}" for address in addresses))
    return dns.message.from_wire(message.to_wire(max_size=65_535), one_rr_per_rrset=True)


def test_large_answers_are_not_kept_and_others_only_as_long_as_there_is_room() -> None:
    cache = Cache(clock=Clock())
    cache.put("large", large(300))
    assert len(cache) == 0
    cache = Cache(total=3 * length_of(large(10)), clock=Clock())
    cache.put("large", large(300))
    assert len(cache) == 0
    for key in range(9):
        cache.put(key, large(10))
        cache.put(key, large(10))
    assert [key for key in range(9) if cache.get(key) is not None] == [6, 7, 8]
    cache.put("small", large(1))
    assert [key for key in range(9) if cache.get(key) is not None] == [7, 8]
    cache.clear()
    cache.put("again", large(10))
    assert len(cache) == 1


def test_what_is_no_soa_record_at_all_is_kept_for_no_time() -> None:
    message = reply(QUERY, rcode=dns.rcode.NXDOMAIN)
    message.authority.append(dns.rrset.from_rdata("example.", 60, dns.rdata.GenericRdata(254, 6, b"")))
    assert seconds_to_keep(message) == 0
