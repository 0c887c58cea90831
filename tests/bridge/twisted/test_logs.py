"""What the engine says in Twisted's log, and who is said to be speaking there."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.logger import Logger, LogLevel, formatEvent, globalLogPublisher
from twisted.python import context, log
from twisted.python.failure import Failure

from tests.bridge.twisted.ecosystem.reactors import result
from tests.support import until, within
from twisted_compat.bridge.twisted import TwistedReactor
from twisted_compat.bridge.twisted.logs import TwistedLog

pytestmark = pytest.mark.usefixtures("empty_place")

Events = list[dict[str, Any]]


@pytest.fixture
def events() -> Iterator[Events]:
    """What Twisted's log is told during the test, as its old observers see it."""
    seen: Events = []
    log.addObserver(seen.append)
    yield seen
    log.removeObserver(seen.append)


@pytest.fixture
def levelled() -> Iterator[Events]:
    """The same, as new observers see it."""
    seen: Events = []
    globalLogPublisher.addObserver(seen.append)
    yield seen
    globalLogPublisher.removeObserver(seen.append)


def texts(events: Events) -> list[str]:
    """What was said."""
    return [str(log.textFromEventDict(event)) for event in events]


def errors(events: Events) -> list[tuple[str, type[BaseException]]]:
    """What was said as an error with a Failure, and which exception that had."""
    return [(event["why"], event["failure"].type) for event in events if event["isError"]]


# The methods


def test_levels(events: Events, levelled: Events) -> None:
    spoken = TwistedLog()
    spoken.debug("a %s of %d", "debug", 1)
    spoken.info("an %s", "info")
    spoken.warning("a {warning} of 100%%, %r", "{x}")
    spoken.error("an %s without an exception: {}", "error")
    assert texts(events) == [formatEvent(event) for event in levelled]
    assert [event["isError"] for event in events] == [0, 0, 0, 1]
    assert [(event["log_level"], formatEvent(event)) for event in levelled] == [
        (LogLevel.debug, "a debug of 1"),
        (LogLevel.info, "an info"),
        (LogLevel.warn, "a {warning} of 100%, '{x}'"),
        (LogLevel.error, "an error without an exception: {}"),
    ]
    assert {levelled[index]["log_namespace"] for index in (0, 2, 3)} == {"twisted_compat"}
    assert "log_failure" not in levelled[3]


@pytest.mark.parametrize("way", ["raised", "given", "triple", "exception"])
def test_an_error_has_its_failure_and_its_traceback(events: Events, levelled: Events, way: str) -> None:
    def raise_one() -> None:
        raise KeyError("{100%}")

    spoken = TwistedLog()
    try:
        raise_one()
    except KeyError as error:
        if way == "exception":
            spoken.exception("a %s", "{message}")
        else:
            triple = (KeyError, error, error.__traceback__)
            given = {"raised": True, "given": error, "triple": triple}[way]
            spoken.error("a %s", "{message}", exc_info=given)
    (event,) = events
    assert errors(events) == [("a {message}", KeyError)]
    assert type(event["failure"]) is Failure
    assert "raise_one" in event["failure"].getTraceback()
    assert texts(events)[0].startswith("a {message}\nTraceback")
    assert "a {message}" in formatEvent(levelled[0])
    (event,) = levelled
    assert event["log_level"] is LogLevel.critical
    assert event["log_failure"].check(KeyError)


def test_an_exception_that_was_never_raised_has_no_traceback(events: Events) -> None:
    TwistedLog().error("told", exc_info=ValueError("v"))
    assert errors(events) == [("told", ValueError)]
    assert events[0]["failure"].getTracebackObject() is None


# What the engine says


class Raising(Protocol):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def _perhaps(self, here: str) -> None:
        if here == self.where:
            raise KeyError(here)

    def connectionMade(self) -> None:
        self._perhaps("connectionMade")

    def dataReceived(self, data: bytes) -> None:
        self._perhaps("dataReceived")

    def connectionLost(self, reason: Any = None) -> None:
        self._perhaps("connectionLost")


@asynccontextmanager
async def connected(port: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of asyncio's."""
    reading, writing = await within(asyncio.open_connection("127.0.0.1", port.getHost().port))
    try:
        yield reading, writing
    finally:
        writing.close()
        with suppress(OSError):
            await within(writing.wait_closed())


async def converse(reactor: Any, factory: Any) -> None:
    """Connect to a new port, send, and wait until the other side closes."""
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    async with connected(port) as (reading, writing):
        writing.write(b"data")
        with suppress(OSError):
            writing.write_eof()
            await within(reading.read())
    await result(port.stopListening())


@pytest.mark.parametrize("where", ["connectionMade", "dataReceived", "connectionLost"])
async def test_what_a_protocol_raises_is_told_once(
    events: Events, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    factory = Factory.forProtocol(lambda: Raising(where))  # type: ignore[arg-type]
    async with TwistedReactor() as reactor:
        await converse(reactor, factory)
        await until(lambda: errors(events))
    ((why, kind),) = errors(events)
    assert kind is KeyError
    assert where in why or "Raising" in why or "connect" in why
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_what_calls_raise_is_told_once(events: Events, caplog: pytest.LogCaptureFixture) -> None:
    def late() -> None:
        raise ValueError("late")

    def from_thread() -> None:
        raise TypeError("from a thread")

    def in_thread() -> None:
        raise KeyError("in a thread")

    async with TwistedReactor() as reactor:
        reactor.callLater(0, late)
        reactor.callFromThread(from_thread)
        reactor.callInThread(in_thread)
        await until(lambda: len(errors(events)) >= 3)
    assert sorted(kind.__name__ for _, kind in errors(events)) == ["KeyError", "TypeError", "ValueError"]
    told = "\n".join(texts(events))
    assert told.count("in late\n") == told.count("in from_thread\n") == told.count("in in_thread\n") == 1
    assert not caplog.records


async def test_a_clean_life_is_told_without_an_error(events: Events) -> None:
    factory = Factory.forProtocol(Protocol)
    async with TwistedReactor() as reactor:
        await converse(reactor, factory)
    assert not errors(events)
    said = " ".join(texts(events))
    assert "starting on" in said
    assert "Closed" in said


# Who is speaking


class Speaking(Protocol):
    """Says where it is, there and by all that it sets off."""

    def __init__(self, done: Deferred[None]) -> None:
        self.done = done

    def connectionMade(self) -> None:
        log.msg("made")

    def dataReceived(self, data: bytes) -> None:
        log.msg("received")
        log.callWithContext({"system": "mine"}, log.msg, "in a context of mine")
        log.callWithContext({"note": 1}, log.msg, "in one without a system")
        log.callWithContext({"system": "mine"}, log.callWithContext, {"note": 2}, log.msg, "in two contexts")
        log.msg("said by another", system="another")
        there: Any = context.get(log.ILogContext)
        log.msg(f"{there['system']} is {there.get('system')}")
        assert self.transport is not None
        reactor = self.transport.reactor
        reactor.callLater(0, log.msg, "later")
        reactor.callFromThread(log.msg, "on a later turn")
        asyncio.get_running_loop().call_soon(log.msg, "by the loop")
        Logger("own").info("by a logger")
        deferToThread(log.msg, "in a thread").chainDeferred(self.done)

    def connectionLost(self, reason: Any = None) -> None:
        log.msg("lost")


def speakers(events: Events) -> dict[str, str]:
    """Who said what."""
    return {text: event["system"] for text, event in zip(texts(events), events, strict=True)}


async def test_who_is_speaking_on_a_connection(events: Events) -> None:
    done: Deferred[None] = Deferred()

    class Speakers(Factory):
        def buildProtocol(self, addr: Any) -> Any:
            return Speaking(done)

    log.msg("before")
    async with TwistedReactor() as reactor:
        await converse(reactor, Speakers())
        await result(done)
    log.msg("after")
    said = speakers(events)
    speaking = "Speaking,0,127.0.0.1"
    assert {said[text] for text in ("before", "after", "later", "on a later turn", "by the loop")} == {"-"}
    assert said["received"] == said["lost"] == said["in one without a system"] == speaking
    assert said["in a thread"] == said[f"{speaking} is {speaking}"] == speaking
    assert said["in a context of mine"] == said["in two contexts"] == "mine"
    assert said["said by another"] == "another"
    assert said["made"].endswith("Speakers")  # the port's: it is being served then
    assert said["by a logger"] == "-"


async def test_who_is_speaking_on_a_client(events: Events) -> None:
    done: Deferred[None] = Deferred()

    class Dialing(ClientFactory):
        noisy = False

        def buildProtocol(self, addr: Any) -> Any:
            return Speaking(done)

    async def answer(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        writing.write(b"hello")
        await writing.drain()
        await reading.read()
        writing.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with TwistedReactor() as reactor:
        connector = reactor.connectTCP("127.0.0.1", server.sockets[0].getsockname()[1], Dialing())
        await result(done)
        connector.disconnect()
        await until(lambda: "lost" in speakers(events))
    server.close()
    await within(server.wait_closed())
    said = speakers(events)
    assert said["received"] == said["lost"] == said["in a thread"] == "Speaking,client"


class Stranger:
    """A descriptor of somebody else, with a prefix of its own."""

    connected = True

    def __init__(self, reading: Any, prefix: Any) -> None:
        self.reading = reading
        self.prefix = prefix
        self.read = False

    def fileno(self) -> int:
        number: int = self.reading.fileno()
        return number

    def logPrefix(self) -> str:
        if isinstance(self.prefix, Exception):
            raise self.prefix
        prefix: str = self.prefix
        return prefix

    def doRead(self) -> None:
        self.reading.recv(100)
        self.read = True
        log.msg("read")

    def connectionLost(self, reason: Any) -> None:
        log.msg("lost")


@pytest.mark.parametrize(
    ("prefix", "system"),
    [("stranger", "stranger"), (KeyError("no prefix"), "(buggy logPrefix method)")],
    ids=["good", "raising"],
)
async def test_who_is_speaking_for_a_stranger(events: Events, prefix: Any, system: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stranger = Stranger(ours, prefix)
        async with TwistedReactor() as reactor:
            reactor.addReader(stranger)
            theirs.send(b"x")
            await until(lambda: stranger.read)
            reactor.removeReader(stranger)
    assert speakers(events)["read"] == system


def test_the_log_context_outside_of_any_reactor() -> None:
    there: Any = context.get(log.ILogContext)
    assert there["system"] == there.get("system") == there.copy()["system"] == "-"
    assert there.get("nothing") is None
    assert there.get("nothing", 1) == 1
    with pytest.raises(KeyError):
        there["nothing"]
    assert log.callWithContext({"system": "x"}, lambda: context.get(log.ILogContext)["system"]) == "x"


async def test_threads_of_several_speakers_are_told_apart(events: Events) -> None:
    """Two connections wait in threads at the same time; each says whose it is."""
    both = threading.Barrier(2)
    done: list[Any] = []

    class Waiting(Protocol):
        def dataReceived(self, data: bytes) -> None:
            def wait() -> None:
                both.wait(5)
                log.msg(f"waited for {data!r}")

            done.append(deferToThread(wait))

    async with TwistedReactor() as reactor, AsyncExitStack() as stack:
        port = reactor.listenTCP(0, Factory.forProtocol(Waiting), interface="127.0.0.1")
        for number in (0, 1):
            _, writing = await stack.enter_async_context(connected(port))
            writing.write(b"%d" % number)
            await until(lambda count=number: len(done) > count)
        for deferred in done:
            await result(deferred)
    said = speakers(events)
    assert said["waited for b'0'"] == "Waiting,0,127.0.0.1"
    assert said["waited for b'1'"] == "Waiting,1,127.0.0.1"
