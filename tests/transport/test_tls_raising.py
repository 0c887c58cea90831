"""Protocols and producers that raise over TLS: their connection is closed for it, which is logged once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import until
from tests.transport.peers import errors, turns
from tests.transport.recorders import Listening
from tests.transport.test_tls_producers import Idle
from tests.transport.tls_pairs import Ear, HalfEar, abort, connect, facing, lose, lost, numbered
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, ConnectionLost

pytestmark = pytest.mark.without_debug


def fail(ear: Any) -> None:
    raise ZeroDivisionError("mine")


def logged_once(caplog: pytest.LogCaptureFixture) -> None:
    [record] = errors(caplog)
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("where", ["made", "handshake", "data", "read_lost", "write_lost", "lost"])
async def test_an_exception_ends_its_connection_alone(
    certificates: Any, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncioReactor() as reactor:
        ears = [HalfEar(**{where: fail}), Ear()]
        listening = Listening(build=lambda addr: ears[len(listening.protocols)])
        port = reactor.listenSSL(0, listening, certificates.server_context(), interface="127.0.0.1")
        client = Ear(handshake=lambda ear: ear.transport.write(b"x"))
        connect(reactor, port.getHost().port, client, certificates.client_context())
        if where == "write_lost":
            await until(lambda: ears[0].opened)
            ears[0].transport.loseWriteConnection()
        elif where == "read_lost":
            await until(lambda: ears[0].received)
            lose(client)
        elif where == "lost":
            await until(lambda: ears[0].received)
            abort(client)
        if where == "lost":
            await lost(ears[0], ConnectionLost)
        else:
            await lost(ears[0], ZeroDivisionError)
            assert ears[0].reason.getErrorMessage() == "mine"
        await until(lambda: client.lost)
        logged_once(caplog)
        another = Ear()
        connect(reactor, port.getHost().port, another, certificates.client_context())
        await until(lambda: another.opened and ears[1].opened)


@pytest.mark.parametrize("where", ["data", "read_lost", "lost"])
async def test_an_exception_at_what_had_waited(
    certificates: Any, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is delivered on a turn of its own, after resumeProducing."""
    ear = HalfEar(**{where: fail}) if where != "lost" else Ear(lost=fail)
    async with facing(certificates, ear) as both:
        ear.transport.pauseProducing()
        await both.other.send(both.other.encrypted(b"x") + both.other.farewell())
        await turns()
        ear.transport.resumeProducing()
        await lost(ear, ConnectionDone if where == "lost" else ZeroDivisionError)
        await both.other.ended()
        logged_once(caplog)


class Raising(Idle):
    """A producer that raises when it is told this."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def _told(self, what: str) -> None:
        self.told.append(what)
        if what == self.when and self.told.count(what) < 3:
            raise ZeroDivisionError

    def resumeProducing(self) -> None:
        self._told("resume")

    def pauseProducing(self) -> None:
        self._told("pause")

    def stopProducing(self) -> None:
        self._told("stop")


async def test_a_streaming_producer_that_raises_when_it_should_go_on(
    certificates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with facing(certificates, narrow=True) as both:
        producer = Raising("resume")
        both.ear.transport.registerProducer(producer, True)
        both.ear.transport.write(numbered(1 << 21))
        await until(lambda: producer.told == ["pause"])
        await both.other.ended()
        await lost(both.ear, ZeroDivisionError)
        logged_once(caplog)
        assert producer.told == ["pause", "resume", "stop"]


async def test_a_pull_producer_that_raises_midway(
    certificates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Idle):
        def resumeProducing(self) -> None:
            super().resumeProducing()
            if len(self.told) == 3:
                raise ZeroDivisionError
            ear.transport.write(b"x" * 1000)

    ear, producer = Ear(), Failing()
    async with facing(certificates, ear) as both:
        ear.transport.registerProducer(producer, False)
        await both.other.ended()
        await lost(ear, ZeroDivisionError)
        logged_once(caplog)
        assert producer.told == ["resume"] * 3 + ["stop"]


@pytest.mark.parametrize("how", ["abort", "close_notify", "truncated"])
async def test_a_producer_that_raises_when_it_is_stopped(
    certificates: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The protocol hears of the loss all the same."""
    async with facing(certificates) as both:
        producer = Raising("stop")
        both.ear.transport.registerProducer(producer, True)
        if how == "abort":
            abort(both.ear)
        elif how == "close_notify":
            await both.other.notify()
        else:
            both.other.end()
        await until(lambda: both.ear.lost)
        await both.other.ended()
        await turns()
        assert both.ear.events.count("lost") == 1
        assert producer.told == ["stop"]
        logged_once(caplog)
