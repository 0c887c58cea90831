"""What connections over TLS have from one another, sessions, and from outside: their time, and the file for
their keys."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import with_each_library
from tests.support import until
from tests.transport.recorders import Listening
from tests.transport.tls_pairs import Ear, connect, facing, lose, lost, pair
from twisted_compat import AsyncioReactor
from twisted_compat.error import ConnectionDone, TimeoutError
from twisted_compat.transport import tls_stdlib

SHORT = 0.05  # seconds
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
pytestmark = pytest.mark.without_debug
with_each_version = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


@pytest.fixture(autouse=True)
def read_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python loses the memory of each: in these few tests that is nothing."""
    monkeypatch.setattr(tls_stdlib, "SESSIONS_LEAK", False)


def hello(ear: Ear) -> None:
    ear.transport.write(b"hello")


class Resuming:
    """A server that tells of each connection whether it continues a session."""

    def __init__(self, reactor: Any, context: Any) -> None:
        self.reactor = reactor
        self.listening = Listening(build=lambda addr: Ear(handshake=hello))
        self.port = reactor.listenSSL(0, self.listening, context, interface="127.0.0.1")

    async def resumed(self, context: Any, **options: Any) -> bool:
        """Connect, talk, and close; whether the server's TLS says that it is a resumption."""
        client = Ear()
        connect(self.reactor, self.port.getHost().port, client, context, **options)
        await until(lambda: client.received == b"hello")
        answer: bool = self.listening.protocols[-1].transport.getHandle().session_reused
        lose(client)
        await lost(client, ConnectionDone)
        return answer


@asynccontextmanager
async def resuming(certificates: Any, version: Any = ssl.TLSVersion.TLSv1_3) -> AsyncIterator[Resuming]:
    async with AsyncioReactor() as reactor:
        context = certificates.server_context()
        context.maximum_version = version
        yield Resuming(reactor, context)


@with_each_version
@with_each_library
async def test_a_second_connection_resumes_the_first_one_s_session(
    certificates: Any, library: str, version: Any
) -> None:
    context = certificates.client_context(library)
    async with resuming(certificates, version) as server:
        assert [await server.resumed(context) for _ in range(3)] == [False, True, True]


@with_each_library
async def test_not_with_another_context_or_name(certificates: Any, library: str) -> None:
    context, other = certificates.client_context(library), certificates.client_context(library)
    async with resuming(certificates) as server:
        assert not await server.resumed(context)
        assert not await server.resumed(other)
        assert not await server.resumed(context, server_hostname="localhost")
        assert await server.resumed(context)
        assert await server.resumed(context, server_hostname="localhost")


async def test_not_when_more_is_asked_of_the_server_than_before(certificates: Any) -> None:
    """A session that began without verification must not stand for one with it."""
    context = certificates.client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with resuming(certificates) as server:
        assert not await server.resumed(context)
        context.verify_mode = ssl.CERT_REQUIRED
        assert not await server.resumed(context)
        context.check_hostname = True
        assert not await server.resumed(context)
        assert await server.resumed(context)


async def test_what_was_refused_is_refused_again(certificates: Any) -> None:
    context = certificates.client_context(ca=certificates.other_ca_path)
    async with AsyncioReactor() as reactor:
        listening = Listening(build=lambda addr: Ear())
        port = reactor.listenSSL(0, listening, certificates.server_context(), interface="127.0.0.1")
        for _ in range(2):
            client = Ear()
            connect(reactor, port.getHost().port, client, context)
            await lost(client, ssl.SSLCertVerificationError)


async def test_a_resumed_connection_knows_its_peer(certificates: Any) -> None:
    context = certificates.client_context()
    shown: list[Any] = []
    async with resuming(certificates) as server:
        for _ in range(2):
            client = Ear(handshake=lambda ear: shown.append(ear.transport.getPeerCertificate()))
            connect(server.reactor, server.port.getHost().port, client, context)
            await until(lambda client=client: client.received)
            lose(client)
            await lost(client, ConnectionDone)
        assert server.listening.protocols[-1].events[:2] == ["made", "handshake"]
    assert shown[0].der == shown[1].der and shown[0].info == shown[1].info


# Keys

KEY_LINE = re.compile(
    r"(CLIENT_RANDOM|(CLIENT|SERVER)_(HANDSHAKE_TRAFFIC_SECRET|TRAFFIC_SECRET_0)|EXPORTER_SECRET)"
    r" [0-9a-f]{64} ([0-9a-f]{64}|[0-9a-f]{96})"
)


@with_each_version
@with_each_library
async def test_keys_are_appended_to_the_file_that_is_asked_for(
    certificates: Any, library: str, version: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends' keys, which are the same, whenever their contexts were made."""
    server_context = certificates.server_context(library)
    client_context = certificates.client_context(library)
    if library == "stdlib":
        client_context.maximum_version = version
    else:
        client_context.set_max_proto_version(version.value)
    log = tmp_path / "keys"
    log.write_text("# from before\n")
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    contexts = {"server_context": server_context, "client_context": client_context}
    async with pair(certificates, **contexts) as both:
        lose(both.client)
        await both.over()
    first, *rest = log.read_text().splitlines()
    lines = [line for line in rest if not line.startswith("#")]
    assert first == "# from before"
    assert all(KEY_LINE.fullmatch(line) for line in lines), lines
    kinds = {line.split()[0] for line in lines}
    if version is ssl.TLSVersion.TLSv1_2:
        assert kinds == {"CLIENT_RANDOM"}
    else:
        assert kinds > {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
    assert len({line.split()[1] for line in lines}) == 1
    assert all(lines.count(line) == 2 for line in lines)


async def test_no_keys_are_written_unasked(
    certificates: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    monkeypatch.chdir(tmp_path)
    async with pair(certificates) as both:
        lose(both.client)
        await both.over()
    assert list(tmp_path.iterdir()) == []


# Time


@with_each_library
@pytest.mark.parametrize("role", ["server", "client"])
async def test_a_handshake_that_takes_too_long_is_given_up(
    certificates: Any, library: str, role: str
) -> None:
    options = {"role": role, "library": library, "opened": False, "ssl_handshake_timeout": SHORT}
    async with facing(certificates, Ear(made=hello), **options) as both:
        said = await lost(both.ear, TimeoutError)
        assert "handshake" in said
        await both.other.ended()
        assert both.ear.events == ["made", "lost"]
        assert both.reactor.getDelayedCalls() == []


async def test_so_is_one_that_was_started(certificates: Any) -> None:
    async with facing(certificates, plain=True) as both:
        both.ear.transport.startTLS(certificates.server_context(), ssl_handshake_timeout=SHORT)
        assert "handshake" in await lost(both.ear, TimeoutError)
        await both.other.ended()


async def test_a_peer_that_sends_a_byte_now_and_then_gains_no_time(certificates: Any) -> None:
    async with facing(certificates, opened=False, ssl_handshake_timeout=SHORT) as both:
        with pytest.raises(ssl.SSLWantReadError):
            both.other.tls.do_handshake()
        opening = both.other.outgoing.read()
        with suppress(ConnectionError):
            for place in range(len(opening) - 1):
                await both.other.send(opening[place : place + 1])
                await asyncio.sleep(0.001)
        assert "handshake" in await lost(both.ear, TimeoutError)


async def test_no_timer_is_left_of_a_handshake(certificates: Any) -> None:
    async with pair(certificates) as both:
        assert both.reactor.getDelayedCalls() == []


async def test_closing_does_not_give_a_handshake_more_time(certificates: Any) -> None:
    """What was written waits for it, in vain."""

    def speak(ear: Ear) -> None:
        hello(ear)
        lose(ear)

    async with facing(certificates, Ear(made=speak), opened=False, ssl_handshake_timeout=SHORT) as both:
        await until(lambda: both.ear.lost)
        await both.other.ended()
