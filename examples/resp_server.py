"""A Redis-protocol key-value server, written the way Twisted programs have been written since 2010.

A ``Protocol`` per connection, a ``Factory`` with the state they share, ``reactor.callLater`` for what happens
later; nothing in it knows asyncio. Run it alone with ``python examples/resp_server.py [port]``, or serve it
from inside an asyncio application as ``demo.py`` does. Any Redis client talks to it: replies are RESP2, or
RESP3 once a client has asked for that with ``HELLO 3``.
"""

from __future__ import annotations

import fnmatch
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

from twisted_compat import reactor
from twisted_compat.protocol import ServerFactory
from twisted_compat.protocols.basic import LineReceiver

MAX_BULK = 512 * 1024 * 1024  # bytes, in one argument and in one request: Redis's own bound for a value
MAX_ARGUMENTS = 1024 * 1024
MAX_NUMBER_LINE = 32  # bytes: "*1048576" and "$536870912" fit easily
MAX_LIFETIME = 100 * 365 * 86400  # seconds
REPLY_CHUNK = 64 * 1024  # bytes of replies collected before they are handed to the transport

OK = b"+OK\r\n"
NIL = {2: b"$-1\r\n", 3: b"_\r\n"}  # by version of the protocol


class RespError(Exception):
    """A mistake in a command: the client is told, the connection goes on."""


class BrokenProtocol(Exception):
    """Bytes that are not RESP: where the next request starts can't be known, so the connection ends."""


WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def integer(number: int) -> bytes:
    return b":%d\r\n" % number


def array(replies: Iterable[bytes]) -> bytes:
    parts = list(replies)
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def number_in(text: bytes) -> int:
    """A signed 64-bit integer as Redis writes it: no spaces, no plus sign, no underscores."""
    if not text.removeprefix(b"-").isdigit() or len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise RespError(NOT_AN_INTEGER)
    return int(text)


def lifetime_in(text: bytes, units_a_second: int) -> float:
    """A time to live, in seconds."""
    seconds = number_in(text) / units_a_second
    if seconds > MAX_LIFETIME:
        raise RespError("ERR invalid expire time: a hundred years at most")
    return seconds


class RespProtocol(LineReceiver):
    """One client.

    Line mode is where a request starts: an inline command (``SET a 1``, as a person types it into telnet) is
    a line of its own. A line ``*<count>`` starts a request of counted arguments, which are read in raw mode
    since they may hold any byte.
    """

    delimiter = b"\r\n"
    MAX_LENGTH = 64 * 1024

    factory: RespFactory

    def __init__(self) -> None:
        self._partial: list[bytes] = []  # pieces of a request that has not arrived whole
        self._partial_bytes = 0
        self._needed = 0  # parsing before so many bytes are held would be in vain
        self._arguments: list[bytes] = []
        self._missing = 0  # arguments still to come
        self._size = 0  # bytes of arguments in this request
        self._bulk = -1  # length of the argument being read, -1 when its $ line is still to come
        self._version = 2  # of the protocol that our replies are written in
        self._queue: list[list[bytes]] | None = None  # between MULTI and EXEC
        self._queue_spoilt = False
        self._quitting = False

    # What the transport and LineReceiver call

    def connectionMade(self) -> None:
        self.factory.clients.add(self)
        # We are the producer of our replies: a client that asks without ever reading is not read from either.
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.clients.discard(self)
        self._partial = []

    def lineReceived(self, line: bytes) -> None:
        if self._quitting:
            return
        try:
            if line[:1] == b"*":
                self._start_request(line)
            elif arguments := line.split():
                self.transport.write(self._answer(arguments))
        except BrokenProtocol as problem:
            self._break_off(problem)
        if self._quitting:
            self.leave()

    def lineLengthExceeded(self, line: bytes) -> None:
        self._break_off(BrokenProtocol("too big inline request"))

    def rawDataReceived(self, data: bytes) -> None:
        if self._quitting:
            return
        if self._partial_bytes:
            self._partial.append(data)
            self._partial_bytes += len(data)
            if self._partial_bytes < self._needed:
                return
            data = b"".join(self._partial)
            self._partial, self._partial_bytes = [], 0
        replies: list[bytes] = []
        try:
            self._read_requests(data, replies)
        except BrokenProtocol as problem:
            self.transport.write(b"".join(replies))
            self._break_off(problem)
            return
        if replies:
            self.transport.write(b"".join(replies))
        if self._quitting:
            self.leave()

    # Reading requests

    def _start_request(self, line: bytes) -> None:
        count = self._length(line, "multibulk", MAX_ARGUMENTS)
        if count > 0:
            self._missing = count
            self.setRawMode()

    @staticmethod
    def _length(line: bytes, kind: str, limit: int) -> int:
        digits = line[1:]
        if not digits.removeprefix(b"-").isdigit() or len(digits) > MAX_NUMBER_LINE or int(digits) > limit:
            raise BrokenProtocol(f"invalid {kind} length")
        return int(digits)

    def _read_requests(self, data: bytes, replies: list[bytes]) -> None:
        """Answer every whole request in ``data``, however many were pipelined, and keep the rest."""
        position, end, collected = 0, len(data), 0
        while not self._quitting:
            while self._missing:
                if self._bulk < 0:
                    line_end = data.find(b"\r\n", position, position + MAX_NUMBER_LINE)
                    if line_end < 0:
                        if end - position >= MAX_NUMBER_LINE:
                            raise BrokenProtocol("too big bulk count string")
                        self._keep(data, position, end - position + 1)
                        return
                    if data[position] != 0x24:
                        raise BrokenProtocol(f"expected '$', got '{chr(data[position])}'")
                    self._bulk = self._length(data[position:line_end], "bulk", MAX_BULK)
                    self._size += self._bulk
                    if self._bulk < 0 or self._size > MAX_BULK:
                        raise BrokenProtocol("invalid bulk length")
                    position = line_end + 2
                bulk_end = position + self._bulk
                if bulk_end + 2 > end:
                    self._keep(data, position, self._bulk + 2)
                    return
                if data[bulk_end : bulk_end + 2] != b"\r\n":
                    raise BrokenProtocol("expected CRLF after a bulk string")
                self._arguments.append(data[position:bulk_end])
                position, self._bulk = bulk_end + 2, -1
                self._missing -= 1
            arguments, self._arguments, self._size = self._arguments, [], 0
            reply = self._answer(arguments)
            replies.append(reply)
            collected += len(reply)
            if collected > REPLY_CHUNK:
                self.transport.write(b"".join(replies))
                collected = 0
                replies.clear()
            line_end = -1
            if data[position : position + 1] == b"*" and not self.paused:
                line_end = data.find(b"\r\n", position, position + MAX_NUMBER_LINE)
            if line_end < 0:
                # An inline command, half a line, a pause or nothing: LineReceiver's, which also keeps it.
                self.setLineMode(data[position:])
                return
            self._missing = max(0, self._length(data[position:line_end], "multibulk", MAX_ARGUMENTS))
            position = line_end + 2
            if not self._missing:
                self.setLineMode(data[position:])
                return

    def _keep(self, data: bytes, position: int, needed: int) -> None:
        rest = data[position:]
        self._partial_bytes = len(rest)
        self._partial = [rest] if rest else []
        self._needed = needed

    # Answering them

    def _answer(self, arguments: list[bytes]) -> bytes:
        name = arguments[0].upper()
        try:
            if self._queue is not None and name not in (b"EXEC", b"DISCARD", b"MULTI", b"QUIT"):
                self._command(arguments)
                self._queue.append(arguments)
                return b"+QUEUED\r\n"
            return self._command(arguments)(self, *arguments[1:])
        except RespError as problem:
            self._queue_spoilt = True
            return b"-%b\r\n" % str(problem).encode()

    def _command(self, arguments: list[bytes]) -> Callable[..., bytes]:
        entry = COMMANDS.get(arguments[0].upper())
        if entry is None:
            shown = ascii(arguments[0][:64].decode("latin-1"))
            raise RespError(f"ERR unknown command {shown}")
        function, least, most = entry
        if not least <= len(arguments) - 1 <= most:
            raise RespError(f"ERR wrong number of arguments for '{arguments[0].decode().lower()}' command")
        return function

    def _break_off(self, problem: BrokenProtocol) -> None:
        self.transport.write(b"-ERR Protocol error: %b\r\n" % str(problem).encode("ascii", "replace"))
        self.leave()

    def leave(self) -> None:
        self._quitting = True
        self.clearLineBuffer()
        self.transport.unregisterProducer()  # loseConnection would wait for a producer
        self.transport.loseConnection()

    def _value(self, value: bytes | None) -> bytes:
        return NIL[self._version] if value is None else bulk(value)

    def _mapping(self, pairs: dict[bytes, bytes]) -> bytes:
        """Names, each with a reply: RESP3 has a type for that, RESP2 an array of both in turn."""
        words = [word for name, reply in pairs.items() for word in (bulk(name), reply)]
        return array(words) if self._version == 2 else b"%%%d\r\n%b" % (len(pairs), b"".join(words))

    # The commands: a method each, cmd_NAME, whose parameters are the command's

    def cmd_PING(self, message: bytes | None = None) -> bytes:
        return b"+PONG\r\n" if message is None else bulk(message)

    def cmd_ECHO(self, message: bytes) -> bytes:
        return bulk(message)

    def cmd_QUIT(self) -> bytes:
        self._quitting = True
        return OK

    def cmd_SELECT(self, index: bytes) -> bytes:
        if number_in(index) != 0:
            raise RespError("ERR DB index is out of range: this server has database 0 only")
        return OK

    def cmd_HELLO(self, version: bytes = b"2", *options: bytes) -> bytes:
        wanted = number_in(version)
        if wanted not in NIL:
            raise RespError("NOPROTO unsupported protocol version: this server speaks 2 and 3")
        if options:
            raise RespError("ERR syntax error: HELLO takes a version only, there are no users here")
        self._version = wanted
        words = {
            b"server": b"twisted-compat",
            b"version": b"7.0.0",
            b"mode": b"standalone",
            b"role": b"master",
        }
        facts = {name: bulk(word) for name, word in words.items()}
        return self._mapping({**facts, b"proto": integer(wanted), b"modules": array([])})

    def cmd_CLIENT(self, subcommand: bytes, *options: bytes) -> bytes:
        if subcommand.upper() in (b"SETINFO", b"SETNAME", b"NO-EVICT", b"NO-TOUCH"):
            return OK
        raise RespError("ERR unknown subcommand of CLIENT. SETINFO and SETNAME are there")

    def cmd_CONFIG(self, subcommand: bytes, *names: bytes) -> bytes:
        if subcommand.upper() != b"GET":
            raise RespError("ERR only CONFIG GET is there: nothing can be configured")
        settings = {b"save": b"", b"appendonly": b"no", b"databases": b"1"}
        wanted = [name for name in settings if any(matches(name, pattern) for pattern in names)]
        return self._mapping({name: bulk(settings[name]) for name in wanted})

    def cmd_COMMAND(self, *options: bytes) -> bytes:
        if options and options[0].upper() == b"COUNT":
            return integer(len(COMMANDS))
        return array([])

    def cmd_INFO(self, *sections: bytes) -> bytes:
        lines = [
            "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n",
            f"# Clients\r\nconnected_clients:{len(self.factory.clients)}\r\n",
            f"# Keyspace\r\ndb0:keys={len(self.factory.store)}\r\n",
        ]
        return bulk("".join(lines).encode())

    def cmd_SET(self, key: bytes, value: bytes, *options: bytes) -> bytes:
        words = [option.upper() for option in options]
        seconds: float | None = None
        condition = b""
        keep = False
        while words:
            word = words.pop(0)
            if word in (b"EX", b"PX") and words and seconds is None:
                seconds = lifetime_in(words.pop(0), 1 if word == b"EX" else 1000)
                if seconds <= 0:
                    raise RespError("ERR invalid expire time in 'set' command")
            elif word in (b"NX", b"XX") and not condition:
                condition = word
            elif word == b"KEEPTTL":
                keep = True
            else:
                raise RespError("ERR syntax error")
        if keep and seconds is not None:
            raise RespError("ERR syntax error")
        if condition and (key in self.factory.store) != (condition == b"XX"):
            return self._value(None)
        if not keep:
            self.factory.persist(key)
        self.factory.store[key] = value
        if seconds is not None:
            self.factory.expire(key, seconds)
        return OK

    def cmd_GET(self, key: bytes) -> bytes:
        return self._value(self.factory.text(key))

    def cmd_MGET(self, key: bytes, *keys: bytes) -> bytes:
        values = [self.factory.store.get(each) for each in (key, *keys)]
        return array(self._value(value if isinstance(value, bytes) else None) for value in values)

    def cmd_MSET(self, *pairs: bytes) -> bytes:
        if not pairs or len(pairs) % 2:
            raise RespError("ERR wrong number of arguments for 'mset' command")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            self.cmd_SET(key, value)
        return OK

    def cmd_DEL(self, key: bytes, *keys: bytes) -> bytes:
        return integer(sum(self.factory.forget(each) for each in (key, *keys)))

    def cmd_EXISTS(self, key: bytes, *keys: bytes) -> bytes:
        return integer(sum(each in self.factory.store for each in (key, *keys)))

    def cmd_INCR(self, key: bytes) -> bytes:
        return self.cmd_INCRBY(key, b"1")

    def cmd_DECR(self, key: bytes) -> bytes:
        return self.cmd_INCRBY(key, b"-1")

    def cmd_INCRBY(self, key: bytes, amount: bytes) -> bytes:
        total = number_in(self.factory.text(key) or b"0") + number_in(amount)
        if not -(2**63) <= total < 2**63:
            raise RespError("ERR increment or decrement would overflow")
        self.factory.store[key] = b"%d" % total
        return integer(total)

    def cmd_EXPIRE(self, key: bytes, seconds: bytes) -> bytes:
        return self._expire_in(key, lifetime_in(seconds, 1))

    def cmd_PEXPIRE(self, key: bytes, milliseconds: bytes) -> bytes:
        return self._expire_in(key, lifetime_in(milliseconds, 1000))

    def _expire_in(self, key: bytes, seconds: float) -> bytes:
        if key not in self.factory.store:
            return integer(0)
        if seconds <= 0:
            self.factory.forget(key)
        else:
            self.factory.expire(key, seconds)
        return integer(1)

    def cmd_TTL(self, key: bytes) -> bytes:
        left = self.factory.time_left(key)
        return integer(round(left) if left >= 0 else int(left))

    def cmd_PTTL(self, key: bytes) -> bytes:
        left = self.factory.time_left(key)
        return integer(round(left * 1000) if left >= 0 else int(left))

    def cmd_PERSIST(self, key: bytes) -> bytes:
        return integer(self.factory.persist(key))

    def cmd_TYPE(self, key: bytes) -> bytes:
        value = self.factory.store.get(key)
        return b"+none\r\n" if value is None else b"+string\r\n" if isinstance(value, bytes) else b"+list\r\n"

    def cmd_KEYS(self, pattern: bytes) -> bytes:
        return array(bulk(key) for key in list(self.factory.store) if matches(key, pattern))

    def cmd_DBSIZE(self) -> bytes:
        return integer(len(self.factory.store))

    def cmd_FLUSHDB(self, *options: bytes) -> bytes:
        self.factory.clear()
        return OK

    cmd_FLUSHALL = cmd_FLUSHDB

    def cmd_LPUSH(self, key: bytes, value: bytes, *values: bytes) -> bytes:
        items = self.factory.items(key, make=True)
        for each in (value, *values):
            items.insert(0, each)
        return integer(len(items))

    def cmd_RPUSH(self, key: bytes, value: bytes, *values: bytes) -> bytes:
        items = self.factory.items(key, make=True)
        items.extend((value, *values))
        return integer(len(items))

    def cmd_LLEN(self, key: bytes) -> bytes:
        return integer(len(self.factory.items(key)))

    def cmd_LRANGE(self, key: bytes, start: bytes, stop: bytes) -> bytes:
        items = self.factory.items(key)
        first, last = (n + len(items) if n < 0 else n for n in (number_in(start), number_in(stop)))
        return array(bulk(item) for item in items[max(0, first) : max(0, last + 1)])

    def cmd_MULTI(self) -> bytes:
        if self._queue is not None:
            raise RespError("ERR MULTI calls can not be nested")
        self._queue, self._queue_spoilt = [], False
        return OK

    def cmd_EXEC(self) -> bytes:
        queue, self._queue = self._queue, None
        if queue is None:
            raise RespError("ERR EXEC without MULTI")
        if self._queue_spoilt:
            raise RespError("EXECABORT Transaction discarded because of previous errors.")
        return array([self._answer(arguments) for arguments in queue])

    def cmd_DISCARD(self) -> bytes:
        if self._queue is None:
            raise RespError("ERR DISCARD without MULTI")
        self._queue = None
        return OK


def matches(name: bytes, pattern: bytes) -> bool:
    return fnmatch.fnmatchcase(name.decode("latin-1"), pattern.decode("latin-1"))


def commands_of(cls: type) -> dict[bytes, tuple[Callable[..., bytes], int, int]]:
    """name -> (function, fewest arguments, most arguments), read off the signatures once."""
    table: dict[bytes, tuple[Callable[..., bytes], int, int]] = {}
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if name.startswith("cmd_"):
            parameters = list(inspect.signature(function).parameters.values())[1:]
            least = sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in parameters)
            most = MAX_ARGUMENTS if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(parameters)
            table[name.removeprefix("cmd_").encode()] = (function, least, most)
    return table


COMMANDS = commands_of(RespProtocol)


class RespFactory(ServerFactory):
    """The database, and what all its clients share. A key that expires has a ``callLater`` of its own."""

    protocol = RespProtocol

    def __init__(self) -> None:
        self.store: dict[bytes, bytes | list[bytes]] = {}
        self.timers: dict[bytes, Any] = {}
        self.clients: set[RespProtocol] = set()

    def stopFactory(self) -> None:
        for client in list(self.clients):
            client.leave()
        self.clear()

    def clear(self) -> None:
        self.store.clear()
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    def text(self, key: bytes) -> bytes | None:
        """The string at ``key``, or None where there is nothing; a list there is the client's mistake."""
        value = self.store.get(key)
        if isinstance(value, list):
            raise RespError(WRONG_TYPE)
        return value

    def items(self, key: bytes, make: bool = False) -> list[bytes]:
        """The list at ``key``; where there is nothing an empty one, put there if ``make``."""
        value = self.store.get(key)
        if value is None:
            value = []
            if make:
                self.store[key] = value
        if isinstance(value, bytes):
            raise RespError(WRONG_TYPE)
        return value

    def forget(self, key: bytes) -> bool:
        self.persist(key)
        return self.store.pop(key, None) is not None

    def persist(self, key: bytes) -> bool:
        """Let ``key`` live for ever; say whether it was to expire."""
        timer = self.timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def expire(self, key: bytes, seconds: float) -> None:
        self.persist(key)
        self.timers[key] = reactor.callLater(seconds, self._expired, key)

    def _expired(self, key: bytes) -> None:
        del self.timers[key]
        del self.store[key]

    def time_left(self, key: bytes) -> float:
        """Seconds until ``key`` expires, -1 if it never does, -2 if it isn't there: what TTL answers."""
        if key not in self.store:
            return -2
        timer = self.timers.get(key)
        return -1 if timer is None else max(0.0, timer.getTime() - reactor.seconds())


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 6380
    port = reactor.listenTCP(number, RespFactory(), interface="127.0.0.1")
    print(f"Redis protocol on 127.0.0.1:{port.getHost().port}; end it with Ctrl-C", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
