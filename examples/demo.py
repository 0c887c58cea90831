"""The main job, start to end: a Twisted-style Redis server and client inside an asyncio application.

``python examples/demo.py [--loop uvloop|asyncio] [--requests N]``

The application owns its loop. It attaches a reactor, serves ``resp_server.py`` with it, and lets four clients
talk to that: ``redis.asyncio`` as a task of the same loop, a Twisted-style ``ClientFactory`` on the same
reactor, and Debian's ``redis-cli`` and ``redis-benchmark`` as processes. Every answer is compared with what
it has to be. It exits with 0 when all was right and with 1, saying what was not, otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from importlib.metadata import version
from typing import Any

from resp_server import RespFactory
from twisted_compat import AsyncioReactor, reactor
from twisted_compat.protocol import ClientFactory
from twisted_compat.protocols.basic import LineReceiver

REQUIRE_PEERS = os.environ.get("TWISTED_COMPAT_REQUIRE_PEERS", "") not in ("", "0")
COMMAND_DEADLINE = 30.0  # seconds, for anything that should take milliseconds
BENCHMARK_DEADLINE = 300.0  # seconds
PROGRESS_EVERY = 1.0  # seconds between progress lines


class DemoFailed(Exception):
    """Something did not come out as it has to; the text says what."""


def say(text: str = "") -> None:
    print(text, flush=True)


def check(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise DemoFailed(f"{what}: expected {expected!r}, got {got!r}")
    say(f"  ok    {what} -> {got!r}")


def missing(what: str, remedy: str) -> None:
    if REQUIRE_PEERS:
        raise DemoFailed(f"{what} is required here and not installed. Write: {remedy}")
    say(f"  skip  {what} is not installed. To see this part, write: {remedy}")


# 1. An asyncio client, in the same loop


async def asyncio_client(port: int) -> None:
    try:
        import redis.asyncio
    except ImportError:
        return missing("the redis package", "pip install redis")
    async with redis.asyncio.Redis(host="127.0.0.1", port=port, decode_responses=True) as client:
        check("PING", await client.ping(), True)
        check("SET greeting", await client.set("greeting", "hello from asyncio"), True)
        check("GET greeting", await client.get("greeting"), "hello from asyncio")
        check("SET token, to live for a minute", await client.set("token", "t", ex=60), True)
        check("TTL token is within that minute", 0 < await client.ttl("token") <= 60, True)
        async with client.pipeline(transaction=False) as pipeline:
            for _ in range(1000):
                pipeline.incr("counter")
            check("1,000 INCR in one pipeline, the last", (await pipeline.execute())[-1], 1000)
        value = os.urandom(1 << 20).hex()
        await client.set("large", value)
        check("2 MiB there and back, unchanged", await client.get("large") == value, True)
        try:
            await client.execute_command("NONSENSE")  # type: ignore[no-untyped-call]  # in redis
        except redis.asyncio.ResponseError as problem:
            say(f"  ok    an unknown command is refused -> {problem}")
        else:
            raise DemoFailed("the server accepted an unknown command")
        # Fifty at once: each gather'ed call has a connection of its own.
        values = await asyncio.gather(*(client.get("greeting") for _ in range(50)))
        check("50 connections at once, distinct answers", set(values), {"hello from asyncio"})
    return None


# 2. A Twisted-style client, in the same loop


class AskProtocol(LineReceiver):
    """Sends inline commands and collects the answers, one line (or one bulk string) each."""

    factory: AskFactory

    def connectionMade(self) -> None:
        self.transport.write(b"".join(command + b"\r\n" for command in self.factory.commands))

    def lineReceived(self, line: bytes) -> None:
        if line[:1] == b"$":
            return
        self.factory.answers.append(line)
        if len(self.factory.answers) == len(self.factory.commands):
            self.transport.loseConnection()


class AskFactory(ClientFactory):
    protocol = AskProtocol

    def __init__(self, commands: list[bytes], finished: Callable[[str], None]) -> None:
        self.commands = commands
        self.finished = finished
        self.answers: list[bytes] = []

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.finished(f"could not connect: {reason.getErrorMessage()}")

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self.finished(reason.type.__name__)


async def twisted_client(port: int) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    factory = AskFactory([b"PING", b"GET greeting", b"INCR counter"], ended.set_result)
    reactor.connectTCP("127.0.0.1", port, factory)
    outcome = await asyncio.wait_for(ended, COMMAND_DEADLINE)
    check("PING, GET greeting, INCR counter", factory.answers, [b"+PONG", b"hello from asyncio", b":1001"])
    check("clientConnectionLost was told why", outcome, "ConnectionDone")


# 3. redis-cli and 4. redis-benchmark: processes that know nothing of us


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), COMMAND_DEADLINE)
    finally:
        await end(process)
    if process.returncode:
        raise DemoFailed(f"{' '.join(command)} exited with {process.returncode}: {output.decode()}")
    return output.decode().strip()


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def redis_cli(port: int) -> None:
    if not shutil.which("redis-cli"):
        return missing("redis-cli", "apt-get install redis-tools")
    for command, expected in [
        ("PING", "PONG"),
        ("GET greeting", "hello from asyncio"),
        ("RPUSH list one two three", "3"),
        ("LRANGE list 0 -1", "one\ntwo\nthree"),
        ("MSET a 1 b 2", "OK"),
        ("MGET a b nothing", "1\n2\n"),
        ("DEL a b list", "3"),
        ("INCR greeting", "ERR value is not an integer or out of range"),
        ("PING still-there", "still-there"),
    ]:
        answer = await output_of("redis-cli", "-p", str(port), *command.split())
        check(f"redis-cli {command}", answer, expected.strip())
    return None


async def redis_benchmark(port: int, requests: int) -> None:
    if not shutil.which("redis-benchmark"):
        return missing("redis-benchmark", "apt-get install redis-tools")
    options = ["-t", "ping,set,get", "-c", "50", "-n", str(requests), "-q"]
    say(f"        redis-benchmark {' '.join(options)}")
    process = await asyncio.create_subprocess_exec(
        "redis-benchmark",
        *("-h", "127.0.0.1", "-p", str(port)),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        results = await asyncio.wait_for(follow_benchmark(process), BENCHMARK_DEADLINE)
        await asyncio.wait_for(process.wait(), COMMAND_DEADLINE)
    finally:
        await end(process)
    if process.returncode:
        raise DemoFailed(f"redis-benchmark exited with {process.returncode}")
    check("tests with a result", results, ["PING_INLINE", "PING_MBULK", "SET", "GET"])
    return None


async def follow_benchmark(process: asyncio.subprocess.Process) -> list[str]:
    """Show what redis-benchmark prints, with fewer progress updates; return the names of finished tests."""
    finished: list[str] = []
    shown = time.monotonic()
    async for line in lines_of(process):
        if result := re.match(r"(\w+): ([\d.]+) requests per second(.*)", line):
            finished.append(result[1])
            say(f"  ok    {result[1]}: {float(result[2]):,.0f} requests/s{result[3]}")
            shown = time.monotonic()
        elif progress := re.match(r"(\w+): rps=([\d.]+)", line):
            if time.monotonic() - shown >= PROGRESS_EVERY:
                say(f"  ...   {progress[1]}: {float(progress[2]):,.0f} requests/s so far")
                shown = time.monotonic()
        elif line.strip():
            raise DemoFailed(f"redis-benchmark says: {line.strip()}")
    return finished


async def lines_of(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """Its output cut at line ends and at carriage returns, which progress displays use."""
    assert process.stdout is not None
    rest = ""
    while data := await process.stdout.read(4096):
        *lines, rest = re.split(r"[\r\n]", rest + data.decode())
        for line in lines:
            yield line
    if rest:
        yield rest


# The application


async def application(requests: int) -> None:
    async with AsyncioReactor():
        port = reactor.listenTCP(0, RespFactory(), interface="127.0.0.1")
        number = port.getHost().port
        say(f"A Twisted-style Redis server listens on 127.0.0.1:{number}, inside this asyncio application.")
        beats: list[float] = []
        heartbeat = asyncio.create_task(beat(beats))
        parts: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("redis.asyncio, a task of the same loop", lambda: asyncio_client(number)),
            ("A Twisted-style ClientFactory, on the same reactor", lambda: twisted_client(number)),
            ("redis-cli, another process", lambda: redis_cli(number)),
            ("redis-benchmark, another process, 50 connections", lambda: redis_benchmark(number, requests)),
        ]
        try:
            for index, (title, part) in enumerate(parts, 1):
                say(f"\n{index}. {title}")
                await part()
        finally:
            heartbeat.cancel()
    say("\n5. After the reactor has gone")
    check("the application's own task went on meanwhile", len(beats) > 1, True)
    with socket.socket() as probe:
        check("the port is closed again", probe.connect_ex(("127.0.0.1", number)) != 0, True)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    check("tasks left behind in the application's loop", len(left), 0)


async def beat(beats: list[float]) -> None:
    """The application's own business, which goes on while the server serves."""
    while True:
        beats.append(time.monotonic())
        await asyncio.sleep(0.01)


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """The loop asked for; where uvloop is not installed the standard library's, saying so."""
    if name == "uvloop":
        try:
            import uvloop
        except ImportError:
            missing("uvloop", "pip install uvloop")
            say("        Going on with the standard library's loop instead.")
        else:
            say(f"The application runs on uvloop {version('uvloop')}, Python {sys.version.split()[0]}.")
            return uvloop.new_event_loop()
    say(f"The application runs on the standard library's asyncio, Python {sys.version.split()[0]}.")
    return asyncio.new_event_loop()


def main() -> int:
    parser = argparse.ArgumentParser(description="A Twisted-style Redis server inside asyncio.")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--requests", type=int, default=20_000, help="of each kind, for redis-benchmark")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        run(new_loop(options.loop), application(options.requests))
    except DemoFailed as problem:
        say(f"  FAIL  {problem}")
    except (OSError, asyncio.TimeoutError) as problem:
        say(f"  FAIL  {type(problem).__name__}: {problem or 'not done within its deadline'}")
    else:
        say(f"\nAll of it as it should be, in {time.monotonic() - started:.1f} s.\n")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
