"""A program as the other end of a connection."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.endpoints.processes import lost, shell, started
from tests.support import until, within
from tests.transport.children import attached, both_kinds, children, exited_with, how, killed_by
from tests.transport.peers import turns
from tests.transport.recorders import Connecting, Recorder, errors_logged
from tests.transport.streams import Producer
from tests.transport.unix_sockets import Halves, fired, in_both_words
from twisted_compat.endpoints import ProcessEndpoint, StandardErrorBehavior, connectProtocol
from twisted_compat.error import ConnectionDone
from twisted_compat.interfaces import IProcessTransport, IStreamClientEndpoint
from twisted_compat.transport.process_pipes import PipeAddress

pytestmark = pytest.mark.without_debug

BIG = bytes(range(256)) * (1 << 12)  # 1 MiB: far more than any pipe takes


# A conversation


@both_kinds
async def test_a_program_answers_what_it_is_told(kind: str) -> None:
    async with attached(kind) as reactor:
        factory = Connecting()
        endpoint = ProcessEndpoint(reactor, "/bin/cat", ["cat"])
        assert verifyObject(in_both_words("IStreamClientEndpoint")[0], endpoint)
        protocol = await fired(endpoint.connect(factory))
        [address] = factory.addresses
        assert verifyObject(in_both_words("IAddress")[kind == "twisted"], address)
        protocol.transport.write(b"hello ")
        protocol.transport.writeSequence([b"you", b" there"])
        await until(lambda: protocol.received == b"hello you there")
        protocol.transport.loseConnection()
        assert (await lost(protocol)).check(reactor.vocabulary.error.ConnectionDone)
        with pytest.raises(reactor.vocabulary.error.ProcessExitedAlready):
            protocol.transport.signalProcess("TERM")


async def test_the_transport_is_the_process() -> None:
    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat")
        transport = protocol.transport
        assert verifyObject(IProcessTransport, transport)
        assert transport.pid in children()
        assert transport.getHost() == transport.getPeer() == PipeAddress()
        transport.loseConnection()
        await lost(protocol)


async def test_every_connection_is_a_process_of_its_own() -> None:
    async with attached() as reactor:
        endpoint = ProcessEndpoint(reactor, "/bin/cat", ["cat"])
        assert verifyObject(IStreamClientEndpoint, endpoint)
        protocols = [await within(endpoint.connect(Connecting())) for _ in range(2)]
        assert len({protocol.transport.pid for protocol in protocols}) == 2
        protocols[0].transport.write(b"first")
        await until(lambda: protocols[0].received == b"first")
        for protocol in protocols:
            protocol.transport.loseConnection()
            await lost(protocol)
        assert protocols[1].received == b""


async def test_what_it_says_before_its_end_is_all_received_before_that_is_told() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "head -c 1000000 /dev/zero")
        seen: list[int] = []
        protocol.on_lost = lambda protocol: seen.append(len(protocol.received))
        assert (await lost(protocol)).check(ConnectionDone)
        assert seen == [1_000_000]


async def test_a_protocol_may_be_connected_without_a_factory() -> None:
    async with attached() as reactor:
        protocol = Recorder()
        endpoint = ProcessEndpoint(reactor, "/bin/cat")
        assert await within(connectProtocol(endpoint, protocol)) is protocol
        protocol.transport.loseConnection()
        await lost(protocol)


async def test_what_the_protocol_writes_as_it_is_made_arrives() -> None:
    class Greeting(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.write(b"hello")
            self.transport.closeStdin()

    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat", protocol=Greeting)
        assert (await lost(protocol)).check(ConnectionDone)
        assert protocol.received == b"hello"


async def test_a_protocol_may_part_as_it_is_made() -> None:
    class Leaving(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.loseConnection()

    async with attached() as reactor:
        assert (await lost(await started(reactor, "/bin/cat", protocol=Leaving))).check(ConnectionDone)


# How it ends


@both_kinds
async def test_how_it_ends_is_why_the_connection_is_lost(kind: str) -> None:
    async with attached(kind) as reactor:
        error = reactor.vocabulary.error
        protocols = [await shell(reactor, script) for script in ("exit 0", "exit 3", "kill -USR1 $$")]
        done, exited, killed = [await lost(protocol) for protocol in protocols]
        assert type(done.value) is error.ConnectionDone
        assert exited.check(error.ProcessTerminated) and how(exited) == exited_with(3)
        assert killed.check(error.ProcessTerminated) and how(killed) == killed_by(signal.SIGUSR1)


@pytest.mark.parametrize("name", ["KILL", "TERM", signal.SIGINT], ids=str)
async def test_it_may_be_sent_signals(name: Any) -> None:
    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat")
        protocol.transport.signalProcess(name)
        number = name if isinstance(name, int) else getattr(signal, f"SIG{name}")
        assert how(await lost(protocol)) == killed_by(number)


async def test_stopping_the_reactor_leaves_nothing_of_it_here() -> None:
    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat")
    assert len(protocol.reasons) == 1


# One half of it


async def test_its_input_ends_and_it_goes_on_talking() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "cat; echo done; read word || echo no more", protocol=Halves)
        protocol.transport.write(b"hello\n")
        protocol.transport.closeStdin()
        assert (await lost(protocol)).check(ConnectionDone)
        assert protocol.received == b"hello\ndone\nno more\n"
        assert sorted(protocol.halves) == ["read", "write"]


async def test_it_closes_its_output_and_goes_on_listening(tmp_path: Path) -> None:
    async with attached() as reactor:
        script = 'echo ready; exec >&-; read word; echo "$word" >"$FILE"; exit 4'
        protocol = await shell(reactor, script, protocol=Halves, env={"FILE": str(tmp_path / "file")})
        await until(lambda: protocol.halves)
        assert protocol.received == b"ready\n"
        assert protocol.halves == ["read"] and not protocol.reasons
        protocol.transport.write(b"word\n")
        assert how(await lost(protocol)) == exited_with(4)
        assert (tmp_path / "file").read_text() == "word\n"


async def test_it_closes_its_input_and_goes_on_talking(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    async with attached() as reactor:
        script = f"exec <&-; echo ready; read word <{fifo}; echo $word; exit 4"
        protocol = await shell(reactor, script, protocol=Halves)
        await until(lambda: protocol.halves and protocol.received == b"ready\n")
        assert protocol.halves == ["write"] and not protocol.reasons
        protocol.transport.write(b"dropped")
        fifo.write_text("word\n")
        assert how(await lost(protocol)) == exited_with(4)
        assert protocol.received == b"ready\nword\n"


async def test_the_connection_is_lost_when_the_program_ends_and_not_before(tmp_path: Path) -> None:
    """A protocol that knows nothing of halves hears nothing of them."""
    async with attached() as reactor:
        protocol = await shell(
            reactor, 'exec >&- 2>&-; : >"$FILE"; read word; exit 4', env={"FILE": str(tmp_path / "file")}
        )
        await until((tmp_path / "file").exists)
        await turns()
        assert not protocol.reasons
        protocol.transport.closeStdin()
        assert how(await lost(protocol)) == exited_with(4)


async def test_a_protocol_that_raises_when_told_of_a_half_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Raising(Halves):
        def readConnectionLost(self) -> None:
            super().readConnectionLost()
            raise ValueError("on purpose")

    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat", protocol=Raising)
        protocol.transport.closeStdin()
        await lost(protocol)
        assert protocol.halves.count("read") == 1
        assert len(errors_logged(caplog)) == 1


# Standard error


def said(caplog: pytest.LogCaptureFixture, text: str) -> list[Any]:
    return [record for record in caplog.records if text in record.getMessage()]


async def test_what_it_complains_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with attached() as reactor:
        protocol = await shell(reactor, "echo alas >&2; echo fine; read word; echo again >&2")
        await until(lambda: said(caplog, "alas"))
        [record] = said(caplog, "alas")
        assert "/bin/sh" in record.getMessage()
        protocol.transport.closeStdin()
        await lost(protocol)
        assert protocol.received == b"fine\n"
        assert len(said(caplog, "again")) == 1


async def test_what_it_complains_of_may_be_dropped_instead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with attached() as reactor:
        script = "head -c 300000 /dev/zero | tr '\\0' a >&2; echo fine"  # more than a pipe takes
        protocol = await shell(reactor, script, errFlag=StandardErrorBehavior.DROP)
        assert (await lost(protocol)).check(ConnectionDone)
        assert protocol.received == b"fine\n"
        assert not said(caplog, "aaa")


@both_kinds
async def test_complaints_that_are_no_text_are_logged_too(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with attached(kind) as reactor:
        protocol = await shell(
            reactor, r"printf '\377\000%%s{x}%%(y)s' >&2", errFlag=StandardErrorBehavior.LOG
        )
        assert (await lost(protocol)).check(reactor.vocabulary.error.ConnectionDone)
    if kind == "native":
        assert len(said(caplog, "%s{x}%(y)s")) == 1
    assert not errors_logged(caplog)


def test_there_are_two_things_to_do_with_complaints() -> None:
    assert StandardErrorBehavior.LOG is not StandardErrorBehavior.DROP
    assert StandardErrorBehavior.LOG != StandardErrorBehavior.DROP


# Flow


async def test_a_producer_waits_for_the_program_and_no_byte_is_lost() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "read go <&3; wc -c", childFDs={0: "w", 1: "r", 3: "w"})
        transport = protocol.transport
        producer = Producer(transport)
        transport.registerProducer(producer, True)
        transport.write(BIG)
        await until(lambda: "pause" in producer.told)
        transport.writeToChild(3, b"go\n")
        await until(lambda: producer.told == ["pause", "resume"])
        transport.unregisterProducer()
        transport.closeStdin()
        await lost(protocol)
        assert protocol.received.strip() == b"%d" % len(BIG)


async def test_a_producer_may_be_asked_for_each_piece() -> None:
    async with attached() as reactor:
        protocol = await started(reactor, "/bin/cat")
        producer = Producer(protocol.transport, b"piece")
        protocol.transport.registerProducer(producer, False)
        await until(lambda: len(protocol.received) >= 25)
        protocol.transport.unregisterProducer()
        protocol.transport.closeStdin()
        await lost(protocol)
        assert protocol.received == b"piece" * producer.told.count("resume")


async def test_nothing_is_received_while_it_is_paused() -> None:
    async with attached() as reactor:
        protocol = await shell(reactor, "echo one; read word; echo two; read word")
        await until(lambda: protocol.received == b"one\n")
        protocol.transport.pauseProducing()
        protocol.transport.write(b"go\n")
        await asyncio.sleep(0.02)
        assert protocol.received == b"one\n"
        protocol.transport.resumeProducing()
        await until(lambda: protocol.received == b"one\ntwo\n")
        protocol.transport.stopProducing()
        await lost(protocol)
