"""How connections over TLS end: by our doing, by the peer's, by neither's."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import Any

import pytest

from tests.certificates import LIBRARIES, in_each_role, with_each_library
from tests.support import until
from tests.transport.peers import errors, turns
from tests.transport.tls_pairs import (
    Ear,
    HalfEar,
    Opposite,
    abort,
    facing,
    lose,
    lost,
    numbered,
    pair,
)
from twisted_compat.error import ConnectionAborted, ConnectionDone, ConnectionLost

pytestmark = pytest.mark.without_debug

MEGABYTE = 1 << 20
SHORT = 0.05  # seconds


# By our doing


@with_each_library
@in_each_role
async def test_closing_sends_what_was_written_and_says_so(certificates: Any, library: str, role: str) -> None:
    data = numbered(300_000)
    async with facing(certificates, role=role, library=library) as both:
        both.ear.transport.write(data)
        both.ear.transport.loseConnection()
        both.ear.transport.write(b"dropped")
        assert both.ear.transport.disconnecting
        assert await both.other.hear() == data
        assert not both.ear.lost  # it waits for the answer
        await both.other.notify()
        await lost(both.ear, ConnectionDone)
        assert await both.other.ended() == b""


async def test_the_end_of_tcp_is_answer_enough(certificates: Any) -> None:
    async with facing(certificates) as both:
        lose(both.ear)
        assert await both.other.hear() == b""
        both.other.end()
        await lost(both.ear, ConnectionDone)


async def test_a_reset_is_answer_enough(certificates: Any) -> None:
    """Many a peer closes over what it has not read, our close_notify."""
    async with facing(certificates) as both:
        lose(both.ear)
        assert await both.other.hear() == b""
        both.other.reset()
        await lost(both.ear, ConnectionDone)


@with_each_library
async def test_once_closing_nothing_more_is_delivered(certificates: Any, library: str) -> None:
    async with facing(certificates, Ear(data=lose), library=library) as both:
        await both.other.say(b"first")
        assert await both.other.hear() == b""
        await both.other.say(b"second")
        await turns()
        await both.other.notify()
        await lost(both.ear, ConnectionDone)
        assert both.ear.received == b"first"
        assert both.ear.events == ["made", "handshake", "data", "lost"]


@with_each_library
async def test_once_closing_nothing_more_is_delivered_of_what_has_come(
    certificates: Any, library: str
) -> None:
    """In the same piece of the stream, each record large enough to be given alone."""
    for end, reason in ((lose, ConnectionDone), (abort, ConnectionAborted)):
        calls: list[int] = []

        def once(ear: Ear, end: Any = end, calls: list[int] = calls) -> None:
            calls.append(len(ear.received))
            end(ear)

        async with facing(certificates, Ear(data=once), library=library) as both:
            await both.other.say(numbered(60_000))
            await until(lambda calls=calls: calls)
            with suppress(ConnectionError, ssl.SSLError):
                assert await both.other.hear() == b""
                await both.other.notify()
            await lost(both.ear, reason)
            assert len(calls) == 1


@with_each_library
async def test_closing_before_the_handshake_with_nothing_written_is_at_once(
    certificates: Any, library: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with facing(certificates, Ear(made=lose), role="client", library=library, opened=False) as both:
        await lost(both.ear, ConnectionDone)
        assert both.ear.events == ["made", "lost"]
        await both.other.ended()
    assert errors(caplog) == []


@with_each_library
@in_each_role
async def test_closing_before_the_handshake_sends_what_was_written(
    certificates: Any, library: str, role: str
) -> None:
    def say_and_close(ear: Ear) -> None:
        ear.transport.write(b"last ")
        ear.transport.writeSequence([b"wo", b"rds"])
        ear.transport.loseConnection()
        ear.transport.write(b"dropped")

    ear = Ear(made=say_and_close)
    async with facing(certificates, ear, role=role, library=library, opened=False) as both:
        await turns()
        assert not ear.lost
        await both.other.handshake()
        assert await both.other.hear() == b"last words"
        await both.other.notify()
        await lost(ear, ConnectionDone)
        assert ear.events == ["made", "lost"]


@pytest.mark.parametrize("where", ["made", "handshake", "data", "lost"])
async def test_closing_inside_a_callback(
    certificates: Any, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    for method, reason in ((lose, ConnectionDone), (abort, ConnectionAborted)):
        ear = Ear(**{where: method})
        async with facing(certificates, ear, role="client", opened=False) as both:
            with suppress(ConnectionError, ssl.SSLError):
                if where != "made":
                    await both.other.handshake()
                if where in ("data", "lost"):
                    await both.other.say(b"x")
                if where == "lost":
                    await until(lambda ear=ear: ear.received)
                    lose(ear)
                    reason = ConnectionDone
                await both.other.hear()
                await both.other.notify()
            await lost(ear, reason)
            assert ear.events[-2:-1] == [where] or where == "lost"
    assert errors(caplog) == []


async def test_a_connector_disconnects_in_good_order(certificates: Any) -> None:
    data = numbered(300_000)
    async with pair(certificates) as both:
        both.client.transport.write(data)
        both.connector.disconnect()
        await both.over()
        assert both.server.received == data
        assert all(end.reason.check(ConnectionDone) for end in both.ends)


async def test_closing_twice_is_closing_once(certificates: Any) -> None:
    for first, second, reason in (
        (lose, lose, ConnectionDone),
        (lose, abort, ConnectionAborted),
        (abort, lose, ConnectionAborted),
        (abort, abort, ConnectionAborted),
    ):
        async with facing(certificates) as both:
            first(both.ear)
            second(both.ear)
            if second is lose is first:
                assert await both.other.hear() == b""
                second(both.ear)
                await both.other.notify()
            await lost(both.ear, reason)


@with_each_library
async def test_each_half_ends_on_its_own(certificates: Any, library: str) -> None:
    async with pair(certificates, HalfEar(), HalfEar(), library=library) as both:
        both.client.transport.write(b"question")
        both.client.transport.loseWriteConnection()
        both.client.transport.write(b"dropped")
        await until(lambda: "read_lost" in both.server.events)
        await until(lambda: "write_lost" in both.client.events)
        assert both.server.received == b"question"
        both.client.transport.write(b"dropped")
        both.client.transport.loseWriteConnection()
        await turns()
        both.server.transport.write(answer := numbered(300_000))
        await until(lambda: len(both.client.received) == len(answer))
        assert both.client.received == answer
        both.server.transport.loseConnection()
        await until(lambda: "read_lost" in both.client.events or both.client.lost)
        both.client.transport.loseConnection()
        await both.over()
        assert all(end.reason.check(ConnectionDone) for end in both.ends)
        assert both.server.events == ["made", "handshake", "data", "read_lost", "lost"]
        assert both.client.events.count("write_lost") == 1


@in_each_role
async def test_half_closing_waits_for_the_handshake(certificates: Any, role: str) -> None:
    def say(ear: Ear) -> None:
        ear.transport.write(b"all I have")
        ear.transport.loseWriteConnection()

    ear = HalfEar(made=say)
    async with facing(certificates, ear, role=role, opened=False) as both:
        await both.opened()
        assert await both.other.hear() == b"all I have"
        await until(lambda: "write_lost" in ear.events)
        await both.other.say(b"and I")
        await both.other.notify()
        await until(lambda: "read_lost" in ear.events or ear.lost)
        lose(ear)
        await lost(ear, ConnectionDone)
        assert ear.received == b"and I"


async def test_half_closing_when_the_protocol_does_not_care(certificates: Any) -> None:
    async with facing(certificates) as both:
        both.ear.transport.write(b"done")
        both.ear.transport.loseWriteConnection()
        assert await both.other.hear() == b"done"
        await both.other.say(b"still read")
        await until(lambda: both.ear.received == b"still read")
        await both.other.notify()
        await lost(both.ear, ConnectionDone)


@with_each_library
async def test_an_abort_sends_nothing_more(certificates: Any, library: str) -> None:
    async with facing(certificates, library=library) as both:
        both.ear.transport.write(numbered(MEGABYTE))
        abort(both.ear)
        abort(both.ear)
        both.ear.transport.write(b"dropped")
        assert not both.ear.lost  # on a later turn
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):
            await both.other.hear(1)
        await lost(both.ear, ConnectionAborted)


@in_each_role
async def test_aborting_amid_the_handshake(certificates: Any, role: str) -> None:
    ear = Ear(made=lambda ear: ear.transport.write(b"never"))
    async with facing(certificates, ear, role=role, opened=False) as both:
        if role == "server":
            await both.other.send(b"\x16\x03")
        await turns()
        abort(ear)
        await lost(ear, ConnectionAborted)
        await both.other.ended()


# A peer that does not answer


@with_each_library
@in_each_role
async def test_a_peer_that_does_not_answer_is_not_waited_for_any_longer(
    certificates: Any, library: str, role: str
) -> None:
    async with facing(certificates, role=role, library=library, ssl_shutdown_timeout=SHORT) as both:
        lose(both.ear)
        await lost(both.ear, ConnectionDone)
        assert await both.other.hear() == b""
        await both.other.ended()


async def test_a_peer_that_does_not_take_the_alert_is_not_waited_for_either(certificates: Any) -> None:
    """It breaks TLS, and reads nothing of the much that it is sent."""
    async with facing(certificates, narrow=True, ssl_shutdown_timeout=SHORT) as both:
        both.ear.transport.write(numbered(MEGABYTE))
        await turns()
        await both.other.send(b"\x17\x03\x03\x00\x20" + b"no record of TLS" * 2)
        await lost(both.ear, ssl.SSLError)


async def test_nor_after_one_has_closed_one_s_half(certificates: Any) -> None:
    async with facing(certificates, HalfEar(), ssl_shutdown_timeout=SHORT) as both:
        both.ear.transport.loseWriteConnection()
        await until(lambda: "write_lost" in both.ear.events)
        assert await both.other.hear() == b""
        lose(both.ear)
        await lost(both.ear, ConnectionDone)


async def test_a_peer_that_goes_on_talking_is_not_listened_to_for_ever(certificates: Any) -> None:
    async with facing(certificates, ssl_shutdown_timeout=SHORT) as both:
        lose(both.ear)
        with suppress(ConnectionError):
            while not both.ear.lost:
                await both.other.say(b"and another thing")
                await asyncio.sleep(0.001)
        await lost(both.ear, ConnectionDone)
        assert both.ear.received == b""


async def test_a_slow_reader_gets_everything_however_short_the_time_to_answer(certificates: Any) -> None:
    data = numbered(MEGABYTE)
    async with facing(certificates, narrow=True, ssl_shutdown_timeout=SHORT) as both:
        both.ear.transport.write(data)
        lose(both.ear)
        await asyncio.sleep(3 * SHORT)  # long past what it has for the answer
        assert not both.ear.lost
        assert await both.other.hear() == data
        await lost(both.ear, ConnectionDone)


# By the peer's doing


@with_each_library
@in_each_role
async def test_the_peer_s_close_notify_is_a_clean_end_and_is_answered(
    certificates: Any, library: str, role: str
) -> None:
    async with facing(certificates, role=role, library=library) as both:
        await both.other.send(both.other.encrypted(b"bye") + both.other.farewell())
        await lost(both.ear, ConnectionDone)
        assert both.ear.received == b"bye"
        assert await both.other.hear() == b""
        assert await both.other.ended() == b""


@with_each_library
async def test_after_the_peer_s_close_notify_one_may_go_on_writing(certificates: Any, library: str) -> None:
    async with facing(certificates, HalfEar(), library=library) as both:
        await both.other.send(both.other.encrypted(b"go on") + both.other.farewell())
        await until(lambda: "read_lost" in both.ear.events)
        both.ear.transport.pauseProducing()
        both.ear.transport.resumeProducing()
        await turns()
        assert both.ear.events == ["made", "handshake", "data", "read_lost"]  # told once
        both.ear.transport.write(data := numbered(200_000))
        assert await both.other.hear(len(data)) == data
        await turns()
        assert not both.ear.lost
        both.ear.transport.write(b"the end")
        lose(both.ear)
        assert await both.other.hear() == b"the end"
        both.other.end()
        await lost(both.ear, ConnectionDone)


async def half_of_a_flight(other: Opposite) -> None:
    """Begin the handshake, and send the first half of what comes first."""
    with suppress(ssl.SSLWantReadError):
        other.tls.do_handshake()
    if other.tls.server_side:
        await other.feed()
        with suppress(ssl.SSLWantReadError):
            other.tls.do_handshake()
    flight = other.outgoing.read()
    await other.send(flight[: len(flight) // 2])
    await turns()


@pytest.mark.parametrize("when", ["before", "amid", "after"])
@in_each_role
async def test_the_end_of_tcp_alone_is_a_truncation(certificates: Any, when: str, role: str) -> None:
    """It may be an attacker's, who wants no more to be heard."""
    for library in LIBRARIES:
        ear = HalfEar() if library == "stdlib" else Ear()
        async with facing(certificates, ear, role=role, library=library, opened=when == "after") as both:
            if when == "amid":
                await half_of_a_flight(both.other)
            elif when == "after":
                await both.other.say(b"and the r")
            both.other.end()
            said = await lost(ear, ConnectionLost)
            assert re.search("truncat|close_notify|TLS", said), said
            assert "read_lost" not in ear.events
            assert ear.received == (b"and the r" if when == "after" else b"")


@with_each_library
async def test_a_reset_is_a_loss(certificates: Any, library: str) -> None:
    for opened in (True, False):
        async with facing(certificates, HalfEar(), library=library, opened=opened) as both:
            both.other.reset()
            await lost(both.ear, ConnectionLost)
            assert "read_lost" not in both.ear.events
