"""One question and servers that lose, refuse, cut off, delay or forge answers."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from contextlib import suppress
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.names.resolving import SOON, addresses, failure_of, resolver_for
from tests.names.server import CLOSE, Fake, reply
from tests.support import free_port, until, within
from twisted_compat.defer import TimeoutError, gatherResults
from twisted_compat.names import asking, error, sharing
from twisted_compat.names import dns as numbers
from twisted_compat.names.cache import Cache

pytestmark = pytest.mark.without_debug

A = "host. 60 IN A 192.0.2.1"
ROUNDS = (
    0.05,
    0.2,
    0.8,
    3,
)  # seconds: so that one server may say nothing, and the other be slow on a busy machine


def good(query: dns.message.Message) -> Any:
    return reply(query, A)


def silent(query: dns.message.Message) -> Any:
    return None


def failing(rcode: int) -> Any:
    return lambda query: reply(query, rcode=rcode)


def cut_off(query: dns.message.Message) -> Any:
    return reply(query, flags=dns.flags.TC)


def unreadable(query: dns.message.Message) -> Any:
    wire = good(query).to_wire()
    return wire[:-3]


BAD: dict[str, Any] = {
    "says nothing": silent,
    "fails": failing(dns.rcode.SERVFAIL),
    "refuses": failing(dns.rcode.REFUSED),
    "is told of no such thing": failing(dns.rcode.NOTIMP),
    "talks nonsense": lambda query: b"nonsense, and quite a lot of it",
    "can't be read": unreadable,
    "is longer than was asked for": lambda query: good(query).to_wire() + bytes(5000),
    "is cut off": cut_off,
}


@pytest.mark.parametrize("bad", BAD)
async def test_where_one_server_has_no_answer_the_next_one_is_asked(bad: str) -> None:
    async with (
        Fake(BAD[bad], tcp=False) as first,
        Fake(good) as second,
        resolver_for(first, second, timeout=ROUNDS) as resolver,
    ):
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert len(first.asked) >= 1


async def test_where_nobody_listens_the_next_one_is_asked_at_once() -> None:
    async with Fake(good) as fake, resolver_for(("127.0.0.1", free_port()), fake, timeout=60) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("rcode", "expected"),
    [
        (dns.rcode.FORMERR, error.DNSFormatError),
        (dns.rcode.SERVFAIL, error.DNSServerError),
        (dns.rcode.NXDOMAIN, error.DNSNameError),
        (dns.rcode.NOTIMP, error.DNSNotImplementedError),
        (dns.rcode.REFUSED, error.DNSQueryRefusedError),
        (dns.rcode.YXDOMAIN, error.DNSUnknownError),
    ],
)
async def test_each_code_is_an_error_of_its_own(rcode: int, expected: type[Exception]) -> None:
    async with Fake(failing(rcode)) as fake, resolver_for(fake) as resolver:
        failed = await failure_of(resolver.lookupAddress("host"))
        assert type(failed) is expected
        assert failed.message.rcode() == rcode
        assert dns.rcode.to_text(dns.rcode.Rcode(rcode)) in str(failed)


async def test_without_an_answer_it_is_a_timeout_that_says_what_each_server_did() -> None:
    nobody = ("127.0.0.1", free_port())
    async with Fake(silent) as fake, resolver_for(fake, nobody, timeout=SOON) as resolver:
        failed = await failure_of(resolver.lookupAddress("host"))
        assert isinstance(failed, error.DNSQueryTimeoutError)
        assert isinstance(failed, TimeoutError)
        assert f"127.0.0.1:{fake.address[1]}: no answer in time" in str(failed)
        assert "refused" in str(failed)


async def test_who_says_nothing_is_asked_again_in_each_round_and_who_fails_is_not() -> None:
    async with (
        Fake(silent) as silent_one,
        Fake(failing(dns.rcode.SERVFAIL)) as failing_one,
        resolver_for(silent_one, failing_one, timeout=(0.1, 0.1, 0.1)) as resolver,
    ):
        assert type(await failure_of(resolver.lookupAddress("host"))) is error.DNSServerError
        assert (len(silent_one.asked), len(failing_one.asked)) == (3, 1)


async def test_an_answer_to_the_second_try_is_one() -> None:
    def lossy(query: dns.message.Message) -> Any:
        return None if len(fake.asked) < 3 else good(query)

    async with Fake(lossy) as fake, resolver_for(fake, timeout=(0.02, 0.02, 9)) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]


async def test_seconds_for_everything_end_it_whatever_the_rounds() -> None:
    async with Fake(silent) as one, Fake(silent) as other, resolver_for(one, other) as resolver:
        assert isinstance(await failure_of(resolver.lookupAddress("host", 0.05)), error.DNSQueryTimeoutError)
        await until(lambda: one.asked)


# Over TCP


async def test_a_cut_off_answer_is_asked_for_over_tcp() -> None:
    async with Fake(cut_off, tcp=good) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert [how for how, _ in fake.asked] == ["udp", "tcp"]


NO_TCP: dict[str, tuple[Any, type[Exception]]] = {
    "says nothing": (silent, error.DNSQueryTimeoutError),
    "closes": (lambda query: CLOSE, error.DNSQueryTimeoutError),
    "is cut off": (cut_off, error.DNSFormatError),
    "talks nonsense": (lambda query: b"short", error.DNSFormatError),
}


@pytest.mark.parametrize("bad", NO_TCP)
async def test_where_tcp_does_not_work_either_it_is_an_error(bad: str) -> None:
    tcp, expected = NO_TCP[bad]
    async with Fake(cut_off, tcp=tcp) as fake, resolver_for(fake, timeout=0.3) as resolver:
        failed = await failure_of(resolver.lookupAddress("host"))
        assert isinstance(failed, expected)
        assert str(failed).startswith("host A: 127.0.0.1:")
        assert not str(failed).endswith(".")
        assert "\n" not in str(failed)


# Forged and stray answers


def with_wrong_id(query: dns.message.Message) -> Any:
    answer = reply(query, "host. 60 IN A 192.0.2.66")
    answer.id ^= 1
    return [answer, good(query)]


def to_another_question(query: dns.message.Message) -> Any:
    other = dns.message.make_query("other.", "A", id=query.id)
    return [reply(other, "other. 60 IN A 192.0.2.66"), good(query)]


def no_answer_at_all(query: dns.message.Message) -> Any:
    return [query, b"", b"\0" * 11, good(query)]


def cut_off_with_another_question(query: dns.message.Message) -> Any:
    other = dns.message.make_query("other.", "A", id=query.id)
    return [reply(other, flags=dns.flags.TC), good(query)]


@pytest.mark.parametrize(
    "handler", [with_wrong_id, to_another_question, no_answer_at_all, cut_off_with_another_question]
)
async def test_what_is_no_answer_to_the_question_is_passed_over(handler: Any) -> None:
    async with Fake(handler, tcp=False) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]


async def test_an_answer_from_elsewhere_is_passed_over() -> None:
    def from_elsewhere(query: dns.message.Message) -> Any:
        port = fake.peers[-1]
        other.udp.sendto(reply(query, "host. 60 IN A 192.0.2.66").to_wire(), port)

        async def later() -> Any:
            await asyncio.sleep(0)
            return good(query)

        return later()

    async with Fake(good) as other, Fake(from_elsewhere) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]


async def test_each_question_has_a_number_and_a_port_of_its_own() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        for number in range(8):
            await within(resolver.lookupAddress(f"host{number}"))
        assert len({query.id for _, query in fake.asked}) > 1
        assert len(set(fake.peers)) > 1


async def test_a_datagram_longer_than_was_asked_for_is_asked_for_over_tcp() -> None:
    def long(query: dns.message.Message) -> Any:
        return reply(query, *(f"host. 60 IN TXT {'x' * 200}{number}" for number in range(100, 130)))

    async with Fake(long, tcp=good) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert [how for how, _ in fake.asked] == ["udp", "tcp"]


def pointing(query: dns.message.Message) -> bytes:
    """A chain of pointers in a NULL record, and many records whose names point to its end."""
    wire = query.to_wire()
    question = wire[: len(wire) - 11] if query.edns >= 0 else wire
    start = len(question) + 11
    chain = b"\0" + b"".join(
        (0xC000 | start + max(0, 2 * number - 1)).to_bytes(2, "big") for number in range(8000)
    )
    end = (0xC000 | start + len(chain) - 2).to_bytes(2, "big")
    records = [b"\0" + bytes([0, 10, 0, 1, 0, 0, 0, 60]) + len(chain).to_bytes(2, "big") + chain]
    records += [end + bytes([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1])] * 2900
    header = wire[:2] + bytes([0x84, 0, 0, 1]) + len(records).to_bytes(2, "big") + bytes(4)
    return header + question[12:] + b"".join(records)


async def test_an_answer_that_points_and_points_is_not_followed_for_ever() -> None:
    async with Fake(cut_off, tcp=pointing) as fake, resolver_for(fake, timeout=5) as resolver:
        assert type(await failure_of(resolver.lookupAddress("host"))) is error.DNSFormatError


async def test_who_always_has_something_to_say_is_listened_to_until_the_deadline_only() -> None:
    """From another thread, for a flood in which there is always something to read."""
    over = threading.Event()

    def flood(server: socket.socket) -> None:
        _, caller = server.recvfrom(9999)
        while not over.is_set():
            with suppress(OSError):
                for _ in range(100):
                    server.sendto(b"nothing to the point", caller)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=flood, args=(server,))
        thread.start()
        try:
            async with resolver_for(server.getsockname(), timeout=SOON) as resolver:
                assert isinstance(
                    await failure_of(resolver.lookupAddress("host")), error.DNSQueryTimeoutError
                )
        finally:
            over.set()
            thread.join()


# EDNS


@pytest.mark.parametrize("rcode", [dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS])
async def test_a_server_that_knows_no_edns_is_asked_without(rcode: int) -> None:
    def old(query: dns.message.Message) -> Any:
        return good(query) if query.edns < 0 else reply(query, rcode=rcode)

    async with Fake(old) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        assert [(query.edns, query.payload) for _, query in fake.asked] == [(0, 1232), (-1, 0)]
        assert all(query.flags & dns.flags.RD for _, query in fake.asked)


# The same question


async def test_the_same_question_under_way_twice_is_asked_once_and_one_may_give_up() -> None:
    released = asyncio.Event()

    def slow(query: dns.message.Message) -> Any:
        async def later() -> Any:
            await released.wait()
            return good(query)

        return later()

    async with Fake(slow) as fake, resolver_for(fake) as resolver:
        three = [resolver.lookupAddress(name) for name in ("host", "HOST", "host.")]
        await asyncio.sleep(0.01)
        given_up = three.pop(0)
        given_up.cancel()
        assert type(await failure_of(given_up)).__name__ == "CancelledError"
        released.set()
        results = await within(gatherResults(three))
        assert [addresses(result) for result in results] == [["192.0.2.1"]] * 2
        assert len(fake.asked) == 1


async def test_a_question_that_has_not_much_time_left_is_asked_anew() -> None:
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        first = resolver.lookupAddress("host", 0.2)
        await until(lambda: fake.asked)
        await asyncio.sleep(0.06)
        second = resolver.lookupAddress("host", 0.2)
        await until(lambda: len(fake.asked) == 2)
        third = resolver.lookupAddress("host", 60)
        await until(lambda: len(fake.asked) >= 3)
        for deferred in (first, second, third):
            deferred.cancel()
            await failure_of(deferred)


async def test_with_different_timeouts_it_is_not_the_same() -> None:
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        two = [resolver.lookupAddress("host", timeout) for timeout in (SOON, (0.06,))]
        for one in two:
            assert isinstance(await failure_of(one), error.DNSQueryTimeoutError)
        await until(lambda: len(fake.asked) == 2)


# Many questions


async def test_only_so_many_questions_are_under_way_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_UNDER_WAY", 3)
    async with Fake(silent) as fake, resolver_for(fake) as resolver:
        deferreds = [resolver.lookupAddress(f"host{number}", 60) for number in range(5)]
        await until(lambda: len(fake.asked) == 3)
        impatient = resolver.lookupAddress("host7", 0.01)
        failed = await failure_of(impatient)
        assert isinstance(failed, error.DNSQueryTimeoutError)
        assert "too many other questions" in str(failed)
        deferreds[3].cancel()
        deferreds[0].cancel()
        await until(lambda: "host4. A" in fake.names)
        assert len(fake.asked) == 4
        for deferred in deferreds:
            deferred.cancel()
            await failure_of(deferred)


async def test_without_sockets_it_waits_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0.001)
    real, failures = asking.Datagrams, [errno.EMFILE, errno.ENFILE, errno.ENOBUFS] * 4

    def datagrams(*arguments: Any) -> Any:
        if failures:
            raise OSError(failures.pop(), "there are none")
        return real(*arguments)

    monkeypatch.setattr(asking, "Datagrams", datagrams)
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
        failures += [errno.EMFILE] * 10_000
        asyncio.get_running_loop().call_later(0.05, failures.clear)  # in the second round
        assert addresses(await within(resolver.lookupAddress("host2", (0.01, 9)))) == ["192.0.2.1"]
        failures += [errno.EMFILE] * 10_000
        failed = await failure_of(resolver.lookupAddress("other", SOON))
        assert isinstance(failed, error.DNSQueryTimeoutError)
        assert "there are none" in str(failed)


# Answers that are kept


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_is_given_again_with_less_time_left_until_that_is_over() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        clock = Clock()
        resolver._engine.cache = Cache(clock=clock)
        for clock.now, left, asked in ((0, 60, 1), (1.5, 59, 1), (59, 1, 1), (60, 60, 2)):
            answers, _, _ = await within(resolver.lookupAddress("host"))
            assert (answers[0].ttl, answers[0].payload.ttl, len(fake.asked)) == (left, left, asked)


async def test_that_there_is_none_is_kept_as_well() -> None:
    soa = "example. 60 IN SOA ns. admin. 1 2 3 4 30"
    missing = {"host.example. A": dns.rcode.NXDOMAIN, "host.example. AAAA": dns.rcode.NOERROR}

    def handler(query: dns.message.Message) -> Any:
        return reply(query, authority=(soa,), rcode=missing[fake.names[-1]])

    async with Fake(handler) as fake, resolver_for(fake) as resolver:
        clock = Clock()
        resolver._engine.cache = Cache(clock=clock)
        for clock.now in (0, 29):
            assert type(await failure_of(resolver.lookupAddress("host.example"))) is error.DNSNameError
            answers, authority, _ = await within(resolver.lookupIPV6Address("host.example"))
            assert (answers, authority[0].ttl) == ([], 60 - clock.now)
        assert len(fake.asked) == 2
        clock.now = 30
        await failure_of(resolver.lookupAddress("host.example"))
        assert len(fake.asked) == 3


async def test_a_failure_and_all_records_of_a_name_are_asked_for_each_time() -> None:
    async with Fake(good) as fake, resolver_for(fake) as resolver:
        for _ in range(2):
            await within(resolver.lookupAllRecords("host"))
            await within(resolver.lookupRecord("host", numbers.ANY, numbers.A))
        assert len(fake.asked) == 4
    async with Fake(failing(dns.rcode.SERVFAIL)) as fake, resolver_for(fake) as resolver:
        for _ in range(2):
            await failure_of(resolver.lookupAddress("host"))
        assert len(fake.asked) == 2


async def test_what_other_servers_answered_does_not_count(tmp_path: Any) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("", encoding="utf-8")
    async with Fake(good) as fake, resolver_for(fake, resolv=path) as resolver:
        await within(resolver.lookupAddress("host"))
        path.write_text("nameserver 192.0.2.53\n", encoding="utf-8")
        await within(resolver.lookupAddress("host"))
        assert len(fake.asked) == 2


async def test_with_rotate_each_look_up_begins_with_the_next_server(tmp_path: Any) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("options rotate\n", encoding="utf-8")
    async with Fake(good) as one, Fake(good) as other, resolver_for(one, other, resolv=path) as resolver:
        for number in range(4):
            await within(resolver.lookupAddress(f"host{number}."))
        assert (len(one.asked), len(other.asked)) == (2, 2)


# Search lists


async def test_names_are_looked_for_along_the_search_list() -> None:
    def handler(query: dns.message.Message) -> Any:
        name = str(query.question[0].name)
        codes = {"host.empty.": dns.rcode.NOERROR, "host.broken.": dns.rcode.SERVFAIL}
        if name == "host.example.":
            return reply(query, "host.example. 60 IN A 192.0.2.1")
        return reply(query, rcode=codes.get(name, dns.rcode.NXDOMAIN))

    search = ["none", "empty", "broken", "example"]
    async with Fake(handler) as fake, resolver_for(fake, search=search) as resolver:
        answers, _, _ = await within(resolver.lookupAddress("host"))
        assert answers[0].name == numbers.Name("host.example")
        assert fake.names == [f"host.{suffix}. A" for suffix in search]
        assert await within(resolver.getHostByName("host")) == "192.0.2.1"
        assert type(await failure_of(resolver.lookupAddress("host."))) is error.DNSNameError
    for search, expected in ((["none", "empty"], None), (["none"], error.DNSNameError)):
        async with Fake(handler) as fake, resolver_for(fake, search=search) as resolver:
            if expected is None:  # the name is there, with other records
                assert (await within(resolver.lookupAddress("host")))[0] == []
            else:
                assert type(await failure_of(resolver.lookupAddress("host"))) is expected
            fake.asked.clear()
            assert type(await failure_of(resolver.lookupZone("host"))) is error.DNSNameError
            assert fake.names == ["host. AXFR"]


async def test_along_the_search_list_a_server_that_says_nothing_is_the_end() -> None:
    async with Fake(silent) as fake, resolver_for(fake, search=["a", "b"], timeout=SOON) as resolver:
        assert isinstance(await failure_of(resolver.lookupAddress("host")), error.DNSQueryTimeoutError)
        await until(lambda: fake.names == ["host.a. A"])
