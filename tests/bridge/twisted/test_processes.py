"""Child processes in Twisted's words: its own protocols, and what it has that stands on spawnProcess."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest
from twisted.internet import utils
from twisted.internet.endpoints import ProcessEndpoint
from twisted.internet.error import ConnectionDone, ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import (
    IConsumer,
    IProcessTransport,
    IProtocol,
    IPushProducer,
    IReactorProcess,
)
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.bridge.twisted.ecosystem.reactors import embedded, installed, logged_errors, result
from tests.support import until
from twisted_compat.bridge.twisted import TwistedReactor

pytestmark = pytest.mark.without_debug


class Notes(ProcessProtocol):
    """Keeps what it is told, by the methods that have names."""

    def __init__(self) -> None:
        self.out, self.err = b"", b""
        self.closed: list[str] = []
        self.exited: Any = None
        self.ended: Any = None

    def outReceived(self, data: bytes) -> None:
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def inConnectionLost(self) -> None:
        self.closed.append("in")

    def outConnectionLost(self) -> None:
        self.closed.append("out")

    def errConnectionLost(self) -> None:
        self.closed.append("err")

    def processExited(self, reason: Any) -> None:
        self.exited = reason

    def processEnded(self, reason: Any) -> None:
        self.ended = reason


async def test_a_protocol_of_twisteds_hears_in_its_own_words() -> None:
    async with embedded() as reactor:
        assert verifyObject(IReactorProcess, reactor)
        child = Notes()
        transport = reactor.spawnProcess(child, "/bin/sh", ["sh", "-c", "cat; echo err >&2; exit 3"])
        assert child.transport is transport
        for interface in (IProcessTransport, IConsumer, IPushProducer):
            assert verifyObject(interface, transport)
        transport.write(b"out")
        transport.closeStdin()
        reason = await until(lambda: child.ended)
        with pytest.raises(ProcessExitedAlready):
            transport.signalProcess("KILL")
    assert (child.out, child.err) == (b"out", b"err\n") and sorted(child.closed) == ["err", "in", "out"]
    assert type(reason) is Failure is type(child.exited)
    error = reason.trap(ProcessTerminated) and reason.value
    assert (error.exitCode, error.signal, error.status) == (3, None, 3 << 8)


@pytest.mark.parametrize(
    ("script", "kind", "number"),
    [("exit 0", ProcessDone, None), ("kill -9 $$", ProcessTerminated, signal.SIGKILL)],
    ids=["done", "killed"],
)
async def test_the_reasons_are_twisteds(script: str, kind: Any, number: int | None) -> None:
    async with embedded() as reactor:
        child = Notes()
        reactor.spawnProcess(child, "/bin/sh", ["sh", "-c", script])
        reason = await until(lambda: child.ended)
    assert reason.type is kind and reason.value.signal == number
    assert child.exited.type is kind


async def test_what_a_protocol_raises_is_in_twisteds_log() -> None:
    class Raising(Notes):
        def outReceived(self, data: bytes) -> None:
            raise ZeroDivisionError

    with logged_errors() as errors:
        async with TwistedReactor() as reactor:
            child = Raising()
            reactor.spawnProcess(child, "/bin/echo", ["echo", "hello"])
            assert (await until(lambda: child.ended)).type is ProcessDone
    assert len(errors) == 1 and "ZeroDivisionError" in errors[0]


async def test_what_programs_print_and_how_they_exit_is_had_by_twisteds_helpers() -> None:
    async with embedded() as reactor:
        shell = "/bin/sh"
        assert await result(utils.getProcessOutput("/bin/echo", ["hello"], reactor=reactor)) == b"hello\n"
        assert await result(utils.getProcessValue(shell, ["-c", "exit 3"], reactor=reactor)) == 3
        got = utils.getProcessOutputAndValue(
            shell, ["-c", "cat; echo err >&2; exit 4"], reactor=reactor, stdinBytes=b"in"
        )
        assert await result(got) == (b"in", b"err\n", 4)
        failing = utils.getProcessOutput(shell, ["-c", "echo err >&2"], reactor=reactor)
        with pytest.raises(OSError) as raised:
            await result(failing)
        with pytest.raises(ProcessDone):
            await result(raised.value.processEnded)


async def test_a_program_is_connected_to_as_if_it_were_a_server() -> None:
    class Asking(Protocol):
        def __init__(self) -> None:
            self.received, self.reasons = b"", []

        def connectionMade(self) -> None:
            assert verifyObject(IProtocol, self)
            self.transport.write(b"hello")

        def dataReceived(self, data: bytes) -> None:
            self.received += data
            self.transport.loseConnection()

        def connectionLost(self, reason: Any = None) -> None:
            self.reasons.append(reason.type)

    async with embedded() as reactor:
        endpoint = ProcessEndpoint(reactor, "/bin/cat")
        protocol = await result(endpoint.connect(Factory.forProtocol(Asking)))
        await until(lambda: protocol.reasons)
    assert protocol.received == b"hello"
    assert issubclass(protocol.reasons[0], (ConnectionDone, ProcessDone))


@pytest.mark.usefixtures("empty_place")
async def test_a_program_that_ends_is_started_again_by_twisteds_monitor(tmp_path: Any) -> None:
    log = tmp_path / "log"
    async with installed() as reactor:
        from twisted.runner.procmon import ProcessMonitor  # imports twisted.internet.reactor

        monitor = ProcessMonitor(reactor=reactor)
        monitor.minRestartDelay = monitor.threshold = 0
        monitor.addProcess("program", ["/bin/sh", "-c", f"echo started >>{log}; read word; exec sleep 100"])
        monitor.startService()
        for count in (1, 2, 3):
            await until(lambda count=count: log.exists() and log.read_text() == "started\n" * count)
            if count < 3:
                monitor.restartAll()
        monitor.stopService()
        await until(lambda: not monitor.protocols)


async def test_a_python_program_talks_in_lines(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text("for line in open(0): print(line.strip()[::-1], flush=True)\n")
    async with embedded() as reactor:
        child = Notes()
        transport = reactor.spawnProcess(
            child, sys.executable, [sys.executable, "-S", str(program)], env=None
        )
        transport.writeSequence([b"one\n", b"two\n"])
        await until(lambda: child.out == b"eno\nowt\n")
        transport.closeStdin()
        assert (await until(lambda: child.ended)).type is ProcessDone
