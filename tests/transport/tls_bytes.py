"""TLS in memory: what the tests of the engine share. Two sides that talk, records, and what somebody who has
the keys can put into records that OpenSSL would never make.

:class:`Reference` does with two ``ssl.MemoryBIO`` objects, as simply as can be, what an engine has to do; it
is the peer that knows nothing of this package.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.certificates import Certificates
from twisted_compat.transport.tls_context import backend_maker
from twisted_compat.transport.tls_engine import TLSEngine

__all__ = [
    "ALERT",
    "APPLICATION",
    "CHANGE_CIPHER_SPEC",
    "CLOSE",
    "CLOSE_NOTIFY",
    "HANDSHAKE",
    "VERSIONS",
    "Contexts",
    "Forger",
    "Layer",
    "Reference",
    "Side",
    "alert",
    "chunks",
    "kinds",
    "record",
    "records",
    "side_of",
    "talk",
]

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23  # RFC 8446, 5.1
CLOSE_NOTIFY = 0
CLOSE = object()
"""Among what a side is to send: its close_notify."""


def record(kind: int, content: bytes, version: int = 0x0303) -> bytes:
    """One record with its header."""
    return struct.pack("!BHH", kind, version, len(content)) + content


def alert(description: int, level: int = 2) -> bytes:
    """A record with an alert, in the clear."""
    return record(ALERT, bytes([level, description]))


def records(stream: bytes) -> list[bytes]:
    """Cut a stream where its records end."""
    found = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        found.append(stream[:end])
        stream = stream[end:]
    return found


def kinds(stream: bytes) -> list[int]:
    """What the records of a stream say they are."""
    return [piece[0] for piece in records(stream)]


class Reference:
    """One side of a TLS connection made of the standard library's parts, with the methods of an engine."""

    State = Enum("State", "HANDSHAKING OPEN FAILED")

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None) -> None:
        self.incoming, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.out, server_side, server_hostname)
        self.state = self.State.HANDSHAKING
        self.failure: Exception | None = None
        self.peer_closed = self.closed = False
        self.news = True

    def start(self) -> None:
        self.receive(b"")

    def receive(self, data: bytes) -> bytes:
        self.incoming.write(data)
        plain = b""
        try:
            if self.state is self.State.HANDSHAKING:
                self.tls.do_handshake()
                self.state = self.State.OPEN
            while self.state is self.State.OPEN and not self.peer_closed:
                piece = self.tls.read(100_000)
                plain += piece
                self.peer_closed = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.peer_closed = True
        except ssl.SSLError as error:
            self.state, self.failure = self.State.FAILED, error
        return plain

    def send(self, data: bytes) -> None:
        while data:
            data = data[self.tls.write(data) :]

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()

    def outgoing(self) -> bytes:
        return self.out.read()


class Contexts:
    """Contexts, each made once, and sides of connections made with them.

    :param certificates: whose ``server`` certificate servers show.
    """

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self._made: dict[Any, Any] = {}

    def context(self, library: str, server: bool, version: str) -> Any:
        """A context of one version of TLS, and of that only."""
        if library == "reference":
            library = "stdlib"
        key = library, server, version
        if key not in self._made:
            make = self.certificates.server_context if server else self.certificates.client_context
            self._made[key] = limited(make(library), version)
        return self._made[key]

    def side(self, library: str, server: bool, version: str = "1.3") -> Side:
        """A side that knows nothing of any connection before.

        :param library: "stdlib", "pyopenssl": an engine; "reference": the peer that isn't of this package.
        """
        return side_of(self.context(library, server, version), server, reference=library == "reference")

    def pair(self, client: str, server: str, version: str = "1.3") -> tuple[Side, Side]:
        """Two sides that haven't begun."""
        return self.side(client, False, version), self.side(server, True, version)

    def opened(self, client: str, server: str, version: str = "1.3") -> tuple[Side, Side]:
        """Two sides that have shaken hands."""
        client_side, server_side = self.pair(client, server, version)
        talk(client_side, server_side)
        assert client_side.events == server_side.events == ["open"]
        return client_side, server_side


def limited(context: Any, version: str) -> Any:
    """Have a context speak one version only."""
    number = VERSIONS[version]
    if isinstance(context, ssl.SSLContext):
        context.minimum_version = context.maximum_version = number
    else:
        context.set_min_proto_version(number)
        context.set_max_proto_version(number)
    return context


class Layer:
    """What a backend may ask of the TLS layer."""

    def __init__(self, factory: Any = None) -> None:
        self.factory = SimpleNamespace(wrappedFactory=factory)


def side_of(
    context: Any,
    server: bool,
    hostname: str | None = "localhost",
    *,
    factory: Any = None,
    reference: bool = False,
) -> Side:
    """One side with an engine of the context's library.

    :param factory: of the protocols, which may have a say in ALPN.
    """
    if reference:
        return Side(Reference(context, server, None if server else hostname))
    make = backend_maker(context, not server, hostname, factory)
    return Side(TLSEngine(make(Layer(factory))))


class Side:
    """An engine, and what has come out of it.

    :ivar plain: what it has delivered.
    :ivar events: "open", "data" (for any number of deliveries that follow each other), "closed", "failed".
    :ivar on_open: what is sent when the handshake is through: messages, and CLOSE.
    :ivar on_closed: what is sent when the peer has closed.
    """

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.plain = bytearray()
        self.events: list[str] = []
        self.on_open: list[Any] = []
        self.on_closed: list[Any] = []
        self.wire = bytearray()
        engine.start()

    @property
    def state(self) -> str:
        name: str = self.engine.state.name
        return name

    def take(self, data: bytes) -> bytes:
        """Give the engine what the peer has sent; note what happens, and do what is to be done then."""
        self.gather()
        plain: bytes = self.engine.receive(data)
        answer = self.engine.outgoing()
        assert self.engine.news or not answer, "who looks at nothing but the news would not have sent this"
        self.wire += answer
        if self.state != "HANDSHAKING" and "open" not in self.events and (plain or self.state == "OPEN"):
            self._happened("open", self.on_open)
        if plain:
            self._happened("data", [])
            self.plain += plain
        if self.engine.peer_closed and "closed" not in self.events:
            self._happened("closed", self.on_closed)
        if self.state == "FAILED" and "failed" not in self.events:
            assert self.engine.failure is not None
            self._happened("failed", [])
        return plain

    def _happened(self, event: str, then: Iterable[Any]) -> None:
        assert "failed" not in self.events
        assert event != "data" or "closed" not in self.events
        if self.events[-1:] != [event]:
            self.events.append(event)
        for item in then:
            if item is CLOSE:
                self.engine.close()
            else:
                self.engine.send(item)

    def gather(self) -> None:
        self.wire += self.engine.outgoing()

    def outgoing(self) -> bytes:
        """All that there is to be sent."""
        self.gather()
        data = bytes(self.wire)
        self.wire.clear()
        return data

    def send(self, *items: Any) -> bytes:
        """Send messages, or CLOSE; return what is to be sent for it."""
        for item in items:
            if item is CLOSE:
                self.engine.close()
            else:
                self.engine.send(item)
        return self.outgoing()


def chunks(stream: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut a stream into pieces of these sizes, again and again."""
    position = 0
    for size in itertools.cycle(sizes):
        if position >= len(stream):
            return
        yield stream[position : position + size]
        position += size


def talk(
    one: Side, other: Side, sizes: Iterable[int] = (1 << 30,), back: Iterable[int] | None = None
) -> None:
    """Carry what each side has to say to the other one until neither says anything.

    :param sizes: of the pieces of what ``one`` says, again and again; ``back``: of what ``other`` says.
    """
    ways = [(one, other, itertools.cycle(sizes)), (other, one, itertools.cycle(back or sizes))]
    speaking = True
    while speaking:
        speaking = False
        for source, target, portions in ways:
            source.gather()
            if source.wire:
                speaking = True
                size = next(portions)
                piece = bytes(source.wire[:size])
                del source.wire[:size]
                target.take(piece)


class Forger:
    """Makes records of TLS 1.3 with the keys of one side, as they stand when it has said nothing but its
    handshake: what an authenticated, malicious or merely unusual peer may send.

    :param log: the file that the keys were written to (SSLKEYLOGFILE).
    :param server: whether to speak as the server.
    """

    def __init__(self, log: Path, server: bool) -> None:
        label = "SERVER_TRAFFIC_SECRET_0" if server else "CLIENT_TRAFFIC_SECRET_0"
        (line,) = (line for line in log.read_text().splitlines() if line.startswith(label))
        self._use(bytes.fromhex(line.split()[2]))

    def _use(self, secret: bytes) -> None:
        self.secret = secret
        self.hash: Callable[..., Any] = {32: hashlib.sha256, 48: hashlib.sha384}[len(secret)]
        # TLS_AES_256_GCM_SHA384, which is OpenSSL's first choice.
        self.key, self.iv = self._expand("key", 32), self._expand("iv", 12)
        self.sequence = 0

    def _expand(self, label: str, size: int) -> bytes:
        """RFC 8446, 7.1: HKDF-Expand-Label, where one block suffices."""
        name = b"tls13 " + label.encode()
        info = struct.pack("!HB", size, len(name)) + name + b"\0" + b"\1"
        return hmac.new(self.secret, info, self.hash).digest()[:size]

    def record(self, kind: int, content: bytes, padding: int = 0) -> bytes:
        """One encrypted record (RFC 8446, 5.2)."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = int.from_bytes(self.iv, "big") ^ self.sequence
        self.sequence += 1
        inner = content + bytes([kind]) + bytes(padding)
        header = struct.pack("!BHH", APPLICATION, 0x0303, len(inner) + 16)
        return header + AESGCM(self.key).encrypt(nonce.to_bytes(12, "big"), inner, header)

    def key_update(self, answer: bool) -> bytes:
        """A KeyUpdate (RFC 8446, 4.6.3); what is made after it is made with the new keys."""
        made = self.record(HANDSHAKE, b"\x18\0\0\x01" + bytes([answer]))
        self._use(self._expand("traffic upd", len(self.secret)))
        return made

    def alert(self, description: int, level: int = 1) -> bytes:
        return self.record(ALERT, bytes([level, description]))
