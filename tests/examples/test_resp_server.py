"""The Redis-protocol example over real sockets: its answers, however the bytes arrive, and its refusals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resp_server import COMMANDS, MAX_BULK, RespFactory, RespProtocol
from tests.support import DEADLINE, until, within
from twisted_compat import AsyncioReactor

pytestmark = pytest.mark.without_debug

SERVER = Path(__file__).parents[2] / "examples" / "resp_server.py"


def request(*arguments: bytes) -> bytes:
    counted = b"".join(b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments)
    return b"*%d\r\n%b" % (len(arguments), counted)


class Client:
    """A peer on plain asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def expect(self, reply: bytes) -> None:
        got = await within(self.reader.readexactly(len(reply)))
        assert got == reply

    async def ask(self, *arguments: bytes) -> bytes:
        """One request; its reply, which has to be a single line."""
        self.send(request(*arguments))
        return (await within(self.reader.readline())).removesuffix(b"\r\n")

    async def rest(self) -> bytes:
        return await within(self.reader.read())


@asynccontextmanager
async def serving(factory: Any = None) -> AsyncIterator[tuple[Any, Any]]:
    """A server's factory; and a function that connects a client to it."""
    clients: list[Client] = []
    async with AsyncioReactor() as reactor:
        factory = factory or RespFactory()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")

        async def connect() -> Client:
            client = Client(*await within(asyncio.open_connection("127.0.0.1", port.getHost().port)))
            clients.append(client)
            return client

        try:
            yield factory, connect
        finally:
            for client in clients:
                client.writer.close()


CONVERSATION: list[tuple[tuple[bytes, ...], bytes]] = [
    ((b"PING",), b"+PONG\r\n"),
    ((b"ping", b"hi"), b"$2\r\nhi\r\n"),
    ((b"ECHO", b"\r\n\x00*3\r\n"), b"$7\r\n\r\n\x00*3\r\n\r\n"),
    ((b"SET", b"k", b"v"), b"+OK\r\n"),
    ((b"GET", b"k"), b"$1\r\nv\r\n"),
    ((b"GET", b"nothing"), b"$-1\r\n"),
    ((b"SET", b"k", b"w", b"NX"), b"$-1\r\n"),
    ((b"SET", b"other", b"w", b"XX"), b"$-1\r\n"),
    ((b"SET", b"k", b"", b"xx"), b"+OK\r\n"),
    ((b"MSET", b"a", b"1", b"b", b"2"), b"+OK\r\n"),
    ((b"MGET", b"a", b"zzz", b"b"), b"*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n"),
    ((b"EXISTS", b"a", b"a", b"zzz"), b":2\r\n"),
    ((b"INCR", b"a"), b":2\r\n"),
    ((b"DECR", b"new"), b":-1\r\n"),
    ((b"INCRBY", b"a", b"40"), b":42\r\n"),
    ((b"RPUSH", b"list", b"x", b"y"), b":2\r\n"),
    ((b"LPUSH", b"list", b"w"), b":3\r\n"),
    ((b"LRANGE", b"list", b"0", b"-1"), b"*3\r\n$1\r\nw\r\n$1\r\nx\r\n$1\r\ny\r\n"),
    ((b"LRANGE", b"list", b"-2", b"1"), b"*1\r\n$1\r\nx\r\n"),
    ((b"LLEN", b"list"), b":3\r\n"),
    ((b"TYPE", b"list"), b"+list\r\n"),
    ((b"KEYS", b"[ab]"), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    ((b"DBSIZE",), b":5\r\n"),
    ((b"DEL", b"a", b"b", b"zzz"), b":2\r\n"),
    ((b"SELECT", b"0"), b"+OK\r\n"),
    ((b"CLIENT", b"SETINFO", b"LIB-NAME", b"x"), b"+OK\r\n"),
    ((b"CONFIG", b"GET", b"save"), b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    ((b"MULTI",), b"+OK\r\n"),
    ((b"SET", b"t", b"1"), b"+QUEUED\r\n"),
    ((b"INCR", b"t"), b"+QUEUED\r\n"),
    ((b"EXEC",), b"*2\r\n+OK\r\n:2\r\n"),
    ((b"FLUSHALL",), b"+OK\r\n"),
    ((b"DBSIZE",), b":0\r\n"),
]
REQUESTS = b"".join(request(*arguments) for arguments, _ in CONVERSATION)
REPLIES = b"".join(reply for _, reply in CONVERSATION)

MISTAKES: list[tuple[tuple[bytes, ...], bytes]] = [
    ((b"NONSENSE",), b"-ERR unknown command 'NONSENSE'"),
    ((b"",), b"-ERR unknown command ''"),
    ((b"\xff\r\n-",), b"-ERR unknown command '\\xff\\r\\n-'"),
    ((b"GET",), b"-ERR wrong number of arguments for 'get' command"),
    ((b"GET", b"a", b"b"), b"-ERR wrong number of arguments for 'get' command"),
    ((b"MSET", b"a"), b"-ERR wrong number of arguments for 'mset' command"),
    ((b"SET", b"k", b"v", b"EX"), b"-ERR syntax error"),
    ((b"SET", b"k", b"v", b"NX", b"XX"), b"-ERR syntax error"),
    ((b"SET", b"k", b"v", b"EX", b"0"), b"-ERR invalid expire time in 'set' command"),
    ((b"SET", b"k", b"v", b"EX", b"1_0"), b"-ERR value is not an integer or out of range"),
    ((b"EXPIRE", b"text", b"9223372036854775807"), b"-ERR invalid expire time: a hundred years at most"),
    ((b"INCR", b"text"), b"-ERR value is not an integer or out of range"),
    ((b"INCRBY", b"n", b"9223372036854775808"), b"-ERR value is not an integer or out of range"),
    ((b"INCR", b"largest"), b"-ERR increment or decrement would overflow"),
    ((b"GET", b"list"), b"-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ((b"LPUSH", b"text", b"x"), b"-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ((b"SELECT", b"1"), b"-ERR DB index is out of range: this server has database 0 only"),
    ((b"HELLO", b"4"), b"-NOPROTO unsupported protocol version: this server speaks 2 and 3"),
    ((b"CONFIG", b"SET", b"save", b""), b"-ERR only CONFIG GET is there: nothing can be configured"),
    ((b"EXEC",), b"-ERR EXEC without MULTI"),
    ((b"DISCARD",), b"-ERR DISCARD without MULTI"),
]

BROKEN = [
    (b"*1\r\n:3\r\n", b"expected '$', got ':'"),
    (b"*x\r\n", b"invalid multibulk length"),
    (b"*1048577\r\n", b"invalid multibulk length"),
    (b"*1\r\n$-1\r\n", b"invalid bulk length"),
    (b"*1\r\n$1_0\r\n", b"invalid bulk length"),
    (b"*1\r\n$%d\r\n" % (MAX_BULK + 1), b"invalid bulk length"),
    (b"*2\r\n$1\r\nx\r\n$%d\r\n" % MAX_BULK, b"invalid bulk length"),
    (b"*1\r\n$4\r\nPINGxx", b"expected CRLF after a bulk string"),
    (b"*1\r\n$" + b"1" * 64, b"too big bulk count string"),
    (b"x" * 100_000, b"too big inline request"),
]


async def test_a_conversation_request_by_request() -> None:
    async with serving() as (_, connect):
        client = await connect()
        for arguments, reply in CONVERSATION:
            client.send(request(*arguments))
            await client.expect(reply)


async def test_the_same_in_one_piece() -> None:
    async with serving() as (_, connect):
        client = await connect()
        client.send(REQUESTS)
        await client.expect(REPLIES)


async def test_the_same_byte_by_byte() -> None:
    async with serving() as (_, connect):
        client = await connect()
        for index in range(len(REQUESTS)):
            client.send(REQUESTS[index : index + 1])
            await asyncio.sleep(0)
        await client.expect(REPLIES)


class Recorder:
    """A transport that keeps what is written: enough to put chunks through the protocol without sockets."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.disconnecting = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def registerProducer(self, producer: object, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def loseConnection(self) -> None:
        self.disconnecting = True


def replies_to(chunks: list[bytes]) -> tuple[bytes, bool]:
    protocol = RespProtocol()
    protocol.factory = RespFactory()
    transport = Recorder()
    protocol.makeConnection(transport)
    for chunk in chunks:
        protocol.dataReceived(chunk)
    return b"".join(transport.written), transport.disconnecting


INLINE = b"SET a 1\r\nGET a\r\n\r\nDEL a\r\n"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.integers(0, len(INLINE + REQUESTS + INLINE)), max_size=40))
def test_any_chunking_gives_the_same_replies(cuts: list[int]) -> None:
    stream = INLINE + REQUESTS + INLINE
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    inline = b"+OK\r\n$1\r\n1\r\n:1\r\n"
    assert replies_to([chunk for chunk in chunks if chunk]) == (inline + REPLIES + inline, False)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_no_bytes_raise_anything(chunks: list[bytes]) -> None:
    replies_to([b"*2\r\n$4\r\nECHO\r\n", *[chunk for chunk in chunks if chunk]])


@pytest.mark.parametrize(("stream", "problem"), BROKEN)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_broken_protocol_is_told_and_ends_the_connection(stream: bytes, problem: bytes, size: int) -> None:
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert replies_to([request(b"PING"), *chunks]) == (
        b"+PONG\r\n-ERR Protocol error: %b\r\n" % problem,
        True,
    )


async def test_after_broken_protocol_others_are_served() -> None:
    async with serving() as (factory, connect):
        bystander = await connect()
        for stream, problem in BROKEN:
            client = await connect()
            client.send(stream)
            await client.expect(b"-ERR Protocol error: %b\r\n" % problem)
            client.writer.close()
        assert await bystander.ask(b"PING") == b"+PONG"
        await until(lambda: len(factory.clients) == 1)


async def test_mistakes_leave_the_connection_usable() -> None:
    async with serving() as (factory, connect):
        factory.store.update({b"text": b"abc", b"list": [b"x"], b"largest": b"%d" % (2**63 - 1)})
        before = dict(factory.store)
        client = await connect()
        for arguments, reply in MISTAKES:
            assert await client.ask(*arguments) == reply
        assert factory.store == before
        assert await client.ask(b"PING") == b"+PONG"


async def test_inline_commands_between_counted_ones() -> None:
    async with serving() as (_, connect):
        client = await connect()
        client.send(b"SET a 1\r\n\r\n" + request(b"GET", b"a") + b"*0\r\n  INCR   a  \r\n" + request(b"PING"))
        await client.expect(b"+OK\r\n$1\r\n1\r\n:2\r\n+PONG\r\n")


async def test_quit_answers_and_closes() -> None:
    async with serving() as (factory, connect):
        client = await connect()
        client.send(request(b"QUIT") + request(b"SET", b"after", b"1"))
        assert await client.rest() == b"+OK\r\n"
        assert not factory.store
        inline = await connect()
        inline.send(b"QUIT\r\nSET after 1\r\n")
        assert await inline.rest() == b"+OK\r\n"
        assert not factory.store


async def test_a_transaction_with_a_mistake_is_discarded() -> None:
    async with serving() as (factory, connect):
        client = await connect()
        assert await client.ask(b"MULTI") == b"+OK"
        assert await client.ask(b"SET", b"a", b"1") == b"+QUEUED"
        assert await client.ask(b"SET", b"a") == b"-ERR wrong number of arguments for 'set' command"
        assert await client.ask(b"EXEC") == b"-EXECABORT Transaction discarded because of previous errors."
        assert not factory.store


async def test_hello_3_gives_maps_and_nulls_of_their_own() -> None:
    async with serving() as (_, connect):
        client = await connect()
        client.send(request(b"HELLO", b"3"))
        assert (await within(client.reader.readuntil(b"*0\r\n"))).startswith(b"%6\r\n$6\r\nserver\r\n")
        assert await client.ask(b"GET", b"nothing") == b"_"
        client.send(request(b"CONFIG", b"GET", b"appendonly"))
        await client.expect(b"%1\r\n$10\r\nappendonly\r\n$2\r\nno\r\n")


async def test_keys_expire_and_persist() -> None:
    async with serving() as (factory, connect):
        client = await connect()
        assert await client.ask(b"SET", b"short", b"1", b"PX", b"20") == b"+OK"
        assert await client.ask(b"SET", b"kept", b"1", b"PX", b"20") == b"+OK"
        assert await client.ask(b"PERSIST", b"kept") == b":1"
        await until(lambda: b"short" not in factory.store)
        assert await client.ask(b"TTL", b"short") == b":-2"
        assert await client.ask(b"TTL", b"kept") == b":-1"
        assert await client.ask(b"EXPIRE", b"kept", b"100") == b":1"
        assert await client.ask(b"TTL", b"kept") in (b":100", b":99")
        assert await client.ask(b"SET", b"kept", b"2", b"KEEPTTL") == b"+OK"
        assert len(factory.timers) == 1
        assert await client.ask(b"SET", b"kept", b"3") == b"+OK"
        assert await client.ask(b"TTL", b"kept") == b":-1"
        assert await client.ask(b"EXPIRE", b"kept", b"0") == b":1"
        assert await client.ask(b"EXISTS", b"kept") == b":0"
        assert await client.ask(b"EXPIRE", b"kept", b"10") == b":0"


async def test_closing_the_port_cancels_its_timers_and_ends_its_clients() -> None:
    async with serving() as (factory, connect):
        client, idle = await connect(), await connect()
        await until(lambda: len(factory.clients) == 2)
        assert await client.ask(b"SET", b"a", b"1", b"EX", b"1000") == b"+OK"
        timer = factory.timers[b"a"]
        assert timer.active()
    assert not factory.timers
    assert not timer.active()
    assert not factory.clients
    assert await idle.rest() == b""


async def test_a_large_value_in_many_reads() -> None:
    async with serving() as (factory, connect):
        client = await connect()
        value = bytes(range(256)) * 32_768
        client.send(request(b"SET", b"large", value) + request(b"GET", b"large"))
        await client.expect(b"+OK\r\n$%d\r\n%b\r\n" % (len(value), value))
        assert factory.store[b"large"] == value


class Observed(RespFactory):
    """A factory that keeps its protocols, and counts how often a value was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.protocols: list[Any] = []
        self.asked = 0

    def buildProtocol(self, addr: Any) -> Any:
        self.protocols.append(super().buildProtocol(addr))
        return self.protocols[-1]

    def text(self, key: bytes) -> bytes | None:
        self.asked += 1
        return super().text(key)


async def test_a_client_that_asks_and_never_reads_is_no_longer_read_from() -> None:
    """Else a few megabytes of requests would make gigabytes of replies in our memory."""
    total = 20_000
    async with serving(Observed()) as (factory, connect):
        factory.store[b"k"] = b"x" * 100_000  # 2 GB of replies in all
        client = await connect()
        client.writer.transport.pause_reading()
        client.send(request(b"GET", b"k") * total)
        await until(lambda: factory.protocols and factory.protocols[0].paused)
        bystander = await connect()
        for _ in range(100):
            assert await bystander.ask(b"PING") == b"+PONG"
        assert 0 < factory.asked < total / 4
        client.writer.transport.abort()
        await until(lambda: len(factory.clients) == 1)


async def test_it_goes_on_where_it_paused() -> None:
    async with serving(Observed()) as (factory, connect):
        factory.store[b"k"] = b"x" * 50_000
        client = await connect()
        client.writer.transport.pause_reading()
        client.send(request(b"GET", b"k") * 1000 + b"PING\r\n" + request(b"QUIT"))
        await until(lambda: factory.protocols and factory.protocols[0].paused)
        client.writer.transport.resume_reading()
        reply = b"$50000\r\n" + b"x" * 50_000 + b"\r\n"
        assert await client.rest() == reply * 1000 + b"+PONG\r\n+OK\r\n"


async def test_redis_asyncio_with_its_defaults() -> None:
    redis = pytest.importorskip("redis.asyncio")
    async with AsyncioReactor() as reactor:
        port = reactor.listenTCP(0, RespFactory(), interface="127.0.0.1").getHost().port
        for protocol in (2, 3, None):
            options = {} if protocol is None else {"protocol": protocol}
            async with redis.Redis(host="127.0.0.1", port=port, **options) as client:
                assert await within(client.set("a", 1))
                assert await within(client.get("a")) == b"1"
                assert await within(client.get("nothing")) is None
                async with client.pipeline() as pipeline:  # MULTI ... EXEC
                    pipeline.incr("a").incr("a")
                    assert await within(pipeline.execute()) == [2, 3]
                assert (await within(client.info()))["redis_version"] == "7.0.0"
                assert await within(client.config_get("databases")) in (
                    {"databases": "1"},
                    {b"databases": b"1"},
                )


def test_every_command_is_found_whatever_its_case() -> None:
    assert {b"PING", b"SET", b"GET", b"LRANGE", b"SELECT", b"COMMAND", b"INFO"} <= COMMANDS.keys()
    assert all(name == name.upper() for name in COMMANDS)


def test_run_alone_as_a_legacy_program() -> None:
    """``reactor.run()`` of the module-level reactor, ended by SIGINT as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        number = int(line.split("127.0.0.1:")[1].split(";")[0])
        assert asyncio.run(_ping(number)) == b"+PONG\r\n"
        process.send_signal(2)
        rest, _ = process.communicate(timeout=DEADLINE)
        assert (process.returncode, rest) == (0, "")
    finally:
        process.kill()
        process.communicate()


async def _ping(number: int) -> bytes:
    reader, writer = await within(asyncio.open_connection("127.0.0.1", number))
    writer.write(b"PING\r\n")
    answer = await within(reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer
