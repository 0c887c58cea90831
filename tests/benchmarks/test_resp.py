"""The demo's Redis server as something to measure: with anybody's modules, on asyncio's transports, under
redis-benchmark."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

import twisted_compat
from benchmarks.clients.redis import PROGRAM, rates
from benchmarks.model import BenchmarkError
from benchmarks.peers import PEERS
from benchmarks.processes import client, serving
from benchmarks.scenarios.resp import SCENARIO
from benchmarks.servers.resp import Answers, source
from benchmarks.servers.resp_asyncio import Null, Resp, null_stream, resp_stream
from tests.support import skip_without, until, within
from twisted_compat.protocols import basic

SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"
GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

Serve = Callable[[], Awaitable[asyncio.AbstractServer]]


@pytest.fixture
def redis_benchmark() -> None:
    if shutil.which(PROGRAM) is None:
        skip_without(PROGRAM, "apt-get install redis-tools")


# What is served


@pytest.mark.parametrize("size", range(1, len(SET) + 1))
def test_one_answer_for_each_request_however_it_arrives(size: int) -> None:
    answers, stream = Answers(), SET * 3
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert b"".join(map(answers.to, chunks)) == b"+OK\r\n" * 3


def test_the_source_is_this_packages_unless_told_otherwise() -> None:
    assert issubclass(source().RespProtocol, basic.LineReceiver)


def test_the_source_with_others_modules() -> None:
    line_receiver = type("LineReceiver", (), {})
    before = dict(sys.modules)
    made = source(
        internet=SimpleNamespace(reactor="theirs"),
        protocol=SimpleNamespace(ServerFactory=object),
        basic=SimpleNamespace(LineReceiver=line_receiver),
    )
    assert issubclass(made.RespProtocol, line_receiver)
    assert made.reactor == "theirs"
    assert sys.modules["twisted_compat"] is twisted_compat
    assert {name for name in sys.modules if name not in before} == set()


def test_a_module_that_was_not_imported_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "twisted_compat.protocols.basic")
    source(basic=basic)
    assert "twisted_compat.protocols.basic" not in sys.modules


# On asyncio's transports


def protocol(made: Callable[[], asyncio.Protocol]) -> Serve:
    async def serve() -> asyncio.AbstractServer:
        return await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)

    return serve


def stream(handler: Callable[..., Awaitable[None]]) -> Serve:
    async def serve() -> asyncio.AbstractServer:
        return await asyncio.start_server(handler, "127.0.0.1", 0)

    return serve


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        await within(writer.wait_closed())
        server.close()
        await within(server.wait_closed())


@pytest.mark.parametrize("serve", [protocol(Resp), stream(resp_stream)], ids=["protocol", "streams"])
async def test_it_answers_and_hangs_up(serve: Serve) -> None:
    async with connected(serve) as (reader, writer):
        writer.write((SET + GET) * 3)
        expected = b"+OK\r\n$5\r\nvalue\r\n" * 3
        assert await within(reader.readexactly(len(expected))) == expected
        writer.write(b"QUIT\r\n")
        assert await within(reader.read()) == b"+OK\r\n"


@pytest.mark.parametrize("serve", [protocol(Null), stream(null_stream)], ids=["protocol", "streams"])
async def test_the_one_that_only_answers(serve: Serve) -> None:
    async with connected(serve) as (reader, writer):
        writer.write(SET * 20)
        assert await within(reader.readexactly(100)) == b"+OK\r\n" * 20


async def test_who_does_not_read_is_not_read_from() -> None:
    made: list[Any] = []

    def make() -> Resp:
        made.append(Resp())
        return made[0]

    async with connected(protocol(make)) as (reader, writer):
        big = b"x" * 2**20
        writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (len(big), big) + GET * 20)
        await until(lambda: made and made[0]._protocol.paused)
        expected = b"+OK\r\n" + (b"$%d\r\n%b\r\n" % (len(big), big)) * 20
        assert await within(reader.readexactly(len(expected))) == expected
        await until(lambda: not made[0]._protocol.paused)


# Under redis-benchmark


def test_what_it_prints_is_understood() -> None:
    printed = '"test","rps","avg_latency_ms"\n"SET","1000.50","0.1"\n"GET","2000.00","0.1"\n'
    assert rates(printed) == {"set": 1000.5, "get": 2000.0}
    with pytest.raises(BenchmarkError, match="printed: Could not connect"):
        rates("Could not connect\n")


@pytest.mark.usefixtures("redis_benchmark")
@pytest.mark.parametrize("name", ["resp-16", "resp-null-16"])
def test_it_is_measured(name: str) -> None:
    case = next(case for case in SCENARIO.cases if case.name == name)
    sample = case.measure(PEERS["ours-asyncio"], 0.01)
    assert sample.value > 0
    assert sample.work >= 3000
    assert sample.value == pytest.approx(sample.work / sample.wall)
    assert sample.client_cpu is not None and sample.client_cpu > 0


@pytest.mark.usefixtures("redis_benchmark")
def test_replies_that_are_none_are_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serving(PEERS["protocol-asyncio"], "greet", 1) as server,
        pytest.raises(BenchmarkError, match="client redis failed"),
    ):
        client("redis", server, 0.01)
    assert "redis-benchmark failed" in capfd.readouterr().err


def test_without_the_program_there_is_no_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert SCENARIO.missing() == PROGRAM
